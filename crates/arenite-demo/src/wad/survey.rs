//! Decodes everything that a WAD holds, to find out whether all of it can be used.

use super::{Flat, LumpName, Picture, Sound, Wad, WadError};

/// How many of something there are, and how many of them can not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub found: u32,
    /// Those with an error.
    pub broken: u32,
    /// Those that were left out because the memory given to [`Survey::take`] was too small.
    pub skipped: u32,
}

/// What a WAD holds and whether it is sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Maps; a map counts as broken when it can not be loaded.
    pub maps: Tally,
    /// Wall textures.
    pub textures: Tally,
    /// Patches in textures that the WAD does not have.
    pub missing_patches: u32,
    /// Flats.
    pub flats: Tally,
    /// Sprites.
    pub sprites: Tally,
    /// Sampled sounds.
    pub sounds: Tally,
    /// References inside maps that were followed: to vertices, open sectors, textures, flats, kinds of things.
    pub references: u64,
    /// Bytes that all of it decodes to.
    pub decoded: u64,
    /// The first error that was met.
    pub first_error: Option<WadError>,
}

impl Survey {
    /// Loads every map, follows every reference in it, and decodes every texture, flat, sprite and sound into `bytes` and
    /// `samples`, one after the other. Nothing is allocated; what does not fit is counted as skipped.
    pub fn take(wad: &Wad<'_>, bytes: &mut [u8], samples: &mut [i16]) -> Self {
        let mut survey = Self::default();
        for name in wad.maps() {
            let walked = walk(wad, name);
            survey.references += walked.unwrap_or(0);
            survey.maps.note(walked.err(), &mut survey.first_error);
        }
        match wad.textures() {
            Err(error) => survey.textures.note(Some(error), &mut survey.first_error),
            Ok(textures) => {
                for texture in textures.iter() {
                    let composed = texture.decode_into(wad, bytes);
                    if let Ok(composed) = composed {
                        survey.missing_patches += composed.missing;
                        survey.decoded += texture.decoded_len() as u64;
                    }
                    survey.textures.note(composed.err(), &mut survey.first_error);
                }
            }
        }
        for flat in wad.flats() {
            let done = flat.decode_into(bytes).map(|()| survey.decoded += Flat::LEN as u64);
            survey.flats.note(done.err(), &mut survey.first_error);
        }
        for lump in wad.sprites() {
            let done = Picture::parse(lump).and_then(|picture| {
                picture.decode_into(bytes)?;
                survey.decoded += picture.decoded_len() as u64;
                Ok(())
            });
            survey.sprites.note(done.err(), &mut survey.first_error);
        }
        for lump in wad.sounds() {
            let done = Sound::parse(lump).and_then(|sound| {
                sound.decode_into(samples)?;
                survey.decoded += 2 * sound.decoded_len() as u64;
                Ok(())
            });
            survey.sounds.note(done.err(), &mut survey.first_error);
        }
        if let Err(error) = wad.palette() {
            survey.first_error.get_or_insert(error);
        }
        survey
    }
}

impl Tally {
    /// Counts one more.
    fn note(&mut self, error: Option<WadError>, first: &mut Option<WadError>) {
        self.found += 1;
        match error {
            None => {}
            Some(WadError::Buffer { .. }) => self.skipped += 1,
            Some(error) => {
                self.broken += 1;
                first.get_or_insert(error);
            }
        }
    }
}

/// Reads every record of a map and follows every reference; returns how many there were.
fn walk(wad: &Wad<'_>, name: LumpName) -> Result<u64, WadError> {
    let map = wad.map(name)?;
    let mut followed = 0;
    for line in map.lines() {
        followed += map.ends(&line).len();
        for side in std::iter::once(line.front).chain(line.back) {
            let sector = map.sectors().at(map.sides().at(side).sector);
            followed += usize::from(sector.floor <= sector.ceiling);
        }
    }
    followed += map.things().iter().filter(|thing| thing.class().figure().is_some()).count();
    followed += map.texture_names().chain(map.flat_names()).count();
    Ok(followed as u64)
}
