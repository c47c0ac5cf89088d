//! The workloads on the C library's malloc (glibc's on most Linux systems).

#[global_allocator]
static HEAP: std::alloc::System = std::alloc::System;

fn main() -> std::process::ExitCode {
    heap_workloads::main()
}
