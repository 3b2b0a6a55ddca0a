//! Answers that no human gives: by a rule when something is asked, by expiry when nobody answers.
//!
//! What always holds: such an answer goes the way of every other. It is recorded with the rule that
//! made it before it is sent; the first answer wins; what cannot be decided waits for a human.

use super::asked;
use super::rulebook::Judging;
use crate::api::Answer;
use crate::daemon::{Daemon, blocking, now};
use crate::problem::Refusal;
use crate::records::LookError;
use crate::servers::pool::Server;
use crate::{family, requests};
use sm_ingest::app_server::ServerCall;
use sm_projections::rows::{RequestClass, RequestStatus};
use sm_projections::tables::{Pending, Requests};
use sm_projections::views;
use sm_protocol::Kind;
use sm_rules::{Decision, Expiry, Judgement};
use std::sync::Arc;
use std::time::Duration;

/// How long the rules are not looked at where nothing is asked: a new expiry begins so late.
const LOOK: Duration = Duration::from_secs(15);

/// A request that rules may decide has come.
pub(crate) fn arrived(daemon: &Arc<Daemon>, server: &Arc<Server>, call: &ServerCall) {
    daemon.rules.asked.notify_one();
    let is_decidable = matches!(
        call.kind,
        Kind::COMMAND_APPROVAL
            | Kind::EXEC_COMMAND_APPROVAL
            | Kind::FILE_CHANGE_APPROVAL
            | Kind::APPLY_PATCH_APPROVAL
            | Kind::PERMISSIONS_APPROVAL
    );
    if !is_decidable || daemon.rulebook().rules.is_empty() {
        return family::look_soon(daemon, &call.thread);
    }
    let (daemon, server, seq) = (Arc::clone(daemon), Arc::clone(server), call.seq);
    let thread = call.thread.clone();
    let judging = Judging::begin(&daemon, seq);
    tokio::spawn(async move {
        if let Err(error) = by_rule(&daemon, &server, seq).await {
            let id = views::request_id(seq);
            daemon.say(&format!("no rule was applied to request {id}: {error}"));
        }
        drop(judging);
        // One that was left to a human is news.
        family::look(daemon, thread).await;
    });
}

async fn by_rule(daemon: &Arc<Daemon>, server: &Server, seq: u64) -> Result<(), Refusal> {
    if !daemon.folded_at_last(seq).await {
        return Ok(());
    }
    match decided(daemon, seq).await? {
        Some((answer, word)) => requests::decide(daemon, server, seq, &answer, &word).await,
        None => Ok(()),
    }
}

/// The answer that rules give to a request, and their word; none where they leave it to a human.
async fn decided(daemon: &Arc<Daemon>, seq: u64) -> Result<Option<(Answer, String)>, Refusal> {
    let daemon = Arc::clone(daemon);
    // Files and folders are looked at, which may take their time.
    let decided = move || {
        let subject = daemon.look(|view| match view.get::<Requests>(&seq)? {
            Some(row) => {
                let doc = views::request_doc(view, seq, row)?;
                asked::subject_of(view, &daemon.reader, &doc).map(Some)
            }
            None => Ok::<_, LookError>(None),
        })?;
        let book = daemon.rulebook();
        Ok(subject.and_then(|subject| answer(&book.judge(&subject, now()))))
    };
    blocking(decided).await?
}

fn answer(judgement: &Judgement<'_>) -> Option<(Answer, String)> {
    let (word, say) = match judgement.decision {
        Decision::Accept => ("accept", None),
        // A declined agent is told why, in the user's own words.
        Decision::Decline => {
            ("decline", judgement.rules.first().and_then(|rule| rule.note.clone()))
        }
        Decision::Ask => return None,
    };
    let answer = Answer { decision: Some(word.to_owned()), say, ..Answer::default() };
    Some((answer, judgement.word()))
}

/// Ends the wait of requests that nobody answers in time, where the user set one.
pub(crate) async fn expire(daemon: Arc<Daemon>) {
    loop {
        let mut pause = LOOK;
        if let Some(expiry) = &daemon.rulebook().expiry {
            match due(&daemon, expiry).await {
                Ok(next) => pause = next.map_or(LOOK, |next| next.min(LOOK)),
                Err(error) => daemon.say(&format!("no request was ended in time: {error}")),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = daemon.rules.asked.notified() => {}
            () = daemon.stopped() => return,
        }
    }
}

/// Ends what has waited too long. Returns how long the next one still has.
async fn due(daemon: &Arc<Daemon>, expiry: &Expiry) -> Result<Option<Duration>, Refusal> {
    daemon.caught_up().await?;
    let waiting = daemon.look(|view| {
        let mut waiting = Vec::new();
        let mut numbers = Vec::new();
        view.scan::<Pending>(&[], &[], |number, ()| {
            numbers.push(number);
            true
        })?;
        for number in numbers {
            waiting.extend(view.get::<Requests>(&number)?.map(|row| (number, row)));
        }
        Ok::<_, sm_projections::StoreError>(waiting)
    })?;
    let mut next: Option<Duration> = None;
    for (number, row) in waiting {
        let can_end = row.class.asks_permission() || row.class == RequestClass::Elicitation;
        let server = daemon.pool.by_source(row.source, row.generation);
        let (true, Some(server), RequestStatus::Pending) = (can_end, server, row.status) else {
            continue;
        };
        let end = row.asked_at.saturating_add_unsigned(expiry.after_ms.saturating_mul(1000));
        let left = end.saturating_sub(now());
        if left > 0 {
            let left = Duration::from_micros(left.unsigned_abs());
            next = Some(next.map_or(left, |next| next.min(left)));
            continue;
        }
        let answer = Answer { decision: Some(expiry.decision.clone()), ..Answer::default() };
        if let Err(error) = requests::decide(daemon, &server, number, &answer, &expiry.word()).await
        {
            let id = views::request_id(number);
            daemon.say(&format!("request {id} was not ended in time: {error}"));
        }
    }
    Ok(next)
}
