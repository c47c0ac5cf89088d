//! `Alloc` and its kin: the platform's blocks, and a hook that is asked when there is no memory.
#![expect(unsafe_code, reason = "exports functions under C's names, and calls C's hook")]

use core::cell::Cell;
use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::null_mut;

use arenite::base::sync::Lock;

use crate::error::arenite_error::*;
use crate::error::{answer, arenite_last_error};
use crate::platform::{
    Platform_Alloc, Platform_Alloc_Aligned, Platform_Alloc_Debug, Platform_Free, Platform_Mem_GetAllocated,
    Platform_Ram_Free, Platform_Realloc,
};

/// Asked when a request was refused: how many bytes were wanted, and what it was set with. Not 0: something was freed, try again.
type MemoryErrorHook = unsafe extern "C-unwind" fn(bytes: usize, context: *mut c_void) -> c_int;

#[derive(Clone, Copy)]
struct Hook {
    call: Option<MemoryErrorHook>,
    context: *mut c_void,
}

// SAFETY: the context is handed back to whoever gave it, who is told that any thread may do so.
unsafe impl Send for Hook {}

static HOOK: Lock<Hook> = Lock::new(Hook { call: None, context: null_mut() });

std::thread_local! {
    /// The hook runs on this thread.
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// What a hook can do about the thread's last error, by which the request was refused.
enum Hope {
    /// Nothing: it is not about memory.
    None,
    /// It may hear of it; but no address space has room for that.
    ToTell,
    /// It may free something.
    ToFree,
}

fn hope() -> Hope {
    match arenite_last_error() {
        ARENITE_OVER_BUDGET | ARENITE_EXHAUSTED | ARENITE_SYSTEM | ARENITE_FULL => Hope::ToFree,
        ARENITE_TOO_LARGE => Hope::ToTell,
        _ => Hope::None,
    }
}

/// Tries until there is a block, the hook has nothing more to free, or there is none.
#[cold]
#[inline(never)]
fn retry(bytes: usize, attempt: impl Fn() -> *mut c_void) -> *mut c_void {
    struct Asked;
    impl Drop for Asked {
        fn drop(&mut self) {
            ASKING.set(false);
        }
    }
    loop {
        let hope = hope();
        let hook = *HOOK.lock();
        let Some(call) = hook.call.filter(|_| !matches!(hope, Hope::None)) else { return null_mut() };
        // What the hook itself can not have it is not asked for.
        if ASKING.replace(true) {
            return null_mut();
        }
        let asked = Asked;
        // SAFETY: by `arenite_Set_Memory_Error` it can be called with its context.
        let freed = unsafe { call(bytes, hook.context) } != 0;
        drop(asked);
        if !freed || !matches!(hope, Hope::ToFree) {
            return null_mut();
        }
        let block = attempt();
        if !block.is_null() {
            return block;
        }
    }
}

#[inline(always)]
fn or_retry(bytes: usize, attempt: impl Fn() -> *mut c_void) -> *mut c_void {
    let block = attempt();
    if block.is_null() { retry(bytes, attempt) } else { block }
}

/// `Alloc`, with the platform's flags. See `memory_wrapper.h`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_Alloc(size: usize, flags: u32) -> *mut c_void {
    or_retry(size, || Platform_Alloc(size, flags))
}

/// As `arenite_Alloc`, from a place. See `memory_wrapper.h`.
///
/// # Safety
/// `file` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Alloc_Debug(
    size: usize,
    flags: u32,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    or_retry(size, || unsafe { Platform_Alloc_Debug(size, flags, file, line) })
}

/// As `arenite_Alloc`, at a multiple of `align`. See `memory_wrapper.h`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_Alloc_Aligned(size: usize, align: usize, flags: u32) -> *mut c_void {
    or_retry(size, || Platform_Alloc_Aligned(size, align, flags))
}

/// `Free`. See `memory_wrapper.h`.
///
/// # Safety
/// If it is a block, nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Free(pointer: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { Platform_Free(pointer, 0) };
}

/// `Resize_Alloc`. See `memory_wrapper.h`.
///
/// # Safety
/// If it is a block, nobody uses it any more where it was, unless the answer is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Resize_Alloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise; what is refused is as it was.
    or_retry(size, || unsafe { Platform_Realloc(pointer, 0, size) })
}

/// `Heap_Size`. See `memory_wrapper.h`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_Heap_Size() -> c_long {
    answer(|| {
        let sum = Platform_Mem_GetAllocated().saturating_add(Platform_Ram_Free() as usize);
        Ok(sum.min(i32::MAX as usize) as c_long)
    })
    .unwrap_or(0)
}

/// Sets the hook; null for none. See `memory_wrapper.h`.
///
/// # Safety
/// `hook` can be called on any thread with `context` until another one is set, and does not unwind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_Set_Memory_Error(
    hook: Option<unsafe extern "C-unwind" fn(bytes: usize, context: *mut c_void) -> c_int>,
    context: *mut c_void,
) {
    *HOOK.lock() = Hook { call: hook, context };
}
