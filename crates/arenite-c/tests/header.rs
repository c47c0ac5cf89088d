//! `include/arenite.h` says what the library exports: it is made from the Rust sources, and this sees to it that it was.
//!
//! ```sh
//! ARENITE_WRITE_HEADER=1 cargo test -p arenite-c --test header    # writes it anew
//! ```
//!
//! Beside it, `target/c/all.h` gets every exported function of every room, without types. C code that includes it after all headers does
//! not compile if one of these says something else (`ci/c`).

use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, ItemType};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands before everything in the header.
const PREFACE: &str = "\
// Arenite: a memory system for game engines, from C and C++. Made from the Rust sources; do not edit.
//
// What is true of every function, unless it says otherwise:
//
// - Objects are opaque. Who makes one owns it, until it is given to the function that ends it; nobody may use it after that, nor
//   anything that it handed out. Objects of one thread are used on the thread that made them, to the end; others on any.
// - A function answers a code, or a pointer that is null if it was refused; then `arenite_last_error` says why, and
//   `arenite_last_message` says it in words, with the tag, the sizes and the budget. Codes are `enum arenite_error`.
// - Misuse that can be detected is such a refusal, and changes nothing: an object that was destroyed or is of another kind, a wrong thread,
//   a stale handle, a pointer that was never handed out or was freed already. For objects this is a best effort: functions said to be
//   O(1) look at a magic word only.
// - Pointers to what is written or read by the call itself (`out` parameters, options, texts, data) must be null or good; where null is
//   not allowed it is refused. Texts are UTF-8 with a 0 at the end.
// - Sizes are bytes. An `align` of 0 is 16, enough for every type of C. Memory is as it was left, unless a function says zero.
// - Nothing unwinds out of a function, and nothing of this library runs in a signal handler. Functions of the program that are called
//   from here (callbacks) must return: an exception that leaves one ends the process, and what a `longjmp` out of one leaves behind is
//   nobody's guess.
// - After `fork` in a program of several threads, the child calls nothing of this library before `exec`: another thread may have held a lock.
// - Charging memory to a tag can run pressure callbacks of the program, on the same thread, before the call returns.
";

fn config() -> Config {
    Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml can be read")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

/// The header of these sources.
fn header(sources: impl IntoIterator<Item = PathBuf>, config: Config) -> String {
    let builder = sources.into_iter().fold(Builder::new().with_config(config), Builder::with_src);
    let mut text = Vec::new();
    builder.generate().expect("sources that cbindgen understands").write(&mut text);
    String::from_utf8(text).expect("text")
}

fn versions() -> String {
    let number = |name: &str, value: &str| format!("#define ARENITE_VERSION_{name} {value}\n");
    format!(
        "\n// The version of this header.\n{}{}{}#define ARENITE_VERSION \"{}\"\n",
        number("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        number("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        number("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
        env!("CARGO_PKG_VERSION"),
    )
}

#[test]
fn arenite_h_is_what_the_sources_say() {
    // Modules are followed from there.
    let api = ["src/error.rs", "src/api/mod.rs"].map(|path| root().join(path));
    let mut how = config();
    how.include_guard = Some("ARENITE_H".into());
    how.header = Some(PREFACE.into());
    how.after_includes = Some(versions());
    let made = header(api, how);
    let path = root().join("include/arenite.h");
    if std::env::var_os("ARENITE_WRITE_HEADER").is_some() {
        fs::write(&path, &made).expect("the header can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if let Some((number, (old, new))) =
        checked_in.lines().zip(made.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!(
            "include/arenite.h is not what the sources say, first in line {}:\n- {old}\n+ {new}",
            number + 1
        );
    }
    assert_eq!(
        checked_in, made,
        "include/arenite.h is not what the sources say: ARENITE_WRITE_HEADER=1 writes it"
    );
}

#[test]
fn each_function_is_documented_in_the_header() {
    let text = fs::read_to_string(root().join("include/arenite.h")).expect("the header");
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if line.contains("arenite_")
            && line.contains('(')
            && !line.starts_with([' ', '/', '*', '#'])
            && !line.starts_with("typedef")
        {
            let name = line.split('(').next().unwrap_or_default();
            assert!(!functions.contains(&name), "line {}: `{name}` once more", number + 1);
            functions.push(name);
            assert!(number > 0 && lines[number - 1].starts_with("//"), "line {}: {line}", number + 1);
        }
    }
    assert!(functions.len() > 100, "{}", functions.len());
}

#[test]
fn all_h_has_every_exported_function() {
    let all = sources(&root().join("src"));
    let exported = all
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source").matches("unsafe(no_mangle)").count())
        .sum::<usize>();
    let mut how = config();
    how.include_guard = Some("ARENITE_ALL_H".into());
    // Types are the headers'.
    how.export.item_types = vec![ItemType::Functions];
    how.documentation = false;
    // Names that only Rust has, of functions that may be null; the headers spell them out or have another name for them.
    how.after_includes = Some("typedef int (*MemoryErrorHook)(size_t bytes, void *context);\n".into());
    let made = header([root().join("src/lib.rs")], how).replace("Option<MemoryErrorHook>", "MemoryErrorHook");
    let functions = made.lines().filter(|line| {
        line.contains('(') && !line.starts_with([' ', '/', '#']) && !line.starts_with("typedef")
    });
    assert_eq!(functions.count(), exported, "each is there, once");
    let folder = root().join("../../target/c");
    fs::create_dir_all(&folder).expect("a folder in target");
    fs::write(folder.join("all.h"), made).expect("all.h can be written");
}
