//! Return addresses as functions and lines, when a capture is read and not before.
//!
//! Which file an address belongs to, the capture says (the lines of `/proc/PID/maps`); what is at that place in the file, the file's
//! debug information, or at least its symbols. Files are those of this machine: they must be the ones that ran.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use addr2line::Loader;
use hashbrown::HashMap;
use object::read::{Object, ObjectSegment, ReadCache};

/// The most addresses whose frames are kept; after so many they are forgotten, and looked up again.
const MOST_KEPT: usize = 1 << 17;
/// The most lines of maps that are looked at.
const MOST_LINES: usize = 1 << 16;
/// The most functions that one address is taken to be inlined into.
const MOST_INLINED: usize = 64;
/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 500;

/// A function that was being called: one of a call stack, or inlined into the next one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// Its name as the programmer wrote it, or, if that is not known, `libgame.so+0x1234`.
    pub function: String,
    /// Its source file, if that is known.
    pub file: Option<String>,
    /// The line of the call, if that is known.
    pub line: Option<u32>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// A range of addresses that a file was mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// The file.
    pub path: &'a str,
    /// The first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Where in the file it begins.
    pub offset: u64,
}

/// The same, with the number of the file.
#[derive(Debug)]
struct Mapping {
    end: u64,
    /// Where in the file it begins.
    offset: u64,
    /// Which of the modules the file is.
    module: usize,
}

/// Part of a file that the system loads.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    len: u64,
    address: u64,
}

/// A file that was loaded.
struct Module {
    path: String,
    file: FileState,
}

enum FileState {
    /// Nobody asked for it yet.
    Unread,
    /// It is not there, is no file of a known kind, or can not be read.
    Missing,
    Read(Box<Loader>, Vec<Segment>),
}

/// Finds functions and lines of return addresses of one process.
///
/// Files are opened when the first address in them is asked for. Each address is looked up once, as long as no more than some
/// hundred thousand different ones are asked for.
pub struct Symbols {
    /// By where they begin.
    mappings: BTreeMap<u64, Mapping>,
    modules: Vec<Module>,
    kept: HashMap<u64, Arc<[Frame]>>,
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols")
            .field("modules", &self.modules.len())
            .field("kept", &self.kept.len())
            .finish()
    }
}

impl Symbols {
    /// From what [`Capture::modules`](crate::Capture::modules) answers. Where texts contradict each other, the first one counts: what
    /// was loaded at the beginning stays known, what came later is added.
    #[must_use]
    pub fn new<T: AsRef<str>>(modules: &[T]) -> Self {
        let mut symbols = Self { mappings: BTreeMap::new(), modules: Vec::new(), kept: HashMap::new() };
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for line in modules.iter().flat_map(|text| text.as_ref().lines()).take(MOST_LINES) {
            let Some((start, end, offset, path)) = parse(line) else { continue };
            let before = symbols.mappings.range(..end).next_back();
            if before.is_some_and(|(_, mapping)| mapping.end > start) {
                continue;
            }
            let module = *numbers.entry(path).or_insert_with(|| {
                symbols.modules.push(Module { path: path.to_owned(), file: FileState::Unread });
                symbols.modules.len() - 1
            });
            symbols.mappings.insert(start, Mapping { end, offset, module });
        }
        symbols
    }

    /// The functions of a return address: the one that was inlined innermost first, the one that really was called last. Never
    /// empty. The call is before the address that it returns to, so that is what is looked up.
    pub fn frames(&mut self, return_address: u64) -> Arc<[Frame]> {
        let address = return_address.saturating_sub(1);
        if let Some(frames) = self.kept.get(&address) {
            return frames.clone();
        }
        if self.kept.len() == MOST_KEPT {
            self.kept.clear();
        }
        let frames: Arc<[Frame]> = self.find(address).into();
        self.kept.insert(address, frames.clone());
        frames
    }

