//! What the numbers of things mean, as every editor of DOOM maps lists them.

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThingKind {
    /// Where a player starts, 1 to 4.
    PlayerStart(u8),
    /// Where players start when they fight each other.
    DeathmatchStart,
    /// Where a teleporter leads to.
    TeleportExit,
    /// Something that fights.
    Monster(Monster),
    /// A weapon to pick up.
    Weapon(Figure),
    /// Ammunition to pick up.
    Ammo(Figure),
    /// Anything else to pick up: health, armour, a key, a power.
    Item(Figure),
    /// Something that only stands or hangs there.
    Decoration(Figure),
    /// A number that the game does not know.
    Unknown,
}

/// What one kind of monster is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monster {
    /// What it is called.
    pub name: &'static str,
    /// Hit points.
    pub health: u16,
    /// How fast it walks, in map units per second.
    pub speed: u16,
    /// What it looks like and the room it takes.
    pub figure: Figure,
}

/// What a thing looks like and the room it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The first four letters of its sprites' names.
    pub sprite: [u8; 4],
    /// Half its width, in map units.
    pub radius: u16,
    /// Whether it stands in the way.
    pub solid: bool,
}

impl ThingKind {
    /// What this number means. Constant time.
    pub fn of(number: u16) -> Self {
        match number {
            1..=4 => Self::PlayerStart(number as u8),
            11 => Self::DeathmatchStart,
            14 => Self::TeleportExit,
            _ => monster(number)
                .map(Self::Monster)
                .or_else(|| pickup(number))
                .unwrap_or_else(|| decoration(number)),
        }
    }

    /// What it looks like and the room it takes; `None` for places and for unknown numbers.
    pub fn figure(&self) -> Option<Figure> {
        match *self {
            Self::Monster(monster) => Some(monster.figure),
            Self::Weapon(figure) | Self::Ammo(figure) | Self::Item(figure) | Self::Decoration(figure) => {
                Some(figure)
            }
            _ => None,
        }
    }
}

/// Walking speed is the step of a monster in map units times the 35 ticks of a second over the ticks a step takes.
fn monster(number: u16) -> Option<Monster> {
    let (name, sprite, health, step, ticks, radius) = match number {
        3004 => ("zombieman", b"POSS", 20, 8, 4, 20),
        9 => ("shotgun guy", b"SPOS", 30, 8, 3, 20),
        65 => ("heavy weapon dude", b"CPOS", 70, 8, 3, 20),
        84 => ("SS trooper", b"SSWV", 50, 8, 3, 20),
        3001 => ("imp", b"TROO", 60, 8, 3, 20),
        3002 => ("demon", b"SARG", 150, 10, 2, 30),
        58 => ("spectre", b"SARG", 150, 10, 2, 30),
        3006 => ("lost soul", b"SKUL", 100, 8, 6, 16),
        3005 => ("cacodemon", b"HEAD", 400, 8, 3, 31),
        69 => ("hell knight", b"BOS2", 500, 8, 3, 24),
        3003 => ("baron of hell", b"BOSS", 1000, 8, 3, 24),
        67 => ("mancubus", b"FATT", 600, 8, 4, 48),
        68 => ("arachnotron", b"BSPI", 500, 12, 3, 64),
        66 => ("revenant", b"SKEL", 300, 10, 2, 20),
        64 => ("arch-vile", b"VILE", 700, 15, 2, 20),
        71 => ("pain elemental", b"PAIN", 400, 8, 3, 31),
        7 => ("spider mastermind", b"SPID", 3000, 12, 3, 128),
        16 => ("cyberdemon", b"CYBR", 4000, 16, 3, 40),
        72 => ("commander Keen", b"KEEN", 100, 0, 1, 16),
        88 => ("boss brain", b"BBRN", 250, 0, 1, 16),
        _ => return None,
    };
    let speed = step * 35 / ticks;
    Some(Monster { name, health, speed, figure: Figure { sprite: *sprite, radius, solid: true } })
}

