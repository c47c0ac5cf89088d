//! What the program understands on its command line.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::capture::args::{CheckArgs, DiffArgs, ExportArgs, ReportArgs, TopArgs};
use crate::fault::Fault;
use crate::record::args::RecordArgs;
use crate::size::{parse_budget, parse_leak, parse_size};

/// More frames than this in one run would make the record of the frames itself a matter of gigabytes.
pub(crate) const MOST_FRAMES: u64 = 4_000_000;

/// Runs a game with all of its memory from Arenite, and shows where every byte went.
///
/// Without a command it runs the demo; all of the demo's options can be given without the word `demo`.
#[derive(Debug, Parser)]
#[command(name = "arenite", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: DemoArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a headless game over the maps of a WAD file and reports its memory.
    Demo(DemoArgs),
    /// Runs a program that nobody recompiled on Arenite's heap, and says what it did with its memory.
    Run(RunArgs),
    /// Runs a program that nobody recompiled, and records all that it allocates, with call stacks.
    Record(RecordArgs),
    /// Says what a recording (`demo --record FILE`) came to: totals, tags, call sites, frames, marks.
    Report(ReportArgs),
    /// Judges a recording by rules: exit status 0 if all hold, 1 if one does not, 2 if that can not be told.
    Check(CheckArgs),
    /// Says what two recordings, or two moments of one, differ in, by tag and call site.
    Diff(DiffArgs),
    /// Writes a recording as a file of another tool: pprof, DHAT's viewer, flame graphs, Perfetto, heaptrack.
    Export(ExportArgs),
    /// Shows a recording while it is being made: what lives, what asks for memory now, frames, threads.
    Top(TopArgs),
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The library that brings `malloc` [default: the one beside this program, or built from its sources].
    #[arg(long, value_name = "FILE")]
    pub(crate) library: Option<PathBuf>,
    /// Look for misuse, and end the program with a message that names it: writing beyond a block, freeing twice or what is no
    /// block, using a block after it was freed. Slower, by up to fifteen times where a program does nothing but allocate.
    #[arg(long)]
    pub(crate) hardened: bool,
    /// Print no tables.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<OsString>,
}

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The DOOM-format WAD file to play [default: a small one that is part of the program].
    #[arg(long, value_name = "FILE")]
    pub(crate) wad: Option<PathBuf>,
    /// A map to play, for example E1M1 or MAP01; may be given more than once [default: the file's own order].
    #[arg(long = "map", value_name = "NAME")]
    pub(crate) maps: Vec<String>,
    /// Frames to run in each scene.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) frames: u32,
    /// Scenes to play, or "all" for every map once [default: the maps given, or 3].
    #[arg(long, value_name = "N")]
    pub(crate) scenes: Option<Scenes>,
    /// Agents in each scene, at the least.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=i64::from(arenite_demo::rules::AGENTS)))]
    pub(crate) agents: u32,
    /// Seed of everything random; the same seed gives the same world on every machine.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads that think for the agents [default: one per processor, at most 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,
    /// A hard budget for a tag, for example scene=8MiB; may be given more than once. With one for textures or sounds these
    /// stream through a cache.
    #[arg(long = "budget", value_name = "TAG=SIZE", value_parser = parse_budget)]
    pub(crate) budgets: Vec<(String, u64)>,
    /// Keep what streams in one heap, and move it together for at most so long after each frame, for example 50us; with 0 nothing
    /// is moved. Needs a budget for textures or sounds.
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse_duration, conflicts_with = "compare", requires = "budgets")]
    pub(crate) defrag_budget: Option<u64>,
    /// Leak so much in every frame on purpose, for example 1KiB, and see it found.
    #[arg(long, value_name = "SIZE", value_parser = parse_leak, conflicts_with = "compare")]
    pub(crate) leak: Option<u64>,
    /// Write the figures as JSON to this file; "-" is standard output (the tables then go to standard error).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write one self-contained HTML page with charts to this file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Record every allocation of the general heap, with its call stack, to this file; `arenite report` reads it, and what was
    /// written so far if the run fails.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    pub(crate) record: Option<PathBuf>,
    /// Record one block for so many bytes that are asked for, for example 512KiB, instead of all of them.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "record")]
    pub(crate) sample: Option<u64>,
    /// Serve the figures of every tag to Prometheus while the game runs, at http://ADDRESS/metrics; a port alone is of this
    /// machine only (127.0.0.1), and 0 is a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = crate::metrics::parse_address, conflicts_with = "compare")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
    /// Play the same game with plain Vec, Box and Rc too, and put the two side by side.
    #[arg(long)]
    pub(crate) compare: bool,
    /// How many times each side of the comparison runs [default: 7].
    #[arg(long, value_name = "N", requires = "compare", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// Print no tables and no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How many scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenes {
    /// Every map of the file, or every map that was named, once.
    All,
    /// This many; more than there are maps start over.
    Count(NonZeroU32),
}

