#!/usr/bin/env python3
"""Runs the user's own document: each command unchanged under the name `vllm`, then its curl calls
unchanged, against tiny checkpoints of the same architectures.

Usage: seed_test.py --bin FOLDER_OF_VLLM --shared FOLDER   Exit status 77 where the data is missing.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import document_models
import network
import picture_host
import seed_document
from document_models import ANSWERS, CODER, DEEPSEEK, MOE, QWEN25, QWEN3, VISION

PORTS = (8000, 8001, 8002)
START_SECONDS, STOP_SECONDS, CALL_SECONDS = 120, 60, 120

# The host of the document's picture, and an address of the internet that it gets in the private
# network, where nobody else can have it. One that is private would be refused, as it must be.
PICTURE_HOST, PICTURE_ADDRESS = "modelscope.oss-cn-beijing.aliyuncs.com", "8.8.8.8"
PICTURE_PATH = "/resource/qwen.png"
PICTURE = "qwen2.5-vl/images/text.png"  # 200 x 60 pixels
PICTURE_TOKENS = 7 * 2  # of 28 x 28 pixels, after it is resized to 196 x 56

CHAT_KEYS = ["id", "object", "created", "model", "choices", "usage", "prompt_logprobs",
             "kv_transfer_params"]

OPTIONS = argparse.Namespace(bin=None, shared=None, has_private_network=False)


def get(url):
    """Status and body; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError:
        return 0, b""


