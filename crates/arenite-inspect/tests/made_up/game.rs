//! A game that never ran: four threads, frames, levels, call stacks 18 deep, a leak, and now and then a frame that is much worse.

use std::collections::VecDeque;
use std::io::{self, Write};

use arenite::record::format::events::What;

use super::{RECORDER, Random, Writer};

const TAGS: [&str; 7] =
    ["scene", "scene/props", "render", "render/textures", "audio", "jobs", "scripts/heap"];
const THREADS: [&str; 4] = ["main", "worker 1", "worker 2", "worker 3"];
const STACKS: u32 = 771;
const DEPTH: usize = 18;
/// Events of an ordinary frame.
const FRAME_EVENTS: u64 = 2000;
/// Frames of a level.
const LEVEL: u64 = 300;
/// Where its code is.
const CODE: u64 = 0x5000_0000_0000;
/// Where its heap begins.
const HEAP: u64 = 0x7f00_0000_0000;
const SIZES: [u64; 8] = [16, 32, 48, 96, 256, 1024, 4096, 65_536];

/// An allocator that only gives out addresses: a list of free blocks for each size.
#[derive(Default)]
struct Addresses {
    free: [Vec<u64>; 8],
    used: u64,
}

impl Addresses {
    fn take(&mut self, class: usize) -> u64 {
        self.free[class].pop().unwrap_or_else(|| {
            // A slab of each size at a time, so that sizes do not mix.
            let slab = (SIZES[class] * 16).next_multiple_of(4096);
            let start = HEAP + self.used;
            self.used += slab;
            self.free[class].extend((1..slab / SIZES[class]).rev().map(|at| start + at * SIZES[class]));
            start
        })
    }
}

/// A block that lives.
#[derive(Clone, Copy)]
struct Block {
    address: u64,
    class: usize,
}

struct Game<W> {
    writer: Writer<W>,
    addresses: Addresses,
    random: Random,
    time: u64,
    tags: [u32; THREADS.len()],
}

/// Writes a capture of about so many events, and answers of how many.
pub(crate) fn write(out: impl Write, events: u64) -> io::Result<u64> {
    let mut game = Game {
        writer: Writer::new(out, 1_000_000_000)?,
        addresses: Addresses::default(),
        random: Random(2026),
        time: 1_000_000,
        tags: [0; THREADS.len()],
    };
    game.introduce()?;
    let (mut frame, mut level, mut leaked) = (0, VecDeque::new(), 0u64);
    while game.writer.events < events {
        if frame % LEVEL == 0 {
            game.level(frame / LEVEL + 1, &mut level)?;
        }
        game.tell(0, &What::Frame { number: frame })?;
        // One frame in a thousand is much worse.
        let most = if frame % 1000 == 617 { FRAME_EVENTS * 8 } else { FRAME_EVENTS };
        game.frame(most, &mut level)?;
        if frame % 8 == 0 {
            game.alloc(0, 6, 1024 + (leaked % 3) * 8, 700)?;
            leaked += 1;
        }
        frame += 1;
        game.time += 4_000_000;
    }
    let events = game.writer.events;
    game.writer.end()?;
    Ok(events)
}

impl<W: Write> Game<W> {
    fn introduce(&mut self) -> io::Result<()> {
        let code = format!("{CODE:x}-{:x} r-xp 00000000 08:01 77 /nowhere/bin/game\n", CODE + (1 << 20));
        self.writer.modules(&code)?;
        for (tag, name) in (1..).zip(TAGS) {
            self.writer.event(RECORDER, self.time, &What::TagNamed { tag, name })?;
            let bytes = i64::from(tag) << 20;
            self.writer.event(RECORDER, self.time, &What::Committed { tag, bytes })?;
        }
        self.writer.event(RECORDER, self.time, &What::Before { tag: 3, blocks: 12, bytes: 3 << 16 })?;
        for (thread, name) in (1..).zip(THREADS) {
            self.writer.event(thread, self.time, &What::ThreadNamed { name })?;
        }
        for stack in 1..=STACKS {
            // A tree: stacks that are near each other differ in their inner calls only.
            let frame = |depth: usize| {
                let branch = u64::from(stack) >> (12 - 2 * depth.min(6));
                CODE + 0x1000 + depth as u64 * 0x8000 + branch * 16
            };
            let frames: Vec<u64> = (0..DEPTH).rev().map(frame).collect();
            self.writer.stack(1, self.time, stack, &frames)?;
        }
        Ok(())
    }

