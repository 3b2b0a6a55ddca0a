//! The outside of a message: what it is and whom it concerns, without a look at its contents.
//!
//! What always holds: every sequence of bytes has an envelope. What is no message says why in its
//! kind; the bytes themselves are never changed.

use crate::kind::Kind;
use crate::lenient::{Int, Obj, Text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A JSON-RPC id: an integer or a string, compared by its JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RpcId(pub String);

impl RpcId {
    /// The id of a message numbered `number`.
    pub fn number(number: u64) -> RpcId {
        RpcId(number.to_string())
    }
}

impl std::fmt::Display for RpcId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four forms a JSON-RPC message has, and all that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A method and no id.
    Notification,
    /// A method and an id.
    Request,
    /// An id and a result.
    Response,
    /// An id and an error.
    ErrorResponse,
    /// A JSON object of another form.
    OtherObject,
    /// No JSON object.
    Malformed,
}

/// The outside of one message. Borrows from the message's bytes.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// What is stored in the record's header.
    pub kind: Kind,
    /// Which form the message has.
    pub shape: Shape,
    /// The method of a notification or request.
    pub method: Option<Cow<'a, str>>,
    /// The id of a request or response.
    pub id: Option<RpcId>,
    /// The thread the message names: `params.threadId`, `params.thread.id`,
    /// `params.conversationId` or `result.thread.id`.
    pub thread: Option<Cow<'a, str>>,
    /// `emittedAtMs`, in Unix milliseconds.
    pub emitted_at_ms: Option<i64>,
    /// Whether this is a successful answer to `initialize`, told by its `userAgent`.
    pub greets: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Obj<Params<'a>>,
    #[serde(borrow)]
    result: Outcome<'a>,
    error: Option<serde::de::IgnoredAny>,
    #[serde(rename = "emittedAtMs")]
    emitted_at_ms: Int,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Params<'a> {
    #[serde(borrow, rename = "threadId")]
    thread_id: Text<'a>,
    #[serde(borrow, rename = "conversationId")]
    conversation_id: Text<'a>,
    #[serde(borrow)]
    thread: Obj<Thread<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Thread<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// A result of any type, `null` included, or none.
#[derive(Default)]
struct Outcome<'a>(Option<Obj<Answer<'a>>>);

impl<'de: 'a, 'a> Deserialize<'de> for Outcome<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Obj::deserialize(deserializer).map(|answer| Outcome(Some(answer)))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    thread: Obj<Thread<'a>>,
    #[serde(borrow, rename = "userAgent")]
    user_agent: Text<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads the outside of `bytes`: one message, its newline excluded.
    pub fn scan(bytes: &'a [u8]) -> Envelope<'a> {
        if bytes.is_empty() || bytes == b"\r" {
            return Envelope::malformed(Kind::EMPTY_LINE);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Envelope::malformed(Kind::INVALID_UTF8);
        };
        match serde_json::from_str::<Obj<Wire<'a>>>(text) {
            Ok(Obj(Some(wire))) => Envelope::of(wire),
            Ok(Obj(None)) => Envelope::malformed(Kind::NOT_AN_OBJECT),
            // An object that serde cannot map (a name given twice, say) is still JSON.
            Err(_) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(serde_json::Value::Object(_)) => Envelope {
                    shape: Shape::OtherObject,
                    ..Envelope::malformed(Kind::OTHER_OBJECT)
                },
                Ok(_) => Envelope::malformed(Kind::NOT_AN_OBJECT),
                Err(_) => Envelope::malformed(Kind::INVALID_JSON),
            },
        }
    }

    fn malformed(kind: Kind) -> Envelope<'a> {
        Envelope {
            kind,
            shape: Shape::Malformed,
            method: None,
            id: None,
            thread: None,
            emitted_at_ms: None,
            greets: false,
        }
    }

    fn of(wire: Wire<'a>) -> Envelope<'a> {
        let Wire { method: Text(method), id, params, result, error, emitted_at_ms } = wire;
        let id = id.map(RawValue::get).filter(|id| *id != "null").map(|id| RpcId(id.to_owned()));
        let shape = match (&method, &id) {
            (Some(_), Some(_)) => Shape::Request,
            (Some(_), None) => Shape::Notification,
            (None, Some(_)) if error.is_some() => Shape::ErrorResponse,
            (None, Some(_)) if result.0.is_some() => Shape::Response,
            _ => Shape::OtherObject,
        };
        let answer = result.0.and_then(|Obj(answer)| answer);
        let greets = shape == Shape::Response
            && answer.as_ref().is_some_and(|answer| answer.user_agent.get().is_some());
        let thread = thread_of(params, answer);
        let kind = kind_of(shape, method.as_deref());
        let emitted_at_ms = emitted_at_ms.0;
        Envelope { kind, shape, method, id, thread, emitted_at_ms, greets }
    }
}

