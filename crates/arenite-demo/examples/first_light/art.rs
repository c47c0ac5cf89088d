//! The palette and every picture, drawn by arithmetic.

use arenite_demo::wad::{Image, LumpName, TextureData};

/// The brightest colour of each of the sixteen ramps; colour `16 * ramp + shade` gets brighter with the shade.
const RAMPS: [[u16; 3]; 16] = [
    [255, 255, 255],
    [222, 200, 172],
    [214, 150, 96],
    [240, 96, 64],
    [255, 176, 48],
    [255, 240, 112],
    [150, 214, 88],
    [72, 168, 96],
    [80, 200, 190],
    [96, 160, 240],
    [112, 112, 232],
    [184, 104, 224],
    [240, 120, 176],
    [150, 160, 176],
    [168, 156, 132],
    [120, 92, 72],
];

const GREY: u8 = 0;
const SAND: u8 = 1;
const CLAY: u8 = 2;
const RED: u8 = 3;
const AMBER: u8 = 4;
const YELLOW: u8 = 5;
const LIME: u8 = 6;
const GREEN: u8 = 7;
const TEAL: u8 = 8;
const BLUE: u8 = 9;
const VIOLET: u8 = 11;
const PINK: u8 = 12;
const STEEL: u8 = 13;
const STONE: u8 = 14;
const EARTH: u8 = 15;

/// The 256 colours.
pub(super) fn palette() -> [[u8; 3]; 256] {
    std::array::from_fn(|index| {
        let shade = index as u16 % 16 + 1;
        RAMPS[index / 16].map(|channel| (channel * shade / 16) as u8)
    })
}

/// A colour; shades outside 0 to 15 are cut off.
fn ink(ramp: u8, shade: i32) -> u8 {
    16 * ramp + shade.clamp(0, 15) as u8
}

/// Noise without a pattern: 0 to `below - 1`, the same for the same place and seed.
fn speck(x: usize, y: usize, seed: u32, below: u32) -> i32 {
    let mut hash = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297A_2D39);
    ((hash ^ (hash >> 15)) % below) as i32
}

/// Smooth noise, 0 to 15: specks on a lattice of eight pixels, blended. Repeats every 64 pixels.
fn cloud(x: usize, y: usize, seed: u32) -> i32 {
    let (cell_x, cell_y, in_x, in_y) = (x / 8, y / 8, (x % 8) as i32, (y % 8) as i32);
    let at = |dx, dy| speck((cell_x + dx) % 8, (cell_y + dy) % 8, seed, 16);
    let upper = at(0, 0) * (8 - in_x) + at(1, 0) * in_x;
    let lower = at(0, 1) * (8 - in_x) + at(1, 1) * in_x;
    (upper * (8 - in_y) + lower * in_y) / 64
}

/// Courses of blocks with dark joints: how much brighter a pixel is than the block's colour.
fn masonry(x: usize, y: usize, width: usize, height: usize, seed: u32) -> i32 {
    let course = y / height;
    let x = x + course % 2 * (width / 2);
    let tone = speck(x / width % (64 / width), course, seed, 4);
    match (x % width, y % height) {
        (0, _) | (_, 0) => -5,
        (1, _) | (_, 1) => tone + 2,
        _ => tone - speck(x, y, seed, 3),
    }
}

