//! What macOS tells about memory. Compiled by reading only: nobody has run it yet.

use core::mem::{MaybeUninit, size_of};
use core::ptr::NonNull;

use rustix::mm::MapFlags;

use crate::os::{MachineMemory, PageState, ProcessMemory};

/// Reserved pages do not count against anything on macOS.
pub(super) const NO_RESERVE: MapFlags = MapFlags::NORESERVE;

pub(in crate::os) fn process_memory() -> ProcessMemory {
    let mut info = MaybeUninit::<libc::proc_taskinfo>::uninit();
    let size = size_of::<libc::proc_taskinfo>() as i32;
    // SAFETY: the pointer is valid for writing `size` bytes.
    let got = unsafe {
        libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDTASKINFO, 0, info.as_mut_ptr().cast(), size)
    };
    let peak = super::usage().map_or(0, |usage| usize::try_from(usage.ru_maxrss).unwrap_or(0));
    if got != size {
        return ProcessMemory { resident: 0, resident_peak: peak, address_space: 0 };
    }
    // SAFETY: the call answered that it filled the whole structure.
    let info = unsafe { info.assume_init() };
    let resident = info.pti_resident_size as usize;
    ProcessMemory {
        resident,
        resident_peak: peak.max(resident),
        address_space: info.pti_virtual_size as usize,
    }
}

pub(in crate::os) fn machine_memory() -> MachineMemory {
    let mut total = 0u64;
    let mut size = size_of::<u64>();
    // SAFETY: name is a C string, `total` is valid for writing `size` bytes, and nothing is set.
    let answer = unsafe {
        libc::sysctlbyname(
            c"hw.memsize".as_ptr(),
            (&raw mut total).cast(),
            &raw mut size,
            core::ptr::null_mut(),
            0,
        )
    };
    if answer == 0 { MachineMemory { total, available: total } } else { MachineMemory::default() }
}

pub(in crate::os) fn huge_page_size() -> Option<usize> {
    None
}

pub(in crate::os) fn query(_address: *const u8) -> Result<PageState, i32> {
    Err(libc::ENOTSUP)
}

pub(in crate::os) unsafe fn prefer_huge(_start: NonNull<u8>, _size: usize) -> Result<(), i32> {
    Err(libc::ENOTSUP)
}

pub(in crate::os) unsafe fn prefault(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed, writable pages that nobody else writes to now (contract of `os::prefault`).
    unsafe { super::touch(start, size) };
    Ok(())
}

/// Fills `length` bytes at `bytes` with random bits; `false` when the kernel gave none.
///
/// # Safety
/// `bytes` is valid for writing `length` bytes.
pub(super) unsafe fn random(bytes: *mut u8, length: usize) -> bool {
    // SAFETY: the caller's buffer; at most 256 bytes are asked for.
    unsafe { libc::getentropy(bytes.cast(), length) == 0 }
}
