//! Instructions of malloc and free, by callgrind.
//!
//! Callgrind only watches: unlike valgrind's memory checkers it does not put an allocator of its own in place of the
//! program's. Each case runs twice, once with twice the rounds, and what the second run executed more is divided by what
//! it called more. So nothing of the start is counted, while what an allocator does now and then (fetching a page,
//! looking at other threads' frees) is, as often as it happens.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use heap_workloads::pins::{ALLOC, CASES, FREE};
use serde::Serialize;

use crate::Failure;
use crate::peers::{Peer, target};

/// Rounds of the shorter run, 64 blocks each. Enough that an allocator has done all that it does once.
const ROUNDS: usize = 200;

/// What one call of each takes, on the average.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) allocator: String,
    pub(crate) case: &'static str,
    pub(crate) malloc: f64,
    pub(crate) free: f64,
}

impl Count {
    pub(crate) fn sum(&self) -> f64 {
        self.malloc + self.free
    }
}

/// Every case of every peer.
pub(crate) fn count(peers: &[Peer]) -> Result<Vec<Count>, Failure> {
    let mut counts = Vec::new();
    for peer in peers {
        for case in CASES {
            let short = watch(peer, case.name, ROUNDS)?;
            let long = watch(peer, case.name, 2 * ROUNDS)?;
            let between = |name: &str| {
                let (short, long) = (calls_of(&short, name), calls_of(&long, name));
                let calls = long.calls.checked_sub(short.calls).filter(|calls| *calls > 0);
                let calls =
                    calls.ok_or_else(|| format!("{} {}: {name} is not called", peer.name, case.name))?;
                Ok::<f64, Failure>(long.instructions.saturating_sub(short.instructions) as f64 / calls as f64)
            };
            let (malloc, free) = (between(ALLOC)?, between(FREE)?);
            counts.push(Count { allocator: peer.name.clone(), case: case.name, malloc, free });
        }
    }
    Ok(counts)
}

/// Runs a case under callgrind and reads what it wrote.
fn watch(peer: &Peer, case: &str, rounds: usize) -> Result<BTreeMap<String, Calls>, Failure> {
    let file = target().join(format!("callgrind.{}.{}.{case}", std::process::id(), peer.name));
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(peer.program())
        .args(["count", case, &rounds.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error} (Debian: valgrind)"))?;
    let text = fs::read_to_string(&file);
    // It is gone already, or was never written, if something went wrong; that is reported below.
    let _ = fs::remove_file(&file);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {case} under valgrind: {}\n{said}", peer.name, output.status));
    }
    text.map(|text| functions(&text)).map_err(|error| format!("{}: {error}", file.display()))
}

/// How often a function was called, and what that took with all that it called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    calls: u64,
    instructions: u64,
}

/// Of all functions whose name contains `name`: in one run, there is one for each.
fn calls_of(functions: &BTreeMap<String, Calls>, name: &str) -> Calls {
    functions.iter().filter(|(function, _)| function.contains(name)).fold(
        Calls::default(),
        |sum, (_, calls)| Calls {
            calls: sum.calls + calls.calls,
            instructions: sum.instructions + calls.instructions,
        },
    )
}

/// Reads a callgrind file. It names a function once, `(12) name`, and writes `(12)` afterwards. A line of figures after
/// `calls=` is what the callee took in all; any other is the function's own.
fn functions(text: &str) -> BTreeMap<String, Calls> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut by_number: BTreeMap<&str, Calls> = BTreeMap::new();
    let (mut function, mut callee) = ("", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("fn=") {
            function = number(rest, &mut names);
        } else if let Some(rest) = line.strip_prefix("cfn=") {
            callee = number(rest, &mut names);
        } else if let Some(rest) = line.strip_prefix("calls=") {
            let calls = rest.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
            by_number.entry(callee).or_default().calls += calls;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let figure = line.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
            by_number.entry(function).or_default().instructions += figure;
        }
    }
    by_number.into_iter().filter_map(|(number, calls)| Some(((*names.get(number)?).to_owned(), calls))).fold(
        BTreeMap::new(),
        |mut all, (name, calls)| {
            let sum: &mut Calls = all.entry(name).or_default();
            sum.calls += calls.calls;
            sum.instructions += calls.instructions;
            all
        },
    )
}

/// `(12)` of `(12) name`, whose name is kept if it is there.
fn number<'t>(text: &'t str, names: &mut BTreeMap<&'t str, &'t str>) -> &'t str {
    let (number, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        names.insert(number, name);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
events: Ir
fl=(1) pins.rs
fn=(1) x::pin_alloc
10 70
+1 30
cfn=(2) malloc
calls=10 5
+1 200

fn=(3) x::run
20 5
cfn=(1)
calls=10 10
+2 300
fn=(2)
5 150
cfn=(4) sbrk
calls=1 9
* 50
";

    #[test]
    fn a_file_is_read() {
        let functions = functions(FILE);
        assert_eq!(calls_of(&functions, "pin_alloc"), Calls { calls: 10, instructions: 300 });
        assert_eq!(functions["malloc"], Calls { calls: 10, instructions: 200 });
        assert_eq!(functions["sbrk"], Calls { calls: 1, instructions: 0 });
        assert_eq!(calls_of(&functions, "pin_free"), Calls::default());
    }
}
