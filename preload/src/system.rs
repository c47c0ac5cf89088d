//! What the C library, the C++ library and the dynamic linker are asked for.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::NonNull;

/// Errors of the system, as Linux counts them.
pub(crate) const ENOMEM: c_int = 12;
/// See [`ENOMEM`].
pub(crate) const EINVAL: c_int = 22;

#[link(name = "c")]
unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
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

/// The bytes of a memory page: nothing but this machine's pages of 4 KiB where the C library is not asked before it is ready.
pub(crate) fn page_size() -> usize {
    arenite::os::page_size()
}

/// The environment that the process was started with: before the C library has begun, nobody else knows of it.
#[derive(Clone, Copy)]
pub(crate) struct Environment(*const *const c_char);

impl Environment {
    /// # Safety
    /// Null, or what the dynamic linker gives to those who start: texts, the last one followed by null.
    pub(crate) unsafe fn new(texts: *const *const c_char) -> Self {
        Self(texts)
    }

    /// The value of a variable. It lies where the program may write later.
    pub(crate) fn variable(self, name: &str) -> Option<&'static core::ffi::CStr> {
        let mut at = self.0;
        // SAFETY: `new` was promised so; what comes back ends with a zero and stays until the program's own code runs.
        unsafe {
            while !at.is_null() && !(*at).is_null() {
                let text = core::ffi::CStr::from_ptr(*at);
                if text
                    .to_bytes()
                    .strip_prefix(name.as_bytes())
                    .is_some_and(|rest| rest.first() == Some(&b'='))
                {
                    return Some(core::ffi::CStr::from_ptr((*at).add(name.len() + 1)));
                }
                at = at.add(1);
            }
        }
        None
    }
}

/// Writes to standard error, as far as it goes.
pub(crate) fn print_error(text: &[u8]) {
    // SAFETY: the bytes are there. What was not written is lost, as it is when nobody listens.
    let _ = unsafe { write(2, text.as_ptr().cast(), text.len()) };
}

/// Ends the process.
pub(crate) fn die() -> ! {
    // SAFETY: nothing is required.
    unsafe { abort() }
}

/// Calls `destructor` with what [`set_for_thread`] was given last, when a thread ends. Answers the key.
///
/// Beyond its first 32 keys the C library allocates for values, so this is done before the program can have made any.
pub(crate) fn at_thread_end(destructor: unsafe extern "C" fn(*mut c_void)) -> Option<u32> {
    let mut key = 0;
    // SAFETY: a place for the key, and a function that takes what is set.
    (unsafe { pthread_key_create(&raw mut key, Some(destructor)) } == 0).then_some(key)
}

/// Sets what the destructor of this key is called with when this thread ends.
pub(crate) fn set_for_thread(key: u32, value: *const c_void) {
    // SAFETY: a key that was made.
    let _ = unsafe { pthread_setspecific(key, value) };
}

/// Calls these around each `fork`.
pub(crate) fn around_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) {
    // SAFETY: functions that live as long as the process: this library is never unloaded.
    let _ = unsafe { pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// A file that is written as it comes.
pub(crate) struct File(c_int);

#[link(name = "c")]
unsafe extern "C" {
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn close(file: c_int) -> c_int;
    fn getpid() -> c_int;
    static program_invocation_short_name: *const c_char;
}

impl File {
    /// Makes a file, which must not be there yet.
    pub(crate) fn create(path: &core::ffi::CStr) -> Option<Self> {
        const CREATE_NEW: c_int = 0o1 | 0o100 | 0o200 | 0o2_000_000;
        // SAFETY: the path ends with a zero; the mode is given because the file is made.
        let file = unsafe { open(path.as_ptr(), CREATE_NEW, 0o644 as c_int) };
        (file >= 0).then_some(Self(file))
    }
}

impl core::fmt::Write for File {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // SAFETY: the bytes are there.
        let _ = unsafe { write(self.0, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: opened by `create`, closed once.
        let _ = unsafe { close(self.0) };
    }
}

/// The number of this process.
pub(crate) fn process_number() -> u32 {
    // SAFETY: nothing is required.
    unsafe { getpid() }.unsigned_abs()
}

/// The name of the program, as far as it is text.
pub(crate) fn program_name() -> &'static str {
    // SAFETY: the C library sets it before anything else runs, to text that stays.
    let name = unsafe { core::ffi::CStr::from_ptr(program_invocation_short_name) };
    name.to_str().unwrap_or("?")
}

#[link(name = "c")]
unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The C++ library's definition of a symbol, or that of whatever comes after this library. It may allocate.
pub(crate) fn definition(name: &core::ffi::CStr) -> Option<NonNull<c_void>> {
    const LAZY: c_int = 1;
    const NO_LOAD: c_int = 4;
    const NEXT: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);
    // By its name first: what `dlopen` has loaded for one module only is not found by looking through the process; and
    // another library's `new` may come with a `delete` that is not asked.
    for library in [c"libstdc++.so.6", c"libc++abi.so.1", c"libc++.so.1"] {
        // SAFETY: texts that end with a zero; only what is loaded already is opened, and is never closed.
        unsafe {
            if let Some(library) = NonNull::new(dlopen(library.as_ptr(), LAZY | NO_LOAD))
                && let Some(found) = NonNull::new(dlsym(library.as_ptr(), name.as_ptr()))
            {
                return Some(found);
            }
        }
    }
    // SAFETY: a text that ends with a zero.
    NonNull::new(unsafe { dlsym(NEXT, name.as_ptr()) })
}

#[link(name = "c")]
unsafe extern "C" {
    fn fwrite(bytes: *const c_void, size: usize, count: usize, stream: *mut c_void) -> usize;
}

/// A file of the C library's, somebody else's.
pub(crate) struct Stream(NonNull<c_void>);

impl Stream {
    /// # Safety
    /// An open `FILE`, which stays open as long as this is used.
    pub(crate) unsafe fn new(stream: NonNull<c_void>) -> Self {
        Self(stream)
    }
}

impl core::fmt::Write for Stream {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // SAFETY: the bytes are there, and the file is open.
        let written = unsafe { fwrite(text.as_ptr().cast(), 1, text.len(), self.0.as_ptr()) };
        if written == text.len() { Ok(()) } else { Err(core::fmt::Error) }
    }
}
