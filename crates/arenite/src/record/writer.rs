//! The thread that takes events from all others and writes the file.
//!
//! ```text
//!   every 2 ms:    full segments of all logs ─► compressed ─► a chunk each; if call stacks were new, it is looked whether modules were
//!                  loaded or unloaded: rules by which stacks are told are forgotten then; and where a module is at another's addresses,
//!                  stacks get new numbers
//!   every 80 ms:   also what is in segments that are still written to, so that a crash loses no more than that; names of tags, budgets,
//!                  resident memory and modules, if they changed; how many events were dropped
//!   at the end:    the rest; modules; the index; the header again, now that time was measured
//! ```
#![expect(unsafe_code, reason = "reads what other threads have published")]

use core::mem;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::vec;

use lz4_flex::block::{CompressTable, compress_into_with_table};

use super::chain::Purpose;
use super::clock::{self, Moment};
use super::desk::{SEED, TABLES};
use super::format::events::{Memory, ROOM_FOR_TEXT, What};
use super::format::{
    CHUNK_HEADER, ChunkHeader, ChunkKind, Codec, FILE_HEADER, FileHeader, IndexEntry, SEGMENT, VERSION,
};
use super::modules::{self, Book, Changes, Module};
use super::output::Output;
use super::room::Room;
use super::session::Shared;
use crate::ledger::{Budget, Ledger, Tag};
use crate::os;

/// How long it sleeps when there is little to do.
const NAP: Duration = Duration::from_millis(2);
/// How long it may take until what is in unfinished segments is written, too.
const PATIENCE_NS: u64 = 80_000_000;
/// Compressing is worth it if it saves such a part.
const WORTH_IT: usize = 16;
/// Chunks that are not compressed after one for which it was not worth it.
const PATIENCE_WITH_CODEC: u32 = 15;
/// Chunks that one index tells of.
const INDEXED: usize = 1024;
/// Memory of the process is told again when it has changed by such a part.
const RESIDENT_STEPS: u64 = 256;
/// The thread whose events the writer makes itself, and its segments; no other has it.
const WRITER: u32 = u32::MAX;

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file_bytes: u64,
    pub(super) event_bytes: u64,
}

/// A capture that is being written.
pub(super) struct Capture {
    file: Output,
    room: &'static Room,
    session: u32,
    began: Moment,
    header: FileHeader,
    /// The writer's own, and too large for the stack of whoever starts a recording. None: chunks are stored as they are.
    table: Option<Box<CompressTable>>,
    /// Chunks that are not compressed because of late none became smaller.
    patient: u32,
    place: u64,
    event_bytes: u64,
    /// Of chunks that no index in the file tells of yet; before them where the last index is.
    index: Box<[u8]>,
    indexed: usize,
    /// Segments of its own.
    segments: u64,
    /// Tags whose names are written.
    tags: usize,
    /// What was written of their budgets, by their places, and of the process's memory.
    budgets: Box<[Budget]>,
    resident: u64,
    /// Dropped events that are told, and those of earlier recordings.
    lost: u64,
    /// Room for a segment. Not on the stack: whoever starts a recording may have little of that.
    text: Box<[u8]>,
    modules: Modules,
}

/// What is known of modules.
#[derive(Debug, Default)]
struct Modules {
    changes: Changes,
    /// When nothing had changed yet since they were looked at.
    looked: u64,
    /// From when on it is otherwise than was told.
    untold: Option<u64>,
    /// How many call stacks there were then.
    stacks: u32,
}

