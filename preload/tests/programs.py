#!/usr/bin/env python3
"""Runs real programs, unmodified, with the library and without: each must say the same and end the same.

    preload/tests/programs.py LIBRARY short              what CI runs
    preload/tests/programs.py LIBRARY all --rounds 3     all of them, taking turns; prints the table of preload/README.md
    preload/tests/programs.py LIBRARY redis z3           some of them
    preload/tests/programs.py --packages short           what they need of Debian

Lines that hold a time are compared without it. A program that is not installed has failed. Time is the median of the
rounds; memory is the most that one process of the program had resident, the median as well.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

# name: in the short set?; packages; what prepares the folder (once); the command; what differs from run to run.
Program = collections.namedtuple("Program", "short packages prepare command vary")
PROGRAMS = {}


def program(name, command, short=False, packages="", prepare="", vary=()):
    PROGRAMS[name] = Program(short, packages.split(), prepare, command, [re.compile(one) for one in vary])


def python_tests(name, modules, short=False, without=()):
    leave_out = " ".join(f"-i {pattern}" for pattern in without)
    program(
        name,
        f"/usr/bin/python3 -m test {leave_out} {modules}",
        short,
        "python3 libpython3.11-testsuite",
        vary=[
            r"^\d:\d\d:\d\d load avg: [\d.]+ (\[.*?\] )?",
            r"^Total duration.*",
            r" -- \w+ passed.*",
            r"^== (?!Tests result).*",
        ],
    )


python_tests("python-short", "test_dict test_list test_json test_re test_gc test_threading", short=True)
python_tests("python-processes", "test_subprocess test_fork1 test_posix test_thread test_multiprocessing_fork")
# In CI without the cases that do nothing but wait.
python_tests(
    "python-subprocess", "test_subprocess", short=True, without=["*timeout*", "*leaking_fds*", "*leak_fds*", "*wait_when*"]
)
python_tests("python-wide", "test_ctypes test_zlib test_hashlib test_array test_struct test_ssl test_mmap test_queue")

program(
    "perl",
    "perl words.pl",
    True,
    "perl",
    prepare=r"""cat >words.pl <<'EOF'
use strict; use warnings;
my ($seed, %count, @lines) = (12345);
sub next_number { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed >> 8 }
for my $line (1 .. 60000) {
    my @words = map { "w" . next_number() % 5000 } 1 .. next_number() % 20;
    push @lines, join " ", @words;
    $count{$_}++ for @words;
}
my $text = join "\n", @lines;
my $hits = () = $text =~ /w(\d)\1\d*/g;
$text =~ s/w(\d+)/length($1) . "x$1"/ge;
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
my %tree; push @{$tree{substr $_, 0, 2}{substr $_, 0, 3}}, $_ for sort keys %count;
print "$hits ", length $text, " @top ", scalar(keys %tree), "\n";
my $child = open(my $pipe, "-|") // die; if (!$child) { print scalar(keys %count), "\n"; exit 3 }
print <$pipe>; close $pipe; print $? >> 8, "\n";
EOF""",
)
program(
    "git",
    "rm -rf copy && git clone -q --no-local origin copy && cd copy && git gc -q --aggressive --prune=now && git fsck --full 2>&1"
    " && git log --stat --format='%H %s' | sha1sum && git blame README.md | sha1sum && git repack -q -a -d --threads=2"
    " && git count-objects && git grep -c alloc HEAD | sha1sum",
    True,
    "git",
    prepare=f"""git clone -q --bare '{REPOSITORY}' origin""",
)
program(
    "gcc",
    "for file in *.c; do gcc -O2 -S -o - $file | sha1sum; done; gcc -O2 -flto=2 -pthread -o out family.c operators.c && echo linked",
    True,
    "gcc libc6-dev",
    prepare=f"cp '{HERE}/family.c' . && echo 'int other;' >operators.c",
)
program(
    "g++",
    "g++ -std=c++20 -O2 -S -o - big.cc | sha1sum; g++ -std=c++20 -O1 -g -o big big.cc && ./big",
    packages="g++",
    prepare=r"""cat >big.cc <<'EOF'
