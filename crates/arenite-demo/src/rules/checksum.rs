//! One number that stands for everything that happened, in its order.

use std::fmt;

/// A 64-bit checksum over a sequence of numbers: no defence against an attacker, but no accident leaves it unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// The checksum of nothing.
    pub const fn new() -> Self {
        Self(0x4172_656E_6974_6521)
    }

    /// Takes in one number.
    #[inline]
    pub fn add(&mut self, value: u64) {
        // Both steps are bijections for a fixed value, so that two sequences that differ in one number never collide.
        let mixed = (self.0 ^ value).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.0 = mixed ^ (mixed >> 32);
    }

    /// Takes in two numbers of 32 bits.
    #[inline]
    pub fn add_pair(&mut self, a: i32, b: i32) {
        self.add(u64::from(a.cast_unsigned()) << 32 | u64::from(b.cast_unsigned()));
    }

    /// Takes in bytes and how many there are.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        let mut rest = [0; 8];
        for (to, from) in rest.iter_mut().zip(chunks.remainder()) {
            *to = *from;
        }
        self.add(u64::from_le_bytes(rest));
        self.add(bytes.len() as u64);
    }

    /// The number so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    fn of(values: &[u64]) -> u64 {
        let mut sum = Checksum::new();
        values.iter().for_each(|&v| sum.add(v));
        sum.value()
    }

    #[test]
    fn order_and_count_matter() {
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        let bytes = |b: &[u8]| {
            let mut sum = Checksum::new();
            sum.add_bytes(b);
            sum.value()
        };
        assert_ne!(bytes(b"a"), bytes(b"a\0"));
        assert_ne!(bytes(b"agent 12: 83 hp"), bytes(b"agent 12: 84 hp"));
        assert_eq!(Checksum::new().to_string().len(), 16);
    }
}
