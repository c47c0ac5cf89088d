//! The pool in a given buffer, for C: which buffers are pools, and answers as pointers.
#![expect(unsafe_code, reason = "exports functions under C's names, which are given a buffer")]

use core::ffi::{c_int, c_long, c_ulong, c_void};
use core::ptr::null_mut;
use std::sync::{Mutex, OnceLock, PoisonError};

use arenite::os;

use super::pool::{LEAST, MOST, PARAGRAPH, Pool, PoolError};
use crate::error::arenite_error::*;
use crate::error::{Refusal, answer};
use crate::platform::Platform_MemMove;

/// A buffer that was made a pool.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    /// As the program names it.
    start: usize,
    /// Its end, as it was given.
    end: usize,
    /// Its first whole paragraph, and bytes of whole paragraphs.
    base: *mut u8,
    bytes: usize,
}

// SAFETY: the program sees to it that one thread at a time is at a pool.
unsafe impl Send for Buffer {}

/// All of them. No size is believed that lies in a buffer, and what was never made a pool is not touched.
static BUFFERS: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// What programs do not know, so that heads are not met by chance.
fn secret() -> u64 {
    static SECRET: OnceLock<u64> = OnceLock::new();
    *SECRET.get_or_init(os::entropy)
}

fn buffers() -> std::sync::MutexGuard<'static, Vec<Buffer>> {
    BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The list with room for one more. What that takes is asked for while nobody has it locked: asking may run program code, which may
/// use a pool.
fn buffers_with_room() -> Result<std::sync::MutexGuard<'static, Vec<Buffer>>, Refusal> {
    loop {
        let all = buffers();
        if all.len() < all.capacity() {
            return Ok(all);
        }
        let wish = (all.len() * 2).max(16);
        drop(all);
        let mut larger = Vec::new();
        let done = larger.try_reserve_exact(wish);
        done.map_err(|_| Refusal::new(ARENITE_SYSTEM, "no memory to remember another pool"))?;
        let mut all = buffers();
        // Another thread may have been faster.
        if all.capacity() < larger.capacity() && all.len() < larger.capacity() {
            larger.append(&mut all);
            std::mem::swap(&mut *all, &mut larger);
        }
        // What is left over goes without the lock, too.
        drop(all);
    }
}

/// Calls `work` with the pool that a pointer names.
///
/// # Safety
/// If it names a pool, its buffer is still there and no other thread is at it.
unsafe fn with<T>(
    pool: *mut c_void,
    work: impl FnOnce(&mut Pool<'_>, Buffer) -> Result<T, Refusal>,
) -> Option<T> {
    answer(|| {
        let found = buffers().iter().find(|buffer| buffer.start == pool.addr()).copied();
        let buffer =
            found.ok_or_else(|| Refusal::new(ARENITE_INVALID_OBJECT, "Mem_Init has made no pool here"))?;
        // SAFETY: inside the buffer, by the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts_mut(buffer.base, buffer.bytes) };
        work(&mut Pool::new(bytes, secret() ^ buffer.base.addr() as u64), buffer)
    })
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Damaged => Self::new(ARENITE_OVERRUN, "a head of the pool was overwritten"),
            PoolError::Full => Self::new(ARENITE_FULL, "no gap of the pool is so large"),
            PoolError::NoBlock => Self::new(ARENITE_NOT_ALLOCATED, "no block of the pool begins there"),
            PoolError::NotFound => Self::new(ARENITE_STALE, "the pool has no such block"),
        }
    }
}

impl Buffer {
    /// Where a block is that the program points to.
    fn offset(&self, block: *mut c_void) -> Result<usize, Refusal> {
        if block.is_null() {
            return Err(ARENITE_NULL_ARGUMENT.into());
        }
        let offset = block.addr().wrapping_sub(self.base.addr());
        if offset >= self.bytes {
            return Err(Refusal::new(ARENITE_FOREIGN, "the pointer is not into the pool"));
        }
        Ok(offset)
    }

    fn pointer(&self, offset: usize) -> *mut c_void {
        self.base.wrapping_add(offset).cast()
    }
}

/// An id has 32 bits on Windows.
#[allow(clippy::useless_conversion, reason = "not where it has 64 already")]
fn wide(id: c_ulong) -> u64 {
    u64::from(id)
}

fn done(answer: Option<()>) -> c_int {
    answer.is_some().into()
}

fn long(bytes: usize) -> c_long {
    bytes.min(c_long::MAX as usize) as c_long
}

