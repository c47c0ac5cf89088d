//! What an `arenite_fit_heap` is: one of several kinds of heap, behind a door that says who may come in.
#![expect(unsafe_code, reason = "follows pointers that C gave, and is a heap that stands for another")]

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use arenite::heap::fit::{Either, Readable};
use arenite::region::AllocError;
use arenite::{
    Apart, BestFit, External, FirstFit, Fit, FitError, FitHeap, FitHeapState, FitStateError, FitStats,
    FreeError, Growing, HeapBlock, HeapCalls, Inspected, Lend, Locked, NextFit, RawHeap, ReadableHeap, Tag,
    Tlsf, WorstFit,
};

use super::{arenite_fit_heap, arenite_fit_heap_options};
use crate::api::object::{self, here};
use crate::api::offsets::{
    ARENITE_FIT_BEST, ARENITE_FIT_FIRST, ARENITE_FIT_NEXT, ARENITE_FIT_TLSF, ARENITE_FIT_WORST, arenite_fit,
};
use crate::api::tags::tag_of;
use crate::api::texts::text;
use crate::error::Refusal;
use crate::error::arenite_error::*;

/// A buffer of C's.
#[derive(Debug)]
pub(super) struct Given(NonNull<[u8]>);

// SAFETY: plain memory, by the caller's promise nobody else's.
unsafe impl Send for Given {}
// SAFETY: `&Given` gives an address only.
unsafe impl Sync for Given {}

// SAFETY: `arenite_fit_heap_options::buffer` demands it of the program.
unsafe impl Lend for Given {
    fn lent(&self) -> NonNull<[u8]> {
        self.0
    }
}

type InPlace = Either<Growing, External<Given>>;
type Beside = Either<Apart<Growing>, Apart<External<Given>>>;
/// What is made by default: allocating and freeing run no function of the program, unless there is no block.
pub(super) type Quick = FitHeap<InPlace, Tlsf>;

/// Whatever its storage and its fit.
pub(super) trait Whole: ReadableHeap + Send {
    fn stats(&mut self) -> FitStats;
    fn walk(&self, visit: &mut dyn FnMut(HeapBlock));
    fn offset_of(&self, block: NonNull<u8>) -> Result<usize, FreeError>;
    fn block_at(&self, offset: usize) -> Result<NonNull<u8>, FreeError>;
    fn try_trim(&mut self, keep: usize) -> Result<usize, AllocError>;
    fn calls(&self) -> Option<&HeapCalls>;
    fn memory(&self) -> (NonNull<u8>, u64);
    fn state(&self) -> Option<FitHeapState>;
}

/// Storage, and whether its books are saved.
trait Kept: Readable {
    fn heap<F: Fit>(self, state: Option<FitHeapState>) -> Result<FitHeap<Self, F>, Refusal>
    where
        Self: Sized;

    fn state_of<F: Fit>(heap: &FitHeap<Self, F>) -> Option<FitHeapState>
    where
        Self: Sized;
}

impl Kept for InPlace {
    fn heap<F: Fit>(self, state: Option<FitHeapState>) -> Result<FitHeap<Self, F>, Refusal> {
        match state {
            None => Ok(FitHeap::try_new(self)?),
            Some(_) => Err(only_apart()),
        }
    }

    fn state_of<F: Fit>(_: &FitHeap<Self, F>) -> Option<FitHeapState> {
        None
    }
}

impl Kept for Beside {
    fn heap<F: Fit>(self, state: Option<FitHeapState>) -> Result<FitHeap<Self, F>, Refusal> {
        match state {
            None => Ok(FitHeap::try_new(self)?),
            Some(state) => Ok(state.try_into_heap(self)?),
        }
    }

    fn state_of<F: Fit>(heap: &FitHeap<Self, F>) -> Option<FitHeapState> {
        Some(heap.state())
    }
}

