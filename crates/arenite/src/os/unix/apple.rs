//! What macOS tells about memory. Compiled by reading only: nobody has run it yet.

use core::mem::{MaybeUninit, size_of};
use core::ptr::NonNull;

use rustix::mm::MapFlags;

use crate::os::{Extent, MachineMemory, PageState, ProcessMemory};

/// Reserved pages do not count against anything on macOS.
pub(super) const NO_RESERVE: MapFlags = MapFlags::NORESERVE;

/// There is no such flag: an address is a wish.
pub(super) const NO_REPLACE: MapFlags = MapFlags::empty();

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

/// What `mach_vm_region` tells of a region (`vm_region_basic_info_64`, laid out in steps of 4 bytes).
#[repr(C, packed(4))]
#[derive(Default)]
struct RegionInfo {
    protection: i32,
    max_protection: i32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u64,
    behavior: i32,
    user_wired_count: u16,
}

const REGION_INFO: i32 = 9;
const REGION_INFO_WORDS: u32 = (size_of::<RegionInfo>() / size_of::<i32>()) as u32;

unsafe extern "C" {
    static mach_task_self_: u32;

    fn mach_vm_region(
        task: u32,
        address: *mut u64,
        size: *mut u64,
        flavour: i32,
        info: *mut RegionInfo,
        words: *mut u32,
        object: *mut u32,
    ) -> i32;
}

pub(in crate::os) fn extent(address: *const u8) -> Result<Extent, i32> {
    const NOTHING_THERE: i32 = 1;
    let asked = address.addr() as u64;
    let (mut start, mut size, mut words, mut object) = (asked, 0, REGION_INFO_WORDS, 0);
    let mut info = RegionInfo::default();
    // SAFETY: our own task; every pointer is valid for writing its type, and `words` says how much `info` holds. The address
    // is only looked up.
    let answer = unsafe {
        mach_vm_region(
            mach_task_self_,
            &raw mut start,
            &raw mut size,
            REGION_INFO,
            &raw mut info,
            &raw mut words,
            &raw mut object,
        )
    };
    match answer {
        // It answers with the next region where there is none.
        0 if start > asked => {
            Ok(Extent { start: address.addr(), end: start as usize, state: PageState::Free })
        }
        0 => {
            let state = match info.protection & (libc::VM_PROT_READ | libc::VM_PROT_WRITE) {
                0 => PageState::Reserved,
                libc::VM_PROT_READ => PageState::Committed { writable: false },
                _ => PageState::Committed { writable: true },
            };
            Ok(Extent { start: start as usize, end: (start + size) as usize, state })
        }
        NOTHING_THERE => Ok(Extent { start: address.addr(), end: usize::MAX, state: PageState::Free }),
        code => Err(code),
    }
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
