//! Blocks: taking them, giving them back, and saying what is wrong with a pointer that is none.
//!
//! Fast paths decide everything before they change anything, and end in one call of a slow one, which begins again.
#![expect(unsafe_code, reason = "hands out memory and writes in front of it")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use arenite::base::sync::Lock;
use arenite::heap::bucket;
use arenite::{AllocError, GlobalHeap, os};

use super::book::{BOOK, Seat};
use super::head::{
    ALIGN_MOST, HEAD, Head, Known, MOST, PAD, ahead_of, align_of, head, is_place, read_head, start_of,
    write_head,
};
use super::shadow::{self, FREED, LIVE, NEVER, STEP};
use super::thread::{PlatformThreads, claim_seat, seat, tag};
use crate::error::Refusal;
use crate::error::arenite_error::*;

/// Blocks above this size may grow where they are, or move with their pages; smaller ones are copied.
const COPIED: usize = 32 << 10;

/// What a program did wrong, and what else is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hints: AtomicU64,
    pub(super) double_frees: AtomicU64,
    pub(super) foreign: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) failures: AtomicU64,
}

pub(super) static COUNTS: Counts = Counts {
    hints: AtomicU64::new(0),
    double_frees: AtomicU64::new(0),
    foreign: AtomicU64::new(0),
    damaged: AtomicU64::new(0),
    failures: AtomicU64::new(0),
};

/// While it is held no block moves with its pages, so that heads can be read by whoever walks over blocks. Nobody waits for it who
/// may have been called by its holder.
pub(super) static MOVES: Lock<()> = Lock::new(());

/// How a block is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) size: usize,
    pub(super) clear: bool,
    pub(super) lock: bool,
    /// A place's number, or 0.
    pub(super) place: u16,
    /// A power of two; up to 16 are the same. Only blocks that are not locked.
    pub(super) align: usize,
}

