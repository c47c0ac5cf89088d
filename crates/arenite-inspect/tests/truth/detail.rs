//! What a page shows, against a plain model that keeps every event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;

use arenite::record::format::events::What;
use arenite_inspect::{
    Capture, Detail, DetailOptions, DetailRow, Figures, Held, MomentKind, RowKind, Summary, SummaryOptions,
};

use super::made_up::{RECORDER, Random, Writer, game};
use super::turn;

/// What the model keeps of an event.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Alloc { address: u64, size: u64, stack: u32, tag: u32 },
    Free { address: u64 },
    Realloc { before: u64, address: u64, size: u64, stack: u32 },
    Frame(u64),
    Mark,
}

/// A random program of three threads, in order of time, and its capture.
fn program(random: &mut Random, with_frames: bool) -> (Vec<(u64, Kept)>, Vec<u8>) {
    let mut writer = Writer::new(Vec::new(), 1_000_000_000).expect("memory");
    for (tag, name) in (1..).zip(["a", "a/b", "c", "untagged"]) {
        writer.event(RECORDER, 0, &What::TagNamed { tag, name }).expect("memory");
    }
    for stack in 1..40 {
        writer.stack(1, 0, stack, &[0x1000 + u64::from(stack), 0x20]).expect("memory");
    }
    let (mut time, mut events, mut live) = (10, Vec::new(), Vec::<(u64, u32)>::new());
    let (mut tags, mut next, mut frames, mut marks) = ([0u32; 4], 0x10_0000u64, 0u64, 0);
    for _ in 0..random.below(900) {
        time += 1 + random.below(300);
        let thread = 1 + random.below(3) as u32;
        let stack = random.below(40) as u32;
        let most = [10, 300, 40_000][random.below(3) as usize];
        let size = random.below(most);
        // Blocks never lie where others lay.
        let address = next;
        next += 16 + size.next_multiple_of(16) + 4096 * random.below(3);
        let mut tell = |what: What<'_>| writer.event(thread, time, &what).expect("memory");
        match random.below(30) {
            0..12 => {
                let tag = tags[thread as usize];
                live.push((address, tag));
                tell(What::Alloc { address, size, stack });
                events.push((time, Kept::Alloc { address, size, stack, tag }));
            }
            12..20 if !live.is_empty() => {
                let (address, _) = live.swap_remove(random.below(live.len() as u64) as usize);
                tell(What::Free { address });
                events.push((time, Kept::Free { address }));
            }
            20..24 if !live.is_empty() => {
                let place = random.below(live.len() as u64) as usize;
                let before = live[place].0;
                live[place].0 = address;
                tell(What::Realloc { before, address, size, stack });
                events.push((time, Kept::Realloc { before, address, size, stack }));
            }
            24..27 if with_frames => {
                frames += 1;
                tell(What::Frame { number: frames * 3 });
                events.push((time, Kept::Frame(frames * 3)));
            }
            27 => {
                tell(What::Mark { text: &format!("mark {marks}") });
                events.push((time, Kept::Mark));
                marks += 1;
            }
            _ => {
                tags[thread as usize] = random.below(6) as u32;
                tell(What::Tag { tag: tags[thread as usize] });
            }
        }
    }
    (events, writer.end().expect("memory"))
}

/// Calls, bytes, temporaries and their bytes of a stack.
type Use = [u64; 4];

/// A frame of the model: its number (none before the first one), and what each stack did.
type ModelFrame = (Option<u64>, BTreeMap<u32, Use>);

/// The model: what lives, with size, stack, tag and time of making.
#[derive(Default)]
struct Model {
    live: HashMap<u64, (u64, u32, u32, u64)>,
    frames: Vec<ModelFrame>,
    frame_start: u64,
    peak: u64,
    at_peak: BTreeMap<u32, u64>,
    pages_at_peak: usize,
    /// Bytes by stack and tag; of the blocks that were made.
    made_under: BTreeMap<u32, BTreeMap<u32, u64>>,
    /// What lived by stack at each mark.
    at_marks: Vec<BTreeMap<u32, Held>>,
}

impl Model {
    fn of(events: &[(u64, Kept)]) -> Self {
        let mut model = Self { frames: vec![(None, BTreeMap::new())], ..Self::default() };
        for (time, event) in events {
            model.take(*time, event);
        }
        model
    }

    fn used(&mut self, stack: u32) -> &mut Use {
        self.frames.last_mut().expect("never empty").1.entry(stack).or_default()
    }

