#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Judges which lines of the driver the tests execute.

coverage.py RESULTS REASONS   prints a table of what gcovr counted (RESULTS, JSON), and, as
        TAP, whether that is enough: of all lines a certain part, and of the rest only those
        that REASONS (YAML) has a reason for. It is run in the folder of the sources.

REASONS is a list. Each member has the text of the lines that no test executes, by file and
function, and the reason. It has no numbers of lines, which change all the time.
"""

import collections
import json
import pathlib
import sys

import yaml

LEAST = 95

Place = collections.namedtuple("Place", "file function text")


def function_of(functions, number):
    """The name of the function that has the line of this number."""
    names = [f["name"] for f in sorted(functions, key=lambda f: f["lineno"]) if f["lineno"] <= number]
    return names[-1] if names else ""


def code(file):
    """The lines of a file that are code."""
    return [line for line in file["lines"] if not line["gcovr/noncode"]]


def lines(results):
    """Yields each line that is code, as a place, and its number and count."""
    for file in results["files"]:
        source = pathlib.Path(file["file"]).read_text(encoding="utf-8").splitlines()
        for line in code(file):
            number = line["line_number"]
            function = function_of(file["functions"], number)
            place = Place(pathlib.Path(file["file"]).name, function, source[number - 1].strip())
            yield place, number, line["count"]


def reasons(path):
    """The places that have a reason."""
    return {
        Place(file, function, text)
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
        for file, functions in entry["lines"].items()
        for function, texts in functions.items()
        for text in texts
    }


def share(counts):
    """How many of the counts are not 0, in words."""
    seen = sum(count > 0 for count in counts)
    return f"{seen:5} of {len(counts):5} {100 * seen / max(len(counts), 1):6.1f} %"


def print_table(results):
    print(f"# {'file':24}{'lines':>22}{'branches':>22}{'functions':>22}")
    total = ([], [], [])
    for file in results["files"]:
        row = (
            [line["count"] for line in code(file)],
            [branch["count"] for line in code(file) for branch in line["branches"]],
            [function["execution_count"] for function in file["functions"]],
        )
        for all_counts, counts in zip(total, row):
            all_counts += counts
        print(f"# {pathlib.Path(file['file']).name:24}", *map(share, row))
    print(f"# {'all':24}", *map(share, total))


def verdict(number, name, problems):
    print(f"{'not ok' if problems else 'ok'} {number} {name}")
    for problem in problems:
        print(f"# {problem}")
    return not problems


def main():
    results = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    explained = reasons(pathlib.Path(sys.argv[2]))
    found = list(lines(results))
    unseen = [(place, number) for place, number, count in found if not count]
    part = 100 * (len(found) - len(unseen)) / max(len(found), 1)

    print_table(results)
    for place in sorted(explained & {place for place, _, count in found if count}):
        print(f"# has a reason, and was executed: {place.file}: {place.function}(): {place.text}")
    passed = [
        verdict(1, f"at least {LEAST} % of the lines are executed", [] if part >= LEAST else [f"{part:.1f} %"]),
        verdict(2, "there is a reason for each line that is not",
                [f"{place.file}:{number}: {place.function}(): {place.text}"
                 for place, number in unseen if place not in explained]),
        verdict(3, "each reason is for a line that is there",
                [f"{place.file}: {place.function}(): {place.text}"
                 for place in sorted(explained - {place for place, _, _ in found})]),
    ]
    print(f"1..{len(passed)}")
    sys.exit(not all(passed))


main()
