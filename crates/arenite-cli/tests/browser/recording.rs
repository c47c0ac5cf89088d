//! The page of a recording: every view is opened and used, and what it shows is what `arenite report --json` says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use arenite::record::format::events::What;
use arenite_demo::report::units::{bytes, count};
use serde_json::{Value, json};

use super::driver::Browser;
use super::made_up_captures::{RECORDER, Writer, game};
use super::{brightness, folders, keep_picture};

const VIEWS: [&str; 8] = ["overview", "tags", "frames", "flame", "moments", "heap", "sites", "sizes"];
/// Events of the long recording, if nobody asks for another number.
const EVENTS: u64 = 2_000_000;

fn arenite(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_arenite");
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{arguments:?}: {said}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// The page of a capture.
fn page_of(capture: &Path) -> PathBuf {
    let page = capture.with_extension("html");
    let (from, to) = (capture.display().to_string(), page.display().to_string());
    let said = arenite(&["report", &from, "--html", &to]);
    assert!(said.starts_with(&to) && said.lines().count() == 1, "{said}");
    page
}

fn json_of(capture: &Path) -> Value {
    let text = arenite(&["report", &capture.display().to_string(), "--json", "--top", "100000"]);
    serde_json::from_str(&text).expect("JSON")
}

/// A page that is used.
struct Page<'a>(&'a Browser);

impl Page<'_> {
    fn open(&self, page: &Path) {
        self.0.load(page);
        self.wait("document.documentElement.dataset.ready === 'yes'");
    }

    /// Waits until this is so.
    fn wait(&self, condition: &str) {
        for _ in 0..600 {
            if self.0.run(&format!("return Boolean({condition});")) == true {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("never: {condition}");
    }

    /// Follows a link of the navigation, and waits until the view is there.
    fn view(&self, name: &str) {
        self.0.run(&format!("document.querySelector('#views a[href=\"#{name}\"]').click();"));
        self.wait(&format!(
            "document.querySelector('#view-{name}:not([hidden])') && document.querySelectorAll('.view:not([hidden])').length === 1 \
             && document.querySelector('#views a[aria-current]').getAttribute('href') === '#{name}'"
        ));
    }

    /// Changes something and waits until the address is another one.
    fn act(&self, script: &str) {
        let before = self.hash();
        self.0.run(script);
        self.wait(&format!("location.hash !== {}", json!(before)));
    }

    fn hash(&self) -> String {
        self.text("location.hash")
    }

    fn text(&self, of: &str) -> String {
        self.0.run(&format!("return {of};")).as_str().expect("a text").to_owned()
    }

    /// The rows of a table: of each its cells, as numbers if they are any.
    fn table(&self, view: &str, name: &str) -> Vec<Vec<Value>> {
        let rows = self.0.run(&format!(
            "return [...document.querySelectorAll('#view-{view} table[data-table=\"{name}\"] tbody tr')].map(row => [...row.cells].map(cell => \
             cell.dataset.value === undefined ? (cell.querySelector('b') || cell).textContent : Number(cell.dataset.value)));"
        ));
        serde_json::from_value(rows).expect("rows of cells")
    }

    /// Nothing is wrong with the view that is shown: no chart is empty or silent, nothing is wider than the window.
    fn is_sound(&self, what: &str) {
        let found = self.0.run(
            r"return {
                wider: document.documentElement.scrollWidth > innerWidth,
                charts: [...document.querySelectorAll('.view:not([hidden]) svg[data-chart]')].map(svg => {
                  const view = svg.viewBox.baseVal;
                  return {
                    name: svg.dataset.chart, label: (svg.getAttribute('aria-label') || '').length > 10,
                    large: svg.getBoundingClientRect().width > 100 && svg.getBoundingClientRect().height > 20,
                    marks: [...svg.querySelectorAll('.mark')].filter(mark => {
                      const box = mark.getBBox(), style = getComputedStyle(mark);
                      return (box.width > 0 || box.height > 0) && (style.fill !== 'none' || style.stroke !== 'none') && box.x >= -1
                        && box.y >= -1 && box.x + box.width <= view.width + 1 && box.y + box.height <= view.height + 1;
                    }).length,
                    all: svg.querySelectorAll('.mark').length,
                    outside: [...svg.querySelectorAll('text')].filter(text => {
                      const box = text.getBBox();
                      return box.x < -1 || box.x + box.width > view.width + 1 || box.y < -1 || box.y + box.height > view.height + 1;
                    }).map(text => text.textContent),
                  };
                }),
                headings: document.querySelectorAll('.view:not([hidden]) h2').length,
                requests: performance.getEntriesByType('resource').length,
                broken: /NaN|undefined|Infinity|\[object/.exec(document.body.innerText),
            };",
        );
        assert_eq!(found["wider"], false, "{what} is wider than its window");
        assert_eq!((&found["requests"], &found["broken"]), (&json!(0), &Value::Null), "{what}");
        assert!(found["headings"].as_u64() > Some(0), "{what} has no titles");
        for chart in found["charts"].as_array().expect("a list") {
            assert!(chart["label"] == true && chart["large"] == true, "{what}: {chart}");
            assert!(chart["all"].as_u64() > Some(0) && chart["all"] == chart["marks"], "{what}: {chart}");
            assert_eq!(chart["outside"], json!([]), "{what}: labels of {} are cut off", chart["name"]);
        }
    }
}

/// Call sites as the page joins them: by what a person reads. Their figures, the largest first.
fn joined(report: &Value, list: &str, figure: &str) -> Vec<u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for site in report["sites"][list].as_array().expect("sites") {
        let key = site["frames"].as_array().expect("frames").iter().map(|frame| {
            let file = frame["file"].as_str().unwrap_or_default();
            let names: Vec<&str> = file.rsplit('/').take(2).collect();
            format!("{} {names:?} {}\n", frame["function"].as_str().unwrap_or_default(), frame["line"])
        });
        *sums.entry(key.collect()).or_default() += site["figures"][figure].as_u64().expect("a number");
    }
    let mut sums: Vec<u64> = sums.into_values().filter(|sum| *sum > 0).collect();
    sums.sort_unstable_by(|a, b| b.cmp(a));
    sums
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|number| number as u64))
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn column(rows: &[Vec<Value>], place: usize) -> Vec<u64> {
    rows.iter().map(|row| number(&row[place])).collect()
}

