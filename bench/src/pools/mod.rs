//! The pools against the best of their kind.

mod columns;

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
    ];
    crate::harness::run(workloads, filter);
}
