//! The one compare that every `free` begins with.
//!
//! Null is no block. If the heap is hardened, no address is taken for one before it was looked up. Both are one question:
//! is the address above a limit, which is 0, or in hardened mode the largest address there is? Written out, because a compiler
//! does not make an atomic load and a compare one instruction, which would cost every `free` one more.

use core::ptr::NonNull;

use arenite::heap::bucket::UNCHECKED_ABOVE;

/// The block, if nothing must be looked at first.
#[inline(always)]
pub(crate) fn plain<T>(block: *const T) -> Option<NonNull<u8>> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads a word that is there as long as the library, and jumps to the block given.
    unsafe {
        core::arch::asm!(
            "cmp {block}, qword ptr [rip + {limit}]",
            "jbe {look}",
            block = in(reg) block,
            limit = sym UNCHECKED_ABOVE,
            look = label { return None },
            options(nostack, readonly),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    if block.addr() <= UNCHECKED_ABOVE.load(core::sync::atomic::Ordering::Relaxed) {
        return None;
    }
    // SAFETY: above something, so not null.
    Some(unsafe { NonNull::new_unchecked(block.cast_mut().cast()) })
}
