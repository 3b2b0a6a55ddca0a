//! The way to a server: recorded, then written, in one order.
//!
//! What always holds: one lock covers the recorder and the queue of the writer, so the log has
//! messages in the order in which they are written; nothing is written before it is durable; a
//! server that does not read stops the writer and nobody else. That lock is held while the log has no
//! room: tasks take it aside from the others.

use crate::recorder::Recorder;
use sm_log::{AppendError, Direction, Receipt};
use std::io::Write;
use std::sync::mpsc;

/// A message on its way: its bytes, newline included, and the receipt of its record.
pub(super) struct Message {
    bytes: Vec<u8>,
    receipt: Receipt,
}

/// What is said and heard, on its way into the log.
pub(super) struct Wire {
    pub recorder: Recorder,
    /// `None` once the server's standard input was closed.
    writer: Option<mpsc::Sender<Message>>,
}

impl Wire {
    pub fn new(recorder: Recorder) -> (Wire, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel();
        (Wire { recorder, writer: Some(sender) }, receiver)
    }

    pub fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    /// Records `message`, whose end is no newline, and queues it for the writer. Returns its seq.
    pub fn send(&mut self, time: i64, message: Vec<u8>) -> Result<u64, AppendError> {
        let (_, receipt) = self.recorder.record(Direction::Client, time, &message)?;
        let seq = receipt.first;
        if let Some(writer) = &self.writer {
            let mut bytes = message;
            bytes.push(b'\n');
            // A writer that is gone has seen the server's end, which is told elsewhere.
            let _ = writer.send(Message { bytes, receipt });
        }
        Ok(seq)
    }

    /// No more will be said: the server's standard input is closed once all is written.
    pub fn close(&mut self) {
        self.writer = None;
    }
}

/// Writes what is queued until the queue or the server ends.
pub(super) fn write_all(messages: mpsc::Receiver<Message>, mut stdin: impl Write) {
    for Message { bytes, receipt } in messages {
        // A failing disk has kept the record in memory and says so itself; the server goes on.
        let _ = receipt.wait();
        if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}
