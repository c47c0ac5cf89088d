//! Exports of captures that no recorder wrote, with names and numbers that were made to break their readers: each file is read
//! again, and its figures are those of the summary.

mod made;
mod read;

use std::io::{self, Cursor, Write};

use arenite_inspect::export::{ExportError, ExportOptions, Format, Measure, export};
use arenite_inspect::{Capture, Summary, SummaryOptions};
use made::{Made, NastyNames, Numbers, hostile, small};

/// A capture in memory, and what it comes to.
struct Opened {
    capture: Capture<Cursor<Vec<u8>>>,
    summary: Summary,
}

fn open(file: Vec<u8>) -> Opened {
    let mut capture = Capture::read(Cursor::new(file)).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    Opened { capture, summary }
}

impl Opened {
    fn export(&mut self, options: ExportOptions) -> Vec<u8> {
        let mut out = Vec::new();
        let exported = export(&mut self.capture, &self.summary, &options, &mut NastyNames, &mut out);
        let exported = exported.expect("an export");
        assert_eq!((exported.stacks_left_out, exported.blocks_left_out), (0, 0));
        out
    }

    fn text(&mut self, options: ExportOptions) -> String {
        let text = String::from_utf8(self.export(options)).expect("UTF-8");
        assert!(!text.chars().any(|symbol| symbol.is_control() && symbol != '\n'), "{text:?}");
        text
    }
}

/// Whole numbers are told exactly up to here; what is beyond must only not break anything.
const EXACT: u64 = 1 << 50;

#[test]
fn hostile_captures_are_exported_and_sums_agree() {
    let mut numbers = Numbers(2026);
    let mut sums = [0u64; 3];
    for round in 0..60 {
        // Now and then of numbers at their limits.
        let mut opened = open(hostile(&mut numbers, round % 3 == 0));
        let total = opened.summary.total;
        let tags = round % 2 == 0;
        let figures = [total.live_bytes, total.peak_bytes, total.bytes, total.calls(), total.live_blocks];
        let [live, peak, bytes, calls, blocks] = figures;
        // How many there are is exact whatever their sizes are.
        let same = |found: f64, expected: u64| {
            let is_count = expected == calls || expected == blocks;
            assert!(found == expected as f64 || (bytes >= EXACT && !is_count), "{found} is not {expected}");
        };

        let profile = read::pprof(&opened.export(ExportOptions::new(Format::Pprof)));
        for (found, expected) in profile.iter().zip([calls, bytes, blocks, live, total.blocks_at_peak, peak])
        {
            if bytes < EXACT || expected != total.blocks_at_peak {
                same(*found, expected);
            }
        }

        let dhat = read::dhat(&opened.text(ExportOptions::new(Format::Dhat).tags(tags)));
        for (name, expected) in ["eb", "gb", "tb", "tbk", "ebk"].into_iter().zip(figures) {
            same(dhat[name], expected);
        }

        let measures = [Measure::Live, Measure::Peak, Measure::ChurnBytes, Measure::ChurnCalls];
        for (measure, expected) in measures.into_iter().zip(figures) {
            let text = opened.text(ExportOptions::new(Format::Folded).measure(measure).tags(tags));
            same(read::folded(&text), expected);
        }

        let trace = read::chrome(&opened.text(ExportOptions::new(Format::Chrome)));
        same(trace.most.get("live").copied().unwrap_or(0.0), peak);
        assert_eq!(trace.marks, opened.summary.marks.len() as u64);

        let heaptrack = read::heaptrack(&opened.text(ExportOptions::new(Format::Heaptrack).tags(tags)));
        assert_eq!((heaptrack.calls, heaptrack.live_blocks), (calls, blocks));
        if bytes < EXACT {
            assert_eq!((heaptrack.live, heaptrack.peak), (live, peak));
        }
        sums = [sums[0] + calls, sums[1] + blocks, sums[2] + opened.summary.tags.len() as u64];
    }
    assert!(sums.iter().all(|sum| *sum > 200), "{sums:?}: there was something to be summed up");
}

