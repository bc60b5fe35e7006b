#!/bin/sh
# Installs the bundlers that tests/bundlers/ tries the package with outside the tree, under the
# user's cache, by its lock file (600 MB), and prints the folder. What is there already is used as
# long as the lock file has not changed.
set -eu
cd "$(dirname "$0")/../tests/bundlers"
folder=${XDG_CACHE_HOME:-$HOME/.cache}/bert-wasm/bundlers

if ! cmp -s package-lock.json "$folder/installed.json"; then
    echo 'bundlers: installing npm packages (600 MB)' >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    cp package.json package-lock.json "$folder/"
    npm ci --prefix "$folder" --silent --no-fund --no-audit --ignore-scripts >&2
    cp package-lock.json "$folder/installed.json" # last: an interrupted install is made again
fi
echo "$folder"
