//! The control groups of this process (Linux, version 2), and small files of the kernel that are read again and again.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use super::system::Size;

/// So many groups above each other are looked at, the process's own first. Deeper nesting than this nobody has.
const DEPTH: usize = 16;

/// Room for the name of the process's groups: a path is at most 4 KiB, and version 1 has a line for each of a dozen.
const NAMES: u64 = 64 << 10;

/// A small file that stays open and is read from its start each time.
#[derive(Debug)]
pub(super) struct Text(File);

impl Text {
    /// The file, if it is there and can be read (a kernel may have it and still refuse).
    pub(super) fn open(path: &Path) -> Option<Self> {
        let mut text = Self(File::open(path).ok()?);
        text.read(&mut [0; 64]).is_some().then_some(text)
    }

    /// What it holds now, as far as there is room. Allocates nothing.
    pub(super) fn read<'b>(&mut self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        self.0.rewind().ok()?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(&buffer[..filled])
    }

    /// The number that it holds; `None` for `max`, and for anything else that is none.
    fn number(&mut self) -> Option<u64> {
        number(self.read(&mut [0; 32])?)
    }
}

/// A decimal number with nothing but white space around it.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// One group.
#[derive(Debug)]
struct Group {
    current: Text,
    max: Option<Text>,
    high: Option<Text>,
    stat: Option<Text>,
}

impl Group {
    fn open(folder: &Path) -> Option<Self> {
        let file = |name: &str| Text::open(&folder.join(name));
        let (max, high) = (file("memory.max"), file("memory.high"));
        Some(Self { current: file("memory.current")?, max, high, stat: file("memory.stat") })
    }

    /// What it has and the lower of its limits, if it has one now.
    fn size(&mut self) -> Option<Size> {
        // Above `high` the kernel slows the group down so much that it may as well be the limit.
        let limits = [&mut self.max, &mut self.high].map(|limit| limit.as_mut().and_then(Text::number));
        let limit = limits.into_iter().flatten().min()?;
        let current = self.current.number()?;
        Some(Size { used: current.saturating_sub(self.droppable()), limit })
    }

    /// Pages of files that nobody used lately: what the kernel drops first, before anything has to wait.
    fn droppable(&mut self) -> u64 {
        let mut buffer = [0; 4096];
        let Some(text) = self.stat.as_mut().and_then(|stat| stat.read(&mut buffer)) else { return 0 };
        let mut lines = text.split(|&byte| byte == b'\n');
        lines.find_map(|line| line.strip_prefix(b"inactive_file ")).and_then(number).unwrap_or(0)
    }
}

/// The process's own group and those around it, as far as they can be seen: the limit of any of them is a limit.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Folders of the groups, the own one first.
    folders: Vec<PathBuf>,
}

impl Groups {
    pub(super) const NONE: Self = Self { groups: Vec::new(), folders: Vec::new() };

    /// Those that exist below `root/sys/fs/cgroup`; none where there are none of version 2.
    pub(super) fn of_this_process(root: &Path) -> Self {
        let Some(name) = own_name(&root.join("proc/self/cgroup")) else { return Self::NONE };
        let top = root.join("sys/fs/cgroup");
        // Seen from outside the namespace the name may lead upwards, and then nothing of it can be seen from here.
        let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty()).collect();
        let parts = if parts.iter().any(|part| matches!(*part, "." | "..")) { &[][..] } else { &parts[..] };
        let folder = |depth: usize| {
            let mut folder = top.clone();
            folder.extend(&parts[..depth]);
            folder
        };
        let folders: Vec<_> = (0..=parts.len()).rev().take(DEPTH).map(folder).collect();
        // The root of all has no such files, and in a container groups of the names that are outside it are not there.
        let groups = folders.iter().filter_map(|folder| Group::open(folder)).collect();
        Self { groups, folders }
    }

    /// What is known about waiting in the innermost group that tells.
    pub(super) fn stalls(&self) -> Option<Text> {
        self.folders.iter().find_map(|folder| Text::open(&folder.join("memory.pressure")))
    }

    /// The group that is nearest to its limit; `None` if none has one.
    pub(super) fn fullest(&mut self) -> Option<Size> {
        self.groups.iter_mut().filter_map(Group::size).max_by_key(|size| size.fill())
    }
}

/// The name of the process's group: the rest of the line that begins with `0::`.
fn own_name(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(NAMES).read_to_end(&mut text).ok()?;
    let mut lines = text.split(|&byte| byte == b'\n');
    let name = lines.find_map(|line| line.strip_prefix(b"0::/"))?;
    Some(core::str::from_utf8(name).ok()?.into())
}
