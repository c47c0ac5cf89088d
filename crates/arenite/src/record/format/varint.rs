//! Numbers in as few bytes as they need: seven bits in each, the lowest first, and a bit that says that more follow.

/// The most bytes of one.
pub(super) const LONGEST: usize = 10;

/// Where an event is put together: whole, so that writing needs no check. What would not fit is left out, which no event comes
/// near to.
#[derive(Debug)]
pub(super) struct Out<'a, const N: usize> {
    bytes: &'a mut [u8; N],
    len: usize,
}

impl<'a, const N: usize> Out<'a, N> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a mut [u8; N]) -> Self {
        const { assert!(N.is_power_of_two()) };
        Self { bytes, len: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes[self.len & (N - 1)] = byte;
        self.len += 1;
    }

    #[inline(always)]
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    #[inline(always)]
    pub(super) fn signed(&mut self, number: i64) {
        self.number(zigzag(number));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }
}

/// Small numbers of either sign become small ones.
#[inline(always)]
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[inline(always)]
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Bytes of a payload that were not read yet. `None` from everything once it ended too early.
#[derive(Clone, Copy, Debug)]
pub(super) struct In<'a> {
    bytes: &'a [u8],
}

impl<'a> In<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    #[inline]
    pub(super) fn left(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..LONGEST {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has one bit of a number of 64.
            if place == LONGEST - 1 && bits > 1 {
                return None;
            }
            number |= bits << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    #[inline]
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let edges = (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1, (1u64 << bit) + 1]);
        for number in edges.chain([u64::MAX, 0]) {
            let mut room = [0; 16];
            let mut out = Out::new(&mut room);
            out.number(number);
            let len = out.len();
            assert_eq!(len, (64 - number.leading_zeros() as usize).div_ceil(7).max(1));
            let mut read = In::new(&room[..len]);
            assert_eq!((read.number(), read.left().len()), (Some(number), 0));
            for cut in 0..len {
                assert_eq!(In::new(&room[..cut]).number(), None);
            }
            assert_eq!(unzigzag(zigzag(number as i64)), number as i64);
        }
        assert_eq!((zigzag(0), zigzag(-1), zigzag(1), zigzag(i64::MIN)), (0, 1, 2, u64::MAX));
    }

    #[test]
    fn too_long_a_number_is_none() {
        assert_eq!(In::new(&[0xFF; 12]).number(), None);
        assert_eq!(In::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]).number(), None);
    }
}
