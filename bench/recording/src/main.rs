//! Runs the workload under each recorder in turn, and says what each costs. Recorders that are not installed are left out; Tracy's programs
//! are those of the package `recording-bench-tracy`, and its capture tool is where `TRACY_CAPTURE` says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a program is run, and what it is compared with.
struct Way {
    name: &'static str,
    bare: usize,
    program: &'static str,
    mode: &'static str,
    /// What it runs under.
    under: &'static [&'static str],
    frames: usize,
}

const NONE: &[&str] = &[];
/// Told to Tracy's tool while it runs.
const TRACY: &[&str] = &["tracy"];
/// Where Tracy's client listens.
const PORT: &str = "18086";

/// Those that others are compared with come first.
const WAYS: &[Way] = &[
    Way { name: "system's allocator", bare: 0, program: "system", mode: "", under: NONE, frames: 20_000 },
    Way { name: "Arenite, off", bare: 1, program: "with_arenite", mode: "off", under: NONE, frames: 20_000 },
    Way {
        name: "Arenite, full",
        bare: 1,
        program: "with_arenite",
        mode: "full",
        under: NONE,
        frames: 20_000,
    },
    Way {
        name: "Arenite, a sample of 512 KiB",
        bare: 1,
        program: "with_arenite",
        mode: "sample",
        under: NONE,
        frames: 20_000,
    },
    Way {
        name: "heaptrack",
        bare: 0,
        program: "system",
        mode: "",
        under: &["heaptrack", "--raw", "-o"],
        frames: 4000,
    },
    Way { name: "Tracy", bare: 0, program: "with_tracy", mode: "plain", under: TRACY, frames: 4000 },
    Way { name: "Tracy, stacks", bare: 0, program: "with_tracy", mode: "stacks", under: TRACY, frames: 2000 },
    Way {
        name: "Arenite, to Tracy",
        bare: 1,
        program: "arenite_to_tracy",
        mode: "plain",
        under: TRACY,
        frames: 4000,
    },
    Way {
        name: "Arenite, to Tracy, stacks",
        bare: 1,
        program: "arenite_to_tracy",
        mode: "stacks",
        under: TRACY,
        frames: 2000,
    },
    Way { name: "dhat-rs", bare: 0, program: "with_dhat", mode: "on", under: NONE, frames: 2000 },
    Way {
        name: "valgrind dhat",
        bare: 0,
        program: "system",
        mode: "",
        under: &["valgrind", "--tool=dhat", "--dhat-out-file=/dev/null"],
        frames: 1000,
    },
];

/// Tracy's tool, which connects to whoever comes.
fn capture(folder: &Path) -> Option<Child> {
    let mut command = Command::new(std::env::var_os("TRACY_CAPTURE")?);
    command.args(["-f", "-a", "127.0.0.1", "-p", PORT, "-o"]).arg(folder.join("trace"));
    command.stdout(Stdio::piped()).spawn().ok()
}

/// What the tool says must be that all was well.
fn look(tool: Child) {
    let said = tool.wait_with_output().expect("it ends with the program");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("Saving trace... \x1b[32;1mdone") || said.contains("Saving trace... done"),
        "{said}"
    );
    assert!(!said.contains("Instrumentation failure"), "{said}");
}

fn run(way: &Way, folder: &Path, threads: usize) -> Option<Vec<f64>> {
    let own = std::env::current_exe().ok()?.parent()?.join(way.program);
    let tool = match way.under {
        TRACY if !own.exists() => return None,
        TRACY => Some(capture(folder)?),
        _ => None,
    };
    let mut command = match way.under {
        [] => Command::new(own),
        TRACY => {
            let mut command = Command::new(own);
            command.env("TRACY_PORT", PORT).env("TRACY_NO_EXIT", "1");
            command
        }
        [tool, rest @ ..] => {
            let mut command = Command::new(tool);
            command.args(rest);
            if *tool == "heaptrack" {
                command.arg(folder.join("heaptrack"));
            }
            command.arg(own);
            command
        }
    };
    let output = command.arg(way.frames.to_string()).arg(threads.to_string()).arg(way.mode).output().ok()?;
    tool.into_iter().for_each(look);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line =
        text.lines().find(|line| line.split(' ').all(|word| word.parse::<f64>().is_ok()) && !line.is_empty());
    let line = line.unwrap_or_else(|| panic!("{}: {}", way.name, String::from_utf8_lossy(&output.stderr)));
    let mut figures: Vec<f64> = line.split(' ').map(|word| word.parse().expect("numbers")).collect();
    if way.name == "heaptrack" {
        let files = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        figures.extend([bytes as f64 / (2.0 * recording_bench::pairs(way.frames, threads)), 0.0]);
    }
    Some(figures)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// What runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    OneThread,
    TwoThreads,
    /// Two programs of one thread, which share nothing but the machine: what that alone costs.
    TwoPrograms,
}

impl Beside {
    fn run(self, way: &Way, folder: &Path) -> Option<Vec<f64>> {
        match self {
            Self::OneThread => run(way, folder, 1),
            Self::TwoThreads => run(way, folder, 2),
            // Tools that write files or listen are one at a time.
            Self::TwoPrograms if !way.under.is_empty() => None,
            Self::TwoPrograms => std::thread::scope(|scope| {
                let other = scope.spawn(|| run(way, folder, 1));
                let (one, other) = (run(way, folder, 1)?, other.join().expect("it ran")?);
                Some(one.into_iter().zip(other).map(|(one, other)| (one + other) / 2.0).collect())
            }),
        }
    }
}

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(5, |text| text.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().expect("a folder");
    let folder: PathBuf = folder.path().into();
    let mut one_thread = vec![0.0; WAYS.len()];
    for beside in [Beside::OneThread, Beside::TwoThreads, Beside::TwoPrograms] {
        let mut all = vec![Vec::new(); WAYS.len()];
        for _ in 0..rounds {
            for (figures, way) in all.iter_mut().zip(WAYS) {
                figures.extend(beside.run(way, &folder));
            }
        }
        println!(
            "{beside:?}: nanoseconds a pair, more than bare; times that of one thread; bytes an event; lost"
        );
        for (number, way) in WAYS.iter().enumerate() {
            if all[number].is_empty() {
                if beside != Beside::TwoPrograms {
                    println!("{:>30}: not installed", way.name);
                }
                continue;
            }
            // By pairs of one round, which met the same machine.
            let more = all[number].iter().zip(&all[way.bare]).map(|(with, bare)| with[0] - bare[0]).collect();
            let (time, more) = (median(all[number].iter().map(|run| run[0]).collect()), median(more));
            let of = |place: usize| all[number].first().and_then(|run| run.get(place)).copied();
            print!("{:>30}: {time:8.1} {more:+8.1}", way.name);
            match beside {
                Beside::OneThread => one_thread[number] = more,
                _ if number == way.bare => {}
                _ => print!("  x{:.2}", more / one_thread[number]),
            }
            if let (Some(bytes), Some(lost)) = (of(1), of(2)) {
                print!("  {bytes:.2} B, {:.2} % lost", lost * 100.0);
            }
            println!();
        }
    }
}
