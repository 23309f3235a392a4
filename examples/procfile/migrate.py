"""The release phase: runs to its end before any other process of the release starts (exit 1 would stop it there)."""

import os

print(f"migrating as {os.environ['DYNO']}", flush=True)
