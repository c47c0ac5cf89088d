//! What must not compile does not, and for the reason it should not.
//!
//! Each file in `compile_fail/` is a program that compiles. Its first lines name attacks: lines of it, behind
//! `#[cfg(name)]`, with which it must fail with exactly the error code given (and, if a text follows, say that).
//!
//! ```text
//! // attack: read_after_the_flip E0502
//! // attack: owned_text E0080 drop glue
//! ```
//!
//! So no case can pass because of an error elsewhere. Code is generated for each, because destructors are refused after
//! monomorphisation, which `cargo check` never reaches. The compiler is called directly: the texts of its messages
//! differ from version to version, its codes do not, and nothing has to be built a second time.
#![cfg(not(windows))]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the programs of this test run are, and the library with them.
fn deps() -> PathBuf {
    let own = env::current_exe().expect("a running program has a path");
    own.parent().expect("a file is in a folder").to_path_buf()
}

struct Outcome {
    success: bool,
    text: String,
}

/// Where the macros are that the library is made with: they are programs of this machine, also where the library is
/// built for another one, in a folder of its own.
fn macros() -> Option<PathBuf> {
    let own = deps();
    let profile = own.parent()?;
    Some(profile.parent()?.parent()?.join(profile.file_name()?).join("deps"))
}

fn compile(library: &Path, source: &Path, attack: Option<&str>) -> Outcome {
    let attack_flags = attack.map(|attack| ["--cfg", attack]);
    let lints = ["--crate-type", "bin", "--cap-lints", "allow"];
    compile_with(library, source, attack, lints.iter().chain(attack_flags.iter().flatten()).copied())
}

fn compile_with<'f>(
    library: &Path,
    source: &Path,
    attack: Option<&str>,
    flags: impl IntoIterator<Item = &'f str>,
) -> Outcome {
    // Cargo tells which of several toolchains runs.
    let beside = env::var_os("CARGO").map(|cargo| PathBuf::from(cargo).with_file_name("rustc"));
    let rustc = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("rustc"));
    let name = source.file_stem().and_then(|name| name.to_str()).unwrap_or("case");
    let object = deps().join(format!("compile_fail-{name}-{}.o", attack.unwrap_or("twin")));
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--error-format", "short"]).args(flags);
    command.arg("--crate-name").arg(name).arg("--emit").arg(format!("obj={}", object.display()));
    command.arg("--extern").arg(format!("arenite={}", library.display()));
    for folder in [Some(deps()), macros()].into_iter().flatten() {
        command.arg("-L").arg(format!("dependency={}", folder.display()));
    }
    // Sanitizers and the like must be those of the library.
    command.args(env::var("RUSTFLAGS").unwrap_or_default().split_whitespace());
    // Where the compiler writes out the names of types that are too long for a message.
    command.current_dir(deps());
    let output = command.arg(source).output().expect("the compiler that built this test runs");
    let _ = fs::remove_file(object);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Outcome { success: output.status.success(), text }
}

/// The newest build of the library that this compiler can read: another one may lie beside it, built by an older
/// compiler or with other features.
fn library() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| find_library(&tests().join("compile_fail/probe.rs")))
}

/// Where this file is.
fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn find_library(probe: &Path) -> PathBuf {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libarenite-") && name.ends_with(".rlib")
    };
    let files = fs::read_dir(deps()).expect("the folder of this program");
    let mut all: Vec<_> = files.flatten().map(|entry| entry.path()).filter(is_library).collect();
    all.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok());
    let mut last = String::from("there is none");
    for path in all.into_iter().rev() {
        let outcome = compile(&path, probe, None);
        if outcome.success {
            return path;
        }
        last = outcome.text;
    }
    panic!("no build of the library can be used: {last}");
}

/// `error[E0502]` → `E0502`, for each of them.
fn codes(text: &str) -> Vec<&str> {
    text.split("error[").skip(1).filter_map(|rest| rest.split(']').next()).collect()
}

/// Whether these codes are that one and nothing else; `-` stands for an error without a code.
fn reason(found: &[&str], code: &str) -> bool {
    if code == "-" { found.is_empty() } else { !found.is_empty() && found.iter().all(|other| *other == code) }
}

#[test]
fn compile_fail_what_must_not_compile_does_not() {
    let (folder, library) = (tests().join("compile_fail"), library());
    let mut sources: Vec<_> =
        fs::read_dir(&folder).expect("the cases").flatten().map(|entry| entry.path()).collect();
    sources.sort();
    let mut attacks = 0;
    let mut wrong = Vec::new();
    for source in sources {
        let text = fs::read_to_string(&source).expect("a readable case");
        let twin = compile(library, &source, None);
        if !twin.success {
            wrong.push(format!("{} must compile without its attacks:\n{}", source.display(), twin.text));
            continue;
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("// attack: ")) {
            let mut words = line.splitn(3, ' ');
            let (name, code) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let says = words.next().unwrap_or_default();
            attacks += 1;
            let label = format!("{} ({name})", source.display());
            if !text.contains(&format!("cfg({name})")) {
                wrong.push(format!("{label}: no line of the file is that attack"));
                continue;
            }
            let outcome = compile(library, &source, Some(name));
            let found = codes(&outcome.text);
            if outcome.success {
                wrong.push(format!("{label} compiles, and must fail with {code}"));
            } else if !reason(&found, code) || !outcome.text.contains(says) {
                wrong.push(format!("{label} must fail with {code} `{says}` only:\n{}", outcome.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(attacks >= 40, "only {attacks} attacks were found");
}

/// What a derive writes is part of its user's crate, under that crate's lints.
#[test]
fn compile_fail_strict_crates_take_what_the_derive_writes() {
    let mut flags = vec!["--crate-type", "lib", "-F", "unsafe_code", "-D", "warnings"];
    let lints = [
        "missing_docs",
        "unreachable_pub",
        "missing_debug_implementations",
        "non_snake_case",
        "single_use_lifetimes",
        "explicit_outlives_requirements",
        "elided_lifetimes_in_paths",
        "unused_qualifications",
        "unused_lifetimes",
        "private_interfaces",
        "private_bounds",
    ];
    flags.extend(lints.iter().flat_map(|lint| ["-D", lint]));
    let outcome = compile_with(library(), &tests().join("strict/soa.rs"), None, flags);
    assert!(outcome.success, "{}", outcome.text);
}
