#!/bin/sh
# Makes a Python environment outside the tree, under the user's cache, from a requirements file, and
# prints its folder. What is there already is used as long as the file has not changed.
#
#     tools/python_env.sh NAME REQUIREMENTS
set -eu
name=$1
requirements=$2
folder=${XDG_CACHE_HOME:-$HOME/.cache}/bert-wasm/$name

if ! cmp -s "$requirements" "$folder/requirements.txt"; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$folder/requirements.txt" # last: an interrupted install is made again
fi
echo "$folder"
