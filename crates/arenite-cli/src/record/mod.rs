//! `arenite record`: starts a program that nobody recompiled, with the recorder before its `malloc`.
//!
//! ```text
//!   launch    find libarenite_record.so, or build it; LD_PRELOAD, ARENITE_RECORD… ──► the program
//!   record    launches, waits, and says where the recording is
//! ```
//!
//! The heap is the one that the program would have: whoever looks for what allocates wants to see the program as it is, with its own addresses and
//! its own allocator, if it brings one. The calls are the same with any heap.

pub(crate) mod args;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::SystemTime;

use arenite::base::Bytes;
use arenite_inspect::Capture;

use crate::fault::Fault;
use crate::library;
use crate::output::Target;
use crate::run::code_of;
use args::{HeapArg, HowArgs, RecordArgs, StacksArg};

/// In a file's name: the process's number.
const NUMBER: &str = "%p";

/// A program that is being recorded.
#[derive(Debug)]
pub(crate) struct Launched {
    /// It runs.
    pub(crate) child: Child,
    /// Where its recording goes: absolute, with `%p` if each process has its own. There is none before the program has begun.
    pub(crate) file: PathBuf,
}

/// Starts a program, and has it recorded into a file; if the file's name has a `%p` in it, every process that the program starts, too.
/// It has our standard input, output and error, or, if it is to be mute, none.
///
/// # Errors
/// The file cannot be written, a library is not there, or the program cannot be started.
pub(crate) fn launch(
    how: &HowArgs,
    file: &Path,
    command: &[OsString],
    mute: bool,
) -> Result<Launched, Fault> {
    if !cfg!(target_os = "linux") {
        return Err(Fault::new("programs that nobody recompiled can be recorded on Linux only"));
    }
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Fault::new("no program was named; write: arenite record -- PROGRAM ARGUMENTS"))?;
    // Of a name with %p, one that it could become.
    let example = in_name(file, NUMBER, "0");
    Target::check(&example)?;
    // The program may go to another folder before it starts others.
    let file = absolute(file).map_err(|error| Fault::new(format!("'{}': {error}", file.display())))?;
    let recorder = library::find(library::RECORDER, how.library.as_deref())?;
    let heap = match how.heap {
        HeapArg::System => None,
        HeapArg::Arenite => Some(library::find(library::HEAP_BELOW, how.heap_library.as_deref())?),
    };
    let libraries: Vec<&Path> = [Some(recorder.as_path()), heap.as_deref()].into_iter().flatten().collect();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_PRELOAD", library::preloads(&libraries))
        .env("ARENITE_RECORD", &file)
        .env("ARENITE_RECORD_DEPTH", how.depth.to_string())
        .env("ARENITE_RECORD_SAMPLE", how.sample.unwrap_or(0).to_string())
        .env(
            "ARENITE_RECORD_STACKS",
            match how.stacks {
                StacksArg::Auto => "auto",
                StacksArg::Fp => "fp",
                StacksArg::Unwind => "unwind",
            },
        );
    if mute {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    let child = command.spawn().map_err(|error| {
        Fault::new(format!("'{}' cannot be started: {error}", Path::new(program).display()))
    })?;
    Ok(Launched { child, file })
}

/// Runs the program and records it. Answers what it ended with: its own status, or 128 and the signal's number, as shells have it; 2 if it
/// ended well and nothing was recorded.
///
/// # Errors
/// As [`launch`].
pub(crate) fn record(args: &RecordArgs) -> Result<ExitCode, Fault> {
    let file = match &args.output {
        Some(file) => {
            let of_each = file.file_name().is_some_and(|name| contains(name, NUMBER));
            if args.children && !of_each {
                return Err(Fault::new(format!(
                    "with --children each process has a file of its own: write {NUMBER}, for its number, into the name '{}'",
                    file.display()
                )));
            }
            if !args.children && file.to_string_lossy().contains(NUMBER) {
                return Err(Fault::new(format!(
                    "'{}': {NUMBER} in a name is for --children",
                    file.display()
                )));
            }
            file.clone()
        }
        None => PathBuf::from(default_name(&args.command, args.children)),
    };
    let began = SystemTime::now();
    let Launched { mut child, file } = launch(&args.how, &file, &args.command, false)?;
    let status =
        child.wait().map_err(|error| Fault::new(format!("the program cannot be waited for: {error}")))?;
    let line = if args.children { said_of_all(&file, began) } else { said_of_one(&file, child.id()) };
    let recorded = line.is_some();
    if !recorded || !args.quiet {
        let line = line.unwrap_or_else(|| {
            "nothing was recorded: a program that is linked statically, or runs with another user's rights, does not load the \
             library"
                .to_owned()
        });
        // Standard output belongs to the program. Nothing is left to do when standard error is closed.
        let _ = writeln!(io::stderr(), "arenite: {line}");
    }
    Ok(if !recorded && status.success() { ExitCode::from(2) } else { code_of(status) })
}

