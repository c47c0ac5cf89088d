//! Modules that come and go while it is recorded, and files that are changed before the recording is read.
#![expect(unsafe_code, reason = "loads libraries and calls them")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions, Stacks};
use arenite_inspect::{CallStack, Capture, FileState, ModuleMap, Summary, SummaryOptions, Symbols};

use super::turn;

unsafe extern "C" {
    fn dlopen(path: *const c_char, how: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(library: *mut c_void) -> c_int;
}

const RTLD_NOW: c_int = 2;
const RTLD_NEXT: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);

/// Builds a library with one function of this name, which calls what it is given. All such libraries have the same layout.
fn build(folder: &Path, name: &str, extra: &str) -> PathBuf {
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    let code = format!(
        "int {name}_asks(int (*ask)(int), int size) {{ int asked = ask(size); {extra} return asked + 1; }}\n"
    );
    fs::write(&source, code).expect("a file");
    let built = Command::new("cc")
        .args(["-O1", "-g", "-shared", "-fPIC", "-fasynchronous-unwind-tables", "-Wl,--build-id=sha1", "-o"])
        .args([&library, &source])
        .status()
        .expect("a compiler of C");
    assert!(built.success());
    library
}

/// A library that is loaded until this is dropped.
struct Loaded(*mut c_void);

impl Loaded {
    fn new(path: &Path) -> Self {
        let path = CString::new(path.to_str().expect("UTF-8")).expect("no zero");
        // SAFETY: a path that ends with a zero; the library does nothing when it is loaded.
        let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
        assert!(!library.is_null());
        Self(library)
    }

