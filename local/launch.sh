#!/bin/sh
# Finds a Python that is new enough and hands over to bootstrap.py: `launch.sh run|test [arguments]`.
# PYTHON names another interpreter for the first time the environment is made.
cd "$(dirname "$0")/.." || exit 1

runs() { "$1" -c "$2" >/dev/null 2>&1; }
NEW='import sys; sys.exit(sys.version_info < (3, 11))'
# Debian ships Python without these two unless python3-venv is installed.
WHOLE='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
# The oldest that can read bootstrap.py, to say itself what is wrong with it.
READS='import sys; sys.exit(sys.version_info < (3, 8))'

# A finished environment answers at once: no search, no pip.
if [ -f .venv/codeex-stamp.json ] && [ -z "${PYTHON:-}" ] && runs .venv/bin/python "$NEW"; then
    exec .venv/bin/python local/bootstrap.py "$@"
fi
candidates="${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}"
for test in "$WHOLE" "$NEW" "$READS"; do
    for python in $candidates; do
        if runs "$python" "$test"; then exec "$python" local/bootstrap.py "$@"; fi
    done
done
echo "CODEEX Router needs Python 3.11 or newer, and none was found (looked for: $candidates)." \
     "Install it, or name it: PYTHON=/path/to/python3 make $1" >&2
exit 1