/// Names and pictures of the patches.
pub(super) fn patches() -> Vec<(&'static str, Image)> {
    let solid =
        |width, height, pixel: fn(usize, usize) -> u8| Image::draw(width, height, |x, y| Some(pixel(x, y)));
    vec![
        ("PBRICK", solid(64, 128, |x, y| ink(CLAY, 6 + masonry(x, y, 16, 8, 1)))),
        ("PASHLAR", solid(64, 128, |x, y| ink(STONE, 8 + masonry(x, y, 32, 32, 2) + cloud(x, y, 3) / 6))),
        ("PROCK", solid(64, 128, |x, y| ink(EARTH, 3 + cloud(x, y, 4) / 2 + speck(x, y, 5, 4)))),
        ("PPANEL", solid(64, 128, panel)),
        ("PRIVET", solid(64, 16, rivets)),
        ("PHAZARD", solid(64, 16, |x, y| if (x + y) / 8 % 2 == 0 { ink(YELLOW, 11) } else { ink(GREY, 2) })),
        ("PLIGHT", solid(16, 64, |x, y| ink(SAND, 15 - (x as i32 - 8).abs() - speck(x, y / 4, 6, 2)))),
        ("PSCREEN", solid(48, 32, screen)),
        ("PCRATE", solid(64, 64, crate_face)),
        ("PFRAME", solid(32, 72, |x, y| ink(STEEL, 5 + (x % 16) as i32 / 3 - 4 * i32::from(y % 24 == 0)))),
        ("PSTEP", solid(64, 16, |x, y| ink(STONE, if y < 3 { 12 } else { 7 } - speck(x, y, 7, 3)))),
        (
            "PMOSS",
            Image::draw(64, 96, |x, y| {
                let cover = cloud(x, y, 8) + speck(x, y, 9, 5) - y as i32 / 8;
                (cover > 5).then(|| ink(GREEN, 2 + cover / 3))
            }),
        ),
        (
            "PGRATE",
            Image::draw(64, 48, |x, y| {
                let bar = x % 16 < 3 || y % 24 < 3;
                bar.then(|| ink(STEEL, 10 - 2 * (x % 16).min(y % 24) as i32))
            }),
        ),
        // Taller than a byte can say: a tall patch.
        (
            "PSPIRE",
            solid(16, 320, |x, y| {
                ink(SAND, 11 - (x as i32 - 6).abs() - speck(x, y, 10, 2) - 3 * i32::from(y % 64 < 2))
            }),
        ),
    ]
}

fn panel(x: usize, y: usize) -> u8 {
    let seam = x.is_multiple_of(32) || y.is_multiple_of(64);
    let edge = x % 32 == 1 || y % 64 == 1;
    ink(STEEL, 6 - 3 * i32::from(seam) + 3 * i32::from(edge) + cloud(x, y, 11) / 7)
}

fn rivets(x: usize, y: usize) -> u8 {
    let (dx, dy) = ((x % 16) as i32 - 8, y as i32 - 8);
    let rivet = if dx * dx + dy * dy < 10 { 4 - dx - dy } else { 0 };
    ink(STEEL, 5 + rivet / 2 - 2 * i32::from(y == 15 || y == 0))
}

fn screen(x: usize, y: usize) -> u8 {
    if x < 3 || y < 3 || x > 44 || y > 28 {
        return ink(GREY, 3);
    }
    let trace = 16 + (cloud(x, 8, 12) - 7);
    if (y as i32 - trace).abs() < 2 {
        ink(LIME, 14)
    } else {
        ink(TEAL, 2 + i32::from(x.is_multiple_of(8) || y.is_multiple_of(8)))
    }
}

fn crate_face(x: usize, y: usize) -> u8 {
    let border = x < 6 || y < 6 || x > 57 || y > 57;
    let brace = x.abs_diff(y) < 5;
    ink(AMBER, 4 + 3 * i32::from(border || brace) - speck(x / 2, y / 8, 13, 3))
}

