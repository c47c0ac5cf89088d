//! Where the memory of a [`FitHeap`](super::FitHeap) comes from, and where its book-keeping stands.
#![expect(unsafe_code, reason = "puts book-keeping into memory that it was given")]

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::GRANULE;
use super::apart::Beside;
use super::place::{Book, InPlace};
use crate::base::align::checked_align_up;
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, Region, RegionOptions, Table};

/// Where the memory of a [`FitHeap`](super::FitHeap) comes from, and where its book-keeping stands. Sealed.
///
/// | storage | memory | book-keeping |
/// |---|---|---|
/// | [`Growing`] | a reservation of its own, committed as needed, charged to a tag | eight bytes in front of each block, and a bit for every 16 bytes |
/// | [`Fixed`] | a buffer of the caller | the same, all of it in the buffer |
/// | [`External<P>`] | what a [`Lend`] lends | the same, all of it in what is lent |
/// | [`Apart<Growing>`], [`Apart<Fixed>`](Apart), [`Apart<External<P>>`](Apart) | as above | 32 bytes a block and 11 to 22 more for a used one, in tables charged to the tag; blocks have no head |
/// | [`Apart<Untouched>`](Untouched) | addresses that nobody here reads or writes | as of `Apart` |
///
/// Which one: `Growing`, unless the memory is there already; `Apart` where the processor had better not touch what is free, or where
/// most blocks are powers of two. All of them serve any alignment. What is apart is untouched by a program that writes beyond its blocks, and blocks of a power of two
/// waste nothing.
pub trait Storage: sealed::Open {}

/// Storage that the processor reads and writes, and the library too: it fills blocks with zeros and moves what is in them. Sealed.
pub trait Readable: Storage {}

impl<S: sealed::Open> Storage for S {}

/// Storage whose books are apart from the memory: [`Apart`]. The books of such a heap are saved and loaded (`FitHeapState`, feature
/// `serde`). Sealed.
pub trait BooksApart: Storage + sealed::Open<Book = Beside> {}

impl<S: sealed::Open<Book = Beside>> BooksApart for S {}

pub(crate) mod sealed {
    use super::{AllocError, Book, NonNull, Tag};

    /// What opens as memory and its book-keeping.
    pub trait Open {
        type Memory: Memory;
        type Book: Book;

        /// No block yet.
        fn open(self) -> Result<(Self::Memory, Self::Book), AllocError>;
    }

    /// One stretch of memory.
    ///
    /// # Safety
    /// It stays where it is; up to [`granules`](Self::granules) it belongs to whoever has this.
    pub unsafe trait Memory: core::fmt::Debug {
        /// Granule 0, at a multiple of 16.
        fn origin(&self) -> NonNull<u8>;

        /// Where the last block may end now.
        fn granules(&self) -> u32;

        /// Where the last block may ever end.
        fn limit(&self) -> u32;

        /// Has at least so many granules, or nothing has changed.
        fn try_grow(&mut self, granules: u32) -> Result<(), AllocError>;

        /// Gives back what is behind so many granules, as far as that is possible.
        ///
        /// # Safety
        /// Nothing behind them is in use.
        unsafe fn try_shrink(&mut self, granules: u32) -> Result<(), AllocError>;

        /// Whom it, or what is beside it, is charged to.
        fn tag(&self) -> Tag;

        /// Bytes of book-keeping that it has apart from the blocks.
        fn beside(&self) -> usize;

        /// Tells the ledger how much is in use.
        fn publish(&mut self, live: usize);

        /// Whether it came from the system for this alone: no block that somebody recorded.
        fn is_own(&self) -> bool {
            false
        }
    }
}
use sealed::{Memory, Open};

/// The most granules of a heap: 16 GiB, as one bit of a block's number tells whether it is free, and another one is a half granule.
const MOST: u32 = (1 << 30) - 1;

/// Memory of its own that grows: address space is reserved at once, pages are committed as they are needed, and
/// [`try_trim`](super::FitHeap::try_trim) gives the free end back.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Growing {
    options: RegionOptions,
    reserve: usize,
}

impl Growing {
    /// `reserve` bytes of address space (half of that, and so on, if the system has not so much; at most 16 GiB), charged to
    /// `tag`.
    pub const fn new(tag: Tag, reserve: usize) -> Self {
        Self::with(RegionOptions::new(tag, 0), reserve)
    }

    /// The same, with steps, guard, huge pages, prefaulting and the tag of the options.
    pub const fn with(options: RegionOptions, reserve: usize) -> Self {
        Self { options, reserve }
    }

