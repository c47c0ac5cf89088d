//! Frame times, checksums of whole runs, and the process's resident memory.

use std::time::Instant;

use crate::outcome::{FrameMs, FrameSample};
use crate::rules::checksum::Checksum;

/// Measures milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn ms(self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1e3
    }
}

/// Percentiles of the frame times, without the first `warmup` frames of each scene. All zero when nothing is left.
pub fn frame_ms(timeline: &[FrameSample], warmup: u32) -> FrameMs {
    let mut times = Vec::with_capacity(timeline.len());
    for scene in timeline.chunk_by(|a, b| a.scene == b.scene) {
        times.extend(scene.iter().skip(warmup as usize).map(|sample| sample.ms));
    }
    times.sort_unstable_by(f32::total_cmp);
    // Nearest rank: the smallest time that at least so many of 1000 frames are not longer than.
    let at = |per_mille: usize| {
        let rank = (times.len() * per_mille).div_ceil(1000).max(1);
        times.get(rank - 1).map_or(0.0, |&ms| nanoseconds(ms))
    };
    FrameMs { p50: at(500), p99: at(990), p999: at(999), max: at(1000) }
}

/// Whole nanoseconds, so that a figure is not written with digits that nobody measured.
fn nanoseconds(ms: f32) -> f64 {
    (f64::from(ms) * 1e6).round() / 1e6
}

/// The checksum of a run from those of its scenes, in order.
pub fn run_checksum(scenes: impl IntoIterator<Item = Checksum>) -> Checksum {
    let mut run = Checksum::new();
    scenes.into_iter().for_each(|scene| run.add(scene.value()));
    run
}

/// A checksum as it stands in the figures.
pub fn hex(checksum: Checksum) -> String {
    checksum.to_string()
}

/// Resident memory of this process in bytes, as the kernel counts it. Zero where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// The most there ever was.
    pub peak: u64,
}

impl Resident {
    /// Asks the operating system. Zeros where it does not tell.
    pub fn read() -> Self {
        let memory = arenite::os::process_memory();
        Self { now: memory.resident as u64, peak: memory.resident_peak as u64 }
    }
}

/// Minor page faults of the process so far.
pub fn minor_faults() -> u64 {
    arenite::os::page_faults().minor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scene: u32, ms: f32) -> FrameSample {
        FrameSample { scene, ms, ..FrameSample::default() }
    }

    #[test]
    fn percentiles_leave_each_scenes_warm_up_out() {
        let mut timeline = vec![sample(0, 900.0), sample(0, 800.0)];
        timeline.extend((1..=500).map(|n| sample(0, n as f32)));
        timeline.extend([sample(1, 700.0), sample(1, 600.0)]);
        timeline.extend((501..=1000).rev().map(|n| sample(1, n as f32)));
        let ms = frame_ms(&timeline, 2);
        assert_eq!((ms.p50, ms.p99, ms.p999, ms.max), (500.0, 990.0, 999.0, 1000.0));
        assert_eq!(frame_ms(&[], 0), FrameMs::default());
        assert_eq!(frame_ms(&[sample(0, 2.5)], 0).p50, 2.5);
    }

    #[test]
    fn a_run_depends_on_the_order_of_its_scenes() {
        let (mut a, b) = (Checksum::new(), Checksum::new());
        a.add(1);
        assert_ne!(run_checksum([a, b]), run_checksum([b, a]));
    }
}
