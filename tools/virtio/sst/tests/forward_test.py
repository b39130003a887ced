#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests vhost-user-sst with a simulator behind it: forward_test.py PROGRAM [WORD]

Prints TAP. With WORD, runs only the tests whose name contains it.
"""

import asyncio
import contextlib
import errno
import json
import os
import resource
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import vhost_user_sst_test as base
from frontend import *
from vhost_user_sst_test import (
    Device, backend, check, equal, event, run, test,
    BUSY, COMPUTE, CONFIGURE, ECHO, ERROR, GET_INFO, INVALID, NO_DEVICE, NOOP,
    OK, READ, RESET, TIMED_OUT, WRITE)

base.TESTS.clear()

EVENTS_BIT = 1 << 3
DISCONNECTED, CONNECTED = 0xfffffff0, 0xfffffff1
TESTS = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(TESTS, "..", "examples")
GEMM = 8

# A line in the log for each connection
UP = "connected, "
DOWN = "; disconnected"


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def until(condition, what="condition"):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, f"{what} not in time"
        time.sleep(0.002)


class Stream:
    """One connection, on the simulator's side."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(TIMEOUT)

    def receive(self, count=1):
        """Returns the next requests as (type, request_id, user_data)."""
        found = []
        for _ in range(count):
            data = b""
            while len(data) < REQUEST:
                part = self.sock.recv(REQUEST - len(data))
                assert part, "connection ended"
                data += part
            self.last = data
            type_, _, id_, user_data = struct.unpack("<IIQQ", data[:24])
            found.append((type_, id_, user_data))
        return found

    def nothing(self, seconds=0.05):
        ready, _, _ = select.select([self.sock], [], [], seconds)
        assert not ready, "something was sent"

    def ended(self):
        """Waits for the end, whatever was sent before."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, id_, status=OK, user_data=0, result=0, payload=b""):
        self.send(response(id_, status, user_data, result, payload))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


def response(id_, status=OK, user_data=0, result=0, payload=b""):
    return struct.pack("<IIQQQ", status, 0, id_, user_data, result) + \
        payload.ljust(4080, b"\0")


class Simulator:
    """A place where a simulator listens, or will."""

    def __init__(self, kind="unix"):
        self.dir = tempfile.TemporaryDirectory()
        self.sock = None
        if kind == "unix":
            self.address = os.path.join(self.dir.name, "simulator")
            self.endpoint = "unix:" + self.address
            self.family = socket.AF_UNIX
        else:
            host = "::1" if kind == "tcp6" else "127.0.0.1"
            self.address = (host, free_port(host))
            shown = f"[{host}]" if kind == "tcp6" else host
            self.endpoint = f"tcp:{shown}:{self.address[1]}"
            self.family = socket.AF_INET6 if kind == "tcp6" else socket.AF_INET

    def listen(self):
        self.sock = socket.socket(self.family)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.settimeout(TIMEOUT)
        self.sock.bind(self.address)
        self.sock.listen()
        return self

    def accept(self):
        return Stream(self.sock.accept()[0])

    def connect(self):
        """Connects to the program, which listens."""
        sock = socket.socket(self.family)
        sock.connect(self.address)
        return Stream(sock)

    def stop_listening(self):
        self.sock.close()
        self.sock = None
        if self.family == socket.AF_UNIX:
            os.unlink(self.address)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        if self.sock:
            self.sock.close()
        self.dir.cleanup()


class Forwarding:
    """A device, and a simulator that it has connected to."""

    def __init__(self, *args, kind="unix", **setup):
        self.args = args
        self.kind = kind
        self.setup = setup

    def __enter__(self):
        self.simulator = Simulator(self.kind).listen()
        self.device = Device("--connect", self.simulator.endpoint, *self.args,
                             **self.setup)
        fe = self.device.__enter__()
        self.stream = self.simulator.accept()
        fe.backend.logged(UP)
        return fe, self.simulator, self.stream

    def __exit__(self, *args):
        self.device.__exit__(*args)
        self.stream.close()
        self.simulator.__exit__()


def send(fe, type_, id_, user_data=0, payload=b"", pair=0):
    """Makes one request, returns (head, offset of the response)."""
    submitted = fe.submit(request(type_, id_, user_data, payload), pair=pair)
    fe.request_ring(pair).kick()
    return submitted


def take(fe, *submitted, pair=0):
    """Waits for some requests, in that order; returns their responses."""
    used = fe.request_ring(pair).wait(len(submitted))
    equal(used, [(head, RESPONSE) for head, _ in submitted])
    return [fe.response(offset) for _, offset in submitted]


def ended(fe, *submitted, pair=0):
    """The same, in any order."""
    used = fe.request_ring(pair).wait(len(submitted))
    equal(sorted(used), sorted((head, RESPONSE) for head, _ in submitted))
    return [fe.response(offset) for _, offset in submitted]


def echo(fe, stream, id_=7):
    """One request that the simulator answers."""
    submitted = send(fe, COMPUTE, id_, 9)
    equal(stream.receive(), [(COMPUTE, id_, 9)])
    stream.answer(id_, result=id_)
    check(take(fe, submitted)[0], request_id=id_, result=id_)


def statistics(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.settimeout(TIMEOUT)
        text = b""
        while part := sock.recv(65536):
            text += part
    return json.loads(text)


# The command line


@test
def wrong_endpoints():
    for option in ("--connect", "--listen", "--events-connect",
                   "--events-listen"):
        for word in ("", "x", "unix:", "unix:" + "x" * 108, "tcp:", "tcp:host",
                     "tcp:host:", "tcp:host:0", "tcp:host:65536", "tcp::1",
                     "tcp:::1:5", "tcp:[::1]", "tcp:[]:1", "tcp:[x:1", "udp:host:1",
                     "tcp:" + "h" * 256 + ":1", "tcp:host:1x"):
            status, out, err = run("--socket", "s", option, word)
            equal((status, out, err.count("\n")), (2, "", 1), f"{option} {word}")
            assert "tcp:HOST:PORT" in err, err


@test
def wrong_forwarding_options():
    for option, words in {
            "--on-disconnect": ["", "wait", "queue:", "queue:0", "queue:x",
                                "queue:32769", "error:1"],
            "--simulator-timeout": ["", "0", "x", "1000000001"],
            "--stats": ["", "x" * 108]}.items():
        for word in words:
            status, out, err = run("--socket", "s", "--connect", "unix:x",
                                   option, word)
            equal((status, out, err.count("\n")), (2, "", 1), f"{option} {word}")
            assert option in err and "accepted is" in err, err


@test
def options_that_do_not_go_together():
    existing = ("--quirks", "existing", "--connect", "unix:x")
    for args in (("--forward-all",), ("--in-order",),
                 ("--on-disconnect", "queue"), ("--simulator-timeout", "1"),
                 (*existing, "--forward-all"),
                 (*existing, "--on-disconnect", "queue"),
                 (*existing, "--events-connect", "unix:y"),
                 ("--connect", "unix:x", "--hostile", "1"),
                 ("--events-listen", "unix:x", "--hostile", "1")):
        status, out, err = run("--socket", "s", *args)
        equal((status, out, err.count("\n")), (2, "", 1), str(args))
        assert [word for word in args if word.startswith("--")][-1] in err, err


@test
def defaults_for_devices_with_a_simulator():
    """Others have no use for them, but for their own options, and all without one."""
    with Simulator() as simulator:
        simulator.listen()
        with Devices("--on-disconnect", "queue", "--simulator-timeout", "5000", "--in-order",
                     "--forward-all", "--socket", "--on-disconnect", "error",
                     "--socket", "--connect", simulator.endpoint) as be:
            be.ready(2)
            stream = simulator.accept()
            with FrontEnd(be.paths[0]) as fe:
                fe.setup()
                check(base.ask(fe, NOOP))
                check(base.ask(fe, COMPUTE))
            stream.close()
    for args in (("--on-disconnect", "queue", "--socket", "s", "--socket", "t"),
                 ("--socket", "s", "--connect", "unix:x", "--socket", "t", "--in-order")):
        status, out, err = run(*args)
        equal((status, out, err.count("\n")), (2, "", 1), str(args))
        assert "is about a simulator" in err, err


@test
def unknown_host():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        status, out, err = run("--socket", path, "--connect",
                               "tcp:no-such-host.invalid:5000")
        equal((status, out, err.count("\n")), (4, "", 1))
        assert "no-such-host.invalid" in err, err
        assert not os.path.exists(path)


@test
def places_in_use():
    for kind in ("unix", "tcp"):
        for option in ("--listen", "--events-listen"):
            with Simulator(kind).listen() as other:
                path = os.path.join(other.dir.name, "s")
                status, out, err = run("--socket", path, option, other.endpoint)
                equal((status, out, err.count("\n")), (3, "", 1), kind)
                assert "in use" in err, err
                assert not os.path.exists(path)


@test
def features_with_a_simulator():
    with Simulator() as simulator:
        with Device("--connect", simulator.endpoint) as fe:
            assert fe.features & EVENTS_BIT
        with Device("--events-listen", simulator.endpoint) as fe:
            assert fe.features & EVENTS_BIT
        with Device("--connect", simulator.endpoint, "--quirks", "existing") as fe:
            assert not fe.features & EVENTS_BIT


# Requests and responses


@test
def forwarded_types():
    with Forwarding() as (fe, _, stream):
        for type_ in (COMPUTE, READ, WRITE, CONFIGURE, GEMM, 0xffffffff):
            submitted = send(fe, type_, 7, 9, b"data")
            equal(stream.receive(), [(type_, 7, 9)])
            equal(stream.last[24:28], b"data")
            stream.answer(7, OK, 9, 12, b"result")
            (resp,) = take(fe, submitted)
            check(resp, result=12)
            equal(resp.payload, b"result".ljust(4080, b"\0"))
        for type_ in (NOOP, ECHO, RESET, GET_INFO):
            check(base.ask(fe, type_))
        stream.nothing()


@test
def all_types_forwarded():
    with Forwarding("--forward-all") as (fe, _, stream):
        for type_ in range(10):
            submitted = send(fe, type_, 7, 9)
            equal(stream.receive(), [(type_, 7, 9)])
            stream.answer(7)
            check(take(fe, submitted)[0])


@test
def kinds_of_connections():
    for kind in ("unix", "tcp", "tcp6"):
        with Forwarding(kind=kind) as (fe, _, stream):
            echo(fe, stream)


@test
def simulator_connects():
    for kind in ("unix", "tcp", "tcp6"):
        with Simulator(kind) as simulator:
            with Device("--listen", simulator.endpoint) as fe:
                with simulator.connect() as stream:
                    fe.backend.logged(UP)
                    echo(fe, stream)
            if kind == "unix":
                assert not os.path.exists(simulator.address)


@test
def host_by_name():
    port = free_port()
    with Device("--listen", f"tcp:localhost:{port}") as fe:
        with Stream(socket.create_connection(("localhost", port))) as stream:
            fe.backend.logged(UP)
            echo(fe, stream)


@test
def statuses_pass_through():
    with Forwarding() as (fe, _, stream):
        for status in (OK, ERROR, BUSY, INVALID, TIMED_OUT, NO_DEVICE, 77,
                       0xffffffff):
            submitted = send(fe, COMPUTE, 7, 9)
            stream.receive()
            stream.answer(7, status)
            check(take(fe, submitted)[0], status=status)


@test
def out_of_order():
    with Forwarding() as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_, id_ + 100) for id_ in range(50)]
        equal(stream.receive(50), [(COMPUTE, id_, id_ + 100)
                                   for id_ in range(50)])
        for id_ in range(49, -1, -1):
            stream.answer(id_, user_data=id_, result=id_)
            (resp,) = take(fe, submitted[id_])
            check(resp, request_id=id_, user_data=id_ + 100, result=id_)


@test
def in_order_whatever_the_ids():
    with Forwarding("--in-order") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_, id_ + 100) for id_ in range(10)]
        stream.receive(10)
        for id_ in range(10):
            stream.answer(99 - id_, user_data=5, result=id_)
        for id_, resp in enumerate(ended(fe, *submitted)):
            check(resp, request_id=id_, user_data=id_ + 100, result=id_)


@test
def equal_ids_first_come_first_served():
    with Forwarding() as (fe, _, stream):
        submitted = [send(fe, COMPUTE, 7, i) for i in range(20)]
        stream.receive(20)
        for i in range(20):
            stream.answer(7, result=i)
        for i, resp in enumerate(ended(fe, *submitted)):
            check(resp, user_data=i, result=i)


@test
def ids_of_the_same_hash():
    ids = [i << 56 for i in range(64)] + list(range(64, 128))
    with Forwarding() as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in ids]
        stream.receive(len(ids))
        for id_ in reversed(ids):
            stream.answer(id_, result=id_)
        for id_, resp in zip(ids, ended(fe, *submitted)):
            check(resp, request_id=id_, user_data=0, result=id_)


@test
def byte_by_byte():
    with Forwarding(kind="tcp") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in (1, 2)]
        stream.receive(2)
        stream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in response(2, result=2) + response(1, result=1):
            stream.send(bytes([byte]))
        for id_, resp in zip((1, 2), ended(fe, *submitted)):
            check(resp, request_id=id_, user_data=0, result=id_)


@test
def simulator_that_reads_slowly():
    """More is written than the socket takes, and continued where it stopped."""
    with Simulator() as simulator:
        simulator.listen()
        simulator.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with Device("--connect", simulator.endpoint, "--queue-size", "256") as fe, \
                simulator.accept() as stream:
            fe.backend.logged(UP)
            submitted = [send(fe, COMPUTE, id_, 1, struct.pack("<Q", id_))
                         for id_ in range(120)]
            time.sleep(0.05)
            check(base.ask(fe, ECHO))
            for id_ in range(120):
                data = b""
                while len(data) < REQUEST:
                    data += stream.sock.recv(min(1000, REQUEST - len(data)))
                equal(struct.unpack("<IIQQQ", data[:32]), (COMPUTE, 0, id_, 1, id_))
            for id_ in range(120):
                stream.answer(id_)
            ended(fe, *submitted)


@test
def local_requests_do_not_wait():
    with Forwarding() as (fe, _, stream):
        slow = send(fe, COMPUTE, 1)
        stream.receive()
        for _ in range(20):
            check(base.ask(fe, ECHO))
        stream.answer(1)
        take(fe, slow)


@test
def latency_and_answers_are_of_local_types():
    with Forwarding("--latency", "1000000", "--answer", "8=status:3") as (fe, _, stream):
        start = time.monotonic()
        echo(fe, stream)
        assert time.monotonic() - start < 0.9
        resp, _ = fe.ask(request(GEMM, 7, 9))
        check(resp, status=INVALID)
        stream.nothing()
        assert time.monotonic() - start >= 1


@test
def response_queue():
    for order in ("after", "before", "alternate"):
        with Forwarding("--response-queue", order) as (fe, _, stream):
            for id_ in range(6):
                buffer = fe.posted()
                head, _ = send(fe, COMPUTE, id_, 9)
                stream.receive()
                stream.answer(id_, result=id_)
                check(fe.take(buffer), request_id=id_, result=id_)
                equal(fe.rings[0].wait(1), [(head, 0)])


@test
def response_queue_keeps_nothing_of_a_stopped_queue():
    with Forwarding("--response-queue", "after") as (fe, simulator, stream):
        buffer = fe.posted()
        head, _ = send(fe, COMPUTE, 7)
        stream.receive()
        equal(fe.rings[0].wait(1), [(head, 0)])
        fe.enable(0, False)
        stream.ended()
        fe.enable(0)
        with simulator.accept() as stream:
            head, _ = send(fe, COMPUTE, 7, 5)
            stream.receive()
            stream.answer(7, result=2)
            check(fe.take(buffer), user_data=5, result=2)
            equal(fe.rings[0].wait(1), [(head, 0)])


@test
def pairs_have_connections_of_their_own():
    with Simulator() as simulator:
        simulator.listen()
        with Device("--queues", "4", "--connect", simulator.endpoint, pairs=4) as fe:
            streams = [simulator.accept() for _ in range(4)]
            submitted = [send(fe, COMPUTE, 7, pair, pair=pair) for pair in range(4)]
            answered = set()
            for stream in streams:
                ((_, _, pair),) = stream.receive()
                stream.answer(7, result=pair + 50)
                (resp,) = take(fe, submitted[pair], pair=pair)
                check(resp, user_data=pair, result=pair + 50)
                answered.add(pair)
            equal(answered, {0, 1, 2, 3})
            # One that is gone does not disturb the others
            streams[0].close()
            for stream in streams[1:]:
                stream.nothing(0)
            with simulator.accept():
                pass
            for stream in streams[1:]:
                stream.close()


@test
def simulator_connects_for_each_pair():
    with Simulator() as simulator:
        with Device("--queues", "3", "--listen", simulator.endpoint, pairs=3) as fe:
            streams = [simulator.connect() for _ in range(3)]
            until(lambda: fe.backend.errors().count(UP) == 3)
            # One more waits until there is room
            extra = simulator.connect()
            for pair in range(3):
                submitted = send(fe, COMPUTE, 7, 9, pair=pair)
                (ready,), _, _ = select.select([s.sock for s in streams], [], [],
                                               TIMEOUT)
                stream = [s for s in streams if s.sock is ready][0]
                stream.receive()
                stream.answer(7)
                check(take(fe, submitted, pair=pair)[0])
            extra.nothing()
            streams[0].close()
            until(lambda: fe.backend.errors().count(UP) == 4)
            for stream in streams[1:] + [extra]:
                stream.close()


@test
def many_in_flight_take_as_long_as_one():
    """64 requests of one second each, with the simulator in Python and in C."""
    with tempfile.TemporaryDirectory() as folder:
        c = os.path.join(folder, "simulator")
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-I",
                        os.path.join(EXAMPLES, "../../../../include/uapi"), "-o",
                        c, os.path.join(EXAMPLES, "simulator.c")], check=True)
        port = free_port()
        for simulator, endpoint in (
                ([sys.executable, os.path.join(EXAMPLES, "simulator.py"), "--listen",
                  f"unix:{folder}/s", "--latency", "1000"], f"unix:{folder}/s"),
                ([c, "127.0.0.1", str(port), "1000000", "0"],
                 f"tcp:127.0.0.1:{port}")):
            with process(simulator), Device("--connect", endpoint) as fe:
                fe.backend.logged(UP)
                start = time.monotonic()
                submitted = [send(fe, COMPUTE, id_, id_, struct.pack("<Q", 3))
                             for id_ in range(64)]
                for id_, resp in enumerate(ended(fe, *submitted)):
                    check(resp, request_id=id_, user_data=id_, result=300)
                taken = time.monotonic() - start
                assert 1 <= taken < 2, f"{taken} s"


def process(command):
    """A simulator in a process of its own, which is ready."""
    class Process:
        def __enter__(self):
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert b"listening" in self.process.stdout.readline()
            return self.process

        def __exit__(self, *args):
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
    return Process()


def use_example(fe):
    """What an example simulates."""
    submitted = send(fe, WRITE, 1, 0, base.memory(100, 5, b"hello"))
    check(take(fe, submitted)[0], request_id=1, user_data=0, result=5)
    submitted = send(fe, READ, 2, 0, base.memory(100, 5))
    (resp,) = take(fe, submitted)
    check(resp, request_id=2, user_data=0, result=5)
    equal(resp.payload[:6], b"hello\0")
    for type_, payload in ((READ, base.memory(1 << 40, 5)), (GEMM, b"")):
        submitted = send(fe, type_, 3, 0, payload)
        check(take(fe, submitted)[0], status=INVALID, request_id=3, user_data=0)
    # The second one takes less time
    slow = send(fe, COMPUTE, 4, 0, struct.pack("<Q", 100))
    quick = send(fe, COMPUTE, 5, 0, struct.pack("<Q", 1))
    check(take(fe, quick)[0], request_id=5, user_data=0, result=100)
    check(take(fe, slow)[0], request_id=4, user_data=0, result=10000)


@test
def examples():
    with tempfile.TemporaryDirectory() as folder:
        c = os.path.join(folder, "simulator")
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-I",
                        os.path.join(EXAMPLES, "../../../../include/uapi"), "-o",
                        c, os.path.join(EXAMPLES, "simulator.c")], check=True)
        python = [sys.executable, os.path.join(EXAMPLES, "simulator.py"), "--unit", "3000"]
        path = f"unix:{folder}/s"
        with process([c, "unix", f"{folder}/s", "0", "3000"]), \
                Device("--connect", path) as fe:
            fe.backend.logged(UP)
            use_example(fe)
        port = free_port("::1")
        with process([*python, "--listen", f"tcp:[::1]:{port}"]), \
                Device("--connect", f"tcp:[::1]:{port}") as fe:
            fe.backend.logged(UP)
            use_example(fe)
        with Device("--listen", f"unix:{folder}/t", "--queues", "2", pairs=2) as fe, \
                process([*python, "--connect", f"unix:{folder}/t", "--connections", "2",
                         "--events", f"unix:{folder}/u"]):
            until(lambda: fe.backend.errors().count(UP) == 2)
            use_example(fe)
            submitted = send(fe, COMPUTE, 1, pair=1)
            check(take(fe, submitted, pair=1)[0], request_id=1, user_data=0)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(f"{folder}/u")
                type_, _, _, number = struct.unpack("<IIQQ", sock.recv(24))
                equal((type_, number), (1000, 0))


def keepalive_timers(port):
    """For each connection of a port of this host, whether its keepalive timer is on."""
    found = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as file:
            for line in file.readlines()[1:]:
                _, local, _, state, _, timer = line.split()[:6]
                if state == "01" and int(local.split(":")[1], 16) == port:
                    found.append(timer.startswith("02:"))
    return found


@test
def connections_over_tcp_have_keepalive():
    """On both sides: either can be gone without a word."""
    with tempfile.TemporaryDirectory() as folder:
        c = os.path.join(folder, "simulator")
        subprocess.run(["cc", "-I", os.path.join(EXAMPLES, "../../../../include/uapi"), "-o",
                        c, os.path.join(EXAMPLES, "simulator.c")], check=True)
        port = free_port()
        python = [sys.executable, os.path.join(EXAMPLES, "simulator.py")]
        for command in ([c, "127.0.0.1", str(port), "0", "0"],
                        [*python, "--listen", f"tcp:127.0.0.1:{port}"]):
            with process(command), Device("--connect", f"tcp:127.0.0.1:{port}") as fe:
                fe.backend.logged(UP)
                # An answer: each side has the connection, with nothing on its way
                check(take(fe, send(fe, COMPUTE, 1))[0], request_id=1, user_data=0)
                until(lambda: keepalive_timers(port) == [True], "the simulator's timer")
        with Device("--listen", f"tcp:127.0.0.1:{port}"), \
                socket.create_connection(("127.0.0.1", port)):
            until(lambda: keepalive_timers(port) == [True], "the program's timer")


@test
def example_and_a_host_that_is_gone():
    example = runpy.run_path(os.path.join(EXAMPLES, "simulator.py"))

    async def serve():
        reader = asyncio.StreamReader()
        reader.set_exception(OSError(errno.EHOSTUNREACH, "No route to host"))
        _, writer = await asyncio.open_connection(sock=ours)
        await example["Simulator"](None).serve(reader, writer)

    ours, theirs = socket.socketpair()
    asyncio.run(serve())
    equal(theirs.recv(1), b"", "end of the connection")
    theirs.close()


# Faults of the simulator


@test
def nobody_there():
    """Requests end at once, and it is said once."""
    with Simulator() as simulator:
        with Device("--queues", "3", "--connect", simulator.endpoint, pairs=3) as fe:
            for pair in range(3):
                submitted = send(fe, COMPUTE, 7, 9, pair=pair)
                check(take(fe, submitted, pair=pair)[0], status=NO_DEVICE)
            check(base.ask(fe, ECHO))
            time.sleep(0.5)
            equal(fe.backend.errors().count("trying again"), 1)
            simulator.listen()
            streams = [simulator.accept() for _ in range(3)]
            until(lambda: fe.backend.errors().count(UP) == 3)
            for stream in streams:
                stream.close()


@test
def nobody_connects():
    with Simulator() as simulator:
        with Device("--listen", simulator.endpoint) as fe:
            submitted = send(fe, COMPUTE, 7, 9)
            check(take(fe, submitted)[0], status=NO_DEVICE)


@test
def connection_ends():
    with Forwarding() as (fe, simulator, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in range(5)]
        stream.receive(5)
        stream.answer(3, result=3)
        (resp,) = take(fe, submitted.pop(3))
        check(resp, request_id=3, user_data=0, result=3)
        stream.close()
        for resp in ended(fe, *submitted):
            equal((resp.status, resp.user_data), (ERROR, 0))
        fe.backend.logged("the simulator has ended the connection" + DOWN)
        with simulator.accept() as stream:
            stream.nothing()
            until(lambda: fe.backend.errors().count(UP) == 2)
            echo(fe, stream)


@test
def answers_before_the_end():
    """What has arrived counts, also if it is a request that finds the connection ended."""
    with Forwarding() as (fe, _, stream):
        first, second = [send(fe, COMPUTE, id_) for id_ in (1, 2)]
        stream.receive(2)
        fe.backend.process.send_signal(signal.SIGSTOP)
        os.waitpid(fe.backend.process.pid, os.WUNTRACED)
        # The kick comes first
        late = send(fe, COMPUTE, 3)
        stream.answer(1, result=77)
        stream.send(response(2)[:1000])
        stream.close()
        fe.backend.process.send_signal(signal.SIGCONT)
        resp, *others = ended(fe, first, second, late)
        check(resp, request_id=1, user_data=0, result=77)
        equal([resp.status for resp in others], [ERROR, NO_DEVICE])
        fe.backend.logged("after 1000 of 4112 bytes of a response" + DOWN)


@test
def half_a_response_and_the_end():
    with Forwarding() as (fe, simulator, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in (1, 2)]
        stream.receive(2)
        stream.send(response(2)[:2000])
        stream.close()
        for resp in ended(fe, *submitted):
            equal(resp.status, ERROR)
        fe.backend.logged("after 2000 of 4112 bytes of a response")
        with simulator.accept() as stream:
            until(lambda: fe.backend.errors().count(UP) == 2)
            echo(fe, stream)


@test
def half_a_request_and_the_end():
    """What was sent in part is not sent again."""
    with Simulator() as simulator:
        simulator.listen()
        with Device("--connect", simulator.endpoint, "--on-disconnect", "queue:8") as fe:
            stream = simulator.accept()
            fe.backend.logged(UP)
            submitted = [send(fe, COMPUTE, id_) for id_ in range(120)]
            time.sleep(0.1)
            stream.receive(3)
            time.sleep(0.05)
            stream.close()
            with simulator.accept() as stream:
                found = [id_ for _, id_, _ in stream.receive(8)]
                equal(found, list(range(found[0], found[0] + 8)))
                assert 3 < found[0] <= 112, found
                stream.nothing()
                for id_ in found:
                    stream.answer(id_)
                statuses = [resp.status for resp in ended(fe, *submitted)]
            expected = [ERROR] * found[0] + [OK] * 8
            expected += [NO_DEVICE] * (120 - len(expected))
            equal(statuses, expected)


@test
def end_in_order():
    """Requests that were sent, and those that may not wait, end in their order."""
    for args, waiting in (((), 0), (("--on-disconnect", "queue:4"), 4)):
        with Forwarding(*args) as (fe, simulator, stream):
            submitted = [send(fe, COMPUTE, id_) for id_ in range(120)]
            time.sleep(0.1)
            simulator.stop_listening()
            stream.close()
            used = [head for head, _ in fe.rings[0].wait(120 - waiting)]
            sent = [fe.response(offset).status for _, offset in submitted].count(ERROR)
            assert 0 < sent < 120 - waiting, sent
            equal(used, [head for head, _ in submitted[:sent] + submitted[sent + waiting:]])


@test
def unknown_ids():
    with Forwarding() as (fe, _, stream):
        submitted = send(fe, COMPUTE, 7)
        stream.receive()
        for id_ in (8, 1 << 63, 0):
            stream.answer(id_)
        stream.answer(7)
        equal(take(fe, submitted)[0].status, OK)
        # Nobody waits for a second one
        stream.answer(7)
        fe.backend.logged("to no request, with request_id 0x7")
        fe.backend.logged("to no request, with request_id 0x8000000000000000")
        echo(fe, stream)
        equal(fe.backend.errors().count(DOWN), 0)


@test
def unasked_responses_in_order():
    """Nothing tells them from answers but that nobody waits."""
    for unasked in (response(7), response(7)[:4111], b"!"):
        with Forwarding("--in-order") as (fe, simulator, stream):
            echo(fe, stream)
            stream.send(unasked)
            fe.backend.logged("out of step" + DOWN)
            stream.ended()
            with simulator.accept() as stream:
                until(lambda: fe.backend.errors().count(UP) == 2)
                echo(fe, stream)


@test
def bytes_behind_a_response_in_order():
    for args in (("--in-order",), ("--quirks", "existing")):
        with Forwarding(*args) as (fe, _, stream):
            submitted = send(fe, COMPUTE, 1)
            stream.receive()
            stream.send(response(1, result=5) + b"!")
            check(take(fe, submitted)[0], request_id=1, user_data=0, result=5)
            fe.backend.logged("out of step" + DOWN)


@test
def reserved_word_in_order():
    with Forwarding("--in-order") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in (1, 2)]
        stream.receive(2)
        stream.send(bytes(4) + b"\0\0\0\x01" + response(1)[8:])
        for resp in ended(fe, *submitted):
            equal(resp.status, ERROR)
        fe.backend.logged("out of step" + DOWN)
    # By ID, and one at a time, it is not needed
    for args in ((), ("--quirks", "existing")):
        with Forwarding(*args) as (fe, _, stream):
            submitted = send(fe, COMPUTE, 1)
            stream.receive()
            stream.send(bytes(4) + b"\0\0\0\x01" + response(1)[8:])
            check(take(fe, submitted)[0], request_id=1, user_data=0)


@test
def response_before_its_request():
    """An ID that was not sent yet cannot have an answer."""
    with Simulator() as simulator:
        with Device("--listen", simulator.endpoint, "--on-disconnect", "queue") as fe:
            submitted = send(fe, COMPUTE, 7)
            with simulator.connect() as stream:
                stream.receive()
                stream.answer(7)
                take(fe, submitted)


def made_anew(fe, simulator):
    """The connection was found to be out of step, and there is another one."""
    fe.backend.logged("out of step" + DOWN)
    with simulator.accept() as stream:
        until(lambda: fe.backend.errors().count(UP) == 2)
        echo(fe, stream)


@test
def out_of_step():
    """One byte too many; the connection is made anew before long."""
    with Forwarding() as (fe, simulator, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in range(1, 31)]
        stream.receive(30)
        stream.send(b"!")
        for id_ in range(1, 31):
            try:
                stream.answer(id_)
            except (BrokenPipeError, ConnectionResetError):
                break
        for resp in ended(fe, *submitted):
            equal(resp.status, ERROR)
        made_anew(fe, simulator)


@test
def out_of_step_one_at_a_time():
    """It takes as many requests to be sure, which all wait for that."""
    with Forwarding() as (fe, simulator, stream):
        stream.send(b"!")
        submitted = []
        for id_ in range(1, 17):
            submitted.append(send(fe, COMPUTE, id_))
            stream.receive()
            stream.answer(id_)
        for resp in ended(fe, *submitted):
            equal(resp.status, ERROR)
        made_anew(fe, simulator)


@test
def out_of_step_in_order():
    """Nobody can tell before the last answer, and the others are wrong."""
    with Forwarding("--in-order") as (fe, simulator, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in range(1, 31)]
        stream.receive(30)
        stream.send(b"!")
        for id_ in range(1, 31):
            stream.answer(id_, result=1)
        equal([resp.result for resp in ended(fe, *submitted)], [256] * 30)
        made_anew(fe, simulator)


@test
def garbage():
    seed = 4711
    with Simulator() as simulator:
        simulator.listen()
        with Device("--connect", simulator.endpoint) as fe:
            for _ in range(5):
                with simulator.accept() as stream:
                    seed = seed * 6364136223846793005 + 1 & (1 << 64) - 1
                    try:
                        stream.send(seed.to_bytes(8, "little") * 20000)
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                    stream.ended()
            fe.backend.logged("out of step")
            with simulator.accept():
                check(base.ask(fe, ECHO))


@test
def faults_are_logged_at_a_limited_rate():
    with Forwarding() as (fe, _, stream):
        for id_ in range(300):
            submitted = send(fe, COMPUTE, 7)
            stream.receive()
            stream.answer(8)
            stream.answer(7)
            take(fe, submitted)
        assert fe.backend.errors().count("to no request") <= 20


@test
def silence():
    with Forwarding("--simulator-timeout", "500") as (fe, _, stream):
        start = time.monotonic()
        submitted = [send(fe, COMPUTE, id_, 5) for id_ in (1, 2)]
        stream.receive(2)
        for id_, resp in zip((1, 2), take(fe, *submitted)):
            check(resp, status=TIMED_OUT, request_id=id_, user_data=5)
        taken = time.monotonic() - start
        assert 0.5 <= taken < 5, f"{taken} s"
        echo(fe, stream)


@test
def late_answers():
    """They are not taken for those to later requests of the same ID."""
    with tempfile.TemporaryDirectory() as folder:
        stats = os.path.join(folder, "stats")
        with Forwarding("--stats", stats, "--simulator-timeout", "500") as (fe, _, stream):
            first = send(fe, COMPUTE, 7, 1)
            stream.receive()
            check(take(fe, first)[0], status=TIMED_OUT, user_data=1)
            second = send(fe, COMPUTE, 7, 2)
            stream.receive()
            stream.answer(7, result=1)
            stream.answer(7, result=2)
            check(take(fe, second)[0], user_data=2, result=2)
            pair = statistics(stats)["devices"][0]["pairs"][0]
            equal([pair[name] for name in ("timed_out", "late", "answered",
                                           "unmatched", "in_flight")],
                  [1, 1, 1, 0, 0])


@test
def time_out_in_order():
    """Nobody knows whose the next answer would be."""
    with Forwarding("--in-order", "--simulator-timeout", "500") as (fe, simulator, stream):
        first = send(fe, COMPUTE, 1)
        time.sleep(0.2)
        second = send(fe, COMPUTE, 2)
        stream.receive(2)
        equal([resp.status for resp in take(fe, first, second)], [TIMED_OUT, ERROR])
        fe.backend.logged("answer is missing")
        stream.ended()
        with simulator.accept() as stream:
            until(lambda: fe.backend.errors().count(UP) == 2)
            echo(fe, stream)


@test
def time_outs_of_what_was_not_sent():
    with Simulator() as simulator:
        with Device("--connect", simulator.endpoint, "--on-disconnect", "queue",
                    "--simulator-timeout", "500") as fe:
            submitted = [send(fe, COMPUTE, id_) for id_ in range(3)]
            for resp in take(fe, *submitted):
                equal(resp.status, NO_DEVICE)
            simulator.listen()
            with simulator.accept() as stream:
                stream.nothing()
                echo(fe, stream)


@test
def time_out_in_the_middle_of_a_request():
    """The rest of it is sent, so that the stream stays in step."""
    with Forwarding("--simulator-timeout", "500") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in range(120)]
        statuses = [resp.status for resp in ended(fe, *submitted)]
        sent = []
        while len(sent) < 120 and (not sent or select.select(
                [stream.sock], [], [], 0.1)[0]):
            sent += [id_ for _, id_, _ in stream.receive()]
        equal(sent, list(range(len(sent))))
        assert len(sent) < 120, "all were sent"
        # Those of which nothing was sent have had no effect, and say so
        equal(statuses, [TIMED_OUT] * len(sent) + [NO_DEVICE] * (120 - len(sent)))
        echo(fe, stream, 1000)


@test
def too_many_without_an_answer():
    # Few enough at a time for the socket to take them at once
    with Forwarding("--simulator-timeout", "20") as (fe, simulator, stream):
        sent = 0
        while "without an answer" not in fe.backend.errors():
            submitted = [send(fe, COMPUTE, id_) for id_ in range(30)]
            try:
                stream.receive(30)
            except (AssertionError, ConnectionError):
                stream = simulator.accept()
            ended(fe, *submitted)
            sent += 30
            assert sent < 6000
        assert sent > 4000


@contextlib.contextmanager
def preloaded(name):
    """Programs that begin, and are ready, meanwhile use what NAME.c has."""
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, name + ".so")
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library,
                        os.path.join(TESTS, name + ".c")], check=True)
        # The address sanitizer wants to be the first library
        words = {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        os.environ.update(words)
        try:
            yield
        finally:
            for word in words:
                del os.environ[word]


@test
def one_of_two_addresses_is_dead():
    """The one that works is kept, also when the guest resets its device."""
    with Simulator("tcp") as simulator:
        simulator.listen()
        with contextlib.ExitStack() as stack:
            with preloaded("two_addresses"):
                fe = stack.enter_context(
                    Device("--connect", f"tcp:two:{simulator.address[1]}"))
            stream = simulator.accept()
            fe.backend.logged(UP)
            for id_ in range(3):
                send(fe, COMPUTE, id_)
                stream.receive()
                fe.enable(0, False)
                stream.ended()
                fe.enable(0)
                submitted = send(fe, COMPUTE, id_, 5)
                stream.close()
                stream = simulator.accept()
                stream.receive()
                stream.answer(id_, result=id_)
                check(take(fe, submitted)[0], request_id=id_, user_data=5, result=id_)
            stream.close()
            equal(fe.backend.errors().count("trying again"), 0)


@test
def all_addresses_are_dead():
    with Simulator("tcp") as simulator:
        with preloaded("two_addresses"):
            be = backend("--connect", f"tcp:two:{simulator.address[1]}")
        with be:
            be.logged("refused; trying again")
            simulator.listen()
            with simulator.accept():
                be.logged(UP)


# Waiting for a connection


@test
def requests_wait():
    with Simulator() as simulator:
        with Device("--connect", simulator.endpoint, "--on-disconnect", "queue:3") as fe:
            submitted = [send(fe, COMPUTE, id_) for id_ in range(5)]
            for resp in take(fe, *submitted[3:]):
                equal(resp.status, NO_DEVICE)
            check(base.ask(fe, ECHO))
            simulator.listen()
            with simulator.accept() as stream:
                equal([id_ for _, id_, _ in stream.receive(3)], [0, 1, 2])
                for id_ in (2, 0, 1):
                    stream.answer(id_)
                ended(fe, *submitted[:3])


@test
def requests_wait_for_who_connects():
    with Simulator("tcp") as simulator:
        with Device("--listen", simulator.endpoint, "--on-disconnect", "queue") as fe:
            submitted = [send(fe, COMPUTE, id_) for id_ in range(100)]
            check(base.ask(fe, ECHO))
            with simulator.connect() as stream:
                stream.receive(100)
                for id_ in range(100):
                    stream.answer(id_)
                ended(fe, *submitted)


@test
def reconnects_again_and_again():
    with Simulator() as simulator:
        simulator.listen()
        with Device("--connect", simulator.endpoint, "--on-disconnect", "queue") as fe:
            for id_ in range(10):
                submitted = send(fe, COMPUTE, id_)
                with simulator.accept() as stream:
                    stream.receive()
                    stream.answer(id_)
                    equal(take(fe, submitted)[0].status, OK)


@test
def back_off():
    """Attempts become fewer, and are many again after a connection with an answer."""
    with Simulator("tcp") as simulator:
        with Device("--connect", simulator.endpoint) as fe:
            # Attempts after 0.1, 0.3, 0.7, 1.5 and 3.1 s
            time.sleep(2)
            start = time.monotonic()
            simulator.listen()
            with simulator.accept() as stream:
                waited = time.monotonic() - start
                fe.backend.logged(UP)
                echo(fe, stream)
            start = time.monotonic()
            simulator.accept().close()
            again = time.monotonic() - start
            assert waited < 5 and again < 1, f"{waited} s, {again} s"
            fe.alive()


@test
def back_off_from_who_takes_connections_and_ends_them():
    """A tunnel does so whose other end has nobody to connect to."""
    with Simulator("tcp") as simulator:
        simulator.listen()
        with backend("--connect", simulator.endpoint) as be:
            # At once, and after 0.1, 0.3, 0.7, 1.5 and 3.1 s
            simulator.sock.settimeout(0.1)
            count = 0
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    simulator.accept().close()
                    count += 1
            assert 3 <= count <= 5, f"{count} connections"
            assert be.errors().count("\n") <= 10, be.errors()


@test
def a_connection_that_lasts_ends_the_back_off():
    """Also without an answer: events may come seldom, and requests too."""
    with Simulator("tcp") as simulator:
        simulator.listen()
        with backend("--connect", simulator.endpoint):
            for _ in range(4):
                simulator.accept().close()
            with simulator.accept():
                time.sleep(5.1)
            start = time.monotonic()
            simulator.accept().close()
            taken = time.monotonic() - start
            assert taken < 0.7, f"{taken} s"


@test
def resets_do_not_make_connections_as_fast_as_they_can():
    with Forwarding() as (fe, simulator, stream):
        start = time.monotonic()
        for id_ in range(11):
            submitted = send(fe, COMPUTE, id_, 5)
            stream.receive()
            fe.enable(0, False)
            stream.ended()
            stream.close()
            fe.enable(0)
            submitted = send(fe, COMPUTE, id_, 6)
            stream = simulator.accept()
            stream.receive()
            stream.answer(id_)
            check(take(fe, submitted)[0], request_id=id_, user_data=6)
        taken = time.monotonic() - start
        assert taken > 0.9, f"{taken} s"
        stream.close()


# Too few descriptors


def processor_time(process):
    """Seconds that it has used."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test
