#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The results of scripts/trust.

trust.py record FILE ATTACK SEED SECONDS PASSED FAILED   keeps a run's figures, which it
        reads from the attack's output
trust.py page DIR FILE   writes the table of promises with the results in DIR
"""

import json
import pathlib
import re
import sys
import time

import yaml

FIGURE = re.compile(r"# figure: (.+) (\d+)$")
PROMISES = pathlib.Path(__file__).with_name("trust-promises.yaml")


def record(path, attack, seed, seconds, passed, failed):
    figures = {}
    for line in sys.stdin:
        if match := FIGURE.match(line.rstrip()):
            name, number = match.groups()
            figures[name] = figures.get(name, 0) + int(number)
    result = {
        "attack": attack,
        "date": time.strftime("%Y-%m-%d"),
        "seed": int(seed),
        "seconds": int(seconds),
        "passed": int(passed),
        "failed": int(failed),
        "figures": figures,
    }
    pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def duration(seconds):
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def figures(result):
    """What an attack did, in words, or that there is no result of it."""
    if not result:
        return "not run"
    numbers = "; ".join(f"{number:,} {name}" for name, number in result["figures"].items())
    return (f"{numbers}; {result['failed']} failures (seed {result['seed']}, "
            f"{duration(result['seconds'])}, {result['date']})")


def rst_list(items):
    return [f"{'     -' if number == 0 else '      '} | {item}" for number, item in enumerate(items)]


def page(folder, path):
    results = {}
    for file in pathlib.Path(folder).glob("*.json"):
        result = json.loads(file.read_text(encoding="utf-8"))
        results[result["attack"]] = result
    out = [".. SPDX-License-Identifier: GPL-2.0-only", ".. Made by scripts/trust --docs: do not edit.", "",
           ".. list-table::", "   :header-rows: 1", "   :widths: 30 35 35", "",
           "   * - Promise", "     - Attacked by", "     - Last figures"]
    for promise in yaml.safe_load(PROMISES.read_text(encoding="utf-8")):
        attacks = promise.get("attacks", [])
        out.append(f"   * - {promise['promise']}")
        out += rst_list([f"``scripts/trust {attack}``" for attack in attacks] +
                        [f"``{test}``" for test in promise.get("tests", [])])
        out += rst_list([f"{attack}: {figures(results.get(attack))}" for attack in attacks] or
                        ["run by ``scripts/check``"])
    pathlib.Path(path).write_text("\n".join(out) + "\n", encoding="utf-8")


def main():
    command, *arguments = sys.argv[1:]
    {"record": record, "page": page}[command](*arguments)


main()
