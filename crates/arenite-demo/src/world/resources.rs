//! Decoded textures, flats, sprites and sounds: values in the scene's sections, found by handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arenite::{AllocError, ArenaVec, Frame, Resource, ResourceArena, Scene, Scope};

use super::heap::Contents;
use super::memory::SECTIONS;
use super::streaming::{Pins, Streams};
use crate::config::Config;
use crate::error::DemoError;
use crate::rules::assets::{self, Assets, Sheet};
use crate::wad::{Flat, LumpName, Map, Picture, Sound, Wad, WadError};

/// How many resources of a scene have been dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Drops(Arc<AtomicU64>);

impl Drops {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts when it is dropped.
#[derive(Debug)]
struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A texture, a flat or a sprite. Its pixels are a resource of the same section: palette indices row by row; for
/// textures and sprites as many bytes of mask follow.
#[derive(Debug)]
struct Image {
    width: usize,
    height: usize,
    pixels: Resource<[u8]>,
    _counted: Counted,
}

/// A sound; its samples are a resource of the same section.
#[derive(Debug)]
struct Samples {
    samples: Resource<[i16]>,
    _counted: Counted,
}

/// Where resources come from.
#[derive(Debug)]
pub(super) struct Source<'w> {
    pub(super) wad: Wad<'w>,
    /// The caches, of a run that streams.
    pub(super) streams: Option<Streams<'w>>,
}

impl<'w> Source<'w> {
    pub(super) fn start(config: &Config, wad: Wad<'w>) -> Result<Self, DemoError> {
        Ok(Self { wad, streams: Streams::start(config, &wad)? })
    }
}

/// Handles to all resources of a scene.
#[derive(Debug)]
pub(super) struct Resources<'g> {
    walls: &'g [Resource<Image>],
    flats: &'g [Resource<Image>],
    sprites: &'g [Resource<Image>],
    sounds: &'g [Resource<Samples>],
    /// Names of `walls`, sorted.
    pub(super) wall_names: &'g [LumpName],
    /// Names of `flats`, sorted.
    pub(super) flat_names: &'g [LumpName],
    /// First letters of `sprites`, sorted.
    pub(super) sprite_names: &'g [LumpName],
    drops: Drops,
    /// Bytes of pixels and samples.
    pub(super) bytes: u64,
    /// The textures and sounds, if they stream: then they are not the scene's.
    pub(super) pins: Option<Pins<'g>>,
}

/// The sections of a scene, by kind.
#[derive(Clone, Copy, Debug)]
struct Sections<'s> {
    textures: &'s ResourceArena,
    flats: &'s ResourceArena,
    sprites: &'s ResourceArena,
    sounds: &'s ResourceArena,
}

impl<'s> Sections<'s> {
    fn of(scene: &'s Scene) -> Self {
        // A section that is missing would be a slip in `memory::start`; its resources then resolve to nothing.
        let [textures, flats, sprites, sounds] = SECTIONS.map(|name| scene.section(name).unwrap_or(scene));
        Self { textures, flats, sprites, sounds }
    }
}

/// Puts a picture into a section, decoded in place by `decode`, and its handle on the list.
struct Loader<'l> {
    drops: &'l Drops,
    bytes: u64,
}

impl Loader<'_> {
    fn image(
        &mut self,
        section: &ResourceArena,
        list: &mut ArenaVec<'_, Resource<Image>>,
        (width, height): (u16, u16),
        len: usize,
        decode: impl FnOnce(&mut [u8]) -> Result<(), WadError>,
    ) -> Result<(), DemoError> {
        let pixels = section.try_insert_slice_with(len, |pixels| decode(pixels).map_err(DemoError::from))?;
        let (width, height) = (usize::from(width), usize::from(height));
        list.try_push(section.try_insert(Image { width, height, pixels, _counted: self.counted() })?)?;
        self.bytes += len as u64;
        Ok(())
    }

    fn counted(&self) -> Counted {
        Counted(self.drops.clone())
    }
}

impl<'g> Resources<'g> {
    /// Decodes everything that the map uses and the file has into the scene, but for what streams.
    pub(super) fn load(
        source: &'g Source<'g>,
        map: &Map<'_>,
        stack: &Scope<'g>,
        scene: &Scene,
    ) -> Result<Self, DemoError> {
        let (wad, streams) = (&source.wad, source.streams.as_ref());
        let sections = Sections::of(scene);
        let drops = Drops::default();
        let mut loader = Loader { drops: &drops, bytes: 0 };
        let gather = |names: &mut dyn Iterator<Item = LumpName>| -> Result<&'g mut [LumpName], DemoError> {
            let list = stack.try_alloc_slice_fill_with(assets::most_names(map), |_| LumpName::default())?;
            let count = assets::gather(names, list);
            Ok(&mut list[..count])
        };
        // Every name that the file has moves to the front of its list, beside the handle of what it names.
        let mut walls = stack.vec();
        let names = gather(&mut map.texture_names())?;
        let textures = wad.textures()?;
        let mut streamed = 0;
        for at in 0..names.len() {
            if let Some(streams) = streams {
                if streams.has(names[at]) {
                    names[streamed] = names[at];
                    streamed += 1;
                }
            } else if let Some(texture) = textures.find(names[at]) {
                let decode = |pixels: &mut [u8]| texture.decode_into(wad, pixels).map(drop);
                let size = (texture.width, texture.height);
                loader.image(sections.textures, &mut walls, size, texture.decoded_len(), decode)?;
                names[walls.len() - 1] = names[at];
            }
        }
        let wall_names = &names[..walls.len().max(streamed)];
        let walls = stack.try_alloc_slice_copy(&walls)?;

