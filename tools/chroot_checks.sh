# For scripts that run the program in another root file system: tools/check_image.sh, tools/check_tarball.sh.
# They are sourced by bash, run as root, and use bash's strict mode.

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# Mounts and processes of its own: whatever happens, nothing is left of them.
enter_own_namespaces() {  # enter_own_namespaces SCRIPT ARGUMENT...
  [ "$(id -u)" -eq 0 ] || fail "must be run as root"
  [ -n "${PAGODA_CHECK_INSIDE:-}" ] ||
    PAGODA_CHECK_INSIDE=1 exec unshare --mount --pid --fork --kill-child "$@"
  mount -t proc proc /proc
}

# Debian's name for the architecture of a program.
architecture_of() {  # architecture_of FILE
  case "$(readelf -h "$1" | sed -n 's/ *Machine: *//p')" in
    *X86-64) echo amd64 ;;
    AArch64) echo arm64 ;;
    *) fail "$1: its architecture is neither x86-64 nor 64-bit Arm" ;;
  esac
}

# Programs of another architecture start in any root file system if the kernel hands them to a static emulator
# that it opened beforehand (flag F).
require_emulator() {  # require_emulator ARCHITECTURE
  [ "$1" != "$(dpkg --print-architecture)" ] || return 0
  [ "$1" = arm64 ] || fail "there is no emulator for $1 here"
  local handler=/proc/sys/fs/binfmt_misc/qemu-aarch64
  [ -e "$handler" ] || mount -t binfmt_misc binfmt_misc "${handler%/*}" 2> /dev/null || true
  grep -q '^flags:.*F' "$handler" 2> /dev/null || fail "the kernel cannot start programs for arm64 ($handler" \
    "is missing or has no flag F): apt-get install qemu-user-static binfmt-support"
}

make_debian() {  # make_debian SUITE ARCHITECTURE FOLDER: a minimal Debian; what is there is kept
  [ -e "$3/.complete" ] && return
  rm -rf "$3"
  debootstrap --arch="$2" --variant=minbase "$1" "$3" http://deb.debian.org/debian > "$3.log" 2>&1 ||
    fail "debootstrap: see $3.log"
  touch "$3/.complete"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The body of the question that serve_and_ask asks.
question='{"messages": [{"role": "user", "content": "Who are you?"}], "temperature": 0}'

# The body of a question about a picture in PNG form.
question_about() {  # question_about FILE
  printf '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url":
    "data:image/png;base64,%s"}}, {"type": "text", "text": "hi"}]}], "temperature": 0, "max_tokens": 4}' \
    "$(base64 -w 0 "$1")"
}

# Starts the words as the user in the root file system, asks $question, and ends it with SIGTERM.
serve_and_ask() {  # serve_and_ask ROOT USER WORD...: the last word is the port
  local where=$1 user=$2 port=${!#} log=$1.serve.log pid answer code=0
  shift 2
  # An emulated machine is the user's: a Kunpeng 920 has dot products, but neither SVE nor products of bf16.
  env -i QEMU_CPU="${QEMU_CPU:-cortex-a76}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ VLLM_USE_MODELSCOPE=True \
    PYTORCH_NPU_ALLOC_CONF=max_split_size_mb:256 VLLM_CPU_KVCACHE_SPACE=1 \
    chroot --userspec="$user" "$where" "$@" > "$log" 2>&1 &
  pid=$!
  wait_healthy "$where" "$1" "$pid" || { tail -5 "$log" >&2; fail "$*: did not become healthy"; }
  answer=$(curl -sS "http://localhost:$port/v1/chat/completions" -H 'Content-Type: application/json' \
    -d "$question")
  grep -q '"object":"chat.completion"' <<< "$answer" || fail "$*: answered $answer"
  kill -TERM "$pid"
  wait "$pid" || code=$?
  [ "$code" -eq 0 ] || { tail -5 "$log" >&2; fail "$*: ended with $code after SIGTERM"; }
  echo "user $user: $*: $(grep -o '"content":"[^"]*"' <<< "$answer")"
}

wait_healthy() {  # wait_healthy ROOT PROGRAM PID: by the health check of the image
  for _ in $(seq 240); do
    kill -0 "$3" 2> /dev/null || return 1
    chroot "$1" "$2" health --process "$3" > /dev/null 2>&1 && return
    sleep 0.5
  done
  return 1
}

check_missing_model() {  # check_missing_model ROOT PROGRAM
  local code=0
  HF_HUB_OFFLINE=1 chroot "$1" "$2" serve /models/missing --port 0 > "$1.serve.log" 2>&1 || code=$?
  [ "$code" -eq 2 ] || fail "a missing model: ended with $code, expected 2"
  tail -1 "$1.serve.log" | grep -q '"/models/missing"' || fail "a missing model: the last line does not name it"
}

# A hub that does not speak TLS: the reason must be the last line, and the exit code that of the network.
check_unreachable_hub() {  # check_unreachable_hub ROOT PROGRAM
  local port code=0 hub
  port=$(free_port)
  python3 -m http.server --bind 127.0.0.1 "$port" > /dev/null 2>&1 &
  hub=$!
  for _ in $(seq 50); do (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done
  env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp HF_ENDPOINT="https://127.0.0.1:$port" \
    chroot "$1" "$2" serve some/model --port 0 > "$1.serve.log" 2>&1 || code=$?
  kill "$hub"
  [ "$code" -eq 4 ] || fail "a hub without TLS: ended with $code, expected 4"
  tail -1 "$1.serve.log" | grep -q "127.0.0.1:$port" || fail "a hub without TLS: the last line does not name it"
}
