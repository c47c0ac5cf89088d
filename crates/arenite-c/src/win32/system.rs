//! `GlobalMemoryStatus` and the memory half of `GetSystemInfo`.
#![expect(unsafe_code, reason = "exports functions")]

use core::ffi::c_void;

use arenite::os;

use super::answer;
use super::error::{INVALID_PARAMETER, NOACCESS};
use super::virt::{ADDRESSES, GRANULARITY};

struct Status {
    load: u32,
    total: u64,
    available: u64,
    total_virtual: u64,
    available_virtual: u64,
}

fn status() -> Status {
    let machine = os::machine_memory();
    let total_virtual = (ADDRESSES.end - ADDRESSES.start) as u64;
    let in_use = os::process_memory().address_space as u64;
    let used = machine.total.saturating_sub(machine.available);
    Status {
        load: used.saturating_mul(100).checked_div(machine.total).unwrap_or(0).min(100) as u32,
        total: machine.total,
        available: machine.available,
        total_virtual,
        available_virtual: total_virtual.saturating_sub(in_use),
    }
}

/// `MEMORYSTATUSEX`, as the header has it.
#[repr(C)]
struct StatusEx {
    length: u32,
    load: u32,
    /// RAM, page file and addresses, in all and available, and one that is always 0.
    figures: [u64; 7],
}

/// `GlobalMemoryStatusEx`; see the header.
///
/// # Safety
/// `into` is null or a `MEMORYSTATUSEX` whose length is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_GlobalMemoryStatusEx(into: *mut c_void) -> i32 {
    answer(0, || {
        if into.is_null() {
            return Err(NOACCESS);
        }
        let into = into.cast::<StatusEx>();
        let length = size_of::<StatusEx>() as u32;
        // SAFETY: the caller's promise.
        if unsafe { (*into).length } != length {
            return Err(INVALID_PARAMETER);
        }
        let Status { load, total, available, total_virtual, available_virtual } = status();
        let figures = [total, available, total, available, total_virtual, available_virtual, 0];
        // SAFETY: the caller's promise.
        unsafe { into.write(StatusEx { length, load, figures }) };
        Ok(1)
    })
}

/// `MEMORYSTATUS`, as the header has it.
#[repr(C)]
struct StatusOld {
    length: u32,
    load: u32,
    figures: [usize; 6],
}

/// `GlobalMemoryStatus`; see the header.
///
/// # Safety
/// `into` is null or valid for writing a `MEMORYSTATUS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_GlobalMemoryStatus(into: *mut c_void) {
    answer((), || {
        if into.is_null() {
            return Err(NOACCESS);
        }
        let Status { load, total, available, total_virtual, available_virtual } = status();
        let figures = [total, available, total, available, total_virtual, available_virtual];
        let figures = figures.map(|figure| usize::try_from(figure).unwrap_or(usize::MAX));
        let length = size_of::<StatusOld>() as u32;
        // SAFETY: the caller's promise.
        unsafe { into.cast::<StatusOld>().write(StatusOld { length, load, figures }) };
        Ok(())
    });
}

/// `SYSTEM_INFO`, as the header has it.
#[repr(C)]
struct SystemInfo {
    architecture: u16,
    reserved: u16,
    page_size: u32,
    lowest: usize,
    highest: usize,
    processor_mask: usize,
    processors: u32,
    processor_type: u32,
    granularity: u32,
    level: u16,
    revision: u16,
}

/// `GetSystemInfo`; see the header.
///
/// # Safety
/// `into` is null or valid for writing a `SYSTEM_INFO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_GetSystemInfo(into: *mut c_void) {
    const AMD64: u16 = 9;
    const ARM64: u16 = 12;
    const UNKNOWN: u16 = 0xffff;
    answer((), || {
        if into.is_null() {
            return Err(NOACCESS);
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (architecture, processor_type) = match () {
            () if cfg!(target_arch = "x86_64") => (AMD64, 8664),
            () if cfg!(target_arch = "aarch64") => (ARM64, 0),
            () => (UNKNOWN, 0),
        };
        let info = SystemInfo {
            architecture,
            reserved: 0,
            page_size: os::page_size() as u32,
            lowest: ADDRESSES.start,
            highest: ADDRESSES.end - 1,
            processor_mask: usize::MAX >> (usize::BITS as usize - processors.clamp(1, usize::BITS as usize)),
            processors: processors as u32,
            processor_type,
            granularity: GRANULARITY as u32,
            level: 0,
            revision: 0,
        };
        // SAFETY: the caller's promise.
        unsafe { into.cast::<SystemInfo>().write(info) };
        Ok(())
    });
}