/// Makes a buffer a pool. See `mem_pool.h`.
///
/// # Safety
/// `buffer` is null or has `size` bytes, which are the pool's until it is made anew or is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Init(buffer: *mut c_void, size: c_long) -> c_int {
    done(answer(|| {
        if buffer.is_null() {
            return Err(ARENITE_NULL_ARGUMENT.into());
        }
        let start = buffer.addr();
        let size = usize::try_from(size).unwrap_or(0);
        let end = start.checked_add(size).ok_or(ARENITE_TOO_LARGE)?;
        // Whatever was there is no pool any more, also if this one is refused.
        let mut all = buffers_with_room()?;
        all.retain(|other| other.end <= start || end.max(start.saturating_add(1)) <= other.start);
        // To the next whole paragraph, also where addresses end.
        let ahead = start.wrapping_neg() % PARAGRAPH;
        let bytes = size.saturating_sub(ahead) / PARAGRAPH * PARAGRAPH;
        if bytes < LEAST {
            return Err(Refusal::new(ARENITE_INVALID_ARGUMENT, "the buffer is too small for a pool"));
        }
        if bytes / PARAGRAPH > MOST {
            return Err(Refusal::new(ARENITE_TOO_LARGE, "the buffer is too large for a pool"));
        }
        let base = buffer.cast::<u8>().wrapping_add(ahead);
        all.push(Buffer { start, end, base, bytes });
        drop(all);
        // SAFETY: inside the buffer, by the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts_mut(base, bytes) };
        Pool::new(bytes, secret() ^ base.addr() as u64).clear();
        Ok(())
    }))
}

/// Takes a block. See `mem_pool.h`.
///
/// # Safety
/// As all of these: if `pool` names a pool, its buffer is still there and no other thread is at it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Alloc(pool: *mut c_void, bytes: c_long, id: c_ulong) -> *mut c_void {
    // SAFETY: the caller's promise.
    let block = unsafe {
        with(pool, |pool, buffer| {
            let bytes = usize::try_from(bytes)
                .map_err(|_| Refusal::new(ARENITE_INVALID_ARGUMENT, "a size below 0"))?;
            Ok(buffer.pointer(pool.alloc(bytes, wide(id))?))
        })
    };
    block.unwrap_or(null_mut())
}

/// Gives a block back. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Free(pool: *mut c_void, block: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, buffer| Ok(pool.free(buffer.offset(block)?)?)) })
}

/// The block with an id. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Find(pool: *mut c_void, id: c_ulong) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { with(pool, |pool, buffer| Ok(buffer.pointer(pool.find(wide(id))?))) }.unwrap_or(null_mut())
}

/// A block's id. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Get_ID(pool: *mut c_void, block: *mut c_void) -> c_ulong {
    // SAFETY: the caller's promise.
    let id = unsafe { with(pool, |pool, buffer| Ok(pool.id(buffer.offset(block)?)?)) };
    // It was given as one.
    id.unwrap_or(0) as c_ulong
}

/// Stamps a block as used just now. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Reference(pool: *mut c_void, block: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, buffer| Ok(pool.reference(buffer.offset(block)?)?)) })
}

/// Keeps a block from going. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_In_Use(pool: *mut c_void, block: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, buffer| Ok(pool.in_use(buffer.offset(block)?)?)) })
}

/// Keeps a block from going and from moving. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Lock_Block(pool: *mut c_void, block: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, buffer| Ok(pool.lock(buffer.offset(block)?, true)?)) })
}

/// Undoes `arenite_Mem_Lock_Block`. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Unlock_Block(pool: *mut c_void, block: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, buffer| Ok(pool.lock(buffer.offset(block)?, false)?)) })
}

fn oldest(pool: &Pool<'_>) -> Result<usize, Refusal> {
    match pool.oldest() {
        Ok(found) => Ok(found.offset),
        Err(PoolError::NotFound) => Err(Refusal::new(ARENITE_BUSY, "the pool has no block that may go")),
        Err(other) => Err(other.into()),
    }
}

/// The block that was used longest ago. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Find_Oldest(pool: *mut c_void) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { with(pool, |pool, buffer| Ok(buffer.pointer(oldest(pool)?))) }.unwrap_or(null_mut())
}

/// Gives the block back that was used longest ago. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Free_Oldest(pool: *mut c_void) -> *mut c_void {
    // SAFETY: the caller's promise.
    let block = unsafe {
        with(pool, |pool, buffer| {
            let offset = oldest(pool)?;
            pool.free(offset)?;
            Ok(buffer.pointer(offset))
        })
    };
    block.unwrap_or(null_mut())
}

/// Bytes that no block has. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Avail(pool: *mut c_void) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { with(pool, |pool, _| Ok(long(pool.available()?))) }.unwrap_or(0)
}

/// The largest block that could be had. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Largest_Avail(pool: *mut c_void) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { with(pool, |pool, _| Ok(long(pool.largest()?))) }.unwrap_or(0)
}

/// Bytes of the pool. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Pool_Size(pool: *mut c_void) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { with(pool, |pool, _| Ok(long(pool.size()))) }.unwrap_or(0)
}

/// Moves blocks together. See `mem_pool.h`.
///
/// # Safety
/// As `arenite_Mem_Alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Cleanup(pool: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    done(unsafe { with(pool, |pool, _| Ok(pool.compact()?)) })
}

/// Copies, the source first. See `mem_pool.h`.
///
/// # Safety
/// `bytes` can be read at `source` and written at `dest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Mem_Copy(source: *const c_void, dest: *mut c_void, bytes: c_ulong) {
    // SAFETY: the caller's promise.
    unsafe { Platform_MemMove(dest, source, bytes as usize) };
}
