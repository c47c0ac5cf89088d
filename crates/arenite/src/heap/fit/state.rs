//! Saving and loading the book-keeping of a range, so that ids stay valid: those of blocks in use name the same blocks, stale
//! ones stay stale, and no new one is any of these.

use core::fmt;
use core::marker::PhantomData;
use std::vec::Vec;

use serde::de::DeserializeSeed;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nodes::state::NotClaimed;
use super::nodes::{Id, NONE, NodeTable, Nodes, State};
use super::{Fit, OffsetAllocator, OffsetOptions, Tlsf};
use crate::region::AllocError;

/// What an [`OffsetAllocator`] is when it is saved, as a plain value: `Deserialize` it and make an allocator of it with
/// [`try_into_allocator`](Self::try_into_allocator), which is where the tag and the fit come in. [`OffsetAllocator::seed`] does
/// both at once.
///
/// An allocator itself is `Serialize`, in the same form:
///
/// | field | what |
/// |---|---|
/// | `granularity` | what sizes and offsets are multiples of; the others are in this unit |
/// | `generations` | of each row of the book-keeping, from row 1; 2³² - 1: used up |
/// | `vacant` | rows that are no block now, the next one to be used first |
/// | `segments` | `row`, `offset`, `draining` and `pieces` of each, by offset |
/// | `pieces` | row, size, and of a used one its [word](OffsetAllocator::set_word); each begins where the one before ends |
///
/// Feature `serde`. A [`BlockId`](super::BlockId) is saved as its [bits](super::BlockId::to_bits): row and generation. What the range holds is not saved with it, nor are
/// habits of the fit: of free pieces in the same class, [`Tlsf`] may take another one, and
/// [`NextFit`](super::NextFit) begins at the front. An allocator may be loaded with another fit than it was saved with.
///
/// ```
/// use arenite::{BlockId, OffsetAllocator, OffsetAllocatorState, OffsetOptions, Tag};
///
/// let tag = Tag::register("example/save")?;
/// let mut file: OffsetAllocator = OffsetAllocator::try_new(tag, 1 << 30)?;
/// let level = file.try_allocate(5000, 16)?;
/// let saved = serde_json::to_string(&(&file, level.id))?;
///
/// let (state, id): (OffsetAllocatorState, BlockId) = serde_json::from_str(&saved)?;
/// let mut loaded: OffsetAllocator = state.try_into_allocator(OffsetOptions::new(tag))?;
/// assert_eq!(loaded.get(id), Some(level));
/// assert_eq!(loaded.try_allocate(1, 1)?, file.try_allocate(1, 1)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
pub struct OffsetAllocatorState {
    granularity: u64,
    generations: Vec<u32>,
    vacant: Vec<u32>,
    segments: Vec<Segment>,
}

/// Row, size, and the word of a used one.
type Piece = (u32, u32, Option<u64>);

#[derive(Clone, Debug, Deserialize)]
struct Segment {
    row: u32,
    offset: u32,
    draining: bool,
    pieces: Vec<Piece>,
}

/// A saved allocator or heap makes no sense, or there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FitStateError {
    /// The granularity is not a power of two.
    Granularity {
        /// What it is.
        granularity: u64,
    },
    /// It has more rows than the new allocator has address space for.
    TooMany {
        /// Rows that were saved.
        rows: usize,
        /// Rows that the new allocator can have: [`OffsetOptions::blocks`].
        capacity: usize,
    },
    /// A row is named that is not among the saved ones.
    NoSuchRow {
        /// Which one.
        row: u32,
    },
    /// A row is named twice: as two pieces, as a piece and as vacant, …
    NamedTwice {
        /// Which one.
        row: u32,
    },
    /// A row's generation is not one that a row of its kind can have.
    Generation {
        /// Which row.
        row: u32,
        /// The generation.
        generation: u32,
    },
    /// A segment begins before the one in front of it ends, or it has no piece.
    Segment {
        /// Its row.
        row: u32,
    },
    /// A piece is of no size, or it reaches beyond 2³² - 1 granules or 2⁶⁴ - 1.
    Size {
        /// Its row.
        row: u32,
    },
    /// A free piece begins where another one ends: they should be one.
    Torn {
        /// The row of the second one.
        row: u32,
    },
    /// A heap's state counts in other granules than this version of the library.
    Granule {
        /// Bytes of one of them.
        granule: u64,
    },
    /// A used block of a heap is of no size, begins before the one in front of it ends, or reaches beyond the memory.
    Block {
        /// Which one: 0 is the first.
        place: usize,
    },
    /// The storage for a heap is smaller than the one that was saved.
    TooLong {
        /// Granules of 16 bytes that were saved.
        end: u32,
        /// Granules that the storage has.
        limit: u32,
    },
    /// There is no memory.
    Alloc(AllocError),
}

