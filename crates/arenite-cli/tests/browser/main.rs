//! Loads report pages in a headless Chromium and fails unless every chart is really drawn. Needs Debian's `chromium`
//! and `chromium-driver`, so it is left out of plain `cargo test`; `ci/report-page` installs them and runs it.
//!
//! `ARENITE_PAGES=FOLDER` keeps the pages and their pictures in light and dark for people to look at.
#![cfg(unix)]

mod driver;
#[path = "../../../arenite-demo/tests/made_up/mod.rs"]
mod made_up;
#[path = "../../../arenite-inspect/tests/made_up/mod.rs"]
mod made_up_captures;
mod recording;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arenite_demo::outcome::{CacheOutcome, HeapMap, Outcome, PieceKind, Record, Streamed};
use arenite_demo::report::write_page;
use driver::Browser;
use serde_json::Value;

/// Measures everything that was drawn. Sizes are in the chart's own units.
const MEASURE: &str = r"
return {
  charts: [...document.querySelectorAll('svg[data-chart]')].map(svg => {
    const view = svg.viewBox.baseVal;
    return {
      name: svg.dataset.chart,
      width: svg.getBoundingClientRect().width,
      height: svg.getBoundingClientRect().height,
      label: svg.getAttribute('role') === 'img' && (svg.getAttribute('aria-label') || '').length > 10,
      marks: [...svg.querySelectorAll('.mark')].map(mark => {
        const box = mark.getBBox(), style = getComputedStyle(mark);
        return {
          kind: mark.classList[0], series: mark.classList[2] || '', width: box.width, height: box.height,
          painted: (style.fill !== 'none' || style.stroke !== 'none') && style.opacity !== '0',
          inside: box.x >= -1 && box.y >= -1 && box.x + box.width <= view.width + 1 && box.y + box.height <= view.height + 1,
        };
      }),
      outside: [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBBox();
        return box.x < -1 || box.x + box.width > view.width + 1 || box.y < -1 || box.y + box.height > view.height + 1;
      }).map(text => text.textContent),
      ticks: svg.querySelectorAll('.axis text').length,
    };
  }),
  title: document.title,
  scripts: document.scripts.length,
  requests: performance.getEntriesByType('resource').length,
  wider: document.documentElement.scrollWidth > innerWidth,
  background: getComputedStyle(document.body).backgroundColor,
};";

/// What a page must show.
struct Expected {
    areas: usize,
    budgets: usize,
    committed: usize,
    pictures: usize,
    frame_arena: bool,
    frames: bool,
    /// Loaded and evicted, of a run that streams.
    streamed: Option<[bool; 2]>,
    /// Of a run whose streamed resources share a heap: whether it ever held something, and of how many maps something is in them.
    heap: Option<(bool, usize)>,
}

impl Expected {
    fn of(record: &Record) -> Self {
        let moving = |tag: &usize| record.timeline.iter().any(|sample| sample.committed[*tag] > 0);
        Self {
            areas: (0..record.sampled_tags.len()).filter(moving).count(),
            frame_arena: record.timeline.iter().any(|sample| sample.arena_used > 0),
            frames: !record.timeline.is_empty(),
            pictures: record.pictures.len(),
            streamed: (!record.outcome.caches.is_empty()).then(|| {
                let any = |of: fn(&Streamed) -> u32| record.timeline.iter().any(|s| of(&s.streamed) > 0);
                [any(|streamed| streamed.loads), any(|streamed| streamed.evictions)]
            }),
            heap: record.outcome.defrag.map(|_| {
                let full = |map: &&HeapMap| {
                    map.pieces.iter().any(|piece| piece.what != PieceKind::Free && piece.offset < map.extent)
                };
                (
                    record.timeline.iter().any(|sample| sample.heap.extent > 0),
                    record.heap_maps.iter().filter(full).count(),
                )
            }),
            ..Self::of_outcome(&record.outcome)
        }
    }

    /// What the figures alone tell: at least one area, since a run on Arenite commits memory.
    fn of_outcome(outcome: &Outcome) -> Self {
        Self {
            areas: 1,
            budgets: outcome.tags.iter().filter(|tag| tag.budget.is_some()).count(),
            committed: outcome.tags.iter().filter(|tag| tag.committed > 0).count(),
            pictures: outcome.scenes.len(),
            frame_arena: outcome.frame_arena_high_water > 0,
            frames: outcome.frames > 0,
            streamed: (!outcome.caches.is_empty()).then(|| {
                let any = |of: fn(&CacheOutcome) -> u64| outcome.caches.iter().any(|cache| of(cache) > 0);
                [any(|cache| cache.loads), any(|cache| cache.evictions)]
            }),
            heap: outcome.defrag.map(|defrag| (defrag.peak_extent > 0, 2)),
        }
    }
}

