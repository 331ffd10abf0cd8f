#!/usr/bin/env bash
# Succeeds when the server of this container answers /health with 200. Host, port and prefix are those of
# the command line of process 1: the server, or the init that was given the server's command line.
#
# Where --ssl-cert-reqs demands a certificate of clients, ~/.curlrc says which one to show (cert, key).
#
# Usage: healthcheck.sh [FILE]   FILE has a command line as /proc/PID/cmdline has it.
set -euo pipefail

host=localhost port=8000 scheme=http
mapfile -d '' -t words < "${1:-/proc/1/cmdline}"
for i in "${!words[@]}"; do
  next=${words[i + 1]:-}
  case "${words[i]}" in
    --host) host=$next ;;
    --host=*) host=${words[i]#*=} ;;
    --port) port=$next ;;
    --port=*) port=${words[i]#*=} ;;
    --ssl[-_]certfile | --ssl[-_]certfile=*) scheme=https ;;
  esac
done
case "$host" in
  0.0.0.0 | ::) host=localhost ;;
  *:*) host="[$host]" ;;
esac
# --insecure: the certificate names the host that clients know, which is not the one asked here.
exec curl --fail --silent --show-error --insecure --noproxy '*' --max-time 4 --output /dev/null \
  "$scheme://$host:$port/health"
