//! Files that were loaded, and their debug information: those of this machine, if they are the ones that ran.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use addr2line::Loader;
use object::read::{Object, ObjectSection as _, ObjectSegment, ReadCache};

use super::map::{Kind, Mapping, Module};

/// Where systems keep debug information of files that lack it, by what those are known by.
const BY_ID: &str = "/usr/lib/debug/.build-id";

/// What is known of a module's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileState {
    /// Nobody asked for it yet.
    Unread,
    /// It is here, or its debug information was found elsewhere, and it is the one that was loaded, as far as the capture tells.
    Read,
    /// It is not there, is no file of a known kind, or can not be read.
    Missing,
    /// It is another one than was loaded: it was changed since. Nothing of it is shown.
    Changed,
}

/// Part of a file that the system loads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    offset: u64,
    len: u64,
    address: u64,
}

/// A file that can be asked.
pub(super) struct Readable {
    pub(super) loader: Loader,
    segments: Vec<Segment>,
}

impl Readable {
    /// The address of the file that is at this place of a mapping.
    pub(super) fn probe(&self, mapping: &Mapping, address: u64) -> Option<u64> {
        if let Some(bias) = mapping.bias {
            return Some(address.wrapping_sub(bias).wrapping_add(self.loader.relative_address_base()));
        }
        let offset = (address - mapping.start).saturating_add(mapping.offset);
        self.segments.iter().find_map(|segment| {
            let at = offset.checked_sub(segment.offset).filter(|at| *at < segment.len)?;
            Some(at.wrapping_add(segment.address))
        })
    }
}

/// The file of a module.
pub(super) enum Opened {
    /// It is here, or its debug information is.
    Found {
        path: PathBuf,
        segments: Vec<Segment>,
    },
    Read(Box<Readable>),
    Missing,
    Changed,
}

impl Opened {
    /// Reads what was found.
    pub(super) fn read(&mut self) -> Option<&Readable> {
        if let Self::Found { path, segments } = self {
            *self = match Loader::new(path) {
                Ok(loader) => Self::Read(Box::new(Readable { loader, segments: std::mem::take(segments) })),
                Err(_) => Self::Missing,
            };
        }
        if let Self::Read(readable) = self { Some(readable) } else { None }
    }

    pub(super) fn state(&self) -> FileState {
        match self {
            Self::Found { .. } | Self::Read(_) => FileState::Read,
            Self::Missing => FileState::Missing,
            Self::Changed => FileState::Changed,
        }
    }
}

/// Looks for what tells of a module; `beside` is a folder where files are looked for, too, if the capture tells what they are known by.
pub(super) fn find(module: &Module, beside: Option<&Path>) -> Opened {
    let mut state = Opened::Missing;
    let mut plain = None;
    for path in places(module, beside) {
        match look(&path, module) {
            Look::Right { debug: true, segments } => return Opened::Found { path, segments },
            Look::Right { debug: false, segments } => {
                plain.get_or_insert(Opened::Found { path, segments });
            }
            Look::Other => state = Opened::Changed,
            Look::Nothing => {}
        }
    }
    // Without debug information there may be symbols.
    plain.unwrap_or(state)
}

/// Where the file may be, or its debug information.
fn places(module: &Module, beside: Option<&Path>) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(&module.path)];
    if module.id.is_empty() {
        return places;
    }
    if module.kind == Some(Kind::Pe) && cfg!(unix) {
        // As Wine names files of Unix.
        places.extend(
            module.path.strip_prefix("Z:\\").map(|rest| format!("/{}", rest.replace('\\', "/")).into()),
        );
    }
    let name = name(module);
    if let Some(folder) = beside
        && !name.is_empty()
        && name != ".."
    {
        places.push(folder.join(name));
    }
    if module.kind == Some(Kind::Elf) && module.id.len() > 1 {
        let digits = hex(&module.id);
        places.push(format!("{BY_ID}/{}/{}.debug", &digits[..2], &digits[2..]).into());
    }
    places
}

/// The name of a module's file without its folder.
pub(super) fn name(module: &Module) -> &str {
    let path = module.path.as_str();
    let name = path.rsplit('/').next().unwrap_or_default();
    if module.kind == Some(Kind::Pe) { name.rsplit('\\').next().unwrap_or_default() } else { name }
}

/// As it is written.
pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is at a place.
enum Look {
    /// The file that was loaded, as far as that is known; with debug information or without.
    Right {
        debug: bool,
        segments: Vec<Segment>,
    },
    /// Another one.
    Other,
    Nothing,
}

fn look(path: &Path, module: &Module) -> Look {
    try_look(path, module).unwrap_or(Look::Nothing)
}

fn try_look(path: &Path, module: &Module) -> Option<Look> {
    // A path of a capture may be anything: opening a pipe would never return.
    if !path.is_absolute() || !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    if !module.id.is_empty() && !has_id(&file, &cache, module) {
        return Some(Look::Other);
    }
    let segments = file.segments().map(|segment| {
        let (offset, len) = segment.file_range();
        Segment { offset, len, address: segment.address() }
    });
    let debug = file.sections().any(|section| matches!(section.name(), Ok(".debug_info" | "__debug_info")));
    Some(Look::Right { debug, segments: segments.collect() })
}

/// Whether the file is known by what the module is.
fn has_id<'a>(
    file: &object::File<'a, &'a ReadCache<File>>,
    bytes: &'a ReadCache<File>,
    module: &Module,
) -> bool {
    let id = &module.id[..];
    match module.kind {
        // The capture may have had no room for all of it.
        Some(Kind::Elf) => file
            .build_id()
            .ok()
            .flatten()
            .is_some_and(|own| own == id || id.len() == 32 && own.starts_with(id)),
        Some(Kind::MachO) => file.mach_uuid().ok().flatten().is_some_and(|own| own == id),
        Some(Kind::Pe) => match id.len() {
            PE_STAMPS => pe_stamps(bytes).is_some_and(|own| own == id),
            _ => file.pdb_info().ok().flatten().is_some_and(|own| {
                id.split_last_chunk() == Some((&own.guid()[..], &own.age().to_le_bytes()))
            }),
        },
        None => true,
    }
}

/// Bytes that a file of Windows without a debug id is known by.
const PE_STAMPS: usize = 12;

/// When a file of Windows was linked, how large its image is, and its checksum.
fn pe_stamps<'a>(file: impl object::ReadRef<'a>) -> Option<[u8; PE_STAMPS]> {
    let bytes = |place: u64| file.read_bytes_at(place, 4).ok();
    let header = u64::from(u32::from_le_bytes(*bytes(0x3c)?.first_chunk()?));
    let mut stamps = [0; PE_STAMPS];
    for (stamp, place) in stamps.as_chunks_mut::<4>().0.iter_mut().zip([8, 24 + 56, 24 + 64]) {
        *stamp = *bytes(header + place)?.first_chunk()?;
    }
    Some(stamps)
}
