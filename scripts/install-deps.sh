#!/usr/bin/env bash
# Installs the Debian packages that Pagoda is built from, where any is missing; needs no network
# when all are there.
#
# Usage: scripts/install-deps.sh [tests] [checks]   The build's packages, and those of the words given.
set -euo pipefail

build=(build-essential cmake ninja-build ccache pkg-config
  libboost1.81-dev libboost-json1.81-dev libssl-dev libcurl4-openssl-dev
  libjpeg-dev libpng-dev libwebp-dev libgif-dev
  libfmt-dev libyaml-cpp-dev libpcre2-dev libonig-dev libutf8proc-dev
  libhwloc-dev libxxhash-dev
  doctest-dev libbenchmark-dev)
tests=(python3 python3-pip python3-yaml python3-jinja2 curl util-linux)
checks=(clang-format clang-tidy python3)

wanted=("${build[@]}")
for word in "$@"; do
  case "$word" in
    tests) wanted+=("${tests[@]}") ;;
    checks) wanted+=("${checks[@]}") ;;
    *) echo "install-deps.sh: \"$word\" is not known; the words are: tests checks" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query > /dev/null; then
  echo "install-deps.sh: this is not a Debian system; install what these packages hold:" >&2
  echo "  ${wanted[*]}" >&2
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2> /dev/null || true)
  grep -qx installed <<< "$state" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "install-deps.sh: packages are missing, and neither are you root nor is there sudo. As root, run" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "install-deps.sh: installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -q >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
