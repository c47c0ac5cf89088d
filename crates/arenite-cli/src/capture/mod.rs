//! What is done with a recording: `report`, `check`, `diff`, `export` and `top`.
//!
//! ```text
//!   args    options of all
//!   sites   a call stack as a person wants to read it: without the insides of allocators and the runtime's beginning
//!   interval   figures of a sample: how far they may be off
//!   report ─ json, text, page    check    diff    export    top, a room of its own
//! ```

pub(crate) mod args;
mod check;
mod diff;
mod export;
mod interval;
mod json;
mod page;
mod report;
mod sites;
mod text;
mod top;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arenite_inspect::{Capture, FileState, Summary, SummaryOptions};

pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use export::export;
pub(crate) use report::report;
use sites::Sites;
pub(crate) use top::top;

use crate::fault::Fault;

/// A capture that was read.
struct Opened {
    path: PathBuf,
    process: u32,
    summary: Summary,
    sites: Sites,
}

impl Opened {
    /// Reads it once.
    fn read(path: &Path, options: &SummaryOptions) -> Result<Self, Fault> {
        Self::of(path, &mut open(path)?, options)
    }

    /// The same of one that is open already.
    fn of(path: &Path, capture: &mut Capture, options: &SummaryOptions) -> Result<Self, Fault> {
        let fault = |error: &dyn fmt::Display| Fault::new(format_args!("{}: {error}", path.display()));
        let summary = Summary::read(capture, options).map_err(|error| fault(&error))?;
        let mut sites = Sites::new(&capture.modules().map_err(|error| fault(&error))?, folder(path));
        sites.look_at(summary.sites.keys().map(|stack| summary.stack(*stack)));
        Ok(Self { path: path.to_owned(), process: capture.header().process, summary, sites })
    }

    /// What a reader of its figures must know: a line each.
    fn warnings(&self) -> Vec<String> {
        self.warnings_with(
            "figures of blocks are estimates of the whole, ± what has the truth 95 times in 100",
        )
    }

    /// The same, with what is to be known of the figures of a sample.
    fn warnings_with(&self, figures_of_sample: &str) -> Vec<String> {
        let summary = &self.summary;
        let mut lines = Vec::new();
        let mut warn = |is: bool, line: String| {
            if is {
                lines.push(line);
            }
        };
        warn(
            !summary.complete,
            "the recording did not come to its end: the program crashed, or the file was cut off".into(),
        );
        warn(
            summary.lost > 0,
            format!(
                "{} events were dropped while recording: what is freed by them seems to live on until another block has its place",
                summary.lost
            ),
        );
        warn(
            summary.read.damaged > 0 || summary.skipped > 0,
            format!(
                "parts of the file are damaged: {} chunks, and {} bytes more",
                summary.read.damaged, summary.skipped
            ),
        );
        warn(
            summary.pauses > 0,
            format!(
                "it was paused {} times: what was freed meanwhile seems to live on until another block has its place",
                summary.pauses
            ),
        );
        warn(
            summary.sample_bytes > 0,
            format!("it is a sample, of one block for {} bytes: {figures_of_sample}", summary.sample_bytes),
        );
        warn(
            summary.stacks_left_out > 0,
            format!("{} call stacks are too many: their frames are not shown", summary.stacks_left_out),
        );
        let calls = summary.total.calls();
        let unknown = summary.sites.iter().filter(|(stack, _)| summary.stack(**stack).is_empty());
        let unknown: u64 = unknown.map(|(_, figures)| figures.calls()).sum();
        warn(unknown > calls / 100, format!("{unknown} of {calls} calls have no call stack"));
        for file in self.sites.files().filter(|file| file.state == FileState::Changed) {
            let (path, id) = (file.path.replace(char::is_control, "\u{fffd}"), file.build_id);
            lines.push(format!(
                "the file was changed since, functions in it are not named: {path} (recorded: {id})"
            ));
        }
        lines
    }
}

/// The folder that a capture is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a capture; what is none is refused.
fn open(path: &Path) -> Result<Capture, Fault> {
    let fault = |error: &dyn fmt::Display| Fault::new(format_args!("{}: {error}", path.display()));
    // A pipe would never come to its end, and can not be read at any place.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(fault(&"this is not a file"));
    }
    let file = File::open(path).map_err(|error| fault(&format_args!("cannot read it: {error}")))?;
    Capture::read(file).map_err(|error| fault(&error))
}

/// A path in one line, whatever is in it: captures come from strangers, and so do their names.
fn shown(path: &Path) -> impl fmt::Display {
    Fault::new(path.display())
}

/// Seconds as people read them.
fn seconds(seconds: f64) -> String {
    arenite_demo::report::units::millis(seconds * 1e3)
}
