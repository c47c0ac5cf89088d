//! Where results go: files that are written whole or not at all, and standard output that may be closed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arenite_demo::report::{create_unfinished, unfinished_path, write_whole};

use crate::fault::Fault;

/// A place for a result that was found to be writable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A file, with links followed, so that the file they lead to is replaced and not the link.
    File(PathBuf),
    /// A device or a pipe: it cannot be replaced, only written to.
    Stream(PathBuf),
}

impl Target {
    /// Finds out whether `path` can be written, and leaves everything as it is.
    ///
    /// # Errors
    /// Names the path and what the system said.
    pub(crate) fn check(path: &Path) -> Result<Self, Fault> {
        probe(path).map_err(|error| unwritable(path, &error))
    }

    /// Writes `bytes` there.
    ///
    /// # Errors
    /// Names the path and what the system said; a file is then as it was.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Stdout => print(&mut io::stdout().lock(), bytes),
            Self::File(path) => write_whole(path, bytes).map_err(|error| unwritable(path, &error)),
            Self::Stream(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut stream| stream.write_all(bytes))
                .map_err(|error| unwritable(path, &error)),
        }
    }
}

impl Target {
    /// Writes there what `write` writes, piece by piece: into a file beside it, which then takes its name and the permissions of
    /// the file that had it.
    ///
    /// # Errors
    /// What `write` says, or names the path and what the system said; a file is then as it was. A reader of standard output who
    /// closed the pipe has seen enough: `Ok(None)`.
    pub(crate) fn stream<T>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<T, WriteError>,
    ) -> Result<Option<T>, Fault> {
        let (name, written) = match self {
            Self::Stdout => (Path::new("to standard output"), write(&mut io::stdout().lock())),
            Self::File(path) => (path.as_path(), whole(path, write)),
            Self::Stream(path) => {
                let stream = OpenOptions::new().write(true).open(path).map_err(WriteError::Out);
                (path.as_path(), stream.and_then(|mut stream| write(&mut stream)))
            }
        };
        match written {
            Ok(written) => Ok(Some(written)),
            Err(WriteError::Out(error))
                if *self == Self::Stdout && error.kind() == io::ErrorKind::BrokenPipe =>
            {
                Ok(None)
            }
            Err(WriteError::Out(error)) => Err(unwritable(name, &error)),
            Err(WriteError::Other(fault)) => Err(fault),
        }
    }
}

/// Why a result was not written.
pub(crate) enum WriteError {
    /// Its place refused it.
    Out(io::Error),
    /// There is none.
    Other(Fault),
}

/// A file, whole or not at all.
fn whole<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    let unfinished = unfinished_path(path).map_err(WriteError::Out)?;
    let create = || {
        let file = create_unfinished(&unfinished)?;
        // Whoever may not read the old file may not read the new one.
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        Ok(file)
    };
    let written = create().map_err(WriteError::Out).and_then(|mut file| {
        let written = write(&mut file)?;
        file.sync_all().and_then(|()| fs::rename(&unfinished, path)).map_err(WriteError::Out)?;
        Ok(written)
    });
    if written.is_err() {
        // The first error is the one to tell; a file that was never made cannot be removed.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(format_args!("cannot write {}: {error}", path.display()))
}

fn probe(path: &Path) -> io::Result<Target> {
    let path = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => return Ok(Target::Stream(path.to_owned())),
        Ok(_) => {
            // Renaming over a write-protected file would succeed; its owner did not mean that.
            OpenOptions::new().write(true).open(path)?;
            fs::canonicalize(path)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    // Whether a file can be made there is known for sure only by making one.
    let unfinished = unfinished_path(&path)?;
    drop(create_unfinished(&unfinished)?);
    fs::remove_file(&unfinished)?;
    Ok(Target::File(path))
}

/// Prints to standard output or standard error. A reader who closed the pipe has seen enough, which is no fault.
///
/// # Errors
/// Any other refusal, for example a full disk behind a redirection.
pub(crate) fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Fault> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::new(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("arenite-output-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("the folder");
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn checking_leaves_everything_as_it_is() {
        let folder = Folder::new("check");
        let old = folder.0.join("old.json");
        fs::write(&old, "old").expect("an old file");
        Target::check(&old).expect("writable");
        Target::check(&folder.0.join("new.json")).expect("writable");
        assert_eq!(fs::read(&old).expect("the old file"), b"old");
        assert_eq!(folder.names(), ["old.json"]);
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = Folder::new("refuse");
        for path in [folder.0.clone(), folder.0.join("none/a.json"), folder.0.join(".."), PathBuf::new()] {
            let why = Target::check(&path).expect_err("not writable").to_string();
            assert!(why.starts_with("cannot write ") && !why.contains('\n'), "{why}");
        }
        assert!(folder.names().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_written_to() {
        let folder = Folder::new("links");
        let (file, link) = (folder.0.join("file"), folder.0.join("link"));
        fs::write(&file, "old").expect("a file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, private).expect("a private file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        Target::check(&link).expect("writable").write(b"new").expect("written");
        assert_eq!(fs::read(&file).expect("the file"), b"new");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("the file").permissions());
        assert_eq!(mode & 0o777, 0o600, "still private");
        let device = Target::check(Path::new("/dev/null")).expect("writable");
        assert_eq!(device, Target::Stream(PathBuf::from("/dev/null")));
        device.write(b"gone").expect("written");
    }

    #[test]
    fn what_is_written_piece_by_piece_is_there_whole_or_not_at_all() {
        let folder = Folder::new("stream");
        let path = folder.0.join("out");
        fs::write(&path, "old").expect("an old file");
        let target = Target::check(&path).expect("writable");
        let faults =
            [WriteError::Other(Fault::new("no more")), WriteError::Out(io::ErrorKind::StorageFull.into())];
        for (fault, said) in faults.into_iter().zip(["no more", "cannot write "]) {
            let failed = target.stream::<()>(|out| {
                out.write_all(b"half").map_err(WriteError::Out)?;
                Err(fault)
            });
            let why = failed.expect_err("a fault").to_string();
            assert!(why.starts_with(said), "{why}");
            assert_eq!(fs::read(&path).expect("the old file"), b"old");
        }
        let written = target.stream(|out| {
            out.write_all(b"one ").and_then(|()| out.write_all(b"two")).map(|()| 7).map_err(WriteError::Out)
        });
        assert_eq!(written.expect("written"), Some(7));
        assert_eq!(fs::read(&path).expect("the new file"), b"one two");
        assert_eq!(folder.names(), ["out"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_under_the_unfinished_name_is_not_followed() {
        let folder = Folder::new("trap");
        let (precious, path) = (folder.0.join("precious"), folder.0.join("out.json"));
        fs::write(&precious, "old").expect("a file");
        let trap = unfinished_path(&path).expect("a path");
        std::os::unix::fs::symlink(&precious, &trap).expect("a link");
        let target = Target::check(&path).expect("writable");
        std::os::unix::fs::symlink(&precious, &trap).expect("a link");
        target.write(b"new").expect("written");
        assert_eq!(fs::read(&precious).expect("the file"), b"old");
        assert_eq!(fs::read(&path).expect("the result"), b"new");
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is_one() {
        struct Refuses(io::ErrorKind);
        impl Write for Refuses {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        print(&mut Refuses(io::ErrorKind::BrokenPipe), b"text").expect("no fault");
        print(&mut Refuses(io::ErrorKind::StorageFull), b"text").expect_err("a fault");
    }
}
