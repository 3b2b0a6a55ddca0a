//! `goal`: what a session pursues turn after turn, by itself.

use super::{Scene, words};
use crate::api::{self, GoalTold, GoalVerb};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_projections::rows::Session;
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
    if let GoalVerb::Pause | GoalVerb::Resume = wish.verb {
        let reply = scene.call(&server, "thread/goal/get", thread.clone(), None).await?;
        can_change(&scene.session, wish.verb, reply.result.get("goal").unwrap_or(&Value::Null))?;
    }
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

/// Whether there is a goal to pause or to pursue again: of one that is not pursued Codex says no more than how
/// it is.
fn can_change(session: &Session, verb: GoalVerb, goal: &Value) -> Result<(), Refusal> {
    let id = &session.id;
    let status = goal.get("status").and_then(Value::as_str);
    match (verb, status) {
        (_, None) => Err(Refusal::not_found(format!("session {id} has no goal"))
            .hint(format!("`sm goal {id} set TEXT` gives it one"))),
        (GoalVerb::Pause, Some(status)) if !matches!(status, "active" | "paused") => {
            Err(Refusal::conflict(format!(
                "nothing was paused: the goal of session {id} is not pursued, it is {status}"
            ))
            .hint(format!("`sm goal {id} resume` pursues it again")))
        }
        _ => Ok(()),
    }
    .map_err(|refused| refused.of_session(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_paused_that_is_not_pursued() {
        let session = Session { id: "p6eeas".to_owned(), ..Session::default() };
        let told = |verb, goal: Value| {
            can_change(&session, verb, &goal).err().map(|refused| refused.problem.code)
        };
        for status in ["active", "paused"] {
            assert_eq!(told(GoalVerb::Pause, json!({ "status": status })), None);
        }
        for status in ["blocked", "usageLimited", "budgetLimited", "complete"] {
            let goal = json!({ "status": status });
            assert_eq!(told(GoalVerb::Pause, goal.clone()).as_deref(), Some("conflict"));
            assert_eq!(told(GoalVerb::Resume, goal), None);
        }
        for verb in [GoalVerb::Pause, GoalVerb::Resume] {
            assert_eq!(told(verb, Value::Null).as_deref(), Some("not_found"));
        }
    }
}
