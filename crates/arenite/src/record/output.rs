//! The file of a recording, in a process that does with its files what it likes.
//!
//! A program may close files that it did not open (`closefrom`, as daemons do), and get the number of ours for one of its own. So it is looked
//! whose file it is before anything is written, and ours has a number that programs do not count on.

use std::fs::File;
use std::io;
use std::path::Path;

/// A file that is written to as long as it is there.
#[derive(Debug)]
pub(super) struct Output {
    /// None: it was given back.
    file: Option<File>,
    which: imp::Which,
}

impl Output {
    /// Makes it, or empties it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = imp::out_of_the_way(File::create(path)?);
        let which = imp::which(&file)?;
        Ok(Self { file: Some(file), which })
    }

    /// It, if the program has not closed it by now.
    pub(super) fn file(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) if imp::which(file).is_ok_and(|which| which == self.which) => Ok(file),
            _ => Err(io::Error::other("the program has closed the file")),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.file().is_err() {
            // Nothing has this number any more, or it is the program's.
            core::mem::forget(self.file.take());
        }
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "gives a file another number")]
mod imp {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    use std::os::unix::fs::MetadataExt as _;

    /// Device and number.
    pub(super) type Which = (u64, u64);

    pub(super) fn which(file: &File) -> io::Result<Which> {
        file.metadata().map(|found| (found.dev(), found.ino()))
    }

    /// Files have numbers from 0 on, mostly below 1024, and programs expect the next one that is free.
    const FIRST: libc::c_int = 960;

    /// The same file under a number that no program waits for, if there is one.
    pub(super) fn out_of_the_way(file: File) -> File {
        // SAFETY: an open file; a number that is answered is of a new one, which nobody else has.
        unsafe {
            match libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) {
                -1 => file,
                number => OwnedFd::from_raw_fd(number).into(),
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::fs::File;
    use std::io;

    pub(super) type Which = ();

    #[expect(clippy::unnecessary_wraps, reason = "as where files have numbers")]
    pub(super) fn which(_: &File) -> io::Result<Which> {
        Ok(())
    }

    pub(super) fn out_of_the_way(file: File) -> File {
        file
    }
}

#[cfg(all(test, unix, not(miri)))]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "does what programs do that know numbers of files only")]
    fn what_the_program_opened_under_its_number_is_left_alone() {
        let folder = std::env::temp_dir().join(std::format!("arenite-output-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
        let mut output = Output::create(&ours).expect("a file");
        output.file().and_then(|file| file.write_all(b"one")).expect("written");
        let number = output.file().expect("it is there").as_raw_fd();
        let other = File::create(&theirs).expect("another file");
        // SAFETY: two numbers of open files; the second one's is closed, and given to the other file, in one step.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        assert!(output.file().is_err());
        drop(output);
        // SAFETY: the number that was just given to the other file, which nobody closed.
        let mut still = File::from(unsafe { OwnedFd::from_raw_fd(number) });
        still.write_all(b"two").expect("it is open");
        assert_eq!(
            (fs::read(&ours).ok(), fs::read(&theirs).ok()),
            (Some(b"one".into()), Some(b"two".into()))
        );
        fs::remove_dir_all(&folder).expect("removed");
    }
}
