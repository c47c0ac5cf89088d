//! Turns a plan into a map: squares become sectors, their borders lines, characters things.

use std::collections::HashMap;

use arenite_demo::wad::{Line, LumpName, MapData, Sector, Side, Thing, Vertex};

/// Map units along the side of a square.
const SQUARE: i16 = 64;

/// What the ground of a square is like.
struct Ground {
    floor: i16,
    ceiling: i16,
    light: i16,
    /// Flats of floor and ceiling.
    flats: [&'static str; 2],
    /// The texture of walls and steps that one sees from here.
    wall: &'static str,
}

fn ground(character: char) -> Option<Ground> {
    let (floor, ceiling, light, flats, wall) = match character {
        '.' => (0, 128, 176, ["TILES", "PLATES"], "BRICKS"),
        ',' => (0, 96, 136, ["PLANKS", "BEAMS"], "PANELS"),
        ':' => (16, 160, 192, ["TILES", "LAMPS"], "CONSOLE"),
        '^' => (24, 192, 208, ["GRAVEL", "SKY"], "ASHLAR"),
        '*' => (0, 256, 224, ["GRAVEL", "SKY"], "ROCK"),
        '~' => (-8, 160, 200, ["SLUDGE", "PLATES"], "MOSSY"),
        '=' => (0, 72, 160, ["HATCH", "LAMPS"], "FRAME"),
        '|' => (40, 88, 160, ["HATCH", "BEAMS"], "HAZARD"),
        _ => return None,
    };
    Some(Ground { floor, ceiling, light, flats, wall })
}

/// The number of the thing that a character stands for, as DOOM maps number them.
fn thing(character: char) -> Option<u16> {
    Some(match character {
        '1' => 1,
        'z' => 3004,
        's' => 9,
        'i' => 3001,
        'd' => 3002,
        'l' => 3006,
        'c' => 3005,
        'k' => 69,
        'b' => 2035,
        'm' => 2012,
        't' => 2011,
        'a' => 2007,
        'h' => 2008,
        'g' => 2001,
        'K' => 2018,
        'L' => 2028,
        'D' => 11,
        _ => return None,
    })
}

/// What lies on one side of a border: the character of the ground and the number of the sector.
type Place = Option<(char, u16)>;

struct Level {
    map: MapData,
    corners: HashMap<(i16, i16), u16>,
}

/// The map that a plan describes. Panics when the plan is broken.
pub(super) fn build(plan: &str) -> MapData {
    let rows: Vec<Vec<char>> = plan.trim().lines().map(|row| row.chars().collect()).collect();
    let (width, height) = (rows[0].len(), rows.len());
    let mut level = Level { map: MapData::default(), corners: HashMap::new() };
    let grounds = level.stand_things(&rows);
    let places = level.fill_sectors(&grounds);
    let place = |x: usize, y: usize| places[y][x];
    for y in 1..height {
        level.borders((1..width).map(|x| (place(x, y - 1), place(x, y))), |x| corner(x + 1, y, height), true);
    }
    for x in 1..width {
        level.borders(
            (1..height).map(|y| (place(x - 1, y), place(x, y))),
            |y| corner(x, y + 1, height),
            false,
        );
    }
    for (y, row) in rows.iter().enumerate() {
        for (x, _) in row.iter().enumerate().filter(|&(_, &character)| character == 'O') {
            level.pillar(middle(x, y, height), places[y][x]);
        }
    }
    level.map
}

/// The upper left corner of a square.
fn corner(x: usize, y: usize, height: usize) -> (i16, i16) {
    (x as i16 * SQUARE, (height - y) as i16 * SQUARE)
}

fn middle(x: usize, y: usize, height: usize) -> (i16, i16) {
    let (left, top) = corner(x, y, height);
    (left + SQUARE / 2, top - SQUARE / 2)
}

impl Level {
    /// Places the things of a plan; returns the plan with nothing but grounds in it.
    fn stand_things(&mut self, rows: &[Vec<char>]) -> Vec<Vec<char>> {
        let mut grounds = rows.to_vec();
        for (y, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), rows[0].len(), "row {y} of a plan is longer or shorter than the first");
            for (x, &character) in row.iter().enumerate() {
                if character == '#' || ground(character).is_some() {
                    continue;
                }
                grounds[y][x] = grounds[y][x - 1];
                assert!(ground(grounds[y][x]).is_some(), "{character} at {x}, {y} stands in rock");
                if character != 'O' {
                    let Some(kind) = thing(character) else {
                        panic!("{character} at {x}, {y} means nothing")
                    };
                    let (east, north) = middle(x, y, rows.len());
                    // Looks to one of eight directions; which one follows from the place.
                    let angle = ((x * 5 + y * 3) % 8 * 45) as i16;
                    let flags = Thing::EASY | Thing::MEDIUM | Thing::HARD;
                    self.map.things.push(Thing { x: east, y: north, angle, kind, flags });
                }
            }
        }
        grounds
    }

    /// Gives every connected area of one ground a sector of its own.
    fn fill_sectors(&mut self, grounds: &[Vec<char>]) -> Vec<Vec<Place>> {
        let mut places: Vec<Vec<Place>> = grounds.iter().map(|row| vec![None; row.len()]).collect();
        for y in 0..grounds.len() {
            for x in 0..grounds[y].len() {
                let character = grounds[y][x];
                let Some(ground) = ground(character).filter(|_| places[y][x].is_none()) else { continue };
                let place = Some((character, self.map.sectors.len() as u16));
                let [floor_flat, ceiling_flat] = ground.flats.map(name);
                let Ground { floor, ceiling, light, .. } = ground;
                self.map.sectors.push(Sector {
                    floor,
                    ceiling,
                    floor_flat,
                    ceiling_flat,
                    light,
                    special: 0,
                    tag: 0,
                });
                // The edge of every plan is rock, so that a neighbour never lies outside.
                let mut open = vec![(x, y)];
                while let Some((x, y)) = open.pop() {
                    if grounds[y][x] == character && places[y][x].is_none() {
                        places[y][x] = place;
                        open.extend([(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]);
                    }
                }
            }
        }
        places
    }

    /// Draws lines along one row or column of borders, as long as what lies on both sides stays the same. `first` lies
    /// north or west of the border, `second` south or east.
    fn borders(
        &mut self,
        borders: impl Iterator<Item = (Place, Place)>,
        at: impl Fn(usize) -> (i16, i16),
        eastwards: bool,
    ) {
        let mut run: Option<(usize, (Place, Place))> = None;
        for (i, border) in borders.chain([(None, None)]).enumerate() {
            if let Some((start, sides)) = run.filter(|&(_, sides)| sides != border) {
                // A line has its front on the right: to the south when it runs east, to the west when it runs south.
                let (right, left) = if eastwards { (sides.1, sides.0) } else { (sides.0, sides.1) };
                match (right, left) {
                    (Some(front), back) => self.line(at(start), at(i), front, back),
                    (None, Some(front)) => self.line(at(i), at(start), front, None),
                    (None, None) => {}
                }
                run = None;
            }
            if run.is_none() && border.0 != border.1 {
                run = Some((i, border));
            }
        }
    }

    fn pillar(&mut self, (x, y): (i16, i16), place: Place) {
        let Some(place) = place else { panic!("a pillar stands in rock") };
        // Against the clock, so that the front of every line looks outwards.
        let ring = [(24, -10), (24, 10), (10, 24), (-10, 24), (-24, 10), (-24, -10), (-10, -24), (10, -24)];
        for (i, (dx, dy)) in ring.into_iter().enumerate() {
            let (next_x, next_y) = ring[(i + 1) % ring.len()];
            self.line((x + dx, y + dy), (x + next_x, y + next_y), place, None);
            let side = self.map.lines[self.map.lines.len() - 1].front;
            self.map.sides[usize::from(side)].middle = name("SPIRE");
        }
    }

    fn line(&mut self, from: (i16, i16), to: (i16, i16), front: (char, u16), back: Place) {
        let window = front.0 == '|' || back.is_some_and(|(character, _)| character == '|');
        let flags = match back {
            None => Line::BLOCKING,
            Some(_) if window => Line::TWO_SIDED | Line::BLOCKING,
            Some(_) => Line::TWO_SIDED,
        };
        let [from, to] = [from, to].map(|at| self.corner(at));
        let front_side = self.side(front, back, window);
        let back_side = back.map(|back| self.side(back, Some(front), window));
        self.map.lines.push(Line { from, to, flags, special: 0, tag: 0, front: front_side, back: back_side });
    }

    /// One side of a line, seen from `here`; `there` is what lies behind it.
    fn side(&mut self, here: (char, u16), there: Place, window: bool) -> u16 {
        let number = self.map.sides.len() as u16;
        let mut side = Side {
            x_offset: 0,
            y_offset: 0,
            upper: name("-"),
            lower: name("-"),
            middle: name("-"),
            sector: here.1,
        };
        let Some(near) = ground(here.0) else { panic!("a side faces rock") };
        match there.and_then(|(character, _)| ground(character)) {
            None => side.middle = name(near.wall),
            Some(far) => {
                if far.ceiling < near.ceiling {
                    side.upper = name(near.wall);
                }
                if far.floor > near.floor {
                    side.lower = name(if far.floor - near.floor > 24 { near.wall } else { "STEP" });
                }
                if window {
                    side.middle = name("GRATE");
                }
            }
        }
        self.map.sides.push(side);
        number
    }

    fn corner(&mut self, at: (i16, i16)) -> u16 {
        let vertices = &mut self.map.vertices;
        *self.corners.entry(at).or_insert_with(|| {
            vertices.push(Vertex { x: at.0, y: at.1 });
            (vertices.len() - 1) as u16
        })
    }
}

fn name(text: &str) -> LumpName {
    let Some(name) = LumpName::new(text.as_bytes()) else { panic!("{text} is too long for a name") };
    name
}
