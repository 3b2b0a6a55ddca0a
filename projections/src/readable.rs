//! A projection as text that a person can check: the golden form of a transcript.
//!
//! What always holds: the same tables give the same text; nothing in it depends on where in a log the
//! transcript lies or on when it was folded. Records are named by their line in the transcript and
//! times by their distance from its first, so a reader can look both up.

use crate::rows::{Action, Request, Session, Sid, Turn};
use crate::store::{StoreError, View};
use crate::tables::{Actions, Requests, Sessions, Turns};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Everything: what golden files hold.
    Full,
    /// Without lines, times, decisions and the model, which old releases tell by the client's wish alone: what both forms of one capture tell alike.
    Bare,
    /// Without words: only what is counted, ordered and decided. Two transcripts that differ in
    /// names and texts alone have the same.
    Wordless,
}

/// One line of the text, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line, without its newline.
    pub text: String,
    /// The row it shows, in words.
    pub row: String,
    /// The newest record that made the row what it is.
    pub seq: Option<u64>,
}

/// The tables of `view` as text. The transcript's first record is `first_seq`.
pub fn lines(view: &View<'_>, first_seq: u64, form: Form) -> Result<Vec<Line>, StoreError> {
    let mut sessions: Vec<(Sid, Session)> = Vec::new();
    view.scan::<Sessions>(&[], &[], |sid, row| {
        if !row.unconfirmed {
            sessions.push((sid, row));
        }
        true
    })?;
    let mut turns: BTreeMap<Sid, Vec<(u64, Turn)>> = BTreeMap::new();
    view.scan::<Turns>(&[], &[], |(sid, seq), row| {
        turns.entry(sid).or_default().push((seq, row));
        true
    })?;
    let mut actions: BTreeMap<(Sid, u64), Vec<(u64, Action)>> = BTreeMap::new();
    view.scan::<Actions>(&[], &[], |(sid, seq), row| {
        if let Some(turn) = row.turn {
            actions.entry((sid, turn)).or_default().push((seq, row));
        }
        true
    })?;
    let told = sessions.iter().filter(|(_, session)| session.first_seq.is_some());
    let begin = told.map(|(_, session)| session.first_at).min().unwrap_or(0);
    let mut text = Text { lines: Vec::new(), first_seq, begin, form };
    for (sid, session) in &sessions {
        let parent = match session.parent {
            Some(parent) => view.get::<Sessions>(&parent)?.map(|parent| parent.thread_id),
            None => None,
        };
        text.session(session, parent.as_deref());
        for (turn_seq, turn) in turns.get(sid).into_iter().flatten() {
            text.turn(session, *turn_seq, turn);
            for (seq, action) in actions.get(&(*sid, *turn_seq)).into_iter().flatten() {
                text.action(session, *seq, action);
            }
        }
    }
    view.scan::<Requests>(&[], &[], |seq, row| {
        text.request(seq, &row);
        true
    })?;
    Ok(text.lines)
}

/// The lines put together, each ended by a newline.
pub fn joined(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |text, line| text + &line.text + "\n")
}

struct Text {
    lines: Vec<Line>,
    first_seq: u64,
    /// The time of the first record that has one.
    begin: i64,
    form: Form,
}

impl Text {
    fn put(&mut self, row: &str, seq: Option<u64>, text: String) {
        self.lines.push(Line { text, row: row.to_owned(), seq });
    }

    fn line(&self, seq: u64) -> String {
        match self.form {
            Form::Bare => String::new(),
            _ => (seq + 1).saturating_sub(self.first_seq).to_string(),
        }
    }

    fn ended(&self, seq: Option<u64>) -> String {
        seq.map_or(String::new(), |seq| self.line(seq))
    }

    fn ms(&self, micros: i64) -> String {
        match self.form {
            Form::Bare => String::new(),
            _ => format!("+{}ms", (micros - self.begin) / 1000),
        }
    }

