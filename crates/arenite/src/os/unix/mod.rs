//! The contract on Unix: Linux through raw system calls, macOS through libc (compiled by reading only: nobody has run
//! it yet). Errors are `errno`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::{Access, PageFaults};

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
mod figures;
#[cfg(target_vendor = "apple")]
#[path = "apple.rs"]
mod figures;

pub(super) use figures::{extent, huge_page_size, machine_memory, prefault, prefer_huge, process_memory};

fn errno(error: rustix::io::Errno) -> i32 {
    error.raw_os_error()
}

fn raw(start: NonNull<u8>) -> *mut c_void {
    start.as_ptr().cast()
}

pub(super) fn page_size() -> usize {
    rustix::param::page_size()
}

pub(super) fn granularity() -> usize {
    page_size()
}

pub(super) fn reserve(size: usize, align: usize) -> Result<NonNull<u8>, i32> {
    // An alignment above the page is had by asking for more and giving the two ends back.
    let slack = align.saturating_sub(page_size());
    let asked = size.checked_add(slack).ok_or(rustix::io::Errno::NOMEM.raw_os_error())?;
    let flags = MapFlags::PRIVATE | figures::NO_RESERVE;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no memory that anybody has.
    let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), asked, ProtFlags::empty(), flags) };
    let start = start.map_err(errno)?.cast::<u8>();
    let head = start.align_offset(align);
    // SAFETY: `head <= slack`, so both ends lie inside the mapping that was just made, and nobody knows of it yet.
    // A refused trim leaves unusable address space behind, nothing worse.
    unsafe {
        if head > 0 {
            let _ = rustix::mm::munmap(start.cast(), head);
        }
        let base = start.add(head);
        if slack > head {
            let _ = rustix::mm::munmap(base.add(size).cast(), slack - head);
        }
        Ok(NonNull::new_unchecked(base))
    }
}

pub(super) fn reserve_exactly(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // Without `MAP_FIXED` the address is a wish: whatever is there stays. A kernel that knows the flag (Linux 4.17) says so
    // at once; any other answers with another place.
    let flags = MapFlags::PRIVATE | figures::NO_RESERVE | figures::NO_REPLACE;
    // SAFETY: a fresh anonymous mapping that takes the place of nothing.
    let got = unsafe { rustix::mm::mmap_anonymous(raw(start), size, ProtFlags::empty(), flags) };
    let got = got.map_err(errno)?;
    if got == raw(start) {
        return Ok(());
    }
    // SAFETY: the mapping that was just made, which nobody knows of.
    let _ = unsafe { rustix::mm::munmap(got, size) };
    Err(errno(rustix::io::Errno::EXIST))
}

pub(super) unsafe fn release(base: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: the range is a whole reservation that nobody uses (contract of `os::release`).
    unsafe { rustix::mm::munmap(raw(base), size) }.map_err(errno)
}

pub(super) unsafe fn commit(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole pages of the caller's reservation (contract of `os::commit`).
    unsafe { rustix::mm::mprotect(raw(start), size, MprotectFlags::READ | MprotectFlags::WRITE) }
        .map_err(errno)
}

