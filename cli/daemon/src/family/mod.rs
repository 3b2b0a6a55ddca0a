//! Parents are told of their children: woken when one settles, waits for a human, or dies.
//!
//! What always holds: what a parent is told of is recorded with the message that tells it, so it is told
//! once, whatever dies in between. Only a session that is idle is woken, and none that was interrupted:
//! that one hears of it when its next turn ends.

mod authority;
mod news;
mod tree;

pub(crate) use authority::{agent_of, from_agent, may_act, may_send, may_still_lead};
pub(crate) use tree::above;

use crate::api::Input;
use crate::caller::Caller;
use crate::daemon::{AGAIN, Daemon};
use crate::input;
use crate::problem::Refusal;
use sm_projections::rows::{Session, Sid};
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::{self, NewsDoc};
use sm_protocol::synthetic::{News, ParentTold, Synthetic};
use std::sync::Arc;

/// Something happened in a session: it, and whoever is above it, may have something to hear. In a task
/// of its own.
pub(crate) fn look_soon(daemon: &Arc<Daemon>, thread: &str) {
    tokio::spawn(look(Arc::clone(daemon), thread.to_owned()));
}

/// The same, to its end, however late the tables are: the nearest first, for a session that is woken has not
/// settled.
pub(crate) async fn look(daemon: Arc<Daemon>, thread: String) {
    if !daemon.folded_at_last(daemon.log().accepted()).await {
        return;
    }
    let above = match lineage(&daemon, &thread) {
        Ok(above) => above,
        Err(error) => return daemon.say(&format!("no parent of {thread} was woken: {error}")),
    };
    for thread in above {
        while let Err(error) = wake(&daemon, &thread).await {
            daemon.say(&format!("session {thread} was not told of its children: {error}"));
            if !input::passes(&error) || !daemon.pause(AGAIN).await {
                break;
            }
        }
    }
}

/// The threads of a session and those above it, the nearest first.
fn lineage(daemon: &Daemon, thread: &str) -> Result<Vec<String>, Refusal> {
    let Some(sid) = daemon.look(|view| view.get::<Threads>(&thread.to_owned()))? else {
        return Ok(Vec::new());
    };
    let mut threads = vec![thread.to_owned()];
    for above in daemon.ancestors(sid)? {
        let session = daemon.look(|view| view.get::<Sessions>(&above))?;
        threads.extend(session.map(|session| session.thread_id));
    }
    Ok(threads)
}

/// Tells a session what is new of its children, if it is free to hear it.
async fn wake(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    // Most sessions have no children, or none with news.
    let sid = daemon.session(thread)?.sid;
    if daemon.is_stopping() || unheard(daemon, sid)?.is_empty() {
        return Ok(());
    }
    let _lock = daemon.lock(thread).await;
    daemon.caught_up().await?;
    let parent = daemon.session(thread)?.session;
    if !is_free(daemon, &parent) {
        return Ok(());
    }
    let unheard = unheard(daemon, sid)?;
    if unheard.is_empty() {
        return Ok(());
    }
    let told = unheard.iter().map(record).collect();
    let message = Input { text: news::words(daemon, &unheard)?, ..Input::default() };
    input::take_news(daemon, &parent, &message, told).await.map(drop)
}

/// Whether a message would begin a turn that nobody would mind.
fn is_free(daemon: &Daemon, parent: &Session) -> bool {
    views::can_hear(parent)
        && parent.unresumable.is_none()
        && parent.open_turn.is_none()
        && parent.pending.is_empty()
        && parent.queued == 0
        && parent.first_seq.is_some()
        && daemon.codex_home_of(parent).is_ok()
}

fn unheard(daemon: &Daemon, parent: Sid) -> Result<Vec<NewsDoc>, Refusal> {
    let answered = |number| daemon.rules.is_judged(number);
    // Asked before the tables are: one that begins after that has interrupted nothing yet.
    let stopping = daemon.stops.all();
    let mut news = daemon.look(|view| views::news(view, parent, &answered))?;
    news.retain(|one| !stopping.contains(&one.session.thread_id));
    Ok(news)
}

/// What of its children a caller is told of by an answer that says how they stand: noted once it has the
/// answer.
pub(crate) fn heard(
    daemon: &Daemon,
    caller: Sid,
    threads: &[String],
) -> Result<Vec<News>, Refusal> {
    let news = unheard(daemon, caller)?;
    Ok(news.iter().map(record).filter(|one| threads.contains(&one.thread)).collect())
}

/// What is recorded of news that are told.
fn record(one: &NewsDoc) -> News {
    News { thread: one.session.thread_id.clone(), seq: one.seq }
}

/// Notes what a caller was told of.
pub(crate) fn note(daemon: &Daemon, thread: &str, news: Vec<News>) {
    if news.is_empty() {
        return;
    }
    if let Err(error) = daemon.note(thread, &Synthetic::ParentTold(ParentTold { news })) {
        daemon.say(&format!("what session {thread} was told is not recorded: {error}"));
    }
}

/// An agent that is no sandboxed one has looked for itself, up to record `seq`.
pub(crate) async fn looked(
    daemon: &Daemon,
    word: &str,
    seq: u64,
    by: Option<&str>,
) -> Result<(), Refusal> {
    daemon.caught_up().await?;
    let child = daemon.find(word, by)?;
    let Caller::Agent(agent) = daemon.caller(by)? else { return Ok(()) };
    let mut news = heard(daemon, agent.sid, std::slice::from_ref(&child.session.thread_id))?;
    news.retain(|one| one.seq <= seq);
    note(daemon, &agent.session.thread_id, news);
    Ok(())
}