    /// `head` granules are not counted.
    fn reserve(self, head: usize, beside: ColumnLayout) -> Result<Grown, AllocError> {
        let rows = (self.reserve / GRANULE).clamp(256, MOST as usize);
        let layouts = [ColumnLayout::bytes(GRANULE, GRANULE), beside];
        let mut table = Table::try_reserve(&self.options, layouts, rows, rows.min(4096))?;
        table.try_grow(4)?;
        Ok(Grown { table, head })
    }
}

/// Memory of a reservation.
#[derive(Debug)]
pub struct Grown {
    /// Granules, and a bit for each.
    table: Table<2>,
    head: usize,
}

// SAFETY: a table never moves, and it is this one's.
unsafe impl Memory for Grown {
    fn origin(&self) -> NonNull<u8> {
        // SAFETY: the first rows are committed.
        unsafe { self.table.column(0).add(self.head * GRANULE) }
    }

    fn granules(&self) -> u32 {
        (self.table.rows() - self.head) as u32
    }

    fn limit(&self) -> u32 {
        (self.table.capacity() - self.head) as u32
    }

    fn try_grow(&mut self, granules: u32) -> Result<(), AllocError> {
        self.table.try_grow(granules as usize + self.head)
    }

    unsafe fn try_shrink(&mut self, granules: u32) -> Result<(), AllocError> {
        // SAFETY: the caller's promise.
        unsafe { self.table.try_shrink(granules as usize + self.head) }
    }

    fn tag(&self) -> Tag {
        self.table.tag()
    }

    fn beside(&self) -> usize {
        self.table.committed() - (self.table.rows() * GRANULE).min(self.table.committed())
    }

    fn publish(&mut self, live: usize) {
        self.table.publish_live(live);
    }

    fn is_own(&self) -> bool {
        true
    }
}

impl Open for Growing {
    type Memory = Grown;
    type Book = InPlace;

    fn open(self) -> Result<(Grown, InPlace), AllocError> {
        // The border in front takes half of a granule before the first that is counted.
        let memory = self.reserve(1, ColumnLayout::bit())?;
        // SAFETY: the first rows are committed, and so are their bits, which are zero like all fresh memory.
        let book = unsafe { InPlace::new(memory.origin(), memory.table.column(1).cast()) };
        Ok((memory, book))
    }
}

impl Readable for Growing {}

/// Memory that a [`FitHeap`](super::FitHeap) is lent for as long as it lives.
///
/// ```
/// use std::alloc::Layout;
/// use std::ptr::NonNull;
///
/// use arenite::{External, FitHeap, Lend, Tag};
///
/// /// Memory of the console's sound chip, say; here it is a box.
/// #[derive(Debug)]
/// struct SoundMemory(NonNull<[u8]>);
///
/// impl SoundMemory {
///     fn new(size: usize) -> Self {
///         Self(NonNull::from(Box::leak(vec![0; size].into_boxed_slice())))
///     }
/// }
///
/// // SAFETY: memory of its own that stays where it is, and that nobody else has the address of.
/// unsafe impl Lend for SoundMemory {
///     fn lent(&self) -> NonNull<[u8]> {
///         self.0
///     }
/// }
/// # impl Drop for SoundMemory {
/// #     fn drop(&mut self) {
/// #         drop(unsafe { Box::from_raw(self.0.as_ptr()) });
/// #     }
/// # }
///
/// let lent = External::new(Tag::register("sound")?, SoundMemory::new(64 << 10));
/// let mut heap: FitHeap<External<SoundMemory>> = FitHeap::try_new(lent)?;
/// let step = heap.try_alloc(Layout::new::<[i16; 4000]>())?;
/// heap.free(step)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Safety
/// As long as the lender lives, wherever it is moved, [`lent`](Self::lent) answers the same; until then nobody else uses that memory, and
/// the processor may read and write it.
pub unsafe trait Lend {
    /// The memory. It may begin anywhere and be of any size.
    fn lent(&self) -> NonNull<[u8]>;
}

// SAFETY: what is committed stays so, as nobody else has the region, and a region never moves.
unsafe impl Lend for Region {
    /// What is committed.
    fn lent(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base(), self.committed())
    }
}

/// A buffer of the caller, of any size at any address. Nothing else is asked of the system with [`Tlsf`](super::Tlsf).
#[derive(Debug)]
#[must_use]
pub struct Fixed<'a>(External<Buffer<'a>>);

/// Memory that a [`Lend`] lends (which has to be `Debug`): a mapped file, a piece of special memory of a console, a [`Region`].
#[derive(Debug)]
#[must_use]
pub struct External<P> {
    lender: P,
    tag: Tag,
}

