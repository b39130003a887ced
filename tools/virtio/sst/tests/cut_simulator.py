#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Has devices with simulators in networks of their own, and cuts one of them off:
cut_simulator.py PROGRAM FOLDER DEVICES

Runs as the first process of PID and network namespaces, so that processes and networks go when it
does, and ends when its standard input does. Each simulator is in a further network, reached by TCP
over a pair of veth devices. PROGRAM, vhost-user-sst, has the sockets FOLDER/socket-N.

FOLDER/ready is made when the guest can begin, which makes FOLDER/begun. Then FOLDER/cut tells it
that the network of the last simulator takes and gives nothing from now on, FOLDER/noticed that
the back-end has ended the connection, FOLDER/back that the network is there again, and
FOLDER/enough that there has been a connection again for a while."""

import contextlib
import os
import subprocess
import sys
import threading
import time

from kill_simulator import devices, until

SIMULATOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../examples/simulator.py")
PORT = 5000
# Seconds, as Documentation/simulator.rst has them: until a host is noticed that is gone, and
# between attempts to connect, with the time that one takes
NOTICED = 30
ATTEMPTS = 10


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def address(number, host):
    return f"192.0.2.{4 * number + host}"


class Network:
    """A network with a simulator in it, which some words may replace."""

    def __init__(self, number, *words):
        self.number = number
        self.holder = self.start("unshare", "--net", "sh", "-c", "echo && exec cat")
        self.holder.stdout.readline()
        ip("link", "add", f"sst{number}", "type", "veth", "peer", "name", "sst", "netns",
           str(self.holder.pid))
        ip("address", "add", f"{address(number, 1)}/30", "dev", f"sst{number}")
        ip("link", "set", f"sst{number}", "up")
        self.inside("ip", "address", "add", f"{address(number, 2)}/30", "dev", "sst").wait()
        self.set("up")
        self.endpoint = f"tcp:{address(number, 2)}:{PORT}"
        simulator = self.inside(
            *words or (SIMULATOR, "--listen", self.endpoint, "--latency", "5"))
        assert b"listening" in simulator.stdout.readline()

    def start(self, *command):
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def inside(self, *command):
        return self.start("nsenter", "--net", "--target", str(self.holder.pid), *command)

    def set(self, state):
        """The other end stays up: a router in between has lost its cable"""
        assert not self.inside("ip", "link", "set", "sst", state).wait()


class Backend:
    def __init__(self, program, folder, networks):
        self.folder = folder
        words = ["--simulator-timeout", "2000", "--stats", self.path("stats")]
        for network in networks:
            words += ["--socket", self.path(f"socket-{network.number}"), "--connect",
                      network.endpoint]
        self.process = subprocess.Popen([program, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        for _ in networks:
            assert b"listening" in self.process.stdout.readline()

    def path(self, name):
        return os.path.join(self.folder, name)

    def pairs(self):
        """What is told of the pair of queues that each device has"""
        return [device["pairs"][0] for device in devices(self.folder)]

    def connected(self):
        return [pair["connected"] for pair in self.pairs()]

    def say(self, name):
        open(self.path(name), "w").close()

    def hear(self, name):
        until(lambda: os.path.exists(self.path(name)), name)


@contextlib.contextmanager
def at_most(seconds, what):
    start = time.monotonic()
    yield
    taken = time.monotonic() - start
    print(f"{what}: {taken:.1f} s", flush=True)
    assert taken < seconds, what


def cut(backend, network):
    number = network.number
    others = [True] * number
    until(lambda: all(backend.connected()), "connections")
    backend.say("ready")
    backend.hear("begun")
    time.sleep(3)
    before = backend.pairs()
    backend.say("cut")
    network.set("down")
    with at_most(NOTICED, "noticed that a host is gone"):
        until(lambda: not backend.connected()[number], "the end of the connection")
    assert backend.pairs()[number]["timed_out"]
    backend.say("noticed")
    time.sleep(3)
    network.set("up")
    backend.say("back")
    with at_most(ATTEMPTS, "connected again"):
        until(lambda: backend.connected()[number], "a connection")
    time.sleep(3)
    backend.say("enough")
    backend.hear("finished")
    check(before, backend.pairs(), others)


def check(before, after, others):
    for old, new in zip(before, after):
        print(old, new, sep="\n", flush=True)
    assert after[-1]["answered"] > before[-1]["answered"]
    assert [pair["reconnects"] for pair in after] == [*(0 for _ in others), 1]
    for pair in after:
        assert not (pair["in_flight"] or pair["unmatched"])
    for pair in after[:-1]:
        assert pair["answered"] == pair["forwarded"] and not pair["timed_out"]


def end_with_input():
    sys.stdin.read()
    os._exit(1)


def main():
    program, folder, devices = sys.argv[1:]
    threading.Thread(target=end_with_input, daemon=True).start()
    os.umask(0)
    networks = [Network(number) for number in range(int(devices))]
    backend = Backend(program, folder, networks)
    cut(backend, networks[-1])
    backend.say("checked")


if __name__ == "__main__":
    main()