#[test]
fn a_capture_that_is_cut_anywhere_is_exported() {
    let whole = hostile(&mut Numbers(7), false);
    for cut in (64..whole.len()).step_by(whole.len() / 40) {
        let mut opened = open(whole[..cut].to_vec());
        for format in [Format::Pprof, Format::Dhat, Format::Folded, Format::Chrome, Format::Heaptrack] {
            opened.export(ExportOptions::new(format));
        }
        let live = opened.summary.total.live_bytes;
        assert_eq!(read::folded(&opened.text(ExportOptions::new(Format::Folded))), live as f64);
    }
    let mut empty = open(whole[..64].to_vec());
    read::dhat(&empty.text(ExportOptions::new(Format::Dhat)));
    read::chrome(&empty.text(ExportOptions::new(Format::Chrome)));
    assert_eq!(read::heaptrack(&empty.text(ExportOptions::new(Format::Heaptrack))).calls, 0);
    assert_eq!(read::pprof(&empty.export(ExportOptions::new(Format::Pprof)))[0], 0.0);
}

/// The same program by hand, figure by figure.
#[test]
fn lifetimes_peaks_labels_and_places() {
    let mut opened = open(small(0));
    let dhat: serde_json::Value =
        serde_json::from_str(&opened.text(ExportOptions::new(Format::Dhat))).expect("JSON");
    // 3 units a microsecond apart: see `small`.
    let points = dhat["pps"].as_array().expect("a list");
    let of = |name: &str| -> &serde_json::Value {
        let table = dhat["ftbl"].as_array().expect("a list");
        let shows = |point: &&serde_json::Value| {
            let frames = point["fs"].as_array().expect("frames");
            table[frames[0].as_u64().expect("a number") as usize]
                .as_str()
                .is_some_and(|text| text.contains(name))
        };
        points.iter().find(shows).unwrap_or_else(|| panic!("no {name}"))
    };
    let figures = |point: &serde_json::Value| {
        ["tb", "tbk", "tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"]
            .map(|name| point[name].as_u64().expect("a number"))
    };
    // 100 bytes from 10 to 30, 50 from 20 to the end at 100.
    assert_eq!(figures(of("0x1000")), [150, 2, 20 + 80, 150, 2, 150, 2, 50, 1]);
    // 40 bytes from 25 on, 60 as resized at 40, by another call stack.
    assert_eq!(figures(of("0x3000")), [40, 1, 15, 40, 1, 40, 1, 0, 0]);
    assert_eq!(figures(of("0x4000")), [60, 1, 60, 60, 1, 0, 0, 60, 1]);
    assert_eq!(
        (dhat["tg"].as_u64(), dhat["te"].as_u64()),
        (Some(15), Some(90)),
        "since the first event, at 10"
    );

    let profile = opened.export(ExportOptions::new(Format::Pprof));
    let told = read::samples(&profile);
    let labels: Vec<(&str, &str)> =
        told.iter().map(|sample| (sample.tag.as_str(), sample.thread.as_str())).collect();
    assert!(labels.contains(&("render/tex\u{fffd}\"ures;", "mai\u{fffd}n")), "{labels:?}");
    assert!(labels.contains(&("(no tag)", "thread 2")), "{labels:?}");
    assert!(told.iter().all(|sample| sample.functions.iter().all(|name| !name.contains('\n'))));
    let inlined = told.iter().find(|sample| sample.places < sample.functions.len());
    assert!(inlined.is_some(), "functions that were inlined are at one place");

    let tagged = opened.text(ExportOptions::new(Format::Folded).tags(true).measure(Measure::ChurnBytes));
    assert!(tagged.lines().any(|line| line.starts_with("tag render/tex\u{fffd}\"ures:;")), "{tagged}");
    let calls = opened.text(ExportOptions::new(Format::Folded).measure(Measure::ChurnCalls));
    assert_eq!(read::folded(&calls), 5.0, "one of them without a call stack, of no byte");
    let trace = read::chrome(&opened.text(ExportOptions::new(Format::Chrome)));
    assert_eq!(trace.most["live: render/tex\u{fffd}\"ures;"], 190.0);
    assert_eq!(trace.most["live: render"], 190.0, "with the tags below it");
    assert_eq!(trace.last["live: render"], 110.0);
    assert_eq!(trace.most["memory: render"], 4096.0 * 3.0);
    assert_eq!(trace.frames, ["frame 7"]);
    assert!(trace.instants.iter().any(|name| name == "lo\u{fffd}ad\";"), "{:?}", trace.instants);
    assert!(
        trace.instants.iter().any(|name| name == "a note")
            && trace.instants.iter().any(|name| name == "3 events dropped")
    );
    let heaptrack = opened.text(ExportOptions::new(Format::Heaptrack));
    assert!(heaptrack.contains("\nR 3\n"), "memory of arenas, in pages\n{heaptrack}");
    assert_eq!(read::heaptrack(&heaptrack).end, 0, "less than a millisecond");
}

