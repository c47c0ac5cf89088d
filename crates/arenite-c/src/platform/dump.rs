//! The leak report: which blocks live, by place and size.
#![expect(unsafe_code, reason = "reads heads of blocks that others may free")]

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arenite::heap::bucket::{self, LiveBlock};

use super::block::{COUNTS, MOVES};
use super::head::{HEAD, block_in};
use super::site;
use super::thread::tag;

/// A block that lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    place: u16,
    size: usize,
}

/// Lines of the report, at the most; the rest is one more.
const LINES: usize = 1000;
/// What is larger may be moving with its pages.
const MAY_MOVE: usize = 1 << 20;
/// Blocks that may be taken by other threads while there is no room for more.
const SLACK: usize = 1024;

/// All blocks that live, as of one moment where nobody is at it.
fn look() -> Vec<Seen> {
    let until = Instant::now() + Duration::from_millis(200);
    let moves = loop {
        let moves = MOVES.try_lock();
        // Its holder may be the very call that led to this one.
        if moves.is_some() || Instant::now() > until {
            break moves;
        }
        std::thread::yield_now();
    };
    let mut room = 0;
    loop {
        let mut seen: Vec<Seen> = Vec::with_capacity(room);
        let mut count = 0;
        each(moves.is_some(), |block| {
            count += 1;
            // No memory is to be taken in here.
            if seen.len() < seen.capacity() {
                seen.push(block);
            }
        });
        if count <= room {
            return seen;
        }
        room = count + SLACK;
    }
}

fn each(nothing_moves: bool, mut see: impl FnMut(Seen)) {
    bucket::each_live(tag(), |LiveBlock { address, size, .. }| {
        let Some(start) = NonNull::new(address.cast_mut()).filter(|_| size >= HEAD) else { return };
        // SAFETY: what lives can be read while this is called, unless it moves.
        let known = if nothing_moves || size < MAY_MOVE { unsafe { block_in(start) } } else { Some(None) };
        if let Some(known) = known {
            // A damaged head says nothing: then it is as large as it can be.
            let damaged = Seen { place: 0, size: size - HEAD };
            see(known.map_or(damaged, |known| Seen { place: known.place, size: known.size }));
        }
    });
}

/// Blocks of one place and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    seen: Seen,
    count: usize,
}

impl Group {
    fn bytes(&self) -> usize {
        self.count * self.seen.size
    }
}

fn groups(mut seen: Vec<Seen>) -> Vec<Group> {
    seen.sort_unstable();
    let mut groups = seen
        .chunk_by(|a, b| a == b)
        .map(|same| Group { seen: same[0], count: same.len() })
        .collect::<Vec<_>>();
    // The most bytes first; then as they were, which is by place.
    groups.sort_by_key(|group| core::cmp::Reverse(group.bytes()));
    groups
}

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Writes the report, line by line, and answers how many blocks live.
pub(super) fn dump(out: &mut impl fmt::Write) -> Result<usize, fmt::Error> {
    let seen = look();
    let (count, bytes) = (seen.len(), seen.iter().map(|seen| seen.size).sum::<usize>());
    if count == 0 {
        out.write_str("memory: no block is left\n")?;
    } else {
        writeln!(out, "memory: {} left, {}", plural(count, "block"), plural(bytes, "byte"))?;
    }
    let groups = groups(seen);
    for group in groups.iter().take(LINES) {
        let Group { seen: Seen { place, size }, count } = *group;
        write!(out, "  {} of {}", plural(count, "block"), plural(size, "byte"))?;
        match site::site(place) {
            Some(site) => writeln!(out, ", from {}:{}", site.file.to_string_lossy(), site.line)?,
            None => out.write_str(", from a place that is not known\n")?,
        }
    }
    if let Some(rest) = groups.get(LINES..).filter(|rest| !rest.is_empty()) {
        let (count, bytes) =
            (rest.iter().map(|group| group.count).sum(), rest.iter().map(Group::bytes).sum());
        writeln!(out, "  and {} more, {}", plural(count, "block"), plural(bytes, "byte"))?;
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
    Ok(count)
}
