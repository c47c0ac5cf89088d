#!/usr/bin/env python3
"""Real programs, as Debian has them, recorded; those that do the same each time are run by heaptrack, too, which must say the same.

    ARENITE=… RECORDER=… HEAP=… preload/record/tests/real.py [python3 git …]

Each recording is whole, nothing was dropped or it was counted, what lives is what was allocated and not freed, and threads have
their names. Of two runs, by heaptrack and by us, the sums of calls and of bytes that live in the end, and what both say of each of
the places with most of them, are at most 5 % apart. A place is the innermost one on the stack that either knows without files of debug
information, which the machine may have for some libraries: an exported function, or an address in the program itself.
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from recording import Failed, Recorded, calls, check, name

# What is compared.
TOP, APART = 12, 0.05

PYTHON = """
import json, collections, threading
class Node:
    def __init__(self, key): self.key, self.kids = key, []
tree = collections.defaultdict(list)
for i in range(12000):
    tree["k%d" % (i % 997)].append([i, str(i), {"a": i}])
text = json.dumps(tree)
back = json.loads(text)
nodes = [Node(word) for word in text.split()[:20000]]
print(len(text), len(back), len(nodes))
"""


class Places:
    """What both tools know of a stack's innermost frames: exported functions, and addresses in the program itself."""

    def __init__(self, program):
        libraries = re.findall(r"(/\S+) \(0x", output("ldd", program))
        self.name, self.one_of = pathlib.Path(program).resolve().name, {}
        for file in [program, *libraries]:
            names = collections.defaultdict(list)
            for line in output("nm", "-D", "--defined-only", file).splitlines():
                address, kind, symbol = line.split(maxsplit=2)
                if kind in "TWi":
                    names[address].append(symbol.split("@")[0])
            for same in names.values():
                for symbol in same:
                    self.one_of.setdefault(symbol, min(same))
        # What `arenite report` takes for an allocator, and allocators.
        for symbol in "strdup", "malloc", "calloc", "realloc", "memalign":
            for prefix in "", "__", "__libc_":
                self.one_of.pop(prefix + symbol, None)
        loads = re.findall(r"LOAD +0x\w+ 0x(\w+) 0x\w+ 0x\w+ 0x(\w+)", output("readelf", "-lW", program))
        self.start = min(int(start, 16) for start, _ in loads)
        self.end = max(int(start, 16) + int(size, 16) for start, size in loads)
        self.entry = int(re.search(r"Entry point address: +0x(\w+)", output("readelf", "-hW", program))[1], 16)

    def of(self, frames, base):
        """The innermost place."""
        for frame in frames:
            frame = frame.removeprefix("__GI_")
            if frame in self.one_of:
                return self.one_of[frame]
            if frame.startswith(self.name + "+0x"):
                return frame
            if frame.startswith("0x") and self.start <= int(frame, 16) - base < self.end:
                return f"{self.name}+{int(frame, 16) - base:#x}"
        return "?"

    def base(self, stacks):
        """How far from the addresses in its file the program was loaded: the outermost frame is that of its beginning."""
        if self.start:
            return 0
        outermost = collections.Counter(int(frames[-1], 16) for frames, _ in stacks if frames and frames[-1].startswith("0x"))
        return (outermost.most_common(1)[0][0] - self.entry) & ~0xFFF if outermost else 0

    def sums(self, stacks):
        base, sums = self.base(stacks), collections.Counter()
        for frames, figure in stacks:
            sums[self.of(frames, base)] += figure
        return sums


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def by_heaptrack(command, environment, folder):
    """Stacks with calls, and stacks with bytes that live at the end."""
    file = folder / "heaptrack"
    done = subprocess.run(
        ["heaptrack", "-o", file, *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
        env={**os.environ, **environment},
    )
    file = next(iter(folder.glob("heaptrack*")), None)
    check(file, f"heaptrack fails: {done.stderr}")
    answer = []
    quiet = ["-a", "0", "-p", "0", "-T", "0", "-l", "0", "--disable-builtin-suppressions", "--disable-embedded-suppressions"]
    for kind in "allocations", "leaked":
        out = folder / "stacks"
        subprocess.run(
            ["heaptrack_print", "-f", file, "-F", out, "--flamegraph-cost-type", kind, *quiet],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=200,
        )
        stacks = []
        for line in out.read_text(errors="replace").splitlines():
            frames, figure = line.rsplit(" ", 1)
            frames = [re.sub(r" \(.*", "", frame) for frame in frames.split(";") if frame.strip()]
            stacks.append((frames[::-1], int(figure)))
        answer.append(stacks)
    file.unlink()
    return answer


def near(ours, theirs, what, least):
    """Both say the same of whatever is at the top with either."""
    top = {function for sums in (ours, theirs) for function, figure in sums.most_common(TOP) if figure >= least}
    check(len(top) >= 3, f"{what}: too little to compare: {top}")
    for function in sorted(top):
        a, b = ours[function], theirs[function]
        check(abs(a - b) <= APART * max(a, b), f"{what} of {function}: {a}, heaptrack says {b}")
    return len(top)


def compared(command, environment=None, options=()):
    """A program that does the same each time."""
    environment = environment or {}
    with tempfile.TemporaryDirectory() as scratch:
        run = sound(Recorded(command, *options, environment=environment, folder=scratch))
        places = Places(command[0])
        stacks = by_heaptrack(command, environment, pathlib.Path(scratch))
    ours = [[([name(frame) for frame in site["frames"]], figure(site["figures"])) for site in run.sites]
            for figure in (calls, lambda figures: figures["live_bytes"])]
    said = []
    for what, a, b, least in zip(("calls", "bytes that live"), ours, stacks, (200, 1000)):
        total, other = sum(figure for _, figure in a), sum(figure for _, figure in b)
        check(abs(total - other) <= APART * other, f"{what}: {total}, heaptrack says {other}")
        count = near(places.sums(a), places.sums(b), what, least)
        said.append(f"{total} {what} (heaptrack {other}, {count} places)")
    return ", ".join(said)


def sound(run):
    """What must be so of every recording."""
    total = run.report["total"]
    lives = total["allocs"] - total["live_blocks"]
    # A free of what was there before is none of a block that was recorded.
    freed = total["frees"]
    check(run.lost > 0 or 0 <= freed - lives <= 50 or freed == lives, f"{total} do not add up")
    check(run.lost <= total["frees"] // 10, f"{run.lost} events were dropped")
    check(total["peak_bytes"] >= total["live_bytes"] and calls(total) > 1000, f"{total}")
    check(not run.frames_of_ours(), f"stacks with {run.frames_of_ours()}")
    unknown = sum(calls(site["figures"]) for site in run.sites if not site["frames"])
    check(unknown == 0, f"{unknown} of {calls(total)} calls have no call stack")
    return run


def names(run, wanted):
    missing = set(wanted) - {thread["name"] for thread in run.report["threads"]}
    check(not missing, f"no thread is named {missing}")


def figures(run):
    total, lost = run.report["total"], f", {run.lost} events dropped" if run.lost else ""
    return f"{calls(total)} calls, {total['live_bytes']} of {total['peak_bytes']} bytes live{lost}, {len(run.report['threads'])} threads"


def python3():
    with tempfile.TemporaryDirectory() as scratch:
        script = pathlib.Path(scratch) / "work.py"
        script.write_text(PYTHON)
        return compared(["/usr/bin/python3", "-S", "-s", script], {"PYTHONHASHSEED": "7", "PYTHONMALLOC": "malloc"})


def git():
    repository = pathlib.Path(__file__).resolve().parents[3]
    command = ["/usr/bin/git", "-c", "core.pager=", "-c", "safe.directory=*", "-C", repository, "log", "--stat", "-n", "60", "--format=%H %s"]
    return compared(command, {"GIT_CONFIG_GLOBAL": "/dev/null"})


def perl():
    text = "my %h; $h{$_ % 5000} .= 'x' x ($_ % 50) for 1..60000; my @s = sort { $h{$a} cmp $h{$b} } keys %h; print scalar(@s), qq(\\n)"
    return compared(["/usr/bin/perl", "-e", text], {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"})


def redis():
    with tempfile.TemporaryDirectory() as scratch:
        server = ["redis-server", "--port", "0", "--unixsocket", "socket", "--save", "", "--daemonize", "no", "--loglevel", "warning",
                  "--io-threads", "2"]
        script = f"""
            for _ in $(seq 400); do redis-cli -s {scratch}/socket ping >/dev/null 2>&1 && break; sleep 0.05; done
            redis-benchmark -s {scratch}/socket -q -n 3000 -d 300 -P 8 -c 20 -t set,get,incr,lpush,rpop,sadd,hset,zadd >/dev/null
            redis-cli -s {scratch}/socket flushall; redis-cli -s {scratch}/socket shutdown nosave"""
        client = subprocess.Popen(["bash", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            run = sound(Recorded(server, folder=scratch, limit=100))
        finally:
            client.kill()
            client.wait()
        names(run, ["redis-server", "bio_close_file", "bio_aof_fsync", "bio_lazy_free", "io_thd_1"])
        return figures(run)


def openttd():
    with tempfile.TemporaryDirectory() as scratch:
        # A game of its own without anything to see or hear, for so many ticks.
        command = ["/usr/games/openttd", "-v", "null:ticks=300", "-s", "null", "-m", "null", "-g", "-G", "7", "-x", "-c", f"{scratch}/cfg"]
        environment = {"HOME": scratch, "XDG_DATA_HOME": scratch, "XDG_CONFIG_HOME": scratch}
        run = sound(Recorded(command, environment=environment, folder=scratch, limit=170))
        names(run, ["openttd"])
        return figures(run)


def main():
    programs = {one.__name__: one for one in (python3, git, perl, redis, openttd)}
    chosen = sys.argv[1:] or list(programs)
    failures = 0
    for program in chosen:
        try:
            print(f"{program:<9} ok: {programs[program]()}", flush=True)
        except (Failed, subprocess.TimeoutExpired, OSError) as error:
            failures += 1
            print(f"{program:<9} FAILED: {error}", file=sys.stderr, flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
