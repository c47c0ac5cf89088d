//! Six sounds, made from triangle waves and noise.

/// Samples per second.
pub(super) const RATE: u16 = 11_025;

/// A triangle wave, −127 to 127; one period is 65536.
fn triangle(phase: u32) -> i32 {
    let phase = (phase & 0xFFFF) as i32;
    let rising = if phase < 0x8000 { phase } else { 0xFFFF - phase };
    rising * 254 / 0x7FFF - 127
}

/// Noise, −127 to 127: the top bits of a linear congruential generator.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as i32 - 128
    }
}

/// How far the phase goes in one sample at this frequency.
fn step(hertz: u32) -> u32 {
    hertz * 65_536 / u32::from(RATE)
}

/// `length` samples of `wave`, which is told the number of the sample and how much is left, 256 down to 0.
fn sound(length: u32, mut wave: impl FnMut(u32, i32) -> i32) -> Vec<u8> {
    (0..length)
        .map(|i| {
            let left = ((length - i) * 256 / length) as i32;
            (wave(i, left).clamp(-127, 127) + 128) as u8
        })
        .collect()
}

/// Names and samples.
pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut noise = Noise(7);
    let shot = sound(3_500, |_, left| noise.next() * left / 256 * left / 256);
    let (mut noise, mut held) = (Noise(21), 0);
    let blast = sound(8_000, |_, left| {
        // Noise that follows slowly is a rumble.
        held += (noise.next() * 3 - held) / 7;
        held * left / 256
    });
    let mut phase = 0;
    let door = sound(5_000, |i, left| {
        phase += step(60 + i / 40);
        (triangle(phase) + triangle(phase * 3) / 3) * left.min(64) / 80
    });
    let item = sound(2_200, |i, left| triangle(i * step(if i < 1_100 { 660 } else { 990 })) * left / 256);
    let (mut phase, mut noise) = (0, Noise(5));
    let pain = sound(3_800, |i, left| {
        phase += step(320 - i / 20) + (triangle(i * step(18)) + 127) as u32;
        (triangle(phase) + noise.next() / 4) * left / 300
    });
    let mut phase = 0;
    let teleport = sound(6_500, |i, left| {
        phase += step(200 + (i * 7 / 50) % 700);
        (triangle(phase) * 2 + triangle(phase * 2 + i * 90)) / 3 * left / 256
    });
    vec![
        ("DSPISTOL", shot),
        ("DSBAREXP", blast),
        ("DSDOROPN", door),
        ("DSITEMUP", item),
        ("DSPOPAIN", pain),
        ("DSTELEPT", teleport),
    ]
}
