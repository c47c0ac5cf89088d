//! A place of a thread: its free blocks under one tag.
//!
//! ```text
//!   alloc (inline): pop the bin of the size's class                  ◄── nearly always
//!     refill ─ loop:
//!       mail: full pages that other threads have freed blocks of
//!       restock: the first listed page's free blocks ─ its remote ones ─ carve more ─ the next page ─ a fresh span
//!   free (inline): is the block's page this thread's? push it there  ◄── nearly always
//!     free_slow: full pages, large and huge blocks, pages of other threads
//! ```
//!
//! A bin takes a page's whole free list at once, so that taking a block never touches its page. Carving charges the tag,
//! and so runs program code: nothing is half-done then, and everything is looked at again.
#![expect(unsafe_code, reason = "hands out memory of pages by raw pointer")]

use core::cell::Cell;
use core::ptr::{NonNull, null, null_mut};

use super::apart;
use super::cache::{Cache, send};
use super::careful;
use super::class::{CLASSES, FINE, QUANTUM};
use super::hardened::{self, Place};
use super::mail::Mail;
use super::segment::{APART, Block, FULL, HARD, HUGE, LARGE, NOBODY, Page, Segment, block_at};
use super::space::{First, Space, Span, pages};
use crate::base::align::align_down;
use crate::base::sync::{AtomicPtr, AtomicU64, Ordering};
use crate::ledger::Tag;
use crate::region::AllocError;

/// Bytes that are charged at once, at the most.
const STEP_MOST: usize = 64 << 10;
/// Bytes that are carved at once, so that a fresh page is not linked up in vain; but so many blocks at the least.
const CARVE_BYTES: usize = 16 << 10;
const CARVE_BLOCKS: usize = 8;

/// A bin that has fewer blocks than these takes blocks of full pages back.
const BACK_BLOCKS: u64 = 16;

/// Free blocks of one class, and how many were ever handed out.
#[repr(C)]
struct Bin {
    free: Cell<*mut Block>,
    allocs: AtomicU64,
}

impl Bin {
    /// A free block, if there is one.
    #[inline(always)]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.free.get())?;
        // SAFETY: a free block of this bin, linked by whoever freed it.
        self.free.set(unsafe { block.as_ref() }.next);
        bump(&self.allocs, 1);
        Some(block.cast())
    }
}

/// What a thread has under one tag of one heap. Only the thread that has the cache uses it; others read the figures and
/// send mail.
#[repr(C)]
pub struct Local {
    /// First of all, so that what they are found by needs nothing added.
    bins: [Bin; CLASSES],
    /// The cache's id. 0 for those who have nothing.
    owner: Cell<u32>,
    /// Blocks that bins ever took from pages; those not handed out are in the bins.
    taken: [AtomicU64; CLASSES],
    /// Pages that have something left.
    lists: [Cell<*mut Page>; CLASSES],
    /// `allocs` when somebody last looked whether a class is in use, cut.
    seen: [Cell<u32>; CLASSES],
    /// Classes that keep a page of which nobody has a block: a bit each.
    spare: Cell<u128>,
    /// Full pages that have something again, from other threads; linked by their segments.
    mail: Mail<Page>,
    /// Large and huge blocks handed out here, their bytes; and what of them came back, from whatever thread.
    pub(super) large: [AtomicU64; 4],
    pub(super) tag: Cell<Option<Tag>>,
    pub(super) space: Cell<*const Space>,
    pub(super) cache: Cell<*const Cache>,
    /// The next local of the same space.
    pub(super) next: Cell<*mut Local>,
    /// The next one of the same cache, of the process's heap.
    pub(super) sibling: Cell<*mut Local>,
    /// The place of the same thread and tag whose blocks are [apart](APART), once it was asked for.
    pub(super) apart: Cell<*mut Local>,
    /// What it has in hardened mode, once it has used it.
    pub(super) hard: AtomicPtr<Place>,
}

// SAFETY: its cells are touched by the one thread that has the cache, or by none (the empty one, whose bins are empty and
// which no page has for owner); the rest is atomics.
unsafe impl Sync for Local {}

