#!/usr/bin/env python3
"""Pictures whose host's name is answered by an enemy: with addresses of the server's own network, or
not at all. Runs in a private network, where the enemy is the name server.
"""

import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "seed")]
import network  # noqa: E402
from serving import Server, arguments_of_test, skip  # noqa: E402

MODEL = TESTS.parent / "testdata/models/qwen2.5-vl"
ADDRESSES = {"loopback.example": "127.0.0.1", "private.example": "10.0.0.1",
             "metadata.example": "169.254.169.254"}
SILENT = "silent.example"
LIMIT_SECONDS = 1
RESOLVER_SECONDS = 10  # for which the system's resolver waits: two tries


class NameServer:
    """Knows the addresses, and says nothing about the other name."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            if name_in(question) != SILENT:
                self.socket.sendto(answer_to(question), client)


def name_in(question):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    return ".".join(labels)


def answer_to(question):
    """RFC 1035, section 4: the question again, and its address if it asks for IPv4."""
    end = question.index(b"\0", 12) + 5
    asks_ipv4 = question[end - 4:end - 2] == b"\0\1"
    address = ADDRESSES.get(name_in(question)) if asks_ipv4 else None
    head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if address else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) if address else b""
    return head + question[12:end] + record


class HostileNamesTest(unittest.TestCase):
    server = None

    def refusal_of(self, host):
        part = {"type": "image_url", "image_url": {"url": f"http://{host}:9/a.png"}}
        body = json.dumps({"messages": [{"role": "user", "content": [part]}]}).encode()
        request = urllib.request.Request(self.server.url + "/v1/chat/completions", body,
                                         {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=60)
        self.assertEqual(caught.exception.code, 400)
        return json.loads(caught.exception.read())["message"]

    def test_a_name_of_a_private_address_is_no_way_around_the_refusal(self):
        for host in ("loopback.example", "private.example"):
            self.assertIn("its address is a loopback, private or reserved one", self.refusal_of(host))

    def test_a_name_of_a_metadata_address_neither(self):
        self.assertIn("to which this server never connects", self.refusal_of("metadata.example"))

    def test_a_name_server_that_says_nothing_does_not_stretch_the_time_limit(self):
        began = time.monotonic()
        self.assertIn(f"it did not come within {LIMIT_SECONDS} s", self.refusal_of(SILENT))
        self.assertLess(time.monotonic() - began, RESOLVER_SECONDS - 1)


def main():
    arguments = arguments_of_test()
    if not network.enter_private_network([]):
        return skip("this system allows no network of a test's own")
    with tempfile.TemporaryDirectory() as folder:
        network.ask_only_this_machine_for_names(pathlib.Path(folder))
        NameServer()
        environment = dict(os.environ, VLLM_IMAGE_FETCH_TIMEOUT=str(LIMIT_SECONDS))
        with Server(arguments.pagoda, str(MODEL), ["--dtype", "float32"], environment) as server:
            HostileNamesTest.server = server
            tests = unittest.defaultTestLoader.loadTestsFromTestCase(HostileNamesTest)
            result = unittest.TextTestRunner(verbosity=2).run(tests)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
