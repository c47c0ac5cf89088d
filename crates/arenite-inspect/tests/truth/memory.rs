//! What a recording says of budgets, of arenas' frames and of the process's memory, and what the program knows of them.

use arenite::ledger::Budget;
use arenite::pool::{Pool, PoolOptions};
use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions};
use arenite::{MemoryManager, RegionOptions, ScratchStack, Tag, os};
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

#[test]
fn high_waters_of_pools_and_scratch_are_told_frame_by_frame() {
    let _turn = turn();
    let tag = |name| Tag::register(name).expect("a tag");
    let (shots, scratch) = (tag("waters/shots"), tag("waters/scratch"));
    let pool = Pool::<[u64; 4]>::try_with(PoolOptions::new(shots, 10_000)).expect("a pool");
    let mut stack = ScratchStack::try_with(RegionOptions::new(scratch, 8 << 20)).expect("a stack");
    // Before the recording: of no frame in it.
    drop((0..5000).map(|number| pool.insert([number; 4])).collect::<Vec<_>>());
    pool.publish();
    let mut memory = MemoryManager::builder().root(tag("waters/game")).build().expect("a manager");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("waters.arec");

    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    for (taken, bytes) in [(10, 0), (700, 3 << 20), (700, 0), (20, 0), (0, 1 << 20)] {
        let frame = memory.begin_frame();
        let live: Vec<_> = (0..taken).map(|number| pool.insert([number; 4])).collect();
        pool.publish();
        stack.guard().scope().alloc_slice_fill_with(bytes, |_| 1u8);
        drop(live);
        pool.publish();
        stack.publish();
        let _ = frame.end();
    }
    assert_eq!(recording.stop().expect("written").lost, 0);

    let mut capture = Capture::open(&path).expect("a capture");
    let (mut names, mut told) = (std::collections::HashMap::new(), Vec::new());
    let mut frame = 0;
    capture
        .events(|_, event| match event.what {
            What::TagNamed { tag, name } => {
                names.insert(tag, name.to_owned());
            }
            What::Frame { .. } => frame += 1,
            What::HighWater { tag, bytes } => told.push((frame, tag, bytes)),
            _ => {}
        })
        .expect("read");
    let of = |name: &str| -> Vec<(i32, u64)> {
        let of_it = told.iter().filter(|(_, tag, _)| names[tag] == name);
        of_it.map(|(frame, _, bytes)| (*frame, *bytes)).collect()
    };
    // What stays the same is told once.
    assert_eq!(of("waters/shots"), [(1, 320), (2, 22_400), (4, 640), (5, 0)]);
    let waters = of("waters/scratch");
    assert!(matches!(waters[..], [(2, high), (3, 0)] if (3 << 20..4 << 20).contains(&high)), "{waters:?}");

    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    let peak = |name: &str| summary.tag(name).unwrap_or_else(|| panic!("no tag {name}")).1.peak_used;
    assert_eq!((peak("waters/shots"), peak("waters/scratch")), (22_400, waters[0].1));
}