/// Adds to a figure that only this thread writes.
#[inline(always)]
fn bump(figure: &AtomicU64, by: u64) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Local {
    /// Of a thread that has nothing yet: every path ends in the slow one.
    #[expect(clippy::declare_interior_mutable_const, reason = "each use is a place of its own")]
    pub(super) const EMPTY: Self = Self {
        bins: [const { Bin { free: Cell::new(null_mut()), allocs: AtomicU64::new(0) } }; CLASSES],
        owner: Cell::new(0),
        taken: [const { AtomicU64::new(0) }; CLASSES],
        lists: [const { Cell::new(null_mut()) }; CLASSES],
        seen: [const { Cell::new(0) }; CLASSES],
        spare: Cell::new(0),
        sibling: Cell::new(null_mut()),
        apart: Cell::new(null_mut()),
        mail: Mail::new(),
        large: [const { AtomicU64::new(0) }; 4],
        tag: Cell::new(None),
        space: Cell::new(null()),
        cache: Cell::new(null()),
        next: Cell::new(null_mut()),
        hard: AtomicPtr::new(null_mut()),
    };

    /// Fills in zeroed memory.
    ///
    /// # Safety
    /// Nobody else has the memory, which has room for it and lasts as long as the space.
    pub(super) unsafe fn begin(
        at: NonNull<u8>,
        owner: u32,
        tag: Tag,
        space: &Space,
        cache: *const Cache,
    ) -> NonNull<Self> {
        let local = at.cast::<Self>();
        // SAFETY: the caller's promise.
        unsafe { local.write(Self::EMPTY) };
        // SAFETY: just written.
        let this = unsafe { local.as_ref() };
        this.owner.set(owner);
        this.tag.set(Some(tag));
        this.space.set(space);
        this.cache.set(cache);
        let mut head = space.locals.load(Ordering::Relaxed);
        loop {
            this.next.set(head);
            // Release: whoever walks the list sees what was written.
            match space.locals.compare_exchange_weak(
                head,
                local.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return local,
                Err(now) => head = now,
            }
        }
    }

    #[inline(always)]
    pub(super) fn owner(&self) -> u32 {
        self.owner.get()
    }

    /// The id of the cache that it belongs to.
    pub(super) fn cache_id(&self) -> u32 {
        self.owner.get() & !APART
    }

    /// Whether somebody is told when its blocks come back.
    pub(super) fn is_apart(&self) -> bool {
        self.owner.get() & APART != 0
    }

    pub(super) fn space(&self) -> &Space {
        // SAFETY: set when it was begun, and the space outlives it; the empty one never gets here.
        unsafe { &*self.space.get() }
    }

    fn cache(&self) -> &Cache {
        // SAFETY: set when it was begun, and never given back; the empty one never gets here.
        unsafe { &*self.cache.get() }
    }

    pub(super) fn tag(&self) -> Tag {
        self.tag.get().unwrap_or_else(Tag::untagged)
    }

    /// A free block of the class, if the bin has one.
    #[inline(always)]
    pub(super) fn pop(&self, class: usize) -> Option<NonNull<u8>> {
        debug_assert!(class < CLASSES);
        // SAFETY: callers' classes come from `class_of`.
        unsafe { self.bins.get_unchecked(class) }.pop()
    }

    /// As [`pop`](Self::pop), of the class of a size up to [`FINE`]: sizes there are as far apart as bins, so that the size
    /// rounded up says where the bin is.
    #[inline(always)]
    pub(super) fn pop_fine(&self, size: usize) -> Option<NonNull<u8>> {
        const { assert!(size_of::<Bin>() == QUANTUM && super::class::class_of(FINE) == FINE / QUANTUM) };
        debug_assert!(size <= FINE);
        let offset = (size + (QUANTUM - 1)) & !(QUANTUM - 1);
        // SAFETY: the bin of a class; a whole number of bins from the first one.
        unsafe { &*self.bins.as_ptr().byte_add(offset) }.pop()
    }

    /// As [`refill`](Self::refill), of a place that has a space and checks nothing. `None`: it has not, it does, or there is no
    /// memory.
    #[inline]
    pub(super) fn refill_plain(&self, class: usize) -> Option<NonNull<u8>> {
        // SAFETY: set when it was begun, and the space outlives it.
        let space = unsafe { self.space.get().as_ref() }?;
        if space.plan.hardened { None } else { self.refill(class).ok() }
    }

    /// A block of the class, after the bin was found empty.
    pub(super) fn refill(&self, class: usize) -> Result<NonNull<u8>, AllocError> {
        // Class 0 has no blocks.
        let class = class.max(1);
        loop {
            if let Some(block) = self.pop(class) {
                return Ok(block);
            }
            self.read_mail();
            if let Err(error) = self.restock(class) {
                // Callbacks may have freed some.
                return self.pop(class).ok_or(error);
            }
        }
    }

    /// Counts a block of a class that was handed out past the bins.
    pub(super) fn count_checked(&self, class: usize) {
        bump(&self.taken[class], 1);
        bump(&self.bins[class].allocs, 1);
    }

    /// Puts a list of `count` blocks into an empty bin.
    fn stock(&self, class: usize, list: *mut Block, count: u32) {
        debug_assert!(self.bins[class].free.get().is_null());
        bump(&self.taken[class], count.into());
        self.bins[class].free.set(list);
    }

    /// Fills the bin, if it is empty, or does a part of it: look again.
    fn restock(&self, class: usize) -> Result<(), AllocError> {
        // Pages that went by the mail have run program code, which may have filled it.
        if !self.bins[class].free.get().is_null() {
            return Ok(());
        }
        while let Some(page) = NonNull::new(self.lists[class].get()) {
            // SAFETY: a page of this thread.
            let this = unsafe { page.as_ref() };
            let idle = this.idle();
            if idle > 0 {
                if this.used.load(Ordering::Relaxed) == 0 && !self.not_extra(this) {
                    self.spare.set(self.spare.get() & !(1 << class));
                }
                this.used.store(this.carved.get().into(), Ordering::Relaxed);
                self.stock(class, this.free.replace(null_mut()), idle);
                return Ok(());
            }
            if let Some(chain) = this.remote.take() {
                let first = block_at(page, chain.first);
                self.stock(class, first, chain.count);
                return Ok(());
            }
            if this.carved.get() < this.capacity.get() {
                return self.carve(page, class);
            }
            if this.remote.set_full() {
                // Release, as in `Page::begin`: whoever reads this for figures reads the rest of the page, too.
                this.owner.store(self.owner() | FULL, Ordering::Release);
                self.unlist(page);
            }
        }
        self.fresh(class)
    }

    /// Takes further blocks of a page into use.
    fn carve(&self, page: NonNull<Page>, class: usize) -> Result<(), AllocError> {
        // SAFETY: a page of this thread.
        let this = unsafe { page.as_ref() };
        let (segment, slot) = Page::place(page);
        // SAFETY: its segment.
        let charged = &unsafe { segment.as_ref() }.charged[slot];
        let block = this.block.get() as usize;
        let (carved, capacity) = (this.carved.get() as usize, this.capacity.get() as usize);
        let had = charged.get() as usize;
        let there_are = (had / block).min(capacity);
        if there_are <= carved {
            let exact = pages((carved + 1) * block);
            let room = pages(capacity * block);
            let step = had.clamp(crate::os::page_size(), STEP_MOST);
            let tag = self.tag();
            let mut to = exact.max(calmly(tag, had, (had + step).min(room)));
            let mut answer = tag.try_charge_committed(to - had);
            if answer.is_err() && exact < to {
                to = exact;
                answer = tag.try_charge_committed(to - had);
            }
            answer?;
            // The charge has run program code, which may have freed and taken anything here.
            let same = this.listed.get()
                && this.class.get() as usize == class
                && core::ptr::eq(this.local.load(Ordering::Relaxed), self)
                && charged.get() as usize == had;
            if same {
                charged.set(to as u32);
                self.space().uses(to - had);
            } else {
                tag.credit_committed(to - had);
            }
            return Ok(());
        }
        if !self.bins[class].free.get().is_null() {
            return Ok(());
        }
        // As many as there are already, but what fits into a page of the system's at the least: of a class that a tag uses
        // little, few blocks are ever touched.
        let count = (there_are - carved)
            .min((CARVE_BYTES / block).max(CARVE_BLOCKS))
            .min(carved.max(crate::os::page_size() / block).max(1));
        let start = Page::start(page).as_ptr().wrapping_add(carved * block);
        for index in 0..count {
            let next = if index + 1 < count { start.wrapping_add((index + 1) * block) } else { null_mut() };
            // SAFETY: inside the span, in memory that is charged, and nobody's yet.
            unsafe {
                let at = start.add(index * block);
                at.cast::<Block>().write(Block { next: next.cast() });
                careful::note_carved(at);
            }
        }
        this.carved.set((carved + count) as u16);
        this.used.store(this.used.load(Ordering::Relaxed) + count as u32, Ordering::Relaxed);
        self.stock(class, start.cast(), count as u32);
        Ok(())
    }

    /// Gets a span for the class.
    fn fresh(&self, class: usize) -> Result<(), AllocError> {
        self.pause();
        if !self.lists[class].get().is_null() || !self.bins[class].free.get().is_null() {
            // Giving memory back may have run program code.
            return Ok(());
        }
        // A slot, which has two blocks of the largest class: the fewer blocks a page has, the sooner it is empty, and serves
        // another class or tag.
        let span = self.take_span(1, First::Welcome)?;
        let page = span.page();
        Page::begin(page, self.owner(), class, 1, core::ptr::from_ref(self).cast_mut());
        span.settle(span.touched);
        self.list(page);
        Ok(())
    }

    /// A span whose first `touched` bytes are charged to this place's tag, holes between them included: what lies in the
    /// middle and was never touched would otherwise be in no account when somebody touches it.
    pub(super) fn take_span(&self, slots: usize, first: First) -> Result<Span, AllocError> {
        let (space, tag) = (self.space(), self.tag());
        let span = space.try_take(slots, first)?;
        let answer = space.tag().try_transfer_committed(tag, span.held).and_then(|()| {
            let more = span.touched - span.held;
            tag.try_charge_committed(more).inspect_err(|_| tag.transfer_committed(space.tag(), span.held))
        });
        match answer {
            Ok(()) => {
                space.uses(span.touched - span.held);
                Ok(span)
            }
            Err(error) => {
                // SAFETY: taken above, and nobody has seen it.
                unsafe { space.give_untouched(span) };
                Err(error.into())
            }
        }
    }

    fn list(&self, page: NonNull<Page>) {
        // SAFETY: pages of this thread.
        unsafe {
            let this = page.as_ref();
            let list = &self.lists[this.class.get() as usize];
            this.next.set(list.get());
            this.previous.set(null_mut());
            if let Some(next) = NonNull::new(list.get()) {
                next.as_ref().previous.set(page.as_ptr());
            }
            list.set(page.as_ptr());
            this.listed.set(true);
        }
    }

    fn unlist(&self, page: NonNull<Page>) {
        // SAFETY: pages of this thread.
        unsafe {
            let this = page.as_ref();
            let (next, previous) = (this.next.get(), this.previous.get());
            match NonNull::new(previous) {
                Some(previous) => previous.as_ref().next.set(next),
                None => self.lists[this.class.get() as usize].set(next),
            }
            if let Some(next) = NonNull::new(next) {
                next.as_ref().previous.set(previous);
            }
            this.listed.set(false);
        }
    }

    /// Lists full pages that have something again.
    fn read_mail(&self) {
        let mut next = self.mail.take();
        while let Some(page) = next {
            let (segment, slot) = Page::place(page);
            // SAFETY: a page of this thread, which stays while it is in the mail.
            unsafe {
                next = NonNull::new(segment.as_ref().mail[slot].load(Ordering::Relaxed));
                let this = page.as_ref();
                this.remote.delivered();
                if !this.listed.get() {
                    this.owner.store(self.owner(), Ordering::Release);
                    self.list(page);
                } else if this.used.load(Ordering::Relaxed) == 0 {
                    self.retire(page);
                }
            }
        }
    }

    /// Tells the owner of a full page that it has something again. By whatever thread.
    pub(super) fn post(&self, page: NonNull<Page>) {
        let (segment, slot) = Page::place(page);
        // SAFETY: the page stays while it is on its way.
        self.mail.post(page, &unsafe { segment.as_ref() }.mail[slot]);
    }

    /// A page of this thread has no block that anybody has. One of each class is kept, and a few more.
    #[cold]
    pub(super) fn retire(&self, page: NonNull<Page>) {
        // SAFETY: a page of this thread.
        let this = unsafe { page.as_ref() };
        if !this.listed.get() || this.extra.get() || this.remote.in_mail() {
            return;
        }
        // Whoever allocates and frees at the border of a page would otherwise get and give a span each time.
        let bit = 1 << this.class.get();
        let (segment, slot) = Page::place(page);
        // SAFETY: its segment.
        let charged = unsafe { segment.as_ref() }.charged[slot].get();
        if self.spare.get() & bit == 0 && u64::from(charged) <= self.cache().may_keep() {
            self.spare.set(self.spare.get() | bit);
        } else if self.cache().keeps_extra() {
            this.extra.set(true);
        } else {
            return self.give_back(page);
        }
        self.pause();
    }

    /// The page is none of those that are kept beyond one of each class, any more. Answers whether it was.
    fn not_extra(&self, page: &Page) -> bool {
        let was = page.extra.replace(false);
        if was {
            self.cache().had_extra();
        }
        was
    }

    /// The next page of the class that nobody has a block of goes, as if there were a spare one.
    #[cfg(all(test, not(feature = "hardened")))]
    pub(super) fn has_spare(&self, class: usize) {
        self.spare.set(self.spare.get() | 1 << class);
        while self.cache().keeps_extra() {}
    }

    /// A moment that is slow anyway.
    pub(super) fn pause(&self) {
        self.cache().pause(self);
    }

    /// Gives back what classes keep that have handed out nothing since this was last called; of the others, pages that other
    /// threads have emptied.
    pub(super) fn rest(&self) {
        self.read_mail();
        for class in 1..CLASSES {
            let allocs = self.bins[class].allocs.load(Ordering::Relaxed) as u32;
            let idle = self.seen[class].replace(allocs) == allocs;
            if self.lists[class].get().is_null() {
                continue;
            }
            if idle {
                self.trim_class(class);
            } else {
                self.give_empty(class, false);
            }
        }
    }

    /// Gives a listed page back to the space. Nobody has a block of it, and it is not in the mail.
    fn give_back(&self, page: NonNull<Page>) {
        self.unlist(page);
        self.give_up(page);
    }

    /// As [`give_back`](Self::give_back), of a page that is in no list.
    fn give_up(&self, page: NonNull<Page>) {
        // SAFETY: a page of this thread.
        let this = unsafe { page.as_ref() };
        self.not_extra(this);
        let (segment, slot) = Page::place(page);
        // SAFETY: its segment.
        let charged = unsafe { segment.as_ref() }.charged[slot].replace(0) as usize;
        let space = self.space();
        // Out of every list before program code can run.
        self.tag().transfer_committed(space.tag(), charged);
        // SAFETY: nobody has it any more.
        if unsafe { space.give(segment, slot, this.slots.get().into(), charged) } {
            space.relieve();
        }
    }

    /// Gives everything back that no block needs: bins' blocks to their pages, empty pages to the space.
    pub(super) fn trim(&self) {
        hardened::trim(self);
        self.read_mail();
        for class in 1..CLASSES {
            self.trim_class(class);
        }
    }

    fn trim_class(&self, class: usize) {
        self.empty_bin(class);
        self.give_empty(class, true);
    }

    /// Gives the pages of a class back of which nobody has a block: of a class that is in use (not `all`) those that other
    /// threads have emptied, one of which may stay as its spare.
    fn give_empty(&self, class: usize, all: bool) {
        let bit = 1 << class;
        if all {
            self.spare.set(self.spare.get() & !bit);
        }
        // Giving a page back may run program code, which may change the list: first they are all taken out of it.
        let mut empty = null_mut();
        let mut next = self.lists[class].get();
        while let Some(page) = NonNull::new(next) {
            // SAFETY: a page of this thread, which is listed.
            let this = unsafe { page.as_ref() };
            next = this.next.get();
            let (came, used) = (this.remote.count(), this.used.load(Ordering::Relaxed));
            if (came != used || came == 0) && !all {
                continue;
            }
            self.take_remote(page);
            if this.used.load(Ordering::Relaxed) > 0 || this.remote.in_mail() {
                continue;
            }
            if !all && self.spare.get() & bit == 0 {
                self.spare.set(self.spare.get() | bit);
                continue;
            }
            self.unlist(page);
            this.next.set(empty);
            empty = page.as_ptr();
        }
        while let Some(page) = NonNull::new(empty) {
            // SAFETY: a page of this thread that nobody else knows of.
            empty = unsafe { page.as_ref() }.next.get();
            self.give_up(page);
        }
    }

    /// Puts what is left in a bin back to its pages.
    fn empty_bin(&self, class: usize) {
        let mut next = self.bins[class].free.replace(null_mut());
        while let Some(block) = NonNull::new(next) {
            // SAFETY: a free block of a page of this thread.
            unsafe {
                next = block.as_ref().next;
                bump(&self.taken[class], u64::MAX);
                self.put(Page::of(block.cast()), block.cast());
            }
        }
    }

    /// Takes what other threads freed to the page's own list.
    fn take_remote(&self, page: NonNull<Page>) {
        // SAFETY: a page of this thread.
        let this = unsafe { page.as_ref() };
        let Some(chain) = this.remote.take() else { return };
        let mut block = block_at(page, chain.first);
        for _ in 0..chain.count {
            // SAFETY: so many blocks are linked.
            unsafe {
                let next = (*block).next;
                (*block).next = this.free.get();
                this.free.set(block);
                block = next;
            }
        }
        this.used.store(this.used.load(Ordering::Relaxed) - chain.count, Ordering::Relaxed);
    }

    /// Puts a block to the free ones of its page, which is this thread's, and lists it if it was full.
    unsafe fn put(&self, page: NonNull<Page>, block: NonNull<u8>) {
        // SAFETY: the caller's.
        unsafe {
            let this = page.as_ref();
            block.cast::<Block>().write(Block { next: this.free.get() });
            this.free.set(block.as_ptr().cast());
            this.used.store(this.used.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
            if this.owner.load(Ordering::Relaxed) & FULL != 0 {
                this.owner.store(self.owner(), Ordering::Release);
                this.remote.clear_full();
                if !this.listed.get() {
                    let home = &*this.local.load(Ordering::Relaxed);
                    home.list(page);
                }
            }
        }
    }

    /// Puts a block of a full page of this place's into the bin, if that does not have enough.
    ///
    /// # Safety
    /// As [`free`](Self::free).
    #[inline]
    unsafe fn put_back(&self, page: &Page, block: NonNull<u8>) -> bool {
        let class = usize::from(page.class.get());
        let (bin, taken) = (&self.bins[class], &self.taken[class]);
        let has = taken.load(Ordering::Relaxed).wrapping_sub(bin.allocs.load(Ordering::Relaxed));
        if has * u64::from(page.block.get()) >= self.cache().may_keep() || has >= BACK_BLOCKS {
            return false;
        }
        // SAFETY: a block that nobody has any more.
        unsafe { block.cast::<Block>().write(Block { next: bin.free.get() }) };
        bin.free.set(block.as_ptr().cast());
        bump(taken, 1);
        true
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It was handed out by a heap of ours and not freed since, and nobody uses it any more. This is the calling thread's
    /// local, or the empty one.
    #[inline(always)]
    pub(super) unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            let page = Page::of(block);
            let this = page.as_ref();
            if this.owner.load(Ordering::Relaxed) != self.owner() {
                return Self::free_slow(block, page, self);
            }
            block.cast::<Block>().write(Block { next: this.free.get() });
            this.free.set(block.as_ptr().cast());
            one_less(page);
        }
    }

    /// As [`free`](Self::free), of a block whose page is known, and known to be this one's.
    ///
    /// # Safety
    /// As [`free`](Self::free); `page` is its page, and has this one's owner.
    #[inline(always)]
    pub(super) unsafe fn free_mine(&self, block: NonNull<u8>, page: NonNull<Page>) {
        // SAFETY: the caller's promise.
        unsafe {
            let this = page.as_ref();
            block.cast::<Block>().write(Block { next: this.free.get() });
            this.free.set(block.as_ptr().cast());
            one_less(page);
        }
    }

    /// The block comes first, as it came to whoever calls this: so nothing has to be moved for it.
    ///
    /// # Safety
    /// As [`free`](Self::free); `page` is its page.
    #[cold]
    #[inline(never)]
    unsafe fn free_slow(block: NonNull<u8>, page: NonNull<Page>, local: &Self) {
        // SAFETY: the caller's promise.
        unsafe {
            let this = page.as_ref();
            match this.owner.load(Ordering::Relaxed) {
                LARGE | HUGE => super::large::free(page),
                HARD => hardened::free(page, block, hardened::Given::NOTHING),
                NOBODY => hardened::no_block(block),
                owner if local.owner() != 0 && owner == local.owner() | FULL => {
                    (*this.local.load(Ordering::Relaxed)).free_of_full(block, page);
                }
                owner if owner & APART != 0 => apart::free(block, page, local),
                _ => match local.cache.get().as_ref() {
                    Some(cache) => cache.send(page, block),
                    None => send(page, block, block, 1),
                },
            }
        }
    }

    /// # Safety
    /// As [`free`](Self::free); `page` is its page, of this place, which is one of the calling thread's, and full.
    #[inline(always)]
    pub(super) unsafe fn free_of_full(&self, block: NonNull<u8>, page: NonNull<Page>) {
        // SAFETY: the caller's promise.
        unsafe {
            // The next one who asks for a block of this size takes it from the bin: neither of the two has to list
            // the page or take it out again.
            if self.put_back(page.as_ref(), block) {
                return;
            }
            self.put(page, block);
            if page.as_ref().used.load(Ordering::Relaxed) == 0 {
                self.retire(page);
            }
        }
    }

    /// The first block of a class's bin. By any thread, of this moment.
    pub(super) fn first_in_bin(&self, class: usize) -> *mut Block {
        let first = self.bins[class].free.as_ptr();
        // SAFETY: a word of this place, which others write whole.
        unsafe { crate::base::sync::AtomicPtr::from_ptr(first) }.load(Ordering::Relaxed)
    }

    /// Blocks handed out of each class, and those that are in the bins. Exact when nobody is at it.
    pub(super) fn counts(&self, class: usize) -> (u64, u64) {
        // In this order: a block is taken before it is handed out.
        let allocs = self.bins[class].allocs.load(Ordering::Relaxed);
        (allocs, self.taken[class].load(Ordering::Relaxed).wrapping_sub(allocs))
    }

    /// Blocks that were ever handed out here, large ones too, and their bytes, rounding included.
    #[cfg(feature = "std")]
    pub(super) fn taken(&self) -> (u64, u64) {
        let mut sum = super::large::handed_out(self);
        for (class, bin) in self.bins.iter().enumerate().skip(1) {
            let allocs = bin.allocs.load(Ordering::Relaxed);
            sum = (sum.0 + allocs, sum.1 + allocs * super::class::size_of_class(class) as u64);
        }
        sum
    }
}

