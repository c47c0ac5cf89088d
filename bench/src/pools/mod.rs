//! The pools against the best of their kind.

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: &[(&str, fn())] = &[];
    crate::harness::run(workloads, filter);
}
