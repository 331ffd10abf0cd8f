"""A running `pagoda serve` for tests: on a free port of the loopback interface, stopped at the end."""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

START_SECONDS = 120  # loading the demo model takes one; sanitizers and busy machines take more
STOP_SECONDS = 60

SKIPPED = 77  # what ctest takes for a skipped test


def arguments_of_test():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pagoda", required=True)
    parser.add_argument("--model", required=True, help="the folder of the demo model")
    parser.add_argument("--shared", required=True, type=pathlib.Path,
                        help="data that is not in the repository; may be missing")
    return parser.parse_args()


def skip(reason):
    """The exit code of a test that cannot run here."""
    print(f"skipped: {reason}")
    return 1 if os.environ.get("PAGODA_REQUIRE_SHARED") == "1" and "shared" in reason else SKIPPED


class Server:
    def __init__(self, pagoda, model, flags=(), environment=None):
        self.command = [pagoda, "serve", model, "--host", "127.0.0.1", "--port", "0", *flags]
        self.environment = environment

    def __enter__(self):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT,
                                        env=self.environment)
        self.port = self.wait_for_port()
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *exception):
        code = self.stop()
        if exception[0] is None and code != 0:
            raise RuntimeError(f"the server ended with {code}:\n{self.output()[-3000:]}")
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def wait_for_port(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            output = self.output()
            ready = re.search(r"Starting vLLM API server 0 on http://[^ ]*:(\d+)", output)
            if ready and "Application startup complete" in output:
                return int(ready.group(1))
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        output = self.output()
        self.stop()
        raise RuntimeError(f"the server did not come up: {' '.join(self.command)}\n{output[-3000:]}")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024
