//! Figures by call stack, tag or thread: one pass.

use std::hash::Hash;
use std::io::{Read, Seek};

use hashbrown::HashMap;

use super::flow::{Step, flow, lasted};
use crate::estimate::{Sampling, Share};
use crate::{Block, Capture, ReadError, Summary};

/// The most sums that are kept.
const MOST_SUMS: usize = 1 << 21;

/// Blocks and their bytes. Whole numbers are exact up to 2⁵³; of a sample these are estimates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) blocks: f64,
    pub(super) bytes: f64,
}

impl Held {
    fn add(&mut self, sign: f64, share: &Share) {
        self.blocks += sign * share.blocks as f64;
        self.bytes += sign * share.bytes as f64;
    }
}

/// What came to one sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// All that was made; a reallocation makes a block.
    pub(super) made: Held,
    pub(super) live: Held,
    /// What lived when all together had most.
    pub(super) at_peak: Held,
    /// What lived when this had most itself.
    pub(super) most: Held,
    /// How long blocks lived, all together, in nanoseconds; of those that live on, up to the end.
    pub(super) lifetimes: f64,
    /// Which peak `at_peak` is of.
    peak: u64,
}

impl Sum {
    /// Peaks are numbered, and a sum keeps what it has when it changes for the first time after one.
    fn keep(&mut self, peak: u64) {
        if self.peak != peak {
            (self.peak, self.at_peak) = (peak, self.live);
        }
    }

    fn made(&mut self, peak: u64, share: &Share) {
        self.keep(peak);
        self.made.add(1.0, share);
        self.live.add(1.0, share);
        if self.live.bytes > self.most.bytes || self.most.blocks == 0.0 {
            self.most = self.live;
        }
    }

    fn gone(&mut self, peak: u64, share: &Share, lived: u64) {
        self.keep(peak);
        self.live.add(-1.0, share);
        self.lifetimes += lived as f64 * share.blocks as f64;
    }
}

/// All sums of a recording.
#[derive(Debug)]
pub(super) struct Sums<K> {
    /// In the order of their keys.
    pub(super) sums: Vec<(K, Sum)>,
    /// When all together had most.
    pub(super) peak_time: u64,
    /// How many blocks there was no sum for; what they did is with the key that is the default one.
    pub(super) left_out: u64,
}

/// Sums up a recording.
pub(super) fn sum<F: Read + Seek, K: Copy + Default + Eq + Hash + Ord>(
    capture: &mut Capture<F>,
    summary: &Summary,
    mut key: impl FnMut(&Block) -> K,
) -> Result<Sums<K>, ReadError> {
    let sampling = Sampling::new(summary.sample_bytes);
    let mut sums: HashMap<K, Sum> = HashMap::new();
    let (mut lives, mut most, mut peak, mut peak_time, mut left_out) = (0.0, 0.0, 0, summary.start, 0);
    let mut key_of = |block: &Block, sums: &HashMap<K, Sum>| {
        let key = key(block);
        if sums.len() < MOST_SUMS || sums.contains_key(&key) { (key, false) } else { (K::default(), true) }
    };
    let live = flow(capture, |step| {
        let (block, gone) = match step {
            Step::Made(block) => (block, None),
            Step::Gone(block, time) => (block, Some(time)),
            Step::Told(..) => return,
        };
        let (key, is_left_out) = key_of(&block, &sums);
        let share = sampling.share(&block);
        let bytes = share.bytes as f64;
        let sum = sums.entry(key).or_default();
        if let Some(time) = gone {
            sum.gone(peak, &share, lasted(summary, time.saturating_sub(block.time)));
            lives -= bytes;
            return;
        }
        sum.made(peak, &share);
        lives += bytes;
        left_out += u64::from(is_left_out);
        if lives > most {
            (most, peak, peak_time) = (lives, peak + 1, block.time);
        }
    })?;
    for (_, block) in live.iter() {
        let (key, _) = key_of(block, &sums);
        let lived = lasted(summary, summary.end.saturating_sub(block.time)) as f64;
        sums.entry(key).or_default().lifetimes += lived * sampling.share(block).blocks as f64;
    }
    let mut sums: Vec<(K, Sum)> = sums.into_iter().collect();
    for (_, sum) in &mut sums {
        sum.keep(peak);
    }
    sums.sort_unstable_by_key(|(key, _)| *key);
    Ok(Sums { sums, peak_time, left_out })
}
