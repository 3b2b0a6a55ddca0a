//! `sm rules test --history`: the rules on all that asked a human before, beside what was decided then.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, ago, clean, now_micros};
use crate::read::{AsOf, Head, Tables, nothing_yet, open_log};
use jiff::SignedDuration;
use serde::Serialize;
use sm_daemon::asked::subject_of;
use sm_daemon::{Called, Rulebook, answers_itself};
use sm_projections::View;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_protocol::synthetic::is_users_word;
use sm_rules::{Decision, Judgement, Kind, Rule};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A request that the rules would have decided otherwise than it was.
#[derive(Serialize)]
struct Other {
    request: String,
    session_id: Option<String>,
    session_name: Option<String>,
    kind: &'static str,
    summary: String,
    asked_at: Option<String>,
    /// What was decided, and by whom.
    decision: Option<String>,
    decided_by: Option<String>,
    /// What the rules say.
    would: &'static str,
    by: String,
    #[serde(skip)]
    asked_micros: i64,
}

#[derive(Serialize)]
struct Replayed {
    #[serde(flatten)]
    head: Head,
    /// Requests that asked a human.
    requests: usize,
    /// Those that the rules would have answered.
    automatic: usize,
    accepted: usize,
    declined: usize,
    /// Accepted by the rules, declined by a human.
    you_had_declined: Vec<Other>,
    /// Declined by the rules, accepted by a human.
    you_had_accepted: Vec<Other>,
}

/// Tries the rules on all that was asked in that time up to now.
pub fn history(
    context: &Context,
    streams: &mut Streams,
    book: &Rulebook,
    time: SignedDuration,
) -> Result<Exit, Error> {
    let Some(tables) = Tables::open(context, streams)? else { return Err(nothing_yet(context)) };
    let (view, log, now) = (tables.view()?, open_log(context)?, now_micros());
    let since = i64::try_from(time.as_micros()).map_or(0, |micros| now.saturating_sub(micros));
    let mut answer = Replayed::of(tables.as_of(&view)?);
    // Whoever asked may be called otherwise by now.
    let is_called = |rule: &Rule| rule.session.is_some() || rule.label.is_some();
    let goes_by_names = book.rules.iter().any(is_called);
    let mut called: BTreeMap<String, Called> = BTreeMap::new();
    for doc in asked_since(&view, since)? {
        answer.requests += 1;
        if Kind::of_word(doc.kind).is_none() {
            continue;
        }
        let mut subject = subject_of(&view, &log, &doc)?;
        if let Some(thread) = subject.asker.thread.clone().filter(|_| goes_by_names) {
            let called = match called.entry(thread) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let read = Called::read(&log, new.key())?;
                    new.insert(read)
                }
            };
            called.before(doc.seq, &mut subject.asker);
        }
        answer.add(&book.judge(&subject, now), doc);
    }
    if context.json {
        streams.document(&answer)?;
        return Ok(Exit::Ok);
    }
    answer.print(context, streams, now)?;
    Ok(Exit::Ok)
}

/// All that asked a human since then, oldest first.
fn asked_since(view: &View<'_>, since: i64) -> Result<Vec<RequestDoc>, Error> {
    let mut rows = Vec::new();
    view.scan::<Requests>(&[], &[], |number, row| {
        if row.class.asks_human() && row.asked_at >= since && !answers_itself(&row.method) {
            rows.push((number, row));
        }
        true
    })?;
    let docs = rows.into_iter().map(|(number, row)| views::request_doc(view, number, row));
    Ok(docs.collect::<Result<_, _>>()?)
}

impl Replayed {
    fn of(as_of: AsOf) -> Replayed {
        Replayed {
            head: Head::new("sm.rules-history/1", as_of),
            requests: 0,
            automatic: 0,
            accepted: 0,
            declined: 0,
            you_had_declined: Vec::new(),
            you_had_accepted: Vec::new(),
        }
    }

