//! The thread's last error, as Win32 has it: set by a call that is refused, left alone by one that succeeds.
#![expect(unsafe_code, reason = "exports functions")]

use std::cell::Cell;

/// Nothing went wrong.
pub(super) const NO_ERROR: Code = Code(0);
pub(super) const INVALID_HANDLE: Code = Code(6);
pub(super) const NOT_ENOUGH_MEMORY: Code = Code(8);
/// `ERROR_ACCESS_DENIED`.
pub(super) const ACCESS_DENIED: Code = Code(5);
pub(super) const BAD_LENGTH: Code = Code(24);
pub(super) const NOT_SUPPORTED: Code = Code(50);
pub(super) const INVALID_PARAMETER: Code = Code(87);
pub(super) const DISCARDED: Code = Code(157);
pub(super) const NOT_LOCKED: Code = Code(158);
pub(super) const NO_MORE_ITEMS: Code = Code(259);
pub(super) const NOT_OWNER: Code = Code(288);
pub(super) const INVALID_ADDRESS: Code = Code(487);
/// A pointer for an answer is null.
pub(super) const NOACCESS: Code = Code(998);
pub(super) const INTERNAL_ERROR: Code = Code(1359);
pub(super) const WORKING_SET_QUOTA: Code = Code(1453);
pub(super) const COMMITMENT_LIMIT: Code = Code(1455);

/// A code of `winerror.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u32);

std::thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
}

/// Makes it the calling thread's last error.
pub(super) fn set(code: Code) {
    LAST.set(code.0);
}

/// `GetLastError`: the calling thread's last error. Thread-safe, and so is every function of this face.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GetLastError() -> u32 {
    LAST.get()
}

/// `SetLastError`: sets the calling thread's last error to any number.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_SetLastError(code: u32) {
    LAST.set(code);
}