#[cold]
pub(super) fn only_apart() -> Refusal {
    Refusal::new(
        ARENITE_INVALID_ARGUMENT,
        "only books that are apart are saved and loaded: make the heap with `apart`",
    )
}

impl From<FitStateError> for Refusal {
    #[cold]
    fn from(error: FitStateError) -> Self {
        let code = match error {
            FitStateError::Alloc(error) => return error.into(),
            FitStateError::TooLong { .. } => ARENITE_EXHAUSTED,
            _ => ARENITE_INVALID_ARGUMENT,
        };
        Self::new(code, error)
    }
}

impl<S: Kept, F: Fit> Whole for FitHeap<S, F>
where
    Self: Send,
{
    fn stats(&mut self) -> FitStats {
        self.publish();
        Self::stats(self)
    }

    fn walk(&self, visit: &mut dyn FnMut(HeapBlock)) {
        Self::walk(self).for_each(visit);
    }

    fn offset_of(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        Self::offset_of(self, block)
    }

    fn block_at(&self, offset: usize) -> Result<NonNull<u8>, FreeError> {
        Self::block_at(self, offset)
    }

    fn try_trim(&mut self, keep: usize) -> Result<usize, AllocError> {
        Self::try_trim(self, keep)
    }

    fn calls(&self) -> Option<&HeapCalls> {
        None
    }

    fn memory(&self) -> (NonNull<u8>, u64) {
        (self.base(), Self::stats(self).capacity)
    }

    fn state(&self) -> Option<FitHeapState> {
        S::state_of(self)
    }
}

impl<S: Kept, F: Fit> Whole for Inspected<FitHeap<S, F>>
where
    Self: Send,
    FitHeap<S, F>: Whole,
{
    fn stats(&mut self) -> FitStats {
        Whole::stats(self.inner_mut())
    }

    fn walk(&self, visit: &mut dyn FnMut(HeapBlock)) {
        Whole::walk(self.inner(), visit);
    }

    fn offset_of(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.inner().offset_of(block)
    }

    fn block_at(&self, offset: usize) -> Result<NonNull<u8>, FreeError> {
        self.inner().block_at(offset)
    }

    fn try_trim(&mut self, keep: usize) -> Result<usize, AllocError> {
        self.inner_mut().try_trim(keep)
    }

    fn calls(&self) -> Option<&HeapCalls> {
        Some(Inspected::calls(self))
    }

    fn memory(&self) -> (NonNull<u8>, u64) {
        self.inner().memory()
    }

    fn state(&self) -> Option<FitHeapState> {
        Whole::state(self.inner())
    }
}

/// Any of them, to be put behind a lock.
struct Any(Box<dyn Whole>);

// SAFETY: that of the heap in the box.
unsafe impl RawHeap for Any {
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.0.try_alloc(layout)
    }

    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.0.free(block)
    }

    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        self.0.find(block)
    }

    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.0.try_resize(block, layout)
    }

    fn owns(&self, address: *const u8) -> bool {
        self.0.owns(address)
    }
}

/// What an `arenite_fit_heap` is. Its first word says whether it may be used now, and how: all there is to look at for hot functions. One that
/// is gone, or of another kind, has no such word.
#[repr(C)]
pub(crate) struct Home {
    pub(super) state: AtomicU32,
    /// Of one that is not locked.
    thread: usize,
    door: Door,
}

/// [`Home::state`]: a [`Door::Quick`].
const QUICK: u32 = 0x5149_4F4B;
/// A [`Door::Own`].
const OWN: u32 = 0x4F57_4E21;
/// A [`Door::Locked`].
const LOCKED: u32 = 0x4C4F_434B;
/// It is being used, further up on its thread: by a call whose pressure callback or callback this is.
const IN_USE: u32 = 0x5553_4544;
/// It is being ended.
pub(super) const ENDED: u32 = 0;

#[expect(clippy::large_enum_variant, reason = "one in each object, which is a block of its own")]
enum Door {
    Quick(UnsafeCell<Quick>),
    Own(UnsafeCell<Box<dyn Whole>>),
    Locked(Locked<Any>),
}