impl Capture {
    pub(super) fn create(
        path: &Path,
        room: &'static Room,
        session: u32,
        began: Moment,
        sample_bytes: u64,
    ) -> io::Result<Self> {
        let mut file = Output::create(path)?;
        let pace = began.units_per_second();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let since_zero = u128::from(clock::now()) * 1_000_000_000 / u128::from(pace);
        let header = FileHeader {
            version: VERSION,
            pointer_bits: usize::BITS as u8,
            page_shift: os::page_size().trailing_zeros() as u8,
            process: std::process::id(),
            sample_bytes,
            wall_ns: wall.as_nanos().saturating_sub(since_zero) as u64,
            units_per_second: pace,
        };
        file.file()?.write_all(&header.to_bytes())?;
        let mut capture = Self {
            file,
            room,
            session,
            began,
            header,
            table: None,
            patient: 0,
            place: FILE_HEADER as u64,
            event_bytes: 0,
            index: vec![0; IndexEntry::BYTES * INDEXED + 8].into(),
            indexed: 0,
            segments: 0,
            tags: 0,
            budgets: vec![Budget::NONE; Ledger::CAPACITY].into(),
            resident: 0,
            lost: room.lost(),
            text: vec![0; SEGMENT].into(),
            modules: Modules::default(),
        };
        capture.book().clear();
        capture.look_at_modules();
        capture.tell_modules(capture.modules.looked)?;
        Ok(capture)
    }

    /// Writes until no more is coming.
    pub(super) fn write(mut self, shared: &Shared) -> io::Result<Written> {
        self.table = Some(Box::new(CompressTable::large()));
        let written = self.write_all(shared);
        if written.is_err() {
            shared.give_up();
        }
        written?;
        Ok(Written { file_bytes: self.place, event_bytes: self.event_bytes })
    }

    fn write_all(&mut self, shared: &Shared) -> io::Result<()> {
        let mut last = os::monotonic_ns();
        // Acquire: recording was switched off before.
        while !shared.ends.load(Ordering::Acquire) {
            let now = os::monotonic_ns();
            let partly = now.saturating_sub(last) >= PATIENCE_NS;
            let some = self.drain(partly)?;
            if partly {
                self.tell_state()?;
                last = now;
            }
            let stacks = self.room.numbers.given();
            let replaced = (partly || stacks != self.modules.stacks) && self.look_at_modules();
            if (replaced || partly)
                && let Some(since) = self.modules.untold
            {
                self.tell_modules(since)?;
            }
            self.modules.stacks = stacks;
            if !some {
                thread::park_timeout(NAP);
            }
        }
        // Threads that were in the middle of an event come to its end.
        thread::sleep(NAP);
        self.drain(true)?;
        self.tell_state()?;
        self.look_at_modules();
        self.tell_modules(self.modules.untold.unwrap_or_else(clock::now))?;
        self.finish()
    }

    /// Writes what is there. Whether it was anything.
    fn drain(&mut self, partly: bool) -> io::Result<bool> {
        let (room, mut some) = (self.room, false);
        for log in room.logs() {
            let mut written = Ok(());
            room.chains.drain(&log.reading, partly, |name, purpose, from, to| {
                // What an earlier recording left is not of this one.
                if purpose.session == self.session && written.is_ok() {
                    some = true;
                    // SAFETY: published, as the chain says, and given back when this returns.
                    let raw = unsafe { room.written(name, from, to) };
                    written = self.events(purpose, from, raw);
                }
            });
            written?;
        }
        Ok(some)
    }

    fn events(&mut self, purpose: Purpose, offset: u32, raw: &[u8]) -> io::Result<()> {
        let Purpose { thread, number, start, .. } = purpose;
        self.event_bytes += raw.len() as u64;
        self.chunk(ChunkKind::Events, thread, number, start, offset, raw)
    }

