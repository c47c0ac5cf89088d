//! A minute of frames whose memory comes and goes, with a small leak below it: the trend finds it, and says how fast.
//!
//! `cargo run --release -p arenite --example trend`

use arenite::Bytes;
use arenite::watch::{Direction, Trend};

/// Nanoseconds of a frame at 60 frames a second.
const FRAME: u64 = 16_666_667;

fn main() {
    let (mut plain, mut leaking) = (Trend::new(), Trend::new());
    let mut found = None;
    for frame in 0..3600u64 {
        // Up to half a MiB is collected every 40 frames; now and then a burst. In a game, the bytes are those of a tag
        // (`tag.account().subtree.live`), and the time is `os::monotonic_ns()`.
        let churn = frame % 40 * 13_000 + if frame % 97 < 5 { 2 << 20 } else { 0 };
        let now = frame * FRAME;
        plain.push(now, (64 << 20) + churn);
        // A name of 1041 bytes is kept each frame, and never asked for again.
        leaking.push(now, (64 << 20) + churn + frame * 1041);
        if found.is_none() && leaking.reading().direction == Direction::Increasing {
            found = Some(frame);
        }
        assert_ne!(plain.reading().direction, Direction::Increasing, "churn is not growth");
    }
    println!("without the leak: {}", plain.reading());
    println!("with it:          {}", leaking.reading());

    let reading = leaking.reading();
    println!("found after {} frames", found.expect("it was found"));
    println!("at this rate {} in an hour", Bytes((reading.bytes_per_second * 3600.0) as usize));
    assert!((reading.bytes_per_second / 1024.0 - 61.0).abs() < 1.0 && reading.is_confident());
    assert_eq!(plain.reading().direction, Direction::Stable);
}
