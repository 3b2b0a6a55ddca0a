//! Columns that line up. The last one takes what is left of a terminal's width, and the widest others
//! give way where that is too little, then columns that may be spared; off a terminal nothing is cut. Widths are
//! those of cells on a screen, not counts of characters.

use super::{Role, Streams, Style, cut, width_of};
use crate::error::Error;

/// What the last column keeps as long as another one can give way, and every column in any case.
const LAST_MIN: usize = 12;
const CELL_MIN: usize = 6;

/// Rows of cells under a heading.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<(Option<Role>, String)>>,
    spare: &'static [&'static str],
}

impl Table {
    /// A table with those columns.
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new(), spare: &[] }
    }

    /// Which columns go where not even narrow ones fit, in this order. Never the first or the last.
    pub fn spare(mut self, heads: &'static [&'static str]) -> Table {
        self.spare = heads;
        self
    }

    /// Adds a row of plain or marked cells.
    pub fn row(&mut self, cells: Vec<(Option<Role>, String)>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self, streams: &mut Streams) -> Result<(), Error> {
        let columns = streams.size().map(|(columns, _)| columns);
        for line in self.lines(columns, streams.style) {
            streams.line(line)?;
        }
        Ok(())
    }

    /// Its lines, in that many cells if there is a terminal.
    fn lines(&self, columns: Option<usize>, style: Style) -> Vec<String> {
        let mut widths: Vec<usize> = self.head.iter().map(|head| width_of(head)).collect();
        for row in &self.rows {
            for (widest, (_, cell)) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width_of(cell));
            }
        }
        let mut shown: Vec<usize> = (0..self.head.len()).collect();
        if let Some(columns) = columns {
            for spare in self.spare {
                let least: Vec<usize> = shown.iter().map(|at| widths[*at]).collect();
                if least_width(&least) <= columns {
                    break;
                }
                shown.retain(|at| self.head[*at] != *spare);
            }
            let mut fitted: Vec<usize> = shown.iter().map(|at| widths[*at]).collect();
            fit(&mut fitted, columns);
            shown.iter().zip(fitted).for_each(|(at, fitted)| widths[*at] = fitted);
        }
        let head = self.head.iter().map(|head| (Some(Role::Dim), (*head).to_owned())).collect();
        let rows = std::iter::once(&head).chain(&self.rows);
        let line = |row: &Vec<(Option<Role>, String)>| {
            let mut line = String::new();
            for at in &shown {
                let (Some((role, cell)), room) = (row.get(*at), widths[*at]) else { break };
                let text = cut(cell, room);
                let padding = room - width_of(&text) + 2;
                match role {
                    Some(role) => line.push_str(&style.paint(*role, &text)),
                    None => line.push_str(&text),
                }
                line.extend(std::iter::repeat_n(' ', padding));
            }
            line.trim_end().to_owned()
        };
        rows.map(line).collect()
    }
}

/// The least room for columns of these widths, two blanks between them.
fn least_width(widths: &[usize]) -> usize {
    let Some((last, others)) = widths.split_last() else { return 0 };
    let narrow =
        |(at, width): (usize, &usize)| if at == 0 { *width } else { (*width).min(CELL_MIN) };
    others.iter().enumerate().map(|other| narrow(other) + 2).sum::<usize>() + (*last).min(LAST_MIN)
}

/// Makes columns, two blanks between them, fit into that width as far as they can. The first one is what
/// a row is called by, and stays whole.
fn fit(widths: &mut [usize], columns: usize) {
    let Some((last, others)) = widths.split_last_mut() else { return };
    let taken = |others: &[usize]| others.iter().map(|width| width + 2).sum::<usize>();
    let wanted = (*last).min(LAST_MIN);
    while taken(others) + wanted > columns {
        let widest = others.iter_mut().skip(1).filter(|width| **width > CELL_MIN).max();
        let Some(widest) = widest else { break };
        *widest -= 1;
    }
    *last = (*last).min(columns.saturating_sub(taken(others)).max(CELL_MIN));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_give_way_to_a_narrow_terminal_the_widest_first() {
        let fitted = |columns| {
            let mut widths = [6, 28, 20, 11, 6, 60];
            fit(&mut widths, columns);
            widths
        };
        assert_eq!(fitted(200), [6, 28, 20, 11, 6, 60]);
        assert_eq!(fitted(100), [6, 28, 20, 11, 6, 19]);
        for columns in [52, 60, 80] {
            let widths = fitted(columns);
            assert_eq!(widths.iter().map(|width| width + 2).sum::<usize>() - 2, columns);
            assert!(widths[0] == 6 && widths.iter().all(|width| *width >= CELL_MIN), "{widths:?}");
        }
        // Less than that is no terminal to read a table on; nothing vanishes.
        assert_eq!(fitted(10), [6, 6, 6, 6, 6, 6]);
    }

    #[test]
    fn wide_names_line_up_and_spare_columns_go_first() {
        let mut table = Table::new(&["ID", "NAME", "COUNT", "WORDS"]).spare(&["COUNT"]);
        let row = |words: [&str; 4]| words.map(|word| (None, word.to_owned())).to_vec();
        table.row(row(["a", "日本語の名前", "12345678", "first"]));
        table.row(row(["b", "plain", "1", "second words"]));
        let lines = |columns| table.lines(columns, Style { colour: false });
        let plain = lines(None);
        // Six wide characters are twelve cells.
        assert_eq!(plain[1], "a   日本語の名前  12345678  first");
        assert_eq!(plain[2], "b   plain         1         second words");
        assert_eq!(lines(Some(80)), plain);
        for columns in [24, 32, 40] {
            let narrow = lines(Some(columns));
            assert!(narrow.iter().all(|line| width_of(line) <= columns), "{narrow:?}");
            assert_eq!(narrow[0].contains("COUNT"), columns > 24, "{narrow:?}");
            assert!(narrow[2].contains("second"), "{narrow:?}");
        }
    }
}
