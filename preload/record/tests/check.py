#!/usr/bin/env python3
"""Programs that know what they allocate (programs.c, operators.cc), recorded: the report must say the same, to the byte.

    ARENITE=… RECORDER=… HEAP=… preload/record/tests/check.py FOLDER     of the built programs
"""
import os
import pathlib
import subprocess
import sys
import tempfile

from recording import ARENITE, HEAP, RECORDER, Failed, Recorded, calls, check, report

FOLDER = pathlib.Path(sys.argv[1]).resolve(strict=True)
PROGRAMS, PLUGIN = FOLDER / "programs", FOLDER / "plugin.so"


def agrees(run, output=None):
    """What the program printed of itself is what was recorded of it."""
    lines = [line.split() for line in (output or run.output).splitlines()]
    check(lines, "it said nothing")
    for function, *expected in lines:
        family = function.endswith("_")
        found = run.sums(lambda frames: any(one.startswith(function) if family else one == function for one in frames))
        check(found == [int(figure) for figure in expected], f"{function}: {found} recorded, {expected} it says")
        # Who called is the first one, unless the C++ library asked for it.
        inner = {site["frames"][0]["function"] for site in run.sites for frame in site["frames"] if frame["function"] == function}
        inner = {one for one in inner if not one.startswith(("operator new", "__cxa_allocate_exception"))}
        check(inner <= {function}, f"{function} is called by {inner}")
    check(not run.frames_of_ours(), f"stacks with {run.frames_of_ours()}")
    check(run.lost == 0, f"{run.lost} events were dropped")


def truth():
    for options in (), ("--heap", "arenite"), ("--stacks", "fp"), ("--depth", "3"):
        agrees(Recorded([PROGRAMS, "truth", "4"], *options))
    # No stacks: the sums are all there is, and what the C library asked for is among them.
    run = Recorded([PROGRAMS, "truth", "1"], "--depth", "0")
    asked, blocks, size = map(int, run.output.split()[1:])
    total = run.report["total"]
    check(asked <= calls(total) <= asked + 20, f"{calls(total)} calls, {asked} it says")
    check(blocks <= total["live_blocks"] <= blocks + 20, f"{total['live_blocks']} blocks, {blocks} it says")
    check(size <= total["live_bytes"] <= size + 100_000, f"{total['live_bytes']} bytes, {size} it says")


def sample():
    """A sample is said to be one, has fewer calls, and tells how many there were."""
    run = Recorded([PROGRAMS, "truth", "1"], "--sample", "4KiB")
    asked, blocks, size = map(int, run.output.split()[1:])
    recorded, total = run.report["recorded"]["blocks"], run.report["total"]
    check(run.report["sample_bytes"] == 4096 and 100 < recorded < asked / 2, f"{recorded} of {asked} are in the sample")
    # Their intervals have the truth 19 times in 20; two and a half of them, as good as always. Some more is the C library's.
    for name, found, truth, others in (
        ("calls", calls(total), asked, 20),
        ("live_blocks", total["live_blocks"], blocks, 20),
        ("live_bytes", total["live_bytes"], size, 100_000),
    ):
        within = total["within"][name]
        check(abs(found - truth) <= 2.5 * within + others, f"{name}: about {found} (± {within}), and there were {truth}")


def edges():
    for options in (), ("--heap", "arenite"):
        run = Recorded([PROGRAMS, "edges"], *options)
        agrees(run)
        # What the dynamic linker has from before there was an environment, it gives back in every program.
        before = Recorded([PROGRAMS, "exits"], *options).report["before"]
        check(run.report["before"] == before, f"{run.report['before']} were there before, not {before}")


def exits():
    agrees(Recorded([PROGRAMS, "exits"]))


def threads():
    run = Recorded([PROGRAMS, "threads"])
    agrees(run)
    names = {thread["name"] for thread in run.report["threads"]}
    missing = {f"worker {number}" for number in range(10)} - names
    check(not missing, f"no thread is named {missing}: {names}")
    # What destructors of the thread's values give back is the thread's.
    nameless = [thread for thread in run.report["threads"] if thread["number"] == 0 and thread["frees"] + thread["allocs"] > 0]
    check(not nameless, f"threads that can not be told apart: {nameless}")


