//! Is it growing? A verdict from samples of a byte count, taken once a frame or at any other pace.
//!
//! Memory of a running game goes up and down all the time: a saw-tooth of what is collected now and then, bursts, a level
//! that is loaded. A leak differs in one thing: *what the churn comes back down to* rises, and goes on rising. So samples are
//! gathered in [`BLOCKS`] blocks, and of each block its lowest point, its highest point and its mean are kept:
//!
//! ```text
//!   ·  ╱│ ╱│ ╱│ ╱│      the mean wanders with the teeth,
//!   ╱│╱ │╱ │╱ │╱        the lowest points lie on a line: a leak
//!   •──•──•──•──
//! ```
//!
//! Whenever a block is full, a line is laid through these points of the window (least squares), and growth is called when
//!
//! - the slope is far above its error, which is widened for what neighbouring points have in common (their first
//!   autocorrelation, corrected for how few they are), **and**
//! - if they have much in common, as the points of a random walk do, the rise from eighth to eighth of the window is even, too,
//!   **and**
//! - each quarter of the window stands above the one before it by a fair share of the rise: a level that was loaded is one
//!   step, not growth, **and**
//! - the same came out of four blocks in a row.
//!
//! Lowest points are looked at singly, by twos, fours and eights (teeth that are longer than a block), and means besides (noise
//! that is the same in all samples, where a mean knows more than a minimum). Falling is the same with everything turned upside
//! down: highest points for lowest ones.

use std::{array, fmt};

use crate::base::Bytes;

/// Blocks of the window.
const BLOCKS: usize = 32;

/// How far each quarter must stand above the one before it, as a share of what it would on a straight line.
const FAIR_SHARE: f64 = 0.25;

/// How much neighbouring points may have in common (their first autocorrelation) and still count as scatter around a
/// line. Beyond it they may be a walk, which makes straight lines by itself, and growth must be as even as
/// [`Fit::evenness`] wants it.
const WALKS: f64 = 0.2;

/// The most that an error is widened for what neighbours have in common: by the square root of (1 + r) / (1 - r).
const COMMON_MAX: f64 = 0.97;

/// How many blocks in a row must say the same before the verdict changes.
const STREAK: u32 = 4;

/// Where the memory is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Direction {
    /// Too few samples yet.
    #[default]
    Unknown,
    /// It grows, and has done so through the whole window.
    Increasing,
    /// Neither: at rest, or it comes back to where it was, or it moved in a step.
    Stable,
    /// It falls, and has done so through the whole window.
    Decreasing,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Increasing => "increasing",
            Self::Stable => "stable",
            Self::Decreasing => "decreasing",
        })
    }
}

/// What a [`Trend`] says. `Display` prints one line: `increasing, 61.0 KiB per second, confident`. No figure is ever NaN or
/// infinite.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TrendReading {
    /// Where it is going.
    pub direction: Direction,
    /// From 0 to 1. For growth and decline: which part of the movement a straight line explains. For
    /// [`Direction::Stable`]: which part of it no line explains; 1 when nothing moves. 0 while unknown.
    pub confidence: f64,
    /// Growth in bytes per second; negative when it falls. 0 while unknown, or if the clock never moved.
    pub bytes_per_second: f64,
    /// Growth in bytes per frame; negative when it falls. 0 while unknown.
    pub bytes_per_frame: f64,
}

impl TrendReading {
    /// Whether the confidence is at least nine tenths.
    #[must_use]
    pub fn is_confident(&self) -> bool {
        self.confidence >= 0.9
    }
}

impl fmt::Display for TrendReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let surely = if self.is_confident() { ", confident" } else { "" };
        match self.direction {
            Direction::Unknown => f.write_str("unknown: too few samples"),
            Direction::Stable => write!(f, "stable{surely}"),
            direction => {
                // A float to integer cast saturates.
                let rate = Bytes(self.bytes_per_second.abs() as usize);
                write!(f, "{direction}, {rate} per second{surely}")
            }
        }
    }
}

