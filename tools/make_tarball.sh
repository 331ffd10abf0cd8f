#!/usr/bin/env bash
# Packs an installed Pagoda with every library it needs, the C library and its loader among them, into
# pagoda-VERSION-ARCHITECTURE.tar.gz. It runs from any folder, on systems with an older C library too (openEuler
# 22.03 has glibc 2.34), and on those with another one.
#
# Usage: tools/make_tarball.sh BUILD_DIR OUTPUT_FOLDER [SYSROOT]   SYSROOT has the libraries of a program that
# was compiled for another architecture.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { echo "make_tarball.sh: $*" >&2; exit 1; }

path_of() {  # path_of LIBRARY: where the system of the program's architecture has it
  local folder
  for folder in "$sysroot"/{usr/,}lib/"$architecture"-linux-gnu; do
    [ -e "$folder/$1" ] && { echo "$folder/$1"; return; }
  done
  fail "$1: is neither in $sysroot/lib/$architecture-linux-gnu nor in $sysroot/usr/lib/$architecture-linux-gnu"
}

needed_by() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# A licence goes with every library. Licence texts are where Debian's packages have them; which package has a
# library is asked of this machine, where it has the same name.
copy_licence() {  # copy_licence PATH_OF_LIBRARY TARGET
  local package text
  package=$(dpkg -S "*/$(uname -m)-linux-gnu/$(basename "$1")" 2> /dev/null | head -1 | cut -d: -f1) || return 0
  text=$sysroot/usr/share/doc/$package/copyright
  [ -n "$package" ] && [ -e "$text" ] && cp "$text" "$2/$package"
  return 0
}

copy_libraries() {  # copy_libraries PROGRAM TARGET: all that it needs, and what those need
  local library path
  while read -r library; do
    [ -e "$2/lib/$library" ] && continue
    path=$(path_of "$library")
    cp -L "$path" "$2/lib/$library"
    copy_licence "$path" "$2/share/licences"
    copy_libraries "$path" "$2"
  done < <(needed_by "$1")
}

write_launcher() {  # write_launcher FILE LOADER
  cat > "$1" << 'LAUNCHER'
#!/bin/sh
# Starts Pagoda with the libraries that came with it.
self=$(readlink -f "$0") || exit 1
here=$(dirname "$(dirname "$self")")
# Downloads look for certificates where Debian has them; other systems have them elsewhere.
if [ -z "${SSL_CERT_FILE:-}${REQUESTS_CA_BUNDLE:-}" ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
  for file in /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt \
    /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    [ -e "$file" ] && { SSL_CERT_FILE=$file; export SSL_CERT_FILE; break; }
  done
fi
exec "$here/lib/LOADER" --argv0 "$0" --library-path "$here/lib" "$here/lib/pagoda" "$@"
LAUNCHER
  sed -i "s/LOADER/$2/" "$1"
  chmod 755 "$1"
}

main() {
  [ $# -eq 2 ] || [ $# -eq 3 ] || fail "usage: tools/make_tarball.sh BUILD_DIR OUTPUT_FOLDER [SYSROOT]"
  local build=$1 output=$2 version name target loader
  sysroot=${3:-}
  [ -x "$build/pagoda" ] || fail "$build/pagoda: is missing; build the target pagoda first"
  case "$(readelf -h "$build/pagoda" | sed -n 's/ *Machine: *//p')" in
    *X86-64) architecture=x86_64 ;;
    AArch64) architecture=aarch64 ;;
    *) fail "$build/pagoda: its architecture is neither x86-64 nor aarch64" ;;
  esac
  version=$(sed -n 's/^project(pagoda VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
  name=pagoda-$version-$architecture
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  target=$staging/$name
  mkdir -p "$target"/{bin,lib,share/licences} "$output"

  cp "$build/pagoda" "$target/lib/pagoda"
  copy_libraries "$target/lib/pagoda" "$target"
  loader=$(readelf -l "$build/pagoda" | sed -n 's/.*interpreter: .*\/\(.*\)\]/\1/p')
  [ -e "$target/lib/$loader" ] || cp -L "$(path_of "$loader")" "$target/lib/$loader"
  chmod 755 "$target/lib/$loader"
  strip_program "$target/lib/pagoda"
  write_launcher "$target/bin/pagoda" "$loader"
  ln -s pagoda "$target/bin/vllm"
  cp -r "$root/models/demo" "$target/share/demo"
  cp "$root/LICENSE" "$target/"

  # The same input gives the same bytes.
  tar -C "$staging" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git -C "$root" log -1 --format=%ct)" \
    -c "$name" | gzip -9n > "$output/$name.tar.gz"
  echo "$output/$name.tar.gz: $(( $(stat -c %s "$output/$name.tar.gz") / 1000000 )) MB"
}

strip_program() {
  local tool=strip
  [ "$architecture" = "$(uname -m)" ] || tool=$architecture-linux-gnu-strip
  "$tool" "$1"
}
main "$@"
