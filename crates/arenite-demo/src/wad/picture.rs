//! The picture format of patches and sprites: columns of runs ("posts") of opaque pixels.
//!
//! ```text
//! width height left top | offset of column 0, 1, 2 … | columns
//! column: (top length pad pixels… pad)* 255
//! ```
//!
//! A run's `top` is one byte. Pictures taller than 254 pixels use the extension that later tools agreed on ("tall
//! patches"): a run whose `top` is not below the run before it is relative to that run's top.

use super::bytes::{array_at, i16_at, u16_at, u32_at};
use super::error::PictureFault;
use super::{Lump, LumpName, WadError};

/// No width or height is larger; it bounds what one broken lump can make a program do.
pub(super) const LARGEST_SIDE: u16 = 4096;

const HEADER: usize = 8;
const LAST_POST: u8 = 255;
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// A patch or a sprite: a picture with transparent places.
///
/// A view; nothing is decoded until [`decode_into`](Self::decode_into).
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    name: LumpName,
    /// The whole lump. The table of columns lies inside it.
    bytes: &'a [u8],
    /// Pixels, 1 to 4096.
    width: u16,
    /// Pixels, 1 to 4096.
    height: u16,
    left: i16,
    top: i16,
}

impl<'a> Picture<'a> {
    /// Checks the header and where the columns start.
    ///
    /// # Errors
    /// [`WadError::Picture`]. Linear in the width.
    pub fn parse(lump: Lump<'a>) -> Result<Self, WadError> {
        let Lump { name, bytes, .. } = lump;
        let broken = |at: usize, fault| WadError::Picture { lump: name, offset: at as u32, fault };
        if array_at(bytes, 0) == Some(PNG) {
            return Err(broken(0, PictureFault::Png));
        }
        let header = (u16_at(bytes, 0), u16_at(bytes, 2), i16_at(bytes, 4), i16_at(bytes, 6));
        let (Some(width), Some(height), Some(left), Some(top)) = header else {
            return Err(broken(bytes.len(), PictureFault::Truncated));
        };
        if [width, height].iter().any(|side| !(1..=LARGEST_SIDE).contains(side)) {
            return Err(broken(0, PictureFault::Size));
        }
        let picture = Self { name, bytes, width, height, left, top };
        for x in 0..width {
            let entry = Self::entry(x);
            let start = u32_at(bytes, entry).ok_or_else(|| broken(bytes.len(), PictureFault::Truncated))?;
            if start as usize >= bytes.len() {
                return Err(broken(entry, PictureFault::ColumnOutside));
            }
        }
        Ok(picture)
    }

    /// Where the table of columns says where column `x` starts.
    fn entry(x: u16) -> usize {
        HEADER + 4 * usize::from(x)
    }

    /// Name of the lump.
    pub fn name(&self) -> LumpName {
        self.name
    }

    /// Pixels from left to right, 1 to 4096.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Pixels from top to bottom, 1 to 4096.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Of a sprite: how many pixels it reaches to the left of the thing that it shows.
    pub fn left(&self) -> i16 {
        self.left
    }

    /// Of a sprite: how many pixels it reaches above the feet of the thing that it shows.
    pub fn top(&self) -> i16 {
        self.top
    }

    /// Bytes that [`decode_into`](Self::decode_into) writes: twice the number of pixels.
    pub fn decoded_len(&self) -> usize {
        2 * usize::from(self.width) * usize::from(self.height)
    }

    /// Decodes into two planes, one behind the other, each row by row from the top: first the palette index of every
    /// pixel, then its mask, 255 where the picture is opaque and 0 where it is transparent (the index is 0 there).
    ///
    /// Bytes of `out` behind [`decoded_len`](Self::decoded_len) are left alone.
    ///
    /// # Errors
    /// [`WadError::Buffer`] when `out` is too small, before anything is written; [`WadError::Picture`] when a column
    /// is broken, which leaves `out` with a part of the picture.
    pub fn decode_into(&self, out: &mut [u8]) -> Result<(), WadError> {
        let mut canvas = Canvas::new(self.name, self.width, self.height, out)?;
        self.draw(&mut canvas, 0, 0)
    }

    /// Draws it with its upper left corner at (`x`, `y`); what falls outside the canvas is cut off.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, x: i32, y: i32) -> Result<(), WadError> {
        for column in 0..self.width {
            let to = x + i32::from(column);
            if (0..canvas.width as i32).contains(&to) {
                self.column(column, |top, pixels| canvas.run(to as usize, y + top, pixels))?;
            }
        }
        Ok(())
    }

    /// Calls `run` with the top and the pixels of each run of a column.
    fn column(&self, x: u16, mut run: impl FnMut(i32, &[u8])) -> Result<(), WadError> {
        let broken = |at: usize, fault| WadError::Picture { lump: self.name, offset: at as u32, fault };
        let start = u32_at(self.bytes, Self::entry(x));
        let mut at = start.ok_or_else(|| broken(Self::entry(x), PictureFault::Truncated))? as usize;
        let mut last_top = -1;
        // A run has at least one pixel, or carries the position of a tall picture on; more runs than this are a loop
        // of rubbish. The bound keeps the work for a picture in proportion to its area.
        for _ in 0..=2 * u32::from(self.height) {
            let outside = broken(at, PictureFault::PostOutside);
            match *self.bytes.get(at..).unwrap_or_default() {
                [LAST_POST, ..] => return Ok(()),
                [top, length, _, ref rest @ ..] => {
                    // The byte behind the pixels is padding; some tools leave it out at the very end.
                    let pixels = rest.get(..usize::from(length)).ok_or(outside)?;
                    let top = i32::from(top);
                    last_top = if top <= last_top { last_top + top } else { top };
                    run(last_top, pixels);
                    at += 4 + usize::from(length);
                }
                _ => return Err(outside),
            }
        }
        Err(broken(at, PictureFault::EndlessColumn))
    }
}

/// The two planes that pictures are drawn on.
pub(super) struct Canvas<'o> {
    width: usize,
    height: usize,
    indices: &'o mut [u8],
    mask: &'o mut [u8],
}

impl<'o> Canvas<'o> {
    /// An empty, transparent canvas at the start of `out`.
    pub(super) fn new(name: LumpName, width: u16, height: u16, out: &'o mut [u8]) -> Result<Self, WadError> {
        let (width, height) = (usize::from(width), usize::from(height));
        let (needed, given) = (2 * width * height, out.len());
        let planes = out.get_mut(..needed).ok_or(WadError::Buffer { name, needed, given })?;
        planes.fill(0);
        let (indices, mask) = planes.split_at_mut(needed / 2);
        Ok(Self { width, height, indices, mask })
    }

    /// Draws pixels downwards from (`x`, `top`); `x` is on the canvas.
    fn run(&mut self, x: usize, top: i32, pixels: &[u8]) {
        let hidden = usize::try_from(-i64::from(top)).unwrap_or(0);
        let first = usize::try_from(top).unwrap_or(0);
        let visible = pixels.get(hidden..).unwrap_or_default();
        for (y, &pixel) in (first..self.height).zip(visible) {
            self.indices[y * self.width + x] = pixel;
            self.mask[y * self.width + x] = 255;
        }
    }
}