impl fmt::Display for FitStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granularity { granularity } => {
                write!(f, "a granularity of {granularity} is no power of two")
            }
            Self::TooMany { rows, capacity } => {
                write!(f, "{rows} rows were saved; there is room for {capacity}, ask for more blocks")
            }
            Self::NoSuchRow { row } => write!(f, "row {row} is named but was not saved"),
            Self::NamedTwice { row } => write!(f, "row {row} is named twice"),
            Self::Generation { row, generation } => {
                write!(f, "row {row} can not have generation {generation} as what it is")
            }
            Self::Segment { row } => {
                write!(f, "the segment in row {row} is empty or overlaps the one in front")
            }
            Self::Size { row } => write!(f, "the piece in row {row} is empty or too large"),
            Self::Torn { row } => write!(f, "the free piece in row {row} is behind another free one"),
            Self::Granule { granule } => write!(f, "granules of {granule} bytes; here they are of 16"),
            Self::Block { place } => {
                write!(f, "used block {place} is empty, overlaps the one in front, or ends behind the memory")
            }
            Self::TooLong { end, limit } => write!(
                f,
                "{end} granules of memory were saved and the storage has {limit}: a larger one is needed"
            ),
            Self::Alloc(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FitStateError {}

impl From<AllocError> for FitStateError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl OffsetAllocatorState {
    /// An allocator in this state. Of the options the tag and the number of blocks count; granularity and capacity are those that
    /// were saved. Everything is checked: a state that was tampered with can give other blocks, but none that overlap, and
    /// takes no more memory than its own length allows. O(rows).
    ///
    /// # Errors
    /// The state makes no sense, or there is no room for it.
    pub fn try_into_allocator<F: Fit>(
        self,
        options: OffsetOptions,
    ) -> Result<OffsetAllocator<F>, FitStateError> {
        let granularity = self.granularity;
        if !granularity.is_power_of_two() {
            return Err(FitStateError::Granularity { granularity });
        }
        let mut new: OffsetAllocator<F> = options.granularity(granularity).capacity(0).try_build()?;
        let most = new.most();
        let nodes = &mut new.blocks.nodes;
        let (rows, capacity) = (self.generations.len(), nodes.capacity());
        if rows > capacity {
            return Err(FitStateError::TooMany { rows, capacity });
        }
        // At most the capacity, which is less than 2³².
        nodes.try_open(rows as u32)?;
        // The last one that is given is the first one to be taken.
        for &row in self.vacant.iter().rev() {
            let generation = claim(nodes, row, &self.generations, |generation| generation < u32::MAX)?;
            nodes.put_vacant(row, generation);
        }
        let (mut end, mut used, mut used_size, mut all) = (0, 0, 0, 0);
        for segment in &self.segments {
            let generation =
                claim(nodes, segment.row, &self.generations, |generation| generation < u32::MAX)?;
            if segment.offset < end || segment.pieces.is_empty() {
                return Err(FitStateError::Segment { row: segment.row });
            }
            nodes.put_border(segment.row, generation, segment.offset, segment.draining);
            end = segment.offset;
            let mut before = segment.row;
            for &(row, size, word) in &segment.pieces {
                // A free one gets another number when its own is used up.
                let generation = claim(nodes, row, &self.generations, |generation| {
                    word.is_none() || generation < u32::MAX
                })?;
                end = end
                    .checked_add(size)
                    .filter(|end| size != 0 && *end <= most)
                    .ok_or(FitStateError::Size { row })?;
                let free = if segment.draining { State::Aside } else { State::Free };
                let state = if word.is_some() { State::Used } else { free };
                if state == free && nodes.state(before) == free {
                    return Err(FitStateError::Torn { row });
                }
                nodes.put_piece(row, generation, before, size, state);
                if let Some(word) = word {
                    nodes.set_word(row, word);
                    used += 1;
                    used_size += u64::from(size);
                }
                if word.is_some() || !segment.draining {
                    all += u64::from(size);
                }
                before = row;
            }
            new.segments += 1;
            new.capacity += u64::from(end - segment.offset);
        }
        // Rows that nobody has named have no generation left, and say so.
        for (row, &generation) in (1..).zip(&self.generations) {
            if nodes.close(row) && generation != u32::MAX {
                return Err(FitStateError::Generation { row, generation });
            }
        }
        (new.blocks.used, new.blocks.used_size, new.blocks.size) = (used, used_size, all);
        // Not `Blocks::try_ready`: rows for new blocks are the business of whoever takes one.
        new.blocks.fit.try_ready(used.saturating_add(new.segments).saturating_add(2))?;
        // From the end, so that what is put in last is in front.
        for segment in self.segments.iter().rev().filter(|segment| !segment.draining) {
            for &(row, _, word) in segment.pieces.iter().rev() {
                if word.is_none() {
                    new.blocks.offer(row);
                }
            }
        }
        new.publish();
        Ok(new)
    }
}

/// Makes a row that nobody has named yet somebody's; answers its saved generation.
fn claim(
    nodes: &mut NodeTable,
    row: Id,
    generations: &[u32],
    fits: impl Fn(u32) -> bool,
) -> Result<u32, FitStateError> {
    nodes.claim(row).map_err(|error| match error {
        NotClaimed::NoSuchRow => FitStateError::NoSuchRow { row },
        NotClaimed::Twice => FitStateError::NamedTwice { row },
    })?;
    // There are as many rows as generations, and the first row is 1.
    let generation = generations[row as usize - 1];
    if fits(generation) { Ok(generation) } else { Err(FitStateError::Generation { row, generation }) }
}

impl<F: Fit> OffsetAllocator<F> {
    /// Loads an allocator that was saved, for `DeserializeSeed` (feature `serde`). Of the options the tag and the number of blocks count.
    ///
    /// ```
    /// use arenite::{OffsetAllocator, OffsetOptions, Tag};
    /// use serde::de::DeserializeSeed;
    /// let tag = Tag::register("example/seed")?;
    /// let mut file: OffsetAllocator = OffsetAllocator::try_new(tag, 1 << 30)?;
    /// let block = file.try_allocate(5000, 16)?;
    /// let saved = serde_json::to_vec(&file)?;
    /// let seed = <OffsetAllocator>::seed(OffsetOptions::new(tag));
    /// let loaded = seed.deserialize(&mut serde_json::Deserializer::from_slice(&saved))?;
    /// assert_eq!(loaded.get(block.id), Some(block));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn seed(options: OffsetOptions) -> OffsetAllocatorSeed<F> {
        OffsetAllocatorSeed { options, makes: PhantomData }
    }
}

