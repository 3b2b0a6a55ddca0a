//! The phases of every turn of every recorded transcript.

use crate::folded::{fixtures, fold_all, folded, imported, transcripts};
use serde_json::json;
use sm_ingest::Scribe;
use sm_log::Log;
use sm_projections::rows::{Outcome, Phase, Session};
use sm_projections::tables::{Sessions, Spans, Turns};
use sm_projections::views::{self, TurnDoc};
use sm_protocol::synthetic::{GenerationEnded, Synthetic};
use std::collections::BTreeMap;
use std::path::Path;

fn turns_of(path: &std::path::Path) -> Vec<TurnDoc> {
    let (dir, log, _) = imported(&std::fs::read(path).unwrap());
    let store = fold_all(&log, &dir.path().join("tables"), usize::MAX);
    let view = store.view().unwrap();
    let mut docs = Vec::new();
    view.scan::<Sessions>(&[], &[], |sid, _| {
        docs.push(sid);
        true
    })
    .unwrap();
    docs.into_iter()
        .flat_map(|sid| views::turns(&view, sid, usize::MAX, |_| true).unwrap())
        .collect()
}

#[test]
fn phases_lie_end_to_end_and_hold_every_token() {
    let mut seen = BTreeMap::new();
    for path in transcripts(false).into_iter().chain(transcripts(true)) {
        for turn in turns_of(&path) {
            let of = || format!("{} turn {}", path.display(), turn.number);
            assert_eq!(turn.phases[0].seq, turn.seq, "{}: begins with the turn", of());
            assert_eq!(turn.phases[0].began_micros, turn.started_micros, "{}", of());
            for pair in turn.phases.windows(2) {
                assert!(pair[0].seq < pair[1].seq, "{}", of());
                assert_eq!(pair[0].ended_micros, Some(pair[1].began_micros), "{}", of());
                let same = pair[0].phase == pair[1].phase
                    && pair[0].action.as_ref().map(|a| a.seq)
                        == pair[1].action.as_ref().map(|a| a.seq)
                    && pair[0].request_id == pair[1].request_id;
                assert!(!same, "{}: two spans of one phase: {pair:?}", of());
            }
            assert_eq!(turn.phases.last().unwrap().ended_micros, turn.ended_micros, "{}", of());
            let spent: u64 = turn.phases.iter().map(|phase| phase.tokens).sum();
            assert_eq!(spent, turn.tokens.as_ref().map_or(0, |tokens| tokens.total), "{}", of());
            let whole: i64 = turn
                .phases
                .iter()
                .filter_map(|phase| phase.ended_micros.map(|end| end - phase.began_micros))
                .sum();
            if let Some(ended) = turn.ended_micros {
                assert_eq!(whole, ended - turn.started_micros, "{}", of());
            }
            for phase in &turn.phases {
                *seen.entry(phase.phase).or_insert(0) += 1;
            }
        }
    }
    for phase in Phase::ALL {
        // Servers start before the first turn, where they are not in the way of one.
        if phase == Phase::StartingMcp {
            continue;
        }
        assert!(seen.contains_key(phase.as_str()), "no recorded traffic shows {phase:?}: {seen:?}");
    }
}

