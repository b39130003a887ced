#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A small SST simulator, written from the text of the wire protocol alone.

Reads raw 4104-byte SSTRequests from stream sockets and answers each with a raw 4112-byte
SSTResponse. Nothing of it is shared with vhost-user-sst or its examples: what the two make of the
text is tested by having them work with each other. Comments marked "Open:" name the points that
the text leaves open, and what is chosen here.
"""

import argparse
import asyncio
import heapq
import mmap
import random
import signal
import struct

REQUEST_SIZE, RESPONSE_SIZE, PAYLOAD_SIZE = 4104, 4112, 4080
REQUEST_HEADER = struct.Struct("<IIQQ")  # type, flags, request_id, user_data
RESPONSE_HEADER = struct.Struct("<IIQQQ")  # status, reserved, request_id, user_data, result
COMPUTE_REQUEST = struct.Struct("<QII")  # compute_units, latency_model, reserved
COMPUTE_RESPONSE = struct.Struct("<QQ")  # cycles, timestamp
MEMORY_REQUEST = struct.Struct("<QII")  # addr, size, reserved
CONFIG_REQUEST = struct.Struct("<IIQ")  # param_id, reserved, value
COMPUTE, READ, WRITE, CONFIGURE = 2, 3, 4, 7
STATUS_OK, STATUS_INVALID = 0, 3

CYCLES_PER_UNIT, MEMORY_SIZE, PARAMETERS = 100, 256 << 20, 64
U64_MASK = (1 << 64) - 1
SHUFFLE_SPREAD = 0.002  # seconds: the least spread of the delays that put answers out of order
RETRY_INTERVAL = 0.1  # seconds between attempts to connect

Outcome = tuple[int, bytes] | None  # result and payload, or None for INVALID
Endpoint = str | tuple[str, int]  # the path of a Unix socket, or a TCP host and port


class Simulator:
    """The simulated device. Open: state is shared by all connections, and outlives them.

    Open: `flags`, `latency_model` and all reserved members are ignored on input and 0 on output;
    an answer other than OK has result and payload 0. NOOP, ECHO, RESET and GET_INFO are answered
    in the device, so here they are types like any unknown one: INVALID (with the existing device,
    users then see NO_DEVICE).
    """

    def __init__(self) -> None:
        # A private anonymous mapping: pages take memory once they are written, and read as 0
        # before that.
        self.memory = mmap.mmap(-1, MEMORY_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.parameters = [0] * PARAMETERS
        self.timestamp = 0
        self.handlers = {
            COMPUTE: self.compute,
            READ: self.read,
            WRITE: self.write,
            CONFIGURE: self.configure,
        }

    def answer(self, request: bytes) -> bytes:
        # Open: the text says that `result` is 0 for what the device answers itself, and nothing
        # about forwarded types. Here: COMPUTE the cycles, READ and WRITE the bytes moved,
        # CONFIGURE the value.
        kind, _flags, request_id, user_data = REQUEST_HEADER.unpack_from(request)
        handler = self.handlers.get(kind)
        outcome = handler(request[REQUEST_HEADER.size :]) if handler else None
        status = STATUS_INVALID if outcome is None else STATUS_OK
        result, data = outcome or (0, b"")
        header = RESPONSE_HEADER.pack(status, 0, request_id, user_data, result)
        return (header + data).ljust(RESPONSE_SIZE, b"\0")

    def compute(self, payload: bytes) -> Outcome:
        # Open: units have no limit (GET_INFO's 1000000 is the device's own word), arithmetic
        # wraps at 64 bits, and the timestamp is the sum of all cycles so far, this request's
        # included.
        units, _latency_model, _reserved = COMPUTE_REQUEST.unpack_from(payload)
        cycles = units * CYCLES_PER_UNIT & U64_MASK
        self.timestamp = self.timestamp + cycles & U64_MASK
        return cycles, COMPUTE_RESPONSE.pack(cycles, self.timestamp)

    def read(self, payload: bytes) -> Outcome:
        # Open: the text places WRITE data, not READ data. SSTResponse has no memory member, so
        # the data start at payload + 0 (payload.data), and up to 4080 bytes fit. A size of 0 is
        # OK.
        addr, size, _reserved = MEMORY_REQUEST.unpack_from(payload)
        if size > PAYLOAD_SIZE or addr + size > MEMORY_SIZE:
            return None
        return size, self.memory[addr : addr + size]

    def write(self, payload: bytes) -> Outcome:
        # WRITE data follow at payload + 16, so up to 4064 bytes fit. Open: users of the existing
        # header may have agreed on another place, as its `memory` and `data` overlap; nothing on
        # the wire tells.
        addr, size, _reserved = MEMORY_REQUEST.unpack_from(payload)
        start = MEMORY_REQUEST.size
        if size > PAYLOAD_SIZE - start or addr + size > MEMORY_SIZE:
            return None
        self.memory[addr : addr + size] = payload[start : start + size]
        return size, b""

    def configure(self, payload: bytes) -> Outcome:
        # Open: the text gives no meaning to parameters, and no way to read one back.
        param_id, _reserved, value = CONFIG_REQUEST.unpack_from(payload)
        if param_id >= PARAMETERS:
            return None
        self.parameters[param_id] = value
        return value, b""


class Server:
    def __init__(self, latency: float, seed: int | None) -> None:
        self.simulator = Simulator()
        self.latency, self.seed = latency, seed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it ends.

        Open: the order of effects. Requests take effect in order of arrival; only the answers are
        delayed (each by the latency, so delays of requests in flight overlap) and shuffled (by a
        random extra delay, so that a lone request is answered too). Answers that the peer does not
        read yet are buffered without limit, as a peer may well write all its requests before it
        reads.
        """
        loop = asyncio.get_running_loop()
        rng = None if self.seed is None else random.Random(self.seed)
        pending: list[tuple[float, int, bytes]] = []  # a heap of due time, number, response
        count = 0

        def send_next() -> None:
            response = heapq.heappop(pending)[2]
            if not writer.is_closing():
                writer.write(response)

        try:
            while True:
                request = await reader.readexactly(REQUEST_SIZE)
                due = loop.time() + self.latency
                if rng is not None:
                    due += rng.random() * max(self.latency, SHUFFLE_SPREAD)
                heapq.heappush(pending, (due, count, self.simulator.answer(request)))
                count += 1
                if self.latency == 0 and rng is None:
                    send_next()
                else:
                    # One timer an answer; each timer sends the earliest one.
                    loop.call_at(due, send_next)
        except asyncio.IncompleteReadError as end:
            # Open: a stream that ends inside a request; the part is dropped. Answers due are
            # still sent.
            if end.partial:
                print(f"dropped a request cut off at {len(end.partial)} bytes", flush=True)
            while pending:
                await asyncio.sleep(SHUFFLE_SPREAD)
        except OSError as error:
            print(f"connection lost: {error}", flush=True)
        finally:
            writer.close()

    async def listen(self, endpoint: Endpoint) -> asyncio.Server:
        if isinstance(endpoint, str):  # replaces a socket left behind at this path
            return await asyncio.start_unix_server(self.serve, endpoint)
        return await asyncio.start_server(self.serve, *endpoint)

    async def connect(self, endpoint: Endpoint) -> None:
        # Open: who connects first. Retry until the device is there, and connect again once it has
        # left.
        while True:
            try:
                if isinstance(endpoint, str):
                    streams = await asyncio.open_unix_connection(endpoint)
                else:
                    streams = await asyncio.open_connection(*endpoint)
                await self.serve(*streams)
            except OSError:
                pass  # nobody listens there yet
            await asyncio.sleep(RETRY_INTERVAL)


