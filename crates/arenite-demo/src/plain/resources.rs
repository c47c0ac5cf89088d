//! Decoded textures, flats, sprites and sounds, each shared by `Rc`.

use std::cell::Cell;
use std::rc::Rc;

use crate::rules::assets::{self, Assets, Sheet};
use crate::wad::{Flat, LumpName, Map, Picture, Sound, Wad, WadError};

/// How many resources have been dropped; shared by all of a scene.
pub(super) type Drops = Rc<Cell<u64>>;

/// Counts when it is dropped.
#[derive(Debug)]
struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// A texture, a flat or a sprite.
#[derive(Debug)]
struct Image {
    width: usize,
    height: usize,
    /// Palette indices row by row; for textures and sprites as many bytes of mask follow.
    pixels: Vec<u8>,
    _counted: Counted,
}

/// A sound.
#[derive(Debug)]
struct Samples {
    samples: Vec<i16>,
    _counted: Counted,
}

/// All resources of a scene.
#[derive(Debug)]
pub(super) struct Resources {
    walls: Vec<Rc<Image>>,
    flats: Vec<Rc<Image>>,
    sprites: Vec<Rc<Image>>,
    sounds: Vec<Rc<Samples>>,
    /// Names of `walls`, sorted.
    pub(super) wall_names: Vec<LumpName>,
    /// Names of `flats`, sorted.
    pub(super) flat_names: Vec<LumpName>,
    /// First letters of `sprites`, sorted.
    pub(super) sprite_names: Vec<LumpName>,
    drops: Drops,
}

impl Resources {
    /// Decodes everything that the map uses and the file has.
    pub(super) fn load(wad: &Wad<'_>, map: &Map<'_>) -> Result<Self, WadError> {
        let drops = Drops::default();
        let image = |width: u16, height: u16, pixels| {
            let (width, height) = (usize::from(width), usize::from(height));
            Rc::new(Image { width, height, pixels, _counted: Counted(Rc::clone(&drops)) })
        };
        let gather = |names: &mut dyn Iterator<Item = LumpName>| {
            let mut list = vec![LumpName::default(); assets::most_names(map)];
            let count = assets::gather(names, &mut list);
            list.truncate(count);
            list
        };

        let textures = wad.textures()?;
        let (mut walls, mut wall_names) = (Vec::new(), Vec::new());
        for name in gather(&mut map.texture_names()) {
            if let Some(texture) = textures.find(name) {
                let mut pixels = vec![0; texture.decoded_len()];
                texture.decode_into(wad, &mut pixels)?;
                walls.push(image(texture.width, texture.height, pixels));
                wall_names.push(name);
            }
        }
        let (mut flats, mut flat_names) = (Vec::new(), Vec::new());
        for name in gather(&mut map.flat_names()) {
            if let Some(flat) = wad.flat(name) {
                let mut pixels = vec![0; Flat::LEN];
                flat.decode_into(&mut pixels)?;
                flats.push(image(Flat::SIDE as u16, Flat::SIDE as u16, pixels));
                flat_names.push(name);
            }
        }
        let (mut sprites, mut sprite_names) = (Vec::new(), Vec::new());
        for name in gather(&mut assets::sprite_names(map)) {
            if let Some(lump) = assets::sprite_lump(wad, name) {
                let picture = Picture::parse(lump)?;
                let mut pixels = vec![0; picture.decoded_len()];
                picture.decode_into(&mut pixels)?;
                sprites.push(image(picture.width(), picture.height(), pixels));
                sprite_names.push(name);
            }
        }
        let mut names = [LumpName::default(); assets::SOUNDS];
        let count = assets::sound_names(wad, &mut names);
        let mut sounds = Vec::new();
        for name in &names[..count] {
            if let Some(lump) = wad.find(name) {
                let sound = Sound::parse(lump)?;
                let mut samples = vec![0; sound.decoded_len()];
                sound.decode_into(&mut samples)?;
                sounds.push(Rc::new(Samples { samples, _counted: Counted(Rc::clone(&drops)) }));
            }
        }
        Ok(Self { walls, flats, sprites, sounds, wall_names, flat_names, sprite_names, drops })
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        (self.walls.len() + self.flats.len() + self.sprites.len() + self.sounds.len()) as u64
    }

    /// Bytes of pixels and samples.
    pub(super) fn bytes(&self) -> u64 {
        let images = self.walls.iter().chain(&self.flats).chain(&self.sprites);
        let pixels: usize = images.map(|image| image.pixels.len()).sum();
        let samples: usize = self.sounds.iter().map(|sound| size_of_val(&sound.samples[..])).sum();
        (pixels + samples) as u64
    }

    /// The counter of those that have been dropped.
    pub(super) fn drops(&self) -> Drops {
        Rc::clone(&self.drops)
    }
}

impl Assets for Resources {
    fn picture(&self, sheet: Sheet, index: usize) -> Option<(usize, usize, &[u8])> {
        let list = match sheet {
            Sheet::Wall => &self.walls,
            Sheet::Flat => &self.flats,
            Sheet::Sprite => &self.sprites,
        };
        list.get(index).map(|image| (image.width, image.height, &image.pixels[..]))
    }

    fn sounds(&self) -> usize {
        self.sounds.len()
    }

    fn sound(&self, index: usize) -> &[i16] {
        &self.sounds[index].samples
    }
}
