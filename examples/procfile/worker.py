"""Works until it is told to stop, and ends what it has begun."""

import itertools
import signal
import threading

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())

for job in itertools.count(1):
    print(f"job {job} done", flush=True)
    if stopped.wait(5):
        break
print("no job is left half-done", flush=True)
