//! `sm wait`: until sessions have settled.
//!
//! What always holds: it follows the log and the tables, so it works without a daemon and is never
//! told an older state than the log holds; it returns at once where what is waited for is so. What has
//! settled is what an agent's own wait calls settled, too; and no session is called dead that a running
//! daemon still brings back.

use super::result::message_text;
use crate::context::Context;
use crate::daemon::looked;
use crate::error::{Error, Exit, OTHER_LOG};
use crate::output::{GUTTER, Role, Streams, clean, now_micros};
use crate::read::{Follow, Head, Tables, pin, select};
use crate::show::{Lives, SessionShown, Soon, label, quoted_text, resuming_words, show};
use crate::targets::Selector;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use serde::Serialize;
use sm_daemon::Home;
use sm_log::ReadError;
use sm_projections::View;
use sm_projections::rows::{Session, Sid, SourceKind};
use sm_projections::table::Key;
use sm_projections::tables::{Children, Sessions, Sources};
use sm_projections::views::{self, Answered, Standing};
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// How long a session whose process is gone may take to be resumed.
const GONE_PATIENCE: Duration = Duration::from_secs(5);

/// Waits until sessions have settled: turn closed, queue empty, sub-agents settled.
///
/// A request that waits for a human ends it (exit 3), so does a dead session (exit 8).
#[derive(Debug, Args)]
pub struct Wait {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    #[command(flatten)]
    chosen: Selector,

    /// Until one of them has.
    #[arg(long, conflicts_with = "all")]
    any: bool,

    /// Until all of them have; the default.
    #[arg(long)]
    all: bool,

    /// What to wait for.
    #[arg(long = "for", value_enum, value_name = "STATE", default_value = "settled")]
    wanted: Wanted,

    /// Only what came after this cursor counts, as `spawn` and `send` give it.
    #[arg(long, value_name = "LOGID:SEQ")]
    after: Option<String>,

    /// Gives up after so long (exit 124): 30s, 5m, or seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,

    /// Goes on waiting while a request waits for a human.
    #[arg(long)]
    pub(super) through_approvals: bool,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Wanted {
    /// Turn closed, queue empty, sub-agents settled.
    Settled,
    Idle,
    Working,
    Thinking,
    WaitingPermission,
    WaitingInput,
    Stopped,
}

impl Wanted {
    fn state(self) -> Option<&'static str> {
        match self {
            Wanted::Settled => None,
            Wanted::Idle => Some("idle"),
            Wanted::Working => Some("working"),
            Wanted::Thinking => Some("thinking"),
            Wanted::WaitingPermission => Some("waiting_permission"),
            Wanted::WaitingInput => Some("waiting_input"),
            Wanted::Stopped => Some("stopped"),
        }
    }
}

/// A time of the command line.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let time: SignedDuration =
        text.parse().map_err(|_| "a time is 30s, 5m, 1h30m, or a number of seconds".to_owned())?;
    Duration::try_from(time).map_err(|_| "a time cannot be negative".to_owned())
}

/// Where the wait for one session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reached {
    /// What was waited for is so.
    Yes,
    /// Not yet.
    No,
    /// A human must answer first.
    NeedsHuman,
    /// It will never be.
    Dead,
}

/// The processes behind what is waited for, over the time of the wait.
pub(super) struct Watch {
    home: Home,
    /// What was said of those that are to be resumed.
    told: BTreeSet<String>,
    /// Since when a session's process is gone.
    gone: HashMap<Sid, Instant>,
}

impl Watch {
    /// Begins to look.
    pub(super) fn new(context: &Context) -> Watch {
        Watch { home: context.home.clone(), told: BTreeSet::new(), gone: HashMap::new() }
    }

    /// Whether the session is live now.
    fn is_live(&self, view: &View<'_>, session: &Session) -> Result<Option<bool>, Error> {
        Ok(Lives::new(self.home.clone()).of(view, session)?)
    }

    /// Says once what keeps a session that is to be resumed: what it is waited for may take long.
    fn tell(&mut self, view: &View<'_>, sid: Sid, streams: &mut Streams) -> Result<(), Error> {
        let Some(session) = view.get::<Sessions>(&sid)? else { return Ok(()) };
        let comeback = Lives::new(self.home.clone()).comeback(view, &session)?;
        // What is only being loaded is not worth a word.
        if let Some(comeback) = comeback.filter(|comeback| comeback.reason.is_some()) {
            let words = format!("{} waits: {}", session.id, resuming_words(&comeback));
            if self.told.insert(words.clone()) {
                streams.say(words);
            }
        }
        Ok(())
    }

