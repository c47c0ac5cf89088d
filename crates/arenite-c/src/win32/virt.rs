//! `VirtualAlloc` and its family: reservations of the operating system, and a book of what their pages are.
//!
//! ```text
//!   VirtualAlloc ─ reserve ─► os::reserve at a multiple of 64 KiB; the book gets a run
//!                └ commit ──► under the lock: which pages have no memory yet? ─ with no lock: charge them ─ look again
//!                             os::commit, os::protect; the book's runs change
//!   VirtualFree ─► os::decommit or os::release, under the lock; then the charge goes back
//! ```
#![expect(unsafe_code, reason = "hands out raw memory, and exports functions")]

use core::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock};

use arenite::Tag;
use arenite::os::{self, Access, PageState};

use super::book::{Run, Runs, State, lock, lock_with_room};
use super::error::{
    ACCESS_DENIED, BAD_LENGTH, COMMITMENT_LIMIT, Code, INVALID_ADDRESS, INVALID_PARAMETER, NOACCESS,
    NOT_ENOUGH_MEMORY, NOT_LOCKED, NOT_SUPPORTED, WORKING_SET_QUOTA,
};
use super::{answer, tag};

const MEM_COMMIT: u32 = 0x1000;
const MEM_RESERVE: u32 = 0x2000;
const MEM_DECOMMIT: u32 = 0x4000;
const MEM_RELEASE: u32 = 0x8000;
const MEM_FREE: u32 = 0x1_0000;
const MEM_PRIVATE: u32 = 0x2_0000;
const MEM_RESET: u32 = 0x8_0000;
const MEM_TOP_DOWN: u32 = 0x10_0000;
const MEM_WRITE_WATCH: u32 = 0x20_0000;

const PAGE_NOACCESS: u32 = 0x01;
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;
const PAGE_EXECUTE: u32 = 0x10;
const PAGE_EXECUTE_READ: u32 = 0x20;
const PAGE_EXECUTE_READWRITE: u32 = 0x40;
const PAGE_GUARD: u32 = 0x100;
const PAGE_NOCACHE: u32 = 0x200;
const PAGE_WRITECOMBINE: u32 = 0x400;

/// Reservations begin at a multiple of this.
pub(super) const GRANULARITY: usize = 0x1_0000;
/// The addresses a program may have.
pub(super) const ADDRESSES: Range<usize> = 0x1_0000..0x7fff_ffff_0000;

/// All reservations of this face. No memory is asked for and nothing charged while it is locked.
pub(super) static BOOK: Mutex<Runs> = Mutex::new(Runs::new());

fn owner() -> Tag {
    static TAG: OnceLock<Tag> = OnceLock::new();
    *TAG.get_or_init(|| tag("win32/virtual"))
}

/// The protection a program asked for, in the form that is kept.
fn known_protection(wish: u32) -> Result<u32, Code> {
    let kept = wish & (0xff | PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE);
    let modifiers = kept & !0xff;
    match kept & 0xff {
        PAGE_NOACCESS if modifiers == 0 => Ok(kept),
        PAGE_READONLY | PAGE_READWRITE | PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE
            if modifiers.count_ones() <= 1 =>
        {
            Ok(kept)
        }
        _ => Err(INVALID_PARAMETER),
    }
}

/// What the system is told. A guard page is closed: nobody can raise its exception.
const fn access(protect: u32) -> Access {
    if protect & PAGE_GUARD != 0 {
        return Access::None;
    }
    match protect & 0xff {
        PAGE_READONLY => Access::Read,
        PAGE_READWRITE => Access::ReadWrite,
        PAGE_EXECUTE | PAGE_EXECUTE_READ => Access::ReadExecute,
        PAGE_EXECUTE_READWRITE => Access::ReadWriteExecute,
        _ => Access::None,
    }
}

/// Whether memory of this protection can be read, and perhaps written.
pub(super) const fn allows(protect: u32, write: bool) -> bool {
    match access(protect) {
        Access::None => false,
        Access::Read | Access::ReadExecute => !write,
        Access::ReadWrite | Access::ReadWriteExecute => true,
    }
}

