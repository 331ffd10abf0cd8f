#!/usr/bin/env python3
"""Checks the CPU image with a Docker engine: starts it as deploy/README.md and the user's own document
do, and every file of deploy/compose/cpu, with tiny checkpoints where the models would be.

Usage: tools/check_docker.py IMAGE --shared FOLDER   Needs docker, and its plugin or docker-compose; the
ports 8000 to 8002; python3-yaml. FOLDER has the document and the published configurations.
"""
import argparse
import base64
import itertools
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/seed"))

import document_models  # noqa: E402
import network  # noqa: E402
import seed_document  # noqa: E402

PORTS = (8000, 8001, 8002)
READY_SECONDS, HEALTHY_SECONDS, COMMAND_SECONDS = 120, 60, 120
LARGEST_IMAGE = 200_000_000
STRANGER = "12345:12345"  # a user that the image does not know
NOT_IN_DOCUMENT = "/models/Qwen/Qwen2.5-32B-Instruct"  # in its table, not in its examples
DEMO_ANSWER = "I am the Pagoda demo model"

OPTIONS = argparse.Namespace(image=None, shared=None)


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, check=False)
    if check and done.returncode != 0:
        command = shlex.join(map(str, words))
        raise AssertionError(f"{command}: ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def inspect(kind, name):
    return json.loads(run("docker", kind, "inspect", name))[0]


def compose_command():
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


def picture_url():
    picture = (OPTIONS.shared / "golden/qwen2.5-vl/images/text.png").read_bytes()
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def chat(port, with_picture=False):
    content = [{"type": "text", "text": "Who are you?"}]
    if with_picture:
        content.insert(0, {"type": "image_url", "image_url": {"url": picture_url()}})
    body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 60}
    request = urllib.request.Request(f"http://localhost:{port}/v1/chat/completions",
                                     json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=COMMAND_SECONDS) as answer:
        return json.load(answer)


class Container:
    def __init__(self, name):
        self.name = name
        self.health_check = inspect("image", OPTIONS.image)["Config"]["Healthcheck"]["Test"]

    @property
    def state(self):
        return inspect("container", self.name)["State"]

    def log(self):
        return run("docker", "logs", self.name)

    def inside(self, *words):
        return subprocess.run(["docker", "exec", self.name, *words], capture_output=True, text=True,
                              check=False)

    def wait_until_ready(self):
        """By the image's health check, which Docker itself runs only every few seconds."""
        end = time.monotonic() + READY_SECONDS
        while self.inside(*self.health_check[1:]).returncode != 0:
            if self.state["Status"] != "running" or time.monotonic() > end:
                raise AssertionError(f"{self.name} is not ready:\n{self.log()}")
            time.sleep(0.3)

    def wait_until_healthy(self):
        """By what Docker says."""
        end = time.monotonic() + HEALTHY_SECONDS
        while self.state["Health"]["Status"] != "healthy":
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: {self.state}:\n{self.log()}")
            time.sleep(0.5)

    def stop(self):
        """Exit code after `docker stop`."""
        run("docker", "stop", self.name)
        return self.state["ExitCode"]


class DockerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.folder.chmod(0o755)
        folders = document_models.write_models(OPTIONS.shared, cls.folder)
        shutil.copytree(folders[document_models.CODER], cls.folder / NOT_IN_DOCUMENT.lstrip("/"))
        cls.answers = {**document_models.ANSWERS, NOT_IN_DOCUMENT:
                       document_models.ANSWERS[document_models.CODER]}
        cls.mounts = [f"{cls.folder}/cache:/root/.cache", f"{cls.folder}/models:/models"]

    def start(self, *words, options=(), name="pagoda-check"):
        self.addCleanup(run, "docker", "rm", "-f", name)
        run("docker", "run", "-d", "--name", name, "--network", "host", *options, OPTIONS.image, *words)
        return Container(name)

    def check_answer(self, model, port):
        answer = chat(port, with_picture=model == document_models.VISION)
        content = answer["choices"][0]["message"]["content"]
        self.assertTrue(content.startswith(self.answers[model]), content)
        return answer

    def check_end(self, container):
        self.assertEqual(container.stop(), 0, container.log())
        self.assertNotIn("\x1b", container.log())

    def test_image_is_small_and_says_how_to_use_it(self):
        image = inspect("image", OPTIONS.image)
        print(f"{image['Architecture']}: {image['Size'] / 1e6:.0f} MB", file=sys.stderr)
        self.assertLess(image["Size"], LARGEST_IMAGE)
        self.assertIn("Healthcheck", image["Config"])
        self.assertEqual(image["Config"]["StopSignal"], "SIGTERM")

    def test_demo_model_answers_and_docker_calls_it_healthy(self):
        container = self.start(options=["--init"])
        container.wait_until_healthy()
        self.assertIn(DEMO_ANSWER, chat(8000)["choices"][0]["message"]["content"])
        self.assertIn("Seccomp:\t2", container.inside("cat", "/proc/1/status").stdout)
        self.check_end(container)

    def test_demo_model_runs_as_any_user_without_capabilities_on_a_read_only_root(self):
        container = self.start(options=["--user", STRANGER, "--cap-drop", "ALL", "--read-only",
                                        "--security-opt", "no-new-privileges"])
        container.wait_until_ready()
        self.assertIn(DEMO_ANSWER, chat(8000)["choices"][0]["message"]["content"])
        self.check_end(container)

    def test_docker_run_of_the_document(self):
        sections = seed_document.read_sections((OPTIONS.shared / "spec/seed.md").read_text())
        [service] = next(s.services for s in sections if s.title == "Docker")
        options = ["--shm-size=1g", "--entrypoint", service.argv[0]]
        options += [word for mount in self.mounts for word in ("-v", mount)]
        options += [word for pair in service.environment.items() for word in ("-e", "=".join(pair))]
        container = self.start(*service.argv[1:], options=options)
        container.wait_until_ready()
        answer = self.check_answer(service.model, service.port)
        self.assertEqual(answer["model"], service.name)
        self.check_end(container)

    def test_a_start_that_fails_says_why_each_time(self):
        container = self.start("serve", "/models/missing",
                               options=["--init", "--restart", "unless-stopped",
                                        "-e", "HF_HUB_OFFLINE=1"])
        end = time.monotonic() + READY_SECONDS
        while inspect("container", container.name)["RestartCount"] < 3:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        run("docker", "stop", container.name)
        self.assertIn("/models/missing", run("docker", "logs", "--tail", 1, container.name))
        self.assertEqual(container.state["ExitCode"], 2)

    def override(self, services):
        """The file's services with this image, the models of this check, and a core of this machine for
        each that names its cores."""
        core = itertools.cycle(sorted(os.sched_getaffinity(0)))
        changed = {}
        for key, service in services.items():
            changed[key] = {"image": OPTIONS.image}
            if "volumes" in service:
                changed[key]["volumes"] = self.mounts
            if "cpuset" in service:
                changed[key]["cpuset"] = str(next(core))
        path = self.folder / "override.yml"
        path.write_text(yaml.safe_dump({"services": changed}))
        return path

    def check_compose(self, path):
        services = yaml.safe_load(path.read_text())["services"]
        command = [*compose_command(), "-p", "pagoda-check", "-f", path, "-f", self.override(services)]
        self.addCleanup(run, *command, "down", "-t", 60)
        run(*command, "up", "-d")
        for service in services.values():
            container = Container(service["container_name"])
            container.wait_until_ready()
            argv = [*service["entrypoint"], *shlex.split(service["command"])]
            if argv[2] in self.answers:
                self.check_answer(argv[2], argv[argv.index("--port") + 1])
            self.check_limits(container, service)
            self.check_end(container)

    def check_limits(self, container, service):
        if "shm_size" in service:
            self.assertEqual(inspect("container", container.name)["HostConfig"]["ShmSize"], 1 << 30)
        if "cpuset" in service:
            self.assertRegex(container.log(), r"Placement: \d ranks? of 1 thread\b.* on cores? \d+ ")


def add_compose_tests():
    for path in sorted((ROOT / "deploy/compose/cpu").glob("*.yml")):
        def test(self, path=path):
            self.check_compose(path)
        setattr(DockerTest, f"test_compose_{path.stem}", test)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    _, rest = parser.parse_known_args(namespace=OPTIONS)
    known = subprocess.run(["docker", "image", "inspect", OPTIONS.image], capture_output=True, text=True,
                           check=False)
    if known.returncode != 0:
        sys.exit(f"check_docker.py: {known.stderr.strip()}: build the image first "
                 "(docker build -f docker/Dockerfile.cpu -t pagoda:cpu .)")
    network.refuse_busy_ports(PORTS)
    add_compose_tests()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
