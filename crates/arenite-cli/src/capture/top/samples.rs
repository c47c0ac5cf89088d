//! Pictures of which tests know every figure.

use arenite_inspect::{
    Activity, FrameRow, MarkFigures, ProcessFigures, Rate, SizeClass, TagRow, ThreadRow, Tick,
};

use super::picture::{Picture, SiteRow, Status};

fn rate(calls: u64, frees: u64, bytes: u64) -> Rate {
    let mut rate = Rate::default();
    (rate.calls, rate.frees, rate.bytes) = (calls, frees, bytes);
    rate
}

fn activity(live_bytes: u64, live_blocks: u64, bytes: u64, rate: Rate) -> Activity {
    let mut activity = Activity::default();
    activity.rate = rate;
    (activity.live_bytes, activity.live_blocks, activity.bytes) = (live_bytes, live_blocks, bytes);
    (activity.allocs, activity.reallocs) = (live_blocks * 10, live_blocks);
    (activity.frees, activity.peak_bytes) = (live_blocks * 9, live_bytes * 2);
    activity
}

fn tag(name: &str, live: u64) -> TagRow {
    let mut tag = TagRow::default();
    tag.name = name.to_owned();
    tag.own = activity(live, live / 1000, live * 3, rate(7, 5, 2048));
    (tag.live_bytes, tag.peak_bytes, tag.committed) = (live, live * 2, 4 << 20);
    tag
}

fn site(stack: u32, name: Option<&str>, live: u64, of_late: u64) -> SiteRow {
    let activity = activity(live, live / 1000, live * 5, rate(3, 2, of_late));
    SiteRow { stack, activity, name: name.map(str::to_owned) }
}

fn thread(number: u32, name: Option<&str>, bytes: u64) -> ThreadRow {
    let mut thread = ThreadRow::default();
    thread.rate = rate(11, 12, bytes);
    (thread.number, thread.name, thread.bytes) = (number, name.map(str::to_owned), bytes * 100);
    (thread.allocs, thread.reallocs, thread.frees) = (1000, 200, 900);
    thread
}

fn frame(number: u64, allocs: u64) -> FrameRow {
    let mut frame = FrameRow::default();
    (frame.number, frame.frames, frame.allocs, frame.frees) = (number, 1, allocs, allocs / 2);
    (frame.bytes, frame.start, frame.end) = (allocs * 100, number * 16, number * 16 + 16);
    (frame.temporaries, frame.live_bytes, frame.peak_bytes) = (1, 10_000_000, 11_000_000);
    frame
}

fn mark(text: &str) -> MarkFigures {
    let mut mark = MarkFigures::default();
    (mark.text, mark.live_bytes) = (text.to_owned(), 5 << 20);
    mark
}

/// A game that is being recorded. A unit of time is a millisecond.
pub(super) fn game() -> Picture {
    let tick = |place: u64| {
        let mut tick = Tick::default();
        (tick.calls, tick.frees) = (place, place);
        (tick.bytes, tick.peak_bytes) = (place * 1000, 1_000_000 * place);
        tick
    };
    let size = |blocks: u64| {
        let mut class = SizeClass::default();
        class.blocks = blocks;
        class
    };
    Picture {
        file: "/tmp/game.arec".to_owned(),
        process: 4711,
        status: Status::Live,
        seconds: 12.5,
        units_per_second: 1000,
        total: activity(10_000_000, 1234, 50_000_000, rate(1500, 1400, 3 << 20)),
        history: (1..=8).map(tick).collect(),
        tags: vec![tag("scene", 8_000_000), tag("scene/textures", 6_000_000), tag("ui", 2_000_000)],
        budgets: vec![("ui".to_owned(), 1_000_000), ("scene/textures".to_owned(), 12_000_000)],
        sites: vec![
            site(1, Some("game::load_level (game/level.rs:12)"), 6_000_000, 0),
            site(2, Some("game::ui::label (game/ui.rs:7)"), 2_000_000, 5000),
            site(3, None, 1000, 2000),
        ],
        site_count: 77,
        frames: (0..100).map(|number| frame(number, number % 10)).collect(),
        frame_count: 600,
        worst_frame: Some(frame(17, 52)),
        threads: vec![thread(1, Some("main"), 5000), thread(2, None, 9000)],
        marks: vec![(3.0, mark("level loaded"))],
        sizes: [0, 0, 0, 40, 80].map(size).to_vec(),
        memory: memory(90 << 20, 64 << 20),
        sample_bytes: 0,
        warnings: Vec::new(),
    }
}

fn memory(resident: u64, committed: u64) -> ProcessFigures {
    let mut memory = ProcessFigures::default();
    (memory.resident, memory.peak_resident) = (resident, resident);
    (memory.committed, memory.peak_committed) = (committed, committed);
    memory
}

/// Names that no program should have, and figures that none can have.
pub(super) fn hostile() -> Picture {
    let most = u64::MAX;
    let names = [
        "\u{1b}]0;title\u{7}\u{1b}[2J",
        "日本語/タグ/名前がとても長いタグ/日本語/タグ/名前",
        "a\u{202e}b\u{200b}\r\n\tc",
        "",
    ];
    let mut picture = game();
    picture.file = "\u{1b}[31m/日本語/\u{9b}5mgame.arec".to_owned();
    (picture.process, picture.seconds, picture.units_per_second) = (u32::MAX, 1e30, 0);
    picture.total = activity(most / 40, most / 40, most, rate(most, most, most));
    picture.tags = names.iter().map(|name| tag(name, most / 40)).collect();
    picture.tags[1].committed = -5;
    picture.budgets = vec![(names[0].to_owned(), 0)];
    picture.sites = (0..).zip(names).map(|(stack, name)| site(stack, Some(name), most / 60, most)).collect();
    picture.threads = names.iter().map(|name| thread(9, Some(name), most / 200)).collect();
    picture.frames = vec![frame(most / 50, most / 200)];
    picture.frames[0].start = most;
    picture.marks = names.iter().map(|name| (f64::INFINITY, mark(name))).collect();
    picture.warnings = names.iter().map(|name| (*name).to_owned()).collect();
    picture.sizes = vec![picture.sizes[4]; 65];
    picture.sizes[0].blocks = most;
    picture.memory = memory(most, most / 2);
    picture.status = Status::Failed(names[0].to_owned());
    for tick in &mut picture.history {
        (tick.calls, tick.bytes, tick.peak_bytes) = (most, most, most);
    }
    picture
}
