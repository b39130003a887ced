#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests vhost-user-sst through its socket: vhost_user_sst_test.py PROGRAM [WORD]

Prints TAP. With WORD, runs only the tests whose name contains it.
"""

import contextlib
import functools
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

from frontend import *

PROGRAM = None
TESTS = []

NOOP, ECHO, COMPUTE, READ, WRITE, RESET, GET_INFO, CONFIGURE = range(8)
OK, ERROR, BUSY, INVALID, TIMED_OUT, NO_DEVICE = range(6)

SST_BITS = 0x27
MULTI_QUEUE = 1 << 4


def test(function):
    TESTS.append(function)
    return function


def backend(*args, **kwargs):
    return Backend(PROGRAM, *args, **kwargs)


class Device:
    """A back-end with a front-end connected to it, with running rings."""

    def __init__(self, *args, **setup):
        self.args = args
        self.setup = setup

    def __enter__(self):
        self.backend = backend(*self.args).__enter__()
        self.fe = FrontEnd(self.backend.path)
        self.fe.backend = self.backend
        try:
            self.fe.setup(**self.setup)
        except BaseException:
            self.backend.__exit__(*sys.exc_info())
            raise
        return self.fe

    def __exit__(self, *args):
        self.fe.close()
        self.backend.__exit__(*args)


def equal(value, expected, what="value"):
    assert value == expected, f"{what}: {value!r} instead of {expected!r}"


def check(resp, status=OK, request_id=7, user_data=9, result=0):
    equal(resp.status, status, "status")
    equal(resp.request_id, request_id, "request_id")
    equal(resp.user_data, user_data, "user_data")
    equal(resp.result, result, "result")


def ask(fe, type_, payload=b"", **kwargs):
    resp, used = fe.ask(request(type_, 7, 9, payload), **kwargs)
    equal(used, RESPONSE, "used.len")
    return resp


def memory(addr, size, data=b""):
    return struct.pack("<QII", addr, size, 0) + data


# The command line


def run(*args):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True,
                          timeout=TIMEOUT)
    return done.returncode, done.stdout, done.stderr


@test
def help_and_version():
    status, out, err = run("--help")
    equal((status, err), (0, ""))
    for word in ("--socket PATH", "--latency US", "--quirks existing",
                 "wrong-id", "--response-queue ORDER", "silence[:MS]",
                 "--queues N"):
        assert word in out, word
    status, out, err = run("--version")
    equal((status, err), (0, ""))
    assert out.startswith("vhost-user-sst "), out


@test
def wrong_options():
    for args in ([], ["--socket"], ["--socket", ""],
                 ["--socket", "x" * 108], ["--nonsense"], ["-x"], ["word"],
                 ["--socket", "s", "word"], ["--socket", "s", "--help=1"]):
        status, out, err = run(*args)
        equal((status, out), (2, ""), str(args))
        equal(err.count("\n"), 1, f"lines for {args}")


@test
def wrong_arguments():
    for option, words in {
            "--features": ["", "echo,what", "+", "ECHO", "x" * 300],
            "--queues": ["0", "17", "-1", "", "x", "1.5", "2x"],
            "--queue-size": ["0", "1", "3", "65536", "-2", "", "256x"],
            "--device-id": ["4294967296", "x", "-1"],
            "--latency": ["", "x", "1,", ",1", "1,2,3", "-1", "1" * 30],
            "--events": ["0", "x", "1.5", "1000000001", "1,0", "1,1001", "1,", "1,1,1"],
            "--poll": ["", "x", "-1"],
            "--quirks": ["", "none"],
            "--answer": ["", "1", "1=", "x=never", "1=never:1", "1=after",
                         "1=after:", "1=after:x", "1=short:4113",
                         "1=len:4294967296", "1=fill:256", "1=what",
                         "4294967296=never", "1=in-chain:1", "1=queue",
                         "1=queue:", "1=queue:first", "1=queue:1",
                         "1=chain-after", "1=chain-after:x", "1=keep-chain:",
                         "1=no-response:1", "1=repeat:2", "1=silence:",
                         "1=silence:x", "1=silence:1000000001", "1=die:1",
                         "x" * 100],
            "--response-queue": ["", "first", "After", "after,before", "1"],
            "--hostile": ["", "x", "1,", "1,x", "-1", "1,4294967296",
                          "18446744073709551616", "1,2,3"],
            }.items():
        for word in words:
            status, out, err = run("--socket", "s", option, word)
            equal((status, out), (2, ""), f"{option} {word}")
            equal(err.count("\n"), 1, f"lines for {option} {word}")
            if option == "--answer":
                assert err.endswith("silence[:MS], die\n"), err
    for args in (("--events", "1"), ("--response-queue", "after"),
                 ("--queues", "2")):
        status, _, err = run("--socket", "s", "--quirks", "existing", *args)
        equal((status, err.count("\n")), (2, 1))
        assert args[0] in err, err


@test
def answers_that_do_not_fit_together():
    queue = "--response-queue"
    for word, *args in (
            ("repeat", "--answer", "5=repeat"),
            ("repeat", "--answer", "5=repeat,in-chain", queue, "after"),
            ("no-response", "--answer", "5=no-response,in-chain"),
            ("no-response", "--answer", "5=no-response,queue:before"),
            ("chain-after", "--answer", "5=chain-after:1,in-chain"),
            ("chain-after", "--answer", "5=chain-after:1,queue:after"),
            ("chain-after", "--answer", "5=chain-after:1,queue:alternate"),
            ("keep-chain", "--answer", "5=keep-chain,no-response"),
            ("keep-chain", queue, "before", "--answer", "5=keep-chain",
             "--answer", "5=in-chain")):
        status, out, err = run("--socket", "s", *args)
        equal((status, out, err.count("\n")), (2, "", 1), str(args))
        assert "--answer 5: " in err and word in err, err


@test
def too_many_answers():
    args = [word for i in range(33) for word in ("--answer", f"{i}=never")]
    status, _, err = run("--socket", "s", *args)
    equal((status, err.count("\n")), (2, 1))


# The socket


@test
def ready_line_and_clean_end():
    with backend() as be:
        equal(be.ready, f"vhost-user-sst: listening on {be.path}\n")


@test
def service_manager_is_told():
    """Once the sockets are there, at a path or at an abstract address."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        for told, address in ((path, path), (f"@{path}", f"\0{path}")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.bind(address)
                sock.settimeout(TIMEOUT)
                with environment("NOTIFY_SOCKET", told), backend() as be:
                    equal(sock.recv(100), b"READY=1")
                    assert os.path.exists(be.path)
        for told in ("", "notify", "/" + "x" * 107, f"{folder}/nobody"):
            with environment("NOTIFY_SOCKET", told), backend() as be:
                be.logged("cannot tell the service manager: ")
                with FrontEnd(be.path) as fe:
                    fe.alive()


