//! The contract on Windows 10 and later, checked under Wine. Errors are what `GetLastError` says.
//!
//! Where Windows differs from Unix behind the same contract:
//! - Committed pages count against the machine's commit limit at once, used or not, so it is [`commit`] that is refused
//!   when memory runs out, never a later write.
//! - Reservations start at multiples of 64 KiB and are given back whole; a range in the middle cannot be released.
//! - There are no transparent huge pages: [`prefer_huge`] is always refused.
//! - Committing pages that are committed already keeps their content and makes them writable again. That is as on Unix,
//!   and is pinned by a test below because Microsoft documents only the first half.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use windows_sys::Win32::Foundation::{ERROR_INVALID_ADDRESS, ERROR_NOT_SUPPORTED, GetLastError};
use windows_sys::Win32::Security::Authentication::Identity::RtlGenRandom;
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Environment::GetEnvironmentVariableA;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_FREE, MEM_RELEASE, MEM_RESERVE, MEMORY_BASIC_INFORMATION,
    PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_GUARD, PAGE_NOACCESS,
    PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, VirtualAlloc, VirtualFree, VirtualLock, VirtualProtect,
    VirtualQuery, VirtualUnlock,
};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemInfo, GlobalMemoryStatusEx, MEMORYSTATUSEX, SYSTEM_INFO,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
use windows_sys::core::BOOL;

use super::{Access, Extent, MachineMemory, PageFaults, PageState, ProcessMemory};
use crate::base::sync::{AtomicU64, Ordering};

/// How often an aligned reservation is tried before another thread is believed to always be faster. Each lost race
/// means that somebody else reserved memory in the few instructions between, so even two in a row are rare.
const ALIGN_ATTEMPTS: u32 = 64;

/// Bits of a page's protection that say what may be done with it; those above are modifiers such as write-combining.
const ACCESS_BITS: u32 = 0xff;

fn raw(start: NonNull<u8>) -> *mut c_void {
    start.as_ptr().cast()
}

fn last_error() -> i32 {
    // SAFETY: reads a variable of the calling thread.
    let code = unsafe { GetLastError() };
    // Codes are below 2^31 but for a few that programs make up; those keep their bits.
    code.cast_signed()
}

/// The answer of a call that returns zero when it failed.
fn check(answer: BOOL) -> Result<(), i32> {
    if answer == 0 { Err(last_error()) } else { Ok(()) }
}

fn system_info() -> SYSTEM_INFO {
    let mut info = SYSTEM_INFO::default();
    // SAFETY: the pointer is valid for writing one `SYSTEM_INFO`; the call cannot fail.
    unsafe { GetSystemInfo(&raw mut info) };
    info
}

pub(super) fn page_size() -> usize {
    system_info().dwPageSize as usize
}

pub(super) fn granularity() -> usize {
    system_info().dwAllocationGranularity as usize
}

/// Windows has large pages, but no transparent ones: they need a privilege, are committed whole at once and never
/// paged out, which is another contract than [`prefer_huge`] has.
pub(super) fn huge_page_size() -> Option<usize> {
    None
}

/// Reserves at `address`, or anywhere when it is null.
fn reserve_at(address: *const c_void, size: usize) -> Result<NonNull<u8>, i32> {
    // SAFETY: reserving never touches memory that anybody has: a range that is in use is refused.
    let base = unsafe { VirtualAlloc(address, size, MEM_RESERVE, PAGE_NOACCESS) };
    NonNull::new(base.cast()).ok_or_else(last_error)
}

pub(super) fn reserve(size: usize, align: usize) -> Result<NonNull<u8>, i32> {
    let slack = align.saturating_sub(super::granularity());
    if slack == 0 {
        return reserve_at(ptr::null(), size);
    }
    // A reservation cannot be trimmed, so a larger one only shows where there is room: it is released and the aligned
    // part of it reserved again. Another thread may take that part in between, hence the loop. `VirtualAlloc2` would
    // align in one step, but a program linked to it does not start before Windows 10 1803.
    let asked = size.checked_add(slack).ok_or(ERROR_INVALID_ADDRESS.cast_signed())?;
    for _ in 0..ALIGN_ATTEMPTS {
        let room = reserve_at(ptr::null(), asked)?;
        let aligned = room.as_ptr().wrapping_add(room.as_ptr().align_offset(align));
        // SAFETY: exactly the reservation just made, which nobody knows of.
        unsafe { release(room, asked) }?;
        match reserve_at(aligned.cast(), size) {
            Err(code) if code == ERROR_INVALID_ADDRESS.cast_signed() => {}
            answer => return answer,
        }
    }
    Err(ERROR_INVALID_ADDRESS.cast_signed())
}

