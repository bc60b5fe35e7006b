#!/bin/sh
# Runs the JavaScript tests on the built package. Tokenizers are compared with Hugging Face's where
# Python can install those; PYTHON names an environment that has them already.
set -eu
cd "$(dirname "$0")/.."

if [ -z "${PYTHON:-}" ]; then
    if folder=$(tools/python_env.sh tokenizers tests/tools/requirements-tokenizers.txt); then
        PYTHON=$folder/bin/python
    else
        echo 'NOT TESTED: tokenizers against those of Hugging Face: Python cannot install them' >&2
        PYTHON=python3
    fi
fi
export PYTHON
exec node --test --test-concurrency=2 --test-timeout=600000 "$@" tests/js/*.test.js
