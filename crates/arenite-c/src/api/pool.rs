//! The block pool.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use arenite::{AllocError, BlockPool};

use super::layout;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use crate::error::arenite_error::{self, *};
use crate::error::{guard, refuse};

/// A pool of raw blocks of one size. Of one thread: the one that made it.
pub struct arenite_pool {
    _object: Object<BlockPool>,
}

kind!(arenite_pool, BlockPool, 0x504F_4F4Cu32, shared: false);

/// Figures of a pool. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_pool_stats {
    /// Blocks there can be.
    pub capacity: usize,
    /// Blocks that are out.
    pub live: usize,
    /// The most that were out when the pool grew, was emptied, or told its figures.
    pub high_water: usize,
    /// From one block to the next.
    pub stride: usize,
    /// Committed, book-keeping included.
    pub committed: usize,
    /// Reserved, book-keeping included.
    pub reserved: usize,
}

/// Makes a pool of at most `capacity` blocks of `block_size` bytes at multiples of `align` (a power of two, at most 1 MiB; 0 is 16), charged to
/// `tag`, and writes it to `pool`. Blocks of 0 bytes have addresses of their own. Only address space is taken; memory comes as blocks
/// are. The caller owns it, until `arenite_pool_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`
/// (2^32 - 2 blocks at the most).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_create(
    tag: arenite_tag,
    block_size: usize,
    align: usize,
    capacity: usize,
    pool: *mut *mut arenite_pool,
) -> arenite_error {
    guard(|| {
        let made = BlockPool::try_new(tag_of(tag)?, layout(block_size, align)?, capacity)?;
        // SAFETY: the caller's pointer.
        unsafe { object::make(made, pool) }
    })
}

/// Gives a pool and all of its memory back, blocks that are out included. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_destroy(pool: *mut arenite_pool) -> arenite_error {
    if pool.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(pool, drop) })
}

#[cold]
#[inline(never)]
extern "C" fn no_block(error: &AllocError) -> *mut c_void {
    refuse((*error).into());
    null_mut()
}

#[cold]
#[inline(never)]
extern "C" fn no_pool(pool: *const arenite_pool) -> *mut c_void {
    refuse(object::refuse_object(pool));
    null_mut()
}

/// What the fast path does not free: told why, in words.
#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(pool: *mut arenite_pool, block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        let pool = object::hot(pool).ok_or_else(|| object::refuse_object(pool))?;
        match NonNull::new(block) {
            None => Ok(()),
            // Asked once more: it is no block now, either.
            Some(block) => Ok(pool.free(block.cast())?),
        }
    })
}

/// A block, until it is given to `arenite_pool_free`. Its bytes are zero, or as they were left. Null if it can not be had:
/// `arenite_last_error` says why. For the pool's own thread, which is not checked here. O(1).
///
/// Errors: `ARENITE_FULL`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_alloc(pool: *mut arenite_pool) -> *mut c_void {
    // SAFETY: the caller's object.
    let Some(this) = (unsafe { object::hot(pool) }) else { return no_pool(pool) };
    match this.alloc() {
        Ok(block) => block.as_ptr().cast(),
        Err(error) => no_block(&error),
    }
}

/// As `arenite_pool_alloc`, all bytes zero.
///
/// Errors: as `arenite_pool_alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_alloc_zeroed(pool: *mut arenite_pool) -> *mut c_void {
    // SAFETY: the caller's object; a block of it that was just handed out.
    unsafe {
        let block = arenite_pool_alloc(pool);
        if let (false, Some(this)) = (block.is_null(), object::hot(pool)) {
            block.cast::<u8>().write_bytes(0, this.block_size());
        }
        block
    }
}

/// Gives a block back; null is allowed. Anything but a block of this pool that is out is told, and nothing happens. For the pool's own
/// thread, which is not checked here. O(1), without a look at the block.
///
/// Errors: `ARENITE_FOREIGN` (not of this pool), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED` (never handed out),
/// `ARENITE_DOUBLE_FREE`, `ARENITE_NULL_ARGUMENT` (no pool), `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_free(pool: *mut arenite_pool, block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's object.
    unsafe {
        if let Some(this) = object::hot(pool)
            && this.free_address(block.cast())
        {
            return ARENITE_OK;
        }
        free_slow(pool, block)
    }
}

/// Frees all blocks at once and gives their memory back to the system, but for the first `keep` blocks'. O(blocks ever used / 64).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_free_all(pool: *mut arenite_pool, keep: usize) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(pool, |pool| {
            pool.free_all_and_keep(keep);
            Ok(())
        })
    })
}

/// 1 if an address lies in the pool's blocks, handed out or not; else, and if this is no pool, 0. Any address is allowed: nothing is
/// read there. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_owns(pool: *const arenite_pool, address: *const c_void) -> i32 {
    // SAFETY: the caller's object.
    crate::error::answer(|| unsafe { Ok(object::shared(pool)?.contains(address.cast())) })
        .is_some_and(|owns| owns)
        .into()
}

/// Writes the figures of a pool to `stats`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_pool_figures(
    pool: *const arenite_pool,
    stats: *mut arenite_pool_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let seen = object::shared(pool)?.stats();
        put(
            stats,
            arenite_pool_stats {
                capacity: seen.capacity,
                live: seen.live,
                high_water: seen.high_water,
                stride: seen.stride,
                committed: seen.committed,
                reserved: seen.reserved,
            },
        )
    })
}
