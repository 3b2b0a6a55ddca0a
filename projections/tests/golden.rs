//! Golden projections: what the folds make of each recorded transcript, as text a reader can check.
//!
//! `SM_BLESS=1 cargo test -p sm-projections golden` writes them anew; a changed fold then shows as a
//! diff to review.

use crate::folded::{Folded, folded, transcripts};
use sm_projections::rows::{Action, Request, Session, Turn};
use sm_projections::tables::{Actions, Requests, Sessions, Turns};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn golden_path(transcript: &Path) -> PathBuf {
    let name = transcript.file_name().unwrap().to_string_lossy();
    let name = name.trim_end_matches(".jsonl");
    transcript.parent().unwrap().join("golden").join(format!("{name}.txt"))
}

/// Numbers are written as the transcript's lines, so that a reader can look them up.
struct Text<'f> {
    out: String,
    folded: &'f Folded,
    /// The time of the first record that has one.
    begin: i64,
    /// Without lines, times and decisions: what both forms of a capture must tell alike.
    bare: bool,
}

impl Text<'_> {
    fn line(&self, seq: u64) -> String {
        if self.bare {
            return String::new();
        }
        (seq + 1).saturating_sub(self.folded.first_seq).to_string()
    }

    fn ms(&self, micros: i64) -> String {
        if self.bare { String::new() } else { format!("+{}ms", (micros - self.begin) / 1000) }
    }

    fn decision<'d>(&self, decision: Option<&'d str>) -> &'d str {
        if self.bare { "" } else { decision.unwrap_or("undecided") }
    }

    fn session(&mut self, session: &Session) {
        let Session { thread_id, state, counts, .. } = session;
        writeln!(self.out, "session {thread_id}").unwrap();
        let told = [
            ("name", &session.name),
            ("title", &session.title),
            ("agent", &session.agent),
            ("forked_from", &session.forked_from),
            ("cwd", &session.cwd),
            ("model", &session.model),
            ("cli_version", &session.cli_version),
            ("last_error", &session.last_error),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                writeln!(self.out, "  {name}: {value}").unwrap();
            }
        }
        if let Some(parent) = session.parent {
            let view = self.folded.store.view().unwrap();
            let parent = view.get::<Sessions>(&parent).unwrap().unwrap().thread_id;
            writeln!(self.out, "  parent: {parent}").unwrap();
        }
        let (since, cause) = (self.ms(session.since), self.line(session.cause_seq));
        writeln!(self.out, "  state: {} since {since} by line {cause}", state.as_str()).unwrap();
        writeln!(self.out, "  outcome: {}", session.outcome.as_str().unwrap_or("none")).unwrap();
        writeln!(self.out, "  health: {:?}, pending: {}", session.health, session.pending.len())
            .unwrap();
        let tokens = session.tokens.map_or(0, |tokens| tokens.total);
        writeln!(self.out, "  tokens: {tokens}").unwrap();
        writeln!(
            self.out,
            "  turns: {} = {} completed, {} interrupted, {} failed, {} lost",
            counts.turns,
            counts.turns_completed,
            counts.turns_interrupted,
            counts.turns_failed,
            counts.turns_lost
        )
        .unwrap();
        writeln!(
            self.out,
            "  commands: {} = {} completed, {} failed, {} declined",
            counts.commands,
            counts.commands_completed,
            counts.commands_failed,
            counts.commands_declined
        )
        .unwrap();
        writeln!(
            self.out,
            "  file changes: {} = {} completed, {} failed, {} declined",
            counts.file_changes,
            counts.file_changes_completed,
            counts.file_changes_failed,
            counts.file_changes_declined
        )
        .unwrap();
        writeln!(
            self.out,
            "  tool calls: {}, messages: {}, requests: {}, errors: {}, malformed: {}",
            counts.tool_calls, counts.messages, counts.requests, counts.errors, counts.malformed
        )
        .unwrap();
    }

    fn turn(&mut self, seq: u64, turn: &Turn) {
        let ended = turn.ended_at.map_or("open".to_owned(), |at| self.ms(at));
        writeln!(
            self.out,
            "  turn {} line {}..{} {} to {ended}: {} {:?}{}{}",
            turn.number,
            self.line(seq),
            turn.end_seq.map_or("".to_owned(), |seq| self.line(seq)),
            self.ms(turn.started_at),
            turn.outcome.as_str().unwrap_or("open"),
            turn.prompt.as_deref().unwrap_or(""),
            if turn.retries > 0 { format!(", {} retries", turn.retries) } else { String::new() },
            turn.error.as_ref().map_or(String::new(), |error| format!(", error {error:?}")),
        )
        .unwrap();
    }

    fn action(&mut self, seq: u64, action: &Action) {
        let mut facts = String::new();
        if let Some(code) = action.exit_code {
            write!(facts, " exit {code}").unwrap();
        }
        for file in &action.files {
            write!(facts, " [{} {} +{} -{}]", file.kind, file.path, file.plus, file.minus).unwrap();
        }
        for approval in &action.approvals {
            let decision = self.decision(approval.decision.as_deref());
            write!(facts, " asked at line {}: {decision}", self.line(approval.request)).unwrap();
        }
        writeln!(
            self.out,
            "    {} line {}..{} {}: {:?}{facts}",
            action.kind.as_str(),
            self.line(seq),
            action.end_seq.map_or("".to_owned(), |seq| self.line(seq)),
            action.status.as_str(),
            action.summary,
        )
        .unwrap();
    }

    fn request(&mut self, seq: u64, request: &Request) {
        writeln!(
            self.out,
            "request line {}..{} {} {}: {} {:?}",
            self.line(seq),
            request.end_seq.map_or("".to_owned(), |seq| self.line(seq)),
            request.class.as_str(),
            match request.status.as_str() {
                // Old releases tell of an answer only where it is recorded; else the turn's end does.
                "answered" | "cleared" if self.bare => "over",
                status => status,
            },
            self.decision(request.decision.as_deref()),
            request.summary,
        )
        .unwrap();
    }
}