    fn chunk(
        &mut self,
        kind: ChunkKind,
        thread: u32,
        segment: u64,
        start: u64,
        offset: u32,
        raw: &[u8],
    ) -> io::Result<()> {
        let (room, place) = (self.room, self.place);
        // SAFETY: there is one recording at a time, and one writer of it.
        let scratch = unsafe { room.scratch() };
        let (head, body) = scratch.split_first_chunk_mut::<CHUNK_HEADER>().expect("it is larger");
        // What does not become smaller is stored as it is: events of a program in which no two frames are alike are told in few
        // bytes already, and trying costs more than everything else here.
        let waits = self.patient > 0 && kind == ChunkKind::Events;
        let smaller = if let Some(table) = self.table.as_mut().filter(|_| !waits) {
            let len = compress_into_with_table(raw, body, table).ok();
            let smaller = len.filter(|len| *len < raw.len() - raw.len() / WORTH_IT);
            self.patient = if smaller.is_none() { PATIENCE_WITH_CODEC } else { 0 };
            smaller
        } else {
            self.patient -= u32::from(waits);
            None
        };
        let codec = if smaller.is_some() { Codec::Lz4 } else { Codec::Raw };
        let len = smaller.unwrap_or_else(|| {
            body[..raw.len()].copy_from_slice(raw);
            raw.len()
        });
        let header = ChunkHeader {
            kind,
            codec,
            thread,
            raw_len: raw.len() as u32,
            stored_len: len as u32,
            offset,
            segment,
            start,
            taken: clock::now(),
        };
        *head = header.to_bytes(&body[..len]);
        let span = header.span();
        body[len..span - CHUNK_HEADER].fill(0);
        self.file.file()?.write_all(&scratch[..span])?;
        self.place += span as u64;
        if kind != ChunkKind::Index && kind != ChunkKind::End {
            self.note_chunk(&IndexEntry { place, start, thread, kind })?;
        }
        Ok(())
    }

    fn note_chunk(&mut self, entry: &IndexEntry) -> io::Result<()> {
        let at = 8 + self.indexed * IndexEntry::BYTES;
        self.index[at..at + IndexEntry::BYTES].copy_from_slice(&entry.to_bytes());
        self.indexed += 1;
        if self.indexed == INDEXED { self.write_index() } else { Ok(()) }
    }

    /// Tells where the chunks are that no index tells of yet, and where the index before this one is.
    fn write_index(&mut self) -> io::Result<()> {
        let place = self.place;
        let len = 8 + self.indexed * IndexEntry::BYTES;
        let index = mem::take(&mut self.index);
        let written = self.chunk(ChunkKind::Index, WRITER, 0, 0, 0, &index[..len]);
        self.index = index;
        written?;
        self.index[..8].copy_from_slice(&place.to_le_bytes());
        self.indexed = 0;
        Ok(())
    }

    /// Tells what is told of no thread: names of tags that are new, budgets that changed, how much of the process is in memory.
    fn tell_state(&mut self) -> io::Result<()> {
        let ledger = Ledger::process();
        let (named, mut changed) = (self.tags, [false; Ledger::CAPACITY]);
        self.tags = ledger.len();
        for (place, known) in self.budgets.iter_mut().enumerate().take(self.tags) {
            let budget = ledger.at(place).map_or(Budget::NONE, Tag::budget);
            changed[place] = mem::replace(known, budget) != budget;
        }
        let resident = os::process_memory().resident as u64;
        let moved = resident.abs_diff(self.resident) > self.resident / RESIDENT_STEPS;
        if moved {
            self.resident = resident;
        }
        let names = (named..self.tags)
            .filter_map(|place| ledger.at(place))
            .map(|tag| What::TagNamed { tag: tag.place() as u32 + 1, name: tag.name() });
        let lost = self.room.lost();
        let dropped = lost - mem::replace(&mut self.lost, lost);
        let known = mem::take(&mut self.budgets);
        let budgets = (0..self.tags).filter(|place| changed[*place]).map(|place| What::Budget {
            tag: place as u32 + 1,
            limit: known[place].limit().map(|bytes| bytes as u64),
            hard: known[place].is_hard(),
            warning: known[place].warning().map(|bytes| bytes as u64),
        });
        let resident = moved.then_some(What::Resident { bytes: resident });
        let dropped = (dropped > 0).then_some(What::Lost { events: dropped });
        let written = self.own_events(names.chain(budgets).chain(resident).chain(dropped));
        self.budgets = known;
        written
    }