#include <algorithm>
#include <future>
#include <iostream>
#include <map>
#include <memory_resource>
#include <ranges>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
int main()
{
    std::map<std::string, std::vector<int>> tree;
    for (int i = 0; i < 200000; i++) tree["key" + std::to_string(i * 7919 % 10007)].push_back(i);
    std::regex form("(key)([0-9]+)7");
    long hits = std::ranges::count_if(tree, [&](auto &p) { return std::regex_match(p.first, form); });
    std::vector<std::future<size_t>> parts;
    for (int t = 0; t < 4; t++)
        parts.push_back(std::async(std::launch::async, [&, t] {
            std::pmr::unsynchronized_pool_resource pool;
            std::pmr::unordered_map<std::pmr::string, int> words(&pool);
            for (auto &p : tree) words[std::pmr::string(p.first + std::string(t * 20, 'x'), &pool)] += p.second.size();
            size_t sum = 0;
            for (auto &w : words) sum += w.first.size() * w.second;
            return sum;
        }));
    for (auto &part : parts) std::cout << part.get() << ' ';
    std::cout << hits << '\n';
}
EOF""",
)
program(
    "redis",
    "bash redis.sh",
    True,
    "redis-server redis-tools",
    # The benchmark's figures are thrown away: what the server holds afterwards is what must be the same.
    prepare=r"""cat >redis.sh <<'EOF'
set -eu
rm -f socket out.rdb
redis-server --port 0 --unixsocket socket --save '' --enable-debug-command yes --daemonize no --dbfilename out.rdb \
    --activedefrag no --loglevel warning --io-threads 2 --lazyfree-lazy-user-del yes >server.log 2>&1 &
server=$!
for _ in $(seq 100); do redis-cli -s socket ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-benchmark -s socket -q -n 5000 -d 300 -P 8 -c 20 -t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd,lrange_100,mset >/dev/null
awk 'BEGIN { for (i = 0; i < 60000; i++) { print "SET key" i " " i * i; print "RPUSH list" i % 50 " " i; print "HSET hash" i % 300 " f" i " " i;
    print "ZADD sorted" i % 7 " " i % 1013 " m" i; if (i % 3 == 0) print "DEL key" i / 3; if (i % 10 == 0) print "APPEND key" i " abcdefghijklmnop" } }' |
    redis-cli -s socket --pipe | tail -1
redis-cli -s socket dbsize
redis-cli -s socket debug digest
redis-cli -s socket save
redis-cli -s socket debug reload
redis-cli -s socket memory purge
redis-cli -s socket debug digest
redis-cli -s socket flushall
redis-cli -s socket shutdown nosave || true
wait $server
cat server.log | grep -v -e overcommit -e WARNING -e '^ *$' | wc -l
EOF""",
)
program(
    "sqlite3",
    "rm -f db && sqlite3 db <work.sql",
    True,
    "sqlite3",
    prepare=r"""cat >work.sql <<'EOF'
pragma cache_size = 4000;
create table word (id integer primary key, name text, size int);
create index by_name on word (name);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
insert into word select i, hex(i * 7919 % 65537) || substr('abcdefghijklmnop', 1, i % 16), i % 977 from n;
commit;
select count(*), sum(size), min(name), max(name) from word;
select size, count(*), group_concat(substr(name, 1, 3)) from word where size < 3 group by size;
select count(*) from word a join word b on a.name = b.name where a.size < 40;
create table copy as select * from word order by name desc;
select name, row_number() over (partition by size order by name) r from word order by r desc, name limit 3;
delete from word where id % 3 = 0;
vacuum;
pragma integrity_check;
select count(*), json_array_length(json_group_array(name)) from word;
EOF""",
)
program(
    "z3",
    "for file in *.smt2; do z3 -st $file | grep -v -e memory -e time -e alloc; done",
    packages="z3",
    prepare=r"""python3 - <<'EOF'
def queens(n):
    yield from (f"(declare-const q{i} Int)(assert (and (<= 0 q{i}) (< q{i} {n})))" for i in range(n))
    for i in range(n):
        for j in range(i):
            yield f"(assert (and (distinct q{i} q{j}) (distinct (- q{i} q{j}) {i - j} {j - i})))"
def product(bits, value):
    yield f"(declare-const a (_ BitVec {bits}))(declare-const b (_ BitVec {bits}))"
    yield f"(assert (= (bvmul a b) (_ bv{value} {bits})))"
    half = bits // 2
    for name in "ab":
        yield f"(assert (and (bvugt {name} (_ bv1 {bits})) (bvult {name} (_ bv{1 << half} {bits}))))"
def arrays(n):
    yield "(declare-const a0 (Array Int Int))"
    for i in range(n):
        yield f"(declare-const i{i} Int)(define-fun a{i + 1} () (Array Int Int) (store a{i} i{i} {i}))"
        if i: yield f"(assert (< i{i - 1} i{i}))"
    yield f"(assert (not (= (select a{n} i0) 0)))"
