//! valgrind's `dh_view.html` and Perfetto, in a headless Chromium.

#[path = "../browser/driver.rs"]
#[expect(dead_code, reason = "the driver does more than is asked of it here")]
mod driver;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use driver::Browser;
use serde_json::{Value, json};

use super::{LEAKED, exported, folder, recorded, totals};

/// Asks the page until it has an answer.
fn answer(browser: &Browser, script: &str) -> Value {
    let began = Instant::now();
    loop {
        let value = browser.run(script);
        if !value.is_null() {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "the page has no answer to {script}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// As the viewer writes figures.
fn grouped(figure: u64) -> String {
    let digits = figure.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

#[test]
#[ignore = "needs valgrind, chromium and chromium-driver: ci/exports"]
fn dh_view_shows_the_figures_of_the_report() {
    let view = ["/usr/libexec/valgrind/dh_view.html", "/usr/lib/valgrind/dh_view.html"];
    let view =
        view.iter().map(Path::new).find(|path| path.exists()).expect("valgrind; ci/exports installs it");
    let file = exported("dhat", "view.json", &["--tags"]);
    let text = fs::read_to_string(file).expect("a file");
    let profile = folder().join("dhat");
    fs::create_dir_all(&profile).expect("a folder");
    let browser = Browser::start(&profile);
    browser.load(view);
    // What choosing a file does.
    let choose = format!(
        "const files = new DataTransfer(); files.items.add(new File([{}], 'view.json')); gInput.files = files.files; gInput.onchange();",
        json!(text)
    );
    browser.run(&choose);
    let shown = answer(
        &browser,
        "const tree = document.querySelector('pre'); return tree && gRoot ? tree.innerText : null;",
    );
    let shown = shown.as_str().expect("text");
    let totals = totals();
    let (calls, bytes) = (grouped(totals.calls), grouped(totals.bytes));
    assert!(
        shown.contains(&format!("{bytes} bytes (100%"))
            && shown.contains(&format!("in {calls} blocks (100%")),
        "{shown}"
    );
    for (name, bytes, blocks) in [
        ("At t-gmax:", totals.peak_bytes, totals.blocks_at_peak),
        ("At t-end:", totals.live_bytes, totals.live_blocks),
    ] {
        let line = shown.lines().find(|line| line.contains(name)).expect("a line of the root");
        let expected = format!("{} bytes (100%) in {} blocks (100%)", grouped(bytes), grouped(blocks));
        assert!(line.contains(&expected), "{line}");
    }
    assert!(shown.contains("Mode:    arenite") && shown.contains("avg lifetime"), "{shown}");
    // Sorted by what is left at the end, the leak is the first one.
    browser.run("gSelect.selectedIndex = gSelectData.findIndex(data => data.label().startsWith('At t-end')); gSelect.onchange();");
    let shown = answer(&browser, "return document.querySelector('pre').innerText;");
    let shown = shown.as_str().expect("text");
    let first = shown.split("PP 1.1").nth(1).expect("a point");
    assert!(first.contains(&format!("{} bytes", grouped(LEAKED.0))) && first.contains("leak"), "{first}");
    assert!(shown.contains(": tag marks"), "{shown}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// Serves a folder as long as it lives.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(root: &str) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", root])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output is piped"))
            .read_line(&mut line)
            .expect("a line");
        let port = line.split(" port ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("no port in {line:?}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks Perfetto's engine, which has the trace as tables; all answers are text.
const ASK: &str = r"
window.answers = null;
(async () => {
    const ask = async question => {
        const answer = await app.trace.engine.query(question), names = answer.columns(), rows = [];
        for (const row = answer.iter({}); row.valid(); row.next()) rows.push(names.map(name => String(row.get(name))));
        return rows;
    };
    const answers = {};
    for (const [name, question] of Object.entries(QUESTIONS)) answers[name] = await ask(question);
    window.answers = answers;
})().catch(error => { window.answers = { error: String(error) }; });
";

#[test]
#[ignore = "needs Perfetto's page, chromium and chromium-driver: ci/exports"]
fn perfetto_shows_the_figures_of_the_report() {
    let root = std::env::var("ARENITE_PERFETTO").expect("the folder of Perfetto's page; ci/exports names it");
    let server = Server::start(&root);
    let file = exported("chrome", "page.trace.json", &[]);
    let text = fs::read_to_string(file).expect("a file");
    let profile = folder().join("perfetto");
    fs::create_dir_all(&profile).expect("a folder");
    let browser = Browser::start(&profile);
    browser.run(&format!("location.href = 'http://127.0.0.1:{}/index.html';", server.port));
    answer(
        &browser,
        "return typeof app == 'object' && document.querySelector('main, .pf-ui-main, .ui-main, nav') ? true : null;",
    );
    let open = format!(
        "window.postMessage({{ perfetto: {{ buffer: new TextEncoder().encode({}).buffer, title: 'game' }} }}, '*');",
        json!(text)
    );
    browser.run(&open);
    answer(&browser, "return app.trace ? true : null;");
    let questions = json!({
        "frames": "select count(*), sum(extract_arg(arg_set_id, 'args.allocations') + extract_arg(arg_set_id, 'args.reallocations')) from slice where category = 'frame'",
        "marks": "select name from slice where category = 'mark' order by ts",
        "counters": "select t.name, max(c.value) from counter c join counter_track t on c.track_id = t.id group by 1",
        "last": "select t.name, c.value from counter c join counter_track t on c.track_id = t.id order by c.ts, c.id",
        "faults": "select name, value from stats where severity != 'info' and value > 0",
    });
    browser.run(&ASK.replace("QUESTIONS", &questions.to_string()));
    let answers = answer(&browser, "return window.answers;");
    assert!(answers["error"].is_null(), "{answers}");
    assert_eq!(answers["faults"], json!([]));
    let report = &recorded().1;
    let rows = report["frames"]["rows"].as_array().expect("rows").iter().chain([&report["frames"]["last"]]);
    let calls: u64 = rows
        .map(|row| row["allocs"].as_u64().expect("a figure") + row["reallocs"].as_u64().expect("a figure"))
        .sum();
    let frames = report["frames"]["count"].as_u64().expect("frames") + 1;
    assert_eq!(answers["frames"], json!([[frames.to_string(), calls.to_string()]]));
    let marks = report["marks"].as_array().expect("marks");
    let marks: Vec<Value> = marks.iter().map(|mark| json!([mark["text"]])).collect();
    assert_eq!(answers["marks"], json!(marks));
    let most = |table: &str, name: &str| {
        let rows = answers[table].as_array().expect("rows");
        let row = rows.iter().rfind(|row| row[0] == format!("{name} bytes"));
        row.map_or(0.0, |row| row[1].as_str().and_then(|text| text.parse().ok()).expect("a number"))
    };
    let totals = totals();
    assert_eq!(
        (most("counters", "live"), most("last", "live")),
        (totals.peak_bytes as f64, totals.live_bytes as f64)
    );
    for tag in report["tags"].as_array().expect("tags") {
        let name = format!("live: {}", tag["name"].as_str().expect("a name"));
        assert_eq!(Some(most("counters", &name)), tag["peak_bytes"].as_f64(), "{name}");
        assert_eq!(Some(most("last", &name)), tag["live_bytes"].as_f64(), "{name}");
    }
}
