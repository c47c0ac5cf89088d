//! What a thread owns of a heap: its places, and blocks of others on their way home.
//!
//! A cache is never given back: when its thread ends it waits, with all its pages, for the next thread that begins, which
//! then owns them under the same id. So no page has to change its owner, and an id is never another thread's by mistake.
#![expect(unsafe_code, reason = "reaches locals and pages by pointer")]

use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

use super::class::QUANTUM;
use super::local::Local;
use super::remote::Chain;
use super::segment::{Block, Page, block_at};
use super::space::{Space, now};
use super::state::State;
use crate::base::sync::{AtomicPtr, AtomicU32, Ordering};
use crate::ledger::{Ledger, Tag};
use crate::region::AllocError;

/// Chains of blocks on their way that a thread keeps open.
const CHAINS: usize = 16;
const _: () = assert!(CHAINS <= 32);
/// A chain is sent when it has so many blocks, or so many bytes.
const CHAIN_BLOCKS: u32 = 32;
const CHAIN_BYTES: u32 = 16 << 10;

/// Places a thread finds without a search: tags of the process's heap, heaps of their own.
const HEAPS: usize = 16;

/// Every so many slow moments a thread looks at the clock.
const PAUSES: u32 = 8;

/// Bytes that a class of a place may keep for the next time, at the most; and what the places of a thread share for each class.
/// A thread with many tags has little of each size under each of them: what all of them kept was several times what they used.
const KEEP_MOST: u64 = 64 << 10;
const KEEP: u64 = 128 << 10;

/// Empty pages that a thread may keep beside those, whatever their class: of large blocks a page has few, and whoever frees a
/// handful and takes as many would otherwise give and get pages each time.
const EXTRA: u32 = 8;

/// Caches of ended threads that it looks after then.
const ENDED: usize = 8;

/// Blocks of one page that other threads' memory is made of, linked, not yet sent.
struct Open {
    page: AtomicPtr<Page>,
    count: AtomicU32,
    /// Of the page, for figures: others can not look there, for it may go at any moment.
    local: AtomicPtr<Local>,
    class: AtomicU32,
    first: AtomicPtr<Block>,
    last: Cell<*mut Block>,
}

/// What one thread at a time has.
#[repr(C)]
pub(super) struct Cache {
    state: State,
    /// Its pages' owner.
    id: u32,
    /// How many threads have had it. Only who has it writes.
    threads: AtomicU32,
    /// The next cache of the process.
    next: AtomicPtr<Cache>,
    chains: [Open; CHAINS],
    /// Those that may have something: a bit each.
    filled: Cell<u32>,
    pauses: Cell<u32>,
    purged_at: Cell<u32>,
    pausing: Cell<bool>,
    /// The next cache to be looked after, if its thread has ended.
    orphan: Cell<*const Cache>,
    /// Bytes that each class of each place may have in its bin, or as an empty page, for the next time.
    may_keep: Cell<u64>,
    /// Empty pages that it keeps beyond one of each class, of all its places.
    extra: Cell<u32>,
    /// Its places of the process's heap, linked.
    places: Cell<*mut Local>,
    /// By the tag's place in the process's ledger.
    tags: [Cell<*mut Local>; Ledger::CAPACITY],
    /// By the heap's serial number, and that number.
    heaps: [(Cell<usize>, Cell<*mut Local>); HEAPS],
}

// SAFETY: its cells are touched by the one thread that has it; others look at `state`, `next` and the chains' atomics.
unsafe impl Sync for Cache {}

/// All caches there ever were, the last one first.
static CACHES: AtomicPtr<Cache> = AtomicPtr::new(null_mut());
static IDS: AtomicU32 = AtomicU32::new(1);

/// The caches of the process.
pub(super) fn all() -> impl Iterator<Item = &'static Cache> {
    // SAFETY: caches are never given back. Acquire: what was written before it was linked.
    core::iter::successors(unsafe { CACHES.load(Ordering::Acquire).as_ref() }, |cache| unsafe {
        cache.next.load(Ordering::Acquire).as_ref()
    })
}

