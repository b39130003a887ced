# SPDX-License-Identifier: GPL-2.0-only
"""A vhost-user front-end with a driver for split virtqueues, for tests."""

import ctypes
import mmap
import os
import select
import socket
import struct
import subprocess
import tempfile
import time

# Generous: the machine may be busy with something else
TIMEOUT = 30

GET_FEATURES = 1
SET_FEATURES = 2
SET_OWNER = 3
RESET_OWNER = 4
SET_MEM_TABLE = 5
SET_VRING_NUM = 8
SET_VRING_ADDR = 9
SET_VRING_BASE = 10
GET_VRING_BASE = 11
SET_VRING_KICK = 12
SET_VRING_CALL = 13
SET_VRING_ERR = 14
GET_PROTOCOL_FEATURES = 15
SET_PROTOCOL_FEATURES = 16
GET_QUEUE_NUM = 17
SET_VRING_ENABLE = 18
SET_BACKEND_REQ_FD = 21
GET_CONFIG = 24
SET_CONFIG = 25
GET_MAX_MEM_SLOTS = 36
ADD_MEM_REG = 37
REM_MEM_REG = 38

NO_FD = 0x100
NEED_REPLY = 8

INDIRECT = 1 << 28
EVENT_IDX = 1 << 29
PROTOCOL = 1 << 30
VERSION_1 = 1 << 32

F_NEXT = 1
F_WRITE = 2
F_INDIRECT = 4

GUEST = 0x40000000
USER = 0x7f0000000000
MEMORY = 0x800000
BUFFERS = 0x100000
BUFFER = 0x4000

REQUEST = 4104
RESPONSE = 4112


def request(type_, request_id=0, user_data=0, payload=b""):
    return struct.pack("<IIQQ", type_, 0, request_id, user_data) + \
        payload.ljust(4080, b"\0")


class Response:
    def __init__(self, data):
        (self.status, self.reserved, self.request_id, self.user_data,
         self.result) = struct.unpack("<IIQQQ", data[:32])
        self.payload = data[32:]


class Backend:
    """The program under test."""

    def __init__(self, program, *args, path=None):
        self.dir = tempfile.TemporaryDirectory()
        self.path = path or os.path.join(self.dir.name, "socket")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program, "--socket", self.path, *args],
            stdout=subprocess.PIPE, stderr=self.log)
        self.ready = self.process.stdout.readline().decode()

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode()

    def logged(self, text):
        """Waits until a text is in the log."""
        end = time.monotonic() + TIMEOUT
        while text not in self.errors():
            if time.monotonic() > end:
                raise AssertionError(f"'{text}' not in: {self.errors()}")
            time.sleep(0.005)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(TIMEOUT)
        errors = self.errors()
        assert status == 0, f"exit status {status}: {errors}"
        assert "Sanitizer" not in errors and "runtime error" not in errors, \
            errors
        assert not os.path.exists(self.path), "socket left behind"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.log.close()
            self.dir.cleanup()


class Ring:
    """The driver's side of a split virtqueue."""

    def __init__(self, fe, index, num):
        self.fe = fe
        self.index = index
        self.num = num
        # Room for 256 entries
        self.base = index * 0x4000
        self.desc = self.base
        self.avail, self.used = self.base + 0x2000, self.base + 0x3000
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.err_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.reset()

    def reset(self):
        self.fe.mem[self.base:self.base + 0x4000] = bytes(0x4000)
        self.avail_idx = 0
        self.seen = 0
        self.free = 0

    def close(self):
        for fd in (self.kick_fd, self.call_fd, self.err_fd):
            os.close(fd)

    def set_desc(self, i, addr, length, flags, nxt=0):
        struct.pack_into("<QIHH", self.fe.mem, self.desc + 16 * i,
                         addr, length, flags, nxt)

    def expose(self, head, publish=True):
        """Makes a chain available that is in the table already."""
        slot = self.avail + 4 + 2 * (self.avail_idx % self.num)
        struct.pack_into("<H", self.fe.mem, slot, head)
        self.avail_idx = (self.avail_idx + 1) & 0xffff
        if publish:
            self.publish()

    def publish(self):
        self.fe.store16(self.avail + 2, self.avail_idx)

    def add(self, segs, indirect=None, publish=True):
        """Adds a chain of (guest address, length, flags), returns its head."""
        head = self.free
        if indirect is not None:
            for i, (addr, length, flags) in enumerate(segs):
                more = F_NEXT if i + 1 < len(segs) else 0
                struct.pack_into("<QIHH", self.fe.mem, indirect + 16 * i, addr,
                                 length, flags | more, i + 1)
            self.set_desc(head, GUEST + indirect, 16 * len(segs), F_INDIRECT)
            self.free = (self.free + 1) % self.num
        else:
            for i, (addr, length, flags) in enumerate(segs):
                more = F_NEXT if i + 1 < len(segs) else 0
                self.set_desc((head + i) % self.num, addr, length,
                              flags | more, (head + i + 1) % self.num)
            self.free = (self.free + len(segs)) % self.num
        self.expose(head, publish)
        return head

    def kick(self):
        os.eventfd_write(self.kick_fd, 1)

    def used_idx(self):
        return self.fe.load16(self.used + 2)

    def used_flags(self):
        return self.fe.load16(self.used)

    def avail_event(self):
        return self.fe.load16(self.used + 4 + 8 * self.num)

    def set_used_event(self, value):
        self.fe.store16(self.avail + 4 + 2 * self.num, value)

    def set_avail_flags(self, value):
        self.fe.store16(self.avail, value)

    def wait(self, count, timeout=TIMEOUT):
        """Waits for some used elements, returns them as (id, len)."""
        end = time.monotonic() + timeout
        looks = 0
        while (self.used_idx() - self.seen) & 0xffff < count:
            looks += 1
            if looks < 100:
                os.sched_yield()
                continue
            if time.monotonic() > end:
                raise AssertionError(
                    f"{(self.used_idx() - self.seen) & 0xffff} of {count}"
                    f" in time")
            time.sleep(0.0005)
        out = []
        for _ in range(count):
            out.append(struct.unpack_from(
                "<II", self.fe.mem,
                self.used + 4 + 8 * (self.seen % self.num)))
            self.seen = (self.seen + 1) & 0xffff
        return out

    def wait_taken(self):
        """Waits until the device has taken all there is, by event index."""
        end = time.monotonic() + TIMEOUT
        while self.avail_event() != self.avail_idx:
            assert time.monotonic() < end, "not taken in time"
            time.sleep(0.0005)

    def idle(self, seconds):
        """Checks that nothing is used for a while."""
        time.sleep(seconds)
        assert self.used_idx() == self.seen, "used buffer not expected"

    def calls(self):
        """Returns how many interrupts there were since the last time."""
        try:
            return os.eventfd_read(self.call_fd)
        except BlockingIOError:
            return 0

    def wait_call(self):
        ready, _, _ = select.select([self.call_fd], [], [], TIMEOUT)
        assert ready, "no interrupt"
        return self.calls()

    def wait_error(self):
        ready, _, _ = select.select([self.err_fd], [], [], TIMEOUT)
        assert ready, "no error signalled"
        os.eventfd_read(self.err_fd)