@contextlib.contextmanager
def environment(name, value):
    """A variable of the programs that are started."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@test
def end_by_sigint():
    with backend() as be:
        be.process.send_signal(2)
        equal(be.process.wait(TIMEOUT), 0)


@test
def stale_socket():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        old = socket.socket(socket.AF_UNIX)
        old.bind(path)
        old.close()
        with backend(path=path) as be:
            with FrontEnd(be.path) as fe:
                fe.alive()


@test
def socket_in_use():
    with backend() as be:
        status, out, err = run("--socket", be.path)
        equal((status, out, err.count("\n")), (3, "", 1))
        with FrontEnd(be.path) as fe:
            fe.alive()


@test
def path_of_another_file():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"keep")
        file.flush()
        status, _, err = run("--socket", file.name)
        equal((status, err.count("\n")), (3, 1))
        with open(file.name, "rb") as again:
            equal(again.read(), b"keep")


@test
def folder_missing():
    status, _, err = run("--socket", "/nonexistent/folder/socket")
    equal((status, err.count("\n")), (1, 1))


@test
def foreign_socket_is_left():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        be = backend(path=path)
        os.unlink(path)
        with open(path, "w"):
            pass
        be.process.terminate()
        equal(be.process.wait(TIMEOUT), 0)
        assert os.path.exists(path)
        be.__exit__(ValueError, None, None)


@test
def clients_one_after_another():
    with backend() as be:
        for _ in range(5):
            with FrontEnd(be.path) as fe:
                fe.setup()
                check(ask(fe, READ, memory(0, 8)), result=8)
                resp = ask(fe, READ, memory(0, 8))
                equal(resp.payload[:8], bytes(8), "memory of a new device")
                check(ask(fe, WRITE, memory(0, 8, b"12345678")), result=8)
                fe.submit(request(NOOP))


@test
def second_client_waits():
    with backend() as be:
        with FrontEnd(be.path) as first, FrontEnd(be.path) as second:
            first.alive()
            second.send(GET_FEATURES, flags=1)
            second.sock.settimeout(0.2)
            try:
                second.reply()
                raise AssertionError("second client was served")
            except socket.timeout:
                pass
            first.sock.close()
            second.sock.settimeout(TIMEOUT)
            second.reply()


@test
def no_descriptors_leak():
    with backend() as be:
        folder = f"/proc/{be.process.pid}/fd"
        before = len(os.listdir(folder))
        for _ in range(20):
            with FrontEnd(be.path) as fe:
                fe.setup()
                fe.must(SET_VRING_CALL, struct.pack("=Q", 0),
                        [fe.rings[0].call_fd])
                fe.ack(SET_VRING_NUM, bytes(8), [fe.memfd])
                check(ask(fe, NOOP))
        with FrontEnd(be.path) as fe:
            fe.alive()
            equal(len(os.listdir(folder)), before + 1, "descriptors")


# Features and configuration space


@test
def default_features():
    with backend() as be, FrontEnd(be.path) as fe:
        equal(fe.get_u64(GET_FEATURES),
              VERSION_1 | INDIRECT | EVENT_IDX | PROTOCOL | SST_BITS)
        equal(fe.get_u64(GET_PROTOCOL_FEATURES), 0x8209)
        equal(fe.get_u64(GET_QUEUE_NUM), 3)
        equal(fe.get_u64(GET_MAX_MEM_SLOTS), 64)


@test
def chosen_features():
    all_ = VERSION_1 | INDIRECT | EVENT_IDX | PROTOCOL | SST_BITS
    for words, features in {
            "none": PROTOCOL,
            "version_1,echo": PROTOCOL | VERSION_1 | 1,
            "-version_1": all_ & ~VERSION_1,
            "-indirect": all_ & ~INDIRECT,
            "-event_idx,-echo": all_ & ~EVENT_IDX & ~1,
            "+events": all_ | 8,
            "+multi_queue": all_ | 16,
            "none,+compute": PROTOCOL | 2}.items():
        with backend("--features", words) as be, FrontEnd(be.path) as fe:
            equal(fe.get_u64(GET_FEATURES), features, words)
            config = struct.unpack("<IIQQ", fe.get_config())
            equal(config[2], features & 0x3f, words)


@test
def config_space():
    with backend("--device-id", "77", "--events", "1000") as be:
        with FrontEnd(be.path) as fe:
            expected = struct.pack("<IIQQ", 0x10000, 77, SST_BITS | 8, 1)
            equal(fe.get_config(), expected)
            equal(fe.get_config(4, 4), expected[4:8])
            equal(fe.get_config(16, 8), expected[16:])
            equal(fe.get_config(0, 256), expected + bytes(232))


@test
def config_space_out_of_range():
    with backend() as be, FrontEnd(be.path) as fe:
        for offset, size, data in ((0, 257, 256), (256, 1, 1), (0, 24, 8),
                                   (0xffffffff, 2, 2), (2, 0xffffffff, 2)):
            payload = struct.pack("=III", offset, size, 0) + bytes(data)
            equal(fe.call(GET_CONFIG, payload, flags=1), b"")
            assert not fe.ack(SET_CONFIG, payload)
        fe.alive()


@test
def config_space_is_read_only():
    payload = struct.pack("=III", 0, 4, 0) + b"abcd"
    with backend() as be, FrontEnd(be.path) as fe:
        assert not fe.ack(SET_CONFIG, payload)
        equal(fe.get_config()[:4], struct.pack("<I", 0x10000))
    with backend("--quirks", "existing") as be, FrontEnd(be.path) as fe:
        assert fe.ack(SET_CONFIG, payload)
        equal(fe.get_config()[:4], struct.pack("<I", 0x10000))


@test
def backend_channel():
    with backend("--backend-req") as be, FrontEnd(be.path) as fe:
        equal(fe.get_u64(GET_PROTOCOL_FEATURES), 0x8229)
        ours, theirs = socket.socketpair()
        fe.must(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        theirs.close()
        assert not fe.ack(SET_BACKEND_REQ_FD)
        be.stop()
        ours.settimeout(TIMEOUT)
        equal(ours.recv(1), b"", "end of the channel")
        ours.close()
    with backend() as be, FrontEnd(be.path) as fe:
        assert not fe.ack(SET_BACKEND_REQ_FD, b"", [fe.memfd])


# Requests


def each_type(fe):
    check(ask(fe, NOOP))
    resp = ask(fe, ECHO, bytes(range(255)) * 16)
    check(resp)
    equal(resp.payload, bytes(range(255)) * 16)

    resp = ask(fe, COMPUTE, struct.pack("<QII", 1000, 0, 0))
    check(resp, result=100000)
    equal(struct.unpack("<QQ", resp.payload[:16]), (100000, 100000))
    resp = ask(fe, COMPUTE, struct.pack("<QII", 1, 0, 0))
    equal(struct.unpack("<QQ", resp.payload[:16]), (100, 100100))

    data = os.urandom(4064)
    check(ask(fe, WRITE, memory(1 << 20, 4064, data)), result=4064)
    resp = ask(fe, READ, memory(1 << 20, 4080))
    check(resp, result=4080)
    equal(resp.payload, data + bytes(16))

    check(ask(fe, CONFIGURE, struct.pack("<IIQ", 63, 0, 5)))
    check(ask(fe, CONFIGURE, struct.pack("<IIQ", 63, 0, 6)), result=5)

    resp = ask(fe, GET_INFO)
    check(resp)
    equal(struct.unpack("<IIQQ", resp.payload[:24]),
          (0x10000, fe.features & 0x3f, 1000000, 256 << 20))

    check(ask(fe, RESET))
    equal(ask(fe, READ, memory(1 << 20, 16)).payload, bytes(4080))
    check(ask(fe, CONFIGURE, struct.pack("<IIQ", 63, 0, 6)))
    resp = ask(fe, COMPUTE, struct.pack("<QII", 1, 0, 0))
    equal(struct.unpack("<QQ", resp.payload[:16]), (100, 100))


@test
def each_type_default():
    with Device() as fe:
        each_type(fe)


@test
def each_type_legacy():
    with Device("--features", "none") as fe:
        each_type(fe)


@test
def each_type_without_protocol_features():
    with Device(protocol=False) as fe:
        each_type(fe)


@test
def invalid_requests():
    size = 256 << 20
    with Device() as fe:
        for type_, payload in (
                (8, b""), (0xffffffff, b""),
                (COMPUTE, struct.pack("<Q", 1000001)),
                (COMPUTE, struct.pack("<Q", (1 << 64) - 1)),
                (READ, memory(0, 4081)), (READ, memory(size, 1)),
                (READ, memory(size - 8, 9)),
                (READ, memory((1 << 64) - 1, 1)),
                (READ, memory(0, 0xffffffff)),
                (WRITE, memory(0, 4065)), (WRITE, memory(size - 1, 2)),
                (CONFIGURE, struct.pack("<I", 64))):
            resp = ask(fe, type_, payload)
            check(resp, INVALID)
            equal(resp.payload, bytes(4080))
        check(ask(fe, READ, memory(size - 8, 8)), result=8)
        check(ask(fe, READ, memory(size, 0)))
        check(ask(fe, COMPUTE, struct.pack("<Q", 1000000)), result=10 ** 8)


@test
def segments():
    payload = bytes(range(255)) * 16
    with Device() as fe:
        for indirect in (False, True):
            for cuts_out, cuts_in in (((1,), ()), ((), (1,)),
                                      ((8, 24, 4000), (32, 33, 4111)),
                                      (range(50, 4100, 50),
                                       range(50, 4100, 50))):
                resp = ask(fe, ECHO, payload, cuts_out=cuts_out,
                           cuts_in=cuts_in, indirect=indirect)
                check(resp)
                equal(resp.payload, payload)


@test
def longest_chain():
    with Device() as fe:
        resp = ask(fe, NOOP, cuts_out=range(1, 127), cuts_in=range(1, 129))
        check(resp)


@test
def long_indirect_chain():
    """An indirect table may be longer than the ring."""
    with Device(num=8) as fe:
        resp = ask(fe, NOOP, cuts_out=range(1, 60), cuts_in=range(1, 60),
                   indirect=True)
        check(resp)


@test
def indirect_table_after_direct_descriptors():
    with Device() as fe:
        ring = fe.rings[0]
        off = fe.buffer()
        fe.mem[off:off + REQUEST] = request(NOOP, 7, 9)
        ring.set_desc(0, GUEST + off, 24, F_NEXT, 1)
        ring.set_desc(1, GUEST + off + 0x3000, 32, F_INDIRECT)
        struct.pack_into("<QIHHQIHH", fe.mem, off + 0x3000,
                         GUEST + off + 24, REQUEST - 24, F_NEXT, 1,
                         GUEST + off + 0x1800, RESPONSE, F_WRITE, 0)
        ring.expose(0)
        ring.kick()
        equal(ring.wait(1), [(0, RESPONSE)])
        check(fe.response(off + 0x1800))


@test
def buffers_across_regions():
    cut = 0x400000
    with Device(cut=cut) as fe:
        fe.next_buffer[0] = (cut - BUFFERS) // BUFFER - 1
        ring = fe.rings[0]
        data = request(ECHO, 7, 9, b"x" * 4080)
        fe.mem[cut - 100:cut - 100 + REQUEST] = data
        answer = cut + 0x10000
        ring.add([(GUEST + cut - 100, REQUEST, 0),
                  (GUEST + answer, RESPONSE, F_WRITE)])
        ring.kick()
        ring.wait(1)
        check(fe.response(answer))
        ring.add([(GUEST + answer + 0x4000, REQUEST, 0),
                  (GUEST + cut - 4000, RESPONSE, F_WRITE)])
        ring.kick()
        ring.wait(1)
        equal(fe.response(cut - 4000).status, OK)


@test
def longer_buffers_than_needed():
    with Device() as fe:
        resp, used = fe.ask(request(NOOP, 7, 9) + b"more", room=5000)
        equal(used, RESPONSE)
        check(resp)


@test
def short_readable_part():
    with Device() as fe:
        for size in (24, 4096, 4103):
            resp, used = fe.ask(request(NOOP, 7, 9)[:size])
            equal(used, RESPONSE)
            check(resp, ERROR)
        for size in (0, 1, 23):
            resp, used = fe.ask(request(NOOP, 7, 9)[:size])
            equal(used, RESPONSE)
            check(resp, ERROR, 0, 0)
        check(ask(fe, NOOP))


@test
def short_writable_part():
    for args in ((), ("--quirks", "existing")):
        with Device(*args) as fe:
            for room in (0, 1, 32, 4096, 4111):
                head, offset = fe.submit(request(NOOP, 7, 9), room=room)
                fe.rings[0].kick()
                equal(fe.rings[0].wait(1), [(head, 0)])
                equal(fe.mem[offset:offset + RESPONSE], b"\xa5" * RESPONSE)
            check(ask(fe, NOOP))


@test
def rings_wrap():
    with Device(num=4) as fe:
        for i in range(70000 // 64):
            resp, _ = fe.ask(request(NOOP, i, ~i & 0xff))
            check(resp, OK, i, ~i & 0xff)
    for features in (None, VERSION_1):
        with Device(num=2, features=features) as fe:
            ring = fe.rings[0]
            head, _ = fe.submit(request(NOOP))
            ring.kick()
            ring.wait(1)
            for _ in range(66000):
                ring.expose(head)
                ring.kick()
                ring.wait(1)


@test
def batch():
    with Device() as fe:
        ring = fe.rings[0]
        for _ in range(4):
            heads = {}
            for i in range(100):
                head, offset = fe.submit(request(ECHO, i, i, bytes([i]) * 9))
                heads[head] = (i, offset)
            ring.kick()
            for head, used in ring.wait(100):
                equal(used, RESPONSE)
                i, offset = heads.pop(head)
                resp = fe.response(offset)
                check(resp, OK, i, i)
                equal(resp.payload[:9], bytes([i]) * 9)
            assert not heads


# Notifications


def submit_batch(fe, nr, pair=0):
    """Adds requests that the device finds all at once, even if it looks before."""
    for i in range(nr):
        fe.submit(request(NOOP, i), pair=pair, publish=False)
    fe.request_ring(pair).publish()


@test
def one_interrupt_for_a_batch():
    with Device("--latency", "200000", features=VERSION_1) as fe:
        ring = fe.rings[0]
        ring.calls()
        submit_batch(fe, 32)
        ring.kick()
        ring.wait(32)
        equal(ring.wait_call(), 1, "interrupts")
        time.sleep(0.1)
        equal(ring.calls(), 0, "more interrupts")


@test
def interrupts_suppressed_by_flag():
    with Device(features=VERSION_1) as fe:
        ring = fe.rings[0]
        ask(fe, NOOP)
        ring.wait_call()
        ring.set_avail_flags(1)
        for _ in range(10):
            ask(fe, NOOP)
        fe.alive()
        equal(ring.calls(), 0)
        ring.set_avail_flags(0)
        ask(fe, NOOP)
        ring.wait_call()


@test
def interrupts_suppressed_by_event_index():
    with Device() as fe:
        ring = fe.rings[0]
        ask(fe, NOOP)
        ring.wait_call()
        ring.set_used_event(10)
        for _ in range(9):
            ask(fe, NOOP)
        fe.alive()
        equal(ring.calls(), 0)
        ask(fe, NOOP)
        ring.wait_call()
        for _ in range(10):
            ask(fe, NOOP)
        fe.alive()
        equal(ring.calls(), 0)


@test
def kick_is_wanted_when_idle():
    with Device(features=VERSION_1) as fe:
        ask(fe, NOOP)
        fe.alive()
        equal(fe.rings[0].used_flags(), 0)
    with Device() as fe:
        for i in range(5):
            ask(fe, NOOP)
            fe.alive()
            equal(fe.rings[0].avail_event(), i + 1)


@test
def requests_from_before_the_kick_descriptor():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.init()
        fe.set_mem()
        ring = Ring(fe, 0, 256)
        fe.rings = [ring]
        fe.submit(request(NOOP, 7, 9))
        fe.set_ring(ring)
        fe.enable(0)
        ring.wait(1)


@test
def polling():
    for poll in ("0", "1000", "10000000"):
        with Device("--poll", poll, features=VERSION_1) as fe:
            ring = fe.rings[0]
            for _ in range(20):
                ask(fe, NOOP)
            if poll == "1000":
                time.sleep(0.2)
                fe.alive()
                equal(ring.used_flags(), 0, "flags when asleep")
                ask(fe, NOOP)
                continue
            equal(ring.used_flags(), 1, "flags while polling")
            for _ in range(20):
                fe.submit(request(NOOP))
                ring.wait(1)


@test
def polling_with_latency_and_events():
    with Device("--poll", "0", "--latency", "1000", "--events", "5") as fe:
        fill_event_ring(fe, 8)
        for _ in range(20):
            fe.submit(request(NOOP))
            fe.rings[0].wait(1)
        fe.rings[2].wait(8)


@test
def ring_without_kicks():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.init()
        fe.set_mem()
        ring = Ring(fe, 0, 256)
        fe.rings = [ring]
        fe.set_ring(ring, kick=False)
        fe.must(SET_VRING_KICK, struct.pack("=Q", NO_FD))
        fe.must(SET_VRING_CALL, struct.pack("=Q", NO_FD))
        fe.enable(0)
        for _ in range(5):
            fe.submit(request(NOOP))
            ring.wait(1)
        fe.alive()
        equal(ring.calls(), 0)


# Time


@test
def latencies_overlap():
    with Device("--latency", "200000") as fe:
        ring = fe.rings[0]
        start = time.monotonic()
        heads = [fe.submit(request(NOOP, i))[0] for i in range(32)]
        ring.kick()
        used = ring.wait(32)
        took = time.monotonic() - start
        equal([head for head, _ in used], heads, "order")
        assert 0.2 <= took < 5, f"{took} s; one by one it is 6.4 s"


@test
def jitter_changes_the_order():
    with Device("--latency", "1000,100000") as fe:
        ring = fe.rings[0]
        heads = [fe.submit(request(NOOP, i))[0] for i in range(64)]
        ring.kick()
        used = [head for head, _ in ring.wait(64)]
        equal(sorted(used), heads)
        assert used != heads, "in order"


@test
def slow_requests_do_not_stop_others():
    with Device("--answer", "100=never", "--answer", "101=after:1500") as fe:
        ring = fe.rings[0]
        fe.submit(request(100))
        late, _ = fe.submit(request(101))
        for _ in range(10):
            head, _ = fe.submit(request(NOOP))
            ring.kick()
            equal(ring.wait(1), [(head, RESPONSE)])
        equal(ring.wait(1), [(late, RESPONSE)])
        ring.idle(0.2)


@test
def more_in_flight_than_the_ring():
    with Device("--answer", "100=never", num=4) as fe:
        ring = fe.rings[0]
        head, _ = fe.submit(request(100))
        for _ in range(3):
            ring.expose(head)
        ring.kick()
        ring.wait_taken()
        ring.expose(head)
        ring.kick()
        ring.wait_error()
        fe.backend.logged("more requests than the ring can hold")


# Answers that tests ask for


def raw(fe, type_):
    head, offset = fe.submit(request(type_, 7, 9, b"payload"))
    fe.rings[0].kick()
    ((used, length),) = fe.rings[0].wait(1)
    return head, used, length, fe.mem[offset:offset + RESPONSE]


@test
def answers():
    untouched = b"\xa5"
    for rule, expected_len, written in (
            ("wrong-id", 4112, 4112), ("short:100", 100, 100),
            ("short:0", 0, 0), ("len:5", 5, 4112), ("len:0", 0, 4112),
            ("len:4294967295", 4294967295, 4112), ("status:2", 4112, 4112),
            ("dirty", 4112, 32), ("fill:0x5b", 4112, 4112)):
        with Device("--answer", "100=" + rule, "--answer", "1=status:4") as fe:
            head, used, length, data = raw(fe, 100)
            equal((used, length), (head, expected_len), rule)
            equal(data[written:], untouched * (RESPONSE - written), rule)
            resp = Response(data)
            if rule == "wrong-id":
                check(resp, OK, ~7 & (1 << 64) - 1, ~9 & (1 << 64) - 1)
            elif written >= 32:
                check(resp, 2 if rule == "status:2" else OK)
            if rule == "fill:0x5b":
                equal(resp.payload, b"\x5b" * 4080)
            elif written == 4112:
                equal(resp.payload[:7], b"payload")
            check(ask(fe, ECHO), 4)


@test
def answers_combined():
    with Device("--answer", "100=after:100,status:5", "--answer",
                "100=fill:1") as fe:
        start = time.monotonic()
        _, _, _, data = raw(fe, 100)
        assert time.monotonic() - start >= 0.1
        check(Response(data), 5)
        equal(data[32:], b"\1" * 4080)


@test
def answer_that_breaks_the_queue():
    with Device("--answer", "100=break") as fe:
        _, used, length, _ = raw(fe, 100)
        equal((used, length), (256, RESPONSE))


@test
def answer_that_ends_the_program():
    with backend("--answer", "100=die") as b, FrontEnd(b.path) as fe:
        fe.setup()
        fe.submit(request(100))
        fe.rings[0].kick()
        equal(fe.sock.recv(1), b"")
        equal(b.process.wait(TIMEOUT), 0, "exit status")


# The hostile device


@test
def hostile_device_in_a_good_life():
    with Device("--hostile", "1,16") as fe:
        equal(struct.unpack("<IIQQ", fe.get_config())[1], 16, "device_id")
        for i in range(200):
            check(ask(fe, ECHO, bytes([i])))


def hostile_life(seed, life):
    """Watches answers for a while. Returns how many there were, or -1."""
    with backend("--hostile", f"{seed},{life}") as b, FrontEnd(b.path) as fe:
        equal(struct.unpack("<IIQQ", fe.get_config())[1], life, "device_id")
        try:
            fe.setup()
        except AssertionError:
            return -1
        for _ in range(8):
            fe.post()
        fe.rings[1].kick()
        fill_event_ring(fe, 8)
        sent = {}
        for i in range(64):
            head, offset = fe.submit(request(ECHO, i + 1, i, bytes([i]) * 4080))
            sent[head] = (i, offset)
        fe.rings[0].kick()
        returned_data = watch_returned(fe, sent)
        for head, data in returned_data.items():
            i, offset = sent[head]
            equal(fe.mem[offset:offset + RESPONSE], data, "a returned buffer")
            foreign = [byte for byte in data[32:]
                       if byte not in (0xa5, i) and byte < 0xe0]
            assert not foreign, f"another request's data: {foreign[:8]}"
        return len(returned_data)


def watch_returned(fe, sent):
    """Returns what was in each buffer when it came back."""
    seen = {}
    ring = fe.rings[0]
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        while ring.used_idx() != ring.seen:
            ((head, _),) = ring.wait(1)
            if head in sent and head not in seen:
                _, offset = sent[head]
                seen[head] = fe.mem[offset:offset + RESPONSE]
        time.sleep(0.0005)
    return seen


@test
def hostile_device_writes_to_no_returned_buffer():
    answers = [hostile_life(seed, life) for seed in range(3)
               for life in range(1, 8)]
    assert sum(n > 0 for n in answers) > 10, answers


@test
def hostile_lives_are_counted():
    with Device("--hostile", "3,8") as fe:
        for life in range(8, 20):
            fe.must(SET_FEATURES, struct.pack("=Q", fe.features))
            equal(struct.unpack("<IIQQ", fe.get_config())[1], life + 1)
            for ring in fe.rings:
                ring.reset()
            try:
                for ring in fe.rings:
                    fe.set_ring(ring)
                    fe.enable(ring.index)
            except AssertionError:
                pass


# Events


def fill_event_ring(fe, count, size=24):
    offset = fe.buffer()
    for i in range(count):
        fe.rings[2].add([(GUEST + offset + 64 * i, size, F_WRITE)],
                        publish=False)
    fe.rings[2].publish()
    return offset


def event(fe, offset):
    return struct.unpack("<IIQQ", fe.mem[offset:offset + 24])


@test
def events():
    with Device("--events", "10") as fe:
        ask(fe, COMPUTE, struct.pack("<Q", 5))
        offset = fill_event_ring(fe, 5)
        used = fe.rings[2].wait(5)
        equal([length for _, length in used], [24] * 5)
        got = [event(fe, offset + 64 * i) for i in range(5)]
        numbers = [data for _, _, _, data in got]
        equal(numbers, list(range(numbers[0], numbers[0] + 5)))
        for type_, reserved, timestamp, _ in got:
            equal((type_, reserved, timestamp), (1, 0, 500))
        fe.rings[2].wait_call()
        # Without buffers events are dropped, and they count
        fe.rings[2].idle(0.2)
        offset = fill_event_ring(fe, 1)
        fe.rings[2].wait(1)
        assert event(fe, offset)[3] > numbers[4] + 10, "none dropped"


@test
def many_events():
    with Device("--events", "1,100") as fe:
        offset = fill_event_ring(fe, 200)
        used = fe.rings[2].wait(200)
        equal([length for _, length in used], [24] * 200)
        numbers = [event(fe, offset + 64 * i)[3] for i in range(200)]
        # Those at once are numbered without a gap
        steps = [b - a for a, b in zip(numbers, numbers[1:])]
        equal(steps[:99], [1] * 99)
        assert min(steps) == 1, steps


@test
def events_in_pieces_and_short_buffers():
    with Device("--events", "5") as fe:
        ring = fe.rings[2]
        fill_event_ring(fe, 1, size=23)
        equal(ring.wait(1), [(0, 0)])
        offset = fe.buffer()
        ring.add([(GUEST + offset, 1, F_WRITE),
                  (GUEST + offset + 1, 20, F_WRITE),
                  (GUEST + offset + 21, 100, F_WRITE)])
        equal(ring.wait(1), [(1, 24)])
        equal(event(fe, offset)[0], 1)


@test
def events_take_their_time():
    with Device("--events", "60000") as fe:
        fill_event_ring(fe, 4)
        fe.rings[2].idle(0.2)


@test
def no_events_unless_asked():
    with Device() as fe:
        fill_event_ring(fe, 4)
        fe.rings[2].kick()
        fe.rings[2].idle(0.2)


# The response queue


ORDERS = ("after", "before", "alternate")


def send(fe, type_=NOOP, request_id=7, pair=0):
    """Sends one request, returns the head of its chain."""
    head, _ = fe.submit(request(type_, request_id, 9, b"payload"), pair=pair)
    fe.request_ring(pair).kick()
    return head


def returned(fe, *heads, pair=0):
    """Waits until chains have come back with nothing written."""
    equal(fe.request_ring(pair).wait(len(heads)),
          [(head, 0) for head in heads], "chains")


@test
def response_queue_is_not_used():
    with Device() as fe:
        fe.posted()
        check(ask(fe, NOOP))
        fe.rings[1].idle(0.05)


@test
def response_queue_each_type():
    for order in ORDERS:
        for features in ((), ("--features", "none")):
            with Device("--response-queue", order, *features) as fe:
                fe.ask = fe.ask_queue
                each_type(fe)
                fe.rings[0].idle(0)
                fe.rings[1].idle(0)


@test
def response_queue_by_type():
    """Both ways next to each other."""
    with Device("--answer", "100=queue:after", "--answer",
                "101=queue:before") as fe:
        for type_ in (100, NOOP, 101, ECHO, 101, 100, NOOP):
            resp, _ = (fe.ask if type_ < 100 else fe.ask_queue)(
                request(type_, 7, 9))
            check(resp)
        fe.rings[1].idle(0)
    with Device("--response-queue", "after", "--answer", "100=in-chain",
                "--answer", "101=queue:before,status:3") as fe:
        check(ask(fe, 100))
        check(fe.ask_queue(request(NOOP, 7, 9))[0])
        check(fe.ask_queue(request(101, 7, 9))[0], 3)
        fe.rings[1].idle(0)


@test
def response_after_its_chain():
    with Device("--response-queue", "after", "--latency", "1000000") as fe:
        buffer = fe.posted()
        start = time.monotonic()
        returned(fe, send(fe))
        assert time.monotonic() - start < 1, "chain is late"
        equal(fe.rings[1].used_idx(), 0, "responses")
        check(fe.take(buffer))
        assert time.monotonic() - start >= 1, "response is early"


@test
def response_before_its_chain():
    with Device("--response-queue", "before", "--latency", "200000",
                "--answer", "100=chain-after:800") as fe:
        buffer = fe.posted()
        start = time.monotonic()
        head = send(fe)
        check(fe.take(buffer))
        returned(fe, head)
        assert time.monotonic() - start >= 0.2, "early"
        buffer = fe.posted()
        start = time.monotonic()
        head = send(fe, 100)
        check(fe.take(buffer))
        fe.rings[1].wait_call()
        equal(fe.rings[0].used_idx(), 1, "chains")
        returned(fe, head)
        assert time.monotonic() - start >= 1, "chain is early"


@test
def response_interrupts_before_its_chain():
    """Each chain waits for the interrupt for its response."""
    with Device("--response-queue", "before", "--latency", "200000",
                features=VERSION_1) as fe:
        for _ in range(8):
            fe.post()
            fe.submit(request(NOOP))
        for ring in fe.rings:
            ring.calls()
        fe.rings[0].kick()
        fe.rings[0].wait(8)
        equal(fe.rings[0].wait_call(), 1, "interrupts for chains")
        equal(fe.rings[1].calls(), 8, "interrupts for responses")


@test
def responses_wait_for_buffers():
    with Device("--response-queue", "after", "--answer",
                "100=in-chain") as fe:
        returned(fe, *[send(fe, NOOP, i) for i in range(5)])
        check(ask(fe, 100))
        fe.rings[1].idle(0.1)
        buffers = [fe.post(), fe.post()]
        fe.rings[1].idle(0.1)
        fe.rings[1].kick()
        for i, buffer in enumerate(buffers):
            check(fe.take(buffer), request_id=i)
        fe.rings[1].idle(0.1)
        check(ask(fe, 100))
        for i in range(2, 5):
            check(fe.take(fe.posted()), request_id=i)
        fe.rings[0].idle(0)
        check(fe.ask_queue(request(NOOP, 7, 9))[0])


@test
def chains_wait_for_buffers():
    """In the order "before" no chain comes back before its response."""
    with Device("--response-queue", "before", "--answer",
                "100=in-chain") as fe:
        heads = [send(fe, NOOP, i) for i in range(3)]
        check(ask(fe, 100))
        for i, head in enumerate(heads):
            fe.rings[0].idle(0.05)
            check(fe.take(fe.posted()), request_id=i)
            returned(fe, head)


@test
def alternate_orders():
    with Device("--response-queue", "alternate") as fe:
        heads = [send(fe, NOOP, i) for i in range(4)]
        # Without buffers, only the chains of the order "after" come back
        returned(fe, heads[0], heads[2])
        fe.rings[0].idle(0.05)
        for i in range(4):
            check(fe.take(fe.posted()), request_id=i)
        returned(fe, heads[1], heads[3])


@test
def response_queue_keeps_the_order():
    for order in ORDERS:
        with Device("--response-queue", order, "--latency", "20000") as fe:
            buffers = [fe.post() for _ in range(20)]
            fe.rings[1].kick()
            for i in range(60):
                fe.submit(request(ECHO, i, i, bytes([i]) * 9))
            fe.rings[0].kick()
            for i in range(60):
                resp = fe.take(buffers.pop(0))
                check(resp, OK, i, i)
                equal(resp.payload[:9], bytes([i]) * 9)
                buffers.append(fe.posted())
            equal(sorted(fe.rings[0].wait(60)),
                  [(2 * i, 0) for i in range(60)])
            fe.rings[1].idle(0.05)


@test
def response_queue_one_interrupt_for_a_batch():
    with Device("--response-queue", "after", "--latency", "200000",
                features=VERSION_1) as fe:
        for _ in range(32):
            fe.post()
        submit_batch(fe, 32)
        for ring in fe.rings:
            ring.calls()
        fe.rings[0].kick()
        fe.rings[1].wait(32)
        equal(fe.rings[1].wait_call(), 1, "interrupts")
        time.sleep(0.1)
        equal(fe.rings[1].calls(), 0, "more interrupts")
        fe.rings[1].set_avail_flags(1)
        fe.post()
        fe.rings[1].kick()
        send(fe)
        fe.rings[1].wait(1)
        fe.alive()
        equal(fe.rings[1].calls(), 0, "unwanted interrupts")


@test
def response_queue_kicks_are_wanted_while_a_response_waits():
    with Device("--response-queue", "after", features=VERSION_1) as fe:
        ring = fe.rings[1]
        for _ in range(3):
            returned(fe, send(fe))
            fe.alive()
            equal(ring.used_flags(), 0, "flags while a response waits")
            fe.take(fe.posted())
            fe.alive()
            equal(ring.used_flags(), 1, "flags when none waits")
    with Device("--response-queue", "after") as fe:
        for i in range(3):
            returned(fe, send(fe))
            fe.alive()
            equal(fe.rings[1].avail_event(), i)
            fe.take(fe.posted())


@test
def response_buffers_that_do_not_fit():
    with Device("--response-queue", "after") as fe:
        small = [fe.post(room=room) for room in (1, 32, 4111)]
        small.append(fe.post(room=0, readable=5000))
        fe.rings[1].kick()
        returned(fe, send(fe, NOOP, 1), send(fe, NOOP, 2))
        for head, offset in small:
            equal(fe.rings[1].wait(1), [(head, 0)])
            equal(fe.mem[offset:offset + BUFFER], b"\xa5" * BUFFER)
        fe.rings[1].idle(0.05)
        fe.backend.logged("response buffer of 4111 bytes")
        for i, kwargs in enumerate(({"room": 5000, "readable": 10},
                                    {"cuts": (1, 32, 4000)}), 1):
            check(fe.take(fe.posted(**kwargs)), request_id=i)


@test
def requests_that_do_not_fit_on_the_response_queue():
    with Device("--response-queue", "after") as fe:
        # The response does not need the chain's room
        for room in (0, 32, RESPONSE):
            resp, _ = fe.ask_queue(request(NOOP, 7, 9), room=room)
            check(resp)
        resp, _ = fe.ask_queue(request(NOOP, 7, 9)[:4103])
        check(resp, ERROR)
        resp, _ = fe.ask_queue(request(NOOP, 7, 9)[:3])
        check(resp, ERROR, 0, 0)


@test
def response_queue_answers():
    untouched = b"\xa5"
    for order in ORDERS:
        for rule, length, written in (
                ("wrong-id", 4112, 4112), ("short:100", 100, 100),
                ("short:0", 0, 0), ("len:5", 5, 4112), ("len:0", 0, 4112),
                ("len:4294967295", 4294967295, 4112),
                ("status:2", 4112, 4112), ("dirty", 4112, 32),
                ("fill:0x5b", 4112, 4112)):
            with Device("--answer", f"100=queue:{order},{rule}") as fe:
                head, offset = fe.posted()
                returned(fe, send(fe, 100))
                resp = fe.take((head, offset), length)
                data = fe.mem[offset:offset + RESPONSE]
                equal(data[written:], untouched * (RESPONSE - written), rule)
                if rule == "wrong-id":
                    check(resp, OK, ~7 & (1 << 64) - 1, ~9 & (1 << 64) - 1)
                elif written >= 32:
                    check(resp, 2 if rule == "status:2" else OK)
                if rule == "fill:0x5b":
                    equal(resp.payload, b"\x5b" * 4080)
                elif written == 4112:
                    equal(resp.payload[:7], b"payload")


@test
def response_that_breaks_the_queue():
    with Device("--answer", "100=queue:after,break") as fe:
        fe.posted()
        returned(fe, send(fe, 100))
        equal(fe.rings[1].wait(1), [(256, RESPONSE)])


@test
def repeated_responses():
    for order in ORDERS:
        with Device("--response-queue", order, "--answer", "100=repeat",
                    "--answer", "100=status:1") as fe:
            for i in range(4):
                buffers = [fe.post() for _ in range(3)]
                fe.rings[1].kick()
                head = send(fe, 100, i)
                check(fe.take(buffers[0]), ERROR, i)
                check(fe.take(buffers[1]), ERROR, i)
                returned(fe, head)
                fe.rings[1].idle(0.02)
                head = send(fe, NOOP, 100)
                check(fe.take(buffers[2]), OK, 100)
                returned(fe, head)
    # The second copy waits for a buffer, before all that come later
    with Device("--answer", "100=queue:after,repeat", "--answer",
                "101=queue:after") as fe:
        buffer = fe.posted()
        returned(fe, send(fe, 100, 1), send(fe, 101, 2))
        for i in (1, 1, 2):
            check(fe.take(buffer), request_id=i)
            buffer = fe.posted()
        fe.rings[1].idle(0.05)


@test
def no_response():
    for args in ((), ("--response-queue", "before"),
                 ("--response-queue", "after", "--latency", "1000")):
        with Device("--answer", "100=no-response", "--answer",
                    "101=queue:after", *args) as fe:
            buffer = fe.posted()
            returned(fe, send(fe, 100), send(fe, 100))
            fe.rings[1].idle(0.1)
            returned(fe, send(fe, 101, 8))
            check(fe.take(buffer), request_id=8)


@test
def response_queue_never():
    for order in ORDERS:
        with Device("--response-queue", order, "--answer", "100=never") as fe:
            buffer = fe.posted()
            send(fe, 100)
            fe.rings[0].idle(0.05)
            head = send(fe, NOOP, 8)
            check(fe.take(buffer), OK, 8)
            returned(fe, head)
            fe.rings[0].idle(0.05)


@test
def kept_chain():
    with Device("--answer", "100=keep-chain", num=4) as fe:
        buffer = fe.posted()
        send(fe, 100)
        check(fe.take(buffer))
        fe.rings[0].idle(0.1)
        check(ask(fe, NOOP))
        # The chain counts as one that the device has
        for _ in range(3):
            fe.rings[0].expose(0)
            fe.rings[0].kick()
            fe.take(fe.posted())
        fe.rings[0].expose(0)
        fe.rings[0].kick()
        fe.rings[0].wait_error()
        fe.backend.logged("more requests than the ring can hold")


@test
def response_queue_jitter():
    with Device("--response-queue", "after", "--latency",
                "1000,100000") as fe:
        for _ in range(64):
            fe.post()
        fe.rings[1].kick()
        heads = [fe.submit(request(NOOP, i))[0] for i in range(64)]
        fe.rings[0].kick()
        returned(fe, *heads)
        order = []
        for head, _ in fe.rings[1].wait(64):
            order.append(fe.response(BUFFERS + head * BUFFER).request_id)
        equal(sorted(order), list(range(64)))
        assert order != list(range(64)), "in order"


@test
def response_queue_without_kicks():
    with backend("--response-queue", "after") as be:
        with FrontEnd(be.path) as fe:
            fe.init()
            fe.set_mem()
            fe.rings = [Ring(fe, i, 256) for i in range(2)]
            for ring in fe.rings:
                fe.set_ring(ring, kick=ring.index == 0)
            fe.must(SET_VRING_KICK, struct.pack("=Q", NO_FD | 1))
            fe.enable(0)
            fe.enable(1)
            for i in range(3):
                returned(fe, send(fe, NOOP, i))
                fe.rings[1].idle(0.02)
                check(fe.take(fe.post()), request_id=i)


@test
def response_queue_while_polling():
    with Device("--poll", "0", "--response-queue", "alternate") as fe:
        for i in range(20):
            fe.posted()
            fe.submit(request(NOOP, i))
            fe.rings[0].wait(1)
            fe.rings[1].wait(1)


@test
def response_queue_that_starts_late():
    """Responses wait for the queue, too."""
    with backend("--response-queue", "after") as be:
        with FrontEnd(be.path) as fe:
            fe.init()
            fe.set_mem()
            fe.rings = [Ring(fe, i, 256) for i in range(2)]
            fe.set_ring(fe.rings[0])
            fe.enable(0)
            returned(fe, send(fe, NOOP, 1), send(fe, NOOP, 2))
            buffer = fe.post()
            fe.set_ring(fe.rings[1])
            fe.enable(1)
            check(fe.take(buffer), OK, 1)
            check(fe.take(fe.posted()), OK, 2)


@test
def more_responses_than_are_kept():
    """Requests wait in their ring then, and nothing is lost."""
    with Device("--response-queue", "after") as fe:
        def expose_all():
            for head in heads:
                ring.expose(head, publish=False)
            ring.publish()
            ring.kick()

        ring = fe.rings[0]
        heads = [fe.submit(request(NOOP, i, 9))[0] for i in range(128)]
        ring.kick()
        returned(fe, *heads)
        for _ in range(31):
            expose_all()
            returned(fe, *heads)
        send(fe, NOOP, 4096)
        ring.idle(0.1)
        fe.alive()
        for i in range(4097):
            check(fe.take(fe.posted()), request_id=i % 128 if i < 4096 else i)
        ring.wait(1)
        fe.rings[1].idle(0.05)
        # With the responses that are dropped, there is room again
        for _ in range(32):
            expose_all()
            returned(fe, *heads)
        expose_all()
        ring.idle(0.1)
        fe.enable(1, False)
        returned(fe, *heads)


@test
def existing_device_with_response_queue_answers():
    """One request at a time, but none waits for the driver's buffers."""
    with Device("--quirks", "existing", "--answer",
                "100=queue:after,after:200", "--answer",
                "101=no-response") as fe:
        buffer = fe.posted()
        start = time.monotonic()
        returned(fe, send(fe, 100, 1))
        returned(fe, send(fe, 101))
        assert time.monotonic() - start >= 0.2, "two at a time"
        check(fe.take(buffer), request_id=1)
        returned(fe, send(fe, 100, 2))
        check(ask(fe, NOOP))
        check(fe.take(fe.posted()), request_id=2)


