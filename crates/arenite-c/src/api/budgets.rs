//! Budgets, and what is said when they are reached.
#![expect(unsafe_code, reason = "exports functions under C's names, which write where C says")]

use std::ffi::c_void;

use arenite::ledger::{Pressure, PressureLevel};
use arenite::{Budget, BudgetStatus};

use super::object::under_pressure;
use super::tags::{arenite_tag, number_of, tag_of};
use super::texts::put;
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, guard};

/// A tag's budget, and how it stands.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_budget {
    /// Bytes that may be committed under the tag; `SIZE_MAX` without a budget.
    pub limit: usize,
    /// From how many committed bytes on it is a warning; `SIZE_MAX` without one.
    pub warning: usize,
    /// Bytes committed under the tag now.
    pub committed: usize,
    /// By how many bytes the limit is exceeded: of soft budgets, and of hard ones that were set below what was in use.
    pub over: usize,
    /// 1 if what goes beyond the limit is refused, else 0.
    pub is_hard: i32,
    /// 1 if `committed` has reached `warning`, else 0.
    pub is_warning: i32,
}

/// What happened to a budget.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum arenite_pressure_level {
    /// The warning mark was reached.
    ARENITE_PRESSURE_WARNING = 0,
    /// More is in use than the limit allows.
    ARENITE_PRESSURE_OVER = 1,
    /// A commit is about to be refused; it is tried once more after the callbacks, which may free something.
    ARENITE_PRESSURE_REFUSED = 2,
}

/// What a pressure callback is told.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_pressure {
    /// The tag whose budget is concerned; what was charged may be any tag under it.
    pub tag: arenite_tag,
    /// What happened.
    pub level: arenite_pressure_level,
    /// Bytes committed under the tag just before the call.
    pub in_use: usize,
    /// The budget's limit.
    pub limit: usize,
    /// Bytes that were refused; 0 when nothing was.
    pub wanted: usize,
}

/// A function that is told of pressure. It runs on the thread that charged, in the middle of whatever allocates there, with no lock held.
/// It may allocate, free blocks and unload resources; what changes an object as a whole (begins a frame, enters, leaves, resets or trims
/// scratch, inserts by handle, clears, destroys) answers `ARENITE_BUSY` until it has returned. It must return, not jump out or throw.
pub type arenite_pressure_callback =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, pressure: *const arenite_pressure)>;

fn warn_at(budget: Budget, fraction: f64) -> Budget {
    if fraction > 0.0 && fraction < 1.0 { budget.warn_at(fraction) } else { budget }
}

/// From now on at most `bytes` are ever committed under the tag: what would go beyond is refused with `ARENITE_OVER_BUDGET`. A limit below
/// what is in use is allowed. With `warn_at` between 0 and 1 there is a warning from that fraction of the limit on; any other value:
/// none. Thread-safe. Pressure callbacks may run before this returns.
///
/// Errors: `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_budget_set_hard(tag: arenite_tag, bytes: usize, warn_at: f64) -> arenite_error {
    guard(|| {
        tag_of(tag)?.set_budget(self::warn_at(Budget::hard(bytes), warn_at));
        Ok(())
    })
}

/// As `arenite_budget_set_hard`, for a limit that is only reported: nothing is refused.
///
/// Errors: `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_budget_set_soft(tag: arenite_tag, bytes: usize, warn_at: f64) -> arenite_error {
    guard(|| {
        tag_of(tag)?.set_budget(self::warn_at(Budget::soft(bytes), warn_at));
        Ok(())
    })
}

/// From now on the tag has no budget of its own; those of tags above it count as before. Thread-safe.
///
/// Errors: `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_budget_clear(tag: arenite_tag) -> arenite_error {
    guard(|| {
        tag_of(tag)?.set_budget(Budget::NONE);
        Ok(())
    })
}

/// Writes a tag's budget and how it stands to `budget`. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_budget_get(tag: arenite_tag, budget: *mut arenite_budget) -> arenite_error {
    guard(|| {
        let account = tag_of(tag)?.account();
        let over = if let BudgetStatus::Over(bytes) = account.status { bytes } else { 0 };
        let warning = account.budget.warning().unwrap_or(usize::MAX);
        let seen = arenite_budget {
            limit: account.budget.limit().unwrap_or(usize::MAX),
            warning,
            committed: account.subtree.committed,
            over,
            is_hard: account.budget.is_hard().into(),
            is_warning: (account.subtree.committed >= warning).into(),
        };
        // SAFETY: the caller's pointer.
        unsafe { put(budget, seen) }
    })
}

/// Keeps a callback for when the bytes committed under the tag reach the budget's warning mark, go over its limit, or would have to. Of a
/// mark or a limit it is told once per crossing upwards, and again only after the figure was below 95 % of it; of refusals each time, and a
/// call that tries more than one way to get memory may be refused more than once. It runs on the thread whose charge it is, before that
/// charge returns; what it takes of the general heap is charged to `ARENITE_UNTAGGED`. It is never called inside itself, nor by two threads
/// at once. At most four for each tag; they are never taken back, so `user` must stay good until the process ends. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT` (no callback), `ARENITE_BAD_TAG`, `ARENITE_FULL` (four are there already).
#[unsafe(no_mangle)]
pub extern "C" fn arenite_on_pressure(
    tag: arenite_tag,
    callback: arenite_pressure_callback,
    user: *mut c_void,
) -> arenite_error {
    struct User(*mut c_void);
    // SAFETY: the pointer is handed on to the callback, which by the contract above is called by any thread, one at a time.
    unsafe impl Sync for User {}
    impl User {
        fn get(&self) -> *mut c_void {
            self.0
        }
    }
    guard(|| {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        let (tag, user) = (tag_of(tag)?, User(user));
        let tell = move |pressure: &Pressure| {
            let told = arenite_pressure {
                tag: number_of(pressure.tag),
                level: match pressure.level {
                    PressureLevel::Warning => arenite_pressure_level::ARENITE_PRESSURE_WARNING,
                    PressureLevel::Over => arenite_pressure_level::ARENITE_PRESSURE_OVER,
                    _ => arenite_pressure_level::ARENITE_PRESSURE_REFUSED,
                },
                in_use: pressure.in_use,
                limit: pressure.budget.limit().unwrap_or(usize::MAX),
                wanted: pressure.wanted,
            };
            // SAFETY: the program's function with what it was registered with.
            under_pressure(|| unsafe { callback(user.get(), &raw const told) });
        };
        // It stays for ever, as the ledger demands.
        let kept = Box::into_raw(Box::new(tell));
        // SAFETY: just made, and not taken back unless nobody knows of it.
        unsafe {
            tag.on_pressure(&*kept).map_err(|error| {
                drop(Box::from_raw(kept));
                Refusal::new(ARENITE_FULL, error)
            })
        }
    })
}
