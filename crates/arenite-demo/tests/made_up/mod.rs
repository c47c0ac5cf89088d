//! Records that no game was run for: every extreme that the page must bear, as a pure function of a number.

use arenite_demo::outcome::{
    CacheOutcome, DefragOutcome, Dot, FrameMs, FrameSample, HeapMap, HeapOutcome, HeapPiece, HeapSample,
    LeakOutcome, Line, Outcome, Picture, PieceKind, Record, SAMPLED_TAGS, SceneOutcome, Streamed, TagOutcome,
    TrendOutcome,
};

/// A small repeatable source of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

fn tag(name: &str, committed: u64, peak: u64, budget: Option<u64>) -> TagOutcome {
    TagOutcome {
        name: name.to_owned(),
        reserved: peak * 16,
        committed,
        live: committed / 4 * 3,
        peak,
        budget,
    }
}

/// A scene loads much before its first frame, and then a little now and then.
fn streamed(frame: u32, dice: &mut Dice) -> Streamed {
    match frame {
        0 => Streamed { loads: 40, evictions: 25, cuts: 0 },
        _ if frame.is_multiple_of(60) => Streamed {
            loads: 1 + dice.roll(6) as u32,
            evictions: dice.roll(5) as u32,
            cuts: u32::from(frame.is_multiple_of(240)),
        },
        _ => Streamed::default(),
    }
}

fn heap_tag(name: &str, allocs: u64) -> HeapOutcome {
    let live_blocks = allocs / 2;
    HeapOutcome {
        name: name.to_owned(),
        allocs,
        live_blocks,
        live_bytes: live_blocks * 48,
        committed: 65_536,
    }
}

fn trend((name, direction): (&str, &str)) -> TrendOutcome {
    TrendOutcome {
        name: name.to_owned(),
        direction: direction.to_owned(),
        confidence: 0.97,
        bytes_per_second: 61_440.0,
        bytes_per_frame: 1024.0,
        line: format!("{direction}, 60.0 KiB per second, confident"),
    }
}

fn leak() -> LeakOutcome {
    LeakOutcome {
        tag: "marks".to_owned(),
        blocks: 1800,
        bytes: 1800 << 10,
        what: "a mark on <a> wall".to_owned(),
        place: "src/marks.rs:41".to_owned(),
        age_frames: 1799,
    }
}

