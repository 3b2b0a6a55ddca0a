//! What a server says on its standard error: always drained, its end kept.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// How much of it is kept.
const LINES_MAX: usize = 20;
const LINE_CHARS_MAX: usize = 500;

/// The last lines of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl LastWords {
    /// Reads `stream` to its end.
    pub fn drain(&self, stream: impl Read) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            // A line without an end is cut, not kept whole.
            match (&mut stream).take(1 << 16).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.push(&String::from_utf8_lossy(&line)),
            }
        }
    }

    fn push(&self, line: &str) {
        let line: String = plain(line.trim_end()).chars().take(LINE_CHARS_MAX).collect();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The last lines, oldest first.
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The line without colours and other control sequences: it ends up in error messages.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    chars.find(|c| ('@'..='~').contains(c));
                }
            }
            c if c.is_control() && c != '\t' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out() {
        assert_eq!(plain("\u{1b}[31mERROR\u{1b}[0m it\u{7} broke"), "ERROR it broke");
    }

    #[test]
    fn the_last_lines_are_kept() {
        let words = LastWords::default();
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        words.drain(text.as_bytes());
        assert!(words.text().starts_with("line 80\n") && words.text().ends_with("line 99"));
    }
}
