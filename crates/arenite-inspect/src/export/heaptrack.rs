//! Heaptrack's text format, version 3: strings, places, call stacks, kinds of allocations, and then `+` and `-` for each block.
//!
//! Written while events pass; what a line refers to stands before it. All numbers are hexadecimal, indices begin with 1, those of
//! kinds of allocations with 0.

use std::io::{self, Read, Seek, Write};

use arenite::record::format::events::What;
use hashbrown::HashMap;

use super::flow::{Step, flow, nanoseconds};
use super::names::{Grain, Names, Table, clean};
use super::{ExportError, ExportOptions, Exported};
use crate::{Block, Capture, Summary};

/// The most kinds of allocations that are kept in mind. After so many each is told again when it is met again, which costs nothing but
/// a line.
const MOST_KINDS: usize = 1 << 21;
/// Heaptrack's own version, and that of its files.
const VERSION: &str = "v 10400 3";

pub(super) fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &ExportOptions,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let header = *capture.header();
    let table = Table::new(names, summary, Grain::Addresses);
    let mut command = table.program(header.process);
    if summary.sample_bytes > 0 {
        let bytes = summary.sample_bytes;
        command.push_str(&format!(" (figures of a sample, of one block for {bytes} bytes)"));
    }
    if !summary.is_whole() {
        command.push_str(" (not the whole recording)");
    }
    writeln!(out, "{VERSION}\nX {command}\nI {:x} 0", 1u64 << u32::from(header.page_shift).min(32))?;
    let mut writer = Writer {
        table,
        out,
        tags: options.tags,
        strings: HashMap::new(),
        places: HashMap::new(),
        traces: HashMap::new(),
        stacks: HashMap::new(),
        kinds: HashMap::new(),
        next_kind: 0,
        millisecond: 0,
        committed: 0,
        pages: 0,
        page_shift: u32::from(header.page_shift).min(32),
    };
    // The first fault; what comes after it is of no use.
    let mut written = Ok(());
    flow(capture, |step| {
        if written.is_ok() {
            written = writer.step(summary, &step);
        }
    })?;
    written?;
    writer.at(nanoseconds(summary, summary.end) / 1_000_000)?;
    writer.flush_pages()?;
    Ok(Exported { stacks_left_out: writer.table.left_out(), blocks_left_out: 0 })
}

struct Writer<'a, 'o> {
    table: Table<'a>,
    out: &'o mut dyn Write,
    tags: bool,
    strings: HashMap<String, u64>,
    /// Of the table's places, those that were told.
    places: HashMap<u32, u64>,
    /// By place and the rest of the call stack outwards.
    traces: HashMap<(u64, u64), u64>,
    /// Of the table's call stacks.
    stacks: HashMap<u32, u64>,
    /// By size and call stack.
    kinds: HashMap<(u64, u64), u64>,
    next_kind: u64,
    millisecond: u64,
    /// Bytes of memory that arenas, pools and heaps have.
    committed: i64,
    /// Pages of them that were told.
    pages: u64,
    page_shift: u32,
}

impl Writer<'_, '_> {
    fn step(&mut self, summary: &Summary, step: &Step<'_>) -> io::Result<()> {
        match step {
            Step::Made(block) => {
                let kind = self.kind(block)?;
                self.at(nanoseconds(summary, block.time) / 1_000_000)?;
                writeln!(self.out, "+ {kind:x}")
            }
            Step::Gone(block, time) => {
                let kind = self.kind(block)?;
                self.at(nanoseconds(summary, *time) / 1_000_000)?;
                writeln!(self.out, "- {kind:x}")
            }
            Step::Told(_, What::Committed { bytes, .. }) => {
                self.committed = self.committed.saturating_add(*bytes);
                Ok(())
            }
            Step::Told(..) => Ok(()),
        }
    }

    /// Tells the time, and the memory at that time, if it is another one.
    fn at(&mut self, millisecond: u64) -> io::Result<()> {
        if millisecond <= self.millisecond {
            return Ok(());
        }
        self.flush_pages()?;
        self.millisecond = millisecond;
        writeln!(self.out, "c {millisecond:x}")
    }

    fn flush_pages(&mut self) -> io::Result<()> {
        let pages = u64::try_from(self.committed).unwrap_or(0) >> self.page_shift;
        if pages == self.pages {
            return Ok(());
        }
        self.pages = pages;
        writeln!(self.out, "R {pages:x}")
    }

    fn string(&mut self, text: &str) -> io::Result<u64> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(number) = self.strings.get(text) {
            return Ok(*number);
        }
        writeln!(self.out, "s {:x} {text}", text.len())?;
        let number = self.strings.len() as u64 + 1;
        self.strings.insert(text.to_owned(), number);
        Ok(number)
    }

    fn place(&mut self, number: u32) -> io::Result<u64> {
        if let Some(known) = self.places.get(&number) {
            return Ok(*known);
        }
        let place = self.table.places()[number as usize].clone();
        let module = match self.table.mapped(&place) {
            Some(mapped) => clean(mapped.path),
            _ => String::new(),
        };
        let module = self.string(&module)?;
        let mut line = String::new();
        for frame in &place.frames {
            let frame = self.table.frames()[*frame as usize].clone();
            let function = self.string(&frame.function)?;
            let file = self.string(frame.file.as_deref().unwrap_or(""))?;
            line.push_str(&format!(" {function:x} {file:x} {:x}", frame.line.unwrap_or(0)));
        }
        writeln!(self.out, "i {:x} {module:x}{line}", place.address)?;
        let known = self.places.len() as u64 + 1;
        self.places.insert(number, known);
        Ok(known)
    }

    /// A call stack is its innermost place, and the call stack outwards of that.
    fn trace(&mut self, stack: u32) -> io::Result<u64> {
        if let Some(trace) = self.stacks.get(&stack) {
            return Ok(*trace);
        }
        let places = self.table.stack_places(stack);
        let mut trace = 0;
        for place in places.iter().rev() {
            let place = self.place(*place)?;
            let next = self.traces.len() as u64 + 1;
            let known = *self.traces.entry((place, trace)).or_insert(next);
            if known == next {
                writeln!(self.out, "t {place:x} {trace:x}")?;
            }
            trace = known;
        }
        self.stacks.insert(stack, trace);
        Ok(trace)
    }

    /// The number of allocations of this size by this call stack.
    fn kind(&mut self, block: &Block) -> io::Result<u64> {
        let stack = self.table.stack(block.stack, self.tags.then_some(block.tag));
        let trace = self.trace(stack)?;
        // The reader's sums are signed.
        let size = block.size.min(i64::MAX as u64);
        if let Some(kind) = self.kinds.get(&(size, trace)) {
            return Ok(*kind);
        }
        if self.kinds.len() == MOST_KINDS {
            self.kinds.clear();
        }
        let kind = self.next_kind;
        self.next_kind += 1;
        self.kinds.insert((size, trace), kind);
        writeln!(self.out, "a {size:x} {trace:x}")?;
        Ok(kind)
    }
}
