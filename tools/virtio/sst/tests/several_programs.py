#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Programs that use a device at the same time, and check each response:
several_programs.py DEVICE PROGRAMS REQUESTS SEED

Each program has up to 16 requests in flight, and a part of the memory to itself. Prints, for all
of them, how many responses came and how many overtook another one."""

import itertools
import multiprocessing
import os
import random
import struct
import sys

ECHO, COMPUTE, READ, WRITE, CONFIGURE = 1, 2, 3, 4, 7
OK = 0
DEPTH = 16
RESPONSE_SIZE = 4112
CYCLES_PER_UNIT = 100
# What a WRITE has room for, and where a program finds that of its own
SIZE = 4064
PART = 16 << 20


class Program:
    def __init__(self, device, number, seed):
        self.file = os.open(device, os.O_RDWR)
        self.random = random.Random(f"{seed} {number}")
        self.numbers = itertools.count()
        # Addresses are used once: the simulator may do requests in any order
        self.addresses = itertools.count(number * PART, SIZE)
        self.written = []
        self.in_flight = {}
        self.overtook = 0

    def send(self, kind, payload, expected):
        """Expected is what the function says that checks result and payload of the response"""
        number = next(self.numbers)
        os.write(self.file, struct.pack("<IIQQ", kind, 0, 0, number) + payload)
        self.in_flight[number] = expected

    def send_any(self):
        kind = self.random.choice((ECHO, COMPUTE, WRITE, WRITE, READ, CONFIGURE))
        data = self.random.randbytes(SIZE)
        if kind == ECHO:
            self.send(kind, data, lambda _, payload: payload == data.ljust(4080, b"\0"))
        elif kind == COMPUTE:
            cycles = (units := self.random.randrange(1 << 40)) * CYCLES_PER_UNIT
            self.send(kind, struct.pack("<QQ", units, 0), lambda result, payload: (
                result == cycles and payload[:8] == struct.pack("<Q", cycles)))
        elif kind == CONFIGURE:
            self.send(kind, struct.pack("<QQ", self.random.randrange(64), 7), lambda *_: True)
        elif kind == READ and self.written:
            self.read(*self.written.pop())
        else:
            self.write(next(self.addresses), data)

    def write(self, address, data):
        def check(result, _):
            self.written.append((address, data))
            return result == SIZE
        self.send(WRITE, struct.pack("<QQ", address, SIZE) + data, check)

    def read(self, address, data):
        self.send(READ, struct.pack("<QQ", address, SIZE),
                  lambda result, payload: result == SIZE and payload[:SIZE] == data)

    def receive(self):
        response = os.read(self.file, RESPONSE_SIZE)
        status, _, _, number, result = struct.unpack_from("<IIQQQ", response)
        self.overtook += number != min(self.in_flight)
        check = self.in_flight.pop(number)
        if status != OK or not check(result, response[32:]):
            raise ValueError(f"request {number}: status {status}, result {result}")

    def run(self, requests):
        for _ in range(requests):
            if len(self.in_flight) == DEPTH:
                self.receive()
            self.send_any()
        while self.in_flight:
            self.receive()
        return self.overtook


def run_program(device, number, requests, seed):
    return Program(device, number, seed).run(requests)


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: several_programs.py DEVICE PROGRAMS REQUESTS SEED")
    device = sys.argv[1]
    programs, requests, seed = map(int, sys.argv[2:])
    with multiprocessing.Pool(programs) as pool:
        overtook = pool.starmap(run_program, [(device, number, requests, seed)
                                              for number in range(programs)])
    print(f"{programs * requests} responses, {sum(overtook)} of them early")


if __name__ == "__main__":
    main()