#[test]
fn a_sample_is_scaled_where_the_format_allows_and_said_to_be_one() {
    let mut opened = open(small(64));
    // Of 100, 50, 40 and 60 bytes, as one for 64 bytes is recorded.
    let chance = |size: f64| 1.0 - (-size / 64.0f64).exp();
    let sizes = [100.0, 50.0, 40.0, 60.0];
    let blocks: f64 = sizes.iter().map(|size| 1.0 / chance(*size)).sum();
    let bytes: f64 = sizes.iter().map(|size| size / chance(*size)).sum();
    let near =
        |found: f64, expected: f64| assert!((found - expected).abs() <= 2.0, "{found} is not {expected}");
    let profile = opened.export(ExportOptions::new(Format::Pprof));
    let sums = read::pprof(&profile);
    near(sums[0], blocks);
    near(sums[1], bytes);
    near(sums[3], 50.0 / chance(50.0) + 60.0 / chance(60.0));
    assert!(read::strings(&profile).iter().any(|text| text.contains("sample of one block for 64 bytes")));
    near(read::dhat(&opened.text(ExportOptions::new(Format::Dhat)))["tb"], bytes);
    assert!(opened.text(ExportOptions::new(Format::Dhat)).contains("sample of one block for 64 bytes"));
    near(read::folded(&opened.text(ExportOptions::new(Format::Folded).measure(Measure::ChurnBytes))), bytes);
    let trace = read::chrome(&opened.text(ExportOptions::new(Format::Chrome)));
    near(trace.last["live (estimated)"], sums[3]);
    let heaptrack = opened.text(ExportOptions::new(Format::Heaptrack));
    assert!(heaptrack.contains("sample, of one block for 64 bytes"));
    assert_eq!(read::heaptrack(&heaptrack).live, 110, "block by block, as they are");
}

#[test]
fn compressed_it_is_the_same_and_faults_of_the_place_are_told() {
    let mut opened = open(small(0));
    for format in [Format::Dhat, Format::Heaptrack] {
        let plain = opened.export(ExportOptions::new(format));
        let packed = opened.export(ExportOptions::new(format).gzip(true));
        assert_eq!(read::unpacked(&packed), plain);
    }
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.0);
            self.0 -= len;
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Pprof, Format::Dhat, Format::Folded, Format::Chrome, Format::Heaptrack] {
        for room in [0, 1, 100] {
            let failed = export(
                &mut opened.capture,
                &opened.summary,
                &ExportOptions::new(format),
                &mut NastyNames,
                Full(room),
            );
            assert!(matches!(failed, Err(ExportError::Write(_))), "{format:?} in {room} bytes");
        }
    }
}

#[test]
fn what_lives_is_remembered_and_not_what_happened() {
    // A block for each of many sizes: heaptrack's kinds are as many, and each is told again when it is forgotten.
    let mut made = Made::new(0);
    for size in 1..=3000u64 {
        made.alloc(16 * size, size, (size % 7) as u32 + 1);
        if size > 5 {
            made.free(16 * (size - 5));
        }
    }
    let mut opened = open(made.file());
    let found = read::heaptrack(&opened.text(ExportOptions::new(Format::Heaptrack)));
    assert_eq!((found.calls, found.live, found.live_blocks), (3000, 2996 + 2997 + 2998 + 2999 + 3000, 5));
    let trace = read::chrome(&opened.text(ExportOptions::new(Format::Chrome)));
    assert_eq!(trace.most["live"], opened.summary.total.peak_bytes as f64);
}