def response_queue_dropped(stop, restart):
    """Nothing that waited is sent after a stop."""
    for order in ("after", "before"):
        with Device("--response-queue", order, "--latency", "10000",
                    "--answer", "100=after:300", "--answer",
                    "101=in-chain", "--answer", "102=chain-after:300") as fe:
            buffer = fe.posted()
            heads = [send(fe, 102, 0)]
            check(fe.take(buffer), request_id=0)
            heads += [send(fe, NOOP, i) for i in range(1, 4)]
            heads += [send(fe, 100, 4)]
            if order == "after":
                returned(fe, *heads[1:])
            # The answer to this one shows that the others were taken
            head = send(fe, 101)
            equal(fe.rings[0].wait(1), [(head, RESPONSE)])
            stop(fe)
            fe.post()
            before = fe.mem[:]
            fe.rings[1].kick()
            time.sleep(0.6)
            fe.alive()
            assert fe.mem[:] == before, "memory touched after the stop"
            restart(fe)
            fe.posted()
            fe.rings[0].idle(0.3)
            fe.rings[1].idle(0)
            send(fe, NOOP, 50)
            fe.rings[0].wait(1)
            fe.rings[1].wait(1)
            fe.rings[1].idle(0.05)


@test
def response_queue_dropped_by_disabling():
    def stop(fe):
        for ring in fe.rings:
            fe.enable(ring.index, False)

    response_queue_dropped(stop, restart_all)