for name, lines in {"queens": queens(12), "product": product(34, 64927 * 63803), "arrays": arrays(60)}.items():
    open(f"{name}.smt2", "w").write("\n".join(lines) + "\n(check-sat)\n")
EOF""",
)
program(
    "openttd",
    "XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD HOME=$PWD /usr/games/openttd -x -v null:ticks=20000 -s null -m null -b null -g -G 42 2>&1",
    packages="openttd openttd-opengfx",
)
program(
    "chocolate-doom",
    # It ends by an error that says how long it took, which is its way.
    "HOME=$PWD SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy /usr/games/chocolate-doom -iwad /usr/share/games/doom/freedoom2.wad"
    " -extraconfig extra.cfg -timedemo demo1 -nosound 2>&1; echo $?",
    packages="chocolate-doom freedoom",
    prepare=r"printf 'force_software_renderer 1\nstartup_delay 0\nshow_endoom 0\n' >extra.cfg",
    vary=[r"in \d+ realtics.*", r"zone memory: 0x\w+"],
)
program(
    "node",
    "node work.js",
    packages="nodejs",
    prepare=r"""cat >work.js <<'EOF'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib'), crypto = require('crypto');
if (isMainThread) {
    let sums = [], left = 6;
    for (let i = 0; i < 6; i++) {
        const worker = new Worker(__filename, { workerData: i });
        worker.on('message', (m) => { sums[i] = m; });
        worker.on('exit', () => { if (--left === 0) console.log(sums.join('\n')); });
    }
} else {
    const map = new Map();
    for (let i = 0; i < 100000; i++) map.set('k' + (i * 7919 % 50021), { i, s: 'x'.repeat(i % 40) });
    const text = JSON.stringify([...map]);
    const packed = zlib.gzipSync(text), back = zlib.gunzipSync(packed).toString();
    let buffers = []; for (let i = 0; i < 2000; i++) { buffers.push(Buffer.allocUnsafeSlow(i * 13 % 9000 + 1).fill(i)); if (i % 3) buffers.shift(); }
    parentPort.postMessage(back.length + ' ' + (back === text) + ' ' + crypto.createHash('sha1').update(Buffer.concat(buffers)).digest('hex') + workerData);
}
EOF""",
)
program(
    "ruby",
    "ruby work.rb",
    packages="ruby",
    prepare=r"""cat >work.rb <<'EOF'
require 'digest'; require 'json'; require 'set'
words = Hash.new { |h, k| h[k] = [] }
200000.times { |i| words["w#{i * 7919 % 10007}"] << i.to_s * (i % 5) }
threads = 4.times.map { |t| Thread.new { words.select { |k, _| k.hash; k.size > t }.map { |k, v| [k, v.join.size] }.sort.first(3) } }
puts threads.map(&:value).inspect
GC.start; GC.compact if GC.respond_to?(:compact)
puts Digest::SHA1.hexdigest(JSON.generate(words)), Set.new(words.values.map(&:size)).size
r, w = IO.pipe; pid = fork { r.close; w.puts words.size; exit!(5) }; w.close; puts r.read; Process.wait(pid); puts $?.exitstatus
EOF""",
)
program(
    "java",
    "java -Xmx256m -cp . Work",
    packages="",
    prepare=r"""cat >Work.java <<'EOF'
import java.util.*; import java.util.stream.*; import java.util.zip.*;
public class Work {
    public static void main(String[] a) throws Exception {
        Map<String, Integer> m = new TreeMap<>();
        for (int i = 0; i < 500000; i++) m.merge("k" + i * 7919L % 50021, i, Integer::sum);
        long s = IntStream.range(0, 64).parallel().mapToLong(i -> {
            Deflater d = new Deflater(); byte[] in = m.toString().getBytes(), out = new byte[in.length];
            d.setInput(in, 0, 100000 + i * 1000); d.finish(); int n = d.deflate(out); d.end(); return n; }).sum();
        System.out.println(m.size() + " " + s);
    }
}
EOF
javac Work.java""",
)
program(
    "shell",
    "bash work.sh",
    True,
    "bash busybox openssh-client xz-utils",
    prepare=r"""cat >work.sh <<'EOF'