    fn add(&mut self, judgement: &Judgement<'_>, doc: RequestDoc) {
        let would = judgement.decision;
        let word = doc.decision.as_deref().unwrap_or_default();
        // What nobody recorded was answered in Codex itself.
        let is_yours = doc.decided_by.as_deref().is_none_or(is_users_word);
        let was_refused = matches!(word, "decline" | "cancel" | "denied" | "abort");
        let was_granted = !was_refused && !word.is_empty() && word != "error";
        let others = match would {
            Decision::Ask => return,
            Decision::Accept => {
                self.accepted += 1;
                was_refused.then_some(&mut self.you_had_declined)
            }
            Decision::Decline => {
                self.declined += 1;
                was_granted.then_some(&mut self.you_had_accepted)
            }
        };
        self.automatic += 1;
        if let Some(others) = others.filter(|_| is_yours) {
            others.push(Other {
                request: doc.id,
                session_id: doc.session_id,
                session_name: doc.session_name,
                kind: doc.kind,
                summary: doc.summary,
                asked_at: doc.asked_at,
                decision: doc.decision,
                decided_by: doc.decided_by,
                would: would.as_str(),
                by: judgement.word(),
                asked_micros: doc.asked_micros,
            });
        }
    }

    fn print(&self, context: &Context, streams: &mut Streams, now: i64) -> Result<(), Error> {
        let Replayed { requests, automatic, accepted, declined, .. } = self;
        if *requests == 0 {
            streams.say("Nothing was asked in that time.");
            return Ok(());
        }
        let mut line = format!("{automatic} of {requests} would have been automatic");
        if *declined > 0 {
            line.push_str(&format!(" ({accepted} accepted, {declined} declined)"));
        }
        for (others, word) in
            [(&self.you_had_declined, "declined"), (&self.you_had_accepted, "accepted")]
        {
            if !others.is_empty() {
                line.push_str(&format!("; {} of them you had {word}", others.len()));
            }
        }
        streams.line(line)?;
        for other in self.you_had_declined.iter().chain(&self.you_had_accepted) {
            let who = other.session_name.as_deref().or(other.session_id.as_deref()).unwrap_or("?");
            let Other { request, summary, would, by, asked_micros, .. } = other;
            let (who, summary, by) = (clean(who), clean(summary), clean(by));
            let since = ago(now, *asked_micros);
            streams.line(format_args!(
                "  {request} {since} ago · {who} · {summary} → {would} by {by}"
            ))?;
        }
        if *automatic < *requests && self.automatic == 0 {
            let home = context.home_words();
            streams.say(format!("See why one would ask: sm{home} rules test REQUEST"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(decision: &str, by: Option<&str>) -> RequestDoc {
        RequestDoc {
            id: "r1".into(),
            seq: 1,
            session_id: None,
            session_name: None,
            kind: "command",
            method: String::new(),
            summary: String::new(),
            reason: None,
            status: "answered",
            decision: Some(decision.into()),
            decided_by: by.map(str::to_owned),
            decided_by_thread: None,
            say: None,
            item_id: None,
            action_seq: None,
            turn_seq: None,
            asked_at: None,
            ended_at: None,
            end_seq: None,
            asks_human: true,
            asked_micros: 0,
        }
    }

    #[test]
    fn what_you_decided_is_what_you_decided_yourself() {
        let judged = |decision| Judgement { decision, rules: Vec::new(), why: String::new() };
        let mut answer = Replayed::of(AsOf::nothing());
        for by in [None, Some("user"), Some("expiry (rules.toml:3)"), Some("rule: a"), Some("ab12")]
        {
            answer.add(&judged(Decision::Accept), decided("decline", by));
            answer.add(&judged(Decision::Decline), decided("accept", by));
        }
        assert_eq!((answer.automatic, answer.accepted, answer.declined), (10, 5, 5));
        let by = |others: &[Other]| -> Vec<Option<String>> {
            others.iter().map(|other| other.decided_by.clone()).collect()
        };
        let yours = [None, Some("user".to_owned())];
        assert_eq!(by(&answer.you_had_declined), yours);
        assert_eq!(by(&answer.you_had_accepted), yours);
    }
}
