#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Looks at what scripts/bench has left in a folder, and prints what is wrong with it."""

import json
import os
import sys
import xml.etree.ElementTree

# Targets for which there has to be a value, and those that need what is not there yet
MEASURED = (
    "write + read, p50",
    "one call, ioctl, p50",
    "one call, uring_cmd, p50",
    "one call, busy polling, ioctl, p50",
    "one call, busy polling, uring_cmd, p50",
    "32 in flight, vectored write and read",
    "32 in flight, uring_cmd",
    "32 in flight, mmap slots",
    "kicks, 32 in flight in batches of 16",
    "interrupts, 32 in flight in batches of 16",
    "allocations of the driver in the steady state",
    "4 processes on 4 queue pairs against 1 pair",
    "write + read against console, p50",
    "32 in flight against console",
    "write + read against vsock, p50",
    "32 in flight against vsock",
    "statistics and tracepoints that are off",
    "memory of an idle open file",
    "memory of a request in flight",
)
MISSING = (
    "locks shared between queue pairs",
)
KEYS = {"metric", "value", "unit", "reference", "ratio", "target", "met"}


def faults_of(row):
    """What is wrong with one row"""
    if not KEYS <= row.keys():
        yield "has no " + ", ".join(KEYS - row.keys())
        return
    sign, bound = row["target"].split()
    if row["value"] is None:
        if row["metric"] in MEASURED:
            yield f"was not measured: {row.get('note')}"
        if row["met"] or not row.get("note"):
            yield "is met, or has no note, without a value"
        return
    compared = row["value"] if row["reference"] is None else row["ratio"]
    if row["reference"] and abs(row["value"] / row["reference"] - row["ratio"]) > 0.001:
        yield "has a wrong ratio"
    if row["met"] != (compared <= float(bound) if sign == "<=" else compared >= float(bound)):
        yield "is met, or not, by mistake"


def faults(folder):
    with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
        rows = json.load(file)
    metrics = [row.get("metric") for row in rows]
    if sorted(metrics) != sorted(MEASURED + MISSING):
        yield f"the targets are {metrics}"
    for row in rows:
        for fault in faults_of(row):
            yield f"{row.get('metric')}: {fault}"
    for name in ("latency.svg", "throughput.svg"):
        xml.etree.ElementTree.parse(os.path.join(folder, name))


def main():
    found = list(faults(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


sys.exit(main())
