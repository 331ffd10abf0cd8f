#!/usr/bin/env python3
"""Runs clang-tidy on every source of ours that a build compiles, in parallel.

A file that was clean is not looked at again until it, a header of ours that it includes, its
compile command or .clang-tidy changes; what is known is kept in <build>/tidy.

Usage: tools/check_tidy.py BUILD_DIRECTORY [PATH_PREFIX ...]   For example: build/release src/engine
Prints what clang-tidy says; exit status 1 if it says anything.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ("src/", "bench/", "tests/")


def dependencies_of(build):
    """Object -> the files of this repository it was made from, as the last build saw them."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True,
                          text=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        if line.startswith("    "):
            path = (build / line.strip()).resolve()
            if path.is_relative_to(ROOT) and path.is_file():
                found[current].append(path)
        elif ":" in line:
            current = line.split(":")[0]
            found[current] = []
    return found


class Fingerprints:
    """What a clean result depends on, as one hash."""

    def __init__(self, build):
        self.dependencies = dependencies_of(build)
        self.contents = {}
        version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True).stdout
        self.common = version + (ROOT / ".clang-tidy").read_bytes() + " ".join([*FLAGS, OF_TESTS]).encode()

    def content(self, path):
        if path not in self.contents:
            self.contents[path] = hashlib.sha256(path.read_bytes()).digest()
        return self.contents[path]

    def of(self, entry):
        object_name = entry.get("output") or entry["command"].split(" -o ")[1].split()[0]
        files = sorted({pathlib.Path(entry["file"]), *self.dependencies.get(object_name, [])})
        digest = hashlib.sha256(self.common + entry["command"].encode())
        for path in files:
            digest.update(str(path.relative_to(ROOT)).encode() + self.content(path))
        return digest.hexdigest()


def is_wanted(entry, prefixes):
    path = pathlib.Path(entry["file"])
    return path.is_relative_to(ROOT) and str(path.relative_to(ROOT)).startswith(prefixes)


# Warnings of the compiler that clang-tidy is made from: GCC has flags that it does not know, and it
# knows which members are under which mutex (src/base/mutex.h).
FLAGS = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wthread-safety"]

# CHECK and TEST_CASE of doctest open blocks of their own, which are no nesting of ours.
OF_TESTS = """{InheritParentConfig: true, CheckOptions: [
  {key: readability-function-size.NestingThreshold, value: "6"}]}"""


def diagnostics_of(entry, build, known):
    """What clang-tidy says about one file, a text a diagnostic; empty where it is clean."""
    if known.exists():
        return []
    command = ["clang-tidy", "--quiet", "-p", build, *FLAGS]
    if entry["file"].endswith("_test.cc"):
        command.append(f"--config={OF_TESTS}")
    run = subprocess.run([*command, entry["file"]], capture_output=True, text=True)
    if run.returncode != 0:
        return re.split(r"^(?=/[^\n]*: (?:warning|error): )", run.stdout, flags=re.M) or [run.stderr]
    known.touch()
    return []


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    build = pathlib.Path(sys.argv[1]).resolve()
    prefixes = tuple(sys.argv[2:]) or OURS
    entries = json.loads((build / "compile_commands.json").read_text())
    entries = list({e["file"]: e for e in entries if is_wanted(e, prefixes)}.values())
    fingerprints = Fingerprints(build)
    (build / "tidy").mkdir(exist_ok=True)
    known = [build / "tidy" / fingerprints.of(entry) for entry in entries]
    remembered = sum(path.exists() for path in known)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(diagnostics_of, entries, [build] * len(entries), known))
    # A header's fault is found by every file that includes it.
    print("".join(dict.fromkeys(text for texts in said for text in texts)), end="")
    faulty = sum(bool(texts) for texts in said)
    print(f"{len(entries)} files ({remembered} unchanged and clean), {faulty} with faults")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
