//! Tags: whom memory is charged to.
#![expect(unsafe_code, reason = "exports functions under C's names, which write where C says")]

use std::ffi::c_char;

use arenite::{GlobalHeap, Ledger, Tag};

use super::texts::{put, put_text, text, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// Whom memory is charged to: a name like `scene/textures`, with an account. What is charged to a tag is charged to those
/// above it, too (`scene`). A plain number, good in every thread until the process ends; there are at most 256 tags.
pub type arenite_tag = u32;

/// The tag of what nobody claimed. It is what a zeroed options structure says.
pub const ARENITE_UNTAGGED: arenite_tag = 0;

/// The figures of one account, in bytes unless it says otherwise.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_account {
    /// Address space held by the tag and all below it.
    pub reserved: usize,
    /// Memory that the system stands behind, of the tag and all below it: what budgets limit.
    pub committed: usize,
    /// In use, of the tag and all below it, as arenas, pools and heaps told last: whenever memory is committed, at ends of
    /// frames, and when a snapshot is taken.
    pub live: usize,
    /// The most that ever was committed at once, tags below included.
    pub peak_committed: usize,
    /// The most that ever was in use at once, tags below included.
    pub peak_live: usize,
    /// Committed by the tag itself, without those below it.
    pub own_committed: usize,
    /// In use by the tag itself, without those below it.
    pub own_live: usize,
    /// How many times memory was committed, tags below included.
    pub commits: u64,
    /// How many times memory was given back, tags below included.
    pub decommits: u64,
}

pub(crate) fn tag_of(tag: arenite_tag) -> Result<Tag, Refusal> {
    if tag == ARENITE_UNTAGGED {
        return Ok(Tag::untagged());
    }
    let found = Ledger::process().at(tag as usize - 1);
    found.ok_or_else(|| {
        Refusal::new(ARENITE_BAD_TAG, format_args!("there is no tag {tag}: register it first"))
    })
}

pub(crate) fn number_of(tag: Tag) -> arenite_tag {
    if tag == Tag::untagged() { ARENITE_UNTAGGED } else { tag.place() as arenite_tag + 1 }
}

/// Registers a tag, or finds it if it is registered, and writes it to `tag`. `path` is parts joined by single slashes, like
/// `scene/textures`; tags above it are registered, too. Tags are never taken back. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_BAD_TAG` (not a tag's name, or no room for another tag).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_register(path: *const c_char, tag: *mut arenite_tag) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        wanted(tag)?;
        put(tag, number_of(Tag::register(text(path)?)?))
    })
}

/// As `arenite_tag_register`, for a path below `parent`: `textures` below `scene` is `scene/textures`.
///
/// Errors: as `arenite_tag_register`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_child(
    parent: arenite_tag,
    path: *const c_char,
    tag: *mut arenite_tag,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        wanted(tag)?;
        put(tag, number_of(tag_of(parent)?.child(text(path)?)?))
    })
}

/// Finds a tag that is registered under exactly this path, and writes it to `tag`. Thread-safe. O(tags).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_BAD_TAG` (there is none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_find(path: *const c_char, tag: *mut arenite_tag) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let path = text(path)?;
        let found = Ledger::process().find(path);
        let found =
            found.ok_or_else(|| Refusal::new(ARENITE_BAD_TAG, format_args!("there is no tag `{path}`")))?;
        put(tag, number_of(found))
    })
}

/// Writes the tag that `tag` is inside of to `parent`: `scene` of `scene/textures`. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG` (no tag, or none above it).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_parent(tag: arenite_tag, parent: *mut arenite_tag) -> arenite_error {
    guard(|| {
        let tag = tag_of(tag)?;
        let above = tag.parent();
        let above =
            above.ok_or_else(|| Refusal::new(ARENITE_BAD_TAG, format_args!("`{tag}` is in no other tag")))?;
        // SAFETY: the caller's pointer.
        unsafe { put(parent, number_of(above)) }
    })
}

/// Writes the full path of a tag to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length in bytes, without
/// the 0, as `snprintf` does. A null `buffer` is allowed. 0 if there is no such tag. Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_name(tag: arenite_tag, buffer: *mut c_char, size: usize) -> usize {
    // SAFETY: the caller's buffer.
    answer(|| Ok(unsafe { put_text(tag_of(tag)?.name(), buffer, size) })).unwrap_or(0)
}

/// Writes the figures of a tag to `account`, all of one moment. Thread-safe: a short lock.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_account(
    tag: arenite_tag,
    account: *mut arenite_account,
) -> arenite_error {
    guard(|| {
        let seen = tag_of(tag)?.account();
        let figures = arenite_account {
            reserved: seen.subtree.reserved,
            committed: seen.subtree.committed,
            live: seen.subtree.live,
            peak_committed: seen.peak_committed,
            peak_live: seen.peak_live,
            own_committed: seen.own.committed,
            own_live: seen.own.live,
            commits: seen.subtree.commits,
            decommits: seen.subtree.decommits,
        };
        // SAFETY: the caller's pointer.
        unsafe { put(account, figures) }
    })
}

/// From now on the calling thread's blocks of the general heap (`arenite_alloc` and its like) are charged to `tag`. The tag until now is
/// written to `previous`, unless that is null: enter it again to leave. Blocks keep the tag that they were taken under; each thread
/// begins with `ARENITE_UNTAGGED`. A few stores, once the thread has allocated under the tag before.
///
/// Errors: `ARENITE_BAD_TAG`; `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM` (the first time of a thread under a tag, which needs a place in
/// the heap; nothing has changed then).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_tag_enter(tag: arenite_tag, previous: *mut arenite_tag) -> arenite_error {
    guard(|| {
        let before = Tag::current();
        GlobalHeap::enter(tag_of(tag)?)?;
        if previous.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's pointer.
        unsafe { put(previous, number_of(before)) }
    })
}

/// The tag that the calling thread's blocks of the general heap are charged to.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_tag_current() -> arenite_tag {
    answer(|| Ok(number_of(Tag::current()))).unwrap_or(ARENITE_UNTAGGED)
}
