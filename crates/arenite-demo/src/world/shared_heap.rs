//! Plays maps whose textures and sounds share a heap, never moved and moved, and compares.
//!
//! `ARENITE_WAD_DIR=/usr/share/games/doom cargo test --release -p arenite-demo --lib shared_heap` plays 20,000 frames of `freedoom2.wad`
//! of that directory; without the variable the embedded game is played, whose textures are few.

use std::path::Path;

use super::tests::run_observed;
use crate::config::{Config, Silent};
use crate::outcome::{DefragOutcome, HeapMap, PieceKind, Record};

/// What is not free of a map, and the largest free piece that lies before something.
fn look(map: &HeapMap) -> (u64, u64) {
    let used = map.pieces.iter().filter(|piece| piece.what != PieceKind::Free).map(|piece| piece.size).sum();
    let last = map.pieces.iter().rposition(|piece| piece.what != PieceKind::Free).unwrap_or(0);
    let holes = map.pieces[..last].iter().filter(|piece| piece.what == PieceKind::Free);
    (used, holes.map(|piece| piece.size).max().unwrap_or(0))
}

fn play(config: &Config, defrag_ns: u64) -> (Record, DefragOutcome) {
    let record =
        run_observed(&Config { defrag_ns: Some(defrag_ns), ..config.clone() }, &mut Silent).expect("it fits");
    let outcome = &record.outcome;
    let defrag = outcome.defrag.expect("there is a heap");
    // All that the heap has is on the accounts of those whose it is, and the rest on its own.
    let own = outcome.tags.iter().find(|tag| tag.name == "streamed").expect("the heap's own tag");
    assert!(own.committed >= defrag.extent - defrag.live, "{own:?} {defrag:?}");
    let blocks: u64 = outcome.caches.iter().map(|cache| cache.bytes).sum();
    let rounding = 16 * outcome.caches.iter().map(|cache| cache.resources).sum::<u64>();
    assert!((blocks..=blocks + rounding).contains(&defrag.live), "{blocks} in {defrag:?}");
    // In the order of memory, without gaps, and everything is there before and after.
    assert_eq!(record.heap_maps.len(), 2);
    for map in &record.heap_maps {
        let mut end = 0;
        for piece in &map.pieces {
            assert_eq!(piece.offset, end);
            end += piece.size;
        }
        assert_eq!((end, look(map).0), (map.extent, defrag.live));
    }
    assert_eq!(look(&record.heap_maps[1]).1, 0, "holes after all was moved: {:?}", record.heap_maps[1]);
    assert!(defrag.extent <= defrag.peak_extent);
    (record, defrag)
}

#[test]
fn moving_blocks_keeps_the_heap_small_and_changes_nothing_else() {
    let path = std::env::var_os("ARENITE_WAD_DIR").map(|folder| Path::new(&folder).join("freedoom2.wad"));
    let (real, frames, scenes) = if path.is_some() { (true, 2500, 8) } else { (false, 300, 3) };
    let budgets = if real { [2 << 20, 512 << 10] } else { [240 << 10, 64 << 10] };
    let budgets = ["textures", "sounds"].map(str::to_owned).into_iter().zip(budgets).collect();
    let config = Config { wad: path, scenes, frames, agents: 64, threads: 2, budgets, ..Config::default() };

    let (still, without) = play(&config, 0);
    assert_eq!((without.moved_blocks, without.moved_bytes, without.round_ms_max), (0, 0, 0.0));
    // A frame of this takes longer than moving everything there is: the figures do not hang on the machine.
    let (moved, with) = play(&config, 20_000_000);
    let plain =
        run_observed(&Config { defrag_ns: None, ..config.clone() }, &mut Silent).expect("it fits").outcome;
    for run in [&still.outcome, &moved.outcome] {
        assert_eq!((&run.checksum, run.scenes.len()), (&plain.checksum, scenes as usize));
    }
    assert!(plain.defrag.is_none());
    assert!(with.fragmentation_p99 <= 0.01, "{with:?}");
    assert!(with.peak_extent <= without.peak_extent, "{with:?} {without:?}");
    if real {
        assert!(with.moved_blocks > 100 && without.fragmentation_p50 > 0.1, "{with:?} {without:?}");
        assert!(with.peak_extent * 10 <= without.peak_extent * 9, "{with:?} {without:?}");
    }
    println!("never moved: {without:?}\nmoved: {with:?}");
}
