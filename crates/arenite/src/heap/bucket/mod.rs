//! The general heap: size classes, a cache for each thread, memory that goes back to the system.
//!
//! ```text
//!   process (this file): the heap of the process, a place for each tag; threads come and go
//!     local:  bins of free blocks, one place for each thread and tag      ◄── nearly always
//!       cache:  what a thread has: its places; blocks of others on their way home
//!       apart:  places whose blocks are told of when they come back
//!       large:  blocks with a span or a segment of their own
//!         space, huge, purge:  segments, spans, memory that nobody has
//!           segment, class: where things lie; ours: whose an address is; remote, mail, state: where threads meet
//!   careful: a face that finds mistakes, for those whom no compiler has checked
//!   hardened: all of it once more, for finding mistakes: every slow path leads there if the space is a hardened one
//! ```
//!
//! **A tag is a place.** A page's blocks belong to one tag, so what a tag has is known without storing anything per block, and
//! freeing needs not be told. Which tag a thread allocates under is one pointer: [`enter`].
#![expect(unsafe_code, reason = "the heap's own face is raw")]

mod apart;
mod by_tag;
mod cache;
#[cfg(not(loom))]
mod careful;
mod class;
mod door;
mod hardened;
mod huge;
#[cfg(feature = "std")]
mod instance;
#[cfg(all(feature = "std", not(loom)))]
mod instance_careful;
mod large;
mod living;
mod local;
mod mail;
mod ours;
mod purge;
mod remote;
mod segment;
mod space;
mod state;
mod stats;
#[cfg(feature = "std")]
mod threads;

#[cfg(feature = "std")]
use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};

#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub use self::apart::{alloc_apart, is_apart, realloc_apart};
pub use self::by_tag::{TagUse, by_tag, publish_live};
#[cfg(not(loom))]
pub use self::careful::{
    BlockFault, alloc_noted, alloc_zeroed_noted, free_fast, try_free, try_realloc, try_usable_size,
};
pub use self::door::{POP_MOST, block_around, each_live, pop, push};
#[cfg(feature = "std")]
pub use self::instance::{BucketHeap, BucketHeapOptions};
pub use self::living::{LiveBlock, live_blocks, tag_of};
pub use self::local::Local;
pub use self::stats::{ClassStats, HeapStats, ThreadStats, each_thread, process_stats};
#[cfg(feature = "std")]
pub use self::threads::StdThreads;

use self::cache::Cache;
use self::class::{FINE, LARGEST, aligned_class, class_of, size_of_class};
use self::hardened::Given;
use self::segment::{HARD, HUGE, LARGE, Page};
use self::space::{Plan, Space};
use crate::base::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::ledger::Tag;
use crate::region::AllocError;

/// How a program finds what belongs to the calling thread.
///
/// # Safety
/// `current` answers what the same thread told `set_current` last, or [`nothing`] if it never did. `enroll` arranges that
/// [`thread_ends`] is called with the same type when the thread ends, or says `false`.
pub unsafe trait Threads {
    /// The calling thread's place.
    fn current() -> *const Local;

    /// The calling thread's place is this one from now on.
    fn set_current(local: *const Local);

    /// Has [`thread_ends`] called when this thread ends.
    fn enroll() -> bool;

    /// No memory: called before a caller is told so. (Here, so that whoever has to say it in one more way, like C's `errno`,
    /// needs not look at each answer.)
    #[inline]
    fn refused() {}

    /// Which tag of the process's ledger the calling thread begins under.
    fn tag() -> Tag {
        Tag::untagged()
    }
}

/// The place of a thread that has none yet.
pub static NOTHING: Local = Local::EMPTY;
static ENDED: Local = Local::EMPTY;

/// The place of a thread that has none yet.
pub const fn nothing() -> *const Local {
    &raw const NOTHING
}