def no_descriptor_is_left():
    """Who connects waits for one, and nothing else is disturbed."""
    with tempfile.TemporaryDirectory() as folder, Simulator() as simulator:
        stats = os.path.join(folder, "stats")
        with backend("--listen", simulator.endpoint, "--stats", stats) as be, \
                socket.socket(socket.AF_UNIX) as client:
            limits = resource.prlimit(be.process.pid, resource.RLIMIT_NOFILE)
            count = len(os.listdir(f"/proc/{be.process.pid}/fd"))
            resource.prlimit(be.process.pid, resource.RLIMIT_NOFILE, (count, limits[1]))
            client.settimeout(TIMEOUT)
            client.connect(stats)
            with simulator.connect() as stream, FrontEnd(be.path) as fe:
                be.logged("cannot accept a connection: Too many open files; trying again")
                before = processor_time(be.process)
                time.sleep(1)
                used = processor_time(be.process) - before
                assert used < 0.5, f"{used} s"
                resource.prlimit(be.process.pid, resource.RLIMIT_NOFILE, limits)
                be.logged(UP)
                assert client.recv(1)
                fe.setup()
                echo(fe, stream)


# The guest


def restart(fe):
    for ring in fe.rings:
        ring.reset()
        fe.set_ring(ring)
        fe.enable(ring.index)


