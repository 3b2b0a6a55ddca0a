//! A session as it is shown now.

use super::Lives;
use crate::output::{Role, Style, age, ago, clean, cut, state, tokens};
use serde::Serialize;
use sm_daemon::api::Comeback;
use sm_projections::tables::Requests;
use sm_projections::views::{self, SessionDoc};
use sm_projections::{StoreError, View};

/// A live session that said nothing for so long looks stuck.
const STUCK_MS: i64 = 10 * 60 * 1000;

/// A session's document with what the present adds.
#[derive(Debug, Clone, Serialize)]
pub struct SessionShown {
    /// What the log tells.
    #[serde(flatten)]
    pub doc: SessionDoc,
    /// How long it has been in its state.
    pub state_for_ms: Option<i64>,
    /// How long it has been in the archive; null where it is not, or nobody kept since when.
    pub archived_for_ms: Option<i64>,
    /// How long no record of it has come.
    pub quiet_for_ms: Option<i64>,
    /// Why it looks stuck; null: it does not.
    pub looks_stuck: Option<LooksStuck>,
    /// What keeps it, where it lost its server and a running daemon is to resume it; else null.
    pub resuming: Option<Comeback>,
    /// Whether of what it asks for last it told only why.
    #[serde(skip)]
    tells_only_why: bool,
}

/// Why a session looks stuck.
#[derive(Debug, Clone, Serialize)]
pub struct LooksStuck {
    /// `quiet`: a turn is open and nothing comes. `process_gone`: what would come never will.
    pub reason: &'static str,
    /// How long is too long; null where time is not the reason.
    pub threshold_ms: Option<i64>,
}

/// Adds what the present tells.
pub fn show(
    view: &View<'_>,
    lives: &mut Lives,
    mut doc: SessionDoc,
    now: i64,
) -> Result<SessionShown, StoreError> {
    doc.live = lives.of_id(view, &doc.id)?;
    let since = |at: i64| (at > 0).then(|| (now - at).max(0) / 1000);
    let quiet_for_ms = doc.last_seq.and_then(|_| since(doc.last_micros));
    let busy = matches!(doc.activity_state, "working" | "thinking");
    let looks_stuck = match doc.live {
        Some(false) if doc.activity_state != "stopped" && doc.turn_id.is_some() => {
            Some(LooksStuck { reason: "process_gone", threshold_ms: None })
        }
        Some(true) if busy && quiet_for_ms.is_some_and(|quiet| quiet >= STUCK_MS) => {
            Some(LooksStuck { reason: "quiet", threshold_ms: Some(STUCK_MS) })
        }
        _ => None,
    };
    let resuming = match doc.activity_state {
        "stopped" => lives.comeback_of_id(view, &doc.id)?,
        _ => None,
    };
    let state_for_ms = since(doc.since_micros);
    let archived_for_ms = doc.archived_micros.and_then(since);
    let tells_only_why = tells_only_why(view, &doc)?;
    Ok(SessionShown {
        doc,
        state_for_ms,
        archived_for_ms,
        quiet_for_ms,
        looks_stuck,
        resuming,
        tells_only_why,
    })
}

/// Whether of what it asks for last the line says only why it asks.
fn tells_only_why(view: &View<'_>, doc: &SessionDoc) -> Result<bool, StoreError> {
    let last = doc.last_action.as_ref().filter(|last| last.phase == "pre");
    let asked = doc.blocked_on.as_ref().filter(|blocked| blocked.kind == "request");
    let asked = asked.and_then(|blocked| views::parse_request_id(&blocked.what));
    let (Some(last), Some(asked)) = (last, asked) else { return Ok(false) };
    let reason = view.get::<Requests>(&asked)?.and_then(|request| request.reason);
    Ok(reason.is_some_and(|reason| reason == last.summary))
}

/// What to call a session: its name, else its agent's, else its first words.
pub fn label(doc: &SessionDoc, width: usize) -> String {
    let words = doc.name.as_deref().or(doc.agent.as_deref()).or(doc.title.as_deref());
    cut(&clean(words.unwrap_or("-")), width).into_owned()
}

/// The settings that a session keeps from turn to turn; none where it takes them as they come.
pub fn kept_words(doc: &SessionDoc) -> Option<String> {
    let kept = &doc.kept;
    let words = [&kept.model, &kept.effort, &kept.approval, &kept.sandbox];
    let words: Vec<String> =
        words.into_iter().flatten().map(|word| clean(word).into_owned()).collect();
    (!words.is_empty()).then(|| words.join(" · "))
}

