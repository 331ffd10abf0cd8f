#!/usr/bin/env bash
# Builds a preset with sanitizers and runs the tests that look at code: unit tests, whole engines, conformance and golden
# tests. Those of shared checkpoints and of processes are too long for it; they run on what is shipped (.ci/run).
#
# Usage: tools/test_sanitized.sh PRESET [ARGUMENT OF CTEST...]   PRESET: dev (ASan, UBSan) or tsan.
#        tools/test_sanitized.sh tsan -R apart                   Of those tests, the ones named so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?test_sanitized.sh: name a preset: dev or tsan}
shift

scripts/build.sh "$preset"
code='^(base|tensor|load|text|vision|hub|nn|models|conformance|backend_cpu|backend_ref|comm|engine|api|cli)$'
ctest --test-dir "build/$preset" -j 2 --output-on-failure -L "$code" -E shared "$@"
