//! The page as text: its structure over every extreme. How it looks in a browser is checked by `ci/report-page`.

mod made_up;

use arenite_demo::outcome::{Record, Streamed};
use arenite_demo::report::{render, write_page};

fn page(record: &Record) -> String {
    let mut page = String::new();
    render(record, &mut page).expect("a string takes everything");
    page
}

/// Panics unless every element that is opened is closed in order; void elements and `<x/>` close themselves.
fn assert_well_formed(name: &str, page: &str) {
    const VOID: [&str; 3] = ["meta", "link", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("{name}: a tag without an end"));
        let tag = &rest[..end];
        assert!(!tag.contains('<'), "{name}: < inside a tag: {tag}");
        rest = &rest[end + 1..];
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        let element = tag.trim_start_matches('/').split_whitespace().next().unwrap_or("");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(element), "{name}: closed out of order");
        } else if !VOID.contains(&element) {
            open.push(element);
        }
    }
    assert!(open.is_empty(), "{name}: left open: {open:?}");
}

#[test]
fn every_extreme_is_well_formed_and_small() {
    for (name, record) in made_up::all() {
        let page = page(&record);
        assert_well_formed(name, &page);
        for broken in ["NaN", "\"inf", "inf\"", " inf", "\u{0}", "\u{1b}"] {
            assert!(!page.contains(broken), "{name} contains {broken:?}");
        }
        assert!(page.len() < 3 << 20, "{name} takes {} bytes", page.len());
        assert_eq!(page.matches("data-chart=\"picture\"").count(), record.pictures.len(), "{name}");
    }
}

#[test]
fn a_page_needs_nothing_from_outside_and_carries_no_script() {
    for (name, record) in made_up::all() {
        let page = page(&record);
        for outside in ["<script", "http:", "https:", "url(", "@import", "onload", "javascript:"] {
            assert!(!page.contains(outside), "{name} contains {outside}");
        }
    }
}

#[test]
fn an_ordinary_page_has_every_chart_once() {
    let page = page(&made_up::ordinary(3, 600, 900));
    for chart in ["memory", "streaming", "heap", "arena", "times", "histogram", "budgets"] {
        assert_eq!(page.matches(&format!("data-chart=\"{chart}\"")).count(), 1, "{chart}");
    }
    assert_eq!(page.matches("class=\"area mark").count(), 5);
    for figure in [
        "<h2>Caches</h2>",
        "9,876",
        "7.5 MiB",
        "<h2>Trend</h2>",
        "increasing, 60.0 KiB per second",
        "<h2>Leaks</h2>",
        "src/marks.rs:41",
    ] {
        assert!(page.contains(figure), "{figure}");
    }
    assert!(page.contains("a mark on &lt;a&gt; wall"));
    for figure in ["The general heap, by tag", "heap/scenes", "4,321", "2,160", "101 KiB"] {
        assert!(page.contains(figure), "{figure}");
    }
    assert_eq!(page.matches("class=\"change\"").count(), 10, "two changes in five timelines");
    assert_eq!(page.matches("data-chart=\"heap-map\"").count(), 2);
    assert!(page.contains("50 µs after each frame: 1,234 blocks of 56 MiB moved"));
    for legend in ["loaded · ", "evicted to make room · ", "a cut: streamed in the frame · "] {
        assert!(page.contains(legend), "{legend}");
    }
    assert!(page.contains("loaded: 40\nevicted: 25</title>"), "the moment at which a scene streams");
    assert_eq!(page.matches("no budget</text>").count(), 2, "two of six tags have no budget");
    assert!(page.contains(">MAP02</text>") && page.contains("0123456789abcdef"));
}

#[test]
fn a_run_that_does_not_stream_has_no_such_chart_and_one_that_moved_nothing_says_so() {
    let mut record = made_up::ordinary(1, 200, 40);
    record.timeline.iter_mut().for_each(|sample| sample.streamed = Streamed::default());
    assert!(page(&record).contains("Nothing was loaded or unloaded in this run."));
    record.outcome.caches.clear();
    assert!(!page(&record).contains("<h2>Streaming</h2>"));
}

#[test]
fn a_long_timeline_makes_no_long_page() {
    let short = page(&made_up::ordinary(4, 500, 400)).len();
    let long = page(&made_up::ordinary(4, 25_000, 400)).len();
    assert!(long < 2 * short, "{long} against {short}");
}

#[test]
fn a_page_replaces_an_old_one_and_leaves_nothing_beside_it() {
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the page");
    let path = folder.join("page.html");
    std::fs::write(&path, "old").expect("an old page");
    let record = made_up::ordinary(1, 40, 40);
    write_page(&path, &record).expect("the page is written");
    assert_eq!(std::fs::read_to_string(&path).expect("the page"), page(&record));
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 1);
    write_page(&folder.join("none").join("page.html"), &record).expect_err("there is no such folder");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
