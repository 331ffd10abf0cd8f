#!/usr/bin/env bash
# Unpacks a tarball of tools/make_tarball.sh where its libraries are not and runs it there with chroot: in a root
# file system that holds busybox and nothing else, and in Debian 11, whose glibc 2.31 is older than the
# program's and than openEuler 22.03's 2.34.
#
# Usage: tools/check_tarball.sh TARBALL FOLDER   As root; needs busybox-static, debootstrap, curl. A tarball for
# 64-bit Arm runs under qemu-user. FOLDER/bullseye-ARCHITECTURE is kept and used again.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/tools/chroot_checks.sh"

make_busybox() {  # make_busybox FOLDER
  rm -rf "$1"
  mkdir -p "$1"/{bin,dev,proc,etc,tmp}
  cp "$(command -v busybox)" "$1/bin/busybox"
  for name in sh readlink dirname; do ln -s busybox "$1/bin/$name"; done
  mknod -m 666 "$1/dev/null" c 1 3
}

check_in() {  # check_in ROOT TARBALL
  mkdir -p "$1/opt"
  rm -rf "$1/opt/pagoda" "$1"/opt/pagoda-*
  tar -C "$1/opt" -xzf "$2" --no-same-owner
  mv "$1"/opt/pagoda-* "$1/opt/pagoda"
  mkdir -p "$1/usr/local/bin"
  ln -sf /opt/pagoda/bin/vllm "$1/usr/local/bin/vllm"
  mount -t proc proc "$1/proc"
  serve_and_ask "$1" 0:0 /opt/pagoda/bin/pagoda serve /opt/pagoda/share/demo --port "$(free_port)"
  serve_and_ask "$1" 12345:12345 vllm serve /opt/pagoda/share/demo --port "$(free_port)"
  rm -rf "$1/models"
  cp -r "$root/testdata/models/qwen2.5-vl" "$1/models"
  question=$(question_about "$root/testdata/models/qwen2.5-vl/images/shapes.png") \
    serve_and_ask "$1" 12345:12345 vllm serve /models --port "$(free_port)"
  check_missing_model "$1" /opt/pagoda/bin/vllm
  check_unreachable_hub "$1" /opt/pagoda/bin/vllm
  umount "$1/proc"
}

main() {
  [ $# -eq 2 ] || fail "usage: tools/check_tarball.sh TARBALL FOLDER"
  enter_own_namespaces "${BASH_SOURCE[0]}" "$@"
  mkdir -p "$2"
  local folder architecture
  folder=$(cd "$2" && pwd)
  make_busybox "$folder/busybox"
  tar -C "$folder" -xzf "$1" --wildcards --strip-components=2 '*/lib/pagoda'
  architecture=$(architecture_of "$folder/pagoda")
  rm "$folder/pagoda"
  require_emulator "$architecture"
  check_in "$folder/busybox" "$1"
  make_debian bullseye "$architecture" "$folder/bullseye-$architecture"
  check_in "$folder/bullseye-$architecture" "$1"
  echo "check_tarball.sh: all checks passed"
}
main "$@"