#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn a_recording_of_the_game_is_shown_and_its_figures_are_those_of_the_report() {
    let (pages, own) = folders("recording");
    let capture = pages.join("recording.arec");
    let file = capture.display().to_string();
    let run = [
        "--frames",
        "150",
        "--scenes",
        "2",
        "--agents",
        "48",
        "--threads",
        "2",
        "--leak",
        "1KiB",
        "--budget",
        "scene=512MiB",
        "--quiet",
        "--record",
    ];
    arenite(&[&run[..], &[&file]].concat());
    let (path, report) = (page_of(&capture), json_of(&capture));
    let browser = Browser::start(&own);
    let page = Page(&browser);
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        page.open(&path);
        for view in VIEWS {
            page.view(view);
            page.is_sound(view);
            keep_picture(&browser, &path.with_file_name(format!("recording-{view}.html")), scheme);
        }
        let colour = browser.run("return getComputedStyle(document.body).backgroundColor;");
        backgrounds.push(brightness(colour.as_str().expect("a colour")));
    }
    assert!(backgrounds[0] > 200 && backgrounds[1] < 60, "{backgrounds:?} is not light and dark");
    browser.prefer("light");
    page.open(&path);
    overview_and_tags(&page, &report);
    frames(&page, &report);
    flame(&page, &report);
    moments(&page, &report);
    heap_sites_and_sizes(&page, &report);
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:?}");
    drop(browser);
    if std::env::var_os("ARENITE_PAGES").is_none() {
        let _ = fs::remove_dir_all(&own);
    }
}