/// The whole pages that a range of a program's touches.
fn pages(address: usize, size: usize) -> Result<Range<usize>, Code> {
    let page = os::page_size();
    let end = address.checked_add(size).and_then(|end| end.checked_next_multiple_of(page));
    let end = end.filter(|end| *end <= ADDRESSES.end).ok_or(INVALID_PARAMETER)?;
    Ok(address & !(page - 1)..end)
}

fn at(address: usize) -> NonNull<u8> {
    // Its reservation's own provenance was shown to the system, which is who uses it.
    NonNull::new(std::ptr::with_exposed_provenance_mut(address)).expect("no reservation begins at null")
}

/// Gives pages of a run the memory and the access that the book says they have. As far as the system does it.
fn put_back(runs: &Runs, range: &Range<usize>) {
    for run in runs.within(range) {
        // SAFETY: whole pages of a reservation of ours, under the lock; those without memory were never given to the program.
        let _ = unsafe {
            match run.state {
                State::Reserved => os::decommit(at(run.start), run.end - run.start),
                State::Committed { protect, .. } => {
                    os::protect(at(run.start), run.end - run.start, access(protect))
                }
            }
        };
    }
}

fn reserve(range: Option<Range<usize>>, size: usize, protect: u32, commit: bool) -> Result<usize, Code> {
    // So that nothing can fail once the system has given the range.
    drop(lock_with_room(&BOOK, 1)?);
    let tag = owner();
    let (start, size) = match range {
        Some(range) => {
            let size = range.end - range.start;
            os::reserve_at(at(range.start), size).map_err(|_| INVALID_ADDRESS)?;
            (at(range.start), size)
        }
        None => (os::reserve(size, GRANULARITY).map_err(|_| NOT_ENOUGH_MEMORY)?, size),
    };
    let base = start.as_ptr().expose_provenance();
    // SAFETY: the reservation just made, which nobody knows of.
    let give_back = || unsafe { os::release(start, size) }.map_err(|_| NOT_ENOUGH_MEMORY);
    if commit {
        if tag.try_charge_committed(size).is_err() {
            give_back()?;
            return Err(COMMITMENT_LIMIT);
        }
        // SAFETY: as above.
        let done = unsafe { os::commit(start, size) };
        // SAFETY: as above.
        let done = done.and_then(|()| unsafe { os::protect(start, size, access(protect)) });
        if done.is_err() {
            tag.credit_committed(size);
            give_back()?;
            return Err(COMMITMENT_LIMIT);
        }
    }
    let state = if commit { State::Committed { protect, locked: false } } else { State::Reserved };
    let run = Run { start: base, end: base + size, base, base_protect: protect, state };
    // First, because whoever finds it in the book may give it back.
    tag.charge_reserved(size);
    match lock_with_room(&BOOK, 1) {
        Ok(mut book) => {
            book.add(run);
            Ok(base)
        }
        Err(code) => {
            tag.credit_reserved(size);
            if commit {
                tag.credit_committed(size);
            }
            give_back()?;
            Err(code)
        }
    }
}

fn commit(range: &Range<usize>, protect: u32) -> Result<usize, Code> {
    let tag = owner();
    let size = range.end - range.start;
    let mut charged = 0;
    let done = loop {
        let mut book = match lock_with_room(&BOOK, Runs::CUTS) {
            Ok(book) => book,
            Err(code) => break Err(code),
        };
        if !book.is_one(range) {
            break Err(INVALID_ADDRESS);
        }
        let protect = match known_protection(protect) {
            Ok(protect) => protect,
            Err(code) => break Err(code),
        };
        let needed = size - book.committed(range);
        if needed > charged {
            drop(book);
            // Program code may run here, and change the very pages.
            if tag.try_charge_committed(needed - charged).is_err() {
                break Err(COMMITMENT_LIMIT);
            }
            charged = needed;
            continue;
        }
        let mut done = book.within(range).filter(|run| !run.is_committed()).try_for_each(|run| {
            // SAFETY: whole pages of a reservation of ours, under the lock.
            unsafe { os::commit(at(run.start), run.end - run.start) }
        });
        if done.is_ok() {
            // SAFETY: as above; all of them are committed by now. The program says what they may be used for.
            done = unsafe { os::protect(at(range.start), size, access(protect)) };
        }
        if done.is_err() {
            put_back(&book, range);
            break Err(COMMITMENT_LIMIT);
        }
        book.set(range, |state| match state {
            State::Reserved => State::Committed { protect, locked: false },
            State::Committed { locked, .. } => State::Committed { protect, locked },
        });
        drop(book);
        // Another thread may have committed some meanwhile.
        tag.credit_committed(charged - needed);
        return Ok(range.start);
    };
    tag.credit_committed(charged);
    done
}

