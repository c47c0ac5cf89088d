//! The `arenite` program: runs the demo game on Arenite and shows where every byte went.
//!
//! Whatever is wrong with its input ends as one line on standard error and exit status 2, with nothing half-written.

mod args;
mod capture;
mod compare;
mod demo;
mod duration;
mod fault;
mod library;
mod metrics;
mod output;
mod progress;
mod record;
mod run;
mod size;
mod summary;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arenite::{GlobalHeap, Tag};
use arenite_demo::heap_count::{self, CountingAllocator};
use args::Request;
use fault::Fault;

/// Arenite's heap. Its calls are counted, so that "none inside a frame" is measured and not hoped.
///
/// The plain game, which `--compare` plays beside ours, has the system's: it is a program of its own.
#[global_allocator]
static HEAP: CountingAllocator<GlobalHeap> = CountingAllocator::new(GlobalHeap);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(fault) => {
            // Nothing is left to do when standard error is closed too.
            let _ = writeln!(io::stderr(), "arenite: {fault}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Fault> {
    // What the runtime did before this is untagged.
    let tag = Tag::register("heap/program").map_err(Fault::new)?;
    let _program = tag.try_scope().map_err(Fault::new)?;
    match args::read(std::env::args_os())? {
        Request::Print(text) => output::print(&mut io::stdout().lock(), text.as_bytes())?,
        Request::Demo(args) if args.compare => compare::run(&args)?,
        Request::Demo(args) => demo::run(&args, heap_count::calls)?,
        Request::Run(args) => return run::run(&args),
        Request::Record(args) => return record::record(&args),
        Request::Report(args) => capture::report(&args)?,
        Request::Check(args) => return capture::check(&args),
        Request::Diff(args) => capture::diff(&args)?,
        Request::Export(args) => capture::export(&args)?,
        Request::Top(args) => return capture::top(&args),
    }
    Ok(ExitCode::SUCCESS)
}