@test
def stopped_queue_gets_no_old_answers():
    """A driver that starts again may use the same IDs."""
    with Forwarding() as (fe, simulator, stream):
        send(fe, COMPUTE, 7, 1)
        stream.receive()
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features))
        try:
            stream.answer(7, result=1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        stream.ended()
        restart(fe)
        # The connection is on its way: the request waits for it
        submitted = send(fe, COMPUTE, 7, 2)
        with simulator.accept() as stream:
            equal(stream.receive(), [(COMPUTE, 7, 2)])
            stream.answer(7, result=2)
            check(take(fe, submitted)[0], user_data=2, result=2)


@test
def stopped_queue_after_a_second_answer():
    """More of that kind may be on the way."""
    with Forwarding() as (fe, simulator, stream):
        echo(fe, stream)
        stream.answer(7)
        fe.backend.logged("to no request")
        echo(fe, stream)
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features))
        stream.ended()
        restart(fe)
        with simulator.accept() as stream:
            echo(fe, stream)


@test
def connection_stays_if_nothing_is_owed():
    with Forwarding() as (fe, _, stream):
        echo(fe, stream)
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features))
        restart(fe)
        echo(fe, stream)


@test
def stopped_queue_when_the_simulator_connects():
    with Simulator() as simulator:
        with Device("--listen", simulator.endpoint) as fe:
            with simulator.connect() as stream:
                fe.backend.logged(UP)
                send(fe, COMPUTE, 7, 1)
                stream.receive()
                fe.enable(0, False)
                stream.ended()
            fe.enable(0)
            submitted = send(fe, COMPUTE, 7, 2)
            with simulator.connect() as stream:
                equal(stream.receive(), [(COMPUTE, 7, 2)])
                stream.answer(7)
                check(take(fe, submitted)[0], user_data=2)
                send(fe, COMPUTE, 8)
                stream.receive()
                fe.enable(0, False)
                stream.ended()
            fe.enable(0)
            # Nobody comes this time
            submitted = send(fe, COMPUTE, 7, 2)
            check(take(fe, submitted)[0], status=NO_DEVICE, user_data=2)


