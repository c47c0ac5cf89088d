//! What each thread asks its counting allocator for, whichever it is, while somebody wants to know: the figures that
//! [`no_alloc`](super::no_alloc) and the frame policy compare. No thread reads another's, so these are plain cells.

use core::alloc::Layout;
use core::cell::Cell;
use core::panic::Location;

use super::sites;
use crate::base::thread;
use crate::ledger::{Here, Tag, here};

/// One call for memory while somebody had asked that there be none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offence {
    pub(super) layout: Layout,
    pub(super) tag: Option<Tag>,
    /// Where the tag's scope was opened.
    pub(super) site: Option<&'static Location<'static>>,
}

/// Calls for memory (a resize is one, of its new size) and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) calls: u64,
    pub(super) bytes: u64,
}

std::thread_local! {
    // All without a destructor: they are there as long as the thread is.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static FIRST: Cell<Option<Offence>> = const { Cell::new(None) };
}

/// The calling thread was handed a block. The first one since it [stands](crate::ledger::set_here) where it stands is noted with the
/// place of the scope. A thread that is watched is hidden, so that a counting allocator finds no row for it
/// and looks closer anyway.
#[inline(always)]
pub(super) fn note(layout: Layout) {
    if thread::looks_closer() {
        look(layout);
    }
}

/// A block of the calling thread was resized: as [`note`] if the thread is watched.
#[inline]
pub(super) fn note_resize(layout: Layout) {
    if thread::is_hidden() {
        write_down(layout);
    }
}

#[cold]
#[inline(never)]
fn look(layout: Layout) {
    if thread::looks_now()
        && let Here { tag: Some(tag), site: Some(site) } = here()
    {
        sites::note(tag.place(), site);
    }
    if thread::is_hidden() {
        write_down(layout);
    }
}

#[cold]
#[inline(never)]
fn write_down(layout: Layout) {
    CALLS.set(CALLS.get().wrapping_add(1));
    BYTES.set(BYTES.get().wrapping_add(layout.size() as u64));
    if FIRST.get().is_none() {
        let here = here();
        FIRST.set(Some(Offence { layout, tag: here.tag, site: here.site }));
    }
}

/// What the calling thread has asked for so far, while it was watched.
pub(super) fn asked() -> Asked {
    Asked { calls: CALLS.get(), bytes: BYTES.get() }
}

/// From now on this thread's calls are counted, and the first one is remembered. Answers what was remembered for those who watch already.
pub(super) fn watch() -> Option<Offence> {
    thread::hide();
    FIRST.take()
}

/// Ends what [`watch`] began, which answered `before`. Answers the first call since.
pub(super) fn unwatch(before: Option<Offence>) -> Option<Offence> {
    thread::show();
    let first = FIRST.take();
    // Those who watch around this one want theirs, or else this one, which was theirs, too.
    if thread::is_hidden() {
        FIRST.set(before.or(first));
    }
    first
}
