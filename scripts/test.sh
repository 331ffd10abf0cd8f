#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs all tests.
#
# Usage: scripts/test.sh [arguments of ctest]   For example: scripts/test.sh -L engine
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$root/scripts/install-deps.sh" tests
"$root/scripts/build.sh" release
exec ctest --test-dir "$root/build/release" -j 2 --output-on-failure "$@"
