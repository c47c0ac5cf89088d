//! `demo --record`, `report`, `check` and `diff`, with recordings of short runs of the built program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use arenite::record::format::events::What;
use arenite_demo::report::units;
use arenite_inspect::Estimate;
use serde_json::Value;

#[path = "../../arenite-inspect/tests/made_up/mod.rs"]
mod made_up;

use made_up::{RECORDER, Writer};

const FRAMES: u64 = 60;
const LEAK: u64 = 1024;

fn arenite(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_arenite");
    Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// What the program prints; panics unless it succeeds and has nothing to complain about.
fn printed(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// The one line that the program refuses these arguments with.
fn refusal(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty(), "{arguments:?} printed {}", String::from_utf8_lossy(&done.stdout));
    let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: {said:?} is no line"));
    assert!(!line.contains('\n') && line.starts_with("arenite: ") && !line.contains("panicked"), "{said}");
    line.to_owned()
}

/// The exit status of a check, and its lines.
fn check(file: &str, rules: &[&str]) -> (i32, Vec<String>) {
    let done = arenite(&[&["check", file], rules].concat());
    assert!(done.stderr.is_empty(), "{rules:?}: {}", String::from_utf8_lossy(&done.stderr));
    let lines = String::from_utf8(done.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    (done.status.code().expect("it ends by itself"), lines)
}

fn folder() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("captures-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// A recording of a run that leaks, and of one that does not. Both are made once, by runs of the same seed.
fn recordings() -> &'static (String, String) {
    static MADE: OnceLock<(String, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let [leaky, clean] =
            ["leaky.arec", "clean.arec"].map(|name| folder().join(name).display().to_string());
        let frames = FRAMES.to_string();
        let run = ["--frames", &frames, "--scenes", "2", "--agents", "48", "--threads", "2", "--record"];
        let leak = format!("{LEAK}B");
        let text = printed(&[&run[..], &[&leaky, "--leak", &leak]].concat());
        let last = text.lines().last().expect("lines");
        assert!(
            last.starts_with("Recording ") && last.contains("recorded") && last.contains(&leaky),
            "{last}"
        );
        assert!(text.contains("Leak under tag marks: 120 blocks"), "as without a recording\n{text}");
        printed(&[&run[..], &[&clean]].concat());
        (leaky, clean)
    })
}

fn json(file: &str) -> Value {
    serde_json::from_str(&printed(&["report", file, "--json"])).expect("JSON")
}

fn tag<'a>(report: &'a Value, name: &str) -> &'a Value {
    let tags = report["tags"].as_array().expect("tags");
    tags.iter().find(|tag| tag["name"] == name).unwrap_or_else(|| panic!("no tag {name}"))
}

#[test]
fn a_report_names_a_deliberate_leak() {
    let (leaky, clean) = recordings();
    let text = printed(&["report", leaky]);
    for part in [
        "live at the end",
        "at the peak",
        "marks",
        "scene 1 (",
        "begins",
        "Frames: ",
        "Blocks by size",
        "thread",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 110 && !line.contains('\u{1b}'), "{line}");
    }
    let row = text.lines().find(|line| line.starts_with("marks ")).expect("the tag of the leak");
    assert!(row.contains("120 KiB"), "{row}");

    let report = json(leaky);
    let marks = tag(&report, "marks");
    assert_eq!(
        (marks["live_bytes"].as_u64(), marks["live_blocks"].as_u64()),
        (Some(2 * FRAMES * LEAK), Some(2 * FRAMES))
    );
    assert_eq!(report["whole"], true);
    assert_eq!(report["lost_events"], 0);
    assert_eq!(report["marks"].as_array().map(Vec::len), Some(4));
    // The last frame has no end.
    assert_eq!(report["frames"]["count"].as_u64(), Some(2 * FRAMES - 1));
    let memory = |name: &str| report["memory"][name].as_u64().expect("a figure");
    assert!(memory("resident") > 0 && memory("resident") <= memory("peak_resident"));
    assert_eq!(memory("untracked"), memory("resident").saturating_sub(memory("committed")));
    assert!(
        text.contains("of the machine's memory") && tag(&report, "frame")["most_used"].as_u64() > Some(0)
    );
    let rows = report["frames"]["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["used_bytes"].as_u64() > Some(0)), "each frame uses its arena");
    let total = &report["total"];
    let figure = |name: &str| total[name].as_u64().expect("a figure");
    assert!(figure("peak_bytes") >= figure("live_bytes") && figure("bytes") >= figure("peak_bytes"));
    assert!(figure("live_blocks") >= 2 * FRAMES && figure("allocs") >= figure("frees"));
    let sites = report["sites"]["live"].as_array().expect("sites");
    assert!(!sites.is_empty() && sites.len() <= 10);
    assert!(
        printed(&["report", leaky, "--json", "--top", "1"]).len()
            < printed(&["report", leaky, "--json"]).len()
    );
    if cfg!(any(target_os = "linux", windows)) {
        let modules = report["modules"].as_array().expect("modules");
        let program = env!("CARGO_BIN_EXE_arenite");
        let own = modules.iter().find(|module| module["path"] == program).expect("the program itself");
        assert_eq!(own["file"], "as it was", "{own}");
        assert!(modules.iter().all(|module| module["file"] != "changed"), "{modules:?}");
    }
    let clean = json(clean);
    let tags = clean["tags"].as_array().expect("tags");
    assert!(tags.iter().all(|tag| tag["name"] != "marks"), "a run without a leak has none");
}