fn text(folded: &Folded, bare: bool) -> String {
    let view = folded.store.view().unwrap();
    let (mut sessions, mut turns, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    view.scan::<Sessions>(&[], &[], |sid, row| {
        if !row.unconfirmed {
            sessions.push((sid, row));
        }
        true
    })
    .unwrap();
    view.scan::<Turns>(&[], &[], |key, row| {
        turns.push((key, row));
        true
    })
    .unwrap();
    view.scan::<Actions>(&[], &[], |key, row| {
        actions.push((key, row));
        true
    })
    .unwrap();
    let begin = sessions.iter().filter(|(_, s)| s.first_seq.is_some()).map(|(_, s)| s.first_at);
    let begin = begin.min().unwrap_or(0);
    let mut text = Text { out: String::new(), folded, begin, bare };
    for (sid, session) in &sessions {
        text.session(session);
        for ((of, turn_seq), turn) in &turns {
            if of == sid {
                text.turn(*turn_seq, turn);
                for ((of, seq), action) in &actions {
                    if of == sid && action.turn == Some(*turn_seq) {
                        text.action(*seq, action);
                    }
                }
            }
        }
    }
    view.scan::<Requests>(&[], &[], |seq, row| {
        text.request(seq, &row);
        true
    })
    .unwrap();
    text.out
}

#[test]
fn recorded_traffic_folds_to_its_golden_text() {
    let bless = std::env::var_os("SM_BLESS").is_some();
    let mut differing = Vec::new();
    for path in transcripts(false) {
        let text = text(&folded(&std::fs::read(&path).unwrap(), 1000), false);
        let golden = golden_path(&path);
        if bless {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
            differing.push(golden);
        }
    }
    assert!(differing.is_empty(), "differ, SM_BLESS=1 shows how: {differing:#?}");
}

/// Both forms of one capture tell the same story. What only the client's side tells (decisions, who
/// made them) and what counts records is left out.
#[test]
fn the_two_way_form_folds_as_the_plain_one() {
    for two_way in transcripts(true) {
        let plain = PathBuf::from(two_way.to_string_lossy().replace(".tap.jsonl", ".jsonl"));
        let (a, b) = (std::fs::read(&two_way).unwrap(), std::fs::read(&plain).unwrap());
        let (a, b) = (text(&folded(&a, 1000), true), text(&folded(&b, 1000), true));
        for (a, b) in a.lines().zip(b.lines()) {
            assert_eq!(a, b, "{}", two_way.display());
        }
        assert_eq!(a.lines().count(), b.lines().count(), "{}", two_way.display());
    }
}
