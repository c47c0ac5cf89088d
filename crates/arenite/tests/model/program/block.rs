//! Live blocks: where they are, what they hold, and where the next one has to be.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use arenite::{AllocError, FrameArena, JobArena, Scope};
#[cfg(target_pointer_width = "64")]
use arenite::{HeapArena, HeapScope};

use super::size;
use super::world::World;

/// What every face of an arena can do. `'d` is how long the data live.
pub(crate) trait Face<'d>: Copy {
    fn used(self) -> usize;
    fn one<T: Copy>(self, value: T) -> Result<&'d mut T, AllocError>;
    fn one_with<T: Copy>(self, init: impl FnOnce() -> T) -> Result<&'d mut T, AllocError>;
    fn copy<T: Copy>(self, values: &[T]) -> Result<&'d mut [T], AllocError>;
    fn fill<T: Copy>(self, len: usize, init: impl FnMut(usize) -> T) -> Result<&'d mut [T], AllocError>;
    fn uninit<T: Copy>(self, len: usize) -> Result<&'d mut [MaybeUninit<T>], AllocError>;
    fn collect<T: Copy>(self, values: impl Iterator<Item = T>) -> Result<&'d mut [T], AllocError>;
    fn text(self, text: &str) -> Result<&'d mut str, AllocError>;
    fn format(self, number: u32) -> Result<&'d mut str, AllocError>;
}