/// The marks of one kind in a chart; panics if one of them is not really there.
fn drawn(name: &str, chart: &Value, kind: &str) -> usize {
    let marks = chart["marks"].as_array().expect("a list");
    let marks: Vec<&Value> = marks.iter().filter(|mark| mark["kind"] == kind).collect();
    for mark in &marks {
        let (width, height) = (mark["width"].as_f64().unwrap_or(0.0), mark["height"].as_f64().unwrap_or(0.0));
        // Lines may be level or upright; everything else must cover something.
        let there = match kind {
            "line" | "spread" | "limit" | "cut" | "quantile" | "peak" | "solid" | "open" => {
                width > 0.0 || height > 0.0
            }
            _ => width > 0.0 && height > 0.0,
        };
        assert!(there, "{name}: a {kind} of {} is empty: {mark}", chart["name"]);
        assert_eq!(mark["painted"], true, "{name}: a {kind} of {} has no colour", chart["name"]);
        assert_eq!(mark["inside"], true, "{name}: a {kind} of {} leaves its chart: {mark}", chart["name"]);
    }
    marks.len()
}

fn check(name: &str, page: &Value, expected: &Expected) {
    let charts = page["charts"].as_array().expect("a list");
    let of = |wanted: &str| charts.iter().filter(|chart| chart["name"] == wanted).collect::<Vec<_>>();
    let one = |wanted: &str| -> &Value {
        let found = of(wanted);
        assert_eq!(found.len(), 1, "{name}: {wanted}");
        found[0]
    };
    for chart in charts {
        assert!(
            chart["width"].as_f64() > Some(100.0) && chart["height"].as_f64() > Some(20.0),
            "{name}: {chart}"
        );
        assert_eq!(chart["label"], true, "{name}: {} is silent to a screen reader", chart["name"]);
        assert_eq!(
            chart["outside"],
            serde_json::json!([]),
            "{name}: labels of {} are cut off",
            chart["name"]
        );
        for mark in chart["marks"].as_array().expect("a list") {
            drawn(name, chart, mark["kind"].as_str().expect("a kind"));
        }
    }
    if expected.areas > 0 && expected.frames {
        assert!(drawn(name, one("memory"), "area") >= expected.areas, "{name}");
        assert!(one("memory")["ticks"].as_u64() >= Some(6), "{name}: an axis without ticks");
    }
    if expected.frame_arena {
        assert!(drawn(name, one("arena"), "line") >= 1, "{name}");
        assert_eq!(drawn(name, one("arena"), "wash"), 1, "{name}");
    }
    if expected.frames {
        assert_eq!(drawn(name, one("times"), "line"), 1, "{name}");
        assert!(drawn(name, one("histogram"), "bar") >= 1, "{name}");
    }
    match expected.streamed {
        Some([loaded, evicted]) if loaded || evicted => {
            let bars = |class: &str| {
                let marks = one("streaming")["marks"].as_array().expect("a list");
                marks.iter().filter(|mark| mark["series"] == class).count()
            };
            assert_eq!([bars("s2") > 0, bars("s1") > 0], [loaded, evicted], "{name}: loaded, evicted");
            assert!(one("streaming")["ticks"].as_u64() >= Some(4), "{name}: an axis without ticks");
        }
        _ => assert!(of("streaming").is_empty(), "{name}: nothing streamed"),
    }
    let maps = of("heap-map").into_iter().filter(|map| drawn(name, map, "bar") > 0).count();
    match expected.heap {
        Some((held, full)) => {
            assert_eq!(maps, full, "{name}: maps of the heap");
            if held {
                assert_eq!(
                    (drawn(name, one("heap"), "line"), drawn(name, one("heap"), "wash")),
                    (2, 1),
                    "{name}"
                );
            }
        }
        None => assert_eq!((maps, of("heap").len()), (0, 0), "{name}: no heap"),
    }
    if expected.committed > 0 {
        let chart = one("budgets");
        assert_eq!(drawn(name, chart, "kept"), expected.committed, "{name}");
        assert_eq!(drawn(name, chart, "limit") + drawn(name, chart, "far"), expected.budgets, "{name}");
    }
    assert_eq!(of("picture").len(), expected.pictures, "{name}");
    assert_eq!(page["scripts"], 0, "{name}");
    assert_eq!(page["requests"], 0, "{name}: the page asked for something from outside");
    assert_eq!(page["wider"], false, "{name}: the page is wider than its window");
}

/// How bright a `rgb(r, g, b)` is, from 0 to 255.
fn brightness(colour: &str) -> u32 {
    let parts =
        colour.trim_start_matches(|symbol: char| !symbol.is_ascii_digit()).trim_end_matches(')').split(',');
    let parts: Vec<u32> = parts.map(|part| part.trim().parse().expect("a number")).collect();
    parts.iter().sum::<u32>() / 3
}

