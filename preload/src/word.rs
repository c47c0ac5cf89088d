//! A word of thread-local storage for a library that is there from the start of the process: it is at a fixed distance from the thread
//! pointer (initial-exec), so that reaching it costs a load of that distance. `thread_local!` in a shared library costs a call, of a
//! function that may allocate.

/// Declares such a word: its name, its type, the section and the words of the assembler for what it is at first. It is read by `get` and
/// written by `set`.
macro_rules! word {
    ($name:literal, $word:ty, $section:literal, $first:literal $($operands:tt)*) => {
        core::arch::global_asm!(
            concat!(".section ", $section),
            ".p2align 3",
            concat!(".hidden ", $name),
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @object"),
            concat!(".size ", $name, ", 8"),
            concat!($name, ":"),
            $first,
            ".text"
            $($operands)*
        );

        /// This thread's word.
        #[inline(always)]
        pub(crate) fn get() -> $word {
            let word;
            // SAFETY: reads this thread's copy of the word, which is there as long as the thread is.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                core::arch::asm!(
                    concat!("mov {word}, qword ptr [rip + ", $name, "@GOTTPOFF]"),
                    "mov {word}, qword ptr fs:[{word}]",
                    word = out(reg) word,
                    options(pure, readonly, nostack, preserves_flags)
                );
                #[cfg(target_arch = "aarch64")]
                core::arch::asm!(
                    concat!("adrp {word}, :gottprel:", $name),
                    concat!("ldr {word}, [{word}, :gottprel_lo12:", $name, "]"),
                    "mrs {thread}, tpidr_el0",
                    "ldr {word}, [{thread}, {word}]",
                    word = out(reg) word,
                    thread = out(reg) _,
                    options(pure, readonly, nostack, preserves_flags)
                );
            }
            word
        }

        /// This thread's word is this one from now on.
        #[inline(always)]
        pub(crate) fn set(word: $word) {
            // SAFETY: writes this thread's copy of the word.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                core::arch::asm!(
                    concat!("mov {at}, qword ptr [rip + ", $name, "@GOTTPOFF]"),
                    "mov qword ptr fs:[{at}], {word}",
                    at = out(reg) _,
                    word = in(reg) word,
                    options(nostack, preserves_flags)
                );
                #[cfg(target_arch = "aarch64")]
                core::arch::asm!(
                    concat!("adrp {at}, :gottprel:", $name),
                    concat!("ldr {at}, [{at}, :gottprel_lo12:", $name, "]"),
                    "mrs {thread}, tpidr_el0",
                    "str {word}, [{thread}, {at}]",
                    at = out(reg) _,
                    thread = out(reg) _,
                    word = in(reg) word,
                    options(nostack, preserves_flags)
                );
            }
        }
    };
}

pub(crate) use word;
