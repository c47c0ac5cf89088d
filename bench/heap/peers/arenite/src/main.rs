//! The workloads on Arenite.

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

fn main() -> std::process::ExitCode {
    heap_workloads::main()
}