@test
def response_queue_dropped_by_set_mem_table():
    response_queue_dropped(lambda fe: fe.set_mem(), restart_all)


@test
def response_queue_dropped_by_new_bases():
    def stop(fe):
        for ring in reversed(fe.rings):
            fe.call(GET_VRING_BASE, struct.pack("=II", ring.index, 0),
                    flags=1)

    response_queue_dropped(stop, restart_all)


@test
def request_queue_that_stops_takes_its_responses_along():
    with Device("--response-queue", "after") as fe:
        returned(fe, send(fe, NOOP, 1), send(fe, NOOP, 2))
        fe.enable(0, False)
        fe.enable(0)
        buffer = fe.posted()
        fe.rings[1].idle(0.1)
        returned(fe, send(fe, NOOP, 3))
        check(fe.take(buffer), request_id=3)


@test
def response_queue_that_stops_drops_what_waits():
    with Device("--response-queue", "after", "--answer",
                "100=after:300") as fe:
        returned(fe, send(fe, 100, 1), send(fe, NOOP, 2))
        fe.enable(1, False)
        fe.enable(1)
        buffer = fe.posted()
        # What was not due yet is sent
        check(fe.take(buffer), request_id=1)
        returned(fe, send(fe, NOOP, 3))
        check(fe.take(fe.posted()), request_id=3)


@test
def client_leaves_with_responses_waiting():
    with backend("--response-queue", "alternate", "--latency", "1000,9000",
                 "--answer", "100=never,silence:60000") as be:
        for _ in range(3):
            with FrontEnd(be.path) as fe:
                fe.setup()
                for i in range(32):
                    send(fe, NOOP, i)
                time.sleep(0.005)
                send(fe, 100)
                fe.alive()
        with FrontEnd(be.path) as fe:
            fe.setup()
            check(fe.ask_queue(request(NOOP, 7, 9))[0])
            send(fe)
            fe.alive()
            be.stop()


@test
def broken_response_queue():
    for prepare, text in (
            (lambda fe, ring: ring.expose(999),
             "descriptor number out of range"),
            (with_desc((0, RESPONSE, F_WRITE, 0)),
             "buffer is outside of guest memory")):
        with Device("--response-queue", "after", "--answer",
                    "100=in-chain") as fe:
            ring = fe.rings[1]
            prepare(fe, ring)
            ring.kick()
            returned(fe, send(fe))
            ring.wait_error()
            fe.backend.logged("queue 1: " + text)
            returned(fe, send(fe, NOOP, 8))
            check(ask(fe, 100))
            ring.reset()
            fe.set_ring(ring)
            check(fe.take(fe.posted()), request_id=8)


@test
def response_queue_with_a_bad_kick_file():
    with backend("--response-queue", "after") as be:
        with FrontEnd(be.path) as fe:
            fe.init()
            fe.set_mem()
            ring = Ring(fe, 1, 256)
            fe.rings = [ring]
            fe.set_ring(ring, kick=False)
            fe.enable(1)
            refused(fe, SET_VRING_KICK, struct.pack("=Q", 1), [fe.memfd])
            reader, writer = os.pipe()
            fe.must(SET_VRING_KICK, struct.pack("=Q", 1), [reader])
            os.close(reader)
            os.close(writer)
            ring.wait_error()
            be.logged("queue 1: kick file cannot be read")


# Silence


