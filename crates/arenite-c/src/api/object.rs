//! What an opaque pointer leads to, and how it is believed.
//!
//! Each object lies in a block of the general heap, with a magic word of its kind. Before an object is touched as a whole it is made sure that
//! the pointer leads into a live block of that heap, large enough, that it says it is of this kind, and that this is its thread. So what was
//! destroyed, is of another kind, or never was one is told, without reading at an address that is not ours. Hot functions look at the magic
//! word only.
//!
//! ```text
//!   | 16 bytes | value | magic, users, thread |
//!              ▲ what C has: not where the block begins, so that `arenite_free` takes no object for one of the program's blocks
//! ```
#![expect(unsafe_code, reason = "follows pointers that C gave")]

use std::alloc::Layout;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicU32, Ordering};

use arenite::heap::bucket::{StdThreads, alloc_noted, try_free, try_usable_size};

use crate::error::Refusal;
use crate::error::arenite_error::*;

/// In a magic word: the object is being changed as a whole.
const CHANGING: u32 = 1;

/// Bytes from the start of its block to an object.
const AHEAD: usize = 16;

/// An object of C's: a value, and what it is known by. The value comes first: hot functions find it without an offset.
#[repr(C)]
pub(crate) struct Object<T> {
    value: UnsafeCell<T>,
    magic: AtomicU32,
    /// Calls that run functions of the program's meanwhile.
    users: AtomicU32,
    /// Its thread, for kinds that have one.
    thread: usize,
}

/// A kind of object: an opaque type of the header.
///
/// # Safety
/// Pointers to the type are pointers to an `Object` of its value; `SHARED` only if that is `Send` and `Sync`.
pub(crate) unsafe trait Kind: Sized {
    type Value;
    /// Even, and no other kind's.
    const MAGIC: u32;
    /// Whether any thread may use it.
    const SHARED: bool;
    /// What its functions are named after.
    const NAME: &'static str;
}

macro_rules! kind {
    ($name:ident, $value:ty, $magic:literal, shared: $shared:literal) => {
        // SAFETY: made by `make` only, and never looked at as what it is called; those who are shared assert what they are.
        unsafe impl $crate::api::object::Kind for $name {
            type Value = $value;
            const MAGIC: u32 = $magic;
            const SHARED: bool = $shared;
            const NAME: &'static str = stringify!($name);
        }
        const _: () = {
            assert!(
                $magic % 2 == 0 && size_of::<$name>() == size_of::<$crate::api::object::Object<$value>>()
            );
        };
    };
}
pub(crate) use kind;

/// A number of the calling thread, which no other one has as long as both live.
pub(crate) fn here() -> usize {
    std::thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| core::ptr::from_ref(here).addr())
}

fn object<K: Kind>(pointer: *const K) -> *const Object<K::Value> {
    pointer.cast()
}

/// The block of an object.
fn home<K: Kind>() -> Layout {
    const { assert!(align_of::<Object<K::Value>>() <= AHEAD) };
    // Never larger than an address space.
    Layout::new::<([u128; AHEAD / 16], Object<K::Value>)>()
}

/// Makes an object and writes where it is.
///
/// # Safety
/// `out` is null or can be written.
pub(crate) unsafe fn make<K: Kind>(value: K::Value, out: *mut *mut K) -> Result<(), Refusal> {
    if out.is_null() {
        return Err(ARENITE_NULL_ARGUMENT.into());
    }
    let room = alloc_noted::<StdThreads>(home::<K>().size(), AHEAD);
    let room = room.ok_or_else(|| Refusal::new(ARENITE_SYSTEM, "no memory for the object itself"))?;
    // SAFETY: inside of the block, with room for it behind; ours. `out` by the caller's promise.
    unsafe {
        let made = room.add(AHEAD).cast::<Object<K::Value>>();
        made.write(Object {
            value: UnsafeCell::new(value),
            magic: AtomicU32::new(K::MAGIC),
            users: AtomicU32::new(0),
            thread: here(),
        });
        out.write(made.as_ptr().cast());
    }
    Ok(())
}

/// For hot functions: the value, if this looks like an object of the kind.
///
/// # Safety
/// Null, or an address that can be read: an object of this library's, perhaps one that was destroyed. The answer is used until the
/// function returns only.
#[inline(always)]
pub(crate) unsafe fn hot<'o, K: Kind>(pointer: *const K) -> Option<&'o K::Value> {
    // SAFETY: the caller's promise. Nobody has the value mutably: then its magic word would say so.
    unsafe {
        let object = object(pointer).as_ref()?;
        // Not as an atomic, which compilers do not compare in place: who changes the word meanwhile, on another thread, breaks
        // the object's contract anyway.
        (object.magic.as_ptr().read() == K::MAGIC).then(|| &*object.value.get())
    }
}

/// Why an object is not to be used now.
#[cold]
#[inline(never)]
pub(crate) fn refuse_object<K: Kind>(pointer: *const K) -> Refusal {
    match check(pointer) {
        Err(refusal) => refusal,
        Ok(_) => Refusal::new(ARENITE_INTERNAL, "an object that is in order was refused"),
    }
}

