//! Plain text tables: the first column to the left, figures to the right, no colours, no box.

use std::fmt;

/// The longest cell that is shown whole.
const WIDEST: usize = 34;

/// Rows of text under a head.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&name| name.to_owned()).collect()] }
    }

    /// Adds a row; it should have as many cells as the head.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| fitted(cell)).collect());
    }
}

/// A cell without control characters (names come out of files) and not too long; the end of a tag's name says most.
fn fitted(cell: &str) -> String {
    let shown = |symbol: char| if symbol.is_control() { '\u{fffd}' } else { symbol };
    let length = cell.chars().count();
    if length <= WIDEST {
        return cell.chars().map(shown).collect();
    }
    std::iter::once('…').chain(cell.chars().skip(length - WIDEST + 1).map(shown)).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => line.push_str(&format!("{cell:<width$}")),
                    _ => line.push_str(&format!("  {cell:>width$}")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            if index == 0 {
                let across = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
                writeln!(f, "{}", "─".repeat(across))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["tag", "live"]);
        table.row(vec!["scene".to_owned(), "8 MiB".to_owned()]);
        table.row(vec!["größe".to_owned(), "512 KiB".to_owned()]);
        let expected = "tag       live\n──────────────\nscene    8 MiB\ngröße  512 KiB\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn long_names_keep_their_end_and_control_characters_are_shown() {
        let mut table = Table::new(&["tag"]);
        table.row(vec![format!("{}end\u{1b}", "a".repeat(90))]);
        let text = table.to_string();
        assert!(text.contains("end\u{fffd}") && !text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line.chars().count() <= WIDEST));
    }
}
