//! `arenite run`: starts a program that nobody recompiled on Arenite's heap and says what it did with its memory.
//!
//! ```text
//!   library: find libarenite_preload.so, or build it from the source tree
//!   start:   LD_PRELOAD, ARENITE_REPORT = a fresh folder ──► the program and all that it starts
//!   report:  each process leaves a file in the folder when it ends ──► tables on standard error
//! ```

mod report;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use crate::args::RunArgs;
use crate::fault::Fault;
use crate::library;

/// Runs the program. Answers what it ended with: its own status, or 128 and the signal's number, as shells have it.
///
/// # Errors
/// There is no library, or the program could not be started.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Fault> {
    if !cfg!(target_os = "linux") {
        return Err(Fault::new("programs can be run on Arenite's heap on Linux only"));
    }
    let library = library::find(library::HEAP, args.library.as_deref())?;
    let folder = tempfile::tempdir()
        .map_err(|error| Fault::new(format!("no folder for the reports can be made: {error}")))?;
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| Fault::new("no program was named; write: arenite run -- PROGRAM ARGUMENTS"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_PRELOAD", library::preloads(&[&library]))
        .env("ARENITE_REPORT", folder.path());
    if args.hardened {
        command.env("ARENITE_HARDENED", "1");
    }
    let mut child = command.spawn().map_err(|error| {
        Fault::new(format!("'{}' cannot be started: {error}", Path::new(program).display()))
    })?;
    let status = child.wait().map_err(|error| {
        Fault::new(format!("'{}' cannot be waited for: {error}", Path::new(program).display()))
    })?;
    let reports = report::read_all(folder.path(), child.id());
    if !args.quiet {
        // Standard output belongs to the program. Nothing is left to do when standard error is closed.
        let _ = write!(io::stderr(), "\n{}", report::render(&reports));
    }
    Ok(code_of(status))
}

/// What a program ended with, as shells have it.
pub(crate) fn code_of(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return ExitCode::from(128u8.wrapping_add(signal as u8));
    }
    ExitCode::from(status.code().map_or(1, |code| code as u8))
}
