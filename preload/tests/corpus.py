#!/usr/bin/env python3
"""Makes each planted bug of corpus.c under several allocators, and prints who noticed.

    corpus.py PROGRAM LIBRARY [NAME=LIBRARY...]

PROGRAM is corpus.c, compiled; LIBRARY is libarenite_preload.so. Others may be named for comparison. Ends with 1 if the hardened
heap does not do what corpus.c says it must, for any of them.

    named      a message said what was wrong, and the process was ended
    ended      the process was ended without a word
    warned     a message said so, and the program went on
    fault      a page without access was hit
    unnoticed  the program went on to its end
"""
import os
import signal
import subprocess
import sys


def make(program, bug, environment):
    """Makes one bug. Answers what came of it, and what was said."""
    ran = subprocess.run([program, bug], env={**os.environ, **environment}, capture_output=True, text=True,
                         errors="replace", timeout=60)
    said = [line for line in ran.stderr.splitlines() if line.startswith("arenite: ")]
    if ran.returncode == 77:
        return "-", ""
    if ran.returncode == -signal.SIGABRT:
        return ("named" if ran.stderr.strip() else "ended"), (said[-1] if said else ran.stderr.strip())
    if ran.returncode in (-signal.SIGILL, -signal.SIGTRAP):
        return "ended", ""
    if ran.returncode in (-signal.SIGSEGV, -signal.SIGBUS):
        return "fault", ""
    if ran.returncode == 0 and "unnoticed" in ran.stdout:
        # Some only warn.
        return ("warned" if ran.stderr.strip() else "unnoticed"), ran.stderr.strip()
    return f"status {ran.returncode}", ran.stderr.strip()


def main():
    program, library, *others = sys.argv[1:]
    preload = {"LD_PRELOAD": library}
    columns = {"glibc": {}, "Arenite": {**preload, "ARENITE_HARDENED": "0"},
               "Arenite, hardened": {**preload, "ARENITE_HARDENED": "1"}}
    for other in others:
        name, _, path = other.partition("=")
        # mimalloc goes on without a word otherwise.
        columns[name] = {"LD_PRELOAD": path, "MIMALLOC_SHOW_ERRORS": "1"}
    bugs = [line.split("\t") for line in subprocess.run([program], capture_output=True, text=True,
                                                       check=True).stdout.splitlines()]
    print("| bug | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    noticed, failures = dict.fromkeys(columns, 0), []
    for bug, words in bugs:
        row = []
        for name, environment in columns.items():
            outcome, said = make(program, bug, environment)
            noticed[name] += outcome not in ("unnoticed", "-")
            row.append(outcome)
            if name == "Arenite, hardened":
                right = outcome == "fault" if words == "fault" else outcome == "named" and words in said
                if words and not right and outcome != "-":
                    failures.append(f"{bug}: {words} was expected, {outcome} came: {said}")
        print(f"| {bug.replace('_', ' ')} | " + " | ".join(row) + " |", flush=True)
    print(f"| noticed, of {len(bugs)} | " + " | ".join(map(str, noticed.values())) + " |")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
