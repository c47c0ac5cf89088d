//! Levels made of maps: where the game starts, and maps in which it can not.

use crate::plain::Slots;
use crate::rules::agent;
use crate::rules::assets::{Look, Sheet};
use crate::rules::crew::Crew;
use crate::rules::grid::{Grid, Shape};
use crate::rules::level::{self, Level, NoStart};
use crate::rules::math::Point;
use crate::rules::rng::Rng;
use crate::wad::{
    EMBEDDED, Line, LumpName, Map, MapData, Sector, Side, Thing, Vertex, Wad, WadBuilder, WadKind,
};

/// A map of square rooms, each given by its lower left corner and its side, in which these things stand.
fn rooms(rooms: &[(i16, i16, i16)], things: &[(u16, i16, i16)]) -> Vec<u8> {
    let name = |text: &str| LumpName::new(text.as_bytes()).expect("short");
    let mut map = MapData {
        things: things.iter().map(|&(kind, x, y)| Thing { x, y, angle: 0, kind, flags: 7 }).collect(),
        lines: Vec::new(),
        sides: Vec::new(),
        vertices: Vec::new(),
        sectors: Vec::new(),
    };
    for (number, &(x, y, side)) in (0_u16..).zip(rooms) {
        let flat = name(&format!("FLAT{number}"));
        map.sectors.push(Sector {
            floor: 0,
            ceiling: 128,
            floor_flat: flat,
            ceiling_flat: flat,
            light: 160,
            special: 0,
            tag: 0,
        });
        let blank = LumpName::default();
        map.sides.push(Side {
            x_offset: 0,
            y_offset: 0,
            upper: blank,
            lower: blank,
            middle: name("WALL"),
            sector: number,
        });
        // Clockwise, so that the right sides of the lines face inwards.
        map.vertices.extend(
            [(x, y), (x, y + side), (x + side, y + side), (x + side, y)].map(|(x, y)| Vertex { x, y }),
        );
        for corner in 0..4 {
            let (from, to) = (number * 4 + corner, number * 4 + (corner + 1) % 4);
            map.lines.push(Line { from, to, flags: 0, special: 0, tag: 0, front: number, back: None });
        }
    }
    WadBuilder::new(WadKind::Pwad).map("MAP01", &map).finish()
}

struct Carved {
    shape: Shape,
    cells: Vec<u8>,
    open: Vec<u32>,
}

fn carve(map: &Map<'_>) -> Result<Carved, NoStart> {
    let shape = Shape::over(map.bounds());
    let (mut cells, mut open) = (vec![9; shape.cells()], vec![0; shape.cells()]);
    let count = level::carve(map, shape, &mut cells, &mut open)?;
    open.truncate(count);
    Ok(Carved { shape, cells, open })
}

/// Where the game starts in map units, and how many cells can be reached.
fn start(file: &[u8]) -> Result<([i32; 2], usize), NoStart> {
    let wad = Wad::parse(file).expect("sound");
    let carved = carve(&wad.map("MAP01").expect("sound"))?;
    Ok((carved.shape.center(carved.open[0]).to_map(), carved.open.len()))
}

const PLAYER: u16 = 1;
const IMP: u16 = 3001;
const TORCH: u16 = 44;

#[test]
fn the_player_starts_where_the_map_says() {
    let (at, count) = start(&rooms(&[(0, 0, 512)], &[(IMP, 400, 400), (PLAYER, 100, 200)])).expect("roomy");
    assert!((at[0] - 100).abs() <= 32 && (at[1] - 200).abs() <= 32, "{at:?}");
    assert_eq!(count, 15 * 15, "the inside of the room");
}

#[test]
fn a_start_outside_the_walls_is_second_choice() {
    let file = rooms(&[(0, 0, 512), (1024, 0, 512)], &[(PLAYER, 800, 300), (IMP, 1200, 200)]);
    let (at, count) = start(&file).expect("the imp's room");
    assert!(at[0] > 1024 && count == 15 * 15, "{at:?} {count}");
    let file = rooms(&[(0, 0, 512)], &[(PLAYER, -10, 300)]);
    assert!(start(&file).is_ok_and(|(at, _)| at[0] < 0), "better outside than nowhere");
}