/// Says that nobody needs what is in these pages.
fn reset(range: &Range<usize>) -> Result<usize, Code> {
    let book = lock(&BOOK);
    if !book.is_one(range) {
        return Err(INVALID_ADDRESS);
    }
    for run in book.within(range) {
        // Where a fresh mapping is needed for it, only such pages keep their access.
        if run.state == (State::Committed { protect: PAGE_READWRITE, locked: false }) {
            // SAFETY: whole committed pages of ours, under the lock; the program says that nothing in them is in use. It is
            // a hint: refused, the content stays.
            let _ = unsafe { os::discard(at(run.start), run.end - run.start) };
        }
    }
    Ok(range.start)
}

/// `VirtualAlloc`; see the header.
///
/// # Safety
/// With `MEM_COMMIT` or `MEM_RESET` and an address: nobody uses these pages in a way that the new protection forbids, or needs
/// what a reset drops. Nothing is read or written at the address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualAlloc(
    address: *mut c_void,
    size: usize,
    kind: u32,
    protect: u32,
) -> *mut c_void {
    let done = answer(0, || {
        let wanted = kind & (MEM_COMMIT | MEM_RESERVE | MEM_RESET);
        if size == 0 || wanted == 0 || kind & !(wanted | MEM_TOP_DOWN | MEM_WRITE_WATCH) != 0 {
            return Err(INVALID_PARAMETER);
        }
        if kind & MEM_WRITE_WATCH != 0 {
            return Err(NOT_SUPPORTED);
        }
        let address = address.expose_provenance();
        if address != 0 && address < ADDRESSES.start {
            return Err(INVALID_PARAMETER);
        }
        let range = pages(address, size)?;
        if wanted & MEM_RESET != 0 {
            return if wanted == MEM_RESET && address != 0 { reset(&range) } else { Err(INVALID_PARAMETER) };
        }
        if address != 0 && wanted & MEM_RESERVE == 0 {
            return commit(&range, protect);
        }
        let protect = known_protection(protect)?;
        let place = (address != 0).then_some(range.start & !(GRANULARITY - 1)..range.end);
        reserve(place, range.end, protect, wanted & MEM_COMMIT != 0)
    });
    std::ptr::with_exposed_provenance_mut(done)
}

fn decommit(range: &Range<usize>) -> Result<(), Code> {
    let mut book = lock_with_room(&BOOK, Runs::CUTS)?;
    let first = book.at(range.start).ok_or(INVALID_PARAMETER)?;
    let whole = book.reservation(first.base).ok_or(INVALID_PARAMETER)?;
    let range = match range.is_empty() {
        false => range.clone(),
        true if range.start == whole.start => whole.clone(),
        true => return Err(INVALID_ADDRESS),
    };
    if range.end > whole.end {
        return Err(INVALID_PARAMETER);
    }
    let mut gone = 0;
    let mut done = Ok(());
    let mut reached = range.end;
    for run in book.within(&range).filter(Run::is_committed) {
        // SAFETY: whole pages of a reservation of ours, under the lock; the program gives them back.
        if unsafe { os::decommit(at(run.start), run.end - run.start) }.is_err() {
            done = Err(NOT_ENOUGH_MEMORY);
            reached = run.start;
            break;
        }
        gone += run.end - run.start;
    }
    book.set(&(range.start..reached), |_| State::Reserved);
    drop(book);
    owner().credit_committed(gone);
    done
}

