//! The body of an act, with who asks.
//!
//! What always holds: who asks is found out by evidence, once, for every act alike; what the body says of
//! itself counts only where no agent is at the other end.

use super::Whole;
use crate::api::{self, Act};
use crate::daemon::Daemon;
use crate::peer::Peer;
use crate::problem::Refusal;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A body that says who asks.
pub(crate) trait Asks: DeserializeOwned + Default + Send {
    /// Who it says asks.
    fn by(&mut self) -> &mut Option<String>;

    /// Reads it; an empty body is the default. No content type is asked for.
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes)
            .map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))
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
        *wish.by() = peer.by(daemon, claimed).await;
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
        serde_json::from_slice(bytes).map_err(|error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            Refusal::bad_request(format!("the body is no answer, at line {line} column {column}"))
                .hint(r#"{"decision":"accept"}, or {"answers":{"ID":["TEXT"]}}"#)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_answer_is_not_quoted() {
        for body in [r#"{"answers":{"key":"hunter2"}}"#, r#"{"decision":["hunter2"]}"#, "hunter2"] {
            let refused = api::Answer::read(body.as_bytes()).unwrap_err();
            let told = serde_json::to_string(&refused.problem).unwrap();
            assert!(!told.contains("hunter2") && told.contains("line 1 column"), "{told}");
        }
    }
}
