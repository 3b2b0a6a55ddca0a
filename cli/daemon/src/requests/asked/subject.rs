//! A request as rules look at it.
//!
//! What always holds: what is asked for beside what a rule can speak of is named, so that no rule covers
//! it unseen; a path is whole, from the folder that the request is of.

use super::details::{Change, Details, read};
use crate::records::LookError;
use crate::requests::programs;
use serde_json::Value;
use sm_log::Reader;
use sm_projections::rows::{RequestClass, Session, Sid};
use sm_projections::tables::{Environments, Requests, Sessions};
use sm_projections::views::RequestDoc;
use sm_projections::{StoreError, View};
use sm_rules::{Asker, CommandLine, FileTouched, Programs, Subject, What};
use std::path::{Path, PathBuf};

/// What rules look at in `request`.
pub fn subject_of(
    view: &View<'_>,
    log: &Reader,
    request: &RequestDoc,
) -> Result<Subject, LookError> {
    let (session, sid) = session_of(view, request)?;
    let (params, details) = read(log, request)?;
    let mut subject = subject(request, &params, &details, session.as_ref());
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
fn own_programs(view: &View<'_>, sid: Sid, cwd: Option<&Path>) -> Result<Programs, StoreError> {
    let env = view.get::<Environments>(&sid)?.unwrap_or_default();
    Ok(env.get("PATH").map(|path| programs::own(path, cwd)).unwrap_or_default())
}

/// The session that asks, where one does.
pub(super) fn session_of(
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

/// The same, but for the programs that its session may have made itself.
pub(super) fn subject(
    request: &RequestDoc,
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
    let what = match class_of(request) {
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
        programs: Programs::default(),
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

/// The texts in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}