fn overview_and_tags(page: &Page<'_>, report: &Value) {
    page.view("overview");
    let total = &report["total"];
    let shown = page.0.run(
        "return [...document.querySelectorAll('#view-overview .value')].map(value => value.textContent);",
    );
    let figure = |name: &str| bytes(number(&total[name]));
    let expected = [figure("live_bytes"), figure("peak_bytes"), figure("bytes")];
    assert_eq!(serde_json::from_value::<Vec<String>>(shown).expect("texts")[..3], expected);
    page.view("tags");
    let rows = page.table("tags", "tags");
    let tags = report["tags"].as_array().expect("tags");
    assert_eq!(rows.len(), tags.len());
    for tag in tags {
        let row =
            rows.iter().find(|row| row[0] == tag["name"]).unwrap_or_else(|| panic!("no {}", tag["name"]));
        for (place, key) in [
            (1, "live_bytes"),
            (2, "peak_bytes"),
            (3, "live_blocks"),
            (4, "bytes"),
            (5, "calls"),
            (8, "committed"),
        ] {
            assert_eq!(number(&row[place]), number(&tag[key]), "{key} of {}", tag["name"]);
        }
    }
    // Figures as they are written may be rounded otherwise than here.
    let untracked = page.text("document.getElementById('untracked').dataset.figures");
    assert_eq!(serde_json::from_str::<Value>(&untracked).expect("JSON"), report["memory"]);
    let text = page.text("document.getElementById('untracked').textContent");
    assert!(text.contains("no tag's") && text.matches("iB").count() >= 3, "{text}");
    let budgets: Vec<&Value> = tags.iter().filter(|tag| !tag["budget"].is_null()).collect();
    let rows = page.table("tags", "budgets");
    assert_eq!(rows.len(), budgets.len());
    for tag in budgets {
        let row = rows.iter().find(|row| row[0] == tag["name"]).expect("a budget");
        let expected = [&tag["budget"]["limit"], &tag["committed"], &tag["peak_committed"]];
        assert_eq!([1, 4, 5].map(|place| number(&row[place])), expected.map(number), "{}", tag["name"]);
    }
    let scene = rows.iter().find(|row| row[0] == "scene").expect("the budget that was asked for");
    assert_eq!(number(&scene[1]), 512 << 20);
}

/// A click in the middle of a column of a chart.
fn click_on_column(page: &Page<'_>, row: usize, rows: usize) {
    page.act(&format!(
        "const svg = document.querySelector('#view-frames svg[data-chart=calls]'), box = svg.getBoundingClientRect();\
         const x = box.left + (78 + 910 * ({row} + 0.5) / {rows}) * box.width / 1000;\
         svg.dispatchEvent(new MouseEvent('click', {{ clientX: x, clientY: box.top + 50, bubbles: true }}));"
    ));
}

fn frames(page: &Page<'_>, report: &Value) {
    page.view("frames");
    let frames = &report["frames"];
    assert_eq!(frames["per_row"], 1);
    let rows: Vec<&Value> = std::iter::once(&frames["before"])
        .chain(frames["rows"].as_array().expect("rows"))
        .chain([&frames["last"]])
        .collect();
    // The one in which most happened, and a quiet one; then on with buttons, keys and the field.
    let calls = |row: &Value| number(&row["allocs"]) + number(&row["reallocs"]);
    let busy = (0..rows.len()).max_by_key(|row| number(&rows[*row]["bytes"])).expect("rows");
    let look = |row: usize| {
        let figures = page.text("document.getElementById('row-figures').textContent");
        assert!(figures.contains(&format!("{} call", count(calls(rows[row])))), "{figures}: {}", rows[row]);
        assert!(figures.contains(&bytes(number(&rows[row]["bytes"]))), "{figures}: {}", rows[row]);
        assert!(figures.contains(&format!("{} live", bytes(number(&rows[row]["live_bytes"])))), "{figures}");
        let sites = page.table("frames", "row-sites");
        let others = page.0.run(&format!(
            "return JSON.parse(document.getElementById('data').textContent).rows.others[{row}];"
        ));
        assert_eq!(column(&sites, 2).iter().sum::<u64>() + number(&others[1]), calls(rows[row]));
        assert_eq!(column(&sites, 1).iter().sum::<u64>() + number(&others[2]), number(&rows[row]["bytes"]));
        let passing = page.table("frames", "row-temporaries");
        assert_eq!(
            column(&passing, 2).iter().sum::<u64>() + number(&others[3]),
            number(&rows[row]["temporaries"])
        );
    };
    click_on_column(page, busy, rows.len());
    assert_eq!(page.hash(), format!("#frames/{busy}"));
    look(busy);
    page.act("document.getElementById('row-next').click();");
    look(busy + 1);
    page.act(
        "document.querySelector('.charts').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));",
    );
    look(busy + 2);
    page.act("document.getElementById('row-before').click();");
    let (wanted, number) = (7, number(&rows[7]["number"]));
    page.act(&format!("document.getElementById('frame-number').value = {number}; document.querySelector('#view-frames form').requestSubmit();"));
    assert_eq!(page.hash(), format!("#frames/{wanted}"));
    look(wanted);
    page.act("document.querySelector('#view-frames table[data-table=worst] a').click();");
    assert!(page.hash().starts_with("#frames/w"), "{}", page.hash());
    assert!(!page.table("frames", "row-sites").is_empty());
    page.is_sound("a frame");
}

