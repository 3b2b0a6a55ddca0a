//! What a session cost: the calls of its turns, whatever Codex's totals do.

use crate::folded::{fixtures, folded, transcripts};
use serde_json::{Value, json};
use sm_projections::tables::Sessions;
use sm_projections::views::{self, SessionDoc};

/// The document of the session of thread `thread`, and what each of its turns cost.
fn told(bytes: &[u8], thread: &str) -> (SessionDoc, Vec<u64>) {
    let folded = folded(bytes, usize::MAX);
    let view = folded.store.view().unwrap();
    let sid = views::find(&view, thread, None).unwrap().sid;
    let turns = views::turns(&view, sid, usize::MAX, |_| true).unwrap();
    let spent = turns.iter().map(|turn| turn.tokens.as_ref().map_or(0, |tokens| tokens.total));
    (views::session_doc(&view, sid).unwrap().unwrap(), spent.collect())
}

fn lines(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

fn turn(method: &str, id: &str) -> Value {
    json!({"method": method, "params": {"threadId": "t", "turn": {
        "id": id, "status": if method == "turn/started" { "inProgress" } else { "completed" },
        "items": [],
    }}})
}

fn begun(id: &str) -> [Value; 2] {
    [turn("turn/started", id), said(id)]
}

fn said(turn: &str) -> Value {
    json!({"method": "item/completed", "params": {"threadId": "t", "turnId": turn, "item": {
        "id": format!("of {turn}"), "type": "agentMessage", "text": "well",
    }}})
}

/// Totals and the last call, each as total, input and output.
fn usage(turn: &str, total: [u64; 3], last: [u64; 3]) -> Value {
    let counts = |[total, input, output]: [u64; 3]| {
        json!({
            "totalTokens": total, "inputTokens": input, "cachedInputTokens": 0,
            "outputTokens": output, "reasoningOutputTokens": 0,
        })
    };
    json!({"method": "thread/tokenUsage/updated", "params": {
        "threadId": "t", "turnId": turn,
        "tokenUsage": {
            "total": counts(total), "last": counts(last), "modelContextWindow": 258_400,
        },
    }})
}

#[test]
fn a_session_costs_what_its_turns_do_in_every_recorded_transcript() {
    for path in transcripts(false).into_iter().chain(transcripts(true)) {
        let folded = folded(&std::fs::read(&path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        let mut sids = Vec::new();
        view.scan::<Sessions>(&[], &[], |sid, _| {
            sids.push(sid);
            true
        })
        .unwrap();
        for sid in sids {
            let doc = views::session_doc(&view, sid).unwrap().unwrap();
            let turns = views::turns(&view, sid, usize::MAX, |_| true).unwrap();
            let of_turns = turns.iter().filter_map(|turn| turn.tokens.as_ref());
            let sum: u64 = of_turns.map(|tokens| tokens.total).sum();
            let of = || format!("{} of {}", doc.thread_id, path.display());
            assert_eq!(doc.tokens.as_ref().map_or(0, |tokens| tokens.total), sum, "{}", of());
        }
    }
}

/// Recorded: the fork's first turn makes two calls, of 145 and 175; its origin had spent 320.
#[test]
fn a_fork_costs_what_it_did_itself() {
    for release in ["0.80.0", "0.105.0", "0.125.0", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/fork.tap.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        let calls = text.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            let is_turn = message["msg"]["method"] == "turn/start";
            is_turn.then(|| message["msg"]["params"]["threadId"].as_str().unwrap().to_owned())
        });
        let threads: Vec<String> = calls.collect();
        let (doc, turns) = told(text.as_bytes(), &threads[1]);
        let tokens = doc.tokens.unwrap();
        assert_eq!((tokens.total, turns), (320, vec![320]), "{release}");
        assert_eq!((tokens.input, tokens.output), (280, 40), "{release}");
        assert_eq!(doc.tokens_inherited, 320, "{release}");
        assert_eq!((tokens.context, tokens.window), (175, Some(258_400)), "{release}");
    }
}

#[test]
fn a_fork_of_one_call_has_not_spent_it() {
    let thread = json!({"id": "t", "forkedFromId": "origin"});
    let mut play = vec![json!({"method": "thread/started", "params": {"thread": thread}})];
    play.push(turn("turn/started", "a"));
    // Told at the begin of the fork's own first call, as releases to 0.125 do.
    play.push(usage("a", [131, 120, 11], [131, 120, 11]));
    play.push(said("a"));
    play.push(usage("a", [276, 240, 36], [145, 120, 25]));
    let (doc, turns) = told(&lines(&play), "t");
    assert_eq!((doc.tokens.unwrap().total, turns), (145, vec![145]));
    assert_eq!(doc.tokens_inherited, 131);
}

/// Recorded: 582 spent, of which the last turn is taken back, and 132 after that.
#[test]
fn what_was_rolled_back_stays_spent() {
    for release in ["0.80.0", "0.98.0", "0.105.0", "0.115.0", "0.125.0", "0.155.1", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/rollback.tap.jsonl"));
        let bytes = std::fs::read(path).unwrap();
        let folded = folded(&bytes, usize::MAX);
        let view = folded.store.view().unwrap();
        let doc = views::session_doc(&view, 0).unwrap().unwrap();
        assert_eq!(doc.tokens.unwrap().total, 582 + 132, "{release}");
    }
}

#[test]
fn a_call_after_a_rollback_counts_even_where_the_total_is_what_it_was() {
    let revert = json!({"method": "thread/reverted", "params": {"threadId": "t"}});
    // An estimate may be told with the old total, before the next call is.
    for estimate in [vec![], vec![usage("b", [900, 800, 100], [3_000, 0, 0])]] {
        let mut play = begun("a").to_vec();
        play.push(usage("a", [750, 700, 50], [750, 700, 50]));
        play.push(turn("turn/completed", "a"));
        play.extend(begun("b"));
        play.push(usage("b", [900, 800, 100], [150, 100, 50]));
        play.push(turn("turn/completed", "b"));
        play.push(revert.clone());
        play.extend(estimate);
        play.extend(begun("c"));
        play.push(usage("c", [900, 800, 100], [150, 100, 50]));
        // Told again, as old releases do.
        play.push(usage("c", [900, 800, 100], [150, 100, 50]));
        let (doc, turns) = told(&lines(&play), "t");
        assert_eq!((doc.tokens.unwrap().total, turns), (1_050, vec![750, 150, 150]));
    }
}

/// A context that ran over: Codex fills its total up to the window, and counts on from there.
#[test]
fn a_filler_is_nobodys_spend() {
    let mut play = begun("a").to_vec();
    play.push(usage("a", [582, 520, 62], [582, 520, 62]));
    play.push(usage("a", [258_400, 0, 0], [257_818, 0, 0]));
    play.push(turn("turn/completed", "a"));
    let (doc, turns) = told(&lines(&play), "t");
    let tokens = doc.tokens.unwrap();
    assert_eq!((tokens.total, tokens.input, tokens.output, turns), (582, 520, 62, vec![582]));
    assert_eq!(tokens.context, 257_818, "Codex's own word");
    play.extend(begun("b"));
    play.push(usage("b", [258_532, 120, 12], [132, 120, 12]));
    let (doc, turns) = told(&lines(&play), "t");
    assert_eq!((doc.tokens.unwrap().total, turns), (582 + 132, vec![582, 132]));
}
