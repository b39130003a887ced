#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the results of scripts/bench out of what was measured.

usage: report.py FOLDER

The folder has a file rows-MODE.jsonl for each guest, with a line of JSON for each
measurement, and traces of the kernel. It gets results.json, a row for each target, the
same as a table in table.txt and table.rst, and latency.svg and throughput.svg.
"""

import json
import os
import re
import statistics
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "sst", "svg.fonttype": "none", "font.size": 9})
from matplotlib import pyplot  # noqa: E402

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128)
CALLS = ("write-read", "ioctl", "uring", "uring-fixed", "uring-cmd", "uring-cmd-fixed",
         "uring-cmd-iopoll", "aio", "mmap", "mmap-ioctl")
DEEP_CALLS = ("write-read", "uring", "uring-cmd", "uring-cmd-fixed", "aio", "mmap")


class Missing(Exception):
    """Something was not measured, and why."""


class Measurements:
    """All rows of all guests."""

    def __init__(self, folder):
        self.rows = []
        for name in sorted(os.listdir(folder)):
            match = re.fullmatch(r"rows-(\w+)\.jsonl", name)
            if match:
                self.read(os.path.join(folder, name), match[1])

    def read(self, path, mode):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    self.rows.append({"mode": mode, **json.loads(line)})

    def find(self, mode, label, interface, depth=1, processes=1):
        rows = [row for row in self.rows
                if (row["mode"], row["label"], row["interface"], row["depth"],
                    row["processes"]) == (mode, label, interface, depth, processes)]
        good = [row for row in rows if "error" not in row]
        if good:
            return good
        raise Missing(rows[0]["error"] if rows else f"{label} {interface} was not measured")

    def median(self, key, *which, **more):
        return statistics.median(row[key] for row in self.find(*which, **more))

    def has(self, *which, **more):
        try:
            return bool(self.find(*which, **more))
        except Missing:
            return False

    def limit(self, key, mode, interface, ring="ring"):
        """A time of the ring and of the calls, one request at a time."""
        return (self.median(key, mode, "ring", ring) +
                self.median(key, mode, "null", interface))

    def limit_rate(self, mode, interface, depth, ring="ring", key="rate"):
        """The rate that the times of a request in the ring and in the calls allow."""
        return 1 / (1 / self.median(key, mode, "ring", ring, depth) +
                    1 / self.median(key, mode, "null", interface, depth))


def trace_file(folder, name):
    """The path of a trace, and the row of what was measured meanwhile"""
    path = os.path.join(folder, "traces", name)
    if not os.path.exists(path + ".trace"):
        raise Missing("the guest's kernel has no tracepoints of allocations")
    with open(path + ".json", encoding="utf-8") as file:
        row = json.loads(file.readline())
    if "error" in row:
        raise Missing(row["error"])
    return path + ".trace", row


def trace_events(path, pattern):
    """The events in a trace that match a pattern, each with the functions that led there"""
    event = None
    stack = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(" =>"):
                stack.append(line)
            elif not line.endswith("<stack trace>\n"):
                if event:
                    yield event, stack
                event, stack = re.search(pattern, line), []
    if event:
        yield event, stack


def ours(frame):
    return "[virtio_sst]" in frame


class Allocations:
    """What the driver allocates itself, and how often it has the ring do so."""

    EVENT = r": (kmalloc|kmem_cache_alloc|mm_page_alloc|mm_page_free): (.*)"

    def __init__(self, folder, name):
        self.count = 0
        self.bytes = 0
        self.ring = 0
        path, self.row = trace_file(folder, name)
        for event, stack in trace_events(path, self.EVENT):
            if event[1].startswith("mm_page"):
                self.add_pages(event[1], event[2], stack)
            else:
                self.add(event[2], stack)

    def add_pages(self, kind, text, stack):
        """Pages that the driver takes itself, not those of slabs or of the ring"""
        if not any(map(ours, stack)) or \
                any(re.search("slab|kmalloc|virtqueue_|vring_", frame) for frame in stack):
            return
        size = 4096 << int(re.search(r"order=(\d+)", text)[1])
        self.bytes += size if kind == "mm_page_alloc" else -size
        self.count += kind == "mm_page_alloc"

    def add(self, text, stack):
        if ours(text.split(" ptr=")[0]):
            self.bytes += int(re.search(r"bytes_alloc=(\d+)", text)[1])
            self.count += 1
        elif any(map(ours, stack)):
            self.ring += any("virtqueue_add" in frame for frame in stack)


def allocations(folder, interface):
    """Allocations per request, of the driver and of the ring: what a longer run has more
    than a shorter one."""
    short, long = (Allocations(folder, f"{interface}-{count}") for count in (320, 960))
    requests = long.row["n"] - short.row["n"]
    return (long.count - short.count) / requests, (long.ring - short.ring) / requests


def file_memory(folder):
    return (Allocations(folder, "open-101").bytes - Allocations(folder, "open-1").bytes) / 100


def request_memory(folder):
    short, long = (Allocations(folder, f"grow-{count}") for count in (1, 100))
    slots = long.row["slots"] - short.row["slots"]
    if slots <= 0:
        raise Missing("the driver took no memory for further requests")
    return (long.bytes - short.bytes) / slots


def instructions(folder, name):
    """What a request takes in all functions that it goes through. A call may take more than
    usual, as the first one does."""
    path = os.path.join(folder, "counts", name, "counts")
    if not os.path.exists(path):
        raise Missing("instructions are counted in User Mode Linux")
    calls = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            call = json.loads(line)
            calls.setdefault(call["function"], []).append(call["instructions"])
    if len(calls) < 3:
        raise Missing(f"only these functions were counted: {', '.join(calls)}")
    return sum(statistics.median(counts) for counts in calls.values())


class Results:
    """The rows of results.json."""

    def __init__(self, measurements, folder):
        self.m = measurements
        self.folder = folder
        self.rows = []

    def add(self, metric, unit, target, measure):
        """measure() returns the value, its reference, and what else is to be told."""
        row = {"metric": metric, "value": None, "unit": unit, "reference": None,
               "ratio": None, "target": target, "met": False}
        try:
            value, reference, more = measure()
            row["value"] = round(value, 4)
            compared = value
            if reference is not None:
                row["reference"] = round(reference, 4)
                row["ratio"] = round(value / reference, 3)
                compared = row["ratio"]
            sign, bound = target.split()[:2]
            row["met"] = compared <= float(bound) if sign == "<=" else compared >= float(bound)
            row.update(more)
        except Missing as missing:
            row["note"] = str(missing)
        self.rows.append(row)

    def latency(self, metric, interface, mode, ring, target, polled_by_driver=False):
        def measure():
            if polled_by_driver and not self.m.median("busy_poll_us", mode, "sst", interface):
                raise Missing("the driver does not poll")
            return (self.m.median("p50", mode, "sst", interface),
                    self.m.limit("p50", mode, interface, ring),
                    {"p99": self.m.median("p99", mode, "sst", interface),
                     "p99_reference": self.m.limit("p99", mode, interface, ring)})
        self.add(metric, "us", target, measure)

    def rate(self, metric, interface, target):
        self.add(metric, "requests/s", target, lambda: (
            self.m.median("rate", "sleeping", "sst", interface, 32),
            self.m.limit_rate("sleeping", interface, 32),
            {"mean": self.m.median("mean_rate", "sleeping", "sst", interface, 32),
             "mean_reference": self.m.limit_rate("sleeping", interface, 32, key="mean_rate")}))

    def per_request(self, metric, counter, target):
        def measure():
            rows = self.m.find("sleeping", "sst", "write-read", 32)
            return sum(row[counter] for row in rows) / sum(row["requests"] for row in rows), None, {}
        self.add(metric, "per request", target, measure)

    def allocations(self):
        own, ring = {}, {}
        for interface in CALLS:
            try:
                own[interface], ring[interface] = allocations(self.folder, interface)
            except Missing as missing:
                if "tracepoints" in str(missing):
                    raise
        return max(own.values()), None, {"by_interface": own, "of_the_ring": ring}

    def observation(self):
        plain, whole = (instructions(self.folder, name) for name in ("plain", "whole"))
        return 100 * (whole / plain - 1), None, {
            "instructions": whole, "instructions_without": plain}

    def pairs(self):
        pairs = self.m.median("pairs", "processes", "pairs", "write-read", 32, processes=4)
        if pairs < 4:
            raise Missing(f"the device has {pairs} pairs of queues in use")
        # That some wait for others now and then is what is to be seen: the mean counts.
        (value, reference), (usual, usual_reference) = (
            [self.m.median(key, "processes", label, "write-read", 32, processes=4)
             for label in ("pairs", "sst")] for key in ("mean_rate", "rate"))
        return value, reference, {"usual": usual, "usual_reference": usual_reference}

    def peer(self, peer, interface, rate_target):
        self.add(f"write + read against {peer}, p50", "us", "<= 0.8", lambda: (
            self.m.median("p50", "sleeping", "sst", "write-read"),
            self.m.median("p50", "sleeping", peer, interface),
            {"one_call": self.m.median("p50", "sleeping", "sst", "ioctl"),
             "limit": self.m.limit("p50", "sleeping", "write-read")}))
        self.add(f"32 in flight against {peer}", "requests/s", rate_target, lambda: (
            self.m.median("rate", "sleeping", "sst", "write-read", 32),
            self.m.median("rate", "sleeping", peer, interface, 32), {}))


def locks_taken(folder, count):
    """How often each lock of the driver was taken, by the name that the kernel has for it"""
    path = os.path.join(folder, "traces", f"locks-{count}.stat")
    if not os.path.exists(path):
        raise Missing("the guest's kernel has no lock_stat")
    with open(path, encoding="utf-8") as file:
        lines = re.findall(r"^ *(\S.*?): +\d+ +\d+(?: +[\d.]+){4} +\d+ +(\d+) ", file.read(), re.M)
    return {name: int(taken) for name, taken in lines if re.match("&?(sst|q|file|aio)\\b|sst_", name)}


def shared_locks(folder):
    """Locks of the whole device, or of all of them, that requests take"""
    short, long = (locks_taken(folder, count) for count in (320, 960))
    more = {name: long[name] - short.get(name, 0) for name in long}
    if more.get("&q->lock", 0) <= 0:
        raise Missing("the lock of a pair of queues was not seen")
    # The read side of SRCU is no lock, although lockdep knows it: it counts, on each CPU apart.
    shared = [name for name in more
              if more[name] > 0 and re.match("&?sst", name) and not name.endswith("srcu-R")]
    return len(shared), None, {"locks": shared, "taken": more}


def not_measured(why):
    def measure():
        raise Missing(why)
    return measure


def targets(m, folder):
    r = Results(m, folder)
    r.latency("write + read, p50", "write-read", "sleeping", "ring", "<= 1.15")
    r.latency("one call, ioctl, p50", "ioctl", "sleeping", "ring", "<= 1.10")
    r.latency("one call, uring_cmd, p50", "uring-cmd", "sleeping", "ring", "<= 1.10")
    r.latency("one call, busy polling, ioctl, p50", "ioctl", "polling", "ring-polled", "<= 1.25", True)
    r.latency("one call, busy polling, uring_cmd, p50", "uring-cmd-iopoll", "polling", "ring-polled",
              "<= 1.25", True)
    r.rate("32 in flight, vectored write and read", "write-read", ">= 0.7")
    r.rate("32 in flight, uring_cmd", "uring-cmd", ">= 0.8")
    r.rate("32 in flight, mmap slots", "mmap", ">= 0.9")
    r.per_request("kicks, 32 in flight in batches of 16", "kicks", "<= 0.10")
    r.per_request("interrupts, 32 in flight in batches of 16", "interrupts", "<= 0.25")
    r.add("allocations of the driver in the steady state", "per request", "<= 0", r.allocations)
    r.add("4 processes on 4 queue pairs against 1 pair", "requests/s", ">= 1", r.pairs)
    r.add("locks shared between queue pairs", "locks", "<= 0", lambda: shared_locks(folder))
    r.peer("console", "stream", ">= 3")
    r.peer("vsock", "vsock", ">= 2")
    r.add("statistics and tracepoints that are off", "% of instructions", "<= 1", r.observation)
    r.add("memory of an idle open file", "bytes", "<= 1024", lambda: (file_memory(folder), None, {}))
    r.add("memory of a request in flight", "bytes", "<= 8704", lambda: (request_memory(folder), None, {}))
    return r.rows


def shown(value):
    return "-" if value is None else f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


def table_lines(rows):
    for row in rows:
        yield (row["metric"], shown(row["value"]), row["unit"], shown(row["reference"]),
               shown(row["ratio"]), row["target"],
               "yes" if row["met"] else "no" if row["value"] is not None else "not measured")


HEAD = ("metric", "value", "unit", "reference", "ratio", "target", "met")


def text_table(rows):
    lines = [HEAD, *table_lines(rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines]
    text += [f"not measured: {row['metric']}: {row['note']}" for row in rows if "note" in row]
    return "\n".join(text) + "\n"


def rst_list(head, lines):
    text = [".. list-table::", "   :header-rows: 1", ""]
    for line in (head, *lines):
        text += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(line)]
    return "\n".join(text) + "\n"


def rst_rates(m):
    """All calls by the number of requests in flight."""
    for label in ("ring", "null", "sst"):
        for interface in ("ring", "ring-polled") if label == "ring" else DEEP_CALLS:
            if m.has("sleeping", label, interface, 32):
                yield (label, interface, *(
                    shown(m.median("rate", "sleeping", label, interface, depth))
                    if m.has("sleeping", label, interface, depth) else "-" for depth in DEPTHS))


def rst_latencies(m):
    for interface in CALLS:
        for mode, ring in (("sleeping", "ring"), ("polling", "ring"), ("polling", "ring-polled")):
            if m.has(mode, "sst", interface) and m.has(mode, "ring", ring):
                yield (interface, mode, ring, *(
                    shown(value) for key in ("p50", "p99") for value in (
                        m.median(key, mode, "sst", interface),
                        m.limit(key, mode, interface, ring))))


def rst_tables(rows, m, about):
    notes = [f"{row['metric']}: {row['note']}." for row in rows if "note" in row]
    return "\n".join((
        ".. SPDX-License-Identifier: GPL-2.0-only", ".. Written by scripts/bench --docs", "",
        f"{about}.", "", rst_list(HEAD, table_lines(rows)),
        *(["Not measured:", ""] + [f"- {note}" for note in notes] + [""] if notes else []),
        "One request at a time, in microseconds:", "",
        rst_list(("interface", "back-end", "ring", "p50", "limit", "p99", "limit"), rst_latencies(m)),
        "Requests a second, by the number in flight, with a back-end that sleeps:", "",
        rst_list(("", "interface", *map(str, DEPTHS)), rst_rates(m))))


def plot_latency(m, path):
    """The limit of each interface, with the ring that the driver uses, beside the driver."""
    bars = [(mode, interface) for mode in ("sleeping", "polling") for interface in CALLS
            if m.has(mode, "sst", interface) and m.has(mode, "ring", "ring")]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(bars) + 1.5))
    for place, (mode, interface) in enumerate(bars):
        polls = m.median("interrupts", mode, "sst", interface) < m.median("n", mode, "sst", interface) / 2
        ring = m.median("p50", mode, "ring", "ring-polled" if polls else "ring")
        p50, p99 = (m.median(key, mode, "sst", interface) for key in ("p50", "p99"))
        axes.barh(place - 0.2, ring, 0.35, color="#888888")
        axes.barh(place - 0.2, m.median("p50", mode, "null", interface), 0.35, left=ring, color="#cccccc")
        axes.barh(place + 0.2, p50, 0.35, color="#3366aa")
        axes.text(p50, place + 0.2, f" {p50:.1f} (p99 {p99:.0f})", va="center", size=7)
    axes.set_yticks(range(len(bars)), [f"{interface}, {mode}" for mode, interface in bars])
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel("µs, p50, one request at a time: grey the limit (ring, then calls), blue the driver")
    save(figure, path)


def plot_throughput(m, path):
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for number, interface in enumerate(DEEP_CALLS):
        depths = [depth for depth in DEPTHS if m.has("sleeping", "sst", interface, depth)
                  and m.has("sleeping", "ring", "ring", depth)]
        if not depths:
            continue
        axes.plot(depths, [m.median("rate", "sleeping", "sst", interface, depth) for depth in depths],
                  "o-", color=f"C{number}", label=interface)
        axes.plot(depths, [m.limit_rate("sleeping", interface, depth) for depth in depths],
                  ":", color=f"C{number}", label=f"limit of {interface}")
    for peer, interface in (("console", "stream"), ("vsock", "vsock")):
        depths = [depth for depth in DEPTHS if m.has("sleeping", peer, interface, depth)]
        if depths:
            axes.plot(depths, [m.median("rate", "sleeping", peer, interface, depth) for depth in depths],
                      "x--", label=peer)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("requests in flight, half of which are submitted at a time")
    axes.set_ylabel("requests a second")
    axes.legend()
    save(figure, path)


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    folder = sys.argv[1]
    m = Measurements(folder)
    rows = targets(m, folder)
    with open(os.path.join(folder, "about.txt"), encoding="utf-8") as file:
        about = file.read().strip()
    write(folder, "results.json", json.dumps(rows, indent=1) + "\n")
    write(folder, "table.txt", about + "\n\n" + text_table(rows))
    write(folder, "table.rst", rst_tables(rows, m, about))
    plot_latency(m, os.path.join(folder, "latency.svg"))
    plot_throughput(m, os.path.join(folder, "throughput.svg"))


main()
