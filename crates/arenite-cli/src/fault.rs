//! What ends the program: one line for the person who started it.

use std::fmt;

/// Why the program cannot do what it was asked. Always one line, whatever the names in it contain.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl Fault {
    /// A fault with this explanation.
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        let mut line = String::new();
        for symbol in why.to_string().chars() {
            if symbol.is_control() {
                line.extend(symbol.escape_default());
            } else {
                line.push(symbol);
            }
        }
        Self(line)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<arenite_demo::error::DemoError> for Fault {
    fn from(error: arenite_demo::error::DemoError) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_without_terminal_codes() {
        assert_eq!(Fault::new("no file 'a\nb\u{1b}[31m'").to_string(), "no file 'a\\nb\\u{1b}[31m'");
    }
}
