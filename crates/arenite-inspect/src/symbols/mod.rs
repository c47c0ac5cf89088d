//! Return addresses as functions and lines, when a capture is read and not before.
//!
//! ```text
//!   Symbols ─ kept: addresses that were asked for before
//!     ├─ map     which file an address belonged to when its call stack was told: the capture says
//!     └─ file    what is at that place in the file: its debug information, or at least its symbols, if it is the file that ran
//! ```

mod file;
mod map;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::Loader;
pub use file::FileState;
use file::Opened;
use hashbrown::HashMap;
use map::Map;

use crate::ModuleMap;

/// The most addresses whose frames are kept; after so many they are forgotten, and looked up again.
const MOST_KEPT: usize = 1 << 17;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// The file.
    pub path: &'a str,
    /// What the file is known by, as hexadecimal digits; nothing if the capture does not tell.
    pub build_id: String,
    /// The first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Where in the file it begins.
    pub offset: u64,
}

/// A file that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleFile<'a> {
    /// Where it was when it was loaded.
    pub path: &'a str,
    /// What it is known by, as hexadecimal digits: the linker's build id, of Windows the id of its debug information or, if it has
    /// none, its time stamp, size and checksum. Nothing if the capture does not tell.
    pub build_id: String,
    /// What became of it.
    pub state: FileState,
}

/// Finds functions and lines of return addresses of one process.
///
/// Files are opened when the first address in them is asked for. If the capture tells what a file was known by, and it is another one
/// now, nothing of it is shown: addresses are then told by file and offset. Each address is looked up once, as long as no more than
/// some hundred thousand different ones are asked for.
pub struct Symbols {
    map: Map,
    /// Of the map's modules; none: nobody asked for it yet.
    files: Vec<Option<Opened>>,
    beside: Option<PathBuf>,
    /// By the mapping that an address is in.
    kept: HashMap<(Option<u32>, u64), Arc<[Frame]>>,
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").field("modules", &self.files.len()).field("kept", &self.kept.len()).finish()
    }
}

impl Symbols {
    /// From what [`Capture::modules`](crate::Capture::modules) answers.
    #[must_use]
    pub fn new(modules: &[ModuleMap]) -> Self {
        let map = Map::new(modules);
        let files = map.modules().iter().map(|_| None).collect();
        Self { map, files, beside: None, kept: HashMap::new() }
    }

    /// Looks for files in this folder, too, as long as the capture tells what they are known by: what ran elsewhere may have been copied
    /// there.
    #[must_use]
    pub fn beside(mut self, folder: impl AsRef<Path>) -> Self {
        self.beside = std::path::absolute(folder).ok();
        self
    }

    /// The functions of a return address of a [call stack](crate::CallStack) that was told at this time: the one that was inlined
    /// innermost first, the one that really was called last. Never empty. The call is before the address that it returns to, so that is
    /// what is looked up.
    pub fn frames(&mut self, return_address: u64, told: u64) -> Arc<[Frame]> {
        let address = return_address.saturating_sub(1);
        let mapping = self.map.find(address, told);
        if let Some(frames) = self.kept.get(&(mapping, address)) {
            return frames.clone();
        }
        if self.kept.len() == MOST_KEPT {
            self.kept.clear();
        }
        let frames: Arc<[Frame]> = self.find(mapping, address).into();
        self.kept.insert((mapping, address), frames.clone());
        frames
    }

    /// The number of the mapping that a return address of a call stack that was told at this time is in; `None` if the capture does not
    /// tell. Each range of addresses that a file was mapped to at some time has one.
    #[must_use]
    pub fn mapping(&self, return_address: u64, told: u64) -> Option<u32> {
        self.map.find(return_address.saturating_sub(1), told)
    }

