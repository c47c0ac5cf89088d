//! The pools against the best of their kind.

mod shared;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: &[(&str, fn())] = &[("shared", shared::two_threads)];
    crate::harness::run(workloads, filter);
}