// SAFETY: memory and books, which belong to no thread.
unsafe impl Send for Home {}
// SAFETY: what is not locked is used on the thread that made it: `inside` makes sure of that, and for hot functions it is the caller's promise.
// What is locked is safe to share by itself.
unsafe impl Sync for Home {}

/// Runs `work` with a heap: behind its lock, or on its thread if nobody uses it further up.
///
/// # Safety
/// As of [`object::hot`]; nobody ends the heap meanwhile. What `work` frees and resizes is the caller's.
pub(super) unsafe fn inside<R>(
    heap: *const arenite_fit_heap,
    work: impl FnOnce(&mut dyn Whole) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    struct Done<'o>(&'o AtomicU32, u32);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }
    // SAFETY: null, or readable by the caller's promise; the word comes first.
    let state = unsafe { heap.cast::<AtomicU32>().as_ref() };
    let state = state.map_or(ENDED, |state| state.load(Ordering::Relaxed));
    if !matches!(state, QUICK | OWN | LOCKED) {
        // SAFETY: the caller's promise.
        let home = unsafe { object::shared(heap)? };
        return Err(match home.state.load(Ordering::Relaxed) {
            IN_USE => busy(),
            _ => object::refuse_object(heap),
        });
    }
    // SAFETY: its word says that it is one.
    let home = unsafe { &*heap.cast::<Home>() };
    if let Door::Locked(locked) = &home.door {
        // SAFETY: there are no containers; blocks are the caller's.
        return unsafe { locked.try_with_mut(|heap| work(&mut *heap.0)) }.unwrap_or_else(|| Err(busy()));
    }
    if home.thread != here() {
        return Err(Refusal::new(
            ARENITE_WRONG_THREAD,
            "an `arenite_fit_heap` of another thread: use it where it was made, or make it with `locked`",
        ));
    }
    home.state.store(IN_USE, Ordering::Relaxed);
    // Also if it panics.
    let _done = Done(&home.state, state);
    let this: *mut dyn Whole = match &home.door {
        Door::Quick(quick) => quick.get(),
        // SAFETY: as below.
        Door::Own(own) => unsafe { &raw mut **own.get() },
        Door::Locked(_) => return Err(ARENITE_INTERNAL.into()),
    };
    // SAFETY: on its thread, where nobody has it further up: then its word would have said so.
    work(unsafe { &mut *this })
}

/// As [`inside`], and the heap is looked at before it is touched at all.
///
/// # Safety
/// Any address; nobody ends the heap meanwhile. What `work` frees and resizes is the caller's.
pub(super) unsafe fn carefully<R>(
    heap: *const arenite_fit_heap,
    work: impl FnOnce(&mut dyn Whole) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    // SAFETY: looked at, and the caller's promise.
    unsafe {
        object::shared(heap)?;
        inside(heap, work)
    }
}

#[cold]
fn busy() -> Refusal {
    Refusal::new(
        ARENITE_BUSY,
        "the `arenite_fit_heap` is in the middle of the call that this one comes from: do it later",
    )
}

/// For hot functions: a heap with heads in place, by TLSF, that nobody uses.
///
/// # Safety
/// As of [`object::hot`]; on the heap's thread. The answer is used before anything of the program's is called.
#[inline(always)]
pub(super) unsafe fn quick<'o>(heap: *mut arenite_fit_heap) -> Option<&'o mut Quick> {
    // SAFETY: null, or readable by the caller's promise; not as an atomic, which compilers do not compare in place. What says `QUICK` is a
    // `Home` with that door, and nobody has it further up.
    unsafe {
        if heap.is_null() || heap.cast::<u32>().read() != QUICK {
            return None;
        }
        match &(*heap.cast::<Home>()).door {
            Door::Quick(quick) => Some(&mut *quick.get()),
            _ => std::hint::unreachable_unchecked(),
        }
    }
}

