//! Offset allocators, with every fit, against a list of what is handed out.

use std::collections::BTreeMap;

use arenite::{
    BestFit, BlockId, BlockState, FirstFit, Fit, FitError, NextFit, OffsetAllocator, OffsetBlock,
    OffsetOptions, SegmentError, SegmentId, Tlsf, WorstFit,
};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Allocate {
        size: u8,
        align: u8,
    },
    Free {
        which: u8,
    },
    /// Names something that is gone.
    Stale {
        which: u8,
    },
    Resize {
        which: u8,
        size: u8,
    },
    Append {
        size: u8,
    },
    Drain {
        which: u8,
        drain: bool,
    },
    Remove {
        which: u8,
    },
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=5 => Self::Allocate { size: a, align: b },
            6..=9 => Self::Free { which: a },
            10 => Self::Stale { which: a },
            11 | 12 => Self::Resize { which: a, size: b },
            13 => Self::Append { size: a },
            14 if c % 3 != 0 => Self::Drain { which: a, drain: b % 2 == 0 },
            14 => Self::Remove { which: a },
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

/// What is known of an allocator.
#[derive(Default)]
struct Model {
    /// By offset: size, name, word.
    live: BTreeMap<u64, (u64, BlockId, u64)>,
    dead: Vec<BlockId>,
    /// By offset: size, name, whether it is being drained.
    segments: BTreeMap<u64, (u64, SegmentId, bool)>,
    words: u64,
    /// Which piece a fit takes, if it promises one.
    policy: Policy,
}

/// Which free piece is taken.
#[derive(Clone, Copy, Default)]
enum Policy {
    /// Any that suffices; with its class not empty, one that is larger than asked for by this part may be refused.
    #[default]
    Any,
    First,
    /// From this offset on.
    Next(u64),
    Best,
    Worst,
}

impl Policy {
    /// The piece of at least `size` that is found; pieces are offsets and sizes, by offset.
    fn find(&mut self, free: &[(u64, u64)], size: u64) -> Option<(u64, u64)> {
        let mut enough = free.iter().copied().filter(|piece| piece.1 >= size);
        match self {
            Self::Any | Self::First => enough.next(),
            Self::Next(rover) => {
                let found = enough.clone().find(|piece| piece.0 >= *rover).or_else(|| enough.next())?;
                *rover = found.0;
                Some(found)
            }
            Self::Best => enough.min_by_key(|piece| (piece.1, piece.0)),
            Self::Worst => enough.max_by_key(|piece| (piece.1, piece.0)),
        }
    }

    /// Where a block of this size and alignment is put.
    fn place(&mut self, free: &[(u64, u64)], size: u64, align: u64, granule: u64) -> Option<u64> {
        let (start, had) = self.find(free, size)?;
        let offset = start.next_multiple_of(align);
        if offset - start + size <= had {
            return Some(offset);
        }
        let (start, _) = self.find(free, size + align - granule)?;
        Some(start.next_multiple_of(align))
    }
}

impl Model {
    fn nth(&self, which: u8) -> Option<(u64, (u64, BlockId, u64))> {
        let place = usize::from(which) % self.live.len().max(1);
        self.live.iter().nth(place).map(|(offset, block)| (*offset, *block))
    }

    fn segment(&self, which: u8) -> Option<(u64, (u64, SegmentId, bool))> {
        let place = usize::from(which) % self.segments.len().max(1);
        self.segments.iter().nth(place).map(|(offset, segment)| (*offset, *segment))
    }

    /// Free pieces of segments that hand out, by offset, and of those that are being drained.
    fn free(&self) -> (Vec<(u64, u64)>, u64) {
        let (mut free, mut aside) = (Vec::new(), 0);
        for (start, (size, _, drained)) in &self.segments {
            let mut at = *start;
            let mut add = |from: u64, to: u64| match to - from {
                0 => {}
                size if *drained => aside += size,
                size => free.push((from, size)),
            };
            for (offset, (size, ..)) in self.live.range(start..&(start + size)) {
                add(at, *offset);
                at = offset + size;
            }
            add(at, start + size);
        }
        (free, aside)
    }
}

