//! A request server's pattern: what a request needs is allocated in small pieces of every size, used once and freed
//! together; now and then something of it stays for long.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Load, Outcome};
use crate::random::{Random, digest, mix};

const REQUESTS: usize = 80_000;

/// Sessions that are kept; a new one takes the place of a random one.
const SESSIONS: usize = 4_096;

/// What a request is parsed into.
struct Request {
    path: String,
    query: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What stays of one request in eight.
struct Session {
    user: String,
    trail: Vec<String>,
    data: Box<[u8]>,
}

pub(super) fn run(load: Load) -> Outcome {
    let requests = load.times(REQUESTS);
    load.in_threads(|thread| {
        let mut random = Random::new("server", thread);
        let mut sessions: Vec<Option<Session>> = (0..SESSIONS).map(|_| None).collect();
        let mut sum = 0;
        for number in 0..requests {
            let text = text(&mut random);
            let request = parse(&text);
            let response = respond(&request);
            sum = mix(sum, digest(response.as_bytes()));
            if number % 8 == 0 {
                let place = random.below(SESSIONS);
                let old = sessions[place].replace(remember(&request, &mut random));
                sum = old.iter().fold(sum, visit);
            }
        }
        sessions.iter().flatten().fold(sum, visit)
    })
}

/// What comes over the wire: 0.7 to 3 KiB, now and then up to 16.
fn text(random: &mut Random) -> String {
    let mut text = format!("/area/{:x}/item/{:x}?", random.below(1000), random.below(1 << 20));
    for field in 0..4 + random.below(8) {
        write!(text, "field{field}={:x}&", random.next() >> random.below(48)).expect("a string takes all");
    }
    for header in 0..8 + random.below(8) {
        write!(text, "\nheader-{header}: {:016x}", random.next()).expect("a string takes all");
        text.extend(std::iter::repeat_n('v', random.size(1, 128)));
    }
    text.push_str("\n\n");
    let body = if random.below(16) == 0 { random.size(1024, 16 << 10) } else { random.size(64, 1024) };
    text.extend(std::iter::repeat_n('b', body));
    text
}

fn parse(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").expect("a request has a body");
    let mut lines = head.lines();
    let (path, query) = lines.next().and_then(|line| line.split_once('?')).expect("a request has a path");
    Request {
        path: path.to_owned(),
        query: query
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

/// Written piece by piece into a string that grows.
fn respond(request: &Request) -> String {
    let parts: Vec<String> = request.query.iter().map(|(name, value)| format!("{name} is {value}")).collect();
    let mut response = String::new();
    writeln!(response, "you asked for {}", request.path).expect("a string takes all");
    for part in &parts {
        writeln!(response, "<p>{part}</p>").expect("a string takes all");
    }
    for (name, value) in &request.headers {
        writeln!(response, "<i>{name}</i>: {}", value.len()).expect("a string takes all");
    }
    writeln!(response, "{} bytes", request.body.len()).expect("a string takes all");
    response
}

fn remember(request: &Request, random: &mut Random) -> Session {
    Session {
        user: format!("user {}", request.path),
        trail: request.query.keys().take(3).cloned().collect(),
        data: vec![random.next() as u8; random.size(64, 2048)].into_boxed_slice(),
    }
}

fn visit(sum: u64, session: &Session) -> u64 {
    let trail = session.trail.iter().fold(sum, |sum, step| mix(sum, step.len() as u64));
    mix(trail, digest(session.user.as_bytes()) ^ u64::from(session.data[session.data.len() - 1]))
}
