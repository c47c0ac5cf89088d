//! A program whose allocator is a tagged `TrackingAllocator` over the system's: who owns what, whoever frees it, and budgets that
//! warn and refuse. Not under the usual harness, whose own threads allocate when they like.
#![expect(unsafe_code, reason = "calls allocators as a program's containers do")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use arenite::cache::{InsertError, LoadError};
use arenite::ledger::{Pressure, PressureLevel};
use arenite::{
    AllocationDiff, Budget, Ledger, ResourceCache, Tag, Tagged, TrackingAllocator, last_refusal, tags,
};

#[global_allocator]
static GLOBAL: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);

tags! {
    AI = "game/ai";
    PATHS = "game/ai/paths";
    SOUND = "game/sound";
    LEVEL = "game/level";
    FULL = "full";
    TABLES = "tables";
    CACHED = "cached";
    PLACES = "places";
    WORK_A = "work/a";
    WORK_B = "work/b";
}

/// What a thread may have charged ahead for one tag.
const AHEAD: usize = 128 << 10;

fn bytes(tag: Tag) -> u64 {
    GLOBAL.tag_stats(tag).bytes
}

fn blocks_belong_to_the_tag_they_were_made_under() {
    let ai = AI.scope();
    let plans = vec![1u8; 1 << 20];
    let mut list: Vec<u8> = Vec::with_capacity(100);
    drop(ai);
    assert_eq!(bytes(*AI), (1 << 20) + 100);
    assert_eq!((bytes(*PATHS), GLOBAL.tag_stats(*PATHS).allocations), (0, 0));
    // Resized under another tag: still the first one's.
    SOUND.in_scope(|| list.reserve_exact(5000));
    assert_eq!((bytes(*AI), bytes(*SOUND)), ((1 << 20) + 5000, 0));
    assert_eq!(GLOBAL.tag_stats(*AI).blocks, 2);
    // Freed by another thread, under another tag.
    thread::spawn(move || SOUND.in_scope(|| drop(plans))).join().unwrap();
    assert_eq!((bytes(*AI), bytes(*SOUND)), (5000, 0));
    drop(list);
    let end = GLOBAL.tag_stats(*AI);
    assert_eq!((end.bytes, end.blocks, end.allocations, end.deallocations), (0, 0, 2, 2));
    assert!(GLOBAL.tags().any(|(tag, stats)| tag == *AI && stats.allocations == 2));
    let outside = vec![0u8; 77];
    assert!(bytes(Tag::untagged()) >= 77, "what is made outside all scopes is untagged");
    drop(outside);
    let elsewhere: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    assert_eq!(GLOBAL.tag_stats(elsewhere.register("x").unwrap()).allocations, 0);
}

fn a_tag_is_handed_to_threads_and_jobs() {
    let _ai = AI.scope();
    let job = Tag::current().carry(|| vec![0u8; 3000]);
    let block = thread::spawn(job).join().unwrap();
    assert!(bytes(*AI) >= 3000);
    drop(block);
    let (one, other) = rayon::join(PATHS.carry(|| vec![0u8; 700]), SOUND.carry(|| vec![0u8; 900]));
    assert_eq!((bytes(*PATHS), bytes(*SOUND)), (700, 900));
    assert_eq!(Tag::current(), *AI);
    drop((one, other));
    assert_eq!((bytes(*PATHS), bytes(*SOUND)), (0, 0));
}

fn alignments_hold_and_zeros_are_zero() {
    let _scope = LEVEL.scope();
    for align in (0..14).map(|bits| 1usize << bits) {
        for size in [1usize, 7, 64, 5000] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: layouts are not empty; blocks are freed once, with theirs.
            unsafe {
                let (block, zeroed) = (GLOBAL.alloc(layout), GLOBAL.alloc_zeroed(layout));
                assert!(block.lies_at_multiple_of(align) && zeroed.lies_at_multiple_of(align));
                assert!((0..size).all(|at| *zeroed.add(at) == 0));
                block.write_bytes(0xAB, size);
                let longer = GLOBAL.realloc(block, layout, size * 3);
                assert!(longer.lies_at_multiple_of(align), "{align}");
                assert!((0..size).all(|at| *longer.add(at) == 0xAB));
                let long = Layout::from_size_align(size * 3, align).unwrap();
                assert_eq!(bytes(*LEVEL), (size * 4) as u64);
                let shorter = GLOBAL.realloc(longer, long, size);
                GLOBAL.dealloc(shorter, layout);
                GLOBAL.dealloc(zeroed, layout);
            }
        }
    }
    assert_eq!(bytes(*LEVEL), 0);
    let before = GLOBAL.allocation_stats();
    let huge = Layout::from_size_align(isize::MAX as usize - 15, 16).unwrap();
    // SAFETY: not empty.
    assert!(unsafe { GLOBAL.alloc(huge) }.is_null(), "with its header it fits no address space");
    assert_eq!(GLOBAL.allocation_stats().failures, before.failures + 1);
}