#[test]
fn rules_hold_or_do_not() {
    let (leaky, clean) = recordings();
    let marks = ["--from", "scene 1 (MAP01) begins", "--to", "scene 1 (MAP01) ends"];
    let (status, lines) =
        check(clean, &["--max-total", "1GiB", "--max-live", "heap=1GiB", "--max-live", "heap/program=1GiB"]);
    assert_eq!((status, lines.len()), (0, 3), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("ok   ") && line.contains("allowed")), "{lines:?}");
    let (status, lines) = check(leaky, &["--max-total", "1KiB", "--max-live", "marks=1MiB"]);
    assert_eq!((status, lines[0].starts_with("FAIL max-live"), lines.len()), (1, false, 2), "{lines:?}");
    assert!(lines[0].starts_with("ok   max-live marks: 120 KiB (122,880)"), "{lines:?}");
    assert!(lines[1].starts_with("FAIL max-total: "), "{lines:?}");
    let exactly = format!("marks={}", 2 * FRAMES * LEAK);
    assert_eq!(check(leaky, &["--max-live", &exactly]).0, 0);
    let less = format!("marks={}", 2 * FRAMES * LEAK - 1);
    assert_eq!(check(leaky, &["--max-live", &less]).0, 1);

    let (status, lines) = check(leaky, &["--no-leaks=marks"]);
    assert_eq!(status, 1);
    assert!(lines[0].starts_with("FAIL no-leaks marks: 120 blocks of 120 KiB stayed"), "{lines:?}");
    let (status, lines) = check(leaky, &[&["--no-leaks=marks"], &marks[..]].concat());
    assert!(status == 1 && lines[0].contains(" 60 blocks of 60 KiB stayed"), "only of that scene: {lines:?}");
    let (status, lines) = check(leaky, &["--no-leaks=scene"]);
    assert_eq!((status, lines), (0, vec!["ok   no-leaks scene: nothing stayed".to_owned()]));

    // The leak is what its frames ask for, one block in each.
    let frames = [&["--max-per-frame", "0", "--warm-up", "35"], &marks[..]].concat();
    let (status, lines) = check(clean, &frames);
    assert!(status == 0 && lines[0].starts_with("ok   max-per-frame: frame "), "{lines:?}");
    let (status, lines) = check(leaky, &frames);
    assert!(status == 1 && lines[0].contains("1 time (1 KiB); 0 allowed"), "{lines:?}");
}

#[test]
fn what_can_not_be_judged_is_no_pass() {
    let (leaky, _) = recordings();
    assert!(refusal(&["check", leaky]).contains("--max-live"));
    let line = refusal(&["check", leaky, "--max-live", "mraks=1MiB"]);
    assert!(line.contains("no tag `mraks`") && line.contains("marks"), "{line}");
    assert!(refusal(&["check", leaky, "--no-leaks=mraks"]).contains("no tag"));
    assert!(refusal(&["check", leaky, "--no-leaks", "--from", "never"]).contains("no mark \"never\""));
    assert!(refusal(&["check", leaky, "--max-per-frame", "0", "--warm-up", "1000"]).contains("no frame"));
}

