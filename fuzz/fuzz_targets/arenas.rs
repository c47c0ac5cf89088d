//! Runs any bytes as a program against one of the arenas: the same programs and models as the property tests.
#![no_main]

#[path = "../../crates/arenite/tests/model/program/mod.rs"]
mod program;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| program::run_any(bytes));