macro_rules! face {
    ($([$($life:lifetime)?])? $data:lifetime, $face:ty, |$this:ident| $used:expr) => {
        impl<'s, $($($life)?)?> Face<$data> for &'s $face {
            fn used(self) -> usize {
                let $this = self;
                $used
            }
            fn one<T: Copy>(self, value: T) -> Result<&$data mut T, AllocError> {
                self.try_alloc(value)
            }
            fn one_with<T: Copy>(self, init: impl FnOnce() -> T) -> Result<&$data mut T, AllocError> {
                self.try_alloc_with(init)
            }
            fn copy<T: Copy>(self, values: &[T]) -> Result<&$data mut [T], AllocError> {
                self.try_alloc_slice_copy(values)
            }
            fn fill<T: Copy>(
                self,
                len: usize,
                init: impl FnMut(usize) -> T,
            ) -> Result<&$data mut [T], AllocError> {
                self.try_alloc_slice_fill_with(len, init)
            }
            fn uninit<T: Copy>(self, len: usize) -> Result<&$data mut [MaybeUninit<T>], AllocError> {
                self.try_alloc_slice_uninit(len)
            }
            fn collect<T: Copy>(self, values: impl Iterator<Item = T>) -> Result<&$data mut [T], AllocError> {
                self.try_alloc_slice_from_iter(values)
            }
            fn text(self, text: &str) -> Result<&$data mut str, AllocError> {
                self.try_alloc_str(text)
            }
            fn format(self, number: u32) -> Result<&$data mut str, AllocError> {
                self.try_alloc_fmt(format_args!("<{number:>20}>"))
            }
        }
    };
}
face!('s, FrameArena, |this| this.stats().used);
face!(['g] 'g, Scope<'g>, |this| this.used());
face!(['a] 'a, JobArena<'a>, |this| this.used());
#[cfg(target_pointer_width = "64")]
face!('s, HeapArena, |this| this.used());
#[cfg(target_pointer_width = "64")]
face!(['g] 'g, HeapScope<'g>, |this| this.used());

/// A value that tells which one it is. `Copy`, any alignment.
pub(crate) trait Mark: Copy + PartialEq + std::fmt::Debug + 'static {
    fn mark(seed: u8, index: usize) -> Self;
}

fn number(seed: u8, index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(seed.into()) ^ u64::from(seed)
}

impl Mark for u8 {
    fn mark(seed: u8, index: usize) -> Self {
        number(seed, index).to_le_bytes()[7]
    }
}

impl Mark for u64 {
    fn mark(seed: u8, index: usize) -> Self {
        number(seed, index)
    }
}

/// A cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Line([u64; 8]);

impl Mark for Line {
    fn mark(seed: u8, index: usize) -> Self {
        Self(std::array::from_fn(|word| number(seed, index * 8 + word)))
    }
}

/// A page.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(4096))]
pub(crate) struct Page([u64; 512]);

impl Mark for Page {
    fn mark(seed: u8, index: usize) -> Self {
        Self(std::array::from_fn(|word| number(seed, index * 512 + word)))
    }
}

/// Nothing, at a multiple of 8.
impl Mark for () {
    fn mark(_: u8, _: usize) -> Self {}
}

/// Nothing, at an alignment that only the slow path serves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(0x2_0000))]
pub(crate) struct Far;

impl Mark for Far {
    fn mark(_: u8, _: usize) -> Self {
        Self
    }
}

pub(crate) fn marks<T: Mark>(seed: u8, len: usize) -> impl Iterator<Item = T> {
    (0..len).map(move |index| T::mark(seed, index))
}

/// How a block is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alloc {
    One(Kind),
    With(Kind),
    Copy(Kind, u8),
    Fill(Kind, u8),
    Uninit(Kind, u8),
    /// An iterator that claims `hint` more than it has.
    Collect(Kind, u8, u8),
    Text(u8),
    Format(u32),
    /// Panics in the middle: its room goes back.
    Panic(u8),
    /// Allocates while it is being made.
    Nested(u8),
    /// More than any range has.
    Huge(u8),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Byte,
    Word,
    Line,
    Page,
    Nothing,
    Far,
}

impl Alloc {
    pub(crate) fn of([how, kind, value]: [u8; 3]) -> Self {
        let kind = match kind % 12 {
            0..4 => Kind::Byte,
            4..8 => Kind::Word,
            8 | 9 => Kind::Line,
            10 => Kind::Page,
            _ if value < 128 => Kind::Nothing,
            _ => Kind::Far,
        };
        match how % 11 {
            0 => Self::One(kind),
            1 => Self::With(kind),
            2 => Self::Copy(kind, value),
            3 => Self::Fill(kind, value),
            4 => Self::Uninit(kind, value),
            5 => Self::Collect(kind, value, how),
            6 => Self::Text(value),
            7 => Self::Format(u32::from(value) << (how % 24)),
            8 => Self::Panic(value),
            9 => Self::Nested(value),
            _ => Self::Huge(value),
        }
    }
}

/// Where everything is. Shared by a scope and those inside it.
#[derive(Debug)]
pub(crate) struct Book {
    /// Start and end of each live block that has bytes.
    ranges: BTreeMap<usize, usize>,
    /// Where the range hands out its first byte, once a block has been seen: with it, use is a place.
    base: Option<usize>,
    /// The size of the range.
    reserved: usize,
    /// There is no one range: blocks lie anywhere. Their starts, in the order in which they were made.
    scattered: Option<Vec<usize>>,
}

/// How a block was made.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// In one piece: at the first place where it fits.
    First,
    /// By growing: somewhere above, because it moves when the system refuses once and then agrees.
    Above,
}

impl Book {
    pub(crate) fn new(reserved: usize) -> Self {
        Self { ranges: BTreeMap::new(), base: None, reserved, scattered: None }
    }

    /// For an arena of chunks, whose heap may be used up at any moment.
    #[cfg(target_pointer_width = "64")]
    pub(crate) fn scattered() -> Self {
        Self { scattered: Some(Vec::new()), ..Self::new(0) }
    }

    /// Blocks so far, for [`rewind_scattered`](Self::rewind_scattered).
    #[cfg(target_pointer_width = "64")]
    pub(crate) fn count(&self) -> usize {
        self.scattered.as_ref().map_or(0, Vec::len)
    }

    /// Only the first `count` blocks are left.
    #[cfg(target_pointer_width = "64")]
    pub(crate) fn rewind_scattered(&mut self, count: usize) {
        for start in self.scattered.iter_mut().flat_map(|order| order.split_off(count)) {
            self.ranges.remove(&start);
        }
    }

    /// Where the next block has to be. What grows moves from chunk to chunk, and leaves room behind.
    fn place(&self, world: &World, grows: bool) -> Place {
        if grows && self.scattered.is_some() { Place::Above } else { world.place(grows) }
    }

    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    /// The next block may be of another range.
    pub(crate) fn forget_base(&mut self) {
        self.base = None;
    }

    /// Everything above the first `used` bytes is free.
    pub(crate) fn rewind(&mut self, used: usize) {
        if let Some(base) = self.base {
            drop(self.ranges.split_off(&(base + used)));
            assert!(self.ranges.values().all(|&end| end <= base + used), "a block crosses the mark");
        }
    }

    /// A block was made, the last one: nobody else's, aligned, and where it has to be.
    pub(crate) fn insert<T>(&mut self, block: &[T], place: Place, before: usize, after: usize) {
        let (start, size) = (block.as_ptr().addr(), size_of_val(block));
        let align = align_of::<T>().max(8);
        assert!(start.is_multiple_of(align), "{start:#x} is not aligned to {align}");
        let end = start + size.next_multiple_of(8);
        if let Some(order) = &mut self.scattered {
            let more = after - before;
            let most = if place == Place::First { end - start + align } else { usize::MAX };
            assert!(end - start <= more && more < most, "{more} bytes more in use for {size}");
            if size > 0 {
                order.push(start);
            }
        } else {
            let base = *self.base.get_or_insert(end - after);
            assert_eq!(end - base, after, "use is exact");
            match place {
                Place::First => assert_eq!(start, (base + before).next_multiple_of(align), "no more padding"),
                Place::Above => assert!(start >= base + before),
            }
        }
        if size > 0 {
            let below = self.ranges.range(..end).next_back();
            assert!(below.is_none_or(|(_, &last)| last <= start), "{start:#x} + {size} overlaps {below:x?}");
            self.ranges.insert(start, start + size);
        }
    }
}

/// The blocks of one scope or frame, each with its check.
pub(crate) struct Blocks<'d> {
    live: Vec<Box<dyn Fn() + 'd>>,
}

impl<'d> Blocks<'d> {
    pub(crate) fn new() -> Self {
        Self { live: Vec::new() }
    }

    /// Every block holds what was written to it.
    pub(crate) fn check(&self) {
        self.live.iter().for_each(|check| check());
    }

    pub(crate) fn keep<T: Mark>(&mut self, block: &'d mut [T], seed: u8) {
        self.live.push(Box::new(move || {
            for (index, value) in block.iter().enumerate() {
                assert_eq!(*value, T::mark(seed, index), "element {index} of a block with seed {seed}");
            }
        }));
    }

    /// Makes a block, or believes the refusal.
    pub(crate) fn alloc<F: Face<'d>>(
        &mut self,
        face: F,
        book: &mut Book,
        world: &World,
        alloc: Alloc,
        seed: u8,
    ) {
        match alloc {
            Alloc::Text(len) => {
                let text: String = marks::<u8>(seed, size(len)).map(char::from).collect();
                self.text(face, book, world, text, |face, text| face.text(text));
            }
            Alloc::Format(number) => {
                let text = format!("<{number:>20}>");
                self.text(face, book, world, text, |face, _| face.format(number));
            }
            Alloc::Panic(at) => Self::panics(face, at),
            Alloc::Nested(len) => self.nested(face, book, world, seed, size(len)),
            Alloc::Huge(value) => {
                let before = face.used();
                let len = usize::MAX >> (value % 40);
                assert!(face.uninit::<u64>(len).is_err());
                assert_eq!(face.used(), before);
            }
            Alloc::One(kind)
            | Alloc::With(kind)
            | Alloc::Copy(kind, _)
            | Alloc::Fill(kind, _)
            | Alloc::Uninit(kind, _)
            | Alloc::Collect(kind, ..) => match kind {
                Kind::Byte => self.typed::<u8, F>(face, book, world, alloc, seed),
                Kind::Word => self.typed::<u64, F>(face, book, world, alloc, seed),
                Kind::Line => self.typed::<Line, F>(face, book, world, alloc, seed),
                Kind::Page => self.typed::<Page, F>(face, book, world, alloc, seed),
                Kind::Nothing => self.typed::<(), F>(face, book, world, alloc, seed),
                Kind::Far => self.typed::<Far, F>(face, book, world, alloc, seed),
            },
        }
    }

    fn typed<T: Mark, F: Face<'d>>(
        &mut self,
        face: F,
        book: &mut Book,
        world: &World,
        alloc: Alloc,
        seed: u8,
    ) {
        // At most 256 KiB, whatever the type.
        let len = |byte| size(byte).min((256 << 10) / size_of::<T>().max(8));
        let before = face.used();
        let answer = match alloc {
            Alloc::One(_) => face.one(T::mark(seed, 0)).map(std::slice::from_mut),
            Alloc::With(_) => face.one_with(|| T::mark(seed, 0)).map(std::slice::from_mut),
            Alloc::Copy(_, n) => face.copy(&marks(seed, len(n)).collect::<Vec<T>>()),
            Alloc::Fill(_, n) => face.fill(len(n), |index| T::mark(seed, index)),
            Alloc::Collect(_, n, hint) => {
                face.collect(Claims { values: marks::<T>(seed, len(n)), more: size(hint) })
            }
            Alloc::Uninit(_, n) => face.uninit::<T>(len(n)).map(|room| {
                // What is written here can not be read back without `unsafe`; the neighbours are compared.
                room.iter_mut().enumerate().for_each(|(index, value)| {
                    value.write(T::mark(seed, index));
                });
                book.insert(room, Place::First, before, face.used());
                &mut [][..]
            }),
            other => unreachable!("{other:?} has no type"),
        };
        let grows = matches!(alloc, Alloc::Collect(..));
        match answer {
            Ok(_) if matches!(alloc, Alloc::Uninit(..)) => {}
            Ok(block) => {
                // What was collected and takes no bytes has no place.
                if !grows || size_of_val(block) > 0 {
                    book.insert(block, book.place(world, grows), before, face.used());
                }
                self.keep(block, seed);
            }
            Err(error) => {
                world.believe(error, before + (512 << 10) + align_of::<T>() > book.reserved);
                assert!(grows || face.used() == before, "a refusal changes nothing");
            }
        }
    }

    fn text<F: Face<'d>>(
        &mut self,
        face: F,
        book: &mut Book,
        world: &World,
        expected: String,
        make: impl FnOnce(F, &str) -> Result<&'d mut str, AllocError>,
    ) {
        let before = face.used();
        match make(face, &expected) {
            Ok(text) => {
                book.insert(text.as_bytes(), book.place(world, true), before, face.used());
                self.live.push(Box::new(move || assert_eq!(*text, *expected)));
            }
            Err(error) => {
                world.believe(error, before + (512 << 10) > book.reserved);
                assert!(!world.calm() || face.used() == before, "what was begun went back");
            }
        }
    }

    /// A constructor that panics leaves no trace in the figures.
    fn panics<F: Face<'d>>(face: F, at: u8) {
        let before = face.used();
        let at = usize::from(at);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let answer = face.fill(at + 1, |index| {
                if index == at {
                    resume_unwind(Box::new("on purpose"));
                }
                index as u64
            });
            assert!(answer.is_err(), "the last element is never made");
        }));
        // Either the constructor ran and unwound, or the room was refused.
        if let Err(panic) = caught {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        }
        assert_eq!(face.used(), before);
    }

    /// A constructor that allocates: its own block is reserved first, so that both are whole.
    fn nested<F: Face<'d>>(&mut self, face: F, book: &mut Book, world: &World, seed: u8, len: usize) {
        let before = face.used();
        let mut inner = None;
        let outer = face.one_with(|| {
            inner = Some((face.used(), face.fill(len, |index| u8::mark(seed, index))));
            u64::mark(seed, 0)
        });
        let exhausts = before + (512 << 10) > book.reserved;
        match outer {
            Ok(outer) => {
                let (between, inner) = inner.expect("the constructor ran");
                let outer = std::slice::from_mut(outer);
                book.insert(outer, Place::First, before, between);
                self.keep(outer, seed);
                match inner {
                    Ok(inner) => {
                        book.insert(inner, Place::First, between, face.used());
                        self.keep(inner, seed);
                    }
                    Err(error) => world.believe(error, exhausts),
                }
            }
            Err(error) => {
                assert!(inner.is_none(), "refused before the constructor runs");
                world.believe(error, exhausts);
            }
        }
    }
}

/// An iterator that claims more than it has.
pub(crate) struct Claims<I> {
    pub(crate) values: I,
    pub(crate) more: usize,
}

impl<I: Iterator> Iterator for Claims<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.values.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.values.size_hint();
        (least.saturating_add(self.more), most)
    }
}
