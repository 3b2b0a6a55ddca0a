//! The history that a brief tells of: a session's own turns, and those that a fork took over.
//!
//! What always holds: what a fork took over is told as the log knew it when the fork was made, whatever became
//! of its origin since; where that cannot be told any more, nothing is told of it.

use crate::context::Context;
use crate::error::Error;
use crate::output::Streams;
use crate::past::{At, Question};
use crate::read::Tables;
use sm_log::Reader;
use sm_projections::View;
use sm_projections::rows::{ActionKind, Session, Sid};
use sm_projections::views::{self, ActionDoc, TurnDoc};
use sm_protocol::Kind;
use sm_protocol::synthetic::{SessionSpawned, Synthetic};
use std::collections::BTreeMap;

/// How many forks of forks are followed.
const FORKS_MAX: usize = 16;

/// Turns of one session, oldest first, with what was done in them.
pub(super) struct Stretch {
    pub session_id: String,
    pub thread_id: String,
    pub turns: Vec<TurnDoc>,
    actions: Vec<ActionDoc>,
    numbers: BTreeMap<u64, u32>,
}

/// What a fork took over.
pub(super) struct Fork {
    /// The record that made it.
    pub seq: u64,
    /// The oldest first.
    pub stretches: Vec<Stretch>,
}

impl Fork {
    /// The last turn of its origin's that it has.
    pub fn last_turn(&self) -> Option<u32> {
        Some(self.stretches.last()?.turns.last()?.number)
    }
}

impl Stretch {
    /// A session's turns that are in its history, and all that it did to files: that stands also where the turn was
    /// rolled back.
    pub fn of(view: &View<'_>, sid: Sid, session: &Session) -> Result<Stretch, Error> {
        let turns = views::turns(view, sid, usize::MAX, |turn| turn.dropped_seq.is_none())?;
        let actions = views::actions(view, sid, usize::MAX, |action| {
            use ActionKind::{
                Collab, Command, DynamicTool, FileChange, McpTool, UserMessage, WebSearch,
            };
            matches!(
                action.kind,
                Collab | Command | DynamicTool | FileChange | McpTool | UserMessage | WebSearch
            )
        })?;
        let mut stretch = Stretch {
            session_id: session.id.clone(),
            thread_id: session.thread_id.clone(),
            turns,
            actions,
            numbers: BTreeMap::new(),
        };
        stretch.keep(|action| action.kind == "file_change");
        Ok(stretch)
    }

    /// Leaves out what is of no turn that is there, but for what `too` wants.
    fn keep(&mut self, too: impl Fn(&ActionDoc) -> bool) {
        self.numbers = self.turns.iter().map(|turn| (turn.seq, turn.number)).collect();
        let numbers = &self.numbers;
        let is_there =
            |action: &ActionDoc| action.turn_seq.is_none_or(|it| numbers.contains_key(&it));
        self.actions.retain(|action| is_there(action) || too(action));
    }

    /// The actions of those kinds, oldest first, each with the stretch.
    pub fn actions(
        &self,
        kinds: &'static [&'static str],
    ) -> impl Iterator<Item = (&Stretch, &ActionDoc)> {
        let of_kind = |action: &&ActionDoc| kinds.contains(&action.kind);
        self.actions.iter().filter(of_kind).map(move |action| (self, action))
    }

    /// The number of the turn that an action is of.
    pub fn number(&self, action: &ActionDoc) -> Option<u32> {
        self.numbers.get(&action.turn_seq?).copied()
    }
}

/// Where forks come from.
pub(super) struct Origins<'o> {
    pub context: &'o Context,
    pub streams: &'o Streams,
    pub live: &'o Tables,
    pub log: &'o Reader,
}

impl Origins<'_> {
    /// What a session took over from the one that it was forked from, and still had after record `through`; `None`
    /// where it is no fork, or what it took over is not known.
    pub fn of(&self, session: &Session, through: u64) -> Result<Option<Fork>, Error> {
        self.taken_over(session, through, FORKS_MAX)
    }

    fn taken_over(
        &self,
        session: &Session,
        through: u64,
        most: usize,
    ) -> Result<Option<Fork>, Error> {
        let Some(origin) = session.forked_from.as_ref().filter(|_| most > 0) else {
            return Ok(None);
        };
        let Some(made) = Made::read(self.log, session, through)? else { return Ok(None) };
        let words = [origin.clone()];
        let question = Question::Sessions(&words);
        let then = At::after(made.seq).of(self.context, self.streams, self.live, &question);
        let tables = match then {
            // It was before the log, or is no longer kept.
            Err(error) if is_unknown(&error) => return Ok(None),
            tables => tables?,
        };
        let view = tables.view()?;
        let origin = match tables.select(self.context, &view, origin) {
            Err(error) if is_unknown(&error) => return Ok(None),
            found => found?,
        };
        let before = self.taken_over(&origin.session, made.seq, most - 1)?;
        if before.is_none() && origin.session.forked_from.is_some() {
            return Ok(None);
        }
        let mut stretches = before.map_or(Vec::new(), |before| before.stretches);
        let mut own = Stretch::of(&view, origin.sid, &origin.session)?;
        if let Some(last) = &made.last_turn {
            let Some(last) = views::turn_number(&view, origin.sid, &origin.session, last)? else {
                return Ok(None);
            };
            own.turns.retain(|turn| turn.seq <= last);
        }
        stretches.push(own);
        // The newest go first.
        for _ in 0..made.dropped {
            let newest = stretches.iter_mut().rev().find(|stretch| !stretch.turns.is_empty());
            newest.and_then(|stretch| stretch.turns.pop());
        }
        stretches.iter_mut().for_each(|stretch| stretch.keep(|_| false));
        Ok(Some(Fork { seq: made.seq, stretches }))
    }
}

fn is_unknown(error: &Error) -> bool {
    matches!(error.code.as_str(), "not_found" | "below_floor")
}

/// How a fork was made.
struct Made {
    /// The record that tells of it.
    seq: u64,
    /// Codex's id of the last turn that it took over; none: all.
    last_turn: Option<String>,
    /// How many of those were rolled back since.
    dropped: usize,
}

impl Made {
    /// Reads it from the fork's own records; `None` for one that `sm` did not make.
    fn read(log: &Reader, fork: &Session, through: u64) -> Result<Option<Made>, Error> {
        let thread = fork.thread_id.as_bytes();
        let mut records = log.session(thread, log.first_revision(thread)?)?;
        let mut made: Option<Made> = None;
        while let Some((_, record)) = records.next()? {
            if record.seq > through {
                break;
            }
            if ![Kind::SM_SESSION_SPAWNED.0, Kind::SM_TURNS_DROPPED.0].contains(&record.kind) {
                continue;
            }
            match (Synthetic::from_payload(record.payload), &mut made) {
                (
                    Some(Synthetic::SessionSpawned(SessionSpawned {
                        forked_from, forked_at, ..
                    })),
                    None,
                ) if forked_from.is_some() => {
                    made = Some(Made { seq: record.seq, last_turn: forked_at, dropped: 0 });
                }
                (Some(Synthetic::TurnsDropped(cut)), Some(made)) => {
                    made.dropped += (cut.count as usize).saturating_sub(cut.turns.len());
                }
                _ => {}
            }
        }
        Ok(made)
    }
}
