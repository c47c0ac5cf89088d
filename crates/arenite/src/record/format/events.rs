//! Events as bytes: what one thread did, in order.
//!
//! ```text
//!   event = op ─ time since the last event ─ what the op has
//!   op    = kind (3 bits), flags (5 bits): which of its parts are as the codec expects, and so not there
//! ```
//!
//! | kind | parts |
//! |---|---|
//! | 0 alloc | address, size, stack |
//! | 1 free | address |
//! | 2 realloc | address before, address now, size, stack |
//! | 3 other | by the flags, which are a number here; see the constants |
//! | 4 moving | address |
//! | 5 moved | address before, address now |
//!
//! Both sides remember the same: the address of the last event (the next one is told as the difference, of addresses turned
//! right by four bits, since nearly all are multiples of 16); the last address of each of 256 kinds of address (one byte then
//! tells which it is: blocks are freed soon, and taken again soon); the last size that each of 256 kinds of stack had; the stack
//! that came after each of 64 kinds of stack. Times are in units of [`FileHeader`](super::FileHeader), numbers as in LEB128, signed ones in zigzag.

use core::fmt;

use super::varint::{In, Out};
use super::{DEEPEST_STACK, LONGEST_TEXT};

/// Bytes that an allocation, a reallocation, a move or a free takes at most: as much room as is asked for.
pub const ROOM: usize = 64;
/// Bytes that any other event but a stack takes at most.
pub const ROOM_FOR_TEXT: usize = 512;
/// Bytes that a stack takes at most.
pub const ROOM_FOR_STACK: usize = 2048;

const ALLOC: u8 = 0;
const FREE: u8 = 1;
const REALLOC: u8 = 2;
const OTHER: u8 = 3;
const MOVING: u8 = 4;
const MOVED: u8 = 5;
const KINDS: u8 = 0b111;

/// The address is one of the 256 that are remembered; which, says a byte.
const SEEN: u8 = 1 << 3;
/// The size is the last one of this stack.
const SAME_SIZE: u8 = 1 << 4;
/// The stack is the one that came after the last one before.
const SAME_STACK: u8 = 1 << 5;
/// A reallocation left the block where it is.
const STAYED: u8 = 1 << 6;
/// The second address of a reallocation or a move, as [`SEEN`].
const NOW_SEEN: u8 = 1 << 7;

const FRAME: u8 = 0;
const MARK: u8 = 1;
const NOTE: u8 = 2;
const TAG: u8 = 3;
const TAG_NAMED: u8 = 4;
const THREAD_NAMED: u8 = 5;
const STACK: u8 = 6;
const COMMITTED: u8 = 7;
const LOST: u8 = 8;
const PAUSED: u8 = 9;
const RESUMED: u8 = 10;
const BEFORE: u8 = 11;
const BUDGET: u8 = 12;
const RESIDENT: u8 = 13;
const USED: u8 = 14;
const HIGH_WATER: u8 = 15;

/// Of a budget: there is a limit; it is hard; there is a warning mark.
const LIMITED: u8 = 1;
const HARD: u8 = 2;
const WARNS: u8 = 4;

/// Something that a thread did, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Units since time 0, not before the thread's last event.
    pub time: u64,
    /// What.
    pub what: What<'a>,
}

