//! The exported functions. While no recording is made each is a compare and a jump to the next definition.
//!
//! ```text
//!   malloc:   is the recorder on? ── no ──► NEXT: the next definition, or `first`
//!             a frame, whose address tells who called ──► family::malloc
//!   first:    start::begin, which looks for the next definitions and begins the recording ──► as above
//! ```
//!
//! They are assembly because of that frame: it begins as frame pointers want it, however this library was built, and neither it nor what is
//! called from it is part of a call stack.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, Ordering};

use arenite::record::interposer::STATE;

use crate::family;
use crate::next::{COUNT, Function, REAL};
use crate::start::begin;

/// Where functions go while the recorder is off. Assembly jumps there.
static NEXT: [AtomicPtr<c_void>; COUNT] = [
    AtomicPtr::new(first_malloc as *mut c_void),
    AtomicPtr::new(first_calloc as *mut c_void),
    AtomicPtr::new(first_realloc as *mut c_void),
    AtomicPtr::new(first_reallocarray as *mut c_void),
    AtomicPtr::new(first_free as *mut c_void),
    AtomicPtr::new(first_cfree as *mut c_void),
    AtomicPtr::new(first_aligned_alloc as *mut c_void),
    AtomicPtr::new(first_posix_memalign as *mut c_void),
    AtomicPtr::new(first_memalign as *mut c_void),
    AtomicPtr::new(first_valloc as *mut c_void),
    AtomicPtr::new(first_pvalloc as *mut c_void),
    AtomicPtr::new(first_free_sized as *mut c_void),
    AtomicPtr::new(first_free_aligned_sized as *mut c_void),
];

/// From now on functions go to the next definitions while the recorder is off.
pub(crate) fn pass_on() {
    for (next, real) in NEXT.iter().zip(&REAL) {
        let real = core::ptr::with_exposed_provenance_mut(real.load(Ordering::Relaxed));
        next.store(real, Ordering::Relaxed);
    }
}

/// From now on functions ask [`begin`] first, as at the beginning.
pub(crate) fn ask_again() {
    let first: [extern "C" fn(); COUNT] = [
        first_malloc,
        first_calloc,
        first_realloc,
        first_reallocarray,
        first_free,
        first_cfree,
        first_aligned_alloc,
        first_posix_memalign,
        first_memalign,
        first_valloc,
        first_pvalloc,
        first_free_sized,
        first_free_aligned_sized,
    ];
    for (next, first) in NEXT.iter().zip(first) {
        next.store(first as *mut c_void, Ordering::Relaxed);
    }
}

/// An exported function, and what stands for the next definition until [`begin`] was called.
macro_rules! entry {
    ($name:ident, $first:ident, $function:ident) => {
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                ".cfi_startproc",
                concat!(".globl arenite_record_", stringify!($name)),
                concat!(".hidden arenite_record_", stringify!($name)),
                concat!("arenite_record_", stringify!($name), ":"),
                "cmp byte ptr [rip + {state}], 0",
                "jne 2f",
                "jmp qword ptr [rip + {next} + {place}]",
                "2:",
                "push rbp",
                ".cfi_def_cfa_offset 16",
                ".cfi_offset rbp, -16",
                "mov rbp, rsp",
                ".cfi_def_cfa_register rbp",
                "mov rcx, rbp",
                "call {on}",
                "pop rbp",
                ".cfi_def_cfa rsp, 8",
                "ret",
                ".cfi_endproc",
                state = sym STATE,
                next = sym NEXT,
                place = const Function::$function as usize * 8,
                on = sym family::$name,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                ".cfi_startproc",
                concat!(".globl arenite_record_", stringify!($name)),
                concat!(".hidden arenite_record_", stringify!($name)),
                concat!("arenite_record_", stringify!($name), ":"),
                "adrp x9, {state}",
                "ldrb w9, [x9, :lo12:{state}]",
                "cbnz w9, 2f",
                "adrp x16, {next}",
                "add x16, x16, :lo12:{next}",
                "ldr x16, [x16, #{place}]",
                "br x16",
                "2:",
                "stp x29, x30, [sp, #-16]!",
                ".cfi_def_cfa_offset 16",
                ".cfi_offset x29, -16",
                ".cfi_offset x30, -8",
                "mov x29, sp",
                "mov x3, x29",
                "bl {on}",
                "ldp x29, x30, [sp], #16",
                ".cfi_restore x29",
                ".cfi_restore x30",
                ".cfi_def_cfa_offset 0",
                "ret",
                ".cfi_endproc",
                state = sym STATE,
                next = sym NEXT,
                place = const Function::$function as usize * 8,
                on = sym family::$name,
            );
        }

        #[unsafe(naked)]
        extern "C" fn $first() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                ".cfi_startproc",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "call {begin}",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rsi",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "cmp byte ptr [rip + {state}], 0",
                concat!("jne arenite_record_", stringify!($name)),
                "jmp qword ptr [rip + {real} + {place}]",
                ".cfi_endproc",
                begin = sym begin,
                state = sym STATE,
                real = sym REAL,
                place = const Function::$function as usize * 8,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                ".cfi_startproc",
                "stp x29, x30, [sp, #-48]!",
                ".cfi_def_cfa_offset 48",
                ".cfi_offset x29, -48",
                ".cfi_offset x30, -40",
                "mov x29, sp",
                "stp x0, x1, [sp, #16]",
                "str x2, [sp, #32]",
                "bl {begin}",
                "ldr x2, [sp, #32]",
                "ldp x0, x1, [sp, #16]",
                "ldp x29, x30, [sp], #48",
                ".cfi_restore x29",
                ".cfi_restore x30",
                ".cfi_def_cfa_offset 0",
                "adrp x9, {state}",
                "ldrb w9, [x9, :lo12:{state}]",
                concat!("cbnz w9, arenite_record_", stringify!($name)),
                "adrp x16, {real}",
                "add x16, x16, :lo12:{real}",
                "ldr x16, [x16, #{place}]",
                "br x16",
                ".cfi_endproc",
                begin = sym begin,
                state = sym STATE,
                real = sym REAL,
                place = const Function::$function as usize * 8,
            );
        }
    };
}

entry!(malloc, first_malloc, Malloc);
entry!(calloc, first_calloc, Calloc);
entry!(realloc, first_realloc, Realloc);
entry!(reallocarray, first_reallocarray, Reallocarray);
entry!(free, first_free, Free);
entry!(cfree, first_cfree, Cfree);
entry!(aligned_alloc, first_aligned_alloc, AlignedAlloc);
entry!(posix_memalign, first_posix_memalign, PosixMemalign);
entry!(memalign, first_memalign, Memalign);
entry!(valloc, first_valloc, Valloc);
entry!(pvalloc, first_pvalloc, Pvalloc);
entry!(free_sized, first_free_sized, FreeSized);
entry!(free_aligned_sized, first_free_aligned_sized, FreeAlignedSized);
