#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests sstctl's command line, which needs no device: sstctl_usage_test.py PROGRAM

Prints TAP."""

import subprocess
import sys

USAGE = 2
COMMANDS = ("list info ping echo compute read write configure reset events stats set").split()

# Wrong command lines, and what is to be said about each
WRONG = (
    ("", "a command is missing; there are: list"),
    ("--json", "a command is missing"),
    ("pong", "unknown command pong; there are: list"),
    ("--nonsense list", "unknown option --nonsense; accepted here: --json"),
    ("list --nonsense", "unknown option --nonsense"),
    ("list -x", "unknown option -x"),
    ("list --count 1", "unknown option --count"),
    ("list word", "list takes no argument"),
    ("compute", "compute takes the arguments UNITS"),
    ("compute 1 2", "compute takes the arguments UNITS"),
    ("ping --count", "--count: N missing: a number from 1 on"),
    ("ping -c", "--count: N missing"),
    ("ping --quiet=1", "--quiet takes no argument"),
    ("ping --count 0", "--count 0: accepted is a number from 1 on"),
    ("ping --count -1", "--count -1: accepted"),
    ("ping --count 010", "--count 010: accepted"),
    ("ping --count 18446744073709551616", "--count 18446744073709551616: accepted"),
    ("ping --interval 1s", "--interval 1s: accepted is seconds"),
    ("ping --interval 86401", "--interval 86401: accepted is seconds from 0 to 86400"),
    ("ping --size 4081", "--size 4081: accepted is a number of bytes from 0 to 4080"),
    ("ping --timeout 0", "--timeout 0: accepted is seconds from 0.001 to 86400"),
    ("ping --timeout 0.0001", "--timeout 0.0001: accepted"),
    ("--device 1x ping", "--device 1x: accepted is N, sstN or /dev/sstN"),
    ("--device sst ping", "--device sst: accepted"),
    ("--device 01 ping", "--device 01: accepted"),
    ("--device /dev/null ping", "--device /dev/null: accepted"),
    ("--device 1048576 ping", "--device 1048576: accepted"),
    ("compute -1", "unknown option -1"),
    ("compute 1.5", "UNITS 1.5: accepted is a number"),
    ("compute 18446744073709551616", "UNITS 18446744073709551616: accepted"),
    ("compute 1 --model 4294967296", "--model 4294967296: accepted is a number from 0 to 4294967295"),
    ("read 0 0", "SIZE 0: accepted"),
    ("read 0 1X", "SIZE 1X: accepted is a number, decimal or with 0x, or one with K, M or G"),
    ("read 0 010", "SIZE 010: accepted"),
    ("read 0xfffffffffffffffe 3", "SIZE 3: accepted is a number, decimal or with 0x, or one "
     "with K, M or G, from 1 to 2"),
    ("--json read 0 2M", "read: --json prints at most 1M"),
    ("write", "write takes the arguments ADDRESS [SIZE]"),
    ("write x", "ADDRESS x: accepted"),
    ("configure 4294967296 1", "PARAMETER 4294967296: accepted is a number, decimal or with 0x, "
     "from 0 to 4294967295"),
    ("set request_timeout_ms 0", "request_timeout_ms 0: accepted is a number, decimal or with "
     "0x, from 1 to 86400000"),
    ("set request_timeout_ms 86400001", "request_timeout_ms 86400001: accepted"),
    ("set busy_poll_us 10001", "busy_poll_us 10001: accepted"),
    ("set colour 1", "set: unknown name colour; there are: request_timeout_ms busy_poll_us"),
    ("stats --interval 0", "stats: --interval 0: accepted is a longer time"),
)


def run(program, words):
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)


def wrong(program, line, expected):
    done = run(program, line.split())
    assert (done.returncode, done.stdout) == (USAGE, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("sstctl: " + expected), done.stderr


def help_of_all(program):
    done = run(program, ["--help"])
    assert (done.returncode, done.stderr) == (0, ""), done
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout, command
    assert max(map(len, done.stdout.splitlines())) <= 100, done.stdout


def help_of_one(program, command):
    done = run(program, [command, "--help"])
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith(f"Usage: sstctl {command} [OPTION]..."), done.stdout
    assert "\n  -j, --json " in done.stdout, done.stdout


def version(program):
    done = run(program, ["--version"])
    assert done.returncode == 0 and done.stdout.startswith("sstctl "), done


def full_output(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1, done
    assert done.stderr == "sstctl: standard output: No space left on device\n", done.stderr


def tests(program):
    yield "--help", lambda: help_of_all(program)
    yield "--version", lambda: version(program)
    yield "standard output is full", lambda: full_output(program)
    for command in COMMANDS:
        yield f"{command} --help", lambda: help_of_one(program, command)
    for line, expected in WRONG:
        yield f"sstctl {line}", lambda: wrong(program, line, expected)


def main():
    failed = n = 0
    for n, (name, test) in enumerate(tests(sys.argv[1]), 1):
        try:
            test()
            print(f"ok {n} {name}")
        except AssertionError as error:
            print(f"not ok {n} {name}\n# {error}")
            failed += 1
    print(f"1..{n}")
    return failed > 0


sys.exit(main())
