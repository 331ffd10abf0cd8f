#!/usr/bin/env bash
# Installs what is missing, builds Pagoda, and serves the bundled demo model on port 8000.
#
# Usage: scripts/serve.sh [arguments of `pagoda serve`]   A MODEL among them is served instead.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$root/scripts/install-deps.sh"
"$root/scripts/build.sh" release pagoda
exec "$root/build/release/pagoda" serve --default-model "$root/models/demo" "$@"
