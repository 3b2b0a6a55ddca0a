//! Columns that line up. The last one takes what is left of a terminal's width; off a terminal
//! nothing is cut.

use super::{Role, Streams, cut};
use crate::error::Error;

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
            let before: usize = widths.iter().take(last).map(|width| width + 2).sum();
            if let Some(width) = widths.last_mut() {
                *width = (*width).min(columns.saturating_sub(before).max(12));
            }
        }
        let head = self.head.iter().map(|head| (Some(Role::Dim), (*head).to_owned())).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (at, ((role, cell), width)) in row.iter().zip(&widths).enumerate() {
                let text = if at == last { cut(cell, *width) } else { cell.as_str().into() };
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
