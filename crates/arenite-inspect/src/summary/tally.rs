//! Sums of one call site, one tag, or all of them.

/// What was done by one call site, under one tag, or at all. A reallocation counts as one, and its new size as bytes asked for;
/// what it leaves behind is no free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

impl Figures {
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
    Freed { temporary: bool },
    Resized,
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
        }
    }

    pub(super) fn made(&mut self, peak: u64, size: u64, how: Made) {
        self.keep(peak);
        let figures = &mut self.figures;
        match how {
            Made::New => figures.allocs += 1,
            Made::Resized => figures.reallocs += 1,
        }
        // Sizes of a file that was made up may be anything.
        figures.bytes = figures.bytes.saturating_add(size);
        figures.live_blocks += 1;
        figures.live_bytes = figures.live_bytes.saturating_add(size);
        figures.peak_bytes = figures.peak_bytes.max(figures.live_bytes);
    }

    pub(super) fn gone(&mut self, peak: u64, size: u64, how: Gone) {
        self.keep(peak);
        let figures = &mut self.figures;
        figures.live_blocks = figures.live_blocks.saturating_sub(1);
        figures.live_bytes = figures.live_bytes.saturating_sub(size);
        if let Gone::Freed { temporary } = how {
            figures.frees += 1;
            if temporary {
                figures.temporaries += 1;
                figures.temporary_bytes = figures.temporary_bytes.saturating_add(size);
            }
        }
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
            let size = change.unsigned_abs();
            if change > 0 {
                sites[site].made(peak, size, Made::New);
            } else {
                sites[site].gone(peak, size, Gone::Freed { temporary: false });
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