/// Runs a program on each fit.
pub(crate) fn run(ops: &[Op]) {
    run_fit::<Tlsf>(ops, 33, 32, Policy::Any);
    run_fit::<FirstFit>(ops, 1, 1, Policy::First);
    run_fit::<NextFit>(ops, 1, 1, Policy::Next(0));
    run_fit::<BestFit>(ops, 1, 1, Policy::Best);
    run_fit::<WorstFit>(ops, 1, 1, Policy::Worst);
}

/// `over / under`: how much larger than a request the largest piece may be when it is refused.
fn run_fit<F: Fit>(ops: &[Op], over: u64, under: u64, policy: Policy) {
    let mut world = World::new("fit");
    let granule = 1 << (ops.len() % 5);
    let options = OffsetOptions::new(world.tag).granularity(granule).blocks(1 << 12);
    let mut range: OffsetAllocator<F> = options.capacity(5000).try_build().expect("the system is calm");
    let mut model = Model { policy, ..Model::default() };
    let first = range.segments().next().expect("the first segment");
    model.segments.insert(0, (5000 / granule * granule, first, false));
    for op in ops {
        step(*op, &mut range, &mut model, &mut world, (over, under));
        check(&range, &model);
    }
    world.end(range);
}

fn round(size: u64, granule: u64) -> u64 {
    size.max(1).next_multiple_of(granule)
}

fn step<F: Fit>(
    op: Op,
    range: &mut OffsetAllocator<F>,
    model: &mut Model,
    world: &mut World,
    (over, under): (u64, u64),
) {
    let granule = range.granularity();
    match op {
        Op::Allocate { size, align } => {
            let (size, align) = (super::size(size) as u64, 1 << (align % 10));
            let wanted = round(size, granule);
            let answer = range.try_allocate(size, align);
            let refused = matches!(answer, Err(FitError::Refused(_)));
            let (free, _) = model.free();
            let place = if refused { None } else { model.policy.place(&free, wanted, align, granule) };
            if !matches!(model.policy, Policy::Any) {
                assert_eq!(answer.ok().map(|block| block.offset), place);
            }
            match answer {
                Ok(block) => {
                    assert_eq!((block.size, block.offset % align), (wanted, 0));
                    model.words += 1;
                    assert_eq!(range.word(block.id), Some(0));
                    range.set_word(block.id, model.words).expect("it is in use");
                    let within = |(start, size): &(u64, u64)| {
                        *start <= block.offset && block.offset + block.size <= start + size
                    };
                    assert!(free.iter().any(within), "{block:?} was not free");
                    model.live.insert(block.offset, (block.size, block.id, model.words));
                }
                Err(FitError::Refused(error)) => world.believe(error, false),
                Err(error) => believe(error, wanted, align, model, (over, under)),
            }
        }
        Op::Free { which } => {
            let Some((offset, (_, id, _))) = model.nth(which) else { return };
            range.free(id).expect("it is in use");
            model.live.remove(&offset);
            model.dead.push(id);
        }
        Op::Stale { which } => {
            let Some(id) = model.dead.get(usize::from(which) % model.dead.len().max(1)) else { return };
            assert!(range.free(*id).is_err());
            assert!(range.get(*id).is_none() && range.word(*id).is_none());
            assert!(range.set_word(*id, 1).is_err());
            assert!(range.try_grow(*id, 1).is_err() && range.try_shrink(*id, 1).is_err());
            let invented = BlockId::from_bits(u64::from(which) << 32 | 0xffff_0000).expect("not zero");
            assert!(range.free(invented).is_err());
        }
        Op::Resize { which, size } => {
            let Some((offset, (old, id, word))) = model.nth(which) else { return };
            let size = super::size(size) as u64;
            let wanted = round(size, granule);
            let answer = if wanted > old { range.try_grow(id, size) } else { range.try_shrink(id, size) };
            let (free, _) = model.free();
            let at = offset + old;
            // What begins a segment is not behind anything.
            let behind = free.iter().find(|(start, _)| *start == at && !model.segments.contains_key(&at));
            let behind = behind.map_or(0, |(_, size)| *size);
            match answer {
                Ok(block) => {
                    assert_eq!(block, OffsetBlock { offset, size: wanted, id });
                    assert!(wanted <= old + behind);
                    model.live.insert(offset, (wanted, id, word));
                }
                Err(FitError::Refused(error)) => world.believe(error, false),
                Err(_) => assert!(wanted > old + behind, "it could have grown"),
            }
        }
        Op::Append { size } => {
            let size = super::size(size) as u64;
            if model.segments.len() > 8 {
                return;
            }
            match range.try_append(size) {
                Ok(id) => {
                    let (start, size) = range.segment(id).expect("a new one");
                    let end = model.segments.last_key_value().map_or(0, |(start, (size, ..))| start + size);
                    assert_eq!(start, end);
                    model.segments.insert(start, (size, id, false));
                }
                Err(arenite::AllocError::TooLarge { .. }) => assert!(size < granule),
                Err(error) => world.believe(error, false),
            }
        }
        Op::Drain { which, drain } => {
            let Some((start, (_, id, _))) = model.segment(which) else { return };
            range.try_drain(id, drain).expect("it is there");
            model.segments.get_mut(&start).expect("it is there").2 = drain;
        }
        Op::Remove { which } => {
            let Some((start, (size, id, _))) = model.segment(which) else { return };
            let used = model.live.range(start..start + size).next().is_some();
            match range.try_remove(id) {
                Ok(gone) => {
                    assert_eq!((gone, used), (size, false));
                    model.segments.remove(&start);
                    assert_eq!(range.try_remove(id), Err(SegmentError::Stale));
                    assert_eq!(range.try_drain(id, true), Err(SegmentError::Stale));
                }
                Err(error) => assert_eq!((error, used), (SegmentError::InUse, true)),
            }
        }
        Op::Weather(weather) => world.set(weather),
    }
}

