//! `name`: what a session is called, by `sm` and, where that release knows names, by Codex.
//!
//! What always holds: the name is recorded whether Codex was told or not.

use super::Scene;
use crate::api::{Done, Rename};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::sessions::names;
use serde_json::json;
use sm_protocol::synthetic::{SessionNamed, Synthetic};
use std::sync::Arc;

/// Gives a session a name.
pub(crate) async fn name(daemon: &Arc<Daemon>, word: &str, wish: Rename) -> Result<Done, Refusal> {
    names::check_name(&wish.name)?;
    let scene = Scene::set(daemon, word, &wish.act).await?;
    scene.out_of_archive()?;
    let is_its_own = scene.session.name.as_deref() == Some(wish.name.as_str());
    let _reserved = match is_its_own {
        true => None,
        false => Some(names::reserve(&daemon.given, &daemon.store, &wish.name)?),
    };
    let named = |told_codex| {
        let by = scene.caller.word();
        Synthetic::SessionNamed(SessionNamed { name: wish.name.clone(), by, told_codex })
    };
    let done =
        |seq, note| Ok(Done { session: scene.document()?, cursor: daemon.cursor(seq), note });
    if scene.home().is_err() {
        let seq = scene.note(&named(false)).await?;
        return done(seq, Some("Codex was not told: there is no process behind it".to_owned()));
    }
    let server = scene.server().await?;
    let params = json!({ "threadId": scene.thread(), "name": wish.name });
    match scene.call(&server, "thread/name/set", params, Some(named(true).into())).await {
        Ok(reply) => done(reply.seq, None),
        Err(refused) if refused.problem.code == "unsupported" => {
            let seq = scene.note(&named(false)).await?;
            done(seq, Some(format!("the name is sm's own: {refused}")))
        }
        Err(refused) => Err(refused),
    }
}
