#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs all tests.
#
# Usage: scripts/test.sh [arguments of ctest]   For example: scripts/test.sh -L engine
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# OpenAI's client is not in Debian; a test talks to the server with it. Without a network that test
# is skipped.
openai=openai==1.90.0
python="$root/build/python"

"$root/scripts/install-deps.sh" tests
"$root/scripts/build.sh" release
if [ ! -d "$python/openai" ]; then
  python3 -m pip install --quiet --no-warn-conflicts --root-user-action=ignore --target "$python" "$openai" >&2 \
    || echo "test.sh: $openai cannot be installed; the test of that client is skipped" >&2
fi
export PYTHONPATH="$python${PYTHONPATH:+:$PYTHONPATH}"
exec ctest --test-dir "$root/build/release" -j 2 --output-on-failure "$@"
