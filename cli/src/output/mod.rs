//! Standard output and standard error: the only places where anything is printed.
//!
//! What always holds: data goes to standard output, all else to standard error; colour only where a
//! terminal reads and nobody forbade it; a reader that went away is [`Error::closed_pipe`]; text
//! that an agent made cannot move the cursor or change a colour.

mod age;
mod style;
mod table;

pub use age::{age, ago, duration_ms, now_micros, tokens};
pub use style::{Role, Style, state};
pub use table::Table;

use crate::error::{Error, Exit};
use serde::Serialize;
use sm_daemon::is_invisible;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Both streams.
pub struct Streams {
    out: BufWriter<Stdout>,
    err: Stderr,
    /// How to mark things on standard output.
    pub style: Style,
    terminal: bool,
    err_terminal: bool,
    warned: Cell<bool>,
}

impl Streams {
    /// The process's own.
    pub fn new() -> Streams {
        let terminal = io::stdout().is_terminal();
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|word| !word.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|word| word != "0");
        Streams {
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            err: io::stderr(),
            style: Style { colour: (terminal || forced) && !forbidden },
            terminal,
            err_terminal: io::stderr().is_terminal(),
            warned: Cell::new(false),
        }
    }

    /// Whether a person looks at standard output.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The terminal's width and height in characters; none where there is no terminal.
    pub fn size(&self) -> Option<(usize, usize)> {
        if !self.terminal {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let columns = match std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()) {
            Some(columns) => columns,
            None => usize::from(size.ws_col),
        };
        (columns > 0).then_some((columns, usize::from(size.ws_row)))
    }

    /// One line of data.
    pub fn line(&mut self, text: impl Display) -> Result<(), Error> {
        written(writeln!(self.out, "{text}"))
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        written(self.out.write_all(bytes))
    }

    /// A JSON document: laid out for a person at a terminal, else one line.
    pub fn document(&mut self, document: &impl Serialize) -> Result<(), Error> {
        let done = match self.terminal {
            true => serde_json::to_writer_pretty(&mut self.out, document),
            false => serde_json::to_writer(&mut self.out, document),
        };
        written(done.map_err(io::Error::from))?;
        self.line("")
    }

    /// A JSON document on one line.
    pub fn json_line(&mut self, document: &impl Serialize) -> Result<(), Error> {
        written(serde_json::to_writer(&mut self.out, document).map_err(io::Error::from))?;
        self.line("")
    }

    /// Hands over what was written.
    pub fn flush(&mut self) -> Result<(), Error> {
        written(self.out.flush())
    }

    /// A line on standard error. Nobody is left to tell where that fails.
    pub fn say(&mut self, text: impl Display) {
        let _ = self.flush();
        let _ = writeln!(self.err, "{text}");
    }

    /// What the reader of the whole answer should know, on standard error; once, however often the answer
    /// is made anew.
    pub fn warn(&self, text: impl Display) {
        if !self.warned.replace(true) {
            let _ = writeln!(io::stderr(), "sm: {text}");
        }
    }

    /// Tells how far long work is, where a person looks.
    pub fn meter(&self) -> Meter {
        Meter { terminal: self.err_terminal }
    }

    /// Whether nobody reads standard output any more: for those who wait long between writes.
    pub fn is_closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Ok(_) => fds[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL),
            Err(_) => false,
        }
    }

    /// Draws `lines` over the `before` lines drawn last; returns how many it drew.
    pub fn redraw(&mut self, before: usize, lines: &[String]) -> Result<usize, Error> {
        let (columns, rows) = self.size().unwrap_or((100, 24));
        if before > 0 {
            self.bytes(format!("\x1b[{before}A\x1b[J").as_bytes())?;
        }
        let most = rows.saturating_sub(1).max(1);
        for line in lines.iter().take(most) {
            self.line(cut_painted(line, columns))?;
        }
        self.flush()?;
        Ok(lines.len().min(most))
    }

    /// Sleeps between two looks of a command that follows.
    pub fn pause(&mut self, time: Duration) -> Result<(), Error> {
        self.flush()?;
        if self.is_closed() {
            return Err(Error::closed_pipe());
        }
        std::thread::sleep(time);
        Ok(())
    }
}

/// A line of a daemon's own log, with its time, on standard error.
pub fn log_line(text: &str) {
    let now = jiff::Timestamp::now();
    // Nobody is left to tell where standard error itself fails.
    let _ = writeln!(io::stderr(), "{now:.3} {text}");
}

/// A line on standard error that the next one replaces; nothing off a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    terminal: bool,
}

impl Meter {
    /// Shows `text` instead of what was shown before.
    pub fn tell(self, text: impl Display) {
        if self.terminal {
            // Nobody is left to tell where standard error itself fails.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }

    /// Takes the line away.
    pub fn done(self) {
        self.tell("");
    }
}

fn written(done: io::Result<()>) -> Result<(), Error> {
    done.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::closed_pipe(),
        _ => Error::new(Exit::Failed, "io", format!("failed to write standard output: {error}")),
    })
}

/// Text of others, on one line and without control characters.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\n' => '⏎',
        '\t' => ' ',
        c => c,
    };
    Cow::Owned(tamed(text).map(shown).collect())
}

/// Text of others as a block: its lines stay lines.
pub fn clean_block(text: &str) -> String {
    tamed(text).collect()
}

