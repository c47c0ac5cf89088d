//! Asking the processor for memory ahead of time.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "an instruction that the compiler emits on request of few targets only")
)]

use core::ptr::NonNull;

/// Asks for the cache line of an address, which will be written to soon: other processors lose it. Only a hint: nothing is
/// read, and an address without memory is no error. Nothing on processors that are neither x86-64 nor arm64.
#[inline(always)]
pub(crate) fn prefetch_for_writing(address: NonNull<u8>) {
    // SAFETY: a hint, which neither faults nor changes memory, registers or flags. (Processors of this architecture that do
    // not know the instruction ignore it.)
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "prefetchw [{}]",
            in(reg) address.as_ptr(),
            options(nostack, preserves_flags, readonly)
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "prfm pstl1keep, [{}]",
            in(reg) address.as_ptr(),
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
