#!/usr/bin/env bash
# Unpacks Debian 12's arm64 libraries, those of scripts/install-deps.sh, into a folder for the cross compiler
# (preset aarch64) and for qemu-user. The host's own packages and apt's state are left alone.
#
# Usage: tools/make_sysroot.sh [FOLDER]   Default: build/sysroot-aarch64. Needs apt-get and dpkg-deb, not root.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly mirror=http://deb.debian.org/debian
mkdir -p "${1:-$root/build/sysroot-aarch64}"
sysroot=$(cd "${1:-$root/build/sysroot-aarch64}" && pwd)

# Libraries only: compilers and tools run on the host.
packages() { sed -n '/^build=(/,/)$/p' "$root/scripts/install-deps.sh" | grep -oE '[a-z0-9.+-]+-dev\b' | sort -u; }

apt_of_arm64() {
  local state=$sysroot/.apt
  mkdir -p "$state"/{lists/partial,archives/partial,etc}
  touch "$state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" > "$state/sources.list"
  APT_CONFIG=/dev/null apt-get -q -y -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
    -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state" -o Dir::Cache::archives="$state/archives" -o Dir::Etc="$state/etc" \
    -o Dir::Etc::sourcelist="$state/sources.list" -o Debug::NoLocking=1 -o APT::Sandbox::User= \
    -o APT::Install-Recommends=0 "$@"
}

# A merged /usr, as Debian has it, so that both spellings of a path lead to the same file.
merge_usr() {
  mkdir -p "$sysroot/usr/lib" "$sysroot/usr/bin" "$sysroot/usr/sbin"
  for folder in lib bin sbin; do ln -sfn "usr/$folder" "$sysroot/$folder"; done
}

unpack() {  # unpack PACKAGE_FILE: tar follows the links of the merged /usr, dpkg-deb -x replaces them
  dpkg-deb --fsys-tarfile "$1" | tar -C "$sysroot" -x --keep-directory-symlink
}

apt_of_arm64 update
mapfile -t wanted < <(packages)
apt_of_arm64 install --download-only libc6-dev libstdc++6 "${wanted[@]}"
merge_usr
for package in "$sysroot"/.apt/archives/*.deb; do unpack "$package"; done
rm -rf "$sysroot/.apt"
echo "$sysroot: ready"
