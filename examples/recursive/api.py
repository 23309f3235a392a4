"""The API: a web process on the standard library alone."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"message": "Hello from the API", "dyno": os.environ.get("DYNO")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # the router's line says it all


def main():
    port = os.environ.get("PORT")
    if port is None:
        sys.exit("PORT is not set: this is the web process of an app, start it with `dynosim up`")
    server = ThreadingHTTPServer(("0.0.0.0", int(port)), Api)
    # shutdown() waits for serve_forever() to return, so it needs a thread of its own.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"web listens on {port}")
    server.serve_forever()


if __name__ == "__main__":
    main()
