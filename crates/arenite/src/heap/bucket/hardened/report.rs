//! What is said before the process ends. Nothing is allocated for it, and nobody is asked.

use core::fmt::{self, Write};

use crate::ledger::Tag;
use crate::os;

/// What somebody did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misuse {
    /// Freed what was freed before.
    DoubleFree,
    /// Freed an address inside a block.
    Inside { by: usize },
    /// Freed what no block begins at.
    NoBlock,
    /// Freed memory of somebody else's.
    Foreign,
    /// Freed another heap's block here.
    Elsewhere,
    /// Wrote so many bytes behind the end.
    Overflow { bytes: usize },
    /// Wrote before the start.
    Underflow,
    /// Wrote to a block that was freed, so far from its start.
    AfterFree { at: usize },
    /// Wrote to memory that was not handed out.
    Stray { at: usize },
    /// Resized a freed block, or asked for its size.
    Stale,
    /// Freed or resized with another size.
    Size { given: usize },
    /// Freed or resized with an alignment that it does not have.
    Align { given: usize },
}

/// About which block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) address: usize,
    /// What was asked for, and under which tag, if it is known.
    pub(super) block: Option<(usize, Tag)>,
}

/// Text of a fixed size; what does not fit is cut.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = text.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        Ok(())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            Some((1, tag)) => write!(f, "the block at {:#x} (1 byte, tag `{tag}`)", self.address),
            Some((size, tag)) => write!(f, "the block at {:#x} ({size} bytes, tag `{tag}`)", self.address),
            None => write!(f, "the block at {:#x}", self.address),
        }
    }
}

fn describe(line: &mut impl Write, misuse: Misuse, subject: Subject) -> fmt::Result {
    let plural = |count: usize| if count == 1 { "byte" } else { "bytes" };
    match misuse {
        Misuse::DoubleFree => write!(line, "double free: {subject} was freed before"),
        Misuse::Inside { by } => {
            write!(line, "invalid free: {by} {} inside {subject}", plural(by))
        }
        Misuse::NoBlock => {
            write!(line, "invalid free: {subject} was freed, but is not in use")
        }
        Misuse::Foreign => {
            write!(line, "foreign free: {:#x} is not memory of this heap", subject.address)
        }
        Misuse::Elsewhere => write!(line, "foreign free: {subject} is another heap's"),
        Misuse::Overflow { bytes } => {
            write!(line, "overflow: {bytes} {} written behind the end of {subject}", plural(bytes))
        }
        Misuse::Underflow => write!(line, "underflow: something was written before the start of {subject}"),
        Misuse::AfterFree { at } => {
            write!(line, "use after free: byte {at} of {subject} was written after it was freed")
        }
        Misuse::Stray { at } => {
            write!(line, "stray write: byte {at} of {subject}, which nobody had, was written")
        }
        Misuse::Stale => write!(line, "use after free: {subject} is resized or measured after it was freed"),
        Misuse::Size { given } => write!(line, "wrong layout: {subject} is given back as {given} bytes"),
        Misuse::Align { given } => {
            write!(line, "wrong layout: {subject} is given back as aligned to {given}")
        }
    }
}

/// Says what happened, and ends the process.
#[cold]
#[inline(never)]
pub(super) fn report(misuse: Misuse, subject: Subject) -> ! {
    let mut line = Line { bytes: [0; 512], len: 0 };
    // Writing to it does not fail; what is too long is cut, and ends a line all the same.
    let _ = line.write_str("arenite: ");
    let _ = describe(&mut line, misuse, subject);
    let end = line.len.min(line.bytes.len() - 1);
    line.bytes[end] = b'\n';
    os::write_error(&line.bytes[..=end]);
    os::abort()
}
