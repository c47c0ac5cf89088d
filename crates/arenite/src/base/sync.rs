//! The only door to atomics, locks and write-once slots, so that loom can take their place in the models.
//!
//! Under `--cfg loom` every type here is loom's or is built on loom's; otherwise on `core`'s. Loom's constructors
//! are not `const`, so a `const fn new` here is a plain `fn` there.
#![expect(unsafe_code, reason = "locks and write-once slots hand out references into an UnsafeCell")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

#[cfg(all(not(loom), target_has_atomic = "64"))]
pub use core::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::cell::UnsafeCell;
#[cfg(loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// `core`'s cell with loom's face: pointers are handed to a closure, so that loom can see who reads and who writes.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing.
    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Tells the processor that this is a spin loop. Under loom it lets another thread run.
#[inline]
pub fn spin_loop() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// Gives the processor to another thread. Without `std` there is no scheduler to ask, so it is one [`spin_loop`].
#[inline]
pub fn yield_now() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(all(not(loom), feature = "std"))]
    std::thread::yield_now();
    #[cfg(all(not(loom), not(feature = "std")))]
    core::hint::spin_loop();
}

/// How long to wait between two looks at something another thread will change: a few growing spins, then the
/// processor is given away each time, so that a holder that was scheduled out can run.
#[derive(Debug, Default)]
pub struct Backoff {
    step: u32,
}

impl Backoff {
    /// 1 + 2 + … + 64 spins, well below a microsecond, before the scheduler is asked.
    const SPIN_STEPS: u32 = 7;

    /// Starts with the shortest wait.
    pub const fn new() -> Self {
        Self { step: 0 }
    }

    /// Waits once, each time a little longer.
    #[inline]
    pub fn wait(&mut self) {
        if cfg!(loom) || self.step >= Self::SPIN_STEPS {
            yield_now();
        } else {
            for _ in 0..1_u32 << self.step {
                spin_loop();
            }
            self.step += 1;
        }
    }
}

