"""What the scripts share: cases that are run one after another, the way to the router, and a stop for what hangs."""

import faulthandler
import os
import ssl
import sys
import time
import traceback

# Nothing that is waited for takes longer, in seconds.
PATIENCE = 30

ROUTER = ("127.0.0.1", int(os.environ["ROUTER_PORT"]))
SECURE = ("127.0.0.1", int(os.environ["ROUTER_TLS_PORT"]))

_BLOCK = bytes((at ^ (at >> 8)) & 0xFF for at in range(65_537))

_cases = []


def case(function):
    """Marks a case; its name says what must hold."""
    _cases.append(function)
    return function


def tell(*words):
    """A line to the test that runs this script."""
    print(*words, flush=True)


def trusting(*protocols):
    """TLS that trusts the router's certificate and nothing else."""
    context = ssl.create_default_context(cadata=os.environ["ROUTER_CERTIFICATE"])
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def pattern(length):
    """Bytes that repeat after a prime number."""
    return (_BLOCK * (length // len(_BLOCK) + 1))[:length]


def run(problems):
    """Runs all cases; `problems` is what the dyno had to complain of."""
    faulthandler.dump_traceback_later(240, exit=True)
    failed = 0
    for function in _cases:
        began = time.monotonic()
        try:
            function()
            found, problems[:] = list(problems), []
            assert not found, f"the dyno complains: {found}"
            tell("ok", function.__name__, f"{time.monotonic() - began:.1f} s")
        except Exception:
            failed += 1
            tell("FAILED", function.__name__, *problems)
            problems.clear()
            traceback.print_exc(file=sys.stdout)
    tell("ran", len(_cases), "failed", failed)
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # threads of dynos may still wait for connections
