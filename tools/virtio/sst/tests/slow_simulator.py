#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Has 64 requests at a simulator that takes a second for each: slow_simulator.py DEVICE

They must be done after one second together, and meanwhile neither this program nor requests that
the device answers itself may have to wait."""

import os
import select
import struct
import sys
import time

ECHO, COMPUTE = 1, 2
OK = 0
REQUESTS = 64
LATENCY = 1
RESPONSE_SIZE = 4112
# Seconds that a busy machine may take for other things
SLACK = 1
SOON = 0.5


def send(file, kind, user_data):
    os.write(file, struct.pack("<IIQQQQ", kind, 0, 0, user_data, 10, 0))


def receive(file):
    status, _, _, user_data, _ = struct.unpack_from("<IIQQQ", os.read(file, RESPONSE_SIZE))
    assert status == OK, status
    return user_data


def echo(file):
    """Returns how long a request takes that needs no simulator"""
    start = time.monotonic()
    send(file, ECHO, 1000)
    assert receive(file) == 1000
    return time.monotonic() - start


def main():
    slow, quick = (os.open(sys.argv[1], os.O_RDWR) for _ in range(2))
    start = time.monotonic()
    for number in range(REQUESTS):
        send(slow, COMPUTE, number)
    sent = time.monotonic() - start
    echoes = []
    while not select.select([slow], [], [], 0.01)[0]:
        echoes.append(echo(quick))
    found = {receive(slow) for _ in range(REQUESTS)}
    taken = time.monotonic() - start
    print(f"{REQUESTS} requests sent in {sent:.3f} s, answered after {taken:.3f} s, "
          f"{len(echoes)} others meanwhile, in {max(echoes):.3f} s at most")
    assert found == set(range(REQUESTS))
    assert LATENCY <= taken < LATENCY + SLACK and sent < SOON
    assert len(echoes) > 10 and max(echoes) < SOON


if __name__ == "__main__":
    main()