def cpu_time(fe):
    """Returns how many seconds of a processor the program has used."""
    with open(f"/proc/{fe.backend.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def silent(fe, type_=100):
    """Makes the device silent; the request that does it is answered."""
    resp, used = fe.ask(request(type_, 7, 9))
    equal(used, RESPONSE)
    check(resp)
    fe.rings[0].wait_call()


@test
def silence_for_a_time():
    for args in ((), ("--poll", "0"), ("--features", "none")):
        with Device("--answer", "100=silence:1000", "--answer", "101=after:100",
                    "--answer", "102=queue:after", "--events", "20",
                    *args) as fe:
            fill_event_ring(fe, 100)
            for ring in (fe.rings[0], fe.rings[2]):
                ring.set_used_event(0)
            late = send(fe, 101)
            returned(fe, send(fe, 102, 5))
            fe.rings[2].wait(1)
            start = time.monotonic()
            silent(fe)
            # Answers that are due, requests, buffers, events: all wait
            head, offset = fe.submit(request(NOOP, 8, 9))
            fe.rings[0].kick()
            buffer = fe.posted()
            before = fe.mem[:]
            used_time = cpu_time(fe)
            fe.rings[0].kick()
            time.sleep(0.6)
            fe.alive()
            assert fe.mem[:] == before, "memory touched in silence"
            used_time = cpu_time(fe) - used_time
            assert used_time < 0.3, f"{used_time} s of work in silence"
            equal(sorted(fe.rings[0].wait(2)),
                  [(late, RESPONSE), (head, RESPONSE)])
            took = time.monotonic() - start
            assert took >= 1, f"silent for {took} s only"
            check(fe.response(offset), request_id=8)
            check(fe.take(buffer), request_id=5)
            fe.rings[2].wait(45)
            took = time.monotonic() - start
            assert took < 1.6, "events from the time of silence are lost"
            check(ask(fe, NOOP))


@test
def silence_begins_with_the_answer():
    for rule, queue in (("after:200,silence:300", False),
                        ("queue:after,after:200,silence:300", True),
                        ("chain-after:200,silence:300", True)):
        with Device("--answer", "100=" + rule) as fe:
            start = time.monotonic()
            if queue:
                check(fe.ask_queue(request(100, 7, 9))[0])
            else:
                silent(fe)
            check(ask(fe, NOOP))
            took = time.monotonic() - start
            assert took >= 0.5, f"{rule}: {took} s"
    for rule in ("never,silence:300", "no-response,silence:300",
                 "keep-chain,silence:300"):
        with Device("--answer", "100=" + rule) as fe:
            buffer = fe.posted()
            start = time.monotonic()
            head = send(fe, 100)
            if "no-response" in rule:
                returned(fe, head)
            elif "keep" in rule:
                check(fe.take(buffer))
            check(ask(fe, NOOP))
            took = time.monotonic() - start
            assert took >= 0.3, f"{rule}: {took} s"


@test
def silence_of_no_length():
    with Device("--answer", "100=silence:0") as fe:
        for _ in range(5):
            check(ask(fe, 100))


@test
def silence_in_a_batch():
    """What is behind the request in the ring waits there."""
    with Device("--answer", "100=silence:600") as fe:
        ring = fe.rings[0]
        heads = [fe.submit(request(type_))[0]
                 for type_ in (NOOP, 100, NOOP, 100, NOOP)]
        start = time.monotonic()
        ring.kick()
        used = []
        for count, least in ((2, 0), (2, 0.6), (1, 1.2)):
            used += ring.wait(count)
            took = time.monotonic() - start
            assert took >= least, f"{len(used)} answers after {took} s"
            if least < 1:
                ring.idle(0.1)
        equal(used, [(head, RESPONSE) for head in heads])


@test
def silence_among_answers_that_are_due():
    with Device("--latency", "100000", "--answer",
                "100=after:100,silence:300") as fe:
        fe.submit(request(100))
        fe.submit(request(NOOP))
        start = time.monotonic()
        fe.rings[0].kick()
        fe.rings[0].wait(2)
        took = time.monotonic() - start
        assert took >= 0.4, f"{took} s"


@test
def silence_among_responses_that_wait():
    with Device("--answer", "100=queue:after,silence:800", "--answer",
                "101=queue:after") as fe:
        returned(fe, send(fe, 100, 1), send(fe, 101, 2))
        buffers = [fe.post(), fe.post()]
        start = time.monotonic()
        fe.rings[1].kick()
        check(fe.take(buffers[0]), request_id=1)
        fe.rings[1].idle(0.1)
        check(fe.take(buffers[1]), request_id=2)
        took = time.monotonic() - start
        assert took >= 0.8, f"{took} s"


def silence_ends(stop, restart=None):
    with Device("--answer", "100=silence", "--events", "20") as fe:
        fill_event_ring(fe, 50)
        silent(fe)
        time.sleep(0.05)
        seen = fe.rings[2].used_idx()
        send(fe)
        fe.rings[0].idle(0.3)
        equal(fe.rings[2].used_idx(), seen, "events")
        stop(fe)
        (restart or restart_all)(fe)
        # What was asked in vain is forgotten
        check(ask(fe, NOOP))
        fill_event_ring(fe, 1)
        fe.rings[2].wait(1)
        silent(fe)
        send(fe)
        fe.rings[0].idle(0.1)


@test
def silence_until_reset():
    def stop(fe):
        for ring in fe.rings:
            fe.enable(ring.index, False)

    silence_ends(stop)


@test
def silence_until_memory_changes():
    silence_ends(lambda fe: fe.set_mem())


@test
def silence_until_bases_are_asked_for():
    def stop(fe):
        for ring in reversed(fe.rings):
            fe.call(GET_VRING_BASE, struct.pack("=II", ring.index, 0),
                    flags=1)

    silence_ends(stop)


@test
def silence_is_not_ended_by_one_queue():
    with Device("--answer", "100=silence") as fe:
        silent(fe)
        for index in range(3):
            fe.enable(index, False)
            fe.enable(index)
        send(fe)
        fe.rings[0].idle(0.2)


@test
def silence_for_a_time_outlasts_a_reset():
    with Device("--answer", "100=silence:1000") as fe:
        start = time.monotonic()
        silent(fe)
        send(fe)
        for ring in fe.rings:
            fe.enable(ring.index, False)
        restart_all(fe)
        check(ask(fe, NOOP))
        took = time.monotonic() - start
        assert took >= 1, f"silent for {took} s only"
        equal(fe.rings[0].used_idx(), 1, "answers")


@test
def silence_ends_with_the_front_end():
    for rule in ("silence", "silence:60000"):
        with backend("--answer", "100=" + rule) as be:
            for _ in range(2):
                with FrontEnd(be.path) as fe:
                    fe.setup()
                    check(ask(fe, NOOP))
                    silent(fe)
                    send(fe)
                    fe.rings[0].idle(0.05)


# The existing device


@test
def existing_features():
    with backend("--quirks", "existing") as be, FrontEnd(be.path) as fe:
        equal(fe.get_u64(GET_FEATURES), PROTOCOL)
        equal(struct.unpack("<IIQQ", fe.get_config()), (0x10000, 0, 0, 1))
    with backend("--quirks", "existing", "--features",
                 "+version_1,+echo") as be, FrontEnd(be.path) as fe:
        equal(fe.get_u64(GET_FEATURES), PROTOCOL | VERSION_1 | 1)
        equal(struct.unpack("<IIQQ", fe.get_config())[2], VERSION_1 | 1)


@test
def existing_answers():
    wrong = ~7 & (1 << 64) - 1
    with Device("--quirks", "existing") as fe:
        resp = ask(fe, GET_INFO)
        equal(struct.unpack("<IIQQ", resp.payload[:24]),
              (0, 0, 1000000, 256 << 20))
        fe.get_config()
        resp = ask(fe, GET_INFO)
        check(resp)
        equal(struct.unpack("<I", resp.payload[:4])[0], 0x10000)
        check(ask(fe, NOOP))
        check(ask(fe, ECHO))
        check(ask(fe, RESET))
        check(ask(fe, 8), INVALID)
        check(ask(fe, COMPUTE, struct.pack("<Q", 3)), OK, wrong, 9, 300)
        check(ask(fe, WRITE, memory(0, 4, b"abcd")), OK, wrong, 9, 4)
        resp = ask(fe, READ, memory(0, 4))
        check(resp, OK, wrong, 9, 4)
        equal(resp.payload[:4], b"abcd")
        check(ask(fe, CONFIGURE), OK, wrong, 9, 0)
        check(ask(fe, READ, memory(0, 5000)), NO_DEVICE, wrong)
        resp, used = fe.ask(request(NOOP, 7, 9)[:4096])
        equal(used, RESPONSE)
        check(resp, ERROR, 0, 0)


@test
def existing_one_by_one():
    with Device("--quirks", "existing", "--latency", "20000,10000") as fe:
        ring = fe.rings[0]
        start = time.monotonic()
        heads = [fe.submit(request(NOOP, i))[0] for i in range(10)]
        ring.kick()
        equal([head for head, _ in ring.wait(10)], heads, "order")
        assert time.monotonic() - start >= 0.2, "not one by one"


@test
def existing_hangs_behind_a_silent_request():
    with Device("--quirks", "existing", "--answer", "2=never") as fe:
        check(ask(fe, NOOP))
        fe.submit(request(COMPUTE))
        fe.submit(request(NOOP))
        fe.rings[0].kick()
        fe.rings[0].idle(0.2)


# Stopping rings


def pending_ring(fe):
    """Leaves a request at the device for 500 ms."""
    ring = fe.rings[0]
    fe.submit(request(100))
    ring.kick()
    # The answer to this one shows that the other one was taken
    head, _ = fe.submit(request(NOOP))
    ring.kick()
    equal(ring.wait(1), [(head, RESPONSE)])
    return ring


def stopping(stop, restart):
    with Device("--answer", "100=after:500") as fe:
        ring = pending_ring(fe)
        stop(fe)
        fe.submit(request(NOOP))
        before = fe.mem[:]
        ring.kick()
        time.sleep(0.8)
        fe.alive()
        assert fe.mem[:] == before, "memory touched after the stop"
        restart(fe)
        check(ask(fe, NOOP))


def restart_all(fe):
    fe.set_mem()
    for ring in fe.rings:
        ring.reset()
        fe.set_ring(ring)
        fe.enable(ring.index)


@test
def disable_drops_pending_work():
    def stop(fe):
        for ring in reversed(fe.rings):
            fe.enable(ring.index, False)

    stopping(stop, restart_all)


@test
def disabled_ring_goes_on_when_enabled():
    def restart(fe):
        fe.enable(0)
        fe.rings[0].wait(1)

    stopping(lambda fe: fe.enable(0, False), restart)


@test
def set_features_stops():
    def stop(fe):
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features))

    stopping(stop, restart_all)


@test
def set_features_without_protocol_features_restarts_enabled():
    def stop(fe):
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features & ~PROTOCOL))

    def restart(fe):
        fe.set_mem()
        for ring in fe.rings:
            ring.reset()
            fe.set_ring(ring)

    stopping(stop, restart)


@test
def set_mem_table_stops():
    stopping(lambda fe: fe.set_mem(), restart_all)


@test
def set_vring_base_stops():
    def stop(fe):
        assert fe.state(SET_VRING_BASE, 0, 2)

    stopping(stop, restart_all)


@test
def reset_owner_stops():
    stopping(lambda fe: fe.must(RESET_OWNER), restart_all)


@test
def get_vring_base_stops():
    def stop(fe):
        data = fe.call(GET_VRING_BASE, struct.pack("=II", 0, 0), flags=1)
        equal(struct.unpack("=II", data), (0, 2), "base")

    def restart(fe):
        assert fe.state(SET_VRING_BASE, 0, 2)
        fe.must(SET_VRING_KICK, struct.pack("=Q", 0), [fe.rings[0].kick_fd])
        fe.rings[0].wait(1)

    stopping(stop, restart)


@test
def restarted_ring_goes_on_where_it_was():
    with Device() as fe:
        for _ in range(3):
            ask(fe, NOOP)
        fe.call(GET_VRING_BASE, struct.pack("=II", 0, 0), flags=1)
        assert fe.state(SET_VRING_BASE, 0, 3)
        fe.must(SET_VRING_KICK, struct.pack("=Q", 0), [fe.rings[0].kick_fd])
        check(ask(fe, NOOP))
        equal(fe.rings[0].used_idx(), 4)


@test
def client_leaves_with_work_pending():
    with backend("--latency", "50000", "--events", "5") as be:
        for _ in range(3):
            with FrontEnd(be.path) as fe:
                fe.setup()
                fill_event_ring(fe, 20)
                for i in range(32):
                    fe.submit(request(NOOP, i))
                fe.rings[0].kick()
                fe.alive()
        time.sleep(0.1)
        with FrontEnd(be.path) as fe:
            fe.setup()
            check(ask(fe, NOOP))


@test
def end_with_work_pending():
    with Device("--latency", "500000") as fe:
        fe.submit(request(NOOP))
        fe.rings[0].kick()
        fe.alive()
        fe.backend.stop()


# Pairs of queues


def pairs_of(count, *args, **setup):
    return Device("--queues", str(count), *args, pairs=count, **setup)


def each_pair(fe):
    return range(fe.pairs)


