#!/bin/sh
# Installs what bench/ compares with: npm packages of its own lock file, 900 MB.
set -eu
cd "$(dirname "$0")/../bench"

# npm writes this file when it is done: older than our lock file means stale.
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    echo 'bench: installing npm packages (900 MB)' >&2
    npm ci --silent --no-fund --no-audit --ignore-scripts >&2
    touch "$installed"
fi
