#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Kills a simulator and starts it again, while a guest works with it:
kill_simulator.py FOLDER TIMES SEED COMMAND...

Begins when FOLDER/begun is there, and makes FOLDER/enough after TIMES kills. When FOLDER/finished
is there, the last simulator ends, and what the back-end tells at FOLDER/stats is checked: all
requests have ended, and the connections have come and gone."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

TIMEOUT = 120


def until(condition, what, seconds=TIMEOUT):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what} not in time")
        time.sleep(0.01)


def devices(folder):
    """What the back-end tells of its devices."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(os.path.join(folder, "stats"))
        return json.load(sock.makefile())["devices"]


def pairs(folder):
    (device,) = devices(folder)
    return device["pairs"]


def connected(folder, times):
    """Whether all pairs have a connection that was made anew so many times."""
    return all(pair["connected"] and pair["reconnects"] == times for pair in pairs(folder))


def answered(folder):
    return sum(pair["answered"] for pair in pairs(folder))


class Simulator:
    """A process that is killed in the end, whatever happens."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.kill()
        self.process.wait()


def check(pair, times):
    print(pair)
    ended = sum(pair[name] for name in ("answered", "timed_out", "failed", "dropped"))
    assert not (pair["in_flight"] or pair["unmatched"] or pair["dropped"] or pair["timed_out"])
    # Of those that found no room, some had been accepted before
    assert 0 <= pair["forwarded"] - ended <= pair["refused"]
    assert pair["reconnects"] == times


def main():
    folder, times, seed, *command = sys.argv[1:]
    times = int(times)
    random.seed(int(seed))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def there(name):
        return lambda: os.path.exists(os.path.join(folder, name))

    until(there("begun"), "the guest")
    for number in range(times):
        with Simulator(command):
            until(lambda: connected(folder, number), "a connection")
            before = answered(folder)
            until(lambda: answered(folder) > before, "an answer")
            time.sleep(random.uniform(0, 0.1))
    with Simulator(command):
        until(lambda: connected(folder, times), "a connection")
        open(os.path.join(folder, "enough"), "w").close()
        until(there("finished"), "the end of the guest's work")
        found = pairs(folder)
    for pair in found:
        check(pair, times)
    assert sum(pair["failed"] for pair in found) >= times // 10
    open(os.path.join(folder, "checked"), "w").close()


if __name__ == "__main__":
    main()
