//! An independent count over recorded traffic, made from the JSON alone by other code than the
//! folds', must give what the folds give.

use crate::folded::{folded, transcripts};
use serde_json::Value;
use sm_projections::tables::{Actions, Requests, Sessions, Threads};
use sm_projections::views;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    turns: BTreeSet<String>,
    reviewing: bool,
    outcomes: BTreeMap<String, String>,
    commands: BTreeMap<String, String>,
    file_changes: BTreeMap<String, String>,
    messages: BTreeSet<String>,
    unsaid: BTreeSet<String>,
    requests: usize,
    tokens: Option<u64>,
    spent: u64,
    answered: bool,
}

/// What a transcript tells of each thread.
fn count(bytes: &[u8]) -> BTreeMap<String, Count> {
    let mut threads: BTreeMap<String, Count> = BTreeMap::new();
    let mut life = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line).unwrap();
        let params = &message["params"];
        // Old releases number turns from 0 in each life of the server, and when a thread is loaded again.
        life += u32::from(message["result"]["userAgent"].is_string());
        life += u32::from(message["result"]["model"].is_string());
        let named = |id: &Value| match id.as_str().unwrap() {
            id if id.parse::<u64>().is_ok() => format!("{life}/{id}"),
            id => id.to_owned(),
        };
        let Some(method) = message["method"].as_str() else { continue };
        if method.starts_with("codex/event") {
            continue;
        }
        let thread = params["threadId"].as_str().or(params["conversationId"].as_str());
        let Some(thread) = thread else { continue };
        let count = threads.entry(thread.to_owned()).or_default();
        // The client itself gives the result of a tool, and tells the time: nobody is asked.
        if message.get("id").is_some() && !matches!(method, "item/tool/call" | "currentTime/read") {
            count.requests += 1;
        }
        match method {
            // A review's turn runs inside another, which is known by its items: the outer one counts.
            "turn/started" if count.reviewing => {}
            "turn/started" => {
                count.turns.insert(named(&params["turn"]["id"]));
            }
            "turn/completed" => {
                let turn = named(&params["turn"]["id"]);
                count.reviewing = false;
                let status = params["turn"]["status"].as_str().unwrap().to_owned();
                count.turns.insert(turn.clone());
                count.outcomes.entry(turn).or_insert(status);
            }
            "thread/tokenUsage/updated" => {
                let usage = &params["tokenUsage"];
                let told = |of: &str| usage[of]["totalTokens"].as_u64().unwrap();
                // Every total that is not the one before is one more call; but what a fork begins
                // with is its origin's, and is told before anything was answered in it.
                let own = count.tokens.is_some() || told("total") == told("last") || count.answered;
                if own && count.tokens != Some(told("total")) {
                    count.spent += told("last");
                }
                count.tokens = Some(told("total"));
            }
            // Some releases ask leave for an item before they tell of it, or never do.
            "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
                let id = format!("{life}/{}/{}", params["turnId"], params["itemId"]);
                let map = match method {
                    "item/fileChange/requestApproval" => &mut count.file_changes,
                    _ => &mut count.commands,
                };
                map.entry(id).or_insert_with(|| "inProgress".to_owned());
            }
            "item/started" | "item/completed" => {
                count.answered |= params["item"]["type"] != "userMessage";
                count.reviewing |= params["item"]["type"] == "enteredReviewMode";
                // Some releases tell of a sub-agent's turn by its items only.
                count.turns.insert(named(&params["turnId"]));
                let item = &params["item"];
                let id = format!("{life}/{}/{}", params["turnId"], item["id"]);
                let status = match method {
                    "item/started" => "inProgress",
                    _ => item["status"].as_str().unwrap_or("completed"),
                };
                let map = match item["type"].as_str().unwrap() {
                    "commandExecution" => &mut count.commands,
                    "fileChange" => &mut count.file_changes,
                    "agentMessage" => {
                        match method {
                            "item/started" => count.unsaid.insert(id.clone()),
                            _ => count.unsaid.remove(&id),
                        };
                        count.messages.insert(id);
                        continue;
                    }
                    // What the reviewer began to write is told as this.
                    "exitedReviewMode" => {
                        let turn = format!("{life}/{}/", params["turnId"]);
                        let unsaid = std::mem::take(&mut count.unsaid);
                        for id in unsaid.into_iter().filter(|id| id.starts_with(&turn)) {
                            count.messages.remove(&id);
                        }
                        continue;
                    }
                    _ => continue,
                };
                let known = map.entry(id).or_insert_with(|| "inProgress".to_owned());
                if known == "inProgress" {
                    *known = status.to_owned();
                }
            }
            _ => {}
        }
    }
    threads
}

