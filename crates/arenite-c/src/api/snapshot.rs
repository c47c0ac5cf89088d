//! Snapshots: everything that is known at one moment.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_char;

use arenite::watch::HeapTagSnapshot;
use arenite::{Ledger, Snapshot, TagSnapshot, os};

use super::manager::arenite_manager;
use super::object::{self, Object, kind};
use super::texts::{put, put_text};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// Everything that is known at one moment: a value that does not change any more. Any thread may read it.
pub struct arenite_snapshot {
    _object: Object<Snapshot>,
}

kind!(arenite_snapshot, Snapshot, 0x534E_4150u32, shared: true);

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Snapshot>();

/// One account of a snapshot. Sizes are bytes, and count the tags below it, too.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_tag_figures {
    /// Address space held.
    pub reserved: usize,
    /// Memory that the system stands behind.
    pub committed: usize,
    /// In use, as arenas, pools and heaps told last.
    pub live: usize,
    /// The most that ever was committed at once.
    pub peak_committed: usize,
    /// The most that ever was in use at once.
    pub peak_live: usize,
    /// The hard limit on `committed`; `SIZE_MAX` without one.
    pub budget: usize,
    /// Blocks of the process's heap that live under the tag itself.
    pub heap_blocks: u64,
    /// Bytes of those, rounding included.
    pub heap_bytes: u64,
}

/// Memory of the process and of the machine, in bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_system_figures {
    /// In RAM now, of this process.
    pub resident: usize,
    /// The most that ever was in RAM.
    pub resident_peak: usize,
    /// Address space in use by this process.
    pub address_space: usize,
    /// All RAM of the machine.
    pub machine_total: u64,
    /// What of it could be used without swapping.
    pub machine_available: u64,
}

/// Takes a snapshot and writes it to `snapshot`. With a `manager`, of its frame arena and scene, too, and on its thread; it may be null. The
/// caller owns it, until `arenite_snapshot_destroy`. Allocates, reads the system's figures, and walks the process's heap: not for every frame.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_take(
    manager: *const arenite_manager,
    snapshot: *mut *mut arenite_snapshot,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let taken = if manager.is_null() {
            arenite::heap::bucket::publish_live();
            Snapshot {
                time_ns: os::monotonic_ns(),
                tags: TagSnapshot::all(Ledger::process()),
                heap: HeapTagSnapshot::all(),
                process: os::process_memory(),
                machine: os::machine_memory(),
                ..Snapshot::default()
            }
        } else {
            object::shared(manager)?.snapshot()?
        };
        object::make(taken, snapshot)
    })
}

/// Gives a snapshot back. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_destroy(snapshot: *mut arenite_snapshot) -> arenite_error {
    if snapshot.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(snapshot, drop) })
}

/// How many tags a snapshot has; 0 if it is none. They are numbered from 0, parents before what is below them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_tags(snapshot: *const arenite_snapshot) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(snapshot)?.tags.len()) }).unwrap_or(0)
}

/// Writes the figures of a tag to `figures` and its full path to `name`, with a 0 behind it, cut if `size` bytes do not suffice (256 do). Either
/// may be null.
///
/// Errors: `ARENITE_BAD_TAG` (so many there are not), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_tag(
    snapshot: *const arenite_snapshot,
    index: usize,
    name: *mut c_char,
    size: usize,
    figures: *mut arenite_tag_figures,
) -> arenite_error {
    // SAFETY: the caller's object and pointers.
    guard(|| unsafe {
        let this = object::shared(snapshot)?;
        let tag = this.tags.get(index);
        let tag = tag.ok_or_else(|| Refusal::new(ARENITE_BAD_TAG, "the snapshot has fewer tags"))?;
        put_text(&tag.name, name, size);
        if figures.is_null() {
            return Ok(());
        }
        let heap = this.heap.iter().find(|heap| heap.name == tag.name);
        put(
            figures,
            arenite_tag_figures {
                reserved: tag.reserved,
                committed: tag.committed,
                live: tag.live,
                peak_committed: tag.peak_committed,
                peak_live: tag.peak_live,
                budget: tag.budget.unwrap_or(usize::MAX),
                heap_blocks: heap.map_or(0, |heap| heap.live_blocks),
                heap_bytes: heap.map_or(0, |heap| heap.live_bytes),
            },
        )
    })
}

/// Writes what a snapshot says of process and machine to `figures`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_system(
    snapshot: *const arenite_snapshot,
    figures: *mut arenite_system_figures,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(snapshot)?;
        put(
            figures,
            arenite_system_figures {
                resident: this.process.resident,
                resident_peak: this.process.resident_peak,
                address_space: this.process.address_space,
                machine_total: this.machine.total,
                machine_available: this.machine.available,
            },
        )
    })
}

/// Writes a snapshot as a table to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0, as
/// `snprintf` does. Its last line has no newline. A null `buffer` is allowed. 0 if it is no snapshot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_text(
    snapshot: *const arenite_snapshot,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller's object and buffer.
    answer(|| unsafe { Ok(put_text(&object::shared(snapshot)?.to_string(), buffer, size)) }).unwrap_or(0)
}

/// As `arenite_snapshot_text`, as JSON: what the Rust library writes with its feature `serde`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_snapshot_json(
    snapshot: *const arenite_snapshot,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller's object and buffer.
    answer(|| unsafe {
        let text = serde_json::to_string(object::shared(snapshot)?);
        let text = text.map_err(|error| Refusal::new(ARENITE_INTERNAL, error))?;
        Ok(put_text(&text, buffer, size))
    })
    .unwrap_or(0)
}