    /// Whether its process has been gone for too long, and no daemon is about to bring it back.
    fn stays_away(
        &mut self,
        view: &View<'_>,
        sid: Sid,
        session: &Session,
        live: Option<bool>,
    ) -> Result<bool, Error> {
        if live != Some(false) {
            self.gone.remove(&sid);
            return Ok(false);
        }
        if self.gone.entry(sid).or_insert_with(Instant::now).elapsed() <= GONE_PATIENCE {
            return Ok(false);
        }
        Ok(Lives::new(self.home.clone()).comeback(view, session)?.is_none())
    }
}

/// A session that waits for a human.
#[derive(Serialize)]
struct Asking {
    session_id: String,
    thread_id: String,
    name: Option<String>,
    /// What it asks; none where Codex says no more than that it waits.
    request_ids: Vec<String>,
}

impl Asking {
    fn new(session: Session, answered: Answered<'_>) -> Asking {
        let asked = session.pending.iter().filter(|(_, class)| class.asks_human());
        let asked = asked.filter(|(number, _)| !answered(*number));
        Asking {
            request_ids: asked.map(|(number, _)| views::request_id(*number)).collect(),
            session_id: session.id,
            thread_id: session.thread_id,
            name: session.name,
        }
    }

    /// `p6eeas worker: r12, r13`.
    fn words(&self) -> String {
        let name = self.name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
        let asked = match self.request_ids.as_slice() {
            [] => "Codex says no more than that it waits".to_owned(),
            ids => ids.join(", "),
        };
        format!("{}{name}: {asked}", self.session_id)
    }
}

#[derive(Serialize)]
struct Waited {
    reached: Reached,
    session: SessionShown,
    /// Who waits for a human: it, or sessions below it.
    waits_for: Vec<Asking>,
    /// The last message of its last turn; null while it goes on, and where that turn said nothing.
    result: Option<String>,
    /// Why its last turn failed or was lost.
    error: Option<String>,
    /// `sm wait --after` it.
    cursor: String,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    head: Head,
    /// `reached`, `needs_human`, `dead` or `timed_out`.
    reason: &'static str,
    sessions: Vec<Waited>,
}

impl Wait {
    /// A wait for one session.
    pub fn for_one(session: &str, after: Option<String>, wanted: Wanted) -> Wait {
        Wait {
            sessions: vec![session.to_owned()],
            chosen: Selector::default(),
            any: false,
            all: false,
            wanted,
            after,
            timeout: None,
            through_approvals: false,
        }
    }

