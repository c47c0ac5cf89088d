//! Everything that can be wrong with a run's input, each as one clear line.

use std::fmt;
use std::path::PathBuf;

/// Why a run could not start or go on. `Display` is one line that says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// The WAD file cannot be read.
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not a WAD, or a lump in it is broken.
    Wad(crate::wad::WadError),
    /// Memory could not be had: a budget would be broken, or the system refused.
    Memory(String),
    /// The thread pool could not be started.
    Threads(String),
    /// A value of the configuration makes no sense.
    Config(String),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Wad(error) => write!(f, "{error}"),
            Self::Memory(why) => write!(f, "{why}"),
            Self::Threads(why) => write!(f, "cannot start the worker threads: {why}"),
            Self::Config(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Wad(error) => Some(error),
            _ => None,
        }
    }
}

impl From<crate::wad::WadError> for DemoError {
    fn from(error: crate::wad::WadError) -> Self {
        Self::Wad(error)
    }
}
