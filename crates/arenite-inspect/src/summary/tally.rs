//! Sums of one call site, one tag, or all of them.

use crate::Estimate;
use crate::estimate::{Share, Spread};

/// What was done by one call site, under one tag, or at all. A reallocation counts as one, and its new size as bytes asked for;
/// what it leaves behind is no free. In a sample both blocks of a reallocation are in it or not: it is a free, an allocation, or nothing.
///
/// Of a sample all figures are estimates of the whole; [`asked`](Self::asked), [`live`](Self::live) and so on tell how far they may be from
/// the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Blocks that were handed out.
    pub allocs: u64,
    /// Blocks that got another size.
    pub reallocs: u64,
    /// Of these blocks, those that were given back. Whoever made the block has it here, not who gave it back.
    pub frees: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// Blocks that live at the end.
    pub live_blocks: u64,
    /// Bytes that live at the end.
    pub live_bytes: u64,
    /// The most bytes that lived, whenever that was.
    pub peak_bytes: u64,
    /// Blocks that lived when all sites and tags together had most bytes.
    pub blocks_at_peak: u64,
    /// Bytes that lived when all sites and tags together had most.
    pub bytes_at_peak: u64,
    /// Blocks that were given back in the frame in which they were made, or last resized.
    pub temporaries: u64,
    /// Bytes of those.
    pub temporary_bytes: u64,
    /// How often heaps put one of the blocks elsewhere.
    pub moves: u64,
    /// Bytes that they moved for that.
    pub moved_bytes: u64,
    made_spread: Spread,
    freed_spread: Spread,
    live_spread: Spread,
    peak_spread: Spread,
    at_peak_spread: Spread,
    temporary_spread: Spread,
    moved_spread: Spread,
}

impl Figures {
    /// Calls that asked for memory, and their bytes, each with its interval.
    #[must_use]
    pub fn asked(&self) -> Estimate {
        self.made_spread.estimate(self.calls() as f64, self.bytes as f64)
    }

    /// What lives at the end.
    #[must_use]
    pub fn live(&self) -> Estimate {
        self.live_spread.estimate(self.live_blocks as f64, self.live_bytes as f64)
    }

    /// What lived when all sites and tags together had most bytes.
    #[must_use]
    pub fn at_peak(&self) -> Estimate {
        self.at_peak_spread.estimate(self.blocks_at_peak as f64, self.bytes_at_peak as f64)
    }

    /// What was given back in the frame in which it was made.
    #[must_use]
    pub fn temporary(&self) -> Estimate {
        self.temporary_spread.estimate(self.temporaries as f64, self.temporary_bytes as f64)
    }

    /// What heaps put elsewhere, each block as often as that was done.
    #[must_use]
    pub fn moved(&self) -> Estimate {
        self.moved_spread.estimate(self.moves as f64, self.moved_bytes as f64)
    }

    /// How far [`peak_bytes`](Self::peak_bytes) may be from what lived then, as [`Estimate::within`]. It is the highest of many
    /// estimates, so it is above the true peak more often than below.
    #[must_use]
    pub fn peak_within(&self) -> u64 {
        self.peak_spread.bytes_within(self.peak_bytes)
    }

    /// How far [`frees`](Self::frees) may be from the truth.
    #[must_use]
    pub fn frees_within(&self) -> u64 {
        self.freed_spread.blocks_within(self.frees)
    }

    /// How far what lives may be from the truth: for sums of several.
    #[must_use]
    pub fn live_spread(&self) -> Spread {
        self.live_spread
    }

    /// How far what was asked for may be from the truth: for sums of several.
    #[must_use]
    pub fn asked_spread(&self) -> Spread {
        self.made_spread
    }

    /// Calls that asked for memory: allocations and reallocations.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.allocs.saturating_add(self.reallocs)
    }

    /// Of both together. What each had at its own peak can not be added: `peak_bytes` is 0.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            allocs: self.allocs.saturating_add(other.allocs),
            reallocs: self.reallocs.saturating_add(other.reallocs),
            frees: self.frees.saturating_add(other.frees),
            bytes: self.bytes.saturating_add(other.bytes),
            live_blocks: self.live_blocks.saturating_add(other.live_blocks),
            live_bytes: self.live_bytes.saturating_add(other.live_bytes),
            peak_bytes: 0,
            blocks_at_peak: self.blocks_at_peak.saturating_add(other.blocks_at_peak),
            bytes_at_peak: self.bytes_at_peak.saturating_add(other.bytes_at_peak),
            temporaries: self.temporaries.saturating_add(other.temporaries),
            temporary_bytes: self.temporary_bytes.saturating_add(other.temporary_bytes),
            moves: self.moves.saturating_add(other.moves),
            moved_bytes: self.moved_bytes.saturating_add(other.moved_bytes),
            made_spread: self.made_spread.and(&other.made_spread),
            freed_spread: self.freed_spread.and(&other.freed_spread),
            live_spread: self.live_spread.and(&other.live_spread),
            peak_spread: Spread::default(),
            at_peak_spread: self.at_peak_spread.and(&other.at_peak_spread),
            temporary_spread: self.temporary_spread.and(&other.temporary_spread),
            moved_spread: self.moved_spread.and(&other.moved_spread),
        }
    }
}

