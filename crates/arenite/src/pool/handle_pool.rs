//! Values found by handle: game objects that come, go, and refer to each other.
//!
//! Choose it for what is referred to for longer than a function call: agents, components, bodies, sounds that play. A
//! handle whose value is gone resolves to nothing, for ever. Choose [`ResourceArena`](crate::ResourceArena) for what goes
//! all at once, a `Vec` for what nobody refers to.
//!
//! ```text
//!   values       | T | T | T | …       addresses never move
//!   generations  | 3 | 8 | 1 | …       odd: a value is there; even: none
//!   live         a bit a slot          what iteration walks over, with a summary of a bit per 64 slots
//!   free         | 17 | 4 | 1 |        the last one that was vacated is taken first
//!   marks        three bits a slot     detached, reserved, lent
//! ```
//!
//! ```text
//! insert                                        remove
//!   vacant: top of the free stack                 find: index below `opened`, generation equal
//!     (none: vacant_slow ── open_more ──          read the value
//!      Table::try_grow, 64 slots at a time)       unlink: next generation, clear the bit,
//!   write the value                                 push (or retire)
//!   occupy: next generation, set the bit, pop
//! ```
//!
//! `slots.rs` has values, generations and bits; `marks.rs` the rare bits; `take.rs` all ways out; `iter.rs` the walks;
//! `many.rs` several borrows at a time; `reserve.rs` handles before their values, from many threads; `state.rs` saving
//! and loading; `parallel.rs` rayon; `secondary.rs` further data by the same handles.
#![expect(unsafe_code, reason = "owns values in raw memory")]

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};
use core::ptr::NonNull;

mod error;
mod iter;
mod many;
mod marks;
#[cfg(feature = "rayon")]
mod parallel;
mod reserve;
mod secondary;
mod slots;
#[cfg(feature = "serde")]
mod state;
mod take;

pub use error::{BorrowError, DisjointError};
pub use iter::{Drain, ExtractIf, Handles, Iter, IterMut, Values, ValuesMut};
pub use many::{BorrowMany, DisjointMut};
#[cfg(feature = "rayon")]
pub use parallel::{ParIter, ParIterMut};
pub use secondary::{Secondary, SecondaryError, SecondaryIter, SecondaryIterMut};
#[cfg(feature = "serde")]
pub use state::{HandlePoolSeed, HandlePoolState, StateError};

use self::marks::Marks;
use self::slots::{Slots, WORD};
use super::{Handle, InsertError, PoolOptions};
use crate::base::next_stamp;
use crate::base::sync::{AtomicU32, Ordering};
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, Kind, Table};

/// The last generation that a handle can have. One more, the next even number, is what a retired slot has.
const LAST: u32 = u32::MAX - 2;
const RETIRED: u32 = LAST + 1;