/// The wall textures.
pub(super) fn textures() -> Vec<TextureData> {
    let texture = |name: &str, width, height, patches: &[(&str, i16, i16)]| TextureData {
        name: lump_name(name),
        width,
        height,
        patches: patches.iter().map(|&(patch, x, y)| (lump_name(patch), x, y)).collect(),
    };
    vec![
        texture("BRICKS", 64, 128, &[("PBRICK", 0, 0), ("PSTEP", 0, 112)]),
        texture("MOSSY", 64, 128, &[("PBRICK", 0, 0), ("PMOSS", 0, 0)]),
        texture("ASHLAR", 64, 128, &[("PASHLAR", 0, 0)]),
        texture("LITWALL", 64, 128, &[("PASHLAR", 0, 0), ("PLIGHT", 24, 16), ("PRIVET", 0, 112)]),
        texture("ROCK", 128, 128, &[("PROCK", 0, 0), ("PROCK", 64, 0), ("PMOSS", 32, 40)]),
        texture("PANELS", 64, 128, &[("PPANEL", 0, 0), ("PRIVET", 0, 0), ("PRIVET", 0, 112)]),
        texture("HAZARD", 64, 128, &[("PPANEL", 0, 0), ("PHAZARD", 0, 0), ("PHAZARD", 0, 112)]),
        texture(
            "CONSOLE",
            128,
            128,
            &[
                ("PPANEL", 0, 0),
                ("PPANEL", 64, 0),
                ("PSCREEN", 8, 32),
                ("PSCREEN", 72, 32),
                ("PLIGHT", 56, 40),
                ("PRIVET", 0, 0),
                ("PRIVET", 64, 0),
                ("PHAZARD", -8, 112),
                ("PHAZARD", 56, 112),
                ("PHAZARD", 120, 112),
            ],
        ),
        texture("CRATES", 64, 128, &[("PCRATE", 0, 0), ("PCRATE", 0, 64)]),
        texture("FRAME", 64, 72, &[("PFRAME", 0, 0), ("PFRAME", 32, 0)]),
        texture("STEP", 64, 16, &[("PSTEP", 0, 0)]),
        texture("GRATE", 64, 48, &[("PGRATE", 0, 0)]),
        texture(
            "SPIRE",
            64,
            320,
            &[("PSPIRE", 0, 0), ("PSPIRE", 16, 0), ("PSPIRE", 32, 0), ("PSPIRE", 48, 0)],
        ),
    ]
}

fn lump_name(text: &str) -> LumpName {
    let Some(name) = LumpName::new(text.as_bytes()) else { panic!("{text} is too long for a name") };
    name
}

/// Names and pixels of the flats.
pub(super) fn flats() -> Vec<(&'static str, [u8; 4096])> {
    let flat = |pixel: fn(usize, usize) -> u8| std::array::from_fn(|i| pixel(i % 64, i / 64));
    vec![
        ("TILES", flat(|x, y| ink(STONE, 7 + 2 * i32::from((x / 32 + y / 32) % 2 == 0) - joint(x, y, 32)))),
        ("PLANKS", flat(|x, y| ink(CLAY, 5 - 3 * i32::from(x % 16 == 0) + cloud(x / 4, y, 14) / 5))),
        ("GRAVEL", flat(|x, y| ink(EARTH, 4 + cloud(x, y, 15) / 3 + speck(x, y, 16, 4)))),
        ("SLUDGE", flat(|x, y| ink(LIME, 2 + cloud(x, y, 17) / 2 + 4 * i32::from(speck(x, y, 18, 90) == 0)))),
        ("PLATES", flat(|x, y| ink(STEEL, 5 - joint(x, y, 64) + cloud(x, y, 19) / 8))),
        (
            "BEAMS",
            flat(|x, y| ink(EARTH, if y % 32 < 8 { 9 - (y % 8) as i32 } else { 2 } + speck(x, y, 20, 2))),
        ),
        (
            "LAMPS",
            flat(|x, y| {
                let from_middle = (x as i32 - 32).abs().max((y as i32 - 32).abs());
                if from_middle < 14 { ink(SAND, 15) } else { ink(STEEL, 6 - from_middle / 8) }
            }),
        ),
        ("HATCH", flat(|x, y| ink(STEEL, if (x + y) % 8 < 2 || (x + 64 - y) % 8 < 2 { 8 } else { 4 }))),
        (
            "SKY",
            flat(
                |x, y| {
                    if speck(x, y, 22, 60) == 0 { ink(GREY, 15) } else { ink(BLUE, 1 + cloud(x, y, 21) / 6) }
                },
            ),
        ),
    ]
}

fn joint(x: usize, y: usize, every: usize) -> i32 {
    4 * i32::from(x.is_multiple_of(every) || y.is_multiple_of(every))
}

