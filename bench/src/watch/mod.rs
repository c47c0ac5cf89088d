//! What looks at memory, and the cache of resources.

mod cache;
mod trend;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: &[(&str, fn())] =
        &[("trend", trend::sample), ("cache-hit", cache::hit), ("cache-miss", cache::miss)];
    crate::harness::run(workloads, filter);
}
