#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes inputs that a fuzzer begins with: seeds.py messages|rings|options FOLDER

script.c says what the bytes mean.
"""

import pathlib
import struct
import sys

SETS = 8
REQUEST, RESPONSE, EVENT = 0, 1, 2      # take_length()
OUT, IN = 0x80, 0x40
F_NEXT, F_WRITE, F_INDIRECT = 1, 2, 4
SLEEP = bytes([23 << 3, 20])


def chain(ring, slot, type_, indirect=False):
    return bytes([ring, slot | 0x80 * indirect, type_, REQUEST])


def ask(slot, type_, indirect=False):
    return chain(0, slot, type_ | OUT | IN, indirect)


def post(ring, slot):
    return chain(ring, slot, IN)


def run(ring=0):
    return bytes([28 << 3 | ring])


def kick(ring):
    return bytes([24 << 3 | ring])


def descriptors(ring, *descs, first=0, table=None):
    """Each is (flags, where, length), each of the latter the bytes that choose it."""
    how = len(descs) - 1
    out = bytes([6 << 3 | ring, first, how if table is None else how | 0x80])
    if table is not None:
        out += bytes([table])
    for flags, where, length in descs:
        out += bytes([flags]) + where + length
    return out


def expose(ring, head):
    return bytes([12 << 3 | ring, head])


def good_guests():
    types = b"".join(ask(slot, slot) for slot in range(16))
    posted = b"".join(post(1, slot) + post(2, slot) for slot in range(8))
    yield types + posted + run() + kick(1) + run(2) + SLEEP + run()
    yield posted + kick(1) + b"".join(ask(slot, slot, True) + run() for slot in range(16)) + SLEEP + run()
    yield types + run() + SLEEP + posted + run(1) + SLEEP + run()


def bad_guests():
    request, response = bytes([REQUEST]), bytes([RESPONSE])
    page, cut, end, beyond = b"\x04", b"\xc0\x40", b"\xb0\x10\x00", b"\xe0\x10"
    for where in (page, cut, end, beyond):
        for length in (request, response, bytes([14]), bytes([0xa0, 1]), bytes([6])):
            yield descriptors(0, (F_NEXT, where, request), (F_WRITE, where, length)) + expose(0, 0) + run()
            yield (descriptors(0, (F_NEXT, page, request), (F_WRITE, where, length), table=0x10) +
                   descriptors(0, (F_INDIRECT, b"\x10", bytes([0x42]))) + expose(0, 0) + run())
    # In pieces, in a loop, nested, out of the table, in the middle of a chain
    yield descriptors(0, *[(F_NEXT, page, b"\xff")] * 15, (F_WRITE, page, response)) + expose(0, 0) + run()
    yield descriptors(0, (F_NEXT | 8, page, request + b"\0\0")) + expose(0, 0) + run()
    yield descriptors(0, (F_INDIRECT, b"\x10", b"\x42"), table=0x10) + \
        descriptors(0, (F_INDIRECT, b"\x10", b"\x42")) + expose(0, 0) + run()
    yield descriptors(0, (F_INDIRECT | F_NEXT, b"\x10", b"\x42")) + expose(0, 0) + run()
    yield expose(0, 255) + run() + expose(1, 255) + run(1) + expose(2, 255) + SLEEP + run(2)
    for number in (b"\xff\xff", b"\x00\x80", b"\x00\x40"):
        yield bytes([15 << 3]) + number + run()
        yield descriptors(0, (F_NEXT | 8, page, request + number)) + expose(0, 0) + run()
    yield bytes([16 << 3]) + b"\xff\x7f" + run()
    # While it is read: indices, and what a descriptor says
    for place in (b"\x88\x01", b"\x80\x04", b"\x80\x06"):
        yield ask(0, 1) + ask(1, 4) + bytes([19 << 3, 1]) + place + b"\xff\xff" + run()
    yield ask(0, 8) + run() + bytes([22 << 3, 0]) + run() + SLEEP + run()


def message(type_, payload=b"", how=0, files=None):
    if files is None:
        return bytes([type_, how]) + payload
    return bytes([type_, how | 4]) + payload + bytes(files)


def front_ends():
    """What front-ends do."""
    setup = b"\xff\x07"
    single = [message(1), message(2, b"\xa0"), message(3), message(4), message(5, b"\x01\xb0"),
              message(5, b"\x02\x80\x81"), message(8, b"\x00\x88"), message(9, b"\x00"),
              message(10, b"\x00\x00"), message(11, b"\x00\x00"), message(12, b"\x00"), message(13, b"\x00"),
              message(14, b"\x00"), message(12, b"\x90"), message(15), message(16, b"\xd0"), message(17),
              message(18, b"\x00\x01"), message(18, b"\x00\x00"), message(21, files=[1]),
              message(24, b"\x04\x03"), message(25, b"\x04\x03"), message(36), message(37, b"\x80"),
              message(38, b"\x80"), message(39)]
    yield b"".join(single)
    yield b"".join(bytes([step[0], step[1] | 1]) + step[2:] for step in single)
    yield b"".join(bytes([step[0], step[1] | 2]) + step[2:] + b"\x0d" for step in single if step[1] == 0)
    for step in single:
        yield setup + step + ask_in_messages() + step + b"\xfb"
    for kind in range(20):
        yield setup + b"".join(message(type_, b"\x00", files=[0x81, kind]) for type_ in (12, 13, 14)) + \
            ask_in_messages()
        yield message(5, b"\x01\xb0", files=[0x81, kind]) + message(37, b"\x80", files=[0x81, kind])
    # Rings that end outside of memory, or of a region of two
    for end in (b"\xb0\x10\x00", b"\xb0\x40\x00", b"\xc0\x5d"):
        for parts in ((end, b"\x90", b"\x88"), (b"\x80", end, b"\x88"), (b"\x80", b"\x90", end)):
            for start in (setup, b"\xff\x0f"):
                yield start + message(10, b"\x00\x00") + message(9, b"\x80" + b"".join(parts)) + \
                    message(12, b"\x00") + message(18, b"\x00\x01") + \
                    b"".join(b"\xc0" + step for step in (expose(0, 60), run(), ask(15, 1), run()))
    # Memory in slots, of which one goes
    slots = b"".join(message(37, bytes([0x30 | 4 * slot])) for slot in range(4))
    yield setup + message(5, b"\x00") + slots + b"".join(message(9, bytes([ring])) for ring in range(3)) + \
        message(12, b"\x00") + message(18, b"\x00\x01") + ask_in_messages() + message(38, b"\x38") + \
        ask_in_messages() + message(38, b"\x30") + b"\xfb"
    yield setup + b"\xfd\x00" + ask_in_messages() + b"\xfe" + setup + b"\xfb"
    yield message(1, struct.pack("=IH", 0x1234, 3) + b"abc", how=0x80) + b"\xfc\x10" + bytes(16)
    yield message(5, b"\x01\x80", files=[15])


def ask_in_messages():
    """A request, by way of script_guest()."""
    return b"\xc0" + ask(0, 1) + b"\xc0" + run() + b"\xc0" + SLEEP


def command_lines():
    yield "x --socket s"
    yield "x --socket=s --features=+echo,-event_idx --queue-size=1024 --queues=16 --device-id=4294967295"
    yield "x --socket s --features none --latency 10,20 --events 5,1000 --poll 0 --verbose --backend-req"
    yield "x --socket s --response-queue alternate --answer 5=never --answer 6=after:10,wrong-id,short:40"
    yield "x --socket s --answer 7=len:4294967295,status:5,dirty,fill:255,break --answer 8=in-chain"
    yield "x --socket s --answer 9=queue:before,chain-after:10 --answer 10=keep-chain --answer 11=silence:5"
    yield "x --socket s --answer 12=no-response --response-queue after --answer 13=repeat,silence"
    yield "x --socket s --quirks existing"
    yield "x --help"
    yield "x --version"
    yield "x --socket s 1K 2M 3G 0x10 1.5 0.000000001"


def inputs(name):
    if name == "options":
        return [line.replace(" ", "\n").encode() for line in command_lines()]
    if name == "messages":
        return [bytes([number % SETS]) + script for number, script in enumerate(front_ends())]
    good = [bytes([number, setup]) + script for setup in (0x0f, 0x57)
            for number in range(SETS) for script in good_guests()]
    return good + [bytes([number % SETS, 0x0f if number & 1 else 0x47]) + script
                   for number, script in enumerate(bad_guests())]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("messages", "rings", "options"):
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(inputs(sys.argv[1])):
        (folder / f"seed-{number}").write_bytes(data)
    return 0


sys.exit(main())
