#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Uses devices while the simulator of the last one is cut off: watch_cut.py FOLDER DEVICES

A process for each device keeps requests in flight, until cut_simulator.py says that it is enough.
The other devices must not notice anything."""

import collections
import multiprocessing
import os
import struct
import sys
import time

COMPUTE = 2
OK, ERROR, BUSY, INVALID, TIMEOUT, NO_DEVICE = range(6)
DEPTH = 8
RESPONSE_SIZE = 4112
# What the driver does not end by itself meanwhile
TIMEOUT_MS = "20000"
# From the first one on
PHASES = ("begun", "cut", "noticed", "back")
# Seconds in which a device must answer that is not cut off. The simulator takes 5 ms, but the
# machine may be busy.
SOON = 2


class User:
    def __init__(self, folder, number):
        self.folder = folder
        self.phase = 0
        self.number = 0
        self.sent = {}
        self.counts = [collections.Counter() for _ in PHASES]
        self.since = [time.monotonic()] * len(PHASES)
        self.slowest = 0
        self.last = []
        with open(f"/sys/class/virtio-sst/sst{number}/request_timeout_ms", "w") as timeout:
            timeout.write(TIMEOUT_MS)
        self.file = os.open(f"/dev/sst{number}", os.O_RDWR)

    def there(self, name):
        return os.path.exists(os.path.join(self.folder, name))

    def send(self):
        os.write(self.file, struct.pack("<IIQQQQ", COMPUTE, 0, 0, self.number, 1000, 0))
        self.sent[self.number] = time.monotonic()
        self.number += 1

    def receive(self):
        response = os.read(self.file, RESPONSE_SIZE)
        status, _, _, number, result = struct.unpack_from("<IIQQQ", response)
        self.slowest = max(self.slowest, time.monotonic() - self.sent.pop(number))
        assert result == (100000 if status == OK else 0)
        while self.phase + 1 < len(PHASES) and self.there(PHASES[self.phase + 1]):
            self.phase += 1
            self.since[self.phase] = time.monotonic()
        self.counts[self.phase][status] += 1
        self.last = (self.last + [status])[-100:]
        if status == NO_DEVICE:
            time.sleep(0.01)

    def run(self):
        while not self.there("enough"):
            while len(self.sent) < DEPTH:
                self.send()
            self.receive()
        while self.sent:
            self.receive()

    def rates(self):
        """Responses a second, in each phase"""
        ends = self.since[1:] + [time.monotonic()]
        return [sum(count.values()) / (end - start)
                for count, start, end in zip(self.counts, self.since, ends)]


def check_cut_off(user):
    """What the device's users see, as simulator.rst has it"""
    begun, cut, noticed, back = (set(count) for count in user.counts)
    assert begun == {OK}, begun
    assert TIMEOUT in cut and cut <= {OK, TIMEOUT, ERROR, NO_DEVICE}, cut
    assert NO_DEVICE in noticed and noticed <= {TIMEOUT, ERROR, NO_DEVICE}, noticed
    assert back <= {OK, ERROR, NO_DEVICE}, back
    assert set(user.last) == {OK}, user.last


def check_other(user):
    for count in user.counts:
        assert set(count) == {OK}, count
    assert user.slowest < SOON, user.slowest
    rates = user.rates()
    assert min(rates[1:]) > rates[0] / 2, rates


def use(folder, number, is_cut_off):
    user = User(folder, number)
    user.run()
    print(f"sst{number}: slowest {user.slowest:.3f} s, a second",
          *(f"{rate:.0f}" for rate in user.rates()), [dict(count) for count in user.counts],
          flush=True)
    check_cut_off(user) if is_cut_off else check_other(user)


def main():
    folder, devices = sys.argv[1], int(sys.argv[2])
    open(os.path.join(folder, "begun"), "w").close()
    with multiprocessing.Pool(devices) as pool:
        pool.starmap(use, [(folder, number, number == devices - 1)
                           for number in range(devices)], chunksize=1)


if __name__ == "__main__":
    main()
