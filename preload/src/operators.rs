//! The operators of C++: `new` and `delete`, of one and of many, sized, aligned, and those that do not throw.
//!
//! ```text
//!   new:      allocate ── there is none? ──► next definition: calls the new-handler, throws
//!   derived:  are those it stands for ours? ── no ──► next definition: calls the program's
//! ```
//!
//! A refusal must be thrown, which code that was compiled to abort can not do. So these functions are a few instructions
//! each without a frame of their own: they *jump* to the C++ library's operator of the same name, which finds the stack as
//! if it had been called in the first place, tries again, and throws.
//!
//! A program may define some of them itself, and the others then stand for those: `delete[]` calls the program's `delete`.
//! Whether any is the program's is looked at when the library starts ([`look`]).

use core::arch::{asm, naked_asm};
use core::ffi::{CStr, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::system::{definition, die, print_error};
use crate::{family, heap};

type Block = *mut c_void;

/// 1: all operators that others stand for are ours. A byte that assembly reads.
static OURS: AtomicU8 = AtomicU8::new(0);

/// What an operator is when the C++ library has none.
#[derive(Clone, Copy)]
enum Alone {
    /// It would throw: nobody can.
    Throws,
    /// It answers null.
    Refuses,
    /// It takes the block back.
    Frees,
}

struct Operator {
    name: &'static CStr,
    alone: Alone,
    /// The C++ library's, once it was looked for.
    next: AtomicPtr<c_void>,
}

extern "C" fn take(size: usize) -> Block {
    heap::allocate(size).map_or(null_mut(), |block| block.as_ptr().cast())
}

extern "C" fn take_aligned(size: usize, align: usize) -> Block {
    // What is no power of two is refused by the C++ library's, too.
    let block = if align.is_power_of_two() { heap::allocate_aligned(size, align) } else { None };
    block.map_or(null_mut(), |block| block.as_ptr().cast())
}

unsafe extern "C" fn give(block: Block) {
    // SAFETY: who deletes has it from `new`, and it is not freed yet; or it is null.
    unsafe { family::release(block, None, 1) };
}

extern "C" fn refuse() -> Block {
    null_mut()
}

/// The function that an operator's work is left to. It is there: if not the C++ library's, then ours.
extern "C" fn next(index: usize) -> *const c_void {
    let operator = &OPERATORS[index];
    let known = operator.next.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // Not kept: the library may come later, by `dlopen`.
    match definition(operator.name) {
        Some(found) => {
            operator.next.store(found.as_ptr(), Ordering::Relaxed);
            found.as_ptr()
        }
        None => match operator.alone {
            Alone::Frees => give as *const c_void,
            Alone::Refuses => refuse as *const c_void,
            Alone::Throws => {
                print_error(b"arenite: operator new has no memory, and there is no C++ library to throw std::bad_alloc\n");
                die()
            }
        },
    }
}

// The registers of the three arguments that there are at most are kept; then to `next`'s answer, as if it had been called.
#[cfg(target_arch = "x86_64")]
macro_rules! to_next {
    () => {
        "push rdi
        .cfi_adjust_cfa_offset 8
        push rsi
        .cfi_adjust_cfa_offset 8
        push rdx
        .cfi_adjust_cfa_offset 8
        mov edi, {index}
        call {next}
        pop rdx
        .cfi_adjust_cfa_offset -8
        pop rsi
        .cfi_adjust_cfa_offset -8
        pop rdi
        .cfi_adjust_cfa_offset -8
        jmp rax
        .cfi_endproc"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! to_next {
    () => {
        "stp x29, x30, [sp, #-48]!
        .cfi_def_cfa_offset 48
        .cfi_offset x29, -48
        .cfi_offset x30, -40
        stp x0, x1, [sp, #16]
        str x2, [sp, #32]
        mov x0, #{index}
        bl {next}
        mov x16, x0
        ldr x2, [sp, #32]
        ldp x0, x1, [sp, #16]
        ldp x29, x30, [sp], #48
        .cfi_restore x29
        .cfi_restore x30
        .cfi_def_cfa_offset 0
        br x16
        .cfi_endproc"
    };
}

// Asks for a block; goes on below if there is none, with the arguments as they were.
#[cfg(target_arch = "x86_64")]
macro_rules! try_new {
    (one) => {
        "push rdi
        .cfi_adjust_cfa_offset 8
        call {work}
        pop rdi
        .cfi_adjust_cfa_offset -8
        test rax, rax
        jz 2f
        ret
        2:"
    };
    (three) => {
        "push rdi
        .cfi_adjust_cfa_offset 8
        push rsi
        .cfi_adjust_cfa_offset 8
        push rdx
        .cfi_adjust_cfa_offset 8
        call {work}
        pop rdx
        .cfi_adjust_cfa_offset -8
        pop rsi
        .cfi_adjust_cfa_offset -8
        pop rdi
        .cfi_adjust_cfa_offset -8
        test rax, rax
        jz 2f
        ret
        2:"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! try_new {
    ($arguments:ident) => {
        "stp x29, x30, [sp, #-48]!
        .cfi_def_cfa_offset 48
        .cfi_offset x29, -48
        .cfi_offset x30, -40
        stp x0, x1, [sp, #16]
        str x2, [sp, #32]
        bl {work}
        mov x9, x0
        ldr x2, [sp, #32]
        ldp x0, x1, [sp, #16]
        ldp x29, x30, [sp], #48
        .cfi_restore x29
        .cfi_restore x30
        .cfi_def_cfa_offset 0
        cbz x9, 2f
        mov x0, x9
        ret
        2:"
    };
}

// Goes on if all operators are ours, or to 2.
#[cfg(target_arch = "x86_64")]
macro_rules! if_ours {
    () => {
        "cmp byte ptr [rip + {ours}], 0
        je 2f"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! if_ours {
    () => {
        "adrp x9, {ours}
        ldrb w9, [x9, :lo12:{ours}]
        cbz w9, 2f"
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! free_it {
    () => {
        "jmp {work}
        2:"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! free_it {
    () => {
        "b {work}
        2:"
    };
}

// A function's beginning, with a name that is this library's alone.
macro_rules! begin {
    ($index:literal) => {
        concat!(
            ".cfi_startproc\n.globl arenite_operator_",
            $index,
            "\n.hidden arenite_operator_",
            $index,
            "\narenite_operator_",
            $index,
            ":"
        )
    };
}

/// One operator: its place in the table, its name, what it does. `base`: others stand for it, it for none.
macro_rules! operator {
    (base new $name:ident, $index:literal, $symbol:literal, $work:ident, $arguments:ident) => {
        #[unsafe(export_name = $symbol)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(begin!($index), try_new!($arguments), to_next!(),
                work = sym $work, next = sym next, index = const $index)
        }
    };
    (derived new $name:ident, $index:literal, $symbol:literal, $work:ident, $arguments:ident) => {
        #[unsafe(export_name = $symbol)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(begin!($index), if_ours!(), try_new!($arguments), to_next!(),
                ours = sym OURS, work = sym $work, next = sym next, index = const $index)
        }
    };
    (base delete $name:ident, $index:literal, $symbol:literal) => {
        #[unsafe(export_name = $symbol)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(begin!($index), free_it!(), ".cfi_endproc", work = sym give)
        }
    };
    (derived delete $name:ident, $index:literal, $symbol:literal) => {
        #[unsafe(export_name = $symbol)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(begin!($index), if_ours!(), free_it!(), to_next!(),
                ours = sym OURS, work = sym give, next = sym next, index = const $index)
        }
    };
}

macro_rules! operators {
    ($($role:ident $kind:ident $name:ident, $index:literal, $symbol:literal $(, $work:ident, $arguments:ident)?; $alone:ident)*) => {
        $(operator!($role $kind $name, $index, $symbol $(, $work, $arguments)?);)*
        static OPERATORS: [Operator; [$($index),*].len()] = [$(Operator {
            // A literal with a zero behind it, without another zero in it.
            name: match CStr::from_bytes_with_nul(concat!($symbol, "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a zero inside a name"),
            },
            alone: Alone::$alone,
            next: AtomicPtr::new(null_mut()),
        }),*];
        const _: () = {
            let (indices, mut at) = ([$($index),*], 0);
            while at < indices.len() {
                assert!(indices[at] == at, "an operator's place in the table");
                at += 1;
            }
        };
    };
}

operators! {
    base new new, 0, "_Znwm", take, one; Throws
    base new new_aligned, 1, "_ZnwmSt11align_val_t", take_aligned, three; Throws
    derived new new_array, 2, "_Znam", take, one; Throws
    derived new new_array_aligned, 3, "_ZnamSt11align_val_t", take_aligned, three; Throws
    derived new new_nothrow, 4, "_ZnwmRKSt9nothrow_t", take, three; Refuses
    derived new new_array_nothrow, 5, "_ZnamRKSt9nothrow_t", take, three; Refuses
    derived new new_aligned_nothrow, 6, "_ZnwmSt11align_val_tRKSt9nothrow_t", take_aligned, three; Refuses
    derived new new_array_aligned_nothrow, 7, "_ZnamSt11align_val_tRKSt9nothrow_t", take_aligned, three; Refuses
    derived delete delete_sized, 8, "_ZdlPvm"; Frees
    derived delete delete_array, 9, "_ZdaPv"; Frees
    derived delete delete_array_sized, 10, "_ZdaPvm"; Frees
    derived delete delete_nothrow, 11, "_ZdlPvRKSt9nothrow_t"; Frees
    derived delete delete_array_nothrow, 12, "_ZdaPvRKSt9nothrow_t"; Frees
    derived delete delete_sized_aligned, 13, "_ZdlPvmSt11align_val_t"; Frees
    derived delete delete_array_aligned, 14, "_ZdaPvSt11align_val_t"; Frees
    derived delete delete_array_sized_aligned, 15, "_ZdaPvmSt11align_val_t"; Frees
    derived delete delete_aligned_nothrow, 16, "_ZdlPvSt11align_val_tRKSt9nothrow_t"; Frees
    derived delete delete_array_aligned_nothrow, 17, "_ZdaPvSt11align_val_tRKSt9nothrow_t"; Frees
    base delete delete, 18, "_ZdlPv"; Frees
    base delete delete_aligned, 19, "_ZdlPvSt11align_val_t"; Frees
}

/// Whether the dynamic linker found an operator here: it may have found the program's.
macro_rules! is_ours {
    ($index:literal, $symbol:literal) => {{
        let (found, own): (usize, usize);
        // SAFETY: reads an entry of this library's table of addresses, and computes an address.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!(
                concat!("mov {found}, qword ptr [rip + ", $symbol, "@GOTPCREL]"),
                concat!("lea {own}, [rip + arenite_operator_", $index, "]"),
                found = out(reg) found,
                own = out(reg) own,
                options(pure, readonly, nostack, preserves_flags)
            );
            #[cfg(target_arch = "aarch64")]
            asm!(
                concat!("adrp {found}, :got:", $symbol),
                concat!("ldr {found}, [{found}, :got_lo12:", $symbol, "]"),
                concat!("adrp {own}, arenite_operator_", $index),
                concat!("add {own}, {own}, :lo12:arenite_operator_", $index),
                found = out(reg) found,
                own = out(reg) own,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        found == own
    }};
}

/// Looks whether the operators that others stand for are ours, or some of them the program's. When the library starts.
pub(crate) fn look() {
    let all = is_ours!(0, "_Znwm")
        && is_ours!(1, "_ZnwmSt11align_val_t")
        && is_ours!(2, "_Znam")
        && is_ours!(3, "_ZnamSt11align_val_t")
        && is_ours!(9, "_ZdaPv")
        && is_ours!(14, "_ZdaPvSt11align_val_t")
        && is_ours!(18, "_ZdlPv")
        && is_ours!(19, "_ZdlPvSt11align_val_t");
    OURS.store(all.into(), Ordering::Relaxed);
}