pub(super) fn reserve_exactly(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    reserve_at(raw(start), size).map(drop)
}

pub(super) unsafe fn release(base: NonNull<u8>, _size: usize) -> Result<(), i32> {
    // Windows knows the size of a reservation and insists on being told zero.
    // SAFETY: the base of a whole reservation that nobody uses (contract of `os::release`).
    check(unsafe { VirtualFree(raw(base), 0, MEM_RELEASE) })
}

pub(super) unsafe fn commit(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    // SAFETY: whole pages of the caller's reservation (contract of `os::commit`); committed ones keep their content.
    let base = unsafe { VirtualAlloc(raw(start), size, MEM_COMMIT, PAGE_READWRITE) };
    if base.is_null() { Err(last_error()) } else { Ok(()) }
}

pub(super) unsafe fn decommit(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // To Windows, zero bytes at the base of a reservation mean all of it.
    if size == 0 {
        return Ok(());
    }
    // SAFETY: whole pages of the caller's reservation, nothing in them in use (contract of `os::decommit`).
    check(unsafe { VirtualFree(raw(start), size, MEM_DECOMMIT) })
}

pub(super) unsafe fn discard(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed pages with nothing in use (contract of `os::discard`).
    unsafe {
        decommit(start, size)?;
        commit(start, size)
    }
}

pub(super) unsafe fn move_pages(_: NonNull<u8>, _: NonNull<u8>, _: usize) -> Result<(), i32> {
    Err(ERROR_NOT_SUPPORTED.cast_signed())
}

pub(super) unsafe fn protect(start: NonNull<u8>, size: usize, access: Access) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    let flags = match access {
        Access::None => PAGE_NOACCESS,
        Access::Read => PAGE_READONLY,
        Access::ReadWrite => PAGE_READWRITE,
        Access::ReadExecute => PAGE_EXECUTE_READ,
        Access::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    };
    let mut before = 0;
    // SAFETY: whole committed pages that the caller owns (contract of `os::protect`), and `before` is valid for writing.
    check(unsafe { VirtualProtect(raw(start), size, flags, &raw mut before) })
}

pub(super) unsafe fn prefer_huge(_start: NonNull<u8>, _size: usize) -> Result<(), i32> {
    Err(ERROR_NOT_SUPPORTED.cast_signed())
}

/// Writes each page once, with what stands there. `PrefetchVirtualMemory` is no substitute: it reads pages back from
/// disk, but neither gives fresh ones their memory nor adds any to the working set, so their first use would fault.
pub(super) unsafe fn prefault(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    for offset in (0..size).step_by(super::page_size()) {
        // SAFETY: inside the caller's committed, writable pages, which nobody writes to now (contract of
        // `os::prefault`).
        unsafe {
            let byte = start.as_ptr().add(offset);
            byte.write_volatile(byte.read_volatile());
        }
    }
    Ok(())
}

pub(super) unsafe fn lock(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    // SAFETY: whole committed pages that the caller owns (contract of `os::lock`).
    check(unsafe { VirtualLock(raw(start), size) })
}

pub(super) unsafe fn unlock(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    // SAFETY: whole committed pages that the caller owns (contract of `os::unlock`).
    check(unsafe { VirtualUnlock(raw(start), size) })
}

/// Pages whose access is [`Access::None`] and guard pages are answered as reserved, as on Unix: any access faults.
pub(super) fn extent(address: *const u8) -> Result<Extent, i32> {
    let mut info = MEMORY_BASIC_INFORMATION::default();
    // SAFETY: the pointer is valid for writing the size given; `address` is only looked up, never read.
    let filled =
        unsafe { VirtualQuery(address.cast(), &raw mut info, size_of::<MEMORY_BASIC_INFORMATION>()) };
    if filled == 0 {
        return Err(last_error());
    }
    let state = match info.State {
        MEM_FREE => PageState::Free,
        MEM_COMMIT if info.Protect & PAGE_GUARD == 0 => match info.Protect & ACCESS_BITS {
            PAGE_READONLY | PAGE_EXECUTE_READ => PageState::Committed { writable: false },
            PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY => {
                PageState::Committed { writable: true }
            }
            _ => PageState::Reserved,
        },
        _ => PageState::Reserved,
    };
    let start = info.BaseAddress.addr();
    Ok(Extent { start, end: start.saturating_add(info.RegionSize), state })
}