trait LiesAt {
    fn lies_at_multiple_of(self, align: usize) -> bool;
}

impl LiesAt for *mut u8 {
    fn lies_at_multiple_of(self, align: usize) -> bool {
        self.addr() != 0 && self.addr().is_multiple_of(align)
    }
}

static WARNED_AT: AtomicUsize = AtomicUsize::new(0);
static CALLBACK_BLOCKS: AtomicUsize = AtomicUsize::new(0);

fn warned(pressure: &Pressure) {
    // Callbacks may allocate in the allocator that is charging, under any tag, and by themselves under none: that of their
    // thread may be full.
    assert_eq!(Tag::current(), Tag::untagged());
    LEVEL.in_scope(|| black_box(vec![1u8; 300_000]));
    let text = format!("{pressure}");
    assert!(text.contains("game/sound"), "{text}");
    // What is left open ends with the callback.
    core::mem::forget(LEVEL.scope());
    CALLBACK_BLOCKS.fetch_add(1, Ordering::Relaxed);
    if pressure.level == PressureLevel::Warning {
        WARNED_AT.store(pressure.in_use, Ordering::Relaxed);
    }
}

fn budgets_warn_and_refuse() {
    const MIB: usize = 1 << 20;
    SOUND.set_budget(Budget::hard(8 * MIB).warn_at(0.8));
    SOUND.on_pressure(&warned).unwrap();
    let _scope = SOUND.scope();
    let mut samples: Vec<Vec<u8>> = Vec::with_capacity(10_000);
    loop {
        let mut sample: Vec<u8> = Vec::new();
        match sample.try_reserve_exact(1000) {
            Ok(()) => samples.push(sample),
            Err(_) => break,
        }
        let used = bytes(*SOUND) as usize;
        let told = WARNED_AT.load(Ordering::Relaxed);
        assert_eq!(told != 0, used > 8 * MIB / 10 * 8 || told != 0, "{used}");
        assert!(SOUND.account().own.committed >= used);
        assert_eq!(Tag::current(), *SOUND);
    }
    let at = WARNED_AT.load(Ordering::Relaxed);
    assert!((8 * MIB / 10 * 8..8 * MIB / 10 * 8 + 1000).contains(&at), "warned at {at}");
    let refusal = last_refusal().unwrap();
    assert_eq!((refusal.tag, refusal.limit), (*SOUND, 8 * MIB));
    assert!(refusal.to_string().contains("game/sound"), "{refusal}");
    // One thread, and its last charges were exact: all but what one block may miss is in use.
    let used = bytes(*SOUND) as usize;
    assert!(used > 8 * MIB - 1000 && used <= 8 * MIB, "{used}");
    assert!(CALLBACK_BLOCKS.load(Ordering::Relaxed) >= 2);
    // What comes back may be had again.
    samples.truncate(samples.len() / 2);
    let mut again: Vec<u8> = Vec::new();
    again.try_reserve_exact(3 * MIB).unwrap();
    // Growing is refused, too, and the block stays.
    let first = again.as_ptr();
    again.extend([7; 100]);
    assert!(again.try_reserve_exact(9 * MIB).is_err());
    assert_eq!((again.as_ptr(), &again[..3]), (first, &[7u8; 3][..]));
    drop((again, samples));
    assert_eq!(bytes(*SOUND), 0);
    let account = SOUND.account();
    assert!(account.own.committed <= AHEAD && account.peak_committed <= 8 * MIB, "{account:?}");
    SOUND.set_budget(Budget::NONE);
}