/// A small spin lock for short, rare critical sections (beside a system call, never on a fast path).
///
/// Two bytes beside its value, no allocation, usable in a `static` and below the general heap. Not fair and not
/// re-entrant: locking it twice on one thread never returns. Unlocks when the guard drops, also on unwinding, and is
/// not poisoned: a holder that may panic must leave the value right at every point where it can.
pub struct Lock<T> {
    held: AtomicBool,
    /// It is held, and by no guard.
    kept: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the guard is the only way to the value through a shared lock and only one exists at a time, so sharing the
// lock is sending the value from thread to thread.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// An unlocked lock around `value`.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), kept: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// An unlocked lock around `value`.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), kept: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits until the lock is free and takes it.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self) -> Guard<'_, T> {
        let mut backoff = Backoff::new();
        loop {
            // Look before writing: waiting threads share the cache line instead of tearing it from the holder.
            if !self.held.load(Ordering::Relaxed)
                && let Some(guard) = self.try_lock()
            {
                return guard;
            }
            backoff.wait();
        }
    }

    /// Takes the lock if it is free at this moment.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.held
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| Guard { lock: self, exclusive: PhantomData })
    }

    /// Takes the lock and keeps it without a guard, until [`let_go`](Self::let_go): across a fork, for instance.
    pub fn hold(&self) {
        core::mem::forget(self.lock());
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Ends what [`hold`](Self::hold) began, on whatever thread and in whatever process; nothing if it did not. While a
    /// lock is kept nobody has a guard of it.
    pub fn let_go(&self) {
        if self.kept.swap(false, Ordering::Relaxed) {
            self.held.store(false, Ordering::Release);
        }
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// The right to use a [`Lock`]'s value; gives the lock back when it drops.
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// Makes the guard `Sync` only when `T` is: `&Lock<T>` alone would let two threads share a `&Cell`.
    exclusive: PhantomData<&'a mut T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the pointer comes from the cell, so it is valid and aligned; this guard is the only one, and the
        // shared borrow of it keeps `deref_mut` away while the reference lives.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer comes from the cell, so it is valid and aligned; this guard is the only one, and it is
        // borrowed exclusively while the reference lives.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.held.store(false, Ordering::Release);
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// An array of atomics in memory that its owner keeps and commits as it grows; under loom a `Vec` of loom's atomics, of
/// the full length from the start. (`Atomic` is an atomic, or a struct of atomics.)
///
/// It gives shared references by index and nothing else, so it is `Send` and `Sync` as its elements are.
pub struct AtomicArray<Atomic> {
    #[cfg(not(loom))]
    start: core::ptr::NonNull<Atomic>,
    #[cfg(loom)]
    cells: std::vec::Vec<Atomic>,
}

// SAFETY: only a place where elements are; they may be sent and shared.
#[cfg(not(loom))]
unsafe impl<Atomic: Send + Sync> Send for AtomicArray<Atomic> {}
// SAFETY: as above.
#[cfg(not(loom))]
unsafe impl<Atomic: Send + Sync> Sync for AtomicArray<Atomic> {}

impl<Atomic: Default> AtomicArray<Atomic> {
    /// The array that begins at `start` and is at most `len` long.
    ///
    /// # Safety
    /// `start` is aligned for an `Atomic`, of which all bytes zero is the default value; elements that are reached (see
    /// [`at`](Self::at)) are zero when they are reached first, and nothing else uses their memory.
    #[cfg(not(loom))]
    #[inline]
    pub unsafe fn new(start: core::ptr::NonNull<u8>, _len: usize) -> Self {
        Self { start: start.cast() }
    }

    /// An array of `len` default values; the address is that of memory which is not used under loom.
    ///
    /// # Safety
    /// As without loom.
    #[cfg(loom)]
    pub unsafe fn new(_start: core::ptr::NonNull<u8>, len: usize) -> Self {
        Self { cells: (0..len).map(|_| Atomic::default()).collect() }
    }

    /// The element with this index.
    ///
    /// # Safety
    /// `index` is below the length, and the memory of that element is accessible, now and as long as the reference lives.
    #[inline(always)]
    pub unsafe fn at(&self, index: usize) -> &Atomic {
        #[cfg(not(loom))]
        // SAFETY: in bounds and accessible by the caller's promise, zeroed or written through such a reference by that
        // of `new`; only shared references are ever made.
        unsafe {
            self.start.add(index).as_ref()
        }
        #[cfg(loom)]
        &self.cells[index]
    }

    /// `len` elements from the one with the index `start`.
    ///
    /// # Safety
    /// As [`at`](Self::at), for each of them.
    #[inline(always)]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &[Atomic] {
        #[cfg(not(loom))]
        // SAFETY: as in `at`.
        unsafe {
            core::slice::from_raw_parts(self.start.add(start).as_ptr(), len)
        }
        #[cfg(loom)]
        &self.cells[start..start + len]
    }
}

impl<Atomic> fmt::Debug for AtomicArray<Atomic> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicArray").finish_non_exhaustive()
    }
}

/// A value with two cache lines to itself (processors fetch lines in pairs), so that writing to it slows nobody who uses
/// its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const READY: u8 = 2;

