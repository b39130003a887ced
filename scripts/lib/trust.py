#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The results of scripts/trust, and the promises that they are for, see trust-promises.yaml.

trust.py record FILE ATTACK SEED SECONDS PASSED FAILED   keeps a run's figures, which it
        reads from the attack's output
trust.py page DIR FILE   writes the tables of promises and attacks with the results in DIR
trust.py check ATTACK...   fails if a promise names a test that does not exist, or an attack
        that is none of these, or neither; or if one of these is for no promise
"""

import json
import pathlib
import re
import subprocess
import sys
import time

import yaml

FIGURE = re.compile(r"# figure: (.+) (\d+)$")
PROMISES = pathlib.Path(__file__).with_name("trust-promises.yaml")
TOP = pathlib.Path(__file__).parents[2]
TEST_FOLDERS = [TOP / folder for folder in (
    "tools/testing/selftests/drivers/virtio_sst", "drivers/virtio/tests", "tools/virtio/sst/tests")]
# How a test begins in C with the kernel's harness, in KUnit, and in Python
TEST = r"(TEST_F\w*\(\w+, {0}[,)]|TEST\({0}\)|KUNIT_CASE\w*\({0}[,)]|^def {0}\()"


def promises():
    return yaml.safe_load(PROMISES.read_text(encoding="utf-8"))


def commit():
    """The commit that the tree is, with a "+" if it is not quite that; nothing without git."""
    try:
        said = subprocess.run(["git", "-C", TOP, "describe", "--always", "--exclude=*", "--dirty=+"],
                              check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()


def record(path, attack, seed, seconds, passed, failed):
    figures = {}
    for line in sys.stdin:
        if match := FIGURE.match(line.rstrip()):
            name, number = match.groups()
            figures[name] = figures.get(name, 0) + int(number)
    result = {
        "attack": attack,
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "seed": int(seed),
        "seconds": int(seconds),
        "passed": int(passed),
        "failed": int(failed),
        "figures": figures,
    }
    pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def test_exists(test):
    """A test is FILE, or FILE:NAME for one of the tests in it."""
    file, _, name = test.partition(":")
    paths = [folder / file for folder in TEST_FOLDERS if (folder / file).is_file()]
    if not paths or not name:
        return bool(paths)
    text = paths[0].read_text(encoding="utf-8")
    return bool(re.search(TEST.format(re.escape(name)), text, re.MULTILINE))


def faults(attacks):
    """What is wrong with the list of promises; @attacks is None if any will do."""
    for promise in promises():
        name = promise["promise"]
        if not promise.get("tests") and not promise.get("attacks"):
            yield f"nothing attacks: {name}"
        for test in promise.get("tests", []):
            if not test_exists(test):
                yield f"no test {test}: {name}"
        for attack in promise.get("attacks", []):
            if attacks is not None and attack not in attacks:
                yield f"no attack {attack}: {name}"
    named = {attack for promise in promises() for attack in promise.get("attacks", [])}
    yield from (f"attack {attack} is for no promise" for attack in attacks or [] if attack not in named)


def check(*attacks, any_attack=False):
    found = list(faults(None if any_attack else attacks))
    if found:
        sys.exit("\n".join(found))


def duration(seconds):
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def failures(result):
    return f"**{result['failed']} failures**" if result["failed"] else "no failure"


def table(widths, head, rows):
    """A list-table; each cell of a row is a list of lines."""
    out = [".. list-table::", "   :header-rows: 1", "   :widths: " + " ".join(map(str, widths)), ""]
    for row in [[[cell] for cell in head], *rows]:
        for column, lines in enumerate(row):
            prefix = "   * - " if column == 0 else "     - "
            for line in lines or ["\\-"]:
                out.append(prefix + ("| " if len(lines) > 1 else "") + line)
                prefix = "       "
    return out + [""]


def tests_by_file(tests):
    """The names of tests are sentences but for their spaces."""
    files = {}
    for test in tests:
        file, _, name = test.partition(":")
        files.setdefault(file.partition(".")[0], []).append(name.replace("_", " "))
    return [f"*{file}*: " + ", ".join(names) if all(names) else f"*{file}*"
            for file, names in files.items()]


def promise_row(promise, results):
    attacks = []
    for attack in promise.get("attacks", []):
        result = results.get(attack)
        attacks.append(f"``{attack}``: " +
                       (f"{failures(result)} in {duration(result['seconds'])}" if result else "not run"))
    return [[promise["promise"]], attacks, tests_by_file(promise.get("tests", []))]


def attack_row(result):
    numbers = [f"{number:,} {name}" for name, number in sorted(result["figures"].items())]
    passed, failed = result["passed"], result["failed"]
    tests = f"**{failed:,} of {passed + failed:,} failed**" if failed else f"{passed:,} passed"
    return [[f"``{result['attack']}``"], numbers, [tests], [duration(result["seconds"])],
            [str(result["seed"])], [result["date"], result["commit"]]]


def page(folder, path):
    check(any_attack=True)
    results = {}
    for file in sorted(pathlib.Path(folder).glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        results[result["attack"]] = result
    out = [".. SPDX-License-Identifier: GPL-2.0-only", ".. Made by scripts/trust --docs: do not edit.", ""]
    out += table([32, 20, 48], ["Promise", "Attacks", "Tests"],
                 [promise_row(promise, results) for promise in promises()])
    if results:
        out += table([16, 36, 14, 10, 14, 10], ["Attack", "Figures", "Tests", "Took", "Seed", "Date, commit"],
                     map(attack_row, results.values()))
    pathlib.Path(path).write_text("\n".join(out).rstrip("\n") + "\n", encoding="utf-8")


def main():
    command, *arguments = sys.argv[1:]
    {"record": record, "page": page, "check": check}[command](*arguments)


main()
