//! Whether this thread is inside of this library already: one word, which is read without asking anybody.
//!
//! Thread-local values of Rust in a shared library are reached by a function of the dynamic linker, which allocates now and then, and so
//! calls `malloc`. Before any of them is touched, this word says that all such calls are ours. It is none of them.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use arenite::record::interposer::{self, Caller, Resizing};

/// The thread is in the program's code. (At first the word is 0: nothing was told of it.)
const OUTSIDE: usize = 1;
/// It is in ours, or in what we have called.
const INSIDE: usize = 2;

crate::word::word!("arenite_inside", usize, ".tbss.arenite_inside,\"awT\",@nobits", ".zero 8",);

/// This thread is inside until this is dropped.
pub(crate) struct Inside(());

impl Inside {
    /// None: it is inside already, and what it does is ours.
    #[inline(always)]
    pub(crate) fn enter() -> Option<Self> {
        match get() {
            OUTSIDE => {
                set(INSIDE);
                Some(Self(()))
            }
            INSIDE => None,
            _ => Some(arrive()),
        }
    }

    /// A block came from the next definition, or none.
    #[inline(always)]
    pub(crate) fn came(&self, block: usize, size: usize, caller: Caller) {
        if block != 0 && !interposer::passes(size) {
            keeping_errno(|| interposer::allocated(block, size, caller));
        }
    }

    /// A block is about to go to the next definition, or nothing.
    #[inline(always)]
    pub(crate) fn goes(&self, block: usize) {
        if block != 0 && !interposer::passes_free(block) {
            keeping_errno(|| interposer::freed(block));
        }
    }

    /// A block is about to get another size, and perhaps another place.
    #[inline(always)]
    pub(crate) fn changes(&self, block: usize) -> Resizing {
        keeping_errno(|| interposer::resizing(block))
    }

    /// It has them; or, if it is nowhere, it is as it was.
    #[inline(always)]
    pub(crate) fn changed(
        &self,
        resizing: Resizing,
        before: usize,
        block: usize,
        size: usize,
        caller: Caller,
    ) {
        keeping_errno(|| {
            if block == 0 {
                interposer::stays(resizing, before);
            } else {
                interposer::resized(resizing, before, block, size, caller);
            }
        });
    }

    /// The thread has another name.
    pub(crate) fn named(&self) {
        keeping_errno(interposer::thread_named);
    }
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        set(OUTSIDE);
    }
}

/// What a program finds in `errno` is what it would find without us.
#[inline(always)]
pub(crate) fn keeping_errno<R>(run: impl FnOnce() -> R) -> R {
    // SAFETY: the C library's own place for this thread, which is always there.
    unsafe {
        let place = libc::__errno_location();
        let errno = place.read();
        let answer = run();
        place.write(errno);
        answer
    }
}

/// The key whose destructor says that a thread ends, and one more; 0: there is none.
static KEY: AtomicU32 = AtomicU32::new(0);
/// How often the C library calls destructors for what they have set again: the last time is the end.
const ROUNDS: usize = 4;

/// From now on the ends of threads are told. Before the program has made keys: for one beyond the first 32 the C library
/// allocates, for each thread.
pub(crate) fn look_out_for_ends() {
    let mut key = 0;
    // SAFETY: a place for the key, and a function that takes what is set.
    if KEY.load(Ordering::Relaxed) == 0 && unsafe { libc::pthread_key_create(&raw mut key, Some(ends)) } == 0
    {
        KEY.store(key + 1, Ordering::Relaxed);
    }
}

fn come_back(rounds: usize) -> bool {
    let Some(key) = KEY.load(Ordering::Relaxed).checked_sub(1) else { return false };
    // SAFETY: a key that was made.
    unsafe { libc::pthread_setspecific(key, core::ptr::without_provenance(rounds)) == 0 }
}

#[cold]
#[inline(never)]
fn arrive() -> Inside {
    set(INSIDE);
    keeping_errno(|| {
        interposer::thread_begins();
        if !come_back(ROUNDS) {
            // Whoever comes after it must not be taken for it.
            interposer::thread_ends();
        }
    });
    Inside(())
}

unsafe extern "C" fn ends(rounds: *mut c_void) {
    // What other destructors give back is still this thread's.
    if rounds.addr() > 1 && come_back(rounds.addr() - 1) {
        return;
    }
    set(INSIDE);
    interposer::thread_ends();
    set(OUTSIDE);
}
