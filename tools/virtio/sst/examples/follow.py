#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the events of a device: follow.py DEVICE [NUMBER]

Ends after NUMBER of them, or when the device is gone."""

import errno
import fcntl
import os
import struct
import sys

# SST_IOCTL_EVENT_FD, with struct sst_event_setup: flags, capacity, two reserved words
EVENT_FD = 0x4010BB07
SETUP = struct.Struct("=IIII")
# struct sst_event: type, flags, timestamp, data
EVENT = struct.Struct("<IIQQ")
# Made by the driver, with a type of its own
DRIVER = 1
OVERRUN, RESET = 1, 2


def open_events(path):
    device = os.open(path, os.O_RDONLY)
    # A bytearray, so that the number that ioctl() returns is what Python returns
    return fcntl.ioctl(device, EVENT_FD, bytearray(SETUP.pack(0, 0, 0, 0)))


def events(file):
    """Generates the events, as many at once as there are, until the device is gone"""
    while True:
        try:
            data = os.read(file, 64 * EVENT.size)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        yield from EVENT.iter_unpack(data)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: follow.py DEVICE [COUNT]")
    left = int(sys.argv[2]) if len(sys.argv) > 2 else -1
    for kind, flags, timestamp, data in events(open_events(sys.argv[1])):
        if not flags & DRIVER:
            print(f"type {kind}, timestamp {timestamp}, data {data}")
        elif kind == OVERRUN:
            print(f"{data} events were lost here")
        elif kind == RESET:
            print("the device was started again")
        left -= 1
        if not left:
            return
    print("the device is gone")


main()
