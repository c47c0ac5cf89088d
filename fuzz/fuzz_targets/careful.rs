//! Runs any bytes as a program against the face of the general heap that C has: the same programs and model as the property tests.
#![no_main]
#![allow(dead_code, reason = "the programs of other structures are in the same folder")]

#[path = "../../crates/arenite/tests/model/program/mod.rs"]
mod program;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| program::careful::run(&program::decode(bytes)));
