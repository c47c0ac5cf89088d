//! The pools against the best of their kind.

mod columns;
mod handles;
mod shared;

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
        ("shared", shared::two_threads),
    ];
    crate::harness::run(workloads, filter);
}
