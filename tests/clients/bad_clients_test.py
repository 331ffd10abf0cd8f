#!/usr/bin/env python3
"""Clients that vanish, send rubbish, or never end: the server goes on, frees what they held, and
does not grow.
"""

import json
import pathlib
import random
import re
import socket
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from serving import Server, arguments_of_test  # noqa: E402

STREAMS = 64
ROUNDS = 6
# The pages of the KV cache come in when they are used, so the pool is small enough to be used up by
# two rounds. After them only allocators may take a little more.
BLOCKS = 640
SETTLED_AFTER = 2
SLACK_BYTES = 4 << 20
SETTLE_SECONDS = 30


def request_bytes(body, path="/v1/completions"):
    text = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n").encode() + text


def stream_bytes(seed, max_tokens=120):
    return request_bytes({"prompt": f"Once upon a time {seed}", "max_tokens": max_tokens,
                          "ignore_eos": True, "temperature": 1, "seed": seed, "stream": True})


class BadClientsTest(unittest.TestCase):
    server = None

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        self.addCleanup(client.close)
        return client

    def metric(self, name):
        with urllib.request.urlopen(self.server.url + "/metrics", timeout=60) as response:
            page = response.read().decode()
        return float(re.search(rf"^{name}{{[^}}]*}} (\S+)$", page, re.MULTILINE).group(1))

    def assert_idle(self):
        end = time.monotonic() + SETTLE_SECONDS
        names = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
        while any(self.metric(n) != 0 for n in names) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual([self.metric(n) for n in names], [0, 0, 0])

    def assert_alive(self):
        with urllib.request.urlopen(self.server.url + "/health", timeout=60) as response:
            self.assertEqual(response.status, 200)

    def one_stream(self, seed, vanishes, complete):
        client = socket.create_connection(("127.0.0.1", self.server.port), timeout=120)
        with client:
            client.sendall(stream_bytes(seed))
            received = client.recv(4096)
            if vanishes:
                return
            while not received.endswith(b"0\r\n\r\n"):
                part = client.recv(65536)
                if not part:
                    return
                received += part
        chunks = received.count(b"data: {")
        complete.append(chunks == 120 and b"data: [DONE]" in received)

    def test_64_streams_of_which_a_third_vanishes_leave_nothing_behind(self):
        chance = random.Random(5)
        sizes = []
        for round_ in range(ROUNDS):
            complete = []
            vanishing = set(chance.sample(range(STREAMS), STREAMS // 3))
            threads = [threading.Thread(target=self.one_stream,
                                        args=(round_ * 1000 + i, i in vanishing, complete))
                       for i in range(STREAMS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(complete), STREAMS - len(vanishing))
            self.assertTrue(all(complete))
            self.assert_idle()
            sizes.append(self.server.resident_bytes())
        print("resident after each round:", [f"{s >> 20} MiB" for s in sizes], file=sys.stderr)
        self.assertLess(sizes[-1], sizes[SETTLED_AFTER] + SLACK_BYTES)

    def test_rubbish_is_refused(self):
        chance = random.Random(7)
        for size in (1, 17, 300, 5000, 100000):
            client = self.connect()
            try:
                client.sendall(chance.randbytes(size) + b"\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            except OSError:
                continue  # closed while we were still sending: refused as well
            self.assertTrue(not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100])
        self.assert_alive()

    def test_malformed_bodies_are_answered_400(self):
        for body in (b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b'{"prompt":"\xff"}',
                     b'{"prompt":' + b"[" * 100000, b'{"prompt":"x","max_tokens":1e400}',
                     b'{"prompt":"x","max_tokens":[]}', b'{"prompt":{"a":1}}',
                     b'{"prompt":"\\ud800"}', b'{"prompt":"x","n":-1}',
                     b'{"prompt":"x","seed":123456789012345678901234567890}'):
            client = self.connect()
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                           b"application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)
            answer = b""
            while part := client.recv(65536):
                answer += part
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), (body[:50], answer[:200]))
            error = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            self.assertEqual(error["message"], error["error"]["message"])
        self.assert_alive()

    def test_slow_clients_hold_up_nobody(self):
        slow = [self.connect() for _ in range(100)]
        for client in slow:
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Le")
        began = time.monotonic()
        with urllib.request.urlopen(urllib.request.Request(
                self.server.url + "/v1/completions",
                json.dumps({"prompt": "x", "max_tokens": 1}).encode(),
                {"Content-Type": "application/json"}), timeout=60) as response:
            self.assertEqual(response.status, 200)
        self.assertLess(time.monotonic() - began, 20)
        for client in slow:
            client.send(b"n")

    def test_a_client_that_never_reads_is_only_waited_for(self):
        client = self.connect()
        client.sendall(stream_bytes(1, max_tokens=1500))
        self.assert_idle()  # its text fits into buffers, so the engine is free again
        self.assert_alive()

    def test_a_vanished_client_without_stream_is_noticed(self):
        client = self.connect()
        client.sendall(request_bytes({"prompt": "x", "max_tokens": 1900, "ignore_eos": True}))
        end = time.monotonic() + SETTLE_SECONDS
        while self.metric("vllm:num_requests_running") == 0 and time.monotonic() < end:
            pass
        self.assertEqual(self.metric("vllm:num_requests_running"), 1)
        client.close()
        self.assert_idle()


def main():
    arguments = arguments_of_test()
    with Server(arguments.pagoda, arguments.model,
                ["--served-model-name", "demo", "--max-num-seqs", str(STREAMS),
                 "--num-gpu-blocks-override", str(BLOCKS), "--disable-log-requests"]) as server:
        BadClientsTest.server = server
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(BadClientsTest)
        result = unittest.TextTestRunner(verbosity=2).run(tests)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
