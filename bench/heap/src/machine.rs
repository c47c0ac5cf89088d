//! What a reader has to know about the machine to make sense of a figure.

use std::fs::read_to_string;
use std::process::Command;

use serde::Serialize;

/// The machine and its settings.
#[derive(Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    system: String,
    /// The C library is one of the competitors.
    c_library: String,
    compiler: String,
    /// How the kernel gives out huge pages: with `always`, resident memory is rounded up to them.
    huge_pages: String,
    /// Programs that want to run, on the average of the last minute, when this one started.
    load: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let unknown = || "unknown".to_owned();
        let file = |path: &str| read_to_string(path).ok().map(|text| text.trim().to_owned());
        let processor = file("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let load = file("/proc/loadavg").and_then(|text| text.split_whitespace().next().map(str::to_owned));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            system: file("/proc/sys/kernel/osrelease")
                .map_or_else(|| std::env::consts::OS.to_owned(), |release| format!("Linux {release}")),
            c_library: said("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(unknown),
            compiler: said("rustc", &["-V"]).unwrap_or_else(unknown),
            huge_pages: file("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_else(unknown),
            load: load.unwrap_or_else(unknown),
        }
    }

    pub(crate) fn print(&self) {
        println!("machine: {} cores, {}, {}, {}", self.cores, self.processor, self.system, self.c_library);
        println!("compiler: {}, release, fat LTO, one codegen unit", self.compiler);
        println!("transparent huge pages: {}; load when started: {}", self.huge_pages, self.load);
        if cfg!(not(target_os = "linux")) {
            println!("resident memory is read on Linux only");
        }
        println!();
    }
}

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().filter(|_| output.status.success()).map(str::to_owned)
}
