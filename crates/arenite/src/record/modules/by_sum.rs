//! Whether modules changed, where the system does not count: a sum over all of them.

use twox_hash::XxHash3_64;

use super::{Id, system};
use crate::base::sync::Lock;

/// Nobody takes it: nothing here holds a lock of the system's while it asks.
pub(in super::super) static ASKING: Lock<()> = Lock::new(());

/// What was loaded when that was last looked at.
#[derive(Debug, Default)]
pub(in super::super) struct Changes {
    sum: u64,
}

impl Changes {
    /// Whether modules were loaded or unloaded since this was last asked.
    pub(in super::super) fn look(&mut self) -> bool {
        let mut sum = 0;
        system::each(|module| {
            let mut bytes = [0; 16 + Id::MOST];
            bytes[..8].copy_from_slice(&(module.start as u64).to_le_bytes());
            bytes[8..16].copy_from_slice(&(module.end as u64).to_le_bytes());
            bytes[16..].copy_from_slice(&module.id.bytes);
            sum = XxHash3_64::oneshot_with_seed(sum, &bytes);
        });
        core::mem::replace(&mut self.sum, sum) != sum
    }
}
