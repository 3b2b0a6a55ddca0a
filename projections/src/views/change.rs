//! What changed between two moments, one document a session.

use super::{FileDoc, request_id};
use crate::rows::{Action, ActionKind, ActionStatus, FileLines, Session, Sid, Turn};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Actions, Sessions, Threads, Turns};
use serde::Serialize;

/// What changed in one session.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeDoc {
    /// The short id.
    pub id: String,
    /// Codex's thread id.
    pub thread_id: String,
    /// Its name, else its agent's, else its first words.
    pub label: Option<String>,
    /// The session that made it.
    pub parent_id: Option<String>,
    /// It was not there before.
    pub began: bool,
    /// Its state.
    pub state: FromTo,
    /// How its last ended turn ended.
    pub outcome: FromTo,
    /// Turns that began or ended in between, oldest first.
    pub turns: Vec<TurnChange>,
    /// Commands that ended in between.
    pub commands: u64,
    /// Of those, failed.
    pub commands_failed: u64,
    /// Of those, declined.
    pub commands_declined: u64,
    /// Of those, cut off with their turn or their process.
    pub commands_interrupted: u64,
    /// Files that were changed in between, each once.
    pub files: Vec<FileDoc>,
    /// Requests that wait, those of before included.
    pub waiting: Vec<String>,
    /// Requests that were made in between.
    pub requests: u64,
    /// Tokens spent in between.
    pub tokens: u64,
    /// Records that came in between.
    pub records: u64,
    /// Its last error, if it was told in between.
    pub error: Option<String>,
    /// What it did last, in one line.
    pub last_action: Option<String>,
    /// Its newest record.
    pub last_seq: Option<u64>,
}

/// A word before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FromTo {
    /// Before; null: none, or the session was not there.
    pub from: Option<&'static str>,
    /// After; null: none.
    pub to: Option<&'static str>,
}

/// A turn that began or ended.
#[derive(Debug, Clone, Serialize)]
pub struct TurnChange {
    /// Which turn of its session, from 1.
    pub number: u32,
    /// Its first record.
    pub seq: u64,
    /// Its input's first line.
    pub prompt: Option<String>,
    /// How it ended; null while it is open.
    pub outcome: Option<&'static str>,
    /// Why it failed or was lost.
    pub error: Option<String>,
}

/// The sessions with records after seq `after`, those with the newest first: what is different in `now`
/// from what was in `then`, whose tables are those after `after`.
pub fn changes(then: &View<'_>, now: &View<'_>, after: u64) -> Result<Vec<ChangeDoc>, StoreError> {
    let mut rows: Vec<(Sid, Session)> = Vec::new();
    now.scan::<Sessions>(&[], &[], |sid, session| {
        if !session.unconfirmed && session.last_seq.is_some_and(|last| last > after) {
            rows.push((sid, session));
        }
        true
    })?;
    rows.sort_by_key(|(sid, session)| (std::cmp::Reverse(session.last_seq), *sid));
    rows.into_iter().map(|(sid, session)| change(then, now, after, sid, session)).collect()
}

fn change(
    then: &View<'_>,
    now: &View<'_>,
    after: u64,
    sid: Sid,
    session: Session,
) -> Result<ChangeDoc, StoreError> {
    // Then it may have had another number.
    let known_as = then.get::<Threads>(&session.thread_id)?;
    let before = match known_as {
        Some(known_as) => then.get::<Sessions>(&known_as)?,
        None => None,
    };
    let was = before.clone().unwrap_or_default();
    let parent_id = match session.parent {
        Some(parent) => now.get::<Sessions>(&parent)?.map(|parent| parent.id),
        None => None,
    };
    let mut actions = ended_since(now, sid, after, after)?;
    for item in &was.open_items {
        let action = now.get::<Actions>(&(sid, item.seq))?;
        actions.extend(action.filter(|action| action.end_seq.is_some_and(|end| end > after)));
    }
    let deeds = Deeds::of(actions);
    let turns = turns_since(now, sid, after)?;
    let mut tokens = 0;
    for turn in &turns {
        let known = match known_as {
            Some(known_as) => spent_in(then, known_as, turn.seq)?,
            None => 0,
        };
        tokens += spent_in(now, sid, turn.seq)?.saturating_sub(known);
    }
    let state = before.as_ref().map(|before| before.state.as_str());
    let news = session.counts.errors > was.counts.errors;
    Ok(ChangeDoc {
        label: session.name.clone().or(session.agent.clone()).or(session.title.clone()),
        parent_id,
        began: before.is_none(),
        state: FromTo { from: state, to: Some(session.state.as_str()) },
        outcome: FromTo { from: was.outcome.as_str(), to: session.outcome.as_str() },
        turns,
        commands: deeds.commands,
        commands_failed: deeds.failed,
        commands_declined: deeds.declined,
        commands_interrupted: deeds.interrupted,
        files: deeds.files,
        waiting: session.pending.iter().map(|(seq, _)| request_id(*seq)).collect(),
        requests: session.counts.requests.saturating_sub(was.counts.requests),
        tokens,
        records: session.counts.records.saturating_sub(was.counts.records),
        error: session.last_error.clone().filter(|_| news),
        last_action: session.last_action.map(|action| action.summary),
        last_seq: session.last_seq,
        id: session.id,
        thread_id: session.thread_id,
    })
}

