//! Who called, by what compilers leave behind for exceptions: for programs without frame pointers. Some hundred nanoseconds a frame.
//!
//! The unwinding library is the one that the standard library of Rust is linked with, or the system's. It allocates nothing.

use super::{Caller, Stack};

#[cfg(unix)]
mod imp {
    use core::ffi::{c_int, c_void};

    use super::{Caller, Stack};

    type Step = unsafe extern "C" fn(context: *mut c_void, all: *mut c_void) -> c_int;

    // The level of the C++ ABI that all unwinding libraries of Unix share.
    unsafe extern "C" {
        fn _Unwind_Backtrace(step: Step, all: *mut c_void) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
        fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    }

    /// Goes on with the next frame.
    const ON: c_int = 0;
    /// Any other answer ends the walk: what the ABI calls the end of the stack.
    const ENOUGH: c_int = 5;

    struct All<'a> {
        stack: &'a mut Stack,
        above: usize,
        depth: usize,
    }

    /// # Safety
    /// `context` is that of a frame, `all` an [`All`] that nobody else uses.
    unsafe extern "C" fn step(context: *mut c_void, all: *mut c_void) -> c_int {
        // SAFETY: the caller's promise.
        let (all, address, inner_end) =
            unsafe { (&mut *all.cast::<All<'_>>(), _Unwind_GetIP(context), _Unwind_GetCFA(context)) };
        // Frames of the recorder itself: what they called ends below the caller's place.
        if inner_end <= all.above {
            return ON;
        }
        if address < 4096 || !all.stack.push(address, all.depth) { ENOUGH } else { ON }
    }

    pub(super) fn walk(caller: Caller, depth: usize, stack: &mut Stack) {
        let mut all = All { stack, above: caller.place, depth };
        // SAFETY: `step` is called with frames of this thread and with `all`, until this returns.
        let _ = unsafe { _Unwind_Backtrace(step, (&raw mut all).cast()) };
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Caller, Stack};

    pub(super) fn walk(_caller: Caller, _depth: usize, _stack: &mut Stack) {}
}

impl Stack {
    /// The callers of the function that `caller` was asked in, at most `depth` of them.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn unwind(caller: Caller, depth: usize, seed: u64) -> Self {
        let mut stack = Self::new(seed);
        imp::walk(caller, depth, &mut stack);
        stack
    }
}