/// A cache for the calling thread: one whose thread has ended, or a new one.
pub(super) fn claim(space: &Space) -> Result<&'static Cache, AllocError> {
    if let Some(cache) = all().find(|cache| cache.try_hold()) {
        return Ok(cache);
    }
    let at = space.try_meta(size_of::<Cache>())?.cast::<Cache>();
    // SAFETY: zeroed memory of our own, for ever; zeros are valid for all of it.
    let cache = unsafe {
        let id: *mut u32 = &raw mut (*at.as_ptr()).id;
        id.write(IDS.fetch_add(1, Ordering::Relaxed));
        at.as_ref()
    };
    cache.may_keep.set(KEEP_MOST);
    cache.state.begin();
    let mut head = CACHES.load(Ordering::Relaxed);
    loop {
        cache.next.store(head, Ordering::Relaxed);
        match CACHES.compare_exchange_weak(head, at.as_ptr(), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Ok(cache),
            Err(now) => head = now,
        }
    }
}

impl Cache {
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Bytes that each class of each place may have in its bin, or as an empty page, for the next time.
    #[inline]
    pub(super) fn may_keep(&self) -> u64 {
        self.may_keep.get()
    }

    /// Whether one more empty page may stay; counts it then.
    pub(super) fn keeps_extra(&self) -> bool {
        let room = self.extra.get() < EXTRA;
        if room {
            self.extra.set(self.extra.get() + 1);
        }
        room
    }

    /// One of those is gone, or not empty any more.
    pub(super) fn had_extra(&self) {
        self.extra.set(self.extra.get() - 1);
    }

    /// How many threads have had it.
    pub(super) fn threads(&self) -> u32 {
        self.threads.load(Ordering::Relaxed)
    }

    /// Another thread has it from now on. By that thread.
    pub(super) fn count_thread(&self) {
        self.threads.store(self.threads().wrapping_add(1), Ordering::Relaxed);
    }

    /// Its thread ends. What it has on its way is sent first.
    pub(super) fn park(&self) {
        self.send_all();
        self.state.park();
    }

    /// Makes it this thread's for a moment, if its own has ended.
    pub(super) fn try_hold(&self) -> bool {
        self.state.try_hold()
    }

    /// The place of a tag of the process's heap.
    pub(super) fn of_tag(&self, tag: Tag, space: &Space) -> Result<NonNull<Local>, AllocError> {
        let place = &self.tags[tag.place()];
        if let Some(local) = NonNull::new(place.get()) {
            return Ok(local);
        }
        let local = self.make(tag, space)?;
        // A callback of the charge may have made one meanwhile.
        if let Some(local) = NonNull::new(place.get()) {
            return Ok(local);
        }
        place.set(local.as_ptr());
        self.link(local);
        let mut places = 0;
        self.each_place(|place| places += u64::from(!place.is_apart()));
        self.may_keep.set((KEEP / places).min(KEEP_MOST));
        Ok(local)
    }

    /// From now on it is one of this cache's places of the process's heap.
    pub(super) fn link(&self, local: NonNull<Local>) {
        // SAFETY: ours; locals of the process's heap stay.
        unsafe { local.as_ref() }.sibling.set(self.places.replace(local.as_ptr()));
    }

    /// The place of a heap of its own, if it was asked for not long ago.
    #[cfg(feature = "std")]
    #[inline]
    pub(super) fn known(&self, space: &Space) -> Option<&Local> {
        let (serial, place) = &self.heaps[space.serial % HEAPS];
        // SAFETY: a serial number is never given twice, and locals last as long as their space.
        if serial.get() == space.serial { unsafe { place.get().as_ref() } } else { None }
    }

    /// The place of a heap of its own.
    #[cfg(feature = "std")]
    pub(super) fn of_heap(&self, space: &Space) -> Result<NonNull<Local>, AllocError> {
        let (serial, place) = &self.heaps[space.serial % HEAPS];
        if serial.get() == space.serial
            && let Some(local) = NonNull::new(place.get())
        {
            return Ok(local);
        }
        let local = match self.find(space) {
            Some(local) => local,
            None => {
                let at = space.try_meta(size_of::<Local>())?;
                // A callback of the charge may have made one meanwhile. Then this one's memory stays empty.
                match self.find(space) {
                    Some(local) => local,
                    // SAFETY: zeroed memory of the space's, ours alone.
                    None => unsafe { Local::begin(at, self.id, space.tag(), space, self) },
                }
            }
        };
        serial.set(space.serial);
        place.set(local.as_ptr());
        Ok(local)
    }