/// Values addressed by [`Handle`]s: O(1) to insert, find and remove, in place from insertion to removal, walked in the
/// order of their slots at a cost that follows what lives.
///
/// - **A stale handle resolves to nothing, always.** Each slot counts its generations; one that has counted 2³¹ - 1 of them
///   retires, and only [`recycle`](Self::recycle) brings it back. Neither [`clear`](Self::clear) nor
///   [`try_trim`](Self::try_trim) forgets a generation.
/// - **Values never move**, and there is nothing between them: a value of 64 bytes takes 64 bytes (and 8½ elsewhere).
/// - **Handles are of a type**: a `Handle<Agent>` is not taken by a `HandlePool<Sound>`. A handle of *another pool of the
///   same type* is an unknown number to this one: it may resolve to whatever has that number here (see
///   [`stamped`](Self::stamped)).
/// - Destructors run when a value is removed, cleared or the pool is dropped; one that panics stops no other.
///
/// `Send` when `T` is; `Sync` when `T` is: through `&self` any number of threads read, and [`reserve`](Self::reserve).
///
/// ```
/// use arenite::{HandlePool, Tag};
/// struct Agent { health: i32, target: Option<arenite::Handle<Agent>> }
///
/// let mut agents = HandlePool::try_new(Tag::register("agents")?, 10_000)?;
/// let orc = agents.insert(Agent { health: 30, target: None });
/// let elf = agents.insert(Agent { health: 20, target: Some(orc) });
///
/// agents.remove(orc);
/// let troll = agents.insert(Agent { health: 90, target: Some(elf) });
/// assert_eq!(troll.index(), orc.index(), "the slot is in use again");
/// let target = agents[elf].target.unwrap();
/// assert!(agents.get(target).is_none(), "and the elf's target is gone all the same");
///
/// for (_, agent) in &mut agents {
///     agent.health -= 25;
/// }
/// agents.retain(|_, agent| agent.health > 0);
/// assert_eq!(agents.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HandlePool<T> {
    slots: Slots<T>,
    /// The slots that are free, `free_len` of them; the last one is taken next. Room for every slot, so behind them is
    /// room for as many as live: there `many.rs` notes what it lends.
    free: NonNull<u32>,
    /// Slots, from the first, that have been given a generation. At most the rows of the table.
    opened: u32,
    free_len: u32,
    /// How many of the free stack, from its bottom, `reserve` has given out. At most `free_len`.
    taken: AtomicU32,
    /// How many slots behind the opened ones `reserve` has given out.
    beyond: AtomicU32,
    /// The last generation before a slot retires; odd.
    last: u32,
    /// The generation with which slots are opened: even, above all that slots had which were closed again.
    fresh: u32,
    /// What `fresh` was at first.
    first: u32,
    /// Slots marked `Lent`, noted behind the free stack; not 0 only while a borrow is open, or after one was forgotten.
    lent: u32,
    retired: u32,
    /// Slots marked `Detached`.
    detached: u32,
    /// Slots marked `Reserved`.
    reserved: u32,
    marks: Marks,
    table: Table<6>,
    owns: PhantomData<T>,
}

// SAFETY: owns its values like a `Vec`, and its memory wholly.
unsafe impl<T: Send> Send for HandlePool<T> {}
// SAFETY: `&self` gives `&T`, and `reserve`, which only counts in atomics and reads what only `&mut self` changes.
unsafe impl<T: Sync> Sync for HandlePool<T> {}

/// Figures of a [`HandlePool`]. Sizes are bytes, the rest are slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HandlePoolStats {
    /// Values there are.
    pub live: usize,
    /// Slots there can be.
    pub capacity: usize,
    /// Slots that have been used, or stand ready to be.
    pub slots: usize,
    /// Slots whose generations are used up.
    pub retired: usize,
    /// Slots whose value was detached.
    pub detached: usize,
    /// Handles that were reserved and wait for a flush.
    pub reserved: usize,
    /// Bytes of memory behind the slots, book-keeping included.
    pub committed: usize,
    /// Bytes of address space.
    pub address_space: usize,
}

