//! `IsBadReadPtr` and its family: answered from the book of regions, and by the system for addresses that are not in it.
#![expect(unsafe_code, reason = "reads strings of the program's, and exports functions")]

use core::ffi::{c_char, c_void};
use std::ops::Range;

use arenite::os::{self, PageState};

use super::answer;
use super::book::{Runs, State, lock};
use super::virt::{ADDRESSES, BOOK, allows};

/// How far memory can be read, or written, from an address on, in one piece as far as one look tells; `None` if not at all.
fn reach(book: &Runs, address: usize, write: bool) -> Option<usize> {
    if let Some(run) = book.at(address) {
        let State::Committed { protect, .. } = run.state else { return None };
        return allows(protect, write).then_some(run.end);
    }
    let extent = os::extent(std::ptr::without_provenance(address)).ok()?;
    match extent.state {
        PageState::Committed { writable } if writable || !write => {
            Some(extent.end.min(book.gap(address).end))
        }
        _ => None,
    }
}

fn is_bad(range: &Range<usize>, write: bool) -> bool {
    if range.end > ADDRESSES.end {
        return true;
    }
    let book = lock(&BOOK);
    let mut reached = range.start;
    while reached < range.end {
        match reach(&book, reached, write) {
            Some(end) => reached = end,
            None => return true,
        }
    }
    false
}

fn is_bad_range(address: usize, size: usize, write: bool) -> i32 {
    answer(1, || {
        let bad = size > 0 && address.checked_add(size).is_none_or(|end| is_bad(&(address..end), write));
        Ok(i32::from(bad))
    })
}

/// `IsBadReadPtr`; see the header. Any address is allowed; nothing is read there.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_IsBadReadPtr(address: *const c_void, size: usize) -> i32 {
    is_bad_range(address.addr(), size, false)
}

/// `IsBadWritePtr`; see the header. Any address is allowed; nothing is read or written there.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_IsBadWritePtr(address: *mut c_void, size: usize) -> i32 {
    is_bad_range(address.addr(), size, true)
}

/// `IsBadStringPtrA`; see the header.
///
/// # Safety
/// Any address is allowed: what is not readable is not read. Memory that is not of `VirtualAlloc` stays what it is meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_IsBadStringPtrA(text: *const c_char, most: usize) -> i32 {
    answer(1, || {
        if text.is_null() {
            return Ok(1);
        }
        let start = text.expose_provenance();
        let end = start.saturating_add(most);
        // Nobody can take pages of ours away while they are read.
        let book = lock(&BOOK);
        let mut reached = start;
        while reached < end {
            let Some(readable) = reach(&book, reached, false) else { return Ok(1) };
            for address in reached..readable.min(end) {
                let byte = std::ptr::with_exposed_provenance::<u8>(address);
                // SAFETY: readable memory, ours or, as the caller promised, such as stays. Its content is only compared.
                if unsafe { byte.read_volatile() } == 0 {
                    return Ok(0);
                }
            }
            reached = readable;
        }
        Ok(0)
    })
}