fn release(start: usize) -> Result<(), Code> {
    let mut book = lock(&BOOK);
    let first = book.at(start).ok_or(INVALID_PARAMETER)?;
    let whole = book.reservation(start).filter(|_| first.base == start).ok_or(INVALID_ADDRESS)?;
    let (size, committed) = (whole.end - whole.start, book.committed(&whole));
    // SAFETY: a whole reservation of ours, under the lock; the program gives it back.
    unsafe { os::release(at(whole.start), size) }.map_err(|_| NOT_ENOUGH_MEMORY)?;
    book.remove(&whole);
    drop(book);
    owner().credit_committed(committed);
    owner().credit_reserved(size);
    Ok(())
}

/// `VirtualFree`; see the header.
///
/// # Safety
/// Nobody uses these pages any more. Any address is allowed: nothing is read or written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualFree(address: *mut c_void, size: usize, kind: u32) -> i32 {
    answer(0, || {
        let range = pages(address.addr(), size)?;
        match kind {
            MEM_RELEASE if size == 0 => release(range.start)?,
            // Of no size: the whole reservation, whose first page is meant.
            MEM_DECOMMIT if size == 0 => decommit(&(range.start..range.start))?,
            MEM_DECOMMIT => decommit(&range)?,
            _ => return Err(INVALID_PARAMETER),
        }
        Ok(1)
    })
}

/// `VirtualProtect`; see the header.
///
/// # Safety
/// `old` is null or valid for writing. Nobody uses these pages in a way that is forbidden now. Any address is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualProtect(
    address: *mut c_void,
    size: usize,
    protect: u32,
    old: *mut u32,
) -> i32 {
    answer(0, || {
        if old.is_null() {
            return Err(NOACCESS);
        }
        let range = pages(address.addr(), size)?;
        let mut book = lock_with_room(&BOOK, Runs::CUTS)?;
        let first = book.at(range.start).ok_or(INVALID_PARAMETER)?;
        if !book.is_one(&range) {
            return Err(INVALID_PARAMETER);
        }
        let State::Committed { protect: before, .. } = first.state else {
            return Err(INVALID_ADDRESS);
        };
        if book.committed(&range) < range.end - range.start {
            return Err(INVALID_ADDRESS);
        }
        let protect = known_protection(protect)?;
        if !range.is_empty() {
            // SAFETY: whole committed pages of ours, under the lock; the program says what they may be used for.
            let done = unsafe { os::protect(at(range.start), range.end - range.start, access(protect)) };
            if done.is_err() {
                put_back(&book, &range);
                return Err(ACCESS_DENIED);
            }
        }
        book.set(&range, |state| match state {
            State::Committed { locked, .. } => State::Committed { protect, locked },
            State::Reserved => state,
        });
        drop(book);
        // SAFETY: the caller's promise.
        unsafe { old.write(before) };
        Ok(1)
    })
}

/// `MEMORY_BASIC_INFORMATION`, as the header has it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Information {
    base_address: usize,
    allocation_base: usize,
    allocation_protect: u32,
    partition: u16,
    region_size: usize,
    state: u32,
    protect: u32,
    kind: u32,
}

fn information(address: usize) -> Result<Information, Code> {
    let page = address & !(os::page_size() - 1);
    let free = Information {
        base_address: page,
        allocation_base: 0,
        allocation_protect: 0,
        partition: 0,
        region_size: 0,
        state: MEM_FREE,
        protect: PAGE_NOACCESS,
        kind: 0,
    };
    let book = lock(&BOOK);
    if let Some(run) = book.at(address) {
        let (state, protect) = match run.state {
            State::Reserved => (MEM_RESERVE, 0),
            State::Committed { protect, .. } => (MEM_COMMIT, protect),
        };
        return Ok(Information {
            allocation_base: run.base,
            allocation_protect: run.base_protect,
            region_size: run.end - page,
            state,
            protect,
            kind: MEM_PRIVATE,
            ..free
        });
    }
    // Not ours: the system tells what it is, in pieces of its own.
    let gap = book.gap(address);
    drop(book);
    let extent = os::extent(std::ptr::without_provenance(address)).map_err(|_| INVALID_PARAMETER)?;
    let start = extent.start.max(gap.start);
    let region_size = extent.end.min(gap.end).min(ADDRESSES.end) - page;
    let (state, protect) = match extent.state {
        PageState::Committed { writable: true } => (MEM_COMMIT, PAGE_READWRITE),
        PageState::Committed { writable: false } => (MEM_COMMIT, PAGE_READONLY),
        PageState::Reserved => (MEM_RESERVE, 0),
        _ => return Ok(Information { region_size, ..free }),
    };
    let allocation_protect = if protect == 0 { PAGE_NOACCESS } else { protect };
    Ok(Information {
        allocation_base: start,
        allocation_protect,
        region_size,
        state,
        protect,
        kind: MEM_PRIVATE,
        ..free
    })
}