/// A server that takes long to start holds the first answer up, and nothing after that.
#[test]
fn servers_are_waited_for_until_the_model_answers() {
    let item = |kind: &str, id: &str| {
        json!({"method": "item/completed", "params": {"threadId": "t", "turnId": "u", "item": {
            "id": id, "type": kind, "content": [], "summary": [], "text": "",
        }}})
    };
    let starting = json!({"method": "mcpServer/startupStatus/updated", "params": {
        "threadId": "t", "name": "slow", "status": "starting", "error": null,
    }});
    let turn = |method: &str| {
        json!({"method": method, "params": {"threadId": "t", "turn": {
            "id": "u", "status": "inProgress", "items": [],
        }}})
    };
    let lines = [
        json!({"method": "thread/started", "params": {"thread": {"id": "t"}}}),
        starting,
        turn("turn/started"),
        item("userMessage", "a"),
        item("reasoning", "b"),
        item("agentMessage", "c"),
        turn("turn/completed"),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let folded = folded(text.as_bytes(), usize::MAX);
    let view = folded.store.view().unwrap();
    let turns = views::turns(&view, 0, usize::MAX, |_| true).unwrap();
    let phases: Vec<(&str, u64)> =
        turns[0].phases.iter().map(|phase| (phase.phase, phase.seq - turns[0].seq)).collect();
    assert_eq!(phases, [("starting_mcp", 0), ("thinking", 2)]);
}

#[test]
fn an_mcp_server_that_did_not_start_is_named_with_its_error() {
    let path = transcripts(false).into_iter().find(|path| path.ends_with("0.169.0/mcp.jsonl"));
    let (dir, log, _) = imported(&std::fs::read(path.unwrap()).unwrap());
    let store = fold_all(&log, &dir.path().join("tables"), usize::MAX);
    let mut failed = Vec::new();
    let view = store.view().unwrap();
    view.scan::<Sessions>(&[], &[], |_, session| {
        assert_eq!(session.mcp_starting, Vec::<String>::new());
        failed.extend(session.mcp_failed);
        true
    })
    .unwrap();
    assert!(failed.iter().any(|mcp| mcp.name == "broken" && mcp.error.contains("failed to start")));
}

#[test]
fn spans_are_of_turns_that_are() {
    for path in transcripts(false) {
        let (dir, log, _) = imported(&std::fs::read(&path).unwrap());
        let store = fold_all(&log, &dir.path().join("tables"), usize::MAX);
        let view = store.view().unwrap();
        let mut spans = Vec::new();
        view.scan::<Spans>(&[], &[], |key, span| {
            spans.push((key, span));
            true
        })
        .unwrap();
        for ((sid, seq), span) in spans {
            let turn = view.get::<Turns>(&(sid, span.turn)).unwrap();
            let turn = turn.unwrap_or_else(|| panic!("{}: span {seq} of no turn", path.display()));
            assert!(turn.end_seq.is_none_or(|end| seq < end), "{}: {seq}", path.display());
        }
    }
}

/// When the session of a log gave its last sign of life.
fn last_sign(log: &Log, tables: &Path) -> i64 {
    let store = fold_all(log, tables, usize::MAX);
    let mut last = 0;
    let mut look = |_, session: Session| {
        last = session.last_at;
        true
    };
    store.view().unwrap().scan::<Sessions>(&[], &[], &mut look).unwrap();
    last
}

#[test]
fn a_turn_whose_process_was_seen_to_end_lasted_until_then() {
    let capture = fixtures().join("captures/codex-0.169.0/basic.jsonl");
    let text = std::fs::read_to_string(capture).unwrap();
    let open: String = text
        .split_inclusive('\n')
        .take_while(|line| !line.contains("\"turn/completed\""))
        .collect();
    for (seen, lasted_on) in [(None, 0), (Some(40), 40)] {
        let (dir, log, _) = imported(open.as_bytes());
        let last = last_sign(&log, &dir.path().join("before"));
        let minutes = |minutes: i64| last + minutes * 60_000_000;
        let ended = Synthetic::GenerationEnded(GenerationEnded {
            source: 1,
            reason: "was killed by signal 9".to_owned(),
            seen_at: seen.map(minutes),
            ..GenerationEnded::default()
        });
        Scribe::new(log.clone()).note_of(1, 0, minutes(50), "", &ended).unwrap();
        log.sync().unwrap();
        let store = fold_all(&log, &dir.path().join("tables"), usize::MAX);
        let view = store.view().unwrap();
        let mut ends = Vec::new();
        view.scan::<Turns>(&[], &[], |_, turn| {
            ends.push((turn.outcome, turn.ended_at));
            true
        })
        .unwrap();
        assert_eq!(ends, [(Outcome::Lost, Some(minutes(lasted_on)))]);
    }
}
