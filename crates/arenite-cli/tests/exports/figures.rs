//! What needs no other tool.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{LEAKED, arenite, exported, folder, live_by_function, path, printed, recorded, refusal, totals};

const FORMATS: [(&str, &str); 5] = [
    ("pprof", "pb.gz"),
    ("dhat", "dhat.json"),
    ("folded", "folded"),
    ("chrome", "trace.json"),
    ("heaptrack", "heaptrack.gz"),
];

fn folded(more: &[&str]) -> BTreeMap<String, u64> {
    let (file, _) = recorded();
    let text = printed(&[&["export", file, "--format", "folded", "--output", "-"], more].concat());
    let text = String::from_utf8(text).expect("UTF-8");
    let lines = text.lines().map(|line| {
        let (stack, figure) = line.rsplit_once(' ').expect("a figure");
        (stack.to_owned(), figure.parse().expect("a whole number"))
    });
    let lines: BTreeMap<String, u64> = lines.collect();
    assert_eq!(lines.len(), text.lines().count(), "each call stack is told once");
    lines
}

#[test]
fn folded_stacks_have_the_figures_of_the_report() {
    let totals = totals();
    for (measure, expected) in [
        ("live", totals.live_bytes),
        ("peak", totals.peak_bytes),
        ("churn-bytes", totals.bytes),
        ("churn-calls", totals.calls),
    ] {
        let lines = folded(&["--measure", measure]);
        assert_eq!(lines.values().sum::<u64>(), expected, "{measure}");
    }
    let mut functions: BTreeMap<String, u64> = BTreeMap::new();
    for (stack, bytes) in folded(&[]) {
        *functions.entry(stack.rsplit(';').next().expect("a function").to_owned()).or_default() += bytes;
    }
    assert_eq!(functions, live_by_function());
    let tagged = folded(&["--tags"]);
    let leak: u64 =
        tagged.iter().filter(|(stack, _)| stack.starts_with("tag marks;")).map(|(_, bytes)| bytes).sum();
    assert_eq!(leak, LEAKED.0);
    let deep: usize = folded(&["--all-frames"]).keys().map(|stack| stack.split(';').count()).sum();
    let shown: usize = folded(&[]).keys().map(|stack| stack.split(';').count()).sum();
    assert!(deep > shown + 100, "{deep} {shown}: the insides of allocators, too");
}

