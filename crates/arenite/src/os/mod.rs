//! Floor 1: what an operating system must offer, as one contract.
//!
//! Reserve address space, commit pages in it, give them back, protect them; page sizes, memory figures, a clock and
//! entropy. The platform is chosen once, here: `unix` (Linux checked, macOS by reading only) or `windows` (checked
//! under Wine). Every call is counted, and with the feature `fault-injection` every call can be made to fail
//! (`fake`). Imports floor 0 only.
//!
//! Ordinary programs use [`Region`](crate::Region), which charges what it commits to a tag; these functions are for
//! those who build their own kind of region.
#![expect(unsafe_code, reason = "hands out and takes back raw memory of the operating system")]

use core::fmt;
use core::ptr::NonNull;

use crate::base::Bytes;
use crate::base::sync::plain::{AtomicU64, AtomicUsize, Ordering};

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod imp;
#[cfg(windows)]
#[path = "windows.rs"]
mod imp;

#[cfg(any(all(test, feature = "std"), feature = "fault-injection"))]
pub mod fake;

/// One kind of call to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [`reserve`]
    Reserve,
    /// [`commit`]
    Commit,
    /// [`decommit`]
    Decommit,
    /// [`protect`]
    Protect,
    /// [`release`]
    Release,
    /// [`prefer_huge`]
    PreferHuge,
    /// [`prefault`]
    Prefault,
    /// [`lock`]
    Lock,
    /// [`unlock`]
    Unlock,
    /// [`query`]
    Query,
    /// [`move_pages`]
    Move,
}

impl Call {
    /// Every kind of call, for tests that make each of them fail.
    pub const ALL: [Self; 11] = [
        Self::Reserve,
        Self::Commit,
        Self::Decommit,
        Self::Protect,
        Self::Release,
        Self::PreferHuge,
        Self::Prefault,
        Self::Lock,
        Self::Unlock,
        Self::Query,
        Self::Move,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserving address space",
            Self::Commit => "committing pages",
            Self::Decommit => "decommitting pages",
            Self::Protect => "protecting pages",
            Self::Release => "releasing address space",
            Self::PreferHuge => "asking for huge pages",
            Self::Prefault => "prefaulting pages",
            Self::Lock => "locking pages",
            Self::Unlock => "unlocking pages",
            Self::Query => "querying a page",
            Self::Move => "moving pages",
        }
    }
}

/// The operating system refused a call. Allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsError {
    call: Call,
    size: usize,
    code: i32,
}

impl OsError {
    /// The code of a failure that was injected by a test and never reached the system.
    pub const INJECTED: i32 = i32::MIN;

    /// Which call was refused.
    #[must_use]
    pub const fn call(self) -> Call {
        self.call
    }

    /// How many bytes the call was about.
    #[must_use]
    pub const fn size(self) -> usize {
        self.size
    }

    /// `errno` on Unix, `GetLastError` on Windows, [`INJECTED`](Self::INJECTED) from a test.
    #[must_use]
    pub const fn code(self) -> i32 {
        self.code
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) was refused: ", self.call.name(), Bytes(self.size))?;
        if self.code == Self::INJECTED {
            return f.write_str("failure injected by a test");
        }
        // Not by `std`, which allocates for it: this is told when there is no memory.
        #[cfg(unix)]
        {
            let mut room = [0; 128];
            write!(f, "{} (os error {})", imp::describe(self.code, &mut room), self.code)
        }
        #[cfg(all(not(unix), feature = "std"))]
        {
            write!(f, "{}", std::io::Error::from_raw_os_error(self.code))
        }
        #[cfg(all(not(unix), not(feature = "std")))]
        {
            write!(f, "os error {}", self.code)
        }
    }
}

impl core::error::Error for OsError {}

/// What a range of committed pages may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Any access faults. The pages keep their content.
    None,
    /// Writing faults.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading, and running what stands there as code; writing faults.
    ReadExecute,
    /// Everything. Some systems refuse it (macOS on arm64, hardened kernels).
    ReadWriteExecute,
}

/// What a page is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageState {
    /// Nothing is mapped at the address.
    Free,
    /// Address space is set aside; any access faults. On Unix pages committed and then protected with
    /// [`Access::None`] look the same.
    Reserved,
    /// The page can be read and perhaps written.
    Committed {
        /// Whether it can be written.
        writable: bool,
    },
}

/// A run of neighbouring pages that are alike, as the system tells it: its own neighbours may be alike, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first address; on Windows that of the page that was asked about, wherever the run begins.
    pub start: usize,
    /// The first address behind it.
    pub end: usize,
    /// What its pages are.
    pub state: PageState,
}

/// Memory of the running process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProcessMemory {
    /// In RAM now.
    pub resident: usize,
    /// The most that ever was in RAM.
    pub resident_peak: usize,
    /// Address space in use.
    pub address_space: usize,
}

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MachineMemory {
    /// All of its RAM.
    pub total: u64,
    /// What could be used without swapping.
    pub available: u64,
}

