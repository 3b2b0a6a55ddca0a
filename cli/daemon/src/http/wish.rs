//! The body of an act, with who asks.
//!
//! What always holds: who asks is found out by evidence, once, for every act alike, and none is done for one of
//! whom nothing is known; what the body says of itself counts only where no agent is at the other end. What a body says beyond what is known is refused, so
//! that no wish is left out in silence.

use super::Whole;
use crate::api::{self, Act};
use crate::caller::peer::Peer;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A body that says who asks.
pub(crate) trait Asks: DeserializeOwned + Serialize + Default + Send {
    /// Who it says asks.
    fn by(&mut self) -> &mut Option<String>;

    /// A body that names each of its fields.
    fn known() -> Self {
        Self::default()
    }

    /// Reads it; an empty body is the default. No content type is asked for.
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let wish = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))?;
        Self::is_all_known(bytes)?;
        Ok(wish)
    }

    /// Refuses what is no object, and fields that say something and are not known: those of a newer `sm` that say
    /// nothing are left out.
    fn is_all_known(bytes: &[u8]) -> Result<(), Refusal> {
        let Ok(Value::Object(body)) = serde_json::from_slice(bytes) else {
            return Err(Refusal::bad_request("the body is no JSON object")
                .hint("GET /openapi.json tells the fields of each"));
        };
        match serde_json::to_value(Self::known()) {
            Ok(Value::Object(known)) => only_known("", &body, &known),
            _ => Ok(()),
        }
    }
}

fn only_known(
    within: &str,
    body: &Map<String, Value>,
    known: &Map<String, Value>,
) -> Result<(), Refusal> {
    for (name, value) in body {
        match (value, known.get(name)) {
            (Value::Object(body), Some(Value::Object(known))) if !known.is_empty() => {
                only_known(&format!("{within}{name}."), body, known)?;
            }
            (_, Some(_)) => {}
            (value, None) if says_nothing(value) => {}
            (_, None) => {
                let name: String = name.chars().take(40).collect();
                let fields: Vec<&str> = known.keys().map(String::as_str).collect();
                let message =
                    format!("no field of the body is called {:?}", format!("{within}{name}"));
                return Err(Refusal::bad_request(message)
                    .hint(format!("there are {}", fields.join(", ")))
                    .details(json!({ "field": format!("{within}{name}"), "known": fields })));
            }
        }
    }
    Ok(())
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// An act, by whoever asks for it.
pub(crate) struct Wish<T>(pub T);

impl<T: Asks> FromRequest<Arc<Daemon>> for Wish<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, daemon: &Arc<Daemon>) -> Result<Wish<T>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let peer = ConnectInfo::<Peer>::from_request_parts(&mut parts, daemon).await;
        let ConnectInfo(peer) =
            peer.map_err(|error| Refusal::new(500, "failed", error.body_text()))?;
        let Whole(bytes) = Whole::from_request(Request::from_parts(parts, body), daemon).await?;
        let mut wish = T::read(&bytes)?;
        let claimed = wish.by().take();
        *wish.by() = peer.by(daemon, claimed).await?;
        Ok(Wish(wish))
    }
}

macro_rules! asks {
    ($($body:ident),+) => { $(
        impl Asks for api::$body {
            fn by(&mut self) -> &mut Option<String> {
                &mut self.by
            }
        }
    )+ };
}

asks!(Spawn, Input, InputChange, Hold, Keep, Remind, Cancel, Looked);
asks!(Grant, Revoke, Import, Prune, Drain, Shutdown);

macro_rules! acts {
    ($($body:ident),+) => { $(
        impl Asks for api::$body {
            fn by(&mut self) -> &mut Option<String> {
                let act: &mut Act = self.as_mut();
                &mut act.by
            }
        }
    )+ };
}

acts!(Act, Rename, Fork, Review, Rollback, Goal, Ask, Rpc);

impl Asks for api::Answer {
    fn by(&mut self) -> &mut Option<String> {
        &mut self.by
    }

    /// What is wrong with it is told by its place, not in words that quote it: an answer may be a secret.
    fn read(bytes: &[u8]) -> Result<api::Answer, Refusal> {
        let mut answer: Self =
            serde_json::from_slice(bytes).map_err(|error: serde_json::Error| {
                let (line, column) = (error.line(), error.column());
                Refusal::bad_request(format!(
                    "the body is no answer, at line {line} column {column}"
                ))
                .hint(r#"{"decision":"accept"}, or {"answers":{"ID":["TEXT"]}}"#)
            })?;
        Self::is_all_known(bytes)?;
        // Null is an answer, too, to what asks for it.
        let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if body.get("raw") == Some(&Value::Null)
            && answer.decision.is_none()
            && answer.answers.is_empty()
        {
            answer.raw = Some(Value::Null);
        }
        Ok(answer)
    }

    fn known() -> api::Answer {
        api::Answer { raw: Some(Value::Null), ..api::Answer::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_and_says_nothing_that_is_not_known() {
        let told =
            |body: &str| api::Spawn::read(body.as_bytes()).map_err(|refused| refused.problem);
        assert!(told("").is_ok() && told("{}").is_ok());
        assert_eq!(told(r#"{"prompt":"hi","env":{"PATH":"/"}}"#).unwrap().prompt.unwrap(), "hi");
        assert!(told(r#"{"of_a_newer_sm":null,"and_so":false,"on":[]}"#).is_ok());
        assert_eq!(told(r#"["say: x"]"#).unwrap_err().message, "the body is no JSON object");
        let wrong = told(r#"{"prompt":"hi","sandboxx":"read-only"}"#).unwrap_err();
        assert!(wrong.message.ends_with("\"sandboxx\"") && wrong.hint.unwrap().contains("sandbox"));
        let nested = api::Input::read(br#"{"text":"x","settings":{"modell":"m"}}"#).unwrap_err();
        assert_eq!(nested.problem.details["field"], "settings.modell");
        // Bodies that are made of others, and those with fields of any form.
        assert!(api::Rename::read(br#"{"name":"x","by":"me","codex":null}"#).is_ok());
        assert!(api::Rename::read(br#"{"name":"x","bye":"me"}"#).is_err());
        assert!(api::Rpc::read(br#"{"method":"m","params":{"any":1}}"#).is_ok());
        assert!(api::Answer::read(br#"{"answers":{"any":["x"]}}"#).is_ok());
        let raw = |body: &str| api::Answer::read(body.as_bytes()).unwrap().raw;
        assert_eq!(raw(r#"{"raw":null}"#), Some(Value::Null));
        assert_eq!(raw(r#"{"decision":"accept","raw":null}"#), None);
        assert_eq!((raw("{}"), raw(r#"{"raw":1}"#)), (None, Some(json!(1))));
    }

    #[test]
    fn a_body_that_is_no_answer_is_not_quoted() {
        for body in [r#"{"answers":{"key":"hunter2"}}"#, r#"{"decision":["hunter2"]}"#, "hunter2"] {
            let refused = api::Answer::read(body.as_bytes()).unwrap_err();
            let told = serde_json::to_string(&refused.problem).unwrap();
            assert!(!told.contains("hunter2") && told.contains("line 1 column"), "{told}");
        }
    }
}
