//! What of Codex's protocol is folded, as a document made from the code and the recordings.
//!
//! What always holds: what a release has is read from its own schema (`protocol.txt`); whether a
//! method is folded, the fold's dispatch is asked; what a request or an item becomes, the folds are
//! shown one. `cargo xtask coverage` writes the document anew.

use crate::folded::{fixtures, folded};
use serde_json::Value;
use sm_log::{Direction, LogId, Record};
use sm_projections::fold;
use sm_projections::readable::{self, Form, joined};
use sm_projections::rows::ActionKind;
use sm_projections::state::{Nothing, State};
use sm_projections::tables::Requests;
use sm_projections::{Commit, Store, views};
use sm_protocol::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What a release can say, and what of it was recorded in which scenarios.
#[derive(Default)]
struct Release {
    version: String,
    /// Names of the schema, by section.
    schema: BTreeMap<String, BTreeSet<String>>,
    /// Scenarios, by section and name.
    recorded: BTreeMap<(&'static str, String), BTreeSet<String>>,
}

const NOTIFICATIONS: &str = "server notifications";
const REQUESTS: &str = "server requests";
const ITEMS: &str = "item types";

/// Oldest first.
fn releases() -> Vec<Release> {
    let folders = std::fs::read_dir(fixtures().join("codex")).unwrap().map(|e| e.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    let number = |path: &PathBuf| -> Vec<u32> {
        let version = path.file_name().unwrap().to_str().unwrap();
        version.split('.').map(|part| part.parse().unwrap()).collect()
    };
    folders.sort_by_key(number);
    folders.iter().map(release).collect()
}

fn release(folder: &PathBuf) -> Release {
    let version = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let mut release = Release { version, ..Release::default() };
    let mut section = String::new();
    for line in std::fs::read_to_string(folder.join("protocol.txt")).unwrap().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            release.schema.entry(section.clone()).or_default().insert(line.to_owned());
        }
    }
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let Some(scenario) = name.strip_suffix(".jsonl").filter(|name| !name.ends_with(".tap"))
        else {
            continue;
        };
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            let message: Value = serde_json::from_str(line).unwrap();
            let Some(method) = message["method"].as_str() else { continue };
            let section = if message.get("id").is_some() { REQUESTS } else { NOTIFICATIONS };
            let mut seen = |section, name: &str| {
                let method = if name.starts_with("codex/event/") { "codex/event/*" } else { name };
                let scenarios = release.recorded.entry((section, method.to_owned())).or_default();
                scenarios.insert(scenario.to_owned());
            };
            seen(section, method);
            if let Some(item) = message["params"]["item"]["type"].as_str() {
                seen(ITEMS, item);
            }
        }
    }
    release
}

/// What becomes of a notification.
fn notification(method: &str) -> &'static str {
    let legacy = format!(r#"{{"method":"{method}","params":{{}}}}"#);
    match sm_protocol::Envelope::scan(legacy.as_bytes()).kind {
        Kind::LEGACY_EVENT => "kept; told a second time, counted as one kind",
        Kind::NOTIFICATION => "kept; counted by its name",
        _ if fold::reads(method) => "folded",
        _ => "kept; counted by its kind",
    }
}

