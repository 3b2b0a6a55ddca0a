//! `sm run`: one prompt to its end, for scripts.
//!
//! What always holds: standard output holds the last message and nothing else, or JSON lines; the exit
//! code is the outcome; a run that is given up (time-out, Ctrl-C, SIGTERM, a closed terminal) leaves no turn
//! running behind, nor does one whose reader is gone.

use super::result::message_text;
use super::spawn::Spawn;
use super::wait::{Reached, Wait, Wanted, Watch, parse_time};
use crate::context::Context;
use crate::daemon::{Client, Verb, acting};
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Follow, open_log, select};
use crate::show::{RecordDoc, Soon};
use clap::Args;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use sm_daemon::api::{Input, Spawn as Wish, Spawned};
use sm_log::{ReadError, Reader};
use sm_projections::rows::{Outcome, Session};
use sm_projections::views;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often signals and the time are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs one prompt in a new session to its end and prints the last message, for scripts.
///
/// The exit code tells how it ended: 0 completed, 1 failed, 3 waits for a human (it goes on once
/// answered), 8 dead, 124 timed out, 130 interrupted. With --json: records as they come, between a
/// line that it has begun and one that it has ended.
#[derive(Debug, Args)]
#[command(mut_arg("wait", |arg| arg.hide(true)))]
pub struct Run {
    #[command(flatten)]
    spawn: Spawn,

    /// The JSON schema that the last message is to keep to.
    #[arg(long, value_name = "FILE")]
    output_schema: Option<PathBuf>,

    /// Writes the last message there, too.
    #[arg(long, value_name = "FILE")]
    output_last_message: Option<PathBuf>,

    /// Interrupts it after so long (exit 124): 30s, 5m, or seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,

    /// Goes on waiting while a request waits for a human.
    #[arg(long)]
    through_approvals: bool,
}

/// How it ended.
struct Ended {
    /// `completed`, `failed`, `lost`, `interrupted`, `needs_human`, `dead` or `timed_out`.
    reason: &'static str,
    exit: Exit,
    session: Session,
    /// The last message.
    result: Option<String>,
    /// Why its turn failed or was lost.
    error: Option<String>,
    /// The last folded record.
    seq: u64,
}

impl Run {
    /// Runs it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let wish = self.spawn.wish(context)?;
        let Some(text) = wish.prompt.clone() else {
            return Err(Error::usage("say what to do: sm run 'PROMPT', or - for standard input"));
        };
        let output_schema = self.output_schema.as_deref().map(super::send::schema).transpose()?;
        if let Some(file) = &self.output_last_message {
            // An old message must not pass for this run's.
            write(file, "")?;
        }
        let interrupted = listen()?;
        let client = Client::or_start(context, streams)?;
        let plan = wish.plan;
        let spawned = client.spawn(&Wish { prompt: None, plan: None, ..wish })?;
        let input = Input {
            text,
            plan,
            output_schema,
            by: context.caller.clone(),
            codex: acting(context).codex,
            ..Input::default()
        };
        let taken = client.input(&spawned.id, &input)?;
        let begun = self.begun(context, streams, &spawned);
        let ended = begun
            .and_then(|()| {
                self.follow(context, streams, &client, &spawned, taken.input, &interrupted)
            })
            .map_err(|error| {
                // Nobody sees how it goes on; what failed is told, not what comes of this.
                let _ = client.act(Verb::Interrupt, &spawned.id, &acting(context));
                error.interrupts()
            })?;
        self.tell(context, streams, &spawned, &ended)
    }

    fn begun(
        &self,
        context: &Context,
        streams: &mut Streams,
        spawned: &Spawned,
    ) -> Result<(), Error> {
        if context.json {
            return streams.json_line(&json!({
                "schema": "sm.run/1", "event": "begun", "id": spawned.id,
                "thread_id": spawned.thread_id, "cursor": spawned.cursor,
            }));
        }
        streams.say(format_args!("{} started", spawned.id));
        Ok(())
    }

    /// Follows the session to its end, its records printed as they come.
    fn follow(
        &self,
        context: &Context,
        streams: &mut Streams,
        client: &Client<'_>,
        spawned: &Spawned,
        after: u64,
        interrupted: &AtomicBool,
    ) -> Result<Ended, Error> {
        let mut wait = Wait::for_one(&spawned.id, None, Wanted::Settled);
        wait.through_approvals = self.through_approvals;
        let (began, mut watch) = (Instant::now(), Watch::new(context));
        let mut follow = Follow::new(context);
        let log = open_log(context)?;
        let (mut revision, mut given_up) = (1, None);
        loop {
            let tables = follow.next(streams)?;
            let view = tables.view()?;
            let seq = view.checkpoint()?;
            let found = select(context, &view, &spawned.thread_id)?;
            if context.json {
                revision = print_records(streams, &log, &found.session, revision, seq)?;
            }
            let reached = wait.reached(
                &view,
                &Soon::read(context),
                found.sid,
                &found.session,
                after,
                &mut watch,
            )?;
            let told = match (reached, given_up) {
                (Reached::Yes, None) => Some(by_outcome(found.session.outcome)),
                (Reached::Yes | Reached::Dead | Reached::NeedsHuman, Some(why)) => Some(why),
                (Reached::Dead, None) => Some(("dead", Exit::Dead)),
                (Reached::NeedsHuman, None) => Some(("needs_human", Exit::NeedsHuman)),
                (Reached::No, _) => None,
            };
            if let Some((reason, exit)) = told {
                let text = |seq| message_text(context, &view, &spawned.thread_id, seq).ok();
                let turn = views::last_turn(&view, found.sid, &found.session)?;
                let said = turn.as_ref().and_then(|turn| turn.message_seq);
                let result = said.and_then(text).map(|said| said.text);
                let error = turn.and_then(|turn| turn.error);
                let error = error.or_else(|| found.session.last_error.clone());
                return Ok(Ended { reason, exit, session: found.session, result, error, seq });
            }
            drop(view);
            let timed_out = self.timeout.is_some_and(|most| began.elapsed() >= most);
            let why = match (interrupted.load(Ordering::Relaxed), timed_out) {
                (true, _) => Some(("interrupted", Exit::Interrupted)),
                (false, true) => Some(("timed_out", Exit::TimedOut)),
                (false, false) => None,
            };
            if let (Some(why), None) = (why, given_up) {
                given_up = Some(why);
                client.act(Verb::Interrupt, &spawned.id, &acting(context))?;
                continue;
            }
            let left = self.timeout.map(|most| most.saturating_sub(began.elapsed()));
            follow.pause(
                streams,
                left.map_or(LOOK, |left| left.clamp(Duration::from_millis(1), LOOK)),
            )?;
        }
    }

    fn tell(
        &self,
        context: &Context,
        streams: &mut Streams,
        spawned: &Spawned,
        ended: &Ended,
    ) -> Result<Exit, Error> {
        if let (Some(file), Some(text)) = (&self.output_last_message, &ended.result) {
            write(file, text)?;
        }
        if context.json {
            streams.json_line(&document(spawned, ended))?;
            return Ok(ended.exit);
        }
        if let Some(text) = &ended.result {
            streams.bytes(text.as_bytes())?;
            if streams.is_terminal() && !text.ends_with('\n') {
                streams.line("")?;
            }
        }
        let (home, id) = (context.home_words(), &spawned.id);
        let words = match ended.reason {
            "completed" => return Ok(Exit::Ok),
            "needs_human" => {
                format!("A human is waited for: sm{home} inbox; then: sm{home} wait {id}")
            }
            "dead" => format!("{id} will not go on by itself: sm{home} explain {id}"),
            "timed_out" => format!(
                "The time is over: {id} was interrupted. It can go on: sm{home} send {id} TEXT"
            ),
            "interrupted" => format!("{id} was interrupted. It can go on: sm{home} send {id} TEXT"),
            word => {
                let why = ended.error.as_deref().unwrap_or("Codex did not say why");
                let message = format!("the turn of {id} {word}: {}", crate::output::clean(why));
                return Err(Error::new(ended.exit, "turn_failed", message)
                    .hint(format!("See what it did: sm{home} tail {id}")));
            }
        };
        streams.say(words);
        Ok(ended.exit)
    }
}

