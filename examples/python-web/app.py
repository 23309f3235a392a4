"""A hello-world web app that is configured by its environment alone."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    greeting = os.environ.get("GREETING", "Hello, world")
    return f"{greeting}, from {os.environ.get('DYNO', 'no dyno')}\n"


@app.get("/health")
def health():
    return {"status": "ok"}