@test
def pairs_are_told():
    for count in (1, 2, 16):
        bits = SST_BITS | (MULTI_QUEUE if count > 1 else 0)
        with backend("--queues", str(count)) as be, FrontEnd(be.path) as fe:
            equal(fe.get_u64(GET_FEATURES) & 0x3f, bits, "features")
            equal(fe.get_u64(GET_QUEUE_NUM), 2 * count + 1, "queues")
            config = struct.unpack("<IIQQ", fe.get_config())
            equal(config[2:], (bits, count), "configuration space")
            assert fe.state(SET_VRING_NUM, 2 * count, 256)
            refused(fe, SET_VRING_NUM, struct.pack("=II", 2 * count + 1, 256))
    with backend("--queues", "2", "--features", "-multi_queue") as be:
        with FrontEnd(be.path) as fe:
            equal(fe.get_u64(GET_FEATURES) & 0x3f, SST_BITS, "features")
    with Device("--quirks", "existing", "--queues", "1") as fe:
        check(ask(fe, NOOP))


@test
def each_pair_answers():
    for args in ((), ("--features", "multi_queue"), ("--poll", "0"),
                 ("--poll", "1000"), ("--latency", "1000,1000")):
        with pairs_of(3, *args) as fe:
            for pair in each_pair(fe):
                fe.ask = functools.partial(FrontEnd.ask, fe, pair=pair)
                check(ask(fe, RESET))
                each_type(fe)
    with pairs_of(16) as fe:
        for pair in reversed(each_pair(fe)):
            check(ask(fe, ECHO, pair=pair))


@test
def each_pair_has_a_response_queue():
    for order in ORDERS:
        with pairs_of(3, "--response-queue", order) as fe:
            for pair in each_pair(fe):
                fe.ask = functools.partial(FrontEnd.ask_queue, fe, pair=pair)
                check(ask(fe, RESET))
                each_type(fe)
    # Responses wait for buffers of their own pair
    with pairs_of(2, "--response-queue", "after") as fe:
        returned(fe, send(fe, NOOP, 5))
        fe.posted(pair=1)
        fe.response_ring(1).idle(0.05)
        check(fe.take(fe.posted()), request_id=5)


@test
def pairs_and_events():
    with pairs_of(2, "--events", "5") as fe:
        ask(fe, COMPUTE, struct.pack("<Q", 5), pair=1)
        offset = fill_event_ring(fe, 3)
        fe.rings[2].wait(3)
        equal([event(fe, offset + 64 * i)[2] for i in range(3)], [500] * 3)


def switches(fe):
    """Returns how often each thread of the program has waited."""
    folder = f"/proc/{fe.backend.process.pid}/task"
    counts = {}
    for task in os.listdir(folder):
        with open(f"{folder}/{task}/status") as file:
            (line,) = [line for line in file if line.startswith("voluntary")]
        counts[task] = int(line.split()[1])
    return counts


@test
def each_pair_has_a_thread():
    with pairs_of(4) as fe:
        threads = set()
        for pair in each_pair(fe):
            before = switches(fe)
            for _ in range(50):
                ask(fe, NOOP, pair=pair)
            after = switches(fe)
            threads.add(max(after, key=lambda task: after[task] - before[task]))
        equal(len(threads), 4, "threads")


@test
def pairs_do_not_wait_for_each_other():
    with pairs_of(2, "--answer", "100=never", "--answer",
                  "101=after:1500", num=4) as fe:
        late = send(fe, 101)
        send(fe, 100)
        for _ in range(10):
            check(ask(fe, NOOP, pair=1))
        fe.rings[0].idle(0)
        equal(fe.rings[0].wait(1), [(late, RESPONSE)])
    # Nor for responses that find no buffer
    with pairs_of(2, "--response-queue", "before") as fe:
        send(fe)
        check(fe.ask_queue(request(NOOP, 7, 9), pair=1)[0])
        fe.rings[0].idle(0.05)


@test
def one_interrupt_for_a_batch_on_each_pair():
    features = VERSION_1 | MULTI_QUEUE
    with pairs_of(3, "--latency", "300000", features=features) as fe:
        for pair in each_pair(fe):
            fe.request_ring(pair).calls()
            submit_batch(fe, 32, pair)
            fe.request_ring(pair).kick()
        for pair in each_pair(fe):
            ring = fe.request_ring(pair)
            ring.wait(32)
            equal(ring.wait_call(), 1, "interrupts")


@test
def driver_without_pairs():
    with pairs_of(2, "--events", "5", "--response-queue", "after",
                  features=VERSION_1) as fe:
        send(fe, pair=1)
        fe.posted(pair=1)
        resp, _ = fe.ask_queue(request(NOOP, 7, 9))
        check(resp)
        fill_event_ring(fe, 1)
        fe.rings[2].wait(1)
        for ring in fe.rings[3:]:
            ring.idle(0)


def flood(fe, pair, type_, payloads):
    """Adds many requests, returns where their answers go."""
    return [fe.submit(request(type_, i, 9, payload), pair=pair)[1]
            for i, payload in enumerate(payloads)]


def race(fe, *floods):
    """Lets each pair do a (type, payloads), returns all answers by pair."""
    answers = [flood(fe, pair, *work) for pair, work in enumerate(floods)]
    for pair in each_pair(fe):
        fe.request_ring(pair).kick()
    for pair, offsets in enumerate(answers):
        fe.request_ring(pair).wait(len(offsets))
    return [[fe.response(offset) for offset in offsets] for offsets in answers]


@test
def pairs_share_the_model():
    """A request finds another pair's request done as a whole, or not at all."""
    size = 4064
    write = (WRITE, [memory(0, size, bytes([i]) * size) for i in range(100)])
    with pairs_of(3) as fe:
        for _ in range(20):
            _, _, reads = race(fe, write, write, (READ, [memory(0, size)] * 100))
            for resp in reads:
                equal(resp.payload[:size], resp.payload[:1] * size, "memory")
        before = race(fe, *[(CONFIGURE, [struct.pack("<IIQ", 1, 0, value)
                                         for value in range(first, 301, 3)])
                            for first in (1, 2, 3)])
        last = ask(fe, CONFIGURE, struct.pack("<IIQ", 1, 0, 0)).result
        values = [resp.result for responses in before for resp in responses]
        equal(sorted([*values, last]), list(range(301)), "values")
        computed = race(fe, *[(COMPUTE, [struct.pack("<Q", 1)] * 100)] * 3)
        times = [struct.unpack("<QQ", resp.payload[:16])[1]
                 for responses in computed for resp in responses]
        equal(sorted(times), list(range(100, 30001, 100)), "times")


@test
def one_pair_stops():
    """What is pending in the others comes, and nothing in that one."""
    def disable(fe):
        fe.enable(3, False)

    def base(fe):
        assert fe.state(SET_VRING_BASE, 3, 2)

    for stop in (disable, base):
        with pairs_of(3, "--answer", "100=after:500") as fe:
            heads = [send(fe, 100, pair=pair) for pair in each_pair(fe)]
            for pair in each_pair(fe):
                # This answer shows that the other request was taken
                check(ask(fe, NOOP, pair=pair))
            stop(fe)
            for pair in (0, 2):
                equal(fe.request_ring(pair).wait(1), [(heads[pair], RESPONSE)])
                check(ask(fe, NOOP, pair=pair))
            fe.rings[3].idle(0.2)
            restart_all(fe)
            for pair in each_pair(fe):
                check(ask(fe, NOOP, pair=pair))


@test
def all_pairs_stop():
    def features(fe):
        fe.must(SET_FEATURES, struct.pack("=Q", fe.features))

    def disable(fe):
        for ring in fe.rings:
            fe.enable(ring.index, False)

    for args in ((), ("--poll", "0"), ("--response-queue", "before")):
        for stop in (features, disable, lambda fe: fe.set_mem(),
                     lambda fe: fe.must(RESET_OWNER)):
            with pairs_of(3, "--latency", "200000,1000", *args) as fe:
                for pair in each_pair(fe):
                    for _ in range(20):
                        fe.post(pair=pair)
                        fe.submit(request(NOOP, 7, 9), pair=pair)
                    fe.request_ring(pair).kick()
                time.sleep(0.02)
                stop(fe)
                before = fe.mem[:]
                for ring in fe.rings:
                    ring.kick()
                time.sleep(0.3)
                fe.alive()
                assert fe.mem[:] == before, "memory touched after the stop"


@test
def memory_table_changes_under_load():
    for args in (("--latency", "100,1000"), ("--poll", "0"), ()):
        with pairs_of(3, *args) as fe:
            for _ in range(20):
                for pair in each_pair(fe):
                    flood(fe, pair, ECHO, [b"x"] * 100)
                for pair in each_pair(fe):
                    fe.request_ring(pair).kick()
                fe.set_mem()
                before = fe.mem[:]
                for ring in fe.rings:
                    ring.kick()
                time.sleep(0.003)
                assert fe.mem[:] == before, "memory touched after the stop"
                restart_all(fe)
            for pair in each_pair(fe):
                check(ask(fe, ECHO, pair=pair))


@test
def messages_under_load():
    """Slots that come and go, and messages, disturb no ring that runs."""
    cut = MEMORY // 2
    slot = bytes(8) + struct.pack("=QQQQ", GUEST + MEMORY, 4096,
                                  USER + MEMORY, 0)
    for args in ((), ("--poll", "0"), ("--response-queue", "after")):
        with pairs_of(3, *args, cut=cut) as fe:
            for _ in range(30):
                for pair in each_pair(fe):
                    for _ in range(50):
                        fe.post(pair=pair)
                    flood(fe, pair, ECHO, [b"x"] * 50)
                for ring in fe.rings:
                    ring.kick()
                fe.must(ADD_MEM_REG, slot, [fe.memfd])
                fe.get_config()
                fe.must(REM_MEM_REG, slot)
                ring = fe.request_ring(2)
                fe.must(SET_VRING_CALL, struct.pack("=Q", ring.index),
                        [ring.call_fd])
                for pair in each_pair(fe):
                    fe.request_ring(pair).wait(50)
                    if "after" in args:
                        fe.response_ring(pair).wait(50)


@test
def broken_ring_of_one_pair():
    with pairs_of(3) as fe:
        ring = fe.request_ring(1)
        ring.expose(999)
        ring.kick()
        ring.wait_error()
        fe.backend.logged("queue 3: descriptor number out of range")
        for pair in (0, 2):
            check(ask(fe, NOOP, pair=pair))
        ring.reset()
        fe.set_ring(ring)
        check(ask(fe, NOOP, pair=1))


@test
def front_ends_with_pairs_one_after_another():
    with backend("--queues", "16", "--latency", "20000", "--answer",
                 "100=in-chain,after:0") as be:
        folder = f"/proc/{be.process.pid}/fd"
        before = len(os.listdir(folder))
        for _ in range(3):
            with FrontEnd(be.path) as fe:
                fe.setup(pairs=16)
                for pair in each_pair(fe):
                    flood(fe, pair, NOOP, [b""] * 10)
                    fe.request_ring(pair).kick()
                fe.alive()
        with FrontEnd(be.path) as fe:
            fe.setup()
            check(ask(fe, 100))
        with FrontEnd(be.path) as fe:
            fe.setup(pairs=16)
            equal(len(os.listdir(folder)), before + 1 + 3 * 33, "descriptors")
            check(ask(fe, 100, pair=15))


@test
def end_with_work_pending_on_pairs():
    for args in (("--latency", "500000"), ("--poll", "0")):
        with pairs_of(4, *args) as fe:
            for pair in each_pair(fe):
                flood(fe, pair, NOOP, [b""] * 50)
                fe.request_ring(pair).kick()
            fe.backend.stop()


@test
def silence_of_all_pairs():
    with pairs_of(3, "--answer", "100=silence:1000") as fe:
        start = time.monotonic()
        check(ask(fe, 100, pair=1))
        fe.request_ring(1).wait_call()
        for pair in each_pair(fe):
            send(fe, pair=pair)
        for pair in each_pair(fe):
            fe.request_ring(pair).idle(0.1)
        for pair in each_pair(fe):
            fe.request_ring(pair).wait(1)
        took = time.monotonic() - start
        assert took >= 1, f"silent for {took} s only"
        check(ask(fe, NOOP, pair=2))


@test
def silence_of_all_pairs_until_reset():
    with pairs_of(2, "--answer", "100=silence") as fe:
        check(ask(fe, 100, pair=1))
        for ring in fe.rings[:3]:
            fe.enable(ring.index, False)
            fe.enable(ring.index)
        send(fe)
        fe.rings[0].idle(0.2)
        for ring in fe.rings:
            fe.enable(ring.index, False)
        restart_all(fe)
        for pair in each_pair(fe):
            check(ask(fe, NOOP, pair=pair))


# Memory slots


@test
def memory_slots():
    cut = 0x400000
    with backend("--answer", "100=after:500") as be, FrontEnd(be.path) as fe:
        fe.init()
        pad = bytes(8)
        fe.must(ADD_MEM_REG, pad + fe.region(0, cut), [fe.memfd])
        fe.rings = [Ring(fe, i, 256) for i in range(3)]
        for ring in fe.rings:
            fe.set_ring(ring)
            fe.enable(ring.index)
        check(ask(fe, NOOP))
        # A region more does not disturb what is pending
        ring = pending_ring(fe)
        fe.must(ADD_MEM_REG, pad + fe.region(cut, MEMORY - cut), [fe.memfd])
        ring.wait(1)
        fe.next_buffer[0] = (cut - BUFFERS) // BUFFER
        check(ask(fe, NOOP))
        # A region that holds a pending response goes
        ring = pending_ring(fe)
        fe.must(REM_MEM_REG, pad + fe.region(cut, MEMORY - cut))
        ring.wait_error()
        assert not fe.ack(REM_MEM_REG, pad + fe.region(cut, MEMORY - cut))
        be.logged("buffer is not memory any more")


