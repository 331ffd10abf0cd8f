#!/usr/bin/env python3
"""What is under deploy/ and docker/ agrees with the user's own document and with the program.

Usage: deploy_test.py --bin FOLDER_OF_VLLM --source FOLDER --shared FOLDER
Where the document is missing under --shared, the tests that compare with it are skipped.
"""
import argparse
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

import yaml

OPTIONS = argparse.Namespace(bin=None, source=None, shared=None)
SECONDS = 60
OF_BASE_IMAGE = ("libc6", "libgcc-s1", "libstdc++6")
SHIPPED_DEMO = "/usr/local/share/pagoda/demo"

# What a service on the CPU leaves out of the document's, and what it may say besides.
ONLY_ASCEND = {"devices"}
ONLY_CPU = {"cpuset", "mem_limit", "stop_grace_period"}


def compose_files(kind):
    return sorted((OPTIONS.source / "deploy/compose" / kind).glob("*.yml"))


def services_in(path):
    return yaml.safe_load(path.read_text())["services"]


def all_services():
    for kind in ("cpu", "ascend"):
        for path in compose_files(kind):
            for name, service in services_in(path).items():
                yield f"{kind}/{path.name}: {name}", service


def argv_of(service):
    return [*service["entrypoint"], *shlex.split(service["command"])]


def value_of(argv, option):
    return argv[argv.index(option) + 1] if option in argv else None


def environment_of(service):
    return dict(item.split("=", 1) for item in service["environment"])


def run(argv, environment):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("VLLM_", "HF_", "PAGODA_", "MODELSCOPE_"))}
    return subprocess.run([OPTIONS.bin / argv[0], *argv[1:]], capture_output=True, text=True,
                          timeout=SECONDS, env={**clean, **environment})


def wait_for(text, process):
    """Reads what the process says up to a line with this text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} does not come:\n{''.join(lines)}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def document():
    path = OPTIONS.shared / "spec/seed.md"
    if path.is_file():
        return path.read_text()
    if os.environ.get("PAGODA_REQUIRE_SHARED") == "1":
        raise AssertionError(f"{path} is missing")
    raise unittest.SkipTest(f"{path} is missing")


def documented_files():
    """Compose files of the document, each as its services."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", document(), re.M | re.S)
    return [list(yaml.safe_load(block)["services"].values()) for block in blocks]


def table_rows():
    return [(model, int(npus))
            for model, npus in re.findall(r"^\| (\S+) \| (\d+) \|$", document(), re.M)]


def without(service, *keys):
    return {key: value for key, value in service.items() if key not in {"image", *keys}}