fn with(statuses: &BTreeMap<String, String>, wanted: &str) -> u64 {
    statuses.values().filter(|status| *status == wanted).count() as u64
}

#[test]
fn folds_agree_with_an_independent_count() {
    for path in transcripts(false) {
        let bytes = std::fs::read(&path).unwrap();
        let folded = folded(&bytes, 1000);
        let view = folded.store.view().unwrap();
        for (thread, count) in count(&bytes) {
            let session = views::find(&view, &thread, None).unwrap().session;
            let counts = &session.counts;
            let of = |what: &str| format!("{what} of {thread} in {}", path.display());
            assert_eq!(counts.turns, count.turns.len() as u64, "{}", of("turns"));
            assert_eq!(counts.commands, count.commands.len() as u64, "{}", of("commands"));
            assert_eq!(counts.file_changes, count.file_changes.len() as u64, "{}", of("changes"));
            assert_eq!(counts.messages, count.messages.len() as u64, "{}", of("messages"));
            assert_eq!(counts.requests, count.requests as u64, "{}", of("requests"));
            let sid = view.get::<Threads>(&thread).unwrap().unwrap();
            let turns = views::turns(&view, sid, usize::MAX, |_| true).unwrap();
            let spent = turns.iter().filter_map(|turn| turn.tokens.as_ref());
            assert_eq!(
                spent.map(|spent| spent.total).sum::<u64>(),
                count.spent,
                "{}",
                of("tokens")
            );
            for (status, commands, changes) in [
                ("completed", counts.commands_completed, counts.file_changes_completed),
                ("failed", counts.commands_failed, counts.file_changes_failed),
                ("declined", counts.commands_declined, counts.file_changes_declined),
            ] {
                assert_eq!(commands, with(&count.commands, status), "{status} {}", of("commands"));
                assert_eq!(
                    changes,
                    with(&count.file_changes, status),
                    "{status} {}",
                    of("changes")
                );
            }
            assert_eq!(counts.turns_completed, with(&count.outcomes, "completed"), "{}", of("ok"));
            assert_eq!(counts.turns_failed, with(&count.outcomes, "failed"), "{}", of("failed"));
            assert_eq!(
                counts.turns_interrupted,
                with(&count.outcomes, "interrupted"),
                "{}",
                of("interrupted")
            );
        }
    }
}

#[test]
fn nothing_in_recorded_traffic_is_unreadable_or_left_open_by_accident() {
    for path in transcripts(false) {
        let folded = folded(&std::fs::read(&path).unwrap(), 1000);
        let view = folded.store.view().unwrap();
        let census = views::census(&view).unwrap();
        assert!(census.troubles.is_empty(), "{}: {:?}", path.display(), census.troubles);
        view.scan::<Sessions>(&[], &[], |_, session| {
            if session.open_turn.is_none() {
                assert!(session.open_items.is_empty(), "{}: {session:?}", path.display());
                assert!(session.pending.is_empty(), "{}: {session:?}", path.display());
            }
            true
        })
        .unwrap();
        view.scan::<Requests>(&[], &[], |_, request| {
            assert!(!request.summary.is_empty(), "{}: {request:?}", path.display());
            true
        })
        .unwrap();
        view.scan::<Actions>(&[], &[], |_, action| {
            assert!(action.turn.is_some(), "{}: {action:?}", path.display());
            true
        })
        .unwrap();
    }
}
