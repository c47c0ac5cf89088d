//! What happens when a frame asks the general heap for memory.

use core::fmt;
use core::panic::Location;

use self::counted::{Noise, Watch};

/// What a manager does about calls for memory to the general heap between the beginning of a frame and its end, on the
/// thread that began it; see [`MemoryManager::frame_policy`](super::MemoryManager::frame_policy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramePolicy {
    /// Counts them: [`FrameStats::thread_heap_calls`](super::FrameStats::thread_heap_calls).
    Count,
    /// Counts them, and writes a line to standard error for the first frame that has some, the second, the fourth, the
    /// eighth, and so on.
    Warn,
    /// Counts them, and panics when a frame that has some ends. Nothing panics inside the allocator.
    Panic,
}

/// What a manager keeps for its policy.
#[derive(Debug, Default)]
pub(super) struct Discipline {
    policy: Option<FramePolicy>,
    open: Option<(Watch, &'static Location<'static>)>,
    /// Frames that had calls.
    noisy: u64,
}

impl Discipline {
    /// Sets the policy, from the next frame on. False: no allocator counts.
    pub(super) fn set(&mut self, policy: Option<FramePolicy>) -> bool {
        if policy.is_some() && !counted::is_installed() {
            return false;
        }
        self.policy = policy;
        self.noisy = 0;
        true
    }

    /// A frame begins.
    #[inline]
    pub(super) fn begin(&mut self, at: &'static Location<'static>) {
        // Also that of a frame that was forgotten ends here.
        self.open = match self.policy {
            None => None,
            Some(_) => counted::begin().map(|watch| (watch, at)),
        };
    }

    /// A frame ends. Answers how many calls its thread made, and what is to be said about them, if anything is.
    #[inline]
    pub(super) fn end(&mut self, frame: u64) -> (Option<u64>, Option<Verdict>) {
        match self.open.take() {
            None => (None, None),
            Some(open) => self.judge(open, frame),
        }
    }

    #[inline(never)]
    fn judge(
        &mut self,
        (watch, begun): (Watch, &'static Location<'static>),
        frame: u64,
    ) -> (Option<u64>, Option<Verdict>) {
        let Some(noise) = counted::end(watch) else { return (None, None) };
        let calls = counted::calls(&noise);
        let Some(policy) = self.policy.filter(|_| calls != 0) else { return (Some(calls), None) };
        self.noisy += 1;
        (Some(calls), Some(Verdict { policy, noise, frame, begun, noisy: self.noisy }))
    }
}

/// A frame has asked for memory.
#[derive(Debug)]
pub(super) struct Verdict {
    policy: FramePolicy,
    noise: Noise,
    frame: u64,
    begun: &'static Location<'static>,
    noisy: u64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "frame {}, begun at {}, asked the general heap for memory: {}",
            self.frame, self.begun, self.noise
        )
    }
}

impl Verdict {
    /// Does what the policy says.
    ///
    /// # Panics
    /// It says so, and the thread does not panic already.
    #[cold]
    pub(super) fn carry_out(&self) {
        match self.policy {
            FramePolicy::Count => {}
            FramePolicy::Warn if self.noisy.is_power_of_two() => {
                use std::io::Write as _;
                // Nothing is left to do when standard error is closed.
                let _ = writeln!(std::io::stderr(), "arenite: {self} (frames so far: {})", self.noisy);
            }
            FramePolicy::Warn => {}
            FramePolicy::Panic if std::thread::panicking() => {}
            FramePolicy::Panic => panic!("{self}"),
        }
    }
}

/// Where there are counting allocators.
#[cfg(all(not(loom), target_pointer_width = "64"))]
mod counted {
    pub(super) use crate::global::{Noise, Watch};

    pub(super) fn is_installed() -> bool {
        crate::global::source().is_some()
    }

    pub(super) fn begin() -> Option<Watch> {
        crate::global::source().map(Watch::begin)
    }

    pub(super) fn end(watch: Watch) -> Option<Noise> {
        watch.end()
    }

    pub(super) fn calls(noise: &Noise) -> u64 {
        noise.calls
    }
}

/// Where there are none.
#[cfg(any(loom, not(target_pointer_width = "64")))]
mod counted {
    /// There is none.
    #[derive(Debug)]
    pub(super) enum Watch {}

    /// There is none.
    #[derive(Debug)]
    pub(super) enum Noise {}

    impl core::fmt::Display for Noise {
        fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            match *self {}
        }
    }

    pub(super) fn is_installed() -> bool {
        false
    }

    pub(super) fn begin() -> Option<Watch> {
        None
    }

    pub(super) fn end(watch: Watch) -> Option<Noise> {
        match watch {}
    }

    pub(super) fn calls(noise: &Noise) -> u64 {
        match *noise {}
    }
}