/// The heap of the process, once there is one.
static PROCESS: AtomicPtr<Space> = AtomicPtr::new(null_mut());
static SERIALS: AtomicUsize = AtomicUsize::new(1);
/// What the process's heap is made with: milliseconds that free memory waits, and whether to ask for huge pages.
static DELAY: AtomicU32 = AtomicU32::new(PURGE_DELAY);
static HUGE_PAGES: AtomicU32 = AtomicU32::new(0);
/// Whether it is hardened: 0, the environment says; 1, no; 2, yes.
static HARDENED: AtomicU32 = AtomicU32::new(0);

/// Addresses above this one can go to [`free`] as they are. What is not above is null; or the heap of the process is hardened,
/// and [`free_checked`] asks whether the address is a block before anything is read there. One compare for both.
pub static UNCHECKED_ABOVE: AtomicUsize = AtomicUsize::new(0);

/// Milliseconds that free memory waits for its next use, unless it is told otherwise.
pub const PURGE_DELAY: u32 = 200;

/// Whom what nobody has in the process's heap is charged to, and its tables.
pub fn process_tag() -> Tag {
    process().map_or_else(|_| Tag::untagged(), Space::tag)
}

/// How the heap of the process is to behave; counts until its first use. `delay` is the milliseconds that free memory
/// waits for its next use.
pub fn configure(delay: u32, huge_pages: bool) {
    DELAY.store(delay, Ordering::Relaxed);
    HUGE_PAGES.store(huge_pages.into(), Ordering::Relaxed);
}

/// Whether the heap of the process looks for mistakes; counts until its first use. Unless this was called, it does with the
/// feature `hardened`, and with `ARENITE_HARDENED=1` in the environment.
pub fn configure_hardened(hardened: bool) {
    HARDENED.store(1 + u32::from(hardened), Ordering::Relaxed);
    if hardened && PROCESS.load(Ordering::Acquire).is_null() {
        // Somebody may free what is no block before there is a heap.
        UNCHECKED_ABOVE.store(usize::MAX, Ordering::Relaxed);
    }
}

fn is_process(space: *const Space) -> bool {
    core::ptr::eq(space, PROCESS.load(Ordering::Relaxed))
}

fn process() -> Result<&'static Space, AllocError> {
    // Acquire: what was written before it was shown.
    match NonNull::new(PROCESS.load(Ordering::Acquire)) {
        // SAFETY: it is never given back.
        Some(space) => Ok(unsafe { space.as_ref() }),
        None => make_process(),
    }
}

/// Whether the process's heap is hardened, or will be.
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub fn is_hardened() -> bool {
    // SAFETY: never given back.
    unsafe { PROCESS.load(Ordering::Acquire).as_ref() }
        .map_or_else(wants_hardened, |space| space.plan.hardened)
}

fn wants_hardened() -> bool {
    match HARDENED.load(Ordering::Relaxed) {
        0 => cfg!(feature = "hardened") || crate::os::variable_is(c"ARENITE_HARDENED", b"1"),
        said => said == 2,
    }
}

#[cold]
fn make_process() -> Result<&'static Space, AllocError> {
    let plan = Plan {
        tag: Tag::register("heap").unwrap_or_else(|_| Tag::untagged()),
        limit: usize::MAX,
        delay: DELAY.load(Ordering::Relaxed),
        huge_pages: HUGE_PAGES.load(Ordering::Relaxed) != 0,
        hardened: wants_hardened(),
    };
    let made = Space::try_new(plan, SERIALS.fetch_add(1, Ordering::Relaxed))?;
    if plan.hardened {
        // Whoever finds the heap knows.
        UNCHECKED_ABOVE.store(usize::MAX, Ordering::Relaxed);
    }
    match PROCESS.compare_exchange(null_mut(), made.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            // SAFETY: never given back.
            Ok(unsafe { made.as_ref() })
        }
        Err(other) => {
            // SAFETY: nobody has seen ours. The other one is never given back.
            unsafe {
                Space::release(made);
                Ok(&*other)
            }
        }
    }
}