/// Something that a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What<'a> {
    /// A block was handed out.
    Alloc {
        /// Where it is.
        address: u64,
        /// Bytes that were asked for.
        size: u64,
        /// The number of the call stack; 0 if it is not known.
        stack: u32,
    },
    /// A block is given back.
    Free {
        /// Where it was.
        address: u64,
    },
    /// A block leaves its place, which another thread may get from now on. Where it is, and how large, says the thread's next event:
    /// a [`Realloc`](Self::Realloc).
    Moving {
        /// Where it was.
        address: u64,
    },
    /// A block got another size.
    Realloc {
        /// Where it was.
        before: u64,
        /// Where it is.
        address: u64,
        /// Bytes that were asked for.
        size: u64,
        /// The number of the call stack; 0 if it is not known.
        stack: u32,
    },
    /// The heap itself put a block at another place. It is the same block: as large as before, of whoever asked for it.
    Moved {
        /// Where it was.
        before: u64,
        /// Where it is.
        address: u64,
    },
    /// A frame begins.
    Frame {
        /// Its number.
        number: u64,
    },
    /// The program says that here is a moment worth finding.
    Mark {
        /// Its name.
        text: &'a str,
    },
    /// The program says something.
    Note {
        /// What.
        text: &'a str,
    },
    /// What the thread asks for from now on is this tag's.
    Tag {
        /// Its number.
        tag: u32,
    },
    /// A tag's name.
    TagNamed {
        /// Its number.
        tag: u32,
        /// Its name.
        name: &'a str,
    },
    /// The thread's name.
    ThreadNamed {
        /// Its name.
        name: &'a str,
    },
    /// What a stack's number stands for.
    Stack {
        /// Its number, not 0.
        stack: u32,
        /// Its return addresses.
        frames: Frames<'a>,
    },
    /// A region has more memory now, or less.
    Committed {
        /// The number of its tag.
        tag: u32,
        /// Bytes more.
        bytes: i64,
    },
    /// Events were dropped here, because nobody wrote them to the file in time.
    Lost {
        /// How many.
        events: u64,
    },
    /// From here on nothing is recorded, on any thread.
    Paused,
    /// From here on everything is recorded again.
    Resumed,
    /// What there was before anything was recorded, and is in no other event.
    Before {
        /// The number of the tag that has it.
        tag: u32,
        /// Blocks.
        blocks: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// What a tag, and all below it, may have of memory from now on.
    Budget {
        /// The number of the tag.
        tag: u32,
        /// Bytes; `None` if there is no limit.
        limit: Option<u64>,
        /// What goes beyond is refused.
        hard: bool,
        /// Bytes from which on it warns.
        warning: Option<u64>,
    },
    /// So much of the process is in the machine's memory, whoever has it.
    Resident {
        /// Bytes.
        bytes: u64,
    },
    /// What arenas of a tag have handed out in the frame that ends.
    Used {
        /// The number of the tag.
        tag: u32,
        /// Bytes, at most at once.
        bytes: u64,
    },
    /// What was in use of a tag's memory in the frame that ends, and is in those that follow until this is told again.
    HighWater {
        /// The number of the tag.
        tag: u32,
        /// Bytes, at most at once.
        bytes: u64,
    },
}

/// The return addresses of a stack, from the innermost call outwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frames<'a> {
    /// Differences, each checked to be whole.
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Frames<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none: the stack could not be walked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The addresses.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut left = In::new(self.bytes);
        let mut last = 0u64;
        core::iter::from_fn(move || {
            last = last.wrapping_add(left.signed()? as u64);
            Some(last)
        })
    }
}

impl fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Hex(u64);
        impl fmt::Debug for Hex {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        f.debug_list().entries(self.iter().map(Hex)).finish()
    }
}

/// The bytes are no events, or the codec's memory is that of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the events of a chunk can not be read")
    }
}

impl core::error::Error for Garbled {}

/// What both sides remember of a segment's earlier events.
#[derive(Clone, Debug)]
pub struct Memory {
    time: u64,
    /// The last address, turned.
    place: u64,
    stack: u32,
    addresses: [u64; 256],
    sizes: [u64; 256],
    next: [u32; 64],
}

/// Multiples of 16 become small numbers; nothing is lost.
#[inline(always)]
const fn turned(address: u64) -> u64 {
    address.rotate_right(4)
}

