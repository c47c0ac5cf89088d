//! Call stacks as people want to read them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use arenite_inspect::export::Names;
use arenite_inspect::{CallStack, FileState, Frame, Mapped, ModuleFile, ModuleMap, Symbols};

/// Frames of one site that a text shows.
const SHOWN: usize = 8;
/// The widest line.
const WIDTH: usize = 100;

/// Crates whose functions are not what asked for memory, but how.
const INSIDES: [&str; 8] =
    ["alloc", "core", "std", "hashbrown", "allocator_api2", "allocator-api2", "arenite", "__rustc"];
/// The same of functions.
const ALLOCATORS: [&str; 13] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "strdup",
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "__rust_realloc",
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
    /// Of a capture whose modules these are, and which is in this folder.
    pub(super) fn new(modules: &[ModuleMap], folder: &Path) -> Self {
        Self { symbols: Symbols::new(modules).beside(folder) }
    }

    /// Looks what became of the files that these stacks lead through.
    pub(super) fn look_at<'a>(&mut self, stacks: impl Iterator<Item = CallStack<'a>>) {
        let mut looked = HashSet::new();
        for stack in stacks {
            for address in stack.addresses {
                if self.symbols.mapping(*address, stack.told).is_some_and(|mapping| looked.insert(mapping)) {
                    self.symbols.look_at(*address, stack.told);
                }
            }
        }
    }

    /// The files that were looked at.
    pub(super) fn files(&self) -> impl Iterator<Item = ModuleFile<'_>> {
        self.symbols.files().filter(|file| file.state != FileState::Unread)
    }

    /// The frames of a call stack, from the innermost on, without the insides of allocators, those of the standard library
    /// and the runtime's beginning; with all of them if nothing else is there.
    pub(super) fn frames(&mut self, stack: CallStack<'_>) -> Vec<Frame> {
        outside(self.symbols.shown(stack))
    }

    /// The same for stacks that a person would call the same, in other processes, too.
    pub(super) fn key(&mut self, stack: CallStack<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.frames(stack).hash(&mut hasher);
        hasher.finish()
    }

    /// The innermost frame, in a line.
    pub(super) fn line(&mut self, stack: CallStack<'_>) -> String {
        self.frames(stack).first().map_or_else(|| NO_STACK.to_owned(), |frame| fitted(frame, WIDTH))
    }

    /// Lines of text, indented by four.
    pub(super) fn text(&mut self, stack: CallStack<'_>) -> String {
        let frames = self.frames(stack);
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

/// Functions as `report` shows them.
impl Names for Sites {
    fn all(&mut self, return_address: u64, told: u64) -> Arc<[Frame]> {
        self.symbols.frames(return_address, told)
    }

    fn shown(&mut self, stack: CallStack<'_>) -> Vec<Frame> {
        self.frames(stack)
    }

    fn mapping(&self, return_address: u64, told: u64) -> Option<u32> {
        self.symbols.mapping(return_address, told)
    }

    fn mapped(&self, mapping: u32) -> Option<Mapped<'_>> {
        self.symbols.mapped(mapping)
    }

    fn program(&self) -> Option<&str> {
        self.symbols.program()
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

/// What of a stack is neither the inside of an allocator nor the runtime's beginning.
fn outside(frames: Vec<Frame>) -> Vec<Frame> {
    // A program may have put an allocator of its own before the one that told of the block: what the language's own door to
    // allocators was called for is inside, whatever it is.
    let door = frames.iter().rposition(is_door).map_or(0, |door| door + 1);
    let inner = frames[door..].iter().position(|frame| !is_inside(frame)).map(|inner| door + inner);
    let outer = frames.iter().rposition(|frame| !is_beginning(frame));
    match (inner, outer) {
        // What the standard library does between two functions of the program says nothing, either.
        (Some(inner), Some(outer)) if inner <= outer => frames[inner..=outer]
            .iter()
            .filter(|frame| !LIBRARY.contains(&crate_of(frame)))
            .cloned()
            .collect(),
        _ => frames,
    }
}

/// The crate that a frame is of; nothing if that can not be told.
///
/// Optimised programs may have names without paths (`with_capacity_in`), and always have files.
fn crate_of(frame: &Frame) -> &str {
    match crate_of_name(&frame.function) {
        "" => frame.file.as_deref().map_or("", crate_of_file),
        name => name,
    }
}

/// The crate that a function is of, or, of a type that has none, the crate of the trait: `alloc` for `<u8 as alloc::vec::FromElem>::from`.
/// Nothing for a name without a path: `new<alloc::sync::ArcInner<u8>>`.
fn crate_of_name(function: &str) -> &str {
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
        None => "",
    }
}

/// The crate whose source file this is, if it is one of Rust: the folder that has `src`, without a version. Of a library of the compiler's only if it is
/// there; a game may have a folder named `core`, too.
fn crate_of_file(path: &str) -> &str {
    if !path.ends_with(".rs") {
        return "";
    }
    let mut parts = path.rsplit(['/', '\\']).skip(1).skip_while(|part| *part != "src").skip(1);
    let (Some(folder), above) = (parts.next(), parts.next()) else { return "" };
    if LIBRARY.contains(&folder) {
        return if above == Some("library") && (path.contains("rustc") || path.contains("rustlib")) {
            folder
        } else {
            ""
        };
    }
    match folder.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|digit: char| digit.is_ascii_digit()) => name,
        _ => folder,
    }
}

