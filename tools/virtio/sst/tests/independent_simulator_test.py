#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Acts as the device towards independent_simulator.py, on sockets, and checks its answers."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SERVER = Path(__file__).with_name("independent_simulator.py")
TIMEOUT = 30.0
REQUEST_SIZE, RESPONSE_SIZE = 4104, 4112
COMPUTE, READ, WRITE, CONFIGURE = 2, 3, 4, 7
OK, INVALID = 0, 3
MEMORY_SIZE = 256 << 20
U64_MAX = (1 << 64) - 1


class Response(NamedTuple):
    status: int
    reserved: int
    request_id: int
    user_data: int
    result: int
    payload: bytes


def request(kind: int, number: int, payload: bytes = b"") -> bytes:
    return struct.pack("<IIQQ4080s", kind, 0, number, number ^ U64_MAX, payload)


def compute(number: int, units: int) -> bytes:
    return request(COMPUTE, number, struct.pack("<QII", units, 0, 0))


def read(number: int, addr: int, size: int) -> bytes:
    return request(READ, number, struct.pack("<QII", addr, size, 0))


def write(number: int, addr: int, data: bytes, size: int | None = None) -> bytes:
    length = len(data) if size is None else size
    return request(WRITE, number, struct.pack("<QII", addr, length, 0) + data)


def configure(number: int, param: int, value: int) -> bytes:
    return request(CONFIGURE, number, struct.pack("<IIQ", param, 0, value))


def receive(sock: socket.socket) -> Response:
    data = bytearray()
    while len(data) < RESPONSE_SIZE:
        part = sock.recv(RESPONSE_SIZE - len(data))
        if not part:
            raise EOFError(f"stream ended after {len(data)} bytes of a response")
        data += part
    return Response(*struct.unpack("<IIQQQ4080s", data))


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", str(SERVER), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            _output, errors = process.communicate(timeout=TIMEOUT)
    if process.returncode != -signal.SIGTERM or errors:
        raise AssertionError(f"server exited with {process.returncode}: {errors}")