/// A run that looks like a real one: `scenes` scenes of `frames` frames with `lines` map lines each.
pub(crate) fn ordinary(scenes: u32, frames: u32, lines: u32) -> Record {
    let mut dice = Dice(7);
    let mut timeline = Vec::new();
    for scene in 0..scenes {
        for frame in 0..frames {
            let spike = if dice.roll(400) == 0 { 6.0 } else { 0.0 };
            let mut committed = [0; SAMPLED_TAGS];
            committed[0] = (2 << 20) + u64::from(scene % 3) * (3 << 19);
            committed[1] = (5 << 20) / u64::from(scene % 4 + 1) + u64::from(frame / 50).min(4) * 65_536;
            committed[2] = (1 << 20) + u64::from(frame / 97) % 3 * 262_144;
            committed[3] = 524_288;
            committed[4] = if frame > frames / 2 { 393_216 } else { 131_072 };
            timeline.push(FrameSample {
                scene,
                ms: 0.35 + dice.roll(1000) as f32 / 5000.0 + spike + if frame < 3 { 2.0 } else { 0.0 },
                arena_used: 180_000 + dice.roll(60_000) + u64::from(frame % 120) * 500,
                jobs_used: 60_000 + dice.roll(30_000),
                committed,
                drawn: 300,
                fresh: 12,
                streamed: streamed(frame, &mut dice),
                heap: HeapSample {
                    live: 1_500_000 + dice.roll(200_000),
                    extent: (2 << 20) + u64::from(frame / 200 % 4) * 65_536,
                    moved: dice.roll(3) * 4096,
                    fragmentation: dice.roll(100) as f32 / 400.0,
                },
            });
        }
    }
    let total = u64::from(scenes) * u64::from(frames);
    let outcome = Outcome {
        memory: "arenite".to_owned(),
        seed: 1,
        frames: total,
        threads: 2,
        checksum: "0123456789abcdef".to_owned(),
        scenes: (0..scenes).map(|scene| scene_outcome(&format!("MAP{:02}", scene + 1), scene)).collect(),
        frame_heap_calls: Some(0),
        frame_memory_syscalls: 0,
        frame_minor_faults: 3,
        warmup_frames: 30,
        tags: vec![
            tag("scene", 9 << 20, 11 << 20, Some(16 << 20)),
            tag("scene/textures", 5 << 20, 6 << 20, None),
            tag("scene/sounds", 2 << 20, 3 << 20, Some(4 << 20)),
            tag("frame", 1 << 20, 3 << 19, Some(2 << 20)),
            tag("jobs", 524_288, 524_288, None),
            tag("scratch", 0, 131_072, Some(1 << 30)),
        ],
        general_heap: vec![heap_tag("untagged", 17), heap_tag("heap/scenes", 4321)],
        frame_ms: FrameMs { p50: 0.45, p99: 0.62, p999: 6.4, max: 6.6 },
        frame_arena_high_water: 301_000,
        resident_end: 21 << 20,
        resident_peak: 34 << 20,
        trends: [("all", "increasing"), ("frame", "stable"), ("marks", "increasing")].map(trend).to_vec(),
        leaks: vec![leak()],
        caches: vec![CacheOutcome {
            name: "textures".to_owned(),
            hits: 9876,
            misses: 567,
            loads: 566,
            evictions: 321,
            resources: 245,
            bytes: 7 << 20,
            peak_bytes: 15 << 19,
            budget: Some(8 << 20),
        }],
        defrag: Some(DefragOutcome {
            budget_ns: 50_000,
            moved_blocks: 1234,
            moved_bytes: 56 << 20,
            round_ms_p999: 0.048,
            round_ms_max: 0.051,
            live: 3 << 19,
            extent: 2 << 20,
            peak_extent: 9 << 18,
            budget: Some(5 << 19),
            fragmentation_p50: 0.11,
            fragmentation_p99: 0.23,
        }),
        ..Outcome::default()
    };
    let heap_maps = ["after the last frame", "when all was moved that can be"]
        .map(|when| heap_map(when, &mut dice))
        .to_vec();
    Record {
        outcome,
        timeline,
        sampled_tags: ["scene/sounds", "scene/textures", "frame", "jobs", "scratch"]
            .map(String::from)
            .to_vec(),
        pictures: (0..scenes)
            .map(|scene| picture(&format!("MAP{:02}", scene + 1), lines, &mut dice))
            .collect(),
        heap_maps,
    }
}

fn heap_map(when: &str, dice: &mut Dice) -> HeapMap {
    let mut map = HeapMap { when: when.to_owned(), ..HeapMap::default() };
    for number in 0..90 {
        let size = 1024 * (1 + dice.roll(60));
        let what = match number % 9 {
            0 => PieceKind::Pinned,
            1..=4 => PieceKind::Texture,
            5 | 6 => PieceKind::Sound,
            _ => PieceKind::Free,
        };
        map.pieces.push(HeapPiece { offset: map.extent, size, what, age: number });
        map.extent += size;
    }
    map
}

fn scene_outcome(map: &str, scene: u32) -> SceneOutcome {
    SceneOutcome {
        map: map.to_owned(),
        checksum: format!("{:016x}", u64::from(scene) * 0x1234_5678_9abc),
        agents: 256,
        deaths: 71,
        stale_handles: 304,
        resources_loaded: 240,
        resources_dropped: 240,
        resource_bytes: 7 << 20,
        live_bytes_after: 0,
        resident_before_load: 19 << 20,
        resident_loaded: 30 << 20,
        resident_after_unload: 20 << 20,
        load_ms: 12.5,
        unload_ms: 0.4,
    }
}

fn picture(map: &str, lines: u32, dice: &mut Dice) -> Picture {
    // Rooms on a grid, with a door in every other wall.
    let mut rooms = Vec::new();
    for index in 0..lines {
        let (column, row) = ((index / 4 % 40).cast_signed() * 256, (index / 160).cast_signed() * 192);
        let corners = [[column, row], [column + 224, row], [column + 224, row + 160], [column, row + 160]];
        let side = (index % 4) as usize;
        rooms.push(Line { from: corners[side], to: corners[(side + 1) % 4], solid: index % 3 != 0 });
    }
    let height = u64::from(lines / 160 + 1) * 192;
    let width = if lines >= 160 { 10_240 } else { u64::from(lines / 4 + 1) * 256 };
    let mut point = || [dice.roll(width) as i32, dice.roll(height) as i32];
    let agents = (0..256_u32)
        .map(|agent| Dot { at: point(), team: (agent % 2) as u8, alive: agent % 5 != 0 })
        .collect();
    Picture {
        map: map.to_owned(),
        lines: rooms,
        agents,
        projectiles: (0..40).map(|_| point()).collect(),
        particles: (0..300).map(|_| point()).collect(),
        camera: [100, 60, 1100, 660],
    }
}