/// Where Rust asks the program's allocator.
fn is_door(frame: &Frame) -> bool {
    let function = frame.function.as_str();
    function.contains("__rust_alloc")
        || function.contains("__rust_realloc")
        || function.starts_with("alloc::alloc::")
        || (crate_of(frame) == "alloc"
            && frame.file.as_deref().is_some_and(|file| file.ends_with("alloc/src/alloc.rs")))
}

fn is_inside(frame: &Frame) -> bool {
    let function = frame.function.as_str();
    ALLOCATORS.contains(&function)
        // In all its forms: of one or many, aligned, without exceptions.
        || function.starts_with("operator new(")
        || function.starts_with("operator new[](")
        || function.contains(" as core::alloc::global::GlobalAlloc>::")
        || INSIDES.contains(&crate_of(frame))
}

fn is_beginning(frame: &Frame) -> bool {
    BEGINNINGS.contains(&frame.function.as_str()) || LIBRARY.contains(&crate_of(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insides_are_told_from_what_asked() {
        let insides = [
            "malloc",
            "operator new(unsigned long)",
            "operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)",
            "__rustc::__rust_alloc",
            "alloc::raw_vec::RawVec<T,A>::grow_one",
            "<alloc::vec::Vec<T> as core::iter::traits::collect::FromIterator<T>>::from_iter",
            "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem",
            "<arenite_demo::heap_count::CountingAllocator<A> as core::alloc::global::GlobalAlloc>::alloc",
            "arenite::global::heap::recorded::alloc",
            "hashbrown::raw::RawTable<T,A>::reserve_rehash",
        ];
        let named = |function: &str| Frame { function: function.into(), file: None, line: None };
        for function in insides {
            assert!(is_inside(&named(function)), "{function}");
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
            assert!(!is_inside(&named(function)), "{function}");
        }
        assert!(
            is_beginning(&named("std::rt::lang_start_internal"))
                && is_beginning(&named("main"))
                && !is_beginning(&named("game::main"))
        );
    }

    #[test]
    fn names_without_paths_are_told_by_their_files() {
        let frame = |(function, file): (&str, &str)| Frame {
            function: function.into(),
            file: Some(file.into()),
            line: Some(7),
        };
        let stack = [
            ("alloc", "/src/arenite/crates/arenite/src/global/heap.rs"),
            ("alloc<arenite::GlobalHeap>", "/src/arenite/crates/arenite-demo/src/heap_count.rs"),
            ("alloc", "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/alloc/src/alloc.rs"),
            (
                "new<alloc::sync::ArcInner<game::Level>>",
                "/rustup/lib/rustlib/src/rust/library/alloc/src/boxed.rs",
            ),
            (
                "<u8 as <[_]>::to_vec_in::ConvertVec>::to_vec",
                "/rustc/59807616e1fa2540724b/library/alloc/src/slice.rs",
            ),
            ("with_capacity_in", "/rustup/lib/rustlib/src/rust/library/alloc/src/raw_vec/mod.rs"),
            ("reserve_rehash", "/cargo/src/index-1/hashbrown-0.15.5/src/raw/mod.rs"),
            ("allocate", "C:\\cargo\\src\\index-1\\allocator-api2-0.2.21\\src\\stable\\alloc.rs"),
            ("load", "/src/arenite/crates/arenite-demo/src/world/level.rs"),
            ("call_once", "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/ops/function.rs"),
            ("alloc", "/src/game/core/src/alloc.rs"),
            ("lang_start", "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/rt.rs"),
            ("main", ""),
        ];
        let shown = outside(stack.map(frame).to_vec());
        let places: Vec<&str> = shown.iter().map(|frame| frame.function.as_str()).collect();
        assert_eq!(places, ["load", "alloc"], "{shown:?}");
        assert_eq!(crate_of_file("heap.rs"), "");
        assert_eq!(crate_of_file("/game/src/heap.rs"), "game");
        assert_eq!(crate_of_file("/people/arenite/src/heap.c"), "");
        assert_eq!(crate_of_file("/games/library/core/src/x.rs"), "");
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
        let mut sites = Sites::new(&[], Path::new("."));
        let stack = |addresses: &'static [u64]| CallStack::from(addresses);
        assert_eq!(sites.frames(stack(&[0x11, 0x22])).len(), 2);
        assert_eq!(sites.text(stack(&[])), "    (no call stack)\n");
        assert_eq!(sites.text(stack(&[0x11; 10])).lines().count(), SHOWN + 1);
        assert_ne!(sites.key(stack(&[0x11])), sites.key(stack(&[0x12])));
    }
}
