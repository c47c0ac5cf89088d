//! Threads that take, resize and free each other's blocks under several tags, and end: every account is exact afterwards.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arenite::{GlobalHeap, HeapStats, Tag, TagUse};

use super::turn;

const THREADS: usize = 4;
const ROUNDS: usize = 1500;

/// A block, the tag it was made under, and its number, which is in its every byte.
struct Sent {
    block: Vec<u8>,
    tag: usize,
    number: u8,
}

/// Small ones, large ones, and now and then one with a mapping of its own.
fn size(round: usize) -> usize {
    match round % 97 {
        0 => 5 << 20,
        1..4 => 300_000 + round,
        4..12 => 20_000 + 7 * round,
        _ => round * 37 % 3000 + 1,
    }
}

/// Grows or shrinks the block, which stays under its tag; its bytes come along.
fn resize(sent: &mut Sent, round: usize) {
    let len = sent.block.len();
    if round.is_multiple_of(2) {
        sent.block.reserve_exact(len / 2 + 100);
        sent.block.resize(len + len / 2, sent.number);
    } else {
        sent.block.truncate(len / 3 + 1);
        sent.block.shrink_to_fit();
    }
}

fn check(sent: &Sent) {
    assert!(sent.block.iter().all(|byte| *byte == sent.number));
}

/// Answers what it keeps: more than a page of each class that it met.
fn member(number: usize, tags: [Tag; 3], give: &Sender<Sent>, take: &Receiver<Sent>) -> Vec<Sent> {
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        let tag = (round + number) % tags.len();
        let byte = round as u8;
        let made = tags[tag].in_scope(|| vec![byte; size(round * (number + 1))]);
        let mut sent = Sent { block: made, tag, number: byte };
        if round.is_multiple_of(3) {
            // Under whatever tag the thread stands now.
            tags[(tag + 1) % tags.len()].in_scope(|| resize(&mut sent, round));
        }
        if round.is_multiple_of(50) {
            kept.push(sent);
        } else {
            // The neighbour may be gone.
            let _ = give.send(sent);
        }
        while let Ok(mut other) = take.try_recv() {
            resize(&mut other, round);
            check(&other);
        }
    }
    kept
}

fn figures(tag: Tag) -> TagUse {
    GlobalHeap::by_tag().find(|(found, _)| *found == tag).map_or(TagUse::default(), |(_, figures)| figures)
}

#[test]
fn a_crowd_that_ends_leaves_every_account_exact() {
    let _turn = turn();
    let tags = ["crowd/a", "crowd/b", "crowd/c"].map(|name| Tag::register(name).expect("a tag"));
    for generation in 0..3 {
        let (give, take): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
        let members: Vec<_> = take
            .into_iter()
            .enumerate()
            .map(|(number, take)| {
                let give = give[(number + 1) % THREADS].clone();
                // What is still in the channel when both ends are gone is freed by who goes last.
                thread::spawn(move || member(number, tags, &give, &take))
            })
            .collect();
        drop(give);
        let kept: Vec<Sent> =
            members.into_iter().flat_map(|member| member.join().expect("it does not panic")).collect();

        // The threads are gone: what is kept is all that lives, to the block.
        let mut bytes = [0; 3];
        let mut blocks = [0; 3];
        for sent in &kept {
            check(sent);
            blocks[sent.tag] += 1;
            bytes[sent.tag] += sent.block.capacity() as u64;
        }
        for (place, tag) in tags.into_iter().enumerate() {
            let (figures, stats) = (figures(tag), GlobalHeap::stats(Some(tag)));
            assert_eq!((figures.live, stats.live()), (blocks[place], blocks[place]), "{tag} {generation}");
            assert_eq!(figures.live_bytes, stats.live_bytes(), "{tag} {generation}");
            // Rounding adds a quarter at the most to what is not tiny, and pages to what is large.
            let most = bytes[place] + bytes[place] / 4 + blocks[place] * 4096;
            assert!((bytes[place]..=most).contains(&figures.live_bytes), "{tag}: {figures:?}, {bytes:?}");
            assert_eq!(figures.committed, tag.account().own.committed as u64, "{tag} {generation}");
        }
        // Freed by a thread that made none of them, and ends.
        thread::spawn(move || drop(kept)).join().expect("it does not panic");
        for tag in tags {
            let (figures, stats) = (figures(tag), GlobalHeap::stats(Some(tag)));
            assert_eq!((figures.live, figures.live_bytes), (0, 0), "{tag} {generation}: {figures:?}");
            assert_eq!((stats.live(), stats.frees()), (0, figures.allocs), "{tag} {generation}");
            let classes = |stats: HeapStats| stats.classes.iter().filter(|class| class.live != 0).count();
            assert_eq!(classes(stats), 0, "{tag} {generation}");
            assert_eq!(figures.committed, tag.account().own.committed as u64, "{tag} {generation}");
        }
    }
    let made: u64 = tags.into_iter().map(|tag| figures(tag).allocs).sum();
    assert!(made >= (3 * THREADS * ROUNDS) as u64, "each block counts once, and more where it moved: {made}");
}