/// Which of the remembered ones an address is.
#[inline(always)]
const fn kind_of(address: u64) -> u8 {
    ((address >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

impl Memory {
    /// Nothing yet: at the start of a segment that begins at this time.
    #[must_use]
    pub const fn new(start: u64) -> Self {
        Self { time: start, place: 0, stack: 0, addresses: [0; 256], sizes: [0; 256], next: [0; 64] }
    }

    /// As [`new`](Self::new), in place.
    pub fn restart(&mut self, start: u64) {
        *self = Self::new(start);
    }

    /// The time of the last event.
    #[must_use]
    #[inline]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// How long after the last event.
    #[inline(always)]
    fn passes(&mut self, time: u64) -> u64 {
        let now = time.max(self.time);
        let passed = now - self.time;
        self.time = now;
        passed
    }

    /// Whether an address is remembered; from now on it is.
    #[inline(always)]
    fn meets(&mut self, address: u64) -> bool {
        let remembered = &mut self.addresses[usize::from(kind_of(address))];
        let seen = *remembered == address;
        *remembered = address;
        seen
    }

    #[inline(always)]
    fn write_address<const N: usize>(&mut self, out: &mut Out<'_, N>, address: u64, seen: bool) {
        let place = turned(address);
        if seen {
            out.byte(kind_of(address));
        } else {
            out.signed(place.wrapping_sub(self.place) as i64);
        }
        self.place = place;
    }

    fn read_address(&mut self, input: &mut In<'_>, seen: bool) -> Option<u64> {
        let address = if seen {
            self.addresses[usize::from(input.byte()?)]
        } else {
            self.place.wrapping_add(input.signed()? as u64).rotate_left(4)
        };
        self.place = turned(address);
        self.addresses[usize::from(kind_of(address))] = address;
        Some(address)
    }

    /// The flags of a size and a stack.
    #[inline(always)]
    fn expects(&mut self, size: u64, stack: u32) -> u8 {
        let last = &mut self.sizes[stack as usize & 255];
        let mut flags = if *last == size { SAME_SIZE } else { 0 };
        *last = size;
        let next = &mut self.next[self.stack as usize & 63];
        flags |= if *next == stack { SAME_STACK } else { 0 };
        *next = stack;
        self.stack = stack;
        flags
    }

    #[inline(always)]
    fn write_rest<const N: usize>(out: &mut Out<'_, N>, flags: u8, size: u64, stack: u32) {
        if flags & SAME_STACK == 0 {
            out.number(stack.into());
        }
        if flags & SAME_SIZE == 0 {
            out.number(size);
        }
    }

    /// Size and stack.
    fn read_rest(&mut self, input: &mut In<'_>, flags: u8) -> Option<(u64, u32)> {
        let expected = self.next[self.stack as usize & 63];
        let stack = if flags & SAME_STACK == 0 { number32(input)? } else { expected };
        let last = self.sizes[stack as usize & 255];
        let size = if flags & SAME_SIZE == 0 { input.number()? } else { last };
        let _ = self.expects(size, stack);
        Some((size, stack))
    }

    /// Writes a block that was handed out. Answers how many bytes that is.
    #[inline]
    pub fn write_alloc(
        &mut self,
        bytes: &mut [u8; ROOM],
        time: u64,
        address: u64,
        size: u64,
        stack: u32,
    ) -> usize {
        let seen = self.meets(address);
        let flags = self.expects(size, stack);
        let mut out = Out::new(bytes);
        out.byte(ALLOC | flags | if seen { SEEN } else { 0 });
        out.number(self.passes(time));
        self.write_address(&mut out, address, seen);
        Self::write_rest(&mut out, flags, size, stack);
        out.len()
    }

    /// Writes a block that is given back. Answers how many bytes that is.
    #[inline]
    pub fn write_free(&mut self, bytes: &mut [u8; ROOM], time: u64, address: u64) -> usize {
        self.write_leaving(FREE, bytes, time, address)
    }

    /// Writes a block that leaves its place. Answers how many bytes that is.
    #[inline]
    pub fn write_moving(&mut self, bytes: &mut [u8; ROOM], time: u64, address: u64) -> usize {
        self.write_leaving(MOVING, bytes, time, address)
    }

    #[inline(always)]
    fn write_leaving(&mut self, kind: u8, bytes: &mut [u8; ROOM], time: u64, address: u64) -> usize {
        let seen = self.meets(address);
        let mut out = Out::new(bytes);
        out.byte(kind | if seen { SEEN } else { 0 });
        out.number(self.passes(time));
        self.write_address(&mut out, address, seen);
        out.len()
    }

    /// Writes a block that its heap put elsewhere. Answers how many bytes that is.
    pub fn write_moved(&mut self, bytes: &mut [u8; ROOM], time: u64, before: u64, address: u64) -> usize {
        let seen = self.meets(before);
        let mut op = MOVED | if seen { SEEN } else { 0 };
        let mut out = Out::new(bytes);
        // As of a reallocation.
        out.byte(0);
        out.number(self.passes(time));
        self.write_address(&mut out, before, seen);
        let seen = self.meets(address);
        op |= if seen { NOW_SEEN } else { 0 };
        self.write_address(&mut out, address, seen);
        let len = out.len();
        bytes[0] = op;
        len
    }

    /// Writes a block that got another size. Answers how many bytes that is.
    #[inline]
    pub fn write_realloc(
        &mut self,
        bytes: &mut [u8; ROOM],
        time: u64,
        before: u64,
        address: u64,
        size: u64,
        stack: u32,
    ) -> usize {
        let mut op = REALLOC | self.expects(size, stack);
        let flags = op;
        let seen = self.meets(before);
        op |= if seen { SEEN } else { 0 };
        let mut out = Out::new(bytes);
        // The op is complete when the second address was looked for, which may be the first one's kind.
        out.byte(0);
        out.number(self.passes(time));
        self.write_address(&mut out, before, seen);
        if address == before {
            op |= STAYED;
        } else {
            let seen = self.meets(address);
            op |= if seen { NOW_SEEN } else { 0 };
            self.write_address(&mut out, address, seen);
        }
        Self::write_rest(&mut out, flags, size, stack);
        let len = out.len();
        bytes[0] = op;
        len
    }

    /// Writes a stack by its number. Answers how many bytes that is. Frames beyond [`DEEPEST_STACK`] are left out.
    #[inline(never)]
    pub fn write_stack(
        &mut self,
        bytes: &mut [u8; ROOM_FOR_STACK],
        time: u64,
        stack: u32,
        frames: impl ExactSizeIterator<Item = u64>,
    ) -> usize {
        let mut out = Out::new(bytes);
        out.byte(OTHER | STACK << 3);
        out.number(self.passes(time));
        out.number(stack.into());
        out.number(frames.len().min(DEEPEST_STACK) as u64);
        let mut last = 0u64;
        for address in frames.take(DEEPEST_STACK) {
            out.signed(address.wrapping_sub(last) as i64);
            last = address;
        }
        out.len()
    }

    /// Writes any event but a stack. Answers how many bytes that is. Texts are cut after [`LONGEST_TEXT`] bytes.
    #[inline(never)]
    pub fn write(&mut self, bytes: &mut [u8; ROOM_FOR_TEXT], time: u64, what: &What<'_>) -> usize {
        let hot: &mut [u8; ROOM] = bytes.first_chunk_mut().expect("more room than that");
        let kind = match *what {
            What::Alloc { address, size, stack } => return self.write_alloc(hot, time, address, size, stack),
            What::Free { address } => return self.write_free(hot, time, address),
            What::Moving { address } => return self.write_moving(hot, time, address),
            What::Moved { before, address } => return self.write_moved(hot, time, before, address),
            What::Realloc { before, address, size, stack } => {
                return self.write_realloc(hot, time, before, address, size, stack);
            }
            What::Frame { .. } => FRAME,
            What::Mark { .. } => MARK,
            What::Note { .. } => NOTE,
            What::Tag { .. } => TAG,
            What::TagNamed { .. } => TAG_NAMED,
            What::ThreadNamed { .. } => THREAD_NAMED,
            What::Committed { .. } => COMMITTED,
            What::Lost { .. } => LOST,
            What::Paused => PAUSED,
            What::Resumed => RESUMED,
            What::Before { .. } => BEFORE,
            What::Budget { .. } => BUDGET,
            What::Resident { .. } => RESIDENT,
            What::Used { .. } => USED,
            What::HighWater { .. } => HIGH_WATER,
            What::Stack { .. } => return 0,
        };
        let mut out = Out::new(bytes);
        out.byte(OTHER | kind << 3);
        out.number(self.passes(time));
        match *what {
            What::Frame { number } => out.number(number),
            What::Mark { text } | What::Note { text } | What::ThreadNamed { name: text } => {
                write_text(&mut out, text);
            }
            What::Tag { tag } => out.number(tag.into()),
            What::TagNamed { tag, name } => {
                out.number(tag.into());
                write_text(&mut out, name);
            }
            What::Committed { tag, bytes } => {
                out.number(tag.into());
                out.signed(bytes);
            }
            What::Lost { events } => out.number(events),
            What::Before { tag, blocks, bytes } => {
                out.number(tag.into());
                out.number(blocks);
                out.number(bytes);
            }
            What::Budget { tag, limit, hard, warning } => {
                out.number(tag.into());
                let flag = |is: bool, flag: u8| if is { flag } else { 0 };
                out.byte(flag(limit.is_some(), LIMITED) | flag(hard, HARD) | flag(warning.is_some(), WARNS));
                for bytes in [limit, warning].into_iter().flatten() {
                    out.number(bytes);
                }
            }
            What::Resident { bytes } => out.number(bytes),
            What::Used { tag, bytes } | What::HighWater { tag, bytes } => {
                out.number(tag.into());
                out.number(bytes);
            }
            What::Alloc { .. } | What::Free { .. } | What::Moving { .. } => {}
            What::Realloc { .. } | What::Moved { .. } => {}
            What::Stack { .. } | What::Paused | What::Resumed => {}
        }
        out.len()
    }

    /// Reads the next event of a segment, and takes its bytes away; `None` at the end.
    ///
    /// # Errors
    /// [`Garbled`]: nothing behind this place can be read, until the next segment.
    pub fn read<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Event<'a>>, Garbled> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut input = In::new(bytes);
        let event = self.read_event(&mut input).ok_or(Garbled)?;
        *bytes = input.left();
        Ok(Some(event))
    }

    /// The time of the next event, which stays; `None` if there is none that can be read.
    #[must_use]
    pub fn peek_time(&self, bytes: &[u8]) -> Option<u64> {
        let mut input = In::new(bytes);
        input.byte()?;
        self.time.checked_add(input.number()?)
    }

    fn read_event<'a>(&mut self, input: &mut In<'a>) -> Option<Event<'a>> {
        let op = input.byte()?;
        let time = self.time.checked_add(input.number()?)?;
        self.time = time;
        let seen = op & SEEN != 0;
        let what = match op & KINDS {
            ALLOC => {
                let address = self.read_address(input, seen)?;
                let (size, stack) = self.read_rest(input, op)?;
                What::Alloc { address, size, stack }
            }
            FREE => What::Free { address: self.read_address(input, seen)? },
            MOVING => What::Moving { address: self.read_address(input, seen)? },
            MOVED => What::Moved {
                before: self.read_address(input, seen)?,
                address: self.read_address(input, op & NOW_SEEN != 0)?,
            },
            REALLOC => {
                let before = self.read_address(input, seen)?;
                let address =
                    if op & STAYED == 0 { self.read_address(input, op & NOW_SEEN != 0)? } else { before };
                let (size, stack) = self.read_rest(input, op)?;
                What::Realloc { before, address, size, stack }
            }
            OTHER => read_other(input, op >> 3)?,
            _ => return None,
        };
        Some(Event { time, what })
    }
}