/// A heap in this storage, whichever its fit.
fn boxed<S>(
    storage: S,
    fit: arenite_fit,
    counted: bool,
    state: Option<FitHeapState>,
) -> Result<Box<dyn Whole>, Refusal>
where
    S: Kept + 'static,
    FitHeap<S, Tlsf>: Send,
    FitHeap<S, FirstFit>: Send,
    FitHeap<S, NextFit>: Send,
    FitHeap<S, BestFit>: Send,
    FitHeap<S, WorstFit>: Send,
{
    fn of<S, F>(storage: S, counted: bool, state: Option<FitHeapState>) -> Result<Box<dyn Whole>, Refusal>
    where
        S: Kept + 'static,
        F: Fit + 'static,
        FitHeap<S, F>: Send,
    {
        let heap = storage.heap::<F>(state)?;
        Ok(if counted { Box::new(Inspected::new(heap)) } else { Box::new(heap) })
    }
    match fit {
        ARENITE_FIT_TLSF => of::<S, Tlsf>(storage, counted, state),
        ARENITE_FIT_FIRST => of::<S, FirstFit>(storage, counted, state),
        ARENITE_FIT_NEXT => of::<S, NextFit>(storage, counted, state),
        ARENITE_FIT_BEST => of::<S, BestFit>(storage, counted, state),
        ARENITE_FIT_WORST => of::<S, WorstFit>(storage, counted, state),
        _ => Err(Refusal::new(ARENITE_INVALID_ARGUMENT, format_args!("{fit} is no `arenite_fit`"))),
    }
}

impl arenite_fit_heap_options {
    pub(super) const DEFAULT: Self = Self {
        tag: 0,
        fit: ARENITE_FIT_TLSF,
        apart: 0,
        locked: 0,
        count_calls: 0,
        reserve: 0,
        buffer: null_mut(),
        buffer_size: 0,
        state: std::ptr::null(),
    };

    fn storage(&self, tag: Tag) -> Either<Growing, External<Given>> {
        match NonNull::new(self.buffer.cast()) {
            Some(start) => {
                let size = self.buffer_size.min(isize::MAX as usize);
                Either::Second(External::new(tag, Given(NonNull::slice_from_raw_parts(start, size))))
            }
            None => Either::First(Growing::new(tag, if self.reserve == 0 { 1 << 30 } else { self.reserve })),
        }
    }

    /// # Safety
    /// Its pointers are null or good.
    pub(super) unsafe fn open(&self) -> Result<Home, Refusal> {
        let storage = self.storage(tag_of(self.tag)?);
        let state = if self.state.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            let saved = unsafe { text(self.state)? };
            Some(serde_json::from_str::<FitHeapState>(saved).map_err(|error| {
                let wrong = format_args!("what was saved can not be read: {error}");
                Refusal::new(ARENITE_INVALID_ARGUMENT, wrong)
            })?)
        };
        if state.is_none()
            && self.apart == 0
            && self.locked == 0
            && self.count_calls == 0
            && self.fit == ARENITE_FIT_TLSF
        {
            let door = Door::Quick(UnsafeCell::new(FitHeap::try_new(storage)?));
            return Ok(Home { state: AtomicU32::new(QUICK), thread: here(), door });
        }
        let counted = self.count_calls != 0;
        let heap = if self.apart == 0 {
            boxed(storage, self.fit, counted, state)?
        } else {
            let apart: Beside = match storage {
                Either::First(growing) => Either::First(Apart::new(growing)),
                Either::Second(given) => Either::Second(Apart::new(given)),
            };
            boxed(apart, self.fit, counted, state)?
        };
        let (state, door) = if self.locked == 0 {
            (OWN, Door::Own(UnsafeCell::new(heap)))
        } else {
            (LOCKED, Door::Locked(Locked::new(Any(heap))))
        };
        Ok(Home { state: AtomicU32::new(state), thread: here(), door })
    }
}