    /// Waits.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        // A word that fits nothing is told at once, not waited for.
        let sessions = self.chosen.sessions(context, streams, &self.sessions)?;
        let tables = Tables::open_some(context, streams)?;
        self.not_beyond(&tables)?;
        let sessions = pin(context, &tables.view()?, &sessions)?;
        drop(tables);
        let began = Instant::now();
        let mut follow = Follow::new(context);
        let mut watch = Watch::new(context);
        loop {
            let tables = follow.next(streams)?;
            let view = tables.view()?;
            let after = self.after_seq(tables)?;
            let mut found = Vec::new();
            let soon = Soon::read(context);
            for word in &sessions {
                let at = select(context, &view, word)?;
                let reached = self.reached(&view, &soon, at.sid, &at.session, after, &mut watch)?;
                found.push((at.sid, reached));
            }
            let timed_out = self.timeout.is_some_and(|most| began.elapsed() >= most);
            if let Some((reason, exit)) = self.verdict(&found, timed_out) {
                let answer = answer(context, tables, &view, &soon, &found, reason)?;
                match context.json {
                    true => streams.document(&answer)?,
                    false => answer.print(context, streams)?,
                }
                for one in answer.sessions.iter().filter(|one| one.reached != Reached::No) {
                    looked(context, &one.session.doc.thread_id, answer.head.as_of.seq);
                }
                return Ok(exit);
            }
            for (sid, _) in found.iter().filter(|(_, reached)| *reached == Reached::No) {
                watch.tell(&view, *sid, streams)?;
            }
            drop(view);
            let left = self.timeout.map(|most| most.saturating_sub(began.elapsed()));
            let look = Duration::from_millis(500);
            follow.pause(streams, left.map_or(look, |left| left.min(look)))?;
        }
    }

    /// What has not happened yet has no cursor: waiting for what comes after it would never end.
    fn not_beyond(&self, tables: &Tables) -> Result<(), Error> {
        let (after, head) = (self.after_seq(tables)?, tables.head);
        match after > head {
            true => Err(ReadError::BeyondHead { seq: after, watermark: head }.into()),
            false => Ok(()),
        }
    }

    fn after_seq(&self, tables: &Tables) -> Result<u64, Error> {
        let Some(cursor) = &self.after else { return Ok(0) };
        let parts = cursor.split_once(':');
        let parsed = parts.and_then(|(id, seq)| Some((id, seq.parse::<u64>().ok()?)));
        let Some((id, seq)) = parsed else {
            return Err(Error::usage(format!("{cursor:?} is no cursor: LOGID:SEQ")));
        };
        if id != tables.log_id {
            let message = format!("the cursor is of log {id}, this one is {}", tables.log_id);
            return Err(Error::new(Exit::Conflict, "other_log", message).hint(OTHER_LOG));
        }
        Ok(seq)
    }

    /// Where the wait for one session stands; only what came after record `after` counts.
    pub(super) fn reached(
        &self,
        view: &View<'_>,
        soon: &Soon,
        sid: Sid,
        session: &Session,
        after: u64,
        watch: &mut Watch,
    ) -> Result<Reached, Error> {
        let is_import = is_import(view, session)?;
        let answered = |number| soon.answers_numbered(view, number);
        if let Some(state) = self.wanted.state() {
            let since = session.cause_seq > after;
            if session.state.as_str() == state && (after == 0 || since) {
                return Ok(Reached::Yes);
            }
        } else {
            // No daemon wakes what no process runs.
            let wakes = !is_import && watch.is_live(view, session)? != Some(false);
            match views::standing(view, sid, session, &answered, wakes)? {
                Some(Standing::Settled) if views::settled_after(view, session, after)? => {
                    return Ok(Reached::Yes);
                }
                Some(Standing::Gone) => return Ok(Reached::Dead),
                _ => {}
            }
        }
        if session.ended {
            return Ok(Reached::Dead);
        }
        if !self.through_approvals && !asking(view, sid, &answered)?.is_empty() {
            return Ok(Reached::NeedsHuman);
        }
        // A running daemon brings a session back whose server died: only one that stays away is dead.
        let live = match session.gone {
            true => Some(false),
            false => watch.is_live(view, session)?,
        };
        // Nobody will ever say more of an imported session.
        Ok(match is_import || watch.stays_away(view, sid, session, live)? {
            true => Reached::Dead,
            false => Reached::No,
        })
    }

    fn verdict(&self, found: &[(Sid, Reached)], timed_out: bool) -> Option<(&'static str, Exit)> {
        let any = |wanted: Reached| found.iter().any(|(_, reached)| *reached == wanted);
        let all = found.iter().all(|(_, reached)| *reached == Reached::Yes);
        if all || self.any && any(Reached::Yes) {
            Some(("reached", Exit::Ok))
        } else if any(Reached::NeedsHuman) {
            Some(("needs_human", Exit::NeedsHuman))
        } else if !self.any && any(Reached::Dead) || !any(Reached::No) {
            Some(("dead", Exit::Dead))
        } else if timed_out {
            Some(("timed_out", Exit::TimedOut))
        } else {
            None
        }
    }
}

/// The sessions that wait for a human: that one first, and those below it whose process is there.
fn asking(view: &View<'_>, root: Sid, answered: Answered<'_>) -> Result<Vec<Asking>, Error> {
    let (mut seen, mut asking) = (vec![root], Vec::new());
    let mut next = 0;
    while let Some(sid) = seen.get(next).copied() {
        next += 1;
        view.scan::<Children>(&Key::to_bytes(&sid), &[], |(_, child), ()| {
            if !seen.contains(&child) {
                seen.push(child);
            }
            true
        })?;
        let Some(session) = view.get::<Sessions>(&sid)? else { continue };
        let is_there = sid == root || !session.ended && !session.gone;
        if is_there && views::waits_for_human(&session, answered, now_micros()) {
            asking.push(Asking::new(session, answered));
        }
    }
    Ok(asking)
}

