//! What a place has in hardened mode: its pages, and blocks that were freed and must not come back yet.
#![expect(unsafe_code, reason = "links pages and walks places by pointer")]

use core::ptr::{NonNull, null_mut};

use super::super::class::CLASSES;
use super::super::local::Local;
use super::super::segment::Page;
use super::super::space::Space;
use crate::base::sync::{Lock, Ordering};
use crate::os;
use crate::region::AllocError;

/// Small blocks that wait, at the most, and their bytes.
const SMALL: usize = 1024;
const SMALL_BYTES: usize = 1 << 20;
/// Large blocks that wait, at the most, and the address space that they keep. They have no memory meanwhile.
const LARGE: usize = 32;
const LARGE_BYTES: usize = 256 << 20;

/// First in, first out.
struct Ring<const N: usize> {
    first: usize,
    len: usize,
    bytes: usize,
    items: [*mut u8; N],
}

impl<const N: usize> Ring<N> {
    fn push(&mut self, item: NonNull<u8>, bytes: usize) -> bool {
        if self.len == N {
            return false;
        }
        self.items[(self.first + self.len) % N] = item.as_ptr();
        self.len += 1;
        self.bytes += bytes;
        true
    }

    fn oldest(&self) -> Option<NonNull<u8>> {
        if self.len == 0 { None } else { NonNull::new(self.items[self.first]) }
    }

    fn pop(&mut self, bytes: usize) {
        self.first = (self.first + 1) % N;
        self.len -= 1;
        self.bytes -= bytes;
    }
}

/// All zero: nothing is there. Other threads come here when they free, so there is a lock. It is never held while anything is
/// charged or the system is asked, and no other lock is taken under it.
pub(in super::super) struct Place {
    pub(super) inner: Lock<Inner>,
}

pub(super) struct Inner {
    /// By class: pages that have a free block, or room for one.
    lists: [*mut Page; CLASSES],
    /// More than are to wait, for several threads may add to it at once.
    small: Ring<{ SMALL + 64 }>,
    /// Pages of one block. More than are to wait: what could not go stays.
    large: Ring<{ LARGE * 2 }>,
    random: u64,
}

// SAFETY: pointers to memory of the space's, touched under the lock.
unsafe impl Send for Inner {}

/// Held while a place is made, so that a fork knows all of them.
static MAKING: Lock<()> = Lock::new(());

/// The place of a local; makes it.
pub(super) fn of(local: &Local) -> Result<&Place, AllocError> {
    if let Some(place) = existing(local) {
        return Ok(place);
    }
    // SAFETY: outlives its locals.
    let space = unsafe { &*local.space.get() };
    let fresh = space.try_meta(size_of::<Place>())?.cast::<Place>();
    let random = os::entropy() | 1;
    // SAFETY: zeroed memory of the space's, ours alone; zeros are valid for all of it.
    unsafe { fresh.as_ref() }.inner.lock().random = random;
    let _making = MAKING.lock();
    // A callback of the charge may have made one meanwhile.
    let answer = local.hard.compare_exchange(null_mut(), fresh.as_ptr(), Ordering::AcqRel, Ordering::Acquire);
    let place = answer.map_or_else(|other| other, |_| fresh.as_ptr());
    // SAFETY: it lasts as long as the space.
    Ok(unsafe { &*place })
}

/// The place of a local, if it has used it.
pub(super) fn existing(local: &Local) -> Option<&Place> {
    // SAFETY: it lasts as long as the space. Acquire: what was written when it was made.
    unsafe { local.hard.load(Ordering::Acquire).as_ref() }
}

/// Calls `see` with the places of a space.
fn each(space: &Space, mut see: impl FnMut(&Place)) {
    let mut next = space.locals.load(Ordering::Acquire);
    while let Some(local) = NonNull::new(next) {
        // SAFETY: locals last as long as their space.
        let local = unsafe { local.as_ref() };
        next = local.next.get();
        existing(local).into_iter().for_each(&mut see);
    }
}

/// Before a fork: all places of the process's heap stay as they are until [`let_go`].
pub(super) fn hold(space: &Space) {
    MAKING.hold();
    each(space, |place| place.inner.hold());
}

/// After it, in both processes.
pub(super) fn let_go(space: &Space) {
    each(space, |place| place.inner.let_go());
    MAKING.let_go();
}

impl Inner {
    /// Random bits.
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// The first page of the class that has something.
    pub(super) fn first(&self, class: usize) -> Option<NonNull<Page>> {
        NonNull::new(self.lists[class])
    }

    pub(super) fn list(&mut self, page: NonNull<Page>) {
        // SAFETY: pages of this place, whose lock is held.
        unsafe {
            let this = page.as_ref();
            let list = &mut self.lists[usize::from(this.class.get())];
            this.next.set(*list);
            this.previous.set(null_mut());
            if let Some(next) = NonNull::new(*list) {
                next.as_ref().previous.set(page.as_ptr());
            }
            *list = page.as_ptr();
            this.listed.set(true);
        }
    }

    pub(super) fn unlist(&mut self, page: NonNull<Page>) {
        // SAFETY: as above.
        unsafe {
            let this = page.as_ref();
            let (next, previous) = (this.next.get(), this.previous.get());
            match NonNull::new(previous) {
                Some(previous) => previous.as_ref().next.set(next),
                None => self.lists[usize::from(this.class.get())] = next,
            }
            if let Some(next) = NonNull::new(next) {
                next.as_ref().previous.set(previous);
            }
            this.listed.set(false);
        }
    }

    /// A small block waits from now on. `false`: there are too many; let one go first.
    pub(super) fn wait(&mut self, block: NonNull<u8>, bytes: usize) -> bool {
        self.small.push(block, bytes)
    }

    /// The small block that has waited longest, if too many wait, or `all` are to go.
    pub(super) fn oldest(&self, all: bool) -> Option<NonNull<u8>> {
        let many = self.small.len >= SMALL || self.small.bytes > SMALL_BYTES;
        self.small.oldest().filter(|_| all || many)
    }

    pub(super) fn went(&mut self, bytes: usize) {
        self.small.pop(bytes);
    }

    /// A large block waits, with so much address space. `false`: there is no room left.
    pub(super) fn wait_large(&mut self, page: NonNull<Page>, bytes: usize) -> bool {
        self.large.push(page.cast(), bytes)
    }

    /// Takes out the large block that has waited longest, if too many wait, or `all` are to go.
    pub(super) fn take_large(
        &mut self,
        all: bool,
        bytes: impl Fn(NonNull<Page>) -> usize,
    ) -> Option<NonNull<Page>> {
        let many = self.large.len > LARGE || self.large.bytes > LARGE_BYTES;
        let page = self.large.oldest().filter(|_| all || many)?.cast();
        self.large.pop(bytes(page));
        Some(page)
    }
}