class IndependentSimulatorTest(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.directory, "socket")

    def dial(self, address: str | tuple[str, int] | None = None) -> socket.socket:
        target = address or self.path
        sock = socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET)
        self.enterContext(sock)
        sock.settimeout(TIMEOUT)
        sock.connect(target)
        return sock

    def start(self, *arguments: str) -> socket.socket:
        process = self.enterContext(running("--listen", f"unix:{self.path}", *arguments))
        assert process.stdout
        self.assertIn("listening", process.stdout.readline())
        return self.dial()

    def call(self, sock: socket.socket, message: bytes) -> Response:
        """Send one request, and check the parts of its response that are the same for all types."""
        self.assertEqual(len(message), REQUEST_SIZE)
        sock.sendall(message)
        response = receive(sock)
        _kind, _flags, request_id, user_data = struct.unpack_from("<IIQQ", message)
        self.assertEqual((response.request_id, response.user_data), (request_id, user_data))
        self.assertEqual(response.reserved, 0)
        if response.status != OK:
            self.assertEqual((response.result, response.payload.strip(b"\0")), (0, b""))
        return response

    def test_compute(self) -> None:
        sock = self.start()
        for number, (units, timestamp) in enumerate(
            [(1, 100), (0, 100), (1_000_000, 100_000_100)]
        ):
            response = self.call(sock, compute(number, units))
            self.assertEqual((response.status, response.result), (OK, units * 100))
            self.assertEqual(response.payload[:16], struct.pack("<QQ", units * 100, timestamp))
            self.assertEqual(response.payload[16:], bytes(4064))
        self.assertEqual(self.call(sock, compute(U64_MAX, U64_MAX)).status, OK)

    def test_memory(self) -> None:
        sock = self.start()
        self.assertEqual(self.call(sock, read(1, 4096, 4080)).payload, bytes(4080))
        for addr in (0, 1, 4095, 123_456_789, MEMORY_SIZE - 4064):
            for size in (1, 16, 4063, 4064):
                data = os.urandom(size)
                self.assertEqual(
                    self.call(sock, write(2, addr, data))[:5], (OK, 0, 2, 2 ^ U64_MAX, size)
                )
                response = self.call(sock, read(3, addr, size))
                self.assertEqual((response.status, response.result), (OK, size))
                self.assertEqual(response.payload, data.ljust(4080, b"\0"))
        self.assertEqual(self.call(sock, read(4, MEMORY_SIZE, 0)).status, OK)

    def test_memory_bounds(self) -> None:
        sock = self.start()
        cases = [
            (MEMORY_SIZE, 1),
            (MEMORY_SIZE - 1, 2),
            (MEMORY_SIZE + 1, 0),
            (U64_MAX, 1),
            (U64_MAX, 0),
        ]
        cases += [(U64_MAX - 15, 16), (0, 4081), (0, 0xFFFFFFFF)]
        for addr, size in cases:
            self.assertEqual(self.call(sock, read(1, addr, size)).status, INVALID)
            self.assertEqual(self.call(sock, write(2, addr, b"x" * 4064, size)).status, INVALID)
        self.assertEqual(self.call(sock, write(3, 0, b"x" * 4064, 4065)).status, INVALID)
        self.assertEqual(self.call(sock, read(4, 0, 4080)).payload, bytes(4080))
        self.assertEqual(self.call(sock, read(5, MEMORY_SIZE - 4080, 4080)).payload, bytes(4080))

    def test_configure(self) -> None:
        sock = self.start()
        for param in range(64):
            response = self.call(sock, configure(param, param, U64_MAX - param))
            self.assertEqual((response.status, response.result), (OK, U64_MAX - param))
        for param in (64, 0x80000000, 0xFFFFFFFF):
            self.assertEqual(self.call(sock, configure(1, param, 1)).status, INVALID)

    def test_other_types(self) -> None:
        sock = self.start()
        for kind in (0, 1, 5, 6, 8, 0xFFFFFFFF):
            self.assertEqual(self.call(sock, request(kind, 7, b"\xff" * 4080)).status, INVALID)

    def test_partial_reads_and_writes(self) -> None:
        sock = self.start()
        messages = compute(1, 1) + compute(2, 2) + compute(3, 3)
        for start in range(0, len(messages), 997):
            sock.sendall(messages[start : start + 997])
            time.sleep(0.005)
        for number in (1, 2, 3):
            self.assertEqual(receive(sock).request_id, number)
        for value in compute(4, 4):
            sock.sendall(bytes([value]))
        self.assertEqual(receive(sock).request_id, 4)

    def test_all_written_before_any_is_read(self) -> None:
        sock = self.start()
        for number in range(5000):
            sock.sendall(write(number, number * 4064, struct.pack("<Q", number)))
        self.assertEqual([receive(sock).request_id for _ in range(5000)], list(range(5000)))
        self.assertEqual(
            self.call(sock, read(0, 4999 * 4064, 8)).payload[:8], struct.pack("<Q", 4999)
        )

    def test_latency_overlaps(self) -> None:
        sock = self.start("--latency", "200")
        begin = time.monotonic()
        sock.sendall(b"".join(compute(number, 1) for number in range(20)))
        self.assertEqual([receive(sock).request_id for _ in range(20)], list(range(20)))
        self.assertTrue(0.19 < time.monotonic() - begin < 3, time.monotonic() - begin)

    def check_shuffle(self, *arguments: str) -> None:
        sock = self.start("--shuffle", "1", *arguments)
        self.assertEqual(self.call(sock, compute(1000, 1)).status, OK)  # alone, and yet answered
        sock.sendall(
            b"".join(write(number, 8 * number, struct.pack("<Q", number)) for number in range(100))
        )
        sock.sendall(b"".join(read(number, 8 * (number - 100), 8) for number in range(100, 200)))
        responses = [receive(sock) for _ in range(200)]
        order = [response.request_id for response in responses]
        self.assertNotEqual(order, sorted(order))
        self.assertEqual(sorted(order), list(range(200)))
        for response in responses:
            self.assertEqual(
                (response.status, response.user_data), (OK, response.request_id ^ U64_MAX)
            )
            if response.request_id >= 100:
                self.assertEqual(
                    response.payload[:8], struct.pack("<Q", response.request_id - 100)
                )

    def test_shuffle(self) -> None:
        self.check_shuffle()

    def test_shuffle_with_latency(self) -> None:
        self.check_shuffle("--latency", "20")

    def test_several_connections(self) -> None:
        first = self.start()
        socks = [first] + [self.dial() for _ in range(7)]
        for number, sock in enumerate(socks):
            sock.sendall(
                write(number, number * 8, b"%d" % number) + b"".join([compute(9, 1)] * 50)
            )
        for number, sock in reversed(list(enumerate(socks))):
            self.assertEqual(receive(sock).request_id, number)
            stamps = [struct.unpack_from("<QQ", receive(sock).payload)[1] for _ in range(50)]
            self.assertEqual(stamps, sorted(set(stamps)))
        self.assertEqual(
            struct.unpack_from("<QQ", self.call(first, compute(1, 0)).payload)[1], 8 * 50 * 100
        )
        self.assertEqual(self.call(socks[7], read(1, 0, 1)).payload[:1], b"0")  # memory is shared

    def test_ends_of_stream(self) -> None:
        first = self.start("--latency", "50")
        first.sendall(compute(1, 1) + compute(2, 2)[:1000])
        first.shutdown(socket.SHUT_WR)
        self.assertEqual(
            receive(first).request_id, 1
        )  # the whole request is answered, the part is not
        self.assertEqual(first.recv(1), b"")
        for _ in range(5):  # left with answers outstanding
            sock = self.dial()
            sock.sendall(b"".join(compute(number, 1) for number in range(100)))
            sock.close()
        time.sleep(0.1)
        self.assertEqual(self.call(self.dial(), compute(3, 1)).status, OK)

    def test_left_without_reading(self) -> None:
        first = self.start()
        for _ in range(5):
            sock = self.dial()
            sock.sendall(b"".join(compute(number, 1) for number in range(500)))
            sock.close()
        self.assertEqual(self.call(first, compute(3, 1)).status, OK)

    def test_tcp(self) -> None:
        with running("--listen", "tcp:127.0.0.1:0") as process:
            assert process.stdout
            port = int(process.stdout.readline().rstrip(")\n").rpartition(" ")[2])
            with self.dial(("127.0.0.1", port)) as sock:
                self.assertEqual(self.call(sock, compute(1, 1)).status, OK)

    def check_connect(self, listener: socket.socket) -> None:
        listener.settimeout(TIMEOUT)
        listener.listen()
        for _ in range(3):  # the server connects again
            sock, _address = listener.accept()
            with sock:
                sock.settimeout(TIMEOUT)
                self.assertEqual(self.call(sock, compute(1, 1)).status, OK)

    def test_connect_unix(self) -> None:
        with running("--connect", f"unix:{self.path}"), socket.socket(socket.AF_UNIX) as listener:
            time.sleep(0.5)  # nobody listens yet
            listener.bind(self.path)
            self.check_connect(listener)

    def test_connect_tcp(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            with running("--connect", f"tcp:127.0.0.1:{listener.getsockname()[1]}"):
                self.check_connect(listener)

    def test_arguments(self) -> None:
        wrong = [
            "",
            "--listen unix:",
            "--listen tcp:1",
            "--listen tcp::1",
            "--listen tcp:h:65536",
            "--listen x:1",
        ]
        for line in [*wrong, "--connect unix:x --latency -1", "--connect unix:x --latency nan"]:
            command = [sys.executable, str(SERVER), *line.split()]
            self.assertEqual(
                subprocess.run(command, capture_output=True, timeout=TIMEOUT).returncode, 2, line
            )


if __name__ == "__main__":
    unittest.main()
