"""Compares an answer of Pagoda with what vLLM 0.9.2 answered, by the rules of transcripts/README.md:
same status, same keys in the same order, same values but for ids, times and paths; log-probabilities
within 1e-3; of a stream the same kinds of chunks, the same first and last ones and the same text.
"""

import json

LOGPROB_TOLERANCE = 1e-3  # transcripts/README.md
NEVER_EQUAL = {"id", "created", "root"}
TEXTS = {"text", "content", "reasoning_content", "arguments"}


class Difference(Exception):
    pass


def fail(path, ours, theirs):
    raise Difference(f"{path or 'body'}: is {ours!r:.300}, vLLM has {theirs!r:.300}")


def compare_json(ours, theirs, path="", sampled=False):
    if isinstance(theirs, dict):
        compare_objects(ours, theirs, path, sampled)
    elif isinstance(theirs, list):
        if not isinstance(ours, list):
            fail(path, ours, theirs)
        if sampled:
            return  # what was sampled decides how many there are
        if len(ours) != len(theirs):
            fail(path + " (length)", len(ours), len(theirs))
        for i, (a, b) in enumerate(zip(ours, theirs)):
            compare_json(a, b, f"{path}[{i}]", sampled)
    else:
        compare_scalars(ours, theirs, path, sampled)


def compare_objects(ours, theirs, path, sampled):
    if not isinstance(ours, dict) or list(ours) != list(theirs):
        fail(path + " (keys)", list(ours) if isinstance(ours, dict) else ours, list(theirs))
    for key, value in theirs.items():
        if key not in NEVER_EQUAL:
            compare_json(ours[key], value, f"{path}.{key}", sampled)


def compare_scalars(ours, theirs, path, sampled):
    if "logprob" in path and isinstance(theirs, float) and isinstance(ours, (int, float)):
        if abs(ours - theirs) > LOGPROB_TOLERANCE and not sampled:
            fail(path, ours, theirs)
    elif type(ours) is not type(theirs):
        fail(path, ours, theirs)
    elif ours != theirs and not sampled:
        fail(path, ours, theirs)


def compare_error(ours, theirs):
    """Ours has OpenAI's nested object behind the flat fields, and may say more than vLLM."""
    nested = ours.get("error")
    flat = {k: v for k, v in ours.items() if k != "error"}
    if list(flat) != list(theirs):
        fail("keys", list(flat), list(theirs))
    expected = {k: ours[k] for k in ("message", "type", "param", "code")}
    if nested != expected:
        fail("error", nested, expected)
    for key in ("object", "type", "param", "code"):
        if ours[key] != theirs[key]:
            fail(key, ours[key], theirs[key])
    # vLLM joins an exception with its cause, which is mostly None.
    words = theirs["message"].removesuffix(" None")
    if not ours["message"].startswith(words):
        fail("message", ours["message"], words)


def chunks_of(stream):
    events = [e for e in stream.split("\n\n") if e]
    if any(not e.startswith("data: ") for e in events):
        raise Difference("a line of the stream does not begin with 'data: '")
    if not events or events[-1] != "data: [DONE]":
        raise Difference(f"the stream ends with {events[-1:]} instead of [DONE]")
    return [json.loads(e[len("data: "):]) for e in events[:-1]]


def kind_of(value):
    """The shape of a chunk: its keys, and the types of its values."""
    if isinstance(value, dict):
        return tuple((key, kind_of(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(sorted({repr(kind_of(item)) for item in value}))
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def texts_of(chunks):
    """All texts of a stream by choice and kind, joined."""
    out = {}

    def walk(value, choice, key):
        if isinstance(value, dict):
            for k, item in value.items():
                walk(item, value.get("index", choice) if key != "tool_calls" else choice, k)
        elif isinstance(value, list):
            for item in value:
                walk(item, choice, key)
        elif key in TEXTS and isinstance(value, str):
            out[choice, key] = out.get((choice, key), "") + value

    for chunk in chunks:
        walk({k: v for k, v in chunk.items() if k == "choices"}, None, "")
        for choice in chunk["choices"]:
            choice.pop("logprobs_seen", None)
    return {k: v for k, v in out.items() if v}


def compare_streams(ours, theirs, sampled, kinds_may_lack=()):
    ours, theirs = chunks_of(ours), chunks_of(theirs)
    compare_json(ours[0], theirs[0], "first chunk", sampled)
    our_kinds, their_kinds = set(map(kind_of, ours)), set(map(kind_of, theirs))
    missing = {k for k in their_kinds - our_kinds if not any(m in repr(k) for m in kinds_may_lack)}
    if missing or our_kinds - their_kinds:
        fail("kinds of chunks", our_kinds - their_kinds, missing)
    if sampled:
        return
    compare_json(ours[-1], theirs[-1], "last chunk", sampled)
    if texts_of(ours) != texts_of(theirs):
        fail("joined texts", texts_of(ours), texts_of(theirs))
