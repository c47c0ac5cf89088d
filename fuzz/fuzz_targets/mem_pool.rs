//! Runs any bytes as a program against the compacting pool of `mem_pool.h`: the same programs and model as the property tests.
#![no_main]
#![allow(dead_code, reason = "what C alone needs")]

#[path = "../../crates/arenite-c/src/wrapper/pool.rs"]
mod pool;
#[path = "../../crates/arenite-c/src/wrapper/pool_program.rs"]
mod pool_program;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pool_program::run_any(bytes));
