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

/// The bytes of a memory page: nothing but this machine's pages of 4 KiB where the C library is not asked before it is ready.
pub(crate) fn page_size() -> usize {
    arenite::os::page_size()
}

/// The value of an environment variable; `name` ends with a zero.
pub(crate) fn variable(name: &core::ffi::CStr) -> Option<&'static core::ffi::CStr> {
    // SAFETY: `name` ends with a zero. What comes back does too, and stays as long as nobody changes the environment:
    // called before the program's own code runs.
    unsafe {
        let value = getenv(name.as_ptr());
        (!value.is_null()).then(|| core::ffi::CStr::from_ptr(value))
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

/// What `std::set_new_handler` was told last, if the program has a C++ library.
pub(crate) fn new_handler() -> Option<extern "C-unwind" fn()> {
    let get = weak::get_new_handler();
    if get.is_null() {
        return None;
    }
    // SAFETY: the C++ library's function of this name and type.
    let get: extern "C" fn() -> Option<extern "C-unwind" fn()> = unsafe { core::mem::transmute(get) };
    get()
}

/// Throws `std::bad_alloc`; ends a process that has no C++ library.
pub(crate) fn throw_bad_alloc() -> ! {
    let throw = weak::throw_bad_alloc();
    if throw.is_null() {
        print_error(b"arenite: out of memory in operator new\n");
        die();
    }
    // SAFETY: as above.
    let throw: extern "C-unwind" fn() -> ! = unsafe { core::mem::transmute(throw) };
    throw()
}

/// Functions that are there only if somebody else brings them.
mod weak {
    use core::arch::{asm, global_asm};
    use core::ffi::c_void;

    global_asm!(".weak _ZSt15get_new_handlerv", ".weak _ZSt17__throw_bad_allocv");

    macro_rules! address_of {
        ($name:ident, $symbol:literal) => {
            pub(super) fn $name() -> *const c_void {
                let address;
                // SAFETY: reads the entry of the global offset table that the dynamic linker has filled, with zero if
                // there is no such function.
                unsafe {
                    #[cfg(target_arch = "x86_64")]
                    asm!(
                        concat!("mov {}, qword ptr [rip + ", $symbol, "@GOTPCREL]"),
                        out(reg) address,
                        options(pure, readonly, nostack, preserves_flags)
                    );
                    #[cfg(target_arch = "aarch64")]
                    asm!(
                        concat!("adrp {0}, :got:", $symbol),
                        concat!("ldr {0}, [{0}, :got_lo12:", $symbol, "]"),
                        out(reg) address,
                        options(pure, readonly, nostack, preserves_flags)
                    );
                }
                address
            }
        };
    }

    address_of!(get_new_handler, "_ZSt15get_new_handlerv");
    address_of!(throw_bad_alloc, "_ZSt17__throw_bad_allocv");
}
