#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Cuts off a simulator that does not read: cut_unread.py PROGRAM, vhost-user-sst

Runs as the first process of PID and network namespaces. As long as the network is there the
connection lasts, with more to send than the simulator's host takes. Without it, its end is noticed
in the time that Documentation/simulator.rst has for that: before Linux 6.15, some minutes."""

import platform
import re
import sys
import time

import vhost_user_sst_test as base
from cut_simulator import NOTICED, PORT, Network, at_most, until
from forward_test import COMPUTE, DOWN, UP, Device, send

# Linux before 6.15 can't be told to probe more often.
RELEASE = tuple(map(int, re.match(r"(\d+)\.(\d+)", platform.release()).groups()))
LIMIT = NOTICED if RELEASE >= (6, 15) else 180

# A host that does not read is probed less and less often, if nothing is done about that: then
# the third probe after the cut would come after 100 s
UNREAD = 15

SIMULATOR = f"""
import socket, time
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
sock.bind(("", {PORT}))
sock.listen()
print("listening", flush=True)
connection = sock.accept()
time.sleep(1000)
"""


def main():
    (base.PROGRAM,) = sys.argv[1:]
    network = Network(0, sys.executable, "-c", SIMULATOR)
    with Device("--connect", network.endpoint) as fe:
        fe.backend.logged(UP)
        for id_ in range(120):
            send(fe, COMPUTE, id_)
        time.sleep(UNREAD)
        assert DOWN not in fe.backend.errors(), fe.backend.errors()
        network.set("down")
        with at_most(LIMIT, "noticed that a host is gone that did not read"):
            until(lambda: DOWN in fe.backend.errors(), "the end of the connection", LIMIT)


if __name__ == "__main__":
    main()