fn flame(page: &Page<'_>, report: &Value) {
    page.view("flame");
    let total = &report["total"];
    let calls = number(&total["allocs"]) + number(&total["reallocs"]);
    let measures = [
        ("live", bytes(number(&total["live_bytes"]))),
        ("peak", bytes(number(&total["bytes_at_peak"]))),
        ("bytes", bytes(number(&total["bytes"]))),
        ("calls", count(calls)),
        ("temporary", bytes(number(&total["temporary_bytes"]))),
    ];
    for (measure, all) in measures {
        let press = format!("document.querySelector('#view-flame [data-choice={measure}]').click();");
        page.act(&press);
        page.is_sound(measure);
        let label = page.text("document.querySelector('#view-flame .box.all').getAttribute('aria-label')");
        assert_eq!(label, format!("all: {all}"), "{measure}");
    }
    page.act("document.querySelector('#view-flame [data-choice=bytes]').click();");
    let shown = page.table("flame", "flame-sites");
    let expected = joined(report, "churn", "bytes");
    assert_eq!(column(&shown, 1)[..], expected[..shown.len()]);

    // A function that is not the whole width becomes it.
    let widths = "[...document.querySelectorAll('#view-flame .box')].map(box => [Number(box.dataset.node), box.querySelector('rect').getBBox().width])";
    let boxes: Vec<(u64, f64)> =
        serde_json::from_value(page.0.run(&format!("return {widths};"))).expect("boxes");
    let (node, before) =
        *boxes.iter().find(|(_, width)| (100.0..700.0).contains(width)).expect("a box that is not all");
    page.act(&format!("document.querySelector('#view-flame [data-node=\"{node}\"]').dispatchEvent(new MouseEvent('click', {{ bubbles: true }}));"));
    assert_eq!(page.hash(), format!("#flame/bytes/{node}"));
    let boxes: Vec<(u64, f64)> =
        serde_json::from_value(page.0.run(&format!("return {widths};"))).expect("boxes");
    let after = boxes.iter().find(|(other, _)| *other == node).expect("the box").1;
    assert!(after > 990.0 && after > before && !boxes.iter().any(|(node, _)| *node == 0), "{before} {after}");
    page.is_sound("a part of the flame graph");
    page.0.run("const field = document.getElementById('flame-search'); field.value = 'a'; field.dispatchEvent(new Event('input'));");
    assert!(page.text("document.getElementById('flame-found').textContent").contains('%'));
    assert!(page.0.run("return document.querySelectorAll('#view-flame .hit').length;").as_u64() > Some(0));
    page.act("document.getElementById('flame-all').click();");
    assert_eq!(page.hash(), "#flame/bytes/0");
    // The keyboard does it, too.
    page.act(&format!("document.querySelector('#view-flame [data-node=\"{node}\"]').dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter', bubbles: true }}));"));
    assert_eq!(page.hash(), format!("#flame/bytes/{node}"));
}

