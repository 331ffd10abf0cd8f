#!/usr/bin/env python3
"""Answers of chat and completions against OpenAI's own description of them.

Where vLLM 0.9.2 differs from OpenAI, so do we; those differences are listed below, and the test
fails as well when one of them no longer occurs.
"""

import json
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from serving import Server, arguments_of_test, skip  # noqa: E402

from json_schema import Schemas  # noqa: E402

PARSERS = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"]

# vLLM's answers have these instead of what OpenAI describes.
DIFFERENCES = {
    ".choices[].message: lacks refusal",
    ".choices[].logprobs: lacks refusal",
    ".usage.prompt_tokens_details: is NoneType, not object",
    # In streams of completions: OpenAI describes no chunks of their own for them.
    ".usage: is NoneType, not object",
    ".choices[].finish_reason: is NoneType, not string",
    # With echo, nothing is known about the first token of the prompt.
    ".choices[].logprobs.token_logprobs[]: is NoneType, not number",
    ".choices[].logprobs.top_logprobs[]: is NoneType, not object",
}

WHO = [{"role": "user", "content": "你是谁？"}]
TOOL = {"type": "function",
        "function": {"name": "get_weather", "description": "Get the weather of a city",
                     "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                                    "required": ["city"]}}}
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
WEATHER = [{"role": "user", "content": "What is the weather in Tokyo?"}]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}

CHATS = [
    {"messages": WHO},
    {"messages": WHO, **NO_THINKING},
    {"messages": WHO, "logprobs": True, "top_logprobs": 2, "max_tokens": 3},
    {"messages": WHO, "n": 2, "temperature": 1, "max_tokens": 3},
    {"messages": WEATHER, "tools": [TOOL], **NO_THINKING},
]
COMPLETIONS = [
    {"prompt": "The future of AI is", "max_tokens": 7},
    {"prompt": "The future of AI is", "max_tokens": 7, "logprobs": 2, "echo": True},
    {"prompt": ["Once upon a time", "The future"], "max_tokens": 3, "stop": ["a"]},
]


def answers(url, body):
    request = urllib.request.Request(url, json.dumps({"temperature": 0, **body}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        text = response.read().decode()
    if not body.get("stream"):
        return [json.loads(text)]
    events = [e.removeprefix("data: ") for e in text.split("\n\n") if e]
    return [json.loads(e) for e in events if e != "[DONE]"]


def main():
    arguments = arguments_of_test()
    description = arguments.shared / "data/openai/openapi.yaml"
    if not description.is_file():
        return skip(f"{description} is not there")
    try:
        import yaml
    except ImportError:
        return skip("the Debian package python3-yaml is not installed")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schemas = Schemas(yaml.load(description.read_text(), loader))

    seen, wrong, checked = set(), set(), 0
    with Server(arguments.pagoda, arguments.model,
                ["--served-model-name", "demo", "--dtype", "float32", *PARSERS]) as server:
        for path, bodies, whole, chunk in (
                ("/v1/chat/completions", CHATS, "CreateChatCompletionResponse",
                 "CreateChatCompletionStreamResponse"),
                ("/v1/completions", COMPLETIONS, "CreateCompletionResponse",
                 "CreateCompletionResponse")):
            for body in bodies + [{**b, **USAGE} for b in bodies]:
                schema = schemas.named(chunk if body.get("stream") else whole)
                for answer in answers(server.url + path, body):
                    checked += 1
                    found = set(schemas.errors(answer, schema))
                    seen |= found & DIFFERENCES
                    wrong |= {f"{path} {json.dumps(body)[:100]}: {e}" for e in found - DIFFERENCES}
    for line in sorted(wrong):
        print(line)
    for line in sorted(DIFFERENCES - seen):
        print(f"no longer different, take it off the list: {line}")
    print(f"{checked} answers and chunks checked")
    return 1 if wrong or seen != DIFFERENCES else 0


if __name__ == "__main__":
    sys.exit(main())
