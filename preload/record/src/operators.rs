//! The operators of C++: `new` and `delete`, in all forms, each a jump.
//!
//! Those of the C++ library call `malloc` and `free`, which is seen. Those of a heap like Arenite's, jemalloc or tcmalloc go to that heap directly,
//! and would not be. So these here go to the C++ library's, if the next definition is in the same file as the next `malloc`, and to the
//! next definition otherwise. A program's own come before ours: what they do is seen as far as they call `malloc`.
//!
//! They jump, without a frame of their own, so that exceptions pass, and stacks are as without us.

use core::arch::naked_asm;
use core::ffi::{CStr, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::guard::{Inside, keeping_errno};
use crate::next::{Function, REAL};
use crate::start::begin;

/// How many operators there are.
const COUNT: usize = 20;

/// Where operators go, once it was looked for. Assembly jumps there.
static TARGETS: [AtomicPtr<c_void>; COUNT] = [const { AtomicPtr::new(null_mut()) }; COUNT];

/// The file that an address is in, as where it is loaded.
fn file_of(address: *const c_void) -> Option<*mut c_void> {
    let mut found = core::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address, and a place for what is known of it.
    unsafe { (libc::dladdr(address, found.as_mut_ptr()) != 0).then(|| found.assume_init().dli_fbase) }
}

/// The C++ library's definition.
fn of_library(name: &CStr) -> Option<*mut c_void> {
    // By its name: what `dlopen` has loaded for one module only is not found by looking through the process.
    for library in [c"libstdc++.so.6", c"libc++abi.so.1", c"libc++.so.1"] {
        // SAFETY: texts that end with a zero; only what is loaded already is opened, and is never closed.
        unsafe {
            let library = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if !library.is_null() {
                let found = libc::dlsym(library, name.as_ptr());
                if !found.is_null() {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// Where an operator goes.
fn target_of(index: usize) -> *mut c_void {
    begin();
    // What looking for it takes is none of the program's.
    let _inside = Inside::enter();
    let name = NAMES[index];
    // SAFETY: a text that ends with a zero.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    let malloc = core::ptr::with_exposed_provenance(REAL[Function::Malloc as usize].load(Ordering::Relaxed));
    let goes_around = !next.is_null() && file_of(next).is_some() && file_of(next) == file_of(malloc);
    if !next.is_null() && !goes_around {
        return next;
    }
    match of_library(name) {
        Some(found) => found,
        None if !next.is_null() => next,
        None if name.to_bytes().starts_with(b"_Zd") => crate::entry::free as *mut c_void,
        None => alone as *mut c_void,
    }
}

extern "C" fn target(index: usize) -> *mut c_void {
    keeping_errno(|| {
        let found = target_of(index);
        TARGETS[index].store(found, Ordering::Relaxed);
        found
    })
}

/// There is a module with an operator `new`, and no C++ library that the process could ask.
unsafe extern "C" fn alone(size: usize, _: usize, _: usize) -> usize {
    unsafe extern "C" {
        fn malloc(size: usize) -> usize;
    }
    // SAFETY: any size.
    let block = unsafe { malloc(size) };
    if block == 0 {
        eprintln!("arenite: operator new has no memory, and there is no C++ library to throw std::bad_alloc");
        std::process::abort();
    }
    block
}

/// An operator: its place among them, and its name.
macro_rules! operators {
    ($($name:ident, $index:literal, $symbol:literal;)*) => {
        const NAMES: [&CStr; COUNT] = [$(match CStr::from_bytes_with_nul(concat!($symbol, "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a name without zeros"),
        }),*];
        $(
            #[unsafe(export_name = $symbol)]
            #[unsafe(naked)]
            extern "C" fn $name() {
                #[cfg(target_arch = "x86_64")]
                naked_asm!(
                    ".cfi_startproc",
                    "mov r11, qword ptr [rip + {targets} + {place}]",
                    "test r11, r11",
                    "jz 2f",
                    "jmp r11",
                    "2:",
                    "push rdi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rsi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rdx",
                    ".cfi_adjust_cfa_offset 8",
                    "mov edi, {index}",
                    "call {target}",
                    "pop rdx",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rsi",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rdi",
                    ".cfi_adjust_cfa_offset -8",
                    "jmp rax",
                    ".cfi_endproc",
                    targets = sym TARGETS,
                    place = const $index * 8,
                    index = const $index,
                    target = sym target,
                );
                #[cfg(target_arch = "aarch64")]
                naked_asm!(
                    ".cfi_startproc",
                    "adrp x16, {targets}",
                    "add x16, x16, :lo12:{targets}",
                    "ldr x16, [x16, #{place}]",
                    "cbz x16, 2f",
                    "br x16",
                    "2:",
                    "stp x29, x30, [sp, #-48]!",
                    ".cfi_def_cfa_offset 48",
                    ".cfi_offset x29, -48",
                    ".cfi_offset x30, -40",
                    "stp x0, x1, [sp, #16]",
                    "str x2, [sp, #32]",
                    "mov x0, #{index}",
                    "bl {target}",
                    "mov x16, x0",
                    "ldr x2, [sp, #32]",
                    "ldp x0, x1, [sp, #16]",
                    "ldp x29, x30, [sp], #48",
                    ".cfi_restore x29",
                    ".cfi_restore x30",
                    ".cfi_def_cfa_offset 0",
                    "br x16",
                    ".cfi_endproc",
                    targets = sym TARGETS,
                    place = const $index * 8,
                    index = const $index,
                    target = sym target,
                );
            }
        )*
    };
}

operators! {
    operator_0, 0, "_Znwm";
    operator_1, 1, "_Znam";
    operator_2, 2, "_ZnwmRKSt9nothrow_t";
    operator_3, 3, "_ZnamRKSt9nothrow_t";
    operator_4, 4, "_ZnwmSt11align_val_t";
    operator_5, 5, "_ZnamSt11align_val_t";
    operator_6, 6, "_ZnwmSt11align_val_tRKSt9nothrow_t";
    operator_7, 7, "_ZnamSt11align_val_tRKSt9nothrow_t";
    operator_8, 8, "_ZdlPv";
    operator_9, 9, "_ZdaPv";
    operator_10, 10, "_ZdlPvm";
    operator_11, 11, "_ZdaPvm";
    operator_12, 12, "_ZdlPvRKSt9nothrow_t";
    operator_13, 13, "_ZdaPvRKSt9nothrow_t";
    operator_14, 14, "_ZdlPvSt11align_val_t";
    operator_15, 15, "_ZdaPvSt11align_val_t";
    operator_16, 16, "_ZdlPvmSt11align_val_t";
    operator_17, 17, "_ZdaPvmSt11align_val_t";
    operator_18, 18, "_ZdlPvSt11align_val_tRKSt9nothrow_t";
    operator_19, 19, "_ZdaPvSt11align_val_tRKSt9nothrow_t";
}