class FrontEnd:
    """A connection to the back-end, and a guest's memory."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(path)
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, MEMORY)
        self.mem = mmap.mmap(self.memfd, MEMORY)
        self.rings = []
        self.pairs = 1
        self.next_buffer = [0] * 16

    def close(self):
        self.sock.close()
        for ring in self.rings:
            ring.close()
        self.rings = []
        os.close(self.memfd)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    # 16-bit accesses to shared memory that are not split into bytes

    def load16(self, offset):
        return ctypes.c_uint16.from_buffer(self.mem, offset).value

    def store16(self, offset, value):
        ctypes.c_uint16.from_buffer(self.mem, offset).value = value & 0xffff

    # Messages

    def send(self, type_, payload=b"", fds=(), flags=1 | NEED_REPLY):
        data = struct.pack("=III", type_, flags, len(payload)) + payload
        socket.send_fds(self.sock, [data], list(fds))

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def reply(self):
        type_, flags, size = struct.unpack("=III", self.receive(12))
        assert flags == 5, f"flags {flags} in reply to message {type_}"
        return type_, self.receive(size)

    def call(self, type_, payload=b"", fds=(), flags=1 | NEED_REPLY):
        self.send(type_, payload, fds, flags)
        answered, data = self.reply()
        assert answered == type_, f"reply to {answered} instead of {type_}"
        return data

    def ack(self, type_, payload=b"", fds=()):
        """Sends a message, returns whether it was accepted."""
        return self.call(type_, payload, fds) == bytes(8)

    def must(self, type_, payload=b"", fds=()):
        assert self.ack(type_, payload, fds), f"message {type_} refused"

    def get_u64(self, type_):
        return struct.unpack("=Q", self.call(type_, flags=1))[0]

    def get_config(self, offset=0, size=24):
        payload = struct.pack("=III", offset, size, 0) + bytes(size)
        data = self.call(GET_CONFIG, payload, flags=1)
        assert len(data) == 12 + size, f"{len(data)} bytes of config space"
        return data[12:]

    def alive(self):
        assert self.get_u64(GET_FEATURES) & PROTOCOL

    # Set-up

    def init(self, features=None, protocol=True):
        self.must(SET_OWNER)
        offered = self.get_u64(GET_FEATURES)
        self.get_u64(GET_PROTOCOL_FEATURES)
        self.must(SET_PROTOCOL_FEATURES, struct.pack("=Q", 0x209))
        if features is None:
            features = offered
        features = features | PROTOCOL if protocol else features & ~PROTOCOL
        self.features = features
        self.must(SET_FEATURES, struct.pack("=Q", features))

    def region(self, offset=0, size=MEMORY):
        return struct.pack("=QQQQ", GUEST + offset, size, USER + offset,
                           offset)

    def set_mem(self, cut=None):
        """Shares the memory, in two regions when there is a place to cut."""
        if cut is None:
            regions = [self.region()]
        else:
            regions = [self.region(0, cut), self.region(cut, MEMORY - cut)]
        payload = struct.pack("=II", len(regions), 0) + b"".join(regions)
        self.must(SET_MEM_TABLE, payload, [self.memfd] * len(regions))

    def state(self, type_, index, num):
        return self.ack(type_, struct.pack("=II", index, num))

    def addr(self, ring, desc=None, flags=0):
        return struct.pack(
            "=IIQQQQ", ring.index, flags,
            USER + ring.desc if desc is None else desc,
            USER + ring.used, USER + ring.avail, 0)

    def set_ring(self, ring, kick=True):
        assert self.state(SET_VRING_NUM, ring.index, ring.num)
        assert self.state(SET_VRING_BASE, ring.index, 0)
        self.must(SET_VRING_ADDR, self.addr(ring))
        index = struct.pack("=Q", ring.index)
        self.must(SET_VRING_CALL, index, [ring.call_fd])
        self.must(SET_VRING_ERR, index, [ring.err_fd])
        if kick:
            self.must(SET_VRING_KICK, index, [ring.kick_fd])

    def enable(self, index, on=True):
        assert self.state(SET_VRING_ENABLE, index, int(on))

    def setup(self, num=256, features=None, cut=None, protocol=True, pairs=1):
        """Everything up to running rings; returns the request ring."""
        self.init(features, protocol)
        self.set_mem(cut)
        self.pairs = pairs
        self.rings = [Ring(self, i, num) for i in range(2 * pairs + 1)]
        for ring in self.rings:
            self.set_ring(ring)
        if protocol:
            for ring in self.rings:
                self.enable(ring.index)
        return self.rings[0]

    def request_ring(self, pair=0):
        return self.rings[2 * pair + 1 if pair else 0]

    def response_ring(self, pair=0):
        return self.rings[2 * pair + 2 if pair else 1]

    # Requests

    def buffer(self, pair=0):
        """Returns the offset of 16 KiB of memory, filled with 0xa5.

        Each pair has its own, so that the device's threads share none.
        """
        count = (MEMORY - BUFFERS) // BUFFER // self.pairs
        offset = BUFFERS + (pair * count + self.next_buffer[pair]) * BUFFER
        self.next_buffer[pair] = (self.next_buffer[pair] + 1) % count
        self.mem[offset:offset + BUFFER] = b"\xa5" * BUFFER
        return offset

    def submit(self, data, cuts_out=(), cuts_in=(), indirect=False,
               room=RESPONSE, pair=0, publish=True):
        """Adds one request, returns (head, offset of the response)."""
        offset = self.buffer(pair)
        answer = offset + 0x1800
        self.mem[offset:offset + len(data)] = data
        segs = split(GUEST + offset, len(data), cuts_out, 0)
        segs += split(GUEST + answer, room, cuts_in, F_WRITE)
        table = offset + 0x3000 if indirect else None
        return self.request_ring(pair).add(segs, table, publish), answer

    def response(self, offset):
        return Response(self.mem[offset:offset + RESPONSE])

    def ask(self, data, pair=0, **kwargs):
        """One round trip, returns (response, used length)."""
        ring = self.request_ring(pair)
        head, offset = self.submit(data, pair=pair, **kwargs)
        ring.kick()
        (used,) = ring.wait(1)
        assert used[0] == head, f"head {used[0]} instead of {head}"
        return self.response(offset), used[1]

    # The response queue

    def post(self, room=RESPONSE, cuts=(), readable=0, pair=0):
        """Adds one buffer for a response, returns (head, offset)."""
        offset = self.buffer(pair)
        segs = split(GUEST + offset + 0x1800, readable, (), 0)
        segs += split(GUEST + offset, room, cuts, F_WRITE)
        return self.response_ring(pair).add(segs), offset

    def posted(self, pair=0, **kwargs):
        """Adds one buffer and kicks, returns (head, offset)."""
        buffer = self.post(pair=pair, **kwargs)
        self.response_ring(pair).kick()
        return buffer

    def take(self, buffer, length=RESPONSE, pair=0):
        """Waits until a buffer has come back, returns what is in it."""
        head, offset = buffer
        used = self.response_ring(pair).wait(1)
        assert used == [(head, length)], \
            f"{used} instead of {[(head, length)]}"
        return self.response(offset)

    def ask_queue(self, data, pair=0, **kwargs):
        """One round trip through the response queue, as ask()."""
        ring = self.request_ring(pair)
        buffer = self.posted(pair=pair)
        head, offset = self.submit(data, pair=pair, **kwargs)
        ring.kick()
        (used,) = ring.wait(1)
        assert used == (head, 0), f"used {used} instead of {(head, 0)}"
        answer = self.take(buffer, pair=pair)
        room = kwargs.get("room", RESPONSE)
        assert self.mem[offset:offset + room] == b"\xa5" * room, \
            "chain written to"
        return answer, RESPONSE


def split(addr, size, cuts, flags):
    """Cuts a buffer into pieces that begin at some offsets."""
    starts = [0, *cuts]
    ends = [*cuts, size]
    return [(addr + a, b - a, flags) for a, b in zip(starts, ends) if b > a]
