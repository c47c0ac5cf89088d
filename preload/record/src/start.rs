//! The beginning, forks, and the end.
//!
//! ```text
//!   the first call of any function, or our own start, whichever is earlier ─► begin
//!     the next definitions are looked for, once
//!     the environment is there? ─► a recording begins, or not; functions then go to the next definitions directly
//!   fork: the child records nothing, or begins anew if each process has a file of its own
//!   exit: the first function that was ever registered is called last, behind the destructors of all libraries
//! ```
//!
//! Libraries that the program was linked with start before ours, because ours is loaded last; so what they allocate in the beginning is why we
//! do not wait for our own start. (The flag that would have us start before all others, `initfirst`, is there for one library only, and a
//! heap below may need it.)

use core::ffi::{CStr, c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use std::sync::OnceLock;

use arenite::record::{self, RecordError, Recording};

use crate::guard::{Inside, keeping_errno, look_out_for_ends};
use crate::settings::{Settings, can_be_read, leave_children_alone};
use crate::{entry, next};

/// The next definitions are not known.
const NOTHING: u8 = 0;
/// They are looked for.
const LOOKING: u8 = 1;
/// They are known.
const KNOWN: u8 = 2;
/// A recording is being started.
const STARTING: u8 = 3;
/// All is done.
const DONE: u8 = 4;

static STAGE: AtomicU8 = AtomicU8::new(NOTHING);
/// The recording of this process.
static RECORDING: AtomicPtr<Recording> = AtomicPtr::new(null_mut());
/// Read once: a program may change its environment.
static SETTINGS: OnceLock<Option<Settings>> = OnceLock::new();

fn goes_on(from: u8, to: u8) -> bool {
    STAGE.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// Called before the first function that is called does its work, and again until all is done.
pub(crate) extern "C" fn begin() {
    if goes_on(NOTHING, LOOKING) {
        keeping_errno(next::find);
        STAGE.store(KNOWN, Ordering::Release);
    }
    // The dynamic linker allocates before the C library has begun.
    if can_be_read() && goes_on(KNOWN, STARTING) {
        // First: this thread is one whose end is told, too.
        look_out_for_ends();
        if let Some(_inside) = Inside::enter() {
            keeping_errno(start);
        }
        entry::pass_on();
        STAGE.store(DONE, Ordering::Release);
    }
}

fn start() {
    let first = SETTINGS.get().is_none();
    let settings = SETTINGS.get_or_init(|| {
        Settings::read().unwrap_or_else(|wrong| {
            complain(format_args!("{wrong}: nothing is recorded"));
            None
        })
    });
    let Some(settings) = settings else { return };
    match record::start(settings.options()) {
        Ok(recording) => {
            let before = RECORDING.swap(Box::into_raw(Box::new(recording)), Ordering::AcqRel);
            // Only a forked child has one: its parent's, which can not be ended here. It stays.
            let _ = before;
        }
        Err(error) => complain(format_args!("{error}: nothing is recorded")),
    }
    if first {
        at_the_very_end();
        if settings.of_each() {
            // Without memory for that, children that call no other program record nothing.
            let _ = arenite::os::around_fork(nothing, nothing, in_child);
        } else {
            leave_children_alone(own_name().unwrap_or(b"libarenite_record.so"));
        }
    }
}

fn complain(what: core::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(std::io::stderr(), "arenite: {what}");
}

/// The name of this library's file, without folders.
fn own_name() -> Option<&'static [u8]> {
    let mut found = core::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: an address of this library's, and a place for what is known of it: a path that stays as long as the library.
    unsafe {
        if libc::dladdr(begin as *const c_void, found.as_mut_ptr()) == 0 {
            return None;
        }
        let path = found.assume_init().dli_fname;
        (!path.is_null()).then(|| CStr::from_ptr(path).to_bytes().rsplit(|byte| *byte == b'/').next())?
    }
}

unsafe extern "C" {
    fn __cxa_atexit(
        call: unsafe extern "C" fn(*mut c_void),
        with: *mut c_void,
        library: *mut c_void,
    ) -> c_int;
}

/// Has the recording ended when the process ends by `exit`.
fn at_the_very_end() {
    // SAFETY: a function that is there until the end: this library is never unloaded. As it is of no library, it is not called when
    // this one's destructors are, but in its turn: what was registered first is called last.
    unsafe { __cxa_atexit(end, null_mut(), null_mut()) };
}

unsafe extern "C" fn end(_: *mut c_void) {
    let recording = RECORDING.swap(null_mut(), Ordering::AcqRel);
    if recording.is_null() {
        return;
    }
    let inside = Inside::enter();
    // SAFETY: made from a box, and taken once.
    let recording = unsafe { Box::from_raw(recording) };
    match recording.stop() {
        // A child that was forked and records nothing.
        Ok(_) | Err(RecordError::Forked) => {}
        Err(error) => complain(format_args!("{error}")),
    }
    drop(inside);
}

extern "C" fn nothing() {}

/// The recorder has forgotten the parent's recording before: it asked to be told of forks first.
extern "C" fn in_child() {
    if goes_on(DONE, KNOWN) {
        entry::ask_again();
    }
}

/// For programs that allocate nothing before their own code runs.
extern "C" fn own_start() {
    begin();
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = own_start;
