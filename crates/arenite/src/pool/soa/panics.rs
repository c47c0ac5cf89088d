//! Destructors that panic: the others still run, and the first panic goes on when they have.

use core::fmt;
use core::ops::Range;

/// Keeps the first panic of several. Without `std` there is no catching: what is left is then dropped while the panic
/// goes on, and a second one aborts.
#[derive(Default)]
pub struct FirstPanic {
    #[cfg(feature = "std")]
    payload: core::cell::Cell<Option<std::boxed::Box<dyn std::any::Any + Send>>>,
}

impl FirstPanic {
    /// Calls `run` for each number once, also for those behind one at which it panics.
    pub(super) fn each(&self, numbers: Range<usize>, run: impl FnMut(usize)) {
        let mut rest = Rest { numbers, run };
        #[cfg(feature = "std")]
        while !rest.numbers.is_empty() {
            // One frame for all of them, and one more for each that panics.
            let all = std::panic::AssertUnwindSafe(|| while rest.step() {});
            if let Err(payload) = std::panic::catch_unwind(all) {
                self.keep(payload);
            }
        }
        #[cfg(not(feature = "std"))]
        while rest.step() {}
    }

    /// Calls `run`.
    #[inline]
    pub(super) fn once(&self, run: impl FnOnce()) {
        let mut run = Some(run);
        self.each(0..1, |_| {
            if let Some(run) = run.take() {
                run();
            }
        });
    }

    #[cfg(feature = "std")]
    #[cold]
    fn keep(&self, payload: std::boxed::Box<dyn std::any::Any + Send>) {
        match self.payload.take() {
            None => self.payload.set(Some(payload)),
            Some(first) => {
                self.payload.set(Some(first));
                // Dropping it could panic again.
                core::mem::forget(payload);
            }
        }
    }

    /// Lets the first panic go on, if there was one; unless the thread panics already, which a second one would end.
    #[inline]
    pub(super) fn go_on(self) {
        #[cfg(feature = "std")]
        if let Some(payload) = self.payload.take() {
            if std::thread::panicking() {
                core::mem::forget(payload);
            } else {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

#[cfg(feature = "std")]
impl Drop for FirstPanic {
    fn drop(&mut self) {
        // Another panic overtook this one.
        core::mem::forget(self.payload.take());
    }
}

impl fmt::Debug for FirstPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstPanic").finish_non_exhaustive()
    }
}

/// Goes on when it is dropped half-way.
struct Rest<F: FnMut(usize)> {
    numbers: Range<usize>,
    run: F,
}

impl<F: FnMut(usize)> Rest<F> {
    #[inline]
    fn step(&mut self) -> bool {
        // Before the call: what panics is not called again.
        let next = self.numbers.next();
        next.map(&mut self.run).is_some()
    }
}

impl<F: FnMut(usize)> Drop for Rest<F> {
    fn drop(&mut self) {
        while self.step() {}
    }
}

/// Runs something when it is dropped, also while a panic goes on.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
