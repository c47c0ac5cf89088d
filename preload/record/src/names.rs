//! Threads that get a name after they have allocated: the recorder asks for it when it meets a thread first.
//!
//! A thread that names another one is not seen: what is told of a thread, it tells itself.

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::guard::Inside;

type SetName = unsafe extern "C" fn(libc::pthread_t, *const c_char) -> c_int;
type Control = unsafe extern "C" fn(c_int, c_ulong, c_ulong, c_ulong, c_ulong) -> c_int;

/// The next definition of a symbol, which `known` remembers.
fn next(known: &AtomicPtr<c_void>, name: &CStr) -> Option<*mut c_void> {
    let mut found = known.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: a text that ends with a zero.
        found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        known.store(found, Ordering::Relaxed);
    }
    (!found.is_null()).then_some(found)
}

fn tell() {
    if let Some(inside) = Inside::enter() {
        inside.named();
    }
}

/// `pthread_setname_np(3)`.
///
/// # Safety
/// A living thread, and a text that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_setname_np(thread: libc::pthread_t, name: *const c_char) -> c_int {
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
    let Some(next) = next(&NEXT, c"pthread_setname_np") else { return libc::ENOSYS };
    // SAFETY: the next definition of this function; the caller's promise.
    let answer = unsafe { core::mem::transmute::<*mut c_void, SetName>(next)(thread, name) };
    // SAFETY: nothing is required.
    if answer == 0 && unsafe { libc::pthread_equal(thread, libc::pthread_self()) } != 0 {
        tell();
    }
    answer
}

/// `prctl(2)`: `PR_SET_NAME` is how some name their threads.
///
/// # Safety
/// As the C library's; what an option does not take is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prctl(
    option: c_int,
    two: c_ulong,
    three: c_ulong,
    four: c_ulong,
    five: c_ulong,
) -> c_int {
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
    let Some(next) = next(&NEXT, c"prctl") else {
        // SAFETY: the C library's own place for this thread.
        unsafe { libc::__errno_location().write(libc::ENOSYS) };
        return -1;
    };
    // SAFETY: the next definition of this function, which takes its arguments from the same registers, however many it was declared
    // with; the caller's promise.
    let answer =
        unsafe { core::mem::transmute::<*mut c_void, Control>(next)(option, two, three, four, five) };
    if answer == 0 && option == libc::PR_SET_NAME {
        tell();
    }
    answer
}