fn read_other<'a>(input: &mut In<'a>, kind: u8) -> Option<What<'a>> {
    Some(match kind {
        FRAME => What::Frame { number: input.number()? },
        MARK => What::Mark { text: read_text(input)? },
        NOTE => What::Note { text: read_text(input)? },
        TAG => What::Tag { tag: number32(input)? },
        TAG_NAMED => What::TagNamed { tag: number32(input)?, name: read_text(input)? },
        THREAD_NAMED => What::ThreadNamed { name: read_text(input)? },
        STACK => {
            let stack = number32(input).filter(|stack| *stack != 0)?;
            let len = usize::try_from(input.number()?).ok().filter(|len| *len <= DEEPEST_STACK)?;
            let all = input.left();
            for _ in 0..len {
                input.signed()?;
            }
            What::Stack { stack, frames: Frames { bytes: &all[..all.len() - input.left().len()], len } }
        }
        COMMITTED => What::Committed { tag: number32(input)?, bytes: input.signed()? },
        LOST => What::Lost { events: input.number()? },
        PAUSED => What::Paused,
        RESUMED => What::Resumed,
        BEFORE => What::Before { tag: number32(input)?, blocks: input.number()?, bytes: input.number()? },
        BUDGET => {
            let (tag, flags) = (number32(input)?, input.byte()?);
            let mut bytes = |flag: u8| match flags & flag {
                0 => Some(None),
                _ => input.number().map(Some),
            };
            What::Budget { tag, limit: bytes(LIMITED)?, hard: flags & HARD != 0, warning: bytes(WARNS)? }
        }
        RESIDENT => What::Resident { bytes: input.number()? },
        USED => What::Used { tag: number32(input)?, bytes: input.number()? },
        HIGH_WATER => What::HighWater { tag: number32(input)?, bytes: input.number()? },
        _ => return None,
    })
}

fn number32(input: &mut In<'_>) -> Option<u32> {
    input.number()?.try_into().ok()
}

fn write_text<const N: usize>(out: &mut Out<'_, N>, text: &str) {
    let mut len = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    let cut = &text[..len];
    out.byte(cut.len() as u8);
    out.bytes(cut.as_bytes());
}

fn read_text<'a>(input: &mut In<'a>) -> Option<&'a str> {
    let len = input.byte()?;
    core::str::from_utf8(input.bytes(len.into())?).ok()
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