/// Says whether a byte count grows, from samples. A plain value of fixed size (below 3 KiB): it never allocates.
///
/// Each sample costs a few nanoseconds, and each time a 32nd of the window is full a few microseconds more: O(1), whatever
/// the window. The time comes from the caller, so it works with a recorded run as well as with a clock.
///
/// With the default window of 480 samples, and one sample a frame, a leak of 1 KiB a frame is found within 600 frames of
/// its beginning, also under churn of many times its size. What takes long looks like growth while it lasts: a rise that
/// goes on for most of the window. If a game has cycles longer than an eighth of the window, or levels that load for
/// longer than half of it, give it a longer one.
///
/// ```
/// use arenite::watch::{Direction, Trend};
///
/// let mut trend = Trend::new();
/// for frame in 0..600u64 {
///     let churn = frame * 7919 % 262_144; // up to 256 KiB that come and go
///     trend.push(frame * 16_666_667, (64 << 20) + churn + frame * 1024);
/// }
/// let reading = trend.reading();
/// assert_eq!(reading.direction, Direction::Increasing);
/// assert!((reading.bytes_per_frame - 1024.0).abs() < 64.0, "{reading}");
/// ```
///
/// # How often it is wrong
///
/// Measured with the default window, 400 seeds of each kind of churn (`watch/trend/tests.rs` has the kinds, and holds a
/// smaller run to it). *Called*: runs of 10,000 frames in which it ever called growth or decline that was none. *Found*: runs in which a
/// leak of 1 KiB a frame on top of the same churn was called within 600 frames of its first byte.
///
/// | churn | called | found |
/// |---|---|---|
/// | none | 0 % | 100 % |
/// | uniform noise, 64 KiB to 256 KiB; 1 MiB; 4 MiB | 0 % | 100 %; 99 %; 0 % |
/// | normal noise, standard deviation 64 KiB; 256 KiB; 512 KiB | 0 % | 100 %; 94 %; 8 % |
/// | saw-tooth of 2 MiB, 7 to 60 and 115 frames long; 90 frames | 0 % | 100 %; 89 % |
/// | the same with noise of 16 KiB, 7; 30; 60; 90 frames long | 0 % (0.2 % at 60) | 99 %; 96 %; 79 %; 0 % |
/// | teeth of random lengths, 25 to 75 frames; 50 to 150 frames | 0 % | 98 %; 86 % |
/// | bursts of up to 8 MiB: rare; one frame in 50; in 5 | 0 % | 100 %; 99 %; 69 % |
/// | levels of 64 MiB that load at once, in 60 or in 200 frames | 0 %; 0 %; 0.2 % | 63 % to 76 % (a level changed meanwhile) |
/// | a sine of 1 MiB, 100, 200 or 480 frames long | 0 % | 1 %; 0 %; 0 % |
/// | a random walk of 32 KiB a frame that is drawn back within 5; 20; 60 frames | 0 %; 0 %; 2 % | 91 %; 7 %; 1 % |
/// | … within 120; 240 frames, a quarter and half of the window | 4 %; 8 % | 1 % |
/// | a random walk between walls 256 KiB; 1 MiB apart | 0 %; 4 % | 44 %; 4 % |
#[derive(Clone, Debug)]
pub struct Trend {
    /// A ring: the oldest full block is at `next` once all are full.
    blocks: [Block; BLOCKS],
    /// Where the next full block goes.
    next: usize,
    /// Full blocks, at most all.
    full: usize,
    /// The block that is being filled.
    filling: Block,
    /// Samples of a block.
    block_len: u32,
    /// What values are counted from, so that small differences of large values are exact.
    origin: Option<u64>,
    /// What the clock said last.
    last_ns: u64,
    /// Frames and nanoseconds that went by since the first sample. Time that ran backwards is left out.
    frames: f64,
    elapsed_ns: f64,
    ignore_below: f64,
    /// What the last window looked like by itself, and how many in a row did.
    seen: Direction,
    streak: u32,
    reading: TrendReading,
}