    fn take(&mut self, time: u64, event: &Kept) {
        let made = match *event {
            Kept::Alloc { address, size, stack, tag } => Some((address, size, stack, tag)),
            Kept::Realloc { before, address, size, stack } => {
                let (_, _, tag, _) = self.live.remove(&before).expect("it lives");
                Some((address, size, stack, tag))
            }
            Kept::Free { address } => {
                let (size, stack, _, born) = self.live.remove(&address).expect("it lives");
                if self.frames.len() > 1 && born >= self.frame_start {
                    let used = self.used(stack);
                    (used[2], used[3]) = (used[2] + 1, used[3] + size);
                }
                None
            }
            Kept::Frame(number) => {
                self.frames.push((Some(number), BTreeMap::new()));
                self.frame_start = time;
                None
            }
            Kept::Mark => {
                let now = self.by_stack();
                self.at_marks.push(now);
                None
            }
        };
        let Some((address, size, stack, tag)) = made else { return };
        self.live.insert(address, (size, stack, tag, time));
        // What is under no tag is of the tag that the program has for it, number 4; of number 5 no name is told.
        let under = self.made_under.entry(stack).or_default();
        *under.entry(if tag == 0 { 4 } else { tag }).or_default() += size;
        let used = self.used(stack);
        (used[0], used[1]) = (used[0] + 1, used[1] + size);
        let bytes = self.live.values().map(|block| block.0).sum();
        if bytes > self.peak {
            self.peak = bytes;
            self.at_peak = self.by_stack().into_iter().map(|(stack, held)| (stack, held.bytes)).collect();
            self.pages_at_peak = self.pages();
        }
    }

    fn by_stack(&self) -> BTreeMap<u32, Held> {
        let mut held: BTreeMap<u32, Held> = BTreeMap::new();
        for (size, stack, _, _) in self.live.values() {
            let sum = held.entry(*stack).or_default();
            (sum.blocks, sum.bytes) = (sum.blocks + 1, sum.bytes + size);
        }
        held
    }

    fn pages(&self) -> usize {
        let pages = self.live.iter().flat_map(|(at, block)| at >> 12..=(at + block.0.max(1) - 1) >> 12);
        pages.collect::<BTreeSet<u64>>().len()
    }
}

/// What a detail says, by stack; place 0 only has something if there are more call stacks than places.
fn by_stack(detail: &Detail, held: &[(u32, Held)]) -> BTreeMap<u32, Held> {
    held.iter().map(|(site, held)| (detail.sites[*site as usize].stack.unwrap_or(u32::MAX), *held)).collect()
}

fn uses(detail: &Detail, row: &DetailRow) -> BTreeMap<u32, Use> {
    let sites = row.sites.iter().map(|site| {
        let stack = detail.sites[site.site as usize].stack.unwrap_or(u32::MAX);
        (stack, [site.calls, site.bytes, site.temporaries, site.temporary_bytes])
    });
    sites.collect()
}

fn read(file: &[u8], rows: usize, options: &DetailOptions) -> (Summary, Detail) {
    let mut capture = Capture::read(Cursor::new(file)).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new().frames(rows)).expect("a summary");
    let detail = Detail::read(&mut capture, &summary, options).expect("a detail");
    (summary, detail)
}

#[test]
fn every_figure_is_that_of_a_plain_model() {
    let _turn = turn();
    let mut random = Random(8);
    for round in 0..120 {
        let (events, file) = program(&mut random, round % 3 != 0);
        let model = Model::of(&events);
        let rows = [1 << 14, 8][round % 2];
        // More room than there is of anything.
        let options = DetailOptions::new().moments(400).per_row(100);
        let (summary, detail) = read(&file, rows, &options);

        assert_eq!(detail.sites.len(), summary.sites.len() + 1, "round {round}");
        assert_eq!((detail.sites[0].stacks, detail.sites[0].figures.calls()), (0, 0));
        let marks = detail.moments.iter().filter(|moment| matches!(moment.kind, MomentKind::Mark(_)));
        let marks: Vec<BTreeMap<u32, Held>> = marks.map(|moment| by_stack(&detail, &moment.sites)).collect();
        assert_eq!(marks, model.at_marks, "round {round}");
        let last = detail.moments.last().expect("the end");
        assert_eq!((&last.kind, by_stack(&detail, &last.sites)), (&MomentKind::End, model.by_stack()));
        assert_eq!(detail.moments[0].total, Held::default());
        let at_peak = detail.moments.iter().find(|moment| moment.kind == MomentKind::Peak);
        let at_peak: BTreeMap<u32, u64> = at_peak.map_or_else(BTreeMap::new, |moment| {
            assert_eq!(moment.total.bytes, model.peak);
            by_stack(&detail, &moment.sites).into_iter().map(|(stack, held)| (stack, held.bytes)).collect()
        });
        assert_eq!(at_peak, model.at_peak, "round {round}");
        assert_eq!(detail.peak.as_ref().map_or(0, |map| map.pages), model.pages_at_peak as u64);
        assert_eq!(detail.end.pages, model.pages() as u64);
        assert_eq!(detail.end.bytes, summary.total.live_bytes);
        assert!(detail.moments.windows(2).all(|two| two[0].moment.time <= two[1].moment.time));

        for site in &detail.sites[1..] {
            let tags =
                site.tags.iter().map(|(tag, bytes)| (detail.tags[*tag as usize].expect("named"), *bytes));
            let stack = site.stack.expect("its own");
            assert_eq!(tags.collect::<BTreeMap<u32, u64>>(), model.made_under[&stack], "round {round}");
        }

        if summary.frames.last.is_some() {
            compare_frames(round, &model, &summary, &detail);
        } else {
            let calls: u64 = detail.rows.iter().map(|row| row.figures.calls()).sum();
            assert_eq!(calls, summary.total.calls());
            assert!(detail.rows.iter().all(|row| row.kind == RowKind::Slice && row.figures.temporaries == 0));
            assert!(detail.rows.windows(2).all(|two| two[0].figures.end == two[1].figures.start));
            assert!(events.is_empty() || detail.rows.len() == 512, "round {round}");
        }
        for row in &detail.rows {
            let all = row.all();
            assert_eq!((all.calls, all.bytes), (row.figures.calls(), row.figures.bytes));
            assert_eq!(all.temporaries, row.figures.temporaries);
        }
    }
}

