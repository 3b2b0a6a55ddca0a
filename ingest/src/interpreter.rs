//! From the bytes of one connection, in both directions, to what a record's header needs.
//!
//! What always holds: the payload is the bytes that came, but for secrets, which are masked and
//! flagged; a response belongs to its request's thread. An interpreter knows one life of one source,
//! because JSON-RPC ids mean nothing beyond it.

use crate::secrets::{self, Secrets};
use sm_log::Direction;
use sm_protocol::{Envelope, Kind, RpcId, Shape, flags};
use std::borrow::Cow;
use std::collections::HashMap;

/// How many unanswered requests of one direction are remembered; beyond it the oldest id is
/// forgotten and its answer belongs to no thread.
const UNANSWERED_MAX: usize = 4096;

/// A message, read as far as its header needs.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The message's outside.
    pub envelope: Envelope<'a>,
    /// The thread it belongs to; empty for none.
    pub thread: Cow<'a, str>,
    /// The bytes to record.
    pub payload: Cow<'a, [u8]>,
    /// Bits of [`flags`].
    pub flags: u16,
}

impl Reading<'_> {
    /// What the record is.
    pub fn kind(&self) -> Kind {
        self.envelope.kind
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Default)]
struct Unanswered {
    thread: String,
    method: String,
    secrets: Secrets,
}

/// Reads the messages of one life of one source.
#[derive(Debug, Default)]
pub struct Interpreter {
    from_server: HashMap<RpcId, Unanswered>,
    from_client: HashMap<RpcId, Unanswered>,
    /// `initialize` was answered in this life.
    greeted: bool,
}

impl Interpreter {
    /// An interpreter for a new life.
    pub fn new() -> Interpreter {
        Interpreter::default()
    }

    /// Whether the server has greeted in this life. A second greeting begins another life.
    pub fn has_greeted(&self) -> bool {
        self.greeted
    }

    /// Reads one message, its newline excluded.
    pub fn read<'a>(&mut self, direction: Direction, bytes: &'a [u8]) -> Reading<'a> {
        let envelope = Envelope::scan(bytes);
        let mut thread = envelope.thread.clone().unwrap_or_default();
        let mut masked = None;
        match envelope.shape {
            Shape::Request => self.asked(direction, &envelope, bytes, &mut masked),
            Shape::Response | Shape::ErrorResponse => {
                if let Some(request) = self.answered(direction, &envelope) {
                    if !request.thread.is_empty() {
                        thread = Cow::Owned(request.thread);
                    }
                    masked = secrets::mask_answer(&request.method, &request.secrets, bytes);
                } else if direction == Direction::Server {
                    masked = secrets::mask_unclaimed_answer(bytes);
                }
                self.greeted |= envelope.greets && direction == Direction::Server;
            }
            // No notification with a number of its own carries secrets.
            Shape::Notification if envelope.kind == Kind::NOTIFICATION => {
                let method = envelope.method.as_deref().unwrap_or("");
                masked = secrets::mask_call(method, bytes);
            }
            _ => {}
        }
        // The log's keys are short; a longer "thread id" is none.
        if thread.len() > 255 {
            thread = Cow::Borrowed("");
        }
        let (payload, flags) = match masked {
            Some(masked) => (Cow::Owned(masked), flags::REDACTED),
            None => (Cow::Borrowed(bytes), 0),
        };
        Reading { envelope, thread, payload, flags }
    }

    fn asked(
        &mut self,
        direction: Direction,
        envelope: &Envelope<'_>,
        bytes: &[u8],
        masked: &mut Option<Vec<u8>>,
    ) {
        let (Some(id), Some(method)) = (&envelope.id, envelope.method.as_deref()) else { return };
        *masked = secrets::mask_call(method, bytes);
        let request = Unanswered {
            thread: envelope.thread.as_deref().unwrap_or("").to_owned(),
            method: method.to_owned(),
            secrets: match envelope.kind {
                Kind::USER_INPUT_REQUEST => secrets::secrets(bytes),
                _ => Secrets::None,
            },
        };
        let unanswered = self.unanswered_of(direction);
        if unanswered.len() >= UNANSWERED_MAX {
            unanswered.clear();
        }
        unanswered.insert(id.clone(), request);
    }

    /// The request that a response answers: it came from the other side.
    fn answered(&mut self, direction: Direction, envelope: &Envelope<'_>) -> Option<Unanswered> {
        let asker = match direction {
            Direction::Server => Direction::Client,
            _ => Direction::Server,
        };
        let id = envelope.id.as_ref()?;
        let unanswered = self.unanswered_of(asker);
        unanswered.remove(id).or_else(|| unanswered.remove(&other_form(id)))
    }

    fn unanswered_of(&mut self, asker: Direction) -> &mut HashMap<RpcId, Unanswered> {
        match asker {
            Direction::Server => &mut self.from_server,
            _ => &mut self.from_client,
        }
    }
}

