//! `sm interrupt`, `sm stop`, `sm resume`: the thread's life.

use super::each::{Outcome, each};
use crate::context::Context;
use crate::daemon::{Client, Verb, acting, of_server};
use crate::error::{Error, Exit};
use crate::output::{Streams, Style, now_micros, state};
use crate::read::Tables;
use crate::show::show;
use crate::targets::Selector;
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::Act;
use sm_projections::views;

/// Ends the running turn; what waits in the queue is held.
#[derive(Debug, Args)]
pub struct Interrupt {
    #[command(flatten)]
    of: Of,
}

/// Ends sessions: Codex unloads them, and messages that wait for them are taken back. `sm resume` brings
/// the sessions back.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    of: Of,
}

/// Loads stopped sessions again, on the same threads.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    of: Of,

    /// Even on a codex that is older than the one that wrote the thread last, which may not read it again.
    #[arg(long)]
    older_codex: bool,
}

#[derive(Debug, Args)]
struct Of {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    #[command(flatten)]
    chosen: Selector,
}

impl Interrupt {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Interrupt, &self.of, false)
    }
}

impl Stop {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Stop, &self.of, false)
    }
}

impl Resume {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Resume, &self.of, self.older_codex)
    }
}

fn act(
    context: &Context,
    streams: &mut Streams,
    verb: Verb,
    of: &Of,
    older_codex: bool,
) -> Result<Exit, Error> {
    let stopped = verb == Verb::Resume;
    let sessions = &of.chosen.sessions_of(context, streams, &of.sessions, stopped)?;
    let actor = Actor::find(context, streams, verb, sessions)?;
    let (wish, style) = (Act { older_codex, ..acting(context) }, streams.style);
    let told =
        each(context, streams, sessions, |word| match actor.act(context, verb, word, &wish) {
            Ok(session) => {
                let (line, note) = (line(style, &session), taken_back(context, &session));
                Outcome::done(session, line).note(note)
            }
            Err(error) => Outcome::failed(json!({ "id": error.details.get("session_id") }), error),
        })?;
    told.end(context, streams, &format!("sm.{}/1", verb.as_str()), "sessions")
}

/// A session as it is then.
fn line(style: Style, session: &Value) -> String {
    let text = |name: &str| session.get(name).and_then(Value::as_str);
    let live = session.get("live").and_then(Value::as_bool);
    let (role, glyph, words) = state(text("activity_state").unwrap_or("unknown"), live);
    let words = style.paint(role, format!("{glyph} {words}"));
    format!("{} {words}", text("id").unwrap_or_default())
}

/// The messages that waited for it and do no more.
fn taken_back(context: &Context, session: &Value) -> Option<String> {
    let cancelled = session.get("cancelled_inputs")?.as_array()?;
    let cancelled: Vec<&str> = cancelled.iter().filter_map(Value::as_str).collect();
    (!cancelled.is_empty()).then(|| {
        format!(
            "Messages that waited were taken back: {}. sm{} queue show INPUT has their text.",
            cancelled.join(", "),
            context.home_words()
        )
    })
}

/// Who does it.
enum Actor<'c> {
    /// The daemon.
    Daemon(Client<'c>),
    /// Nobody: no daemon runs, and none is started for what would have nothing to do.
    Nobody(Tables),
}

impl<'c> Actor<'c> {
    fn find(
        context: &'c Context,
        streams: &Streams,
        verb: Verb,
        words: &[String],
    ) -> Result<Actor<'c>, Error> {
        if let Some(client) = Client::connect(context)? {
            return Ok(Actor::Daemon(client));
        }
        let tables = Tables::open_some(context, streams)?;
        let mut is_needed = false;
        {
            let view = tables.view()?;
            for word in words {
                let found = of_server(context, &view, word);
                is_needed |= found.is_ok_and(|found| match verb {
                    // Its turn ended with the daemon before.
                    Verb::Interrupt => false,
                    Verb::Stop => !found.session.ended,
                    Verb::Resume => true,
                });
            }
        }
        if !is_needed {
            return Ok(Actor::Nobody(tables));
        }
        drop(tables);
        Client::or_start(context, streams).map(Actor::Daemon)
    }

    /// The session as it is then.
    fn act(&self, context: &Context, verb: Verb, word: &str, wish: &Act) -> Result<Value, Error> {
        let tables = match self {
            Actor::Daemon(client) => return client.act(verb, word, wish),
            Actor::Nobody(tables) => tables,
        };
        let view = tables.view()?;
        let found = of_server(context, &view, word)?;
        let (id, home) = (&found.session.id, context.home_words());
        if verb != Verb::Stop {
            let message = format!("no daemon runs, so no turn of session {id} does");
            return Err(Error::new(Exit::Away, "daemon_away", message)
                .hint(format!("Load it again: sm{home} resume {id}")));
        }
        // Stopped is what it was to be.
        let doc = views::session_doc(&view, found.sid)?;
        let shown = doc.map(|doc| show(&view, &mut tables.lives(), doc, now_micros()));
        Ok(serde_json::to_value(shown.transpose()?).unwrap_or_default())
    }
}
