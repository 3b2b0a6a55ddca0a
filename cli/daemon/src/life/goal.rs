//! `goal`: what a session pursues turn after turn, by itself.

use super::{Scene, words};
use crate::api::{self, GoalTold, GoalVerb};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::{Value, json};
use std::sync::Arc;

/// Shows a session's goal, or changes it first.
pub(crate) async fn goal(
    daemon: &Arc<Daemon>,
    word: &str,
    wish: api::Goal,
) -> Result<GoalTold, Refusal> {
    let objective = match (wish.verb, &wish.objective) {
        (GoalVerb::Set, Some(text)) => Some(words::checked("a goal", text)?),
        (GoalVerb::Set, None) => {
            return Err(Refusal::bad_request("a goal needs words").hint("give them as objective"));
        }
        _ => None,
    };
    let scene = Scene::set(daemon, word, &wish.act).await?;
    match wish.verb {
        GoalVerb::Show => scene.out_of_archive()?,
        _ => scene.not_stopped()?,
    }
    let server = scene.loaded().await?;
    let thread = json!({ "threadId": scene.thread() });
    let set = |status: &str| {
        let mut params = thread.clone();
        params["status"] = json!(status);
        params
    };
    let (method, params) = match wish.verb {
        GoalVerb::Show => ("thread/goal/get", thread.clone()),
        GoalVerb::Clear => ("thread/goal/clear", thread.clone()),
        GoalVerb::Pause => ("thread/goal/set", set("paused")),
        GoalVerb::Resume => ("thread/goal/set", set("active")),
        GoalVerb::Set => {
            let mut params = set("active");
            params["objective"] = json!(objective);
            if let Some(budget) = wish.token_budget {
                params["tokenBudget"] = json!(budget);
            }
            if scene.caller.is_user() {
                params["origin"] = json!("user");
            }
            ("thread/goal/set", params)
        }
    };
    let reply = scene.call(&server, method, params, None).await?;
    let goal = reply.result.get("goal").cloned().unwrap_or(Value::Null);
    Ok(GoalTold { goal, session: scene.document()? })
}
