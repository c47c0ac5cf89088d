//! The handle pool: values of one size that are named by numbers which find nothing once the value is gone.
//!
//! The typed pool holds an address for each value; the values themselves lie in a block pool, so that their size and alignment can be
//! what C says, and so that they stay where they are.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use arenite::{BlockPool, Handle, HandlePool};

use super::layout;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// A pool of values of one size, each found by a handle. Of one thread: the one that made it.
pub struct arenite_handles {
    _object: Object<Handles>,
}

kind!(arenite_handles, Handles, 0x4841_4E44u32, shared: false);

/// The name of a value in a handle pool. 0 is none, ever; so is a handle whose value was removed.
pub type arenite_handle = u64;

/// Figures of a handle pool. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_handles_stats {
    /// Values there can be.
    pub capacity: usize,
    /// Values there are.
    pub live: usize,
    /// Slots whose generations are used up: 2^31 values each.
    pub retired: usize,
    /// Committed, book-keeping included.
    pub committed: usize,
    /// Reserved, book-keeping included.
    pub reserved: usize,
}

/// Where a value is.
struct Value(NonNull<u8>);

pub(crate) struct Handles {
    names: HandlePool<Value>,
    values: BlockPool,
}

impl Handles {
    fn find(&self, handle: arenite_handle) -> Result<NonNull<u8>, Refusal> {
        let found = Handle::from_bits(handle).and_then(|handle| self.names.get(handle));
        found
            .map(|value| value.0)
            .ok_or_else(|| Refusal::new(ARENITE_STALE, "the handle names no value of this pool"))
    }

    fn insert(&mut self) -> Result<(arenite_handle, NonNull<u8>), Refusal> {
        let block = self.values.alloc()?;
        match self.names.try_insert(Value(block)) {
            Ok(handle) => Ok((handle.to_bits(), block)),
            Err(refused) => {
                self.values.free(block)?;
                Err(refused.error.into())
            }
        }
    }

    fn remove(&mut self, handle: arenite_handle, into: *mut c_void) -> Result<(), Refusal> {
        let block = self.find(handle)?;
        if let Some(handle) = Handle::from_bits(handle) {
            self.names.remove(handle);
        }
        if !into.is_null() {
            // SAFETY: a value of this pool, and room for one, by the caller's promise.
            unsafe { into.cast::<u8>().copy_from(block.as_ptr(), self.values.block_size()) };
        }
        Ok(self.values.free(block)?)
    }
}

/// Makes a pool of at most `capacity` values of `value_size` bytes at multiples of `align` (a power of two, at most 1 MiB; 0 is 16), charged to
/// `tag`, and writes it to `handles`. A size of 0 is allowed: then there are handles only. Only address space is taken; memory comes as
/// values do. The caller owns it, until `arenite_handles_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`
/// (2^32 - 2 values at the most).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_create(
    tag: arenite_tag,
    value_size: usize,
    align: usize,
    capacity: usize,
    handles: *mut *mut arenite_handles,
) -> arenite_error {
    guard(|| {
        let tag = tag_of(tag)?;
        let values = BlockPool::try_new(tag, layout(value_size, align)?, capacity)?;
        // So that a handle of another pool finds nothing in this one.
        let names = HandlePool::try_new(tag, capacity)?.stamped();
        // SAFETY: the caller's pointer.
        unsafe { object::make(Handles { names, values }, handles) }
    })
}

/// Gives a handle pool and all of its memory back, with the values in it. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_destroy(handles: *mut arenite_handles) -> arenite_error {
    if handles.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(handles, drop) })
}

/// Puts a value in and writes its name to `handle`. `value` is copied; null: all bytes zero. Answers where the value is: it stays
/// there until it is removed. Null if there is no room: `arenite_last_error` says why. O(1).
///
/// Errors: `ARENITE_FULL`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_insert(
    handles: *mut arenite_handles,
    value: *const c_void,
    handle: *mut arenite_handle,
) -> *mut c_void {
    // SAFETY: the caller's object and pointers: `value` has the pool's size, and so has the block.
    answer(|| unsafe {
        if handle.is_null() {
            return Err(ARENITE_NULL_ARGUMENT.into());
        }
        object::exclusive(handles, |pool| {
            let (name, block) = pool.insert()?;
            let size = pool.values.block_size();
            if value.is_null() {
                block.as_ptr().write_bytes(0, size);
            } else {
                // `value` may be another value of this pool.
                block.as_ptr().copy_from(value.cast(), size);
            }
            put(handle, name)?;
            Ok(block.as_ptr().cast())
        })
    })
    .unwrap_or(null_mut())
}

/// Where the value of this name is; null if it is gone, or was never of this pool. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_get(
    handles: *const arenite_handles,
    handle: arenite_handle,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(handles)?.find(handle)?.as_ptr().cast()) }).unwrap_or(null_mut())
}

/// Takes a value out; it is copied to `into`, unless that is null. From now on its name finds nothing, ever. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT` (no pool), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_remove(
    handles: *mut arenite_handles,
    handle: arenite_handle,
    into: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { object::exclusive(handles, |pool| pool.remove(handle, into)) })
}

/// Walks the values: writes the name of the first one whose slot is `*slot` or later to `handle`, and where to go on to `slot`; answers
/// where the value is. Begin with a `slot` of 0; null: there are no more. Values may be removed and put in between two calls; those that are put in
/// meanwhile are met or not. O(1) for each slot.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; the end of the walk is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_next(
    handles: *const arenite_handles,
    slot: *mut u32,
    handle: *mut arenite_handle,
) -> *mut c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let pool = object::shared(handles)?;
        if slot.is_null() || handle.is_null() {
            return Err(ARENITE_NULL_ARGUMENT.into());
        }
        let slots = pool.names.slots();
        for index in slot.read()..u32::try_from(slots).unwrap_or(u32::MAX) {
            if let Some(name) = pool.names.handle_at(index)
                && let Some(value) = pool.names.get(name)
            {
                slot.write(index + 1);
                handle.write(name.to_bits());
                return Ok(value.0.as_ptr().cast());
            }
        }
        slot.write(u32::MAX);
        Ok(null_mut())
    })
    .unwrap_or(null_mut())
}

/// Writes the figures of a handle pool to `stats`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_handles_figures(
    handles: *const arenite_handles,
    stats: *mut arenite_handles_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let pool = object::shared(handles)?;
        let (names, values) = (pool.names.stats(), pool.values.stats());
        put(
            stats,
            arenite_handles_stats {
                capacity: names.capacity,
                live: names.live,
                retired: names.retired,
                committed: names.committed + values.committed,
                reserved: names.address_space + values.reserved,
            },
        )
    })
}
