//! Reads what was written, as its readers do, and is stricter than they are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use prost::Message;
use serde_json::Value;

/// Undoes gzip.
pub(crate) fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    kinds: Vec<Two>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mappings: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Two {
    #[prost(int64, tag = "1")]
    one: i64,
    #[prost(int64, tag = "2")]
    other: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    locations: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    labels: Vec<Two>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    start: u64,
    #[prost(uint64, tag = "3")]
    end: u64,
    #[prost(int64, tag = "6")]
    build_id: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Two>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    file: i64,
}

fn profile(bytes: &[u8]) -> Profile {
    Profile::decode(unpacked(bytes).as_slice()).expect("a profile")
}

pub(crate) fn strings(bytes: &[u8]) -> Vec<String> {
    profile(bytes).strings
}

/// A sample with what its numbers stand for.
pub(crate) struct Told {
    pub(crate) values: Vec<i64>,
    pub(crate) tag: String,
    pub(crate) thread: String,
    pub(crate) places: usize,
    pub(crate) functions: Vec<String>,
}

/// All of them; panics if a number stands for nothing.
pub(crate) fn samples(bytes: &[u8]) -> Vec<Told> {
    let profile = profile(bytes);
    let text = |number: i64| profile.strings[usize::try_from(number).expect("no negative number")].clone();
    assert_eq!(text(0), "");
    let kinds: Vec<String> = profile.kinds.iter().map(|kind| text(kind.one)).collect();
    assert_eq!(kinds[..4], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
    let functions: HashMap<u64, String> = profile
        .functions
        .iter()
        .map(|function| {
            text(function.file);
            (function.id, text(function.name))
        })
        .collect();
    let locations: HashMap<u64, &Location> =
        profile.locations.iter().map(|location| (location.id, location)).collect();
    assert_eq!((functions.len(), locations.len()), (profile.functions.len(), profile.locations.len()));
    assert!(!functions.contains_key(&0) && !locations.contains_key(&0));
    for location in &profile.locations {
        let mapping = profile.mappings.iter().find(|mapping| mapping.id == location.mapping);
        assert!(location.mapping == 0 || mapping.is_some());
        let within = |mapping: &Mapping| (mapping.start..mapping.end).contains(&location.address);
        assert!(mapping.is_none_or(within), "{location:?} {mapping:?}");
        assert!(mapping.is_none_or(|mapping| text(mapping.build_id) == "abcd12"), "{mapping:?}");
    }
    let told = profile.samples.iter().map(|sample| {
        assert_eq!(sample.values.len(), profile.kinds.len());
        let mut label = HashMap::new();
        for Two { one, other } in &sample.labels {
            label.insert(text(*one), text(*other));
        }
        let lines = sample.locations.iter().flat_map(|location| &locations[location].lines);
        Told {
            values: sample.values.clone(),
            tag: label["tag"].clone(),
            thread: label["thread"].clone(),
            places: sample.locations.len(),
            functions: lines.map(|line| functions[&(line.one as u64)].clone()).collect(),
        }
    });
    told.collect()
}

/// The sums of all values.
pub(crate) fn pprof(bytes: &[u8]) -> Vec<f64> {
    let mut sums = vec![0.0; 6];
    for sample in samples(bytes) {
        assert!(!sample.functions.is_empty() && sample.functions.len() >= sample.places);
        for (sum, value) in sums.iter_mut().zip(sample.values) {
            *sum = f64::min(*sum + value as f64, i64::MAX as f64);
        }
    }
    sums
}

/// The sums of all points.
pub(crate) fn dhat(text: &str) -> BTreeMap<&'static str, f64> {
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!((value["dhatFileVersion"].as_u64(), value["ftbl"][0].as_str()), (Some(2), Some("[root]")));
    let names = value["ftbl"].as_array().expect("a table").len() as u64;
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut seen = HashSet::new();
    for point in value["pps"].as_array().expect("points") {
        for name in ["tb", "tbk", "tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"] {
            *sums.entry(name).or_default() += point[name].as_u64().expect("a whole number") as f64;
        }
        let frames = point["fs"].as_array().expect("frames");
        assert!(
            !frames.is_empty()
                && frames.iter().all(|frame| (1..names).contains(&frame.as_u64().expect("a number")))
        );
        assert!(seen.insert(frames.clone()), "the viewer refuses a call stack that it is told twice");
    }
    for name in ["tb", "tbk", "eb", "ebk", "gb"] {
        sums.entry(name).or_default();
    }
    sums
}

