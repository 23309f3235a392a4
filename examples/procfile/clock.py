"""Says when something is due: one such process is enough, so it is never scaled above 1."""

import signal
import threading
import time

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())

while True:
    print(f"tick at {time.strftime('%H:%M:%S')}", flush=True)
    if stopped.wait(10):
        break
