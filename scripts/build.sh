#!/usr/bin/env bash
# Configures a preset where that has not been done, and builds it into build/<preset>.
#
# Usage: scripts/build.sh PRESET [TARGET ...]   PRESET: release, dev or tsan (CMakePresets.json).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?scripts/build.sh: name a preset: release, dev or tsan}
shift

# A compiler needs up to 1.5 GB for the files that hold Boost.Beast.
cores=$(nproc)
by_memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
jobs=$(( cores < by_memory ? cores : by_memory ))
[ "$jobs" -ge 1 ] || jobs=1

[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"} >&2