def parse_endpoint(text: str) -> Endpoint:
    scheme, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if scheme == "unix" and rest:
        return rest
    if scheme == "tcp" and host and port.isdecimal() and int(port) < 65536:
        return host.strip("[]"), int(port)
    raise argparse.ArgumentTypeError(f"{text!r} is neither unix:PATH nor tcp:HOST:PORT")


async def run(arguments: argparse.Namespace) -> None:
    server = Server(arguments.latency / 1000, arguments.shuffle)
    listeners = [await server.listen(endpoint) for endpoint in arguments.listen]
    for sock in (sock for listener in listeners for sock in listener.sockets):
        print(f"listening on {sock.getsockname()}", flush=True)
    connections = [server.connect(endpoint) for endpoint in arguments.connect]
    await asyncio.gather(*connections, *(listener.serve_forever() for listener in listeners))


def main() -> None:
    parser = argparse.ArgumentParser(description="A small SST simulator.")
    parser.add_argument(
        "--listen", metavar="ENDPOINT", type=parse_endpoint, action="append", default=[]
    )
    parser.add_argument(
        "--connect", metavar="ENDPOINT", type=parse_endpoint, action="append", default=[]
    )
    parser.add_argument("--latency", metavar="MS", type=float, default=0.0)
    parser.add_argument("--shuffle", metavar="SEED", type=int, help="answer out of order")
    arguments = parser.parse_args()
    if not arguments.listen and not arguments.connect:
        parser.error(
            "give --listen or --connect (ENDPOINT is unix:PATH or tcp:HOST:PORT; may be repeated)"
        )
    if not 0 <= arguments.latency < 1e9:
        parser.error("--latency takes milliseconds, from 0 on")
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # like SIGTERM: ends the process, nothing needs cleaning up
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