@test
def requests_wait_a_second_for_the_next_connection():
    for comes in (True, False):
        with Forwarding() as (fe, simulator, stream):
            send(fe, COMPUTE, 7, 1)
            stream.receive()
            simulator.stop_listening()
            fe.enable(0, False)
            stream.ended()
            fe.enable(0)
            start = time.monotonic()
            submitted = send(fe, COMPUTE, 7, 2)
            if comes:
                # Attempts fail until then
                time.sleep(0.25)
                with simulator.listen().accept() as again:
                    again.receive()
                    again.answer(7)
                    check(take(fe, submitted)[0], user_data=2)
            else:
                check(take(fe, submitted)[0], status=NO_DEVICE, user_data=2)
                assert time.monotonic() - start > 0.5


@test
def guest_leaves():
    with Simulator() as simulator:
        simulator.listen()
        with backend("--connect", simulator.endpoint) as be:
            stream = simulator.accept()
            for life in range(5):
                with FrontEnd(be.path) as fe:
                    fe.setup()
                    submitted = send(fe, COMPUTE, 7, life)
                    equal(stream.receive(), [(COMPUTE, 7, life)])
                    if life % 2:
                        stream.answer(7, result=life)
                        check(take(fe, submitted)[0], user_data=life, result=life)
                # Nothing that comes on it now is for the next one
                stream.ended()
                stream.close()
                stream = simulator.accept()
            # Who sends nothing needs no other connection
            for _ in range(2):
                with FrontEnd(be.path) as fe:
                    fe.setup()
                    check(base.ask(fe, ECHO))
            stream.nothing()
            stream.close()


