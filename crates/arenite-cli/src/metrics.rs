//! `--metrics ADDRESS`: the figures of every tag for Prometheus, over HTTP, while the game runs.
//!
//! A thread of its own answers one request after the other, and looks at the memory when it is asked: the game's frames do
//! nothing for it. The text is made by the usual exporter crate.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use arenite::watch::{MemoryMonitor, Reporter};
use arenite::{Ledger, os};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::fault::Fault;

/// More than any browser or scraper sends before the first empty line.
const HEAD_MAX: u64 = 16 << 10;

/// How long one request may take: nobody can keep the others waiting for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// An address, or a port of this machine.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| "write a port, or an address such as 127.0.0.1:9184".to_owned())
}

/// Serves until the program ends; answers with the address, whose port is known now.
pub(crate) fn serve(address: SocketAddr) -> Result<SocketAddr, Fault> {
    let fault = |error| Fault::new(format_args!("cannot serve metrics at {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(fault)?;
    let bound = listener.local_addr().map_err(fault)?;
    let mut page = Page::new();
    let serving = move || {
        for stream in listener.incoming() {
            // Who hangs up, or sends nonsense, gets no answer; the next one does.
            let _ = stream.and_then(|stream| answer(&stream, &mut page));
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(serving).map_err(fault)?;
    Ok(bound)
}

/// What is served.
struct Page {
    recorder: PrometheusRecorder,
    reporter: Reporter,
}

impl Page {
    fn new() -> Self {
        Self {
            recorder: PrometheusBuilder::new().build_recorder(),
            reporter: Reporter::every(1).watch(MemoryMonitor::new(Ledger::process())).metrics(),
        }
    }

    /// The figures as they are now.
    fn render(&mut self) -> String {
        let Self { recorder, reporter } = self;
        metrics::with_local_recorder(recorder, || reporter.look(os::monotonic_ns()));
        recorder.handle().render()
    }
}

/// Reads one request and answers it.
fn answer(stream: &TcpStream, page: &mut Page) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = BufReader::new(stream.take(HEAD_MAX));
    let mut request = String::new();
    head.read_line(&mut request)?;
    // The rest of the head says nothing that matters here; it is read, so that closing does not cut the answer off.
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = request.split_ascii_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, body) = match (method, path.split('?').next()) {
        ("GET" | "HEAD", Some("/metrics")) => ("200 OK", page.render()),
        ("GET" | "HEAD", _) => ("404 Not Found", "the figures are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET and HEAD\n".to_owned()),
    };
    let length = body.len();
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    if method != "HEAD" {
        text.push_str(&body);
    }
    let mut stream = stream;
    stream.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        assert_eq!(parse_address("9184"), Ok(([127, 0, 0, 1], 9184).into()));
        assert_eq!(parse_address("0.0.0.0:1"), Ok(([0, 0, 0, 0], 1).into()));
        assert!(parse_address("[::1]:80").is_ok_and(|address| address.ip().is_loopback()));
        for wrong in ["", "localhost", "127.0.0.1", "70000", "1.2.3.4:99999"] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }
}