fn moments(page: &Page<'_>, report: &Value) {
    page.view("moments");
    let change = || {
        page.0
            .run("return Number(document.getElementById('moment-change').dataset.value);")
            .as_f64()
            .expect("a number") as i64
    };
    let live = number(&report["total"]["live_bytes"]) as i64;
    assert_eq!(change(), live, "from the beginning to the end");
    let grew = page.table("moments", "grew");
    let expected = joined(report, "live", "live_bytes");
    assert_eq!(column(&grew, 1)[..], expected[..grew.len()]);
    // What the run leaked on purpose: a block of a kibibyte in each of 300 frames.
    assert!(grew.iter().any(|row| row[5] == "marks" && number(&row[1]) == 300 * 1024), "{grew:?}");

    let marks = report["marks"].as_array().expect("marks");
    let place = |text: &str| {
        let script = format!(
            "return [...document.getElementById('moment-from').options].findIndex(option => option.textContent.startsWith({}));",
            json!(format!("“{text}”"))
        );
        page.0.run(&script).as_i64().filter(|place| *place >= 0).unwrap_or_else(|| panic!("no moment {text}"))
    };
    let choose = |field: &str, place: i64| {
        page.act(&format!("const field = document.getElementById('moment-{field}'); field.value = {place}; field.dispatchEvent(new Event('change'));"));
    };
    let [first, second] = [&marks[0], &marks[1]];
    let text = |mark: &Value| mark["text"].as_str().expect("a text").to_owned();
    choose("from", place(&text(first)));
    choose("to", place(&text(second)));
    let between = number(&second["live_bytes"]) as i64 - number(&first["live_bytes"]) as i64;
    assert_eq!(change(), between, "{first} to {second}");
    let sum: i64 = ["grew", "shrank"]
        .iter()
        .flat_map(|name| page.table("moments", name))
        .map(|row| row[1].as_f64().expect("a change") as i64)
        .sum();
    let shown = ["grew", "shrank"].iter().map(|name| page.table("moments", name).len()).max().expect("two");
    assert!(shown == 25 || sum == between, "what is shown is all there is: {sum} and {between}");
    let tags: i64 = page
        .table("moments", "tag-changes")
        .iter()
        .map(|row| row[1].as_f64().expect("a change") as i64)
        .sum();
    assert_eq!(tags, between);
    page.act("document.getElementById('moments-turn').click();");
    assert_eq!(change(), -between);
    page.is_sound("two moments");
    page.act("document.getElementById('moments-leaks').click();");
    assert_eq!(change(), live);
}

fn heap_sites_and_sizes(page: &Page<'_>, report: &Value) {
    page.view("heap");
    // Read from a copy: reading the canvas itself makes the browser complain that it is slow.
    let painted = "const canvas = document.getElementById('heap-canvas'), copy = document.createElement('canvas');\
         copy.width = canvas.width; copy.height = canvas.height; const context = copy.getContext('2d', { willReadFrequently: true });\
         context.drawImage(canvas, 0, 0);\
         return new Set(new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer)).size;";
    let live = |page: &Page<'_>| page.text("document.getElementById('heap-live').textContent");
    assert_eq!(live(page), bytes(number(&report["total"]["live_bytes"])));
    assert!(page.0.run(painted).as_u64() > Some(3), "the map is empty");
    page.act("document.querySelector('#view-heap [data-choice=peak]').click();");
    assert_eq!(live(page), bytes(number(&report["total"]["peak_bytes"])));
    assert!(page.0.run(painted).as_u64() > Some(3), "the map is empty");
    let ranges = page.table("heap", "ranges");
    assert!(!ranges.is_empty() && ranges.iter().all(|row| number(&row[2]) <= number(&row[1])));

    page.view("sites");
    let expected = joined(report, "live", "live_bytes");
    let shown = column(&page.table("sites", "sites"), 1);
    assert!(shown.len() > 20 && expected.len() > 5);
    let most = shown.len().min(expected.len());
    assert_eq!(shown[..most], expected[..most]);
    let search = |text: &str| {
        page.0.run(&format!("const field = document.getElementById('site-search'); field.value = {}; field.dispatchEvent(new Event('input'));", json!(text)));
        page.table("sites", "sites").len()
    };
    let all = page.text("document.getElementById('sites-found').textContent");
    assert!(all.contains(&bytes(number(&report["total"]["bytes"]))), "{all}");
    let found = search("arenite_demo leak");
    assert!((1..20).contains(&found), "{found}");
    assert_eq!(search("no function has this name"), 0);
    assert!(search("") > 20);
    page.0.run("document.querySelector('#view-sites th:nth-child(6) button').click();");
    let calls = column(&page.table("sites", "sites"), 5);
    assert!(calls.is_sorted_by(|a, b| a >= b), "{calls:?}");
    let open = "const site = document.querySelector('#view-sites details'); site.open = true; site.dispatchEvent(new Event('toggle')); return site.querySelectorAll('li').length;";
    assert!(page.0.run(open).as_u64() > Some(0), "callers are shown");

    page.view("sizes");
    let sizes = page.table("sizes", "sizes");
    let classes = report["sizes"].as_array().expect("sizes");
    assert_eq!(column(&sizes, 1), classes.iter().map(|class| number(&class["blocks"])).collect::<Vec<_>>());
    let bars = |name: &str| {
        page.0.run(&format!("return document.querySelectorAll('#view-sizes svg[data-chart={name}] rect.mark:not(.s1)').length;"))
    };
    assert_eq!(number(&bars("sizes")) as usize, classes.len());
    assert_eq!(number(&bars("lifetimes")) as usize, report["lifetimes"].as_array().expect("lifetimes").len());
    let threads: u64 = column(&page.table("sizes", "threads"), 3).iter().sum();
    assert_eq!(threads, number(&report["total"]["allocs"]));
}