fn thread_of<'a>(params: Obj<Params<'a>>, answer: Option<Answer<'a>>) -> Option<Cow<'a, str>> {
    let named = match params {
        Obj(Some(params)) => params
            .thread_id
            .0
            .or(params.thread.0.and_then(|thread| thread.id.0))
            .or(params.conversation_id.0),
        Obj(None) => None,
    };
    named
        .or_else(|| answer.and_then(|answer| answer.thread.0).and_then(|thread| thread.id.0))
        .filter(|thread| !thread.is_empty())
}

fn kind_of(shape: Shape, method: Option<&str>) -> Kind {
    match (shape, method) {
        (Shape::Response, _) => Kind::RESPONSE,
        (Shape::ErrorResponse, _) => Kind::ERROR_RESPONSE,
        (Shape::Notification, Some(method)) if method.starts_with("codex/event") => {
            Kind::LEGACY_EVENT
        }
        (Shape::Notification, Some(method)) => {
            Kind::of_method(method).unwrap_or(Kind::NOTIFICATION)
        }
        (Shape::Request, Some(method)) => Kind::of_method(method).unwrap_or(Kind::REQUEST),
        _ => Kind::OTHER_OBJECT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Envelope<'_> {
        Envelope::scan(text.as_bytes())
    }

    #[test]
    fn the_four_forms_are_told_apart() {
        assert_eq!(scan(r#"{"method":"turn/started","params":{}}"#).shape, Shape::Notification);
        let request = scan(r#"{"method":"x/y","id":"7","params":null}"#);
        assert_eq!((request.shape, request.kind), (Shape::Request, Kind::REQUEST));
        assert_eq!(request.id, Some(RpcId("\"7\"".into())));
        assert_eq!(scan(r#"{"id":1,"result":null}"#).shape, Shape::Response);
        assert_eq!(scan(r#"{"id":1,"error":{"code":-1}}"#).shape, Shape::ErrorResponse);
        assert_eq!(scan(r#"{"a":1}"#).shape, Shape::OtherObject);
    }

    #[test]
    fn a_thread_is_found_wherever_it_is_named() {
        for text in [
            r#"{"method":"m","params":{"threadId":"T"}}"#,
            r#"{"method":"m","params":{"thread":{"id":"T","turns":[{}]}}}"#,
            r#"{"method":"codex/event/x","params":{"conversationId":"T"}}"#,
            r#"{"id":2,"result":{"thread":{"id":"T"}}}"#,
        ] {
            assert_eq!(scan(text).thread.as_deref(), Some("T"), "{text}");
        }
        assert_eq!(scan(r#"{"method":"m","params":{"threadId":""}}"#).thread, None);
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (bytes, kind) in [
            (&b""[..], Kind::EMPTY_LINE),
            (b"\r", Kind::EMPTY_LINE),
            (b"{\"a\":\"\xff\"}", Kind::INVALID_UTF8),
            (b"{\"a\":", Kind::INVALID_JSON),
            (b"\0", Kind::INVALID_JSON),
            (b"{\"a\":\"\0\"}", Kind::INVALID_JSON),
            (b"[1,2]", Kind::NOT_AN_OBJECT),
            (b"12", Kind::NOT_AN_OBJECT),
        ] {
            let envelope = Envelope::scan(bytes);
            assert_eq!((envelope.kind, envelope.shape), (kind, Shape::Malformed), "{bytes:?}");
        }
        assert_eq!(scan("{\"method\":1}\r").kind, Kind::OTHER_OBJECT);
        assert_eq!(scan(r#"{"id":1,"id":2}"#).kind, Kind::OTHER_OBJECT);
    }
}
