//! Which module an address belonged to, at which time.
//!
//! A capture tells again and again what is loaded. What does not contradict what was told before is added to it; what does, because
//! a module is where another one was, begins another layer.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::ModuleMap;

/// The most lines that are looked at.
const MOST_LINES: usize = 1 << 19;
/// The most layers. An address that is in none is looked for in all of them.
const MOST_LAYERS: usize = 1 << 10;

/// Which kind of file a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Elf,
    Pe,
    MachO,
}

/// A file that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Module {
    pub(super) path: String,
    /// If the capture tells.
    pub(super) kind: Option<Kind>,
    /// What it is known by; empty if that is not known.
    pub(super) id: Vec<u8>,
}

/// A range of addresses that a file was mapped to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins.
    pub(super) offset: u64,
    /// What is to be taken from an address to get the one that is in the file, if the capture tells.
    pub(super) bias: Option<u64>,
    /// Which of the modules the file is.
    pub(super) module: usize,
}

impl Mapping {
    /// Whether both say the same of the addresses that are in both.
    fn agrees(&self, other: &Self) -> bool {
        self.module == other.module
            && self.bias == other.bias
            && self.start.wrapping_sub(self.offset) == other.start.wrapping_sub(other.offset)
    }
}

/// What was told from some time on without contradictions: mappings by where they begin.
#[derive(Debug)]
struct Layer {
    since: u64,
    starts: BTreeMap<u64, u32>,
}

/// All mappings of a capture.
#[derive(Debug, Default)]
pub(super) struct Map {
    layers: Vec<Layer>,
    mappings: Vec<Mapping>,
    modules: Vec<Module>,
}

/// A line that tells of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Loaded {
    kind: Kind,
    start: u64,
    end: u64,
    bias: u64,
    id: Vec<u8>,
}

/// A line that tells what is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapped<'a> {
    start: u64,
    end: u64,
    offset: u64,
    path: &'a str,
}

impl Map {
    pub(super) fn new(maps: &[ModuleMap]) -> Self {
        let mut map = Self::default();
        let (mut numbers, mut left) = (HashMap::new(), MOST_LINES);
        for told in maps {
            let lines = || told.text.lines().take(left);
            let loaded: BTreeMap<u64, Loaded> =
                lines().filter_map(loaded).map(|loaded| (loaded.start, loaded)).collect();
            let mut mappings: Vec<Mapping> = Vec::new();
            for Mapped { start, end, offset, path } in lines().filter_map(mapped) {
                let loaded = loaded.range(..=start).next_back().map(|(_, loaded)| loaded);
                let loaded = loaded.filter(|loaded| start < loaded.end);
                let module = Module {
                    path: path.to_owned(),
                    kind: loaded.map(|loaded| loaded.kind),
                    id: loaded.map_or_else(Vec::new, |loaded| loaded.id.clone()),
                };
                let module = *numbers.entry(module).or_insert_with_key(|module| {
                    map.modules.push(module.clone());
                    map.modules.len() - 1
                });
                mappings.push(Mapping { start, end, offset, bias: loaded.map(|loaded| loaded.bias), module });
            }
            left -= lines().count();
            map.tell(told.since, &mappings);
        }
        map
    }

    /// From then on there are these, if not others, too.
    fn tell(&mut self, since: u64, mappings: &[Mapping]) {
        let contradicts = |layer: &Layer| {
            mappings.iter().any(|new| {
                let (mappings, starts) = (&self.mappings, &layer.starts);
                let mut before = starts.range(..new.end).rev().map(|(_, old)| &mappings[*old as usize]);
                before.next().is_some_and(|old| old.end > new.start && !old.agrees(new))
            })
        };
        if self.layers.len() < MOST_LAYERS && self.layers.last().is_none_or(contradicts) {
            self.layers.push(Layer { since, starts: BTreeMap::new() });
        }
        for new in mappings {
            self.add(new);
        }
    }