@test
def memory_slot_of_a_running_ring_removed():
    with Device() as fe:
        fe.must(REM_MEM_REG, bytes(8) + fe.region(), [fe.memfd])
        for ring in fe.rings:
            ring.wait_error()
        fe.must(ADD_MEM_REG, bytes(8) + fe.region(), [fe.memfd])
        for ring in fe.rings:
            ring.reset()
            fe.set_ring(ring)
        check(ask(fe, NOOP))


@test
def too_many_memory_slots():
    with backend() as be, FrontEnd(be.path) as fe:
        for i in range(64):
            fe.must(ADD_MEM_REG, bytes(8) + fe.region(4096 * i, 4096),
                    [fe.memfd])
        assert not fe.ack(ADD_MEM_REG, bytes(8) + fe.region(1 << 20, 4096),
                          [fe.memfd])


# Malformed messages


SIZES = {GET_FEATURES: 0, SET_FEATURES: 8, SET_OWNER: 0, RESET_OWNER: 0,
         SET_MEM_TABLE: 40, SET_VRING_NUM: 8, SET_VRING_ADDR: 40,
         SET_VRING_BASE: 8, GET_VRING_BASE: 8, SET_VRING_KICK: 8,
         SET_VRING_CALL: 8, SET_VRING_ERR: 8, GET_PROTOCOL_FEATURES: 0,
         SET_PROTOCOL_FEATURES: 8, GET_QUEUE_NUM: 0, SET_VRING_ENABLE: 8,
         SET_BACKEND_REQ_FD: 0, GET_CONFIG: 36, SET_CONFIG: 36,
         GET_MAX_MEM_SLOTS: 0, ADD_MEM_REG: 40, REM_MEM_REG: 40}
REPLIES = (GET_FEATURES, GET_VRING_BASE, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
           GET_CONFIG, GET_MAX_MEM_SLOTS)


def refused(fe, type_, payload, fds=()):
    data = fe.call(type_, payload, fds)
    if type_ in REPLIES:
        equal(data, b"", f"reply to message {type_}")
    else:
        equal(data, struct.pack("=Q", 1), f"reply to message {type_}")


@test
def messages_of_wrong_size():
    with backend() as be, FrontEnd(be.path) as fe:
        for type_, size in SIZES.items():
            for wrong in {0, 1, 7, size - 1, size + 1, 300, 4096} - {size}:
                if wrong < 0 or type_ == GET_CONFIG and 12 <= wrong <= 268 \
                        or type_ == SET_CONFIG and 12 <= wrong <= 268:
                    continue
                refused(fe, type_, bytes(wrong))
        fe.alive()
        be.logged("wrong size")


@test
def messages_with_wrong_files():
    with backend() as be, FrontEnd(be.path) as fe:
        for type_, size in SIZES.items():
            if type_ in (SET_MEM_TABLE, SET_BACKEND_REQ_FD):
                continue
            refused(fe, type_, bytes(size), [fe.memfd] * 2)
        for type_ in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            refused(fe, type_, struct.pack("=Q", 0))
            refused(fe, type_, struct.pack("=Q", NO_FD), [fe.memfd])
        refused(fe, ADD_MEM_REG, bytes(8) + fe.region())
        fe.alive()


@test
def unknown_messages():
    with backend() as be, FrontEnd(be.path) as fe:
        for type_ in (0, 6, 7, 19, 23, 35, 39, 40, 1000, 0xffffffff):
            for payload in (b"", bytes(8), bytes(4096)):
                refused(fe, type_, payload)
                refused(fe, type_, payload, [fe.memfd])
        fe.send(1000, flags=1)
        fe.alive()
        be.logged("unknown message")


def disconnected(be, data, fds=()):
    with FrontEnd(be.path) as fe:
        socket.send_fds(fe.sock, [data], list(fds))
        fe.sock.shutdown(socket.SHUT_WR)
        try:
            equal(fe.sock.recv(1), b"", "reply")
        except ConnectionResetError:
            pass
    with FrontEnd(be.path) as fe:
        fe.alive()


@test
def messages_that_end_the_connection():
    with backend() as be:
        disconnected(be, struct.pack("=III", 1, 1, 4097))
        disconnected(be, struct.pack("=III", 1, 1, 0xffffffff))
        disconnected(be, struct.pack("=III", 1, 0, 0))
        disconnected(be, struct.pack("=III", 1, 2, 0))
        disconnected(be, b"\1\0\0")
        disconnected(be, struct.pack("=III", 2, 1, 8) + b"1234")
        with tempfile.TemporaryFile() as file:
            disconnected(be, struct.pack("=III", 5, 1, 8) + bytes(8),
                         [file.fileno()] * 9)
            disconnected(be, struct.pack("=III", 5, 1, 8) + bytes(8),
                         [file.fileno()] * 200)
        be.logged("too many files")


@test
def messages_in_small_pieces():
    with backend() as be, FrontEnd(be.path) as fe:
        for byte in struct.pack("=IIIQ", SET_PROTOCOL_FEATURES, 9, 8, 9):
            fe.sock.send(bytes([byte]))
            time.sleep(0.001)
        equal(fe.reply(), (SET_PROTOCOL_FEATURES, bytes(8)))


@test
def client_that_does_not_read():
    with backend() as be:
        with FrontEnd(be.path) as fe:
            data = struct.pack("=III", GET_FEATURES, 1, 0) * 1000
            try:
                for _ in range(1000):
                    fe.sock.sendall(data)
                raise AssertionError("not disconnected")
            except (BrokenPipeError, ConnectionResetError):
                pass
        with FrontEnd(be.path) as fe:
            fe.alive()


@test
def features_that_were_not_offered():
    with backend() as be, FrontEnd(be.path) as fe:
        refused(fe, SET_FEATURES, struct.pack("=Q", 1 << 33))
        refused(fe, SET_PROTOCOL_FEATURES, struct.pack("=Q", 1 << 14))


@test
def table_with_unused_regions():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.must(SET_MEM_TABLE, struct.pack("=II", 1, 0) + fe.region() + bytes(32),
                [fe.memfd])


@test
def bad_regions():
    top = (1 << 64) - 4096
    with backend() as be, FrontEnd(be.path) as fe:
        def table(*regions, fds=None, nr=None):
            payload = struct.pack("=II", len(regions) if nr is None else nr,
                                  0)
            payload += b"".join(struct.pack("=QQQQ", *r) for r in regions)
            fds = [fe.memfd] * len(regions) if fds is None else fds
            refused(fe, SET_MEM_TABLE, payload, fds)

        good = (GUEST, 0x1000, USER, 0)
        table((GUEST, 0, USER, 0))
        table((GUEST, MEMORY + 1, USER, 0))
        table((GUEST, 0x1000, USER, MEMORY))
        table((GUEST, 0x1000, USER, top))
        table((GUEST, top, USER, 0x1000))
        table((top, 0x2000, USER, 0))
        table((GUEST, 0x2000, top, 0))
        table(good, (GUEST + 0xfff, 0x1000, USER + 0x1000, 0))
        table(good, (GUEST + 0x1000, 0x1000, USER + 0xfff, 0))
        table((GUEST + 8, 8, USER + 0x8000, 0), good)
        table(good, fds=[])
        table(good, fds=[fe.memfd] * 2)
        table(good, nr=2)
        table(nr=9)
        table(nr=0xffffffff)
        table(good, fds=[fe.sock.fileno()])
        reader, writer = os.pipe()
        table(good, fds=[reader])
        read_only = os.open(f"/proc/self/fd/{fe.memfd}", os.O_RDONLY)
        table(good, fds=[read_only])
        for fd in (reader, writer, read_only):
            os.close(fd)
        refused(fe, ADD_MEM_REG, bytes(8) + struct.pack("=QQQQ", GUEST, 0,
                                                        USER, 0), [fe.memfd])
        fe.must(ADD_MEM_REG, bytes(8) + fe.region(), [fe.memfd])
        refused(fe, ADD_MEM_REG, bytes(8) + fe.region(), [fe.memfd])


@test
def empty_memory_table():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.init()
        fe.must(SET_MEM_TABLE, bytes(8))
        assert fe.state(SET_VRING_NUM, 0, 256)
        refused(fe, SET_VRING_ADDR, struct.pack("=IIQQQQ", 0, 0, USER, USER,
                                                USER, 0))


@test
def bad_ring_set_up():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.init()
        fe.set_mem()
        ring = Ring(fe, 0, 256)
        fe.rings = [ring]
        for num in (0, 3, 255, 512, 65536, 0xffffffff):
            assert not fe.state(SET_VRING_NUM, 0, num), num
        assert not fe.state(SET_VRING_BASE, 0, 65536)
        for index in (3, 63, 64, 255, 0xffffffff):
            for type_ in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE,
                          GET_VRING_BASE):
                refused(fe, type_, struct.pack("=II", index, 2))
            refused(fe, SET_VRING_ADDR, struct.pack("=II", index, 0)
                    + bytes(32))
        for type_ in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            refused(fe, type_, struct.pack("=Q", 3), [ring.kick_fd])
            refused(fe, type_, struct.pack("=Q", 255), [ring.kick_fd])
        # No size yet
        refused(fe, SET_VRING_ADDR, fe.addr(ring))
        assert fe.state(SET_VRING_NUM, 0, 256)
        refused(fe, SET_VRING_ADDR, fe.addr(ring, flags=1))
        for desc in (0, USER - 16, USER + MEMORY, USER + MEMORY - 4080,
                     USER + 8, (1 << 64) - 16, GUEST):
            refused(fe, SET_VRING_ADDR, fe.addr(ring, desc=desc))
        fe.must(SET_VRING_ADDR, fe.addr(ring, USER + MEMORY - 4096))
        # Files that cannot be waited for
        fe.enable(0)
        refused(fe, SET_VRING_KICK, struct.pack("=Q", 0), [fe.memfd])
        fe.set_ring(ring)
        check(ask(fe, NOOP))
        assert not fe.state(SET_VRING_NUM, 0, 128)
        refused(fe, SET_VRING_ADDR, fe.addr(ring))
        check(ask(fe, NOOP))


@test
def queue_size_limit():
    for size in (2, 1024, 32768):
        with backend("--queue-size", str(size)) as be:
            with FrontEnd(be.path) as fe:
                assert fe.state(SET_VRING_NUM, 0, size)
                assert not fe.state(SET_VRING_NUM, 0, 2 * size)


@test
def kick_file_that_ends():
    with backend() as be, FrontEnd(be.path) as fe:
        fe.init()
        fe.set_mem()
        ring = Ring(fe, 0, 256)
        fe.rings = [ring]
        fe.set_ring(ring, kick=False)
        reader, writer = os.pipe()
        fe.must(SET_VRING_KICK, struct.pack("=Q", 0), [reader])
        fe.enable(0)
        os.close(reader)
        os.close(writer)
        ring.wait_error()
        be.logged("kick file cannot be read")


@test
def interrupt_file_that_is_full_or_closed():
    with Device(features=VERSION_1) as fe:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        index = struct.pack("=Q", 0)
        fe.must(SET_VRING_CALL, index, [writer])
        try:
            while True:
                os.write(writer, bytes(4096))
        except BlockingIOError:
            pass
        for _ in range(3):
            check(ask(fe, NOOP))
        os.close(reader)
        for _ in range(3):
            check(ask(fe, NOOP))
        os.close(writer)


# Malformed rings


def broken(prepare, text, **setup):
    """Lets a driver do something wrong: only that ring is out of use then."""
    with Device(**setup) as fe:
        ring = fe.rings[0]
        check(ask(fe, NOOP))
        prepare(fe, ring)
        ring.kick()
        ring.wait_error()
        fe.backend.logged(text)
        seen = ring.used_idx()
        fe.submit(request(NOOP))
        ring.kick()
        fe.alive()
        equal(ring.used_idx(), seen, "used index of a broken ring")
        ring.reset()
        fe.set_ring(ring)
        check(ask(fe, NOOP))


def with_desc(*descs):
    """Puts descriptors into the table, exposes the first one."""
    def prepare(fe, ring):
        for i, desc in enumerate(descs):
            ring.set_desc(i, *desc)
        ring.expose(0)

    return prepare


def with_table(*descs, size=None, flags=0):
    """Puts descriptors into an indirect table."""
    def prepare(fe, ring):
        offset = fe.buffer()
        for i, desc in enumerate(descs):
            struct.pack_into("<QIHH", fe.mem, offset + 16 * i, *desc)
        length = 16 * len(descs) if size is None else size
        ring.set_desc(0, GUEST + offset, length, F_INDIRECT | flags, 1)
        ring.expose(0)

    return prepare


A = GUEST + BUFFERS


@test
def ring_head_out_of_range():
    for head in (256, 65535):
        broken(lambda fe, ring: ring.expose(head),
               "descriptor number out of range")


@test
def ring_index_out_of_range():
    for step in (257, 0x8000, 0xffff):
        def prepare(fe, ring):
            fe.store16(ring.avail + 2, ring.avail_idx + step)

        broken(prepare, "index of the available ring out of range")


@test
def chain_with_a_loop():
    loop = "looping descriptor chain"
    broken(with_desc((A, 16, F_NEXT, 0)), loop)
    broken(with_desc((A, 16, F_NEXT, 1), (A, 16, F_NEXT, 2),
                     (A, 16, F_NEXT, 0)), loop)
    broken(with_table((A, 16, F_NEXT, 0, )), loop)
    broken(with_table((A, 16, F_NEXT, 1), (A, 16, F_NEXT, 0)), loop)


