//! Captures that no recorder wrote, made with the format's own writer: single events for tests of figures, and a game of any length
//! for tests of size. Tests of other crates include this file, too.
#![allow(dead_code, reason = "each test binary that includes this uses some of it")]

pub(crate) mod game;

use std::io::{self, Write};

use arenite::record::format::events::{Memory, ROOM_FOR_STACK, ROOM_FOR_TEXT, What};
use arenite::record::format::{ChunkHeader, ChunkKind, Codec, FileHeader, SEGMENT, VERSION};

/// The thread under whose number names of tags are told.
pub(crate) const RECORDER: u32 = u32::MAX;

/// Random numbers, the same ones each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a thread has told and nobody has written yet.
struct Log {
    thread: u32,
    memory: Box<Memory>,
    raw: Vec<u8>,
    segment: u64,
    start: u64,
    last: u64,
}

/// Writes a capture, event by event.
pub(crate) struct Writer<W> {
    out: W,
    logs: Vec<Log>,
    scratch: Box<[u8; ROOM_FOR_TEXT]>,
    pub(crate) events: u64,
}

impl<W: Write> Writer<W> {
    /// Of a process that was recorded whole.
    pub(crate) fn new(out: W, units_per_second: u64) -> io::Result<Self> {
        Self::with(out, units_per_second, 0)
    }

    /// Of a process of whose blocks one was recorded for so many bytes.
    pub(crate) fn with(mut out: W, units_per_second: u64, sample_bytes: u64) -> io::Result<Self> {
        let header = FileHeader {
            version: VERSION,
            pointer_bits: 64,
            page_shift: 12,
            process: 4711,
            sample_bytes,
            wall_ns: 1_760_000_000_000_000_000,
            units_per_second,
        };
        out.write_all(&header.to_bytes())?;
        Ok(Self { out, logs: Vec::new(), scratch: Box::new([0; ROOM_FOR_TEXT]), events: 0 })
    }

    /// The place of a thread's log, with room for so much.
    fn room(&mut self, thread: u32, time: u64, room: usize) -> io::Result<usize> {
        let place = self.logs.iter().position(|log| log.thread == thread).unwrap_or_else(|| {
            let memory = Box::new(Memory::new(time));
            self.logs.push(Log { thread, memory, raw: Vec::new(), segment: 0, start: time, last: time });
            self.logs.len() - 1
        });
        if self.logs[place].raw.len() + room > SEGMENT {
            Self::flush(&mut self.out, &mut self.logs[place])?;
            let log = &mut self.logs[place];
            log.memory.restart(time);
            (log.start, log.segment) = (time, log.segment + 1);
        }
        self.logs[place].last = time;
        self.events += 1;
        Ok(place)
    }

    fn flush(out: &mut W, log: &mut Log) -> io::Result<()> {
        let Log { thread, segment, start, last, .. } = *log;
        chunk(out, ChunkKind::Events, thread, segment, (start, last), &log.raw)?;
        log.raw.clear();
        Ok(())
    }

    /// Something that a thread did. Times of a thread never go back.
    pub(crate) fn event(&mut self, thread: u32, time: u64, what: &What<'_>) -> io::Result<()> {
        let place = self.room(thread, time, ROOM_FOR_TEXT)?;
        let log = &mut self.logs[place];
        let len = log.memory.write(&mut self.scratch, time, what);
        log.raw.extend_from_slice(&self.scratch[..len]);
        Ok(())
    }

    /// What a number stands for: return addresses from the innermost call outwards.
    pub(crate) fn stack(&mut self, thread: u32, time: u64, number: u32, frames: &[u64]) -> io::Result<()> {
        let place = self.room(thread, time, ROOM_FOR_STACK)?;
        let log = &mut self.logs[place];
        let mut bytes = [0; ROOM_FOR_STACK];
        let len = log.memory.write_stack(&mut bytes, time, number, frames.iter().copied());
        log.raw.extend_from_slice(&bytes[..len]);
        Ok(())
    }

    /// What the process has loaded, as lines of `/proc/PID/maps`.
    pub(crate) fn modules(&mut self, text: &str) -> io::Result<()> {
        chunk(&mut self.out, ChunkKind::Modules, RECORDER, 1 << 40, (0, 0), text.as_bytes())
    }

    /// Writes what is left, and that this is the end.
    pub(crate) fn end(self) -> io::Result<W> {
        let mut out = self.cut()?;
        chunk(&mut out, ChunkKind::End, RECORDER, 0, (0, 0), &[0; 8])?;
        out.flush()?;
        Ok(out)
    }

    /// Writes what is left, as if the program had crashed then.
    pub(crate) fn cut(mut self) -> io::Result<W> {
        for log in &mut self.logs {
            Self::flush(&mut self.out, log)?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

fn chunk(
    out: &mut impl Write,
    kind: ChunkKind,
    thread: u32,
    segment: u64,
    (start, taken): (u64, u64),
    raw: &[u8],
) -> io::Result<()> {
    let len = raw.len() as u32;
    let header = ChunkHeader {
        kind,
        codec: Codec::Raw,
        thread,
        raw_len: len,
        stored_len: len,
        offset: 0,
        segment,
        start,
        taken,
    };
    out.write_all(&header.to_bytes(raw))?;
    out.write_all(raw)?;
    out.write_all(&[0; 8][..raw.len().next_multiple_of(8) - raw.len()])
}