    /// The file that a return address belongs to; `None` if the capture does not tell.
    #[must_use]
    pub fn mapped(&self, return_address: u64) -> Option<Mapped<'_>> {
        let (start, mapping) = self.mapping(return_address.saturating_sub(1))?;
        let Mapping { end, offset, module } = *mapping;
        Some(Mapped { path: &self.modules[module].path, start, end, offset })
    }

    /// The file at the lowest address, as a rule the program's own.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        let (_, first) = self.mappings.first_key_value()?;
        Some(&self.modules[first.module].path)
    }

    fn mapping(&self, address: u64) -> Option<(u64, &Mapping)> {
        let (start, mapping) = self.mappings.range(..=address).next_back()?;
        (address < mapping.end).then_some((*start, mapping))
    }

    /// The files that hold addresses which were asked for, and could not be read.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.modules.iter().filter(|module| matches!(module.file, FileState::Missing));
        missing.map(|module| module.path.as_str())
    }

    fn find(&mut self, address: u64) -> Vec<Frame> {
        let Some((start, &Mapping { offset, module, .. })) = self.mapping(address) else {
            return vec![unnamed(format!("{address:#x}"))];
        };
        let module = &mut self.modules[module];
        let offset = (address - start).saturating_add(offset);
        if let FileState::Unread = module.file {
            module.file = open(&module.path);
        }
        // A path of a capture may be long, and each address in it has its name.
        let name = shortened(module.path.rsplit('/').next().unwrap_or_default());
        let FileState::Read(loader, segments) = &module.file else {
            return vec![unnamed(format!("{name}+{offset:#x}"))];
        };
        let inside = segments
            .iter()
            .find(|segment| offset.checked_sub(segment.offset).is_some_and(|at| at < segment.len));
        let Some(probe) = inside.map(|segment| (offset - segment.offset).wrapping_add(segment.address))
        else {
            return vec![unnamed(format!("{name}+{offset:#x}"))];
        };
        let mut frames = debugged(loader, probe);
        // Without debug information for it, there may be a symbol.
        let symbol = || loader.find_symbol(probe).map(demangled);
        if frames.is_empty() {
            frames.push(unnamed(String::new()));
        }
        if let Some(outermost) = frames.last_mut()
            && outermost.function.is_empty()
        {
            outermost.function = symbol().unwrap_or_else(|| format!("{name}+{probe:#x}"));
        }
        for frame in &mut frames {
            if frame.function.is_empty() {
                frame.function = format!("{name}+{probe:#x}");
            }
        }
        frames
    }
}

/// What the debug information says. Functions may lack a name.
fn debugged(loader: &Loader, probe: u64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let Ok(mut found) = loader.find_frames(probe) else { return frames };
    while let Ok(Some(frame)) = found.next() {
        let function =
            frame.function.as_ref().and_then(|function| Some(shortened(&function.demangle().ok()?)));
        let (file, line) = frame.location.map_or((None, None), |place| (place.file, place.line));
        frames.push(Frame { function: function.unwrap_or_default(), file: file.map(shortened), line });
        if frames.len() == MOST_INLINED {
            break;
        }
    }
    frames
}

fn demangled(symbol: &str) -> String {
    shortened(&addr2line::demangle_auto(symbol.into(), None))
}

fn unnamed(function: String) -> Frame {
    Frame { function, file: None, line: None }
}

/// Without control characters, and not longer than makes sense.
fn shortened(name: &str) -> String {
    let shown = |symbol: char| if symbol.is_control() { '\u{fffd}' } else { symbol };
    name.chars().take(LONGEST_NAME).map(shown).collect()
}

