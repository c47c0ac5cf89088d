//! The scratch stack.
//!
//! A scope borrows the one around it, which C can not say. So all of them live in the object: the innermost where hot functions find
//! it, those around it on a pile, where nobody can use them. A scope is left only if it is the innermost.
#![expect(
    unsafe_code,
    reason = "exports functions under C's names; keeps scopes beside what they borrow from"
)]

use std::alloc::Layout;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use arenite::{RegionOptions, Scope, ScratchGuard, ScratchStack};

use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard, refuse};

/// A scratch stack: memory while a function runs, in scopes that are left in reverse order. Of one thread: the one that made it.
pub struct arenite_scratch {
    _object: Object<Scratch>,
}

kind!(arenite_scratch, Scratch, 0x5343_5254u32, shared: false);

/// A scope of a scratch stack. 0 is none.
pub type arenite_scope = u64;

/// Figures of a scratch stack, in bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_scratch_stats {
    /// In use, padding included.
    pub used: usize,
    /// Committed.
    pub committed: usize,
    /// Reserved.
    pub reserved: usize,
    /// Scopes that are open.
    pub depth: usize,
}

struct Open {
    guard: ScratchGuard<'static>,
    around: Scope<'static>,
    number: u64,
}

/// The stack with its scopes.
pub(crate) struct Scratch {
    /// The innermost one, perhaps the stack's own.
    scope: ManuallyDrop<Scope<'static>>,
    /// The guard of the stack's own scope.
    floor: ManuallyDrop<ScratchGuard<'static>>,
    open: Vec<Open>,
    /// The number of the last scope that was opened.
    last: u64,
    /// Boxed: guards and scopes point into it. Freed by `drop`, after them.
    stack: NonNull<ScratchStack>,
}

impl Scratch {
    fn new(stack: ScratchStack) -> Self {
        // Everything that borrows from the stack does so through this one pointer.
        let mut kept = NonNull::from(Box::leak(Box::new(stack)));
        // SAFETY: the stack stays where it is until `drop`, which ends guards and scopes first; nothing but these uses it as a whole
        // meanwhile, but for `trim` and `reset`, which say how. That a scope borrows its guard is to keep the guard from making another one
        // while the first is used: it is only asked to by `reset`.
        let (floor, scope) = unsafe {
            let mut floor: ScratchGuard<'static> = kept.as_mut().guard();
            let scope = core::mem::transmute::<Scope<'_>, Scope<'static>>(floor.scope());
            (floor, scope)
        };
        Self {
            scope: ManuallyDrop::new(scope),
            floor: ManuallyDrop::new(floor),
            open: Vec::with_capacity(16),
            last: 0,
            stack: kept,
        }
    }

    fn enter(&mut self) -> Result<u64, Refusal> {
        self.open.try_reserve(1).map_err(|error| Refusal::new(ARENITE_SYSTEM, error))?;
        // SAFETY: the scope around lies on the pile, where nobody allocates from it, until the inner one has ended. Guards hold no
        // pointers to scopes, nor scopes to guards: both may move.
        let (guard, inner) = unsafe {
            let mut guard =
                core::mem::transmute::<ScratchGuard<'_>, ScratchGuard<'static>>(self.scope.guard());
            let inner = core::mem::transmute::<Scope<'_>, Scope<'static>>(guard.scope());
            (guard, inner)
        };
        let around = core::mem::replace(&mut *self.scope, inner);
        self.last += 1;
        self.open.push(Open { guard, around, number: self.last });
        Ok(self.last)
    }

