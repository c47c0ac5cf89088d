//! The leak report: which blocks live, by place and size.
#![expect(unsafe_code, reason = "reads heads of blocks that others may free")]

use core::cmp::Reverse;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arenite::heap::bucket::{self, LiveBlock};

use super::block::{COUNTS, MOVES};
use super::head::{HEAD, block_in};
use super::site;
use super::thread::tag;

/// Blocks that live, of one place and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    place: u16,
    size: usize,
    count: usize,
}

impl Group {
    fn bytes(&self) -> usize {
        self.count * self.size
    }
}

/// What there is, as of one moment where nobody is at it.
#[derive(Debug, Default)]
struct All {
    blocks: usize,
    bytes: usize,
    /// Blocks that there was no memory to look at in full.
    unknown: usize,
    groups: Vec<Group>,
}

/// Lines of the report, at the most; the rest is one more.
const LINES: usize = 1000;
/// What is larger may be moving with its pages.
const MAY_MOVE: usize = 1 << 20;
/// Blocks that may be taken by other threads while there is no room for more.
const SLACK: usize = 1024;

fn look() -> All {
    let until = Instant::now() + Duration::from_millis(200);
    let moves = loop {
        let moves = MOVES.try_lock();
        // Its holder may be the very call that led to this one.
        if moves.is_some() || Instant::now() > until {
            break moves;
        }
        std::thread::yield_now();
    };
    let mut all = All::default();
    loop {
        (all.blocks, all.bytes) = (0, 0);
        all.groups.clear();
        each(moves.is_some(), |block| {
            all.blocks += 1;
            all.bytes += block.size;
            // No memory is to be taken in here.
            if all.groups.len() < all.groups.capacity() {
                all.groups.push(block);
            }
        });
        let room = all.blocks + SLACK;
        let had = all.groups.capacity();
        // There may be none: this is asked for when memory runs out, too.
        if all.blocks <= had || all.groups.try_reserve_exact(room - all.groups.len()).is_err() {
            all.unknown = all.blocks - all.groups.len();
            break;
        }
    }
    // In place, for the same reason.
    all.groups.sort_unstable_by_key(|group| (group.place, group.size));
    all.groups.dedup_by(|next, group| {
        let same = (next.place, next.size) == (group.place, group.size);
        group.count += usize::from(same);
        same
    });
    // The most bytes first; then by place.
    all.groups.sort_unstable_by_key(|group| (Reverse(group.bytes()), group.place, group.size));
    all
}

fn each(nothing_moves: bool, mut see: impl FnMut(Group)) {
    bucket::each_live(tag(), |LiveBlock { address, size, .. }| {
        let Some(start) = NonNull::new(address.cast_mut()).filter(|_| size >= HEAD) else { return };
        // SAFETY: what lives can be read while this is called, unless it moves.
        let known = if nothing_moves || size < MAY_MOVE { unsafe { block_in(start) } } else { Some(None) };
        if let Some(known) = known {
            // A damaged head says nothing: then it is as large as it can be.
            let (place, size) = known.map_or((0, size - HEAD), |known| (known.place, known.size));
            see(Group { place, size, count: 1 });
        }
    });
}

/// A number and what it is of.
struct Plural(usize, &'static str);

impl fmt::Display for Plural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// A file's name, whatever bytes it has.
struct Name<'a>(&'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            f.write_str(if chunk.invalid().is_empty() { "" } else { "?" })
        })
    }
}

/// Hands lines to a function, each with its end and a zero behind it. What is too long for a line is left out.
struct Lines<F> {
    line: [u8; 1024],
    length: usize,
    to: F,
}

impl<F: FnMut(&[u8])> fmt::Write for Lines<F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // Room for the end.
            if byte == b'\n' || self.length < self.line.len() - 2 {
                self.line[self.length] = byte;
                self.length += 1;
            }
            if byte == b'\n' {
                self.line[self.length] = 0;
                (self.to)(&self.line[..=self.length]);
                self.length = 0;
            }
        }
        Ok(())
    }
}

/// Hands the report to a function, line by line, each of which ends in a line feed and a zero; answers how many blocks live. Of memory it
/// takes only what a list of them needs, and makes do with less.
pub(super) fn dump(to: impl FnMut(&[u8])) -> usize {
    let all = look();
    // Lines do not refuse.
    let _ = write(&all, &mut Lines { line: [0; 1024], length: 0, to });
    all.blocks
}

fn write(all: &All, out: &mut impl fmt::Write) -> fmt::Result {
    if all.blocks == 0 {
        out.write_str("memory: no block is left\n")?;
    } else {
        writeln!(out, "memory: {} left, {}", Plural(all.blocks, "block"), Plural(all.bytes, "byte"))?;
    }
    for Group { place, size, count } in all.groups.iter().take(LINES) {
        write!(out, "  {} of {}", Plural(*count, "block"), Plural(*size, "byte"))?;
        match site::site(*place) {
            Some(site) => writeln!(out, ", from {}:{}", Name(&site.file), site.line)?,
            None => out.write_str(", from a place that is not known\n")?,
        }
    }
    if let Some(rest) = all.groups.get(LINES..).filter(|rest| !rest.is_empty()) {
        let (count, bytes) =
            (rest.iter().map(|group| group.count).sum(), rest.iter().map(Group::bytes).sum());
        writeln!(out, "  and {} more, {}", Plural(count, "block"), Plural(bytes, "byte"))?;
    }
    if all.unknown > 0 {
        writeln!(out, "  and {} more, which there was no memory to list", Plural(all.unknown, "block"))?;
    }
    let mistakes = [
        (&COUNTS.hints, "given size was wrong", "given sizes were wrong"),
        (&COUNTS.double_frees, "block was freed twice", "blocks were freed twice"),
        (&COUNTS.foreign, "pointer was no block", "pointers were no blocks"),
        (&COUNTS.damaged, "block was damaged in front", "blocks were damaged in front"),
        (&COUNTS.failures, "request was refused", "requests were refused"),
    ];
    for (figure, one, more) in mistakes {
        match figure.load(Ordering::Relaxed) {
            0 => {}
            1 => writeln!(out, "  1 {one}")?,
            some => writeln!(out, "  {some} {more}")?,
        }
    }
    Ok(())
}