/// A sample, or a mean of samples: bytes from the origin, frames and nanoseconds from the first sample.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    bytes: f64,
    frame: f64,
    ns: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    count: u32,
    low: Point,
    high: Point,
    sum: Point,
}

impl Block {
    fn add(&mut self, point: Point) {
        if self.count == 0 || point.bytes < self.low.bytes {
            self.low = point;
        }
        if self.count == 0 || point.bytes > self.high.bytes {
            self.high = point;
        }
        self.sum.bytes += point.bytes;
        self.sum.frame += point.frame;
        self.sum.ns += point.ns;
        self.count += 1;
    }

    fn mean(&self) -> Point {
        let count = f64::from(self.count.max(1));
        Point { bytes: self.sum.bytes / count, frame: self.sum.frame / count, ns: self.sum.ns / count }
    }
}

impl Default for Trend {
    fn default() -> Self {
        Self::new()
    }
}

impl Trend {
    /// A window of 480 samples: eight seconds of a game at 60 frames a second.
    #[must_use]
    pub fn new() -> Self {
        Self::with_window(480)
    }

    /// A window of about so many samples: what is divisible by 32, at least 64. Longer ones find slower growth under
    /// more churn, and later.
    #[must_use]
    pub fn with_window(samples: u32) -> Self {
        Self {
            blocks: [Block::default(); BLOCKS],
            next: 0,
            full: 0,
            filling: Block::default(),
            block_len: (samples / BLOCKS as u32).max(2),
            origin: None,
            last_ns: 0,
            frames: 0.0,
            elapsed_ns: 0.0,
            ignore_below: 0.0,
            seen: Direction::Unknown,
            streak: 0,
            reading: TrendReading::default(),
        }
    }

    /// Calls it stable when it moves by fewer bytes a frame than this; 0 at first. NaN and what is below 0 count as 0.
    #[must_use]
    pub fn ignore_below(mut self, bytes_per_frame: f64) -> Self {
        self.ignore_below = bytes_per_frame.max(0.0);
        self
    }

    /// How many samples the window holds; the verdict is [`Direction::Unknown`] until there are as many.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.block_len.saturating_mul(BLOCKS as u32)
    }

    /// Takes a sample, one frame after the last one. `now_ns` is any clock that counts nanoseconds
    /// ([`os::monotonic_ns`](crate::os::monotonic_ns), or a recorded one); when it runs backwards, no time has passed.
    #[inline]
    pub fn push(&mut self, now_ns: u64, bytes: u64) {
        self.push_after(1, now_ns, bytes);
    }

    /// Takes a sample, so many frames after the last one: for who looks only now and then.
    pub fn push_after(&mut self, frames: u32, now_ns: u64, bytes: u64) {
        let origin = match self.origin {
            Some(origin) => {
                self.frames += f64::from(frames);
                self.elapsed_ns += now_ns.saturating_sub(self.last_ns) as f64;
                origin
            }
            None => *self.origin.insert(bytes),
        };
        self.last_ns = now_ns;
        let distance = bytes.abs_diff(origin) as f64;
        let bytes = if bytes < origin { -distance } else { distance };
        self.filling.add(Point { bytes, frame: self.frames, ns: self.elapsed_ns });
        if self.filling.count >= self.block_len {
            self.close_block();
        }
    }

    /// What the samples say. As old as the last full block, a 32nd of the window at the most. Free of cost.
    #[inline]
    #[must_use]
    pub const fn reading(&self) -> TrendReading {
        self.reading
    }

    /// Forgets all samples: after a scene has changed, say.
    pub fn clear(&mut self) {
        *self = Self { block_len: self.block_len, ignore_below: self.ignore_below, ..Self::new() };
    }

    #[cold]
    fn close_block(&mut self) {
        self.blocks[self.next] = std::mem::take(&mut self.filling);
        self.next = (self.next + 1) % BLOCKS;
        self.full = (self.full + 1).min(BLOCKS);
        if self.full == BLOCKS {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let mut blocks = self.blocks;
        blocks.rotate_left(self.next);
        let means = blocks.map(|block| block.mean());
        let up = Evidence::best(&blocks.map(|block| block.low), &means, 1.0);
        let down = Evidence::best(&blocks.map(|block| block.high), &means, -1.0);
        let seen = |evidence: &Evidence| evidence.strong && evidence.fit.per_frame >= self.ignore_below;
        let now = match (seen(&up), seen(&down)) {
            (true, false) => Direction::Increasing,
            (false, true) => Direction::Decreasing,
            // Both: the band closes or opens around what stays where it is.
            _ => Direction::Stable,
        };
        // A change of mind needs two blocks in a row.
        self.streak = if now == self.seen { self.streak.saturating_add(1) } else { 1 };
        self.seen = now;
        // The first full window says at least that it is not growing evenly yet; a call needs more of them.
        let standing = match self.reading.direction {
            Direction::Unknown => Direction::Stable,
            standing => standing,
        };
        let direction = if self.streak >= STREAK { now } else { standing };
        let (sign, evidence) = match direction {
            Direction::Decreasing => (-1.0, down),
            Direction::Increasing => (1.0, up),
            _ if down.fit.explained > up.fit.explained => (-1.0, down),
            _ => (1.0, up),
        };
        let explained = evidence.fit.explained;
        self.reading = TrendReading {
            direction,
            confidence: if direction == Direction::Stable { 1.0 - explained } else { explained },
            bytes_per_second: sign * evidence.fit.per_second,
            bytes_per_frame: sign * evidence.fit.per_frame,
        };
    }
}