#[test]
fn files_that_are_no_captures_are_refused() {
    let (leaky, _) = recordings();
    let whole = fs::read(leaky).expect("a recording");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder().join(name);
        fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    };
    let mut other = whole.clone();
    other[20] ^= 1;
    let bad = [
        file("empty.arec", b""),
        file("text.arec", b"this is a text, and longer than the header of a capture is, which has 64 bytes"),
        file("header.arec", &whole[..63]),
        file("damaged.arec", &other),
        folder().join("absent.arec").display().to_string(),
        folder().display().to_string(),
    ];
    let page = folder().join("never.html").display().to_string();
    for path in &bad {
        for arguments in [
            &["report", path][..],
            &["report", path, "--json"],
            &["report", path, "--html", &page],
            &["check", path, "--max-total", "1GiB"],
            &["diff", path, "--to", "x"],
            &["diff", leaky, path],
            &["diff", path, leaky],
        ] {
            let line = refusal(arguments);
            assert!(line.contains(path.as_str()), "{line}");
        }
    }
    assert!(!Path::new(&page).exists(), "nothing is left of a page that could not be made");
    #[cfg(unix)]
    assert!(refusal(&["report", "/dev/zero"]).contains("not a file"));
    #[cfg(unix)]
    assert!(refusal(&["--record", "/dev/null"]).contains("not a file"));
    let nowhere = folder().join("none/game.arec").display().to_string();
    assert!(refusal(&["--record", &nowhere]).contains(&nowhere));
    let same = folder().join("same").display().to_string();
    assert!(refusal(&["--record", &same, "--json", &same]).contains("--json"));
}

#[test]
fn a_capture_that_was_cut_off_is_shown_and_not_judged() {
    let (leaky, _) = recordings();
    let whole = fs::read(leaky).expect("a recording");
    let path = folder().join("cut.arec").display().to_string();
    for cut in [64, whole.len() / 3, whole.len() - 9] {
        fs::write(&path, &whole[..cut]).expect("a file");
        let text = printed(&["report", &path]);
        assert!(text.contains("note: the recording did not come to its end"), "{text}");
        assert_eq!(json(&path)["complete"], false);
        let rules = ["--max-total", "1GiB"];
        let line = refusal(&[&["check", path.as_str()], &rules[..]].concat());
        assert!(line.contains("did not come to its end") && line.contains("--incomplete"), "{line}");
        assert_eq!(check(&path, &[&rules[..], &["--incomplete"]].concat()).0, 0);
    }
}

#[cfg(unix)]
#[test]
fn a_files_name_is_shown_in_one_line() {
    let path = folder().join("name\u{1b}]0;title\u{7}\nleaky.arec").display().to_string();
    fs::copy(&recordings().0, &path).expect("a copy");
    for arguments in [&["report", &path][..], &["diff", &path, &path]] {
        let text = printed(arguments);
        assert!(text.contains("name\\u{1b}]0;title\\u{7}\\nleaky.arec"), "{text}");
        assert!(!text.chars().any(|symbol| symbol.is_control() && symbol != '\n'), "{text:?}");
    }
}

#[test]
fn differences_of_two_moments_and_of_two_recordings() {
    let (leaky, clean) = recordings();
    let text = printed(&["diff", leaky, "--from", "scene 1 (MAP01) begins", "--to", "scene 1 (MAP01) ends"]);
    let row = text
        .lines()
        .find(|line| line.starts_with("marks "))
        .unwrap_or_else(|| panic!("no tag of the leak in\n{text}"));
    assert!(row.contains("+60 KiB") && row.ends_with("+60"), "{row}");
    let text = printed(&["diff", clean, leaky]);
    let row = text
        .lines()
        .find(|line| line.starts_with("marks "))
        .unwrap_or_else(|| panic!("no tag of the leak in\n{text}"));
    assert!(row.contains("+120 KiB") && row.ends_with("+120"), "{row}");
    let back = printed(&["diff", leaky, clean]);
    let row = back.lines().find(|line| line.starts_with("marks ")).expect("the leak, backwards");
    assert!(row.contains("−120 KiB") && row.ends_with("−120"), "{row}");
    let same = printed(&["diff", leaky, leaky]);
    assert!(same.contains("No call site differs."), "{same}");
    assert!(refusal(&["diff", leaky, "--from", "never"]).contains("no mark"));
    assert!(!same.lines().any(|line| line.starts_with("marks ")), "{same}");
}

