//! The embedded WAD is what the program in `examples/` makes, and it is worth playing.

#[path = "../examples/first_light/mod.rs"]
mod first_light;

use std::collections::{BTreeSet, HashSet};

use arenite_demo::wad::{EMBEDDED, Line, Map, Survey, ThingKind, Vertex, Wad};

#[test]
fn the_committed_file_is_what_the_generator_makes() {
    let made = first_light::build();
    assert!(made == EMBEDDED, "run `cargo run -p arenite-demo --example make_wad` and commit the file");
    assert!(made.len() <= 300 << 10, "{} bytes are more than a repository should carry", made.len());
}

#[test]
fn all_of_it_can_be_used() {
    let wad = Wad::parse(EMBEDDED).expect("our own WAD is sound");
    let survey = Survey::take(&wad, &mut vec![0; 1 << 17], &mut vec![0; 1 << 14]);
    assert_eq!(survey.first_error, None);
    assert_eq!(survey.missing_patches, 0);
    let found = [survey.maps, survey.textures, survey.flats, survey.sprites, survey.sounds];
    assert!(found.iter().all(|tally| tally.broken == 0 && tally.skipped == 0), "{survey:?}");
    assert_eq!(found.map(|tally| tally.found), [3, 13, 9, 16, 6]);
    assert!(wad.palette().expect("a sound palette").is_some());
}

#[test]
fn every_picture_that_a_map_names_is_there() {
    let wad = Wad::parse(EMBEDDED).expect("our own WAD is sound");
    let textures = wad.textures().expect("sound textures");
    let sprites: BTreeSet<_> = wad.sprites().map(|lump| lump.name).collect();
    for name in wad.maps() {
        let map = wad.map(name).expect("a sound map");
        for texture in map.texture_names() {
            assert!(textures.find(texture).is_some(), "{name}: no texture {texture}");
        }
        for flat in map.flat_names() {
            assert!(wad.flat(flat).is_some(), "{name}: no flat {flat}");
        }
        for figure in map.things().iter().filter_map(|thing| thing.class().figure()) {
            assert!(sprites.iter().any(|sprite| sprite.starts_with(&figure.sprite)), "{name}: {figure:?}");
        }
    }
}

#[test]
fn maps_are_levels() {
    let wad = Wad::parse(EMBEDDED).expect("our own WAD is sound");
    for name in wad.maps() {
        let map = wad.map(name).expect("a sound map");
        let bounds = map.bounds();
        for side in [bounds.width(), bounds.height()] {
            assert!((1800..=4000).contains(&side), "{name}: {bounds:?}");
        }
        let starts = map.things().iter().filter(|thing| thing.class() == ThingKind::PlayerStart(1));
        assert_eq!(starts.count(), 1, "{name}");
        let monsters =
            map.things().iter().filter(|thing| matches!(thing.class(), ThingKind::Monster(_))).count();
        assert!((20..=60).contains(&monsters), "{name}: {monsters} monsters");
        assert!(map.sectors().len() >= 20, "{name}: {} sectors", map.sectors().len());
        assert!(map.lines().iter().any(|line| line.back.is_some() && !line.is_solid()), "{name}: no border");
        assert!(map.lines().iter().any(|line| line.back.is_some() && line.is_solid()), "{name}: no window");
    }
}

#[test]
fn everybody_can_be_reached_on_foot() {
    let wad = Wad::parse(EMBEDDED).expect("our own WAD is sound");
    for name in wad.maps() {
        let map = wad.map(name).expect("a sound map");
        let reached = walk(&map);
        for thing in map.things() {
            let square = (i32::from(thing.x) / 64, i32::from(thing.y) / 64);
            assert!(reached.contains(&square), "{name}: nobody gets to {thing:?}");
        }
    }
}

/// Squares of 64 map units that one can get to from the player's start without crossing a solid line or climbing more
/// than 24 units.
fn walk(map: &Map<'_>) -> HashSet<(i32, i32)> {
    let start =
        map.things().iter().find(|thing| thing.class() == ThingKind::PlayerStart(1)).expect("a start");
    let mut open = vec![(i32::from(start.x) / 64, i32::from(start.y) / 64)];
    let mut reached = HashSet::new();
    while let Some((x, y)) = open.pop() {
        if !reached.insert((x, y)) {
            continue;
        }
        for next in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)] {
            let crossed = |line: &Line| crosses(map.ends(line), (x, y), next);
            if !map.lines().iter().any(|line| (line.is_solid() || is_too_high(map, &line)) && crossed(&line))
            {
                open.push(next);
            }
        }
    }
    reached
}

fn is_too_high(map: &Map<'_>, line: &Line) -> bool {
    let sector = |side: u16| map.sectors().at(map.sides().at(side).sector);
    line.back.is_some_and(|back| sector(line.front).floor.abs_diff(sector(back).floor) > 24)
}

/// Whether the way between the middles of two squares crosses a line.
fn crosses([from, to]: [Vertex; 2], here: (i32, i32), there: (i32, i32)) -> bool {
    let middle = |(x, y): (i32, i32)| (x * 64 + 32, y * 64 + 32);
    let point = |vertex: Vertex| (i32::from(vertex.x), i32::from(vertex.y));
    let side = |a: (i32, i32), b: (i32, i32), p: (i32, i32)| {
        ((b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0)).signum()
    };
    let (a, b, c, d) = (middle(here), middle(there), point(from), point(to));
    side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) < 0
}
