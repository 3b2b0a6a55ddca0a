//! Lines of any length from any reader.
//!
//! What always holds: the lines and their newlines, put together again, are the bytes that came.
//! A line is never cut, whatever its length; memory grows with the longest line only.

use std::io::{self, Read};

/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, newline excluded.
    pub bytes: &'a [u8],
    /// Whether a newline ended it; only a file's last line can be without.
    pub terminated: bool,
}

/// Splits what a reader gives into lines, many at a time.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    filled: usize,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`.
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, buffer: vec![0; CHUNK_BYTES], filled: 0, ended: false }
    }

    /// Hands the next whole lines to `take`, as many as have been read; false once there are none.
    ///
    /// # Errors
    /// The reader's; lines handed out before it are not handed out again. Also `take`'s.
    pub fn next_batch<E: From<io::Error>>(
        &mut self,
        take: impl FnOnce(&mut dyn Iterator<Item = Line<'_>>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let end = loop {
            if self.ended {
                break self.filled;
            }
            let before = self.filled;
            self.fill()?;
            let fresh = self.buffer.get(before..self.filled).unwrap_or(&[]);
            if let Some(newline) = memchr::memrchr(b'\n', fresh) {
                break before + newline + 1;
            }
        };
        if end == 0 {
            return Ok(false);
        }
        let batch = &self.buffer[..end];
        let mut lines = Split { batch };
        let taken = take(&mut lines);
        self.buffer.copy_within(end..self.filled, 0);
        self.filled -= end;
        taken.map(|()| true)
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

/// The lines of bytes that are all there.
struct Split<'a> {
    batch: &'a [u8],
}

impl<'a> Iterator for Split<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.batch.is_empty() {
            return None;
        }
        let Some(newline) = memchr::memchr(b'\n', self.batch) else {
            return Some(Line { bytes: std::mem::take(&mut self.batch), terminated: false });
        };
        let (bytes, rest) = self.batch.split_at(newline);
        self.batch = &rest[1..];
        Some(Line { bytes, terminated: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn put_together(bytes: &[u8], step: usize) -> Vec<u8> {
        let mut lines = Lines::new(Trickle(bytes, step));
        let mut whole = Vec::new();
        while lines
            .next_batch::<io::Error>(|batch| {
                for line in batch {
                    whole.extend_from_slice(line.bytes);
                    whole.extend(line.terminated.then_some(b'\n'));
                }
                Ok(())
            })
            .unwrap()
        {}
        whole
    }

    #[test]
    fn lines_put_together_are_what_came() {
        let long = [vec![b'x'; 3 << 20], b"\ny".to_vec()].concat();
        for bytes in [&b""[..], b"\n", b"a", b"a\n", b"a\n\nb\r\nc", b"\n\n\n", &long] {
            for step in [1 << 22, 70_000] {
                assert!(put_together(bytes, step) == bytes, "{} bytes", bytes.len());
            }
        }
        assert_eq!(put_together(b"a\nbc\n", 1), b"a\nbc\n");
    }
}
