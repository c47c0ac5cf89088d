//! The pools against the best of their kind.

mod block;
mod columns;
mod handles;
mod shared;
mod typed;

use crate::stats::Random;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: &[(&str, fn())] = &[
        ("columns-update", columns::update),
        ("columns-iterate", columns::iterate),
        ("columns-push", columns::push),
        ("columns-fill", columns::fill),
        ("columns-churn", columns::churn),
        ("columns-sieve", columns::sieve),
        ("columns-get", columns::get),
        ("handles-insert", handles::insert),
        ("handles-get", handles::get),
        ("handles-get-many", handles::get_many),
        ("handles-remove", handles::remove),
        ("handles-iterate-50", handles::iterate_50),
        ("handles-iterate-10", handles::iterate_10),
        ("handles-iterate-1", handles::iterate_1),
        ("typed-random", typed::random),
        ("typed-pair", typed::pair),
        ("block-random", block::random),
        ("block-pair", block::pair),
        ("shared", shared::two_threads),
    ];
    crate::harness::run(workloads, filter);
}

/// Numbers below `count` in an order of their own, the same in each run.
fn shuffled(count: usize) -> Vec<usize> {
    let mut random = Random(0x5EED_CAFE);
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        order.swap(place, random.below(place + 1));
    }
    order
}
