//! Whatever is wrong with the input ends as one line, exit status 2, no panic and nothing written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of one test that goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn arenite(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_arenite");
    Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// The one line that the program refuses these arguments with.
fn refusal(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty(), "{arguments:?} printed {}", String::from_utf8_lossy(&done.stdout));
    let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: {said:?} is no line"));
    assert!(!line.contains('\n') && line.starts_with("arenite: "), "{arguments:?}: {said}");
    assert!(!line.contains("panicked"), "{said}");
    line.to_owned()
}

#[test]
fn absurd_options_are_refused() {
    let wrong: [&[&str]; 13] = [
        &["--frames", "0"],
        &["--frames", "many"],
        &["--agents", "4000000000"],
        &["--agents", "-3"],
        &["--threads", "0"],
        &["--threads", "100000"],
        &["--scenes", "0"],
        &["--scenes", "10000", "--frames", "1000000"],
        &["--budget", "scene=8MB"],
        &["--budget", "scene"],
        &["--rounds", "3"],
        &["--wat"],
        &["play"],
    ];
    for arguments in wrong {
        refusal(arguments);
        if arguments != ["play"] {
            refusal(&[&["demo"], arguments].concat());
        }
    }
}

#[test]
fn files_that_are_no_wad_are_refused() {
    let folder = Folder::new("wad");
    let cases = [
        ("empty.wad", &b""[..]),
        ("text.wad", b"this is a text, and not a short one"),
        ("truncated.wad", b"PWAD\x05\0\0\0\x0c"),
        ("outside.wad", b"PWAD\x05\0\0\0\xff\xff\xff\x7f"),
        ("no-maps.wad", b"PWAD\0\0\0\0\x0c\0\0\0"),
    ];
    for (name, bytes) in cases {
        let file = folder.file(name, bytes);
        refusal(&["--wad", &file]);
        refusal(&["--wad", &file, "--scenes", "all"]);
        refusal(&["--wad", &file, "--json", &folder.path("out.json"), "--report", &folder.path("out.html")]);
    }
    for path in [folder.path("absent.wad"), folder.0.display().to_string()] {
        assert!(refusal(&["--wad", &path]).contains("cannot read "), "{path}");
    }
    #[cfg(unix)]
    assert!(refusal(&["--wad", "/dev/zero"]).contains("not a file"));
    assert_eq!(folder.names(), ["empty.wad", "no-maps.wad", "outside.wad", "text.wad", "truncated.wad"]);
}

#[test]
fn a_file_larger_than_its_budget_is_refused_unread() {
    let folder = Folder::new("large");
    let path = folder.path("large.wad");
    // Takes no room on disk; read whole it would be more than the machine has, or nearly.
    fs::File::create(&path).and_then(|file| file.set_len(8 << 30)).expect("a sparse file");
    for options in [&["--wad", &path][..], &["--wad", &path, "--scenes", "all"]] {
        let line = refusal(options);
        assert!(line.contains("`wad`") && line.contains("budget"), "{line}");
    }
}

#[test]
fn an_unwritable_path_is_found_before_the_run() {
    let folder = Folder::new("paths");
    let old = folder.file("old.json", b"old");
    for path in [folder.0.display().to_string(), folder.path("none/out"), format!("{old}/out")] {
        for option in ["--json", "--report"] {
            // So many frames that a run would not be over when the test is.
            let line = refusal(&["--frames", "1000000", option, &path]);
            assert!(line.contains("cannot write "), "{line}");
        }
    }
    refusal(&["--json", ""]);
    let same = folder.path("same");
    refusal(&["--json", &same, "--report", &same]);
    assert_eq!(folder.names(), ["old.json"]);
    assert_eq!(fs::read(&old).expect("the old file"), b"old");
}

#[test]
fn a_failed_run_leaves_old_results_alone() {
    let folder = Folder::new("old");
    let (json, page) = (folder.file("old.json", b"old"), folder.file("old.html", b"old"));
    let wad = folder.file("no.wad", b"no");
    refusal(&["--wad", &wad, "--json", &json, "--report", &page]);
    assert_eq!(fs::read(&json).expect("the old file"), b"old");
    assert_eq!(fs::read(&page).expect("the old file"), b"old");
    assert_eq!(folder.names(), ["no.wad", "old.html", "old.json"]);
}

#[test]
fn names_cannot_write_to_the_terminal() {
    let line = refusal(&["--wad", "a\nb\u{1b}[31m.wad"]);
    assert!(line.contains("a\\nb\\u{1b}[31m.wad"), "{line}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_arenite"))
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let done = child.wait_with_output().expect("the program ends");
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}
