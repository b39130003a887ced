#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Drives the netlink family "virtio-sst" with the kernel's own tool, by the spec.

YNL_CLI and YNL_SPEC are the paths of the tool and of the spec, where the test is not in a
kernel tree. The device must answer as backend-options says.
"""

import json
import os
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.join(HERE, "../../../../..")
CLI = os.environ.get("YNL_CLI", os.path.join(TREE, "tools/net/ynl/pyynl/cli.py"))
SPEC = os.environ.get("YNL_SPEC", os.path.join(TREE, "Documentation/netlink/specs/virtio-sst.yaml"))
SYSFS = "/sys/class/virtio-sst/sst0/"

TYPE_WRONG_ID = 102


def command(*arguments):
    """The tool's command line"""
    return [sys.executable, "-B", CLI, "--spec", SPEC, "--no-schema", "--output-json", *arguments]


def ask(how, operation, **attributes):
    """Returns what the kernel answers, or what the tool says of an error."""
    run = subprocess.run(command(how, operation, "--json", json.dumps(attributes)),
                         capture_output=True, text=True, check=False)
    output = run.stdout + run.stderr
    return json.loads(output) if run.returncode == 0 and output.startswith(("{", "[", "null")) \
        else output


def follow(group, act):
    """Returns what is told in a group within three seconds, while act() is done."""
    with subprocess.Popen(command("--subscribe", group, "--duration", "3"),
                          stdout=subprocess.PIPE, text=True) as tool:
        time.sleep(1)
        act()
        return [json.loads(line) for line in tool.stdout]


def read(name):
    """What a file in the device's folder of sysfs says"""
    with open(SYSFS + name, encoding="ascii") as file:
        return file.read().strip()


def stats():
    """The counters of sysfs, with the names of the spec"""
    lines = (line.split() for line in read("stats").splitlines())
    return {name.replace("_", "-"): int(value) for name, value in lines}


def request(number):
    """Makes a request of a type, and reads the response."""
    device = os.open("/dev/sst0", os.O_RDWR)
    os.write(device, struct.pack("<IIQQ", number, 0, 0, 7))
    os.read(device, 4112)
    os.close(device)


def rebind():
    """Takes the driver off the device, and brings it back."""
    name = os.path.basename(os.readlink(SYSFS + "device"))
    for what in "unbind", "bind":
        with open("/sys/bus/virtio/drivers/virtio-sst/" + what, "w", encoding="ascii") as file:
            file.write(name)


def device_is_as_in_sysfs():
    """All that the spec has for a device"""
    device = ask("--do", "device-get", index=0)
    told = stats()
    now = {name: told.pop(name) for name in ("in-flight", "zombies", "slots")}
    return (device["stats"] == told and now.items() <= device.items() and
            device["name"] == "sst0" and device["state"] == "running" and
            device["parent"] == os.path.basename(os.readlink(SYSFS + "device")) and
            device["device-id"] == int(read("device_id")) and
            int(device["version"], 0) == int(read("version"), 0) and
            {"echo", "compute", "memory"} <= set(device["features"]) and
            device["request-timeout-ms"] == int(read("request_timeout_ms")) and
            device["busy-poll-us"] == int(read("busy_poll_us")) and
            ask("--dump", "device-get")[0] == device)


def queues_are_told():
    """The pairs of queues of all devices, and of one"""
    queues = ask("--dump", "queue-get")
    device = ask("--do", "device-get", index=0)
    own = [queue for queue in queues if queue["device-index"] == 0]
    return (len(own) == device["queue-pairs"] and
            ask("--dump", "queue-get", **{"device-index": 0}) == own and
            sum(queue["stats"]["requests"] for queue in own) == device["stats"]["requests"])


def settings_are_taken():
    """As sysfs shows them then"""
    taken = ask("--do", "device-set",
                **{"index": 0, "request-timeout-ms": 4000, "busy-poll-us": 5})
    shown = read("request_timeout_ms"), read("busy_poll_us")
    ask("--do", "device-set", **{"index": 0, "request-timeout-ms": 5000, "busy-poll-us": 0})
    return taken is None and shown == ("4000", "5")


def errors_are_explained():
    """With the attribute that is wrong, and the range"""
    return all(all(word in answer for word in words) for answer, words in (
        (ask("--do", "device-get"), ("index of the device is missing", "'miss-type': 'index'")),
        (ask("--do", "device-get", index=4711), ("no such device", ".index")),
        (ask("--dump", "queue-get", **{"device-index": 4711}),
         ("no such device", ".device-index")),
        (ask("--do", "device-set", index=0), ("no setting is given",)),
        (ask("--do", "device-set", **{"index": 0, "request-timeout-ms": 0}),
         ("integer out of range", ".request-timeout-ms", "'max-value': 86400000")),
        (ask("--do", "device-set", **{"index": 0, "busy-poll-us": 10001}),
         ("integer out of range", ".busy-poll-us", "'max-value': 10000"))))


def changes_are_told():
    """Settings, a reset, the end and the return of a device"""
    def act():
        ask("--do", "device-set", **{"index": 0, "busy-poll-us": 0})
        ask("--do", "device-reset", index=0)
        rebind()

    told = follow("devices", act)
    resets = [one["msg"]["stats"]["resets"] for one in told[:2]]
    return (resets[1] == resets[0] + 1 and told[2]["msg"]["state"] == "gone" and
            [one["name"] for one in told] == ["device-change-ntf", "device-change-ntf",
                                              "device-del-ntf", "device-add-ntf"])


def faults_are_told():
    """Once, with all of them"""
    def act():
        request(TYPE_WRONG_ID)
        request(TYPE_WRONG_ID)

    time.sleep(1.5)
    before = stats()["mismatches"]
    told = follow("counters", act)
    return ([one["name"] for one in told] == ["counters-ntf"] and
            told[0]["msg"]["stats"]["mismatches"] == before + 2)


def main():
    """Prints the results as TAP."""
    tests = (device_is_as_in_sysfs, queues_are_told, settings_are_taken, errors_are_explained,
             changes_are_told, faults_are_told)
    failed = False
    print(f"TAP version 13\n1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        try:
            good = test()
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            print(f"# {error!r}")
            good = False
        failed |= not good
        print(f"{'ok' if good else 'not ok'} {number} {test.__name__}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
