//! When an idle structure should give memory back.

/// Watches how much of a range is used and says when so much has been idle for so long that decommitting pays.
///
/// Decommitting each frame costs more than it saves, so it has hysteresis: only when for at least 128
/// observations less than a quarter of what is committed was used. O(1), a few words.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleTrim {
    /// The most that was used in the window that is being filled.
    filling: usize,
    /// The most that was used in the window before it.
    full: usize,
    observations: u32,
    /// Whether a whole window has been filled since the last trim: before that nothing is known.
    warm: bool,
}

/// What an arena may have committed beyond twice its recent use before anything is given back.
pub(crate) const IDLE_SLACK: usize = 256 << 10;

/// Observations in one window.
const WINDOW: u32 = 128;

impl IdleTrim {
    /// Nothing observed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { filling: 0, full: 0, observations: 0, warm: false }
    }

    /// The most that was used in the last one to two windows, in bytes.
    #[must_use]
    pub const fn recent_high(&self) -> usize {
        if self.filling > self.full { self.filling } else { self.full }
    }

    /// Notes that a frame used `used` of `committed` bytes. Answers how many bytes to keep when it is time to give
    /// the rest back: twice what was used lately.
    pub fn observe(&mut self, used: usize, committed: usize, slack: usize) -> Option<usize> {
        self.filling = self.filling.max(used);
        self.observations += 1;
        if self.observations == WINDOW {
            self.full = self.filling;
            self.filling = 0;
            self.observations = 0;
            // Two windows: a burst at the start of the first one counts for the whole of it.
            if self.warm {
                let keep = self.full.saturating_mul(2).saturating_add(slack);
                if committed / 2 > keep {
                    self.warm = false;
                    return Some(keep);
                }
            }
            self.warm = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: usize = 1 << 16;

    #[test]
    fn steady_use_never_trims() {
        let mut trim = IdleTrim::new();
        for frame in 0..10_000usize {
            assert_eq!(trim.observe((300 + frame % 50) << 10, 1 << 20, SLACK), None);
        }
    }

    #[test]
    fn a_burst_is_given_back_after_two_calm_windows_and_only_once() {
        let mut trim = IdleTrim::new();
        assert_eq!(trim.observe(64 << 20, 64 << 20, SLACK), None);
        let mut trims = std::vec::Vec::new();
        let mut committed = 64 << 20;
        for frame in 0..2000 {
            if let Some(keep) = trim.observe(1 << 20, committed, SLACK) {
                trims.push((frame, keep));
                committed = keep;
            }
        }
        assert_eq!(trims.len(), 1, "{trims:?}");
        assert!(trims[0].0 >= WINDOW as usize && trims[0].0 <= 3 * WINDOW as usize);
        assert_eq!(trims[0].1, (2 << 20) + SLACK);
    }

    #[test]
    fn recent_high_forgets_what_is_long_past() {
        let mut trim = IdleTrim::new();
        trim.observe(500, 1000, SLACK);
        assert_eq!(trim.recent_high(), 500);
        for _ in 0..2 * WINDOW {
            trim.observe(10, 1000, SLACK);
        }
        assert_eq!(trim.recent_high(), 10);
    }
}
