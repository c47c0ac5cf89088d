//! The pool in a buffer of the caller's: blocks with an id and a time stamp, first fit, compaction.
//!
//! ```text
//!   paragraphs of 16 bytes:  | pool (2) | block (2) | bytes … | gap | block (2) | bytes … | gap |
//!   blocks are a list in the order of their addresses; what is between them is free
//! ```
//!
//! Everything is kept in the buffer, and the program may write there what it likes: each head is sealed with a key that it does
//! not know, and nothing in a head is believed before its seal was looked at. So damage is an error and never leads outside the
//! buffer. All of this is safe code over a slice.

/// Bytes of a paragraph: sizes and places are multiples of it.
pub(super) const PARAGRAPH: usize = 16;
/// Paragraphs of a head, the pool's or a block's.
const HEAD: usize = 2;
/// The smallest buffer that is one: the pool's head, and a block of one paragraph.
pub(super) const LEAST: usize = (2 * HEAD + 1) * PARAGRAPH;
/// The largest one, in paragraphs: places are 32 bits.
pub(super) const MOST: usize = u32::MAX as usize;

const IN_USE: u32 = 1;
const LOCKED: u32 = 2;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolError {
    /// Something wrote over a head.
    Damaged,
    /// No gap is so large.
    Full,
    /// No block begins there.
    NoBlock,
    /// No block has this id, or none may go.
    NotFound,
}

type Result<T> = core::result::Result<T, PoolError>;

/// A head. The pool's own has the clock in `stamp`, and in `size` its own size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// The paragraph of the next block; 0 if there is none.
    next: u32,
    /// Paragraphs, head included.
    size: u32,
    flags: u32,
    id: u64,
    stamp: u64,
}

/// A block, for whoever gave its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes from the pool's start to the block's own bytes.
    pub(super) offset: usize,
    pub(super) id: u64,
}

/// A pool, as long as nobody else is at it.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    bytes: &'a mut [u8],
    key: u64,
}

impl<'a> Pool<'a> {
    /// The pool in a buffer of whole paragraphs, [`LEAST`] bytes at the least. `key` must be the same each time.
    pub(super) fn new(bytes: &'a mut [u8], key: u64) -> Self {
        debug_assert!(bytes.len() >= LEAST && bytes.len().is_multiple_of(PARAGRAPH));
        Self { bytes, key }
    }

    /// Makes it an empty pool, whatever it was.
    pub(super) fn clear(&mut self) {
        self.write(0, Head { next: 0, size: HEAD as u32, flags: 0, id: 0, stamp: 0 });
    }

    /// Paragraphs in all.
    fn end(&self) -> usize {
        self.bytes.len() / PARAGRAPH
    }