    fn decision<'d>(&self, decision: Option<&'d str>) -> &'d str {
        match self.form {
            Form::Bare => "",
            _ => decision.unwrap_or("undecided"),
        }
    }

    /// What somebody wrote or named, in quotes where it is said to be.
    fn words(&self, words: &str, quoted: bool) -> String {
        match (self.form, quoted) {
            (Form::Wordless, _) => "…".to_owned(),
            (_, true) => format!("{words:?}"),
            (_, false) => words.to_owned(),
        }
    }

    fn session(&mut self, session: &Session, parent: Option<&str>) {
        let Session { thread_id, state, counts, .. } = session;
        let row = format!("session {thread_id}");
        let last = session.last_seq;
        let thread = self.words(thread_id, false);
        self.put(&row, session.first_seq, format!("session {thread}"));
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
            if let Some(value) =
                value.as_ref().filter(|_| name != "model" || self.form != Form::Bare)
            {
                let value = self.words(value, false);
                self.put(&row, last, format!("  {name}: {value}"));
            }
        }
        if let Some(parent) = parent {
            let parent = self.words(parent, false);
            self.put(&row, last, format!("  parent: {parent}"));
        }
        let (since, cause) = (self.ms(session.since), self.line(session.cause_seq));
        let text = format!("  state: {} since {since} by line {cause}", state.as_str());
        self.put(&row, Some(session.cause_seq), text);
        let text = format!("  outcome: {}", session.outcome.as_str().unwrap_or("none"));
        self.put(&row, last, text);
        let health = match self.form {
            Form::Wordless => "…".to_owned(),
            _ => format!("{:?}", session.health),
        };
        self.put(&row, last, format!("  health: {health}, pending: {}", session.pending.len()));
        let tokens = session.tokens().map_or(0, |tokens| tokens.total);
        self.put(&row, last, format!("  tokens: {tokens}"));
        let text = format!(
            "  turns: {} = {} completed, {} interrupted, {} failed, {} lost",
            counts.turns,
            counts.turns_completed,
            counts.turns_interrupted,
            counts.turns_failed,
            counts.turns_lost
        );
        self.put(&row, last, text);
        let text = format!(
            "  commands: {} = {} completed, {} failed, {} declined",
            counts.commands,
            counts.commands_completed,
            counts.commands_failed,
            counts.commands_declined
        );
        self.put(&row, last, text);
        let text = format!(
            "  file changes: {} = {} completed, {} failed, {} declined",
            counts.file_changes,
            counts.file_changes_completed,
            counts.file_changes_failed,
            counts.file_changes_declined
        );
        self.put(&row, last, text);
        let text = format!(
            "  tool calls: {}, messages: {}, requests: {}, errors: {}, malformed: {}",
            counts.tool_calls, counts.messages, counts.requests, counts.errors, counts.malformed
        );
        self.put(&row, last, text);
    }

    fn turn(&mut self, session: &Session, seq: u64, turn: &Turn) {
        let text = format!(
            "  turn {} line {}..{} {} to {}: {} {}{}{}{}{}",
            turn.number,
            self.line(seq),
            self.ended(turn.end_seq),
            self.ms(turn.started_at),
            turn.ended_at.map_or("open".to_owned(), |at| self.ms(at)),
            turn.outcome.as_str().unwrap_or("open"),
            self.words(turn.prompt.as_deref().unwrap_or(""), true),
            turn.spent.map_or(String::new(), |spent| format!(", {} tokens", spent.total)),
            if turn.retries > 0 { format!(", {} retries", turn.retries) } else { String::new() },
            turn.error
                .as_ref()
                .map_or(String::new(), |error| format!(", error {}", self.words(error, true))),
            match (turn.dropped_seq, self.form) {
                // What was to go stands in the client's request.
                (None, _) | (_, Form::Bare) => String::new(),
                (Some(seq), _) => format!(", dropped by line {}", self.line(seq)),
            },
        );
        let newest = turn.end_seq.max(turn.dropped_seq);
        let row = format!("turn {} of session {}", turn.number, session.thread_id);
        self.put(&row, newest.or(Some(seq)), text);
    }

    fn action(&mut self, session: &Session, seq: u64, action: &Action) {
        let mut facts = String::new();
        // Writing to a String cannot fail.
        if let Some(code) = action.exit_code {
            let _ = write!(facts, " exit {code}");
        }
        for file in &action.files {
            let path = self.words(&file.names(), false);
            let _ = write!(facts, " [{} {path} +{} -{}]", file.kind, file.plus, file.minus);
        }
        for approval in &action.approvals {
            let decision = self.decision(approval.decision.as_deref());
            let _ = write!(facts, " asked at line {}: {decision}", self.line(approval.request));
        }
        let kind = action.kind.as_str();
        let text = format!(
            "    {kind} line {}..{} {}: {}{facts}",
            self.line(seq),
            self.ended(action.end_seq),
            action.status.as_str(),
            self.words(&action.summary, true),
        );
        let row = format!("{kind} {} of session {}", action.item_id, session.thread_id);
        self.put(&row, action.end_seq.or(Some(seq)), text);
    }

    fn request(&mut self, seq: u64, request: &Request) {
        let status = match request.status.as_str() {
            // Old releases tell of an answer only where it is recorded; else the turn's end does.
            "answered" | "cleared" if self.form == Form::Bare => "over",
            status => status,
        };
        let text = format!(
            "request line {}..{} {} {status}: {} {}",
            self.line(seq),
            self.ended(request.end_seq),
            request.class.as_str(),
            self.decision(request.decision.as_deref()),
            self.words(&request.summary, true),
        );
        let row = format!("request {} ({})", request.rpc_id, request.method);
        self.put(&row, request.end_seq.or(Some(seq)), text);
    }
}