    /// Writes events of this thread itself.
    fn own_events<'a>(&mut self, mut events: impl Iterator<Item = What<'a>>) -> io::Result<()> {
        let (mut bytes, mut next) = (mem::take(&mut self.text), events.next());
        let mut written = Ok(());
        while next.is_some() && written.is_ok() {
            let start = clock::now();
            let (mut memory, mut len) = (Memory::new(start), 0);
            while len + ROOM_FOR_TEXT <= SEGMENT
                && let Some(what) = next
            {
                let room = bytes[len..].first_chunk_mut().expect("so much room is left");
                len += memory.write(room, start, &what);
                next = events.next();
            }
            let purpose = Purpose { session: self.session, thread: WRITER, number: self.segments, start };
            self.segments += 1;
            written = self.events(purpose, 0, &bytes[..len]);
        }
        self.text = bytes;
        written
    }

    /// What is known of modules.
    fn book(&self) -> &'static mut Book {
        // SAFETY: there is one recording at a time, and one writer of it, which lets go of it before it asks again.
        unsafe { self.room.modules() }
    }

    /// Looks whether modules were loaded or unloaded. Whether that is to be told at once: one is where another one was, and call stacks
    /// that look the same are others from now on.
    fn look_at_modules(&mut self) -> bool {
        let now = clock::now();
        let since = mem::replace(&mut self.modules.looked, now);
        if !self.modules.changes.look() {
            return false;
        }
        if let Some(tables) = TABLES.get() {
            tables.forget();
        }
        let reused = self.book().look();
        if reused {
            SEED.store(os::entropy() ^ now, Ordering::Relaxed);
        }
        // The first stacks that lead through a new module were told before it was looked for.
        self.modules.untold.get_or_insert(since);
        reused
    }

    /// What the process has loaded since then: code of files as the system tells it, and what the files are known by.
    fn tell_modules(&mut self, since: u64) -> io::Result<()> {
        self.modules.untold = None;
        let mut text =
            Text { number: self.segments, since, bytes: mem::take(&mut self.text), len: 0, told: 0 };
        self.segments += 1;
        let written = self.tell_modules_in(&mut text);
        self.text = text.bytes;
        written
    }

    fn tell_modules_in(&mut self, text: &mut Text) -> io::Result<()> {
        modules::maps(|line| text.line(self, line))?;
        for module in self.book().modules() {
            let mut line = [0; Module::LONGEST_LINE];
            let mut rest = &mut line[..];
            writeln!(rest, "{module}")?;
            let left = rest.len();
            text.line(self, &line[..line.len() - left])?;
        }
        text.flush(self)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_index()?;
        let last: [u8; 8] = *self.index.first_chunk().expect("it is longer");
        self.chunk(ChunkKind::End, WRITER, 0, 0, 0, &last)?;
        let header = FileHeader { units_per_second: self.began.units_per_second(), ..self.header };
        let file = self.file.file()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header.to_bytes())
    }
}

/// Lines of modules that are not written yet.
struct Text {
    /// Of the segment that they make up together.
    number: u64,
    since: u64,
    /// Room for one.
    bytes: Box<[u8]>,
    len: usize,
    /// Bytes of it that were written.
    told: u32,
}

impl Text {
    /// A line more, which is shorter than a segment.
    fn line(&mut self, capture: &mut Capture, line: &[u8]) -> io::Result<()> {
        if self.len + line.len() > SEGMENT {
            self.flush(capture)?;
        }
        self.bytes[self.len..][..line.len()].copy_from_slice(line);
        self.len += line.len();
        Ok(())
    }

    fn flush(&mut self, capture: &mut Capture) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let text = &self.bytes[..self.len];
        capture.chunk(ChunkKind::Modules, WRITER, self.number, self.since, self.told, text)?;
        self.told += self.len as u32;
        self.len = 0;
        Ok(())
    }
}
