#!/bin/sh
# Installs npm packages that tests try the package with outside the tree, under the user's cache, by
# a lock file of their own, and prints the folder:
#
#     tools/npm_packages.sh bundlers tests/bundlers           600 MB
#     tools/npm_packages.sh hosts tests/hosts/packages        900 MB: Node, Deno, Bun, workerd, jsdom
#
# What is there already is used as long as the lock file has not changed. Install scripts are not
# run: each platform's package brings the program as it is.
set -eu
name=$1
cd "$(dirname "$0")/../$2"
folder=${XDG_CACHE_HOME:-$HOME/.cache}/bert-wasm/$name

if ! cmp -s package-lock.json "$folder/installed.json"; then
    echo "$name: installing npm packages, some hundred MB" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    cp package.json package-lock.json "$folder/"
    (cd "$folder" && npm ci --silent --no-fund --no-audit --ignore-scripts) >&2
    cp package-lock.json "$folder/installed.json" # last: an interrupted install is made again
fi
echo "$folder"
