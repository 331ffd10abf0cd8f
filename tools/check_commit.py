#!/usr/bin/env python3
"""Checks a commit message: "area: what is true now", 72 columns, and a body that says why.

Usage: tools/check_commit.py MESSAGE_FILE    in the commit-msg hook: looks at what is staged
       tools/check_commit.py --commit REF    a commit that exists
"""
import re
import subprocess
import sys

MAX_TITLE = 72
SMALL_CHANGE = 10  # lines; below it a body may be missing


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def changed_lines(numstat):
    counts = re.findall(r"^(\d+)\t(\d+)\t", numstat, re.M)
    return sum(int(added) + int(removed) for added, removed in counts)


def faults_of(message, lines):
    text = [line for line in message.splitlines() if not line.startswith("#")]
    while text and not text[0].strip():
        text.pop(0)
    title = text[0] if text else ""
    if re.match(r"(Merge|Revert) ", title):
        return
    if not re.match(r"[a-z0-9_./-]+(, [a-z0-9_./-]+)*: \S", title):
        yield f'title: {title!r} does not begin with an area, as in "engine: preempt the newest sequence"'
    if len(title) > MAX_TITLE:
        yield f"title: {len(title)} characters; say it in {MAX_TITLE}"
    if title.endswith("."):
        yield "title: ends with a full stop; leave it out"
    if len(text) > 1 and text[1].strip():
        yield "line 2: must be empty, between title and body"
    if lines >= SMALL_CHANGE and not any(line.strip() for line in text[1:]):
        yield f"body: missing; a change of {lines} lines says why, and what it costs or gains"


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--commit":
        message = git("log", "-1", "--format=%B", sys.argv[2])
        lines = changed_lines(git("show", "--numstat", "--format=", sys.argv[2]))
    elif len(sys.argv) == 2:
        with open(sys.argv[1]) as file:
            message = file.read()
        lines = changed_lines(git("diff", "--cached", "--numstat"))
    else:
        sys.exit(__doc__.strip())
    faults = list(faults_of(message, lines))
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
