//! Thins long timelines to what a drawing can show, so that a page over 100,000 frames stays small and no spike is lost.

use crate::outcome::{FrameSample, SAMPLED_TAGS};

/// The least, the middle and the greatest of a run of frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    /// First frame of the run.
    pub(super) first: usize,
    /// One past its last frame.
    pub(super) end: usize,
    /// Least value.
    pub(super) min: f64,
    /// Median.
    pub(super) median: f64,
    /// Greatest value.
    pub(super) max: f64,
}

/// Cuts `0..len` into at most `buckets` runs of nearly equal length, none empty.
pub(super) fn runs(len: usize, buckets: usize) -> impl Iterator<Item = (usize, usize)> {
    let buckets = buckets.min(len).max(1);
    // Widened: len * buckets of a 32-bit usize could wrap.
    let cut = move |index: usize| (len as u128 * index as u128 / buckets as u128) as usize;
    (0..if len == 0 { 0 } else { buckets }).map(move |index| (cut(index), cut(index + 1)))
}

/// Sums up at most `buckets` runs of frames.
pub(super) fn summarise(values: &[f64], buckets: usize) -> Vec<Bucket> {
    let mut sorted = Vec::new();
    runs(values.len(), buckets)
        .map(|(first, end)| {
            sorted.clear();
            sorted.extend_from_slice(&values[first..end]);
            sorted.sort_by(f64::total_cmp);
            Bucket {
                first,
                end,
                min: sorted[0],
                median: sorted[sorted.len() / 2],
                max: sorted[sorted.len() - 1],
            }
        })
        .collect()
}

/// Which frames a stacked chart of `tags` tags must show: of each of at most `buckets` runs the frames where a tag or the
/// total is at its least or greatest, without those in the middle of a stretch where nothing moves. Rising.
pub(super) fn telling_frames(timeline: &[FrameSample], tags: usize, buckets: usize) -> Vec<usize> {
    let tags = tags.min(SAMPLED_TAGS);
    let values = |frame: usize| &timeline[frame].committed[..tags];
    let total = |frame: usize| values(frame).iter().map(|&bytes| u128::from(bytes)).sum::<u128>();
    let mut chosen = Vec::new();
    for (first, end) in runs(timeline.len(), buckets) {
        let mut add = |frame: Option<usize>| chosen.extend(frame);
        add(Some(first));
        add((first..end).min_by_key(|&frame| total(frame)));
        add((first..end).max_by_key(|&frame| total(frame)));
        for tag in 0..tags {
            add((first..end).max_by_key(|&frame| values(frame)[tag]));
        }
        add(Some(end - 1));
    }
    chosen.sort_unstable();
    chosen.dedup();
    let mut kept: Vec<usize> = Vec::with_capacity(chosen.len());
    for (at, &frame) in chosen.iter().enumerate() {
        let flat_before = kept.last().is_some_and(|&last| values(last) == values(frame));
        let flat_after = chosen.get(at + 1).is_some_and(|&next| values(next) == values(frame));
        if !(flat_before && flat_after) {
            kept.push(frame);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_every_frame_once() {
        for (len, buckets) in [(0, 5), (1, 5), (5, 5), (7, 3), (100_000, 900)] {
            let mut next = 0;
            for (first, end) in runs(len, buckets) {
                assert_eq!(first, next);
                assert!(end > first);
                next = end;
            }
            assert_eq!(next, len);
        }
    }

    #[test]
    fn a_single_spike_survives() {
        let mut values = vec![1.0; 100_000];
        values[54_321] = 99.0;
        values[11] = 0.25;
        let buckets = summarise(&values, 500);
        assert_eq!(buckets.len(), 500);
        assert_eq!(buckets.iter().filter(|bucket| bucket.max == 99.0).count(), 1);
        assert_eq!(buckets[0].min, 0.25);
        assert!(buckets.iter().all(|bucket| bucket.median == 1.0));
    }

    #[test]
    fn flat_stretches_cost_two_points_and_a_spike_of_one_tag_is_kept() {
        let mut timeline = vec![FrameSample::default(); 50_000];
        for sample in &mut timeline {
            sample.committed[0] = 4096;
        }
        assert_eq!(telling_frames(&timeline, 2, 800), [0, 49_999]);
        timeline[31_007].committed[1] = 1;
        let kept = telling_frames(&timeline, 2, 800);
        assert!(kept.contains(&31_007) && kept.len() < 8, "{kept:?}");
    }
}