def forks():
    for options in (), ("--heap", "arenite"), ("--sample", "1"):
        run = Recorded([PROGRAMS, "fork"], *options)
        if not options or options[0] != "--sample":
            agrees(run)


def each_process():
    """With --children, a forked child has a file of its own, and so has one that calls another program."""
    with tempfile.TemporaryDirectory() as scratch:
        base = [ARENITE, "record", "--children", "-o", f"{scratch}/%p.arec", "--library", RECORDER, "--"]
        done = subprocess.run([*base, PROGRAMS, "fork"], capture_output=True, text=True, timeout=120)
        check(done.returncode == 0 and "of 21 processes" in done.stderr, done.stderr)
        sums = [report(file) for file in pathlib.Path(scratch).glob("*.arec")]
        check(sum(one["complete"] for one in sums) == 11, "those that ended by `exit` are whole")
        # Two of them are children that were busy (with two more, which did not). What found no room was counted.
        asked = [(calls(one["total"]), one["lost_events"]) for one in sums if one["complete"]]
        busy = [one for one in asked if one[0] <= 300_200 and sum(one) >= 300_101]
        check(len(busy) == 2, f"{asked} calls")
    with tempfile.TemporaryDirectory() as scratch:
        base[4] = f"{scratch}/%p.arec"
        done = subprocess.run([*base, PROGRAMS, "exec", PROGRAMS, "exits"], capture_output=True, text=True, timeout=120)
        check(done.returncode == 0 and "of 2 processes" in done.stderr, done.stderr)


def execs():
    """What a recorded program starts does not record, and finds the environment as it would without."""
    run = Recorded([PROGRAMS, "exec", PROGRAMS, "exits"])
    agrees(run, "exec_work 1 1 700\nexit_first 0 0 0\nexit_second 0 0 0")
    run = Recorded([PROGRAMS, "exec", "env"])
    check("ARENITE_RECORD" not in run.output and "LD_PRELOAD" not in run.output, run.output)
    # Other libraries that were to be loaded stay.
    run = Recorded([PROGRAMS, "exec", "env"], environment={"LD_PRELOAD": str(PLUGIN)})
    check(f"\nLD_PRELOAD={PLUGIN}\n" in "\n" + run.output, run.output)


def plugins():
    agrees(Recorded([PROGRAMS, "plugin", PLUGIN]))
    # What libraries allocate before the program begins is recorded, too: by one it is linked with, and by one loaded before.
    own = "plugin_begins 3 2 1100"
    agrees(Recorded([FOLDER / "linked", "exits"]), own)
    agrees(Recorded([PROGRAMS, "exits"], environment={"LD_PRELOAD": str(PLUGIN)}), own)


def leaves():
    """No `exit`: the file is cut, and says so; all but its last moment is there."""
    run = Recorded([PROGRAMS, "leave"], status=7, whole=False)
    check("did not end by `exit`" in run.errors, run.errors)
    found = run.sums(lambda frames: "leave_work" in frames)
    check(found == [1, 1, 800], f"{found}")


def unharmed():
    """What a program does with files, signals and stacks works as it does without: at worst the recording ends early, and says why."""
    with tempfile.TemporaryDirectory() as scratch:
        run = Recorded([PROGRAMS, "closes", f"{scratch}/own"], whole=False)
        check("has closed the file" in run.errors, run.errors)
        check(pathlib.Path(f"{scratch}/own").read_bytes() == b"mine", "its own file was written to")
    Recorded([PROGRAMS, "signals"])
    Recorded([PROGRAMS, "far"], "--stacks", "fp")
    with tempfile.TemporaryDirectory() as scratch:
        # What was written of the last chunk is no chunk.
        command = [ARENITE, "record", "-o", f"{scratch}/a.arec", "--library", RECORDER, "--", PROGRAMS, "limits"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0 and "too large" in done.stderr, f"{done}")
        check(not report(f"{scratch}/a.arec")["complete"], "it is not whole")
        # A thread with a small stack begins a recording, that of its child.
        command = [ARENITE, "record", "--children", "-o", f"{scratch}/%p.arec", "--library", RECORDER, "--", PROGRAMS, "small"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0 and "of 2 processes" in done.stderr, done.stderr)
    # Whatever threads have by default.
    Recorded([PROGRAMS, "exits"], environment={"RUST_MIN_STACK": "16384"})


