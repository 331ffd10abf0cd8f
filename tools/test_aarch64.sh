#!/usr/bin/env bash
# Cross compiles everything for 64-bit Arm and runs the tests that need no process of their own under
# qemu-user: unit, conformance and golden tests. Where the kernel hands programs for Arm to an emulator
# (qemu-user-static with binfmt-support), the user's own document is run too: its services start processes.
# Takes long, so it is no part of the default tests.
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
ctest --test-dir build/aarch64 --output-on-failure -LE 'processes|clients|seed|transcripts|deploy' "$@"

[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || {
  echo "test_aarch64.sh: the document's services were not run: apt-get install qemu-user-static binfmt-support"
  exit 0
}
# The tarball brings its libraries along, so its programs start by themselves.
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
tools/make_tarball.sh build/aarch64 "$package" build/sysroot-aarch64
tar -C "$package" -xzf "$package"/pagoda-*-aarch64.tar.gz --strip-components=1
python3 tests/seed/seed_test.py --bin "$package/bin" --shared ../shared || [ $? -eq 77 ]
