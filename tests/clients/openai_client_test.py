#!/usr/bin/env python3
"""The unmodified `openai` client of Python against a running server."""

import base64
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from serving import Server, arguments_of_test, skip  # noqa: E402

try:
    import openai
except ImportError:
    openai = None

VISION_MODEL = pathlib.Path(__file__).resolve().parents[2] / "testdata/models/qwen2.5-vl"
VISION_FLAGS = ["--served-model-name", "vision", "--dtype", "float32",
                "--allowed-local-media-path", str(VISION_MODEL / "images")]
FLAGS = ["--served-model-name", "demo", "--dtype", "float32", "--api-key", "secret",
         "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"]
WHO = [{"role": "user", "content": "你是谁？"}]
ANSWER = "我是 Pagoda 演示模型，一个随 Pagoda 推理引擎一起提供的很小的语言模型。"
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
WEATHER = [{"role": "user", "content": "What is the weather in Tokyo?"}]
TOOL = {"type": "function",
        "function": {"name": "get_weather", "description": "Get the weather of a city",
                     "parameters": {"type": "object",
                                    "properties": {"city": {"type": "string",
                                                            "description": "The city"}},
                                    "required": ["city"]}}}


class OpenAiClientTest(unittest.TestCase):
    port = None

    def setUp(self):
        self.client = self.client_with("secret")

    def tearDown(self):
        self.client.close()

    def client_with(self, key):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0)

    def chat(self, messages, **more):
        return self.client.chat.completions.create(model="demo", messages=messages, temperature=0,
                                                   **more)

    def test_models_are_listed(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["demo"])

    def test_a_chat_is_answered(self):
        answer = self.chat(WHO, extra_body=NO_THINKING)
        self.assertEqual(answer.choices[0].message.content, ANSWER)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.completion_tokens, 8)

    def test_a_chat_is_streamed(self):
        stream = self.chat(WHO, stream=True, stream_options={"include_usage": True},
                           extra_body=NO_THINKING)
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, ANSWER)
        self.assertEqual(chunks[-1].usage.completion_tokens, 8)

    def test_thinking_is_apart(self):
        message = self.chat([{"role": "user", "content": "What is 23 + 45?"}]).choices[0].message
        self.assertIn("68", message.reasoning_content)
        self.assertIn("68", message.content)

    def test_a_tool_is_called_and_its_result_used(self):
        answer = self.chat(WEATHER, tools=[TOOL], extra_body=NO_THINKING)
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual((call.function.name, call.function.arguments),
                         ("get_weather", '{"city": "Tokyo"}'))
        result = {"role": "tool", "tool_call_id": call.id,
                  "content": '{"temperature": 20, "sky": "sunny"}'}
        messages = [*WEATHER, answer.choices[0].message.model_dump(exclude_none=True), result]
        second = self.chat(messages, tools=[TOOL], extra_body=NO_THINKING)
        self.assertIn("sunny", second.choices[0].message.content)

    def test_a_tool_call_is_streamed(self):
        name, arguments, reason = "", "", None
        for chunk in self.chat(WEATHER, tools=[TOOL], stream=True, extra_body=NO_THINKING):
            for call in chunk.choices[0].delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            reason = chunk.choices[0].finish_reason or reason
        self.assertEqual((name, arguments, reason),
                         ("get_weather", '{"city": "Tokyo"}', "tool_calls"))

    def test_log_probabilities_are_read(self):
        answer = self.chat(WHO, logprobs=True, top_logprobs=2, max_tokens=3, extra_body=NO_THINKING)
        tokens = answer.choices[0].logprobs.content
        self.assertEqual(len(tokens), 3)
        self.assertEqual(tokens[0].token, tokens[0].top_logprobs[0].token)

    def test_a_completion_is_answered_and_streamed(self):
        request = {"model": "demo", "prompt": "The future of AI is", "max_tokens": 7,
                   "temperature": 0}
        whole = self.client.completions.create(**request)
        self.assertEqual(whole.choices[0].text, " not one large machine but many small")
        parts = self.client.completions.create(**request, stream=True)
        self.assertEqual("".join(p.choices[0].text for p in parts), whole.choices[0].text)

    def test_errors_reach_the_client_as_its_own_exceptions(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.completions.create(model="other", prompt="x")
        self.assertIn("The model `other` does not exist.", caught.exception.body["message"])
        self.assertEqual(caught.exception.type, "NotFoundError")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.completions.create(model="demo", prompt="x", max_tokens=100000)
        self.assertIn("maximum context length", caught.exception.message)
        with self.assertRaises(openai.AuthenticationError):
            self.client_with("wrong").models.list()


def picture_part(url):
    return {"type": "image_url", "image_url": {"url": url}}


def picture_file(name):
    return VISION_MODEL / f"images/{name}.png"


def picture_data(name):
    digits = base64.b64encode(picture_file(name).read_bytes()).decode()
    return f"data:image/png;base64,{digits}"


def user(*parts):
    return {"role": "user", "content": list(parts)}


class PicturesTest(unittest.TestCase):
    """The tokens that transformers computes for the model's prompts are what the client gets."""
    port = None

    def setUp(self):
        self.client = openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="none",
                                    max_retries=0)
        self.addCleanup(self.client.close)
        prompts = json.loads((VISION_MODEL / "expected.json").read_text())["prompts"]
        self.prompts = [p for p in prompts if "images" in p]

    def ask(self, messages, **more):
        return self.client.chat.completions.create(
            model="vision", messages=messages, temperature=0, max_tokens=20, logprobs=True,
            extra_body={"ignore_eos": True, "return_tokens_as_token_ids": True}, **more)

    def text_of(self, prompt):
        return prompt["text"].split("<|vision_end|>")[-1].split("<|im_end|>")[0]

    def message_of(self, prompt, url_of=picture_data):
        parts = [picture_part(url_of(name)) for name in prompt["images"]]
        return user(*parts, {"type": "text", "text": self.text_of(prompt)})

    def tokens(self, logprobs):
        return [int(token.token.removeprefix("token_id:")) for token in logprobs]

    def check(self, answer, prompt):
        self.assertEqual(self.tokens(answer.choices[0].logprobs.content), prompt["greedy"])
        self.assertEqual(answer.usage.prompt_tokens, len(prompt["ids"]))

    def test_pictures_are_seen_one_or_several_in_a_message(self):
        self.assertEqual(max(len(p["images"]) for p in self.prompts), 2)
        for prompt in self.prompts:
            with self.subTest(prompt["images"]):
                self.check(self.ask([self.message_of(prompt)]), prompt)

    def test_pictures_come_from_files_too(self):
        prompt = self.prompts[0]
        message = self.message_of(prompt, url_of=lambda name: f"file://{picture_file(name)}")
        self.check(self.ask([message]), prompt)

    def test_an_answer_about_a_picture_is_streamed(self):
        prompt = self.prompts[1]
        stream = self.ask([self.message_of(prompt)], stream=True,
                          stream_options={"include_usage": True})
        got, usage = [], None
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                got += self.tokens(choice.logprobs.content) if choice.logprobs else []
        self.assertEqual(got, prompt["greedy"])
        self.assertEqual(usage.prompt_tokens, len(prompt["ids"]))

    def test_pictures_of_two_turns_are_told_apart(self):
        def over_two_turns(first, second):
            return self.ask([user(picture_part(picture_data(first)), {"type": "text", "text": "a"}),
                             {"role": "assistant", "content": "b"},
                             user(picture_part(picture_data(second)), {"type": "text", "text": "c"})])

        def values(answer):
            return [token.logprob for token in answer.choices[0].logprobs.content]

        # 8 tokens each, so the prompts have the same ids and differ in their pictures only.
        one = over_two_turns("rgba", "palette")
        other, again = over_two_turns("palette", "rgba"), over_two_turns("rgba", "palette")
        self.assertEqual(one.usage.prompt_tokens, other.usage.prompt_tokens)
        self.assertNotEqual(values(one), values(other))
        self.assertEqual(values(one), values(again))

    def test_a_broken_picture_is_named_and_others_are_answered(self):
        prompt = self.prompts[2]
        cut = picture_data("large")[:4022]
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask([user(picture_part(picture_data("tiny")), picture_part(cut))])
        self.assertIn("messages[0].content[1]: \"data:image/png;base64,...\": image: the PNG",
                      caught.exception.body["message"])
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask([user(picture_part("file:///etc/hostname"))])
        self.assertIn("must be a subpath of `--allowed-local-media-path`",
                      caught.exception.body["message"])
        self.check(self.ask([self.message_of(prompt)]), prompt)


def run(test, pagoda, model, flags):
    with Server(pagoda, model, flags) as server:
        test.port = server.port
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(test)
        return unittest.TextTestRunner(verbosity=2).run(tests).wasSuccessful()


def main():
    arguments = arguments_of_test()
    if openai is None:
        return skip("the Python package openai is not installed (pip install openai)")
    chats = run(OpenAiClientTest, arguments.pagoda, arguments.model, FLAGS)
    pictures = run(PicturesTest, arguments.pagoda, str(VISION_MODEL), VISION_FLAGS)
    return 0 if chats and pictures else 1


if __name__ == "__main__":
    sys.exit(main())
