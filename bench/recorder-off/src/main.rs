//! The pins of the general heap (`bench/src/pins/heap.rs`) in a program with the feature `record` that records nothing. `ci/instructions`
//! runs it under callgrind and compares it with the same pins without the feature.

mod pins;

fn main() {
    assert!(!arenite::record::is_on(), "nobody records");
    pins::heap::run();
}
