//! `arenite export`: a recording as a file of another tool.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use arenite_inspect::export::{ExportError, ExportOptions, Names, export as write_export};
use arenite_inspect::{SummaryOptions, Symbols};

use super::args::{ExportArgs, FormatName};
use super::{Opened, folder, open};
use crate::fault::Fault;
use crate::output::{Target, WriteError, print};

/// Writes a recording for another tool. What is missing in it is said on standard error.
///
/// # Errors
/// What is no capture, and a place that can not be written.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Fault> {
    let ExportArgs { file, format, output, measure, tags, all_frames } = args;
    let path = output.clone().unwrap_or_else(|| beside(file, format.ending()));
    let to_stdout = path.as_os_str() == "-";
    if !to_stdout && is_same(file, &path) {
        return Err(Fault::new(format_args!("{} is the recording itself", path.display())));
    }
    let mut capture = open(file)?;
    let target = if to_stdout { Target::Stdout } else { Target::check(&path)? };
    let fault = |error: &dyn std::fmt::Display| Fault::new(format_args!("{}: {error}", file.display()));
    let mut opened = Opened::of(file, &mut capture, &SummaryOptions::new())?;
    let options = ExportOptions::new(format.format())
        .measure(measure.measure())
        .tags(*tags)
        .gzip(path.extension().is_some_and(|ending| ending == "gz"));
    let mut warnings = opened.warnings_with(match format {
        FormatName::Heaptrack => "figures are those of the sample",
        _ => "figures are estimates of all",
    });
    let mut symbols;
    let names: &mut dyn Names = if *all_frames {
        symbols = Symbols::new(&capture.modules().map_err(|error| fault(&error))?).beside(folder(file));
        &mut symbols
    } else {
        &mut opened.sites
    };
    let summary = &opened.summary;
    let exported = target.stream(|out| {
        write_export(&mut capture, summary, &options, names, out).map_err(|error| match error {
            ExportError::Write(error) => WriteError::Out(error),
            error => WriteError::Other(fault(&error)),
        })
    })?;
    let Some(exported) = exported else { return Ok(()) };
    if exported.stacks_left_out > 0 {
        warnings.push(format!(
            "{} call stacks are too many: their functions are not told",
            exported.stacks_left_out
        ));
    }
    if exported.blocks_left_out > 0 {
        warnings.push(format!(
            "{} blocks are told without their call stacks, tags and threads",
            exported.blocks_left_out
        ));
    }
    for warning in warnings {
        let line = Fault::new(format_args!("note: {warning}"));
        let _ = writeln!(io::stderr(), "{line}");
    }
    if to_stdout {
        return Ok(());
    }
    let line = Fault::new(format_args!("{}: {} {}", path.display(), format.opened_with(), path.display()));
    print(&mut io::stdout().lock(), format!("{line}\n").as_bytes())
}

/// The recording's own name with another ending.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_stem().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(ending);
    file.with_file_name(name)
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
