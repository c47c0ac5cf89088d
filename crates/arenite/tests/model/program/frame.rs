//! Programs for the frame arena.

use std::slice::Iter;

use arenite::{FrameArena, FrameArenaOptions, FrameError, FramePacket, FrameRef, os};

use super::block::{Alloc, Blocks, Book, Mark, marks};
use super::size;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Alloc, u8),
    /// Keeps bytes for the next frame.
    Keep(u8, u8),
    Check,
    Flip,
    Freeze,
    /// Gives a packet back.
    Return(u8),
    Publish,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=5 => Self::Alloc(Alloc::of([a, b, c]), kind),
            6 | 7 => Self::Keep(a, b),
            8 => Self::Check,
            9..=11 => Self::Flip,
            12 => Self::Freeze,
            13 => Self::Return(a),
            14 => Self::Publish,
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

/// Bytes under a ticket, and what they are.
#[derive(Clone, Copy)]
struct Kept {
    ticket: FrameRef<[u8]>,
    seed: u8,
    len: usize,
}

impl Kept {
    fn agrees(&self, bytes: Option<&[u8]>) -> bool {
        bytes.is_some_and(|bytes| {
            bytes.len() == self.len
                && bytes.iter().enumerate().all(|(index, byte)| *byte == u8::mark(self.seed, index))
        })
    }
}

struct Flight {
    packet: FramePacket,
    kept: Vec<Kept>,
    used: usize,
}

const RESERVE: usize = 1 << 20;

struct Model {
    frame: u64,
    /// The most that a finished frame used.
    high_water: usize,
    previous_used: usize,
    buffers: usize,
    /// Kept by this frame: nobody reads it yet.
    now: Vec<Kept>,
    /// Kept by the last frame.
    last: Vec<Kept>,
    /// Kept by any frame before it.
    stale: Vec<Kept>,
    flights: Vec<Flight>,
    /// A packet was made at some time: then a buffer may be reset later than usual.
    ever_frozen: bool,
}

impl Model {
    fn check(&self, arena: &FrameArena, world: &World) {
        assert!(self.last.iter().all(|kept| kept.agrees(arena.get(kept.ticket))), "kept for this frame");
        assert!(self.now.iter().chain(&self.stale).all(|kept| arena.get(kept.ticket).is_none()));
        for (index, flight) in self.flights.iter().enumerate() {
            flight.check();
            let others = self.flights.iter().enumerate().filter(|(other, _)| *other != index);
            assert!(
                others
                    .flat_map(|(_, other)| &other.kept)
                    .all(|kept| flight.packet.get(kept.ticket).is_none())
            );
        }
        let stats = arena.stats();
        assert_eq!(stats.frame, self.frame);
        assert_eq!(stats.high_water, self.high_water.max(stats.used));
        assert_eq!(stats.lent, self.flights.len());
        let own = world.own();
        // One page is for what the buffers' reservation shares.
        assert_eq!(own.committed, stats.committed + os::page_size());
        assert!(own.reserved >= stats.reserved && stats.reserved >= self.buffers * RESERVE);
    }
}