    #[cfg(feature = "std")]
    fn find(&self, space: &Space) -> Option<NonNull<Local>> {
        let mut next = space.locals.load(Ordering::Acquire);
        while let Some(local) = NonNull::new(next) {
            // SAFETY: locals last as long as their space.
            let this = unsafe { local.as_ref() };
            if this.owner() == self.id {
                return Some(local);
            }
            next = this.next.get();
        }
        None
    }

    fn make(&self, tag: Tag, space: &Space) -> Result<NonNull<Local>, AllocError> {
        let at = space.try_meta(size_of::<Local>())?;
        // SAFETY: zeroed memory of the space's, ours alone.
        Ok(unsafe { Local::begin(at, self.id, tag, space, self) })
    }

    /// Takes a block on the way to the thread that owns its page.
    ///
    /// # Safety
    /// A block of that page that nobody has any more. Called by the thread that has the cache.
    pub(super) unsafe fn send(&self, page: NonNull<Page>, block: NonNull<u8>) {
        // SAFETY: the caller's promise; what is in a chain was put there by this function.
        unsafe {
            let local = &*page.as_ref().local.load(Ordering::Relaxed);
            if !super::is_process(local.space.get()) {
                // Its heap may be discarded while a chain waits here.
                return send(page, block, block, 1);
            }
            // Descriptors are 64 bytes apart.
            let chain = (page.addr().get() / 64 + page.addr().get() / super::segment::SEGMENT) % CHAINS;
            let open = &self.chains[chain];
            if open.page.load(Ordering::Relaxed) == page.as_ptr() {
                block.cast::<Block>().write(Block { next: open.first.load(Ordering::Relaxed) });
                open.first.store(block.as_ptr().cast(), Ordering::Relaxed);
                let count = open.count.load(Ordering::Relaxed) + 1;
                open.count.store(count, Ordering::Relaxed);
                if count >= CHAIN_BLOCKS || count * page.as_ref().block.get() >= CHAIN_BYTES {
                    open.send();
                }
                return;
            }
            open.send();
            block.cast::<Block>().write(Block { next: null_mut() });
            open.first.store(block.as_ptr().cast(), Ordering::Relaxed);
            open.last.set(block.as_ptr().cast());
            open.class.store(page.as_ref().class.get().into(), Ordering::Relaxed);
            // Release: what the place is, for those who have it from here.
            open.local.store(core::ptr::from_ref(local).cast_mut(), Ordering::Release);
            open.count.store(1, Ordering::Relaxed);
            open.page.store(page.as_ptr(), Ordering::Relaxed);
            self.filled.set(self.filled.get() | 1 << chain);
        }
    }

    /// Sends all that is on its way.
    pub(super) fn send_all(&self) {
        let mut filled = self.filled.replace(0);
        while filled != 0 {
            self.chains[filled.trailing_zeros() as usize].send();
            filled &= filled - 1;
        }
    }

    /// Calls `see` with the place, class and number of the blocks of each chain. By any thread: what it sees is of no one
    /// moment, but places of the process's heap stay.
    pub(super) fn each_open(&self, mut see: impl FnMut(*mut Local, usize, u32)) {
        for open in &self.chains {
            let count = open.count.load(Ordering::Relaxed);
            if count > 0 {
                see(open.local.load(Ordering::Acquire), open.class.load(Ordering::Relaxed) as usize, count);
            }
        }
    }

    /// Calls `see` with the page, first block and number of the blocks of each chain. By any thread, of no one moment.
    pub(super) fn each_chain(&self, mut see: impl FnMut(*mut Page, *mut Block, u32)) {
        for open in &self.chains {
            let page = open.page.load(Ordering::Relaxed);
            if !page.is_null() {
                see(page, open.first.load(Ordering::Relaxed), open.count.load(Ordering::Relaxed));
            }
        }
    }

