//! What allocators and programs tell, and who is told: the recorder, Tracy's profiler, or both, as the byte says that allocators
//! ask ([`recording`]). Without the feature `tracy` there is only the recorder, and nothing is asked here.

use core::sync::atomic::Ordering;

use super::session;
use super::stack::Caller;
use crate::base::recording::{self, Listener, Resizing};
use crate::ledger::Tag;
use crate::ledger::telling::{Recorder, set_recorder};
#[cfg(feature = "tracy")]
use crate::tracy;

use super::format::events::What;

/// Heaps with a tag of their own, and regions, tell from now on.
pub(crate) fn listen() {
    set_recorder(Recorder {
        committed: session::committed,
        allocated: block_made,
        freed,
        apart_freed: session::apart_freed,
        resizing,
        resized: block_resized,
        stays,
        moved: block_moved,
    });
}

/// Whether the recorder is told. Whoever gets here found that somebody listens.
#[inline(always)]
fn recorder_listens() -> bool {
    !cfg!(feature = "tracy") || recording::listens(Listener::Recorder)
}

/// Whether nobody but the recorder is told.
#[inline(always)]
fn recorder_alone() -> bool {
    !cfg!(feature = "tracy") || recording::STATE.load(Ordering::Relaxed) == Listener::Recorder as u8
}

/// Whether a block of so many bytes, which is asked for now, is none of a sample, as is seen at a glance; then nobody needs to be told of
/// it. If not, nothing is decided: [`allocated`] finds out.
#[inline(always)]
pub(crate) fn passes(size: usize) -> bool {
    recorder_alone() && session::passes(size)
}

/// Whether a block that is given back is certainly none of a sample; then nobody needs to be told of that.
#[inline(always)]
pub(crate) fn passes_free(address: usize) -> bool {
    recorder_alone() && session::passes_free(address)
}

/// A block was handed out, to those who called there, under the tag of the thread.
#[inline(always)]
pub(crate) fn allocated(address: usize, size: usize, caller: Caller) {
    tell_of(address, size, caller, None);
}

/// Whether a block of so many bytes, which is asked for now, is one of those that are recorded, if [`passes`] could not tell. Then
/// [`allocated_as`] is told of it, with this answer.
#[inline(always)]
pub(crate) fn chooses(size: usize) -> bool {
    recorder_listens() && session::chooses(size)
}

/// A block was handed out, as by [`allocated`], after it was asked whether it is recorded.
#[inline(always)]
pub(crate) fn allocated_as(chosen: bool, address: usize, size: usize, caller: Caller) {
    if chosen {
        session::tell_of_chosen(address, size, caller, None);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::allocated(address, size, None);
    }
}

/// As [`resized`], after it was asked whether the block is recorded from now on.
pub(crate) fn resized_as(
    chosen: bool,
    resizing: Resizing,
    before: usize,
    address: usize,
    size: usize,
    caller: Caller,
) {
    session::left(resizing, before);
    if chosen {
        session::tell_of_chosen(address, size, caller, None);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::resized(resizing.shown, address, size, None);
    }
}

/// A heap has handed out a block under its tag. The caller is whoever the heap's function was called by.
fn block_made(tag: Tag, address: usize, size: usize) {
    tell_of(address, size, Caller::here(), Some(tag));
}

#[inline(always)]
fn tell_of(address: usize, size: usize, caller: Caller, tag: Option<Tag>) {
    if recorder_listens() {
        session::allocated(address, size, caller, tag);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::allocated(address, size, tag);
    }
}

/// A block is about to be given back.
#[inline(always)]
pub(crate) fn freed(address: usize) {
    if recorder_listens() {
        session::freed(address);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::freed(address);
    }
}

/// A block is about to get another size. Where it is now another thread's may be before it is told how this one ends.
#[inline(always)]
pub(crate) fn resizing(address: usize) -> Resizing {
    let mut resizing = Resizing::default();
    if recorder_listens() {
        session::resizing(&mut resizing, address);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        resizing.shown = tracy::resizing(address);
    }
    resizing
}

/// A block has got another size.
#[inline(always)]
pub(crate) fn resized(resizing: Resizing, before: usize, address: usize, size: usize, caller: Caller) {
    tell_of_resizing(resizing, before, address, size, caller, None);
}

/// A heap's block got another size.
fn block_resized(resizing: Resizing, tag: Tag, before: usize, address: usize, size: usize) {
    tell_of_resizing(resizing, before, address, size, Caller::here(), Some(tag));
}

#[inline(always)]
fn tell_of_resizing(
    resizing: Resizing,
    before: usize,
    address: usize,
    size: usize,
    caller: Caller,
    tag: Option<Tag>,
) {
    if recorder_listens() {
        session::resized(resizing, before, address, size, caller, tag);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::resized(resizing.shown, address, size, tag);
    }
}

/// A block has not got another size: it is as it was.
pub(crate) fn stays(resizing: Resizing, address: usize) {
    if recorder_listens() {
        session::stays(resizing, address);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::stays(resizing.shown, address);
    }
}

/// A heap put a block elsewhere.
fn block_moved(before: usize, address: usize) {
    if recorder_listens() {
        session::moved(before, address);
    }
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::moved(before, address);
    }
}

/// Marks this moment in the recording, if one is being made: the beginning of a level, a save. Reports find it by the text, of
/// which the first 255 bytes are kept. Thread-safe, allocates nothing.
pub fn mark(text: &str) {
    session::tell_if_on(&What::Mark { text });
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::mark(text);
    }
}

/// Leaves a note in the recording, as [`mark`] does, without making the moment one to compare.
pub fn note(text: &str) {
    session::tell_if_on(&What::Note { text });
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::note(text);
    }
}

/// A frame begins. [`MemoryManager::begin_frame`](crate::MemoryManager::begin_frame) says so itself.
#[inline]
pub fn frame(number: u64) {
    session::tell_if_on(&What::Frame { number });
    #[cfg(feature = "tracy")]
    if tracy::is_on() {
        tracy::frame();
    }
}
