//! What a request asks, whole: read from its record, and from its item's.
//!
//! What always holds: Codex's releases put a request's parts in different places, and all of them are
//! looked at here, once, for the inbox, the rules and the risk hint alike.

use super::form::{self, Offered};
use super::programs;
use crate::family;
use crate::records::{self, LookError};
use serde::Serialize;
use serde_json::{Value, json};
use sm_log::{ReadError, Reader};
use sm_projections::rows::{ActivityState, RequestClass, Session, Sid};
use sm_projections::tables::{Environments, Requests, Sessions};
use sm_projections::views::RequestDoc;
use sm_projections::{StoreError, View};
use sm_rules::{Asker, CommandLine, FileTouched, Found, Risk, Subject, What};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// What a request asks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Details {
    /// The command.
    pub command: Option<String>,
    /// The folder it would run in.
    pub cwd: Option<String>,
    /// The files it would change: path, kind, diff.
    pub changes: Vec<Change>,
    /// The questions: id, header, question, options, isSecret, as Codex gave them; an elicitation's
    /// fields in the same form.
    pub questions: Vec<Value>,
    /// What an MCP server asks.
    pub message: Option<String>,
    /// That server.
    pub server: Option<String>,
    /// Where it sends the user.
    pub url: Option<String>,
    /// The answers that Codex offers, where it says.
    pub decisions: Vec<Value>,
    /// The permissions asked for, as Codex gave them; a command's are those beyond its sandbox.
    pub permissions: Option<Value>,
    /// The host that a command wants to reach, as Codex gave it.
    pub network: Option<Value>,
    /// A folder that is to be writable from then on.
    pub grant_root: Option<String>,
    /// The tool of an MCP server that it asks leave for.
    pub tool: Option<Tool>,
    /// A tool's arguments.
    pub arguments: Option<Value>,
    /// All of it, where `sm` does not know the request's kind.
    pub params: Option<Value>,
    /// The record that asked is not there any more: its line is all that is known.
    pub text_trimmed: bool,
}

/// A tool of an MCP server, as far as Codex tells.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tool {
    /// Its name, of releases from 0.169 on; older ones name it in the message alone.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What its server says that it does.
    pub description: Option<String>,
}

/// One file that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The file.
    pub path: String,
    /// `add`, `delete` or `update`.
    pub kind: Option<String>,
    /// The file that it becomes, where it is moved.
    pub moved_to: Option<String>,
    /// An update's unified diff; an added or deleted file's whole text.
    pub diff: Option<String>,
}

/// What is needed to decide a request, beside its own row.
#[derive(Debug, Clone, Serialize)]
pub struct Weighed {
    /// What it asks.
    pub details: Details,
    /// How risky that looks; null for what is no act.
    pub risk: Option<Risk>,
    /// The sessions above the one that asks that are in a turn: their work waits too.
    pub holds_up: Vec<HeldUp>,
    /// What was shown, in short: an answer that names it is refused once it no longer holds.
    pub shown: String,
}

/// A session that is held up.
#[derive(Debug, Clone, Serialize)]
pub struct HeldUp {
    /// Its short id.
    pub session_id: String,
    /// Its name.
    pub session_name: Option<String>,
    /// Its state.
    pub activity_state: &'static str,
}

/// Reads what `request` asks, and weighs it.
pub fn weigh(view: &View<'_>, log: &Reader, request: &RequestDoc) -> Result<Weighed, LookError> {
    let (params, details) = read(log, request)?;
    let (session, sid) = session_of(view, request)?;
    let subject = subject(class_of(request), &params, &details, session.as_ref());
    let shown =
        serde_json::to_vec(&json!([request.seq, request.status, request.decision, details]));
    let hash = blake3::hash(&shown.unwrap_or_default());
    Ok(Weighed {
        risk: sm_rules::risk(&subject, &real),
        holds_up: held_up(view, sid)?,
        shown: hash.to_hex()[..16].to_owned(),
        details,
    })
}

/// What rules look at in `request`.
pub fn subject_of(
    view: &View<'_>,
    log: &Reader,
    request: &RequestDoc,
) -> Result<Subject, LookError> {
    let (session, sid) = session_of(view, request)?;
    let (params, details) = read(log, request)?;
    let mut subject = subject(class_of(request), &params, &details, session.as_ref());
    if let Some(sid) = sid {
        subject.asker.programs = own_programs(view, sid, subject.asker.cwd.as_deref())?;
    }
    Ok(subject)
}

/// A session as rules look at it.
pub fn asker_of(view: &View<'_>, sid: Sid, session: &Session) -> Result<Asker, StoreError> {
    let asker = asker(session);
    let programs = own_programs(view, sid, asker.cwd.as_deref())?;
    Ok(Asker { programs, ..asker })
}