/// What each of these server requests becomes: the folds are shown one of each.
fn requests(methods: &BTreeSet<String>) -> BTreeMap<String, String> {
    let ask = |(id, method): (usize, &String)| {
        format!(r#"{{"id":{id},"method":"{method}","params":{{"threadId":"T","itemId":"{id}"}}}}"#)
    };
    let lines: Vec<String> = methods.iter().enumerate().map(ask).collect();
    let folded = folded((lines.join("\n") + "\n").as_bytes(), 1000);
    let mut become_what = BTreeMap::new();
    let view = folded.store.view().unwrap();
    view.scan::<Requests>(&[], &[], |_, row| {
        let waits = match row.class {
            class if class.asks_permission() => ": its session waits for permission",
            class if class.asks_input() => ": its session waits for input",
            _ => "",
        };
        let counted = match Kind::of_method(&row.method) {
            Some(_) => "",
            None => "; counted by its name",
        };
        let what = format!("folded, a request of class `{}`{waits}{counted}", row.class.as_str());
        become_what.insert(row.method, what);
        true
    })
    .unwrap();
    become_what
}

/// What an item of a type becomes.
fn item(item_type: &str) -> String {
    let kind = ActionKind::of_item(item_type);
    let mut what = format!("folded, an action of kind `{}`", kind.as_str());
    for (holds, words) in [
        (kind.is_work(), "counts as work"),
        (kind.is_tool_call(), "counted as a tool call"),
        (!kind.is_nameable(), "never the last action"),
    ] {
        if holds {
            let _ = write!(what, ", {words}");
        }
    }
    what
}

/// `●` recorded, `○` in the release's schema and not recorded, `+` recorded and not in its schema.
fn mark(release: &Release, section: &'static str, name: &str) -> &'static str {
    let known = release.schema.get(section).is_some_and(|names| names.contains(name));
    let seen = release.recorded.contains_key(&(section, name.to_owned()));
    match (known, seen) {
        (true, true) => "●",
        (true, false) => "○",
        (false, true) => "+",
        (false, false) => "",
    }
}

/// The first scenarios of the newest release that recorded it.
fn scenarios(releases: &[Release], section: &'static str, name: &str) -> String {
    let key = (section, name.to_owned());
    let Some(names) = releases.iter().rev().find_map(|release| release.recorded.get(&key)) else {
        return String::new();
    };
    let first: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn table(
    text: &mut String,
    releases: &[Release],
    section: &'static str,
    what: impl Fn(&str) -> String,
) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for release in releases {
        names.extend(release.schema.get(section).into_iter().flatten().map(String::as_str));
        let recorded = release.recorded.keys().filter(|(of, _)| *of == section);
        names.extend(recorded.map(|(_, name)| name.as_str()));
    }
    let versions: Vec<&str> =
        releases.iter().map(|release| release.version.trim_end_matches(".0")).collect();
    let _ = writeln!(text, "| name | becomes | {} | recorded in |", versions.join(" | "));
    let _ = writeln!(text, "| --- | --- |{} --- |", " :-: |".repeat(versions.len()));
    for name in names {
        let marks: Vec<&str> = releases.iter().map(|r| mark(r, section, name)).collect();
        let (becomes, recorded) = (what(name), scenarios(releases, section, name));
        let _ = writeln!(text, "| `{name}` | {becomes} | {} | {recorded} |", marks.join(" | "));
    }
}

/// How many names of each release's schema become what.
fn totals(text: &mut String, releases: &[Release], becomes: &BTreeMap<String, String>) {
    let _ = writeln!(
        text,
        "| release | notifications | folded | counted by kind | counted by name | recorded | \
         requests | item types |\n| --- | --: | --: | --: | --: | --: | --: | --: |"
    );
    for release in releases {
        let names = |section: &str| release.schema.get(section).cloned().unwrap_or_default();
        let (told, asked, items) = (names(NOTIFICATIONS), names(REQUESTS), names(ITEMS));
        let are = |what: &str| told.iter().filter(|name| notification(name) == what).count();
        let recorded = told.iter().filter(|name| mark(release, NOTIFICATIONS, name) == "●").count();
        let folded = asked.iter().filter(|name| becomes.contains_key(*name)).count();
        let known = items.iter().filter(|name| ActionKind::of_item(name) != ActionKind::Other);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {recorded} | {folded} of {} folded | {} of {} known |",
            release.version,
            told.len(),
            are("folded"),
            are("kept; counted by its kind"),
            are("kept; counted by its name"),
            asked.len(),
            known.count(),
            items.len(),
        );
    }
}

fn document() -> String {
    let releases = releases();
    let asked = releases.iter().filter_map(|release| release.schema.get(REQUESTS)).flatten();
    let becomes = requests(&asked.cloned().collect());
    let mut text = String::from(
        "# Protocol coverage\n\n\
         Made by `cargo xtask coverage` from the code, the releases' own schemas\n\
         (`fixtures/codex/VERSION/protocol.txt`) and the recordings beside them; a test holds it against\n\
         them. Not to be edited.\n\n\
         Every message is kept byte for byte, whatever it is, and `sm replay` shows it. *Folded*: some\n\
         step of the fold reads it, so it shows in `ps`, `tail`, `show`, `turns`, `inbox` or `explain`.\n\
         *Counted by its kind* or *by its name*: nothing more is known of it; names without a kind are\n\
         listed with their counts by `sm doctor`, as is any name that a later release brings.\n\n\
         ● recorded · ○ in that release's schema, not recorded · + recorded, not in its schema\n\n",
    );
    totals(&mut text, &releases, &becomes);
    text.push_str("\n## Notifications of the server\n\n");
    table(&mut text, &releases, NOTIFICATIONS, |name| notification(name).to_owned());
    text.push_str("\n## Requests of the server\n\n");
    table(&mut text, &releases, REQUESTS, |name| becomes[name].clone());
    text.push_str("\n## Item types\n\n");
    table(&mut text, &releases, ITEMS, item);
    text
}

#[test]
fn the_document_is_what_code_and_recordings_give() {
    let path = fixtures().join("../docs/coverage.md");
    let text = document();
    if std::env::var_os("SM_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let differs = text.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert_eq!(differs, None, "run `cargo xtask coverage` and review the diff");
    assert!(text == kept, "run `cargo xtask coverage` and review the diff");
}

#[test]
fn every_item_type_of_every_release_is_known() {
    for release in releases() {
        let recorded = release.recorded.keys().filter(|(section, _)| *section == ITEMS);
        let recorded: BTreeSet<&String> = recorded.map(|(_, name)| name).collect();
        for name in release.schema[ITEMS].iter().chain(recorded) {
            let kind = ActionKind::of_item(name);
            assert_ne!(kind, ActionKind::Other, "{name} of {} is not known", release.version);
        }
    }
}

#[test]
fn the_dispatch_tells_what_it_reads() {
    for method in ["turn/started", "item/agentMessage/delta", "serverRequest/resolved", "error"] {
        assert!(fold::reads(method), "{method}");
    }
    for method in ["account/rateLimits/updated", "fs/changed", "codex/event/error", "no/such"] {
        assert!(!fold::reads(method), "{method}");
    }
}

/// What the document says is not folded changes nothing but counts: transcripts tell the same
/// without it.
#[test]
fn what_is_not_folded_changes_nothing() {
    let is_read = |line: &&str| {
        let message: Value = serde_json::from_str(line).unwrap();
        match message["method"].as_str() {
            Some(method) if message.get("id").is_none() => fold::reads(method),
            _ => true,
        }
    };
    let mut left_out = 0;
    for path in crate::folded::transcripts(false) {
        let whole = std::fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = whole.lines().filter(is_read).collect();
        left_out += whole.lines().count() - kept.len();
        let bare = |text: &str| {
            let folded = folded(text.as_bytes(), 1000);
            let view = folded.store.view().unwrap();
            joined(&readable::lines(&view, folded.first_seq, Form::Bare).unwrap())
        };
        assert_eq!(bare(&whole), bare(&(kept.join("\n") + "\n")), "{}", path.display());
    }
    assert!(left_out > 1000, "only {left_out} messages are not folded");
}

/// As builds recorded them that had no number for either: by method, under the general kind.
#[test]
fn a_method_that_has_a_kind_by_now_is_no_unknown_one() {
    let mut state = State::default();
    for (seq, method) in [(1, "hook/started"), (2, "hook/of/tomorrow")] {
        let payload = format!(r#"{{"method":"{method}","params":{{"threadId":"t"}}}}"#);
        let record = Record {
            seq,
            time: 0,
            session: b"t",
            source: 0,
            generation: 0,
            kind: Kind::NOTIFICATION.0,
            direction: Direction::Server,
            flags: 0,
            payload: payload.as_bytes(),
        };
        fold::fold(&mut state, &Nothing, &record);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &LogId([7; 16]), Commit::AtTheEnd).unwrap();
    store.write(&state.leave(2)).unwrap();
    let census = views::census(&store.view().unwrap()).unwrap();
    assert_eq!(census.unknown_methods, BTreeMap::from([("hook/of/tomorrow".to_owned(), 1)]));
}
