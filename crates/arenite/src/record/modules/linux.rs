//! Modules as the dynamic linker tells them, and what is mapped as the system tells it.
#![expect(unsafe_code, reason = "asks the dynamic linker, which calls back")]

use core::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use twox_hash::XxHash3_64;

use super::{Id, Module};
use crate::base::sync::Lock;

/// What the lines of modules begin with.
pub(super) const KIND: &str = "elf";

/// Whoever has it asks for the modules, which takes the dynamic linker's lock. A fork waits for it, so that the child does not have that
/// lock taken for ever, and the writer does; no thread of the program that asks waits for it, because it may have the linker's lock.
pub(in super::super) static ASKING: Lock<()> = Lock::new(());

/// How many modules were loaded and unloaded when that was last looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Changes {
    loaded: u64,
    unloaded: u64,
}

impl Changes {
    /// Whether modules were loaded or unloaded since this was last asked. Waits for the dynamic linker, so not for a thread that somebody
    /// may wait for who holds its lock.
    pub(in super::super) fn look(&mut self) -> bool {
        let mut now = Self::default();
        ask(count, &mut now);
        core::mem::replace(self, now) != now
    }
}

type Answer = unsafe extern "C" fn(module: *mut libc::dl_phdr_info, size: usize, asked: *mut c_void) -> c_int;

/// Lets `answer` be called with modules and `asked`, until it answers something else than 0.
fn ask<T>(answer: Answer, asked: &mut T) {
    let _asking = ASKING.lock();
    // SAFETY: `answer` is called with modules and with `asked`, which nobody else uses meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(answer), (&raw mut *asked).cast()) };
}

/// # Safety
/// `module` is one of the modules, `size` the bytes that are told of it, and `asked` a [`Changes`] that nobody else uses.
unsafe extern "C" fn count(module: *mut libc::dl_phdr_info, size: usize, asked: *mut c_void) -> c_int {
    if size >= size_of::<libc::dl_phdr_info>() {
        // SAFETY: the caller's promise; so much of it is there.
        unsafe {
            *asked.cast() = Changes { loaded: (*module).dlpi_adds, unloaded: (*module).dlpi_subs };
        }
    }
    1
}

/// Shows each module that is loaded. It stays so meanwhile.
pub(super) fn each(mut show: impl FnMut(&Module)) {
    // Notes are read through the system: a file that was cut off since it was loaded, or pages that a program protected, are no fault.
    let memory = File::open("/proc/self/mem").ok();
    let mut each = Each { memory, show: &mut show };
    ask(show_one, &mut each);
}

struct Each<'a> {
    /// Where notes are read from, if the system lets us.
    memory: Option<File>,
    show: &'a mut dyn FnMut(&Module),
}

/// # Safety
/// `module` is one of the modules, and `asked` an [`Each`] that nobody else uses.
unsafe extern "C" fn show_one(module: *mut libc::dl_phdr_info, _size: usize, asked: *mut c_void) -> c_int {
    // SAFETY: the caller's promise; a module has so many headers as it says, and its name ends with a zero.
    let (each, base, headers, name) = unsafe {
        let module = &*module;
        let headers: &[libc::Elf64_Phdr] = match module.dlpi_phnum {
            0 => &[],
            count => core::slice::from_raw_parts(module.dlpi_phdr, count.into()),
        };
        let name = (!module.dlpi_name.is_null()).then(|| CStr::from_ptr(module.dlpi_name));
        (&mut *asked.cast::<Each<'_>>(), module.dlpi_addr as usize, headers, name)
    };
    let span = |header: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        (start, start.wrapping_add(header.p_memsz as usize))
    };
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD).map(span);
    let Some(start) = loaded().map(|(start, _)| start).min() else { return 0 };
    let end = loaded().map(|(_, end)| end).max().unwrap_or(start);
    let notes = headers.iter().filter(|header| header.p_type == libc::PT_NOTE).filter(|header| {
        let (start, end) = span(header);
        loaded().any(|(low, high)| low <= start && start <= end && end <= high)
    });
    let id = each.memory.as_ref().and_then(|memory| {
        notes.map(|header| (span(header), header.p_align)).find_map(|((start, end), align)| {
            let mut bytes = [0; 2048];
            let len = bytes.len().min(end - start);
            memory.read_exact_at(&mut bytes[..len], start as u64).ok()?;
            build_id(&bytes[..len], if align == 8 { 8 } else { 4 })
        })
    });
    let name = name.map_or(0, |name| XxHash3_64::oneshot(name.to_bytes()));
    (each.show)(&Module::new(start, end, base, id.unwrap_or_default(), name));
    0
}

/// The linker's id of a file, among notes.
fn build_id(mut notes: &[u8], align: usize) -> Option<Id> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let word = |place: usize| Some(u32::from_ne_bytes(*notes.get(place..)?.first_chunk()?));
        let (name_len, len, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let (name, rest) = part(&notes[12..], name_len, align)?;
        let (described, rest) = part(rest, len, align)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && !described.is_empty() {
            return Some(Id::new(described));
        }
        notes = rest;
    }
}