/// A buffer, borrowed.
#[derive(Debug)]
pub struct Buffer<'a>(NonNull<[u8]>, PhantomData<&'a mut [MaybeUninit<u8>]>);

// SAFETY: borrowed exclusively.
unsafe impl Send for Buffer<'_> {}
// SAFETY: `&Buffer` gives an address only.
unsafe impl Sync for Buffer<'_> {}

// SAFETY: borrowed exclusively for as long as this lives, and longer.
unsafe impl Lend for Buffer<'_> {
    fn lent(&self) -> NonNull<[u8]> {
        self.0
    }
}

impl<'a> Fixed<'a> {
    /// Whatever the heap needs beside the buffer is charged to `tag`: with [`Tlsf`](super::Tlsf) nothing.
    pub fn new(tag: Tag, buffer: &'a mut [MaybeUninit<u8>]) -> Self {
        let range = NonNull::slice_from_raw_parts(NonNull::from(&mut *buffer).cast(), buffer.len());
        Self(External::new(tag, Buffer(range, PhantomData)))
    }

    /// The same, of bytes that have been written.
    ///
    /// # Safety
    /// Until they are written again nobody reads them as bytes after that: what is kept in blocks may have gaps.
    pub unsafe fn of_bytes(tag: Tag, buffer: &'a mut [u8]) -> Self {
        let range = NonNull::slice_from_raw_parts(NonNull::from(&mut *buffer).cast(), buffer.len());
        Self(External::new(tag, Buffer(range, PhantomData)))
    }
}

impl<P: Lend> External<P> {
    /// Whatever the heap needs beside what is lent is charged to `tag`: with [`Tlsf`](super::Tlsf) nothing. The memory itself is the
    /// lender's to charge.
    pub const fn new(tag: Tag, lender: P) -> Self {
        Self { lender, tag }
    }
}

/// Memory that was there before.
#[derive(Debug)]
pub struct Piece<P> {
    origin: NonNull<u8>,
    granules: u32,
    tag: Tag,
    /// Keeps the memory.
    _lender: P,
}

// SAFETY: the memory is the lender's, which may go to another thread; the rest is plain numbers.
unsafe impl<P: Send> Send for Piece<P> {}
// SAFETY: `&Piece` gives numbers only.
unsafe impl<P: Sync> Sync for Piece<P> {}

// SAFETY: `Lend` promises that it stays and is nobody else's.
unsafe impl<P: core::fmt::Debug> Memory for Piece<P> {
    fn origin(&self) -> NonNull<u8> {
        self.origin
    }

    fn granules(&self) -> u32 {
        self.granules
    }

    fn limit(&self) -> u32 {
        self.granules
    }

    fn try_grow(&mut self, granules: u32) -> Result<(), AllocError> {
        if granules <= self.granules {
            return Ok(());
        }
        let bytes = |granules: u32| granules as usize * GRANULE;
        Err(AllocError::Exhausted {
            tag: self.tag,
            reserved: bytes(self.granules),
            needed: bytes(granules.min(MOST)),
        })
    }

    unsafe fn try_shrink(&mut self, _: u32) -> Result<(), AllocError> {
        Ok(())
    }

    fn tag(&self) -> Tag {
        self.tag
    }

    fn beside(&self) -> usize {
        0
    }

    fn publish(&mut self, _: usize) {}
}

/// How a range of addresses is divided: where the bits and granule 0 are, in bytes from its start, and how many granules there are.
/// `None`: it is too small for a block.
fn divide(start: usize, len: usize, in_place: bool) -> Option<(usize, usize, u32)> {
    // What would go on behind the last address there is, is no range; nor is that address ever the end of a block.
    start.checked_add(len.saturating_sub(1))?;
    let len = len.min(usize::MAX - start);
    if !in_place {
        let skipped = checked_align_up(start, GRANULE)? - start;
        let granules = len.checked_sub(skipped)? / GRANULE;
        return (granules > 0).then_some((0, skipped, granules.min(MOST as usize) as u32));
    }
    let bits = checked_align_up(start, 8)? - start;
    // Words for as many granules as there could be, and one behind the last.
    let words = (len / GRANULE).min(MOST as usize) / 64 + 1;
    let head = start.checked_add(bits + words * 8 + 8)?;
    let origin = checked_align_up(head, GRANULE)? - start;
    let granules = len.checked_sub(origin)? / GRANULE;
    (granules > InPlace::LEAST as usize).then_some((bits, origin, granules.min(MOST as usize) as u32))
}

