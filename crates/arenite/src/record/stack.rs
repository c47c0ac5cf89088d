//! Who called: return addresses, by frame pointers, or by the unwinding library where there are none.
//!
//! Each frame begins with the address of the frame around it and the return address, if the program was built with frame pointers
//! (`-C force-frame-pointers=yes`, `-fno-omit-frame-pointer`). Code that was not may keep anything in that register. So every address
//! is looked at before it is followed: within the thread's stack, and further out than the last one. What is wrong ends the walk:
//! it can be a short or a strange stack then, but no fault. (The system is asked where a thread's stack is when the thread stands
//! outside of what it last said. Whoever unmaps the stack of a coroutine and maps a smaller one within the same addresses, and runs
//! code on it that was built without frame pointers, is beyond what this can see: record those with `Stacks::Unwind`.)
#![expect(unsafe_code, reason = "reads the frames of callers")]

use core::mem::MaybeUninit;

use super::format::DEEPEST_STACK;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tables;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "stack/no_tables.rs"]
mod tables;
mod unwind;

pub(super) use tables::Tables;

/// Where a function stands, whose callers are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its frame pointer; if it has none, that of one of its callers, or anything.
    frame: usize,
    /// A place in its part of the stack: its stack pointer, or `frame`.
    place: usize,
    /// An address in its code, at which its stack pointer was `place`; 0: `frame` is a frame.
    #[cfg_attr(
        not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
        expect(dead_code, reason = "for those who read tables")
    )]
    code: usize,
}

