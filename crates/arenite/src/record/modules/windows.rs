//! Modules as Windows tells them.
//!
//! They are known by the id of their debug information (a GUID and an age, 20 bytes as they are in the file), or if they have none, by
//! when they were linked, their size and their checksum (12 bytes).
#![expect(unsafe_code, reason = "asks the system")]

use core::ffi::c_void;
use core::mem::MaybeUninit;
use std::io::{self, Write as _};

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::ProcessStatus::{
    K32EnumProcessModules, K32GetModuleFileNameExW, K32GetModuleInformation, MODULEINFO,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::{Id, Module};

/// What the lines of modules begin with.
pub(super) const KIND: &str = "pe";

/// The most modules that are asked for.
const MOST: usize = 1024;
/// The longest path, in UTF-16.
const LONGEST: usize = 1024;

/// Shows each module that is loaded.
pub(super) fn each(mut show: impl FnMut(&Module)) {
    each_handle(|start, size| {
        let id = id(start, size).unwrap_or_default();
        show(&Module::new(start, start + size, start, id, 0));
    });
}

/// Where each module begins, and its size.
fn each_handle(mut show: impl FnMut(usize, usize)) {
    let mut handles: [HMODULE; MOST] = [core::ptr::null_mut(); MOST];
    let mut needed = 0;
    // SAFETY: room for so many bytes, and a place for how many there are.
    let told = unsafe {
        K32EnumProcessModules(
            GetCurrentProcess(),
            handles.as_mut_ptr(),
            size_of_val(&handles) as u32,
            &raw mut needed,
        )
    };
    let count = if told == 0 { 0 } else { (needed as usize / size_of::<HMODULE>()).min(MOST) };
    for handle in &handles[..count] {
        let mut told = MaybeUninit::<MODULEINFO>::zeroed();
        let size = size_of::<MODULEINFO>() as u32;
        // SAFETY: a place for the answer, of this size; a handle of what was unloaded meanwhile is refused.
        let known = unsafe { K32GetModuleInformation(GetCurrentProcess(), *handle, told.as_mut_ptr(), size) };
        if known != 0 {
            // SAFETY: it was filled; zeros are a value of it, too.
            let told = unsafe { told.assume_init() };
            show(told.lpBaseOfDll as usize, told.SizeOfImage as usize);
        }
    }
}

/// A line for each module: its addresses and its file.
pub(in super::super) fn maps(mut line: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut answer = Ok(());
    each_handle(|start, size| {
        let mut path = [0; LONGEST];
        let handle = core::ptr::with_exposed_provenance_mut(start);
        // SAFETY: room for so many; a handle of what was unloaded meanwhile is refused.
        let len = unsafe {
            K32GetModuleFileNameExW(GetCurrentProcess(), handle, path.as_mut_ptr(), LONGEST as u32) as usize
        };
        // What fills the room was cut off.
        if len > 0 && len < LONGEST && answer.is_ok() {
            answer = with_path(start, start + size, &path[..len], &mut line);
        }
    });
    answer
}

fn with_path(
    start: usize,
    end: usize,
    path: &[u16],
    line: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = [0; 64 + 3 * LONGEST];
    let mut rest = &mut bytes[..];
    write!(rest, "{start:x}-{end:x} r-xp 00000000 00:00 0 ")?;
    for letter in char::decode_utf16(path.iter().copied()) {
        write!(rest, "{}", letter.unwrap_or(char::REPLACEMENT_CHARACTER))?;
    }
    writeln!(rest)?;
    let left = rest.len();
    line(&bytes[..bytes.len() - left])
}

/// What a module is known by, read through the system: it may be unloaded meanwhile.
fn id(start: usize, size: usize) -> Option<Id> {
    /// Of a PE32+ file's optional header: where the table of directories begins, and which of them tells of debug information.
    const DIRECTORIES: usize = 112;
    const DEBUG: usize = 6;
    const CODE_VIEW: u32 = 2;
    /// Entries of that directory that are looked at.
    const MOST: usize = 16;
    let word = |place: usize| read::<4>(start, size, place).map(u32::from_le_bytes);
    let header = word(0x3c)? as usize;
    if word(header)? != u32::from_le_bytes(*b"PE\0\0") {
        return None;
    }
    let optional = header + 24;
    let mut stamps = [0; 12];
    for (stamp, place) in
        stamps.as_chunks_mut::<4>().0.iter_mut().zip([header + 8, optional + 56, optional + 64])
    {
        *stamp = read(start, size, place)?;
    }
    let debug_id = || {
        if word(optional + DIRECTORIES - 4)? as usize <= DEBUG {
            return None;
        }
        let directory = optional + DIRECTORIES + 8 * DEBUG;
        let (entries, bytes) = (word(directory)? as usize, word(directory + 4)? as usize);
        (0..MOST.min(bytes / 28)).map(|entry| entries + 28 * entry).find_map(|entry| {
            let told = (word(entry + 12)? == CODE_VIEW).then_some(word(entry + 20)? as usize)?;
            let record: [u8; 24] = read(start, size, told)?;
            record.strip_prefix(b"RSDS").map(Id::new)
        })
    };
    Some(debug_id().unwrap_or_else(|| Id::new(&stamps)))
}

/// Bytes of a module, as many as fit; none if they are not there.
fn read<const N: usize>(start: usize, size: usize, place: usize) -> Option<[u8; N]> {
    let (mut bytes, mut len) = ([0_u8; N], 0);
    if place.checked_add(N)? > size {
        return None;
    }
    let from = core::ptr::with_exposed_provenance::<c_void>(start + place);
    // SAFETY: room for so many; the system looks whether they are there.
    let told =
        unsafe { ReadProcessMemory(GetCurrentProcess(), from, bytes.as_mut_ptr().cast(), N, &raw mut len) };
    (told != 0 && len == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn this_program_is_told_with_its_file_and_its_id() {
        let here = this_program_is_told_with_its_file_and_its_id as fn() as usize;
        let mut found = 0;
        each(|module| {
            if (module.start..module.end).contains(&here) {
                assert!(matches!(module.id.len, 12 | 20), "{module}");
                found += 1;
            }
        });
        assert_eq!(found, 1);
        let (own, mut text) = (std::env::current_exe().expect("a path"), String::new());
        maps(|line| {
            text.push_str(core::str::from_utf8(line).expect("UTF-8"));
            Ok(())
        })
        .expect("written");
        let name = own.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(text.contains(name) && text.ends_with('\n'), "{text}");
        assert!(super::super::Changes::default().look(), "what is loaded is new");
    }
}