/// Up to where a charge from `had` on may go that is generous up to `to`: one that only generosity makes too large is worth
/// neither a refusal, which would call for memory to be freed, nor a warning before its time. Whole pages.
pub(super) fn calmly(tag: Tag, had: usize, to: usize) -> usize {
    align_down(to.min(had.saturating_add(tag.calm_room())), crate::os::page_size())
}

/// Counts a block of a page of the calling thread as back, and retires the page if it was the last.
#[inline(always)]
fn one_less(page: NonNull<Page>) {
    // What a compiler makes of the portable form is a load, a subtraction and a store, for the number is looked at; the
    // subtraction alone says all there is to know.
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a page's descriptor. Its count is this thread's to change, at once as far as other threads see, who read it.
    unsafe {
        core::arch::asm!(
            "dec dword ptr [{page} + {used}]",
            "jz {last}",
            page = in(reg) page.as_ptr(),
            used = const core::mem::offset_of!(Page, used),
            last = label { retire(page) },
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: a page's descriptor.
        let used = unsafe { &page.as_ref().used };
        let left = used.load(Ordering::Relaxed) - 1;
        used.store(left, Ordering::Relaxed);
        if left == 0 {
            retire(page);
        }
    }
}

/// A page of the calling thread, of whatever tag, has no block that anybody has.
#[cold]
#[inline(never)]
fn retire(page: NonNull<Page>) {
    // SAFETY: a page of this thread; its local lasts as long.
    unsafe { &*page.as_ref().local.load(Ordering::Relaxed) }.retire(page);
}

const _: () = assert!(size_of::<Local>() <= 4096);
const _: () = assert!(core::mem::offset_of!(Segment, mail) > 0);
