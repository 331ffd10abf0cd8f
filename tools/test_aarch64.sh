#!/usr/bin/env bash
# Cross compiles everything for 64-bit Arm and runs the tests that need no process of their own under
# qemu-user: unit, conformance and golden tests. Takes long, so it is no part of the default tests.
#
# Usage: tools/test_aarch64.sh [ARGUMENT OF CTEST...]   Needs g++-aarch64-linux-gnu and qemu-user.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$program" > /dev/null || {
    echo "test_aarch64.sh: $program is missing: apt-get install g++-aarch64-linux-gnu qemu-user" >&2
    exit 1
  }
done
[ -e build/sysroot-aarch64/usr/lib/aarch64-linux-gnu/libc.so.6 ] || tools/make_sysroot.sh

cmake --preset aarch64
cmake --build build/aarch64
# As a Kunpeng 920: Armv8.2 with dot products, but neither SVE nor products of bf16 or int8 matrices.
export QEMU_CPU=${QEMU_CPU:-cortex-a76}
# Tests of several processes start the program without the emulator.
exec ctest --test-dir build/aarch64 --output-on-failure \
  -LE 'processes|clients|seed|transcripts|deploy' "$@"