/// Programs that a session's commands may find in folders of its own.
fn own_programs(
    view: &View<'_>,
    sid: Sid,
    cwd: Option<&Path>,
) -> Result<BTreeSet<String>, StoreError> {
    let env = view.get::<Environments>(&sid)?.unwrap_or_default();
    Ok(env.get("PATH").map(|path| programs::own(path, cwd)).unwrap_or_default())
}

fn session_of(
    view: &View<'_>,
    request: &RequestDoc,
) -> Result<(Option<Session>, Option<Sid>), StoreError> {
    let sid = view.get::<Requests>(&request.seq)?.and_then(|row| row.session);
    let session = match sid {
        Some(sid) => view.get::<Sessions>(&sid)?,
        None => None,
    };
    Ok((session, sid))
}

fn class_of(request: &RequestDoc) -> RequestClass {
    let classes = [RequestClass::Command, RequestClass::FileChange, RequestClass::Permissions];
    let class = classes.into_iter().find(|class| class.as_str() == request.kind);
    class.unwrap_or_default()
}

/// The sessions above one that are in a turn, the nearest first.
fn held_up(view: &View<'_>, sid: Option<Sid>) -> Result<Vec<HeldUp>, StoreError> {
    let above = sid.map_or(Ok(Vec::new()), |sid| family::above(view, sid))?;
    let is_held_up =
        |session: &Session| session.open_turn.is_some() && session.state != ActivityState::Stopped;
    let held_up = above.into_iter().filter(|(_, session)| is_held_up(session));
    Ok(held_up
        .map(|(_, session)| HeldUp {
            session_id: session.id,
            session_name: session.name,
            activity_state: session.state.as_str(),
        })
        .collect())
}

/// Where a path really is, links followed as the kernel does; `None` where that is not sure.
pub fn real(path: &Path) -> Option<PathBuf> {
    sm_rules::followed(path, &|at| match std::fs::read_link(at) {
        Ok(to) => Found::Link(to),
        Err(error) => match error.kind() {
            io::ErrorKind::InvalidInput => Found::Plain,
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename => Found::Missing,
            _ => Found::Hidden,
        },
    })
}

/// A request as rules look at it.
pub(crate) fn subject(
    class: RequestClass,
    params: &Value,
    details: &Details,
    session: Option<&Session>,
) -> Subject {
    let asker = session.map(asker).unwrap_or_default();
    let folder = details.cwd.as_ref().map(PathBuf::from).or_else(|| asker.cwd.clone());
    let whole = |path: &str| match &folder {
        Some(folder) => folder.join(path),
        None => PathBuf::from(path),
    };
    let what = match class {
        RequestClass::Command => What::Command {
            line: command_line(params, details),
            more: beside_command(params, details),
            cwd: folder,
        },
        RequestClass::FileChange => What::Files {
            files: files(details, &whole),
            root: details.grant_root.as_deref().map(whole),
        },
        RequestClass::Permissions => permissions(details.permissions.as_ref(), &whole),
        _ => details.tool.as_ref().map_or(What::Other, |tool| {
            let mut arguments = Vec::new();
            details.arguments.iter().for_each(|value| texts(value, &mut arguments));
            let server = details.server.clone().unwrap_or_default();
            What::Tool { server, tool: tool.name.clone(), arguments }
        }),
    };
    Subject { what, asker }
}

fn asker(session: &Session) -> Asker {
    Asker {
        id: Some(session.id.clone()),
        thread: Some(session.thread_id.clone()),
        name: session.name.clone(),
        labels: session.labels.clone(),
        users_labels: session.users_labels.clone(),
        is_users_name: session.is_users_name,
        cwd: session.cwd.as_ref().map(PathBuf::from),
        programs: BTreeSet::new(),
    }
}

/// Old releases give a command as words.
fn command_line(params: &Value, details: &Details) -> Option<CommandLine> {
    if let Some(words) = params.get("command").and_then(Value::as_array) {
        let texts: Option<Vec<String>> =
            words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        return texts.map(CommandLine::Words);
    }
    details.command.clone().map(CommandLine::Text)
}

/// What is asked for beside a command.
fn beside_command(params: &Value, details: &Details) -> Vec<String> {
    let mut more = Vec::new();
    match params.get("kind").and_then(Value::as_str) {
        None | Some("command") => {}
        Some("writeStdin") => more.push("input for a command that runs".to_owned()),
        Some(other) => more.push(format!("a command of the kind {other}")),
    }
    if let Some(network) = &details.network {
        let host = network.get("host").and_then(Value::as_str).unwrap_or("a host");
        more.push(format!("to reach {host}"));
    }
    if let Some(permissions) = &details.permissions {
        more.push(format!("permissions beyond its sandbox: {permissions}"));
    }
    more
}