@test
def broken_queue_with_requests_at_the_simulator():
    with Forwarding() as (fe, simulator, stream):
        send(fe, COMPUTE, 7, 1)
        stream.receive()
        fe.rings[0].expose(300)
        fe.rings[0].kick()
        fe.rings[0].wait_error()
        stream.ended()
        with simulator.accept():
            fe.alive()


@test
def end_with_requests_at_the_simulator():
    """Nobody connects for that again, or waits to be connected to."""
    for option in ("--connect", "--listen"):
        with Simulator() as simulator:
            if option == "--connect":
                simulator.listen()
            with Device(option, simulator.endpoint, "--queues", "2", "--on-disconnect",
                        "queue", pairs=2) as fe:
                streams = [simulator.accept() if simulator.sock else simulator.connect()
                           for _ in range(2)]
                until(lambda: fe.backend.errors().count(UP) == 2)
                for id_ in range(5):
                    send(fe, COMPUTE, id_)
                (ready,), _, _ = select.select([s.sock for s in streams], [], [], TIMEOUT)
                (stream,) = [s for s in streams if s.sock is ready]
                stream.receive(5)
                stream.send(response(1)[:100])
                log = fe.backend.errors()
                fe.backend.process.terminate()
                equal(fe.backend.process.wait(TIMEOUT), 0)
                equal(fe.backend.errors(), log)
                if simulator.sock:
                    Stream(simulator.sock).nothing(0)
                for stream in streams:
                    stream.close()


