//! Options of `report`, `check`, `diff`, `export` and `top`.

use std::ffi::OsString;
use std::path::PathBuf;

use arenite_inspect::export::{Format, Measure};
use clap::{Args, ValueEnum};

use crate::record::args::HowArgs;
use crate::size::{parse_budget, parse_size};

/// Options of `report`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReportArgs {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many call sites of each kind are shown.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) top: u32,
    /// Print the figures as JSON instead.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write one self-contained HTML page with charts to this file instead: timeline, flame graph, differences, heap map.
    #[arg(long, value_name = "FILE.html", conflicts_with_all = ["json", "top"])]
    pub(crate) html: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A tag, with the tags below it, never has more live bytes than this, for example render=64MiB; may be given more than once.
    #[arg(long, value_name = "TAG=SIZE", value_parser = parse_budget)]
    pub(crate) max_live: Vec<(String, u64)>,
    /// All together never have more live bytes than this, for example 1GiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_total: Option<u64>,
    /// No frame asks for memory more often than this, on all threads together. Looked at are frames that began and ended between
    /// --from and --to.
    #[arg(long, value_name = "N")]
    pub(crate) max_per_frame: Option<u64>,
    /// Nothing that was made since --from, and nothing of this tag if one is given, still lives at --to; may be given more than once.
    #[arg(long, value_name = "TAG", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) no_leaks: Vec<String>,
    /// The mark from which on frames and leaks are looked at [default: the beginning].
    #[arg(long, value_name = "MARK")]
    pub(crate) from: Option<String>,
    /// The mark up to which frames and leaks are looked at [default: the end].
    #[arg(long, value_name = "MARK")]
    pub(crate) to: Option<String>,
    /// Leave out so many frames at first.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "max_per_frame")]
    pub(crate) warm_up: u64,
    /// Judge a recording that was cut off, is damaged, has dropped events or is a sample, too.
    #[arg(long)]
    pub(crate) incomplete: bool,
}

/// Options of `diff`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// The recording, of which two moments are compared; or the earlier one of two.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The other recording: what lived at the end of each is compared.
    #[arg(value_name = "B", required_unless_present_any = ["from", "to"], conflicts_with_all = ["from", "to"])]
    pub(crate) b: Option<PathBuf>,
    /// The mark to compare with [default: the beginning].
    #[arg(long, value_name = "MARK")]
    pub(crate) from: Option<String>,
    /// The mark that is compared [default: the end].
    #[arg(long, value_name = "MARK")]
    pub(crate) to: Option<String>,
    /// How many call sites are shown.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) top: u32,
}

/// Options of `export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What reads the result.
    #[arg(long, value_name = "NAME")]
    pub(crate) format: FormatName,
    /// Write to this file, compressed if its name ends in .gz; "-" is standard output [default: beside the recording, with the
    /// ending of the format].
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// The figure of folded stacks; other formats have all of them.
    #[arg(long, value_name = "FIGURE", default_value = "live")]
    pub(crate) measure: MeasureName,
    /// Begin each call stack with its tag. pprof and chrome have tags of their own.
    #[arg(long)]
    pub(crate) tags: bool,
    /// Show the insides of allocators, the standard library and the runtime's beginning, too.
    #[arg(long)]
    pub(crate) all_frames: bool,
}

/// The name of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// `go tool pprof`: what was allocated, lives, and lived at the peak, by call stack, tag and thread.
    Pprof,
    /// valgrind's dh_view.html: totals, lifetimes, the peak and the end, by call stack.
    Dhat,
    /// inferno or flamegraph.pl: a line for each call stack, with one figure.
    Folded,
    /// Perfetto (which is another name for it): frames, marks, and bytes of each tag over time.
    #[value(alias = "perfetto")]
    Chrome,
    /// heaptrack_print or heaptrack_gui: every allocation and every free.
    Heaptrack,
}

impl FormatName {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Pprof => Format::Pprof,
            Self::Dhat => Format::Dhat,
            Self::Folded => Format::Folded,
            Self::Chrome => Format::Chrome,
            Self::Heaptrack => Format::Heaptrack,
        }
    }

    /// What a file of it is named behind its dot.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Pprof => "pb.gz",
            Self::Dhat => "dhat.json",
            Self::Folded => "folded",
            Self::Chrome => "trace.json",
            Self::Heaptrack => "heaptrack.gz",
        }
    }

    /// How it is opened; what stands before the file's name.
    pub(crate) fn opened_with(self) -> &'static str {
        match self {
            Self::Pprof => "go tool pprof -http=localhost:",
            Self::Dhat => "in a browser, valgrind's dh_view.html:",
            Self::Folded => "inferno-flamegraph",
            Self::Chrome => "in Perfetto's page, Open trace file:",
            Self::Heaptrack => "heaptrack_gui",
        }
    }
}

/// The name of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MeasureName {
    /// Bytes that live at the end.
    Live,
    /// Bytes that lived when all together had most.
    Peak,
    /// Bytes that were asked for.
    ChurnBytes,
    /// Calls that asked for memory.
    ChurnCalls,
}

impl MeasureName {
    pub(crate) fn measure(self) -> Measure {
        match self {
            Self::Live => Measure::Live,
            Self::Peak => Measure::Peak,
            Self::ChurnBytes => Measure::ChurnBytes,
            Self::ChurnCalls => Measure::ChurnCalls,
        }
    }
}

/// Options of `top`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TopArgs {
    /// Time from one picture to the next, for example 500ms; not less than 100ms.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = crate::duration::parse_interval)]
    pub(crate) interval: u64,
    /// End after this time, for example 30s or 5min.
    #[arg(long = "for", value_name = "TIME", value_parser = crate::duration::parse_long, conflicts_with = "once")]
    pub(crate) during: Option<u64>,
    /// Print one snapshot as text, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// What a tag, with the tags below it, is allowed of live bytes, for example render=64MiB; may be given more than once. Its bar is of
    /// that, instead of the program's own budget, which is of memory.
    #[arg(long = "budget", value_name = "TAG=SIZE", value_parser = parse_budget)]
    pub(crate) budgets: Vec<(String, u64)>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// A program to start and record, with its arguments (its output goes nowhere); the number of a process that is recorded; or a recording.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM|PID|FILE"
    )]
    pub(crate) target: Vec<OsString>,
}