fn memory_status() -> Option<MEMORYSTATUSEX> {
    let mut status =
        MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..MEMORYSTATUSEX::default() };
    // SAFETY: the pointer is valid for writing as many bytes as `dwLength` says.
    let answer = unsafe { GlobalMemoryStatusEx(&raw mut status) };
    (answer != 0).then_some(status)
}

fn process_counters() -> Option<PROCESS_MEMORY_COUNTERS> {
    const SIZE: u32 = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    let mut counters = PROCESS_MEMORY_COUNTERS { cb: SIZE, ..PROCESS_MEMORY_COUNTERS::default() };
    // SAFETY: the handle stands for the process itself and needs no closing; the pointer is valid for writing `SIZE`
    // bytes.
    let answer = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, SIZE) };
    (answer != 0).then_some(counters)
}

pub(super) fn process_memory() -> ProcessMemory {
    // What the status calls virtual is the address space of this process, reservations included. Wine does not track
    // it and says 64 KiB are in use.
    let address_space =
        memory_status().map_or(0, |status| status.ullTotalVirtual.saturating_sub(status.ullAvailVirtual));
    let (resident, peak) =
        process_counters().map_or((0, 0), |counters| (counters.WorkingSetSize, counters.PeakWorkingSetSize));
    ProcessMemory {
        resident,
        resident_peak: peak.max(resident),
        address_space: usize::try_from(address_space).unwrap_or(usize::MAX),
    }
}

pub(super) fn machine_memory() -> MachineMemory {
    memory_status().map_or(MachineMemory::default(), |status| MachineMemory {
        total: status.ullTotalPhys,
        available: status.ullAvailPhys,
    })
}

/// The count that Windows keeps has 32 bits, which a busy game wraps in a few days; it is continued here so that
/// differences stay right as long as somebody asks once in 2^31 faults. Zero under Wine, which does not count.
pub(super) fn page_faults() -> PageFaults {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let Some(counters) = process_counters() else { return PageFaults::default() };
    let count = continued(KNOWN.load(Ordering::Relaxed), counters.PageFaultCount);
    PageFaults { minor: KNOWN.fetch_max(count, Ordering::Relaxed).max(count), major: 0 }
}

/// `known` moved forward to the number whose low 32 bits are `low`, or `known` itself when that would be a step back:
/// then another thread has asked later and told earlier.
fn continued(known: u64, low: u32) -> u64 {
    if known == 0 {
        return u64::from(low);
    }
    let step = low.wrapping_sub(known as u32);
    if step.cast_signed() < 0 { known } else { known + u64::from(step) }
}

pub(super) fn monotonic_ns() -> u64 {
    let (mut ticks, mut frequency) = (0i64, 0i64);
    // SAFETY: both pointers are valid for writing; since Windows XP neither call can fail.
    unsafe {
        QueryPerformanceCounter(&raw mut ticks);
        QueryPerformanceFrequency(&raw mut frequency);
    }
    nanoseconds(ticks.cast_unsigned(), frequency.cast_unsigned().max(1))
}

/// Whole seconds and the rest apart: the product of all ticks with 10^9 would overflow after half an hour of 10 MHz,
/// the rest alone only at 18 GHz.
fn nanoseconds(ticks: u64, frequency: u64) -> u64 {
    const NS: u64 = 1_000_000_000;
    ticks / frequency * NS + ticks % frequency * NS / frequency
}

/// Through `RtlGenRandom`, which every Windows and every Wine has; the newer `ProcessPrng` is missing from Wine 8.
pub(super) fn entropy() -> u64 {
    let mut bits = 0u64;
    // SAFETY: the pointer is valid for writing eight bytes.
    let got = unsafe { RtlGenRandom((&raw mut bits).cast(), size_of::<u64>() as u32) };
    // No Windows is known to refuse; if one does, the clock and the address-space layout are left.
    if got { bits } else { monotonic_ns().rotate_left(32) ^ (&raw const bits).addr() as u64 }
}

/// The system's own way allocates.
pub(super) fn thread_name(_into: &mut [u8; 64]) -> Option<usize> {
    None
}

/// There are none.
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub(super) fn without_signals<R>(run: impl FnOnce() -> R) -> R {
    run()
}

pub(super) fn variable_is(name: &core::ffi::CStr, value: &[u8]) -> bool {
    let mut found = [0u8; 64];
    // SAFETY: the name ends with a zero; the buffer is valid for writing its own length. What is longer is not written.
    let length =
        unsafe { GetEnvironmentVariableA(name.as_ptr().cast(), found.as_mut_ptr(), found.len() as u32) };
    found.get(..length as usize).is_some_and(|found| length > 0 && found == value)
}

