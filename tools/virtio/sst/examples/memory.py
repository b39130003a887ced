#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes bytes to the memory of a device, reads them back, and tells how long each way took:
memory.py DEVICE BYTES

Up to 32 requests are in flight. Responses come in the order in which requests end, so
user_data, which comes back in the response, tells where the bytes of a READ belong."""

import os
import struct
import sys
import time

READ, WRITE = 3, 4
OK = 0
DEPTH = 32

# type, flags, request_id (set by the driver), user_data
REQUEST = struct.Struct("<IIQQ")
# addr, size, reserved; the bytes of a WRITE follow
MEMORY = struct.Struct("<QII")
# status, flags, request_id, user_data, result; the payload follows
RESPONSE = struct.Struct("<IIQQQ")
RESPONSE_SIZE = 4112
READ_SIZE = 4080
WRITE_SIZE = READ_SIZE - MEMORY.size


def send(device, kind, address, size, data=b""):
    """What is left out at the end of a request is zero"""
    request = REQUEST.pack(kind, 0, 0, address) + MEMORY.pack(address, size, 0) + data
    os.write(device, request)


def receive(device):
    """Returns the user_data and the payload of the next response"""
    response = os.read(device, RESPONSE_SIZE)
    status, _, _, user_data, _ = RESPONSE.unpack_from(response)
    if status != OK:
        sys.exit(f"address {user_data:#x}: status {status}")
    return user_data, response[RESPONSE.size:]


def write_memory(device, data):
    in_flight = 0
    for address in range(0, len(data), WRITE_SIZE):
        if in_flight == DEPTH:
            receive(device)
            in_flight -= 1
        part = data[address:address + WRITE_SIZE]
        send(device, WRITE, address, len(part), part)
        in_flight += 1
    for _ in range(in_flight):
        receive(device)


def read_memory(device, size):
    data = bytearray(size)
    in_flight = 0

    def take():
        address, payload = receive(device)
        end = min(address + READ_SIZE, size)
        data[address:end] = payload[:end - address]

    for address in range(0, size, READ_SIZE):
        if in_flight == DEPTH:
            take()
            in_flight -= 1
        send(device, READ, address, min(READ_SIZE, size - address))
        in_flight += 1
    for _ in range(in_flight):
        take()
    return bytes(data)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: memory.py DEVICE SIZE")
    path, size = sys.argv[1], int(sys.argv[2])
    device = os.open(path, os.O_RDWR)
    data = os.urandom(size)
    start = time.monotonic()
    write_memory(device, data)
    written = time.monotonic()
    back = read_memory(device, size)
    end = time.monotonic()
    if back != data:
        sys.exit("what was read is not what was written")
    print(f"{size} bytes written in {written - start:.3f} s, read in {end - written:.3f} s")


main()
