#!/usr/bin/env bash
# Autobahn's WebSocket test suite, directly and through the router; the verdicts must be the same.
#
#   tests/suites/autobahn.sh FOLDER           the regular cases against the test's own echo
#   tests/suites/autobahn.sh FOLDER --whole   every case, those of compression against an echo that speaks it: an hour
#   tests/suites/autobahn.sh FOLDER --install only make the suite ready; its program is FOLDER/wstest/bin/wstest
#
# FOLDER keeps what is installed. The suite runs on Python 2.7 only: PYTHON2 names it, else `python2.7` or pyenv's.
set -euo pipefail
folder=$(mkdir -p "${1:?usage: $0 FOLDER [--whole | --install]}" && cd "$1" && pwd)
mode=${2:-}
cd "$(dirname "$0")/../.."

python2() {
    local found
    found=$(command -v "${PYTHON2:-python2.7}") && "$found" --version >/dev/null 2>&1 && { echo "$found"; return; }
    found=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 2>/dev/null | tail -n 1)
    [ -n "$found" ] || { echo "no Python 2.7: name one in PYTHON2" >&2; return 1; }
    echo "$found"
}

if [ ! -x "$folder/wstest/bin/wstest" ]; then
    old=$(python2)
    # The last virtualenv that makes environments of Python 2.
    python3 -m venv "$folder/virtualenv"
    "$folder/virtualenv/bin/pip" install --quiet virtualenv==20.21.1
    "$folder/virtualenv/bin/virtualenv" --quiet --python "$old" "$folder/wstest"
    "$folder/wstest/bin/pip" install --quiet --no-python-version-warning autobahntestsuite==25.10.1
fi
[ "$mode" = --install ] && exit

export DYNOSIM_WSTEST=$folder/wstest/bin/wstest DYNOSIM_REQUIRE_SUITES=1
compare() {
    local name=autobahn::every_autobahn_verdict_is_the_same_through_the_router
    cargo test --locked --test suites -- --exact "$name" --nocapture
}

if [ "$mode" != --whole ]; then
    compare
    exit
fi
DYNOSIM_AUTOBAHN_WHOLE=1 compare
[ -x "$folder/echo/bin/python" ] || python3 -m venv "$folder/echo"
"$folder/echo/bin/pip" install --quiet -r tests/suites/python/requirements.txt
coproc ECHO { exec "$folder/echo/bin/python" tests/suites/python/echo.py; }
echo_pid=$ECHO_PID
trap 'kill "$echo_pid"' EXIT
read -r port <&"${ECHO[0]}"
DYNOSIM_AUTOBAHN_ECHO=127.0.0.1:$port compare
