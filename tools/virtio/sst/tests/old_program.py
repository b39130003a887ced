#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What Python programs do with /dev/sst0: os.open, os.write, os.read and struct,
only the bytes that they use, a buffer of 4096 bytes, several requests at once,
several threads."""

import os
import struct
import threading

REQUEST = "<IIQQ"
RESPONSE = "<IIQQQ"
ECHO = 1
COMPUTE = 2


def compute(fd, units, user_data):
    """Header and 16 bytes of payload; the driver adds the zeros."""
    request = struct.pack(REQUEST + "QII", COMPUTE, 0, 0, user_data, units, 0, 0)
    assert os.write(fd, request) == len(request) == 40


def result(fd):
    """A buffer that is smaller than a response: the rest of it is zero."""
    response = os.read(fd, 4096)
    assert len(response) == 4096
    status, flags, request_id, user_data, _, cycles = struct.unpack_from(RESPONSE + "Q", response)
    assert status == 0 and flags == 0 and request_id != 0
    return user_data, cycles


def several_at_once(path):
    fd = os.open(path, os.O_RDWR)
    for n in range(1, 33):
        compute(fd, n, n)
    answers = dict(result(fd) for _ in range(32))
    assert answers == {n: 100 * n for n in range(1, 33)}, answers
    os.close(fd)


def echo(path, number, failures):
    """Whole messages, from a thread."""
    fd = os.open(path, os.O_RDWR)
    for n in range(50):
        payload = bytes([number]) * 4080
        if os.write(fd, struct.pack(REQUEST, ECHO, 0, 0, n) + payload) != 4104:
            failures.append("write")
        response = os.read(fd, 4112)
        if response[32:] != payload or struct.unpack_from(RESPONSE, response)[3] != n:
            failures.append("read")
    os.close(fd)


def main():
    path = os.environ.get("SST_DEVICE", "/dev/sst0")
    several_at_once(path)
    failures = []
    threads = [threading.Thread(target=echo, args=(path, n, failures)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


main()