@test
def device_is_silent():
    """Answers that come meanwhile are given to the guest afterwards."""
    with Forwarding("--answer", "100=silence:200") as (fe, _, stream):
        submitted = send(fe, COMPUTE, 7, 9)
        stream.receive()
        base.raw(fe, 100)
        stream.answer(7)
        fe.rings[0].idle(0.1)
        check(take(fe, submitted)[0])


@test
def memory_of_the_guest_changes():
    with Forwarding() as (fe, _, stream):
        submitted = send(fe, COMPUTE, 7, 9)
        stream.receive()
        fe.must(ADD_MEM_REG, struct.pack("=Q", 0) + struct.pack(
            "=QQQQ", GUEST + MEMORY, 4096, USER + MEMORY, 0), [fe.memfd])
        stream.answer(7)
        check(take(fe, submitted)[0])


@test
def polling():
    with Forwarding("--poll", "0") as (fe, _, stream):
        for _ in range(5):
            echo(fe, stream)


@test
def load():
    """Many requests of many IDs, answered in any order in any pieces."""
    seed = 99
    with Simulator("tcp") as simulator:
        simulator.listen()
        with Device("--connect", simulator.endpoint, "--queues", "2", pairs=2) as fe:
            streams = [simulator.accept() for _ in range(2)]
            until(lambda: fe.backend.errors().count(UP) == 2)
            for turn in range(30):
                sent = {}
                for id_ in range(60):
                    pair = id_ % 2
                    sent[turn * 100 + id_] = (pair, send(
                        fe, COMPUTE, turn * 100 + id_, id_, pair=pair))
                for stream in streams:
                    found = stream.receive(30)
                    seed = seed * 6364136223846793005 + 1 & (1 << 64) - 1
                    found.sort(key=lambda one: one[1] * seed % 1009)
                    data = b"".join(response(one[1], result=one[1]) for one in found)
                    cut = seed % len(data)
                    stream.send(data[:cut])
                    stream.send(data[cut:])
                for pair in range(2):
                    mine = [s for p, s in sent.values() if p == pair]
                    ended(fe, *mine, pair=pair)
                for id_, (_, (_, offset)) in sent.items():
                    check(fe.response(offset), request_id=id_,
                          user_data=id_ % 100, result=id_)
            for stream in streams:
                stream.close()


# As the existing device


@test
def existing_one_at_a_time():
    with Forwarding("--quirks", "existing") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_, 5) for id_ in (1, 2)]
        local = send(fe, NOOP, 3, 5)
        equal(stream.receive(), [(COMPUTE, 1, 5)])
        stream.nothing()
        # IDs come through as the simulator sent them
        stream.answer(77, OK, 88, 99)
        check(take(fe, submitted[0])[0], request_id=77, user_data=88, result=99)
        equal(stream.receive(), [(COMPUTE, 2, 5)])
        stream.answer(2, BUSY, 5, 6)
        check(take(fe, submitted[1])[0], status=NO_DEVICE, request_id=2,
              user_data=5, result=6)
        check(take(fe, local)[0], request_id=3, user_data=5)


@test
def existing_types():
    with Forwarding("--quirks", "existing") as (fe, _, stream):
        for type_ in (GEMM, 100):
            check(base.ask(fe, type_), status=INVALID)
        for type_ in (NOOP, ECHO, RESET, GET_INFO):
            check(base.ask(fe, type_))
        stream.nothing(0)
        for type_ in (COMPUTE, READ, WRITE, CONFIGURE):
            submitted = send(fe, type_, 7, 9)
            stream.receive()
            stream.answer(7, OK, 9)
            check(take(fe, submitted)[0])


@test
def existing_without_simulator():
    with Simulator() as simulator:
        with Device("--quirks", "existing", "--connect", simulator.endpoint) as fe:
            check(base.ask(fe, COMPUTE), status=NO_DEVICE)
            check(base.ask(fe, NOOP))


@test
def existing_connection_ends():
    with Forwarding("--quirks", "existing") as (fe, _, stream):
        submitted = [send(fe, COMPUTE, id_) for id_ in (1, 2)]
        stream.receive()
        stream.close()
        for resp in take(fe, *submitted):
            equal(resp.status, NO_DEVICE)


# Events


def event_buffers(fe, count):
    """Adds buffers for events, returns the offset of each by its head."""
    offset = fe.buffer()
    return {fe.rings[2].add([(GUEST + offset + 32 * i, 24, F_WRITE)]): offset + 32 * i
            for i in range(count)}


def next_events(fe, buffers, count):
    """Returns the next events as (type, timestamp, data)."""
    found = []
    for head, length in fe.rings[2].wait(count):
        equal(length, 24)
        type_, reserved, timestamp, data = event(fe, buffers[head])
        found.append((type_, timestamp, data))
    return found