class ComposeTest(unittest.TestCase):
    def services_of_kind(self, kind):
        return [(path.name, list(services_in(path).values())) for path in compose_files(kind)]

    def test_the_program_accepts_every_command_and_environment(self):
        # A folder that is not there is refused after options and environment were understood.
        for name, service in all_services():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                argv = argv_of(service)
                argv[2] = f"{folder}/missing{argv[2]}"
                argv += ["--host", "127.0.0.1", "--port", "0"]
                result = run(argv, {**environment_of(service), "HF_HUB_OFFLINE": "1"})
                last = result.stderr.strip().splitlines()[-1]
                self.assertEqual(2, result.returncode, result.stderr)
                self.assertRegex(last, rf'model: "{re.escape(argv[2])}" is neither a folder nor')

    def test_a_misspelled_option_would_be_noticed(self):
        result = run(["vllm", "serve", "/missing", "--max-model-length", "1"], {})
        self.assertEqual(2, result.returncode)
        self.assertIn("unrecognized arguments: --max-model-length", result.stderr)

    def test_every_example_of_the_document_has_an_ascend_file_that_says_the_same(self):
        ours = [[without(s) for s in services] for _, services in self.services_of_kind("ascend")]
        for services in documented_files():
            self.assertIn([without(s) for s in services], ours)

    def test_every_example_of_the_document_has_a_cpu_file_that_says_the_same_without_devices(self):
        ours = [[without(s, *ONLY_CPU) for s in services]
                for _, services in self.services_of_kind("cpu")]
        for services in documented_files():
            expected = [without(s, *ONLY_ASCEND) for s in services]
            for service in expected:
                service["volumes"] = [v for v in service["volumes"]
                                      if v.split(":")[0] in ("/root/.cache", "/models")]
            self.assertIn(expected, ours)

    def test_every_row_of_the_documents_table_has_its_number_of_npus(self):
        rows = table_rows()
        self.assertTrue(rows)
        ours = {argv_of(services[0])[2]: services[0]
                for _, services in self.services_of_kind("ascend") if len(services) == 1}
        on_cpu = {argv_of(services[0])[2] for _, services in self.services_of_kind("cpu")}
        for model, npus in rows:
            service = ours[f"/models/Qwen/{model}"]
            self.assertEqual(npus, sum("davinci" in d and "manager" not in d
                                       for d in service["devices"]), model)
            parallel = value_of(argv_of(service), "--tensor-parallel-size") or "1"
            self.assertEqual(str(npus), parallel, model)
            self.assertIn(f"/models/Qwen/{model}", on_cpu)

    def test_the_documents_docker_run_has_a_file_with_its_command(self):
        text = re.search(r"vllm-ascend:\S+ \\\n\s+(serve .*?)\n```", document(), re.S)[1]
        command = shlex.split(text.replace("\\\n", ""))
        for kind in ("cpu", "ascend"):
            commands = [argv_of(s)[1:] for _, services in self.services_of_kind(kind)
                        for s in services]
            self.assertIn(command, commands)

    def test_services_of_one_file_share_neither_cores_nor_ports(self):
        for path in compose_files("cpu"):
            services = list(services_in(path).values())
            if len(services) < 2:
                continue
            with self.subTest(path.name):
                self.assertEqual(len(services), len({s["cpuset"] for s in services}))
                self.assertTrue(all(s["mem_limit"] for s in services))
                ports = {value_of(argv_of(s), "--port") for s in services}
                self.assertEqual(len(services), len(ports))

    def test_ascend_files_say_that_they_wait_for_their_backend(self):
        for path in compose_files("ascend"):
            self.assertIn("# Awaits the Ascend backend", path.read_text(), path.name)

    def test_cpu_files_say_which_architectures_are_not_possible_yet(self):
        for path in compose_files("cpu"):
            text = path.read_text()
            refused = [a for a in re.findall(r"^# Architecture: (\S+)$", text, re.M)
                       if self.is_refused(a)]
            says_so = "# Not possible yet" in text
            self.assertEqual(bool(refused), says_so,
                             f"{path}: refused are {refused}; correct the comment in its head")

    def is_refused(self, architecture):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "config.json"
            config.write_text(json.dumps({"architectures": [architecture]}))
            result = run(["vllm", "serve", folder, "--host", "127.0.0.1", "--port", "0",
                          "--load-format", "dummy"], {})
        self.assertNotEqual(0, result.returncode)
        return f'architecture "{architecture}" is not supported' in result.stderr