    /// One more mapping of the last layer, unless it is there or contradicts what is.
    fn add(&mut self, new: &Mapping) {
        let Some(layer) = self.layers.last_mut() else { return };
        if let Some((_, old)) = layer.starts.range(..new.end).next_back() {
            let old = &mut self.mappings[*old as usize];
            if old.end > new.start {
                if old.start <= new.start && old.agrees(new) {
                    old.end = old.end.max(new.end);
                }
                return;
            }
        }
        layer.starts.insert(new.start, self.mappings.len() as u32);
        self.mappings.push(*new);
    }

    /// The number of the mapping that an address was in at some time, or, if it is not told of that time, later or before.
    pub(super) fn find(&self, address: u64, told: u64) -> Option<u32> {
        let now = self.layers.partition_point(|layer| layer.since <= told).saturating_sub(1);
        let (before, since) = self.layers.split_at(now);
        since.iter().chain(before.iter().rev()).find_map(|layer| {
            let (_, number) = layer.starts.range(..=address).next_back()?;
            (address < self.mappings[*number as usize].end).then_some(*number)
        })
    }

    pub(super) fn mapping(&self, number: u32) -> Option<&Mapping> {
        self.mappings.get(number as usize)
    }

    pub(super) fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module at the lowest address at first.
    pub(super) fn first(&self) -> Option<&Module> {
        let (_, number) = self.layers.first()?.starts.first_key_value()?;
        Some(&self.modules[self.mapping(*number)?.module])
    }
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_once('-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    (start < end).then_some((start, end))
}

/// A line of maps that has a file.
fn mapped(line: &str) -> Option<Mapped<'_>> {
    let (addresses, rest) = line.split_once(' ')?;
    // Permissions, offset, device, number of the file, and its path, which may contain spaces.
    let (_permissions, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (_device, rest) = rest.split_once(' ')?;
    let (_inode, path) = rest.split_once(' ')?;
    let ((start, end), offset) = (range(addresses)?, hex(offset)?);
    let path = path.trim();
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    (!path.is_empty()).then_some(Mapped { start, end, offset, path })
}

/// A line that says what a module is known by.
fn loaded(line: &str) -> Option<Loaded> {
    let mut parts = line.split(' ');
    let kind = match parts.next()? {
        "elf" => Kind::Elf,
        "pe" => Kind::Pe,
        "macho" => Kind::MachO,
        _ => return None,
    };
    let ((start, end), bias, id) = (range(parts.next()?)?, hex(parts.next()?)?, parts.next()?);
    let id = if id == "-" { Vec::new() } else { bytes(id)? };
    parts.next().is_none().then_some(Loaded { kind, start, end, bias, id })
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        let line = "7f3a1000-7f3a4000 r-xp 00002000 08:01 1311   /usr/lib/my games/lib game.so";
        let path = "/usr/lib/my games/lib game.so";
        let found = Mapped { start: 0x7f3a_1000, end: 0x7f3a_4000, offset: 0x2000, path };
        assert_eq!(mapped(line), Some(found));
        let gone = "1000-4000 r-xp 00000000 08:01 1311 /tmp/game (deleted)";
        assert_eq!(mapped(gone).map(|line| line.path), Some("/tmp/game"));
        for wrong in [
            "",
            "1000-2000",
            "1000-2000 rw-p 0 0:0 0 ",
            "2000-1000 r 0 0:0 1 /a",
            "x-y r 0 0:0 1 /a",
            "1-2 r g 0:0 1 /a",
            "elf 1000-2000 0 abcd",
        ] {
            assert_eq!(mapped(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lines_of_modules() {
        let elf = Loaded { kind: Kind::Elf, start: 0x1000, end: 0x2000, bias: 0x800, id: vec![0xab, 0xcd] };
        assert_eq!(loaded("elf 1000-2000 800 abcd"), Some(elf.clone()));
        assert_eq!(loaded("pe 1000-2000 800 -"), Some(Loaded { kind: Kind::Pe, id: Vec::new(), ..elf }));
        for wrong in [
            "elf 1000-2000 800",
            "elf 1000-2000 800 abc",
            "elf 1000-2000 800 é+",
            "elf 1000-2000 800 abcd more",
            "elf 2000-1000 800 abcd",
            "com 1000-2000 800 abcd",
            "1000-4000 r-xp 00000000 08:01 1311 /tmp/game",
        ] {
            assert_eq!(loaded(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn modules_that_replace_each_other_for_ever_have_a_bound() {
        let texts: Vec<ModuleMap> =
            (0..5000).map(|time| map(time, &[&format!("1000-2000 r-xp 0 0:0 1 /lib/{time}.so")])).collect();
        let map = Map::new(&texts);
        assert_eq!(map.layers.len(), MOST_LAYERS);
        let at = |time| {
            &map.modules()[map.mapping(map.find(0x1800, time).expect("told")).expect("one").module].path
        };
        assert_eq!((at(7).as_str(), at(4999).as_str()), ("/lib/7.so", "/lib/1023.so"));
        assert_eq!(map.find(0x2000, 7), None);
    }

    fn map(since: u64, lines: &[&str]) -> ModuleMap {
        ModuleMap { since, text: lines.join("\n") }
    }

    #[test]
    fn what_is_where_another_module_was_counts_from_then_on() {
        let game = "1000-2000 r-xp 0 0:0 1 /game";
        let maps = [
            map(10, &[game, "5000-6000 r-xp 0 0:0 1 /a.so", "elf 5000-7000 4000 aa"]),
            // Nothing new, something more, and what is gone stays known.
            map(20, &[game]),
            map(30, &[game, "8000-9000 r-xp 0 0:0 1 /b.so"]),
            map(40, &[game, "5000-5800 r-xp 0 0:0 1 /c.so", "elf 5000-6000 5000 cc"]),
            // The same file, which was built anew.
            map(50, &[game, "5000-5800 r-xp 0 0:0 1 /c.so", "elf 5000-6000 5000 dd"]),
        ];
        let found = Map::new(&maps);
        let at = |address, told| {
            let mapping = found.mapping(found.find(address, told)?)?;
            let Module { path, id, .. } = &found.modules()[mapping.module];
            Some((path.as_str(), id.clone(), mapping.bias))
        };
        let a = Some(("/a.so", vec![0xaa], Some(0x4000)));
        for told in [0, 10, 25, 30, 39] {
            assert_eq!(at(0x5100, told), a);
        }
        assert_eq!(at(0x5100, 40), Some(("/c.so", vec![0xcc], Some(0x5000))));
        assert_eq!(at(0x5100, 50), Some(("/c.so", vec![0xdd], Some(0x5000))));
        assert_eq!(at(0x5900, 60), a, "nobody had it since");
        for told in [0, 10, 30, 40, 60] {
            assert_eq!(at(0x8000, told), Some(("/b.so", vec![], None)), "it is told of one time");
            assert_eq!(at(0x1fff, told), Some(("/game", vec![], None)));
            assert_eq!(at(0x2000, told), None);
        }
        assert_eq!(found.layers.len(), 3);
        assert_eq!(found.first().map(|module| module.path.as_str()), Some("/game"));
    }

    #[test]
    fn within_one_text_the_first_line_counts() {
        let found = Map::new(&[map(0, &["2000-4000 r-xp 0 0:0 1 /a", "3000-5000 r-xp 0 0:0 1 /b"])]);
        assert_eq!(found.layers.len(), 1);
        let path = |address| Some(&*found.modules()[found.mapping(found.find(address, 0)?)?.module].path);
        assert_eq!((path(0x3000), path(0x4000)), (Some("/a"), None));
        // A mapping that was cut in two, or became longer, is the same.
        let found = Map::new(&[
            map(0, &["2000-4000 r-xp 0 0:0 1 /a"]),
            map(9, &["2000-3000 r-xp 0 0:0 1 /a", "3000-4000 rwxp 1000 0:0 1 /a"]),
            map(9, &["2000-6000 r-xp 0 0:0 1 /a"]),
        ]);
        assert_eq!((found.layers.len(), found.mappings.len()), (1, 1));
        assert_eq!(found.find(0x5fff, 0), Some(0));
    }
}
