#!/usr/bin/env python3
"""Starts `pagoda serve` with the demo model and makes every request of the transcripts.

    transcripts_test.py --pagoda build/release/pagoda --model models/demo --transcripts ../shared/transcripts

Prints one line a case that differs, then a summary. Exit code 0: all agree; 77: the transcripts are
not there.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from serving import Server  # noqa: E402  tests/serving.py

import cases  # noqa: E402
from compare import Difference, compare_error, compare_json, compare_streams, fail  # noqa: E402

FLAGS = ["--served-model-name", "demo", "--dtype", "float32", "--max-model-len", "2048"]
PARSERS = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"]
SKIPPED = 77


def ask(port, request):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers, body = {}, None
    if "raw_latin1" in request:
        body = request["raw_latin1"].encode("latin-1")
    elif request.get("body") is not None:
        body = json.dumps(request["body"]).encode()
    if request["method"] == "POST":
        headers["Content-Type"] = "application/json"
    connection.request(request["method"], request["path"], body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.getheader("content-type"), text


def is_sampled(request):
    body = request.get("body")
    return isinstance(body, dict) and float(body.get("temperature", 1)) > 0


def names_of_metrics(page):
    """Names, types and labels of all samples of vllm:* and http_requests_total."""
    names = set()
    for line in page.splitlines():
        if line.startswith(("vllm:", "http_requests_total", "# TYPE vllm:")):
            name = re.sub(r"} .*| [^ {}]+$", "", line) if not line.startswith("#") else line
            # Values of cache_config_info and of status differ from run to run.
            names.add(re.sub(r'="[^"]*"', "", name) if "le=" not in name else name)
    return names


def compare_metrics(ours, theirs):
    lacking = {n for n in names_of_metrics(theirs) - names_of_metrics(ours)
               if not n.startswith("vllm:cache_config_info")}
    if lacking:
        fail("metrics", "lacking", sorted(lacking))


def compare_better(name, answer, model):
    status, text = answer[0], answer[2]
    expected_status, message = cases.BETTER[name]
    if status != expected_status:
        fail("status", status, expected_status)
    message = message.replace("{model}", model)
    if not json.loads(text)["message"].startswith(message):
        fail("message", json.loads(text)["message"], message)


def compare_not_yet(answer):
    body = json.loads(answer[2])
    if answer[0] != 400 or "not supported yet" not in body["message"]:
        fail("answer", answer, "400 and 'not supported yet'")


def without_call_pieces(stream):
    """Without what vLLM's Hermes parser sends around a call, see cases.STREAMED_CALLS."""
    stream = re.sub(r'data: \{[^\n]*"delta":\{"content":null\}[^\n]*\n\n', "", stream)
    stream = stream.replace('{"content":null,', "{")
    return re.sub(r'data: \{[^\n]*"arguments":"\\n"[^\n]*\n\n', "", stream)


def compare(name, request, answer, expected, model):
    if name in cases.NOT_YET:
        return compare_not_yet(answer)
    if name in cases.BETTER:
        return compare_better(name, answer, model)
    status, content_type, text = answer
    if status != expected["status"]:
        fail("status", (status, text), expected["status"])
    if content_type != expected["content_type"]:
        fail("content-type", content_type, expected["content_type"])
    theirs = expected["body"]
    if name in cases.SPECIAL:
        return compare_metrics(text, theirs)
    if name in cases.STREAMED_CALLS:
        theirs = without_call_pieces(theirs)
    if str(content_type).startswith("text/event-stream"):
        return compare_streams(text, theirs, is_sampled(request))
    if not theirs:
        return fail("body", text, theirs) if text else None
    theirs, ours = json.loads(theirs), json.loads(text)
    if theirs.get("object") == "error":
        return compare_error(ours, theirs)
    return compare_json(ours, theirs, sampled=is_sampled(request))


def run_folder(folder, server, model, only):
    failed = 0
    files = [f for f in sorted(folder.glob("*.json")) if not only or re.search(only, f.stem)]
    for file in files:
        transcript = json.loads(file.read_text())
        try:
            answer = ask(server.port, transcript["request"])
            compare(file.stem, transcript["request"], answer, transcript["response"], model)
        except (Difference, OSError, ValueError) as error:
            failed += 1
            print(f"{folder.name}/{file.stem}: {error}")
    print(f"{folder.name}: {len(files) - failed} of {len(files)} agree")
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pagoda", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--transcripts", required=True, type=pathlib.Path)
    parser.add_argument("--only", help="a regular expression of case names")
    arguments = parser.parse_args()
    if not arguments.transcripts.is_dir():
        print(f"skipped: {arguments.transcripts} is not there")
        return 1 if os.environ.get("PAGODA_REQUIRE_SHARED") == "1" else SKIPPED
    failed = 0
    for name, flags in (("demo", FLAGS + PARSERS), ("plain", FLAGS)):
        with Server(arguments.pagoda, arguments.model, flags) as server:
            failed += run_folder(arguments.transcripts / name, server, arguments.model,
                                 arguments.only)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
