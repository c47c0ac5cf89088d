//! What processes say of their memory when they end, and the tables made of it.
//!
//! A report is lines of a word and numbers, written by the library without allocating:
//!
//! ```text
//!   arenite-report 1
//!   name python3
//!   peak 5242880                   committed bytes, the most at any time; `committed` those at the end
//!   live_blocks 12                 and so on for each field of `Report`
//!   class 64 1000 990              size, blocks handed out, blocks that came back
//!   thread 1 5000 4800 2 12800     number, the same, how many threads had it in turn, live bytes
//!   end
//! ```

use std::fmt::Write as _;
use std::path::Path;

use arenite::base::Bytes;

use crate::table::Table;

/// What one process said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pid: u32,
    name: String,
    peak: u64,
    committed: u64,
    live_blocks: u64,
    live_bytes: u64,
    allocations: u64,
    frees: u64,
    resident: u64,
    peak_resident: u64,
    classes: Vec<Line>,
    threads: Vec<Thread>,
    /// Written to its end.
    whole: bool,
}

/// A class, by its size.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    of: u64,
    allocations: u64,
    frees: u64,
}

/// What one thread after the other took, and what of that came back, from whatever thread.
#[derive(Debug, PartialEq, Eq)]
struct Thread {
    number: u64,
    allocations: u64,
    frees: u64,
    in_turn: u64,
    live_bytes: u64,
}

/// The reports in a folder, that of the process `first` before the others.
pub(super) fn read_all(folder: &Path, first: u32) -> Vec<Report> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut reports: Vec<Report> = files
        .filter_map(|file| {
            let pid = file.file_name().to_str()?.parse().ok()?;
            // Names of programs are bytes; what is no text is shown as such.
            let bytes = std::fs::read(file.path()).ok()?;
            parse(pid, &String::from_utf8_lossy(&bytes))
        })
        .collect();
    reports.sort_by_key(|report| (report.pid != first, report.pid));
    reports
}

/// A report, as far as it was written; `None` if it is none.
fn parse(pid: u32, text: &str) -> Option<Report> {
    let mut lines = text.lines();
    if lines.next()? != "arenite-report 1" {
        return None;
    }
    let mut report = Report { pid, ..Report::default() };
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<u64> = rest.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let field = match word {
            "name" => {
                report.name = rest.to_owned();
                continue;
            }
            "class" => {
                if let [of, allocations, frees] = *numbers {
                    report.classes.push(Line { of, allocations, frees });
                }
                continue;
            }
            "thread" => {
                if let [number, allocations, frees, in_turn, live_bytes] = *numbers {
                    report.threads.push(Thread { number, allocations, frees, in_turn, live_bytes });
                }
                continue;
            }
            "end" => {
                report.whole = true;
                continue;
            }
            "peak" => &mut report.peak,
            "committed" => &mut report.committed,
            "live_blocks" => &mut report.live_blocks,
            "live_bytes" => &mut report.live_bytes,
            "allocations" => &mut report.allocations,
            "frees" => &mut report.frees,
            "resident" => &mut report.resident,
            "peak_resident" => &mut report.peak_resident,
            // A later library may say more.
            _ => continue,
        };
        *field = numbers.first().copied().unwrap_or(0);
    }
    Some(report)
}

