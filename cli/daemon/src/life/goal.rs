//! `goal`: what a session pursues turn after turn, by itself.

use super::{Scene, words};
use crate::api::{self, GoalTold, GoalVerb};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_ingest::app_server::Version;
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
    // It is pursued turn after turn.
    if let GoalVerb::Set | GoalVerb::Resume = wish.verb {
        scene.may_lead()?;
    }
    match wish.verb {
        GoalVerb::Show => scene.out_of_archive()?,
        _ => scene.not_stopped()?,
    }
    let server = scene.loaded().await?;
    if let GoalVerb::Set | GoalVerb::Resume = wish.verb {
        scene.with_own_settings(&server).await?;
    }
    told(&scene, &server, &wish, objective)
        .await
        .map_err(|refused| switched_off(server.codex.version, refused).of_session(&scene.session))
}

/// Asks for it, and changes it first.
async fn told(
    scene: &Scene,
    server: &Arc<Server>,
    wish: &api::Goal,
    objective: Option<&str>,
) -> Result<GoalTold, Refusal> {
    let thread = json!({ "threadId": scene.thread() });
    if let GoalVerb::Pause | GoalVerb::Resume = wish.verb {
        let reply = scene.call(server, "thread/goal/get", thread.clone(), None).await?;
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
    let reply = scene.call(server, method, params, None).await?;
    let goal = reply.result.get("goal").cloned().unwrap_or(Value::Null);
    let cleared = reply.result.get("cleared").and_then(Value::as_bool);
    Ok(GoalTold { goal, cleared, session: scene.document()? })
}

/// Releases that have goals as a feature to be switched on say that it is not.
fn switched_off(version: Version, refused: Refusal) -> Refusal {
    if !said::has_no_goals(&refused.problem.message) {
        return refused;
    }
    Refusal::new(501, "unsupported", format!("codex {version} has its goals switched off"))
        .hint(
            "`goals = true` under `[features]` in the config.toml of its CODEX_HOME switches them on, for servers \
             that start after that",
        )
        .details(json!({ "codex_version": version.to_string(), "setting": "features.goals" }))
}

/// Whether there is a goal to pause or to pursue again: of one that is not pursued Codex says no more than how
/// it is.
fn can_change(session: &Session, verb: GoalVerb, goal: &Value) -> Result<(), Refusal> {
    let id = &session.id;
    let status = goal.get("status").and_then(Value::as_str);
    match (verb, status) {
        (_, None) => Err(Refusal::not_found(format!("session {id} has no goal"))
            .hint(format!("`sm goal {id} set TEXT` gives it one"))),
        (_, Some("budgetLimited")) => {
            let count = |name: &str| goal.get(name).and_then(Value::as_u64).unwrap_or_default();
            let (used, budget) = (count("tokensUsed"), count("tokenBudget"));
            let what = if verb == GoalVerb::Pause { "paused" } else { "resumed" };
            Err(Refusal::conflict(format!(
                "nothing was {what}: the goal of session {id} has used up its budget, {used} of {budget} tokens"
            ))
            .hint(format!("`sm goal {id} set TEXT --budget TOKENS` pursues it with more")))
        }
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
            let resumed = (status == "budgetLimited").then_some("conflict");
            assert_eq!(told(GoalVerb::Resume, goal).as_deref(), resumed);
        }
        for verb in [GoalVerb::Pause, GoalVerb::Resume] {
            assert_eq!(told(verb, Value::Null).as_deref(), Some("not_found"));
        }
    }

    #[test]
    fn goals_that_are_switched_off_are_unsupported_and_the_setting_is_named() {
        let version = Version::find("0.128.0").unwrap();
        let told =
            |words: &str| switched_off(version, Refusal::new(502, "codex_error", words)).problem;
        let off = told("Codex refused thread/goal/get: goals feature is disabled (-32600)");
        assert_eq!(
            (off.code.as_str(), &off.details["setting"]),
            ("unsupported", &json!("features.goals"))
        );
        assert!(off.hint.is_some_and(|hint| hint.contains("goals = true")));
        assert_eq!(told("anything else").code, "codex_error");
    }

    #[test]
    fn a_goal_over_its_budget_needs_a_larger_one() {
        let session = Session { id: "p6eeas".to_owned(), ..Session::default() };
        let goal = json!({ "status": "budgetLimited", "tokensUsed": 770, "tokenBudget": 700 });
        for verb in [GoalVerb::Pause, GoalVerb::Resume] {
            let told = can_change(&session, verb, &goal).unwrap_err().problem;
            assert!(told.message.ends_with("770 of 700 tokens"), "{}", told.message);
            assert!(told.hint.is_some_and(|hint| hint.contains("--budget")));
        }
    }
}