/// What is left to do after a fast path has done what it could.
pub(super) enum Rest {
    /// All of it.
    All,
    /// The block is not known by its address yet; this is its start.
    Start(NonNull<u8>),
    /// The block is ready, and the seat must be looked after.
    Seat(&'static Seat, NonNull<u8>),
}

/// A block, if one is at hand.
#[inline(always)]
pub(super) fn alloc_fast(size: usize, place: u16) -> Result<NonNull<u8>, Rest> {
    // Not of no bytes, either: such a block is as long as one of a byte, so that its address is not where its neighbour in the heap
    // begins, which would be taken for it by whoever gives it back to the heap.
    if size.wrapping_sub(1) > bucket::POP_MOST - HEAD - 1 {
        return Err(Rest::All);
    }
    let Some(start) = bucket::pop::<PlatformThreads>(size + HEAD) else { return Err(Rest::All) };
    let Some(state) = shadow::quick(start.addr().get() + HEAD) else { return Err(Rest::Start(start)) };
    // SAFETY: `size + HEAD` bytes, which are ours.
    let block = unsafe { start.add(HEAD) };
    // SAFETY: as above.
    unsafe { write_head(block, Known { size, place, locked: false, padded: false }) };
    state.store(LIVE, Ordering::Relaxed);
    let seat = seat();
    if seat.take(size as i64) { Ok(block) } else { Err(Rest::Seat(seat, block)) }
}

/// Counts a block that its thread's seat did not simply count.
pub(super) fn took(seat: &'static Seat, size: usize) {
    if seat.is_real() {
        BOOK.took(seat, size as i64);
    } else {
        count(size as i64, 1);
    }
}

/// Counts blocks and bytes, from wherever.
#[cold]
fn count(bytes: i64, blocks: i64) {
    let seat = claim_seat();
    if !seat.is_real() {
        return BOOK.shared(bytes, blocks);
    }
    let fine = if blocks > 0 { seat.take(bytes) } else { seat.give(-bytes) };
    if !fine {
        BOOK.settle(seat, bytes);
    }
}

/// Counts that a block has become larger or smaller.
fn count_change(bytes: i64) {
    let seat = claim_seat();
    if !seat.is_real() {
        return BOOK.shared(bytes, 0);
    }
    if !seat.resize(bytes) {
        BOOK.settle(seat, bytes);
    }
}

/// A block of a wish, by all means. `ready` is one that was taken for it already.
pub(super) fn alloc(wish: Wish, ready: Option<NonNull<u8>>) -> Result<NonNull<u8>, Refusal> {
    let block = place(wish, ready).inspect_err(|_| failed())?;
    count(wish.size as i64, 1);
    Ok(block)
}

#[cold]
fn failed() {
    COUNTS.failures.fetch_add(1, Ordering::Relaxed);
}

/// As [`alloc`], and nothing is counted.
fn place(wish: Wish, ready: Option<NonNull<u8>>) -> Result<NonNull<u8>, Refusal> {
    let start = match ready {
        Some(start) => start,
        None => obtain(wish)?,
    };
    let known = Known { size: wish.size, place: wish.place, locked: wish.lock, padded: wish.align > STEP };
    let ahead = if known.padded { ahead_of(start, wish.align) } else { HEAD };
    // SAFETY: it has the head's bytes, too, and as many as its alignment needs.
    let (block, first) = unsafe { (start.add(ahead), start.add(HEAD)) };
    let (Some(state), Some(begin)) = (shadow::make(block), shadow::make(first)) else {
        // SAFETY: taken above, and nobody has seen it.
        unsafe { bucket::free::<PlatformThreads>(start) };
        return Err(unknown());
    };
    if known.locked {
        // As far as the system allows it: a hint of old.
        // SAFETY: whole pages that are this block's alone.
        let _ = unsafe { os::lock(start, pages(wish.size)) };
    }
    // SAFETY: the head's bytes, and those in front of it if the block is not at its start.
    unsafe {
        if known.padded {
            start.cast::<usize>().write(wish.align);
            block.sub(HEAD + 8).cast::<usize>().write(start.addr().get());
            begin.store(shadow::PADDED, Ordering::Relaxed);
        }
        write_head(block, known);
    }
    state.store(LIVE, Ordering::Relaxed);
    Ok(block)
}

/// No map could be made.
#[cold]
fn unknown() -> Refusal {
    if shadow::is_full() {
        Refusal::new(ARENITE_FULL, "too many places of memory are in use")
    } else {
        Refusal::new(ARENITE_SYSTEM, "the system has no memory for what is to be known of addresses")
    }
}

/// Whole pages for a block and its head.
fn pages(size: usize) -> usize {
    (size + HEAD).next_multiple_of(os::page_size())
}

fn obtain(wish: Wish) -> Result<NonNull<u8>, Refusal> {
    if wish.align > ALIGN_MOST || (wish.align != 0 && !wish.align.is_power_of_two()) {
        return Err(Refusal::new(
            ARENITE_INVALID_ARGUMENT,
            format_args!("an alignment of {}: it must be a power of two, at most 1 GiB", wish.align),
        ));
    }
    if wish.size > MOST {
        return Err(AllocError::TooLarge { tag: tag() }.into());
    }
    let (size, align) = if wish.lock {
        (pages(wish.size), os::page_size())
    } else if wish.align > STEP {
        (wish.size + PAD + wish.align, STEP)
    } else {
        (wish.size.max(1) + HEAD, STEP)
    };
    let (start, touched) = bucket::try_alloc::<PlatformThreads>(size, align)?;
    if wish.clear {
        // SAFETY: so many bytes that nobody else has.
        unsafe { start.write_bytes(0, touched.min(size)) };
    }
    Ok(start)
}

/// What is left to do after a fast path has done what it could.
pub(super) enum Left {
    Nothing,
    /// All of it.
    All,
    /// To give the memory back; this is its start.
    Memory(NonNull<u8>),
    /// As `Memory`, and to look after the seat, from which so many bytes went.
    Seat(&'static Seat, NonNull<u8>, usize),
}

/// Out of the straight line: most know no size.
#[cold]
fn is_wrong(hint: usize, size: usize) -> bool {
    hint != size
}

/// Gives a block back, as far as that is simple.
///
/// # Safety
/// Nobody uses the block any more if it is one.
#[inline(always)]
pub(super) unsafe fn free_fast(address: *mut u8, hint: usize) -> Left {
    let number = address.addr();
    if !number.is_multiple_of(STEP) {
        return Left::All;
    }
    // Null is in no granule either.
    let Some(state) = shadow::quick(number) else { return Left::All };
    if state.load(Ordering::Relaxed) != LIVE {
        return Left::All;
    }
    // SAFETY: a block that lives has a head.
    let (block, Head { size, check }) = unsafe {
        let block = NonNull::new_unchecked(address);
        (block, head(block).sub(1).read())
    };
    let rest = check ^ size ^ number;
    if rest != 0 && !is_place(rest) {
        return Left::All;
    }
    if hint != 0 && is_wrong(hint, size) {
        return Left::All;
    }
    state.store(FREED, Ordering::Relaxed);
    // SAFETY: so it was handed out.
    let start = unsafe { block.sub(HEAD) };
    let seat = seat();
    if !seat.give(size as i64) {
        return Left::Seat(seat, start, size);
    }
    // SAFETY: the caller's promise.
    if unsafe { bucket::push::<PlatformThreads>(start) } { Left::Nothing } else { Left::Memory(start) }
}

/// Counts a block that its thread's seat did not simply count, as gone.
pub(super) fn gave(seat: &'static Seat, size: usize) {
    if seat.is_real() {
        BOOK.settle(seat, -(size as i64));
    } else {
        count(-(size as i64), -1);
    }
}

/// Gives memory back.
///
/// # Safety
/// It was taken for a block that nobody has any more.
pub(super) unsafe fn give_memory(start: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { bucket::free::<PlatformThreads>(start) };
}

/// Whether a block that the program has begins at an address. Nothing is read there.
pub(super) fn lives(address: usize) -> bool {
    let state = shadow::find(address).filter(|_| address.is_multiple_of(STEP));
    state.is_some_and(|state| state.load(Ordering::Relaxed) == LIVE)
}

/// Makes sure that an address is a block that the program has, and answers what is known of it.
pub(super) fn check(address: NonNull<u8>) -> Result<Known, Refusal> {
    let number = address.addr().get();
    let state = match shadow::find(number) {
        Some(state) if number.is_multiple_of(STEP) => state.load(Ordering::Relaxed),
        _ => NEVER,
    };
    if state == LIVE {
        // SAFETY: a block that lives has a head.
        return unsafe { read_head(address) }.ok_or_else(|| damaged(address));
    }
    // What was freed may lie inside of what was taken since.
    // A block of 0 bytes is where its memory ends: what is asked about is the byte before.
    let before = address.as_ptr().wrapping_sub(1).cast_const();
    let around = bucket::block_around(before);
    let owner = around.and_then(|around| around.tag).or_else(|| GlobalHeap::tag_of(before));
    let inside = owner == Some(tag())
        && around.is_some_and(|around| {
            let first = shadow::find(around.address.addr() + HEAD);
            first.is_some_and(|first| matches!(first.load(Ordering::Relaxed), LIVE | shadow::PADDED))
        });
    if state == FREED && !inside {
        COUNTS.double_frees.fetch_add(1, Ordering::Relaxed);
        return Err(Refusal::new(
            ARENITE_DOUBLE_FREE,
            format_args!("the block at {number:#x} is free already"),
        ));
    }
    COUNTS.foreign.fetch_add(1, Ordering::Relaxed);
    Err(match owner {
        _ if inside => {
            Refusal::new(ARENITE_MISALIGNED, format_args!("{number:#x} is not the start of a block"))
        }
        Some(owner) if owner != tag() => Refusal::new(
            ARENITE_FOREIGN,
            format_args!("{number:#x} is not this layer's: it belongs to `{owner}`"),
        ),
        Some(_) => Refusal::new(ARENITE_NOT_ALLOCATED, format_args!("no block is at {number:#x}")),
        None => Refusal::new(ARENITE_FOREIGN, format_args!("{number:#x} is not from here")),
    })
}

/// Compares what the program believes a block's size to be with what it is. 0 is no belief.
fn compare(hint: usize, known: Known) {
    if hint != 0 && hint != known.size {
        COUNTS.hints.fetch_add(1, Ordering::Relaxed);
    }
}

/// Gives a block back, or says what is wrong.
pub(super) fn free(address: NonNull<u8>, hint: usize) -> Result<(), Refusal> {
    let (known, start) = whole(address)?;
    compare(hint, known);
    count(-(known.size as i64), -1);
    // SAFETY: a block that the program had until now.
    unsafe { give_back(address, known, start) };
    Ok(())
}

/// As [`check`], and where the block's memory begins.
fn whole(address: NonNull<u8>) -> Result<(Known, NonNull<u8>), Refusal> {
    let known = check(address)?;
    // SAFETY: a block that lives.
    let start = unsafe { start_of(address, known) }.ok_or_else(|| damaged(address))?;
    Ok((known, start))
}

#[cold]
fn damaged(address: NonNull<u8>) -> Refusal {
    COUNTS.damaged.fetch_add(1, Ordering::Relaxed);
    Refusal::new(
        ARENITE_OVERRUN,
        format_args!("what is in front of the block at {address:p} was overwritten"),
    )
}

/// Gives a block back that is counted no more.
///
/// # Safety
/// A block that lives, whose memory begins at `start`, and that nobody uses any more.
unsafe fn give_back(block: NonNull<u8>, known: Known, start: NonNull<u8>) {
    if let Some(state) = shadow::find(block.addr().get()) {
        state.store(FREED, Ordering::Relaxed);
    }
    if let Some(first) = shadow::find(start.addr().get() + HEAD).filter(|_| known.padded) {
        first.store(NEVER, Ordering::Relaxed);
    }
    if known.locked {
        // SAFETY: whole pages that are this block's alone.
        let _ = unsafe { os::unlock(start, pages(known.size)) };
    }
    // SAFETY: the caller's promise.
    unsafe { bucket::free::<PlatformThreads>(start) };
}

/// Makes a block `size` bytes long, wherever; if that is refused it is as it was.
pub(super) fn realloc(address: NonNull<u8>, hint: usize, size: usize) -> Result<NonNull<u8>, Refusal> {
    let (known, start) = whole(address)?;
    compare(hint, known);
    let resized = Known { size, ..known };
    if size > MOST {
        failed();
        return Err(AllocError::TooLarge { tag: tag() }.into());
    }
    let ordinary = !known.locked && !known.padded;
    // SAFETY: a block that lives.
    let has = unsafe { bucket::usable_size(start) } - HEAD;
    if ordinary && size <= has && (size >= has / 2 || has <= 64) {
        // SAFETY: the block's own head.
        unsafe { write_head(address, resized) };
        recount(known.size, size);
        return Ok(address);
    }
    if ordinary
        && known.size.min(size) > COPIED
        && let Some(moves) = MOVES.try_lock()
    {
        let moved = regrow(address, known, resized).inspect_err(|_| failed());
        drop(moves);
        return moved;
    }
    let align = if known.padded {
        // SAFETY: such memory.
        unsafe { align_of(start) }.ok_or_else(|| damaged(address))?
    } else {
        0
    };
    let wish = Wish { size, clear: false, lock: known.locked, place: known.place, align };
    let new = place(wish, None).inspect_err(|_| failed())?;
    // Asking for memory may have run program code, which may even have given the old block back.
    let still = whole(address)
        .and_then(|now| if now == (known, start) { Ok(()) } else { Err(ARENITE_DOUBLE_FREE.into()) });
    if let Err(refusal) = still {
        drop_new(new, resized);
        return Err(refusal);
    }
    // SAFETY: both have so many bytes, and are two blocks; the old one is nobody's any more.
    unsafe {
        new.copy_from_nonoverlapping(address, known.size.min(size));
        give_back(address, known, start);
    }
    recount(known.size, size);
    Ok(new)
}

/// Gives back what nobody has seen and nobody counted.
#[cold]
fn drop_new(new: NonNull<u8>, known: Known) {
    // SAFETY: placed a moment ago, and what is in front of it is as it was written.
    if let Some(start) = unsafe { start_of(new, known) } {
        // SAFETY: as above.
        unsafe { give_back(new, known, start) };
    }
}

fn recount(before: usize, after: usize) {
    // One step, so that a block that grows does not show as two in the peak.
    count_change(after as i64 - before as i64);
}

/// A large block, which the heap may make larger where it is, or move with its pages.
fn regrow(address: NonNull<u8>, known: Known, resized: Known) -> Result<NonNull<u8>, Refusal> {
    let refused = || {
        let size = resized.size;
        Refusal::new(ARENITE_SYSTEM, format_args!("no memory for {size} bytes: a budget, or the system"))
    };
    let Some(state) = shadow::find(address.addr().get()) else { return Err(ARENITE_FOREIGN.into()) };
    // Wherever it goes, it can be found there.
    let Some(sure) = shadow::Sure::try_new() else { return Err(unknown()) };
    // While it moves it is nobody's.
    state.store(FREED, Ordering::Relaxed);
    // SAFETY: a block that lives, asked for with this alignment.
    let moved = unsafe { bucket::realloc::<PlatformThreads>(address.sub(HEAD), resized.size + HEAD, STEP) };
    let Some(start) = moved else {
        state.store(LIVE, Ordering::Relaxed);
        return Err(refused());
    };
    // SAFETY: the head's bytes are in front.
    let block = unsafe { start.add(HEAD) };
    // SAFETY: as above.
    unsafe { write_head(block, resized) };
    sure.make(block).store(LIVE, Ordering::Relaxed);
    recount(known.size, resized.size);
    Ok(block)
}
