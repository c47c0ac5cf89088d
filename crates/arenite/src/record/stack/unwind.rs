//! Who called, by what compilers leave behind for exceptions: for programs without frame pointers. Some hundred nanoseconds a frame.
//!
//! The unwinding library is the one that the standard library of Rust is linked with, or the system's; of Windows the system's. It
//! allocates nothing.

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

#[cfg(all(windows, target_arch = "x86_64"))]
mod imp {
    use core::mem::MaybeUninit;
    use core::ptr::null_mut;

    use windows_sys::Win32::System::Diagnostics::Debug::{
        CONTEXT, RtlCaptureContext, RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER,
    };

    use super::{Caller, Stack};

    /// The system saves registers to it that must be aligned; the declaration does not say so.
    #[repr(C, align(16))]
    struct Registers(CONTEXT);

    pub(super) fn walk(caller: Caller, depth: usize, stack: &mut Stack) {
        let mut registers = MaybeUninit::<Registers>::zeroed();
        // SAFETY: a place for the registers; zeros are a value of them.
        let Registers(context) = unsafe {
            RtlCaptureContext(registers.as_mut_ptr().cast());
            registers.assume_init_mut()
        };
        loop {
            let (mut base, inner_end) = (0, context.Rsp);
            // SAFETY: `Rip` is in code that runs on this thread, so nobody unloads it; no table of answers is kept.
            let function = unsafe { RtlLookupFunctionEntry(context.Rip, &raw mut base, null_mut()) };
            // Functions without an entry call nobody: they are in no stack but at its end, or were made while the program runs.
            if function.is_null() {
                return;
            }
            let (mut data, mut frame) = (null_mut(), 0);
            // SAFETY: the function that the registers are in, as they are there; it is this thread's stack.
            unsafe {
                RtlVirtualUnwind(
                    UNW_FLAG_NHANDLER,
                    base,
                    context.Rip,
                    function,
                    &raw mut *context,
                    &raw mut data,
                    &raw mut frame,
                    null_mut(),
                );
            }
            let address = context.Rip as usize;
            // Further out, or it would never end.
            if address < 4096 || context.Rsp <= inner_end {
                return;
            }
            // Frames of the recorder itself: what they called ends below the caller's place.
            if context.Rsp as usize > caller.place && !stack.push(address, depth) {
                return;
            }
        }
    }
}

#[cfg(not(any(unix, all(windows, target_arch = "x86_64"))))]
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
