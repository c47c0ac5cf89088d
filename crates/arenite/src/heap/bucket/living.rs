//! Which blocks live: found by what is known to be free.
//!
//! ```text
//!   a page's blocks, as far as they were carved
//!     - those in its list, those that other threads have sent, those in its owner's bin, those on their way to it
//!     = those that the program has
//! ```
//!
//! Nothing is stored for this, so it costs nothing until it is asked, and then a walk through all pages. Lists of other
//! threads are read while these may change them: each link is believed only if it leads to a block of the same page, and no
//! list is followed further than the page has blocks. So the answer can be off by what others do meanwhile, and by no more.
#![expect(unsafe_code, reason = "reads lists of free blocks of other threads")]

use core::ptr::NonNull;

use super::cache;
use super::class::QUANTUM;
use super::segment::{Block, HARD, HUGE, LARGE, Page, block_at};
use super::space::Space;
use crate::base::sync::{AtomicPtr, Ordering};
use crate::ledger::Tag;

/// Blocks that a page has at the most: of the smallest class.
const MOST: usize = super::segment::SLOT / super::class::QUANTUM;

/// A block that the program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveBlock {
    /// Where it begins.
    pub address: *const u8,
    /// Bytes that it takes, rounding included.
    pub size: usize,
    /// Under which tag it was taken. `None` only in a list that was not filled.
    pub tag: Option<Tag>,
}

impl LiveBlock {
    /// No block: what a list is made of before it is filled.
    pub const NONE: Self = Self { address: core::ptr::null(), size: 0, tag: None };
}

// SAFETY: an address that is not read through.
unsafe impl Send for LiveBlock {}
// SAFETY: as above.
unsafe impl Sync for LiveBlock {}

/// Blocks of one page, a bit each.
struct Marks([u64; MOST / 64]);

impl Marks {
    fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 != 0
    }
}

/// Calls `see` with each block of a space that the program has, under the space's lock: it must not allocate.
pub(super) fn each(space: &Space, tag: Option<Tag>, mut see: impl FnMut(LiveBlock)) {
    space.each_page_and(|page, in_slots| {
        // SAFETY: a page that somebody has, as long as the lock is held, and so has its place.
        unsafe {
            let this = page.as_ref();
            let Some(local) = this.local.load(Ordering::Relaxed).as_ref() else { return };
            let of = local.tag();
            if tag.is_some_and(|tag| tag != of) {
                return;
            }
            let owner = this.owner.load(Ordering::Acquire);
            if owner == HARD {
                return super::hardened::living(page, &mut see);
            }
            if matches!(owner, LARGE | HUGE) {
                let start = super::large::start_of(page);
                see(LiveBlock {
                    address: start.as_ptr(),
                    size: super::large::usable_of(page),
                    tag: Some(of),
                });
                return;
            }
            let size = this.block.get() as usize;
            let carved = usize::from(this.carved.get()).min(MOST);
            let free = free_ones(page, carved, in_slots);
            let start = Page::start(page).as_ptr();
            for index in (0..carved).filter(|index| !free.has(*index)) {
                see(LiveBlock { address: start.wrapping_add(index * size), size, tag: Some(of) });
            }
        }
    });
}

/// The blocks of a page that the program does not have. `in_slots` says whether an address lies in a slot of the space.
///
/// # Safety
/// A page of blocks that stays meanwhile.
unsafe fn free_ones(page: NonNull<Page>, carved: usize, in_slots: &dyn Fn(*const u8) -> bool) -> Marks {
    let mut marks = Marks([0; MOST / 64]);
    // SAFETY: the caller's promise.
    let this = unsafe { page.as_ref() };
    let (start, size) = (Page::start(page).addr().get(), this.block.get() as usize);
    let mut follow = |first: *mut Block, count: usize, mixed: bool| {
        let mut next = first;
        for _ in 0..count {
            let offset = next.addr().wrapping_sub(start);
            if offset.is_multiple_of(size) && offset / size < carved {
                marks.set(offset / size);
            } else if !mixed || !next.addr().is_multiple_of(QUANTUM) || !in_slots(next.cast()) {
                return;
            }
            // SAFETY: a block of the page, or inside a slot, all of which is memory that can be read as long as the space's
            // lock is held; a word that its thread writes whole.
            next = unsafe { AtomicPtr::from_ptr((&raw mut (*next).next).cast::<*mut Block>()) }
                .load(Ordering::Relaxed);
        }
    };
    // SAFETY: a word of the descriptor, which its owner writes whole.
    follow(unsafe { AtomicPtr::from_ptr(this.free.as_ptr()) }.load(Ordering::Relaxed), carved, false);
    if let Some(chain) = this.remote.peek() {
        follow(block_at(page, chain.first), (chain.count as usize).min(carved), false);
    }
    // SAFETY: a page's place is there as long as the page.
    if let Some(local) = unsafe { this.local.load(Ordering::Relaxed).as_ref() } {
        // Most blocks of a bin are of one page, but not all.
        follow(local.first_in_bin(this.class.get().into()), 2 * MOST, true);
    }
    for cache in cache::all() {
        cache.each_chain(|of, first, count| {
            if core::ptr::eq(of, page.as_ptr()) {
                follow(first, (count as usize).min(carved), false);
            }
        });
    }
    marks
}

/// Writes down blocks of the process's heap that the program has, of one tag or of all, as many as there is room for.
/// Answers how many there are. Exact while nobody is at it; otherwise off by what others do meanwhile. O(pages + blocks).
pub fn live_blocks(tag: Option<Tag>, into: &mut [LiveBlock]) -> usize {
    super::process().map_or(0, |space| list(space, tag, into))
}

/// As [`live_blocks`], of any space.
pub(super) fn list(space: &Space, tag: Option<Tag>, into: &mut [LiveBlock]) -> usize {
    let mut count = 0;
    each(space, tag, |block| {
        if let Some(place) = into.get_mut(count) {
            *place = block;
        }
        count += 1;
    });
    count
}

/// The tag of the block that an address lies in, if it lies in a page of the process's heap that somebody has. O(segments).
pub fn tag_of(address: *const u8) -> Option<Tag> {
    let space = super::process().ok()?;
    space.page_at(address, |page| {
        // SAFETY: a page that somebody has, as long as the lock is held, and so has its place.
        unsafe { page.as_ref().local.load(Ordering::Relaxed).as_ref() }.map(super::Local::tag)
    })?
}
