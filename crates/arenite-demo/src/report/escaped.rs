//! Text that anybody may have written, in a page.

use std::fmt::{self, Display, Write as _};

/// Shows a text with everything that means something in HTML replaced, and control characters made visible.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for symbol in self.0.chars() {
            match symbol {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // HTML has no way to write most control characters.
                _ if symbol.is_control() => f.write_char('\u{fffd}')?,
                _ => f.write_char(symbol)?,
            }
        }
        Ok(())
    }
}