#[test]
fn a_page_is_one_file_that_asks_nobody() {
    let (leaky, _) = recordings();
    let page = folder().join("leaky.html").display().to_string();
    let line = printed(&["report", leaky, "--html", &page]);
    assert!(line.starts_with(&page) && line.lines().count() == 1, "{line}");
    let text = fs::read_to_string(&page).expect("the page");
    for outside in ["http:", "https:", "url(", "@import", "<link rel=\"stylesheet", "src=", "javascript:"] {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains(outside), "the page has {outside}");
    }
    assert_eq!((text.matches("<script").count(), text.matches("</script>").count()), (2, 2));
    let (_, data) = text.split_once("id=\"data\">").expect("the data");
    let (data, _) = data.split_once("</script>").expect("its end");
    let data: Value = serde_json::from_str(data).expect("JSON");
    let report = json(leaky);
    for figure in ["live_bytes", "peak_bytes", "bytes", "allocs", "temporaries"] {
        assert_eq!(data["total"][figure], report["total"][figure], "{figure}");
    }
    assert_eq!(data["rows"]["calls"].as_array().expect("rows").len() as u64, 2 * FRAMES + 1);
    let sum: u64 = data["sites"]["live"].as_array().expect("sites").iter().filter_map(Value::as_u64).sum();
    assert_eq!(report["total"]["live_bytes"], sum);
    let leak = data["tag_names"].as_array().expect("tags").iter().position(|name| name == "marks");
    assert!(leak.is_some_and(|leak| leak > 0), "the leak's tag has a place");

    let before = fs::read(leaky).expect("the recording");
    assert!(refusal(&["report", leaky, "--html", leaky]).contains("--html"));
    assert_eq!(fs::read(leaky).expect("the recording"), before);
    let nowhere = folder().join("none/page.html").display().to_string();
    assert!(refusal(&["report", leaky, "--html", &nowhere]).contains(&nowhere));
    refusal(&["report", leaky, "--html", &page, "--json"]);
    refusal(&["report", leaky, "--html", &page, "--top", "3"]);
}

const SAMPLE: u64 = 64 << 10;
const BLOCK: u64 = 8 << 10;

/// A sample that no recorder wrote: a hundred blocks of 8 KiB of `render` that stay, ten of 1 MiB of `audio` that go, and between the marks
/// `a` and `b` twenty of 8 KiB of `render` that come.
fn sample() -> String {
    let path = folder().join(format!("sample-{:?}.arec", std::thread::current().id()));
    let mut writer =
        Writer::with(fs::File::create(&path).expect("a file"), 1_000_000_000, SAMPLE).expect("written");
    let mut time = 0;
    let mut tell = |thread: u32, what: &What<'_>| {
        time += 1000;
        writer.event(thread, time, what).expect("written");
    };
    for (tag, name) in [(1, "render"), (2, "audio"), (3, "scripts")] {
        tell(RECORDER, &What::TagNamed { tag, name });
    }
    tell(1, &What::Tag { tag: 2 });
    (0..10).for_each(|block| tell(1, &What::Alloc { address: (900 + block) << 24, size: 1 << 20, stack: 0 }));
    (0..10).for_each(|block| tell(1, &What::Free { address: (900 + block) << 24 }));
    tell(1, &What::Tag { tag: 1 });
    (0..100).for_each(|block| tell(1, &What::Alloc { address: (1 + block) << 20, size: BLOCK, stack: 0 }));
    tell(1, &What::Mark { text: "a" });
    tell(1, &What::Frame { number: 1 });
    (0..20).for_each(|block| tell(1, &What::Alloc { address: (201 + block) << 20, size: BLOCK, stack: 0 }));
    tell(1, &What::Mark { text: "b" });
    tell(1, &What::Frame { number: 2 });
    writer.end().expect("written");
    path.display().to_string()
}

