//! Which recording is meant: a file, or the one that a process is writing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use arenite::record::format::MAGIC;

use crate::fault::Fault;

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
}

/// What the words behind `top` mean.
pub(super) fn source(words: &[OsString]) -> Result<Source, Fault> {
    let (first, rest) = words.split_first().ok_or_else(|| Fault::new("no process and no file was named"))?;
    let shown = Path::new(first).display();
    if let Some(word) = rest.first() {
        let word = Path::new(word).display();
        return Err(Fault::new(format_args!(
            "'{word}' is one too many: options stand before the process or file (arenite top --once {shown})"
        )));
    }
    let path = Path::new(first);
    // A file of digits can be named as ./123.
    if let Some(process) = first.to_str().and_then(|word| word.parse::<u32>().ok()) {
        return of_process(process);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            Ok(Source { path: path.to_owned(), name: shown.to_string(), process: None, child: None })
        }
        Ok(_) => Err(Fault::new(format_args!("{shown}: this is not a file"))),
        Err(error) => Err(Fault::new(format_args!(
            "{shown}: this is neither the number of a process nor a file that can be read: {error}"
        ))),
    }
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
            "process {process} writes no recording: start it with one (arenite --record FILE, arenite::record::start)"
        ))
    })?;
    let name = fs::read_link(&path).unwrap_or_else(|_| path.clone()).display().to_string();
    Ok(Source { path, name, process: Some(process), child: None })
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
            (&[], "named"),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let why = source(&words).expect_err(part).to_string();
            assert!(why.contains(part), "{why}");
        }
    }
}