/// Loads an allocator: [`OffsetAllocator::seed`].
#[derive(Clone, Copy, Debug)]
pub struct OffsetAllocatorSeed<F: Fit = Tlsf> {
    options: OffsetOptions,
    makes: PhantomData<fn() -> F>,
}

impl<'de, F: Fit> DeserializeSeed<'de> for OffsetAllocatorSeed<F> {
    type Value = OffsetAllocator<F>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<OffsetAllocator<F>, D::Error> {
        let state = OffsetAllocatorState::deserialize(deserializer)?;
        state.try_into_allocator(self.options).map_err(serde::de::Error::custom)
    }
}

/// A list of known length that is written from an iterator.
pub(super) struct List<M>(pub(super) usize, pub(super) M);

impl<I: Iterator<Item: Serialize>, M: Fn() -> I> Serialize for List<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0))?;
        for item in (self.1)() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

/// A segment that is to be written.
struct Written<'a, F: Fit>(&'a OffsetAllocator<F>, Id);

impl<F: Fit> Serialize for Written<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(range, border) = *self;
        let nodes = &range.blocks.nodes;
        let pieces = || {
            range.blocks.of_segment(border).map(|block| -> Piece {
                let word = (nodes.state(block) == State::Used).then(|| nodes.word(block));
                (block, nodes.size(block), word)
            })
        };
        let mut segment = serializer.serialize_struct("Segment", 4)?;
        segment.serialize_field("row", &border)?;
        segment.serialize_field("offset", &nodes.offset(border))?;
        segment.serialize_field("draining", &nodes.is_draining(border))?;
        segment.serialize_field("pieces", &List(pieces().count(), pieces))?;
        segment.end()
    }
}

impl<F: Fit> Serialize for OffsetAllocator<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = &self.blocks.nodes;
        let rows = nodes.rows();
        let generations = || (NONE + 1..=rows).map(|row| nodes.row_generation(row));
        let segments = || self.borders().map(|border| Written(self, border));
        let mut range = serializer.serialize_struct("OffsetAllocatorState", 4)?;
        range.serialize_field("granularity", &self.granularity())?;
        range.serialize_field("generations", &List(rows as usize, generations))?;
        range.serialize_field("vacant", &List(nodes.vacant_count() as usize, || nodes.vacant_rows()))?;
        range.serialize_field("segments", &List(self.segments as usize, segments))?;
        range.end()
    }
}