/// Keeps a picture of the page if somebody wants to look at it.
fn keep_picture(browser: &Browser, page: &Path, scheme: &str) {
    if std::env::var_os("ARENITE_PAGES").is_some() {
        let path = page.with_extension(format!("{scheme}.png"));
        fs::write(path, from_base64(&browser.screenshot())).expect("the picture is kept");
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for digit in text.bytes().filter_map(|digit| DIGITS.iter().position(|&known| known == digit)) {
        bits = bits << 6 | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// A page of a real, short run with a budget, and what its figures say must be on it.
fn page_of_the_game(folder: &Path, name: &str, options: &[&str]) -> (PathBuf, Expected) {
    let [page, json] = ["html", "json"].map(|kind| folder.join(format!("{name}.{kind}")));
    let run = Command::new(env!("CARGO_BIN_EXE_arenite"))
        .args(["demo", "--quiet", "--frames", "120", "--scenes", "2", "--agents", "64"])
        .args(options)
        .arg("--report")
        .arg(&page)
        .arg("--json")
        .arg(&json)
        .output()
        .expect("the program starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let outcome: Outcome = serde_json::from_slice(&fs::read(&json).expect("figures")).expect("JSON");
    assert_eq!((outcome.frames, outcome.scenes.len()), (240, 2));
    (page, Expected::of_outcome(&outcome))
}

/// A folder for one test; the first of the two is kept if somebody wants to look at the pages.
fn folders(test: &str) -> (PathBuf, PathBuf) {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    let pages = std::env::var_os("ARENITE_PAGES").map_or_else(|| own.clone(), PathBuf::from);
    for folder in [&own, &pages] {
        fs::create_dir_all(folder).expect("a folder");
    }
    (pages, own)
}

/// Loads each page in light and dark and checks what is drawn.
fn check_in_browser(folder: &Path, pages: &[(&str, PathBuf, Expected)]) {
    let browser = Browser::start(folder);
    for (name, path, expected) in pages {
        let mut backgrounds = Vec::new();
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.load(path);
            let page = browser.run(MEASURE);
            check(name, &page, expected);
            backgrounds.push(brightness(page["background"].as_str().expect("a colour")));
            keep_picture(&browser, path, scheme);
        }
        assert!(backgrounds[0] > 200 && backgrounds[1] < 60, "{name}: {backgrounds:?} is not light and dark");
        let said = browser.console();
        assert!(said.is_empty(), "{name}: the console says {said:?}");
    }
}

#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn every_chart_of_every_extreme_is_drawn() {
    let (folder, own) = folders("extremes");
    let pages = made_up::all().into_iter().map(|(name, record)| {
        let path = folder.join(format!("{name}.html"));
        write_page(&path, &record).expect("the page is written");
        (name, path, Expected::of(&record))
    });
    check_in_browser(&own, &pages.collect::<Vec<_>>());
    let _ = fs::remove_dir_all(&own);
}

#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn every_chart_of_a_real_run_is_drawn() {
    let (folder, own) = folders("game");
    let (path, expected) = page_of_the_game(&folder, "game", &["--budget", "scene=256MiB"]);
    let (streamed, within) = page_of_the_game(&folder, "streamed", &["--budget", "textures=240KiB"]);
    let (heap, moved) =
        page_of_the_game(&folder, "heap", &["--budget", "textures=240KiB", "--defrag-budget", "50us"]);
    assert!(moved.heap.is_some());
    assert_eq!((expected.streamed, within.streamed), (None, Some([true; 2])));
    check_in_browser(
        &own,
        &[("game", path, expected), ("streamed", streamed, within), ("heap", heap, moved)],
    );
    let _ = fs::remove_dir_all(&own);
}

/// The checks themselves are checked: a page whose chart is empty must not pass.
#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn a_broken_page_is_found() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let record = made_up::ordinary(1, 60, 40);
    let path = folder.join("broken.html");
    write_page(&path, &record).expect("the page is written");
    let whole = fs::read_to_string(&path).expect("the page");
    let browser = Browser::start(&folder);
    let breaks = |page: &str| {
        fs::write(&path, page).expect("the page is broken");
        browser.load(&path);
        let page = browser.run(MEASURE);
        std::panic::catch_unwind(|| check("broken", &page, &Expected::of(&record))).is_err()
    };
    assert!(!breaks(&whole), "the whole page passes");
    let (before, after) = whole.split_once("class=\"bar mark s0\"").expect("a bar");
    assert!(
        breaks(&format!("{before}class=\"bar mark s0\" style=\"fill:none\"{after}")),
        "a bar without colour"
    );
    let (before, after) = whole.split_once("class=\"line mark s0\" d=\"").expect("a line");
    let (_, after) = after.split_once('"').expect("its end");
    assert!(breaks(&format!("{before}class=\"line mark s0\" d=\"\"{after}")), "a line without points");
    assert!(breaks(&whole.replace("data-chart=\"budgets\"", "")), "a chart that is missing");
    assert!(breaks(&whole.replace("bar mark s1", "bar mark s3")), "evictions that are missing");
    assert!(browser.console().is_empty());
    fs::write(&path, whole.replace("</main>", "<img src=\"none.png\"></main>")).expect("the page is broken");
    browser.load(&path);
    assert!(!browser.console().is_empty(), "a request to the outside is told of");
    drop(browser);
    let _ = fs::remove_dir_all(&folder);
}
