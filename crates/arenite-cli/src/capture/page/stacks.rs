//! Call stacks as one tree of readable functions: what a flame graph is drawn from, and where each call stack is found again.
//!
//! ```text
//!   sites    a call stack as a person reads it: a node, and what all stacks that read like it did
//!   nodes    the node that called it, and its frame; node 0 is the program
//!   frames   a function and its place, each of them a number of `texts`
//! ```

use std::collections::{BTreeMap, HashMap};

use arenite_inspect::{Detail, Figures, Frame, Summary};
use serde_json::{Value, json};

use super::super::sites::Sites;

/// Frames of one stack, at the most: what called the others is left out.
const DEEPEST: usize = 128;
/// The longest text, in characters.
const LONGEST: usize = 240;

/// What a page calls a call site.
#[derive(Clone, Debug, Default)]
pub(super) struct PageSite {
    /// Its node; 0 of those whose stack is not known, and of all others together.
    pub(super) node: u32,
    pub(super) figures: Figures,
    /// Bytes that it asked for under each tag, by its place.
    tags: BTreeMap<u32, u64>,
}

impl PageSite {
    /// The tag under which it asked for most; none if it made nothing.
    pub(super) fn tag(&self) -> Option<u32> {
        self.tags.iter().max_by_key(|(tag, bytes)| (**bytes, u32::MAX - **tag)).map(|(tag, _)| *tag)
    }

    /// Whether it asked for memory under others, too.
    pub(super) fn has_several_tags(&self) -> bool {
        self.tags.len() > 1
    }
}

/// Call sites and their tree.
#[derive(Debug)]
pub(super) struct Tree {
    texts: Interned<String>,
    frames: Interned<(u32, u32)>,
    nodes: Interned<(u32, u32)>,
    /// Place 0 is what has no place of its own.
    pub(super) sites: Vec<PageSite>,
    /// For each place of the detail, its site.
    pub(super) site_of: Vec<u32>,
    /// Call stacks that share place 0.
    pub(super) others: u64,
}

/// Values with their numbers.
#[derive(Debug)]
struct Interned<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    /// Number 0 is this one.
    fn new(first: T) -> Self {
        Self { numbers: HashMap::from([(first.clone(), 0)]), values: vec![first] }
    }

    fn number(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            (self.values.len() - 1) as u32
        })
    }
}

impl Tree {
    /// Of the call stacks that have a place in the detail.
    pub(super) fn new(summary: &Summary, detail: &Detail, symbols: &mut Sites) -> Self {
        let mut tree = Self {
            texts: Interned::new(String::new()),
            frames: Interned::new((0, 0)),
            nodes: Interned::new((0, 0)),
            sites: Vec::new(),
            site_of: Vec::new(),
            others: detail.sites.first().map_or(0, |site| site.stacks),
        };
        let mut known: HashMap<(bool, u32), u32> = HashMap::new();
        for site in &detail.sites {
            let node = match site.stack {
                Some(stack) => tree.leaf(&symbols.frames(summary.stack(stack))),
                None => 0,
            };
            let place = *known.entry((site.stack.is_some(), node)).or_insert_with(|| {
                tree.sites.push(PageSite { node, ..PageSite::default() });
                (tree.sites.len() - 1) as u32
            });
            tree.site_of.push(place);
            let entry = &mut tree.sites[place as usize];
            for (tag, bytes) in &site.tags {
                let sum = entry.tags.entry(*tag).or_default();
                *sum = sum.saturating_add(*bytes);
            }
            entry.figures = entry.figures.and(&site.figures);
        }
        tree
    }

    /// The node of a stack whose innermost frame is the first one; without frames a node that says so.
    fn leaf(&mut self, frames: &[Frame]) -> u32 {
        if frames.is_empty() {
            let unknown = Frame { function: "(no call stack)".into(), file: None, line: None };
            return self.node(0, &unknown);
        }
        let shown = &frames[..frames.len().min(DEEPEST)];
        let mut node = 0;
        if shown.len() < frames.len() {
            let cut = Frame { function: "(outer calls are left out)".into(), file: None, line: None };
            node = self.node(0, &cut);
        }
        for frame in shown.iter().rev() {
            node = self.node(node, frame);
        }
        node
    }

    fn node(&mut self, caller: u32, frame: &Frame) -> u32 {
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => self.text(&format!("{}:{line}", last_two(file))),
            (Some(file), None) => self.text(last_two(file)),
            _ => 0,
        };
        let function = self.text(&frame.function);
        let frame = self.frames.number((function, place));
        self.nodes.number((caller, frame))
    }

    fn text(&mut self, text: &str) -> u32 {
        let cut = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        self.texts.number(cut)
    }

    /// For the page: texts, frames as pairs and nodes as pairs, each in one list.
    pub(super) fn to_json(&self) -> Value {
        let pairs = |of: &Interned<(u32, u32)>| -> Vec<u32> {
            of.values.iter().flat_map(|(first, second)| [*first, *second]).collect()
        };
        json!({ "texts": self.texts.values, "frames": pairs(&self.frames), "nodes": pairs(&self.nodes) })
    }
}

/// Of a path the file and its folder.
fn last_two(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/');
    slashes.nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_by_their_end() {
        for (path, shown) in
            [("/a/b/c.rs", "b/c.rs"), ("b/c.rs", "b/c.rs"), ("c.rs", "c.rs"), ("/c.rs", "/c.rs"), ("", "")]
        {
            assert_eq!(last_two(path), shown);
        }
    }

    #[test]
    fn stacks_share_what_they_have_in_common_and_long_ones_are_cut() {
        let mut tree = Tree {
            texts: Interned::new(String::new()),
            frames: Interned::new((0, 0)),
            nodes: Interned::new((0, 0)),
            sites: Vec::new(),
            site_of: Vec::new(),
            others: 0,
        };
        let frame =
            |name: &str| Frame { function: name.into(), file: Some("/x/y/z.rs".into()), line: Some(3) };
        let one = tree.leaf(&[frame("inner"), frame("middle"), frame("outer")]);
        let other = tree.leaf(&[frame("other"), frame("middle"), frame("outer")]);
        assert_eq!((one, other, tree.nodes.values.len()), (3, 4, 5));
        assert_eq!(tree.nodes.values[other as usize].0, 2, "both are called by the same");
        assert_eq!(tree.leaf(&[frame("inner"), frame("middle"), frame("outer")]), one);
        let unknown = tree.leaf(&[]);
        assert!(unknown > 0 && tree.leaf(&[]) == unknown);

        let deep: Vec<Frame> = (0..1000).map(|depth| frame(&"f".repeat(300 + depth))).collect();
        let before = tree.nodes.values.len();
        tree.leaf(&deep);
        assert_eq!(tree.nodes.values.len() - before, DEEPEST + 1);
        assert!(tree.texts.values.iter().all(|text| text.chars().count() <= LONGEST + 1));
    }
}
