//! pprof and heaptrack, as their users have them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::{LEAKED, by_function, exported, live_by_function, path, recorded, totals};

/// What another program prints, which has to succeed.
fn tool(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).env("HOME", super::folder()).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}; ci/exports installs it"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What `go tool pprof -raw` prints, as far as it is looked at.
#[derive(Default)]
struct Raw {
    /// The values of each sample, its innermost place, and its labels.
    samples: Vec<(Vec<u64>, u64, String)>,
    /// The innermost function of each place, as it is named in the file.
    functions: BTreeMap<u64, String>,
    mappings: String,
}

fn raw(text: &str) -> Raw {
    let (mut found, mut part) = (Raw::default(), "");
    for line in text.lines() {
        if let "Samples:" | "Locations" | "Mappings" = line {
            part = line;
            continue;
        }
        match part {
            "Samples:" => {
                if let Some((values, places)) = line.split_once(": ")
                    && let Ok(values) =
                        values.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()
                {
                    let inner = places.split_whitespace().next().expect("a place").parse().expect("a number");
                    found.samples.push((values, inner, String::new()));
                } else if let Some((_, _, labels)) = found.samples.last_mut() {
                    labels.push_str(line.trim());
                }
            }
            "Locations" => {
                let Some((number, rest)) = line.trim().split_once(": 0x") else { continue };
                let Ok(number) = number.parse() else { continue };
                // address, mapping, the shown name, file and line, and the whole name if the shown one is shorter.
                let shown =
                    rest.split_once(" M=").and_then(|(_, rest)| rest.split_once(' ')).expect("a mapping").1;
                let whole = shown.rsplit_once(" s=").expect("a line of the function").1.split_once('(');
                let name = match whole {
                    Some((_, name)) => name.strip_suffix(')').expect("its end").to_owned(),
                    None => shown
                        .rsplit_once(" s=")
                        .and_then(|(name, _)| name.rsplit_once(' '))
                        .expect("a file")
                        .0
                        .to_owned(),
                };
                found.functions.insert(number, name);
            }
            "Mappings" => found.mappings.push_str(line),
            _ => {}
        }
    }
    found
}

#[test]
#[ignore = "needs Go's pprof: ci/exports"]
fn pprof_shows_the_figures_of_the_report() {
    let file = exported("pprof", "tool.pb.gz", &[]);
    let raw = raw(&tool("go", &["tool", "pprof", "-raw", &file]));
    let sums: Vec<u64> =
        (0..6).map(|kind| raw.samples.iter().map(|(values, _, _)| values[kind]).sum()).collect();
    let totals = totals();
    let expected = [
        totals.calls,
        totals.bytes,
        totals.live_blocks,
        totals.live_bytes,
        totals.blocks_at_peak,
        totals.peak_bytes,
    ];
    assert_eq!(sums, expected);
    let mut functions: BTreeMap<String, u64> = BTreeMap::new();
    for (values, inner, _) in raw.samples.iter().filter(|(values, _, _)| values[3] > 0) {
        *functions.entry(raw.functions[inner].clone()).or_default() += values[3];
    }
    assert_eq!(functions, live_by_function());
    assert!(raw.mappings.contains("/arenite"), "{}", raw.mappings);
    let leak = raw.samples.iter().filter(|(_, _, labels)| labels.contains("tag:[marks]"));
    assert_eq!(
        leak.map(|(values, _, _)| (values[3], values[2])).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        LEAKED
    );
    for (kind, total) in
        [("alloc_space", totals.bytes), ("inuse_space", totals.live_bytes), ("peak_space", totals.peak_bytes)]
    {
        let text = tool("go", &["tool", "pprof", "-top", "-unit=B", &format!("-sample_index={kind}"), &file]);
        assert!(
            text.contains(&format!("Type: {kind}\n")) && text.contains(&format!("of {total}B total")),
            "{text}"
        );
    }
    // Without being told, it shows what lives; and the function that has most of it, the leak's, is the first one.
    let text = tool("go", &["tool", "pprof", "-top", "-unit=B", &file]);
    assert!(text.contains("Type: inuse_space\n"), "{text}");
    let first =
        text.lines().skip_while(|line| !line.trim_start().starts_with("flat ")).nth(1).expect("a row");
    let most = functions.iter().max_by_key(|(_, bytes)| **bytes).expect("functions").0;
    let name = most.split("<").next().expect("a part");
    assert!(first.contains(&format!("{}B", LEAKED.0)) && first.contains(name), "{first}: {most}");
    let tags = tool("go", &["tool", "pprof", "-tags", "-unit=B", &file]);
    assert!(tags.contains("marks") && tags.contains("thread: Total"), "{tags}");
    let threads = recorded().1["threads"].as_array().expect("threads");
    let names = threads
        .iter()
        .filter(|thread| thread["allocs"].as_u64() > Some(0))
        .filter_map(|thread| thread["name"].as_str());
    for name in names {
        assert!(
            raw.samples.iter().any(|(_, _, labels)| labels.contains(&format!("thread:[{name}]"))),
            "{name}"
        );
    }
}

#[test]
#[ignore = "needs heaptrack_print: ci/exports"]
fn heaptrack_shows_the_figures_of_the_report() {
    let totals = totals();
    for more in [&[][..], &["--tags"], &["--all-frames"]] {
        let file = exported("heaptrack", "tool.heaptrack.gz", more);
        for (cost, expected) in
            [("allocations", totals.calls), ("leaked", totals.live_bytes), ("peak", totals.peak_bytes)]
        {
            // What it would draw: each call stack, with exact figures.
            let stacks = path("tool.stacks");
            let arguments =
                ["--disable-builtin-suppressions", "-F", &stacks, "--flamegraph-cost-type", cost, &file];
            let text = tool("heaptrack_print", &arguments);
            let stacks = fs::read_to_string(&stacks).expect("call stacks");
            let figure = |line: &str| line.rsplit(' ').next().and_then(|last| last.parse::<u64>().ok());
            assert_eq!(stacks.lines().filter_map(figure).sum::<u64>(), expected, "{cost}");
            // Without the names of modules its file says what it is.
            let leak = |line: &&str| {
                (line.contains("::leak::") || line.contains("(leak.rs)"))
                    && line.ends_with(&format!(" {}", LEAKED.0))
            };
            assert!(cost != "leaked" || stacks.lines().any(|line| leak(&line)), "{stacks}");
            let calls = format!("calls to allocation functions: {} ", totals.calls);
            assert!(text.contains(&calls), "{text}");
            assert!(!text.contains("WARNING") && text.contains("Debuggee command was: "), "{text}");
        }
    }
    // The functions that ask most often, with how often they do.
    let file = exported("heaptrack", "top.heaptrack.gz", &[]);
    let text = tool("heaptrack_print", &["-n", "1000", "-s", "1", "-p", "0", "-T", "0", "-l", "0", &file]);
    let calls = by_function("churn", |site| {
        site["allocs"].as_u64().expect("a figure") + site["reallocs"].as_u64().expect("a figure")
    });
    let mut lines = text.lines();
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        if let Some((count, _)) = line.split_once(" calls to allocation functions with ") {
            let function = lines.next().expect("a function").trim().to_owned();
            *found.entry(function).or_insert(0) += count.parse::<u64>().expect("a number");
        }
    }
    let (top, most) = calls.iter().max_by_key(|(_, calls)| **calls).expect("calls");
    assert_eq!(found.get(top), Some(most), "{found:?}");
    assert!(found.len() > 3, "{text}");
}