#[test]
fn a_sample_is_told_as_estimates_with_their_intervals() {
    let path = sample();
    let live = Estimate::of([BLOCK; 120], SAMPLE);
    let report = json(&path);
    assert_eq!(
        (&report["estimated"], report["recorded"]["blocks"].as_u64()),
        (&Value::Bool(true), Some(130))
    );
    let near = |figure: &Value, expected: f64, what: &str| {
        let figure = figure.as_f64().expect("a figure");
        // Blocks are whole ones: the sum of their halves is off by so much at the most, and so is what is rounded up.
        assert!((figure / expected - 1.0).abs() < 0.01, "{what}: {figure}, not {expected}");
    };
    for figures in [&report["total"], tag(&report, "render")] {
        near(&figures["live_bytes"], live.bytes, "live");
        near(&figures["within"]["live_bytes"], live.within, "its interval");
        near(&figures["live_blocks"], live.blocks, "blocks");
        near(&figures["within"]["live_blocks"], live.blocks_within, "their interval");
    }
    let asked = Estimate::of([BLOCK; 120].into_iter().chain([1 << 20; 10]), SAMPLE);
    near(&report["total"]["bytes"], asked.bytes, "asked for");
    near(&report["threads"][0]["within"]["bytes"], asked.within, "the thread's interval");

    let text = printed(&["report", &path]);
    let line = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{text}"))
    };
    assert!(text.contains("note: it is a sample") && text.contains("estimates"), "{text}");
    for name in ["live at the end", "at the peak", "asked for"] {
        assert!(line(name).contains(" about ") && line(name).contains("(± "), "{}", line(name));
    }
    assert!(line("in the sample").contains("130 blocks of 10.9 MiB"), "{}", line("in the sample"));
    assert_eq!(line("render ").matches(" ± ").count(), 4, "{}", line("render "));
    assert!(text.contains("a guess"), "which frame was the worst\n{text}");

    let page = folder().join("sample.html");
    printed(&["report", &path, "--html", &page.display().to_string()]);
    let page = fs::read_to_string(page).expect("a page");
    assert!(page.contains("\"live_within\":[") && page.contains("it is a sample"), "no intervals");
}

#[test]
fn a_sample_is_judged_by_its_estimates() {
    let path = sample();
    let live = Estimate::of([BLOCK; 120], SAMPLE);
    let judged = |most: f64| check(&path, &["--max-live", &format!("render={}B", most as u64)]);
    let (code, lines) = judged(live.bytes * 1.001);
    assert_eq!(code, 0, "{lines:?}");
    assert!(
        lines[0].contains("about ")
            && lines[0].contains("as estimated")
            && lines[0].contains("within the interval")
    );
    let (code, lines) = judged(live.bytes * 0.999);
    assert!(code == 1 && lines[0].contains("within the interval"), "{lines:?}");
    for (most, expected) in [(live.bytes + 1.1 * live.within, 0), (live.bytes - 1.1 * live.within, 1)] {
        let (code, lines) = judged(most);
        assert!(code == expected && !lines[0].contains("within the interval"), "{lines:?}");
    }
    let (code, lines) = check(&path, &["--max-live", "scripts=1KiB", "--max-total", "1GiB"]);
    assert!(code == 0 && lines[0].contains("less than 192 KiB") && lines[1].contains("± "), "{lines:?}");
    let (code, lines) = check(&path, &["--from", "a", "--to", "b", "--no-leaks", "--max-total", "1GiB"]);
    assert!(
        code == 1 && lines.iter().any(|line| line.contains("about ") && line.contains("stayed")),
        "{lines:?}"
    );
    let line = refusal(&["check", &path, "--max-per-frame", "10"]);
    assert!(
        line.contains("a sample has too few blocks of a frame") && line.contains("--incomplete"),
        "{line}"
    );

    let text = printed(&["diff", &path, "--from", "a", "--to", "b"]);
    let row = text.lines().find(|line| line.starts_with("render ")).unwrap_or_else(|| panic!("{text}"));
    // What was there at both marks does not make the change less certain.
    let came = Estimate::of([BLOCK; 20], SAMPLE);
    assert!(row.contains(&format!("+{} ± ", units::bytes(came.bytes as u64))), "{row}\n{text}");
}

#[test]
fn a_sample_is_recorded_by_the_demo() {
    let path = folder().join("demo-sample.arec").display().to_string();
    let run = ["--frames", "5", "--scenes", "1", "--agents", "16", "--threads", "1", "--record", &path];
    printed(&[&run[..], &["--sample", "64KiB"]].concat());
    assert_eq!(json(&path)["sample_bytes"].as_u64(), Some(64 << 10));
    assert!(refusal(&["--frames", "5", "--sample", "64KiB"]).contains("--record"));
}