fn is_import(view: &View<'_>, session: &Session) -> Result<bool, Error> {
    let source = view.get::<Sources>(&session.source)?;
    Ok(source.is_some_and(|source| source.kind == SourceKind::Import))
}

fn answer(
    context: &Context,
    tables: &Tables,
    view: &View<'_>,
    soon: &Soon,
    found: &[(Sid, Reached)],
    reason: &'static str,
) -> Result<Answer, Error> {
    let as_of = tables.as_of(view)?;
    let (mut lives, now) = (tables.lives(), now_micros());
    let mut sessions = Vec::new();
    for (sid, reached) in found {
        let Some(doc) = views::session_doc(view, *sid)? else { continue };
        let row = view.get::<Sessions>(sid)?.unwrap_or_default();
        let turn = views::last_turn(view, *sid, &row)?.unwrap_or_default();
        let said = turn.message_seq.filter(|_| *reached != Reached::No);
        let result = said.and_then(|seq| {
            message_text(context, view, &row.thread_id, seq).ok().map(|said| said.text)
        });
        let waits_for = match reached {
            Reached::NeedsHuman | Reached::No => {
                asking(view, *sid, &|number| soon.answers_numbered(view, number))?
            }
            Reached::Yes | Reached::Dead => Vec::new(),
        };
        sessions.push(Waited {
            reached: *reached,
            session: show(view, &mut lives, doc, now)?,
            waits_for,
            result,
            error: turn.error,
            cursor: format!("{}:{}", tables.log_id, as_of.seq),
        });
    }
    Ok(Answer { head: Head::new("sm.wait/1", as_of), reason, sessions })
}

impl Answer {
    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let home = context.home_words();
        let is_winner = |waited: &&Waited| waited.reached == Reached::Yes;
        let has_winner =
            self.reason == "reached" && self.sessions.iter().any(|one| is_winner(&one));
        // Of several, those that were waited for long enough; all where the time is over.
        for waited in self.sessions.iter().filter(|one| !has_winner || is_winner(one)) {
            let doc = &waited.session.doc;
            let (role, state) = waited.session.state_cell();
            let state = streams.style.paint(role.unwrap_or(Role::Dim), state);
            let (role, outcome) = waited.session.outcome_cell();
            let outcome = streams.style.paint(role.unwrap_or(Role::Dim), outcome);
            let name = label(doc, 40);
            streams.line(format_args!(
                "{} {name} | {state} | {outcome} | {}",
                doc.id, waited.cursor
            ))?;
            let width = streams.size().map(|(columns, _)| columns);
            if let Some(error) = &waited.error {
                streams.bytes(quoted_text("error: ", error, width).as_bytes())?;
            }
            if let Some(result) =
                waited.result.as_deref().filter(|_| waited.reached == Reached::Yes)
            {
                streams.bytes(quoted_text(GUTTER, result, width).as_bytes())?;
            }
        }
        match self.reason {
            "needs_human" => {
                streams.say(format_args!("A human is waited for: sm{home} inbox"));
                // One may be below several that are waited for.
                let asking = self.sessions.iter().flat_map(|waited| &waited.waits_for);
                let lines: BTreeSet<String> = asking.map(Asking::words).collect();
                lines.iter().for_each(|line| streams.say(format_args!("  {line}")));
            }
            "dead" => {
                for waited in self.sessions.iter().filter(|one| one.reached == Reached::Dead) {
                    let doc = &waited.session.doc;
                    let further = match (doc.live, &doc.unresumable) {
                        // Of a transcript: there is nothing to load.
                        (None, _) => String::new(),
                        (Some(_), _) if doc.archived => {
                            format!("; out of the archive: sm{home} unarchive {}", doc.id)
                        }
                        (Some(_), None) => format!("; load it again: sm{home} resume {}", doc.id),
                        (Some(_), Some(_)) => {
                            format!("; a brief of it for a new one: sm{home} handoff {}", doc.id)
                        }
                    };
                    streams.say(format_args!(
                        "{} will not go on by itself: sm{home} explain {}{further}",
                        doc.id, doc.id
                    ));
                }
            }
            "timed_out" => streams.say("Not yet; the time is over."),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_command_line() {
        assert_eq!(parse_time("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_time("5m"), Ok(Duration::from_secs(300)));
        assert!(parse_time("soon").is_err());
        assert!(parse_time("-5m").is_err());
    }
}
