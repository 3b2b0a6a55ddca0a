//! What a starting daemon puts in order after one that did not end well.
//!
//! What always holds: a process is ended only if its pid and start time are those recorded; a life
//! is declared ended only once its process is gone; a session that a crash took is brought back, however
//! many daemons died since; an input whose way cannot be told, a damaged log's included, is unknown, never
//! sent again.

use super::resume;
use crate::daemon::{Daemon, blocking};
use crate::input;
use crate::problem::Refusal;
use crate::said::{self, OVERLOADED};
use serde_json::Value;
use sm_ingest::app_server::ProcessId;
use sm_log::{Direction, ReadError};
use sm_projections::fold::input::is_hold;
use sm_projections::rows::{Generation, InputStatus, Session, SourceKind};
use sm_projections::tables::{Gaps, Queue, Sessions, Sources};
use sm_protocol::synthetic::{InputChanged, Synthetic, message_id};
use sm_protocol::{Envelope, Kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a server that was left behind gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends what a dead daemon left behind and records it. Returns the threads to resume.
pub(crate) async fn recover(daemon: &Arc<Daemon>) -> Result<Vec<String>, Refusal> {
    for (source, generation, life) in lives(daemon, |life| life.ended_at.is_none())? {
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
        let ended = daemon.note_end((source, generation), reason, None)?;
        daemon.folded_to(ended).await?;
    }
    let mut threads = settle_inputs(daemon).await?;
    let was_lost = |life: &Generation| life.ended_at.is_some() && !life.ended_with_daemon();
    for (source, generation, _) in lives(daemon, was_lost)? {
        let mut lost = resume::attached(daemon, source, generation)?;
        lost.retain(|found| found.session.gone && found.session.unresumable.is_none());
        threads.extend(resume::threads(lost));
    }
    Ok(threads.into_iter().collect())
}

/// The lives of servers that are such: source, number, row.
fn lives(
    daemon: &Daemon,
    are_such: impl Fn(&Generation) -> bool,
) -> Result<Vec<(u64, u32, Generation)>, Refusal> {
    let mut found = Vec::new();
    daemon.look(|view| {
        view.scan::<Sources>(&[], &[], |number, source| {
            if source.kind == SourceKind::AppServer {
                let lives = source.generations.into_iter().zip(0..);
                let lives = lives.filter(|(life, _)| are_such(life));
                found.extend(lives.map(|(life, generation)| (number, generation, life)));
            }
            true
        })
    })?;
    Ok(found)
}

/// Decides what became of inputs that were on their way. Returns the threads for which some wait.
async fn settle_inputs(daemon: &Arc<Daemon>) -> Result<BTreeSet<String>, Refusal> {
    let (mut queue, mut gap_end) = (Vec::new(), 0);
    daemon.look(|view| {
        view.scan_back::<Gaps>(&[], |_, last| {
            gap_end = last;
            false
        })?;
        let mut keys = Vec::new();
        view.scan::<Queue>(&[], &[], |key, ()| {
            keys.push(key);
            true
        })?;
        for (sid, number) in keys {
            if let Some(row) = view.get::<Sessions>(&sid)? {
                queue.push((row, number));
            }
        }
        Ok::<_, Refusal>(())
    })?;
    let mut waiting = BTreeSet::new();
    for (session, number) in queue {
        let way = way_of(daemon, &session, number, gap_end).unwrap_or_else(|error| {
            Way::Unknown(format!("the log does not tell what became of it: {error}"))
        });
        let thread = session.thread_id;
        let changed = match way {
            Way::NotSent if session.ended => {
                let reason = Some("the session was stopped".to_owned());
                InputChanged { reason, ..input::now_is(number, InputStatus::Cancelled) }
            }
            Way::NotSent => {
                waiting.insert(thread);
                continue;
            }
            Way::Taken(status, turn) => {
                InputChanged { turn: Some(turn), turn_over: true, ..input::now_is(number, status) }
            }
            Way::Refused(reason) => {
                let failed = input::now_is(number, InputStatus::Failed);
                InputChanged { reason: Some(reason), ..failed }
            }
            Way::Unknown(reason) => {
                let unknown = input::now_is(number, InputStatus::Unknown);
                InputChanged { reason: Some(reason), ..unknown }
            }
        };
        input::change(daemon, &thread, changed).await?;
    }
    Ok(waiting)
}

/// How far an input came.
#[derive(Debug, PartialEq)]
enum Way {
    NotSent,
    Taken(InputStatus, String),
    Refused(String),
    Unknown(String),
}

/// Looks through the session's records since the input's acceptance: back to where it was sent, then on
/// to the answer. `gap_end` is the last record that the tables know to be missing.
///
/// # Errors
/// Where a record is in a gap and what is newer does not tell enough.
fn way_of(daemon: &Daemon, session: &Session, input: u64, gap_end: u64) -> Result<Way, ReadError> {
    let (id, thread) = (message_id(input), session.thread_id.as_str());
    let total = daemon.reader.revisions(thread.as_bytes())?;
    let mut records = daemon.reader.session(thread.as_bytes(), total + 1)?;
    // Since it was put into the queue last, it has not been sent: `None` while no record says that it was.
    let mut put_back = None;
    let (source, generation, rpc) = loop {
        let record = match records.next_back() {
            Ok(Some((_, record))) if record.seq > input => record,
            // A plain segment does not tell whose records are damaged: the tables had more of this session,
            // or know where something is missing.
            _ if session.counts.records > total || gap_end > put_back.unwrap_or(input) => {
                let words = "the log is damaged where it would tell what became of it";
                return Ok(Way::Unknown(words.to_owned()));
            }
            Err(error) if put_back.is_none() => return Err(error),
            _ => return Ok(Way::NotSent),
        };
        match (record.direction, Kind(record.kind)) {
            (Direction::Own, Kind::SM_INPUT_CHANGED) => {
                let told = Synthetic::from_payload(record.payload);
                let Some(Synthetic::InputChanged(changed)) = told else { continue };
                if changed.input != input {
                    continue;
                }
                // It waits again since an earlier try came to something, and was not sent since.
                if changed.status != InputStatus::Queued.as_str() {
                    return Ok(Way::NotSent);
                }
                // One that was held may have been on its way just then.
                if !is_hold(&changed) {
                    put_back = put_back.or(Some(record.seq));
                }
            }
            (Direction::Client, Kind::TURN_START | Kind::TURN_STEER) => {
                let message: Value = serde_json::from_slice(record.payload).unwrap_or_default();
                let told = message.pointer("/params/clientUserMessageId").and_then(Value::as_str);
                if told == Some(&id) {
                    let rpc = Envelope::scan(record.payload).id.map_or(String::new(), |id| id.0);
                    break (record.source, record.generation, rpc);
                }
            }
            _ => {}
        }
    };
    let mut answer = Value::Null;
    while let Some((_, record)) = records.next()? {
        let is_answer = matches!(Kind(record.kind), Kind::RESPONSE | Kind::ERROR_RESPONSE)
            && record.direction == Direction::Server
            && (record.source, record.generation) == (source, generation);
        if is_answer && Envelope::scan(record.payload).id.is_some_and(|id| id.0 == rpc) {
            answer = serde_json::from_slice(record.payload).unwrap_or_default();
            break;
        }
    }
    // `turn/start` answers with a turn, `turn/steer` with the name of one.
    let ways =
        [("/result/turn/id", InputStatus::Started), ("/result/turnId", InputStatus::Steered)];
    for (place, status) in ways {
        if let Some(turn) = answer.pointer(place).and_then(Value::as_str) {
            return Ok(Way::Taken(status, turn.to_owned()));
        }
    }
    // Refused or lost, it was put back into the queue: that is where it is.
    if put_back.is_some() {
        return Ok(Way::NotSent);
    }
    let why = answer.pointer("/error/message").and_then(Value::as_str);
    Ok(match why {
        // Whoever is told so tries again.
        Some(why) if answer["error"]["code"] == OVERLOADED || said::is_not_loaded(why) => {
            Way::NotSent
        }
        Some(why) => Way::Refused(why.to_owned()),
        None => Way::Unknown("Codex's answer was lost with its process".to_owned()),
    })
}
