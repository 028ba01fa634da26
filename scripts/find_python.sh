#!/bin/sh
# Print the Python to build the virtual environment with: the one asked for, or the first on the path that will do.
# Otherwise say what is missing and how to get it. Run from the top of the project; requirements/pythons names the versions.

asked="$1"
versions=$(cat requirements/pythons)
listed=$(echo $versions | sed 's/ /, /g')
usable='import sys; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv[1:] or sys.maxsize <= 2**32)'
lacking=''

named=''
for version in $versions; do named="python$version $named"; done
for candidate in ${asked:-python3 $named}; do
  if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$usable" $versions >/dev/null 2>&1; then
    if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "$candidate"
      exit 0
    fi
    lacking="$candidate"
  fi
done

if [ -n "$lacking" ]; then
  echo "The \`venv\` module of $lacking is not complete. On Debian and Ubuntu: apt install python3-venv" >&2
elif [ -n "$asked" ]; then
  echo "$asked is not a Python that Ondol runs on: it needs one of $listed, 64 bits. For example: make PYTHON=/usr/bin/python3.12 up" >&2
else
  found=$(python3 -V 2>/dev/null || echo 'not there')
  echo "Ondol runs on Python $listed (64 bits); python3 here is ${found#Python }." >&2
  echo "Install one of them (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12) or name it: make PYTHON=/path/to/python3.12 up" >&2
fi
exit 1
