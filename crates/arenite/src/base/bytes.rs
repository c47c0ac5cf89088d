//! Stand-in.
use core::fmt;
/// Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub usize);
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}
