//! The tools that a session's agent has: `sm` through Codex itself, where a sandbox lets no socket
//! through.
//!
//! What always holds: the thread of a call proves who calls; each call is a task of its own and is
//! answered once, or not at all if it no longer waits; an agent reaches its own family only.

mod arguments;
pub(crate) mod offer;

use crate::api::{Input, Mode, Remind, Spawn};
use crate::daemon::{AGAIN, Daemon, to_value, whole};
use crate::input::reminders;
use crate::problem::Refusal;
use crate::servers::pool::Server;
use crate::sessions::settle::Wanted;
use crate::sessions::{messages, settle, spawn};
use crate::{family, input};
use offer::{WAIT, WAIT_MAX};
use serde::Deserialize;
use serde_json::{Value, json};
use sm_ingest::app_server::ServerCall;
use sm_projections::rows::{ActivityState, RequestStatus};
use sm_projections::tables::Requests;
use sm_projections::views::{self, Selection};
use sm_protocol::synthetic::News;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Call {
    tool: String,
    arguments: Value,
}

/// Carries out a call and answers it.
pub(crate) async fn answer(daemon: Arc<Daemon>, server: Arc<Server>, call: ServerCall) {
    let done = tokio::select! {
        done = run(&daemon, &call) => done,
        () = no_longer_waits(&daemon, call.seq) => return,
        () = daemon.stopped() => return,
    };
    let (success, document, news) = match done {
        Ok(Done { document, news }) => (true, document, news),
        Err(refusal) => (false, json!({ "error": refusal.problem }), Vec::new()),
    };
    match server.app.respond(&call.id, &result_of(&document, success)) {
        Ok(_) => family::note(&daemon, &call.thread, news),
        Err(error) => daemon.say(&format!("a tool call was not answered: {error}")),
    }
}

/// A call's result as every release reads it: 0.92 to 0.96 want `output`, those since want `contentItems`, and each
/// passes over the other.
fn result_of(document: &Value, success: bool) -> Value {
    let text = document.to_string();
    json!({
        "contentItems": [{ "type": "inputText", "text": text }],
        "output": text,
        "success": success,
    })
}

/// What a call gave.
struct Done {
    document: Value,
    /// What it tells the caller of its children.
    news: Vec<News>,
}

impl From<Value> for Done {
    fn from(document: Value) -> Done {
        Done { document, news: Vec::new() }
    }
}

