//! The arenas against the best of their kind.

mod bump;
mod cold;
mod frames;
mod jobs;
mod scope;
mod text;
mod vec;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: [(&str, fn()); 12] = [
        ("bump-16", bump::small),
        ("bump-64", bump::large),
        ("scope", scope::run),
        ("cold", cold::run),
        ("vec-1000", vec::short),
        ("vec-100k", vec::long),
        ("job", jobs::one_thread),
        ("job-rayon", jobs::rayon),
        ("frame", frames::run),
        ("fmt", text::format),
        ("copy-64", text::copy_64),
        ("copy-4k", text::copy_4k),
    ];
    let chosen: Vec<_> = workloads.iter().filter(|(name, _)| name.contains(filter)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = workloads.iter().map(|(name, _)| *name).collect();
        eprintln!("no workload has {filter:?} in its name; there are: {}", names.join(", "));
        return;
    }
    crate::facts::print();
    for (_, workload) in chosen {
        workload();
    }
}

/// Tells the compiler that a reference is used and that what it points to may be read.
#[inline(always)]
fn used<T: ?Sized>(value: &T) {
    std::hint::black_box(value);
}

/// What a set of allocations holds, after a look at whether they are allocations at all: aligned, and nobody's twice.
fn digest<'a, T: 'a>(blocks: impl IntoIterator<Item = &'a T>, word: impl Fn(&T) -> u64) -> u64 {
    let mut starts = Vec::new();
    let mut sum = 0u64;
    for block in blocks {
        let start = std::ptr::from_ref(block).addr();
        assert_eq!(start % align_of::<T>(), 0, "a block is not aligned");
        starts.push(start);
        sum = sum.wrapping_mul(31).wrapping_add(word(block));
    }
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= size_of::<T>()), "two blocks overlap");
    sum
}
