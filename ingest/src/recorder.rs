//! One life of one source, on its way into the log.
//!
//! What always holds: a message is in the log's hands before anybody else looks at it, whatever it
//! is; what `sm` adds is marked as its own.

use crate::aside::aside;
use crate::interpreter::{Interpreter, Reading};
use sm_log::{AppendError, Direction, Entry, Log, Receipt};
use sm_protocol::synthetic::Synthetic;

/// Writes what `sm` itself says into the log. Where that has no room it waits, and holds up no other task.
#[derive(Clone)]
pub struct Scribe {
    log: Log,
}

impl Scribe {
    /// A scribe for `log`.
    pub fn new(log: Log) -> Scribe {
        Scribe { log }
    }

    /// The log written to.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Records what `sm` did, at `time` (Unix microseconds), in `thread` (empty: in none).
    pub fn note(
        &self,
        time: i64,
        thread: &str,
        message: &Synthetic,
    ) -> Result<Receipt, AppendError> {
        self.note_of(0, 0, time, thread, message)
    }

    /// The same, as part of a source's life.
    pub fn note_of(
        &self,
        source: u64,
        generation: u32,
        time: i64,
        thread: &str,
        message: &Synthetic,
    ) -> Result<Receipt, AppendError> {
        let payload = message.to_payload();
        let note = [own(source, generation, time, thread, message, &payload)];
        aside(|| self.log.append(&note))
    }

    /// Several at once, in one frame: nobody ever sees the one without the other.
    pub fn note_all(
        &self,
        time: i64,
        thread: &str,
        messages: &[Synthetic],
    ) -> Result<Receipt, AppendError> {
        let payloads: Vec<Vec<u8>> = messages.iter().map(Synthetic::to_payload).collect();
        let notes = messages.iter().zip(&payloads);
        let notes: Vec<Entry<'_>> =
            notes.map(|(message, payload)| own(0, 0, time, thread, message, payload)).collect();
        aside(|| self.log.append(&notes))
    }
}

/// What `sm` says, as an entry; `payload` is the message's own.
fn own<'a>(
    source: u64,
    generation: u32,
    time: i64,
    thread: &'a str,
    message: &Synthetic,
    payload: &'a [u8],
) -> Entry<'a> {
    Entry {
        time,
        session: thread.as_bytes(),
        source,
        generation,
        kind: message.kind().0,
        direction: Direction::Own,
        flags: 0,
        payload,
    }
}

/// Records the messages of one life of one source.
pub struct Recorder {
    log: Log,
    interpreter: Interpreter,
    source: u64,
    generation: u32,
}

impl Recorder {
    /// A recorder for life `generation` of the source numbered `source`.
    pub fn new(log: Log, source: u64, generation: u32) -> Recorder {
        Recorder { log, interpreter: Interpreter::new(), source, generation }
    }

    /// Records one message, its newline excluded, received or sent at `time` (Unix microseconds).
    /// Returns what it is and the receipt; it is durable once that says so.
    pub fn record<'a>(
        &mut self,
        direction: Direction,
        time: i64,
        bytes: &'a [u8],
    ) -> Result<(Reading<'a>, Receipt), AppendError> {
        self.record_noting(direction, time, bytes, |_| None)
    }

    /// The same, and with it, in one frame, what `sm` has to say of the message: nobody ever sees the
    /// one without the other. `note` says it, and in which thread.
    pub fn record_noting<'a>(
        &mut self,
        direction: Direction,
        time: i64,
        bytes: &'a [u8],
        note: impl FnOnce(&Reading<'a>) -> Option<(String, Synthetic)>,
    ) -> Result<(Reading<'a>, Receipt), AppendError> {
        let reading = self.interpreter.read(direction, bytes);
        let message = Entry {
            time,
            session: reading.thread.as_bytes(),
            source: self.source,
            generation: self.generation,
            kind: reading.kind().0,
            direction,
            flags: reading.flags,
            payload: &reading.payload,
        };
        let receipt = match note(&reading) {
            None => self.log.append(&[message])?,
            Some((thread, note)) => {
                let payload = note.to_payload();
                self.log.append(&[message, own(0, 0, time, &thread, &note, &payload)])?
            }
        };
        Ok((reading, receipt))
    }
}
