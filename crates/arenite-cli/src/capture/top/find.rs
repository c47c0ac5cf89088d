//! Which recording is meant: a file, the one that a process is writing, or that of a program which is to be started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use arenite::record::format::MAGIC;
use tempfile::TempDir;

use crate::fault::Fault;
use crate::record::args::HowArgs;
use crate::record::{Launched, launch};

/// What is watched.
#[derive(Debug)]
pub(super) struct Source {
    /// The file.
    pub(super) path: PathBuf,
    /// How it is called on the screen.
    pub(super) name: String,
    /// The process that writes it, if that was named.
    pub(super) process: Option<u32>,
    /// The same, if this program has started it.
    pub(super) child: Option<Child>,
    /// Where its recording is, which goes when the dashboard does.
    pub(super) folder: Option<TempDir>,
}

/// What the words behind `top` mean. A number is a process, what can be executed or is found where programs are is a program; anything else
/// is a recording.
pub(super) fn source(how: &HowArgs, words: &[OsString]) -> Result<Source, Fault> {
    let (first, rest) =
        words.split_first().ok_or_else(|| Fault::new("no process, program or file was named"))?;
    let shown = Path::new(first).display();
    let path = Path::new(first);
    if is_program(path) {
        return started(how, words);
    }
    if let Some(word) = rest.first() {
        let word = Path::new(word).display();
        return Err(Fault::new(format_args!(
            "'{word}' is one too many: options stand before the process or file (arenite top --once {shown})"
        )));
    }
    // A file of digits can be named as ./123.
    if let Some(process) = first.to_str().and_then(|word| word.parse::<u32>().ok()) {
        return of_process(process);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            let name = shown.to_string();
            Ok(Source { path: path.to_owned(), name, process: None, child: None, folder: None })
        }
        Ok(_) => Err(Fault::new(format_args!("{shown}: this is not a file"))),
        Err(error) => Err(Fault::new(format_args!(
            "{shown}: this is neither the number of a process nor a program nor a file that can be read: {error}"
        ))),
    }
}

/// Starts a program that is recorded into a folder of its own. Its output would be written over the dashboard: it has none.
fn started(how: &HowArgs, words: &[OsString]) -> Result<Source, Fault> {
    let folder = tempfile::tempdir()
        .map_err(|error| Fault::new(format_args!("no folder for the recording can be made: {error}")))?;
    let Launched { child, file } = launch(how, &folder.path().join("top.arec"), words, true)?;
    let name = Path::new(&words[0]).display().to_string();
    Ok(Source { path: file, name, process: Some(child.id()), child: Some(child), folder: Some(folder) })
}

/// Whether a word names a program: a file that can be executed, or, of a word without a folder that is no file here, one where programs are.
fn is_program(path: &Path) -> bool {
    if path.exists() {
        return can_be_executed(path) && !is_capture(path);
    }
    let alone = path.parent().is_some_and(|folder| folder.as_os_str().is_empty());
    let number = path.to_str().is_some_and(|word| word.parse::<u32>().is_ok());
    let folders = std::env::var_os("PATH").unwrap_or_default();
    alone && !number && std::env::split_paths(&folders).any(|folder| can_be_executed(&folder.join(path)))
}

#[cfg(unix)]
fn can_be_executed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn can_be_executed(_: &Path) -> bool {
    false
}

/// The recording that a process writes.
fn of_process(process: u32) -> Result<Source, Fault> {
    if !cfg!(target_os = "linux") {
        return Err(Fault::new("which file a process writes is known on Linux only: name the file instead"));
    }
    let folder = PathBuf::from(format!("/proc/{process}/fd"));
    let fault = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::new(format_args!("there is no process {process}")),
        _ => Fault::new(format_args!("what process {process} has open can not be seen: {error}")),
    };
    let mut written: Vec<(u64, PathBuf)> = fs::read_dir(&folder)
        .map_err(fault)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            (writes(process, number) && is_capture(&path)).then_some((number, path))
        })
        .collect();
    // The one that was opened last, should there be several.
    written.sort_unstable();
    let (_, path) = written.pop().ok_or_else(|| {
        Fault::new(format_args!(
            "process {process} writes no recording: start it with one (arenite record, arenite --record FILE, arenite::record::start)"
        ))
    })?;
    let name = fs::read_link(&path).unwrap_or_else(|_| path.clone()).display().to_string();
    Ok(Source { path, name, process: Some(process), child: None, folder: None })
}

/// Whether a process has this file open for writing.
fn writes(process: u32, file: u64) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{process}/fdinfo/{file}")) else { return false };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    // The two lowest bits: 0 is for reading only.
    flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

fn is_capture(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    fs::metadata(path).is_ok_and(|found| found.is_file())
        && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == MAGIC
}

/// Whether a process still writes to a file; none if that can not be known.
pub(super) fn is_written(process: u32, path: &Path) -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let entries = match fs::read_dir(format!("/proc/{process}/fd")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let id = id(path)?;
    Some(entries.filter_map(Result::ok).map(|entry| entry.path()).any(|open| self::id(&open) == Some(id)))
}

#[cfg(unix)]
fn id(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn id(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::record::args::{HeapArg, StacksArg};

    #[test]
    fn the_file_that_a_process_writes_is_found() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.arec");
        let me = std::process::id();
        let mut file = File::create(&path).expect("a file");
        assert_eq!(is_written(me, &path), Some(true));
        file.write_all(&MAGIC).expect("written");
        let read = File::open(&path).expect("the file, for reading");
        let found = of_process(me).expect("a recording");
        assert_eq!(id(&found.path), id(&path));
        assert_eq!((found.process, found.name), (Some(me), path.display().to_string()));
        drop(file);
        let why = of_process(me).expect_err("it is open for reading only").to_string();
        assert!(why.contains("writes no recording") && why.contains("--record"), "{why}");
        drop(read);
        assert_eq!(is_written(me, &path), Some(false));
        assert_eq!(is_written(u32::MAX, &path), Some(false));
    }

    #[test]
    fn what_is_no_source_is_one_line() {
        for (words, part) in [
            (&["4294967295"][..], "no process"),
            (&["/"], "not a file"),
            (&["no/such/file"], "neither"),
            (&["a.arec", "--once"], "stand before"),
            (&["no-such-program-anywhere"], "nor a program"),
            (&[], "named"),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let why = source(&how(), &words).expect_err(part).to_string();
            assert!(why.contains(part), "{why}");
        }
    }

    fn how() -> HowArgs {
        let (stacks, heap) = (StacksArg::Auto, HeapArg::System);
        HowArgs { sample: None, depth: 64, stacks, heap, library: None, heap_library: None }
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_told_from_recordings() {
        use std::os::unix::fs::PermissionsExt as _;
        assert!(is_program(Path::new("sh")) && is_program(Path::new("/bin/sh")));
        assert!(
            !is_program(Path::new("no/sh")) && !is_program(Path::new("/")) && !is_program(Path::new("12"))
        );
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("game.arec");
        for (bytes, program) in [(&b"#!/bin/sh\n"[..], true), (&MAGIC[..], false)] {
            fs::write(&path, bytes).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its rights");
            assert_eq!(is_program(&path), program);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its rights");
        assert!(!is_program(&path));
    }
}