        let mut flats = stack.vec();
        let names = gather(&mut map.flat_names())?;
        for at in 0..names.len() {
            if let Some(flat) = wad.flat(names[at]) {
                let size = (Flat::SIDE as u16, Flat::SIDE as u16);
                loader
                    .image(sections.flats, &mut flats, size, Flat::LEN, |pixels| flat.decode_into(pixels))?;
                names[flats.len() - 1] = names[at];
            }
        }
        let flat_names = &names[..flats.len()];
        let flats = stack.try_alloc_slice_copy(&flats)?;

        let mut sprites = stack.vec();
        let names = gather(&mut assets::sprite_names(map))?;
        for at in 0..names.len() {
            if let Some(lump) = assets::sprite_lump(wad, names[at]) {
                let picture = Picture::parse(lump)?;
                let size = (picture.width(), picture.height());
                let decode = |pixels: &mut [u8]| picture.decode_into(pixels);
                loader.image(sections.sprites, &mut sprites, size, picture.decoded_len(), decode)?;
                names[sprites.len() - 1] = names[at];
            }
        }
        let sprite_names = &names[..sprites.len()];
        let sprites = stack.try_alloc_slice_copy(&sprites)?;

        let mut wanted = [LumpName::default(); assets::SOUNDS];
        let count = assets::sound_names(wad, &mut wanted);
        let mut sounds = stack.vec();
        let pins = streams.map(|streams| Pins::start(streams, wall_names, &wanted[..count])).transpose()?;
        let count = if pins.is_some() { 0 } else { count };
        for lump in wanted[..count].iter().filter_map(|name| wad.find(name)) {
            let sound = Sound::parse(lump)?;
            let len = sound.decoded_len();
            let samples = sections
                .sounds
                .try_insert_slice_with(len, |samples| sound.decode_into(samples).map_err(DemoError::from))?;
            sounds.try_push(sections.sounds.try_insert(Samples { samples, _counted: loader.counted() })?)?;
            loader.bytes += len as u64 * 2;
        }
        let sounds = stack.try_alloc_slice_copy(&sounds)?;

        let bytes = loader.bytes;
        Ok(Self { walls, flats, sprites, sounds, wall_names, flat_names, sprite_names, drops, bytes, pins })
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        (self.walls.len() + self.flats.len() + self.sprites.len() + self.sounds.len()) as u64
    }

    /// The counter of those that have been dropped; it outlives the scene.
    pub(super) fn drops(&self) -> Drops {
        self.drops.clone()
    }

    /// The resources as the rules read them, while the scene that they were loaded into is the present one. Every
    /// handle is looked up here, once a frame, and not for each pixel that is drawn.
    /// `heap` is where streamed resources are, if they share one.
    pub(super) fn of<'f>(
        &'f self,
        frame: &'f Frame<'_>,
        heap: Option<&'f Contents>,
    ) -> Result<View<'f>, AllocError> {
        let sections = Sections::of(frame.resources());
        let images = |section: &'f ResourceArena, list: &[Resource<Image>]| {
            frame.try_alloc_slice_fill_with(list.len(), |at| {
                let image = section.get(list[at])?;
                Some((image.width, image.height, section.get(image.pixels)?))
            })
        };
        let sounds = |at: usize| {
            let sound = sections.sounds.get(self.sounds[at]);
            sound.and_then(|sound| sections.sounds.get(sound.samples)).unwrap_or_default()
        };
        if let Some(pins) = &self.pins {
            let wall = |at: usize| {
                let texture = pins.walls[at].as_deref()?;
                Some((texture.width, texture.height, texture.pixels.elements(heap)))
            };
            return Ok(View {
                walls: frame.try_alloc_slice_fill_with(pins.walls.len(), wall)?,
                flats: images(sections.flats, self.flats)?,
                sprites: images(sections.sprites, self.sprites)?,
                sounds: frame
                    .try_alloc_slice_fill_with(pins.sounds.len(), |at| pins.sounds[at].elements(heap))?,
            });
        }
        Ok(View {
            walls: images(sections.textures, self.walls)?,
            flats: images(sections.flats, self.flats)?,
            sprites: images(sections.sprites, self.sprites)?,
            sounds: frame.try_alloc_slice_fill_with(self.sounds.len(), sounds)?,
        })
    }
}

/// Width, height and pixels of a picture; `None` when its handle is of another scene.
type Found<'f> = Option<(usize, usize, &'f [u8])>;

/// Resources of the present scene, for a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'f> {
    walls: &'f [Found<'f>],
    flats: &'f [Found<'f>],
    sprites: &'f [Found<'f>],
    sounds: &'f [&'f [i16]],
}

impl Assets for View<'_> {
    fn picture(&self, sheet: Sheet, index: usize) -> Option<(usize, usize, &[u8])> {
        let list = match sheet {
            Sheet::Wall => self.walls,
            Sheet::Flat => self.flats,
            Sheet::Sprite => self.sprites,
        };
        *list.get(index)?
    }

    fn sounds(&self) -> usize {
        self.sounds.len()
    }

    fn sound(&self, index: usize) -> &[i16] {
        self.sounds.get(index).copied().unwrap_or_default()
    }
}