impl SessionShown {
    /// The state in a cell: glyph, words, and for how long.
    pub fn state_cell(&self) -> (Option<Role>, String) {
        let (role, glyph, words) = match (self.doc.archived, self.doc.activity_state) {
            (true, "idle") => (Role::Dim, "■", "archived".to_owned()),
            (false, "stopped") if self.resuming.is_some() => {
                (Role::NeedsHuman, "↻", "resuming".to_owned())
            }
            (true, "stopped") => (Role::Dim, "■", "stopped, archived".to_owned()),
            (_, word) => state(word, self.doc.live),
        };
        let lasted = match self.is_put_away() {
            true => self.archived_for_ms,
            false => self.state_for_ms,
        };
        let lasted = lasted.map_or(String::new(), |ms| format!(" {}", age(ms * 1000)));
        (Some(role), format!("{glyph} {words}{lasted}"))
    }

    /// Whether its state is told as archived, and not as the one that it would have beside that.
    fn is_put_away(&self) -> bool {
        self.doc.archived && self.doc.activity_state == "idle"
    }

    /// Since when it is what [`SessionShown::state_cell`] says, and the record that made it so; of an archived
    /// one both may be unknown.
    pub fn made_so(&self) -> (Option<&str>, Option<u64>) {
        let doc = &self.doc;
        match self.is_put_away() {
            true => (doc.archived_since.as_deref(), doc.archived_cause_seq),
            false => (doc.since.as_deref(), Some(doc.cause_seq)),
        }
    }

    /// What keeps it, where a daemon is to resume it.
    pub fn resuming_words(&self) -> Option<String> {
        self.resuming.as_ref().map(resuming_words)
    }

    /// The outcome of the last turn, or why it looks wrong.
    pub fn outcome_cell(&self) -> (Option<Role>, String) {
        match self.doc.outcome {
            outcome if self.doc.health == "error" && outcome != Some("failed") => {
                (Some(Role::Bad), "✗ error".to_owned())
            }
            Some("completed") => (Some(Role::Good), "✓ completed".to_owned()),
            Some(word @ ("failed" | "lost")) => (Some(Role::Bad), format!("✗ {word}")),
            Some(word) => (None, format!("– {word}")),
            None => (Some(Role::Dim), "-".to_owned()),
        }
    }

    /// The last action, with its age.
    pub fn last_action_words(&self, now: i64, width: usize) -> String {
        match &self.doc.last_action {
            Some(last) => {
                let word = match (last.phase, last.status, last.kind) {
                    ("pre", _, "command") if self.tells_only_why => "asks to run something, why: ",
                    ("pre", _, "file_change") if self.tells_only_why => {
                        "asks to change files, why: "
                    }
                    ("pre", _, "command") => "asks to run ",
                    ("pre", _, "file_change") => "asks to change ",
                    ("pre", ..) => "asks for ",
                    (_, "runs_on", _) => "in the background: ",
                    ("running", ..) => "running ",
                    _ => "",
                };
                let summary = match last.summary.as_str() {
                    "" => last.kind.into(),
                    summary => clean(summary),
                };
                format!("{word}{} ({} ago)", cut(&summary, width), ago(now, last.at_micros))
            }
            None => "-".to_owned(),
        }
    }
}

/// What keeps a session that a daemon is to resume.
pub fn resuming_words(comeback: &Comeback) -> String {
    match &comeback.reason {
        Some(reason) => format!("resuming: {}", clean(reason)),
        None => "resuming: its server is gone, it is being loaded again".to_owned(),
    }
}

/// One line of `sm children`.
pub fn family_line(style: Style, shown: &SessionShown, depth: usize, now: i64) -> String {
    let doc = &shown.doc;
    let (role, state) = shown.state_cell();
    let mut parts = vec![
        format!("{} ({})", style.paint(Role::Strong, label(doc, 40)), doc.id),
        doc.provider.clone(),
        style.paint(role.unwrap_or(Role::Dim), state),
    ];
    if doc.outcome.is_some() || doc.health == "error" {
        let (role, words) = shown.outcome_cell();
        parts.push(role.map_or(words.clone(), |role| style.paint(role, &words)));
    }
    parts.extend(shown.resuming_words().map(|words| cut(&words, 100).into_owned()));
    if doc.last_action.is_some() {
        parts.push(format!("last action: {}", shown.last_action_words(now, 60)));
    }
    if let Some(used) = &doc.tokens {
        parts.push(format!("{} tokens", tokens(used.total)));
    }
    if matches!(doc.activity_state, "waiting_permission" | "waiting_input") {
        let ids = doc.pending_request_ids.join(" ");
        parts.push(match doc.live {
            Some(true) => style.paint(Role::NeedsHuman, format!("waits for an answer: {ids}")),
            _ => style.paint(Role::Dim, format!("asked: {ids}")),
        });
    }
    if let Some(quiet) = shown.quiet_for_ms {
        parts.push(format!("quiet {}", age(quiet * 1000)));
    }
    if let Some(stuck) = &shown.looks_stuck {
        parts.push(style.paint(Role::Bad, format!("looks stuck: {}", stuck.reason)));
    }
    format!("{}{}", "  ".repeat(depth), parts.join(" | "))
}
