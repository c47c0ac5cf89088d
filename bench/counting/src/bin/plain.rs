//! The programs on the system's allocator, as any program that installs none.

use std::process::ExitCode;

use counting_bench::programs;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(name), Some(folder)) = (arguments.next(), arguments.next()) else { return ExitCode::FAILURE };
    let Some(answer) = programs::run(&name.to_string_lossy(), folder.as_ref()) else {
        return ExitCode::FAILURE;
    };
    println!("{answer:016x}");
    ExitCode::SUCCESS
}