/// An ellipse that is part of a sprite: its middle, its half axes, its ramp.
struct Blob(i32, i32, i32, i32, u8);

/// A sprite made of ellipses, lit from the upper left; later ones cover earlier ones.
fn figure(width: usize, height: usize, blobs: &[Blob]) -> Image {
    let pixel = |x: usize, y: usize| {
        let hit = |&Blob(middle_x, middle_y, across, up, ramp): &Blob| {
            let (dx, dy) = ((x as i32 - middle_x) * 64 / across, (y as i32 - middle_y) * 64 / up);
            let distance = dx * dx + dy * dy;
            (distance <= 4096).then(|| ink(ramp, 12 - distance / 700 - (dx + dy) / 24 - speck(x, y, 23, 2)))
        };
        blobs.iter().rev().find_map(hit)
    };
    Image::draw(width, height, pixel).standing()
}

/// A soldier in these colours.
fn soldier(body: u8, head: u8) -> Image {
    figure(
        36,
        56,
        &[
            Blob(12, 44, 5, 12, EARTH),
            Blob(23, 44, 5, 12, EARTH),
            Blob(18, 26, 10, 14, body),
            Blob(7, 24, 4, 10, body),
            Blob(29, 24, 4, 10, body),
            Blob(18, 8, 7, 8, head),
            Blob(18, 30, 14, 2, GREY),
        ],
    )
}

/// Names and pictures of the sprites. Each has one picture for all directions.
pub(super) fn sprites() -> Vec<(&'static str, Image)> {
    let beast = |body| {
        figure(
            52,
            48,
            &[
                Blob(14, 38, 6, 10, body),
                Blob(38, 38, 6, 10, body),
                Blob(26, 24, 22, 18, body),
                Blob(26, 14, 12, 11, body),
                Blob(26, 19, 8, 3, GREY),
                Blob(21, 9, 2, 2, YELLOW),
                Blob(31, 9, 2, 2, YELLOW),
            ],
        )
    };
    let floating = |body, size: i32| {
        let side = 2 * size as usize + 4;
        let middle = size + 2;
        figure(
            side,
            side,
            &[
                Blob(middle, middle, size, size, body),
                Blob(middle, middle - size / 4, size / 3, size / 3, GREY),
                Blob(middle, middle - size / 4, size / 6 + 1, size / 6 + 1, GREEN),
                Blob(middle, middle + size / 2, size / 2, size / 6 + 1, RED),
            ],
        )
    };
    let package = |ramp, mark| {
        figure(24, 18, &[Blob(12, 10, 12, 8, ramp), Blob(12, 9, 2, 5, mark), Blob(12, 9, 5, 2, mark)])
    };
    vec![
        ("PLAYA0", soldier(GREEN, SAND)),
        ("POSSA0", soldier(CLAY, PINK)),
        ("SPOSA0", soldier(STEEL, PINK)),
        ("TROOA0", soldier(EARTH, RED)),
        ("SARGA0", beast(PINK)),
        ("BOS2A0", beast(SAND)),
        ("SKULA0", floating(AMBER, 14)),
        ("HEADA0", floating(RED, 28)),
        ("BAR1A0", figure(24, 32, &[Blob(12, 16, 11, 16, STEEL), Blob(12, 4, 10, 3, LIME)])),
        ("MEDIA0", package(GREY, RED)),
        ("STIMA0", package(SAND, BLUE)),
        ("CLIPA0", package(STEEL, AMBER)),
        ("SHELA0", package(RED, YELLOW)),
        ("SHOTA0", figure(56, 12, &[Blob(28, 5, 27, 3, STEEL), Blob(12, 7, 11, 4, CLAY)])),
        ("ARM1A0", figure(32, 20, &[Blob(16, 10, 15, 9, GREEN), Blob(16, 8, 5, 5, VIOLET)])),
        ("COLUA0", figure(20, 48, &[Blob(10, 30, 4, 18, STEEL), Blob(10, 10, 9, 10, YELLOW)])),
    ]
}