/// So many bytes, and what is behind them and their padding.
fn part(bytes: &[u8], len: usize, align: usize) -> Option<(&[u8], &[u8])> {
    let part = bytes.get(..len)?;
    Some((part, bytes.get(len.next_multiple_of(align)..).unwrap_or_default()))
}

/// Lines of `/proc/self/maps` with code of a file.
pub(in super::super) fn maps(mut line: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let Ok(mut maps) = File::open("/proc/self/maps") else { return Ok(()) };
    // Longer than any line: a path has 4,096 bytes at most, of which each may be told as four.
    let (mut bytes, mut len) = ([0; 20 << 10], 0);
    loop {
        let got = maps.read(&mut bytes[len..])?;
        if got == 0 {
            return Ok(());
        }
        len += got;
        let mut at = 0;
        while let Some(end) = bytes[at..len].iter().position(|byte| *byte == b'\n') {
            let whole = &bytes[at..=at + end];
            if has_code_of_a_file(whole) {
                line(whole)?;
            }
            at += end + 1;
        }
        bytes.copy_within(at..len, 0);
        len -= at;
        if len == bytes.len() {
            len = 0;
        }
    }
}

/// Whether the permissions of a line have an `x`, and its sixth part is a name.
fn has_code_of_a_file(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ').filter(|part| !part.is_empty());
    let code = parts.nth(1).is_some_and(|permissions| permissions.get(2) == Some(&b'x'));
    code && parts.nth(3).is_some_and(|path| matches!(path.first(), Some(b'/' | b'[')))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::Book;
    use super::*;

    #[test]
    fn build_ids_are_found_among_notes_and_nothing_else_is() {
        let note = |name: &[u8], kind: u32, described: &[u8], align: usize| {
            let mut bytes = Vec::new();
            for word in [name.len() as u32, described.len() as u32, kind] {
                bytes.extend(word.to_ne_bytes());
            }
            for part in [name, described] {
                bytes.extend(part);
                bytes.resize(12 + (bytes.len() - 12).next_multiple_of(align), 0);
            }
            bytes
        };
        let id = [0xab, 1, 2, 3, 4, 5, 6];
        for align in [4, 8] {
            let mut notes = note(b"stapsdt\0", 3, &[1; 9], align);
            notes.extend(note(b"GNU\0", 5, &[2; 16], align));
            assert_eq!(build_id(&notes, align), None);
            notes.extend(note(b"GNU\0", 3, &id, align));
            assert_eq!(build_id(&notes, align), Some(Id::new(&id)));
            let unpadded = 12 + 4usize.next_multiple_of(align) + id.len();
            let behind = notes.len() - note(b"GNU\0", 3, &id, align).len();
            for len in 0..behind + unpadded {
                assert_eq!(build_id(&notes[..len], align), None, "{len}");
            }
        }
        assert_eq!(build_id(&[0xff; 64], 4), None);
        assert_eq!(std::format!("{} {}", Id::new(&id), Id::default()), "ab010203040506 -");
        assert_eq!(Id::new(&[7; 99]), Id::new(&[7; 32]));
    }

    #[test]
    fn only_code_of_files_is_told() {
        let lines: [(&[u8], bool); 6] = [
            (b"1000-2000 r-xp 00000000 08:01 1311     /usr/bin/game\n", true),
            (b"1000-2000 r-xp 00000000 00:00 0        [vdso]\n", true),
            (b"1000-2000 r--p 00000000 08:01 1311     /usr/bin/game\n", false),
            (b"1000-2000 rwxp 00000000 00:00 0 \n", false),
            (b"1000-2000 r-xp 00000000 00:00 0        anon_inode:x\n", false),
            (b"\n", false),
        ];
        for (line, told) in lines {
            assert_eq!(has_code_of_a_file(line), told);
        }
        let mut found = false;
        maps(|line| {
            found |= core::str::from_utf8(line).is_ok_and(|line| line.contains("/arenite-"));
            assert!(line.ends_with(b"\n"));
            Ok(())
        })
        .expect("the system's maps");
        assert!(found, "this program");
    }

    #[test]
    fn this_program_is_a_module_that_stays() {
        let mut book = std::boxed::Box::new(Book::new());
        book.look();
        let here = this_program_is_a_module_that_stays as fn() as usize;
        let own: Vec<Module> =
            book.modules().filter(|module| (module.start..module.end).contains(&here)).copied().collect();
        assert_eq!(own.len(), 1);
        // Other tests may load what they like.
        for _ in 0..3 {
            book.look();
            assert!(book.modules().any(|module| *module == own[0]));
        }
        let (mut changes, text) = (Changes::default(), std::format!("{}", own[0]));
        assert!(changes.look(), "what is loaded is new");
        assert!(text.starts_with("elf ") && text.split(' ').count() == 4, "{text}");
    }
}
