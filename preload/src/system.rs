//! What the C library, the C++ library and the dynamic linker are asked for.

use core::ffi::{c_char, c_int, c_void};

/// Errors of the system, as Linux counts them.
pub(crate) const ENOMEM: c_int = 12;
/// See [`ENOMEM`].
pub(crate) const EINVAL: c_int = 22;

#[link(name = "c")]
unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn getenv(name: *const c_char) -> *const c_char;
    fn pthread_key_create(key: *mut u32, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    fn pthread_setspecific(key: u32, value: *const c_void) -> c_int;
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
    fn abort() -> !;
}

pub(crate) fn set_errno(error: c_int) {
    // SAFETY: the C library's own place for this thread, which is always there.
    unsafe { *__errno_location() = error };
}