    /// A mapping, by its number; `None` if there is none of that number.
    #[must_use]
    pub fn mapped(&self, mapping: u32) -> Option<Mapped<'_>> {
        let mapping = self.map.mapping(mapping)?;
        let module = &self.map.modules()[mapping.module];
        Some(Mapped {
            path: &module.path,
            build_id: file::hex(&module.id),
            start: mapping.start,
            end: mapping.end,
            offset: mapping.offset,
        })
    }

    /// The file at the lowest address, as a rule the program's own.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.map.first().map(|module| module.path.as_str())
    }

    /// All files that were loaded at some time.
    pub fn files(&self) -> impl Iterator<Item = ModuleFile<'_>> {
        self.map.modules().iter().zip(&self.files).map(|(module, file)| ModuleFile {
            path: &module.path,
            build_id: file::hex(&module.id),
            state: file.as_ref().map_or(FileState::Unread, Opened::state),
        })
    }

    /// The files that hold addresses which were asked for, and could not be read.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|file| file.state == FileState::Missing).map(|file| file.path)
    }

    /// The files that hold addresses which were asked for, and are others than were loaded.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.files().filter(|file| file.state == FileState::Changed).map(|file| file.path)
    }

    /// Looks what became of the file of a return address.
    pub fn look_at(&mut self, return_address: u64, told: u64) {
        if let Some(mapping) = self.mapping(return_address, told).and_then(|number| self.map.mapping(number))
        {
            self.open(mapping.module);
        }
    }

    fn open(&mut self, module: usize) -> &mut Opened {
        let (map, beside) = (&self.map, self.beside.as_deref());
        self.files[module].get_or_insert_with(|| file::find(&map.modules()[module], beside))
    }

    fn find(&mut self, mapping: Option<u32>, address: u64) -> Vec<Frame> {
        let Some(mapping) = mapping.and_then(|number| self.map.mapping(number).copied()) else {
            return vec![unnamed(format!("{address:#x}"))];
        };
        let readable = self.open(mapping.module).read();
        let probe =
            readable.and_then(|readable| Some((readable.probe(&mapping, address)?, &readable.loader)));
        let mut frames = probe.map_or_else(Vec::new, |(probe, loader)| debugged(loader, probe));
        // Without debug information for it, there may be a symbol.
        let symbol = || probe.and_then(|(probe, loader)| loader.find_symbol(probe)).map(demangled);
        if frames.is_empty() {
            frames.push(unnamed(String::new()));
        }
        if let Some(outermost) = frames.last_mut()
            && outermost.function.is_empty()
        {
            outermost.function = symbol().unwrap_or_default();
        }
        let offset = match mapping.bias {
            Some(bias) => address.wrapping_sub(bias),
            None => (address - mapping.start).saturating_add(mapping.offset),
        };
        let place = probe.map_or(offset, |(probe, _)| probe);
        // A path of a capture may be long, and each address in it has its name.
        let name = shortened(file::name(&self.map.modules()[mapping.module]));
        for frame in frames.iter_mut().filter(|frame| frame.function.is_empty()) {
            frame.function = format!("{name}+{place:#x}");
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn symbols(lines: String) -> Symbols {
        Symbols::new(&[ModuleMap { since: 0, text: lines }])
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
        let mut symbols = symbols(maps);
        let mut name = |address| {
            let frames = symbols.frames(address, 0);
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
        let mut symbols = Symbols::new(&[]);
        for address in 1..=(MOST_KEPT as u64 + 5) {
            symbols.frames(address, 0);
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
        let mut symbols = symbols(maps);
        let entry = somewhere_to_be_found as fn(u64) -> u64 as usize as u64;
        let frames = symbols.frames(entry + 1, 0);
        let outermost = frames.last().expect("never empty");
        assert!(outermost.function.contains("somewhere_to_be_found"), "{frames:?}");
        assert!(
            frames
                .iter()
                .any(|frame| frame.file.as_ref().is_some_and(|file| file.ends_with("symbols/mod.rs"))),
            "{frames:?}"
        );
        assert!(Arc::ptr_eq(&frames, &symbols.frames(entry + 1, 0)), "kept");
        // Within a library of C, which has symbols at the most.
        let exit = std::process::abort as fn() -> ! as usize as u64;
        assert!(!symbols.frames(exit + 1, 0)[0].function.is_empty());
    }
}
