//! A program that records itself and names the function that asked for memory: on each system with its own kind of files, its own way to
//! tell of modules, and without frame pointers.
#![cfg(target_pointer_width = "64")]

use std::hint::black_box;

use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions, Stacks};
use arenite_inspect::{Capture, FileState, Summary, SummaryOptions, Symbols};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

#[inline(never)]
fn asks_for_memory(size: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(size))
}

#[inline(never)]
fn calls_who_asks(size: usize) -> usize {
    let block = asks_for_memory(black_box(size));
    black_box(block).capacity() + 1
}

#[test]
fn a_program_that_records_itself_is_read_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    // Kept if the caller says where, to be read elsewhere.
    let path = std::env::var_os("ARENITE_KEEP_CAPTURE")
        .map_or_else(|| folder.path().join("own.arec"), std::path::PathBuf::from);
    let recording = record::start(RecordOptions::new(&path).stacks(Stacks::Unwind)).expect("a recording");
    assert!(calls_who_asks(45_679) > 45_679);
    recording.stop().expect("written");

    let mut capture = Capture::open(&path).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("read");
    let mut asked = None;
    let read = capture.events(|_, event| {
        if let What::Alloc { size: 45_679, stack, .. } = event.what {
            asked = Some(stack);
        }
    });
    read.expect("read");
    let stack = summary.stack(asked.expect("it was recorded"));
    let maps = capture.modules().expect("read");
    assert!(maps.len() >= 2, "{maps:?}");
    let mut symbols = Symbols::new(&maps);
    let mut names = Vec::new();
    for address in stack.addresses {
        names.extend(symbols.frames(*address, stack.told).iter().map(|frame| frame.function.clone()));
    }
    let place = |name: &str| names.iter().position(|function| function.contains(name));
    let (inner, outer) = (place("asks_for_memory"), place("calls_who_asks"));
    assert!(inner.is_some() && inner < outer, "{names:#?}");
    let name = std::env::current_exe().expect("a path");
    let name = name.file_name().and_then(|name| name.to_str()).expect("a name");
    let own: Vec<_> = symbols.files().filter(|file| file.path.ends_with(name)).collect();
    assert!(matches!(&own[..], [own] if own.state == FileState::Read && !own.build_id.is_empty()), "{own:?}");
}
