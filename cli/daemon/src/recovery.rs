//! What a starting daemon puts in order after one that did not end well.
//!
//! What always holds: a process is ended only if its pid and start time are those recorded; a life
//! is declared ended only once its process is gone; an input whose way cannot be told is unknown,
//! never sent again.

use crate::daemon::{Daemon, blocking};
use crate::input::{self, message_id};
use crate::problem::Refusal;
use crate::resume;
use serde_json::Value;
use sm_ingest::app_server::ProcessId;
use sm_log::Direction;
use sm_projections::fold::input::is_hold;
use sm_projections::rows::{Generation, InputStatus, SourceKind};
use sm_projections::tables::{Queue, Sessions, Sources};
use sm_protocol::synthetic::{InputChanged, Synthetic};
use sm_protocol::{Envelope, Kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a server that was left behind gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends what a dead daemon left behind and records it. Returns the threads to resume.
pub(crate) async fn recover(daemon: &Arc<Daemon>) -> Result<Vec<String>, Refusal> {
    let mut threads = Vec::new();
    for (source, generation, life) in open_lives(daemon)? {
        let ended = match (life.pid, life.pid_started) {
            (Some(pid), Some(started)) => {
                let process = ProcessId { pid, started };
                let was_alive = process.is_alive();
                blocking(move || process.end_group(PATIENCE)).await?.then_some(was_alive)
            }
            _ => Some(false),
        };
        let Some(was_alive) = ended else {
            daemon.say(&format!("codex {:?} does not end; its sessions stay with it", life.pid));
            continue;
        };
        daemon.end_leftovers(source).await;
        let reason = match was_alive {
            true => "left behind by a daemon that died, ended by the next one",
            false => "ended with a daemon that died",
        };
        daemon.note_end(source, generation, reason).await?;
        threads.extend(resume::threads(resume::attached(daemon, source, generation)?));
    }
    let waiting = settle_inputs(daemon).await?;
    let known: BTreeSet<String> = threads.iter().cloned().collect();
    threads.extend(waiting.into_iter().filter(|thread| !known.contains(thread)));
    Ok(threads)
}

fn open_lives(daemon: &Daemon) -> Result<Vec<(u64, u32, Generation)>, Refusal> {
    let mut open = Vec::new();
    daemon.look(|view| {
        view.scan::<Sources>(&[], &[], |number, source| {
            if source.kind == SourceKind::AppServer {
                let lives = source.generations.into_iter().zip(0..);
                let lives = lives.filter(|(life, _)| life.ended_at.is_none());
                open.extend(lives.map(|(life, generation)| (number, generation, life)));
            }
            true
        })
    })?;
    Ok(open)
}

/// Decides what became of inputs that were on their way. Returns the threads for which some wait.
async fn settle_inputs(daemon: &Arc<Daemon>) -> Result<Vec<String>, Refusal> {
    let mut queue = Vec::new();
    daemon.look(|view| {
        let mut keys = Vec::new();
        view.scan::<Queue>(&[], &[], |key, ()| {
            keys.push(key);
            true
        })?;
        for (sid, number) in keys {
            if let Some(row) = view.get::<Sessions>(&sid)? {
                queue.push((row.thread_id, row.ended, number));
            }
        }
        Ok::<_, Refusal>(())
    })?;
    let mut waiting = BTreeSet::new();
    for (thread, ended, number) in queue {
        match way_of(daemon, &thread, number)? {
            Way::NotSent if ended => {
                let reason = Some("the session was stopped".to_owned());
                let cancelled = input::now_is(number, InputStatus::Cancelled);
                input::change(daemon, &thread, InputChanged { reason, ..cancelled }).await?;
            }
            Way::NotSent => {
                waiting.insert(thread);
            }
            Way::Taken(status, turn) => {
                let taken = InputChanged { turn: Some(turn), ..input::now_is(number, status) };
                input::change(daemon, &thread, taken).await?;
            }
            Way::Refused(reason) => {
                let failed = input::now_is(number, InputStatus::Failed);
                let failed = InputChanged { reason: Some(reason), ..failed };
                input::change(daemon, &thread, failed).await?;
            }
            Way::Unknown => {
                let reason = Some("Codex's answer was lost with its process".to_owned());
                let unknown = input::now_is(number, InputStatus::Unknown);
                input::change(daemon, &thread, InputChanged { reason, ..unknown }).await?;
            }
        }
    }
    Ok(waiting.into_iter().collect())
}

/// How far an input came.
#[derive(Debug, PartialEq)]
enum Way {
    NotSent,
    Taken(InputStatus, String),
    Refused(String),
    Unknown,
}

/// Looks through the session's records since the input's acceptance.
fn way_of(daemon: &Daemon, thread: &str, input: u64) -> Result<Way, Refusal> {
    let id = message_id(input);
    let total = daemon.reader.revisions(thread.as_bytes())?;
    let mut records = daemon.reader.session(thread.as_bytes(), total + 1)?;
    let mut sent: Option<(u64, u32, String)> = None;
    let mut answers = Vec::new();
    let mut was_put_back = false;
    while let Some((_, record)) = records.next_back()? {
        if record.seq <= input {
            break;
        }
        match (record.direction, Kind(record.kind)) {
            (Direction::Server, Kind::RESPONSE | Kind::ERROR_RESPONSE) => {
                answers.push((record.source, record.generation, record.payload.to_vec()));
            }
            (Direction::Own, Kind::SM_INPUT_CHANGED) => {
                was_put_back |= puts_back(record.payload, input);
            }
            (Direction::Client, Kind::TURN_START | Kind::TURN_STEER) => {
                let message: Value = serde_json::from_slice(record.payload).unwrap_or_default();
                let told = message.pointer("/params/clientUserMessageId").and_then(Value::as_str);
                if told == Some(&id) {
                    let rpc = Envelope::scan(record.payload).id.map_or(String::new(), |id| id.0);
                    sent = Some((record.source, record.generation, rpc));
                    break;
                }
            }
            _ => {}
        }
    }
    let Some((source, generation, rpc)) = sent else { return Ok(Way::NotSent) };
    let answer = answers.into_iter().find(|(of, life, payload)| {
        (*of, *life) == (source, generation)
            && Envelope::scan(payload).id.is_some_and(|id| id.0 == rpc)
    });
    let answer: Value = match &answer {
        Some((_, _, answer)) => serde_json::from_slice(answer).unwrap_or_default(),
        None => Value::Null,
    };
    // `turn/start` answers with a turn, `turn/steer` with the name of one.
    let ways =
        [("/result/turn/id", InputStatus::Started), ("/result/turnId", InputStatus::Steered)];
    for (place, status) in ways {
        if let Some(turn) = answer.pointer(place).and_then(Value::as_str) {
            return Ok(Way::Taken(status, turn.to_owned()));
        }
    }
    // Refused or lost, it was put back into the queue: that is where it is.
    if was_put_back {
        return Ok(Way::NotSent);
    }
    let why = answer.pointer("/error/message").and_then(Value::as_str);
    Ok(why.map_or(Way::Unknown, |why| Way::Refused(why.to_owned())))
}

/// Whether a record says that the input was put back into the queue. One that was held may have been on its
/// way just then.
fn puts_back(payload: &[u8], input: u64) -> bool {
    match Synthetic::from_payload(payload) {
        Some(Synthetic::InputChanged(changed)) => {
            changed.input == input
                && changed.status == InputStatus::Queued.as_str()
                && !is_hold(&changed)
        }
        _ => false,
    }
}