    /// A moment that is slow anyway: sends what is on its way, and now and then gives memory back that waits too long.
    pub(super) fn pause(&self, local: &Local) {
        // SAFETY: outlives its locals.
        let space = unsafe { &*local.space.get() };
        self.send_all();
        let pauses = self.pauses.get().wrapping_add(1);
        self.pauses.set(pauses);
        if !pauses.is_multiple_of(PAUSES) || self.pausing.get() {
            return;
        }
        let (time, delay) = (now(), space.plan.delay);
        if time.wrapping_sub(self.purged_at.get()) < (delay / 4).max(1) {
            return;
        }
        self.purged_at.set(time);
        // What follows may run program code, and so come back here.
        self.pausing.set(true);
        if super::is_process(space) {
            self.rest();
            self.rest_of_ended();
        } else {
            local.rest();
        }
        space.purge(delay);
        self.pausing.set(false);
    }

    /// Gives back what its places of the process's heap do not seem to need any more.
    fn rest(&self) {
        self.each_place(Local::rest);
    }

    /// Calls `see` with each of its places of the process's heap. Called by the thread that has the cache.
    pub(super) fn each_place(&self, mut see: impl FnMut(&Local)) {
        let mut next = self.places.get();
        while let Some(place) = NonNull::new(next) {
            // SAFETY: locals of the process's heap stay.
            let place = unsafe { place.as_ref() };
            next = place.sibling.get();
            see(place);
        }
    }

    /// As [`rest`](Self::rest), for a few of those whose threads have ended, which nobody else does: others may still free what those took.
    fn rest_of_ended(&self) {
        let mut next = self.orphan.get();
        for _ in 0..ENDED {
            // SAFETY: caches are never given back. Acquire: what was written before it was linked.
            let cache = unsafe { next.as_ref().or_else(|| CACHES.load(Ordering::Acquire).as_ref()) };
            let Some(cache) = cache else { return };
            next = cache.next.load(Ordering::Acquire);
            if cache.try_hold() {
                cache.rest();
                cache.park();
            }
        }
        self.orphan.set(next);
    }

    /// Gives back all that no block needs, of all its places in `space`.
    pub(super) fn trim(&self, space: &Space) {
        self.send_all();
        let mut next = space.locals.load(Ordering::Acquire);
        while let Some(local) = NonNull::new(next) {
            // SAFETY: locals last as long as their space.
            let this = unsafe { local.as_ref() };
            next = this.next.get();
            if this.cache_id() == self.id {
                this.trim();
            }
        }
    }
}

impl Open {
    fn send(&self) {
        let Some(page) = NonNull::new(self.page.load(Ordering::Relaxed)) else { return };
        let (first, last) = (NonNull::new(self.first.load(Ordering::Relaxed)), NonNull::new(self.last.get()));
        let count = self.count.load(Ordering::Relaxed);
        self.page.store(null_mut(), Ordering::Relaxed);
        self.count.store(0, Ordering::Relaxed);
        if let (Some(first), Some(last)) = (first, last) {
            // SAFETY: blocks of this page that were linked here, and that nobody else has.
            unsafe { send(page, first.cast(), last.cast(), count) };
        }
    }
}

/// Gives linked blocks of one page, `first` to `last`, back to the thread that owns it.
///
/// # Safety
/// `count` blocks of the page, linked, that nobody else has.
pub(super) unsafe fn send(page: NonNull<Page>, first: NonNull<u8>, last: NonNull<u8>, count: u32) {
    // SAFETY: the caller's promise. The page stays as long as these blocks are not given back.
    unsafe {
        let this = page.as_ref();
        let start = Page::start(page);
        let units = ((first.addr().get() - start.addr().get()) / QUANTUM) as u32;
        // Read before the push, after which the page may be anybody's unless it must be posted.
        let local = this.local.load(Ordering::Relaxed);
        let must_post = this.remote.push(Chain { first: units, count }, |below| {
            let next = below.map_or(null_mut(), |units| block_at(page, units));
            last.cast::<Block>().write(Block { next });
        });
        if must_post {
            (*local).post(page);
        }
    }
}