impl FromStr for Scenes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        match text.parse::<NonZeroU32>() {
            Ok(count) if count.get() <= 10_000 => Ok(Self::Count(count)),
            _ => Err("write a number from 1 to 10000, or all".to_owned()),
        }
    }
}

/// What came of reading the command line.
pub(crate) enum Request {
    /// Run the demo.
    Demo(Box<DemoArgs>),
    /// Run another program.
    Run(RunArgs),
    /// Run another program, and record it.
    Record(Box<RecordArgs>),
    /// Show a recording.
    Report(ReportArgs),
    /// Judge a recording.
    Check(CheckArgs),
    /// Compare recordings.
    Diff(DiffArgs),
    /// Write a recording for another tool.
    Export(ExportArgs),
    /// Watch a recording.
    Top(TopArgs),
    /// Print this text (help or the version) and stop.
    Print(String),
}

/// Reads the command line.
///
/// # Errors
/// clap's complaint as one line.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Request, Fault> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Some(Command::Demo(args)), .. }) | Ok(Cli { command: None, demo: args }) => {
            Ok(Request::Demo(Box::new(args)))
        }
        Ok(Cli { command: Some(Command::Run(args)), .. }) => Ok(Request::Run(args)),
        Ok(Cli { command: Some(Command::Record(args)), .. }) => Ok(Request::Record(Box::new(args))),
        Ok(Cli { command: Some(Command::Report(args)), .. }) => Ok(Request::Report(args)),
        Ok(Cli { command: Some(Command::Check(args)), .. }) => Ok(Request::Check(args)),
        Ok(Cli { command: Some(Command::Diff(args)), .. }) => Ok(Request::Diff(args)),
        Ok(Cli { command: Some(Command::Export(args)), .. }) => Ok(Request::Export(args)),
        Ok(Cli { command: Some(Command::Top(args)), .. }) => Ok(Request::Top(args)),
        Err(error) if !error.use_stderr() => Ok(Request::Print(error.render().to_string())),
        Err(error) => Err(Fault::new(first_paragraph(&error.render().to_string()))),
    }
}