    fn seal(&self, place: usize, head: &Head) -> u32 {
        let words = [
            place as u64 | u64::from(head.next) << 32,
            u64::from(head.size) | u64::from(head.flags) << 32,
            head.id,
            head.stamp,
        ];
        let mixed = words
            .into_iter()
            .fold(self.key, |sum, word| (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
        (mixed ^ mixed >> 32) as u32
    }

    fn write(&mut self, place: usize, head: Head) {
        let seal = self.seal(place, &head);
        let bytes = &mut self.bytes[place * PARAGRAPH..][..HEAD * PARAGRAPH];
        bytes[0..4].copy_from_slice(&head.next.to_ne_bytes());
        bytes[4..8].copy_from_slice(&head.size.to_ne_bytes());
        bytes[8..12].copy_from_slice(&head.flags.to_ne_bytes());
        bytes[12..16].copy_from_slice(&seal.to_ne_bytes());
        bytes[16..24].copy_from_slice(&head.id.to_ne_bytes());
        bytes[24..32].copy_from_slice(&head.stamp.to_ne_bytes());
    }

    /// The head at a place, if it is one: it lies inside, and so does what it says.
    fn read(&self, place: usize) -> Result<Head> {
        let bytes = self.bytes.get(place * PARAGRAPH..).and_then(|rest| rest.get(..HEAD * PARAGRAPH));
        let bytes = bytes.ok_or(PoolError::Damaged)?;
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(eight)
        };
        let head = Head { next: word(0), size: word(4), flags: word(8), id: long(16), stamp: long(24) };
        let (next, after) = (head.next as usize, place + head.size as usize);
        // A seal of 32 bits may be met by chance: what it vouches for must make sense, too.
        let sound = word(12) == self.seal(place, &head)
            && after <= self.end()
            && head.size as usize >= HEAD
            && (next == 0 || (next >= after && next < self.end()));
        if sound { Ok(head) } else { Err(PoolError::Damaged) }
    }

    /// Calls `see` with the place and head of each block, in order, and with where the one before it ended, until it answers.
    fn walk<T>(&self, mut see: impl FnMut(usize, usize, &Head) -> Option<T>) -> Result<Option<T>> {
        let (mut before, mut place) = (HEAD, self.read(0)?.next as usize);
        while place != 0 {
            let head = self.read(place)?;
            if let Some(answer) = see(before, place, &head) {
                return Ok(Some(answer));
            }
            (before, place) = (place + head.size as usize, head.next as usize);
        }
        Ok(None)
    }

    /// The block that begins at these bytes, with the place of the one before it.
    fn block(&self, offset: usize) -> Result<(usize, usize, Head)> {
        let mut previous = 0;
        let found = self.walk(|_, place, head| {
            let answer = ((place + HEAD) * PARAGRAPH == offset).then_some((previous, place, *head));
            previous = place;
            answer
        })?;
        found.ok_or(PoolError::NoBlock)
    }

    /// The next time stamp.
    fn tick(&mut self) -> Result<u64> {
        let mut pool = self.read(0)?;
        pool.stamp += 1;
        self.write(0, pool);
        Ok(pool.stamp)
    }

    /// Takes the first gap that is large enough. Answers where the block's bytes are.
    pub(super) fn alloc(&mut self, bytes: usize, id: u64) -> Result<usize> {
        let size = HEAD + bytes.max(1).div_ceil(PARAGRAPH);
        // The list is whole, or nothing is changed.
        let (mut previous, mut at, mut next) = (0, None, 0);
        let mut last = (0, HEAD);
        self.walk(|before, place, head| {
            if at.is_none() && place - before >= size {
                (previous, at, next) = (last.0, Some(before), place);
            }
            last = (place, place + head.size as usize);
            None::<()>
        })?;
        let at = match at {
            Some(at) => at,
            None if self.end() - last.1 >= size => {
                previous = last.0;
                last.1
            }
            None => return Err(PoolError::Full),
        };
        let stamp = self.tick()?;
        let mut before = self.read(previous)?;
        self.write(at, Head { next: next as u32, size: size as u32, flags: 0, id, stamp });
        before.next = at as u32;
        self.write(previous, before);
        Ok((at + HEAD) * PARAGRAPH)
    }

    /// Gives a block back.
    pub(super) fn free(&mut self, offset: usize) -> Result<()> {
        let (previous, place, head) = self.block(offset)?;
        let mut before = self.read(previous)?;
        before.next = head.next;
        self.write(previous, before);
        // No head is left behind that could be taken for one.
        self.bytes[place * PARAGRAPH..][..HEAD * PARAGRAPH].fill(0);
        Ok(())
    }

    /// The first block with an id.
    pub(super) fn find(&self, id: u64) -> Result<usize> {
        let found = self.walk(|_, place, head| (head.id == id).then_some((place + HEAD) * PARAGRAPH))?;
        found.ok_or(PoolError::NotFound)
    }

    pub(super) fn id(&self, offset: usize) -> Result<u64> {
        self.block(offset).map(|(_, _, head)| head.id)
    }

    /// The block was used just now, and may go when it is the oldest.
    pub(super) fn reference(&mut self, offset: usize) -> Result<()> {
        self.block(offset)?;
        let stamp = self.tick()?;
        self.change(offset, |head| {
            head.stamp = stamp;
            head.flags &= !IN_USE;
        })
    }

    /// The block may not go, but it may move.
    pub(super) fn in_use(&mut self, offset: usize) -> Result<()> {
        self.change(offset, |head| head.flags |= IN_USE)
    }

    /// The block may neither go nor move, or no longer.
    pub(super) fn lock(&mut self, offset: usize, locked: bool) -> Result<()> {
        self.change(offset, |head| if locked { head.flags |= LOCKED } else { head.flags &= !LOCKED })
    }

    fn change(&mut self, offset: usize, change: impl FnOnce(&mut Head)) -> Result<()> {
        let (_, place, mut head) = self.block(offset)?;
        change(&mut head);
        self.write(place, head);
        Ok(())
    }

    /// Of those that may go, the one that was used longest ago.
    pub(super) fn oldest(&self) -> Result<Found> {
        let mut oldest = None;
        self.walk(|_, place, head| {
            if head.flags == 0 && oldest.is_none_or(|(stamp, _)| head.stamp < stamp) {
                oldest = Some((head.stamp, Found { offset: (place + HEAD) * PARAGRAPH, id: head.id }));
            }
            None::<()>
        })?;
        oldest.map(|(_, found)| found).ok_or(PoolError::NotFound)
    }

    /// Bytes of each gap, in order.
    fn gaps(&self, mut see: impl FnMut(usize)) -> Result<()> {
        let mut end = HEAD;
        self.walk(|before, place, head| {
            see((place - before) * PARAGRAPH);
            end = place + head.size as usize;
            None::<()>
        })?;
        see((self.end() - end) * PARAGRAPH);
        Ok(())
    }

    /// Bytes that no block has.
    pub(super) fn available(&self) -> Result<usize> {
        let mut sum = 0;
        self.gaps(|bytes| sum += bytes)?;
        Ok(sum)
    }

    /// The most that [`alloc`](Self::alloc) could be asked for now.
    pub(super) fn largest(&self) -> Result<usize> {
        let mut largest = 0;
        self.gaps(|bytes| largest = largest.max(bytes))?;
        Ok(largest.saturating_sub(HEAD * PARAGRAPH))
    }

    /// Bytes that an empty pool has.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() - HEAD * PARAGRAPH
    }

    /// Moves every block that is not locked down to the end of the one before it. They stay in order.
    pub(super) fn compact(&mut self) -> Result<()> {
        // First of all: a damaged list is left as it is.
        self.walk(|_, _, _| None::<()>)?;
        let (mut previous, mut end, mut place) = (0, HEAD, self.read(0)?.next as usize);
        while place != 0 {
            let head = self.read(place)?;
            let size = head.size as usize;
            let mut at = place;
            if head.flags & LOCKED == 0 && end < place {
                at = end;
                self.bytes.copy_within(place * PARAGRAPH..(place + size) * PARAGRAPH, at * PARAGRAPH);
                let mut before = self.read(previous)?;
                before.next = at as u32;
                self.write(previous, before);
                self.write(at, head);
            }
            (previous, end, place) = (at, at + size, head.next as usize);
        }
        Ok(())
    }
}
