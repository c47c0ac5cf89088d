//! The arenas against the best of their kind.

mod bump;
mod cold;
mod frames;
mod growing;
mod jobs;
mod scope;
mod text;
mod vec;

use crate::opaque::{digest, hidden, used};

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: [(&str, fn()); 17] = [
        ("bump-16", bump::small),
        ("bump-16-words", bump::small_words),
        ("bump-64", bump::large),
        ("scope-written", scope::written),
        ("scope-reserved", scope::reserved),
        ("vec-1000", vec::short),
        ("vec-100k", vec::long),
        ("growing-fresh", growing::fresh),
        ("growing-reset", growing::reset),
        ("growing-scope", growing::scopes),
        ("job", jobs::one_thread),
        ("job-rayon", jobs::rayon),
        ("frame", frames::run),
        ("fmt", text::format),
        ("copy-64", text::copy_64),
        ("copy-4k", text::copy_4k),
        // Last, because it changes the settings of the system's malloc.
        ("cold", cold::run),
    ];
    crate::harness::run(&workloads, filter);
}