/// The last byte of a budget may be had, and not one more, whether others have charged ahead or not.
fn a_budget_may_be_used_up() {
    const LIMIT: usize = 300_000;
    FULL.set_budget(Budget::hard(LIMIT));
    let _scope = FULL.scope();
    for first in [1usize, 1000, 65_536, 100_000, LIMIT - 1] {
        let held: Vec<u8> = Vec::with_capacity(first);
        let mut rest: Vec<u8> = Vec::new();
        assert!(rest.try_reserve_exact(LIMIT - first + 1).is_err(), "{first}");
        rest.try_reserve_exact(LIMIT - first).unwrap();
        assert_eq!(bytes(*FULL) as usize, LIMIT);
        assert_eq!(FULL.account().own.committed, LIMIT);
        assert!(Vec::<u8>::new().try_reserve_exact(1).is_err());
        drop((held, rest));
        assert_eq!(bytes(*FULL), 0);
    }
    FULL.set_budget(Budget::NONE);
}

/// Blocks of two tags are passed round, resized and freed by threads under yet other tags, which end.
fn a_crowd_leaves_every_account_exact() {
    for _generation in 0..3 {
        let (give, take): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
        thread::scope(|threads| {
            let mut all = Vec::new();
            for (number, take) in take.into_iter().enumerate() {
                let give = give[(number + 1) % 4].clone();
                all.push(threads.spawn(move || {
                    for round in 0..3000usize {
                        let tag = if (round + number).is_multiple_of(2) { *WORK_A } else { *WORK_B };
                        let mut block = tag.in_scope(|| vec![1u8; round * 91 % 9000 + 1]);
                        if round.is_multiple_of(3) {
                            block.reserve_exact(4000);
                        }
                        // The neighbour may be gone.
                        let _ = give.send(block);
                        while let Ok(mut other) = take.try_recv() {
                            other.truncate(other.len() / 2);
                            other.shrink_to_fit();
                        }
                    }
                }));
            }
            drop(give);
            // Until they are gone; the end of a scope only waits for their work.
            all.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
    for tag in [*WORK_A, *WORK_B] {
        let stats = GLOBAL.tag_stats(tag);
        assert_eq!((stats.bytes, stats.blocks), (0, 0), "{tag}: {stats:?}");
        assert!(stats.allocations >= 17_000 && stats.allocations == stats.deallocations);
        // Twelve threads had at most as many slots as lived at once, and the main thread one.
        let committed = tag.account().own.committed;
        assert!(committed <= 13 * AHEAD, "{tag}: {committed} still charged");
    }
}

/// A cache whose table may not grow says so, and keeps what it has.
fn a_cache_without_room_for_its_table_says_so() {
    const LIMIT: usize = 300 << 10;
    TABLES.set_budget(Budget::hard(LIMIT));
    let scope = TABLES.scope();
    let cache: ResourceCache<u32, u32> = ResourceCache::new(*CACHED);
    let load = |key: u32| cache.get_or_load(&key, |_| Ok::<_, ()>(key)).map(|pin| *pin);
    let loaded = (0..).find(|&key| load(key) != Ok(key)).unwrap();
    assert_eq!(load(loaded), Err(LoadError::OutOfMemory));
    assert!(last_refusal().is_some_and(|refusal| refusal.tag == *TABLES && refusal.wanted > LIMIT / 8));
    let refused = cache.insert(&loaded, 0, 77).unwrap_err();
    assert_eq!((refused.value, refused.reason), (77, InsertError::OutOfMemory));
    assert!(loaded > 100 && cache.len() == loaded as usize && (0..loaded).all(|key| load(key) == Ok(key)));
    // What replaces another one needs no room. The place of one that is gone may be of use, or may not: that is the table's affair.
    assert!(cache.insert(&5, 0, 55).is_ok() && load(5) == Ok(55) && cache.unload(&6));
    assert!([Ok(6), Err(LoadError::OutOfMemory)].contains(&load(6)));
    TABLES.set_budget(Budget::NONE);
    assert_eq!((load(6), load(loaded), cache.stats().count), (Ok(6), Ok(loaded), loaded as usize + 1));
    drop((cache, scope));
    assert_eq!((bytes(*TABLES), CACHED.account().own.committed), (0, 0));
}

/// Where the scopes were opened, of a tag's row, without this file's name; 0 where there is none. Allocates nothing.
fn lines(diff: &AllocationDiff, tag: Tag) -> [u32; 4] {
    let row = diff.tags().find(|row| row.tag == tag).expect("something has changed");
    assert!(row.places().all(|place| place.file() == file!()));
    let mut lines = [0; 4];
    lines.iter_mut().zip(row.places()).for_each(|(line, place)| *line = place.line());
    lines
}

fn a_difference_says_under_which_scopes() {
    let early = PLACES.scope();
    let early_line = line!() - 1;
    let before = vec![0u8; 10];
    let mark = GLOBAL.mark();
    // Nothing is made in the first one, and one that is open at the mark counts when it makes something.
    drop(PLACES.scope());
    let (one, one_line) = (PLACES.in_scope(|| vec![0u8; 20]), line!());
    assert_eq!(lines(&mark.diff(), *PLACES), [one_line, 0, 0, 0]);
    let resized = PLACES.in_scope(|| {
        let mut list = one;
        list.reserve_exact(100);
        list
    });
    assert_eq!(lines(&mark.diff(), *PLACES), [one_line, 0, 0, 0], "a resize makes no block");
    let again = vec![0u8; 30];
    assert_eq!(lines(&mark.diff(), *PLACES), [early_line, one_line, 0, 0], "the outer scope goes on");
    let job = (PLACES.carry(|| vec![0u8; 40]), line!());
    let other = thread::spawn(job.0).join().unwrap();
    let diff = mark.diff();
    assert_eq!(lines(&diff, *PLACES), [job.1, early_line, one_line, 0]);
    let text = diff.to_string();
    let file = file!();
    let places = format!(", made under {file}:{} or {file}:{early_line} or {file}:{one_line}", job.1);
    assert!(
        text.lines().any(|line| line.starts_with("places: 3 blocks, ") && line.ends_with(&places)),
        "{text}"
    );

    // The same place again is the latest; of more than four the latest are kept.
    let mut kept = Vec::new();
    let mut make = || kept.push(Box::new(1u8));
    drop(early);
    for _ in 0..2 {
        PLACES.in_scope(&mut make);
        PLACES.in_scope(&mut make);
        PLACES.in_scope(&mut make);
    }
    let last = line!() - 2;
    assert_eq!(lines(&mark.diff(), *PLACES), [last, last - 1, last - 2, job.1]);
    PLACES.in_scope(&mut make);
    PLACES.in_scope(&mut make);
    assert_eq!(lines(&mark.diff(), *PLACES), [last + 5, last + 4, last, last - 1]);

    // Since the next mark nothing was made: what is freed has the last place of before.
    let mark = GLOBAL.mark();
    drop((kept, again, before, resized, other));
    assert_eq!(lines(&mark.diff(), *PLACES), [last + 5, 0, 0, 0]);
    assert!(!mark.diff().to_string().contains("places"), "it has not grown");
    let outside = vec![0u8; 50];
    let diff = mark.diff();
    let row = diff.tags().find(|row| row.tag == Tag::untagged()).unwrap();
    assert_eq!(row.places().count(), 0, "outside of all scopes");
    drop(outside);
}

/// The sum of all tags is what all have together.
fn tags_sum_up_to_all() {
    let all = GLOBAL.allocation_stats();
    let (bytes, blocks) =
        GLOBAL.tags().fold((0, 0), |sum, (_, stats)| (sum.0 + stats.bytes, sum.1 + stats.blocks));
    assert_eq!((bytes, blocks), (all.bytes, all.blocks));
}

fn main() {
    let tests: &[(&str, fn())] = &[
        ("blocks_belong_to_the_tag_they_were_made_under", blocks_belong_to_the_tag_they_were_made_under),
        ("alignments_hold_and_zeros_are_zero", alignments_hold_and_zeros_are_zero),
        ("budgets_warn_and_refuse", budgets_warn_and_refuse),
        ("a_budget_may_be_used_up", a_budget_may_be_used_up),
        ("a_cache_without_room_for_its_table_says_so", a_cache_without_room_for_its_table_says_so),
        ("a_difference_says_under_which_scopes", a_difference_says_under_which_scopes),
        ("a_crowd_leaves_every_account_exact", a_crowd_leaves_every_account_exact),
        ("tags_sum_up_to_all", tags_sum_up_to_all),
        // Last: its pool's threads stay, and allocate when they like.
        ("a_tag_is_handed_to_threads_and_jobs", a_tag_is_handed_to_threads_and_jobs),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}