impl<T> HandlePool<T> {
    /// A pool of at most `capacity` values, charged to `tag`. Address space is reserved for all of them, memory is
    /// committed as they are used.
    ///
    /// # Errors
    /// The address space can not be had, or `capacity` is above `u32::MAX`.
    #[track_caller]
    pub fn try_new(tag: Tag, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity))
    }

    /// A pool made as the options say.
    ///
    /// # Errors
    /// The address space can not be had, or the capacity is above `u32::MAX`; of a bounded pool, also: a budget would be
    /// broken, or the system refused.
    #[track_caller]
    pub fn try_with(options: PoolOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::HandlePool);
        let [values, generations, live, summary] = Slots::<T>::LAYOUTS;
        let layouts = [values, generations, live, summary, ColumnLayout::of::<u32>(), Marks::LAYOUT];
        if options.slots() > u32::MAX as usize {
            return Err(AllocError::TooLarge { tag: options.tag() });
        }
        let table = options.of(&made).try_table(layouts)?;
        Ok(Self {
            slots: Slots::at(|index| table.column(index)),
            free: table.column(4).cast(),
            opened: 0,
            free_len: 0,
            taken: AtomicU32::new(0),
            beyond: AtomicU32::new(0),
            last: LAST,
            fresh: 0,
            first: 0,
            lent: 0,
            retired: 0,
            detached: 0,
            reserved: 0,
            marks: Marks::at(table.column(5)),
            table,
            owns: PhantomData,
        })
    }

    /// Makes each slot retire after it was used so many times (at most 2³¹ - 1, the default): for handles that must
    /// fit fewer bits elsewhere.
    ///
    /// # Panics
    /// `uses` is 0, or the pool has been used.
    #[must_use]
    pub fn retire_after(mut self, uses: u32) -> Self {
        assert!(uses > 0, "a slot is used at least once");
        assert!(self.is_untouched(), "a limit is set before the first value comes");
        self.last = self.fresh.saturating_add(uses.saturating_mul(2).saturating_sub(1) | 1).min(LAST);
        self
    }

    /// Starts the generations of this pool at a number of its own, so that a handle of another pool of the same type
    /// most likely resolves to nothing. It remains a precaution against mistakes, not a proof. Handles then differ
    /// from run to run in their bits. A slot retires after 2³⁰ uses at the earliest.
    ///
    /// # Panics
    /// The pool has been used.
    #[must_use]
    pub fn stamped(mut self) -> Self {
        assert!(self.is_untouched(), "a stamp is set before the first value comes");
        // Spread over a quarter of the range: neighbours in time are far apart.
        let start = ((next_stamp() as u32).wrapping_mul(0x9E37_79B1) >> 2) & !1;
        if self.last != LAST {
            self.last = (self.last - self.first).saturating_add(start).min(LAST);
        }
        (self.first, self.fresh) = (start, start);
        self
    }

    /// Whether no handle was ever given. An empty pool that was cleared and trimmed remembers by `fresh` that some were.
    fn is_untouched(&self) -> bool {
        self.opened == 0 && self.fresh == self.first && self.reserved_beyond() == 0
    }

    /// Moves a value in. O(1); a system call when memory must be committed.
    ///
    /// # Panics
    /// The pool is full, a budget would be broken, or the system refused.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, value: T) -> Handle<T> {
        match self.vacant() {
            // SAFETY: the slot is free and on top.
            Ok(index) => unsafe {
                self.slots.value(index).write(value);
                self.occupy(index)
            },
            Err(error) => error.raise(),
        }
    }

    /// Moves a value in.
    ///
    /// # Errors
    /// The pool is full, a budget would be broken, or the system refused; the error has the value.
    #[inline]
    pub fn try_insert(&mut self, value: T) -> Result<Handle<T>, InsertError<T>> {
        match self.vacant() {
            // SAFETY: the slot is free and on top.
            Ok(index) => unsafe {
                self.slots.value(index).write(value);
                Ok(self.occupy(index))
            },
            Err(error) => Err(InsertError { value, error }),
        }
    }

    /// Constructs a value in place: `make` runs once there is a slot. If it panics nothing has changed.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `make` panics with.
    #[inline]
    #[track_caller]
    pub fn insert_with(&mut self, make: impl FnOnce() -> T) -> Handle<T> {
        self.insert_with_handle(|_| make())
    }

    /// Constructs a value in place.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `make` has not been called then.
    #[inline]
    pub fn try_insert_with(&mut self, make: impl FnOnce() -> T) -> Result<Handle<T>, AllocError> {
        self.try_insert_with_handle(|_| make())
    }

    /// Constructs a value that knows its own handle. If `make` panics nothing has changed, and the handle may be given
    /// out again.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `make` panics with.
    #[inline]
    #[track_caller]
    pub fn insert_with_handle(&mut self, make: impl FnOnce(Handle<T>) -> T) -> Handle<T> {
        match self.try_insert_with_handle(make) {
            Ok(handle) => handle,
            Err(error) => error.raise(),
        }
    }

    /// Constructs a value that knows its own handle.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `make` has not been called then.
    #[inline]
    pub fn try_insert_with_handle(
        &mut self,
        make: impl FnOnce(Handle<T>) -> T,
    ) -> Result<Handle<T>, AllocError> {
        let index = self.vacant()?;
        // SAFETY: the slot is free and on top; `make` can not reach the pool, which is borrowed here.
        unsafe {
            let value = make(self.next_handle(index));
            self.slots.value(index).write(value);
            Ok(self.occupy(index))
        }
    }

    /// The free slot that is taken next; it is still free.
    #[inline]
    fn vacant(&mut self) -> Result<u32, AllocError> {
        if self.free_len > self.taken.load(Ordering::Relaxed) {
            // SAFETY: the stack is not empty.
            Ok(unsafe { self.top() })
        } else {
            self.vacant_slow()
        }
    }

    #[cold]
    #[inline(never)]
    fn vacant_slow(&mut self) -> Result<u32, AllocError> {
        self.absorb()?;
        self.open_more()?;
        // SAFETY: the stack is not empty any more.
        Ok(unsafe { self.top() })
    }

    /// # Safety
    /// The free stack is not empty.
    #[inline]
    unsafe fn top(&self) -> u32 {
        // SAFETY: below `free_len`.
        unsafe { self.free.add(self.free_len as usize - 1).read() }
    }

    /// The handle that a free, reserved or detached slot gives next.
    ///
    /// # Safety
    /// The slot is open and its generation is even and not that of a retired one.
    #[inline]
    unsafe fn next_handle(&self, index: u32) -> Handle<T> {
        // SAFETY: open by the caller's promise.
        let generation = unsafe { self.slots.generation(index) };
        debug_assert!(generation & 1 == 0 && generation < self.last);
        // SAFETY: an even number plus 1 is not 0.
        Handle::new(index, unsafe { NonZeroU32::new_unchecked(generation + 1) })
    }

    /// Makes the slot on top of the free stack live.
    ///
    /// # Safety
    /// It is that slot, `reserve` has not given it out, and a value was written to it.
    #[inline]
    unsafe fn occupy(&mut self, index: u32) -> Handle<T> {
        self.free_len -= 1;
        // SAFETY: a free slot is open, and holds a value by the caller's promise.
        unsafe { self.enliven(index) }
    }

    /// Gives a slot that is in no list its next generation, which makes it live.
    ///
    /// # Safety
    /// As for [`next_handle`](Self::next_handle), and a value was written to it.
    #[inline]
    unsafe fn enliven(&mut self, index: u32) -> Handle<T> {
        // SAFETY: the caller's promise.
        unsafe {
            let handle = self.next_handle(index);
            self.slots.set_generation(index, handle.generation());
            self.slots.set_live(index);
            handle
        }
    }

    /// Puts a slot that is in no list on the free stack.
    ///
    /// # Safety
    /// It is open, and its generation is even and not that of a retired one.
    #[inline]
    unsafe fn push_free(&mut self, index: u32) {
        // SAFETY: the stack has room for every slot, and this one is not in it.
        unsafe { self.free.add(self.free_len as usize).write(index) };
        self.free_len += 1;
    }

    /// Opens up to 64 further slots and puts them on the free stack, the first one on top.
    fn open_more(&mut self) -> Result<(), AllocError> {
        if self.fresh >= self.last {
            // The generations of slots that were closed again are used up.
            return Err(self.full());
        }
        if self.opened as usize >= self.table.rows() {
            self.table.try_grow(self.opened as usize + 1)?;
            self.publish();
        }
        // Capacities, and so rows, fit a `u32`.
        let rows = self.table.rows() as u32;
        let count = (WORD - self.opened % WORD).min(rows - self.opened);
        let first = self.opened;
        for _ in 0..count {
            // SAFETY: its row has memory.
            unsafe { self.open_slot() };
        }
        for index in (first..first + count).rev() {
            // SAFETY: just opened, in no list.
            unsafe { self.push_free(index) };
        }
        Ok(())
    }

    /// Opens one slot, which is in no list then.
    ///
    /// # Safety
    /// Its row has memory.
    unsafe fn open_slot(&mut self) {
        // SAFETY: the first that is not open; `&mut self` has the table alone.
        unsafe {
            self.slots.open(self.opened, self.fresh);
            self.marks.open(self.opened);
        }
        self.opened += 1;
    }

    fn full(&self) -> AllocError {
        AllocError::Full { tag: self.tag(), capacity: self.capacity() }
    }

    /// The slot of a handle whose value is there.
    #[inline]
    fn find(&self, handle: Handle<T>) -> Option<u32> {
        let index = handle.index();
        // A loop of look-ups then reads the columns' addresses once, and not once each (1.3 times as long).
        self.slots.read_ahead();
        // Generations of live slots are odd, all others even; those of handles are odd, whoever made them.
        // SAFETY: open; the second operand runs only if the first is true.
        (index < self.opened && unsafe { self.slots.generation(index) } == handle.generation())
            .then_some(index)
    }

    /// Whether the handle's value is there. O(1).
    #[inline]
    #[must_use]
    pub fn contains(&self, handle: Handle<T>) -> bool {
        self.find(handle).is_some()
    }

    /// The handle's value; `None` when it is gone, or not there yet. O(1).
    #[inline]
    #[must_use]
    pub fn get(&self, handle: Handle<T>) -> Option<&T> {
        let index = self.find(handle)?;
        // SAFETY: live, so it holds a value; nobody changes it while `self` is shared.
        Some(unsafe { self.slots.value(index).as_ref() })
    }

    /// The handle's value; `None` when it is gone, or not there yet. O(1).
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, handle: Handle<T>) -> Option<&mut T> {
        let index = self.find(handle)?;
        // SAFETY: live, so it holds a value; `self` is borrowed mutably as long as it is.
        Some(unsafe { self.slots.value(index).as_mut() })
    }

    /// The handle of the value in a slot, for a slot's number that was kept without a generation.
    #[must_use]
    pub fn handle_at(&self, index: u32) -> Option<Handle<T>> {
        // SAFETY: open, as the first operand says; the generation of a live slot is odd.
        (index < self.opened && unsafe { self.slots.is_live(index) })
            .then(|| unsafe { self.live_handle(index) })
    }

    /// # Safety
    /// The slot is live.
    #[inline]
    unsafe fn live_handle(&self, index: u32) -> Handle<T> {
        // SAFETY: the generation of a live slot is odd.
        unsafe { live_handle(self.slots, index) }
    }

    /// Values there are. O(1).
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        (self.opened - self.free_len - self.retired - self.detached - self.reserved) as usize
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots there can be; those that have retired count.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Slots that have been used or stand ready: each index of a handle is below this, unless it is reserved.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.opened as usize
    }

    /// Slots whose generations are used up: see [`recycle`](Self::recycle).
    #[must_use]
    pub const fn retired(&self) -> usize {
        self.retired as usize
    }

    /// Bytes of memory behind the slots, book-keeping included.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.table.committed()
    }

    /// Whom the pool is charged to.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.table.tag()
    }

    /// Figures of this moment. O(1).
    #[must_use]
    pub fn stats(&self) -> HandlePoolStats {
        HandlePoolStats {
            live: self.len(),
            capacity: self.capacity(),
            slots: self.slots(),
            retired: self.retired(),
            detached: self.detached as usize,
            reserved: self.reserved(),
            committed: self.committed(),
            address_space: self.table.reserved(),
        }
    }

    /// Tells the ledger how many bytes live values take now.
    pub fn publish(&mut self) {
        let live = self.len() * size_of::<T>();
        self.table.publish_live(live);
    }

    /// Commits memory for `slots` slots in all, at most for the capacity, ahead of time.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused.
    pub fn try_presize(&mut self, slots: usize) -> Result<(), AllocError> {
        self.table.try_grow(slots.min(self.capacity()))?;
        self.publish();
        Ok(())
    }
}

/// # Safety
/// The slot is live.
#[inline]
unsafe fn live_handle<T, V>(slots: Slots<V>, index: u32) -> Handle<T> {
    // SAFETY: live, so open, and its generation is odd.
    Handle::new(index, unsafe { NonZeroU32::new_unchecked(slots.generation(index)) })
}

impl<T> Index<Handle<T>> for HandlePool<T> {
    type Output = T;

    /// # Panics
    /// The handle's value is gone.
    #[inline]
    #[track_caller]
    fn index(&self, handle: Handle<T>) -> &T {
        match self.get(handle) {
            Some(value) => value,
            None => stale(handle),
        }
    }
}

impl<T> IndexMut<Handle<T>> for HandlePool<T> {
    /// # Panics
    /// The handle's value is gone.
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, handle: Handle<T>) -> &mut T {
        match self.get_mut(handle) {
            Some(value) => value,
            None => stale(handle),
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn stale<T>(handle: Handle<T>) -> ! {
    panic!("the value of handle {handle:?} is gone; ask with `get` where that can happen")
}

impl<T> fmt::Debug for HandlePool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlePool").field("tag", &self.tag()).field("stats", &self.stats()).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