@test
def events_of_the_simulator():
    for option in ("--events-connect", "--events-listen"):
        with Simulator() as simulator:
            if option == "--events-connect":
                simulator.listen()
            with Device(option, simulator.endpoint) as fe:
                stream = simulator.accept() if simulator.sock else simulator.connect()
                buffers = event_buffers(fe, 20)
                sent = [(i + 5, i * 3, 1 << i) for i in range(10)]
                for type_, timestamp, data in sent:
                    data = struct.pack("<IIQQ", type_, 9, timestamp, data)
                    stream.send(data[:7])
                    stream.send(data[7:])
                equal(next_events(fe, buffers, 10), sent)
                stream.close()
                fe.backend.logged(DOWN)
                stream = simulator.accept() if simulator.sock else simulator.connect()
                stream.send(struct.pack("<IIQQ", 1, 0, 2, 3))
                equal(next_events(fe, buffers, 1), [(1, 2, 3)])
                stream.close()


@test
def events_wait_for_buffers():
    with Simulator() as simulator:
        with Device("--events-listen", simulator.endpoint) as fe:
            with simulator.connect() as stream:
                fe.backend.logged(UP)
                for i in range(5):
                    stream.send(struct.pack("<IIQQ", 1, 0, 2, i))
                time.sleep(0.05)
                buffers = event_buffers(fe, 3)
                fe.rings[2].kick()
                equal([e[2] for e in next_events(fe, buffers, 3)], [0, 1, 2])
                # Those that are left over are for events that come later
                buffers = event_buffers(fe, 3)
                fe.rings[2].kick()
                equal([e[2] for e in next_events(fe, buffers, 2)], [3, 4])
                stream.send(struct.pack("<IIQQ", 1, 0, 2, 5))
                equal([e[2] for e in next_events(fe, buffers, 1)], [5])


@test
def events_into_buffers_of_many_pieces():
    """More pieces than are taken at a time: the rest follows, and nobody waits for it."""
    with Simulator() as simulator:
        simulator.listen()
        with backend("--connect", simulator.endpoint, "--queues", "16") as be:
            streams = [simulator.accept() for _ in range(16)]
            until(lambda: be.errors().count(UP) == 16)
            with FrontEnd(be.path) as fe:
                fe.init()
                fe.set_mem()
                fe.rings = [Ring(fe, i, 64) for i in range(3)]
                ring = fe.rings[2]
                buffers = {ring.add([(GUEST + BUFFERS + 32 * i, 24, F_WRITE)] +
                                    [(GUEST, 1, F_WRITE)] * 1023,
                                    0x200000 + i * 0x4000): BUFFERS + 32 * i
                           for i in range(16)}
                fe.set_ring(ring)
                fe.enable(2)
                equal(sorted(next_events(fe, buffers, 16)),
                      [(CONNECTED, 0, pair) for pair in range(16)])
                fe.alive()
            for stream in streams:
                stream.close()


@test
def too_many_events():
    with tempfile.TemporaryDirectory() as folder:
        stats = os.path.join(folder, "stats")
        with Simulator() as simulator, \
                Device("--stats", stats, "--events-listen", simulator.endpoint) as fe, \
                simulator.connect() as stream:
            fe.backend.logged(UP)
            for i in range(1100):
                stream.send(struct.pack("<IIQQ", 1, 0, 2, i))
            fe.backend.logged("dropped one of type 1")
            until(lambda: statistics(stats)["devices"][0]["events"]["dropped"] == 76)
            buffers = event_buffers(fe, 100)
            fe.rings[2].kick()
            equal([e[2] for e in next_events(fe, buffers, 100)], list(range(100)))


@test
def half_an_event():
    with Simulator() as simulator:
        with Device("--events-listen", simulator.endpoint) as fe:
            with simulator.connect() as stream:
                stream.send(bytes(10))
            fe.backend.logged("after 10 of 24 bytes of an event")
            fe.alive()


@test
def events_without_a_guest():
    with Simulator() as simulator:
        with backend("--events-listen", simulator.endpoint) as be:
            with simulator.connect() as stream:
                stream.send(struct.pack("<IIQQ", 1, 0, 2, 1))
                be.logged(UP)
                time.sleep(0.05)
                with FrontEnd(be.path) as fe:
                    fe.setup()
                    buffers = event_buffers(fe, 3)
                    stream.send(struct.pack("<IIQQ", 1, 0, 2, 3))
                    equal(next_events(fe, buffers, 1), [(1, 2, 3)])


@test
def link_state_is_told():
    with Forwarding() as (fe, simulator, stream):
        buffers = event_buffers(fe, 10)
        fe.rings[2].kick()
        equal(next_events(fe, buffers, 1), [(CONNECTED, 0, 0)])
        simulator.stop_listening()
        stream.close()
        equal(next_events(fe, buffers, 1), [(DISCONNECTED, 0, 0)])
        simulator.listen()
        with simulator.accept():
            equal(next_events(fe, buffers, 1), [(CONNECTED, 0, 0)])


@test
def link_state_of_pairs():
    with Simulator() as simulator:
        with Device("--queues", "2", "--listen", simulator.endpoint, pairs=2) as fe:
            buffers = event_buffers(fe, 10)
            fe.rings[2].kick()
            fe.rings[2].idle(0.05)
            streams = [simulator.connect() for _ in range(2)]
            equal(sorted(next_events(fe, buffers, 2)),
                  [(CONNECTED, 0, 0), (CONNECTED, 0, 1)])
            for stream in streams:
                stream.close()
            equal(sorted(next_events(fe, buffers, 2)),
                  [(DISCONNECTED, 0, 0), (DISCONNECTED, 0, 1)])


@test
def own_events_keep_their_numbers():
    with Forwarding("--events", "5") as (fe, _, stream):
        buffers = event_buffers(fe, 20)
        fe.rings[2].kick()
        found = next_events(fe, buffers, 8)
        equal([e[2] for e in found if e[0] == 1],
              list(range(found[[e[0] for e in found].index(1)][2],
                         found[-1][2] + 1)))
        equal([e for e in found if e[0] != 1], [(CONNECTED, 0, 0)])


# Several devices


class Devices:
    """A program with several devices; the first word of each is its socket."""

    def __init__(self, *args):
        self.dir = tempfile.TemporaryDirectory()
        self.paths = []
        words = []
        for word in args:
            if word == "--socket":
                self.paths.append(os.path.join(self.dir.name, f"s{len(self.paths)}"))
                words += [word, self.paths[-1]]
            else:
                words.append(word.replace("DIR", self.dir.name))
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([base.PROGRAM, *words],
                                        stdout=subprocess.PIPE, stderr=self.log)

    errors = Backend.errors
    logged = Backend.logged

    def ready(self, count):
        return [self.process.stdout.readline().decode().split()[-1]
                for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        status = self.process.wait(TIMEOUT)
        errors = self.errors()
        self.process.stdout.close()
        left = os.listdir(self.dir.name)
        self.log.close()
        self.dir.cleanup()
        if kind is None:
            equal(status, 0, errors)
            assert "Sanitizer" not in errors and "runtime error" not in errors, errors
            equal([name for name in left if name.startswith("s")], [], "left")


@test
def several_devices():
    with Simulator() as simulator:
        simulator.listen()
        with Devices("--device-id", "5", "--stats", "DIR/stats", "--queues", "2",
                     "--socket", "--device-id", "6", "--socket", "--quirks",
                     "existing", "--queues", "1", "--socket", "--connect",
                     simulator.endpoint) as be:
            equal(be.ready(3), be.paths)
            streams = [simulator.accept() for _ in range(2)]
            devices = [FrontEnd(path) for path in be.paths]
            for fe, pairs in zip(devices, (2, 1, 2)):
                fe.setup(pairs=pairs)
            equal([struct.unpack("<II", fe.get_config()[:8])[1] for fe in devices],
                  [6, 5, 5])
            check(base.ask(devices[0], COMPUTE))
            check(base.ask(devices[1], COMPUTE), request_id=~7 & (1 << 64) - 1)
            submitted = send(devices[2], COMPUTE, 7, 9)
            ready, _, _ = select.select([s.sock for s in streams], [], [], TIMEOUT)
            stream = [s for s in streams if s.sock in ready][0]
            stream.receive()
            # The others go on
            check(base.ask(devices[0], ECHO))
            stats = statistics(os.path.join(be.dir.name, "stats"))["devices"]
            equal([d["socket"] for d in stats], be.paths)
            equal([d["device_id"] for d in stats], [6, 5, 5])
            equal([[p["requests"] for p in d["pairs"]] for d in stats],
                  [[2, 0], [1], [1, 0]])
            equal([p["connected"] for p in stats[2]["pairs"]], [True, True])
            equal(stats[2]["pairs"][0]["in_flight"], 1)
            stream.answer(7)
            check(take(devices[2], submitted)[0])
            # A fault is logged with the name of its device
            devices[1].rings[0].expose(300)
            devices[1].rings[0].kick()
            be.logged(f"vhost-user-sst: {be.paths[1]}: queue 0: ")
            stream.answer(8)
            be.logged(f"vhost-user-sst: {be.paths[2]}: simulator, pair ")
            for fe in devices:
                fe.close()
            for stream in streams:
                stream.close()


@test
def events_of_one_of_two_devices():
    """What is logged about them names the device, once."""
    with Simulator() as simulator:
        simulator.listen()
        with Devices("--socket", "--socket", "--events-connect", simulator.endpoint) as be:
            be.ready(2)
            with simulator.accept() as stream, FrontEnd(be.paths[1]) as fe:
                fe.setup()
                for i in range(1030):
                    stream.send(struct.pack("<IIQQ", 1, 0, 2, i))
                be.logged("dropped one")
                fe.rings[2].expose(300)
                fe.rings[2].kick()
                fe.rings[2].wait_error()
                be.logged("queue 2: ")
            be.logged(DOWN)
            lines = be.errors().splitlines()
            equal([line for line in lines if line.count(be.paths[1] + ": ") != 1], [])


@test
def memory_taken_away_from_one_device():
    with Simulator() as simulator:
        simulator.listen()
        with Devices("--socket", "--socket", "--events", "20", "--socket", "--connect",
                     simulator.endpoint, "--socket") as be:
            be.ready(4)
            stream = simulator.accept()
            devices = [FrontEnd(path) for path in be.paths]
            for fe in devices:
                fe.setup()
            send(devices[2], COMPUTE, 7)
            stream.receive()
            for fe in devices[:3]:
                os.ftruncate(fe.memfd, 0)
            devices[0].rings[0].kick()
            # Earlier, if the ring is still looked at: then the connection has ended
            with contextlib.suppress(BrokenPipeError):
                stream.answer(7)
            for fe, path in zip(devices[:3], be.paths):
                equal(fe.sock.recv(1), b"", "connection after the end of memory")
                be.logged(f"{path}: guest memory was taken away")
            check(base.ask(devices[3], COMPUTE))
            with FrontEnd(be.paths[2]) as fe:
                fe.setup()
                if select.select([simulator.sock], [], [], 0)[0]:
                    stream.close()
                    stream = simulator.accept()
                echo(fe, stream)
            for fe in devices:
                fe.close()
            stream.close()


@test
def one_path_for_two_devices():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        status, out, err = run("--socket", path, "--socket", path)
        equal((status, out, err.count("\n")), (3, "", 1))
        assert not os.path.exists(path)
        status, out, err = run("--socket", path, "--stats", path)
        equal((status, out, err.count("\n")), (3, "", 1))


def config(text):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text if isinstance(text, str) else json.dumps(text))
        file.flush()
        return run("--config", file.name)


