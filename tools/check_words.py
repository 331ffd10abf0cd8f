#!/usr/bin/env python3
"""Fails when a word stands where the house rules do not allow it.

Usage: tools/check_words.py [root]   Prints one line a fault; exit status 1 if there is any.
"""
import pathlib
import re
import subprocess
import sys

SOURCES = {".h", ".cc", ".inl", ".cu", ".cuh"}
CODE, TEXT, COMMENT = "code", "code and strings", "comments"

# (pattern, where it is looked for, paths that may have it, reason)
RULES = [
    (r"\bshared_ptr\b", CODE, (), "one owner each: unique_ptr, or a value (1.16)"),
    (r"\bnew\s+[A-Za-z_(]", CODE, (), "make_unique or a container owns it (1.16)"),
    (r"(?<![=\w])\s*\bdelete\b(?!\s*;)", CODE, (), "a destructor gives it back (1.16)"),
    (r"\bstd::(mutex|condition_variable|lock_guard|unique_lock|scoped_lock|shared_mutex)\b", CODE,
     ("src/base/mutex.h",), "Mutex, MutexLock and Condition are checked: members say GUARDED_BY (1.17)"),
    (r"\b(secure_)?getenv\b|\benviron\b", CODE, ("src/cli/", "src/base/shared_test_main.cc"),
     "only cli reads the environment; take the value as an argument (1.14)"),
    (r"\bhardware_concurrency\b|\bsched_getaffinity\b|\bget_nprocs\b", CODE,
     ("src/base/usable_cores.cc",),
     "usable_cores(): affinity and the cgroup's quota, not what the machine has"),
    (r"\bget_instance\b", CODE, (), "no singletons (1.14)"),
    (r"catch\s*\(\s*\.\.\.\s*\)", CODE, ("src/cli/main.cc",),
     "catch Error where the table of rule 1.10 says"),
    (r"^\s*#\s*(if|ifdef|elif).*(CUDA|ASCEND|USE_)", CODE, ("src/backends/",),
     "a device is a backend, not a condition (1.18)"),
    (r"\b\w*(CUDA|Cuda|ASCEND|Ascend)\w*", CODE, ("src/backends/", "src/cli/"),
     "a device is a backend, not a condition (1.18)"),
    (r"\b(Qwen|Deepseek|DeepSeek|Llama|Mistral)\w*", TEXT,
     # Tokenizers, tool calls and thinking have forms that are named after families; a message may
     # give an architecture as an example.
     ("src/models/", "src/cli/", "src/vision/qwen_vl_input", "src/text/tokenizer/tokenizer_files",
      "src/text/answer/tool_call_parser", "src/text/answer/reasoning_parser", "src/load/hf_config.cc"),
     "an architecture is a file of models/, not a condition (1.18)"),
    (r"\bTODO\b(?!\(#\d+\))|\bFIXME\b|\bXXX\b", COMMENT, (), "name an issue: TODO(#12) (1.7)"),
]
# In every text file: what belongs to one machine.
PATHS = re.compile(r"(?<![\w.])/(work|tmp)/(main|shared|brief|b-)")

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.S)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def views_of(text):
    """The text with line breaks in their places: only code; code and strings; only comments."""
    is_comment = lambda token: token.startswith("/")
    is_digit_separator = lambda m: m[0].startswith("'") and text[m.start() - 1 : m.start()].isalnum()
    keep = lambda m: m[0] if is_digit_separator(m) else None
    comments, last = [], 0
    for m in TOKEN.finditer(text):
        comments += [blank(text[last : m.start()]), m[0] if is_comment(m[0]) else blank(m[0])]
        last = m.end()
    return {
        CODE: TOKEN.sub(lambda m: keep(m) or blank(m[0]), text),
        TEXT: TOKEN.sub(lambda m: blank(m[0]) if is_comment(m[0]) else m[0], text),
        COMMENT: "".join(comments) + blank(text[last:]),
    }


def faults_of_source(name, text):
    views = views_of(text)
    is_test = re.search(r"_test(ing)?\.|/test_|^tests/|^bench/", name)
    for pattern, where, allowed, reason in RULES:
        if name.startswith(allowed) or (is_test and where == TEXT):
            continue
        for number, line in enumerate(views[where].split("\n"), 1):
            match = re.search(pattern, line)
            if match:
                yield f"{name}:{number}: {match[0].strip()!r}: {reason}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    names = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    faults, checked = [], 0
    for name in names:
        path = root / name
        if name.startswith(("models/", "testdata/")) or not path.is_file():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        checked += 1
        for number, line in enumerate(text.split("\n"), 1):
            match = PATHS.search(line)
            if match:
                faults.append(f"{name}:{number}: {match[0]!r}: a path of one machine")
        if path.suffix in SOURCES:
            faults += faults_of_source(name, text)
    print("\n".join(faults) or f"{checked} files, no forbidden words")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
