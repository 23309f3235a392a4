"""Answers requests. Nothing but Python's own library."""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = os.environ.get("GREETING", "Hello")


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{GREETING} from {os.environ['DYNO']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The router logs every request."""


# The port is new at every start, and the router comes from outside the dyno: 127.0.0.1 would not do.
server = ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Page)


def stop(*_):
    """Requests in flight are answered before the process ends."""
    threading.Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, stop)
print(f"listening on {os.environ['PORT']}", flush=True)
server.serve_forever()
print("stopped", flush=True)
sys.exit(0)