class Server:
    """A service of the document, from its command to the end of its process."""

    def __init__(self, service, redirect, home, extra_environment):
        self.log_path = home / f"{service.port}.log"
        self.port = service.port
        environment = {"PATH": f"{OPTIONS.bin}:{os.environ['PATH']}", "HOME": str(home),
                       "VLLM_MODEL_REDIRECT_PATH": str(redirect), **extra_environment,
                       **service.environment}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(service.argv, env=environment, stdout=log, stderr=log,
                                            cwd=home)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while get(f"http://localhost:{self.port}/health")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the server is not ready:\n{self.log()}")
            time.sleep(0.05)

    def stop(self):
        """Exit status after SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"does not end after SIGTERM:\n{self.log()}") from None


def call(command):
    """The answer to a curl command of the document, in its order of keys."""
    run = subprocess.run(["bash", "-c", command], capture_output=True, timeout=CALL_SECONDS)
    if run.returncode != 0:
        raise AssertionError(f"curl fails: {run.stderr.decode()}")
    return json.loads(run.stdout)


class SeedTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        root = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        text = (OPTIONS.shared / "spec/seed.md").read_text()
        cls.sections = {s.title: s for s in seed_document.read_sections(text)}
        cls.home = root / "home"
        cls.home.mkdir()
        cls.models = document_models.write_models(OPTIONS.shared, root)
        cls.redirect = root / "redirect.json"
        cls.redirect.write_text(json.dumps({k: str(v) for k, v in cls.models.items()}))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @contextlib.contextmanager
    def running(self, *services, **extra_environment):
        """All services at once, as compose starts them; each must end well."""
        servers = [Server(s, self.redirect, self.home, extra_environment) for s in services]
        try:
            for server in servers:
                server.wait_until_ready()
            yield servers
            for server in servers:
                self.assertEqual(server.stop(), 0, server.log())
        finally:
            for server in servers:
                if server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()

    def service(self, title, model):
        return next(s for s in self.sections[title].services if s.model == model)

    def check_chat(self, answer, model, content, finish_reason):
        self.assertEqual(list(answer), CHAT_KEYS, answer)
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["model"], model)
        self.assertEqual(len(answer["choices"]), 1)
        choice = answer["choices"][0]
        self.assertEqual(choice["message"], {"role": "assistant", "reasoning_content": None,
                                             "content": content, "tool_calls": []})
        self.assertEqual(choice["finish_reason"], finish_reason)

    def test_the_whole_document_is_covered(self):
        found = {s.model for section in self.sections.values() for s in section.services}
        self.assertEqual(found, set(self.models))
        self.assertEqual(sum(len(s.curls) for s in self.sections.values()), 6)
        self.assertEqual(sum(len(s.services) for s in self.sections.values()), 7)

    def test_docker_run_of_qwen2_5_7b_with_four_ranks(self):
        service = self.service("Docker", QWEN25)
        self.assertEqual(service.environment["VLLM_USE_MODELSCOPE"], "True")
        with self.running(service) as [server]:
            status, body = get("http://localhost:8000/v1/models")
            self.assertEqual(status, 200)
            [card] = json.loads(body)["data"]
            self.assertEqual((card["id"], card["max_model_len"]),
                             ("Qwen/Qwen2.5-7B-Instruct", 26240))
            self.assertIn("Application startup complete.", server.log())

    def test_compose_of_qwen3_8b(self):
        service = self.service("Qwen3-8B", QWEN3)
        [curl] = self.sections["Qwen3-8B"].curls
        with self.running(service) as [server]:
            answer = call(curl)
            self.assertEqual(answer["object"], "text_completion")
            self.assertEqual(answer["model"], "Qwen/Qwen3-8B")
            [choice] = answer["choices"]
            self.assertEqual(choice["text"], " bright, and here to stay.")
            self.assertEqual(choice["finish_reason"], "length")
            self.assertEqual(answer["usage"], {"prompt_tokens": 5, "total_tokens": 12,
                                               "completion_tokens": 7,
                                               "prompt_tokens_details": None})
            self.assertIn("PYTORCH_NPU_ALLOC_CONF max_split_size_mb:256 has no effect",
                          server.log())

    def test_compose_of_qwen3_30b_with_experts_over_four_ranks(self):
        title = "Qwen3-30B-A3B"
        [curl] = self.sections[title].curls
        with self.running(self.service(title, MOE)):
            self.check_chat(call(curl), "Qwen/Qwen3-30B-A3B", ANSWERS[MOE], "stop")

    @contextlib.contextmanager
    def host_of_the_picture(self):
        """The host, and the file of the authority that vouches for it."""
        folder = self.home / "picture-host"
        folder.mkdir()
        network.be_host(PICTURE_HOST, PICTURE_ADDRESS, folder)
        authority, key, certificate = picture_host.make_certificates(folder, PICTURE_HOST)
        picture = (OPTIONS.shared / "golden" / PICTURE).read_bytes()
        with picture_host.PictureHost(PICTURE_ADDRESS, PICTURE_PATH, picture, key,
                                      certificate) as host:
            yield host, authority

    def test_compose_of_qwen2_5_vl_sees_the_picture_that_its_url_names(self):
        if not OPTIONS.has_private_network:
            self.skipTest("without a network of its own this would ask the real host")
        title = "Qwen2.5-VL-32B-Instruct"
        [curl] = self.sections[title].curls
        self.assertIn(f"https://{PICTURE_HOST}{PICTURE_PATH}", curl)
        with self.host_of_the_picture() as (host, authority), \
                self.running(self.service(title, VISION), SSL_CERT_FILE=str(authority)):
            answer = call(curl)
            self.check_chat(answer, "Qwen/Qwen2.5-VL-32B-Instruct", ANSWERS[VISION], "stop")
            self.assertEqual(host.asked, [(PICTURE_HOST, PICTURE_PATH)])
            # The texts have 6 and 8, the template around them 13, both ends of the picture 2.
            self.assertEqual(answer["usage"]["prompt_tokens"], 6 + 8 + 13 + 2 + PICTURE_TOKENS)

    def test_compose_of_two_services_at_once(self):
        title = "Qwen3-30B-A3B & Qwen2.5-Coder-32B-Instruct"
        section = self.sections[title]
        with self.running(*section.services):
            experts, coder = (call(curl) for curl in section.curls)
            self.check_chat(experts, "Qwen/Qwen3-30B-A3B", ANSWERS[MOE], "stop")
            self.check_chat(coder, "Qwen/Qwen2.5-Coder-32B-Instruct", ANSWERS[CODER], "stop")

    def test_compose_of_the_coder_beside_another_service(self):
        title = "Qwen3-30B-A3B & Qwen2.5-Coder-32B-Instruct"
        coder = self.service(title, CODER)
        neighbor = self.service("Qwen3-8B", QWEN3)
        curl = self.sections[title].curls[1]
        self.assertIn("localhost:8002", curl)
        with self.running(coder, neighbor):
            answer = call(curl)
            self.check_chat(answer, "Qwen/Qwen2.5-Coder-32B-Instruct", ANSWERS[CODER], "stop")
            self.assertEqual(answer["usage"]["completion_tokens"], 5)

    def test_compose_of_deepseek_with_experts_over_eight_ranks(self):
        section = self.sections["DeepSeek-V3-Pruning"]
        [curl], [reply] = section.curls, section.replies
        with self.running(self.service(section.title, DEEPSEEK)) as [server]:
            answer = call(curl)
            self.check_chat(answer, "DeepSeek-V3", ANSWERS[DEEPSEEK] * 6 + "One two", "length")
            self.assertEqual(answer["usage"], reply["usage"])
            self.assertEqual(list(answer), list(reply))
            self.assertEqual(list(answer["choices"][0]), list(reply["choices"][0]))
            self.assertEqual(list(answer["choices"][0]["message"]),
                             list(reply["choices"][0]["message"]))
            self.assertIn("--enforce-eager has no effect", server.log())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    arguments, rest = parser.parse_known_args(namespace=OPTIONS)
    if not (arguments.shared / "spec/seed.md").is_file():
        must_run = os.environ.get("PAGODA_REQUIRE_SHARED") == "1"
        print(f"{'FAILED' if must_run else 'SKIPPED'}: {arguments.shared}/spec/seed.md is missing")
        sys.exit(1 if must_run else 77)
    OPTIONS.has_private_network = network.enter_private_network(PORTS)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
