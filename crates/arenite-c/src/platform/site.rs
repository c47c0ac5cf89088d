//! Places in the program's source that took blocks: each is kept once, and blocks have its number.
#![expect(unsafe_code, reason = "reads texts of C")]

use core::alloc::Layout;
use core::ffi::{CStr, c_char};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

/// Places there can be. The number of a place fits into 15 bits, and 0 is none.
const PLACES: usize = (1 << 15) - 1;
/// How far one is looked for before it counts as unknown.
const LOOK: usize = 64;

/// A file and a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) file: Vec<u8>,
    pub(super) line: u32,
}

impl Site {
    /// A copy of the text, if there is memory for it.
    fn try_new(file: &CStr, line: u32) -> Option<Box<Self>> {
        let mut text = Vec::new();
        text.try_reserve_exact(file.to_bytes().len()).ok()?;
        text.extend_from_slice(file.to_bytes());
        let layout = Layout::new::<Self>();
        // SAFETY: a site has a size.
        let room = NonNull::new(unsafe { std::alloc::alloc(layout) })?.cast::<Self>();
        // SAFETY: memory of a site's layout from the global allocator, which is a box's once it is written.
        unsafe {
            room.write(Self { file: text, line });
            Some(Box::from_raw(room.as_ptr()))
        }
    }

    fn is(&self, file: &CStr, line: u32) -> bool {
        self.line == line && self.file == file.to_bytes()
    }
}

static SITES: [AtomicPtr<Site>; PLACES] = [const { AtomicPtr::new(null_mut()) }; PLACES];

/// Where texts were last found, by their address and line: a guess, which is looked at before it is believed.
static GUESSES: [AtomicU16; 1024] = [const { AtomicU16::new(0) }; 1024];

/// The number of a place; 0 if it is not known, or if there are too many of them. Its text is copied the first time, so that it need
/// not stay.
///
/// # Safety
/// `file` is null or a C string.
pub(super) unsafe fn number_of(file: *const c_char, line: u32) -> u16 {
    if file.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let (address, file) = (file.addr(), unsafe { CStr::from_ptr(file) });
    let mixed = (address as u64 ^ u64::from(line).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let guess = &GUESSES[(mixed >> 54) as usize];
    let number = guess.load(Ordering::Relaxed);
    if site(number).is_some_and(|site| site.is(file, line)) {
        return number;
    }
    let number = look(file, line);
    guess.store(number, Ordering::Relaxed);
    number
}

#[cold]
fn look(file: &CStr, line: u32) -> u16 {
    // FNV-1a, over the text: a file's name may be at several addresses, and other texts at this one later.
    let hash =
        file.to_bytes().iter().chain(&line.to_le_bytes()).fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
    let mut new: *mut Site = null_mut();
    let mut answer = 0;
    for step in 0..LOOK {
        let place = (hash as usize).wrapping_add(step) % PLACES;
        let mut found = SITES[place].load(Ordering::Acquire);
        if found.is_null() {
            if new.is_null() {
                let Some(made) = Site::try_new(file, line) else { return 0 };
                new = Box::into_raw(made);
            }
            match SITES[place].compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return place as u16 + 1,
                Err(other) => found = other,
            }
        }
        // SAFETY: sites are never freed once they are in the table.
        let site = unsafe { &*found };
        if site.is(file, line) {
            answer = place as u16 + 1;
            break;
        }
    }
    if !new.is_null() {
        // SAFETY: made above, and nobody has seen it.
        drop(unsafe { Box::from_raw(new) });
    }
    answer
}

/// The place with this number.
pub(super) fn site(number: u16) -> Option<&'static Site> {
    let place = usize::from(number).checked_sub(1)?;
    // SAFETY: as above.
    unsafe { SITES.get(place)?.load(Ordering::Acquire).as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: &CStr, line: u32) -> u16 {
        // SAFETY: a C string.
        unsafe { number_of(file.as_ptr(), line) }
    }

    #[test]
    fn a_place_has_one_number_wherever_its_text_is() {
        let game = number(c"game.cpp", 10);
        let text = c"game.cpp".to_owned();
        assert_eq!(number(&text, 10), game);
        assert_ne!(number(&text, 11), game);
        assert_ne!(number(c"game.c", 10), game);
        drop(text);
        assert_eq!(site(game), Some(&Site { file: b"game.cpp".to_vec(), line: 10 }));
        // SAFETY: null is allowed.
        assert_eq!((unsafe { number_of(core::ptr::null(), 1) }, site(0)), (0, None));
    }

    #[test]
    fn too_many_places_are_unknown_ones() {
        let numbers = (0..2 * PLACES as u32).map(|line| number(c"generated.c", line)).collect::<Vec<_>>();
        assert!(numbers.contains(&0));
        for (line, found) in numbers.into_iter().enumerate().filter(|(_, found)| *found != 0) {
            assert_eq!(site(found).map(|site| site.line as usize), Some(line));
        }
    }
}