    /// Lets its function ask for a block of this size. Answers where the function is.
    fn ask(&self, name: &str, size: c_int) -> usize {
        extern "C" fn ask(size: c_int) -> c_int {
            let block: Vec<u8> = Vec::with_capacity(size as usize);
            std::hint::black_box(&block);
            size
        }
        let name = CString::new(format!("{name}_asks")).expect("no zero");
        // SAFETY: a library that is loaded, and the type that its function has.
        unsafe {
            let place = dlsym(self.0, name.as_ptr());
            assert!(!place.is_null());
            let call: extern "C" fn(extern "C" fn(c_int) -> c_int, c_int) -> c_int =
                std::mem::transmute(place);
            assert_eq!(call(ask, size), size + 1);
            place as usize
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: it was loaded, and nobody is in it.
        assert_eq!(unsafe { dlclose(self.0) }, 0);
    }
}

/// Whether libraries are unloaded when they are closed: not where Tracy's client, which has a `dlclose` of its own, is part of the program.
fn libraries_go() -> bool {
    // SAFETY: a name that ends with a zero, in what was loaded after the program.
    let systems = unsafe { dlsym(RTLD_NEXT, c"dlclose".as_ptr()) };
    systems.addr() == (dlclose as *const ()).addr()
}

/// Waits until the capture's last word of modules has these names, or has them not.
fn wait(path: &Path, has: bool, name: &str) {
    let since = Instant::now();
    loop {
        let maps = Capture::open(path).expect("a capture").modules().expect("read");
        if maps.last().is_some_and(|map| map.text.contains(name) == has) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(300), "it is told of {name}: {maps:?}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The call stack that asked for so many bytes.
fn stack_of(capture: &mut Capture, size: u64) -> u32 {
    let mut found = None;
    let read = capture.events(|_, event| match event.what {
        What::Alloc { size: asked, stack, .. } if asked == size => found = Some(stack),
        _ => {}
    });
    read.expect("read");
    found.expect("it was recorded")
}

fn names(symbols: &mut Symbols, stack: CallStack<'_>) -> Vec<String> {
    let frames = stack.iter().flat_map(|address| symbols.frames(*address, stack.told).to_vec());
    frames.map(|frame| frame.function).collect()
}

#[test]
fn modules_that_came_and_went_are_known_by_their_times_and_ids() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["alpha", "bravo"].map(|name| build(folder.path(), name, ""));
    for how in [Stacks::Unwind, Stacks::Automatic] {
        let path = folder.path().join("modules.arec");
        let recording = record::start(RecordOptions::new(&path).stacks(how)).expect("a recording");
        let mut places = Vec::new();
        for (library, name, size) in [(&first, "alpha", 12_341), (&second, "bravo", 23_457)] {
            let loaded = Loaded::new(library);
            wait(&path, true, name);
            places.push(loaded.ask(name, size));
            drop(loaded);
            if libraries_go() {
                wait(&path, false, name);
            }
        }
        recording.stop().expect("written");
        println!("{how:?}: the same place: {}", places[0] == places[1]);

        let mut capture = Capture::open(&path).expect("a capture");
        let stacks = [12_341, 23_457].map(|size| stack_of(&mut capture, size));
        let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("read");
        let maps = capture.modules().expect("read");
        let last = maps.last().expect("modules");
        let there = ["alpha", "bravo"].map(|name| last.text.contains(name));
        assert_eq!(there, [!libraries_go(); 2], "both are gone at the end");
        let mut symbols = Symbols::new(&maps);
        for (stack, (name, other)) in stacks.into_iter().zip([("alpha", "bravo"), ("bravo", "alpha")]) {
            let names = names(&mut symbols, summary.stack(stack));
            assert!(names.contains(&format!("{name}_asks")), "{how:?}: {names:?}");
            assert!(!names.contains(&format!("{other}_asks")), "{how:?}: {names:?}");
        }
        assert_eq!(symbols.changed().count(), 0);
        let asked: Vec<_> = symbols.files().filter(|file| file.state == FileState::Read).collect();
        let own =
            asked.iter().filter(|file| file.path.ends_with("alpha.so") || file.path.ends_with("bravo.so"));
        let mut ids: Vec<&str> = own.map(|file| file.build_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() == 2 && ids.iter().all(|id| id.len() == 40), "{asked:?}");
    }
}

#[test]
fn of_a_file_that_was_changed_since_nothing_is_invented() {
    let _turn = turn();
    let (folder, elsewhere) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let library = build(folder.path(), "gamma", "");
    let path = folder.path().join("changed.arec");
    let recording = record::start(RecordOptions::new(&path).stacks(Stacks::Unwind)).expect("a recording");
    let loaded = Loaded::new(&library);
    wait(&path, true, "gamma");
    loaded.ask("gamma", 34_567);
    drop(loaded);
    recording.stop().expect("written");

    let mut capture = Capture::open(&path).expect("a capture");
    let stack = stack_of(&mut capture, 34_567);
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("read");
    let maps = capture.modules().expect("read");
    let known =
        |symbols: &mut Symbols| names(symbols, summary.stack(stack)).contains(&"gamma_asks".to_owned());
    assert!(known(&mut Symbols::new(&maps)));

    fs::copy(&library, elsewhere.path().join("libgamma.so")).expect("a copy");
    fs::remove_file(&library).expect("it is not loaded");
    let mut symbols = Symbols::new(&maps);
    assert!(!known(&mut symbols));
    assert_eq!(symbols.missing().filter(|path| path.ends_with("libgamma.so")).count(), 1);
    assert_eq!(symbols.changed().count(), 0);
    assert!(known(&mut Symbols::new(&maps).beside(elsewhere.path())), "the same file, elsewhere");

    build(folder.path(), "gamma", "asked = ask(asked) + asked - asked;");
    let mut symbols = Symbols::new(&maps);
    let shown = names(&mut symbols, summary.stack(stack));
    assert!(shown.iter().any(|name| name.starts_with("libgamma.so+0x")), "{shown:?}");
    assert!(!shown.contains(&"gamma_asks".to_owned()), "{shown:?}");
    let changed: Vec<&str> = symbols.changed().collect();
    assert_eq!(changed, [library.to_str().expect("UTF-8")]);
    assert!(known(&mut Symbols::new(&maps).beside(elsewhere.path())), "what ran is taken, wherever it is");

    // As earlier versions recorded: who can not tell files apart takes what there is.
    let without: Vec<ModuleMap> = maps
        .iter()
        .map(|map| {
            let lines = map.text.lines().filter(|line| !line.starts_with("elf "));
            ModuleMap { since: map.since, text: lines.collect::<Vec<_>>().join("\n") }
        })
        .collect();
    let mut symbols = Symbols::new(&without);
    assert!(known(&mut symbols));
    assert_eq!(symbols.changed().count(), 0);
}
