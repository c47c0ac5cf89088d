//! Where the library is that brings `malloc`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::Fault;

/// The library's file name.
const NAME: &str = "libarenite_preload.so";

/// Its package, from the root of the source tree.
const PACKAGE: &str = "preload";

/// The library that was named; or the one beside this program, or in `lib` beside its folder; or the one that the source
/// tree makes in which this program was built.
///
/// # Errors
/// There is none, or it cannot be built.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, Fault> {
    if let Some(named) = named {
        // The dynamic linker looks for a bare name elsewhere, and only warns if there is nothing.
        return named.canonicalize().map_err(|error| Fault::new(format!("'{}': {error}", named.display())));
    }
    let program = std::env::current_exe()
        .and_then(|program| program.canonicalize())
        .map_err(|error| Fault::new(format!("this program's own folder is not to be found: {error}")))?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let installed = [folder.join(NAME), folder.join("../lib").join(NAME)];
    if let Some(library) = installed.iter().find(|library| library.is_file()) {
        return Ok(library.clone());
    }
    let package = folder
        .ancestors()
        .map(|root| root.join(PACKAGE))
        .find(|package| package.join("Cargo.toml").is_file());
    match package {
        Some(package) => build(&package),
        None => Err(Fault::new(format!(
            "{NAME} is not beside this program; build it in the folder `{PACKAGE}` of Arenite's sources with `cargo build \
             --release`, and name it with --library"
        ))),
    }
}

/// Builds it, which is quick when it is there already.
fn build(package: &Path) -> Result<PathBuf, Fault> {
    let target = package.join("target");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Fault::new(format!("cargo, which would build {NAME}, cannot be started: {error}"))
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let last = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("cargo said nothing");
        return Err(Fault::new(format!("{NAME} cannot be built in '{}': {last}", package.display())));
    }
    let library = target.join("release").join(NAME);
    if library.is_file() {
        Ok(library)
    } else {
        Err(Fault::new(format!("cargo built no '{}'", library.display())))
    }
}