fn files(details: &Details, whole: &impl Fn(&str) -> PathBuf) -> Vec<FileTouched> {
    let file = |change: &Change| FileTouched {
        path: whole(&change.path),
        is_deleted: change.kind.as_deref() == Some("delete"),
    };
    let mut files: Vec<FileTouched> = details.changes.iter().map(file).collect();
    // A file that is moved is also the file that it becomes.
    let moved = details.changes.iter().filter_map(|change| change.moved_to.as_deref());
    files.extend(moved.map(|path| FileTouched { path: whole(path), is_deleted: false }));
    files
}

fn permissions(asked: Option<&Value>, whole: &impl Fn(&str) -> PathBuf) -> What {
    let (mut reads, mut writes, mut more) = (Vec::new(), Vec::new(), Vec::new());
    let mut network = false;
    for (name, value) in asked.and_then(Value::as_object).into_iter().flatten() {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("network", network_asked) => {
                network = network_asked.get("enabled") != Some(&Value::Bool(false));
            }
            ("fileSystem", files) => {
                for (name, value) in files.as_object().into_iter().flatten() {
                    match (name.as_str(), value) {
                        (_, Value::Null) => {}
                        ("read", Value::Array(paths)) => {
                            put_paths(paths, whole, &mut reads, &mut more)
                        }
                        ("write", Value::Array(paths)) => {
                            put_paths(paths, whole, &mut writes, &mut more);
                        }
                        ("entries", Value::Array(entries)) => {
                            for entry in entries {
                                put_entry(entry, whole, &mut reads, &mut writes, &mut more);
                            }
                        }
                        ("globScanMaxDepth", _) => {}
                        (other, value) => more.push(format!("files: {other} {value}")),
                    }
                }
            }
            (other, value) => more.push(format!("{other}: {value}")),
        }
    }
    What::Permissions { network, reads, writes, more }
}

fn put_paths(
    paths: &[Value],
    whole: &impl Fn(&str) -> PathBuf,
    found: &mut Vec<PathBuf>,
    more: &mut Vec<String>,
) {
    for path in paths {
        match path.as_str() {
            Some(path) => found.push(whole(path)),
            None => more.push(format!("a path: {path}")),
        }
    }
}

/// An entry of the newer form: `{path: {type, …}, access}`.
fn put_entry(
    entry: &Value,
    whole: &impl Fn(&str) -> PathBuf,
    reads: &mut Vec<PathBuf>,
    writes: &mut Vec<PathBuf>,
    more: &mut Vec<String>,
) {
    let is_path = entry.pointer("/path/type").and_then(Value::as_str) == Some("path");
    let path = entry.pointer("/path/path").and_then(Value::as_str).filter(|_| is_path);
    match (path, entry.get("access").and_then(Value::as_str)) {
        (Some(path), Some("read")) => reads.push(whole(path)),
        (Some(path), Some("write")) => writes.push(whole(path)),
        (_, Some("deny")) => {}
        _ => more.push(format!("files: {entry}")),
    }
}

/// Reads what `request` asks. A record that is not there any more leaves it empty.
pub fn details(log: &Reader, request: &RequestDoc) -> Result<Details, ReadError> {
    read(log, request).map(|(_, details)| details)
}

/// The same, with the request's parameters.
fn read(log: &Reader, request: &RequestDoc) -> Result<(Value, Details), ReadError> {
    let Some(params) = records::params(log, request.seq)? else {
        return Ok((Value::Null, Details { text_trimmed: true, ..Details::default() }));
    };
    let item = match request.action_seq {
        Some(seq) => records::params(log, seq)?,
        None => None,
    };
    let details = details_of(&params, item.as_ref(), request.kind);
    Ok((params, details))
}

