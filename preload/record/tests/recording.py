"""Records a program by `arenite record`, and reads what `arenite report --json` says of it."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

ARENITE = os.environ["ARENITE"]
RECORDER = os.environ["RECORDER"]
HEAP = os.environ["HEAP"]


class Failed(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Failed(what)


def report(file):
    done = subprocess.run([ARENITE, "report", "--json", "--top", "100000", file], capture_output=True, text=True)
    check(done.returncode == 0, f"the report fails: {done.stderr}")
    return json.loads(done.stdout)


class Recorded:
    """One run: what the program printed and ended with, what `arenite record` said, and the report."""

    def __init__(self, command, *options, status=0, whole=True, environment=(), folder=None, limit=120):
        with tempfile.TemporaryDirectory() as scratch:
            file = pathlib.Path(scratch) / "run.arec"
            began = time.monotonic()
            done = subprocess.run(
                [ARENITE, "record", "-o", file, "--library", RECORDER, "--heap-library", HEAP, *options, "--", *command],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=limit, cwd=folder,
                env={**os.environ, **dict(environment)},
            )
            self.seconds = time.monotonic() - began
            self.output, self.errors, self.status = done.stdout, done.stderr, done.returncode
            check(self.status == status, f"it ended with {self.status}, not {status}: {self.errors[-2000:]}")
            check("read it with: arenite report" in self.errors.splitlines()[-1], f"the last line is {self.errors[-300:]!r}")
            self.report = report(file)
        check(self.report["complete"] == whole, f"complete: {self.report['complete']}")
        check(self.report["damaged_chunks"] == 0 and self.report["skipped_bytes"] == 0, "parts are damaged")
        self.lost = self.report["lost_events"]
        sites = self.report["sites"]
        lists = [sites[name] for name in ("churn", "live", "peak", "temporary")]
        # Each call site once. (A site is in none of the lists if it never asked for a byte.)
        self.sites = {site["stack"]: site for one in lists for site in one}.values()

    def frames_of_ours(self):
        """Functions of the recorder, which no stack may have."""
        names = {frame["function"] for site in self.sites for frame in site["frames"]}
        return [name for name in names if "arenite" in name]

    def sums(self, belongs):
        """Calls, blocks and bytes that live at the end, of those sites."""
        figures = [site["figures"] for site in self.sites if belongs([name(frame) for frame in site["frames"]])]
        return [sum(calls(one) for one in figures)] + [sum(one[key] for one in figures) for key in ("live_blocks", "live_bytes")]


def calls(figures):
    """How often memory was asked for."""
    return figures["allocs"] + figures["reallocs"]


def name(frame):
    """A function without its arguments."""
    return frame["function"].split("(")[0]
