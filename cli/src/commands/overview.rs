//! `sm` alone: what is going on, or how to begin.

use super::ps::{Listed, print_table};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean, now_micros};
use crate::read::{AsOf, Tables};
use crate::show::{RequestShown, show, waiting};
use serde::Serialize;
use sm_projections::rows::ActivityState;
use sm_projections::views;

/// How many sessions it shows.
const SESSIONS_MAX: usize = 20;

#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    listed: Listed,
    requests: Vec<RequestShown>,
}

/// Prints the newest open sessions and what waits for the user.
pub fn run(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let mut overview = Overview { listed: Listed::empty("sm.overview/1"), requests: Vec::new() };
    let mut others = 0;
    if let Some(tables) = Tables::open(context, streams)? {
        let view = tables.view()?;
        let docs = views::sessions(&view, SESSIONS_MAX, |session| {
            let open = !session.archived && session.state != ActivityState::Stopped;
            others += usize::from(!open);
            open
        })?;
        let (mut lives, now) = (tables.lives(), now_micros());
        for doc in docs {
            overview.listed.sessions.push(show(&view, &mut lives, doc, now)?);
        }
        overview.requests = waiting(&view, &mut lives)?;
        overview.listed.head.as_of = tables.as_of(&view)?;
    } else {
        overview.listed.head.as_of = AsOf::nothing();
    }
    if context.json {
        streams.document(&overview)?;
        return Ok(Exit::Ok);
    }
    let home = context.home_words();
    let Overview { listed, requests } = &overview;
    if listed.sessions.is_empty() && others == 0 {
        streams.say(format_args!(
            "Nothing recorded yet in {}.\n\n\
             See it all at work, no account needed:  sm demo\n\
             Start a Codex session:                  sm{home} spawn 'PROMPT'\n\
             Record a transcript:                    sm{home} import FILE\n\
             All commands:                           sm --help",
            context.home.dir().display()
        ));
        return Ok(Exit::Ok);
    }
    if !listed.sessions.is_empty() {
        print_table(streams, listed)?;
    }
    if others > 0 {
        streams.say(format_args!("{others} stopped or archived: sm{home} ps --all"));
    }
    for request in requests {
        let doc = &request.doc;
        let who = doc.session_name.as_deref().or(doc.session_id.as_deref());
        let who = who.unwrap_or("a server");
        let (role, glyph) = request.mark();
        let line = match request.unheard() {
            None => format!("{glyph} {who} waits for you: {}", doc.summary),
            Some(why) => format!("{glyph} {who} asked: {} · {why}", doc.summary),
        };
        let line = streams.style.paint(role, clean(&line));
        streams.line(format_args!("{line}  (sm{home} inbox)"))?;
    }
    Ok(Exit::Ok)
}