/// The tables.
pub(super) fn render(reports: &[Report]) -> String {
    let mut text = String::new();
    let Some(main) = reports.first() else {
        return "arenite: no process left a report: statically linked, ended by a signal, or without the right to load \
                libraries\n"
            .to_owned();
    };
    let size = |bytes: u64| Bytes(usize::try_from(bytes).unwrap_or(usize::MAX)).to_string();
    let mut processes = Table::new(&[
        "process",
        "pid",
        "peak",
        "at the end",
        "live blocks",
        "live",
        "allocations",
        "frees",
        "peak resident",
        "resident",
    ]);
    for report in reports {
        processes.row(vec![
            if report.whole { report.name.clone() } else { format!("{} (cut off)", report.name) },
            report.pid.to_string(),
            size(report.peak),
            size(report.committed),
            report.live_blocks.to_string(),
            size(report.live_bytes),
            report.allocations.to_string(),
            report.frees.to_string(),
            size(report.peak_resident),
            size(report.resident),
        ]);
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "Memory, by process (peak and end: committed by the heap)\n{processes}");
    let mut classes = Table::new(&["blocks up to", "allocations", "frees", "live"]);
    for line in main.classes.iter().filter(|line| line.allocations > 0) {
        let name = if line.of == u64::MAX { "larger".to_owned() } else { size(line.of) };
        classes.row(vec![
            name,
            line.allocations.to_string(),
            line.frees.to_string(),
            line.allocations.wrapping_sub(line.frees).to_string(),
        ]);
    }
    let _ = writeln!(text, "Sizes, of {} ({})\n{classes}", main.name, main.pid);
    let mut threads =
        Table::new(&["thread", "threads in turn", "allocations", "came back", "live blocks", "live"]);
    let mut by_number: Vec<&Thread> = main.threads.iter().filter(|thread| thread.allocations > 0).collect();
    by_number.sort_by_key(|thread| thread.number);
    for thread in by_number {
        threads.row(vec![
            thread.number.to_string(),
            thread.in_turn.to_string(),
            thread.allocations.to_string(),
            thread.frees.to_string(),
            thread.allocations.saturating_sub(thread.frees).to_string(),
            size(thread.live_bytes),
        ]);
    }
    let _ = write!(text, "Threads, of {} ({})\n{threads}", main.name, main.pid);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "arenite-report 1\nname a program\npeak 5242880\ncommitted 4096\nlive_blocks 12\nlive_bytes 768\n\
        allocations 1000\nfrees 988\nresident 1048576\npeak_resident 9437184\nclass 64 1000 988\nclass 80 0 0\n\
        class 18446744073709551615 2 1\nthread 2 2 1 40 7000\nthread 1 1000 988 1 768\nthread 9\nnews 7\nend\n";

    #[test]
    fn what_was_written_is_read() {
        let report = parse(7, TEXT).unwrap();
        assert_eq!((report.pid, report.name.as_str(), report.whole), (7, "a program", true));
        assert_eq!(
            (report.peak, report.committed, report.live_blocks, report.live_bytes),
            (5_242_880, 4096, 12, 768)
        );
        assert_eq!((report.allocations, report.frees), (1000, 988));
        assert_eq!((report.resident, report.peak_resident), (1 << 20, 9 << 20));
        assert_eq!((report.classes.len(), report.threads.len()), (3, 2));
    }

    #[test]
    fn tables_show_the_first_process_in_full_and_all_by_a_line() {
        let mut second = parse(8, &TEXT.replace("a program", "a child")).unwrap();
        second.whole = false;
        let text = render(&[parse(7, TEXT).unwrap(), second]);
        for part in ["a program", "a child (cut off)", "5.0 MiB", "9.0 MiB", "larger", "64 B", "12"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(!text.contains("80 B"), "a class that was never used");
        let threads: Vec<Vec<&str>> = text
            .lines()
            .skip_while(|line| !line.starts_with("Threads"))
            .skip(3)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(threads[0], ["1", "1", "1000", "988", "12", "768", "B"], "by their numbers:\n{text}");
        assert_eq!(threads[1], ["2", "40", "2", "1", "1", "6.8", "KiB"], "{text}");
        assert!(render(&[]).contains("no process left a report"));
    }

    #[test]
    fn anything_can_be_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("7", TEXT),
            ("3", TEXT),
            ("x", TEXT),
            ("9", "junk"),
            ("10", "arenite-report 1\npeak x\nclass 1\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let reports = read_all(folder.path(), 7);
        let pids: Vec<u32> = reports.iter().map(|report| report.pid).collect();
        assert_eq!(pids, [7, 3, 10]);
        assert!(!reports[2].whole && reports[2].classes.is_empty() && reports[2].peak == 0);
        assert_eq!(read_all(&folder.path().join("none"), 1), []);
    }
}
