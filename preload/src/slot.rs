//! The word of thread-local storage that every `malloc` reads.
//!
//! `thread_local!` in a shared library costs a call. A library that is there from the start of the process may have its
//! word at a fixed distance from the thread pointer (initial-exec), which costs a load of that distance. Its initial value is
//! the place of a thread that has nothing yet, so that nobody asks whether there is one.

use core::arch::{asm, global_asm};

use arenite::heap::bucket::{Local, NOTHING};

global_asm!(
    ".section .tdata.arenite_place,\"awT\",@progbits",
    ".p2align 3",
    ".hidden arenite_place",
    ".globl arenite_place",
    ".type arenite_place, @object",
    ".size arenite_place, 8",
    "arenite_place:",
    ".quad {nothing}",
    ".text",
    nothing = sym NOTHING,
);

/// This thread's place.
#[inline(always)]
pub(crate) fn get() -> *const Local {
    let place;
    // SAFETY: reads this thread's copy of the word, which is there as long as the thread is.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "mov {place}, qword ptr [rip + arenite_place@GOTTPOFF]",
            "mov {place}, qword ptr fs:[{place}]",
            place = out(reg) place,
            options(pure, readonly, nostack, preserves_flags)
        );
        #[cfg(target_arch = "aarch64")]
        asm!(
            "adrp {place}, :gottprel:arenite_place",
            "ldr {place}, [{place}, :gottprel_lo12:arenite_place]",
            "mrs {thread}, tpidr_el0",
            "ldr {place}, [{thread}, {place}]",
            place = out(reg) place,
            thread = out(reg) _,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    place
}

/// This thread's place is this one from now on.
#[inline]
pub(crate) fn set(place: *const Local) {
    // SAFETY: writes this thread's copy of the word.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "mov {at}, qword ptr [rip + arenite_place@GOTTPOFF]",
            "mov qword ptr fs:[{at}], {place}",
            at = out(reg) _,
            place = in(reg) place,
            options(nostack, preserves_flags)
        );
        #[cfg(target_arch = "aarch64")]
        asm!(
            "adrp {at}, :gottprel:arenite_place",
            "ldr {at}, [{at}, :gottprel_lo12:arenite_place]",
            "mrs {thread}, tpidr_el0",
            "str {place}, [{thread}, {at}]",
            at = out(reg) _,
            thread = out(reg) _,
            place = in(reg) place,
            options(nostack, preserves_flags)
        );
    }
}
