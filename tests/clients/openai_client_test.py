#!/usr/bin/env python3
"""The unmodified `openai` client of Python against a running server."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from serving import Server, arguments_of_test, skip  # noqa: E402

try:
    import openai
except ImportError:
    openai = None

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


def main():
    arguments = arguments_of_test()
    if openai is None:
        return skip("the Python package openai is not installed (pip install openai)")
    with Server(arguments.pagoda, arguments.model, FLAGS) as server:
        OpenAiClientTest.port = server.port
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(OpenAiClientTest)
        result = unittest.TextTestRunner(verbosity=2).run(tests)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