/// The same id as a string where it is a number, and the other way round: a client that is not strict
/// about it answers the same request, whose secrets are the same.
fn other_form(id: &RpcId) -> RpcId {
    match id.0.strip_prefix('"').and_then(|id| id.strip_suffix('"')) {
        Some(inner) => RpcId(inner.to_owned()),
        None => RpcId(format!("\"{}\"", id.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_belongs_to_its_requests_thread() {
        let mut wire = Interpreter::new();
        wire.read(
            Direction::Client,
            br#"{"id":3,"method":"turn/start","params":{"threadId":"T"}}"#,
        );
        let answer = wire.read(Direction::Server, br#"{"id":3,"result":{"turn":{"id":"u"}}}"#);
        assert_eq!(answer.thread, "T");
        let again = wire.read(Direction::Server, br#"{"id":3,"result":{}}"#);
        assert_eq!(again.thread, "");
        wire.read(
            Direction::Server,
            br#"{"id":3,"method":"item/tool/call","params":{"threadId":"S"}}"#,
        );
        assert_eq!(wire.read(Direction::Client, br#"{"id":3,"result":{}}"#).thread, "S");
    }

    #[test]
    fn a_secret_answer_is_masked_and_flagged() {
        let mut wire = Interpreter::new();
        wire.read(
            Direction::Server,
            br#"{"id":0,"method":"item/tool/requestUserInput","params":{"threadId":"T","questions":[{"id":"k","isSecret":true},{"id":"n","isSecret":false}]}}"#,
        );
        let bytes =
            br#"{"id":0,"result":{"answers":{"k":{"answers":["hunter2"]},"n":{"answers":["A"]}}}}"#;
        let answer = wire.read(Direction::Client, bytes);
        let text = String::from_utf8(answer.payload.to_vec()).unwrap();
        assert!(!text.contains("hunter2") && text.contains("\"A\""), "{text}");
        assert_eq!(answer.flags, flags::REDACTED);
    }

    #[test]
    fn an_answer_whose_id_has_another_form_is_masked_all_the_same() {
        for (asked, answered) in [("7", "\"7\""), ("\"7\"", "7")] {
            let mut wire = Interpreter::new();
            let request = format!(
                r#"{{"id":{asked},"method":"item/tool/requestUserInput","params":{{"threadId":"T","questions":[{{"id":"k","isSecret":true}}]}}}}"#
            );
            wire.read(Direction::Server, request.as_bytes());
            let answer = format!(
                r#"{{"id":{answered},"result":{{"answers":{{"k":{{"answers":["hunter2"]}}}}}}}}"#
            );
            let reading = wire.read(Direction::Client, answer.as_bytes());
            assert!(!String::from_utf8_lossy(&reading.payload).contains("hunter2"));
            assert_eq!((reading.thread.as_ref(), reading.flags), ("T", flags::REDACTED));
        }
    }

    #[test]
    fn everything_else_is_verbatim() {
        let mut wire = Interpreter::new();
        for bytes in [&b"{ \"method\" : \"x\" }\r"[..], b"", b"\xff", b"{\"id\":1,\"result\":null}"]
        {
            let reading = wire.read(Direction::Server, bytes);
            assert_eq!((reading.payload.as_ref(), reading.flags), (bytes, 0));
        }
    }
}
