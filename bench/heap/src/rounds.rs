//! Runs the programs in turn, each time as a new process, and checks their answers.

use std::process::{Command, Stdio};

use heap_workloads::child::LINE;
use heap_workloads::work::Workload;
use serde::Serialize;

use crate::Failure;
use crate::options::Options;
use crate::peers::Peer;

/// One process's work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Run {
    /// Time that passed.
    pub(crate) seconds: f64,
    /// Processor time of all threads.
    pub(crate) cpu: f64,
    pub(crate) checksum: String,
    /// Bytes; `None` if the system does not say.
    pub(crate) peak: Option<u64>,
    /// Bytes after everything has been freed; for a workload without time, while it holds what it has.
    pub(crate) resident: Option<u64>,
    /// Those of them that no file holds.
    pub(crate) anonymous: Option<u64>,
    /// `resident` after the time of `--settle`.
    pub(crate) settled: Option<u64>,
}

/// All rounds of one workload: for each peer, in the order of `peers`, its runs.
pub(crate) fn run(
    peers: &[Peer],
    workload: &Workload,
    threads: usize,
    options: &Options,
) -> Result<Vec<Vec<Run>>, Failure> {
    let arguments = [
        "run".to_owned(),
        workload.name.to_owned(),
        threads.to_string(),
        options.work.to_string(),
        options.settle.to_string(),
    ];
    in_turn(peers, options.rounds, |peer| once(peer, &arguments))
        .map_err(|failure| format!("{} with {threads} threads: {failure}", workload.name))
}

/// The first round is for the answers: nothing is timed until all have given the same one. It also brings the programs
/// into the page cache. Every other round goes through the peers backwards, so that nobody always follows the same
/// neighbour.
fn in_turn(
    peers: &[Peer],
    rounds: usize,
    mut once: impl FnMut(&Peer) -> Result<Run, Failure>,
) -> Result<Vec<Vec<Run>>, Failure> {
    let mut runs = vec![Vec::with_capacity(rounds); peers.len()];
    let mut expected: Option<(String, &str)> = None;
    for round in 0..=rounds {
        for turn in 0..peers.len() {
            let index = if round % 2 == 0 { turn } else { peers.len() - 1 - turn };
            let peer = &peers[index];
            let run = once(peer)?;
            let (answer, first) = expected.get_or_insert_with(|| (run.checksum.clone(), &peer.name));
            if *answer != run.checksum {
                return Err(format!("{} says {}, {first} says {answer}", peer.name, run.checksum));
            }
            if round > 0 {
                runs[index].push(run);
            }
        }
    }
    Ok(runs)
}

fn once(peer: &Peer, arguments: &[String]) -> Result<Run, Failure> {
    let name = &peer.name;
    let output = Command::new(peer.program())
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {}: {error}", peer.program().display()))?;
    if !output.status.success() {
        return Err(format!("{name} {}: {}", arguments.join(" "), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(read)
        .ok_or_else(|| format!("{name} {}: prints no line that can be read: {text:?}", arguments.join(" ")))
}

/// What a line of a program says; `None` if it is not such a line.
fn read(line: &str) -> Option<Run> {
    let mut words = line.split_whitespace();
    if words.next() != Some(LINE) {
        return None;
    }
    let fields: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    let text = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
    let bytes = |name: &str| match text(name)? {
        "?" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(Run {
        seconds: text("seconds")?.parse().ok()?,
        cpu: text("cpu")?.parse().ok()?,
        checksum: text("checksum")?.to_owned(),
        peak: bytes("peak")?,
        resident: bytes("resident")?,
        anonymous: bytes("anonymous")?,
        settled: bytes("settled")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "heap-bench workload=tree threads=2 work=100 seconds=0.25 cpu=0.5 checksum=00ff peak=4096 \
                        resident=? anonymous=1024 settled=?";

    fn peers() -> Vec<Peer> {
        ["one", "other"].map(|name| Peer { name: name.to_owned(), dependency: String::new() }).to_vec()
    }

    #[test]
    fn all_take_turns_and_the_first_round_does_not_count() {
        let mut order = Vec::new();
        let runs = in_turn(&peers(), 2, |peer| {
            order.push(peer.name.clone());
            let mut run = read(GOOD).ok_or("it is whole")?;
            run.seconds = order.len() as f64;
            Ok(run)
        })
        .expect("they agree");
        assert_eq!(order, ["one", "other", "other", "one", "one", "other"]);
        let seconds: Vec<Vec<f64>> =
            runs.iter().map(|runs| runs.iter().map(|run| run.seconds).collect()).collect();
        assert_eq!(seconds, [[4.0, 5.0], [3.0, 6.0]]);
    }

    #[test]
    fn who_disagrees_is_named_in_any_round() {
        for wrong in 1..6 {
            let mut turn = 0;
            let failure = in_turn(&peers(), 2, |_| {
                let mut run = read(GOOD).ok_or("it is whole")?;
                if turn == wrong {
                    run.checksum = "bad".to_owned();
                }
                turn += 1;
                Ok(run)
            });
            assert!(failure.is_err_and(|failure| failure.contains("says bad")), "{wrong}");
            assert_eq!(turn, wrong + 1, "nothing is timed after that");
        }
    }

    #[test]
    fn a_line_is_read() {
        let run = read(GOOD).expect("it is whole");
        assert_eq!((run.seconds, run.cpu), (0.25, 0.5));
        assert_eq!(run.checksum, "00ff");
        assert_eq!((run.peak, run.resident, run.anonymous), (Some(4096), None, Some(1024)));
    }

    #[test]
    fn a_line_that_is_not_whole_is_refused() {
        assert_eq!(read(""), None);
        assert_eq!(read(&GOOD.replace("heap-bench", "heap-bunch")), None);
        assert_eq!(read(&GOOD.replace("checksum=00ff", "")), None);
        assert_eq!(read(&GOOD.replace("peak=4096", "peak=much")), None);
    }
}
