//! Captures that are followed while they grow.

use std::cell::Cell;
use std::hint::black_box;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::time::{Duration, Instant};

use arenite::Tag;
use arenite::record::format::events::{Memory, ROOM_FOR_TEXT, What};
use arenite::record::format::{ChunkHeader, FILE_HEADER};
use arenite::record::{self, RecordOptions};
use arenite_inspect::{Board, Capture, Follow, FollowError, FollowState, Summary, SummaryOptions};

use super::hostile;
use super::programs::Numbers;
use super::turn;

/// A file of which so much is there.
#[derive(Clone)]
struct Growing {
    bytes: Rc<[u8]>,
    len: Rc<Cell<usize>>,
    at: u64,
}

impl Growing {
    fn new(bytes: &[u8], len: usize) -> Self {
        Self { bytes: bytes.into(), len: Rc::new(Cell::new(len)), at: 0 }
    }
}

impl Read for Growing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(self.at).unwrap_or(usize::MAX).min(self.len.get());
        let len = into.len().min(self.len.get() - from);
        into[..len].copy_from_slice(&self.bytes[from..from + len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => (self.len.get() as u64).saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// A recording of two threads that hand blocks to each other, with tags, frames, marks and sizes of all kinds.
pub(super) fn recorded(rounds: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("follow.arec");
    let tags =
        ["follow/a", "follow/a/b", "follow/above/below"].map(|name| Tag::register(name).expect("a tag"));
    let (give, take) = std::sync::mpsc::sync_channel::<Vec<u8>>(16);
    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    let other =
        std::thread::spawn(move || take.into_iter().enumerate().filter(|(turn, _)| turn % 50 == 0).count());
    let (mut kept, mut numbers) = (Vec::with_capacity(5000), Numbers(99));
    for round in 0..rounds {
        if round % 20 == 0 {
            record::frame(round / 20);
        }
        if round == rounds / 2 {
            record::mark("half of it");
        }
        let size = 1 + numbers.below(3000) as usize;
        let mut block: Vec<u8> =
            tags[numbers.below(3) as usize].in_scope(|| black_box(Vec::with_capacity(size)));
        if numbers.below(5) == 0 {
            block.reserve_exact(size * 2);
        }
        match numbers.below(3) {
            0 if kept.len() < 5000 => kept.push(block),
            1 => give.send(block).expect("the other thread takes it"),
            _ => drop(block),
        }
    }
    drop(give);
    assert!(other.join().expect("no panic") > 0 || rounds < 100);
    assert_eq!(recording.stop().expect("written").lost, 0);
    std::fs::read(&path).expect("a file")
}

fn summary(bytes: &[u8]) -> Summary {
    let mut capture = Capture::read(io::Cursor::new(bytes)).expect("a capture");
    Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary")
}

/// Every figure that both have. The peak of a path is that of all tags below it only if their names were told in time.
fn assert_same(board: &Board, summary: &Summary, named: bool, what: &str) {
    let total = board.total();
    let figures = |allocs, reallocs, frees, bytes, blocks, live, peak| {
        [allocs, reallocs, frees, bytes, blocks, live, peak]
    };
    let of_activity = |own: &arenite_inspect::Activity| {
        figures(
            own.allocs,
            own.reallocs,
            own.frees,
            own.bytes,
            own.live_blocks,
            own.live_bytes,
            own.peak_bytes,
        )
    };
    let of_figures = |own: &arenite_inspect::Figures| {
        figures(
            own.allocs,
            own.reallocs,
            own.frees,
            own.bytes,
            own.live_blocks,
            own.live_bytes,
            own.peak_bytes,
        )
    };
    assert_eq!(board.events(), summary.read.events, "{what}");
    assert_eq!(of_activity(&total), of_figures(&summary.total), "{what}");
    assert_eq!(total.temporaries, summary.total.temporaries, "{what}");
    let sites = board.sites(usize::MAX, |_| 1);
    assert_eq!(sites.len(), summary.sites.len(), "{what}");
    for (stack, site) in &sites {
        assert_eq!(of_activity(site), of_figures(&summary.sites[stack]), "{what}: stack {stack}");
        assert_eq!(board.stack(*stack), summary.stack(*stack), "{what}: stack {stack}");
    }
    let tags = board.tags();
    for tag in &tags {
        let (_, expected) = summary.tag(&tag.name).unwrap_or_else(|| panic!("{what}: no {}", tag.name));
        assert_eq!(of_activity(&tag.own), of_figures(&expected.own), "{what}: {}", tag.name);
        assert_eq!(
            (tag.live_bytes, tag.committed),
            (expected.live_bytes, expected.committed),
            "{what}: {}",
            tag.name
        );
        let peaks = (tag.peak_bytes, tag.peak_committed);
        let most = (expected.peak_bytes, expected.peak_committed);
        assert!(peaks == most || (!named && peaks <= most), "{what}: {peaks:?} {most:?}: {}", tag.name);
        assert_eq!((tag.before_blocks, tag.before_bytes), (expected.before_blocks, expected.before_bytes));
    }
    let used = summary.tags.values().filter(|tag| tag.own.calls() > 0).count();
    assert!(tags.iter().filter(|tag| tag.own.calls() > 0).count() == used, "{what}");
    for thread in board.threads() {
        let expected = &summary.threads[&thread.number];
        assert_eq!(
            (thread.allocs, thread.reallocs, thread.frees, thread.bytes, &thread.name),
            (expected.allocs, expected.reallocs, expected.frees, expected.bytes, &expected.name)
        );
    }
    assert_eq!(board.frame_count(), summary.frames.count, "{what}");
    assert!(board.frames().iter().rev().eq(summary.frames.rows.iter().rev().take(512)), "{what}");
    assert_eq!(board.worst_frame(), summary.frames.most_calls.first(), "{what}");
    assert!(board.marks().iter().rev().eq(summary.marks.iter().rev().take(256)), "{what}");
    assert_eq!(board.sizes(), &summary.sizes, "{what}");
    assert_eq!((board.lost(), board.pauses()), (summary.lost, summary.pauses), "{what}");
    assert_eq!(board.unknown_frees(), summary.unknown_frees, "{what}");
}

/// So long that nothing is shown before its time, however slow the machine is.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_capture_that_grows_by_pieces_comes_to_the_same_as_the_whole() {
    let _turn = turn();
    let bytes = recorded(6000);
    let summary = summary(&bytes);
    let mut numbers = Numbers(5);
    for round in 0..30 {
        let file = Growing::new(&bytes, FILE_HEADER);
        let (len, now) = (file.len.clone(), Instant::now());
        let margin = [LONG, Follow::<Growing>::MARGIN][round % 2];
        let mut follow = Follow::read(file).expect("its header").margin(margin);
        let (mut polls, mut last) = (0u32, 0);
        loop {
            polls += 1;
            let state = follow.poll(now + Duration::from_millis(10) * polls).expect("a poll");
            let shown = follow.board().events();
            assert!(shown >= last, "nothing is taken back");
            last = shown;
            if state == FollowState::Ended {
                break;
            }
            len.set((len.get() + 1 + numbers.below(1 + bytes.len() as u64 / 20) as usize).min(bytes.len()));
        }
        assert_eq!((follow.damaged(), follow.skipped()), (0, 0));
        assert_eq!(follow.board().events(), summary.read.events);
        // Nothing came late if the recorder wrote in time; with the longer margin nothing ever does.
        assert!(margin < LONG || follow.board().late() == 0);
        if follow.board().late() == 0 {
            assert_same(follow.board(), &summary, true, "grown by pieces");
        }
        assert!(follow.modules().iter().any(|map| map.text.contains("truth")));
    }
}

#[test]
fn wherever_a_capture_is_cut_all_whole_chunks_are_shown_and_the_rest_is_waited_for() {
    let _turn = turn();
    let bytes = recorded(90);
    let whole = summary(&bytes);
    let now = Instant::now();
    for cut in 0..FILE_HEADER {
        assert!(Follow::read(Growing::new(&bytes, cut)).is_err());
    }
    let (mut chunks, mut expected) = (0, 0);
    for cut in FILE_HEADER..bytes.len() {
        let file = Growing::new(&bytes, cut);
        let len = file.len.clone();
        let mut follow = Follow::read(file).expect("its header").margin(LONG);
        assert_eq!(follow.poll(now).expect("a poll"), FollowState::Waiting, "cut at {cut}");
        assert_eq!(follow.poll(now + LONG).expect("a poll"), FollowState::Waiting, "cut at {cut}");
        let mut capture = Capture::read(io::Cursor::new(&bytes[..cut])).expect("its header");
        if capture.chunks() > chunks {
            chunks = capture.chunks();
            expected = capture.events(|_, _| {}).expect("read").events;
        }
        assert_eq!((follow.board().events(), follow.skipped(), follow.damaged()), (expected, 0, 0));
        len.set(bytes.len());
        assert_eq!(follow.poll(now + 2 * LONG).expect("a poll"), FollowState::Ended);
        assert_eq!(follow.board().events(), whole.read.events);
        if follow.board().late() == 0 {
            assert_same(follow.board(), &whole, false, "cut");
        }
    }
    assert!(chunks > 3);
}

#[test]
#[ignore = "takes a minute: ci/captures"]
fn a_megabyte_that_grows_byte_by_byte_is_shown_chunk_by_chunk() {
    let _turn = turn();
    let mut rounds = 20_000;
    let mut bytes = recorded(rounds);
    while bytes.len() < 1 << 20 {
        rounds *= 2;
        bytes = recorded(rounds);
    }
    let ends = chunk_ends(&bytes);
    let file = Growing::new(&bytes, FILE_HEADER);
    let len = file.len.clone();
    let mut follow = Follow::read(file).expect("its header").margin(LONG);
    let (now, mut whole) = (Instant::now(), 0);
    for there in FILE_HEADER..=bytes.len() {
        len.set(there);
        let state = follow.poll(now).expect("a poll");
        whole += usize::from(ends.get(whole) == Some(&there));
        assert_eq!(follow.chunks(), whole as u64, "of {there} bytes");
        assert_eq!(state == FollowState::Ended, there == bytes.len());
    }
    assert_eq!((whole, follow.skipped(), follow.damaged()), (ends.len(), 0, 0));
    assert_eq!(follow.board().events(), summary(&bytes).read.events);
}

/// Where each chunk ends.
pub(super) fn chunk_ends(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), FILE_HEADER);
    while at < bytes.len() {
        let (header, _) = ChunkHeader::parse(&bytes[at..]).expect("a chunk");
        at += header.span();
        ends.push(at);
    }
    ends
}