#[test]
fn a_room_is_better_than_a_closet() {
    let file = rooms(&[(0, 0, 128), (512, 0, 512)], &[(PLAYER, 64, 64), (2, 700, 200)]);
    assert!(start(&file).is_ok_and(|(at, _)| at[0] > 512));
    let file = rooms(&[(0, 0, 128)], &[(PLAYER, 64, 64)]);
    assert_eq!(start(&file).map(|(_, count)| count), Ok(3 * 3), "but a closet will do");
}

#[test]
fn without_a_place_to_start_there_is_no_game() {
    assert_eq!(start(&rooms(&[(0, 0, 512)], &[(TORCH, 100, 100)])), Err(NoStart));
    // So far away that it lies in no cell at all.
    assert_eq!(start(&rooms(&[(0, 0, 512)], &[(PLAYER, 30_000, 100)])), Err(NoStart));
}

#[test]
fn floors_and_walls_look_like_their_room() {
    let file = rooms(&[(0, 0, 512), (1024, 0, 512)], &[(PLAYER, 100, 100)]);
    let wad = Wad::parse(&file).expect("sound");
    let map = wad.map("MAP01").expect("sound");
    let carved = carve(&map).expect("roomy");
    let flats = ["FLAT0", "FLAT1"].map(|text| LumpName::new(text.as_bytes()).expect("short"));
    let grid = Grid { shape: carved.shape, cells: &carved.cells };
    let (mut floors, mut queue) =
        (vec![Look::new(Sheet::Wall, 9); carved.cells.len()], vec![0; carved.cells.len()]);
    level::paint_floors(&map, &grid, &flats, &mut floors, &mut queue);
    for (cell, &look) in floors.iter().enumerate() {
        let expected = if grid.is_reached(cell as u32) { Look::new(Sheet::Flat, 0) } else { Look::NONE };
        assert_eq!(look, expected, "cell {cell}");
    }
    let textures = [LumpName::new(b"WALL").expect("short")];
    let walls: Vec<_> = level::walls(&map, &textures).collect();
    assert_eq!(walls.len(), 8);
    assert_eq!((walls[0].from, walls[0].to), (Point::of_map(0, 0), Point::of_map(0, 512)));
    assert!(walls.iter().all(|wall| wall.look == Look::new(Sheet::Wall, 0)));
}

#[test]
fn maps_are_filled_with_their_own_first() {
    let wad = Wad::parse(EMBEDDED).expect("sound");
    for name in wad.maps() {
        let map = wad.map(name).expect("sound");
        let carved = carve(&map).expect("playable");
        let grid = Grid { shape: carved.shape, cells: &carved.cells };
        let level = Level { grid, open: &carved.open, walls: &[], floors: &[] };
        let own = agent::count(&map, 0);
        assert!(own > 1, "{name} has monsters");
        assert_eq!(agent::count(&map, 300), 300);
        assert_eq!(agent::count(&map, u32::MAX), crate::rules::AGENTS as usize);
        let fill = |seed| {
            let mut crew = Slots::default();
            let Ok(player) = agent::populate(&map, &level, &[], &mut Rng::new(seed), 300, &mut crew);
            assert_eq!(
                (crew.len(), player, crew.at(0).map(|agent| agent.speed)),
                (300, crew.name(0), Some(2048))
            );
            crew.each().map(|(_, agent)| *agent).collect::<Vec<_>>()
        };
        let agents = fill(1);
        assert!(agents.iter().all(|agent| agent.lives() && grid.stands(agent.at)));
        assert!(agents.iter().all(|agent| agent.radius <= agent::WIDEST));
        assert_eq!(agents.iter().filter(|agent| agent.team == 0).count(), 150);
        assert!(agents == fill(1) && agents != fill(2));
    }
}