class OtherFilesTest(unittest.TestCase):
    def test_the_program_accepts_the_command_of_the_systemd_unit(self):
        unit = (OPTIONS.source / "deploy/systemd/pagoda.service").read_text()
        command = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M)[1])
        self.assertEqual(["/usr/local/bin/pagoda", "serve"], command[:2])
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "pagoda.yaml"
            example = (OPTIONS.source / "deploy/systemd/pagoda.yaml").read_text()
            config.write_text(re.sub(r"^model: .*$", f"model: {folder}/missing", example, flags=re.M))
            argv = ["pagoda", *command[1:], "--host", "127.0.0.1", "--port", "0"]
            argv[argv.index("/etc/pagoda/pagoda.yaml")] = str(config)
            result = run(argv, {"HF_HUB_OFFLINE": "1"})
        self.assertEqual(2, result.returncode, result.stderr)
        self.assertIn(f'model: "{folder}/missing" is neither a folder nor', result.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_systemd_takes_the_unit_and_finds_it_well_hardened(self):
        unit = (OPTIONS.source / "deploy/systemd/pagoda.service").read_text()
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "pagoda.service")
            file.write_text(unit.replace("/usr/local/bin/pagoda", str(OPTIONS.bin / "pagoda")))
            verified = subprocess.run(["systemd-analyze", "verify", file], capture_output=True,
                                      text=True, timeout=SECONDS)
            self.assertEqual((0, ""), (verified.returncode, verified.stderr))
            rated = subprocess.run(["systemd-analyze", "security", "--offline=true", file],
                                   capture_output=True, text=True, timeout=SECONDS).stdout
        self.assertLess(float(re.search(r"exposure level for pagoda.service: ([\d.]+)", rated)[1]), 2)

    @unittest.skipUnless(shutil.which("docker-compose"), "needs docker-compose")
    def test_compose_takes_the_file_that_plan_prints(self):
        argv = ["pagoda", "plan", OPTIONS.source / "models/demo", "--compose", "--device-memory",
                "8GiB", "--served-model-name", 'a $b "c"', "--max-model-len", "512"]
        planned = run(argv, {"VLLM_CPU_KVCACHE_SPACE": "1"})
        self.assertEqual(0, planned.returncode, planned.stderr)
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(planned.stdout)
            file.flush()
            shown = subprocess.run(["docker-compose", "-f", file.name, "config"], capture_output=True,
                                   text=True, timeout=SECONDS)
        self.assertEqual(0, shown.returncode, shown.stderr)
        service = yaml.safe_load(shown.stdout)["services"]["vllm"]
        command = [word.replace("$$", "$") for word in service["command"]]
        self.assertEqual('a $b "c"', value_of(command, "--served-model-name"))
        self.assertEqual("1", str(service["environment"]["VLLM_CPU_KVCACHE_SPACE"]))

    def test_a_server_without_tls_outlives_the_reload_of_the_systemd_unit(self):
        unit = (OPTIONS.source / "deploy/systemd/pagoda.service").read_text()
        reload = re.search(r"^ExecReload=(.*)$", unit, re.M)[1]
        argv = [OPTIONS.bin / "pagoda", "serve", OPTIONS.source / "models/demo", "--host", "127.0.0.1",
                "--port", "0"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              start_new_session=True) as server:
            self.addCleanup(server.kill)
            wait_for("Application startup complete.", server)
            subprocess.run(["bash", "-c", reload], check=True,
                           env={**os.environ, "MAINPID": str(server.pid)})
            wait_for("SIGHUP changes nothing", server)
            server.terminate()
            server.stdout.read()
        self.assertEqual(0, server.returncode)

    def test_the_image_holds_every_library_that_the_program_asks_for(self):
        packages = (OPTIONS.source / "docker/runtime-packages.txt").read_text().split()
        for library in self.libraries_of_program():
            owner = self.package_of(library)
            if owner and owner not in OF_BASE_IMAGE:
                self.assertIn(owner, packages, f"{library}: add its package to runtime-packages.txt")

    def libraries_of_program(self):
        """Paths of those that the program itself names; packages bring along what theirs need."""
        shown = subprocess.run(["readelf", "-d", OPTIONS.bin / "pagoda"], capture_output=True,
                               text=True, check=True).stdout
        named = re.findall(r"\(NEEDED\).*\[(\S+)\]", shown)
        found = subprocess.run(["ldd", OPTIONS.bin / "pagoda"], capture_output=True, text=True,
                               check=True).stdout
        return [re.search(rf"{re.escape(name)} => (\S+)", found)[1] for name in named
                if f"{name} =>" in found]

    def package_of(self, library):
        """None where the system is not Debian's, or the library is not a package's."""
        path = pathlib.Path(library)
        try:
            shown = subprocess.run(["dpkg", "-S", f"*/{path.parent.name}/{path.name}"],
                                   capture_output=True, text=True)
        except FileNotFoundError:
            return None
        return shown.stdout.split(":")[0] or None

    def test_the_image_has_the_demo_model_where_compose_files_look_for_it(self):
        dockerfile = (OPTIONS.source / "docker/Dockerfile.cpu").read_text()
        self.assertIn(f"models/demo {SHIPPED_DEMO}", dockerfile)
        used = {argv_of(s)[2] for _, s in all_services() if "/models/" not in argv_of(s)[2]}
        self.assertEqual({SHIPPED_DEMO}, used)