/// Page faults of the process since it started, all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFaults {
    /// Served without reading a disk. On Windows all faults are counted here.
    pub minor: u64,
    /// Served from a disk.
    pub major: u64,
}

static COUNTS: [AtomicU64; Call::ALL.len()] = [const { AtomicU64::new(0) }; Call::ALL.len()];

/// How often the process has made calls of this kind through this floor. Thread-safe, exact, O(1).
#[must_use]
pub fn calls(call: Call) -> u64 {
    COUNTS[call as usize].load(Ordering::Relaxed)
}

/// How many calls about memory the process has made through this floor, all kinds together. Thread-safe, exact.
#[must_use]
pub fn memory_calls() -> u64 {
    COUNTS.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

/// Counts the call, lets a test refuse it, then makes it.
#[inline]
fn counted<R>(call: Call, size: usize, make: impl FnOnce() -> Result<R, i32>) -> Result<R, OsError> {
    COUNTS[call as usize].fetch_add(1, Ordering::Relaxed);
    #[cfg(any(all(test, feature = "std"), feature = "fault-injection"))]
    if fake::refuses(call) {
        return Err(OsError { call, size, code: OsError::INJECTED });
    }
    make().map_err(|code| OsError { call, size, code })
}

/// Size of a page in bytes: the unit of commit, decommit and protect. Read from the system once.
#[inline]
#[must_use]
pub fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    cached(&PAGE, imp::page_size)
}

/// Granularity of reservations in bytes: a page on Unix, usually 64 KiB on Windows. Read from the system once.
#[inline]
#[must_use]
pub fn granularity() -> usize {
    static GRANULARITY: AtomicUsize = AtomicUsize::new(0);
    cached(&GRANULARITY, imp::granularity)
}

/// Size of a transparent huge page in bytes, where the system has them. Read from the system once.
#[must_use]
pub fn huge_page_size() -> Option<usize> {
    static HUGE: AtomicUsize = AtomicUsize::new(0);
    // 1 stands for "asked, there are none": 0 means "not yet asked".
    let size = cached(&HUGE, || imp::huge_page_size().unwrap_or(1));
    (size > 1).then_some(size)
}

fn cached(cell: &AtomicUsize, ask: impl FnOnce() -> usize) -> usize {
    let known = cell.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let fresh = ask();
    cell.store(fresh, Ordering::Relaxed);
    fresh
}

/// Sets `size` bytes of address space aside at a multiple of `align`, without memory behind it. `size` is a multiple
/// of the [`granularity`], `align` a power of two.
///
/// # Errors
/// The system has no such range to give.
pub fn reserve(size: usize, align: usize) -> Result<NonNull<u8>, OsError> {
    debug_assert!(size > 0 && size.is_multiple_of(granularity()) && align.is_power_of_two());
    counted(Call::Reserve, size, || imp::reserve(size, align))
}

/// As [`reserve`], at exactly this place, a multiple of the [`granularity`]; never in place of what is there.
///
/// # Errors
/// Something is there already, or the system has no such addresses.
pub fn reserve_at(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    debug_assert!(size > 0 && size.is_multiple_of(granularity()));
    counted(Call::Reserve, size, || imp::reserve_exactly(start, size))
}

/// Gives a whole reservation back.
///
/// # Errors
/// The system refused, and the range is still reserved as it was.
///
/// # Safety
/// `base` and `size` are exactly those of a reservation by [`reserve`] or [`reserve_at`], and nobody uses it any more.
pub unsafe fn release(base: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Release, size, || unsafe { imp::release(base, size) })
}

/// Puts memory behind whole pages of a reservation: they read as zero unless they were committed already.
///
/// # Errors
/// The system has no memory to promise. The pages are then as they were before, or some of them committed.
///
/// # Safety
/// The range consists of whole pages inside one reservation that the caller owns.
pub unsafe fn commit(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Commit, size, || unsafe { imp::commit(start, size) })
}

/// Takes the memory from behind whole pages: their content is gone, resident memory falls, and any access faults
/// until they are committed again.
///
/// # Errors
/// The system refused; the content may be gone, the pages may still be accessible.
///
/// # Safety
/// The range consists of whole pages inside one reservation that the caller owns, and nothing in it is in use.
pub unsafe fn decommit(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Decommit, size, || unsafe { imp::decommit(start, size) })
}

/// Takes the memory from behind committed pages, which stay accessible: resident memory falls, and they read as zero.
///
/// # Errors
/// The system refused; the content may be gone, the pages are accessible all the same.
///
/// # Safety
/// The range consists of whole committed pages inside one reservation that the caller owns, and nothing in it is in use.
pub unsafe fn discard(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Decommit, size, || unsafe { imp::discard(start, size) })
}

/// Moves the memory of whole pages to another place without copying it: `to` has the content of `from` afterwards, and
/// `from`, still committed, reads as zero. Linux 5.7 and later can do that, others refuse.
///
/// # Errors
/// The system refused or can not do it. Both ranges are as they were, but for what `to` held, which may be gone.
///
/// # Safety
/// Both ranges consist of whole committed, writable pages, each of one reservation that the caller owns; they do not
/// overlap, and nothing in `to` is in use.
pub unsafe fn move_pages(from: NonNull<u8>, to: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Move, size, || unsafe { imp::move_pages(from, to, size) })
}

