//! Resident memory as the system sees it, read without allocating: the reader must not change what it reads.

use std::fs::File;
use std::io::Read;

/// What the system says of this process now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Most bytes that were ever resident (`VmHWM`). The kernel keeps it in batches and may be a quarter of a MiB off.
    pub peak: Option<u64>,
    /// Bytes resident now, counted page by page.
    pub resident: Option<u64>,
    /// Those of them that no file holds: heaps, stacks, data that was written.
    pub anonymous: Option<u64>,
}

impl Memory {
    /// Reads it. What a system does not say is `None`; only Linux says all.
    pub fn now() -> Self {
        let resident = field("/proc/self/smaps_rollup", "Rss:");
        let anonymous = field("/proc/self/smaps_rollup", "Anonymous:");
        // The exact count corrects a peak that is kept in batches.
        let peak = field("/proc/self/status", "VmHWM:").max(resident);
        Self { peak, resident, anonymous }
    }
}

/// The bytes of the line of `path` that begins with `name` and is given in kB.
fn field(path: &str, name: &str) -> Option<u64> {
    let mut text = [0; 8192];
    let mut filled = 0;
    let mut file = File::open(path).ok()?;
    while filled < text.len() {
        match file.read(&mut text[filled..]).ok()? {
            0 => break,
            count => filled += count,
        }
    }
    let text = str::from_utf8(&text[..filled]).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}