/// What one kind of points says about growth.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    fit: Fit,
    /// All conditions for a call are met.
    strong: bool,
}

impl Evidence {
    /// The clearest of all looks at the window. `sign` is -1 to look for decline: everything is turned upside down.
    fn best(extremes: &[Point; BLOCKS], means: &[Point; BLOCKS], sign: f64) -> Self {
        let turn = |point: Point| Point { bytes: sign * point.bytes, ..point };
        let singles = extremes.map(turn);
        let twos: [Point; BLOCKS / 2] = array::from_fn(|two| lowest(&singles[2 * two..][..2]));
        let fours: [Point; BLOCKS / 4] = array::from_fn(|four| lowest(&singles[4 * four..][..4]));
        let eights: [Point; BLOCKS / 8] = array::from_fn(|eight| lowest(&singles[8 * eight..][..8]));
        let means = means.map(turn);
        let looks = [
            // The fewer points, the more often chance lays them on a line. Of four, only teeth that come down to the very same
            // floor are clear enough.
            Self::of(&singles, lowest, 8.0),
            Self::of(&twos, lowest, 10.0),
            Self::of(&fours, lowest, 20.0),
            Self::of(&eights, lowest, 400.0),
            Self::of(&means, average, 8.0),
        ];
        let clearer = |one: Self, other: Self| {
            let rank = |evidence: &Self| (evidence.strong, evidence.fit.explained);
            if rank(&other) > rank(&one) { other } else { one }
        };
        looks.into_iter().reduce(clearer).unwrap_or(looks[0])
    }

    /// `sum_up` makes one point of a quarter of the window, `enough` is how many errors the slope must be above zero.
    fn of(points: &[Point], sum_up: fn(&[Point]) -> Point, enough: f64) -> Self {
        let fit = Fit::of(points);
        let mut quarters = [Point::default(); 4];
        for (quarter, part) in quarters.iter_mut().zip(points.chunks_exact(points.len() / 4)) {
            *quarter = sum_up(part);
        }
        let fair = FAIR_SHARE * fit.per_frame;
        let spread = quarters.windows(2).all(|pair| {
            pair[1].bytes - pair[0].bytes >= fair * (pair[1].frame - pair[0].frame)
                && pair[1].bytes > pair[0].bytes
        });
        Self { fit, strong: spread && fit.per_frame > 0.0 && fit.errors >= enough }
    }
}