/// The characters of a text, those that are unsafe replaced; lines and tabs stay.
fn tamed(text: &str) -> impl Iterator<Item = char> + '_ {
    let (mut before, mut last) = (' ', ' ');
    text.chars().map(move |c| {
        let is_shaping = shapes(c, before, last);
        (before, last) = (last, c);
        match c {
            '\n' | '\t' => c,
            c if is_unsafe(c) && !is_shaping => '\u{fffd}',
            c => c,
        }
    })
}

/// Characters that move the cursor, change colours or the direction of text, or are not seen at all.
fn is_unsafe(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Whether `c` belongs to the letter or picture that it follows, as scripts and emoji need it: one that says how
/// it is drawn, and one that joins it to the next, behind the `last` character and the one `before` it.
fn shapes(c: char, before: char, last: char) -> bool {
    let is_drawn = |c: char| !c.is_ascii() && !is_unsafe(c);
    match c {
        '\u{fe0e}' | '\u{fe0f}' => is_drawn(last),
        '\u{200c}' | '\u{200d}' => is_drawn(last) || last == '\u{fe0f}' && is_drawn(before),
        _ => false,
    }
}

/// What stands before each line of others that no word of `sm`'s stands before.
pub const GUTTER: &str = "│ ";

/// Text of others behind a word of `sm`'s own. Its further lines stand behind the gutter, and so does
/// what a terminal of `width` characters would put on one: no line is ever taken for `sm`'s.
pub fn quoted(word: &str, text: &str, width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begin = word;
    for line in clean_block(text).split('\n') {
        let mut kept = begin.to_owned();
        let mut used: usize = begin.chars().map(columns).sum();
        for c in line.replace('\t', "    ").chars() {
            if width.is_some_and(|width| used + columns(c) > width) {
                lines.push(std::mem::replace(&mut kept, GUTTER.to_owned()));
                used = GUTTER.chars().count();
            }
            kept.push(c);
            used += columns(c);
        }
        lines.push(kept);
        begin = GUTTER;
    }
    if lines.len() > 1 && lines.last().is_some_and(|last| last == GUTTER) {
        lines.pop();
    }
    lines
}

/// How wide a character is at most.
fn columns(c: char) -> usize {
    match c {
        '│' => 1,
        c if c >= '\u{1100}' => 2,
        _ => 1,
    }
}

/// How many cells of a terminal `text` takes; some characters take two.
pub fn width_of(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` cut to `most` cells.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if width_of(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used < most
    });
    Cow::Owned(kept.chain(['…']).collect())
}

/// A painted line cut to `most` cells; colour codes take no room.
fn cut_painted(line: &str, most: usize) -> String {
    let (mut kept, mut used, mut code) = (String::new(), 0, false);
    for c in line.chars() {
        code |= c == '\x1b';
        if code {
            code = c != 'm';
        } else {
            used += c.width().unwrap_or(0);
            if used > most {
                kept.push_str("\x1b[0m");
                break;
            }
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\td"), "a\u{fffd}[2Jb⏎c d");
        assert_eq!(clean_block("a\n\u{7}b"), "a\n\u{fffd}b");
        assert_eq!(clean("plain ä"), "plain ä");
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        for odd in "\u{200b}\u{ad}\u{2800}\u{e0041}\u{feff}\u{2028}\u{fe0f}\u{200d}".chars() {
            assert_eq!(clean(&format!("rm{odd} x")), "rm\u{fffd} x", "{odd:?}");
            assert_eq!(clean_block(&format!("a\n{odd}")), "a\n\u{fffd}", "{odd:?}");
        }
        // Letters and pictures stay whole, and nothing hides behind them.
        for whole in ["⚠\u{fe0f} x", "👩\u{200d}❤\u{fe0f}\u{200d}👨", "می\u{200c}خواهم"]
        {
            assert_eq!(clean(whole), whole);
        }
        assert_eq!(clean("⚠\u{fe0f}\u{fe0f}"), "⚠\u{fe0f}\u{fffd}");
    }

    #[test]
    fn text_of_others_never_begins_a_line() {
        let forged = "ls\nin /tmp\nsm approve r1\u{1b}[2J\n";
        assert_eq!(quoted("$ ", forged, None), ["$ ls", "│ in /tmp", "│ sm approve r1\u{fffd}[2J"]);
        assert_eq!(quoted("$ ", "ls       risk low", Some(8)), ["$ ls    ", "│    ris", "│ k low"]);
        assert_eq!(quoted("", "日本語", Some(4)), ["日本", "│ 語"]);
        assert_eq!(quoted("why: ", "", None), ["why: "]);
        assert_eq!(quoted("a", "\tb", Some(20)), ["a    b"]);
        assert_eq!(clean("a\u{2028}b"), "a\u{fffd}b");
    }

    #[test]
    fn colour_codes_take_no_room() {
        assert_eq!(cut_painted("\x1b[1mabc\x1b[0m", 3), "\x1b[1mabc\x1b[0m");
        assert_eq!(cut_painted("\x1b[1mabc", 2), "\x1b[1mab\x1b[0m");
    }

    #[test]
    fn a_cut_says_that_it_was() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöü", 3), "äöü");
    }

    #[test]
    fn wide_characters_take_two_cells() {
        assert_eq!((width_of("日本"), width_of("a\u{301}"), width_of("é")), (4, 1, 1));
        assert_eq!(cut("日本語", 6), "日本語");
        // Half a character does not fit.
        assert_eq!((cut("日本語", 5), cut("日本語", 4)), ("日本…".into(), "日…".into()));
        assert_eq!(cut_painted("\x1b[1m日本", 3), "\x1b[1m日\x1b[0m");
    }
}
