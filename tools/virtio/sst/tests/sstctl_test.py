#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests sstctl on devices, as root in a guest: sstctl_test.py PROGRAM SCHEMA [WORD]

sst0 is a device with 10000 events a second, sst1 one that does not do what it should, sst2
one that answers in any order and changes what it echoes: scripts/lib/check-sstctl.sh has
their options. Prints TAP. With WORD, runs only the tests
whose name contains it."""

import bisect
import contextlib
import fcntl
import functools
import glob
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from jsonschema import Draft202012Validator

PROGRAM, SCHEMA = sys.argv[1:3]
TIMEOUT = 120
OTHER, USAGE, NO_DEVICE, NO_PERMISSION, NO_DRIVER, GONE, REFUSED, TIMED_OUT = range(1, 9)
EVENTS_PER_SECOND = 10000
SECONDS = 5
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def equal(value, expected, what="value"):
    assert value == expected, f"{what}: {repr(value)[:500]} instead of {repr(expected)[:500]}"


def run(line, status=0, become=(), **kwargs):
    """Runs sstctl with the words of a line. Returns what it printed"""
    words = line.split() if isinstance(line, str) else line
    if "input" not in kwargs:
        kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([*become, PROGRAM, *words], capture_output=True, timeout=TIMEOUT,
                          **kwargs)
    error = done.stderr.decode()
    equal(done.returncode, status, f"status of {words}, which says '{error}'")
    return done.stdout, error


def text(line, **kwargs):
    """The same, for a command that has nothing to complain about"""
    out, error = run(line, **kwargs)
    equal(error, "", "standard error")
    return out.decode()


def fails(line, status, expected, **kwargs):
    """The same, for one that fails with a line. Returns standard output"""
    out, error = run(line, status, **kwargs)
    equal(error.count("\n"), 1, f"lines in {error!r}")
    assert re.fullmatch("sstctl: " + expected + "\n", error), error
    return out.decode()


@functools.cache
def validator(name):
    with open(SCHEMA) as file:
        schema = json.load(file)
    return Draft202012Validator({"$ref": "#/$defs/" + name, "$defs": schema["$defs"]})


def check(name, document):
    """Validates what a command has printed. Returns it"""
    validator(name).validate(document)
    return document


def parse(name, out):
    return [check(name, json.loads(part)) for part in out.splitlines()]


def documents(name, line, status=0, **kwargs):
    """Runs sstctl --json. Returns the documents that it printed, one a line"""
    words = line.split() if isinstance(line, str) else line
    return parse(name, run(["--json", *words], status, **kwargs)[0])


def document(name, line, status=0, **kwargs):
    parts = documents(name, line, status, **kwargs)
    equal(len(parts), 1, "documents")
    return parts[0]


@contextlib.contextmanager
def running(line, **kwargs):
    """sstctl in the background"""
    program = subprocess.Popen([PROGRAM, *line.split()], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **kwargs)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def ready(stream):
    """Waits for the first line of a program in the background"""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(stream.fileno(), 1)
    return line.decode()


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def in_flight(device):
    """Waits until a device has a request"""
    wait_until(lambda: sysfs("in_flight", device) != "0")


def finish(program, status, expected=""):
    out, error = program.communicate(timeout=TIMEOUT)
    equal(program.returncode, status, f"status, with '{error.decode()}'")
    assert re.fullmatch(expected, error.decode()), error
    return out.decode()


def on_terminal(line, **kwargs):
    """Runs sstctl with a terminal as its outputs. Returns what is there then"""
    master, slave = pty.openpty()
    outputs = {"stdout": slave, "stderr": slave, **kwargs}
    program = subprocess.Popen([PROGRAM, *line.split()], stdin=subprocess.DEVNULL, **outputs)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(master, 65536):
            shown += part
    os.close(master)
    equal(program.wait(TIMEOUT), 0, "status")
    return shown.decode()


def sysfs(name, device="sst0"):
    with open(f"/sys/class/virtio-sst/{device}/{name}") as file:
        return file.read().strip()


def counted(name, device="sst0"):
    return int(re.search(rf"^{name} (\d+)$", sysfs("stats", device), re.M)[1])


@contextlib.contextmanager
def unbound(device):
    """A device that its driver is taken away from; gives a function that does that"""
    parent = os.path.basename(os.readlink(f"/sys/class/virtio-sst/{device}/device"))
    driver = "/sys/bus/virtio/drivers/virtio-sst/"

    def write(name):
        with open(driver + name, "w") as file:
            file.write(parent)

    try:
        yield lambda: write("unbind")
    finally:
        if not os.path.exists(driver + parent):
            write("bind")


# Devices


@test
def list_of_devices():
    lines = text("list").splitlines()
    equal(lines[0].split(), "DEVICE STATE ID PAIRS IN FLIGHT TIME-OUT FEATURES".split())
    equal(lines[1].split()[:4], ["sst0", "running", "7", "2"])
    equal([line.split()[0] for line in lines[1:]], ["sst0", "sst1", "sst2"])
    equal({line.index("running") for line in lines[1:]}, {lines[0].index("STATE")}, "columns")
    devices = document("list", "list")
    equal([d["device"] for d in devices], ["sst0", "sst1", "sst2"])
    equal([d["device_id"] for d in devices], [7, 8, 9])
    assert "multi_queue" in devices[0]["features"], devices
    equal(document("list", "-d 1 list"), devices[1:2])


@test
def selection_of_a_device():
    for word in "1", "sst1", "/dev/sst1":
        equal(document("list", ["--device", word, "list"])[0]["device"], "sst1")
        equal(document("list", ["list", "-d", word])[0]["device"], "sst1")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink("/dev/sst1", folder + "/8")
        equal(document("list", ["-d", folder + "/8", "list"])[0]["device"], "sst1")
    assert text("ping -c 1").startswith("PING sst0: 56 bytes of payload\n")


@test
def info():
    lines = dict(re.split("  +", line, 1) for line in text("info").splitlines())
    equal(lines["device"], "sst0")
    equal(lines["simulator memory"], "256 MiB")
    equal(lines["busy polling"], "off")
    found = document("info", "info")
    equal((found["memory_size"], found["max_compute_units"]), (256 << 20, 1000000))
    equal(found["version"], found["simulator_version"])


@test
def info_without_an_answer():
    out = fails("-d 1 info --timeout 0.1", TIMED_OUT, "sst1: info: TIMEOUT, no answer in time")
    assert re.search("^device ID +8$", out, re.M) and re.search("^simulator memory +-$", out, re.M), out
    found = document("info", "-d 1 info --timeout 0.1", TIMED_OUT)
    equal((found["device_id"], found["memory_size"]), (8, None))


@test
def settings():
    equal(text("set request_timeout_ms 4000"), "sst0: request_timeout_ms is now 4000\n")
    equal(sysfs("request_timeout_ms"), "4000")
    equal(document("list", "list")[0]["request_timeout_ms"], 4000)
    equal(document("set", "-d 1 set busy_poll_us 0x14"), {"device": "sst1", "busy_poll_us": 20})
    equal(sysfs("busy_poll_us", "sst1"), "20")
    equal(sysfs("busy_poll_us"), "0")
    text("-d 1 set busy_poll_us 0")
    text("set request_timeout_ms 5000")


@test
def reset_of_the_device():
    run("write 0", input=b"kept")
    before = counted("resets")
    equal(text("reset"), "sst0 reset\n")
    # What is sent afterwards waits for the end of the reset
    text("ping -c 1")
    equal(counted("resets"), before + 1)
    equal(document("reset", "reset"), {"device": "sst0", "reset": "device"})


@test
def reset_of_the_simulator():
    run("write 0", input=b"lost")
    before = counted("resets")
    equal(text("reset --simulator"), "simulator of sst0 reset\n")
    equal(counted("resets"), before)
    equal(run("read 0 4")[0], bytes(4))
    equal(document("reset", "reset -S"), {"device": "sst0", "reset": "simulator"})


# Requests


@test
def ping():
    lines = text("ping -c 3 -i 0.05 -s 100").splitlines()
    equal(lines[0], "PING sst0: 100 bytes of payload")
    for n in 1, 2, 3:
        assert re.fullmatch(rf"100 bytes from sst0: seq={n} time=\d+\.\d{{3}} ms", lines[n]), lines
    equal(lines[4:6], ["", "--- sst0 ping statistics ---"])
    sent = re.fullmatch(r"3 requests sent, 3 answered, 0% lost, time (\d+) ms", lines[6])
    assert sent and 100 <= int(sent[1]) < 5000, lines
    times = re.fullmatch(r"rtt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms", lines[7])
    low, mean, high, spread = map(float, times.groups())
    assert low <= mean <= high and spread <= high - low, lines
    equal(len(lines), 8)


@test
def ping_in_json():
    *answers, summary = documents("ping", "ping -c 20 -i 0")
    equal([a["seq"] for a in answers], list(range(1, 21)))
    times = [a["time_ns"] for a in answers]
    equal((summary["sent"], summary["answered"], summary["failed"]), (20, 20, 0))
    equal((summary["rtt_min_ns"], summary["rtt_max_ns"]), (min(times), max(times)))
    equal(summary["rtt_avg_ns"], sum(times) // 20)
    equal(document("ping", "ping -qc 5 -i 0")["sent"], 5)
    for size in 0, 1, 4080:
        equal(document("ping", f"ping -qc 2 -i 0 -s {size}")["answered"], 2)


@test
def ping_without_answers():
    out, error = run("-d 1 ping -c 2 -i 0 -t 0.1", TIMED_OUT)
    equal(error, "")
    lines = out.decode().splitlines()
    equal(lines[1:3], [f"sst1: seq={n} TIMEOUT, no answer in time" for n in (1, 2)])
    assert lines[-1].startswith("2 requests sent, 0 answered, 100% lost, time "), lines
    *answers, summary = documents("ping", "-d 1 ping -c 2 -i 0 -t 0.1", TIMED_OUT)
    equal([a["status"] for a in answers], ["TIMEOUT", "TIMEOUT"])
    equal((summary["timeouts"], summary["rtt_avg_ns"]), (2, None))


@test
def ping_until_interrupted():
    for number in signal.SIGINT, signal.SIGTERM:
        with running("ping -i 0.01") as program:
            ready(program.stdout)
            time.sleep(0.3)
            program.send_signal(number)
            out = finish(program, 0)
        assert re.search(r"\n\d+ requests sent, \d+ answered, .*\nrtt min/avg", out), out
    # While an answer is awaited, too, which is not long in coming
    with running("-d 1 ping") as program:
        in_flight("sst1")
        program.send_signal(signal.SIGINT)
        start = time.monotonic()
        out = finish(program, TIMED_OUT)
    assert time.monotonic() - start < 3, "it took long"
    # What was given up is not lost, but nothing was answered
    assert "0 requests sent, 0 answered, 0% lost" in out, out


@test
def ping_does_not_make_up_for_a_stop():
    with running("ping -i 0.1") as program:
        ready(program.stdout)
        program.send_signal(signal.SIGSTOP)
        time.sleep(2)
        before = counted("requests")
        program.send_signal(signal.SIGCONT)
        time.sleep(0.25)
        assert counted("requests") - before < 8, "requests in a burst"
        program.send_signal(signal.SIGINT)
        finish(program, 0)


@test
def ping_goes_on_after_a_stop():
    before = counted("requests", "sst1")
    with running("-d 1 ping -c 1 -t 2") as program:
        in_flight("sst1")
        program.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        program.send_signal(signal.SIGCONT)
        out = finish(program, TIMED_OUT)
    assert "sst1: seq=1 TIMEOUT" in out, out
    equal(counted("requests", "sst1"), before + 1, "requests")


@test
def echo():
    equal(text("echo hello world"), "hello world\n")
    equal(text(["echo", "a  b", "", "ü"]), "a  b  ü\n")
    equal(text(["echo", ""]), "\n")
    equal(text("echo -- -x"), "-x\n")
    long = "0123456789" * 1000
    equal(text(["echo", long]), long + "\n")
    data = os.urandom(100000)
    equal(run("echo", input=data), (data, ""))
    equal(run("echo", input=b""), (b"", ""))


@test
def echo_in_json():
    found = document("echo", ["echo", "hello ü"])
    equal((found["bytes"], found["text"]), (8, "hello ü"))
    equal(document("echo", "echo", input=b"\xff\n")["hex"], "ff0a")
    equal(document("echo", "echo", input=b"a\0")["hex"], "6100")
    equal([d["bytes"] for d in documents("echo", ["echo", "x" * 5000])], [4080, 920])


@test
def compute():
    run("reset -S")
    out = text("compute 1000")
    assert re.fullmatch(r"100000 cycles, until 100000 of simulated time; answered in [\d.]+ .?s\n",
                        out), out
    found = document("compute", "compute 0x10 --model 3")
    equal([found[k] for k in ("units", "model", "cycles", "timestamp")], [16, 3, 1600, 101600])


@test
def configure():
    run("reset -S")
    equal(text("configure 3 42"), "sst0: parameter 3 is now 42; the simulator's result is 0\n")
    equal(document("configure", "configure 3 18446744073709551615"),
          {"device": "sst0", "parameter": 3, "value": 2**64 - 1, "result": 42})
    equal(document("configure", "configure 3 0")["result"], 2**64 - 1)


@test
def requests_that_fail():
    fails("compute 1000001", REFUSED,
          "sst0: compute: INVALID, the device does not know this request, or not these numbers")
    fails("-d 1 compute 1", REFUSED, "sst1: compute: NO_DEVICE, no simulator behind the device")
    fails("-d 1 configure 1 1", REFUSED, "sst1: configure: STATUS_17, a status of the device's own")
    fails("-d 1 echo -t 0.1 hello", TIMED_OUT, "sst1: echo: TIMEOUT, no answer in time")
    fails("--json -d 1 compute 1", REFUSED, "sst1: compute: NO_DEVICE, .*")


@test
def payloads_that_change():
    out, error = run("-d 2 ping -c 1", REFUSED)
    lines = out.decode().splitlines()
    equal((lines[1], error), ("sst2: seq=1 CHANGED, the payload is not the same", ""))
    assert lines[-1].startswith("1 requests sent, 0 answered, 100% lost"), lines
    answer, summary = documents("ping", "-d 2 ping -c 1", REFUSED)
    equal((answer["status"], summary["failed"]), ("CHANGED", 1))
    out = fails("-d 2 echo hello", REFUSED, "sst2: echo: what came back is not the same")
    equal(out, "\7" * 5)


@test
def request_that_a_reset_ends():
    with running("-d 1 echo hello") as program:
        in_flight("sst1")
        text("-d 1 reset")
        equal(finish(program, REFUSED, "sstctl: sst1: echo: ERROR, the device was reset .*\n"), "")


# Memory


@contextlib.contextmanager
def file_with(data):
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name


@test
def files_through_memory():
    with file_with(os.urandom(5000001)) as sent, tempfile.NamedTemporaryFile() as back:
        equal(text(["write", "0x1234", "--file", sent]), "")
        equal(text(["read", "0x1234", "5000001", "-f", back.name]), "")
        equal(subprocess.run(["cmp", sent, back.name]).returncode, 0, "cmp")
        with open(sent, "rb") as source:
            run("write 16M", stdin=source)
        with open(sent, "rb") as file:
            equal(run("read 16M 5000001")[0], file.read())
        found = document("write", ["write", "0", "2K", "-f", sent])
        equal((found["address"], found["bytes"], found["file"]), (0, 2048, sent))
        found = document("read", ["read", "1K", "1K", "-f", back.name])
        equal((found["address"], found["bytes"], found["file"]), (1024, 1024, back.name))
        equal(os.stat(back.name).st_size, 1024)


@test
def files_of_the_kernel_into_memory():
    with open("/proc/version", "rb") as file:
        version = file.read()
    equal(text("write 0 -f /proc/version"), "")
    equal(run(f"read 0 {len(version)}")[0], version)
    equal(text("write 4K 8 -f /proc/version"), "")
    equal(run("read 4K 8")[0], version[:8])


@test
def closed_outputs_do_not_become_requests():
    for line, n in ("ping -c 1", 1), ("read 0 64K", 17):
        for closed in ">&-", "2>&-", ">&- 2>&-":
            before = counted("requests")
            subprocess.run(["sh", "-c", f"exec {PROGRAM} {line} {closed}"], timeout=TIMEOUT,
                           stdin=subprocess.DEVNULL, capture_output=True)
            equal(counted("requests") - before, n, f"requests of {line} {closed}")


@test
def pipes_through_memory():
    run("reset -S")
    for size in 1, 4063, 4064, 4065, 4080, 4081, 300000:
        data = os.urandom(size)
        equal(run("write 0x100000", input=data), (b"", ""))
        equal(run(f"read 0x100000 {size}"), (data, ""))
        equal(run("read 0xffff0 16")[0], bytes(16), "bytes in front")
        equal(run(f"read {0x100000 + size} 16")[0], bytes(16), "bytes behind")
        run("reset -S")
    run("write 0 3", input=b"abcdef")
    equal(run("read 0 6")[0], b"abc\0\0\0")
    equal(run("write 0", input=b""), (b"", ""))


@test
def answers_in_any_order():
    data = os.urandom(500000)
    run("-d 2 write 0x777", input=data)
    equal(run("-d 2 read 0x777 500000")[0], data)


@test
def many_requests_in_flight():
    before = counted("kicks"), counted("requests")
    run("read 0 16M")
    kicks, requests = counted("kicks") - before[0], counted("requests") - before[1]
    equal(requests, -(-(16 << 20) // 4080), "requests")
    assert kicks < requests / 4, f"{kicks} kicks for {requests} requests"


@test
def memory_in_hex():
    run("write 0", input=b"0123456789abcdef\n\xff")
    expected = ("00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
                "00000010  0a ff                                             |..|\n")
    equal(text("read --hex 0 18"), expected)
    equal(on_terminal("read 0 18"), expected.replace("\n", "\r\n"))
    equal(document("read", "read 0 18")["hex"], b"0123456789abcdef\n\xff".hex())
    equal(len(document("read", "read 0 1M")["hex"]), 2 << 20)
    # Lines go on where a request ends
    dump = text("read --hex 0x10 8K").splitlines()
    equal([int(line.split()[0], 16) for line in dump], list(range(0x10, 0x2010, 16)))


@test
def memory_that_is_not_there():
    end = 256 << 20
    out, error = run(f"read {end - 4080} 4081", REFUSED)
    equal(error, "sstctl: sst0: read of 1 bytes at 0x10000000: INVALID, the device does not know "
          "this request, or not these numbers\n")
    assert len(out) in (0, 4080), len(out)
    fails(f"write {end}", REFUSED, "sst0: write of 1 bytes at 0x10000000: INVALID, .*", input=b"x")
    fails("-d 1 read -t 0.1 0 1M", TIMED_OUT, "sst1: read of 4080 bytes at 0x0: TIMEOUT, .*")


@test
def files_that_are_wrong():
    fails("read -x -f /dev/full 0 4096", OTHER, "/dev/full: No space left on device")
    with file_with(b"abc") as name:
        fails(["write", "0", "4", "-f", name], OTHER, f"{name} has only 3 of 4 bytes")
        fails("write 0 4", OTHER, "standard input has only 3 of 4 bytes", input=b"abc")
        fails(["write", "0", "-f", "/nonexistent"], OTHER, "/nonexistent: No such file or directory")
        fails(["write", "0", "-f", "/"], OTHER, "/: Is a directory")
        fails(["read", "0", "4", "-f", "/nonexistent/x"], OTHER, "/nonexistent/x: No such .*")
        for size in "4", "1M":
            fails(["read", "0", size, "-f", "/dev/full"], OTHER,
                  "/dev/full: No space left on device")
        # A file is not touched when there is no device to read from
        fails(["-d", "5", "read", "0", "4", "-f", name], NO_DEVICE, "no device sst5; .*")
        with open(name, "rb") as file:
            equal(file.read(), b"abc")


@test
def progress_on_a_terminal():
    with tempfile.NamedTemporaryFile() as file:
        os.truncate(file.name, 200 << 20)
        shown = on_terminal(f"write 0 -f {file.name}")
        lines = shown.split("\r")
        bars = [line for line in lines if re.match(r" *\d+% \[=*>? *\] [\d.]+ .?i?B of 200 MiB, "
                                                   r"[\d.]+ .?i?B/s, \d+:\d\d left\x1b\[K", line)]
        assert bars, shown
        # The bar is gone at the end, and there is a summary
        assert re.search(r"\x1b\[K209715200 bytes \(200 MiB\) in [\d.]+ .?s, [\d.]+ .iB/s\r\n$",
                         shown), shown
        assert all(len(line.replace("\x1b[K", "")) < 80 for line in lines), shown
        equal(text(f"write 0 -f {file.name}"), "", "what is shown elsewhere")
        # No bar among the bytes themselves
        shown = on_terminal("read 0 2M")
        assert "%" not in re.sub(r"\|.*?\|", "", shown), "a bar in a dump"
        shown = on_terminal(f"read 0 200M -f {file.name}")
        assert "% [=" in shown and "209715200 bytes" in shown, shown
        # Of a pipe nobody knows the size
        with open("/dev/zero", "rb") as zero:
            head = subprocess.Popen(["head", "-c", "200M"], stdin=zero, stdout=subprocess.PIPE)
            master, slave = pty.openpty()
            program = subprocess.Popen([PROGRAM, "write", "0"], stdin=head.stdout, stderr=slave)
            os.close(slave)
            equal(program.wait(TIMEOUT), 0, "status")
            shown = os.read(master, 65536).decode()
        assert "%" not in shown and re.search(r"\r[\d.]+ MiB, [\d.]+ .iB/s\x1b\[K", shown), shown


# Events


class Witness(threading.Thread):
    """Another one who reads the events, all that the driver gets"""

    IOCTL_EVENT_FD = 0x4010BB07
    CAPACITY = 65536
    DRIVER = 1

    def __init__(self):
        super().__init__()
        self.stop = False
        self.numbers = []
        self.lost = 0

    def __enter__(self):
        device = os.open("/dev/sst0", os.O_RDWR)
        setup = bytearray(struct.pack("<IIII", 0, self.CAPACITY, 0, 0))
        self.fd = fcntl.ioctl(device, self.IOCTL_EVENT_FD, setup)
        os.close(device)
        self.start()
        return self

    def __exit__(self, *args):
        # It waits for no longer than until the next event
        self.stop = True
        self.join()
        os.close(self.fd)

    def run(self):
        while not self.stop:
            for kind, flags, _, data in struct.iter_unpack("<IIQQ", os.read(self.fd, 24 * 4096)):
                if flags & self.DRIVER:
                    self.lost += 1
                else:
                    self.numbers.append(data)

    def check(self, events):
        """Checks that what was printed is what the driver got. Returns how many were lost"""
        assert not self.lost, "the test is too slow"
        place, lost = bisect.bisect_left(self.numbers, events[0]["data"]), 0
        for event in events:
            if event["source"] == "driver":
                equal(event["name"], "overrun")
                lost += event["data"]
                place += event["data"]
            else:
                equal(event["data"], self.numbers[place], "number")
                place += 1
        return lost


@test
def events():
    lines = text("events --count 3").splitlines()
    equal(lines[0].split(), ["TYPE", "TIMESTAMP", "DATA"])
    equal([line.split()[0] for line in lines[1:]], ["1"] * 3)
    found = documents("events", "events --count 3")
    equal([(e["source"], e["type"]) for e in found], [("device", 1)] * 3)


@test
def none_of_10000_events_a_second_is_lost():
    with Witness() as witness:
        start = time.monotonic()
        out, _ = run(f"--json events --count {SECONDS * EVENTS_PER_SECOND}")
        took = time.monotonic() - start
    found = parse("events", out)
    equal(len(found), SECONDS * EVENTS_PER_SECOND)
    equal(witness.check(found), 0, "lost events")
    print(f"# {found[-1]['data'] - found[0]['data'] + 1 - len(found)} dropped by the device")
    assert took < 2 * SECONDS, f"{took} s"


@test
def events_that_are_lost_are_told():
    # Nobody reads what it prints, until more have come than the driver keeps
    with Witness() as witness, running("--json events --count 100000") as program:
        time.sleep(Witness.CAPACITY / EVENTS_PER_SECOND + 4)
        out = finish(program, 0)
    found = parse("events", out)
    assert witness.check(found) > 0, "nothing was lost"
    with running("events --count 100000") as program:
        time.sleep(Witness.CAPACITY / EVENTS_PER_SECOND + 4)
        assert re.search(r"^-- \d+ events were lost here --$", finish(program, 0), re.M)


@test
def events_of_a_reset():
    for options, expected in (("--json", '{"device":"sst1","source":"driver","name":"reset",'),
                              ("", "-- the device was started again (")):
        with running(f"{options} -d 1 events") as program:
            ready(program.stderr)
            text("-d 1 reset")
            line = ready(program.stdout)
            assert line.startswith(expected), line
            if options:
                check("events", json.loads(line))
            program.send_signal(signal.SIGINT)
            equal(finish(program, 0), "")


@test
def events_that_nobody_takes_can_be_ended():
    with running("events") as program:
        ready(program.stdout)
        # The pipe is full
        time.sleep(1)
        program.send_signal(signal.SIGINT)
        time.sleep(0.2)
        equal(program.poll(), None, "status after one signal")
        program.send_signal(signal.SIGINT)
        equal(program.wait(TIMEOUT), -signal.SIGINT)


@test
def events_into_a_pipe_that_ends():
    done = subprocess.run(f"{PROGRAM} events | head -n 3", shell=True, capture_output=True,
                          timeout=TIMEOUT)
    equal((len(done.stdout.splitlines()), done.stderr), (3, b""))


@test
def device_without_events():
    with running("-d 1 events") as program:
        equal(ready(program.stderr),
              "sstctl: sst1 does not say that it sends events; waiting nevertheless\n")
        program.send_signal(signal.SIGINT)
        equal(finish(program, 0), "")


# Statistics


@test
def stats():
    text("ping -qc 100 -i 0")
    lines = dict(re.split("  +", line.strip(), 1) for line in text("stats").splitlines())
    equal(lines["device"].strip(), "sst0")
    equal(int(lines["requests"]), counted("requests"))
    found = document("stats", "stats")
    for name in "requests", "responses", "errors", "timeouts", "resets", "kicks", "slots":
        equal(found[name], counted(name), name)


@test
def stats_of_pairs():
    text("ping -qc 10 -i 0")
    lines = text("stats --queues").splitlines()
    equal(lines[0].split()[:4], ["DEVICE", "PAIR", "REQUESTS", "RESPONSES"])
    equal([line.split()[:2] for line in lines[1:]], [["sst0", "0"], ["sst0", "1"]])
    found = document("stats_queues", "stats -Q")
    equal([pair["pair"] for pair in found], [0, 1])
    equal(sum(pair["requests"] for pair in found), counted("requests"))


@test
def rates():
    with running("ping -qi 0"):
        found = documents("stats_interval", "stats --interval 0.3 --count 3")
        lines = text("stats -i 0.2 -c 2").splitlines()
        pairs = documents("stats_queues_interval", "stats -Qi 0.2 -c 1")
    equal(len(found), 3)
    for before, now in zip(found, found[1:]):
        rate = (now["requests"] - before["requests"]) * 1e9 / now["time_ns"]
        assert abs(now["requests_per_second"] - rate) <= 1, (rate, now)
    assert all(row["requests_per_second"] > 100 for row in found), found
    rate = found[-1]["events_per_second"]
    assert EVENTS_PER_SECOND / 2 < rate < EVENTS_PER_SECOND * 2, rate
    equal(lines[0].split()[:3], ["DEVICE", "REQUESTS/s", "RESPONSES/s"])
    equal(len(lines), 3)
    equal(len({len(line) for line in lines}), 1, "widths")
    equal([pair["pair"] for pair in pairs], [0, 1])


@test
def watching():
    shown = on_terminal("stats -i 0.01 -c 45")
    equal(shown.count("REQUESTS/s"), 3, "headlines on a terminal")
    equal(text("stats -i 0.01 -c 45").count("REQUESTS/s"), 1, "headlines")
    with running("stats -i 0.05") as program:
        for _ in range(3):
            ready(program.stdout)
        program.send_signal(signal.SIGINT)
        finish(program, 0)


# Bad input: what is not there, and what is not allowed


@test
def unknown_device():
    for line in ("list", "info", "ping", "echo hello", "compute 1", "read 0 1", "write 0",
                 "configure 1 1", "reset", "reset -S", "events", "stats", "stats -Q",
                 "stats -i 1", "set busy_poll_us 1"):
        fails("-d 5 " + line, NO_DEVICE, "no device sst5; there are: sst0 sst1 sst2")
        fails("--json -d 5 " + line, NO_DEVICE, "no device sst5; there are: sst0 sst1 sst2")


@test
def no_permission():
    run("list", become=NOBODY)
    run("stats", become=NOBODY)
    os.chown("/dev/sst0", 0, 0)
    os.chmod("/dev/sst0", 0o600)
    for line in "info", "ping", "echo hello", "compute 1", "read 0 1", "events", "reset -S":
        fails(line, NO_PERMISSION, "no permission: /dev/sst0 is root's; the udev rule of "
              "virtio-sst-tools gives it to the group sst", become=NOBODY)
    # As the rule does it, with a group that every machine has
    os.chown("/dev/sst0", 0, 60)
    os.chmod("/dev/sst0", 0o660)
    fails("ping", NO_PERMISSION, "no permission: /dev/sst0 is for the group games; as root: "
          "adduser USER games, then log in again", become=NOBODY)
    run("ping -c 1", become=["setpriv", "--reuid=65534", "--regid=65534", "--groups=60"])
    for line in "reset", "set busy_poll_us 1":
        fails(line, NO_PERMISSION, r"no permission: only root \(CAP_SYS_ADMIN\) may .*",
              become=NOBODY)
    equal(sysfs("busy_poll_us"), "0")


@test
def no_file_for_the_device():
    done = subprocess.run(["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev && exec "
                           f"{PROGRAM} ping"], capture_output=True, text=True, timeout=TIMEOUT)
    equal((done.returncode, done.stderr),
          (NO_DEVICE, "sstctl: the driver has sst0, but there is no file /dev/sst0 here\n"))


@test
def device_goes():
    with unbound("sst0") as unbind, running("events") as events, \
            running("stats -i 0.1") as watch, running("ping -i 0.01") as pings, \
            running("write 0", stdin=subprocess.PIPE) as writer:
        for program in events, watch, pings:
            ready(program.stdout)
        files = f"/proc/{writer.pid}/fd/*"
        wait_until(lambda: "/dev/sst0" in map(os.path.realpath, glob.glob(files)))
        unbind()
        for program in events, watch:
            finish(program, GONE, "sstctl: sst0 is gone\n")
        out = finish(pings, GONE, "sstctl: sst0 is gone\n")
        assert "--- sst0 ping statistics ---" in out, out
        writer.stdin.write(b"x" * 10000)
        writer.stdin.flush()
        finish(writer, GONE, "sstctl: sst0 is gone\n")
    text("ping -c 1")


@test
def no_device():
    with contextlib.ExitStack() as stack:
        for device in "sst0", "sst1", "sst2":
            stack.enter_context(unbound(device))()
        equal(text("list"), "")
        equal(document("list", "list"), [])
        for line in "ping", "stats", "reset", "-d 0 ping":
            fails(line, NO_DEVICE, "the driver has no device; dmesg may say why, and one with "
                  "another ID than 0x1042 needs virtio_id=")
    fails("-d /dev/nothing ping", NO_DEVICE, "--device /dev/nothing: No such file or directory")


@test
def no_driver():
    subprocess.run(["rmmod", "virtio_sst"], check=True)
    try:
        for line in ("list", "info", "ping", "-d 0 ping", "-d 0 stats", "events", "reset",
                     "set busy_poll_us 1"):
            fails(line, NO_DRIVER, "the driver is not loaded; as root: modprobe virtio-sst")
        # One without netlink looks like this
        done = subprocess.run(["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys/module "
                               f"&& mkdir /sys/module/virtio_sst && exec {PROGRAM} list"],
                              capture_output=True, text=True, timeout=TIMEOUT)
        equal(done.returncode, NO_DRIVER)
        assert re.fullmatch("sstctl: the driver that is loaded has no netlink interface: it is "
                            "older than sstctl .*\n", done.stderr), done.stderr
    finally:
        subprocess.run(["insmod", os.environ["SST_MODULE"], *os.environ["SST_MODULE_ARGS"].split()],
                       check=True)


def main():
    word = sys.argv[3] if len(sys.argv) > 3 else ""
    chosen = [function for function in TESTS if word in function.__name__]
    failed = 0
    for n, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {n} {name}", flush=True)
        except Exception:
            print(f"not ok {n} {name}", flush=True)
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()),
                  end="", flush=True)
            failed += 1
    print(f"1..{len(chosen)}")
    return failed > 0


sys.exit(main())