/// The tokens that a turn has cost.
fn spent_in(view: &View<'_>, sid: Sid, turn: u64) -> Result<u64, StoreError> {
    let row = view.get::<Turns>(&(sid, turn))?;
    Ok(row.and_then(|turn| turn.spent).map_or(0, |spent| spent.total))
}

/// The actions that began after seq `begun` and ended after seq `ended`, oldest first.
pub(super) fn ended_since(
    now: &View<'_>,
    sid: Sid,
    begun: u64,
    ended: u64,
) -> Result<Vec<Action>, StoreError> {
    let mut actions = Vec::new();
    now.scan_back::<Actions>(&sid.to_bytes(), |(_, seq), action| {
        if seq > begun && action.end_seq.is_some_and(|end| end > ended) {
            actions.push(action);
        }
        seq > begun
    })?;
    actions.reverse();
    Ok(actions)
}

/// What ended actions come to.
#[derive(Default)]
pub(super) struct Deeds {
    /// Commands.
    pub commands: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Of those, declined.
    pub declined: u64,
    /// Of those, cut off with their turn or their process.
    pub interrupted: u64,
    /// Files that were changed, each once, by the name that it has now.
    pub files: Vec<FileDoc>,
}

impl Deeds {
    pub fn of(actions: impl IntoIterator<Item = Action>) -> Deeds {
        let mut deeds = Deeds::default();
        for action in actions {
            match (action.kind, action.status) {
                (ActionKind::Command, status) => deeds.command(status),
                (ActionKind::FileChange, ActionStatus::Completed) => {
                    action.files.into_iter().for_each(|file| deeds.file(file));
                }
                _ => {}
            }
        }
        deeds
    }

    fn command(&mut self, status: ActionStatus) {
        self.commands += 1;
        match status {
            ActionStatus::InProgress | ActionStatus::Completed | ActionStatus::RunsOn => {}
            ActionStatus::Failed => self.failed += 1,
            ActionStatus::Declined => self.declined += 1,
            ActionStatus::Interrupted | ActionStatus::Lost => self.interrupted += 1,
        }
    }

    fn file(&mut self, file: FileLines) {
        match self.files.iter_mut().find(|known| known.name_now() == file.path) {
            Some(known) => {
                known.plus += file.plus;
                known.minus += file.minus;
                known.moved_to = file.moved_to.or(known.moved_to.take());
                // A file that was made and then changed was made.
                if file.kind == "delete" {
                    known.kind = file.kind;
                }
            }
            None => self.files.push(FileDoc::from(file)),
        }
    }
}

pub(super) fn turns_since(
    now: &View<'_>,
    sid: Sid,
    after: u64,
) -> Result<Vec<TurnChange>, StoreError> {
    let mut turns: Vec<(u64, Turn)> = Vec::new();
    now.scan_back::<Turns>(&sid.to_bytes(), |(_, seq), turn| {
        // A turn that ended before ends the search, but for one whose end was told late.
        let touched = seq > after || turn.end_seq.is_none_or(|end| end > after);
        if touched {
            turns.push((seq, turn));
        }
        touched
    })?;
    turns.reverse();
    let told = |(seq, turn): (u64, Turn)| TurnChange {
        number: turn.number,
        seq,
        prompt: turn.prompt,
        outcome: turn.outcome.as_str(),
        error: turn.error,
    };
    Ok(turns.into_iter().map(told).collect())
}
