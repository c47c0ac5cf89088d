//! Names for what a file of another tool tells by numbers: functions, places in the program, call stacks, tags.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;

use super::flow::untagged;
use crate::symbols::{Frame, Mapped, Symbols};
use crate::{CallStack, Summary, ThreadFigures};

/// The most functions, and the most places, that are told.
const MOST_PLACES: usize = 1 << 20;
/// The most numbers of places, of all call stacks together, that are kept.
const MOST_KEPT: usize = 1 << 25;
/// The most combinations of call stack and tag that are told apart.
const MOST_GIVEN: usize = 1 << 22;
/// What stands for a call stack that is not known.
pub(super) const NO_STACK: &str = "(no call stack)";
/// What stands for one that there is no room for.
const LEFT_OUT: &str = "(too many call stacks)";

/// Who knows functions. [`Symbols`] does, and shows all of them.
pub trait Names {
    /// The functions of a return address of a call stack that was told at this time, the one that was inlined innermost first. Never
    /// empty.
    fn all(&mut self, return_address: u64, told: u64) -> Arc<[Frame]>;

    /// Those of a whole call stack, from the innermost one outwards, that are worth showing: the same without some of them.
    fn shown(&mut self, stack: CallStack<'_>) -> Vec<Frame>;

    /// The number of the mapping that a return address of a call stack that was told at this time is in.
    fn mapping(&self, return_address: u64, told: u64) -> Option<u32>;

    /// A mapping, by its number.
    fn mapped(&self, mapping: u32) -> Option<Mapped<'_>>;

    /// The program's own file.
    fn program(&self) -> Option<&str>;
}

impl Names for Symbols {
    fn all(&mut self, return_address: u64, told: u64) -> Arc<[Frame]> {
        self.frames(return_address, told)
    }

    fn shown(&mut self, stack: CallStack<'_>) -> Vec<Frame> {
        stack.iter().flat_map(|address| self.frames(*address, stack.told).to_vec()).collect()
    }

    fn mapping(&self, return_address: u64, told: u64) -> Option<u32> {
        self.mapping(return_address, told)
    }

    fn mapped(&self, mapping: u32) -> Option<Mapped<'_>> {
        self.mapped(mapping)
    }

    fn program(&self) -> Option<&str> {
        self.program()
    }
}

/// What makes two places, and so two call stacks, different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    /// Their return addresses. Functions that were inlined are at one place.
    Addresses,
    /// Functions, files and lines.
    Lines,
    /// Functions.
    Functions,
}

/// Each value once, by its number.
#[derive(Debug)]
struct Numbers<T> {
    values: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32>,
}

impl<T: Eq + Hash> Numbers<T> {
    fn new() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }

    fn of(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let (number, value) = (self.values.len() as u32, Arc::new(value));
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn is_full(&self) -> bool {
        self.values.len() >= MOST_PLACES
    }
}

/// Where a call stack passes by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The return address; 0 if it does not count.
    pub(super) address: u64,
    /// The mapping that it is in, if it counts and that is known: another module may have been at the address before.
    pub(super) mapping: Option<u32>,
    /// The functions, the innermost first: their numbers. Only of a place with an address they are several.
    pub(super) frames: Box<[u32]>,
}

/// All names of an export.
pub(super) struct Table<'a> {
    names: &'a mut dyn Names,
    summary: &'a Summary,
    grain: Grain,
    frames: Numbers<Frame>,
    places: Numbers<Place>,
    stacks: Numbers<Box<[u32]>>,
    /// The numbers that were given to the capture's own, with the tag that they begin with.
    given: HashMap<(u32, Option<u32>), u32>,
    kept: usize,
    left_out: u64,
    untagged: u32,
}

impl<'a> Table<'a> {
    pub(super) fn new(names: &'a mut dyn Names, summary: &'a Summary, grain: Grain) -> Self {
        Self {
            names,
            summary,
            grain,
            frames: Numbers::new(),
            places: Numbers::new(),
            stacks: Numbers::new(),
            given: HashMap::new(),
            kept: 0,
            left_out: 0,
            untagged: untagged(summary),
        }
    }

    /// The number of a call stack; if a tag is given, one that begins with it.
    pub(super) fn stack(&mut self, stack: u32, tag: Option<u32>) -> u32 {
        let known = !self.summary.stack(stack).is_empty();
        let key = (if known { stack } else { 0 }, tag.map(|tag| self.tag_number(tag)));
        if let Some(number) = self.given.get(&key) {
            return *number;
        }
        if self.given.len() >= MOST_GIVEN {
            // Those that come now are never told apart, neither when a block is made nor when it goes.
            self.left_out = self.left_out.max(1);
            let place = self.named(LEFT_OUT);
            return self.stacks.of([place].into());
        }
        let places = self.places_of(key.0, key.1);
        self.kept += places.len();
        let number = self.stacks.of(places.into());
        self.given.insert(key, number);
        number
    }