/// Returns once the request has ended without us: its turn was interrupted, or its server is gone.
async fn no_longer_waits(daemon: &Daemon, request: u64) {
    loop {
        let ended = daemon.until(Duration::from_secs(3600), |view| {
            let row = view.get::<Requests>(&request)?;
            Ok(row.filter(|row| row.status != RequestStatus::Pending).map(drop))
        });
        match ended.await {
            Ok(None) => {}
            Ok(Some(())) => return,
            // Nothing is known of its end: who called still waits for an answer.
            Err(refusal) => {
                daemon.say(&format!("whether a tool call still waits is not known: {refusal}"));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn run(daemon: &Arc<Daemon>, call: &ServerCall) -> Result<Done, Refusal> {
    daemon.folded_to(call.seq).await?;
    let caller = daemon.session(&call.thread)?;
    let message: Value = serde_json::from_slice(&call.payload).unwrap_or_default();
    let told = message.get("params").cloned().unwrap_or_default();
    let told: Call = serde_json::from_value(told)
        .map_err(|error| Refusal::bad_request(format!("the call cannot be read: {error}")))?;
    let Call { tool, arguments: given } = told;
    match tool.as_str() {
        // Who waits only looks: that ends with its call.
        "sm_wait" => wait(daemon, &caller, arguments::read(&tool, given)?).await,
        // What is begun is done to its end, whether its answer is still waited for or not: half done, a
        // message that Codex has taken would be sent again.
        _ => whole(act(Arc::clone(daemon), caller, tool, given)).await,
    }
}

async fn act(
    daemon: Arc<Daemon>,
    caller: Selection,
    tool: String,
    given: Value,
) -> Result<Done, Refusal> {
    match tool.as_str() {
        "sm_spawn" => {
            Ok(spawn_child(&daemon, &caller, arguments::read(&tool, given)?).await?.into())
        }
        "sm_send" => Ok(send(&daemon, &caller, arguments::read(&tool, given)?).await?.into()),
        "sm_remind" => Ok(remind(&daemon, &caller, arguments::read(&tool, given)?).await?.into()),
        "sm_children" => children(&daemon, &caller, arguments::read(&tool, given)?),
        "sm_result" => result(&daemon, &caller, arguments::read(&tool, given)?),
        _ => Err(arguments::no_tool(&tool)),
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SpawnArguments {
    prompt: String,
    name: Option<String>,
    cwd: Option<String>,
    model: Option<String>,
    effort: Option<String>,
    sandbox: Option<String>,
    approval: Option<String>,
    wake: Option<bool>,
}

async fn spawn_child(
    daemon: &Arc<Daemon>,
    caller: &Selection,
    wish: SpawnArguments,
) -> Result<Value, Refusal> {
    if wish.prompt.trim().is_empty() {
        return Err(Refusal::bad_request("the prompt is empty")
            .hint("say in `prompt` what the child is to do"));
    }
    let spawned = spawn::spawn(
        daemon,
        Spawn {
            prompt: Some(wish.prompt),
            name: wish.name,
            cwd: wish.cwd,
            model: wish.model,
            effort: wish.effort,
            sandbox: wish.sandbox,
            approval: wish.approval,
            silent: wish.wake == Some(false),
            by: Some(caller.session.thread_id.clone()),
            ..Spawn::default()
        },
    )
    .await?;
    Ok(json!({
        "id": spawned.id,
        "thread_id": spawned.thread_id,
        "turn_id": spawned.turn_id,
        "cursor": spawned.cursor,
        "name": spawned.session["name"],
        "activity_state": spawned.session["activity_state"],
    }))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SendArguments {
    session: String,
    text: String,
    mode: Mode,
}

async fn send(
    daemon: &Arc<Daemon>,
    caller: &Selection,
    wish: SendArguments,
) -> Result<Value, Refusal> {
    let by = Some(caller.session.thread_id.clone());
    let input = Input { text: wish.text, mode: wish.mode, by, ..Input::default() };
    Ok(to_value(&input::take(daemon, &wish.session, input).await?))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RemindArguments {
    session: Option<String>,
    text: String,
    in_seconds: Option<f64>,
}

async fn remind(
    daemon: &Arc<Daemon>,
    caller: &Selection,
    wish: RemindArguments,
) -> Result<Value, Refusal> {
    let own = caller.session.thread_id.clone();
    let session = wish.session.filter(|word| !word.is_empty()).unwrap_or_else(|| own.clone());
    let (text, in_seconds) = (wish.text, wish.in_seconds);
    let set =
        reminders::set(daemon, &session, Remind { text, in_seconds, at: None, by: Some(own) });
    // Of the ways to name a moment the tool has one.
    set.await.map_err(|refusal| match refusal.problem.hint.as_deref() {
        Some(reminders::MOMENTS) => refusal.hint(r#"{"text":…,"in_seconds":600}"#),
        _ => refusal,
    })
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct WaitArguments {
    sessions: Vec<String>,
    any: bool,
    #[serde(rename = "for")]
    wanted: Option<String>,
    after: Option<String>,
    through_approvals: bool,
    timeout_seconds: Option<f64>,
}

impl WaitArguments {
    fn wanted(&self, daemon: &Daemon) -> Result<Wanted, Refusal> {
        // Agents fill in what they could leave out.
        let after = self.after.as_deref().filter(|cursor| !cursor.is_empty());
        Ok(Wanted {
            // Words that are neither were refused with the arguments; `settled` is no state.
            state: ActivityState::ALL
                .into_iter()
                .find(|state| self.wanted.as_deref() == Some(state.as_str())),
            after: after.map_or(Ok(0), |cursor| daemon.seq_of(cursor))?,
            through_approvals: self.through_approvals,
        })
    }
}

async fn wait(
    daemon: &Arc<Daemon>,
    caller: &Selection,
    wish: WaitArguments,
) -> Result<Done, Refusal> {
    let targets = if wish.sessions.is_empty() {
        let children = daemon.look(|view| views::children(view, caller.sid))?;
        children.into_iter().map(|child| child.thread_id).collect()
    } else {
        let found = wish.sessions.iter().map(|word| family_member(daemon, caller, word));
        found
            .map(|found| found.map(|found| found.session.thread_id))
            .collect::<Result<Vec<_>, _>>()?
    };
    let (wanted, patience) = (wish.wanted(daemon)?, patience(wish.timeout_seconds));
    let waited = settle::wait(daemon, &targets, wish.any, &wanted, patience).await?;
    let (mut sessions, news) = reports(daemon, caller, &targets)?;
    for (session, reached) in sessions.iter_mut().zip(waited.reached) {
        session["reached"] = to_value(&reached);
        // One that waits for a human has settled, but not for whoever waits through that.
        if wish.through_approvals && session["reached"] == "no" {
            session["settled"] = json!(false);
        }
    }
    let note = (!waited.is_over).then_some("still running, call again");
    let document = json!({ "sessions": sessions, "timed_out": !waited.is_over, "note": note });
    Ok(Done { document, news })
}

/// How sessions stand, and what that tells the caller of its children.
fn reports(
    daemon: &Daemon,
    caller: &Selection,
    threads: &[String],
) -> Result<(Vec<Value>, Vec<News>), Refusal> {
    // First the news: what comes in between is then told twice rather than never.
    let news = family::heard(daemon, caller.sid, threads)?;
    let reports = threads.iter().map(|thread| settle::report(daemon, thread));
    Ok((reports.collect::<Result<_, _>>()?, news))
}

/// How long a wait may take; a time that is none counts as none given.
fn patience(seconds: Option<f64>) -> Duration {
    let wished = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wished.map_or(WAIT, |wished| wished.min(WAIT_MAX))
}

/// A session of the caller's family, but not the caller.
fn family_member(daemon: &Daemon, caller: &Selection, word: &str) -> Result<Selection, Refusal> {
    let found = daemon.find(word, Some(&caller.session.thread_id))?;
    if found.sid == caller.sid {
        return Err(Refusal::bad_request("that is yourself")
            .hint("name another session of your family: sm_children lists your children"));
    }
    match daemon.is_family(caller.sid, found.sid)? {
        true => Ok(found),
        false => {
            Err(Refusal::forbidden(format!("session {} is none of your family", found.session.id))
                .hint("sm_children lists your own; give the id that sm_spawn returned"))
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct ChildrenArguments {
    recursive: bool,
}

fn children(daemon: &Daemon, caller: &Selection, wish: ChildrenArguments) -> Result<Done, Refusal> {
    let docs = daemon.look(|view| match wish.recursive {
        false => views::children(view, caller.sid),
        // Each after its parent.
        true => {
            let below = views::descendants(view, caller.sid)?;
            Ok(below.into_iter().map(|(_, doc)| doc).collect())
        }
    })?;
    let threads: Vec<String> = docs.iter().map(|doc| doc.thread_id.clone()).collect();
    let (mut sessions, news) = reports(daemon, caller, &threads)?;
    for (session, doc) in sessions.iter_mut().zip(docs) {
        session["parent_id"] = json!(doc.parent_id);
    }
    Ok(Done { document: json!({ "sessions": sessions }), news })
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct ResultArguments {
    session: String,
}

fn result(daemon: &Daemon, caller: &Selection, wish: ResultArguments) -> Result<Done, Refusal> {
    let found = family_member(daemon, caller, &wish.session)?;
    let news = family::heard(daemon, caller.sid, std::slice::from_ref(&found.session.thread_id))?;
    let text = messages::last(daemon, &found.session)?;
    let document = json!({
        "id": found.session.id,
        "outcome": found.session.outcome.as_str(),
        "activity_state": found.session.state.as_str(),
        "result": text,
    });
    Ok(Done { document, news })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All arguments that a tool offers, each with a value that it takes.
    fn all_of(spec: &Value) -> Value {
        let properties = spec["inputSchema"]["properties"].as_object().unwrap().iter();
        let values = properties.map(|(name, property)| {
            let value = match property["type"].as_str().unwrap() {
                "string" => property["enum"].get(0).cloned().unwrap_or_else(|| json!("a")),
                "boolean" => json!(true),
                "number" => json!(1.5),
                "array" => json!(["a"]),
                other => panic!("{name}: {other}"),
            };
            (name.clone(), value)
        });
        Value::Object(values.collect())
    }

    #[test]
    fn every_argument_that_is_offered_is_taken() {
        fn takes<T: serde::de::DeserializeOwned>(tool: &str, given: Value) {
            arguments::read::<T>(tool, given).map(drop).unwrap();
        }
        for spec in offer::specs().as_array().unwrap() {
            let (tool, given) = (spec["name"].as_str().unwrap(), all_of(spec));
            match tool {
                "sm_spawn" => takes::<SpawnArguments>(tool, given),
                "sm_send" => takes::<SendArguments>(tool, given),
                "sm_wait" => takes::<WaitArguments>(tool, given),
                "sm_remind" => takes::<RemindArguments>(tool, given),
                "sm_children" => takes::<ChildrenArguments>(tool, given),
                "sm_result" => takes::<ResultArguments>(tool, given),
                other => panic!("{other} is offered and not carried out"),
            }
        }
    }

    #[test]
    fn a_result_is_read_by_all_releases() {
        let result = result_of(&json!({ "sessions": [] }), true);
        // What 0.92 and 0.97 call needed, by their schemas.
        let text = r#"{"sessions":[]}"#;
        assert_eq!((&result["output"], &result["success"]), (&json!(text), &json!(true)));
        assert_eq!(result["contentItems"], json!([{ "type": "inputText", "text": text }]));
    }

    #[test]
    fn a_wait_lasts_as_long_as_was_asked_and_else_no_longer_than_a_call_from_code() {
        for (asked, seconds) in [(None, 25.0), (Some(600.0), 600.0), (Some(0.5), 0.5)] {
            assert_eq!(patience(asked), Duration::from_secs_f64(seconds), "{asked:?}");
        }
        assert_eq!(patience(Some(-1.0)), WAIT);
        assert_eq!(patience(Some(f64::NAN)), WAIT);
        assert_eq!(patience(Some(1e9)), WAIT_MAX);
        // The description says what is so.
        let specs = offer::specs();
        let tools = specs.as_array().unwrap();
        let wait = tools.iter().find(|tool| tool["name"] == "sm_wait").unwrap();
        let words = wait["description"].as_str().unwrap();
        assert!(words.contains(&format!("within {} seconds", WAIT.as_secs())), "{words}");
        let limit = wait["inputSchema"]["properties"]["timeout_seconds"]["description"].as_str();
        assert!(limit.unwrap().contains(&format!("up to {}", WAIT_MAX.as_secs())), "{limit:?}");
        assert!(words.contains("call again"), "{words}");
    }
}
