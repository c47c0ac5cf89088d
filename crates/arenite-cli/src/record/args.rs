//! Options of `record`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::size::parse_size;

/// Options of `record`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where the recording goes; a file that is there is replaced [default: PROGRAM.arec, or PROGRAM.%p.arec with --children].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Record the processes that the program starts, too, each into a file of its own: %p in the name is the process's number.
    #[arg(long)]
    pub(crate) children: bool,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// Do not say where the recording is.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<OsString>,
}

/// How another program is recorded.
#[derive(Clone, Debug, Args)]
pub(crate) struct HowArgs {
    /// Record one block for so many bytes that are asked for, for example 512KiB, instead of all of them.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) sample: Option<u64>,
    /// Follow call stacks through so many frames; 0 records none.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=128))]
    pub(crate) depth: u32,
    /// How call stacks are found.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = StacksArg::Auto)]
    pub(crate) stacks: StacksArg,
    /// The heap that the program has.
    #[arg(long, value_name = "HEAP", value_enum, default_value_t = HeapArg::System)]
    pub(crate) heap: HeapArg,
    /// The library that records [default: the one beside this program, or built from its sources].
    #[arg(long, value_name = "FILE")]
    pub(crate) library: Option<PathBuf>,
    /// The library that brings Arenite's heap [default: as for --library].
    #[arg(long, value_name = "FILE")]
    pub(crate) heap_library: Option<PathBuf>,
}

/// How call stacks are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StacksArg {
    /// By what works for most programs: as `unwind`.
    Auto,
    /// By frame pointers: quick, and wrong for what was compiled without.
    Fp,
    /// From the tables that exceptions need.
    Unwind,
}

/// What serves a recorded program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeapArg {
    /// The one it would have without us.
    System,
    /// Arenite's.
    Arenite,
}