    fn leave(&mut self, number: u64) -> Result<(), Refusal> {
        match self.open.last() {
            Some(innermost) if innermost.number == number => {}
            _ if self.open.iter().any(|open| open.number == number) => {
                return Err(Refusal::new(ARENITE_BUSY, "a scope inside of this one is open: leave it first"));
            }
            _ => {
                return Err(Refusal::new(
                    ARENITE_STALE,
                    "this scope was left already, or is another stack's",
                ));
            }
        }
        if let Some(Open { guard, around, .. }) = self.open.pop() {
            // The inner one is not used any more; its guard goes after it.
            *self.scope = around;
            drop(guard);
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Refusal> {
        if !self.open.is_empty() {
            return Err(Refusal::new(ARENITE_BUSY, "a scope is open: leave it first"));
        }
        // SAFETY: as in `new`; the scope until now is not used any more.
        *self.scope = unsafe { core::mem::transmute::<Scope<'_>, Scope<'static>>(self.floor.scope()) };
        Ok(())
    }

    /// Starts over with a stack that nobody borrows meanwhile.
    fn with_stack<R>(&mut self, work: impl FnOnce(&mut ScratchStack) -> R) -> Result<R, Refusal> {
        self.reset()?;
        // SAFETY: the floor's guard and scope are made anew below, before anybody can use them: `self` is borrowed mutably. Both are
        // dropped here, once.
        unsafe {
            ManuallyDrop::drop(&mut self.scope);
            ManuallyDrop::drop(&mut self.floor);
        }
        // SAFETY: it stays until `drop`, and nothing borrows from it now.
        let stack: &'static mut ScratchStack = unsafe { &mut *self.stack.as_ptr() };
        let done = work(stack);
        // SAFETY: as in `new`.
        unsafe {
            self.floor = ManuallyDrop::new(stack.guard());
            self.scope =
                ManuallyDrop::new(core::mem::transmute::<Scope<'_>, Scope<'static>>(self.floor.scope()));
        }
        Ok(done)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // From the inside out.
        while let Some(Open { guard, around, .. }) = self.open.pop() {
            *self.scope = around;
            drop(guard);
        }
        // SAFETY: dropped once, nothing of them is used any more; then nothing borrows from the stack, which `new` boxed.
        unsafe {
            ManuallyDrop::drop(&mut self.scope);
            ManuallyDrop::drop(&mut self.floor);
            drop(Box::from_raw(self.stack.as_ptr()));
        }
    }
}

/// Makes a scratch stack, charged to `tag`, and writes it to `scratch`. `reserve` is the address space that it may use: no more can
/// be allocated at a time; 0 is 1 GiB. The caller owns it, until `arenite_scratch_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_create(
    tag: arenite_tag,
    reserve: usize,
    scratch: *mut *mut arenite_scratch,
) -> arenite_error {
    guard(|| {
        let reserve = if reserve == 0 { 1 << 30 } else { reserve };
        let stack = ScratchStack::try_with(RegionOptions::new(tag_of(tag)?, reserve))?;
        // SAFETY: the caller's pointer.
        unsafe { object::make(Scratch::new(stack), scratch) }
    })
}

/// Gives a scratch stack and all of its memory back, scopes that are open included. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_destroy(scratch: *mut arenite_scratch) -> arenite_error {
    if scratch.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(scratch, drop) })
}

/// Opens a scope and writes it to `scope`: what is allocated from now on goes when it is left. Scopes nest. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_enter(
    scratch: *mut arenite_scratch,
    scope: *mut arenite_scope,
) -> arenite_error {
    if scope.is_null() {
        return refuse(ARENITE_NULL_ARGUMENT.into());
    }
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(scope, object::exclusive(scratch, Scratch::enter)?) })
}

/// Leaves a scope: what was allocated since it was entered is gone. It must be the innermost one that is open. O(1).
///
/// Errors: `ARENITE_BUSY` (a scope inside of it is open), `ARENITE_STALE` (left already, or another stack's), `ARENITE_NULL_ARGUMENT`,
/// `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_leave(
    scratch: *mut arenite_scratch,
    scope: arenite_scope,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(scratch, |scratch| scratch.leave(scope)) })
}

/// Frees what was allocated outside of all scopes. None may be open.
///
/// Errors: `ARENITE_BUSY`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_reset(scratch: *mut arenite_scratch) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(scratch, Scratch::reset) })
}

/// As `arenite_scratch_reset`, and gives committed memory beyond the first `keep` bytes back to the system.
///
/// Errors: as `arenite_scratch_reset`; `ARENITE_SYSTEM` (the memory stays committed).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_trim(scratch: *mut arenite_scratch, keep: usize) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(scratch, |scratch| Ok(scratch.with_stack(|stack| stack.try_trim(keep))??))
    })
}

#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(scratch: *mut arenite_scratch, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let scratch = object::hot(scratch).ok_or_else(|| object::refuse_object(scratch))?;
        Ok(scratch.scope.try_alloc_layout(layout(size, ALIGN)?)?.as_mut_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// `size` bytes at a multiple of 16, with arbitrary content, until the innermost scope is left; nothing is to be freed. Null if it
/// can not be had: `arenite_last_error` says why. For the stack's own thread, which is not checked here. O(1): a few instructions.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (more than was reserved),
/// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_alloc(scratch: *mut arenite_scratch, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe {
        if let Some(this) = object::hot(scratch)
            && let Ok(layout) = Layout::from_size_align(size, ALIGN)
            && let Some(room) = this.scope.alloc_committed(layout)
        {
            return room.as_mut_ptr().cast();
        }
        alloc_slow(scratch, size)
    }
}

/// As `arenite_scratch_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_scratch_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_alloc_aligned(
    scratch: *mut arenite_scratch,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        Ok(object::shared(scratch)?.scope.try_alloc_layout(layout(size, align)?)?.as_mut_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// As `arenite_scratch_alloc`, all bytes zero.
///
/// Errors: as `arenite_scratch_alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_alloc_zeroed(
    scratch: *mut arenite_scratch,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's object; so many bytes that were just handed out.
    unsafe {
        let room = arenite_scratch_alloc(scratch, size);
        if !room.is_null() {
            room.cast::<u8>().write_bytes(0, size);
        }
        room
    }
}

/// Writes the figures of a scratch stack to `stats`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scratch_figures(
    scratch: *const arenite_scratch,
    stats: *mut arenite_scratch_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer; the stack is there as long as the object, and is only read.
    guard(|| unsafe {
        let scratch = object::shared(scratch)?;
        let stack = scratch.stack.as_ref();
        let seen = arenite_scratch_stats {
            used: scratch.scope.used(),
            committed: stack.committed(),
            reserved: stack.reserved(),
            depth: scratch.open.len(),
        };
        put(stats, seen)
    })
}
