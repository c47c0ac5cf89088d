use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{Direction, Trend, TrendReading};

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
const FRAME_NS: u64 = 16_666_667;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, with a standard deviation of 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Bytes of a frame; called once for each, in order.
type Churn = Box<dyn FnMut(u64) -> f64>;

fn nothing(_: u64) -> Churn {
    Box::new(|_| 0.0)
}

fn uniform(seed: u64, bytes: f64) -> Churn {
    let mut random = Random(seed);
    Box::new(move |_| random.unit() * bytes)
}

fn normal(seed: u64, deviation: f64) -> Churn {
    let mut random = Random(seed);
    Box::new(move |_| random.normal() * deviation)
}

/// Teeth of 2 MiB with some noise.
fn teeth(seed: u64, period: u64, noise: f64) -> Churn {
    let mut random = Random(seed);
    let phase = random.below(period);
    Box::new(move |frame| {
        (frame + phase) as f64 % period as f64 / period as f64 * 2.0 * MIB + random.normal() * noise
    })
}

/// Teeth of 20 KiB a frame, whose lengths are between half of `period` and one and a half of it.
fn ragged(seed: u64, period: u64) -> Churn {
    let mut random = Random(seed);
    let (mut length, mut at) = (period, 0);
    Box::new(move |_| {
        at += 1;
        if at >= length {
            (at, length) = (0, period / 2 + random.below(period));
        }
        at as f64 * 20.0 * KIB
    })
}

/// A random walk that is drawn back to where it came from, within about `frames`.
fn returning(seed: u64, frames: f64) -> Churn {
    let mut random = Random(seed);
    let mut place = 0.0;
    Box::new(move |_| {
        place += random.normal() * 32.0 * KIB - place / frames;
        place
    })
}

/// A random walk between two walls.
fn walled(seed: u64, apart: f64) -> Churn {
    let mut random = Random(seed);
    let mut place = 0.0_f64;
    Box::new(move |_| {
        place = (place + random.normal() * 32.0 * KIB).clamp(0.0, apart);
        place
    })
}

/// Levels of up to 64 MiB, each loaded (or freed) within `frames`.
fn levels(seed: u64, frames: u64) -> Churn {
    let mut random = Random(seed);
    let (mut from, mut to, mut start, mut next) = (0.0, 0.0, 0, 300);
    Box::new(move |frame| {
        if frame >= next {
            (from, to, start) = (to, random.unit() * 64.0 * MIB, frame);
            next = frame + 400 + random.below(1500);
        }
        let part = ((frame - start) as f64 / frames as f64).min(1.0);
        from + (to - from) * part + random.unit() * 128.0 * KIB
    })
}

/// Up to 8 MiB for up to 30 frames, beginning with this chance in a frame.
fn bursts(seed: u64, chance: f64) -> Churn {
    let mut random = Random(seed);
    let (mut left, mut height) = (0, 0.0);
    Box::new(move |_| {
        if left > 0 {
            left -= 1;
        } else {
            height = 0.0;
            if random.unit() < chance {
                (left, height) = (1 + random.below(30), random.unit() * 8.0 * MIB);
            }
        }
        height + random.unit() * 64.0 * KIB
    })
}

fn sine(seed: u64, period: f64) -> Churn {
    let mut random = Random(seed);
    let phase = random.unit() * std::f64::consts::TAU;
    Box::new(move |frame| {
        (frame as f64 / period * std::f64::consts::TAU + phase).sin() * MIB + random.normal() * 16.0 * KIB
    })
}

struct Kind {
    name: String,
    make: Box<dyn Fn(u64) -> Churn>,
    /// Percent of runs in which nothing may be called.
    false_alarms: u32,
    /// Percent of runs in which a leak must be found.
    found: u32,
}

