#!/usr/bin/env bash
# Checks the CPU image where no Docker engine runs: makes the same root file system with debootstrap from
# docker/runtime-packages.txt, puts the installed program in, and runs it there with chroot, as root and as a
# user that the image does not know. Prints the image's size. What only Docker reads (the Dockerfile's
# syntax, HEALTHCHECK, the default seccomp profile) is not checked.
#
# Usage: tools/check_image.sh BUILD_DIR FOLDER   As root. FOLDER/base is kept and used again.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly mirror=http://deb.debian.org/debian demo=/usr/local/share/pagoda/demo

fail() { echo "check_image.sh: $*" >&2; exit 1; }

# What debian:12-slim leaves out of a minimal Debian, less the licences, which it keeps.
slim() {
  find "$1/usr/share/doc" -mindepth 1 ! -name copyright ! -type d -delete
  find "$1/usr/share/doc" -mindepth 1 -type d -empty -delete
  rm -rf "$1"/usr/share/{man,info,locale,lintian,groff,linda}/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* \
    "$1"/var/log/*
}

make_base() {  # make_base FOLDER
  [ -e "$1/.complete" ] && return
  rm -rf "$1"
  debootstrap --variant=minbase bookworm "$1" "$mirror" > "$1.log" 2>&1 || fail "debootstrap: see $1.log"
  touch "$1/.complete"
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
  mkdir -p "$3/usr/local/share/pagoda"
  cp -r "$root/models/demo" "$3$demo"
  cp "$root/docker/healthcheck.sh" "$root/LICENSE" "$3/usr/local/share/pagoda/"
}

print_sizes() {  # print_sizes IMAGE
  local plain packed
  plain=$(tar -C "$1" -c --one-file-system . | wc -c)
  packed=$(tar -C "$1" -c --one-file-system . | gzip -6 | wc -c)
  echo "image: $(( plain / 1000000 )) MB, compressed $(( packed / 1000000 )) MB"
  [ "$plain" -lt 200000000 ] || fail "the image has $plain bytes, expected less than 200 MB"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_healthy() {  # wait_healthy IMAGE PID: by the image's own health check
  for _ in $(seq 240); do
    kill -0 "$2" 2> /dev/null || return 1
    chroot "$1" bash /usr/local/share/pagoda/healthcheck.sh "/proc/$2/cmdline" 2> /dev/null && return
    sleep 0.5
  done
  return 1
}

serve_and_ask() {  # serve_and_ask IMAGE USER WORD...: the words are the container's entrypoint and command
  local image=$1 user=$2 port=${!#} pid answer code=0
  shift 2
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ VLLM_USE_MODELSCOPE=True \
    PYTORCH_NPU_ALLOC_CONF=max_split_size_mb:256 VLLM_CPU_KVCACHE_SPACE=1 \
    chroot --userspec="$user" "$image" "$@" > "$image.serve.log" 2>&1 &
  pid=$!
  wait_healthy "$image" "$pid" || { tail -5 "$image.serve.log" >&2; fail "$*: did not become healthy"; }
  answer=$(chroot "$image" curl -sS "http://localhost:$port/v1/chat/completions" -H 'Content-Type: application/json' \
    -d '{"messages": [{"role": "user", "content": "Who are you?"}], "temperature": 0}')
  grep -q '"object":"chat.completion"' <<< "$answer" || fail "$*: answered $answer"
  kill -TERM "$pid"
  wait "$pid" || code=$?
  [ "$code" -eq 0 ] || fail "$*: ended with $code after SIGTERM"
  echo "user $user: $*: $(grep -o '"content":"[^"]*"' <<< "$answer")"
}

check_missing_model() {  # check_missing_model IMAGE
  local code=0
  HF_HUB_OFFLINE=1 chroot "$1" vllm serve /models/missing --port 0 > "$1.serve.log" 2>&1 || code=$?
  [ "$code" -eq 2 ] || fail "a missing model: ended with $code, expected 2"
  tail -1 "$1.serve.log" | grep -q '"/models/missing"' || fail "a missing model: the last line does not name it"
}

# A catalogue of certificates must be there for downloads to check; no network is needed to see it.
check_certificates() { [ -s "$1/etc/ssl/certs/ca-certificates.crt" ] || fail "no certificates in the image"; }

main() {
  [ $# -eq 2 ] || fail "usage: tools/check_image.sh BUILD_DIR FOLDER"
  [ "$(id -u)" -eq 0 ] || fail "must be run as root"
  # Own mounts and processes: whatever happens, nothing is left of them.
  [ -n "${CHECK_IMAGE_INSIDE:-}" ] ||
    CHECK_IMAGE_INSIDE=1 exec unshare --mount --pid --fork --kill-child "${BASH_SOURCE[0]}" "$@"
  local folder image
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
  image=$folder/image
  make_base "$folder/base"
  make_image "$1" "$folder/base" "$image"
  print_sizes "$image"
  mount -t proc proc "$image/proc"
  mount -t proc proc /proc
  mkdir -p "$image/models/Qwen"
  cp -r "$root/models/demo" "$image/models/Qwen/Qwen3-8B"

  serve_and_ask "$image" 0:0 pagoda serve "$demo" --port "$(free_port)"
  serve_and_ask "$image" 12345:12345 vllm serve "$demo" --port "$(free_port)"
  serve_and_ask "$image" 0:0 vllm serve /models/Qwen/Qwen3-8B --served-model-name Qwen/Qwen3-8B \
    --tensor-parallel-size 4 --enable_expert_parallel --max-model-len 1024 --port "$(free_port)"
  check_missing_model "$image"
  check_certificates "$image"
  echo "check_image.sh: all checks passed"
}
main "$@"