/// Gives the calling thread a cache and its first place. `None` if it has ended.
#[cold]
fn attach<T: Threads>() -> Result<Option<NonNull<Local>>, AllocError> {
    let current = T::current();
    if core::ptr::eq(current, &raw const ENDED) {
        return Ok(None);
    }
    if !core::ptr::eq(current, nothing()) {
        return Ok(NonNull::new(current.cast_mut()));
    }
    let space = process()?;
    let cache = cache::claim(space)?;
    let local = cache.of_tag(T::tag(), space).inspect_err(|_| cache.park())?;
    // Charging has run program code, which may have attached this thread.
    if !core::ptr::eq(T::current(), nothing()) {
        cache.park();
        return attach::<T>();
    }
    T::set_current(local.as_ptr());
    if !T::enroll() {
        // Nobody would give it back: as if it had ended.
        T::set_current(&raw const ENDED);
        cache.park();
        return Ok(None);
    }
    cache.count_thread();
    Ok(NonNull::new(T::current().cast_mut()))
}

/// Calls `work` with a place of the calling thread, of the process's heap; of a thread that has ended, with a place that is
/// borrowed for the moment.
fn with_local<T: Threads, R>(
    work: impl FnOnce(NonNull<Local>) -> Result<R, AllocError>,
) -> Result<R, AllocError> {
    match attach::<T>()? {
        Some(local) => work(local),
        None => {
            let space = process()?;
            let cache = cache::claim(space)?;
            let answer = cache.of_tag(Tag::untagged(), space).and_then(work);
            cache.park();
            answer
        }
    }
}

/// The calling thread's cache, and whether it is only borrowed.
fn with_cache<T: Threads, R>(work: impl FnOnce(&Cache) -> Result<R, AllocError>) -> Result<R, AllocError> {
    // SAFETY: a place that is not empty has a cache, which is never given back.
    with_local::<T, R>(|local| work(unsafe { &*local.as_ref().cache.get() }))
}

/// The calling thread ends: what it has waits for another one. What it frees or allocates later is served all the same.
pub fn thread_ends<T: Threads>() {
    let current = T::current();
    T::set_current(&raw const ENDED);
    // SAFETY: a place of this thread or an empty one; a cache is never given back.
    if let Some(cache) = unsafe { (*current).cache.get().as_ref() } {
        cache.park();
    }
}

/// From now on the calling thread allocates under this tag of the process's ledger. Answers the tag until now. Two stores
/// once the thread has allocated under it before.
///
/// # Errors
/// The tag's place can not be made: a budget would be broken, or the system refused. Nothing has changed then.
///
/// # Panics
/// The tag is of another ledger than the process's.
pub fn enter<T: Threads>(tag: Tag) -> Result<Tag, AllocError> {
    let process = core::ptr::eq(tag.ledger(), crate::ledger::Ledger::process());
    assert!(process, "tag `{tag}` is not of the process's ledger");
    with_local::<T, Tag>(|local| {
        // SAFETY: the calling thread's.
        let this = unsafe { local.as_ref() };
        let before = this.tag();
        // SAFETY: as above; outlives its locals.
        let (cache, space) = unsafe { (&*this.cache.get(), &*this.space.get()) };
        let place = cache.of_tag(tag, space)?;
        if !core::ptr::eq(T::current(), &raw const ENDED) {
            T::set_current(place.as_ptr());
        }
        Ok(before)
    })
}

/// A block of `size` bytes at a multiple of 16. `None`: no memory.
#[inline(always)]
pub fn alloc<T: Threads>(size: usize) -> Option<NonNull<u8>> {
    // One comparison for most: what is fine needs no second one.
    if size <= FINE {
        // SAFETY: a place of this thread, or an empty one.
        if let Some(block) = unsafe { &*T::current() }.pop_fine(size) {
            return Some(block);
        }
    } else if size <= LARGEST {
        // SAFETY: as above.
        if let Some(block) = unsafe { &*T::current() }.pop(class_of(size)) {
            return Some(block);
        }
    }
    alloc_slow::<T>(size)
}