/// A slot that is written at most once and read by any thread from then on, without a lock.
///
/// In a `static` it gives out `&'static T`: this is how a table of fixed size can hand out references to entries that
/// are filled in later.
pub struct Once<T> {
    /// [`READY`] is stored after the value is written and never changes again.
    state: AtomicU8,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: `set` moves a value in from any thread (`Send`) and `get` hands out shared references to all (`Sync`). The
// one write happens before `READY` is stored with `Release`; every read follows an `Acquire` load of `READY`.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// An empty slot.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(None) }
    }

    /// An empty slot.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(None) }
    }

    /// The value, once it has been written.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: the pointer comes from the cell, so it is valid and aligned; after `READY` nobody writes to it, so
        // shared references may live as long as the slot.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    /// Writes the value and returns it in place.
    ///
    /// # Errors
    /// Gives `value` back when the slot is written already, or is being written by another thread at this moment.
    pub fn set(&self, value: T) -> Result<&T, T> {
        if self.state.compare_exchange(EMPTY, WRITING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(value);
        }
        // SAFETY: the pointer comes from the cell, so it is valid and aligned; only the one thread that moved the state
        // from `EMPTY` gets here, and nobody reads before `READY`. The old value is `None`, so nothing runs here.
        self.value.with_mut(|slot| unsafe { *slot = Some(value) });
        self.state.store(READY, Ordering::Release);
        // SAFETY: as in `get`; this thread has just written the value and stored `READY`.
        Ok(self.value.with(|slot| unsafe { (*slot).as_ref().unwrap_unchecked() }))
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Once").field(&self.get()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{AtomicUsize, Lock, Once, Ordering};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    #[test]
    fn lock_excludes() {
        static SUM: Lock<usize> = Lock::new(0);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..10_000 {
                        *SUM.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*SUM.lock(), 40_000);
    }

    #[test]
    fn lock_is_given_back_on_unwind() {
        let lock = Lock::new(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = lock.lock();
            *guard = 2;
            assert!(lock.try_lock().is_none(), "a held lock is not taken twice");
            panic!("on purpose");
        }));
        assert!(caught.is_err());
        assert_eq!(*lock.try_lock().expect("unlocked by the unwinding"), 2);
    }

    #[test]
    fn once_is_written_once() {
        let slot = Once::new();
        assert_eq!(slot.get(), None);
        assert_eq!(slot.set(7), Ok(&7));
        assert_eq!(slot.set(8), Err(8));
        assert_eq!(slot.get(), Some(&7));
    }

    #[test]
    fn once_has_one_winner() {
        for _ in 0..200 {
            let slot = Once::new();
            let wins = AtomicUsize::new(0);
            thread::scope(|s| {
                for value in 1..=4_usize {
                    let (slot, wins) = (&slot, &wins);
                    s.spawn(move || {
                        if slot.set(value).is_ok() {
                            wins.fetch_add(value, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(slot.get(), Some(&wins.load(Ordering::Relaxed)));
        }
    }

    #[test]
    fn guards_are_shared_only_with_what_may_be_shared() {
        fn sync<T: Sync>() {}
        sync::<super::Guard<'static, usize>>();
        sync::<Lock<core::cell::Cell<usize>>>();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::{Lock, Once};
    use loom::sync::Arc;
    use loom::thread;

    /// Two threads add to a plain value: loom finds a lost update, a missed write or an overlap of two holders.
    #[test]
    fn loom_lock_excludes_and_publishes() {
        loom::model(|| {
            let lock = Arc::new(Lock::new((0_u32, 0_u32)));
            let other = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || {
                    let mut both = lock.lock();
                    both.0 += 1;
                    both.1 += 1;
                })
            };
            {
                let mut both = lock.lock();
                assert_eq!(both.0, both.1, "never half of the other's change");
                both.0 += 1;
                both.1 += 1;
            }
            other.join().unwrap();
            assert_eq!(*lock.lock(), (2, 2));
        });
    }

    #[test]
    fn loom_once_publishes_one_value() {
        loom::model(|| {
            let slot = Arc::new(Once::new());
            let other = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.set(1_u32).is_ok())
            };
            let mine = slot.set(2).is_ok();
            if let Some(&seen) = slot.get() {
                assert!(seen == 1 || (seen == 2 && mine));
            }
            let theirs = other.join().unwrap();
            assert!(mine != theirs, "exactly one write wins");
            assert_eq!(slot.get(), Some(&if mine { 2 } else { 1 }));
        });
    }
}

/// Plain atomics, also under loom: for statics that count or number things and that no algorithm waits on.
pub mod plain {
    #[cfg(target_has_atomic = "64")]
    pub use core::sync::atomic::AtomicU64;
    pub use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};
}
