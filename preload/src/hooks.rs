//! When threads end, when the process forks, begins and ends.

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arenite::heap::bucket::{self, thread_ends};

use crate::heap::Here;
use crate::system::{Environment, around_fork, at_thread_end, set_for_thread};
use crate::{operators, text};

/// The key whose destructor tells that a thread ends, and one more; 0: there is none yet.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Has the calling thread's end told. Before the library has started there is the first one, which lives as long as the
/// process: it is not told, and need not be.
pub(crate) fn enroll() -> bool {
    match KEY.load(Ordering::Relaxed).checked_sub(1) {
        Some(key) => {
            // Anything but null: destructors are called for what is set.
            set_for_thread(key, (&raw const KEY).cast());
            true
        }
        None => true,
    }
}

unsafe extern "C" fn thread_has_ended(_value: *mut c_void) {
    thread_ends::<Here>();
}

unsafe extern "C" fn before_fork() {
    bucket::before_fork();
}

unsafe extern "C" fn after_fork() {
    bucket::after_fork();
}

/// Before anything else runs. The C library has not begun, either: it can be asked for keys and forks, and not much more.
unsafe extern "C" fn start(
    _count: c_int,
    _arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    // First: a key beyond the first 32 would make the C library allocate for each thread's value.
    if let Some(key) = at_thread_end(thread_has_ended) {
        KEY.store(key + 1, Ordering::Relaxed);
    }
    around_fork(before_fork, after_fork, after_fork);
    operators::look();
    // SAFETY: what the dynamic linker hands to those who start.
    let environment = unsafe { Environment::new(environment) };
    let number = |name| environment.variable(name).and_then(|text| text.to_str().ok()?.parse::<u32>().ok());
    let delay = number("ARENITE_PURGE_DELAY").unwrap_or(bucket::PURGE_DELAY);
    bucket::configure(delay, number("ARENITE_HUGE_PAGES") == Some(1));
    STATS.store(number("ARENITE_STATS") == Some(1), Ordering::Relaxed);
    if let Some(folder) = environment.variable("ARENITE_REPORT") {
        text::report_to(folder);
    }
}

extern "C" fn end() {
    text::report();
    if STATS.load(Ordering::Relaxed) {
        text::print_stats();
    }
}

/// Whether to print statistics at the end. The environment may be anything by then.
static STATS: AtomicBool = AtomicBool::new(false);

/// Called by the dynamic linker once everything is loaded, before any other library's.
#[used]
#[unsafe(link_section = ".init_array")]
static START: unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char) = start;

/// Called when the process ends by `exit`.
#[used]
#[unsafe(link_section = ".fini_array")]
static END: extern "C" fn() = end;