impl Caller {
    /// The function that this is inlined into.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        // Not the address of a variable: sanitizers put those elsewhere.
        let (frame, code, place): (usize, usize, usize);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads registers.
        unsafe {
            core::arch::asm!(
                "lea {code}, [rip]", "mov {place}, rsp", "mov {frame}, rbp",
                code = out(reg) code, place = out(reg) place, frame = out(reg) frame,
                options(nomem, nostack, preserves_flags)
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads registers.
        unsafe {
            core::arch::asm!(
                "adr {code}, .", "mov {place}, sp", "mov {frame}, x29",
                code = out(reg) code, place = out(reg) place, frame = out(reg) frame,
                options(nomem, nostack, preserves_flags)
            );
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let here = 0u8;
            (frame, code, place) = (0, 0, (&raw const here).addr());
        }
        Self { frame, place, code }
    }

    /// The function whose frame pointer this is, which points to its caller's frame pointer and the address it returns to. Nothing that
    /// it calls is part of a stack, nor it itself.
    ///
    /// # Safety
    /// It is used on the thread whose frame that is only, and as long as the frame is there: what is behind it is read.
    #[inline(always)]
    pub unsafe fn at(frame: usize) -> Self {
        Self { frame, place: frame, code: 0 }
    }

    #[inline(always)]
    pub(super) fn place(self) -> usize {
        self.place
    }
}

/// Where the C library keeps this thread's own data: of a thread that was not the first one, behind its stack in the same pages. 0: that is
/// not known.
pub(super) fn own_data() -> usize {
    let place: usize;
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the first word there is its own address, as the ABI says.
    unsafe {
        core::arch::asm!("mov {}, fs:[0]", out(reg) place, options(readonly, nostack, preserves_flags));
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mrs {}, tpidr_el0", out(reg) place, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        place = 0;
    }
    place
}

/// Whether frame pointers tell what the unwinding library does, as far as it can be told from here.
#[inline(never)]
pub(super) fn frame_pointers_do(end_of_stack: impl FnOnce(usize) -> usize) -> bool {
    let caller = Caller::here();
    let known = Stack::unwind(caller, DEEPEST_STACK, 0);
    let mut walked = Stack::new(0);
    // SAFETY: from here to the end of this thread's stack.
    unsafe { walked.walk(caller, end_of_stack(caller.place), DEEPEST_STACK) };
    agree(known.frames(), walked.frames())
}

/// Whether what frame pointers tell is as good as what is known.
fn agree(known: &[u64], walked: &[u64]) -> bool {
    if known.len() < 2 {
        return true;
    }
    // The innermost frames are the program's own: it is not enough that those of libraries are found. The outermost are the C library's,
    // which has none in many systems.
    let needed = (known.len().saturating_sub(4)).min(3 * known.len() / 4).max(2);
    (0..2).any(|own| known.get(own..needed).is_some_and(|known| walked.starts_with(known)))
}

/// A word of memory, whatever the compiler or a sanitizer believes of it.
///
/// # Safety
/// It is readable, and `address` a multiple of its size.
#[inline(always)]
unsafe fn word(address: usize) -> usize {
    let word;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!("mov {}, qword ptr [{}]", out(reg) word, in(reg) address, options(readonly, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!("ldr {}, [{}]", out(reg) word, in(reg) address, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    // SAFETY: the caller's promise.
    unsafe {
        word = core::ptr::with_exposed_provenance::<usize>(address).read_volatile();
    }
    word
}

/// A call stack, and a number that stands for it.
#[derive(Debug)]
pub(super) struct Stack {
    /// The first `len` of them are there.
    frames: [MaybeUninit<u64>; DEEPEST_STACK],
    len: usize,
    hash: u64,
}

/// An odd number with bits all over.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// One address more.
#[inline(always)]
fn mix(sum: u64, address: usize) -> u64 {
    (sum ^ address as u64).wrapping_mul(SPREAD).rotate_left(29)
}

/// What so many addresses come to. Never 0.
#[inline(always)]
fn finish(sum: u64, len: usize) -> u64 {
    let wide = u128::from(sum ^ len as u64) * u128::from(SPREAD);
    ((wide >> 64) as u64 ^ wide as u64).max(1)
}

impl Stack {
    /// An empty one.
    #[inline(always)]
    pub(super) fn new(seed: u64) -> Self {
        Self { frames: [const { MaybeUninit::uninit() }; DEEPEST_STACK], len: 0, hash: seed }
    }

    /// Adds a return address. False if there is no room, or not for more than `depth`.
    #[inline(always)]
    fn push(&mut self, address: usize, depth: usize) -> bool {
        if self.len >= depth.min(DEEPEST_STACK) {
            return false;
        }
        self.frames[self.len].write(address as u64);
        self.hash = mix(self.hash, address);
        self.len += 1;
        true
    }

    /// Adds the callers of the function that `caller` was asked in to an empty one: follows frame pointers as far as they stay between its
    /// place and `high`, through `depth` frames at the most. Where it is, because moving a stack costs more than walking one.
    ///
    /// # Safety
    /// Everything from that place to `high` is readable now, and stays so meanwhile: the stack of this thread.
    #[inline(always)]
    pub(super) unsafe fn walk(&mut self, caller: Caller, high: usize, depth: usize) {
        let (mut next, mut low) = (caller.frame, caller.place & !(size_of::<usize>() - 1));
        let last = high.saturating_sub(2 * size_of::<usize>());
        let (most, mut len, mut hash) = (depth.min(DEEPEST_STACK), 0, self.hash);
        while len < most && next >= low && next <= last && next.is_multiple_of(size_of::<usize>()) {
            // SAFETY: between `low` and `high`, two words before its end, aligned.
            let (around, to) = unsafe { (word(next), word(next + size_of::<usize>())) };
            // The outermost frame returns nowhere.
            if to < 4096 {
                break;
            }
            self.frames[len].write(to as u64);
            (len, hash) = (len + 1, mix(hash, to));
            (low, next) = (next + 2 * size_of::<usize>(), around);
        }
        self.len = len;
        self.hash = hash;
    }

    /// Differs for stacks that differ, as far as 64 bits can. Never 0.
    #[inline(always)]
    pub(super) fn hash(&self) -> u64 {
        finish(self.hash, self.len)
    }

    /// From the innermost call outwards.
    pub(super) fn frames(&self) -> &[u64] {
        let there = &self.frames[..self.len];
        // SAFETY: the first `len` were written; the same type but for that.
        unsafe { core::slice::from_raw_parts(there.as_ptr().cast(), there.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_pointers_are_trusted_if_they_find_the_program_and_not_for_what_libraries_have() {
        let known: [u64; 12] = core::array::from_fn(|place| 1000 + place as u64);
        assert!(agree(&known, &known));
        assert!(agree(&known, &known[..8]), "the outermost frames have none");
        assert!(agree(&known, &known[1..]), "the function that asks has none");
        assert!(!agree(&known, &known[2..]), "the program has none, what it calls has");
        assert!(!agree(&known, &[]));
        assert!(!agree(&known, &known[..4]), "most of them are not found");
        let mut wrong = known;
        wrong[3] = 7;
        assert!(!agree(&known, &wrong), "one of the program's own is another");
        wrong = known;
        wrong[11] = 7;
        assert!(agree(&known, &wrong));
        // Of short stacks, and where nothing can be told.
        assert!(agree(&known[..3], &known[..3]) && !agree(&known[..3], &known[2..3]));
        assert!(agree(&known[..1], &[]) && agree(&[], &[]));
    }
}