declare -A seen
for i in {1..20000}; do seen[$((i * 7919 % 5003))]+=x$i; done
echo ${#seen[@]} ${#seen[17]}
seq 100000 -1 1 | busybox sort -n | busybox awk '{ a[$1 % 100] += $1 } END { for (i = 0; i < 100; i++) printf "%d ", a[i]; print "" }'
seq 100000 | busybox gzip | busybox gunzip | busybox sha1sum
rm -f key key.pub; ssh-keygen -q -t ed25519 -N '' -C me -f key && ssh-keygen -l -f key | cut -d' ' -f1,3-; ssh-keygen -y -f key | cut -c1-20
for i in $(seq 30); do /bin/true; (echo $i) | cat >/dev/null; done
seq 300000 -1 1 | sort --parallel=4 -S 20M -n | sha1sum; ls -lR /usr/share/doc | awk '{ print $5 }' | sort -n | tail -1
find /usr/share/doc -name '*a*' | head -3000 | xargs -P4 -n100 true; tar -c /usr/share/doc/[a-d]* 2>/dev/null | xz -0 -T2 | xz -d | tar -t | wc -l
EOF""",
)


class Measured:
    def __init__(self):
        self.seconds, self.kilobytes = [], []
        self.output, self.status = None, None


def run(one, folder, library, into):
    """One run, in its folder. `env` sets the variable, so that the clock's own process is measured by nobody."""
    figures = folder.parent / "figures"
    preload = [f"LD_PRELOAD={library}"] if library else []
    command = ["/usr/bin/time", "-q", "-o", str(figures), "-f", "%e %M", "env", *preload, "bash", "-c", one.command]
    began = time.monotonic()
    ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    into.seconds.append(time.monotonic() - began)
    into.kilobytes.append(int(figures.read_text().split()[-1]))
    lines = ended.stdout.decode(errors="replace").splitlines()
    for pattern in one.vary:
        lines = [pattern.sub("", line) for line in lines]
    into.output, into.status = "\n".join(lines), ended.returncode


def compare(name, library, rounds):
    one = PROGRAMS[name]
    alone, on_it = Measured(), Measured()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "work"
        folder.mkdir()
        if one.prepare:
            subprocess.run(["bash", "-ec", one.prepare], cwd=folder, check=True)
        for _ in range(rounds):
            for measured, preload in (alone, None), (on_it, library):
                run(one, folder, preload, measured)
            if (alone.output, alone.status) != (on_it.output, on_it.status):
                break
    return alone, on_it


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", action="store_true", help="print what the programs need of Debian, and end")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("what", nargs="+", help="the library, unless --packages; then short, all, or names")
    arguments = parser.parse_intermixed_args()
    names = arguments.what if arguments.packages else arguments.what[1:]
    chosen = [
        name for name, one in PROGRAMS.items() if "all" in names or name in names or ("short" in names and one.short)
    ]
    unknown = set(names) - set(PROGRAMS) - {"all", "short"}
    if unknown or not chosen:
        parser.error(f"known are short, all, {', '.join(PROGRAMS)}")
    if arguments.packages:
        print(*sorted({package for name in chosen for package in PROGRAMS[name].packages} | {"time"}))
        return 0
    library = pathlib.Path(arguments.what[0]).resolve(strict=True)
    if not shutil.which("/usr/bin/time"):
        parser.error("/usr/bin/time is missing; see --packages")
    os.environ.update(LC_ALL="C", TZ="UTC", PYTHONHASHSEED="7", SEED="7", GIT_CONFIG_GLOBAL="/dev/null", GIT_PAGER="cat")
    os.environ.pop("LD_PRELOAD", None)
    failed = 0
    print("| program | seconds without | with | | peak MiB without | with | |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in chosen:
        alone, on_it = compare(name, library, arguments.rounds)
        seconds = [statistics.median(one.seconds) for one in (alone, on_it)]
        peaks = [statistics.median(one.kilobytes) / 1024 for one in (alone, on_it)]
        print(
            f"| {name} | {seconds[0]:.2f} | {seconds[1]:.2f} | {seconds[1] / seconds[0]:.2f} "
            f"| {peaks[0]:.1f} | {peaks[1]:.1f} | {peaks[1] / peaks[0]:.2f} |",
            flush=True,
        )
        if alone.status == 127 or (alone.output, alone.status) != (on_it.output, on_it.status):
            failed += 1
            print(f"{name} FAILED: status {alone.status} without, {on_it.status} with the library", file=sys.stderr)
            print(f"--- without\n{alone.output[-3000:]}\n--- with\n{on_it.output[-3000:]}", file=sys.stderr, flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