/// How a block came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Resized,
}

/// How a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Freed {
        temporary: bool,
    },
    Resized,
    /// Nobody told how.
    Unseen,
}

/// [`Figures`] while events pass.
///
/// What lived at the peak is known without asking every site at every peak: peaks are numbered, and a site keeps what it has when it
/// changes for the first time after one. A site that did not change has it still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    figures: Figures,
    /// The last peak whose figures are kept.
    peak: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { figures: Figures::default(), peak: u64::MAX }
    }
}

impl Tally {
    /// Keeps what is there if it is that of this peak.
    fn keep(&mut self, peak: u64) {
        if self.peak != peak {
            self.peak = peak;
            self.figures.blocks_at_peak = self.figures.live_blocks;
            self.figures.bytes_at_peak = self.figures.live_bytes;
            self.figures.at_peak_spread = self.figures.live_spread;
        }
    }

    pub(super) fn made(&mut self, peak: u64, share: &Share, how: Made) {
        self.keep(peak);
        let figures = &mut self.figures;
        let calls = match how {
            Made::New => &mut figures.allocs,
            Made::Resized => &mut figures.reallocs,
        };
        // Sizes of a file that was made up may be anything.
        *calls = calls.saturating_add(share.blocks);
        figures.bytes = figures.bytes.saturating_add(share.bytes);
        figures.made_spread.add(&share.spread);
        figures.live_blocks = figures.live_blocks.saturating_add(share.blocks);
        figures.live_bytes = figures.live_bytes.saturating_add(share.bytes);
        figures.live_spread.add(&share.spread);
        if figures.live_bytes > figures.peak_bytes {
            (figures.peak_bytes, figures.peak_spread) = (figures.live_bytes, figures.live_spread);
        }
    }

    pub(super) fn gone(&mut self, peak: u64, share: &Share, how: Gone) {
        self.keep(peak);
        let figures = &mut self.figures;
        figures.live_blocks = figures.live_blocks.saturating_sub(share.blocks);
        figures.live_bytes = figures.live_bytes.saturating_sub(share.bytes);
        figures.live_spread.remove(&share.spread);
        if let Gone::Freed { temporary } = how {
            figures.frees = figures.frees.saturating_add(share.blocks);
            figures.freed_spread.add(&share.spread);
            if temporary {
                figures.temporaries = figures.temporaries.saturating_add(share.blocks);
                figures.temporary_bytes = figures.temporary_bytes.saturating_add(share.bytes);
                figures.temporary_spread.add(&share.spread);
            }
        }
    }

    /// It lives on elsewhere.
    pub(super) fn moved(&mut self, share: &Share) {
        let figures = &mut self.figures;
        figures.moves = figures.moves.saturating_add(share.blocks);
        figures.moved_bytes = figures.moved_bytes.saturating_add(share.bytes);
        figures.moved_spread.add(&share.spread);
    }

    /// Now.
    pub(super) fn now(&self) -> &Figures {
        &self.figures
    }

    /// At the end, after so many peaks.
    pub(super) fn end(mut self, peak: u64) -> Figures {
        self.keep(peak);
        self.figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_had_at_the_peak_is_what_a_snapshot_there_says() {
        // Sizes that come (positive) and go, at three sites.
        let changes: [(usize, i64); 12] = [
            (0, 10),
            (1, 30),
            (0, -10),
            (2, 5),
            (1, -30),
            (2, 40),
            (0, 8),
            (2, -40),
            (1, 50),
            (0, 1),
            (0, -1),
            (1, -50),
        ];
        let (mut sites, mut live) = ([Tally::default(); 3], [0i64; 3]);
        let (mut peak, mut most, mut at_most) = (0, 0, [0; 3]);
        for (site, change) in changes {
            let share = Share { blocks: 1, bytes: change.unsigned_abs(), spread: Spread::default() };
            if change > 0 {
                sites[site].made(peak, &share, Made::New);
            } else {
                sites[site].gone(peak, &share, Gone::Freed { temporary: false });
            }
            live[site] += change;
            if live.iter().sum::<i64>() > most {
                (peak, most, at_most) = (peak + 1, live.iter().sum(), live);
            }
        }
        let found = sites.map(|site| site.end(peak).bytes_at_peak as i64);
        assert_eq!((found, most), (at_most, 64));
    }
}