fn check<'o, K: Kind>(pointer: *const K) -> Result<&'o Object<K::Value>, Refusal> {
    if pointer.is_null() {
        return Err(Refusal::new(ARENITE_NULL_ARGUMENT, format_args!("null for an `{}`", K::NAME)));
    }
    let invalid = |what: &str| Refusal::new(ARENITE_INVALID_OBJECT, format_args!("{what} `{}`", K::NAME));
    let block = pointer.cast::<u8>().wrapping_sub(AHEAD);
    if !try_usable_size(block).is_ok_and(|size| size >= home::<K>().size()) {
        return Err(invalid("not, or not any more, an"));
    }
    // SAFETY: in a live block of our heap, which is large enough; whatever is in it, these are a number and numbers. (Of another kind, the
    // value is not looked at.)
    let object = unsafe { &*object(pointer) };
    let magic = object.magic.load(Ordering::Relaxed);
    if magic & !CHANGING != K::MAGIC {
        return Err(invalid("an object of another kind than"));
    }
    if !K::SHARED && object.thread != here() {
        return Err(Refusal::new(
            ARENITE_WRONG_THREAD,
            format_args!("an `{}` of another thread: use it where it was made", K::NAME),
        ));
    }
    if magic & CHANGING != 0 {
        return Err(Refusal::new(
            ARENITE_BUSY,
            format_args!("the `{}` is being changed, by the call that this one comes from", K::NAME),
        ));
    }
    Ok(object)
}

/// The value of an object.
///
/// # Safety
/// The answer is used until the function returns only; no other thread destroys the object meanwhile.
pub(crate) unsafe fn shared<'o, K: Kind>(pointer: *const K) -> Result<&'o K::Value, Refusal> {
    // SAFETY: checked. Nobody has it mutably: then its magic word would say so.
    check(pointer).map(|object| unsafe { &*object.value.get() })
}

/// Runs `work` with the value of an object, which may call functions of the program's: they can do everything with it but end it.
///
/// # Safety
/// As [`shared`].
pub(crate) unsafe fn held<K: Kind, R>(
    pointer: *const K,
    work: impl FnOnce(&K::Value) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    struct Held<'o>(&'o AtomicU32);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Release);
        }
    }
    let object = check(pointer)?;
    object.users.fetch_add(1, Ordering::Relaxed);
    let _held = Held(&object.users);
    // SAFETY: checked. As long as it has users nobody gets it mutably.
    work(unsafe { &*object.value.get() })
}

std::thread_local! {
    static UNDER_PRESSURE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a pressure callback. It is called while something grows, which can not be said of which object: so until it returns no object
/// of this thread is changed as a whole, nor ended.
pub(crate) fn under_pressure(callback: impl FnOnce()) {
    // Of another tag's callback, perhaps.
    let before = UNDER_PRESSURE.replace(true);
    callback();
    UNDER_PRESSURE.set(before);
}

/// An object that nobody is using further up on this thread.
fn unused<'o, K: Kind>(pointer: *const K) -> Result<&'o Object<K::Value>, Refusal> {
    let object = check(pointer)?;
    let busy = |why: &str| Err(Refusal::new(ARENITE_BUSY, format_args!("the `{}` {why}", K::NAME)));
    if UNDER_PRESSURE.get() {
        return busy(
            "can not be changed as a whole in a pressure callback: free blocks or unload resources there",
        );
    }
    if object.users.load(Ordering::Acquire) != 0 {
        return busy("is being used, by a call that this one comes from, or on another thread");
    }
    Ok(object)
}

/// Runs `work` with the value of an object for itself: whatever is called meanwhile is refused it.
///
/// # Safety
/// No reference to the value is held by any caller of this, and no other thread uses the object meanwhile.
pub(crate) unsafe fn exclusive<K: Kind, R>(
    pointer: *mut K,
    work: impl FnOnce(&mut K::Value) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    struct Done<'o>(&'o AtomicU32, u32);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(self.1, Ordering::Release);
        }
    }
    let object = unused(pointer)?;
    let (open, changing) = (K::MAGIC, K::MAGIC | CHANGING);
    if object.magic.compare_exchange(open, changing, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return Err(refuse_object(pointer));
    }
    // Also if it panics.
    let _done = Done(&object.magic, open);
    // SAFETY: ours alone until the word is set back: everybody looks at it first.
    work(unsafe { &mut *object.value.get() })
}

/// Ends an object; `finish` gets its value, and may run functions of the program's, which are refused the object.
///
/// # Safety
/// As [`exclusive`]; nobody uses the object any more.
pub(crate) unsafe fn end<K: Kind, R>(
    pointer: *mut K,
    finish: impl FnOnce(K::Value) -> R,
) -> Result<R, Refusal> {
    unused(pointer)?;
    // SAFETY: the caller's promise.
    unsafe { end_anytime(pointer, finish) }
}

/// As [`end`], also while this thread is in a pressure callback: for what nothing that grows is part of.
///
/// # Safety
/// As [`end`].
pub(crate) unsafe fn end_anytime<K: Kind, R>(
    pointer: *mut K,
    finish: impl FnOnce(K::Value) -> R,
) -> Result<R, Refusal> {
    struct Gone<'o>(&'o AtomicU32, *mut u8);
    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            self.0.store(0, Ordering::Release);
            // SAFETY: one of `make`'s, whose value is gone.
            let freed = unsafe { try_free::<StdThreads>(self.1) };
            debug_assert!(freed.is_ok());
        }
    }
    let object = check(pointer)?;
    let (open, changing) = (K::MAGIC, K::MAGIC | CHANGING);
    if object.magic.compare_exchange(open, changing, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Err(refuse_object(pointer));
    }
    // Also if it panics.
    let _gone = Gone(&object.magic, pointer.cast::<u8>().wrapping_sub(AHEAD));
    // SAFETY: the value is read out once: from here on the magic word says that nobody may look at it.
    Ok(finish(unsafe { object.value.get().read() }))
}