@test
def chain_out_of_the_table():
    broken(with_desc((A, 16, F_NEXT, 256)), "descriptor number out of range")
    broken(with_table((A, 16, F_NEXT, 1)), "descriptor number out of range")


@test
def chain_with_bad_buffers():
    outside = "buffer is outside of guest memory"
    end = GUEST + MEMORY
    for addr, length in ((0, 16), (GUEST - 1, 16), (end - 15, 16), (end, 1),
                         (A, 0xffffffff), ((1 << 64) - 8, 16),
                         ((1 << 64) - 1, 1), (USER, 16)):
        for flags in (0, F_WRITE):
            broken(with_desc((addr, length, flags, 0)), outside)
    broken(with_table((0, 16, 0, 0)), outside)
    broken(with_desc((A, 0, 0, 0)), "empty descriptor")
    broken(with_desc((A, 16, F_NEXT, 1), (A, 0, F_WRITE, 0)),
           "empty descriptor")


@test
def chain_in_wrong_order():
    broken(with_desc((A, 16, F_NEXT | F_WRITE, 1), (A, 16, 0, 0)),
           "readable descriptor after a writable one")


@test
def bad_indirect_tables():
    size = "bad size of an indirect table"
    for length in (0, 1, 15, 17, 16 * 32769, 0xfffffff0, 0xffffffff):
        broken(with_table((A, 16, 0, 0), size=length), size)
    broken(with_desc((0, 16, F_INDIRECT, 0)),
           "indirect table is outside of guest memory")
    broken(with_desc((GUEST + MEMORY - 15, 16, F_INDIRECT, 0)),
           "indirect table is outside of guest memory")
    broken(with_desc((0xfffffffffffffff8, 16, F_INDIRECT, 0)),
           "indirect table is outside of guest memory")
    broken(with_table((A, 16, F_INDIRECT, 0)), "nested indirect descriptor")
    broken(with_table((A, 16, 0, 0), flags=F_NEXT),
           "indirect descriptor in the middle of a chain")
    broken(with_table((A, 16, 0, 0)),
           "indirect descriptor without the feature", features=VERSION_1)


@test
def broken_event_ring():
    with Device("--events", "5") as fe:
        fe.rings[2].expose(999)
        fe.rings[2].wait_error()
        check(ask(fe, NOOP))


# Hostile front-ends and guests


def truncated(fe, access):
    """Takes the guest's memory away: only this front-end is the worse for it."""
    os.ftruncate(fe.memfd, 0)
    access(fe)
    equal(fe.sock.recv(1), b"", "connection after the end of memory")
    fe.backend.logged("guest memory was taken away; the connection is closed")
    # fe.mem cannot be touched any more
    with FrontEnd(fe.backend.path) as other:
        other.setup()
        check(ask(other, READ, memory(0, 8)), result=8)


@test
def memory_file_truncated():
    for args in ((), ("--poll", "0"), ("--latency", "1000")):
        with Device(*args) as fe:
            truncated(fe, lambda fe: fe.rings[0].kick())


@test
def memory_file_truncated_with_events():
    with Device("--events", "50") as fe:
        truncated(fe, lambda fe: None)


@test
def memory_file_truncated_before_a_ring_starts():
    with Device() as fe:
        ring = fe.rings[0]
        fe.enable(0, False)
        truncated(fe, lambda fe: fe.send(SET_VRING_ENABLE, struct.pack("=II", ring.index, 1),
                                         flags=1))


@test
def memory_file_truncated_with_answers_pending():
    with Device("--latency", "100000") as fe:
        for _ in range(10):
            fe.submit(request(ECHO, 7, 9))
        fe.rings[0].kick()
        fe.rings[0].wait_taken()
        truncated(fe, lambda fe: None)


@test
def faults_do_not_flood_the_log():
    with Device() as fe:
        data = struct.pack("=III", 99, 1, 0) * 1000
        for _ in range(20):
            fe.sock.sendall(data)
        fe.alive()
        for _ in range(2000):
            fe.ask(request(NOOP)[:16])
        lines = fe.backend.errors().count("\n")
        assert lines < 100, f"{lines} lines in the log"


@test
def kicks_cost_nothing_after_the_guest():
    """A front-end that kicks without end, in ways that never end, leaves nothing behind."""
    EFD_SEMAPHORE = 1
    with Device() as fe:
        forever = os.eventfd(0, os.EFD_NONBLOCK | EFD_SEMAPHORE)
        os.eventfd_write(forever, 1 << 62)
        for ring in fe.rings:
            fe.must(SET_VRING_KICK, struct.pack("=Q", ring.index), [forever])
        fe.alive()
        fe.must(SET_VRING_KICK, struct.pack("=Q", 1 | NO_FD))
        fe.submit(request(NOOP))
        fe.alive()
        fe.sock.close()
        with FrontEnd(fe.backend.path) as other:
            other.alive()
            before = cpu_time(fe)
            time.sleep(1)
            used = cpu_time(fe) - before
            assert used < 0.2, f"{used} s of a processor in a second without work"
        os.close(forever)


@test
def interrupt_file_that_is_made_to_block():
    """A file's flags are the front-end's as well: what it does holds nobody else up."""
    for args, index in (((), 0), (("--events", "20"), 2)):
        with Device(*args, features=VERSION_1) as fe:
            full = os.eventfd((1 << 32) - 1, os.EFD_NONBLOCK)
            os.eventfd_write(full, (1 << 64) - 1 - (1 << 32))
            fe.must(SET_VRING_CALL, struct.pack("=Q", index), [full])
            os.set_blocking(full, True)
            if index:
                fill_event_ring(fe, 4)
            else:
                fe.submit(request(NOOP))
            fe.rings[index].kick()
            fe.rings[index].wait(1)
            time.sleep(0.1)
            fe.sock.close()
            with FrontEnd(fe.backend.path) as other:
                other.setup()
                check(ask(other, NOOP))
            os.close(full)


@test
def error_file_that_is_made_to_block():
    with Device() as fe:
        full = os.eventfd((1 << 32) - 1, os.EFD_NONBLOCK)
        os.eventfd_write(full, (1 << 64) - 1 - (1 << 32))
        fe.must(SET_VRING_ERR, struct.pack("=Q", 0), [full])
        os.set_blocking(full, True)
        # The thread that takes the messages tells of this
        fe.ack(REM_MEM_REG, bytes(8) + fe.region())
        fe.sock.close()
        with FrontEnd(fe.backend.path) as other:
            other.setup()
            check(ask(other, NOOP))
        os.close(full)


@test
def bus_error_that_is_not_of_guest_memory():
    be = backend()
    for _ in range(2):
        be.process.send_signal(signal.SIGBUS)
        time.sleep(0.1)
    assert be.process.wait(TIMEOUT) != 0
    be.__exit__(ValueError, None, None)


@test
def too_many_files_in_parts():
    with backend() as be, FrontEnd(be.path) as fe:
        data = struct.pack("=III", SET_MEM_TABLE, 1, 8) + bytes(8)
        for part in (data[:12], data[12:]):
            socket.send_fds(fe.sock, [part], [fe.memfd] * 5)
            time.sleep(0.05)
        equal(fe.sock.recv(1), b"", "connection after too many files")
        be.logged("message with too many files")


@test
def huge_pages_without_any():
    """A file of huge pages, of which there may be none: it is unmapped whatever its part."""
    with backend() as be:
        with FrontEnd(be.path) as fe:
            fe.init()
            huge = os.memfd_create("huge", os.MFD_HUGETLB)
            os.ftruncate(huge, 1 << 21)
            fe.must(ADD_MEM_REG, bytes(8) + fe.region(0, 0x5000), [huge])
            assert fe.state(SET_VRING_NUM, 0, 256)
            ring = Ring(fe, 0, 256)
            fe.must(SET_VRING_ADDR, fe.addr(ring))
            with open(f"/proc/{be.process.pid}/maps") as file:
                assert "memfd:huge" in file.read()
            fe.must(REM_MEM_REG, bytes(8) + fe.region(0, 0x5000))
            with open(f"/proc/{be.process.pid}/maps") as file:
                assert "memfd:huge" not in file.read(), "not unmapped"
            fe.must(ADD_MEM_REG, bytes(8) + fe.region(0, 0x5000), [huge])
            os.ftruncate(huge, 0)
            fe.must(SET_VRING_ADDR, fe.addr(ring))
            fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [ring.kick_fd])
            fe.send(SET_VRING_ENABLE, struct.pack("=II", 0, 1))
            be.logged("guest memory was taken away; the connection is closed")
            ring.close()
            os.close(huge)
        with FrontEnd(be.path) as fe:
            fe.setup()
            check(ask(fe, NOOP))


def connect_in_the_end(path):
    """Connects when there is room again among those that wait for their turn."""
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            return FrontEnd(path)
        except BlockingIOError:
            assert time.monotonic() < end, "no room in time"
            time.sleep(0.005)


@test
def many_connections():
    with backend() as be:
        files = os.listdir(f"/proc/{be.process.pid}/fd")
        with FrontEnd(be.path) as fe:
            fe.setup()
            others = []
            for _ in range(100):
                other = socket.socket(socket.AF_UNIX)
                other.setblocking(False)
                # Most of them are refused
                other.connect_ex(be.path)
                others.append(other)
            check(ask(fe, NOOP))
            for other in others:
                other.close()
        with connect_in_the_end(be.path) as fe:
            fe.setup()
            check(ask(fe, NOOP))
        with FrontEnd(be.path) as fe:
            fe.alive()
            equal(len(os.listdir(f"/proc/{be.process.pid}/fd")), len(files) + 1,
                  "open files")


def costly_chain(fe, ring, table):
    """Makes an indirect table of 32768 pieces that each cover all regions."""
    each = struct.pack("<QIHH", GUEST, MEMORY, F_NEXT, 0)
    whole = b"".join(each[:14] + struct.pack("<H", i + 1) for i in range(32768))
    fe.mem[table:table + len(whole)] = whole
    fe.store16(table + 16 * 32767 + 12, 0)
    for i in range(ring.num):
        ring.set_desc(i, GUEST + table, len(whole), F_INDIRECT)
        ring.expose(i, publish=False)


@test
def long_chains_do_not_keep_others_waiting():
    """However long it takes to walk a guest's chains, messages are answered."""
    for args in ((), ("--latency", "10000000"), ("--events", "1,1000")):
        with backend(*args) as be, FrontEnd(be.path) as fe:
            fe.init()
            piece = MEMORY // 64
            for i in range(64):
                fe.must(ADD_MEM_REG, bytes(8) + fe.region(i * piece, piece), [fe.memfd])
            fe.rings = [Ring(fe, i, 256) for i in range(3)]
            for ring in fe.rings:
                fe.set_ring(ring)
                costly_chain(fe, ring, 0x100000)
            start = time.monotonic()
            for ring in fe.rings:
                fe.enable(ring.index)
                ring.publish()
                ring.kick()
            for _ in range(10):
                time.sleep(0.02)
                fe.alive()
            took = time.monotonic() - start
            assert took < 5, f"{took} s"


@test
def random_descriptors():
    """Whatever a guest puts into its rings, the daemon lives on."""
    seed = 12345
    with backend("--latency", "100", "--events", "1", "--response-queue",
                 "alternate", "--answer", "0=in-chain", "--queues", "3") as be:
        for _ in range(60):
            with FrontEnd(be.path) as fe:
                fe.setup(num=16, pairs=3)
                for ring in fe.rings:
                    for i in range(16):
                        seed = seed * 6364136223846793005 + 1 & (1 << 64) - 1
                        word = seed >> 24
                        addr = GUEST + (word & 0x7fffff)
                        ring.set_desc(i, addr, word >> 8 & 0x1fff,
                                      word >> 3 & 7, word & 0xf)
                    for i in range(4):
                        ring.expose(seed >> 30 + i & 0xf)
                    ring.kick()
                fe.alive()
                time.sleep(0.003)
                fe.alive()


@test
def random_messages():
    """Whatever a front-end sends, the daemon lives on."""
    seed = 54321
    with backend("--queues", "3") as be:
        for _ in range(20):
            with FrontEnd(be.path) as fe:
                fe.setup(num=16, pairs=3)
                for _ in range(50):
                    seed = seed * 6364136223846793005 + 1 & (1 << 64) - 1
                    word = seed >> 20
                    type_ = 1 + word % 40
                    payload = struct.pack("=QQQQQ", word & 0xff,
                                          word >> 8, word >> 3 & 0x1ff,
                                          word >> 20, word >> 9 & 0xffff)
                    size = SIZES.get(type_, 8)
                    payload = payload[:size].ljust(size, b"\0")
                    fds = [fe.rings[0].kick_fd] * (word >> 5 & 1)
                    fe.call(type_, payload, fds)
                fe.alive()


def main():
    global PROGRAM
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    PROGRAM = os.path.abspath(sys.argv[1])
    word = sys.argv[2] if len(sys.argv) == 3 else ""
    tests = [function for function in TESTS if word in function.__name__]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    failed = 0
    for number, function in enumerate(tests, 1):
        try:
            function()
            result = "ok"
        except Exception:
            result = "not ok"
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
        print(f"{result} {number} - {function.__name__}", flush=True)
    if failed:
        print(f"# {failed} of {len(tests)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