pub(super) unsafe fn decommit(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // Replacing the mapping gives the memory back at once and forbids access in one call; `madvise` alone would leave
    // the pages accessible, and on macOS resident.
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | figures::NO_RESERVE;
    // SAFETY: whole pages of the caller's reservation, nothing in them in use (contract of `os::decommit`), so
    // replacing the mapping destroys nothing that anybody may read.
    unsafe { rustix::mm::mmap_anonymous(raw(start), size, ProtFlags::empty(), flags) }
        .map(drop)
        .map_err(errno)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn discard(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed pages with nothing in use (contract of `os::discard`). On Linux this drops private pages.
    unsafe { rustix::mm::madvise(raw(start), size, rustix::mm::Advice::LinuxDontNeed) }.map_err(errno)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) unsafe fn discard(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // Advice leaves the pages resident here: a fresh mapping in their place does not.
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | figures::NO_RESERVE;
    // SAFETY: as in `decommit`.
    unsafe { rustix::mm::mmap_anonymous(raw(start), size, ProtFlags::READ | ProtFlags::WRITE, flags) }
        .map(drop)
        .map_err(errno)
}

#[cfg(target_os = "linux")]
pub(super) unsafe fn move_pages(from: NonNull<u8>, to: NonNull<u8>, size: usize) -> Result<(), i32> {
    // The old place stays mapped, so that nobody else's memory can come to lie inside a reservation. (By number, because
    // `rustix` names it only when it makes the call itself.)
    const DONTUNMAP: u32 = 4;
    let flags = rustix::mm::MremapFlags::MAYMOVE | rustix::mm::MremapFlags::from_bits_retain(DONTUNMAP);
    // SAFETY: whole pages of the caller's, nothing in the new place is in use (contract of `os::move_pages`).
    let moved = unsafe { rustix::mm::mremap_fixed(raw(from), size, size, flags, raw(to)) };
    match moved {
        Ok(_) => Ok(()),
        // Refused before anything was done: an old kernel.
        Err(rustix::io::Errno::INVAL) => Err(errno(rustix::io::Errno::INVAL)),
        Err(error) => {
            // What was at the new place may be unmapped by now.
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | figures::NO_RESERVE;
            // SAFETY: as above. Refused, it is a hole in the caller's reservation that nothing leads to.
            let _ = unsafe {
                rustix::mm::mmap_anonymous(raw(to), size, ProtFlags::READ | ProtFlags::WRITE, flags)
            };
            Err(errno(error))
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn move_pages(_: NonNull<u8>, _: NonNull<u8>, _: usize) -> Result<(), i32> {
    Err(errno(rustix::io::Errno::NOTSUP))
}

pub(super) unsafe fn protect(start: NonNull<u8>, size: usize, access: Access) -> Result<(), i32> {
    let flags = match access {
        Access::None => MprotectFlags::empty(),
        Access::Read => MprotectFlags::READ,
        Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        Access::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
        Access::ReadWriteExecute => MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::EXEC,
    };
    // SAFETY: whole committed pages that the caller owns (contract of `os::protect`).
    unsafe { rustix::mm::mprotect(raw(start), size, flags) }.map_err(errno)
}

pub(super) unsafe fn lock(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed pages that the caller owns (contract of `os::lock`).
    unsafe { rustix::mm::mlock(raw(start), size) }.map_err(errno)
}

pub(super) unsafe fn unlock(start: NonNull<u8>, size: usize) -> Result<(), i32> {
    // SAFETY: whole committed pages that the caller owns (contract of `os::unlock`).
    unsafe { rustix::mm::munlock(raw(start), size) }.map_err(errno)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
unsafe fn advise(start: NonNull<u8>, size: usize, advice: rustix::mm::Advice) -> Result<(), i32> {
    // SAFETY: the caller advises about whole pages it owns, and no advice used here drops their content.
    unsafe { rustix::mm::madvise(raw(start), size, advice) }.map_err(errno)
}

/// Writes each page once, with what stands there. The way to prefault where the kernel knows no better.
unsafe fn touch(start: NonNull<u8>, size: usize) {
    for offset in (0..size).step_by(page_size()) {
        // SAFETY: inside the caller's committed, writable pages, which nobody writes to now (contract of
        // `os::prefault`).
        unsafe {
            let byte = start.as_ptr().add(offset);
            byte.write_volatile(byte.read_volatile());
        }
    }
}

fn usage() -> Option<libc::rusage> {
    let mut usage = core::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for writing one `rusage`.
    let answer = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: success means that the structure was filled.
    (answer == 0).then(|| unsafe { usage.assume_init() })
}

pub(super) fn page_faults() -> PageFaults {
    usage().map_or(PageFaults::default(), |usage| PageFaults {
        minor: u64::try_from(usage.ru_minflt).unwrap_or(0),
        major: u64::try_from(usage.ru_majflt).unwrap_or(0),
    })
}

pub(super) fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// What an error number means, in the program's language, as far as it fits. Allocates nothing.
pub(super) fn describe(code: i32, room: &mut [u8; 128]) -> &str {
    // SAFETY: the buffer is valid for writing its own length, and is ended with a zero whatever comes of it.
    let refused = unsafe { libc::strerror_r(code, room.as_mut_ptr().cast(), room.len() - 1) };
    let end = room
        .iter()
        .position(|byte| *byte == 0)
        .filter(|end| *end > 0 && (refused == 0 || refused == libc::ERANGE));
    match end.map(|end| core::str::from_utf8(&room[..end])) {
        Some(Ok(text)) => text,
        _ => "an error that the system does not know",
    }
}

pub(super) fn entropy() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is valid for writing its own length.
    let got = unsafe { figures::random(bytes.as_mut_ptr(), bytes.len()) };
    let bits = u64::from_ne_bytes(bytes);
    // A kernel that gives nothing (seccomp, very early boot) leaves the clock and the address-space layout.
    if got { bits } else { monotonic_ns().rotate_left(32) ^ (&raw const bytes).addr() as u64 }
}

pub(super) fn variable_is(name: &core::ffi::CStr, value: &[u8]) -> bool {
    // SAFETY: the name ends with a zero. What comes back does too, and stays while nobody changes the environment.
    let found = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: as above.
    !found.is_null() && unsafe { core::ffi::CStr::from_ptr(found) }.to_bytes() == value
}

pub(super) fn thread_name(into: &mut [u8; 64]) -> Option<usize> {
    // SAFETY: the calling thread's own handle, and a buffer of the length that is said, in which a zero ends the name.
    let answer =
        unsafe { libc::pthread_getname_np(libc::pthread_self(), into.as_mut_ptr().cast(), into.len()) };
    (answer == 0).then(|| into.iter().position(|byte| *byte == 0)).flatten()
}

pub(super) fn around_fork(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) -> bool {
    // SAFETY: functions that live as long as the code that registers them, which the C library forgets with its module.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) == 0 }
}

#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub(super) fn without_signals<R>(run: impl FnOnce() -> R) -> R {
    use core::mem::MaybeUninit;
    use libc::{SIG_BLOCK, SIG_SETMASK, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

    let (mut blocked, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: a set that is filled before it is changed and read, and a place for another one, which is filled if the answer is 0.
    let changed = unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for fault in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP] {
            libc::sigdelset(blocked.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(SIG_BLOCK, blocked.as_ptr(), before.as_mut_ptr()) == 0
    };
    let answer = run();
    if changed {
        // SAFETY: the set that was there before; the old one is not asked for.
        unsafe { libc::pthread_sigmask(SIG_SETMASK, before.as_ptr(), core::ptr::null_mut()) };
    }
    answer
}

pub(super) fn write_error(text: &[u8]) {
    // SAFETY: the bytes are there. What was not written is lost, as it is when nobody listens.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

pub(super) fn abort() -> ! {
    // SAFETY: nothing is required.
    unsafe { libc::abort() }
}
