//! Finds the plain game, a program of its own: in one process with ours it would not be plain.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::Fault;

const NAME: &str = "arenite-demo-plain";

/// The plain game's program. Built first when we were started by `cargo run` (an old build of it would compare two
/// versions of the game) or when it is not there and the source is.
///
/// # Errors
/// It is not there and cannot be built.
pub(crate) fn find() -> Result<PathBuf, Fault> {
    let ours = env::current_exe()
        .map_err(|error| Fault::new(format_args!("cannot find my own program: {error}")))?;
    let beside = ours.with_file_name(format!("{NAME}{}", env::consts::EXE_SUFFIX));
    let source = source();
    match (source, env::var_os("CARGO")) {
        (Some(source), Some(cargo)) => build(cargo.as_ref(), &source, &ours)?,
        (Some(source), None) if !beside.is_file() => build(Path::new("cargo"), &source, &ours)?,
        _ => {}
    }
    if beside.is_file() {
        return Ok(beside);
    }
    Err(Fault::new(format_args!(
        "--compare needs the plain game at {}; build it with: cargo build --release -p arenite-demo --bin {NAME}",
        beside.display()
    )))
}

/// The checkout that this program was built from, if it is still there.
fn source() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    root.join("crates/arenite-demo/Cargo.toml").is_file().then(|| root.to_owned())
}

/// Builds the plain game into the folder that our own program is in, with our own profile: an optimised program against
/// an unoptimised one would be no comparison.
fn build(cargo: &Path, source: &Path, ours: &Path) -> Result<(), Fault> {
    // …/target/release/arenite: what is above the profile's folder is the target folder.
    let Some(target) = ours.parent().and_then(Path::parent) else {
        return Err(Fault::new(format_args!("{} is in no target folder", ours.display())));
    };
    let mut command = Command::new(cargo);
    command.current_dir(source).args(["build", "--quiet", "-p", "arenite-demo", "--bin", NAME]);
    command.arg("--target-dir").arg(target);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let built = command.stdin(Stdio::null()).output().map_err(|error| {
        Fault::new(format_args!("cannot run {} to build {NAME}: {error}", cargo.display()))
    })?;
    if built.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&built.stderr);
    let first = complaint.lines().find(|line| line.starts_with("error")).unwrap_or("no reason given");
    Err(Fault::new(format_args!("cannot build {NAME}: {first}")))
}