/// The sum of all lines, which a drawer of flame graphs takes, each of them, as what they are.
pub(crate) fn folded(text: &str) -> f64 {
    let mut sum = 0.0;
    for line in text.lines() {
        let (stack, figure) = line.rsplit_once(' ').expect("a figure");
        sum += figure.parse::<u64>().expect("a whole number") as f64;
        let last = stack.rsplit(' ').next().expect("a word");
        assert!(last == stack || last.parse::<f64>().is_err(), "a second figure in {line:?}");
        assert!(stack.split(';').all(|name| !name.trim().is_empty()) && !stack.starts_with('#'), "{line:?}");
    }
    if sum > 0.0 && sum < 1e15 {
        let mut options = inferno::flamegraph::Options::default();
        options.count_name = "bytes".into();
        let mut picture = Vec::new();
        inferno::flamegraph::from_lines(&mut options, text.lines(), &mut picture).expect("a flame graph");
        let picture = String::from_utf8(picture).expect("UTF-8");
        // It says what the whole width is.
        let all =
            picture.split("<title>all (").nth(1).expect("the root").split(' ').next().expect("a figure");
        let all: f64 = all.replace(',', "").parse().expect("a figure");
        assert_eq!(all, sum);
    }
    sum
}

/// What a trace tells.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Of each counter.
    pub(crate) most: HashMap<String, f64>,
    pub(crate) last: HashMap<String, f64>,
    pub(crate) frames: Vec<String>,
    pub(crate) instants: Vec<String>,
    pub(crate) marks: u64,
}

pub(crate) fn chrome(text: &str) -> Trace {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let mut trace = Trace::default();
    let mut times: HashMap<String, f64> = HashMap::new();
    for event in value["traceEvents"].as_array().expect("events") {
        let name = event["name"].as_str().expect("a name").to_owned();
        let time = event["ts"].as_f64();
        match event["ph"].as_str().expect("a kind") {
            "C" => {
                let (_, figure) =
                    event["args"].as_object().and_then(|args| args.iter().next()).expect("a figure");
                let figure = figure.as_f64().expect("a number");
                let before = times.insert(name.clone(), time.expect("a time"));
                assert!(
                    before.is_none_or(|before| before <= time.expect("a time")),
                    "{name} goes back in time"
                );
                let most = trace.most.entry(name.clone()).or_default();
                *most = most.max(figure);
                trace.last.insert(name, figure);
            }
            "X" => {
                assert!(event["dur"].as_f64().is_some_and(|long| long >= 0.0));
                trace.frames.push(name);
            }
            "i" => {
                trace.marks += u64::from(event["cat"] == "mark");
                trace.instants.push(name);
            }
            "M" => {}
            other => panic!("an event of kind {other}"),
        }
    }
    trace.frames.truncate(1);
    trace
}

/// What heaptrack's own reader comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heaptrack {
    pub(crate) calls: u64,
    pub(crate) live: u64,
    pub(crate) live_blocks: u64,
    pub(crate) peak: u64,
    /// In milliseconds.
    pub(crate) end: u64,
}

pub(crate) fn heaptrack(text: &str) -> Heaptrack {
    let mut found = Heaptrack::default();
    let (mut strings, mut places, mut traces) = (0, 0, 0);
    let mut kinds: Vec<u64> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (mode, rest) = line.split_once(' ').expect("a line has parts");
        if mode == "s" {
            let (len, string) = rest.split_once(' ').expect("a length");
            assert_eq!(usize::from_str_radix(len, 16), Ok(string.len()), "{line:?}");
            strings += 1;
            continue;
        }
        if mode == "X" {
            assert_eq!(number, 1);
            continue;
        }
        let parts: Vec<u64> = rest
            .split(' ')
            .map(|part| u64::from_str_radix(part, 16).expect("a hexadecimal number"))
            .collect();
        match (mode, &parts[..]) {
            ("v", [0x10400, 3]) => assert_eq!(number, 0),
            ("I" | "R", _) => {}
            ("i", [_, module, frames @ ..]) => {
                assert!(*module <= strings && !frames.is_empty() && frames.len() % 3 == 0, "{line}");
                assert!(frames.chunks(3).all(|frame| frame[0] <= strings && frame[1] <= strings), "{line}");
                places += 1;
            }
            ("t", [place, parent]) => {
                assert!((1..=places).contains(place) && *parent <= traces, "{line}");
                traces += 1;
            }
            ("a", [size, trace]) => {
                assert!((1..=traces).contains(trace), "{line}");
                kinds.push(*size);
            }
            ("+", [kind]) => {
                found.calls += 1;
                found.live_blocks += 1;
                found.live = found.live.wrapping_add(kinds[*kind as usize]);
                found.peak = found.peak.max(found.live);
            }
            ("-", [kind]) => {
                found.live_blocks -= 1;
                found.live = found.live.wrapping_sub(kinds[*kind as usize]);
            }
            ("c", [time]) => {
                assert!(*time > found.end);
                found.end = *time;
            }
            _ => panic!("no line of heaptrack: {line:?}"),
        }
    }
    found
}