fn too_small(tag: Tag, reserved: usize) -> AllocError {
    AllocError::Exhausted { tag, reserved, needed: 64 }
}

impl<P: Lend + core::fmt::Debug> Open for External<P> {
    type Memory = Piece<P>;
    type Book = InPlace;

    fn open(self) -> Result<(Piece<P>, InPlace), AllocError> {
        let Self { lender, tag } = self;
        let lent = lender.lent();
        let (start, len) = (lent.cast::<u8>(), lent.len());
        let (bits, origin, granules) =
            divide(start.addr().get(), len, true).ok_or_else(|| too_small(tag, len))?;
        // SAFETY: `divide` has put words for all granules between `bits` and `origin`, and eight bytes more, and all granules, with half
        // of one more behind the last, below `len`. `Lend`: that memory is ours as long as the lender lives, which is in the answer.
        unsafe {
            let words = granules as usize / 64 + 1;
            let begins = start.add(bits).cast::<u64>();
            begins.write_bytes(0, words);
            let origin = start.add(origin);
            let book = InPlace::new(origin, begins);
            Ok((Piece { origin, granules, tag, _lender: lender }, book))
        }
    }
}

impl<P: Lend + core::fmt::Debug> Readable for External<P> {}

impl<'a> Open for Fixed<'a> {
    type Memory = Piece<Buffer<'a>>;
    type Book = InPlace;

    fn open(self) -> Result<(Self::Memory, InPlace), AllocError> {
        self.0.open()
    }
}

impl Readable for Fixed<'_> {}

/// Memory that the heap only has addresses of: nobody here reads or writes it. For what the processor can not see, or sees slowly. (What
/// has no addresses at all is a case for [`OffsetAllocator`](super::OffsetAllocator).)
#[derive(Debug)]
#[must_use]
pub struct Untouched(NonNull<[u8]>, Tag);

// SAFETY: numbers.
unsafe impl Send for Untouched {}
// SAFETY: as above.
unsafe impl Sync for Untouched {}

impl Untouched {
    /// The range; the tables are charged to `tag`.
    pub const fn new(tag: Tag, range: NonNull<[u8]>) -> Self {
        Self(range, tag)
    }
}

/// The memory of a storage, with the book-keeping apart from it: see [`Storage`].
#[derive(Debug)]
#[must_use]
pub struct Apart<S>(S);

impl<S> Apart<S> {
    /// What is in `storage` is not read nor written, but for its owners.
    pub const fn new(storage: S) -> Self {
        Self(storage)
    }
}

/// A range that is there, and tables for it.
fn beside<P>(lender: P, range: NonNull<[u8]>, tag: Tag) -> Result<(Piece<P>, Beside), AllocError> {
    let (start, len) = (range.cast::<u8>(), range.len());
    let (_, skipped, granules) = divide(start.addr().get(), len, false).ok_or_else(|| too_small(tag, len))?;
    // Nothing may be there, so that the address may not be computed as one inside of an object.
    let origin = start.map_addr(|start| start.saturating_add(skipped));
    let book = Beside::try_new(tag, granules as usize)?;
    Ok((Piece { origin, granules, tag, _lender: lender }, book))
}

impl Open for Apart<Growing> {
    type Memory = Grown;
    type Book = Beside;

    fn open(self) -> Result<(Grown, Beside), AllocError> {
        let memory = self.0.reserve(0, ColumnLayout::bytes(0, 1))?;
        let book = Beside::try_new(memory.tag(), memory.limit() as usize)?;
        Ok((memory, book))
    }
}

impl<P: Lend + core::fmt::Debug> Open for Apart<External<P>> {
    type Memory = Piece<P>;
    type Book = Beside;

    fn open(self) -> Result<(Piece<P>, Beside), AllocError> {
        let External { lender, tag } = self.0;
        let lent = lender.lent();
        beside(lender, lent, tag)
    }
}

impl<'a> Open for Apart<Fixed<'a>> {
    type Memory = Piece<Buffer<'a>>;
    type Book = Beside;

    fn open(self) -> Result<(Self::Memory, Beside), AllocError> {
        Apart(self.0.0).open()
    }
}

impl Open for Apart<Untouched> {
    type Memory = Piece<()>;
    type Book = Beside;

    fn open(self) -> Result<(Piece<()>, Beside), AllocError> {
        let Untouched(range, tag) = self.0;
        beside((), range, tag)
    }
}

impl<S: Readable> Readable for Apart<S> where Self: Storage {}