    fn places_of(&mut self, stack: u32, tag: Option<u32>) -> Vec<u32> {
        let summary = self.summary;
        let addresses = summary.stack(stack);
        let room =
            self.kept + addresses.len() < MOST_KEPT && !self.places.is_full() && !self.frames.is_full();
        let mut places = if addresses.is_empty() {
            vec![self.named(NO_STACK)]
        } else if room {
            self.shown(addresses)
        } else {
            self.left_out += 1;
            vec![self.named(LEFT_OUT)]
        };
        if let Some(tag) = tag {
            let name = format!("tag {}", self.tag(tag));
            places.push(self.named(&name));
        }
        places
    }

    /// A place that is no address.
    fn named(&mut self, name: &str) -> u32 {
        let frame = self.frames.of(Frame { function: clean(name), file: None, line: None });
        self.places.of(Place { address: 0, mapping: None, frames: [frame].into() })
    }

    fn shown(&mut self, stack: CallStack<'_>) -> Vec<u32> {
        let shown = self.names.shown(stack);
        let mut places = Vec::new();
        if self.grain != Grain::Addresses {
            for frame in shown {
                let frame = self.frame(frame);
                places.push(self.places.of(Place { address: 0, mapping: None, frames: [frame].into() }));
            }
            return places;
        }
        // What is shown is all of it without some frames: which addresses they are of is found by going along.
        let mut left = shown.into_iter().peekable();
        for address in stack.addresses {
            let mut here = Vec::new();
            for frame in self.names.all(*address, stack.told).iter() {
                if left.peek() == Some(frame) {
                    here.extend(left.next());
                }
            }
            if !here.is_empty() {
                let frames = here.into_iter().map(|frame| self.frame(frame)).collect();
                let mapping = self.names.mapping(*address, stack.told);
                places.push(self.places.of(Place { address: *address, mapping, frames }));
            }
        }
        places
    }

    fn frame(&mut self, frame: Frame) -> u32 {
        let Frame { function, file, line } = frame;
        let function = clean(&function);
        self.frames.of(match self.grain {
            Grain::Functions => Frame { function, file: None, line: None },
            _ => Frame { function, file: file.as_deref().map(clean), line },
        })
    }

    /// The places of a call stack, from the innermost one outwards.
    pub(super) fn stack_places(&self, stack: u32) -> Arc<Box<[u32]>> {
        self.stacks.values[stack as usize].clone()
    }

    /// All places that were named so far, by their numbers.
    pub(super) fn places(&self) -> &[Arc<Place>] {
        &self.places.values
    }

    /// All functions that were named so far, by their numbers.
    pub(super) fn frames(&self) -> &[Arc<Frame>] {
        &self.frames.values
    }

    /// A line of a place without address: its function, with its file.
    pub(super) fn line(&self, place: u32) -> String {
        let frame = self.places.values[place as usize].frames[0];
        self.frames.values[frame as usize].to_string()
    }

    /// The file that a place is in.
    pub(super) fn mapped(&self, place: &Place) -> Option<Mapped<'_>> {
        self.names.mapped(place.mapping?)
    }

    /// What ran, as far as that is known.
    pub(super) fn program(&self, process: u32) -> String {
        self.names.program().map_or_else(|| format!("process {process}"), clean)
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The number under which the figures of a tag are.
    pub(super) fn tag_number(&self, tag: u32) -> u32 {
        if tag == 0 { self.untagged } else { tag }
    }

    pub(super) fn tag(&self, tag: u32) -> String {
        let tags = &self.summary.tags;
        let found = tags.get(&self.tag_number(tag)).or_else(|| tags.get(&0));
        found.map_or_else(|| "(no tag)".to_owned(), |tag| clean(&tag.name))
    }

    pub(super) fn thread(&self, thread: u32) -> String {
        thread_name(thread, self.summary.threads.get(&thread))
    }
}

/// The name of a thread, or its number.
pub(super) fn thread_name(number: u32, thread: Option<&ThreadFigures>) -> String {
    let name = thread.and_then(|thread| thread.name.as_deref());
    name.map_or_else(|| format!("thread {number}"), clean)
}

/// Without control characters: a name is one line wherever it is shown.
pub(super) fn clean(name: &str) -> String {
    let shown = |symbol: char| {
        let breaks = matches!(symbol, '\u{2028}' | '\u{2029}');
        if symbol.is_control() || breaks { '\u{fffd}' } else { symbol }
    };
    name.chars().map(shown).collect()
}
