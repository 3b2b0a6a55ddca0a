//! From the bytes of one connection, in both directions, to what a record's header needs.
//!
//! What always holds: the payload is the bytes that came, but for secrets, which are masked and
//! flagged; a response belongs to its request's thread, as long as that is remembered. An answer to what
//! was forgotten is masked whole where it could be one with secrets. An interpreter knows one life of one
//! source, because JSON-RPC ids mean nothing beyond it.

use crate::secrets;
use crate::unanswered::{Request, Unanswered};
use sm_log::Direction;
use sm_protocol::message::{Call, RequestResolved};
use sm_protocol::{Envelope, Kind, RpcId, Shape, flags};
use std::borrow::Cow;

/// A longer "thread id" is none: the log's keys are short.
const THREAD_MAX: usize = 255;

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

/// Reads the messages of one life of one source.
#[derive(Debug, Default)]
pub struct Interpreter {
    from_server: Unanswered,
    from_client: Unanswered,
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
            Shape::Request => masked = self.asked(direction, &envelope, bytes),
            Shape::Response | Shape::ErrorResponse => {
                let unanswered = self.unanswered_of(asker_of(direction));
                masked = match envelope.id.as_ref().and_then(|id| unanswered.remove(id)) {
                    Some(request) => {
                        if !request.thread.is_empty() {
                            thread = Cow::Owned(request.thread);
                        }
                        secrets::mask_answer(&request.secrets, bytes)
                    }
                    None => {
                        let forgot_secrets = unanswered.forgot_secrets();
                        secrets::mask_unclaimed_answer(direction, forgot_secrets, bytes)
                    }
                };
                self.greeted |= envelope.greets && direction == Direction::Server;
            }
            // No notification with a number of its own carries secrets.
            Shape::Notification if envelope.kind == Kind::NOTIFICATION => {
                let method = envelope.method.as_deref().unwrap_or("");
                masked = secrets::mask_call(method, bytes);
            }
            Shape::Notification => self.told(&envelope, bytes),
            _ => {}
        }
        if thread.len() > THREAD_MAX {
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
    ) -> Option<Vec<u8>> {
        let (id, method) = (envelope.id.as_ref()?, envelope.method.as_deref()?);
        let thread = envelope.thread.as_deref().filter(|thread| thread.len() <= THREAD_MAX);
        let secrets = match envelope.kind {
            Kind::USER_INPUT_REQUEST => secrets::secrets(bytes),
            _ => secrets::secrets_of(method),
        };
        let request = Request { thread: thread.unwrap_or("").to_owned(), secrets };
        self.unanswered_of(direction).insert(id, request);
        secrets::mask_call(method, bytes)
    }

    /// Sees which of the server's requests wait no more: their answers may never come.
    fn told(&mut self, envelope: &Envelope<'_>, bytes: &[u8]) {
        match (envelope.kind, &envelope.thread) {
            (Kind::SERVER_REQUEST_RESOLVED, _) => {
                let told = serde_json::from_slice::<Call<RequestResolved<'_>>>(bytes);
                let id = told.ok().and_then(|told| told.params.0?.request_id);
                id.into_iter().for_each(|id| self.from_server.ended(&RpcId(id.get().to_owned())));
            }
            (Kind::TURN_COMPLETED, Some(thread)) => self.from_server.ended_in(thread),
            _ => {}
        }
    }

    /// The requests of one side.
    fn unanswered_of(&mut self, asker: Direction) -> &mut Unanswered {
        match asker {
            Direction::Server => &mut self.from_server,
            _ => &mut self.from_client,
        }
    }
}

/// Which side asked what the other one answers.
fn asker_of(answer: Direction) -> Direction {
    match answer {
        Direction::Server => Direction::Client,
        _ => Direction::Server,
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

    const SECRET: &str = r#"{"id":0,"method":"item/tool/requestUserInput","params":{"threadId":"S","turnId":"u","questions":[{"id":"k","isSecret":true}]}}"#;
    const ANSWER: &str = r#"{"id":0,"result":{"answers":{"k":{"answers":["hunter2"]}}}}"#;

    /// Asks for leave so often. An interrupt ends each turn, and tells of no request's end.
    fn approvals(wire: &mut Interpreter, count: u64, are_interrupted: bool) {
        for id in 1..=count {
            let asked = format!(
                r#"{{"id":{id},"method":"item/commandExecution/requestApproval","params":{{"threadId":"T","turnId":"v","itemId":"i"}}}}"#
            );
            wire.read(Direction::Server, asked.as_bytes());
            let ended = br#"{"method":"turn/completed","params":{"threadId":"T","turn":{"id":"v","status":"interrupted"}}}"#;
            if are_interrupted {
                wire.read(Direction::Server, ended);
            }
        }
    }

    #[test]
    fn a_secret_answer_is_masked_however_many_requests_came_after_its_question() {
        let mut wire = Interpreter::new();
        wire.read(Direction::Server, SECRET.as_bytes());
        approvals(&mut wire, 9000, true);
        let answer = wire.read(Direction::Client, ANSWER.as_bytes());
        assert!(!String::from_utf8_lossy(&answer.payload).contains("hunter2"));
        assert_eq!((answer.thread.as_ref(), answer.flags), ("S", flags::REDACTED));
        // What came last is known, too.
        let answer = wire.read(Direction::Client, br#"{"id":9000,"result":{}}"#);
        assert_eq!((answer.thread.as_ref(), answer.flags), ("T", 0));
    }

    #[test]
    fn a_secret_answer_is_masked_also_where_its_question_ended_or_was_forgotten() {
        let resolved =
            r#"{"method":"serverRequest/resolved","params":{"threadId":"S","requestId":0}}"#;
        let turn_over =
            r#"{"method":"turn/completed","params":{"threadId":"S","turn":{"id":"u"}}}"#;
        for (ended, more, thread) in
            [(resolved, 0, "S"), (turn_over, 0, "S"), (resolved, 9000, ""), (turn_over, 9000, "")]
        {
            let mut wire = Interpreter::new();
            wire.read(Direction::Server, SECRET.as_bytes());
            wire.read(Direction::Server, ended.as_bytes());
            approvals(&mut wire, more, false);
            let answer = wire.read(Direction::Client, ANSWER.as_bytes());
            assert!(!String::from_utf8_lossy(&answer.payload).contains("hunter2"), "{ended}");
            assert_eq!((answer.thread.as_ref(), answer.flags), (thread, flags::REDACTED));
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