fn compare_frames(round: usize, model: &Model, summary: &Summary, detail: &Detail) {
    let frames = &summary.frames;
    let expected = frames.rows.iter().chain(&frames.last).copied();
    let expected: Vec<_> = std::iter::once(frames.before).chain(expected).collect();
    let found: Vec<_> = detail.rows.iter().map(|row| row.figures).collect();
    assert_eq!(found, expected, "round {round}");
    // Rows are those frames of the model that they name, summed up.
    let mut model_frames = model.frames.iter();
    for row in &detail.rows {
        let mut sum: BTreeMap<u32, Use> = BTreeMap::new();
        for turn in 0..row.figures.frames.max(1) {
            let (number, used) = model_frames.next().expect("as many frames");
            assert!(turn > 0 || number.unwrap_or(0) == row.figures.number);
            for (stack, used) in used {
                let sum = sum.entry(*stack).or_default();
                (0..4).for_each(|of| sum[of] += used[of]);
            }
        }
        assert_eq!(uses(detail, row), sum, "round {round}, {:?}", row.figures);
    }
    assert!(model_frames.next().is_none());
    let worst: BTreeSet<u64> =
        frames.most_calls.iter().chain(&frames.most_bytes).map(|row| row.number).collect();
    assert_eq!(detail.worst.iter().map(|row| row.figures.number).collect::<BTreeSet<_>>(), worst);
    for row in &detail.worst {
        let (_, used) =
            model.frames.iter().find(|(number, _)| *number == Some(row.figures.number)).expect("it");
        assert_eq!(&uses(detail, row), used, "round {round}");
    }
}

#[test]
fn tables_keep_their_bounds_and_lose_nothing() {
    let _turn = turn();
    let mut file = Vec::new();
    let events = game::write(&mut file, 60_000).expect("memory");
    assert!((60_000..90_000).contains(&events));
    let options = DetailOptions::new().sites(50).tags(2).moments(6).per_row(3).cells(64);
    let (summary, detail) = read(&file, 4, &options);
    assert!(summary.is_whole() && summary.sites.len() > 500 && summary.unknown_frees == 0);
    assert_eq!(detail.sites.len(), 51);
    assert_eq!(detail.sites.iter().map(|site| site.stacks).sum::<u64>(), summary.sites.len() as u64);
    for figure in [
        |site: &Figures| site.live_bytes,
        |site: &Figures| site.bytes_at_peak,
        |site: &Figures| site.bytes,
        |site: &Figures| site.temporary_bytes,
        Figures::calls,
    ] {
        let all: u64 = detail.sites.iter().map(|site| figure(&site.figures)).sum();
        assert_eq!(all, figure(&summary.total));
        // Who has most of something has a place.
        let most = summary.sites.iter().max_by_key(|(_, site)| figure(site)).expect("sites");
        assert!(detail.sites.iter().any(|site| site.stack == Some(*most.0)));
    }
    assert_eq!(detail.tags.len(), 3);
    assert!(detail.rows.len() <= 6 && detail.rows.iter().all(|row| row.sites.len() <= 9));
    assert!(detail.rows.iter().any(|row| row.other_sites > 0));
    assert!(detail.moments.len() <= 6 + 3 && detail.moments.len() > 3);
    for moment in &detail.moments {
        for held in [&moment.sites, &moment.tags] {
            assert_eq!(held.iter().map(|(_, held)| held.bytes).sum::<u64>(), moment.total.bytes);
            assert_eq!(held.iter().map(|(_, held)| held.blocks).sum::<u64>(), moment.total.blocks);
        }
    }
    let peak = detail.peak.clone().expect("a peak");
    assert_eq!((peak.bytes, detail.end.bytes), (summary.total.peak_bytes, summary.total.live_bytes));
    for map in [&peak, &detail.end] {
        assert!(map.cells.len() <= 64 && map.cells.len() > 8);
        assert_eq!(map.cells.iter().map(|cell| cell.bytes).sum::<u64>(), map.bytes);
        assert!(map.pages * 4096 >= map.bytes && map.ranges * 16 >= map.pages);
    }
    assert_eq!(detail.held_at_moments(0).len(), detail.moments.len());
}
