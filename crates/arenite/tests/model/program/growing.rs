//! Programs for `ArenaVec` and `ArenaString`, beside `Vec` and `String`.

use std::cell::Cell;
use std::fmt::{Debug, Write};

use arenite::{AllocError, ArenaString, ArenaVec, FrameArena, FrameArenaOptions};

use super::block::Claims;
use super::size;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The first one that a program has chooses what the elements are.
    Elements(u8),
    Push(u8),
    Pop,
    Insert(u8, u8),
    Remove(u8),
    SwapRemove(u8),
    Truncate(u8),
    /// An iterator that claims so much more than it has.
    Extend(u8, u8),
    Retain(u8),
    Reserve(u8),
    Clear,
    /// Allocates above it, so that it can not grow where it stands.
    Disturb(u8),
    /// Ends it and starts another one.
    Finish,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, _]: [u8; 4]) -> Self {
        match kind % 32 {
            0 => Self::Elements(a),
            1..=9 => Self::Push(a),
            10 => Self::Pop,
            11..=13 => Self::Insert(a, b),
            14 | 15 => Self::Remove(a),
            16 | 17 => Self::SwapRemove(a),
            18 => Self::Truncate(a),
            19..=22 => Self::Extend(a, b),
            23 => Self::Retain(a),
            24 => Self::Reserve(a),
            25 => Self::Clear,
            26..=28 => Self::Disturb(a),
            29 => Self::Finish,
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

trait Element: Clone + PartialEq + Debug {
    fn of(byte: u8) -> Self;
    /// Ends a vector; the types without a destructor leave a slice.
    fn finish(vec: ArenaVec<'_, Self>, expected: &[Self]);
}

macro_rules! plain {
    ($type:ty, |$byte:ident| $value:expr) => {
        impl Element for $type {
            fn of($byte: u8) -> Self {
                $value
            }
            fn finish(vec: ArenaVec<'_, Self>, expected: &[Self]) {
                assert_eq!(vec.into_slice(), expected);
            }
        }
    };
}
plain!(u8, |byte| byte);
plain!([u64; 3], |byte| [byte.into(), 1, !u64::from(byte)]);
plain!((), |_byte| ());

thread_local! {
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

/// Counts itself, so that one that is lost or dropped twice is missed.
#[derive(Debug, PartialEq)]
struct Counted(u8);

impl Counted {
    fn new(byte: u8) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self(byte)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

impl Element for Counted {
    fn of(byte: u8) -> Self {
        Self::new(byte)
    }

    fn finish(vec: ArenaVec<'_, Self>, expected: &[Self]) {
        assert_eq!(&*vec, expected);
    }
}

const RESERVE: usize = 1 << 20;

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("growing");
    let options = FrameArenaOptions::new(world.tag).reserve(RESERVE);
    let arena = FrameArena::try_with(options).expect("the system is calm");
    let elements = ops.iter().find_map(|op| if let Op::Elements(which) = op { Some(*which) } else { None });
    match elements.unwrap_or(0) % 5 {
        0 => vector::<u8>(&arena, &mut world, ops),
        1 => vector::<[u64; 3]>(&arena, &mut world, ops),
        2 => vector::<()>(&arena, &mut world, ops),
        3 => vector::<Counted>(&arena, &mut world, ops),
        _ => string(&arena, &mut world, ops),
    }
    assert_eq!(ALIVE.get(), 0, "every element was dropped once");
    world.end(arena);
}

/// Whether it worked; if not, the refusal was true.
fn done(answer: Result<(), AllocError>, arena: &FrameArena, world: &World) -> bool {
    if let Err(error) = answer {
        // Doubling, or moving twice as much.
        world.believe(error, arena.stats().used + (700 << 10) > RESERVE);
        return false;
    }
    true
}

fn vector<T: Element>(arena: &FrameArena, world: &mut World, ops: &[Op]) {
    let mut vec = arena.vec::<T>();
    let mut model: Vec<T> = Vec::new();
    for &op in ops {
        let at = |index: u8, end: usize| usize::from(index) * end / 256;
        match op {
            Op::Push(byte) => {
                if done(vec.try_push(T::of(byte)), arena, world) {
                    model.push(T::of(byte));
                }
            }
            Op::Pop => assert_eq!(vec.pop(), model.pop()),
            Op::Insert(index, byte) => {
                if done(vec.try_reserve(1), arena, world) {
                    let index = at(index, model.len() + 1);
                    vec.insert(index, T::of(byte));
                    model.insert(index, T::of(byte));
                }
            }
            Op::Remove(index) if !model.is_empty() => {
                let index = at(index, model.len());
                assert_eq!(vec.remove(index), model.remove(index));
            }
            Op::SwapRemove(index) if !model.is_empty() => {
                let index = at(index, model.len());
                assert_eq!(vec.swap_remove(index), model.swap_remove(index));
            }
            Op::Truncate(index) => {
                let len = at(index, model.len() * 2);
                vec.truncate(len);
                model.truncate(len);
            }
            Op::Extend(count, claim) => {
                // Not more than a few thousand: the model is compared after each op.
                let count = size(count).min(2000);
                let values = (0..count).map(|index| T::of(index.to_le_bytes()[0]));
                let claims = Claims { values: values.clone(), more: size(claim) };
                if done(vec.try_extend(claims), arena, world) {
                    model.extend(values);
                } else {
                    let room = vec.len() - model.len();
                    assert!(room < count, "what was appended so far stays");
                    model.extend(values.take(room));
                }
            }
            Op::Retain(byte) => {
                let keep = |element: &T| *element != T::of(byte);
                vec.retain(|element| keep(element));
                model.retain(keep);
            }
            Op::Reserve(bytes) => {
                let more = size(bytes) / size_of::<T>().max(1);
                if done(vec.try_reserve(more), arena, world) {
                    assert!(vec.capacity() - vec.len() >= more);
                }
            }
            Op::Clear => {
                vec.clear();
                model.clear();
            }
            Op::Disturb(byte) => {
                if let Ok(other) = arena.try_alloc_slice_fill_with(usize::from(byte % 32), |_| byte) {
                    other.fill(!byte);
                }
            }
            Op::Finish => {
                T::finish(std::mem::replace(&mut vec, arena.vec()), &model);
                model.clear();
            }
            Op::Weather(weather) => world.set(weather),
            Op::Remove(_) | Op::SwapRemove(_) | Op::Elements(_) => {}
        }
        assert_eq!(&*vec, model.as_slice());
        assert!(vec.capacity() >= vec.len());
        assert!(vec.as_ptr().is_aligned());
    }
    T::finish(vec, &model);
}

fn string(arena: &FrameArena, world: &mut World, ops: &[Op]) {
    let mut string: ArenaString<'_> = arena.string();
    let mut model = String::new();
    for &op in ops {
        match op {
            Op::Push(byte) | Op::Insert(byte, _) => {
                let character = char::from_u32(u32::from(byte) * 97).unwrap_or('ß');
                if done(string.try_push_str(character.encode_utf8(&mut [0; 4])), arena, world) {
                    model.push(character);
                }
            }
            Op::Extend(count, byte) => {
                let text: String = (0..size(count).min(2000)).map(|_| char::from(byte)).collect();
                if done(string.try_push_str(&text), arena, world) {
                    model.push_str(&text);
                }
            }
            Op::Reserve(byte) | Op::Remove(byte) | Op::SwapRemove(byte) => {
                let width = usize::from(byte);
                if done(string.try_push_fmt(format_args!("{byte:>width$x}|")), arena, world) {
                    write!(model, "{byte:>width$x}|").expect("memory");
                } else {
                    assert!(string.len() >= model.len(), "what was formatted so far stays");
                    string.truncate(model.len());
                }
            }
            Op::Truncate(index) => {
                let mut len = usize::from(index) * (model.len() + 1) / 256;
                while !model.is_char_boundary(len) {
                    len -= 1;
                }
                string.truncate(len);
                model.truncate(len);
            }
            Op::Clear => {
                string.clear();
                model.clear();
            }
            Op::Disturb(byte) => {
                if let Ok(other) = arena.try_alloc_slice_fill_with(usize::from(byte % 32), |_| byte) {
                    other.fill(!byte);
                }
            }
            Op::Finish => {
                let whole = std::mem::replace(&mut string, arena.string());
                assert_eq!(&*whole.into_str(), model);
                model.clear();
            }
            Op::Weather(weather) => world.set(weather),
            Op::Pop | Op::Retain(_) | Op::Elements(_) => {}
        }
        assert_eq!(&*string, model);
    }
}