/// Processes are made anew, never from another one.
pub(super) fn around_fork(
    _before: extern "C" fn(),
    _in_parent: extern "C" fn(),
    _in_child: extern "C" fn(),
) -> bool {
    true
}

pub(super) fn write_error(text: &[u8]) {
    // SAFETY: the bytes are there. What was not written is lost, as it is when nobody listens.
    unsafe {
        let mut written = 0;
        let error = GetStdHandle(STD_ERROR_HANDLE);
        WriteFile(error, text.as_ptr(), text.len() as u32, &raw mut written, ptr::null_mut());
    }
}

pub(super) fn abort() -> ! {
    // SAFETY: the process itself, by its own handle. 3 is what the C library's `abort` ends with.
    unsafe { TerminateProcess(GetCurrentProcess(), 3) };
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        assert_eq!(nanoseconds(0, 10_000_000), 0);
        assert_eq!(nanoseconds(15_000_000, 10_000_000), 1_500_000_000);
        assert_eq!(nanoseconds(1, 3), 333_333_333);
        // A century of uptime, on clocks slow and fast.
        let century = 100 * 366 * 86_400;
        for frequency in [1, 3_579_545, 10_000_000, 5_000_000_000] {
            assert_eq!(nanoseconds(century * frequency, frequency), century * 1_000_000_000);
            let last = nanoseconds(century * frequency + frequency - 1, frequency);
            assert!(last < (century + 1) * 1_000_000_000 && last >= century * 1_000_000_000);
        }
    }

    #[test]
    fn a_wrapped_count_of_faults_goes_on_and_never_falls() {
        assert_eq!(continued(0, 3_000_000_000), 3_000_000_000);
        assert_eq!(continued(0xffff_fff0, 0x10), 0x1_0000_0010);
        assert_eq!(continued(0x1_0000_0010, 0x20), 0x1_0000_0020);
        assert_eq!(continued(0x1_0000_0010, 0x08), 0x1_0000_0010, "an older count does not count");
        assert_eq!(continued(0x1_0000_0010, 0xffff_fff0), 0x1_0000_0010, "nor one from before the wrap");
    }

    #[test]
    fn aligned_reservations_survive_threads_that_race_for_the_same_hole() {
        const ALIGN: usize = 4 << 20;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let size = super::super::granularity();
                    for _ in 0..200 {
                        let base = reserve(size, ALIGN).expect("a small reservation");
                        assert_eq!(base.as_ptr().addr() % ALIGN, 0);
                        // SAFETY: exactly the reservation just made.
                        unsafe { release(base, size) }.expect("a reservation can be released");
                    }
                });
            }
        });
    }

    #[test]
    fn committing_again_lifts_protection_and_an_empty_decommit_takes_nothing() {
        let (size, page) = (super::super::granularity(), super::super::page_size());
        let base = reserve(size, page).expect("a small reservation");
        // SAFETY: whole pages of the reservation above, accessed only while that is allowed.
        unsafe {
            commit(base, page).unwrap();
            base.as_ptr().write(5);
            protect(base, page, Access::None).unwrap();
            assert_eq!(extent(base.as_ptr()).map(|extent| extent.state), Ok(PageState::Reserved));
            commit(base, page).unwrap();
            assert_eq!(
                extent(base.as_ptr()).map(|extent| extent.state),
                Ok(PageState::Committed { writable: true })
            );
            decommit(base, 0).unwrap();
            assert_eq!(base.as_ptr().read(), 5);
            release(base, size).unwrap();
        }
    }

    #[test]
    fn huge_pages_are_refused_with_a_reason() {
        assert_eq!(huge_page_size(), None);
        // SAFETY: the call looks at nothing.
        let answer = unsafe { prefer_huge(NonNull::dangling(), super::super::page_size()) };
        assert_eq!(answer, Err(ERROR_NOT_SUPPORTED.cast_signed()));
    }

    #[test]
    fn decommitting_and_releasing_locked_pages_works() {
        let (size, page) = (super::super::granularity(), super::super::page_size());
        let base = reserve(size, page).expect("a small reservation");
        // SAFETY: whole pages of the reservation above; nothing in them is in use when they are decommitted.
        unsafe {
            commit(base, 2 * page).unwrap();
            lock(base, 2 * page).unwrap();
            decommit(base, page).unwrap();
            assert_eq!(extent(base.as_ptr()).map(|extent| extent.state), Ok(PageState::Reserved));
            release(base, size).unwrap();
        }
    }
}
