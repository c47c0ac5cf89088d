//! Where the libraries are that other programs are run with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::Fault;

/// A library that other programs are run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    /// Its file's name.
    name: &'static str,
    /// Its package, from the root of the source tree.
    package: &'static str,
    /// The option that names another file.
    option: &'static str,
}

/// Arenite's heap as `malloc`.
pub(crate) const HEAP: Library =
    Library { name: "libarenite_preload.so", package: "preload", option: "--library" };
/// The same, where another library has the option's name.
pub(crate) const HEAP_BELOW: Library = Library { option: "--heap-library", ..HEAP };
/// The recorder before any `malloc`.
pub(crate) const RECORDER: Library =
    Library { name: "libarenite_record.so", package: "preload/record", option: "--library" };

/// The library that was named; or the one beside this program, or in `lib` beside its folder; or the one that the source
/// tree makes in which this program was built.
///
/// # Errors
/// There is none, or it cannot be built.
pub(crate) fn find(library: Library, named: Option<&Path>) -> Result<PathBuf, Fault> {
    let Library { name, package, option } = library;
    if let Some(named) = named {
        // The dynamic linker looks for a bare name elsewhere, and only warns if there is nothing.
        return named.canonicalize().map_err(|error| Fault::new(format!("'{}': {error}", named.display())));
    }
    let program = std::env::current_exe()
        .and_then(|program| program.canonicalize())
        .map_err(|error| Fault::new(format!("this program's own folder is not to be found: {error}")))?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let installed = [folder.join(name), folder.join("../lib").join(name)];
    if let Some(library) = installed.iter().find(|library| library.is_file()) {
        return Ok(library.clone());
    }
    let sources = folder
        .ancestors()
        .map(|root| root.join(package))
        .find(|package| package.join("Cargo.toml").is_file());
    match sources {
        Some(sources) => build(name, &sources),
        None => Err(Fault::new(format!(
            "{name} is not beside this program; build it in the folder `{package}` of Arenite's sources with `cargo build \
             --release`, and name it with {option}"
        ))),
    }
}

/// Builds it, which is quick when it is there already.
fn build(name: &str, package: &Path) -> Result<PathBuf, Fault> {
    let target = package.join("target");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Fault::new(format!("cargo, which would build {name}, cannot be started: {error}"))
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let last = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("cargo said nothing");
        return Err(Fault::new(format!("{name} cannot be built in '{}': {last}", package.display())));
    }
    let library = target.join("release").join(name);
    if library.is_file() {
        Ok(library)
    } else {
        Err(Fault::new(format!("cargo built no '{}'", library.display())))
    }
}

/// These libraries before those that were to be loaded already: the first one that has `malloc` is asked.
pub(crate) fn preloads(libraries: &[&Path]) -> OsString {
    let mut all = OsString::new();
    let others = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty());
    for library in libraries.iter().map(|path| path.as_os_str()).chain(others.as_deref()) {
        if !all.is_empty() {
            all.push(":");
        }
        all.push(library);
    }
    all
}
