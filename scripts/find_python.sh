#!/bin/sh
# Print the command of a Python that can run this project: 3.11 to 3.13, with venv and pip.
# TensorFlow has no wheels for newer ones yet. With --explain, say what is missing instead.
set -u

usable() {
    "$1" -c '
import sys
import ensurepip, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
' >/dev/null 2>&1
}

if [ "${1-}" = "--explain" ]; then
    cat >&2 <<'TEXT'
No Python 3.11, 3.12 or 3.13 with venv and pip was found.
Debian, Ubuntu:  sudo apt-get install python3 python3-venv
Fedora:          sudo dnf install python3.12
macOS:           brew install python@3.12
or name one:     make test PYTHON=/path/to/python3.12
TEXT
    exit 1
fi

for name in python3.12 python3.13 python3.11 python3 python; do
    if usable "$name"; then
        echo "$name"
        exit 0
    fi
done
exit 0