/// Names that want to be more than names.
const HOSTILE: [&str; 6] = [
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    "--><!--<script>",
    "\"'`${window.hit = 3}\\u003c",
    "a/<svg onload=window.hit=4>",
    "]]>\u{2028}\u{202e}\u{7f}",
];

#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn names_of_a_capture_are_shown_and_never_run() {
    let (_, own) = folders("hostile");
    let capture = own.join("hostile.arec");
    let mut writer = Writer::new(File::create(&capture).expect("a file"), 1_000_000).expect("written");
    writer
        .modules("1000-9000 r-xp 0 0:0 1 /none/</script><script>window.hit = 5</script>\n")
        .expect("written");
    for (number, text) in (1u32..).zip(HOSTILE) {
        let time = u64::from(number) * 1000;
        writer.event(RECORDER, time, &What::TagNamed { tag: number, name: text }).expect("written");
        writer.event(1, time, &What::ThreadNamed { name: text }).expect("written");
        writer.event(1, time, &What::Mark { text }).expect("written");
        writer.stack(1, time, number, &[0x1000 + u64::from(number) * 0x100, 0x4000]).expect("written");
        writer.event(1, time, &What::Tag { tag: number }).expect("written");
        let address = u64::from(number) << 20;
        writer.event(1, time, &What::Alloc { address, size: u64::MAX / 8, stack: number }).expect("written");
        writer.event(1, time, &What::Frame { number: u64::MAX - u64::from(number) }).expect("written");
    }
    writer.end().expect("written");
    let path = page_of(&capture);
    let browser = Browser::start(&own);
    let page = Page(&browser);
    page.open(&path);
    for view in VIEWS {
        page.view(view);
        let broken = page.0.run("return /NaN|undefined|\\[object/.exec(document.body.innerText);");
        assert_eq!(broken, Value::Null, "{view}");
    }
    assert_eq!(page.0.run("return [window.hit === undefined, document.scripts.length, document.querySelectorAll('img').length];"), json!([true, 2, 0]));
    let tags = page.table("tags", "tags");
    for text in HOSTILE {
        assert!(tags.iter().any(|row| row[0] == text), "{text} is not shown as it is: {tags:?}");
    }
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:?}");
    drop(browser);
    let _ = fs::remove_dir_all(&own);
}