/// The bounds leave room for the scatter of 50 runs; of many runs, one in 200 may be outside.
fn kinds() -> Vec<Kind> {
    let kind = |name: &str, false_alarms, found, make: fn(u64, f64) -> Churn, value: f64| Kind {
        name: format!("{name} {value}"),
        make: Box::new(move |seed| make(seed, value)),
        false_alarms,
        found,
    };
    Vec::from([
        kind("nothing", 0, 100, |seed, _| nothing(seed), 0.0),
        kind("uniform", 0, 100, uniform, 64.0 * KIB),
        kind("uniform", 0, 100, uniform, 256.0 * KIB),
        kind("uniform", 0, 95, uniform, MIB),
        kind("uniform", 0, 0, uniform, 4.0 * MIB),
        kind("normal", 0, 95, normal, 64.0 * KIB),
        kind("normal", 0, 80, normal, 256.0 * KIB),
        kind("normal", 0, 0, normal, MIB),
        kind("teeth", 0, 100, |seed, period| teeth(seed, period as u64, 0.0), 7.0),
        kind("teeth", 0, 100, |seed, period| teeth(seed, period as u64, 0.0), 30.0),
        kind("teeth", 0, 100, |seed, period| teeth(seed, period as u64, 0.0), 47.0),
        kind("teeth", 0, 95, |seed, period| teeth(seed, period as u64, 0.0), 60.0),
        kind("teeth", 0, 75, |seed, period| teeth(seed, period as u64, 0.0), 90.0),
        kind("teeth", 0, 100, |seed, period| teeth(seed, period as u64, 0.0), 115.0),
        kind("noisy teeth", 0, 95, |seed, period| teeth(seed, period as u64, 16.0 * KIB), 7.0),
        kind("noisy teeth", 0, 85, |seed, period| teeth(seed, period as u64, 16.0 * KIB), 30.0),
        kind("noisy teeth", 4, 60, |seed, period| teeth(seed, period as u64, 16.0 * KIB), 60.0),
        kind("ragged teeth", 0, 90, |seed, period| ragged(seed, period as u64), 50.0),
        kind("ragged teeth", 0, 70, |seed, period| ragged(seed, period as u64), 100.0),
        kind("returning", 0, 80, returning, 5.0),
        kind("returning", 2, 0, returning, 20.0),
        kind("returning", 8, 0, returning, 60.0),
        kind("returning", 14, 0, returning, 120.0),
        kind("walled", 0, 25, walled, 256.0 * KIB),
        kind("walled", 14, 0, walled, MIB),
        kind("levels", 0, 50, |seed, frames| levels(seed, frames as u64), 1.0),
        kind("levels", 0, 50, |seed, frames| levels(seed, frames as u64), 60.0),
        kind("levels", 0, 45, |seed, frames| levels(seed, frames as u64), 200.0),
        kind("bursts", 0, 95, bursts, 0.003),
        kind("bursts", 0, 90, bursts, 0.02),
        kind("bursts", 0, 50, bursts, 0.2),
        kind("sine", 0, 0, sine, 100.0),
        kind("sine", 0, 0, sine, 200.0),
        kind("sine", 0, 0, sine, 480.0),
    ])
}

