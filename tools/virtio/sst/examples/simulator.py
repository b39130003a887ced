#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A simulator for vhost-user-sst, to start one of your own from.

	simulator.py --listen tcp:127.0.0.1:5000 --latency 20
	vhost-user-sst --socket /tmp/sst.sock --connect tcp:127.0.0.1:5000

The device sends requests of 4104 bytes, back to back, and takes responses of 4112 bytes, in
any order: request_id tells which request a response is for. Each pair of queues of the device
has a connection of its own, and a response goes back on the connection of its request. A
connection that ends is made again; requests that were not answered on it have ended for the
guest, and must not be answered on another one. All integers are little-endian."""

import argparse
import asyncio
import socket
import struct

NOOP, ECHO, COMPUTE, READ, WRITE, RESET, GET_INFO, CONFIGURE = range(8)
OK, ERROR, BUSY, INVALID, TIMEOUT, NO_DEVICE = range(6)

REQUEST_SIZE = 4104
PAYLOAD_SIZE = 4080
# type, flags, request_id, user_data; the payload follows
REQUEST = struct.Struct("<IIQQ")
# status, reserved, request_id, user_data, result; the payload follows
RESPONSE = struct.Struct("<IIQQQ")
# payload of COMPUTE: units, latency model; of its response: cycles, simulated time
COMPUTE_PAYLOAD = struct.Struct("<QI")
COMPUTED = struct.Struct("<QQ")
# payload of READ and WRITE: address, size, reserved; the bytes of a WRITE follow
MEMORY = struct.Struct("<QII")
# an event: type, reserved, simulated time, data
EVENT = struct.Struct("<IIQQ")

MEMORY_SIZE = 16 << 20
CYCLES_PER_UNIT = 100
EVENT_TYPE = 1000


class Model:
    """What is simulated: replace this"""

    def __init__(self):
        self.memory = bytearray(MEMORY_SIZE)
        self.time = 0

    def run(self, kind, payload):
        """Returns status, result and payload of the response"""
        if kind == COMPUTE:
            return self.compute(payload)
        if kind in (READ, WRITE):
            return self.access(kind, payload)
        # Types of your own come here as well
        return (OK, 0, payload) if kind in (NOOP, ECHO) else (INVALID, 0, b"")

    def compute(self, payload):
        units, _ = COMPUTE_PAYLOAD.unpack_from(payload)
        cycles = units * CYCLES_PER_UNIT % (1 << 64)
        self.time = (self.time + cycles) % (1 << 64)
        return OK, cycles, COMPUTED.pack(cycles, self.time)

    def access(self, kind, payload):
        address, size, _ = MEMORY.unpack_from(payload)
        room = PAYLOAD_SIZE if kind == READ else PAYLOAD_SIZE - MEMORY.size
        if size > room or address > MEMORY_SIZE - size:
            return INVALID, 0, b""
        if kind == READ:
            return OK, size, self.memory[address:address + size]
        self.memory[address:address + size] = payload[MEMORY.size:MEMORY.size + size]
        return OK, size, b""


class Simulator:
    def __init__(self, options):
        self.options = options
        self.model = Model()

    def latency(self, kind, payload):
        """Seconds that a request takes"""
        units = COMPUTE_PAYLOAD.unpack_from(payload)[0] if kind == COMPUTE else 0
        return (self.options.latency * 1000 + units * self.options.unit) / 1e6

    async def answer(self, writer, request):
        """Answers one request, while others go on: one that takes less time overtakes"""
        kind, _, request_id, user_data = REQUEST.unpack_from(request)
        payload = request[REQUEST.size:]
        await asyncio.sleep(self.latency(kind, payload))
        status, result, data = self.model.run(kind, payload)
        if self.options.verbose:
            print(f"type {kind}, user_data {user_data}: status {status}, result {result}",
                  flush=True)
        if not writer.is_closing():
            writer.write(RESPONSE.pack(status, 0, request_id, user_data, result) +
                         bytes(data).ljust(PAYLOAD_SIZE, b"\0"))

    async def serve(self, reader, writer):
        """One connection: as many requests at a time as the device sends"""
        tasks = set()
        notice_silence(writer)
        try:
            while True:
                # A stream: one read can bring a part of a request, or several
                task = asyncio.ensure_future(
                    self.answer(writer, await reader.readexactly(REQUEST_SIZE)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except (asyncio.IncompleteReadError, OSError):
            # It has ended, or the host at its other end is gone
            pass
        finally:
            for task in tasks:
                task.cancel()
            writer.close()

    async def send_events(self, _reader, writer):
        number = 0
        notice_silence(writer)
        try:
            while True:
                writer.write(EVENT.pack(EVENT_TYPE, 0, self.model.time, number))
                await writer.drain()
                number += 1
                await asyncio.sleep(self.options.every / 1000)
        except OSError:
            writer.close()


def notice_silence(writer):
    """Has TCP end a connection whose other end is gone without a word, after 25 s"""
    sock = writer.get_extra_info("socket")
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def split(endpoint):
    """Returns the host and the port of tcp:HOST:PORT, or of tcp:[IPV6]:PORT"""
    host, port = endpoint[4:].rsplit(":", 1)
    return host.strip("[]"), int(port)


async def listen(endpoint, serve):
    if endpoint.startswith("unix:"):
        server = await asyncio.start_unix_server(serve, endpoint[5:])
    else:
        server = await asyncio.start_server(serve, *split(endpoint))
    print(f"listening on {endpoint}", flush=True)
    await server.serve_forever()


async def connect(endpoint, serve):
    """Connects again whenever the device is not there, or has gone"""
    while True:
        try:
            if endpoint.startswith("unix:"):
                streams = await asyncio.open_unix_connection(endpoint[5:])
            else:
                streams = await asyncio.open_connection(*split(endpoint))
            await serve(*streams)
        except OSError:
            pass
        await asyncio.sleep(0.1)


async def main():
    parser = argparse.ArgumentParser(description="A simulator for vhost-user-sst.")
    parser.add_argument("--listen", metavar="ENDPOINT", help="unix:PATH or tcp:HOST:PORT")
    parser.add_argument("--connect", metavar="ENDPOINT", help="the same")
    parser.add_argument("--connections", type=int, default=1, metavar="N",
                        help="with --connect: as many as the device has pairs of queues")
    parser.add_argument("--latency", type=float, default=0, metavar="MS",
                        help="milliseconds that each request takes")
    parser.add_argument("--unit", type=float, default=0, metavar="US",
                        help="microseconds more for each unit of a COMPUTE")
    parser.add_argument("--events", metavar="ENDPOINT",
                        help="listen there for --events-connect, and send events")
    parser.add_argument("--every", type=float, default=100, metavar="MS",
                        help="milliseconds between events")
    parser.add_argument("--verbose", action="store_true", help="print what is answered")
    options = parser.parse_args()
    simulator = Simulator(options)
    jobs = []
    if options.listen:
        jobs.append(listen(options.listen, simulator.serve))
    if options.connect:
        jobs += [connect(options.connect, simulator.serve) for _ in range(options.connections)]
    if options.events:
        jobs.append(listen(options.events, simulator.send_events))
    if not jobs:
        parser.error("give --listen or --connect")
    await asyncio.gather(*jobs)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
