//! Call stacks as people want to read them.

use std::hash::{DefaultHasher, Hash, Hasher};

use arenite_inspect::{Frame, Symbols};

/// Frames of one site that a text shows.
const SHOWN: usize = 8;
/// The widest line.
const WIDTH: usize = 100;

/// Crates whose functions are not what asked for memory, but how.
const INSIDES: [&str; 7] = ["alloc", "core", "std", "hashbrown", "allocator_api2", "arenite", "__rustc"];
/// The same of functions.
const ALLOCATORS: [&str; 13] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "strdup",
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "__rust_realloc",
    "operator new(unsigned long)",
    "operator new[](unsigned long)",
];
/// Crates of the standard library.
const LIBRARY: [&str; 3] = ["std", "core", "alloc"];
/// Functions that every stack begins with.
const BEGINNINGS: [&str; 7] =
    ["main", "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone3", "__rust_try"];

/// Call stacks of one capture.
pub(super) struct Sites {
    symbols: Symbols,
}

impl Sites {
    pub(super) fn new(modules: &[String]) -> Self {
        Self { symbols: Symbols::new(modules) }
    }

    /// The frames of these return addresses, from the innermost on, without the insides of allocators, those of the standard library
    /// and the runtime's beginning; with all of them if nothing else is there.
    pub(super) fn frames(&mut self, addresses: &[u64]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for address in addresses {
            frames.extend_from_slice(&self.symbols.frames(*address));
        }
        let inner = frames.iter().position(|frame| !is_inside(&frame.function));
        let outer = frames.iter().rposition(|frame| !is_beginning(&frame.function));
        match (inner, outer) {
            // What the standard library does between two functions of the program says nothing, either.
            (Some(inner), Some(outer)) if inner <= outer => frames[inner..=outer]
                .iter()
                .filter(|frame| !is_of(&frame.function, &LIBRARY))
                .cloned()
                .collect(),
            _ => frames,
        }
    }

    /// The same for stacks that a person would call the same, in other processes, too.
    pub(super) fn key(&mut self, addresses: &[u64]) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.frames(addresses).hash(&mut hasher);
        hasher.finish()
    }

    /// The innermost frame, in a line.
    pub(super) fn line(&mut self, addresses: &[u64]) -> String {
        self.frames(addresses).first().map_or_else(|| NO_STACK.to_owned(), |frame| fitted(frame, WIDTH))
    }

    /// Lines of text, indented by four.
    pub(super) fn text(&mut self, addresses: &[u64]) -> String {
        let frames = self.frames(addresses);
        if frames.is_empty() {
            return format!("    {NO_STACK}\n");
        }
        let shown = frames.iter().take(SHOWN).map(|frame| format!("    {}\n", fitted(frame, WIDTH - 4)));
        let mut text: String = shown.collect();
        if frames.len() > SHOWN {
            text.push_str(&format!("    … {} more\n", frames.len() - SHOWN));
        }
        text
    }
}

const NO_STACK: &str = "(no call stack)";

/// A frame in so many columns: of its file the last two names, of its function what fits.
fn fitted(frame: &Frame, width: usize) -> String {
    let mut place = String::new();
    if let Some(file) = &frame.file {
        let names: Vec<&str> = file.rsplit('/').take(2).collect();
        let line = frame.line.map_or(String::new(), |line| format!(":{line}"));
        place = format!(" ({}{line})", names.into_iter().rev().collect::<Vec<_>>().join("/"));
    }
    let room = width.saturating_sub(place.chars().count()).max(20);
    let mut function = frame.function.clone();
    if function.chars().count() > room {
        function = function.chars().take(room - 1).chain(['…']).collect();
    }
    function + &place
}

/// The crate that a function is of, or, of a type that has none, the crate of the trait: `alloc` for `<u8 as alloc::vec::FromElem>::from`.
fn crate_of(function: &str) -> &str {
    let mut path = function.trim_start_matches(['<', '&', '*', '[', '(']);
    for prefix in ["mut ", "const ", "dyn "] {
        path = path.strip_prefix(prefix).unwrap_or(path);
    }
    let end = |text: &str| {
        text.find(|symbol: char| !(symbol.is_alphanumeric() || symbol == '_')).unwrap_or(text.len())
    };
    let own = &path[..end(path)];
    if path[own.len()..].starts_with("::") {
        return own;
    }
    match function.strip_prefix('<').and_then(|rest| rest.split_once(" as ")) {
        Some((_, of)) => &of[..end(of)],
        None => own,
    }
}

/// Whether a function is of one of these crates.
fn is_of(function: &str, crates: &[&str]) -> bool {
    function.contains("::") && crates.contains(&crate_of(function))
}

fn is_inside(function: &str) -> bool {
    ALLOCATORS.contains(&function)
        || function.contains(" as core::alloc::global::GlobalAlloc>::")
        || is_of(function, &INSIDES)
}

fn is_beginning(function: &str) -> bool {
    BEGINNINGS.contains(&function) || is_of(function, &LIBRARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insides_are_told_from_what_asked() {
        let insides = [
            "malloc",
            "operator new(unsigned long)",
            "__rustc::__rust_alloc",
            "alloc::raw_vec::RawVec<T,A>::grow_one",
            "<alloc::vec::Vec<T> as core::iter::traits::collect::FromIterator<T>>::from_iter",
            "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem",
            "<arenite_demo::heap_count::CountingAllocator<A> as core::alloc::global::GlobalAlloc>::alloc",
            "arenite::global::heap::recorded::alloc",
            "hashbrown::raw::RawTable<T,A>::reserve_rehash",
        ];
        for function in insides {
            assert!(is_inside(function), "{function}");
        }
        let asking = [
            "arenite_demo::world::play",
            "<game::Level as core::clone::Clone>::clone",
            "game::alloc::something",
            "allocate_textures",
            "std_like",
            "core",
            "libgame.so+0x1234",
            "",
        ];
        for function in asking {
            assert!(!is_inside(function), "{function}");
        }
        assert!(
            is_beginning("std::rt::lang_start_internal")
                && is_beginning("main")
                && !is_beginning("game::main")
        );
    }

    #[test]
    fn a_line_fits_and_keeps_its_place() {
        let frame =
            Frame { function: "f".repeat(300), file: Some("/src/game/level.rs".into()), line: Some(12) };
        let line = fitted(&frame, 96);
        assert_eq!(line.chars().count(), 96);
        assert!(line.ends_with("…  (game/level.rs:12)".replace("  ", " ").as_str()), "{line}");
        let frame = Frame { function: "short".into(), file: None, line: None };
        assert_eq!(fitted(&frame, 96), "short");
    }

    #[test]
    fn nothing_but_insides_is_shown_whole() {
        let mut sites = Sites::new(&[]);
        assert_eq!(sites.frames(&[0x11, 0x22]).len(), 2);
        assert_eq!(sites.text(&[]), "    (no call stack)\n");
        assert_eq!(sites.text(&[0x11; 10]).lines().count(), SHOWN + 1);
        assert_ne!(sites.key(&[0x11]), sites.key(&[0x12]));
    }
}