/// `TREND_SEEDS=400 cargo test -p arenite --lib --release trend -- --nocapture` prints the table of the documentation.
fn seeds() -> u64 {
    std::env::var("TREND_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(50)
}

fn push(trend: &mut Trend, frame: u64, bytes: f64) -> TrendReading {
    trend.push(frame * FRAME_NS, (128.0 * MIB + bytes) as u64);
    trend.reading()
}

#[test]
fn churn_is_called_nothing_for_ten_thousand_frames() {
    let (seeds, grace) = (seeds(), seeds() / 200);
    for kind in kinds() {
        let called = (0..seeds).filter(|seed| {
            let (mut churn, mut trend) = ((kind.make)(seed * 77 + 5), Trend::new());
            (0..10_000).any(|frame| {
                let reading = push(&mut trend, frame, churn(frame));
                matches!(reading.direction, Direction::Increasing | Direction::Decreasing)
            })
        });
        let called = called.count() as u64;
        std::eprintln!("{}: called in {called} of {seeds} runs", kind.name);
        assert!(
            called * 100 <= u64::from(kind.false_alarms) * seeds + 100 * grace,
            "{}: {called} of {seeds}",
            kind.name
        );
    }
}

#[test]
fn a_kibibyte_a_frame_is_found_within_600_frames() {
    let (seeds, grace) = (seeds(), seeds() / 200);
    for kind in kinds() {
        let found = (0..seeds).filter(|seed| {
            let (mut churn, mut trend) = ((kind.make)(seed * 77 + 5), Trend::new());
            let start = 1000 + seed * 13 % 97;
            (0..start + 600).any(|frame| {
                let leaked = frame.saturating_sub(start) as f64 * KIB;
                let reading = push(&mut trend, frame, churn(frame) + leaked);
                frame >= start && reading.direction == Direction::Increasing
            })
        });
        let found = found.count() as u64;
        std::eprintln!("{}: found in {found} of {seeds} runs", kind.name);
        assert!((found + grace) * 100 >= u64::from(kind.found) * seeds, "{}: {found} of {seeds}", kind.name);
    }
}

#[test]
fn what_falls_is_the_mirror_of_what_rises() {
    for seed in 0..20 {
        let (mut churn, mut up, mut down) = (uniform(seed, 256.0 * KIB), Trend::new(), Trend::new());
        for frame in 0..900 {
            let bytes = churn(frame) + frame as f64 * KIB;
            let (rising, falling) = (push(&mut up, frame, bytes), push(&mut down, frame, -bytes));
            assert_eq!(rising.direction == Direction::Increasing, falling.direction == Direction::Decreasing);
            if rising.direction == Direction::Increasing {
                assert!((rising.bytes_per_frame + falling.bytes_per_frame).abs() < 1.0, "{rising} {falling}");
            }
        }
        assert_eq!(down.reading().direction, Direction::Decreasing);
    }
}

#[test]
fn the_rate_is_told_per_second_and_per_frame_also_with_uneven_frames() {
    for seed in 0..20 {
        let (mut random, mut churn) = (Random(seed), uniform(seed + 1, 128.0 * KIB));
        let (mut trend, mut now, mut bytes) = (Trend::new(), 1u64 << 60, 0.0);
        for frame in 0..2000 {
            let step = 4_000_000 + random.below(25_000_000);
            now += step;
            // 61 KiB a second, however long a frame takes.
            bytes += 61.0 * KIB * step as f64 / 1e9;
            trend.push(now, (64.0 * MIB + bytes + churn(frame)) as u64);
        }
        let reading = trend.reading();
        assert_eq!(reading.direction, Direction::Increasing);
        assert!((reading.bytes_per_second / (61.0 * KIB) - 1.0).abs() < 0.1, "{reading}");
        assert!((reading.bytes_per_frame / (61.0 * KIB * 0.0165) - 1.0).abs() < 0.15, "{reading:?}");
    }
}

#[test]
fn who_looks_every_tenth_frame_sees_the_same_rate() {
    let mut trend = Trend::with_window(64);
    for sample in 0..100u64 {
        trend.push_after(10, sample * 10 * FRAME_NS, sample * 10 * 1000);
    }
    let reading = trend.reading();
    assert_eq!(reading.direction, Direction::Increasing);
    assert!((reading.bytes_per_frame - 1000.0).abs() < 0.01);
    assert!((reading.bytes_per_second - 60_000.0).abs() < 1.0);
    assert_eq!(reading.to_string(), "increasing, 58.6 KiB per second, confident");
}

#[test]
fn it_knows_nothing_before_the_window_is_full_and_forgets_when_told() {
    let mut trend = Trend::with_window(100);
    assert_eq!(trend.window(), 96);
    for round in 0..2 {
        for frame in 0..95 {
            assert_eq!(push(&mut trend, frame, 0.0), TrendReading::default(), "round {round}");
        }
        let reading = push(&mut trend, 95, 0.0);
        assert_eq!((reading.direction, reading.confidence), (Direction::Stable, 1.0));
        trend.clear();
        assert_eq!(trend.window(), 96);
        assert_eq!(trend.reading().to_string(), "unknown: too few samples");
    }
}

#[test]
fn a_leak_that_was_mended_is_stable_again_soon() {
    let mut trend = Trend::new();
    let mut churn = uniform(3, 64.0 * KIB);
    let mut leak = 0.0;
    for frame in 0..2000 {
        leak += if frame < 1000 { KIB } else { 0.0 };
        let reading = push(&mut trend, frame, churn(frame) + leak);
        match frame {
            700..1000 => assert_eq!(reading.direction, Direction::Increasing),
            1600.. => assert_eq!(reading.direction, Direction::Stable),
            _ => {}
        }
    }
}

#[test]
fn slow_growth_can_be_ignored() {
    let feed = |mut trend: Trend| {
        (0..700).for_each(|frame| {
            push(&mut trend, frame, frame as f64 * 10.0);
        });
        trend.reading().direction
    };
    assert_eq!(feed(Trend::new()), Direction::Increasing);
    assert_eq!(feed(Trend::new().ignore_below(9.0)), Direction::Increasing);
    assert_eq!(feed(Trend::new().ignore_below(11.0)), Direction::Stable);
    assert_eq!(feed(Trend::new().ignore_below(f64::NAN)), Direction::Increasing);
}

#[test]
fn no_input_makes_a_figure_that_is_no_number() {
    let clocks: [fn(u64, &mut Random) -> u64; 5] = [
        |_, _| 0,
        |frame, _| u64::MAX - frame,
        |_, random| random.next(),
        |frame, _| if frame % 2 == 0 { u64::MAX } else { 0 },
        |frame, _| frame * FRAME_NS,
    ];
    let counts: [fn(u64, &mut Random) -> u64; 5] = [
        |_, _| u64::MAX,
        |frame, _| if frame % 2 == 0 { u64::MAX } else { 0 },
        |_, random| random.next(),
        |frame, _| u64::MAX - frame,
        |frame, _| frame.wrapping_mul(1 << 55),
    ];
    for clock in clocks {
        for count in counts {
            for frames in [0, 1, u32::MAX] {
                let (mut random, mut trend) = (Random(1), Trend::with_window(64));
                for frame in 0..400 {
                    trend.push_after(frames, clock(frame, &mut random), count(frame, &mut random));
                    let reading = trend.reading();
                    for figure in [reading.bytes_per_frame, reading.bytes_per_second, reading.confidence] {
                        assert!(figure.is_finite(), "{reading:?}");
                    }
                    assert!((0.0..=1.0).contains(&reading.confidence));
                    assert!(!reading.to_string().is_empty());
                }
            }
        }
    }
}

#[test]
fn a_clock_that_runs_backwards_is_no_time() {
    let mut trend = Trend::with_window(64);
    let mut now = 1_000_000_000_000u64;
    for frame in 0..200u64 {
        // Every tenth frame the clock is set back by an hour, and goes on from there.
        now = if frame % 10 == 9 { now.saturating_sub(3_600_000_000_000) } else { now + FRAME_NS };
        trend.push(now, frame * 1000);
    }
    let reading = trend.reading();
    assert_eq!(reading.direction, Direction::Increasing);
    assert!((reading.bytes_per_frame - 1000.0).abs() < 0.01);
    // Nine frames of ten took time.
    assert!((reading.bytes_per_second / (60_000.0 / 0.9) - 1.0).abs() < 0.02, "{reading}");
}