fn believe(error: FitError, wanted: u64, align: u64, model: &Model, (over, under): (u64, u64)) {
    let (free, _) = model.free();
    let all: u64 = free.iter().map(|(_, size)| size).sum();
    let most = free.iter().map(|(_, size)| *size).max().unwrap_or(0);
    match error {
        FitError::OutOfMemory { wanted: told, free } => {
            assert_eq!((told, free), (wanted, all));
            assert!(wanted > all);
        }
        FitError::OutOfContiguous { wanted: told, align: told_align, free, largest } => {
            assert_eq!((told, told_align, free), (wanted, align, all));
            // What is told after a few looks.
            assert!(largest <= most && most - largest <= most / 32, "{largest} of {most}");
            assert!(wanted <= all);
            // A piece in which it fits wherever that begins is found.
            assert!(most <= (wanted + align) * over / under, "{wanted} at {align} fits into {most}");
        }
        other => panic!("nothing did that: {other}"),
    }
}

fn check<F: Fit>(range: &OffsetAllocator<F>, model: &Model) {
    let (free, aside) = model.free();
    let stats = range.stats();
    assert_eq!(stats.used, model.live.values().map(|(size, ..)| size).sum::<u64>());
    assert_eq!(stats.free, free.iter().map(|(_, size)| size).sum::<u64>());
    assert_eq!(stats.aside, aside);
    assert_eq!(stats.capacity, stats.used + stats.free + stats.aside);
    assert_eq!(stats.largest_free, free.iter().map(|(_, size)| *size).max().unwrap_or(0));
    assert_eq!((stats.used_blocks, stats.free_blocks), (model.live.len() as u64, free.len() as u64));
    assert_eq!(range.histogram().iter().sum::<u64>(), free.len() as u64);
    let ids: Vec<_> = model.segments.values().map(|(_, id, _)| *id).collect();
    assert_eq!(range.segments().collect::<Vec<_>>(), ids);

    // The pieces are those of the model, in order, and none is cut in two that could be one.
    let (mut live, mut free) = (model.live.iter(), free.iter());
    let mut covered = 0;
    for piece in range.walk() {
        covered += piece.size;
        match piece.state {
            BlockState::Used(id) => {
                let (offset, (size, known, word)) = live.next().expect("a block of the model");
                assert_eq!((piece.offset, piece.size, id), (*offset, *size, *known));
                assert_eq!(range.word(id), Some(*word));
                assert_eq!(range.get(id), Some(OffsetBlock { offset: *offset, size: *size, id }));
            }
            BlockState::Free => assert_eq!(Some(&(piece.offset, piece.size)), free.next()),
            BlockState::Aside => {}
        }
    }
    assert_eq!(covered, stats.capacity);
    assert!(live.next().is_none() && free.next().is_none());
}