impl Flight {
    fn check(&self) {
        assert!(self.kept.iter().all(|kept| kept.agrees(self.packet.get(kept.ticket))));
        assert_eq!(self.packet.used(), self.used);
    }
}

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("frame");
    let in_flight = 2 + ops.len() % 3;
    let options = FrameArenaOptions::new(world.tag).reserve(RESERVE).frames_in_flight(in_flight);
    let mut arena = FrameArena::try_with(options).expect("the system is calm");
    let mut model = Model {
        frame: 0,
        high_water: 0,
        previous_used: 0,
        // Builds that check more have one more.
        buffers: in_flight + usize::from(cfg!(debug_assertions)),
        now: Vec::new(),
        last: Vec::new(),
        stale: Vec::new(),
        flights: Vec::new(),
        ever_frozen: false,
    };
    let mut book = Book::new(RESERVE);
    let mut ops = ops.iter();
    while let Some(op) = allocate(&arena, &mut ops, &mut world, &mut book, &mut model) {
        match op {
            Op::Flip => flip(&mut arena, &mut world, &mut book, &mut model),
            Op::Freeze => {
                let used = arena.stats().used;
                let packet = arena.freeze();
                assert_eq!(packet.is_none(), world.sealed, "a frame is frozen once");
                if let Some(packet) = packet {
                    assert_eq!(packet.frame(), model.frame);
                    model.flights.push(Flight { packet, kept: model.now.clone(), used });
                    model.ever_frozen = true;
                }
                world.sealed = true;
            }
            Op::Publish => {
                arena.publish();
                let (live, used) = (world.own().live, arena.stats().used + model.previous_used);
                assert!(live >= used);
                if cfg!(debug_assertions) && !model.ever_frozen {
                    assert_eq!(live, used, "stale buffers hold nothing");
                }
            }
            _ => unreachable!("{op:?} needs no exclusive arena"),
        }
        model.check(&arena, &world);
    }
    // A packet may outlive its arena, and the other way round.
    world.set(Weather::Calm);
    let flights = std::mem::take(&mut model.flights);
    if model.frame.is_multiple_of(2) {
        drop(arena);
        flights.iter().for_each(Flight::check);
        world.end(flights);
    } else {
        drop(flights);
        world.end(arena);
    }
}

/// What needs a shared arena only; answers the first op that does not.
fn allocate(
    arena: &FrameArena,
    ops: &mut Iter<'_, Op>,
    world: &mut World,
    book: &mut Book,
    model: &mut Model,
) -> Option<Op> {
    let mut blocks = Blocks::new();
    let answer = loop {
        let Some(&op) = ops.next() else { break None };
        let before = arena.stats().used;
        match op {
            Op::Alloc(alloc, seed) => {
                blocks.alloc(arena, book, world, alloc, seed);
            }
            Op::Keep(len, seed) => keep(arena, world, book, model, &mut blocks, (size(len), seed)),
            Op::Check => {
                blocks.check();
                model.check(arena, world);
            }
            Op::Return(index) => {
                if !model.flights.is_empty() {
                    let flight = model.flights.swap_remove(usize::from(index) % model.flights.len());
                    flight.check();
                }
            }
            Op::Weather(weather) => world.set(weather),
            Op::Flip | Op::Freeze | Op::Publish => break Some(op),
        }
        if world.sealed {
            assert_eq!(arena.stats().used, before, "a frozen frame hands nothing out");
        }
    };
    blocks.check();
    answer
}

fn keep<'s>(
    arena: &'s FrameArena,
    world: &World,
    book: &mut Book,
    model: &mut Model,
    blocks: &mut Blocks<'s>,
    (len, seed): (usize, u8),
) {
    let before = arena.stats().used;
    match arena.try_keep_slice_from_iter(marks::<u8>(seed, len)) {
        Ok((bytes, ticket)) => {
            if len > 0 {
                book.insert(bytes, world.place(true), before, arena.stats().used);
            }
            blocks.keep(bytes, seed);
            model.now.push(Kept { ticket, seed, len });
        }
        Err(error) => {
            world.believe(error, before + (512 << 10) > book.reserved());
        }
    }
}

fn flip(arena: &mut FrameArena, world: &mut World, book: &mut Book, model: &mut Model) {
    let used = arena.stats().used;
    let away = model.flights.iter().filter(|flight| flight.packet.frame() != model.frame).count();
    match arena.try_begin_frame() {
        Ok(()) => {
            assert!(away < model.buffers - 1, "every other buffer is in flight");
            model.frame += 1;
            model.high_water = model.high_water.max(used);
            model.previous_used = used;
            let now = std::mem::take(&mut model.now);
            model.stale.extend(std::mem::replace(&mut model.last, now));
            *book = Book::new(RESERVE);
            world.sealed = false;
            assert_eq!(arena.stats().used, 0);
        }
        Err(FrameError::AllInFlight) => assert_eq!(away, model.buffers - 1, "a buffer is free"),
        Err(FrameError::Memory(error)) => world.believe(error, false),
        Err(other) => panic!("nothing did that: {other}"),
    }
}