fn document(spawned: &Spawned, ended: &Ended) -> Value {
    let session = &ended.session;
    let requests: Vec<String> =
        session.pending.iter().map(|(seq, _)| views::request_id(*seq)).collect();
    let log_id = spawned.cursor.split(':').next().unwrap_or_default();
    json!({
        "schema": "sm.run/1", "event": "ended", "id": spawned.id,
        "thread_id": spawned.thread_id, "reason": ended.reason,
        "outcome": session.outcome.as_str(), "exit_code": ended.exit as u8,
        "result": ended.result, "error": ended.error,
        "tokens": session.tokens().map(|tokens| tokens.total), "request_ids": requests,
        "cursor": format!("{log_id}:{}", ended.seq),
    })
}

fn by_outcome(outcome: Outcome) -> (&'static str, Exit) {
    match outcome {
        Outcome::Completed => ("completed", Exit::Ok),
        Outcome::Interrupted => ("interrupted", Exit::Interrupted),
        Outcome::Lost => ("lost", Exit::Failed),
        Outcome::Failed | Outcome::None => ("failed", Exit::Failed),
    }
}

/// Prints the session's records from that revision on, as far as they are folded. Returns the next
/// one's revision.
fn print_records(
    streams: &mut Streams,
    log: &Reader,
    session: &Session,
    from: u64,
    seq: u64,
) -> Result<u64, Error> {
    let mut next = from;
    let mut records = log.session(session.thread_id.as_bytes(), from)?;
    loop {
        match records.next() {
            Ok(Some((revision, record))) if record.seq <= seq => {
                let id = Some(session.id.clone());
                streams.json_line(&RecordDoc::new(&record, Some(revision), id))?;
                next = revision + 1;
            }
            Ok(_) => break,
            // What cannot be read any more is told by `sm replay`; the run goes on.
            Err(ReadError::Gap(_) | ReadError::BelowFloor { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    streams.flush()?;
    Ok(next)
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(|source| Error::io("write", file, &source))
}

/// Whether it is to end, by Ctrl-C, with its terminal or by whoever has started it; told again, the process
/// ends at once.
fn listen() -> Result<Arc<AtomicBool>, Error> {
    let given_up = Arc::new(AtomicBool::new(false));
    // What `nohup` started is to outlive the terminal.
    let hangup = (!ignores_hangup()).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        // In this order: the first one finds the flag as it was.
        flag::register_conditional_shutdown(
            signal,
            Exit::Interrupted as i32,
            Arc::clone(&given_up),
        )
        .and_then(|_| flag::register(signal, Arc::clone(&given_up)))
        .map_err(|error| {
            Error::new(Exit::Failed, "io", format!("failed to wait for signals: {error}"))
        })?;
    }
    Ok(given_up)
}

/// Whether this process was begun with SIGHUP ignored; where the system does not tell, it is left as it is.
fn ignores_hangup() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