/// The complaint without clap's prefix, its usage and its tips, on one line.
fn first_paragraph(text: &str) -> String {
    let text = text.trim_start().strip_prefix("error: ").unwrap_or(text);
    let mut line = String::new();
    for part in text.lines().map(str::trim).take_while(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line.push_str(" (arenite --help lists the options)");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(arguments: &str) -> Result<DemoArgs, String> {
        let arguments = std::iter::once("arenite").chain(arguments.split_whitespace()).map(OsString::from);
        match read(arguments) {
            Ok(Request::Demo(args)) => Ok(*args),
            Ok(Request::Print(text)) => Err(text),
            Ok(_) => Err("another command".to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn options_work_with_and_without_the_command() {
        for prefix in ["", "demo "] {
            let args =
                demo(&format!("{prefix}--wad a.wad --map E1M1 --map E1M2 --scenes all --budget scene=8MiB"))
                    .unwrap();
            assert_eq!(args.wad.as_deref(), Some(std::path::Path::new("a.wad")));
            assert_eq!(args.maps, ["E1M1", "E1M2"]);
            assert_eq!(args.scenes, Some(Scenes::All));
            assert_eq!(args.budgets, [("scene".to_owned(), 8 << 20)]);
        }
        assert_eq!(demo("").unwrap().frames, 600);
    }

    #[test]
    fn absurd_numbers_are_one_line() {
        let wrong = [
            "--frames 0",
            "--frames 4000000000",
            "--agents 4000000000",
            "--agents -1",
            "--threads 0",
            "--threads 100000",
            "--scenes 0",
            "--scenes some",
            "--seed 99999999999999999999999",
            "--budget scene",
            "--budget scene=8MB",
            "--rounds 3",
            "--leak 0",
            "--leak 2MiB",
            "--leak 1KiB --compare",
            "--defrag-budget 50us",
            "--defrag-budget 50 --budget textures=1MiB",
            "--defrag-budget 2s --budget textures=1MiB",
            "--compare --rounds 0",
            "--no-such-option",
            "play",
            "--frames 3 demo",
        ];
        for arguments in wrong {
            let why = demo(arguments).expect_err(arguments);
            assert!(!why.contains('\n') && why.len() > 20, "{arguments}: {why}");
        }
    }

    #[test]
    fn what_follows_the_program_is_the_programs() {
        let read = |line: &str| read(line.split(' ').map(OsString::from));
        let Ok(Request::Run(args)) = read("arenite run --hardened -- python3 -c --quiet") else {
            panic!("a run")
        };
        assert_eq!(args.command, ["python3", "-c", "--quiet"]);
        assert!(args.hardened && !args.quiet);
        let Ok(Request::Run(args)) = read("arenite run ls -l --hardened") else { panic!("a run") };
        assert!(!args.hardened && args.command.len() == 3);
        assert!(read("arenite run").is_err());
    }

    #[test]
    fn how_to_record() {
        let read = |line: &str| read(line.split(' ').map(OsString::from));
        let line = "arenite record -o a.arec --sample 512KiB --depth 20 --heap arenite --stacks fp -- game --output b";
        let Ok(Request::Record(args)) = read(line) else { panic!("a recording") };
        assert_eq!(args.command, ["game", "--output", "b"]);
        assert_eq!(args.output.as_deref(), Some(std::path::Path::new("a.arec")));
        assert_eq!((args.how.sample, args.how.depth, args.children), (Some(512 << 10), 20, false));
        for wrong in
            ["", " --depth 129 -- x", " --sample lots -- x", " --heap mine -- x", " --stacks all -- x"]
        {
            assert!(read(&format!("arenite record{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rules_of_a_check() {
        let read = |line: &str| read(line.split(' ').map(OsString::from));
        let line = "arenite check a.arec --max-live render=64MiB --no-leaks --no-leaks=ui --max-live ui=1MiB --max-per-frame 0";
        let Ok(Request::Check(args)) = read(line) else { panic!("a check") };
        assert_eq!(args.max_live, [("render".to_owned(), 64 << 20), ("ui".to_owned(), 1 << 20)]);
        assert_eq!((args.no_leaks, args.max_per_frame), (vec![String::new(), "ui".to_owned()], Some(0)));
        assert_eq!(args.file, std::path::Path::new("a.arec"));
        let Ok(Request::Check(args)) = read("arenite check --no-leaks a.arec") else { panic!("a check") };
        assert_eq!(args.no_leaks, [""]);
        assert!(matches!(read("arenite diff a.arec b.arec"), Ok(Request::Diff(_))));
        assert!(matches!(read("arenite diff a.arec --from x"), Ok(Request::Diff(_))));
        for wrong in [
            "arenite check a.arec --max-live render",
            "arenite check a.arec --max-total lots",
            "arenite check a.arec --warm-up 3",
            "arenite diff a.arec",
            "arenite diff a.arec b.arec --to x",
            "arenite report",
            "arenite report a.arec --top 0",
            "arenite --record a.arec --compare",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_watched_and_how() {
        let read = |line: &str| read(line.split(' ').map(OsString::from));
        let line = "arenite top --interval 1s --for 5min --budget ui=1MiB 4711";
        let Ok(Request::Top(args)) = read(line) else { panic!("a dashboard") };
        assert_eq!((args.interval, args.during), (1_000_000_000, Some(300_000_000_000)));
        assert_eq!(
            (args.budgets, args.target),
            (vec![("ui".to_owned(), 1 << 20)], vec![OsString::from("4711")])
        );
        let Ok(Request::Top(args)) = read("arenite top -- game --once") else { panic!("a dashboard") };
        assert!(!args.once && args.target.len() == 2, "what is behind the first word is that one's");
        for wrong in [
            "arenite top",
            "arenite top --once",
            "arenite top --once --for 1s a",
            "arenite top --for never a",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        assert!(demo("--help").expect_err("help").contains("--budget"));
        assert!(demo("--version").expect_err("version").starts_with("arenite "));
    }
}
