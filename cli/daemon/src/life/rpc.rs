//! `rpc`: any other method of Codex's, for whoever knows what it does.
//!
//! What always holds: it is the user's; the call and its answer are recorded, secrets masked; what one
//! of sm's own verbs does, with its records, is refused in favour of that verb.

use super::{ask, words};
use crate::api::{Rpc, Told};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use serde_json::{Value, json};
use std::sync::Arc;

/// Methods whose effect `sm` has to know of, and what does them instead.
const OWNED: &[(&str, &str)] = &[
    ("initialize", "`sm` greets each server itself"),
    ("review/start", "`sm review`"),
    ("thread/archive", "`sm archive`"),
    ("thread/compact/start", "`sm compact`"),
    ("thread/fork", "`sm fork`"),
    ("thread/goal/clear", "`sm goal SESSION clear`"),
    ("thread/goal/set", "`sm goal SESSION set TEXT`"),
    ("thread/name/set", "`sm name`"),
    ("thread/queue/add", "`sm send --queue`"),
    ("thread/resume", "`sm resume`"),
    ("thread/revert", "`sm rollback`"),
    ("thread/rollback", "`sm rollback`"),
    ("thread/settings/update", "`sm set`"),
    ("thread/start", "`sm spawn`"),
    ("thread/unarchive", "`sm unarchive`"),
    ("thread/unsubscribe", "`sm stop`"),
    ("turn/interrupt", "`sm interrupt`"),
    ("turn/start", "`sm send`"),
    ("turn/steer", "`sm send --steer`"),
];

/// Calls a method.
pub(crate) async fn rpc(daemon: &Arc<Daemon>, rpc: Rpc) -> Result<Told, Refusal> {
    let caller = daemon.caller(rpc.ask.act.by.as_deref())?;
    if matches!(caller, Caller::Agent(_) | Caller::Nameless(_)) {
        return Err(Refusal::forbidden("calls past sm's own verbs are the user's"));
    }
    let method = words::word("a method", rpc.method.trim())?;
    if let Some((_, instead)) = OWNED.iter().find(|(owned, _)| *owned == method) {
        return Err(Refusal::bad_request(format!("{method} is not called past sm's own records"))
            .hint(format!("{instead} does it"))
            .details(json!({ "method": method })));
    }
    let mut params = rpc.params;
    if !matches!(params, Value::Null | Value::Object(_)) {
        return Err(Refusal::bad_request("the parameters are no JSON object")
            .hint(r#"give them as one: {"limit": 10}; or none"#));
    }
    let patience = ask::patience(&rpc.ask, ask::PATIENCE_RPC)?;
    let asked = ask::whom(daemon, &caller, &rpc.ask, true, patience).await?;
    if let Some(session) = &asked.session {
        if params.is_null() {
            params = json!({});
        }
        if let Some(params) = params.as_object_mut() {
            params.entry("threadId").or_insert_with(|| json!(session.thread_id));
        }
    }
    let has_none = params.is_null();
    match ask::call(daemon, &asked, method, params).await {
        // It wants an object, and takes an empty one.
        Err(refused) if has_none && said::has_no_params(&refused.problem.message) => {
            ask::call(daemon, &asked, method, json!({})).await
        }
        told => told,
    }
}
