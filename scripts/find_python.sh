#!/bin/sh
# Print the Python to build the virtual environment with: the one asked for, or the first on the path that will do.
# Otherwise say what is missing and how to get it.

usable='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))'
asked="$1"

for candidate in ${asked:-python3 python3.13 python3.12 python3.11}; do
  if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$usable" >/dev/null 2>&1; then
    if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "$candidate"
      exit 0
    fi
    lacking="$candidate"
  fi
done

if [ -n "$lacking" ]; then
  echo "Python's own \`venv\` is missing from $lacking. On Debian and Ubuntu: apt install python3-venv" >&2
elif [ -n "$asked" ]; then
  echo "$asked is not a Python that Ondol runs on: it needs 3.11, 3.12 or 3.13 (64 bits). Try: make PYTHON=/path/to/python3.12 ..." >&2
else
  echo "Ondol needs Python 3.11, 3.12 or 3.13 (64 bits); python3 here is: $(python3 -V 2>&1 || true)." >&2
  echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12), or name it: make PYTHON=/path/to/python3.12 ..." >&2
fi
exit 1
