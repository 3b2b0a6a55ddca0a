//! Columns that line up. The last one takes what is left of a terminal's width, and the widest others
//! give way where that is too little; off a terminal nothing is cut.

use super::{Role, Streams, cut};
use crate::error::Error;

/// What the last column keeps as long as another one can give way, and every column in any case.
const LAST_MIN: usize = 12;
const CELL_MIN: usize = 6;

/// Rows of cells under a heading.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<(Option<Role>, String)>>,
}

impl Table {
    /// A table with those columns.
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row of plain or marked cells.
    pub fn row(&mut self, cells: Vec<(Option<Role>, String)>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self, streams: &mut Streams) -> Result<(), Error> {
        let mut widths: Vec<usize> = self.head.iter().map(|head| head.chars().count()).collect();
        for row in &self.rows {
            for (width, (_, cell)) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let last = self.head.len().saturating_sub(1);
        if let Some((columns, _)) = streams.size() {
            fit(&mut widths, columns);
        }
        let head = self.head.iter().map(|head| (Some(Role::Dim), (*head).to_owned())).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (at, ((role, cell), width)) in row.iter().zip(&widths).enumerate() {
                let text = cut(cell, *width);
                let padding = if at == last { 0 } else { width - text.chars().count() + 2 };
                match role {
                    Some(role) => line.push_str(&streams.style.paint(*role, &text)),
                    None => line.push_str(&text),
                }
                line.extend(std::iter::repeat_n(' ', padding));
            }
            streams.line(line.trim_end())?;
        }
        Ok(())
    }
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
}