#[test]
fn senseless_captures_are_followed_without_a_panic() {
    let _turn = turn();
    let mut numbers = Numbers(4711);
    for round in 0..200 {
        let mut bytes = hostile::capture(&mut numbers);
        if round % 2 == 1 {
            let at = FILE_HEADER + numbers.below((bytes.len() - FILE_HEADER) as u64) as usize;
            bytes[at] ^= 1 << numbers.below(8);
        }
        let mut capture = Capture::read(io::Cursor::new(&bytes)).expect("a capture");
        let read = capture.events(|_, _| {}).expect("read");
        let file = Growing::new(&bytes, FILE_HEADER);
        let (len, now) = (file.len.clone(), Instant::now());
        let mut follow = Follow::read(file).expect("its header");
        for second in 0..u32::MAX {
            let state = follow.poll(now + second * Duration::from_secs(1)).expect("a poll");
            assert_eq!(state, FollowState::Waiting, "it has no end");
            if second % 3 == 2 {
                if len.get() == bytes.len() {
                    break;
                }
                len.set((len.get() + 1 + numbers.below(5000) as usize).min(bytes.len()));
            }
        }
        assert_eq!((follow.board().events(), follow.damaged()), (read.events, read.damaged), "round {round}");
        let (total, tags) = (follow.board().total(), follow.board().tags());
        let sum: u64 = tags.iter().map(|tag| tag.own.live_bytes).fold(0, u64::saturating_add);
        assert_eq!(sum, total.live_bytes, "round {round}");
    }
}