    fn tell(&mut self, thread: usize, what: &What<'_>) -> io::Result<()> {
        self.time += 40;
        self.writer.event(thread as u32 + 1, self.time, what)
    }

    fn alloc(&mut self, thread: usize, tag: u32, size: u64, stack: u32) -> io::Result<Block> {
        if self.tags[thread] != tag {
            self.tags[thread] = tag;
            self.tell(thread, &What::Tag { tag })?;
        }
        let class = SIZES.iter().position(|of| *of >= size).unwrap_or(SIZES.len() - 1);
        let address = self.addresses.take(class);
        self.tell(thread, &What::Alloc { address, size: size.min(SIZES[class]), stack })?;
        Ok(Block { address, class })
    }

    fn free(&mut self, thread: usize, block: Block) -> io::Result<()> {
        self.addresses.free[block.class].push(block.address);
        self.tell(thread, &What::Free { address: block.address })
    }

    /// A level begins: what the last one had is given back, but for a little of it.
    fn level(&mut self, number: u64, blocks: &mut VecDeque<Block>) -> io::Result<()> {
        while blocks.len() > 300 {
            let block = blocks.pop_front().expect("more than that");
            self.free(0, block)?;
        }
        self.tell(0, &What::Mark { text: &format!("level {number} begins") })?;
        let blocks_of_it = 1500 + self.random.below(3000) as u32;
        for turn in 0..blocks_of_it {
            let most = SIZES[4 + self.random_class()];
            let (size, stack) = (1 + self.random.below(most), 400 + self.random_stack(300));
            let block = self.alloc(0, 1 + turn % 5, size, stack)?;
            blocks.push_back(block);
        }
        Ok(())
    }

    fn random_class(&mut self) -> usize {
        // Mostly the smallest.
        self.random.below(40).saturating_sub(36) as usize
    }

    fn random_stack(&mut self, among: u64) -> u32 {
        // The product of two: the first ones often, the last ones seldom.
        let (one, other) = (self.random.below(among), self.random.below(among));
        (one * other / among) as u32
    }

    /// Pairs that live for a moment, some that live for some frames, a block that is resized.
    fn frame(&mut self, most: u64, blocks: &mut VecDeque<Block>) -> io::Result<()> {
        let until = self.writer.events + most;
        let mut pending: Vec<(usize, Block)> = Vec::new();
        while self.writer.events < until {
            let thread = self.random.below(4) as usize;
            let stack = 1 + self.random_stack(STACKS.into());
            let most = SIZES[self.random.below(24) as usize / 4];
            let size = 1 + self.random.below(most);
            let tag = if self.random.below(30) == 0 { 1 + stack % 7 } else { [1, 6, 6, 6][thread] };
            let block = self.alloc(thread, tag, size, stack)?;
            pending.push((thread, block));
            if self.random.below(500) == 0 {
                // Seldom one stays, and another one goes.
                let (_, block) = pending.pop().expect("it was pushed");
                blocks.push_back(block);
                if let Some(block) = blocks.pop_front() {
                    self.free(thread, block)?;
                }
            }
            while pending.len() > 24 {
                let place = self.random.below(pending.len() as u64) as usize;
                let (thread, block) = pending.swap_remove(place);
                if self.random.below(50) == 0 {
                    let size = 1 + self.random.below(SIZES[block.class]);
                    let Block { address, .. } = block;
                    self.tell(thread, &What::Realloc { before: address, address, size, stack: 31 })?;
                }
                self.free(thread, block)?;
            }
        }
        for (thread, block) in pending {
            self.free(thread, block)?;
        }
        Ok(())
    }
}