fn pickup(number: u16) -> Option<ThingKind> {
    type Make = fn(Figure) -> ThingKind;
    let (make, sprite): (Make, &[u8; 4]) = match number {
        2001 => (ThingKind::Weapon, b"SHOT"),
        82 => (ThingKind::Weapon, b"SGN2"),
        2002 => (ThingKind::Weapon, b"MGUN"),
        2003 => (ThingKind::Weapon, b"LAUN"),
        2004 => (ThingKind::Weapon, b"PLAS"),
        2005 => (ThingKind::Weapon, b"CSAW"),
        2006 => (ThingKind::Weapon, b"BFUG"),
        2007 => (ThingKind::Ammo, b"CLIP"),
        2008 => (ThingKind::Ammo, b"SHEL"),
        2010 => (ThingKind::Ammo, b"ROCK"),
        2046 => (ThingKind::Ammo, b"BROK"),
        2047 => (ThingKind::Ammo, b"CELL"),
        2048 => (ThingKind::Ammo, b"AMMO"),
        2049 => (ThingKind::Ammo, b"SBOX"),
        17 => (ThingKind::Ammo, b"CELP"),
        8 => (ThingKind::Ammo, b"BPAK"),
        2011 => (ThingKind::Item, b"STIM"),
        2012 => (ThingKind::Item, b"MEDI"),
        2013 => (ThingKind::Item, b"SOUL"),
        2014 => (ThingKind::Item, b"BON1"),
        2015 => (ThingKind::Item, b"BON2"),
        2018 => (ThingKind::Item, b"ARM1"),
        2019 => (ThingKind::Item, b"ARM2"),
        2022 => (ThingKind::Item, b"PINV"),
        2023 => (ThingKind::Item, b"PSTR"),
        2024 => (ThingKind::Item, b"PINS"),
        2025 => (ThingKind::Item, b"SUIT"),
        2026 => (ThingKind::Item, b"PMAP"),
        2045 => (ThingKind::Item, b"PVIS"),
        83 => (ThingKind::Item, b"MEGA"),
        5 => (ThingKind::Item, b"BKEY"),
        6 => (ThingKind::Item, b"YKEY"),
        13 => (ThingKind::Item, b"RKEY"),
        38 => (ThingKind::Item, b"RSKU"),
        39 => (ThingKind::Item, b"YSKU"),
        40 => (ThingKind::Item, b"BSKU"),
        _ => return None,
    };
    Some(make(Figure { sprite: *sprite, radius: 20, solid: false }))
}

fn decoration(number: u16) -> ThingKind {
    let (sprite, radius, solid): (&[u8; 4], u16, bool) = match number {
        2035 => (b"BAR1", 10, true),
        70 => (b"FCAN", 10, true),
        2028 => (b"COLU", 16, true),
        30 => (b"COL1", 16, true),
        31 => (b"COL2", 16, true),
        32 => (b"COL3", 16, true),
        33 => (b"COL4", 16, true),
        36 => (b"COL5", 16, true),
        37 => (b"COL6", 16, true),
        48 => (b"ELEC", 16, true),
        35 => (b"CBRA", 16, true),
        34 => (b"CAND", 20, false),
        44 => (b"TBLU", 16, true),
        45 => (b"TGRN", 16, true),
        46 => (b"TRED", 16, true),
        55 => (b"SMBT", 16, true),
        56 => (b"SMGT", 16, true),
        57 => (b"SMRT", 16, true),
        85 => (b"TLMP", 16, true),
        86 => (b"TLP2", 16, true),
        43 => (b"TRE1", 16, true),
        54 => (b"TRE2", 32, true),
        47 => (b"SMIT", 16, true),
        41 => (b"CEYE", 16, true),
        42 => (b"FSKU", 16, true),
        25 => (b"POL1", 16, true),
        26 => (b"POL6", 16, true),
        27 => (b"POL4", 16, true),
        28 => (b"POL2", 16, true),
        29 => (b"POL3", 16, true),
        24 => (b"POL5", 20, false),
        10 | 12 => (b"PLAY", 20, false),
        15 => (b"PLAY", 20, false),
        18 => (b"POSS", 20, false),
        19 => (b"SPOS", 20, false),
        20 => (b"TROO", 20, false),
        21 => (b"SARG", 30, false),
        22 => (b"HEAD", 31, false),
        23 => (b"SKUL", 16, false),
        49 => (b"GOR1", 16, true),
        50 => (b"GOR2", 16, true),
        51 => (b"GOR3", 16, true),
        52 => (b"GOR4", 16, true),
        53 => (b"GOR5", 16, true),
        59 => (b"GOR2", 20, false),
        60 => (b"GOR4", 20, false),
        61 => (b"GOR3", 20, false),
        62 => (b"GOR5", 20, false),
        63 => (b"GOR1", 20, false),
        73 => (b"HDB1", 16, true),
        74 => (b"HDB2", 16, true),
        75 => (b"HDB3", 16, true),
        76 => (b"HDB4", 16, true),
        77 => (b"HDB5", 16, true),
        78 => (b"HDB6", 16, true),
        79 => (b"POB1", 20, false),
        80 => (b"POB2", 20, false),
        81 => (b"BRS1", 20, false),
        _ => return ThingKind::Unknown,
    };
    ThingKind::Decoration(Figure { sprite: *sprite, radius, solid })
}

#[cfg(test)]
mod tests {
    use super::ThingKind;

    #[test]
    fn known_numbers() {
        assert_eq!(ThingKind::of(1), ThingKind::PlayerStart(1));
        let ThingKind::Monster(imp) = ThingKind::of(3001) else { panic!("3001 is the imp") };
        assert_eq!((imp.name, imp.health, imp.speed, imp.figure.radius), ("imp", 60, 93, 20));
        assert!(matches!(ThingKind::of(2035), ThingKind::Decoration(barrel) if barrel.solid));
        assert!(matches!(ThingKind::of(2007), ThingKind::Ammo(_)));
        assert!(matches!(ThingKind::of(13), ThingKind::Item(_)));
        assert_eq!(ThingKind::of(0), ThingKind::Unknown);
    }

    #[test]
    fn whoever_moves_is_alive() {
        for number in 0..=u16::MAX {
            if let ThingKind::Monster(monster) = ThingKind::of(number) {
                assert!(monster.health > 0 && monster.speed < 400 && monster.figure.radius > 0);
            }
        }
    }
}
