//! What Linux tells about memory, read from `/proc` through a buffer on the stack.

use core::ptr::NonNull;

use rustix::fs::{Mode, OFlags};
use rustix::mm::{Advice, MapFlags};

use crate::os::{Extent, MachineMemory, PageState, ProcessMemory};

/// Reserved pages do not count against the overcommit limit.
pub(super) const NO_RESERVE: MapFlags = MapFlags::NORESERVE;

/// Refuse rather than map elsewhere than asked.
pub(super) const NO_REPLACE: MapFlags = MapFlags::FIXED_NOREPLACE;

/// Calls `each` with every line of a file of `/proc` until it answers `Some`. Longer lines than the buffer are cut.
fn find_line<R>(
    path: &core::ffi::CStr,
    mut each: impl FnMut(&[u8]) -> Option<R>,
) -> Result<Option<R>, rustix::io::Errno> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0u8; 4096];
    let mut filled = 0;
    loop {
        let got = match rustix::io::read(&file, &mut buffer[filled..]) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        filled += got;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|&byte| byte == b'\n') {
            if let Some(found) = each(&buffer[start..start + length]) {
                return Ok(Some(found));
            }
            start += length + 1;
        }
        if got == 0 || (start == 0 && filled == buffer.len()) {
            let rest = &buffer[start..filled];
            return Ok(if rest.is_empty() { None } else { each(rest) });
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    u64::from_str_radix(text.trim(), radix).ok()
}

/// The number of a line such as `MemTotal:  123 kB`, in bytes.
fn kilobytes(line: &[u8], name: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(name)?.strip_prefix(b":")?;
    number(rest.strip_suffix(b"kB")?, 10).map(|kilobytes| kilobytes * 1024)
}

pub(in crate::os) fn process_memory() -> ProcessMemory {
    let page = super::page_size();
    let pages = find_line(c"/proc/self/statm", |line| {
        let mut words = line.split(|&byte| byte == b' ');
        Some((number(words.next()?, 10)?, number(words.next()?, 10)?))
    });
    let (size, resident) = pages.ok().flatten().unwrap_or((0, 0));
    // The kernel keeps the peak a little behind what it counts now; a peak below the present would be nonsense.
    let peak = super::usage().map_or(0, |usage| usize::try_from(usage.ru_maxrss).unwrap_or(0) * 1024);
    let resident = usize::try_from(resident).unwrap_or(0) * page;
    ProcessMemory {
        resident,
        resident_peak: peak.max(resident),
        address_space: usize::try_from(size).unwrap_or(0) * page,
    }
}

pub(in crate::os) fn machine_memory() -> MachineMemory {
    let mut memory = MachineMemory::default();
    let _ = find_line(c"/proc/meminfo", |line| {
        if let Some(total) = kilobytes(line, b"MemTotal") {
            memory.total = total;
        }
        // The last of the two lines: stop there.
        kilobytes(line, b"MemAvailable").map(|available| memory.available = available)
    });
    memory
}

pub(in crate::os) fn huge_page_size() -> Option<usize> {
    let size = find_line(c"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", |line| number(line, 10));
    size.ok().flatten().and_then(|size| usize::try_from(size).ok()).filter(|size| size.is_power_of_two())
}

pub(in crate::os) fn extent(address: *const u8) -> Result<Extent, i32> {
    let address = address.addr();
    let mut free_from = 0;
    let found = find_line(c"/proc/self/maps", |line| {
        let mut words = line.split(|&byte| byte == b' ');
        let range = words.next()?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        let start = usize::try_from(number(&range[..dash], 16)?).ok()?;
        let end = usize::try_from(number(&range[dash + 1..], 16)?).ok()?;
        if address < start {
            return Some(Extent { start: free_from, end: start, state: PageState::Free });
        }
        if address >= end {
            free_from = end;
            return None;
        }
        let state = match words.next() {
            Some([b'r', b'w', ..]) => PageState::Committed { writable: true },
            Some([b'r', ..]) => PageState::Committed { writable: false },
            _ => PageState::Reserved,
        };
        Some(Extent { start, end, state })
    });
    let nothing = Extent { start: free_from, end: usize::MAX, state: PageState::Free };
    found.map(|extent| extent.unwrap_or(nothing)).map_err(super::errno)
}

pub(in crate::os) unsafe fn prefer_huge(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole pages that the caller owns (contract of `os::prefer_huge`); the advice keeps their content.
    unsafe { super::advise(start, size, Advice::LinuxHugepage) }
}

pub(in crate::os) unsafe fn prefault(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed pages that the caller owns (contract of `os::prefault`); populating keeps content.
    match unsafe { super::advise(start, size, Advice::LinuxPopulateWrite) } {
        Err(code) if code == rustix::io::Errno::INVAL.raw_os_error() => {
            // A kernel older than 5.14 does not know the advice.
            // SAFETY: as above, writable and not written to by anybody else.
            unsafe { super::touch(start, size) };
            Ok(())
        }
        answer => answer,
    }
}

/// Fills `length` bytes at `bytes` with random bits; `false` when the kernel gave none.
///
/// # Safety
/// `bytes` is valid for writing `length` bytes.
pub(super) unsafe fn random(bytes: *mut u8, length: usize) -> bool {
    // SAFETY: the caller's buffer, initialised by the caller's zeroes.
    let buffer = unsafe { core::slice::from_raw_parts_mut(bytes, length) };
    matches!(rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::NONBLOCK), Ok(got) if got == length)
}
