//! Sampled sounds: one channel, eight bits, a header of eight bytes and sixteen bytes of padding at both ends.

use super::bytes::{u16_at, u32_at};
use super::error::SoundFault;
use super::{Lump, LumpName, Wad, WadError};

const HEADER: usize = 8;
/// Bytes before the first and after the last sample that repeat it; the header's count includes them.
const PADDING: usize = 16;

/// A sampled sound.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// Name of the lump.
    pub name: LumpName,
    /// Samples per second.
    pub rate: u16,
    /// One byte each, 128 is silence. Without the padding.
    pub samples: &'a [u8],
}

impl<'a> Sound<'a> {
    /// Checks the header and the length.
    ///
    /// # Errors
    /// [`WadError::Sound`].
    pub fn parse(lump: Lump<'a>) -> Result<Self, WadError> {
        let Lump { name, bytes, .. } = lump;
        let broken = |fault| WadError::Sound { lump: name, fault };
        let header = (u16_at(bytes, 0), u16_at(bytes, 2), u32_at(bytes, 4));
        let (Some(format), Some(rate), Some(count)) = header else {
            return Err(broken(SoundFault::Truncated));
        };
        if format != 3 {
            return Err(broken(SoundFault::Format));
        }
        if rate == 0 {
            return Err(broken(SoundFault::Rate));
        }
        let padded = bytes.get(HEADER..).and_then(|rest| rest.get(..count as usize));
        let padded = padded.ok_or_else(|| broken(SoundFault::Samples))?;
        let end = padded.len().checked_sub(PADDING);
        let samples = end.and_then(|end| padded.get(PADDING..end));
        Ok(Self { name, rate, samples: samples.ok_or_else(|| broken(SoundFault::Padding))? })
    }

    /// Elements that [`decode_into`](Self::decode_into) writes.
    pub fn decoded_len(&self) -> usize {
        self.samples.len()
    }

    /// Turns the samples into 16 bits with a sign: 128 becomes 0, 0 becomes −32768, 255 becomes 32512.
    ///
    /// Elements of `out` behind [`decoded_len`](Self::decoded_len) are left alone.
    ///
    /// # Errors
    /// [`WadError::Buffer`] when `out` is too small, before anything is written.
    pub fn decode_into(&self, out: &mut [i16]) -> Result<(), WadError> {
        let (needed, given) = (self.samples.len(), out.len());
        let out = out.get_mut(..needed).ok_or(WadError::Buffer { name: self.name, needed, given })?;
        for (to, &sample) in out.iter_mut().zip(self.samples) {
            *to = (i16::from(sample) - 128) << 8;
        }
        Ok(())
    }
}

impl<'a> Wad<'a> {
    /// All sampled sounds in the file's order: the lumps whose names start with `DS`.
    ///
    /// Games put a few zero bytes, too few for a header, in the place of a sound that they leave out (Freedoom does);
    /// these are no sounds and not listed.
    pub fn sounds(&self) -> impl Iterator<Item = Lump<'a>> + Clone + use<'a> {
        let left_out = |bytes: &[u8]| bytes.len() < HEADER && bytes.iter().all(|&byte| byte == 0);
        self.lumps().filter(move |lump| lump.name.starts_with(b"DS") && !left_out(lump.bytes))
    }
}
