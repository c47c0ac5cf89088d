//! `--metrics`: a real scrape of the running program, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// The program; ended when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a long run and answers with where its figures are.
fn start(address: &str) -> (Running, SocketAddr) {
    let program = env!("CARGO_BIN_EXE_arenite");
    let child = Command::new(program)
        .args(["demo", "--frames", "1000000", "--scenes", "1", "--agents", "16", "--metrics", address])
        .args(["--budget", "scene=64MiB"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stderr.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let address =
        line.trim().strip_prefix("metrics at http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{line:?}")).parse().expect("an address");
    (running, address)
}

fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Reads the text format: each sample's family must have been typed above it, and no sample comes twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|symbol| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == ':')
    };
    assert!(text.ends_with('\n'));
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut helped = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(is_name(name) && ["gauge", "counter"].contains(&kind), "{line}");
            assert!(types.insert(name, kind).is_none(), "typed twice: {line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, about) = rest.split_once(' ').expect("a text");
            assert!(!about.is_empty() && helped.insert(name), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().expect("a name");
            assert!(is_name(name) && types.contains_key(name), "{line}");
            assert_eq!(name.ends_with("_total"), types[name] == "counter", "{line}");
            if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                let label = labels.strip_prefix("{tag=\"").and_then(|rest| rest.strip_suffix("\"}"));
                assert!(label.is_some_and(|tag| !tag.is_empty() && !tag.contains('"')), "{line}");
            }
            let value = value.parse().expect("a number");
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    assert!(types.keys().all(|name| helped.contains(name)));
    samples
}

#[test]
fn a_scrape_while_the_game_runs_has_every_tag() {
    let (_running, address) = start("0");
    assert!(address.ip().is_loopback());
    let (head, body) = ask(address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("text/plain; version=0.0.4"), "{head}");
    let first = parse(&body);
    // The game may just have begun: until it has a scene.
    let loaded = |samples: &BTreeMap<String, f64>| {
        samples.get("arenite_commits_total{tag=\"scene\"}").is_some_and(|commits| *commits > 0.0)
            || samples.iter().any(|(series, value)| {
                series.starts_with("arenite_committed_bytes{tag=\"scene") && *value > 0.0
            })
    };
    let mut last = first.clone();
    for _ in 0..200 {
        if loaded(&last) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        last = parse(&ask(address, "GET /metrics HTTP/1.0\r\n\r\n").1);
    }
    assert!(loaded(&last), "{body}");
    assert!(last["arenite_resident_bytes"] > 0.0);
    assert_eq!(last["arenite_budget_bytes{tag=\"scene\"}"], f64::from(64 << 20));
    for (series, value) in first.iter().filter(|(series, _)| series.contains("_total")) {
        assert!(last[series] >= *value, "a counter fell: {series}");
    }

    assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 404"));
    assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 405"));
    let (head, body) = ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty());
    assert!(ask(address, "nonsense\r\n\r\n").0.starts_with("HTTP/1.1 405"));
}

#[test]
fn an_address_that_is_taken_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let program = env!("CARGO_BIN_EXE_arenite");
    let done = Command::new(program).args(["--metrics", &address]).output().expect("the program starts");
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), complaint.lines().count()), (Some(2), 1), "{complaint}");
    assert!(complaint.contains(&address));
}
