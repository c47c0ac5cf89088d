//! Positions: fixed-point integers, so that every machine computes the same.

use std::ops::{Add, Neg, Sub};

/// How many steps of a coordinate make one map unit.
pub const UNIT: i32 = 256;

/// A position or a displacement, in 1/256 map units.
///
/// Map coordinates are 16 bits wide, so that positions stay below 2²³, differences below 2²⁴, and squares need 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Growing to the east.
    pub x: i32,
    /// Growing to the north.
    pub y: i32,
}

impl Point {
    /// The point at these map coordinates.
    pub fn of_map(x: i16, y: i16) -> Self {
        Self { x: i32::from(x) * UNIT, y: i32::from(y) * UNIT }
    }

    /// Map coordinates, rounded down.
    pub fn to_map(self) -> [i32; 2] {
        [self.x.div_euclid(UNIT), self.y.div_euclid(UNIT)]
    }

    /// Square of the distance to another point.
    #[inline]
    pub fn distance2(self, other: Self) -> i64 {
        let (dx, dy) = (i64::from(self.x - other.x), i64::from(self.y - other.y));
        dx * dx + dy * dy
    }

    /// The displacement in the same direction whose length is `length`, rounded towards zero; zero stays zero.
    pub fn with_length(self, length: i32) -> Self {
        let (x, y, length) = (i64::from(self.x), i64::from(self.y), i64::from(length));
        let now = ((x * x + y * y) as u64).isqrt() as i64;
        if now == 0 {
            return Self::default();
        }
        // |x| ≤ now, so the quotients are not longer than `length`, which is 32 bits wide.
        Self { x: (x * length / now) as i32, y: (y * length / now) as i32 }
    }

    /// The same displacement, turned by a quarter to the left.
    pub fn left(self) -> Self {
        Self { x: -self.y, y: self.x }
    }
}

impl Add for Point {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y }
    }
}

impl Sub for Point {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { x: self.x - other.x, y: self.y - other.y }
    }
}

impl Neg for Point {
    type Output = Self;

    fn neg(self) -> Self {
        Self { x: -self.x, y: -self.y }
    }
}

#[cfg(test)]
mod tests {
    use super::Point;

    #[test]
    fn lengths() {
        let p = Point { x: 300, y: -400 };
        assert_eq!(p.with_length(5), Point { x: 3, y: -4 });
        assert_eq!(p.distance2(Point::default()), 250_000);
        assert_eq!(Point::default().with_length(9), Point::default());
        let far = Point { x: i32::from(i16::MAX) * 512, y: i32::from(i16::MIN) * 512 };
        let cut = far.with_length(1000);
        assert!((999..=1000).contains(&(cut.distance2(Point::default()) as u64).isqrt()), "{cut:?}");
    }

    #[test]
    fn map_coordinates_round_down() {
        assert_eq!(Point { x: -1, y: 257 }.to_map(), [-1, 1]);
        assert_eq!(Point::of_map(-32768, 32767).to_map(), [-32768, 32767]);
    }
}
