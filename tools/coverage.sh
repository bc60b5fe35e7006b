#!/bin/sh
# Runs the C tests and the JavaScript tests with counters in the C code and in the bundles, and
# writes what they reach to docs/coverage.md. The browser tests do not count.
set -eu
cd "$(dirname "$0")/.."

counts=$PWD/build/coverage
rm -rf "$counts"
mkdir -p "$counts/native" "$counts/js"

# Processes of one program share a few files of counters.
export LLVM_PROFILE_FILE="$counts/native/%4m.profraw"
make --no-print-directory config=coverage run-c-tests

make --no-print-directory js
node tools/build.mjs build/dist --source-maps
status=0
BERT_CONVERT=$PWD/build/native-coverage/bert-convert NODE_V8_COVERAGE=$counts/js \
    tools/test_js.sh --test-reporter=dot || status=$?
rm -f build/dist/*.map build/js.built # the next build has none
[ "$status" = 0 ] || { echo 'coverage: a test failed, so nothing is written' >&2; exit "$status"; }

programs=$(find build/native-coverage -maxdepth 1 -type f -executable)
llvm-profdata-19 merge -sparse "$counts"/native/*.profraw -o "$counts/native.profdata"
# shellcheck disable=SC2046,SC2086
llvm-cov-19 export -summary-only -instr-profile "$counts/native.profdata" \
    $(printf -- "-object %s " $programs) -sources core converter >"$counts/native.json"
exec node tools/coverage.mjs "$counts" docs/coverage.md