/// Changes what committed pages may be used for. They keep their content.
///
/// # Errors
/// The system refused; the access is as it was.
///
/// # Safety
/// The range consists of whole committed pages that the caller owns, and no access that is now forbidden happens.
pub unsafe fn protect(start: NonNull<u8>, size: usize, access: Access) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Protect, size, || unsafe { imp::protect(start, size, access) })
}

/// Asks that huge pages back the range where possible. A hint: success promises nothing.
///
/// # Errors
/// The system does not know huge pages, or refused.
///
/// # Safety
/// The range consists of whole pages inside one reservation that the caller owns.
pub unsafe fn prefer_huge(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::PreferHuge, size, || unsafe { imp::prefer_huge(start, size) })
}

/// Brings committed pages into RAM now, so that their first use does not fault. Their content stays.
///
/// # Errors
/// The system refused, or has not enough memory; pages may have come in partly.
///
/// # Safety
/// The range consists of whole committed, writable pages that the caller owns and nobody writes to at the same time.
pub unsafe fn prefault(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Prefault, size, || unsafe { imp::prefault(start, size) })
}

/// Keeps committed pages in RAM until they are unlocked, decommitted or released.
///
/// # Errors
/// The process may not lock so much (`RLIMIT_MEMLOCK`, working set size).
///
/// # Safety
/// The range consists of whole committed pages that the caller owns.
pub unsafe fn lock(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Lock, size, || unsafe { imp::lock(start, size) })
}

/// Undoes [`lock`].
///
/// # Errors
/// The pages were not locked (Windows), or the system refused.
///
/// # Safety
/// The range consists of whole committed pages that the caller owns.
pub unsafe fn unlock(start: NonNull<u8>, size: usize) -> Result<(), OsError> {
    // SAFETY: the caller's promise, passed on.
    counted(Call::Unlock, size, || unsafe { imp::unlock(start, size) })
}

/// Says what the page at `address` is at the moment. Never reads through the address. For tests and inspection: it
/// reads the process's whole map on Linux, so it is slow.
///
/// # Errors
/// The system refused to tell.
pub fn query(address: *const u8) -> Result<PageState, OsError> {
    extent(address).map(|extent| extent.state)
}

/// As [`query`], and how far it is the same around that address.
///
/// # Errors
/// The system refused to tell.
pub fn extent(address: *const u8) -> Result<Extent, OsError> {
    counted(Call::Query, 0, || imp::extent(address))
}

/// Memory of this process. Zero where the system does not tell. Reads a small file on Linux: not for hot paths.
#[must_use]
pub fn process_memory() -> ProcessMemory {
    imp::process_memory()
}

/// Memory of this machine. Zero where the system does not tell.
#[must_use]
pub fn machine_memory() -> MachineMemory {
    imp::machine_memory()
}

/// Page faults of this process so far. One light system call.
#[must_use]
pub fn page_faults() -> PageFaults {
    imp::page_faults()
}

/// Nanoseconds since some fixed moment; never goes back.
#[must_use]
pub fn monotonic_ns() -> u64 {
    imp::monotonic_ns()
}

/// Random bits that a stranger can not guess.
#[must_use]
pub fn entropy() -> u64 {
    imp::entropy()
}

/// Whether an environment variable has this value. Allocates nothing. Nobody may change the environment meanwhile, which is
/// so before a program's own code runs.
#[must_use]
pub fn variable_is(name: &core::ffi::CStr, value: &[u8]) -> bool {
    imp::variable_is(name, value)
}

/// The name of the calling thread, as the system has it (which may cut it); `None` where it has none. Allocates nothing.
#[must_use]
pub fn thread_name(into: &mut [u8; 64]) -> Option<&str> {
    let len = imp::thread_name(into)?;
    core::str::from_utf8(into.get(..len)?).ok().filter(|name| !name.is_empty())
}

/// From now on calls these functions around each `fork` of the process: on the thread that forks, before it, and after it in
/// either process. They are never taken back. False if the system has no memory to remember them in; where processes do not
/// fork, nothing is to be called.
#[must_use]
pub fn around_fork(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) -> bool {
    imp::around_fork(before, in_parent, in_child)
}

/// Runs something while no signals come to this thread but those of its own faults; and threads that are begun meanwhile never get any others.
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub(crate) fn without_signals<R>(run: impl FnOnce() -> R) -> R {
    imp::without_signals(run)
}

/// Writes to standard error, as far as it goes: for messages where nothing may be allocated.
pub fn write_error(text: &[u8]) {
    imp::write_error(text);
}

/// Ends the process as `abort` does, without running anything of the program's first.
pub fn abort() -> ! {
    imp::abort()
}

#[cfg(all(test, feature = "std"))]
mod tests;