/// A line of maps that has a file: where it begins and ends, where in the file, which.
fn parse(line: &str) -> Option<(u64, u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    // Permissions, offset, device, number of the file, and its path, which may contain spaces.
    let (_permissions, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (_device, rest) = rest.split_once(' ')?;
    let (_inode, path) = rest.split_once(' ')?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    let (start, end, offset) = (hex(start)?, hex(end)?, hex(offset)?);
    let path = path.trim();
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    (start < end && !path.is_empty()).then_some((start, end, offset, path))
}

fn open(path: &str) -> FileState {
    try_open(Path::new(path))
        .map_or(FileState::Missing, |(loader, segments)| FileState::Read(Box::new(loader), segments))
}

fn try_open(path: &Path) -> Option<(Loader, Vec<Segment>)> {
    // A path of a capture may be anything: opening a pipe would never return.
    if !path.is_absolute() || !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let segments = file.segments().map(|segment| {
        let (offset, len) = segment.file_range();
        Segment { offset, len, address: segment.address() }
    });
    let segments = segments.collect();
    Some((Loader::new(path).ok()?, segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        let line = "7f3a1000-7f3a4000 r-xp 00002000 08:01 1311   /usr/lib/my games/lib game.so";
        assert_eq!(parse(line), Some((0x7f3a_1000, 0x7f3a_4000, 0x2000, "/usr/lib/my games/lib game.so")));
        let gone = "1000-4000 r-xp 00000000 08:01 1311 /tmp/game (deleted)";
        assert_eq!(parse(gone).map(|line| line.3), Some("/tmp/game"));
        for wrong in [
            "",
            "1000-2000",
            "1000-2000 rw-p 0 0:0 0 ",
            "2000-1000 r 0 0:0 1 /a",
            "x-y r 0 0:0 1 /a",
            "1-2 r g 0:0 1 /a",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_by_module_and_offset() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("text");
        fs::write(&text, "no program").expect("a file");
        let maps = format!(
            "1000-3000 r-xp 00000500 08:01 1311 /no/such/libgame.so\n5000-6000 r-xp 0 0:0 1 {}\n7000-8000 r-xp 0 0:0 0 [vdso]\n\
             9000-a000 r-xp 0 0:0 0 /dev/zero\nb000-c000 r-xp 0 0:0 0 {}\n2000-5000 r-xp 0 0:0 0 /later",
            text.display(),
            folder.path().display(),
        );
        let mut symbols = Symbols::new(&[maps]);
        let mut name = |address| {
            let frames = symbols.frames(address);
            assert_eq!(frames.len(), 1);
            frames[0].to_string()
        };
        assert_eq!(name(0x1011), "libgame.so+0x510");
        assert_eq!(name(0x3000), "libgame.so+0x24ff", "the call is before it");
        assert_eq!(name(0x3001), "0x3000");
        assert_eq!(name(0x5001), "text+0x0");
        assert_eq!(name(0x7001), "[vdso]+0x0");
        assert_eq!(name(0x9001), "zero+0x0");
        assert_eq!((name(0), name(u64::MAX)), ("0x0".to_owned(), "0xfffffffffffffffe".to_owned()));
        assert!(name(0xb001).ends_with("+0x0"));
        assert_eq!(symbols.missing().count(), 5);
    }

    #[test]
    fn many_addresses_are_forgotten_again() {
        let mut symbols = Symbols::new::<&str>(&[]);
        for address in 1..=(MOST_KEPT as u64 + 5) {
            symbols.frames(address);
        }
        assert_eq!(symbols.kept.len(), 5);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_function_of_this_test_is_found_with_its_file() {
        #[inline(never)]
        fn somewhere_to_be_found(number: u64) -> u64 {
            std::hint::black_box(number).rotate_left(7) ^ 1
        }
        std::hint::black_box(somewhere_to_be_found(3));
        let maps = fs::read_to_string("/proc/self/maps").expect("maps");
        let mut symbols = Symbols::new(&[maps]);
        let entry = somewhere_to_be_found as fn(u64) -> u64 as usize as u64;
        let frames = symbols.frames(entry + 1);
        let outermost = frames.last().expect("never empty");
        assert!(outermost.function.contains("somewhere_to_be_found"), "{frames:?}");
        assert!(
            frames.iter().any(|frame| frame.file.as_ref().is_some_and(|file| file.ends_with("symbols.rs"))),
            "{frames:?}"
        );
        assert!(Arc::ptr_eq(&frames, &symbols.frames(entry + 1)), "kept");
        // Within a library of C, which has symbols at the most.
        let exit = std::process::abort as fn() -> ! as usize as u64;
        assert!(!symbols.frames(exit + 1)[0].function.is_empty());
    }
}