@test
def devices_from_a_file():
    with tempfile.TemporaryDirectory() as folder, Simulator() as simulator:
        simulator.listen()
        path = os.path.join(folder, "config")
        with open(path, "w") as file:
            json.dump({"devices": [
                {"socket": f"{folder}/a", "queues": 2, "answer": ["1=status:5", "8=status:2"]},
                {"socket": f"{folder}/b", "connect": simulator.endpoint, "in-order": False},
                {"socket": f"{folder}/c", "forward-all": False, "device-id": "9"}],
                "forward-all": True, "in-order": True, "device-id": 4,
                "stats": f"{folder}/stats"}, file)
        with Devices("--config", path) as be:
            equal(be.ready(3), [f"{folder}/{name}" for name in "abc"])
            stream = simulator.accept()
            be.logged(UP)
            with FrontEnd(f"{folder}/a") as fe:
                fe.setup(pairs=2)
                check(base.ask(fe, ECHO), status=5)
                check(base.ask(fe, GEMM), status=2)
            with FrontEnd(f"{folder}/b") as fe:
                fe.setup()
                submitted = [send(fe, NOOP, id_, 9) for id_ in (7, 8)]
                stream.receive(2)
                for id_ in (8, 7):
                    stream.answer(id_, result=id_)
                for id_, resp in zip((7, 8), ended(fe, *submitted)):
                    check(resp, request_id=id_, user_data=9, result=id_)
            stats = statistics(f"{folder}/stats")["devices"]
            equal([d["device_id"] for d in stats], [4, 4, 9])
            stream.close()


@test
def files_that_are_wrong():
    for text, word in (
            ("", "line 1: ends too early"), ("[]", "not an object"),
            ('{\n"devices":\n', "line 3: ends too early"),
            ('{\n"queues":\n!}', "line 3: unexpected character"),
            ('{}\n{}', "line 2: not one object"),
            ("{}\0", "line 1: not one object"),
            ("null\n", "not one object"),
            ({}, "has no devices"), ({"socket": "s"}, "has no devices"),
            ({"devices": 1}, "not an array"), ({"devices": [1]}, "not an object"),
            ({"devices": [{"socket": "s"}, {}]}, "device 2: has no socket"),
            ({"devices": [{"socket": "s"}, {"socket": "t", "queues": 99}]},
             "device 2: --queues 99"),
            ({"queues": 99}, "json: --queues 99"),
            ({"devices": [{"socket": "s", "queus": 1}]}, "queus: no such option"),
            ({"devices": [{"socket": "s", "queues": True}]}, "takes an argument"),
            ({"devices": [{"socket": "s", "queues": 1.5}]}, "queues: neither"),
            ({"devices": [{"socket": "s", "forward-all": "yes"}]}, "only true"),
            ({"config": "x"}, "no such option"), ({"help": True}, "no such option"),
            ({"nonsense": False}, "nonsense: no such option"),
            ({"queues": False}, "queues: takes an argument"),
            ({"devices": [{"socket": ["s", "t"]}]}, "device 1: socket: an array"),
            ({"nonsense": []}, "nonsense: an array"),
            ({"devices": [{"socket": "s", "in-order": True}]}, "device 1: --in-order")):
        status, out, err = config(text)
        equal((status, out, err.count("\n")), (2, "", 1), f"{text}: {err}")
        assert word in err and err.startswith("vhost-user-sst: /"), err
    status, out, err = run("--config", "/dev/null", "--config", "/dev/null")
    equal((status, out, err.count("\n")), (2, "", 1))
    status, out, err = run("--config", "/nonexistent")
    equal((status, out, err.count("\n")), (2, "", 1))
    assert "/nonexistent" in err, err


# Statistics


@test
def statistics_of_requests():
    with tempfile.TemporaryDirectory() as folder:
        stats = os.path.join(folder, "stats")
        with Forwarding("--stats", stats) as (fe, simulator, stream):
            for id_ in range(3):
                echo(fe, stream, id_)
            check(base.ask(fe, NOOP))
            submitted = send(fe, COMPUTE, 5)
            stream.receive()
            stream.close()
            equal(take(fe, submitted)[0].status, ERROR)
            stream = simulator.accept()
            until(lambda: fe.backend.errors().count(UP) == 2)
            send(fe, COMPUTE, 6)
            stream.receive()
            fe.enable(0, False)
            stream.ended()
            stream = simulator.accept()
            until(lambda: fe.backend.errors().count(UP) == 3)
            equal(statistics(stats), {"devices": [{
                "socket": fe.backend.path, "device_id": 0,
                "pairs": [{"pair": 0, "requests": 6, "forwarded": 5, "answered": 3,
                           "timed_out": 0, "late": 0, "failed": 1, "refused": 0,
                           "dropped": 1, "unmatched": 0, "in_flight": 0,
                           "connected": True, "reconnects": 2}],
                "events": {"sent": 0, "dropped": 0}}]})
            stream.close()
        assert not os.path.exists(stats)


@test
def clients_of_statistics_that_do_not_read():
    """What the socket does not take at once follows, or goes with the client."""
    with preloaded("small_buffers"):
        be = Devices("--stats", "DIR/stats", "--queues", "16", "--connect", "unix:/nobody",
                     "--socket", "--socket")
        be.ready(2)
    with be, FrontEnd(be.paths[0]) as fe:
        fe.setup(pairs=16)
        stats = os.path.join(be.dir.name, "stats")

        def descriptors():
            return len(os.listdir(f"/proc/{be.process.pid}/fd"))

        def describe():
            return [len(device["pairs"]) for device in statistics(stats)["devices"]]

        equal(describe(), [16, 16])
        before = descriptors()
        clients = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        for i, sock in enumerate(clients):
            sock.connect(stats)
            if i % 2:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        until(lambda: descriptors() == before + 50, "a descriptor for each client")
        equal(describe(), [16, 16])
        check(base.ask(fe, ECHO))
        equal(descriptors(), before + 50)
        # These leave, the last one is still there when the program ends
        for sock in clients[:-1]:
            sock.close()
        until(lambda: descriptors() == before + 1, "the end of the clients")
        equal(describe(), [16, 16])
    assert clients[-1].recv(65536), "nothing was sent"
    clients[-1].close()


@test
def statistics_under_load():
    with tempfile.TemporaryDirectory() as folder:
        stats = os.path.join(folder, "stats")
        with Forwarding("--stats", stats) as (fe, _, stream):
            for id_ in range(200):
                echo(fe, stream, id_)
                pair = statistics(stats)["devices"][0]["pairs"][0]
                equal(pair["answered"], id_ + 1)


if __name__ == "__main__":
    base.__doc__ = __doc__
    sys.exit(base.main())
