#!/usr/bin/env bash
# Checks the CPU image where no Docker engine runs: makes the same root file system with debootstrap from
# docker/runtime-packages.txt, puts the installed program in, and runs it there with chroot, as root and as a
# user that the image does not know. Prints the image's size. What only Docker reads (the Dockerfile's
# syntax, HEALTHCHECK, the default seccomp profile) is checked by tools/check_docker.py.
#
# Usage: tools/check_image.sh BUILD_DIR FOLDER   As root. A program for 64-bit Arm runs under qemu-user.
# FOLDER/bookworm-ARCHITECTURE is kept and used again, FOLDER/image-ARCHITECTURE is made anew and left there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/tools/chroot_checks.sh"
readonly shared=/usr/local/share/pagoda

# What debian:12-slim leaves out of a minimal Debian; it keeps the licences.
slim() {
  find "$1/usr/share/doc" -mindepth 1 ! -name copyright ! -type d -delete
  find "$1/usr/share/doc" -mindepth 1 -type d -empty -delete
  rm -rf "$1"/usr/share/{man,info,locale,lintian,groff,linda}/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* \
    "$1"/var/log/*
}

# As the Dockerfile's second stage.
make_image() {  # make_image BUILD_DIR BASE IMAGE
  rm -rf "$3"
  cp -a "$2" "$3"
  rm -f "$3/.complete"
  chroot "$3" apt-get update -q > "$3.log"
  xargs env DEBIAN_FRONTEND=noninteractive chroot "$3" apt-get install -y -q --no-install-recommends \
    < "$root/docker/runtime-packages.txt" >> "$3.log" 2>&1 || fail "apt-get: see $3.log"
  slim "$3"
  DESTDIR=$3 cmake --install "$1" --prefix /usr/local --strip >> "$3.log"
  mkdir -p "$3$shared"
  cp -r "$root/models/demo" "$3$shared/demo"
  cp "$root/LICENSE" "$3$shared/"
}

print_sizes() {  # print_sizes IMAGE
  local plain packed
  plain=$(tar -C "$1" -c --one-file-system . | wc -c)
  packed=$(tar -C "$1" -c --one-file-system . | gzip -6 | wc -c)
  echo "image: $(( plain / 1000000 )) MB, compressed $(( packed / 1000000 )) MB"
  [ "$plain" -lt 200000000 ] || fail "the image has $plain bytes, expected less than 200 MB"
}

main() {
  [ $# -eq 2 ] || fail "usage: tools/check_image.sh BUILD_DIR FOLDER"
  enter_own_namespaces "${BASH_SOURCE[0]}" "$@"
  mkdir -p "$2"
  local folder architecture base
  folder=$(cd "$2" && pwd)
  architecture=$(architecture_of "$1/pagoda")
  require_emulator "$architecture"
  base=$folder/bookworm-$architecture
  image=$folder/image-$architecture
  make_debian bookworm "$architecture" "$base"
  make_image "$1" "$base" "$image"
  print_sizes "$image"
  mount -t proc proc "$image/proc"
  mkdir -p "$image/models/Qwen"
  cp -r "$root/models/demo" "$image/models/Qwen/Qwen3-8B"
  cp -r "$root/testdata/models/qwen2.5-vl" "$image/models/Qwen/Qwen2.5-VL-32B-Instruct"

  serve_and_ask "$image" 0:0 pagoda serve "$shared/demo" --port "$(free_port)"
  serve_and_ask "$image" 12345:12345 vllm serve "$shared/demo" --port "$(free_port)"
  serve_and_ask "$image" 0:0 vllm serve /models/Qwen/Qwen3-8B --served-model-name Qwen/Qwen3-8B \
    --tensor-parallel-size 4 --enable_expert_parallel --max-model-len 1024 --port "$(free_port)"
  question=$(question_about "$root/testdata/models/qwen2.5-vl/images/shapes.png") \
    serve_and_ask "$image" 12345:12345 vllm serve /models/Qwen/Qwen2.5-VL-32B-Instruct \
    --tensor-parallel-size 4 --max-model-len 256 --port "$(free_port)"
  check_missing_model "$image" vllm
  check_unreachable_hub "$image" vllm
  [ -s "$image/etc/ssl/certs/ca-certificates.crt" ] || fail "no certificates for downloads in the image"
  echo "check_image.sh: all checks passed"
}
main "$@"