#[test]
fn dhat_and_chrome_have_the_figures_of_the_report() {
    let (totals, report) = (totals(), &recorded().1);
    let file = exported("dhat", "figures.json", &[]);
    let dhat: Value = serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
    let points = dhat["pps"].as_array().expect("points");
    let sum = |name: &str| points.iter().map(|point| point[name].as_u64().expect("a figure")).sum::<u64>();
    let found = ["tbk", "tb", "ebk", "eb", "gbk", "gb"].map(sum);
    let expected = [
        totals.calls,
        totals.bytes,
        totals.live_blocks,
        totals.live_bytes,
        totals.blocks_at_peak,
        totals.peak_bytes,
    ];
    assert_eq!(found, expected);
    let micros = |value: &Value| (value.as_f64().expect("seconds") * 1e6) as u64;
    assert!(dhat["tg"].as_u64().expect("a time").abs_diff(micros(&report["peak"]["seconds"])) <= 1);
    assert!(dhat["te"].as_u64().expect("a time").abs_diff(micros(&report["seconds"])) <= 1);

    let file = exported("perfetto", "figures.trace.json", &[]);
    let trace: Value = serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let bytes = |counter: &str| -> Vec<u64> {
        let named = events.iter().filter(|event| event["ph"] == "C" && event["name"] == counter);
        named.map(|event| event["args"]["bytes"].as_u64().expect("bytes")).collect()
    };
    assert_eq!(
        (bytes("live").iter().max(), bytes("live").last()),
        (Some(&totals.peak_bytes), Some(&totals.live_bytes))
    );
    let mut seen = 0;
    for tag in report["tags"].as_array().expect("tags") {
        let live = bytes(&format!("live: {}", tag["name"].as_str().expect("a name")));
        let figure = |name: &str| tag[name].as_u64().expect("a figure");
        assert_eq!(live.iter().max().copied().unwrap_or(0), figure("peak_bytes"), "{}", tag["name"]);
        assert_eq!(live.last().copied().unwrap_or(0), figure("live_bytes"), "{}", tag["name"]);
        seen += u64::from(figure("peak_bytes") > 0);
    }
    assert!(seen > 4);
    let slices: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(
        slices.len() as u64,
        report["frames"]["count"].as_u64().expect("frames") + 1,
        "and the last one"
    );
    let calls = |row: &Value, names: [&str; 2]| {
        names.map(|name| row[name].as_u64().expect("a figure")).iter().sum::<u64>()
    };
    for (row, slice) in report["frames"]["rows"].as_array().expect("rows").iter().zip(slices) {
        let args = &slice["args"];
        assert_eq!(calls(args, ["allocations", "reallocations"]), calls(row, ["allocs", "reallocs"]));
        assert_eq!((&args["bytes"], &args["peak_bytes"]), (&row["bytes"], &row["peak_bytes"]));
    }
    let marks: Vec<&Value> =
        events.iter().filter(|event| event["cat"] == "mark").map(|event| &event["name"]).collect();
    let expected: Vec<&Value> =
        report["marks"].as_array().expect("marks").iter().map(|mark| &mark["text"]).collect();
    assert_eq!(marks, expected);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let (file, _) = recorded();
    let copy = path("copy.arec");
    fs::copy(file, &copy).expect("a copy");
    for (format, ending) in FORMATS {
        let out = path(&format!("copy.{ending}"));
        let line = String::from_utf8(printed(&["export", &copy, "--format", format])).expect("UTF-8");
        assert!(line.starts_with(&format!("{out}: ")) && line.ends_with(&format!(" {out}\n")), "{line}");
        let beside = fs::read(&out).expect("a file beside the recording");
        let printed = printed(&["export", &copy, "--format", format, "--output", "-"]);
        match format {
            // Compressed because of its name.
            "heaptrack" => assert!(beside.starts_with(&[0x1f, 0x8b]) && printed.starts_with(b"v 10400 3\n")),
            _ => assert!(beside == printed, "{format} is the same at each place, and each time"),
        }
    }
    let old = path("old.json");
    fs::write(&old, "old").expect("a file");
    refusal(&["export", &path("absent.arec"), "--format", "dhat", "--output", &old]);
    let text = path("text.arec");
    fs::write(&text, "this is a text, and longer than the header of a capture is, which has 64 bytes")
        .expect("a file");
    refusal(&["export", &text, "--format", "dhat", "--output", &old]);
    assert_eq!(fs::read(&old).expect("the old file"), b"old");
    assert!(
        refusal(&["export", &copy, "--format", "dhat", "--output", &copy]).contains("the recording itself")
    );
    assert!(
        refusal(&["export", &copy, "--format", "dhat", "--output", &path("none/x")])
            .contains("cannot write ")
    );
    assert!(refusal(&["export", &copy, "--format", "massif"]).contains("massif"));
    refusal(&["export", &copy]);
    refusal(&["export", &copy, "--format", "folded", "--measure", "most"]);
    #[cfg(target_os = "linux")]
    for format in ["pprof", "dhat", "heaptrack"] {
        let line = refusal(&["export", &copy, "--format", format, "--output", "/dev/full"]);
        assert!(line.contains("cannot write /dev/full"), "{line}");
        printed(&["export", &copy, "--format", format, "--output", "/dev/null"]);
    }
    refusal(&["export", &folder().display().to_string(), "--format", "folded"]);
    let names = fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".copy")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_missing_is_said() {
    let (file, _) = recorded();
    let whole = fs::read(file).expect("a recording");
    let cut = path("cut.arec");
    for len in [64, whole.len() / 3, whole.len() - 9] {
        fs::write(&cut, &whole[..len]).expect("a file");
        for (format, _) in FORMATS {
            let done = arenite(&["export", &cut, "--format", format, "--output", "-"]);
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success() && said.contains("note: the recording did not come to its end"),
                "{said}"
            );
            assert!(said.lines().all(|line| line.starts_with("note: ")), "{said}");
            assert!(!done.stdout.is_empty() || format == "folded", "{format}");
        }
    }
    let sample = path("sample.arec");
    // Of this process, whose allocator is the system's: no event, but a whole file.
    let options = arenite::record::RecordOptions::new(&sample).sample(512 << 10);
    arenite::record::start(options).expect("a recording").stop().expect("written");
    for (format, what) in [("pprof", "estimates of all"), ("heaptrack", "figures are those of the sample")] {
        let done = arenite(&["export", &sample, "--format", format, "--output", "-"]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains("it is a sample") && said.contains(what), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_fault() {
    let (file, _) = recorded();
    for (format, _) in FORMATS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arenite"))
            .args(["export", file, "--format", format, "--output", "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{format}: {said}");
    }
}