/// The same of a request's parameters, with those of the first record of its item.
pub(crate) fn details_of(params: &Value, item: Option<&Value>, kind: &str) -> Details {
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| params.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let kept = |name: &str| params.get(name).filter(|value| !value.is_null()).cloned();
    let of_item = |name: &str| item?.get("item")?.get(name);
    let command = words(params.get("command"));
    // The oldest releases name command and folder in the item alone.
    let command = command.or_else(|| words(of_item("command")).filter(|_| kind == "command"));
    let folder = of_item("cwd").and_then(Value::as_str).map(str::to_owned);
    let mut changes = old_changes(params.get("fileChanges"));
    if kind == "file_change" && changes.is_empty() {
        changes = item_changes(of_item("changes"));
    }
    Details {
        command,
        cwd: text("cwd").or(folder),
        changes,
        questions: match form::fields(params) {
            Some(fields) => {
                let is_required = |id: &str| form::required(params).any(|name| name == id);
                fields.iter().map(|(id, one)| field(id, one, is_required(id))).collect()
            }
            None => list("questions"),
        },
        message: text("message").or_else(|| {
            let (title, more) = (text("title")?, text("description"));
            Some(more.map_or(title.clone(), |more| format!("{title}: {more}")))
        }),
        server: text("serverName"),
        url: text("url"),
        decisions: list("availableDecisions"),
        permissions: kept("permissions").or_else(|| kept("additionalPermissions")),
        network: kept("networkApprovalContext"),
        grant_root: text("grantRoot"),
        tool: tool(params),
        arguments: kept("arguments").or_else(|| params.pointer("/_meta/tool_params").cloned()),
        params: (kind == "other").then(|| params.clone()),
        text_trimmed: false,
    }
}

/// The tool that an elicitation asks leave for; none where it asks for something else.
fn tool(params: &Value) -> Option<Tool> {
    let meta = params.get("_meta")?;
    if meta.get("codex_approval_kind")?.as_str() != Some("mcp_tool_call") {
        return None;
    }
    let text = |name: &str| meta.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Tool {
        name: text("tool_name"),
        title: text("tool_title"),
        description: text("tool_description"),
    })
}

/// As many texts of a tool's arguments are looked at.
const TEXTS_MAX: usize = 100;

/// The texts in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if found.len() < TEXTS_MAX => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn words(command: Option<&Value>) -> Option<String> {
    match command? {
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => {
            let words: Vec<String> = words.iter().filter_map(Value::as_str).map(quoted).collect();
            Some(words.join(" "))
        }
        _ => None,
    }
}

/// A word as a shell reads it back: where one ends is to be seen.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A form's field, as a question.
fn field(id: &str, field: &Value, is_required: bool) -> Value {
    let mut words = ["description", "title", "type"].into_iter();
    let words = words.find_map(|name| field.get(name)?.as_str()).unwrap_or(id);
    let option = |one: &Offered<'_>| json!({ "label": one.value, "description": one.title });
    let options: Vec<Value> = form::offered(field).iter().map(option).collect();
    let mut question = json!({
        "id": id,
        "question": words,
        "options": options,
        "isSecret": field.get("format").and_then(Value::as_str) == Some("password"),
        "isRequired": is_required,
        "type": field.get("type"),
    });
    for limit in form::LIMITS {
        question[limit] = field.get(limit).cloned().unwrap_or_default();
    }
    question
}

fn item_changes(changes: Option<&Value>) -> Vec<Change> {
    let changes = changes.and_then(Value::as_array);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let change = |change: &Value| Change {
        path: text(change.get("path")).unwrap_or_default(),
        kind: text(change.pointer("/kind/type")).or_else(|| text(change.get("kind"))),
        moved_to: text(change.pointer("/kind/move_path")),
        diff: text(change.get("diff")),
    };
    changes.into_iter().flatten().map(change).collect()
}

/// Old releases put path → change into the request itself.
fn old_changes(changes: Option<&Value>) -> Vec<Change> {
    let changes = changes.and_then(Value::as_object);
    let change = |(path, change): (&String, &Value)| {
        let text = |name: &str| change.get(name).and_then(Value::as_str).map(str::to_owned);
        Change {
            path: path.clone(),
            kind: text("type"),
            moved_to: text("move_path"),
            diff: text("unified_diff").or_else(|| text("content")),
        }
    };
    changes.into_iter().flatten().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_words_is_shown_word_by_word() {
        for (given, shown) in [
            (json!(["bash", "-lc", "rm -rf x"]), "bash -lc 'rm -rf x'"),
            (json!(["echo", "a b; rm", "", "it's"]), r"echo 'a b; rm' '' 'it'\''s'"),
            (json!("rm -rf x"), "rm -rf x"),
        ] {
            assert_eq!(words(Some(&given)).unwrap(), shown);
        }
    }

    #[test]
    fn a_form_shows_what_its_fields_offer() {
        let params = json!({ "requestedSchema": { "required": ["many"], "properties": {
            "many": { "type": "array", "items": { "oneOf": [{ "const": "r", "title": "Red" }] } },
            "free": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
        }}});
        let questions = details_of(&params, None, "elicitation").questions;
        let found = |id: &str| questions.iter().find(|one| one["id"] == id).unwrap();
        let red = json!([{ "label": "r", "description": "Red" }]);
        assert_eq!((&found("many")["options"], &found("many")["isRequired"]), (&red, &json!(true)));
        assert_eq!(found("free")["options"], json!([]));
    }
}
