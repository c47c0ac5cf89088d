//! Recordings as files that other tools open.
//!
//! ```text
//!   export ─ Summary, read before by the caller: call stacks, tags, frames, marks, and what there is at all
//!     ├─ flow      a second pass: what is made and what goes, block by block
//!     ├─ names     call stacks as lists of places, places as functions; each told once, by a number
//!     ├─ sums      figures by call stack, tag and thread
//!     └─ pprof   dhat   folded   chrome   heaptrack      a file each
//! ```
//!
//! What each format carries and what is lost, docs/exports.md tells. None needs memory for events: what is kept is what lives, the
//! call stacks with their names, and sums.
//!
//! ```no_run
//! use arenite_inspect::export::{ExportOptions, Format, export};
//! use arenite_inspect::{Capture, Summary, SummaryOptions, Symbols};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut capture = Capture::open("game.arec")?;
//! let summary = Summary::read(&mut capture, &SummaryOptions::new())?;
//! let mut symbols = Symbols::new(&capture.modules()?);
//! let out = std::fs::File::create("game.pb.gz")?;
//! export(&mut capture, &summary, &ExportOptions::new(Format::Pprof), &mut symbols, out)?;
//! # Ok(())
//! # }
//! ```

mod chrome;
mod dhat;
mod flow;
mod folded;
mod heaptrack;
mod names;
mod pprof;
mod sums;

use std::fmt;
use std::io::{self, BufWriter, Read, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

pub use names::Names;

use crate::{Capture, ReadError, Summary};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Profile of pprof (`profile.proto`), always compressed: allocated, living at the end and at the peak, by call stack, tag and
    /// thread.
    Pprof,
    /// What valgrind's `dh_view.html` shows: totals, lifetimes, the peak and the end, by call stack.
    Dhat,
    /// A line for each call stack and one figure, as flame graphs are drawn from.
    Folded,
    /// Trace events as JSON, which Perfetto and Chromium's trace viewer read: frames, marks, and bytes of each tag over time.
    Chrome,
    /// What heaptrack records: every allocation and every free.
    Heaptrack,
}

/// The figure of a folded stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Bytes that live at the end.
    #[default]
    Live,
    /// Bytes that lived when all together had most.
    Peak,
    /// Bytes that were asked for.
    ChurnBytes,
    /// Calls that asked for memory.
    ChurnCalls,
}

/// What of an export can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExportOptions {
    format: Format,
    measure: Measure,
    tags: bool,
    gzip: bool,
}

impl ExportOptions {
    /// A file of this format, as it is; of folded stacks what lives at the end.
    pub const fn new(format: Format) -> Self {
        Self { format, measure: Measure::Live, tags: false, gzip: false }
    }

    /// Which figure [folded](Format::Folded) stacks have. Others have all of them.
    pub const fn measure(mut self, measure: Measure) -> Self {
        self.measure = measure;
        self
    }

    /// Each call stack begins with its tag, as if that were the outermost function. [`Pprof`](Format::Pprof) has tags as labels, and
    /// [`Chrome`](Format::Chrome) by themselves; they are as they are.
    pub const fn tags(mut self, tags: bool) -> Self {
        self.tags = tags;
        self
    }

    /// Compressed, as gzip does it.
    pub const fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }
}

/// How an export went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Call stacks that are told without their functions, because those of all together were too many.
    pub stacks_left_out: u64,
    /// Blocks whose combination of call stack, tag and thread was one too many: they are told without call stack.
    pub blocks_left_out: u64,
}

/// Why there is no export.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportError {
    /// The capture can not be read.
    Read(ReadError),
    /// The result can not be written.
    Write(io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Write(error) => write!(f, "the export can not be written: {error}"),
        }
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Write(error) => Some(error),
        }
    }
}

impl From<ReadError> for ExportError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes a recording in another format. Reads it once more, in O(events).
///
/// Of a sample (`summary.sample_bytes` is not 0) figures are estimates of all, rounded; of [`Heaptrack`](Format::Heaptrack), which
/// tells of each block, they are those of the sample.
///
/// # Errors
/// [`ExportError`]; what was written so far is then of no use. Damage is none: what is whole is told.
pub fn export<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &ExportOptions,
    names: &mut dyn Names,
    out: impl Write,
) -> Result<Exported, ExportError> {
    let out = BufWriter::with_capacity(1 << 16, out);
    if options.gzip || options.format == Format::Pprof {
        let mut out = BufWriter::with_capacity(1 << 16, GzEncoder::new(out, Compression::default()));
        let exported = write(capture, summary, options, names, &mut out)?;
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.finish()?.flush()?;
        Ok(exported)
    } else {
        let mut out = out;
        let exported = write(capture, summary, options, names, &mut out)?;
        out.flush()?;
        Ok(exported)
    }
}

fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &ExportOptions,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    match options.format {
        Format::Pprof => pprof::write(capture, summary, names, out),
        Format::Dhat => dhat::write(capture, summary, options, names, out),
        Format::Folded => folded::write(capture, summary, options, names, out),
        Format::Chrome => chrome::write(capture, summary, names, out),
        Format::Heaptrack => heaptrack::write(capture, summary, options, names, out),
    }
}

/// A figure as a whole number; what is too large is the largest one.
fn whole(figure: f64) -> u64 {
    figure.round() as u64
}

/// The same as the signed numbers of some formats.
fn signed(figure: f64) -> i64 {
    figure.round() as i64
}
