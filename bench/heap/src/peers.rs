//! Finds the allocators' programs and builds them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::Failure;

/// One allocator: a package under `peers` that is named after its directory.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// The line of its manifest that says where the allocator comes from; empty for the system's.
    pub(crate) dependency: String,
}

impl Peer {
    /// The program.
    pub(crate) fn program(&self) -> PathBuf {
        let name = format!("heap-peer-{}{}", self.name, env::consts::EXE_SUFFIX);
        target().join("release").join(name)
    }
}

/// `bench/heap`.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where all programs are built: next to this one's sources, whatever the caller's settings are, because dependencies
/// that several of them have in common are then built once.
pub(crate) fn target() -> PathBuf {
    here().join("target")
}

/// The peers that were asked for, or all, in the order of their names.
pub(crate) fn find(asked: &[String]) -> Result<Vec<Peer>, Failure> {
    let rooms = here().join("peers");
    let entries = fs::read_dir(&rooms).map_err(|error| format!("{}: {error}", rooms.display()))?;
    let mut peers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", rooms.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Ok(manifest) = fs::read_to_string(entry.path().join("Cargo.toml")) {
            peers.push(Peer { dependency: dependency(&manifest), name });
        }
    }
    peers.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(unknown) = asked.iter().find(|name| peers.iter().all(|peer| peer.name != **name)) {
        let known: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
        return Err(format!("no allocator is called {unknown}; there are: {}", known.join(", ")));
    }
    peers.retain(|peer| asked.is_empty() || asked.contains(&peer.name));
    if peers.is_empty() { Err(format!("{} is empty", rooms.display())) } else { Ok(peers) }
}

/// The first dependency that is not the workloads.
fn dependency(manifest: &str) -> String {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find(|line| line.contains('=') && !line.starts_with('#') && !line.starts_with("heap-workloads"))
        .unwrap_or_default()
        .to_owned()
}

/// Builds them one after the other. Each is built in its own directory: cargo reads settings from there.
pub(crate) fn build(peers: &[Peer], jobs: usize) -> Result<(), Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for peer in peers {
        eprintln!("building {}", peer.name);
        let status = Command::new(&cargo)
            .args(["build", "--release", "--locked", "--quiet", "--jobs", &jobs.to_string(), "--target-dir"])
            .arg(target())
            .current_dir(here().join("peers").join(&peer.name))
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!(
                "{} was not built. The peers need a C and a C++20 compiler and make (Debian: gcc g++ make libc6-dev). \
                 Leave one out with --allocators.",
                peer.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocators_dependency_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nheap-workloads = { path = \"\" }\n# why\nrp = \"=1\"\n\n[profile.release]\nlto = \"fat\"\n";
        assert_eq!(dependency(manifest), "rp = \"=1\"");
        assert_eq!(dependency("[dependencies]\nheap-workloads = 1\n[profile.release]\nlto = 1\n"), "");
    }

    #[test]
    fn all_peers_or_some_but_no_unknown_ones() {
        let all = find(&[]).expect("there are peers");
        assert!(all.iter().any(|peer| peer.name == "system" && peer.dependency.is_empty()));
        assert!(all.iter().any(|peer| peer.name == "rpmalloc" && peer.dependency.contains("rpmalloc")));
        let some = find(&["system".to_owned()]).expect("it is there");
        assert_eq!(some.len(), 1);
        assert!(find(&["nobody".to_owned()]).is_err_and(|failure| failure.contains("system")));
    }
}
