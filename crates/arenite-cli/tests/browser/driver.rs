//! Speaks just enough WebDriver to load pages in a headless Chromium and ask it what it drew.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A running Chromium; it ends with this value.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Profile of this browser alone.
    profile: PathBuf,
}

impl Browser {
    /// Starts chromedriver and through it Chromium, with a fresh profile in `folder` and nothing that reaches outside.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts; ci/report-page installs it");
        let mut said = BufReader::new(driver.stdout.take().expect("its output is piped"));
        let port = port_in(&mut said);
        // Read on, so that the driver never waits for us to make room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let profile = folder.join("profile");
        let mut browser = Self { driver, port, session: String::new(), profile };
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1200,1000",
            format!("--user-data-dir={}", browser.profile.display()),
        ]);
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.call("/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Loads a page and waits until it is laid out.
    pub(crate) fn load(&self, page: &Path) {
        self.ask("url", &json!({"url": format!("file://{}", page.display())}));
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Makes the page believe that its reader prefers `scheme` (`light` or `dark`).
    pub(crate) fn prefer(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("goog/cdp/execute", &json!({"cmd": "Emulation.setEmulatedMedia", "params": media}));
    }

    /// What the browser's console says since it was last asked.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.ask("se/log", &json!({"type": "browser"}));
        entries.as_array().expect("a list").iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of the whole page, as PNG in base64.
    pub(crate) fn screenshot(&self) -> String {
        let whole = json!({"captureBeyondViewport": true, "format": "png"});
        let shot = self.ask("goog/cdp/execute", &json!({"cmd": "Page.captureScreenshot", "params": whole}));
        shot["data"].as_str().expect("a picture").to_owned()
    }

    fn ask(&self, command: &str, body: &Value) -> Value {
        self.call(&format!("/session/{}/{command}", self.session), body)
    }

    /// One request; its answer's value.
    fn call(&self, path: &str, body: &Value) -> Value {
        let answer = self.http("POST", path, &body.to_string()).expect("chromedriver answers");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"));
        assert!(answer["value"].get("error").is_none(), "{path}: {}", answer["value"]);
        answer["value"].clone()
    }

    fn http(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        for line in answer.by_ref().lines() {
            let line = line?.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut text = vec![0; length];
        answer.read_exact(&mut text)?;
        String::from_utf8(text).map_err(io::Error::other)
    }
}

/// Reads on until the driver names its port.
fn port_in(said: &mut impl BufRead) -> u16 {
    for line in said.by_ref().lines() {
        let line = line.expect("a line");
        if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().expect("a port");
        }
    }
    panic!("chromedriver ended without naming its port");
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Ends Chromium in order, also when a check failed: killing the driver alone would leave it running.
            let _ = self.http("DELETE", &format!("/session/{}", self.session), "{}");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