#[cold]
#[inline(never)]
fn alloc_slow<T: Threads>(size: usize) -> Option<NonNull<u8>> {
    // Large classes come here every few blocks: not by the long way, which has an answer to everything.
    if size <= LARGEST {
        // SAFETY: a place of this thread, or an empty one.
        if let Some(block) = unsafe { &*T::current() }.refill_plain(class_of(size)) {
            return Some(block);
        }
    }
    or_refused::<T>(try_alloc::<T>(size, class::QUANTUM))
}

fn or_refused<T: Threads>(answer: Result<(NonNull<u8>, usize), AllocError>) -> Option<NonNull<u8>> {
    match answer {
        Ok((block, _)) => Some(block),
        Err(_) => {
            T::refused();
            None
        }
    }
}

/// As [`alloc`], at a multiple of `align`, a power of two.
#[inline(always)]
pub fn alloc_aligned<T: Threads>(size: usize, align: usize) -> Option<NonNull<u8>> {
    if align <= class::QUANTUM {
        return alloc::<T>(size);
    }
    alloc_aligned_slow::<T>(size, align)
}

#[inline(never)]
fn alloc_aligned_slow<T: Threads>(size: usize, align: usize) -> Option<NonNull<u8>> {
    if let Some(class) = aligned_class(size, align) {
        // SAFETY: a place of this thread, or an empty one.
        if let Some(block) = unsafe { &*T::current() }.pop(class) {
            return Some(block);
        }
    }
    or_refused::<T>(try_alloc::<T>(size, align))
}

/// As [`alloc_aligned`], all bytes zero.
#[inline]
pub fn alloc_zeroed<T: Threads>(size: usize, align: usize) -> Option<NonNull<u8>> {
    if size <= LARGEST {
        let block = alloc_aligned::<T>(size, align)?;
        // SAFETY: so many bytes, at the least, that nobody else has.
        unsafe { block.write_bytes(0, size) };
        return Some(block);
    }
    let answer = try_alloc::<T>(size, align);
    let touched = answer.map_or(0, |(_, touched)| touched);
    let block = or_refused::<T>(answer)?;
    // SAFETY: as above.
    unsafe { block.write_bytes(0, touched.min(size)) };
    Some(block)
}

/// The slow path of all of them, with its reason. Answers also how many bytes from the block's start may hold something.
///
/// # Errors
/// A budget would be broken, the size does not fit the address space, or the system refused.
pub fn try_alloc<T: Threads>(size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    with_local::<T, _>(|local| alloc_in(local, size, align))
}

fn alloc_in(local: NonNull<Local>, size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    let answer = alloc_once(local, size, align);
    match answer {
        Ok(_) | Err(AllocError::TooLarge { .. }) => answer,
        Err(_) => {
            // What waits for its next use is charged and has its place in the range: once it is gone there may be room.
            // SAFETY: the calling thread's; a space outlives its locals.
            let (place, space) = unsafe { (local.as_ref(), &*local.as_ref().space.get()) };
            let went = space.plan.hardened && hardened::settle(place);
            if space.purge(0) == 0 && !went { answer } else { alloc_once(local, size, align) }
        }
    }
}

fn alloc_once(local: NonNull<Local>, size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    // SAFETY: the calling thread's; a space outlives its locals.
    if unsafe { (*local.as_ref().space.get()).plan.hardened } {
        // SAFETY: as above.
        return hardened::alloc(unsafe { local.as_ref() }, size, align);
    }
    match aligned_class(size, align) {
        // SAFETY: the calling thread's.
        Some(class) => unsafe { local.as_ref() }.refill(class).map(|block| (block, size_of_class(class))),
        None => large::alloc(local, size, align),
    }
}

/// Takes a block back, of whatever heap of ours, on any thread.
///
/// # Safety
/// It was handed out by a heap of ours and not freed since, and nobody uses it any more.
#[inline(always)]
pub unsafe fn free<T: Threads>(block: NonNull<u8>) {
    // SAFETY: a place of this thread or an empty one; the caller's promise.
    unsafe { (*T::current()).free(block) };
}