/// `VirtualQuery`; see the header.
///
/// # Safety
/// `into` is null or valid for writing `length` bytes. Any address may be asked about: nothing is read there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualQuery(
    address: *const c_void,
    into: *mut c_void,
    length: usize,
) -> usize {
    answer(0, || {
        if length < size_of::<Information>() {
            return Err(BAD_LENGTH);
        }
        if address.addr() >= ADDRESSES.end {
            return Err(INVALID_PARAMETER);
        }
        if into.is_null() {
            return Err(NOACCESS);
        }
        let information = information(address.addr())?;
        // SAFETY: the caller's promise; no alignment is relied on.
        unsafe { into.cast::<Information>().write_unaligned(information) };
        Ok(size_of::<Information>())
    })
}

/// Locks or unlocks the pages of a range, ours or not.
fn pin(address: usize, size: usize, keep: bool) -> Result<i32, Code> {
    let range = pages(address, size)?;
    if range.is_empty() {
        return Ok(1);
    }
    let mut book = lock_with_room(&BOOK, Runs::CUTS)?;
    let mut reached = range.start;
    while reached < range.end {
        match book.at(reached) {
            Some(Run { end, state: State::Committed { protect, locked }, .. }) if allows(protect, false) => {
                if !keep && !locked {
                    return Err(NOT_LOCKED);
                }
                reached = end;
            }
            Some(_) => return Err(if keep { ACCESS_DENIED } else { NOT_LOCKED }),
            None => {
                let gap = book.gap(reached);
                match os::extent(std::ptr::without_provenance(reached)) {
                    Ok(extent) if matches!(extent.state, PageState::Committed { .. }) => {
                        reached = extent.end.min(gap.end);
                    }
                    _ => return Err(if keep { ACCESS_DENIED } else { NOT_LOCKED }),
                }
            }
        }
    }
    let size = range.end - range.start;
    // SAFETY: whole pages that were just shown to be there, ours under the lock; locking changes nothing in them. Of memory that is
    // not ours the program vouches that it stays.
    let done =
        unsafe { if keep { os::lock(at(range.start), size) } else { os::unlock(at(range.start), size) } };
    done.map_err(|_| if keep { WORKING_SET_QUOTA } else { NOT_LOCKED })?;
    // Pages of ours; there may be gaps of others' between.
    let mut reached = range.start;
    while reached < range.end {
        let Some(run) = book.at(reached) else {
            reached = book.gap(reached).end;
            continue;
        };
        let end = run.end.min(range.end);
        book.set(&(reached..end), |state| match state {
            State::Committed { protect, .. } => State::Committed { protect, locked: keep },
            State::Reserved => state,
        });
        reached = end;
    }
    Ok(1)
}

/// `VirtualLock`; see the header.
///
/// # Safety
/// Memory that is not of `VirtualAlloc` stays where it is meanwhile. Any address is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualLock(address: *mut c_void, size: usize) -> i32 {
    answer(0, || pin(address.addr(), size, true))
}

/// `VirtualUnlock`; see the header.
///
/// # Safety
/// As [`arenite_win32_VirtualLock`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_VirtualUnlock(address: *mut c_void, size: usize) -> i32 {
    answer(0, || pin(address.addr(), size, false))
}
