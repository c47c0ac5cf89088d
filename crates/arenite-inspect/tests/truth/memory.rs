//! What a recording says of budgets, of arenas' frames and of the process's memory, and what the program knows of them.

use arenite::ledger::Budget;
use arenite::record::{self, RecordOptions};
use arenite::{MemoryManager, Tag, os};
use arenite_inspect::{Capture, Detail, DetailOptions, Summary, SummaryOptions};

use super::turn;

const HELD: usize = 32 << 20;

#[test]
fn budgets_frames_of_arenas_and_resident_memory_are_those_of_the_program() {
    let _turn = turn();
    let tag = |name| Tag::register(name).expect("a tag");
    let (limited, once, free) = (tag("memory/limited"), tag("memory/once"), tag("memory/free"));
    limited.set_budget(Budget::hard(64 << 20).warn_at(0.5));
    once.set_budget(Budget::hard(1 << 20));
    let mut memory = MemoryManager::builder().root(tag("memory/game")).build().expect("a manager");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.arec");

    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    let mut used = Vec::new();
    for size in [1000, 50_000, 0, 7] {
        let frame = memory.begin_frame();
        frame.alloc_slice_fill_with(size, |_| 1u8);
        used.push(frame.end().used as u64);
    }
    let held = std::hint::black_box(free.in_scope(|| vec![1u8; HELD]));
    // The last word counts, also that there is no limit any more.
    limited.set_budget(Budget::soft(3 << 20).warn_at(1.0));
    once.set_budget(Budget::NONE);
    let told = recording.stop().expect("written");
    let most = os::process_memory().resident_peak as u64;
    assert_eq!((told.lost, held.len()), (0, HELD));

    let mut capture = Capture::open(&path).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    let figures = |name: &str| summary.tag(name).unwrap_or_else(|| panic!("no tag {name}")).1;
    let budget = figures("memory/limited").budget.expect("a budget");
    assert_eq!((budget.limit, budget.hard, budget.warning), (3 << 20, false, Some(3 << 20)));
    assert_eq!((figures("memory/once").budget, figures("memory/free").budget), (None, None));

    assert_eq!(figures("memory/game/frame").most_used, used[1]);
    let rows: Vec<u64> = summary.frames.rows.iter().map(|row| row.used_bytes).collect();
    assert_eq!(rows, used[..3]);
    assert_eq!(summary.frames.last.map(|row| row.used_bytes), Some(used[3]));
    let detail = Detail::read(&mut capture, &summary, &DetailOptions::new()).expect("a detail");
    let rows = detail.rows.iter().map(|row| row.figures.used_bytes).filter(|bytes| *bytes > 0);
    assert!(rows.eq(used.iter().copied().filter(|bytes| *bytes > 0)));

    let process = summary.process;
    assert!(process.resident >= HELD as u64 && process.resident <= process.peak_resident, "{process:?}");
    // The system itself counts in batches, and its figures disagree by them.
    assert!(process.peak_resident <= most + (2 << 20), "{process:?}, {most}");
    assert!(process.committed >= HELD as u64 && process.committed <= process.peak_committed, "{process:?}");
    assert_eq!(process.untracked(), process.resident.saturating_sub(process.committed));
}