/// As [`free`], of what should be a block of the process's heap. If that is hardened, anything else ends the process with a
/// message before it is touched: another size than what was asked for (if it is known), another alignment, and any address that
/// is no block. `align` is 1 if it is not known.
///
/// # Safety
/// As [`free`], unless the process's heap is hardened.
pub unsafe fn free_checked<T: Threads>(block: NonNull<u8>, size: Option<usize>, align: usize) {
    match hardened_process() {
        Some(space) => hardened::free_in(space, block, Given { size, align }),
        // SAFETY: the caller's promise.
        None => unsafe { free::<T>(block) },
    }
}

/// If the process's heap is hardened: ends the process unless this is a live block of it, of that size if it is known.
pub fn check(block: NonNull<u8>, size: Option<usize>, align: usize) {
    if let Some(space) = hardened_process() {
        hardened::asked_in(space, block, Given { size, align });
    }
}

/// If the process's heap is hardened: looks at all of its blocks as if they were freed now, and at what waits, and ends the
/// process if one was overrun or used after it was freed. For the end of a program. O(blocks).
pub fn audit() {
    // SAFETY: never given back.
    let space = unsafe { PROCESS.load(Ordering::Acquire).as_ref() };
    if let Some(space) = space.filter(|space| space.plan.hardened) {
        hardened::audit(space);
    }
}

fn hardened_process() -> Option<&'static Space> {
    process().ok().filter(|space| space.plan.hardened)
}

/// How many bytes of a block may be used: what was asked for, and what rounding has added. In a hardened heap nothing is added.
///
/// # Safety
/// A block that a heap of ours has handed out and that was not freed since.
pub unsafe fn usable_size(block: NonNull<u8>) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let page = Page::of(block);
        match page.as_ref().owner.load(Ordering::Relaxed) {
            LARGE | HUGE => large::usable_of(page),
            HARD => hardened::asked(page, block, Given::NOTHING),
            _ => page.as_ref().block.get() as usize,
        }
    }
}

/// Makes a block `size` bytes long; moves it if it must, with what both sizes have in common. `None`: no memory, and the
/// block is as it was.
///
/// # Safety
/// As [`free`]. The block is at a multiple of `align` and was asked for with it.
#[inline]
pub unsafe fn realloc<T: Threads>(block: NonNull<u8>, size: usize, align: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    unsafe {
        if stays(block, size) {
            return Some(block);
        }
        if let Some(moved) = moves(block, size, align) {
            return Some(moved);
        }
        let new = alloc_for::<T>(block, size, align)?;
        new.copy_from_nonoverlapping(block, usable_size(block).min(size));
        free::<T>(block);
        Some(new)
    }
}

/// A block that another one's content goes to: under that one's tag, whatever the thread's is.
///
/// # Safety
/// As [`usable_size`].
unsafe fn alloc_for<T: Threads>(block: NonNull<u8>, size: usize, align: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise; a place of this thread, or an empty one; a page's place is there as long as the page.
    let (home, here) = unsafe { (&*Page::of(block).as_ref().local.load(Ordering::Relaxed), &*T::current()) };
    let same = core::ptr::eq(home, here) || home.tag() == here.tag();
    if same || !is_process(home.space.get()) {
        return alloc_aligned::<T>(size, align);
    }
    or_refused::<T>(with_local::<T, _>(|local| {
        // SAFETY: the calling thread's; a cache and a space outlive their locals.
        let (cache, space) = unsafe { (&*local.as_ref().cache.get(), &*local.as_ref().space.get()) };
        alloc_in(cache.of_tag(home.tag(), space)?, size, align)
    }))
}

/// Whether a block can be `size` bytes long where it is: it has them, and would not waste more than half; or it can grow.
unsafe fn stays(block: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let has = usable_size(block);
        if Page::of(block).as_ref().owner.load(Ordering::Relaxed) == HARD {
            // What still points to the old place is to be found.
            return false;
        }
        (size <= has && (size >= has / 2 || has <= 64))
            || (size > has && has > LARGEST && large::grow(Page::of(block), size))
    }
}