def crowded():
    """More threads than segments: what found no room is told in the file, also of those who never had one."""
    run = Recorded([PROGRAMS, "crowd"], environment={"ARENITE_RECORD_BUFFER": "128KiB"})
    told = calls(run.report["total"]) + sum(thread["frees"] for thread in run.report["threads"])
    check(told < 40_000 <= told + run.lost, f"{told} events and {run.lost} dropped, of 40000")


def operators():
    for options in (), ("--heap", "arenite"):
        for program in "operators", "replaced", "pool":
            agrees(Recorded([FOLDER / program], *options))


def dashboards():
    """`arenite top` starts a program, shows it until it ends, and ends with its status."""
    for command, status in ([PROGRAMS, "truth", "4"], 0), ([PROGRAMS, "leave"], 7):
        base = [ARENITE, "top", "--interval", "100ms", "--library", RECORDER, "--heap-library", HEAP, "--", *command]
        done = subprocess.run(base, capture_output=True, text=True, timeout=120)
        check(done.returncode == status, f"it ended with {done.returncode}, not {status}: {done.stderr[-2000:]}")
        check("programs" in done.stdout and "per second" in done.stdout, f"it shows {done.stdout[-2000:]}")
    done = subprocess.run([ARENITE, "top", "--library", RECORDER, "--", FOLDER / "static"], capture_output=True, text=True, timeout=60)
    check(done.returncode == 2 and "nothing was recorded" in done.stderr and done.stderr.count("\n") == 1, f"{done}")


def refused():
    """One line, and status 2."""
    def line(*command, environment=()):
        done = subprocess.run(
            [ARENITE, "record", "--library", RECORDER, *command], capture_output=True, text=True, timeout=60,
            env={**os.environ, **dict(environment)}, cwd=FOLDER,
        )
        lines = done.stderr.splitlines()
        check(done.returncode == 2 and len(lines) == 1 and lines[0].startswith("arenite: "), f"{command}: {done}")
        return lines[0]

    check("nothing was recorded" in line("-o", "none.arec", "--", FOLDER / "static"), "a static program")
    check("cannot be started" in line("-o", "none.arec", "--", "/no/such/program"), "no program")
    check("cannot write" in line("-o", "/no/such/folder/a.arec", "--", "true"), "no folder")
    check("%p" in line("--children", "-o", "a.arec", "--", "true"), "children without %p")
    check("%p" in line("-o", "a-%p.arec", "--", "true"), "%p without children")
    # Who sets the variables himself is told, too; the program runs.
    for name, value in ("SAMPLE", "lots"), ("DEPTH", "129"), ("STACKS", "all"), ("BUFFER", "1MB"):
        environment = {"LD_PRELOAD": RECORDER, "ARENITE_RECORD": "/dev/null", f"ARENITE_RECORD_{name}": value}
        done = subprocess.run([PROGRAMS, "exits"], capture_output=True, text=True, env={**os.environ, **environment})
        wanted = f"arenite: ARENITE_RECORD_{name}={value} is not "
        check(done.returncode == 0 and done.stderr.startswith(wanted) and done.stderr.count("\n") == 1, f"{done}")
    # A file that can not be made.
    environment = {"LD_PRELOAD": RECORDER, "ARENITE_RECORD": "/no/such/folder/a.arec"}
    done = subprocess.run([PROGRAMS, "exits"], capture_output=True, text=True, env={**os.environ, **environment})
    check(done.returncode == 0 and "nothing is recorded" in done.stderr, f"{done}")


def main():
    failures = 0
    tests = [truth, sample, edges, exits, threads, forks, each_process, execs, plugins, leaves, unharmed, crowded, operators, dashboards, refused]
    for test in tests:
        try:
            test()
            print(f"{test.__name__:<14} ok", flush=True)
        except (Failed, subprocess.TimeoutExpired) as error:
            failures += 1
            print(f"{test.__name__:<14} FAILED: {error}", file=sys.stderr, flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
