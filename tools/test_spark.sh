#!/bin/sh
# Runs the tests of examples/spark where there is Java 17 and a Python that can install PySpark.
set -eu
cd "$(dirname "$0")/.."

skip() {
    echo "NOT TESTED: examples/spark: $*" >&2
    exit 0
}

java -version 2>&1 | grep -Eq 'version "(1[7-9]|[2-9][0-9])' || skip 'there is no Java 17 or later'
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    skip 'there is no Python 3.10 or later with venv'
BERT_SPARK=$(tools/python_env.sh spark examples/spark/requirements.txt) ||
    skip 'PySpark (450 MB) cannot be installed'
export BERT_SPARK
exec node --test --test-timeout=300000 tests/spark/*.test.js