/// The block where it is large enough, if it could be moved there without copying.
#[inline]
unsafe fn moves(block: NonNull<u8>, size: usize, align: usize) -> Option<NonNull<u8>> {
    if size <= LARGEST {
        return None;
    }
    // SAFETY: the caller's.
    unsafe { large::move_huge(Page::of(block), size, align) }
}

/// Whether the process has a heap: it has from its first use on.
#[cfg(feature = "std")]
pub(crate) fn is_made() -> bool {
    !PROCESS.load(Ordering::Relaxed).is_null()
}

/// Gives the calling thread what its first block would give it.
#[cfg(feature = "std")]
pub(crate) fn arrive<T: Threads>() {
    // Refused, its first block tries again.
    let _ = attach::<T>();
}

/// Calls `see` with each tag under which the calling thread has allocated in the process's heap, how many blocks it took
/// there, and their bytes, rounding included. O(tags of the thread).
#[cfg(feature = "std")]
pub(crate) fn each_taken<T: Threads>(mut see: impl FnMut(Tag, u64, u64)) {
    // SAFETY: a place of this thread or an empty one; a cache is never given back.
    if let Some(cache) = unsafe { (*T::current()).cache.get().as_ref() } {
        cache.each_place(|local| {
            if local.is_apart() {
                return;
            }
            let (mut allocs, mut bytes) = local.taken();
            // SAFETY: a place of this thread's; those of the process's heap stay.
            if let Some(apart) = unsafe { local.apart.get().as_ref() } {
                let more = apart.taken();
                (allocs, bytes) = (allocs + more.0, bytes + more.1);
            }
            see(local.tag(), allocs, bytes);
        });
    }
}

/// Whether an address lies in the memory of the process's heap. O(segments).
pub fn owns(address: *const u8) -> bool {
    // SAFETY: never given back.
    NonNull::new(PROCESS.load(Ordering::Acquire))
        .is_some_and(|space| unsafe { space.as_ref() }.contains(address))
}

/// Gives all back that no block of the process's heap needs: this thread's free blocks, those of threads that have ended, and
/// memory that nobody has. Answers how many bytes went to the system meanwhile. Other threads keep what they have.
pub fn trim<T: Threads>() -> usize {
    let Ok(space) = process() else { return 0 };
    let before = space.given();
    let _ = with_cache::<T, ()>(|cache| {
        cache.trim(space);
        Ok(())
    });
    for cache in cache::all().filter(|cache| cache.try_hold()) {
        cache.trim(space);
        cache.park();
    }
    space.purge(0);
    space.given().wrapping_sub(before)
}

/// Before a fork: what threads share does not change until [`after_fork`].
pub fn before_fork() {
    // SAFETY: never given back.
    if let Some(space) = unsafe { PROCESS.load(Ordering::Acquire).as_ref() } {
        if space.plan.hardened {
            hardened::before_fork(space);
        }
        space.hold();
    }
    crate::ledger::Ledger::process().hold();
}

/// After a fork, in both processes. In the child, what other threads had stays theirs, who are no more: it is lost.
pub fn after_fork() {
    crate::ledger::Ledger::process().let_go();
    // SAFETY: never given back.
    if let Some(space) = unsafe { PROCESS.load(Ordering::Acquire).as_ref() } {
        space.let_go();
        if space.plan.hardened {
            hardened::after_fork(space);
        }
    }
}

/// The block of a layout in a place, for heaps of their own.
#[cfg(feature = "std")]
fn alloc_layout(local: NonNull<Local>, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
    if let Some(class) = aligned_class(layout.size(), layout.align()) {
        // SAFETY: the calling thread's.
        if let Some(block) = unsafe { local.as_ref() }.pop(class) {
            return Ok((block, size_of_class(class)));
        }
    }
    alloc_in(local, layout.size(), layout.align())
}

#[cfg(all(test, feature = "std"))]
mod pressure_tests;
#[cfg(all(test, feature = "std"))]
mod stress_tests;
#[cfg(all(test, feature = "std"))]
mod tests;