class HealthAnswer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


class HealthCheckTest(unittest.TestCase):
    """The command of the image's HEALTHCHECK, with the options of the server to ask."""

    def setUp(self):
        self.server = http.server.HTTPServer(("127.0.0.1", 0), HealthAnswer)
        self.port = str(self.server.server_port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        dockerfile = (OPTIONS.source / "docker/Dockerfile.cpu").read_text()
        self.command = json.loads(re.search(r"HEALTHCHECK.*?CMD (\[.*?\])", dockerfile, re.S)[1])

    def check(self, status, *options):
        self.server.status = status
        return run([*self.command, *options], {})

    def test_it_asks_the_port_that_the_options_or_their_file_name(self):
        self.assertEqual(0, self.check(200, "--port", self.port).returncode)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(f"host: 127.0.0.1\nport: {self.port}\n")
            file.flush()
            self.assertEqual(0, self.check(200, "--config", file.name).returncode)

    def test_a_server_that_is_not_ready_is_not_healthy(self):
        result = self.check(503, "--port", self.port)
        self.assertEqual(1, result.returncode)
        self.assertEqual("", result.stdout)
        self.assertIn(f"http://localhost:{self.port}/health: answers 503: it is still loading",
                      result.stderr)

    def test_what_is_not_there_is_not_healthy(self):
        self.server.shutdown()
        self.server.server_close()
        self.assertEqual(1, self.check(200, "--port", self.port).returncode)
        self.assertEqual(1, self.check(200, "--prot", self.port).returncode)

    @unittest.skipUnless(shutil.which("openssl"), "needs the openssl command to make certificates")
    def test_it_speaks_https_and_shows_a_certificate_where_one_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = [f"{folder}/certificate.pem", f"{folder}/key.pem"]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=health", "-out", pair[0],
                            "-keyout", pair[1]], check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            context.load_verify_locations(pair[0])
            context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            options = ["--port", self.port, "--ssl-certfile", pair[0], "--ssl-keyfile", pair[1],
                       "--ssl-ca-certs", pair[0], "--ssl-cert-reqs", "2"]
            refused = self.check(200, *options)
            self.assertEqual(1, refused.returncode)
            self.assertIn("name one with --client-cert and --client-key", refused.stderr)
            options += ["--client-cert", pair[0], "--client-key", pair[1]]
            self.assertEqual(0, self.check(200, *options).returncode)
            self.assertEqual(1, self.check(503, *options).returncode)

    def test_it_finds_the_process_of_a_server_and_its_file_of_options(self):
        with tempfile.TemporaryDirectory() as folder:
            model = OPTIONS.source / "models/demo"
            options = f"model: {model}\nhost: 127.0.0.1\nport: {free_port()}\n"
            pathlib.Path(folder, "options.yaml").write_text(options)
            with subprocess.Popen([OPTIONS.bin / "vllm", "serve", "--config", "options.yaml"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  cwd=folder) as server:
                self.addCleanup(server.kill)
                wait_for("Application startup complete.", server)
                health = run([*self.command, "--process", str(server.pid)], {})
                server.terminate()
                server.stdout.read()
        self.assertEqual(0, health.returncode, health.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--shared", required=True, type=pathlib.Path)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
