//! Which resources a map uses, and how the game reads them while it runs.

use super::agent;
use crate::wad::{LumpName, Map, ThingKind, Wad};

/// What something looks like: a texture, a flat or a sprite of the scene, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look(u16);

/// Which list of resources a [`Look`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// Wall textures.
    Wall,
    /// Flats.
    Flat,
    /// Sprites.
    Sprite,
}

impl Look {
    /// Looks like nothing: the file does not have the resource.
    pub const NONE: Self = Self(0);
    /// How many resources of one kind a scene can tell apart; more than any file has.
    pub const MOST: usize = (1 << 14) - 1;

    /// The resource with this number on a sheet; [`NONE`](Self::NONE) from [`MOST`](Self::MOST) on.
    pub fn new(sheet: Sheet, index: usize) -> Self {
        let base = match sheet {
            Sheet::Wall => 1 << 14,
            Sheet::Flat => 2 << 14,
            Sheet::Sprite => 3 << 14,
        };
        if index < Self::MOST { Self(base + index as u16) } else { Self::NONE }
    }

    /// The resource on this sheet whose name is `name`, in a sorted list of names.
    pub fn find(sheet: Sheet, names: &[LumpName], name: LumpName) -> Self {
        names.binary_search(&name).map_or(Self::NONE, |index| Self::new(sheet, index))
    }

    /// Which resource it is; `None` for nothing.
    pub fn resource(self) -> Option<(Sheet, usize)> {
        let sheet = match self.0 >> 14 {
            1 => Sheet::Wall,
            2 => Sheet::Flat,
            3 => Sheet::Sprite,
            _ => return None,
        };
        Some((sheet, usize::from(self.0 & ((1 << 14) - 1))))
    }

    /// The look as a number, for keys and checksums.
    pub fn bits(self) -> u16 {
        self.0
    }
}

/// How the game reads the scene's resources. Each world has its own.
pub trait Assets {
    /// Width, height and pixels (row by row, as palette indices) of a picture; `None` when there is none.
    fn picture(&self, sheet: Sheet, index: usize) -> Option<(usize, usize, &[u8])>;
    /// How many sounds there are.
    fn sounds(&self) -> usize;
    /// Samples of a sound. `index` is below [`sounds`](Self::sounds).
    fn sound(&self, index: usize) -> &[i16];
}

/// One pixel of what something looks like; `u` and `v` wrap around. 0 for nothing.
#[inline]
pub fn texel(assets: &impl Assets, look: Look, u: u32, v: u32) -> u8 {
    let picture = look.resource().and_then(|(sheet, index)| assets.picture(sheet, index));
    let Some((width, height, pixels)) = picture.filter(|(width, height, _)| width * height != 0) else { return 0 };
    pixels[(v as usize % height) * width + u as usize % width]
}

/// How many names [`gather`] may need room for, for any of a map's lists.
pub fn most_names(map: &Map<'_>) -> usize {
    // Two sides a line have three textures each, a sector has two flats, a thing one sprite besides those of the fill.
    (map.sides().len() * 3).max(map.sectors().len() * 2).max(map.things().len() + agent::FILL.len() + 1)
}

/// Writes the names sorted and each once to the front of `out`, and returns how many there are. Names beyond the end of `out`
/// are left out.
pub fn gather(names: impl Iterator<Item = LumpName>, out: &mut [LumpName]) -> usize {
    let mut count = 0;
    for (to, name) in out.iter_mut().zip(names) {
        *to = name;
        count += 1;
    }
    let names = &mut out[..count];
    names.sort_unstable();
    let mut kept = 0;
    for at in 0..names.len() {
        if kept == 0 || names[kept - 1] != names[at] {
            names[kept] = names[at];
            kept += 1;
        }
    }
    kept
}

/// The first four letters of the sprites that the scene's agents need. They repeat.
pub fn sprite_names<'a>(map: &Map<'a>) -> impl Iterator<Item = LumpName> + use<'a> {
    let fill = agent::FILL.iter().map(|&number| ThingKind::of(number));
    let kinds = map.things().iter().map(|thing| thing.class()).chain(fill);
    let monsters = kinds.filter_map(|kind| match kind {
        ThingKind::Monster(monster) => Some(monster.figure.sprite),
        _ => None,
    });
    monsters.chain([agent::PLAYER_SPRITE]).filter_map(|letters| LumpName::new(&letters))
}

/// The first picture of a sprite in the file's order.
pub fn sprite_lump<'a>(wad: &Wad<'a>, letters: LumpName) -> Option<crate::wad::Lump<'a>> {
    wad.sprites().find(|lump| lump.name.starts_with(letters.as_bytes()))
}

/// The most sounds that a scene loads.
pub const SOUNDS: usize = 8;

/// Sounds of a fight: shots, hits, pain, death.
const WANTED: [&str; SOUNDS] = [
    "DSPISTOL", "DSSHOTGN", "DSFIRSHT", "DSFIRXPL", "DSPOPAIN", "DSPODTH1", "DSBGDTH1", "DSBAREXP",
];

/// The names of the sounds that a scene loads: those of a fight, or of a file that has none of them its first ones.
///
/// Writes them to the front of `out` and returns how many there are.
pub fn sound_names(wad: &Wad<'_>, out: &mut [LumpName; SOUNDS]) -> usize {
    let wanted = WANTED.iter().filter_map(|name| LumpName::new(name.as_bytes()));
    let count = fill(out, wanted.filter(|&name| wad.sounds().any(|lump| lump.name == name)));
    if count != 0 { count } else { fill(out, wad.sounds().map(|lump| lump.name)) }
}

fn fill(out: &mut [LumpName], names: impl Iterator<Item = LumpName>) -> usize {
    out.iter_mut().zip(names).map(|(to, name)| *to = name).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_keep_their_resource() {
        for sheet in [Sheet::Wall, Sheet::Flat, Sheet::Sprite] {
            for index in [0, 1, Look::MOST - 1] {
                assert_eq!(Look::new(sheet, index).resource(), Some((sheet, index)));
            }
            assert_eq!(Look::new(sheet, Look::MOST), Look::NONE);
        }
        assert_eq!(Look::NONE.resource(), None);
    }

    #[test]
    fn names_are_gathered_once() {
        let name = |text: &str| LumpName::new(text.as_bytes()).expect("short");
        let names = ["WALL", "door", "wall", "BRICK", "DOOR"].map(name);
        let mut out = [LumpName::default(); 6];
        let count = gather(names.into_iter(), &mut out);
        assert_eq!(out[..count], ["BRICK", "DOOR", "WALL"].map(name));
        assert_eq!(Look::find(Sheet::Wall, &out[..count], name("DOOR")), Look::new(Sheet::Wall, 1));
        assert_eq!(Look::find(Sheet::Wall, &out[..count], name("NONE")), Look::NONE);
        assert_eq!(gather(std::iter::empty(), &mut out), 0);
    }
}
