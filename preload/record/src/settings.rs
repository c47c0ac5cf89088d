//! The variables that say whether and how to record.

use std::ffi::{CStr, OsString, c_char};
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use arenite::record::{RecordOptions, Stacks};

/// What starts a recording.
const FILE: &CStr = c"ARENITE_RECORD";
const SAMPLE: &CStr = c"ARENITE_RECORD_SAMPLE";
const DEPTH: &CStr = c"ARENITE_RECORD_DEPTH";
const STACKS: &CStr = c"ARENITE_RECORD_STACKS";
const BUFFER: &CStr = c"ARENITE_RECORD_BUFFER";
/// What loads this library.
const PRELOAD: &CStr = c"LD_PRELOAD";

/// How to record.
#[derive(Debug)]
pub(crate) struct Settings {
    /// As it was given.
    file: Vec<u8>,
    sample: u64,
    depth: u32,
    stacks: Stacks,
    buffer: Option<usize>,
}

/// What is wrong with a variable.
pub(crate) struct Wrong {
    name: &'static CStr,
    value: Vec<u8>,
    wanted: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = (self.name.to_string_lossy(), String::from_utf8_lossy(&self.value));
        write!(f, "{name}={} is not {}", value.escape_debug(), self.wanted)
    }
}

/// Whether the C library knows the environment by now.
pub(crate) fn can_be_read() -> bool {
    // SAFETY: a pointer of the C library's, which is set before any code of the program runs.
    unsafe { !environ.is_null() }
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

fn variable(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: a text that ends with a zero; what comes back does, too, and nobody changes the environment before it was read: the
    // program's own code has not run, or has not made a thread.
    unsafe {
        let found = libc::getenv(name.as_ptr());
        (!found.is_null())
            .then(|| CStr::from_ptr(found).to_bytes().to_vec())
            .filter(|value| !value.is_empty())
    }
}

/// A size in bytes, or with a unit.
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)]
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|digits| (digits, *shift)))?;
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// What a variable says, or what is so without it.
fn read<T>(
    name: &'static CStr,
    wanted: &'static str,
    without: T,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Wrong> {
    let Some(value) = variable(name) else { return Ok(without) };
    let parsed = std::str::from_utf8(&value).ok().and_then(parse);
    parsed.ok_or(Wrong { name, value, wanted })
}

impl Settings {
    /// What the environment says; `None`: not to record.
    pub(crate) fn read() -> Result<Option<Self>, Wrong> {
        let Some(file) = variable(FILE) else { return Ok(None) };
        const SIZE: &str = "a size: bytes, or a whole number of KiB, MiB or GiB";
        Ok(Some(Self {
            file,
            sample: read(SAMPLE, SIZE, 0, size)?,
            depth: read(DEPTH, "a number of frames from 0 to 128", 64, |text| {
                text.parse().ok().filter(|frames| *frames <= 128)
            })?,
            // Most programs have no frame pointers, and none of those that start libraries.
            stacks: read(STACKS, "auto, fp or unwind", Stacks::Unwind, |text| match text {
                "auto" | "unwind" => Some(Stacks::Unwind),
                "fp" => Some(Stacks::FramePointers),
                _ => None,
            })?,
            buffer: read(BUFFER, SIZE, None, |text| Some(Some(usize::try_from(size(text)?).ok()?)))?,
        }))
    }

    /// Whether each process has a file of its own, by a name that tells which.
    pub(crate) fn of_each(&self) -> bool {
        self.file.windows(2).any(|two| two == b"%p")
    }

    /// For this process.
    pub(crate) fn options(&self) -> RecordOptions {
        let mut path = OsString::new();
        let mut rest = self.file.as_slice();
        while let Some(at) = rest.windows(2).position(|two| two == b"%p") {
            path.push(std::ffi::OsStr::from_bytes(&rest[..at]));
            path.push(std::process::id().to_string());
            rest = &rest[at + 2..];
        }
        path.push(OsString::from_vec(rest.to_vec()));
        let options = RecordOptions::new(PathBuf::from(path))
            .sample(self.sample)
            .stack_depth(self.depth)
            .stacks(self.stacks);
        match self.buffer {
            Some(bytes) => options.buffer(bytes),
            None => options,
        }
    }
}

/// Takes what started the recording out of the environment, so that no program that is started from here replaces the file.
/// Called before the program's own code runs.
pub(crate) fn leave_children_alone(own_name: &[u8]) {
    // SAFETY: nobody else reads or changes the environment; what is taken out is texts that end with a zero. The value of `LD_PRELOAD` is
    // made shorter in its place: the C library would allocate, and programs that keep the array they were started with would not
    // see it.
    unsafe {
        for name in [FILE, SAMPLE, DEPTH, STACKS, BUFFER] {
            libc::unsetenv(name.as_ptr());
        }
        let value = libc::getenv(PRELOAD.as_ptr());
        if value.is_null() {
            return;
        }
        let old = CStr::from_ptr(value).to_bytes().to_vec();
        let kept: Vec<&[u8]> = old
            .split(|byte| matches!(byte, b':' | b' '))
            .filter(|entry| !entry.is_empty() && entry.rsplit(|byte| *byte == b'/').next() != Some(own_name))
            .collect();
        let new = kept.join(&b':');
        if new.is_empty() {
            libc::unsetenv(PRELOAD.as_ptr());
        } else if new.len() < old.len() {
            core::ptr::copy_nonoverlapping(new.as_ptr(), value.cast(), new.len());
            value.add(new.len()).write(0);
        }
    }
}