/// A chunk: its thread's number, events with their times, when it was written.
type Told<'a> = (u32, &'a [(u64, What<'a>)], u64);

/// A file with these chunks.
fn told(chunks: &[Told<'_>]) -> Vec<u8> {
    let mut file = hostile::header(1000).to_vec();
    for (segment, (thread, events, taken)) in chunks.iter().enumerate() {
        let start = events.first().map_or(*taken, |(time, _)| *time);
        let (mut memory, mut raw) = (Memory::new(start), Vec::new());
        for (time, what) in *events {
            let mut bytes = [0; ROOM_FOR_TEXT];
            let len = memory.write(&mut bytes, *time, what);
            raw.extend_from_slice(&bytes[..len]);
        }
        hostile::append_segment(&mut file, *thread, segment as u64, start, *taken, &raw);
    }
    file
}

fn alloc(address: u64) -> What<'static> {
    What::Alloc { address, size: 10, stack: 1 }
}

#[test]
fn a_silent_thread_holds_nothing_up_and_what_comes_late_is_counted() {
    let _turn = turn();
    // A unit is a millisecond.
    let early = told(&[(1, &[(1000, alloc(16))], 1080), (2, &[(1040, alloc(32)), (1990, alloc(48))], 2000)]);
    let late: &[(u64, What<'_>)] = &[(1100, What::Free { address: 32 }), (2100, alloc(64))];
    let mut bytes = early.clone();
    bytes.extend_from_slice(&told(&[(3, late, 2110)])[FILE_HEADER..]);
    let file = Growing::new(&bytes, early.len());
    let (len, now) = (file.len.clone(), Instant::now());
    let mut follow = Follow::read(file).expect("its header");
    follow.poll(now).expect("a poll");
    assert_eq!(follow.board().events(), 2, "up to half a second before 2.0");
    assert_eq!((follow.board().clock(), follow.board().seconds(follow.board().clock())), (1500, 0.5));
    follow.poll(now + Duration::from_millis(499)).expect("a poll");
    assert_eq!(follow.board().events(), 2);
    follow.poll(now + Duration::from_millis(600)).expect("a poll");
    assert_eq!((follow.board().events(), follow.board().late()), (3, 0), "nothing came for half a second");
    assert_eq!(follow.board().clock(), 2600, "and time goes on");
    len.set(bytes.len());
    follow.poll(now + Duration::from_millis(700)).expect("a poll");
    assert_eq!((follow.board().events(), follow.board().late()), (4, 1), "what is late is shown at once");
    assert_eq!(follow.board().total().live_blocks, 2);
    follow.poll(now + Duration::from_secs(9)).expect("a poll");
    assert_eq!((follow.board().events(), follow.board().late()), (5, 1));
    assert_eq!(follow.board().total().rate.calls, 0, "of a second in which nothing was done");
}

#[test]
fn rates_are_those_of_the_last_second() {
    let _turn = turn();
    let events: Vec<(u64, What<'_>)> = (0..100).map(|step| (1000 + step * 50, alloc(16 * step))).collect();
    let bytes = told(&[(1, &events, 5990), (1, &[(7900, alloc(9999 * 16))], 8000)]);
    let mut follow = Follow::read(Growing::new(&bytes, bytes.len())).expect("its header");
    let now = Instant::now();
    follow.poll(now).expect("a poll");
    // The clock stands at 7.5: the second before is the one from 6.0 to 7.0.
    assert_eq!((follow.board().clock(), follow.board().total().rate.calls), (7500, 0));
    follow.poll(now + Duration::from_millis(500)).expect("a poll");
    assert_eq!(follow.board().total().rate.calls, 1);
    let calls: Vec<u64> = follow.board().history().iter().map(|tick| tick.calls).collect();
    assert_eq!((calls[..20].to_vec(), calls[27]), (vec![5; 20], 1), "{calls:?}");
    let part = told(&[(1, &events, 5990)]);
    let mut follow = Follow::read(Growing::new(&part, part.len())).expect("its header");
    follow.poll(now).expect("a poll");
    let (total, site) = (follow.board().total(), follow.board().sites(9, |site| site.rate.bytes)[0]);
    assert_eq!((total.rate.calls, total.rate.bytes, site.1.rate.bytes), (20, 200, 200));
}

#[test]
fn damage_is_passed_over_and_a_wrong_length_holds_nothing_up_for_long() {
    let _turn = turn();
    let chunk = |thread: u32| {
        told(&[(thread, &[(1000, alloc(16 * u64::from(thread)))], 1000)])[FILE_HEADER..].to_vec()
    };
    let header = hostile::header(1000);
    let now = Instant::now();
    let events = |bytes: &[u8], after: Duration| {
        let mut follow = Follow::read(Growing::new(bytes, bytes.len())).expect("its header");
        follow.poll(now).expect("a poll");
        follow.poll(now + after).expect("a poll");
        follow.poll(now + 2 * after).expect("a poll");
        (follow.board().events(), follow.skipped())
    };
    let second = Duration::from_secs(1);
    let len = chunk(1).len() as u64;
    let whole = [&header[..], &chunk(1), &chunk(2), &chunk(3)].concat();
    assert_eq!(events(&whole, second), (3, 0));
    let mut damaged = whole.clone();
    damaged[FILE_HEADER + len as usize + 60] ^= 1;
    assert_eq!(events(&damaged, second), (2, len));
    // It says that it is longer than what is there: that may be a chunk which is being written.
    let mut longer = whole.clone();
    for at in [12, 16] {
        longer[FILE_HEADER + len as usize + at + 1] = 0xff;
    }
    assert_eq!(events(&longer, Duration::ZERO), (0, 0), "it is waited for");
    assert_eq!(events(&longer, second), (2, len), "not for ever");
    let garbage = [&whole[..], &[0xa5; 3000], b"ArCk", &[0; 200], &chunk(4), b"ArC"].concat();
    assert_eq!(events(&garbage, second), (4, 3204));
}

#[test]
fn a_file_that_shrinks_or_is_replaced_is_told() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("game.arec");
    let bytes = told(&[(1, &[(1000, alloc(16))], 1000)]);
    std::fs::write(&path, &bytes).expect("a file");
    let mut follow = Follow::open(&path).expect("a capture");
    let now = Instant::now();
    assert_eq!(follow.poll(now).expect("a poll"), FollowState::Waiting);
    std::fs::OpenOptions::new().write(true).open(&path).expect("it").set_len(70).expect("cut off");
    assert!(matches!(follow.poll(now), Err(FollowError::Shrunk)));
    // Another recording in the same file.
    let mut other = bytes.clone();
    other[..FILE_HEADER].copy_from_slice(&hostile::header_of(1000, 77));
    std::fs::write(&path, &bytes).expect("a file");
    let mut follow = Follow::open(&path).expect("a capture");
    follow.poll(now).expect("a poll");
    std::fs::write(&path, &other).expect("a file");
    assert!(matches!(follow.poll(now), Err(FollowError::Replaced)));
    #[cfg(unix)]
    {
        let mut follow = Follow::open(&path).expect("a capture");
        follow.poll(now + Duration::from_secs(1)).expect("a poll");
        std::fs::write(folder.path().join("new"), &other).expect("a file");
        std::fs::rename(folder.path().join("new"), &path).expect("renamed");
        assert!(matches!(follow.poll(now), Err(FollowError::Replaced)));
        let mut follow = Follow::open(&path).expect("a capture");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(follow.poll(now).expect("a poll"), FollowState::Waiting, "it is still written");
        follow.poll(now + Duration::from_secs(1)).expect("a poll");
        assert_eq!(follow.board().events(), 1);
    }
}