fn contains(name: &OsStr, part: &str) -> bool {
    name.to_string_lossy().contains(part)
}

/// The path with something in its last part replaced by something else.
fn in_name(path: &Path, from: &str, to: &str) -> PathBuf {
    match path.file_name() {
        Some(name) if contains(name, from) => path.with_file_name(name.to_string_lossy().replace(from, to)),
        _ => path.to_owned(),
    }
}

/// The program's name, in this folder.
fn default_name(command: &[OsString], of_each: bool) -> OsString {
    let program = command.first().and_then(|program| Path::new(program).file_name());
    let mut name = OsString::from(program.map_or("program".into(), OsStr::to_string_lossy).replace('%', "_"));
    name.push(if of_each { ".%p.arec" } else { ".arec" });
    name
}

/// What became of the recording of one process; `None` if there is none of it.
fn said_of_one(file: &Path, process: u32) -> Option<String> {
    let capture = Capture::open(file).ok().filter(|capture| capture.header().process == process)?;
    let size = fs::metadata(file).ok()?.len();
    let end = if capture.is_complete() {
        ""
    } else {
        " (the program did not end by `exit`: up to a tenth of a second is missing at its end)"
    };
    let file = file.display();
    Some(format!("{} recorded{end} in {file}; read it with: arenite report {file}", Bytes(size as usize)))
}

/// What became of the recordings of all processes, which were made since then; `None` if there are none.
fn said_of_all(pattern: &Path, since: SystemTime) -> Option<String> {
    let name = pattern.file_name()?.to_string_lossy().into_owned();
    let (before, after) = name.split_once(NUMBER)?;
    let is_one = |name: &str| {
        let number = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let files = fs::read_dir(pattern.parent()?).ok()?.flatten();
    let sizes: Vec<u64> = files
        .filter(|file| is_one(&file.file_name().to_string_lossy()))
        .filter_map(|file| file.metadata().ok())
        // Clocks of files are coarse.
        .filter(|file| file.modified().is_ok_and(|time| time + std::time::Duration::from_millis(20) >= since))
        .map(|file| file.len())
        .collect();
    let (count, bytes) = (sizes.len(), Bytes(sizes.iter().sum::<u64>() as usize));
    let processes = if count == 1 { "process" } else { "processes" };
    (count > 0).then(|| {
        format!(
            "{bytes} recorded of {count} {processes} in {}; read one with: arenite report FILE",
            pattern.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_programs() {
        let name = |program: &str, of_each| default_name(&[program.into(), "-x".into()], of_each);
        assert_eq!(name("/usr/bin/python3", false), "python3.arec");
        assert_eq!(name("git", true), "git.%p.arec");
        assert_eq!(name("a%pb", false), "a_pb.arec");
    }

    #[test]
    fn names_of_each_process_are_known_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let pattern = folder.path().join("a-%p.arec");
        let since = SystemTime::now();
        assert_eq!(said_of_all(&pattern, since), None);
        for name in ["a-17.arec", "a-4.arec", "a-.arec", "a-x.arec", "b-17.arec", "a-17.arec.gz"] {
            fs::write(folder.path().join(name), [0; 512]).expect("a file");
        }
        let line = said_of_all(&pattern, since).expect("there are two");
        assert!(line.starts_with("1.0 KiB recorded of 2 processes in "), "{line}");
        assert_eq!(said_of_all(&pattern, since + std::time::Duration::from_secs(60)), None);
    }

    #[test]
    fn what_is_no_recording_of_this_process_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.arec");
        assert_eq!(said_of_one(&file, 1), None);
        fs::write(&file, [0; 512]).expect("a file");
        assert_eq!(said_of_one(&file, 1), None);
    }
}