#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn a_recording_without_frames_is_cut_into_slices_and_an_empty_one_is_no_error() {
    let (_, own) = folders("slices");
    let capture = own.join("slices.arec");
    // A sample that was cut off.
    let mut writer =
        Writer::with(File::create(&capture).expect("a file"), 1_000_000_000, 4096).expect("written");
    for number in 1..=1500u32 {
        let time = u64::from(number) * 1_000_000;
        let address = u64::from(number) << 13;
        if number <= 20 {
            writer.stack(1, time, number, &[0x1000 + u64::from(number), 0x77]).expect("written");
        }
        writer.event(1, time, &What::Alloc { address, size: 5000, stack: 1 + number % 20 }).expect("written");
        if number % 3 == 0 {
            writer.event(1, time, &What::Free { address }).expect("written");
        }
    }
    writer.cut().expect("written");
    let empty = own.join("empty.arec");
    Writer::new(File::create(&empty).expect("a file"), 1).expect("written").end().expect("written");
    let (path, nothing) = (page_of(&capture), page_of(&empty));
    let report = json_of(&capture);
    let browser = Browser::start(&own);
    let page = Page(&browser);
    page.open(&path);
    let warnings = page.text("document.getElementById('warnings').textContent");
    assert!(warnings.contains("did not come to its end") && warnings.contains("is a sample"), "{warnings}");
    for view in VIEWS.into_iter().filter(|view| *view != "tags") {
        page.view(view);
        page.is_sound(view);
    }
    page.view("frames");
    assert_eq!(page.text("document.querySelector('#views a[aria-current]').textContent"), "Time");
    click_on_column(&page, 100, 512);
    assert_eq!(page.hash(), "#frames/100");
    let calls: u64 = column(&page.table("frames", "row-sites"), 2).iter().sum();
    assert!((1..5).contains(&calls), "{calls} of 1500 calls in one of 512 slices");
    assert!(
        page.table("frames", "row-temporaries").is_empty()
            && page.text("document.body.innerText").contains("tells no frames")
    );
    page.view("moments");
    let change = page.0.run("return Number(document.getElementById('moment-change').dataset.value);");
    // Each stands for 1 / (1 - e^(-5000/4096)) blocks.
    assert_eq!((number(&change), number(&report["total"]["live_bytes"])), (1000 * 7092, 1000 * 7092));

    page.open(&nothing);
    for view in VIEWS {
        page.view(view);
        let broken = page.0.run("return /NaN|undefined|Infinity|\\[object/.exec(document.body.innerText);");
        assert_eq!(broken, Value::Null, "{view}");
    }
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:?}");
    drop(browser);
    let _ = fs::remove_dir_all(&own);
}

/// `ARENITE_EVENTS=100000000` makes it as long as the one for which the page must load in two seconds; the file of it has half a gigabyte, and is removed at once.
#[test]
#[ignore = "needs chromium and chromedriver; ci/report-page installs them"]
fn the_page_of_a_long_recording_is_small_and_shows_every_view() {
    let (pages, own) = folders("long");
    let capture = own.join("long.arec");
    let events =
        std::env::var("ARENITE_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number of events"));
    let began = Instant::now();
    let told = game::write(BufWriter::new(File::create(&capture).expect("a file")), events).expect("written");
    println!(
        "{told} events written in {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        bytes(fs::metadata(&capture).expect("the file").len())
    );
    let began = Instant::now();
    let made = page_of(&capture);
    println!("page made in {:.1} s", began.elapsed().as_secs_f64());
    fs::remove_file(&capture).expect("the capture is removed");
    let path = pages.join("long.html");
    if path != made {
        fs::copy(&made, &path).expect("the page is kept");
    }
    let size = fs::metadata(&path).expect("the page").len();
    // However long the recording is: tables have bounds.
    assert!(size < 8 << 20, "the page has {size} bytes");
    let browser = Browser::start(&own);
    let page = Page(&browser);
    page.open(&path);
    page.wait("performance.getEntriesByType('navigation')[0].loadEventEnd > 0");
    let load = page
        .0
        .run("return performance.getEntriesByType('navigation')[0].loadEventEnd;")
        .as_f64()
        .expect("a time");
    println!("{}: loaded in {load:.0} ms", bytes(size));
    for view in VIEWS {
        let drawn = page.0.run(&format!(
            "const began = performance.now(); location.hash = '#{view}'; return new Promise(done => setTimeout(() => done(performance.now() - began), 0));"
        ));
        page.view(view);
        page.is_sound(view);
        println!("{view}: {:.0} ms", drawn.as_f64().expect("a time"));
        keep_picture(&browser, &path.with_file_name(format!("long-{view}.html")), "light");
    }
    page.act("location.hash = '#frames/500';");
    page.wait("document.querySelectorAll('#view-frames table[data-table=row-sites] tbody tr').length > 5");
    let said = browser.console();
    assert!(said.is_empty(), "the console says {said:?}");
    drop(browser);
    let _ = fs::remove_dir_all(&own);
}