/// Every page that must be drawn, with a name for its file.
pub(crate) fn all() -> Vec<(&'static str, Record)> {
    let mut long = ordinary(4, 25_000, 400);
    long.timeline[54_321].ms = 180.0;

    let mut bare = ordinary(1, 300, 300);
    bare.outcome.memory = "plain".to_owned();
    bare.outcome.tags.clear();
    bare.outcome.caches.clear();
    bare.outcome.defrag = None;
    bare.heap_maps.clear();
    bare.outcome.frame_heap_calls = None;
    bare.outcome.frame_arena_high_water = 0;
    bare.sampled_tags.clear();
    for sample in &mut bare.timeline {
        (sample.arena_used, sample.jobs_used, sample.committed) = (0, 0, [0; SAMPLED_TAGS]);
        sample.streamed = Streamed::default();
    }

    let mut huge = ordinary(2, 200, 300);
    for sample in &mut huge.timeline {
        sample.committed = [u64::MAX / 2; SAMPLED_TAGS];
        sample.arena_used = u64::MAX;
        sample.ms = f32::MAX;
        sample.streamed = Streamed { loads: u32::MAX, evictions: u32::MAX, cuts: u32::MAX };
        sample.heap =
            HeapSample { live: u64::MAX, extent: u64::MAX, moved: u64::MAX / 1000, fragmentation: f32::NAN };
    }
    let strange = HeapPiece { offset: u64::MAX, size: u64::MAX, what: PieceKind::Sound, age: u32::MAX };
    huge.heap_maps[0].pieces = vec![HeapPiece { offset: 0, ..strange }; 20_000];
    huge.heap_maps[0].extent = u64::MAX;
    huge.heap_maps[1].pieces = vec![strange];
    huge.timeline[5].ms = f32::NAN;
    huge.outcome.frame_ms = FrameMs { p50: f64::INFINITY, p99: f64::NAN, p999: 1e30, max: f64::MAX };
    huge.outcome.tags[0] = tag("scene", u64::MAX / 20, u64::MAX / 16, Some(0));
    huge.outcome.resident_peak = u64::MAX;
    for picture in &mut huge.pictures {
        // Ordinary lines would be points on a map of this size.
        picture.lines.clear();
        picture.lines.push(Line { from: [i32::MIN; 2], to: [i32::MAX; 2], solid: true });
        picture.lines.push(Line { from: [i32::MIN, i32::MAX], to: [0, 0], solid: false });
    }

    let evil = "</script><\"&'>\u{0}\u{1b}[31m/ünï".to_owned();
    let mut names = ordinary(2, 200, 300);
    names.outcome.checksum.clone_from(&evil);
    names.outcome.tags[1].name = format!("{evil}{evil}{evil}");
    names.sampled_tags[0].clone_from(&evil);
    names.outcome.scenes[0].map.clone_from(&evil);
    names.pictures[0].map.clone_from(&evil);
    names.heap_maps[0].when.clone_from(&evil);
    // Nothing had to go.
    for sample in &mut names.timeline {
        sample.streamed.evictions = 0;
    }

    let mut idle = ordinary(1, 200, 300);
    for sample in &mut idle.timeline {
        (sample.streamed, sample.heap) = (Streamed::default(), HeapSample::default());
    }
    idle.heap_maps.iter_mut().for_each(|map| *map = HeapMap::default());

    let mut empty = ordinary(1, 0, 0);
    empty.outcome.scenes.clear();
    empty.outcome.tags.clear();
    empty.sampled_tags.clear();
    empty.pictures = vec![Picture::default()];

    vec![
        ("ordinary", ordinary(3, 600, 900)),
        ("one-frame", ordinary(1, 1, 40)),
        ("long", long),
        ("bare", bare),
        ("huge", huge),
        ("names", names),
        ("big-map", ordinary(1, 200, 20_000)),
        ("many-scenes", ordinary(36, 60, 700)),
        ("idle", idle),
        ("empty", empty),
    ]
}
