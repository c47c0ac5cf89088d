//! `top`, with the built program, a run of the demo that is recorded meanwhile, and a terminal of the system's.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use arenite_inspect::{Capture, Follow, FollowState, Summary, SummaryOptions};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// Far more than anything takes, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(300);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arenite"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn arenite(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program starts")
}

/// The one line that the program refuses these arguments with.
fn refusal(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty() && said.lines().count() == 1 && said.starts_with("arenite: "), "{said}");
    said
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder"))
    }

    fn file(&self, name: &str) -> (PathBuf, String) {
        let path = self.0.path().join(name);
        let text = path.display().to_string();
        (path, text)
    }
}

/// A run of the demo, which ends when this is dropped.
struct Demo(Child);

impl Demo {
    fn recorded(file: &str, frames: &str) -> Self {
        let arguments = [
            "demo",
            "--quiet",
            "--scenes",
            "1",
            "--agents",
            "48",
            "--threads",
            "2",
            "--frames",
            frames,
            "--record",
            file,
        ];
        let demo = Self(program(&arguments).stdout(Stdio::null()).spawn().expect("the demo starts"));
        let began = Instant::now();
        while fs::metadata(file).map_or(0, |found| found.len()) < 4096 {
            assert!(began.elapsed() < PATIENCE, "nothing is recorded");
            thread::sleep(Duration::from_millis(5));
        }
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_recording_that_is_being_made_is_followed_to_the_figures_of_its_summary() {
    let folder = Folder::new();
    let (path, file) = folder.file("game.arec");
    let mut demo = Demo::recorded(&file, "400");
    let mut follow = Follow::open(&path).expect("a capture");
    let (began, mut seen) = (Instant::now(), 0);
    while follow.poll(Instant::now()).expect("a poll") != FollowState::Ended {
        assert!(began.elapsed() < PATIENCE, "it ends");
        let events = follow.board().events();
        assert!(events >= seen);
        seen = events;
        thread::sleep(Duration::from_millis(3));
    }
    assert!(demo.0.wait().expect("the demo").success());
    let mut capture = Capture::open(&path).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    let board = follow.board();
    assert!(summary.is_whole() && summary.total.calls() > 100);
    assert_eq!((board.events(), follow.damaged(), follow.skipped()), (summary.read.events, 0, 0));
    assert_eq!(board.total().calls(), summary.total.calls());
    assert_eq!((board.frame_count(), board.mark_count()), (399, 2));
    // Unless this machine let the recorder wait so long that events came late.
    if board.late() == 0 {
        let total = board.total();
        assert_eq!(
            (total.live_bytes, total.live_blocks),
            (summary.total.live_bytes, summary.total.live_blocks)
        );
        assert_eq!((total.frees, total.peak_bytes), (summary.total.frees, summary.total.peak_bytes));
        for tag in board.tags() {
            let (_, expected) = summary.tag(&tag.name).expect("the same tags");
            assert_eq!(
                (tag.live_bytes, tag.peak_bytes),
                (expected.live_bytes, expected.peak_bytes),
                "{}",
                tag.name
            );
        }
    }
}

#[test]
fn a_snapshot_of_a_process_and_of_a_file() {
    let folder = Folder::new();
    let (path, file) = folder.file("game.arec");
    let mut demo = Demo::recorded(&file, "1000000");
    let process = demo.0.id().to_string();
    // Frames are there when half a second has passed.
    let began = Instant::now();
    let text = loop {
        let done = arenite(&["top", "--once", &process]);
        let text = String::from_utf8(done.stdout).expect("UTF-8");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        if text.contains("per frame") {
            break text;
        }
        assert!(began.elapsed() < PATIENCE, "{text}");
    };
    for part in [" live ", "game.arec", &process, "per second", "tag, with those below", "heap/record"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    // It goes on a second at a time, and ends when the process is gone.
    let top =
        program(&["top", "--interval", "100ms", &file]).stdout(Stdio::piped()).spawn().expect("it starts");
    thread::sleep(Duration::from_millis(1500));
    demo.0.kill().expect("killed");
    demo.0.wait().expect("the demo");
    let done = top.wait_with_output().expect("it ends");
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    assert!(done.status.success() && text.matches("per second").count() >= 2, "{text}");
    assert!(text.contains(" abandoned ") && text.contains("nobody writes it any more"), "{text}");
    // Of the file it is known at once, and it is no longer that of a process.
    let text = String::from_utf8(arenite(&["top", "--once", &file]).stdout).expect("UTF-8");
    assert!(text.starts_with(" abandoned "), "{text}");
    let begun = Instant::now();
    let done = arenite(&["top", "--for", "1h", &file]);
    assert!(done.status.success() && begun.elapsed() < PATIENCE);
    assert!(refusal(&["top", &process]).contains("there is no process"));
    assert!(path.exists());
}

#[test]
fn what_can_not_be_watched_is_refused() {
    let folder = Folder::new();
    let (path, file) = folder.file("text.arec");
    fs::write(&path, "this is a text, and longer than the header of a capture is, which has 64 bytes")
        .expect("a file");
    assert!(refusal(&["top", "--once", &file]).contains("not a capture"));
    fs::write(&path, "ARENITE-CAP").expect("a file");
    assert!(refusal(&["top", "--once", &file]).contains(&file));
    assert!(refusal(&["top", "--once", "no/such/file"]).contains("neither"));
    assert!(refusal(&["top", "--once", "/dev/zero"]).contains("not a file"));
    assert!(refusal(&["top", &file, "--once"]).contains("--once"));
    assert!(refusal(&["top"]).contains("required"));
    assert!(refusal(&["top", "--interval", "1ms", &file]).contains("100ms"));
    assert!(refusal(&["top", "--budget", "render", &file]).contains("TAG=SIZE"));
    let own = std::process::id().to_string();
    assert!(refusal(&["top", &own]).contains("writes no recording"));
}

fn resize(terminal: &OwnedFd, columns: u16) {
    let size = Winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("its size");
}

/// A terminal, what was written to it, and a program that has it.
struct Screen {
    keyboard: fs::File,
    /// Kept open, so that the terminal can be asked when the program is gone.
    terminal: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    child: Child,
    columns: u16,
    before: Termios,
}

impl Screen {
    fn start(arguments: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("granted");
        unlockpt(&keyboard).expect("unlocked");
        let name = ptsname(&keyboard, Vec::new()).expect("its name");
        let terminal =
            rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("the terminal");
        resize(&terminal, 100);
        let before = tcgetattr(&terminal).expect("its modes");
        let end = || Stdio::from(terminal.try_clone().expect("another handle"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_arenite"));
        let child =
            command.args(arguments).stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
        let keyboard = fs::File::from(keyboard);
        let (shown, mut screen) =
            (Arc::<Mutex<Vec<u8>>>::default(), keyboard.try_clone().expect("another handle"));
        let kept = shown.clone();
        // Ends with an error when the last handle of the terminal is closed.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = screen.read(&mut bytes) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..len]);
            }
        });
        Self { keyboard, terminal, shown, child, columns: 100, before }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until this was written.
    #[track_caller]
    fn until(&self, part: &str) {
        let began = Instant::now();
        while !self.text().contains(part) {
            assert!(began.elapsed() < PATIENCE, "no {part:?} in {:?}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("written");
    }

    /// Presses keys on a terminal that has got another size: all cells are written anew, not only those that differ, so that words are
    /// found in what is written.
    fn press_anew(&mut self, keys: &[u8]) {
        self.columns += 1;
        resize(&self.terminal, self.columns);
        self.press(keys);
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).expect("its modes").local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the program's end, and looks at what it left behind.
    fn end(mut self) -> std::process::ExitStatus {
        let status = self.child.wait().expect("it ends");
        self.until("\u{1b}[?1049l");
        self.until("\u{1b}[?25h");
        let text = self.text();
        let (left, hidden) = (text.rfind("\u{1b}[?1049l"), text.rfind("\u{1b}[?25l"));
        assert!(left > text.rfind("\u{1b}[?1049h"), "the other screen is left");
        assert!(text.rfind("\u{1b}[?25h") > hidden, "the cursor is shown again");
        let after = tcgetattr(&self.terminal).expect("its modes");
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.control_modes, self.before.control_modes);
        status
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_terminal_is_as_it_was_however_the_dashboard_ends() {
    let folder = Folder::new();
    let (path, file) = folder.file("game.arec");
    let demo = Demo::recorded(&file, "1000000");
    let process = demo.0.id().to_string();

    let mut screen = Screen::start(&["top", "--interval", "100ms", &process]);
    screen.until("per frame");
    assert!(screen.is_raw());
    for (key, part) in [
        (&b"2"[..], "with those below"),
        (b"3", "call site (of"),
        (b"4", "calls of each"),
        (b"\t", "frees/s"),
    ] {
        screen.press_anew(key);
        screen.until(part);
    }
    screen.press_anew(b"/zzz\rp");
    screen.until("display paused");
    screen.press(b"q");
    assert!(screen.end().success());

    let screen = Screen::start(&["top", &file]);
    screen.until("per second");
    let child = Pid::from_child(&screen.child);
    kill_process(child, Signal::TERM).expect("told to end");
    let status = screen.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{status}");

    let mut screen = Screen::start(&["top", &file]);
    screen.until("per second");
    screen.press(b"\x03");
    assert!(screen.end().success(), "ctrl-C is a key here");

    let screen = Screen::start(&["top", "--for", "300ms", &file]);
    assert!(screen.end().success());

    // The file goes while it is watched: what was seen stays, until somebody leaves.
    let mut screen = Screen::start(&["top", "--interval", "100ms", &file]);
    screen.until("per second");
    drop(demo);
    screen.press_anew(b"");
    fs::OpenOptions::new().write(true).open(&path).expect("the file").set_len(100).expect("cut off");
    screen.until(" lost ");
    screen.press(b"q");
    assert!(screen.end().success());
}