fn lowest(points: &[Point]) -> Point {
    points
        .iter()
        .copied()
        .reduce(|one, other| if other.bytes < one.bytes { other } else { one })
        .unwrap_or_default()
}

fn average(points: &[Point]) -> Point {
    let mut block = Block::default();
    points.iter().for_each(|point| block.add(*point));
    block.mean()
}

/// A line through points.
#[derive(Clone, Copy, Debug)]
struct Fit {
    per_frame: f64,
    per_second: f64,
    /// How many of its own errors the slope is away from zero.
    errors: f64,
    /// The share of the variance that the line explains, from 0 to 1.
    explained: f64,
}

impl Fit {
    /// Least squares.
    fn of(points: &[Point]) -> Self {
        let count = points.len() as f64;
        let middle = average(points);
        let (mut xx, mut xy, mut yy, mut tt, mut ty) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for point in points {
            let (x, y, t) = (point.frame - middle.frame, point.bytes - middle.bytes, point.ns - middle.ns);
            xx += x * x;
            xy += x * y;
            yy += y * y;
            tt += t * t;
            ty += t * y;
        }
        let per_frame = ratio(xy, xx);
        let per_second = ratio(ty, tt) * 1e9;
        let (mut left, mut shared, mut last) = (0.0, 0.0, None);
        for point in points {
            let rest = point.bytes - middle.bytes - per_frame * (point.frame - middle.frame);
            left += rest * rest;
            shared += last.map_or(0.0, |last: f64| last * rest);
            last = Some(rest);
        }
        // What neighbours have in common is not new evidence: fewer independent points, a larger error. From few points it
        // comes out too small, by about (2 + 4 r) / n.
        let common = ratio(shared, left);
        let common = (common + (2.0 + 4.0 * common) / count).clamp(0.0, COMMON_MAX);
        let widened = left * (1.0 + common) / (1.0 - common);
        let mut errors = in_errors(per_frame, ratio(widened, (count - 2.0) * xx).sqrt());
        if common > WALKS {
            errors = errors.min(Self::evenness(points) / 1.5);
        }
        let explained = if yy > 0.0 { 1.0 - ratio(left, yy).clamp(0.0, 1.0) } else { 0.0 };
        Self { per_frame, per_second, errors, explained }
    }

    /// How many of its own errors the mean rise from eighth to eighth of the window is away from zero: what a walk, whose
    /// rises are independent of each other, does not reach, however straight it looks.
    fn evenness(points: &[Point]) -> f64 {
        let mut groups = [Point::default(); 8];
        let size = points.len().div_ceil(groups.len());
        for (group, part) in groups.iter_mut().zip(points.chunks(size)) {
            *group = average(part);
        }
        let groups = &groups[..points.len().div_ceil(size)];
        let rises = groups.windows(2).map(|pair| {
            let [from, to] = [pair[0], pair[1]];
            ratio(to.bytes - from.bytes, to.frame - from.frame)
        });
        let count = (groups.len() - 1) as f64;
        let mean = rises.clone().sum::<f64>() / count;
        let variance = rises.map(|rise| (rise - mean) * (rise - mean)).sum::<f64>() / (count - 1.0);
        in_errors(mean, (variance / count).sqrt())
    }
}

/// How many errors a value is away from zero; what is exact but for rounding counts as 1e9.
fn in_errors(value: f64, error: f64) -> f64 {
    if error * 1e9 <= value.abs() { 1e9_f64.copysign(value) } else { ratio(value, error) }
}

/// 0 where nothing can be said: a quotient is never NaN or infinite.
fn ratio(one: f64, other: f64) -> f64 {
    let ratio = one / other;
    if ratio.is_finite() { ratio } else { 0.0 }
}

#[cfg(all(test, not(loom)))]
mod tests;
