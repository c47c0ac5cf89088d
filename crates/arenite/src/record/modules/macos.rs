//! Modules as dyld tells them; each is known by its UUID.
#![expect(unsafe_code, reason = "asks dyld")]

use core::ffi::{c_char, c_int, c_void};
use std::io::{self, Write as _};

use super::{Id, Module};

/// What the lines of modules begin with.
pub(super) const KIND: &str = "macho";

unsafe extern "C" {
    fn _dyld_image_count() -> u32;
    fn _dyld_get_image_header(image: u32) -> *const c_void;
    fn _dyld_get_image_name(image: u32) -> *const c_char;
    static mach_task_self_: u32;
    fn mach_vm_read_overwrite(task: u32, address: u64, size: u64, data: u64, read: *mut u64) -> c_int;
}

/// Shows each module that is loaded.
pub(super) fn each(mut show: impl FnMut(&Module)) {
    each_image(|_, module| show(module));
}

/// Each image's number, and what its header says. Images may be unloaded meanwhile: one may be left out, or told twice.
fn each_image(mut show: impl FnMut(u32, &Module)) {
    // SAFETY: asks for a number.
    for image in 0..unsafe { _dyld_image_count() } {
        // SAFETY: null if there is no such image.
        let header = unsafe { _dyld_get_image_header(image) } as usize;
        if header != 0
            && let Some(module) = module(header)
        {
            show(image, &module);
        }
    }
}

fn module(start: usize) -> Option<Module> {
    const MAGIC_64: u32 = 0xfeed_facf;
    const HEADER: usize = 32;
    const SEGMENT_64: u32 = 0x19;
    const UUID: u32 = 0x1b;
    let word = |place: usize| read::<4>(place).map(u32::from_ne_bytes);
    let long = |place: usize| read::<8>(place).map(|bytes| u64::from_ne_bytes(bytes) as usize);
    if word(start)? != MAGIC_64 {
        return None;
    }
    let (mut text, mut id, mut at) = (None, Id::default(), start + HEADER);
    for _ in 0..word(start + 16)? {
        let (command, size) = (word(at)?, word(at + 4)? as usize);
        match command {
            SEGMENT_64 if read::<7>(at + 8)? == *b"__TEXT\0" => text = Some((long(at + 24)?, long(at + 32)?)),
            UUID => id = Id::new(&read::<16>(at + 8)?),
            _ => {}
        }
        at = at.checked_add(size.max(8))?;
    }
    let (address, size) = text?;
    Some(Module::new(start, start.checked_add(size)?, start.wrapping_sub(address), id, 0))
}

/// A line for each module: its addresses and its file.
pub(in super::super) fn maps(mut line: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut answer = Ok(());
    each_image(|image, module| {
        let mut bytes = [0; 4096];
        let mut rest = &mut bytes[..];
        let Module { start, end, .. } = module;
        if answer.is_err() || write!(rest, "{start:x}-{end:x} r-xp 00000000 00:00 0 ").is_err() {
            return;
        }
        // SAFETY: null if there is no such image.
        let mut name = unsafe { _dyld_get_image_name(image) } as usize;
        while name != 0
            && let Some([letter]) = read::<1>(name)
            && letter != 0
            && letter != b'\n'
            && rest.len() > 1
        {
            let _ = rest.write(&[letter]);
            name += 1;
        }
        let _ = rest.write(b"\n");
        let left = rest.len();
        answer = line(&bytes[..bytes.len() - left]);
    });
    answer
}

/// Bytes of memory, read through the system: none if they are not there any more.
fn read<const N: usize>(place: usize) -> Option<[u8; N]> {
    let (mut bytes, mut len) = ([0_u8; N], 0);
    let to = (&raw mut bytes).expose_provenance() as u64;
    // SAFETY: room for so many bytes; the system looks whether they are there.
    let told = unsafe { mach_vm_read_overwrite(mach_task_self_, place as u64, N as u64, to, &raw mut len) };
    (told == 0 && len == N as u64).then_some(bytes)
}
