//! The workloads on rpmalloc 1.4.

#[global_allocator]
static HEAP: rpmalloc::RpMalloc = rpmalloc::RpMalloc;

fn main() -> std::process::ExitCode {
    heap_workloads::main()
}
