//! A sample of a trend, against the usual way: keep the last samples and lay a line through them.

use std::collections::VecDeque;

use arenite::watch::{Direction, Trend};

use crate::harness::Contest;
use crate::opaque::used;

/// Samples of a round: many windows.
const SAMPLES: u64 = 48_000;
const WINDOW: usize = 480;

/// A leak of 1 KiB a frame below a saw-tooth of 512 KiB.
fn bytes(frame: u64) -> u64 {
    (64 << 20) + frame * 1024 + frame % 40 * 13_000
}

/// The slope of a line through the last samples, kept up to date by sums.
#[derive(Default)]
struct Line {
    samples: VecDeque<f64>,
    sum: f64,
    weighted: f64,
}

impl Line {
    fn push(&mut self, bytes: f64) {
        if self.samples.len() == WINDOW
            && let Some(oldest) = self.samples.pop_front()
        {
            // All others move down by one place.
            self.sum -= oldest;
            self.weighted -= self.sum;
        }
        self.weighted += bytes * self.samples.len() as f64;
        self.sum += bytes;
        self.samples.push_back(bytes);
    }

    fn slope(&self) -> f64 {
        let count = self.samples.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let spread = (count * count - 1.0) * count / 12.0;
        (self.weighted - middle * self.sum) / spread
    }
}

fn ours(trend: &mut Trend) -> u64 {
    for frame in 0..SAMPLES {
        trend.push(frame * 16_666_667, bytes(frame));
        used(trend);
    }
    u64::from(trend.reading().direction == Direction::Increasing)
}

fn line(line: &mut Line) -> u64 {
    let mut slope = 0.0;
    for frame in 0..SAMPLES {
        line.push(bytes(frame) as f64);
        slope = line.slope();
        used(&slope);
    }
    // Within a tenth: teeth that are cut off at the ends of the window tilt it.
    u64::from((slope / 1024.0 - 1.0).abs() < 0.1)
}

pub(super) fn sample() {
    let answers = (ours(&mut Trend::new()), line(&mut Line::default()));
    Contest::new("trend", "sample", SAMPLES as usize)
        .ours("Trend::push", answers.0, || {
            ours(&mut Trend::new());
        })
        .peer("a line through 480 samples, by sums", answers.1, || {
            line(&mut Line::default());
        })
        .run();
}
