//! When threads end, when the process forks, begins and ends.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use arenite::heap::bucket::{self, thread_ends};

use crate::heap::Here;
use crate::system::{around_fork, at_thread_end, set_for_thread, variable};
use crate::text;

/// The key whose destructor tells that a thread ends, and one more; 0: there is none yet.
static KEY: AtomicU32 = AtomicU32::new(0);

/// Has the calling thread's end told. Before the library has started, threads are few, and the first one lives as long as the
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

extern "C" fn start() {
    // First: a key beyond the first 32 would make the C library allocate for each thread's value.
    if let Some(key) = at_thread_end(thread_has_ended) {
        KEY.store(key + 1, Ordering::Relaxed);
    }
    around_fork(before_fork, after_fork, after_fork);
    let number = |name| variable(name).and_then(|text| text.to_str().ok()?.parse::<u32>().ok());
    let delay = number(c"ARENITE_PURGE_DELAY").unwrap_or(bucket::PURGE_DELAY);
    bucket::configure(delay, number(c"ARENITE_HUGE_PAGES") == Some(1));
    if let Some(hardened) = number(c"ARENITE_HARDENED") {
        bucket::configure_hardened(hardened == 1);
    }
}

extern "C" fn end() {
    bucket::audit();
    if let Some(folder) = variable(c"ARENITE_REPORT") {
        text::report_to(folder);
    }
    if variable(c"ARENITE_STATS").is_some_and(|value| value == c"1") {
        text::print_stats();
    }
}

/// Called by the dynamic linker once everything is loaded.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

/// Called when the process ends by `exit`.
#[used]
#[unsafe(link_section = ".fini_array")]
static END: extern "C" fn() = end;
