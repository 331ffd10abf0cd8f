#!/usr/bin/env python3
"""The program as a process: commands, exit codes, what its last line says, and how it ends.

Usage: cli_test.py --bin FOLDER_OF_PAGODA --model FOLDER_OF_DEMO_MODEL
"""
import argparse
import fcntl
import http.client
import json
import os
import pathlib
import pty
import re
import resource
import signal
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

START_SECONDS, STOP_SECONDS = 120, 300
OPTIONS = argparse.Namespace(bin=None, model=None)


def run(*arguments, environment=None, program="pagoda"):
    """A command that ends by itself."""
    return subprocess.run([OPTIONS.bin / program, *map(str, arguments)], capture_output=True,
                          text=True, timeout=START_SECONDS, env=environment)


def last_line(run_result):
    return run_result.stderr.strip().splitlines()[-1]


class Serving:
    """`pagoda serve` on a free port of the loopback interface."""

    def __init__(self, *arguments, environment=None, stdout=None, stderr=None, **how):
        self.folder = tempfile.TemporaryDirectory()
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.connections = []
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [OPTIONS.bin / "pagoda", *map(str, arguments), "--host", "127.0.0.1"],
                stdout=stdout or log, stderr=stderr or log,
                env={**os.environ, **(environment or {})}, **how)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for connection in self.connections:
            connection.close()
        self.folder.cleanup()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, pattern):
        """The first match in the log; fails if the process ends without one."""
        end = time.monotonic() + START_SECONDS
        while True:
            ended = self.process.poll() is not None or time.monotonic() > end
            match = re.search(pattern, self.log())
            if match:
                return match
            if ended:
                raise AssertionError(f"{pattern!r} does not come:\n{self.log()}")
            time.sleep(0.02)

    def wait_until_ready(self):
        self.port = int(self.wait_for(r"Starting vLLM API server 0 on https?://127.0.0.1:(\d+)")[1])
        return self

    def wait_for_end(self):
        return self.process.wait(STOP_SECONDS)

    def get(self, path, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stream(self, tokens):
        """A stream of that many tokens; its first chunk has come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STOP_SECONDS)
        body = {"prompt": "The future of AI is", "max_tokens": tokens, "ignore_eos": True,
                "stream": True}
        connection.request("POST", "/v1/completions", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        first = answer.readline()
        assert first.startswith(b"data: "), first
        self.connections.append(connection)
        return answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def large_model(folder):
    """A configuration whose random weights (1.4 GB) take seconds to make."""
    folder = pathlib.Path(folder)
    config = json.loads((OPTIONS.model / "config.json").read_text())
    config |= {"hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 20}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((OPTIONS.model / name).read_text())
    return folder


class CommandsTest(unittest.TestCase):
    def test_the_program_has_two_names(self):
        self.assertEqual(run("--version").stdout, run("-v", program="vllm").stdout)
        self.assertRegex(run("--version").stdout, r"^0\.9\.2 \(Pagoda \d+\.\d+\.\d+\)\n$")

    def test_help_is_no_error(self):
        for arguments in (["--help"], ["serve", "--help"], ["serve", "--help=listgroup"], ["help"]):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
            self.assertTrue(result.stdout)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_what_cannot_be_written_is_no_success(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([OPTIONS.bin / "pagoda", "help"], stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=START_SECONDS)
        self.assertEqual(result.returncode, 4)
        self.assertIn("standard output: cannot be written: No space left on device", result.stderr)

    def test_what_is_no_command_is_told_what_is(self):
        self.assertEqual(run().returncode, 2)
        result = run("Qwen/Qwen3-8B")
        self.assertEqual(result.returncode, 2)
        self.assertIn("to serve a model: pagoda serve Qwen/Qwen3-8B", last_line(result))
        result = run("bench", "serve")
        self.assertEqual(result.returncode, 2)
        self.assertIn("bench: is not possible yet", last_line(result))


class RefusalsTest(unittest.TestCase):
    def check(self, exit_code, message, *arguments, environment=None):
        result = run(*arguments, environment={**os.environ, **(environment or {})})
        self.assertEqual(result.returncode, exit_code, result.stderr)
        self.assertIn(message, last_line(result))
        self.assertRegex(last_line(result), r"^ERROR \d\d-\d\d \d\d:\d\d:\d\d \[main\.cc:\d+\] ")

    def test_of_options(self):
        self.check(2, "unrecognized arguments: --prot; did you mean --port?",
                   "serve", OPTIONS.model, "--prot", "1")
        self.check(2, "you should provide the model as a positional argument",
                   "serve", "--model", OPTIONS.model)
        self.check(2, "MODEL: missing", "serve")
        self.check(2, "-pp 2: is not possible", "serve", OPTIONS.model, "-pp", "2")
        self.check(2, "VLLM_LOGGING_LEVEL: \"LOUD\"", "serve", OPTIONS.model,
                   environment={"VLLM_LOGGING_LEVEL": "LOUD"})

    def test_of_models(self):
        self.check(2, "is neither a folder nor a downloaded model", "serve", "/nowhere/model",
                   "--port", "0")
        self.check(2, "is greater than the derived max_model_len", "serve", OPTIONS.model,
                   "--max-model-len", "100k", "--port", "0")

    def test_of_a_truncated_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in OPTIONS.model.iterdir():
                data = file.read_bytes()
                cut = len(data) // 2 if file.suffix == ".safetensors" else len(data)
                (pathlib.Path(folder) / file.name).write_bytes(data[:cut])
            self.check(3, "model.safetensors", "serve", folder, "--port", "0")

    def test_of_weights_larger_than_the_memory_before_they_are_made(self):
        with tempfile.TemporaryDirectory() as folder:
            overrides = json.dumps({"num_hidden_layers": 100000})
            self.check(2, f"{folder}: does not fit: its weights take ", "serve",
                       large_model(folder), "--load-format", "dummy", "--hf-overrides", overrides,
                       "--port", "0")

    def test_of_limits_of_the_system(self):
        def few_files():
            resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))

        result = subprocess.run([OPTIONS.bin / "pagoda", "serve", OPTIONS.model, "--port", "0"],
                                capture_output=True, text=True, timeout=START_SECONDS,
                                preexec_fn=few_files)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("ulimit -n", last_line(result))

    def test_of_a_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.check(2, f"port {port}", "serve", OPTIONS.model, "--host", "127.0.0.1",
                       "--port", str(port))


class ServingTest(unittest.TestCase):
    def test_the_entry_point_of_the_images(self):
        with Serving("--model", OPTIONS.model, "--served-model-name", "a", "b", "--port", "0") as s:
            s.wait_until_ready()
            cards = json.loads(s.get("/v1/models")[1])["data"]
            self.assertEqual([card["id"] for card in cards], ["a", "b"])

    def test_a_file_of_options(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "options.yaml"
            file.write_text(f"model: {OPTIONS.model}\nport: 0\nmax_model_len: 1K\n")
            with Serving("serve", "--config", file) as s:
                s.wait_until_ready()
                self.assertEqual(json.loads(s.get("/v1/models")[1])["data"][0]["max_model_len"],
                                 1024)

    def test_a_home_that_cannot_be_written(self):
        with Serving("serve", OPTIONS.model, "--port", "0", environment={"HOME": "/proc"}) as s:
            s.wait_until_ready()
            self.assertEqual(s.get("/health")[0], 200)

    def test_a_log_for_collectors_is_json_from_the_first_line_to_the_last(self):
        with Serving("serve", OPTIONS.model, "--port", "0", "--log-format", "json") as s:
            s.port = int(s.wait_for(r"Starting vLLM API server 0 on http://127.0.0.1:(\d+)")[1])
            self.assertEqual(s.get("/nothing")[0], 404)
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 0)
            lines = [json.loads(line) for line in s.log().splitlines()]
        self.assertEqual([(line["path"], line["status"]) for line in lines
                          if line["source"] == "access"], [("/nothing", 404)])
        for arguments in (["--port", "x"], ["--max-model-len", "100k"], ["--config", "/none.yaml"],
                          ["--tokenizer", "/none/\udcff", "--port", "0"]):  # no UTF-8
            result = run("serve", OPTIONS.model, *arguments, "--log-format", "json")
            self.assertEqual(result.returncode, 2)
            self.assertEqual(json.loads(last_line(result))["level"], "ERROR")

    def test_a_json_log_has_no_bars_on_a_terminal_either(self):
        def written_by(*flags):
            """What is on a terminal until the server is ready."""
            terminal, inside = pty.openpty()
            with tempfile.TemporaryDirectory() as folder:
                server = subprocess.Popen(
                    [OPTIONS.bin / "pagoda", "serve", large_model(folder), "--load-format", "dummy",
                     "--port", "0", "--host", "127.0.0.1", *flags], stdout=subprocess.DEVNULL,
                    stderr=inside, env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"})
                os.close(inside)
                text = b""
                while b"startup complete" not in text:
                    text += os.read(terminal, 65536)
                server.kill()
                server.wait()
            os.close(terminal)
            return text.replace(b"\r\n", b"\n")

        self.assertIn(b"\r", written_by())
        self.assertNotIn(b"\r", written_by("--log-format", "json"))

    def test_a_quiet_log(self):
        with Serving("serve", OPTIONS.model, "--port", str(port := free_port()),
                     environment={"VLLM_LOGGING_LEVEL": "ERROR"}) as s:
            end = time.monotonic() + START_SECONDS
            while time.monotonic() < end:
                try:
                    if s.get("/health", port)[0] == 200:
                        break
                except OSError:
                    time.sleep(0.05)
            self.assertEqual([line for line in s.log().splitlines() if "[" in line], [])

    def test_requests_during_loading_are_told_to_wait_and_sigterm_ends_it(self):
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            with Serving("serve", large_model(folder), "--load-format", "dummy", "--port",
                         str(port)) as s:
                end = time.monotonic() + START_SECONDS
                while True:
                    try:
                        status, body = s.get("/v1/models", port)
                        break
                    except ConnectionRefusedError:
                        self.assertLess(time.monotonic(), end, s.log())
                        time.sleep(0.005)
                self.assertEqual(status, 503, body)
                self.assertEqual(s.get("/version", port)[0], 200)
                s.process.send_signal(signal.SIGTERM)
                self.assertEqual(s.wait_for_end(), 0)
                self.assertIn("SIGTERM: nothing is served", s.log())
                self.assertNotIn("Application startup complete.", s.log())


class EndingTest(unittest.TestCase):
    def test_running_requests_finish_and_new_ones_are_not_accepted(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), Serving("serve", OPTIONS.model, "--port", "0",
                                               "--shutdown-grace", STOP_SECONDS) as s:
                s.wait_until_ready()
                stream = s.stream(700)
                s.process.send_signal(number)
                s.wait_for("shutting down")
                rest = []
                reader = threading.Thread(target=lambda: rest.append(stream.read()))
                reader.start()
                time.sleep(0.05)  # lets the listening socket close; if it is early, this is stricter
                if s.process.poll() is None and reader.is_alive():
                    with self.assertRaises(OSError):
                        s.get("/health")
                reader.join()
                self.assertTrue(rest[0].endswith(b"data: [DONE]\n\n"), rest[0][-200:])
                self.assertIn(b'"finish_reason":"length"', rest[0])
                self.assertEqual(s.wait_for_end(), 0)
                self.assertIn("Application shutdown complete.", s.log())

    def test_what_takes_longer_than_the_grace_is_cut_off(self):
        with Serving("serve", OPTIONS.model, "--port", "0", "--shutdown-grace", "0.1", "--backend",
                     "ref") as s:
            s.wait_until_ready()
            s.stream(2000)
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 0)
            self.assertIn("are cut off (--shutdown-grace)", s.log())

    def test_a_second_signal_ends_it_at_once(self):
        with Serving("serve", OPTIONS.model, "--port", "0", "--backend", "ref") as s:
            s.wait_until_ready()
            s.stream(2000)
            s.process.send_signal(signal.SIGTERM)
            s.wait_for("shutting down")
            s.process.send_signal(signal.SIGTERM)  # an echo, as timeout(1) makes it: not a second one
            time.sleep(0.5)
            self.assertIsNone(s.process.poll())
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 128 + signal.SIGTERM)


class StuckLogTest(unittest.TestCase):
    """Where the log goes to a pipe that somebody holds and nobody reads."""

    def setUp(self):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        self.addCleanup(os.close, self.writer)
        self.addCleanup(os.close, self.reader)

    def ask_often(self, s):
        for _ in range(200):  # an access line each
            self.assertEqual(s.get("/version")[0], 200)

    def test_requests_are_answered_and_the_end_is_polite(self):
        with Serving("serve", OPTIONS.model, "--port", "0", stdout=self.writer) as s:
            s.wait_until_ready()
            self.ask_often(s)
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 0)
            self.assertIn("Application shutdown complete.", s.log())

    def test_a_second_signal_ends_it_at_once(self):
        with Serving("serve", OPTIONS.model, "--port", "0", "--backend", "ref",
                     stdout=self.writer) as s:
            s.wait_until_ready()
            self.ask_often(s)
            s.stream(2000)
            s.process.send_signal(signal.SIGTERM)
            s.wait_for("shutting down")
            time.sleep(0.5)
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 128 + signal.SIGTERM)

    def test_an_error_ends_it_with_its_code(self):
        os.set_blocking(self.writer, False)
        os.write(self.writer, bytes(4096))
        os.set_blocking(self.writer, True)
        with Serving("serve", "/nowhere/model", "--port", "0", stdout=self.writer,
                     stderr=self.writer) as s:
            self.assertEqual(s.wait_for_end(), 2)


@unittest.skipUnless(shutil.which("openssl"), "needs the openssl command to make certificates")
class TlsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.key, self.certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        self.make_pair("first", self.key, self.certificate)

    def make_pair(self, name, key, certificate):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)

    def serving(self, *flags):
        return Serving("serve", OPTIONS.model, "--port", "0", "--ssl-keyfile", self.key,
                       "--ssl-certfile", self.certificate, *flags)

    def shown_pair(self, s, trusted):
        """The common name that a client which trusts this certificate is shown, and /health."""
        context = ssl.create_default_context(cafile=trusted)
        connection = http.client.HTTPSConnection("127.0.0.1", s.port, timeout=10, context=context)
        try:
            connection.request("GET", "/health")
            status = connection.getresponse().status
            subject = dict(pair for (pair,) in connection.sock.getpeercert()["subject"])
            return subject["commonName"], status
        finally:
            connection.close()

    def test_a_hangup_loads_the_pair_again_or_says_why_not(self):
        with self.serving() as s:
            s.wait_until_ready()
            self.assertIn("Try it: curl https://127.0.0.1:", s.log())
            old = self.folder / "old.pem"
            shutil.copy(self.certificate, old)
            self.assertEqual(self.shown_pair(s, old), ("first", 200))
            self.make_pair("second", self.key, self.folder / "fitting.pem")  # the key alone
            s.process.send_signal(signal.SIGHUP)
            s.wait_for(r'SIGHUP: key and certificate stay as they were: --ssl-keyfile: ".*key.pem" '
                       r'does not fit the certificate in ".*certificate.pem"')
            self.assertEqual(self.shown_pair(s, old), ("first", 200))
            shutil.copy(self.folder / "fitting.pem", self.certificate)
            s.process.send_signal(signal.SIGHUP)
            s.wait_for("SIGHUP: new connections get key and certificate")
            self.assertEqual(self.shown_pair(s, self.certificate), ("second", 200))
            s.process.send_signal(signal.SIGTERM)
            self.assertEqual(s.wait_for_end(), 0)

    def test_a_changed_pair_is_loaded_by_itself(self):
        with self.serving("--enable-ssl-refresh") as s:
            s.wait_until_ready()
            self.make_pair("second", self.key, self.certificate)
            s.wait_for("TLS files have changed: new connections get key and certificate")
            self.assertEqual(self.shown_pair(s, self.certificate), ("second", 200))

    def test_without_tls_and_terminal_a_hangup_changes_nothing(self):
        with Serving("serve", OPTIONS.model, "--port", "0", start_new_session=True) as s:
            s.wait_until_ready()
            s.process.send_signal(signal.SIGHUP)
            s.wait_for("SIGHUP changes nothing: without --ssl-certfile no file is loaded again")
            self.assertEqual(s.get("/health")[0], 200)

    def test_a_terminal_that_hangs_up_ends_a_server_without_tls(self):
        terminal, inside = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

        with Serving("serve", OPTIONS.model, "--port", "0", preexec_fn=take_terminal) as s:
            os.close(inside)
            s.wait_until_ready()
            os.close(terminal)
            self.assertEqual(s.wait_for_end(), -signal.SIGHUP)

    def test_wrong_files_are_named_before_the_model_is_looked_at(self):
        result = run("serve", "/nowhere", "--port", "0", "--ssl-certfile", self.folder / "missing")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(last_line(result), r'--ssl-certfile: ".*/missing" cannot be read: No such')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    _, rest = parser.parse_known_args(namespace=OPTIONS)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
