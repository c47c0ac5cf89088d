//! Reads any bytes as a WAD and decodes everything in it, with little memory so that each run is short.
#![no_main]

use arenite_demo::wad::{Picture, Sound, Survey, Wad};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let wad = match Wad::parse(file) {
        Ok(wad) => wad,
        Err(error) => return one_line(&error),
    };
    let (mut bytes, mut samples) = ([0; 1 << 14], [0; 1 << 12]);
    let survey = Survey::take(&wad, &mut bytes, &mut samples);
    if let Some(error) = survey.first_error {
        one_line(&error);
    }
    // Whatever a lump is meant to be, it may be taken for a picture or a sound.
    for lump in wad.lumps() {
        if let Err(error) = Picture::parse(lump).and_then(|picture| picture.decode_into(&mut bytes)) {
            one_line(&error);
        }
        if let Err(error) = Sound::parse(lump).and_then(|sound| sound.decode_into(&mut samples)) {
            one_line(&error);
        }
    }
    if let Err(error) = wad.map("nowhere at all") {
        one_line(&error);
    }
});

/// Errors are shown to people: one line, nothing that a terminal would take for a command.
fn one_line(error: &arenite_demo::wad::WadError) {
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}
