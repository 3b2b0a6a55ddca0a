//! `sm ps`: every session.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, Table, cut, now_micros, tokens};
use crate::past::{At, Question};
use crate::read::{AsOf, Head};
use crate::show::{SessionShown, kept_words, label, show};
use crate::targets::Selector;
use clap::Args;
use serde::Serialize;
use sm_projections::rows::ActivityState;
use sm_projections::views;

/// Lists sessions, the newest first: state, outcome, last action, tokens.
#[derive(Debug, Args)]
pub struct Ps {
    /// Stopped and archived ones too.
    #[arg(short, long)]
    all: bool,

    /// At most so many.
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    limit: usize,

    #[command(flatten)]
    chosen: Selector,

    #[command(flatten)]
    at: At,
}

/// The answer of every command that lists sessions.
#[derive(Debug, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    pub head: Head,
    /// The sessions.
    pub sessions: Vec<SessionShown>,
    /// When they are looked at, in Unix microseconds.
    #[serde(skip)]
    pub now: i64,
}

impl Listed {
    /// An empty list under `schema`.
    pub fn empty(schema: &'static str) -> Listed {
        let head = Head::new(schema, AsOf::nothing());
        Listed { head, sessions: Vec::new(), now: now_micros() }
    }
}

impl Ps {
    /// Prints the list.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let (listed, hidden, fitting) = self.list(context, streams)?;
        if context.json {
            streams.document(&listed)?;
            return Ok(Exit::Ok);
        }
        let home = context.home_words();
        if fitting == 0 {
            match hidden {
                _ if !self.chosen.is_empty() => {
                    let (open, all) = match self.all {
                        true => ("session", ""),
                        false => ("open session", "stopped and archived ones, too: add --all; "),
                    };
                    streams.say(format_args!(
                        "No {open} has what -l asks for; {all}all there are, with their labels: sm{home} ps --all --json"
                    ));
                }
                0 if self.at.is_given() => streams.say(format_args!(
                    "There were no sessions at that moment. Those of now: sm{home} ps --all"
                )),
                _ if self.at.is_given() => streams.say(format_args!(
                    "No session was open at that moment; {hidden} stopped or archived: add --all"
                )),
                0 => streams.say(format_args!(
                    "No sessions yet. Start one:  sm{home} spawn 'PROMPT'\n\
                     Record a transcript:        sm{home} import FILE\n\
                     See it all at work:         sm demo"
                )),
                _ => streams.say(format_args!(
                    "No session is open; {hidden} stopped or archived: sm{home} ps --all"
                )),
            }
            return Ok(Exit::Ok);
        }
        print_table(streams, &listed)?;
        for warning in &listed.head.warnings {
            streams.say(warning);
        }
        Ok(Exit::Ok)
    }

    /// The list, how many are not in it because they ended, and how many are or would be.
    fn list(
        &self,
        context: &Context,
        streams: &mut Streams,
    ) -> Result<(Listed, usize, usize), Error> {
        let mut listed = Listed::empty("sm.ps/1");
        let mut wanted = self.limit;
        let (tables, hidden, fitting, docs) = loop {
            let asked = Question::Newest(wanted);
            let Some(tables) = self.at.open(context, streams, &asked)? else {
                return Ok((listed, 0, 0));
            };
            let view = tables.view()?;
            let coming = tables.lives().coming_back(&view)?;
            let (mut hidden, mut fitting) = (0, 0);
            // Labels stand in no row's head.
            let limit = if self.chosen.is_empty() { self.limit } else { usize::MAX };
            let mut docs = views::sessions(&view, limit, |session| {
                let comes_back = session.first_seq.is_some_and(|seq| coming.contains(&seq));
                let stopped = session.state == ActivityState::Stopped && !comes_back;
                let ended = session.archived || stopped;
                hidden += usize::from(!self.all && ended);
                fitting += usize::from(self.all || !ended);
                self.all || !ended
            })?;
            drop(view);
            if !self.chosen.is_empty() {
                docs.retain(|doc| self.chosen.fits(&doc.labels));
                fitting = docs.len();
                docs.truncate(self.limit);
            }
            // Those that had ended may have taken the place of others among the newest of then.
            if docs.len() == self.limit || tables.is_whole() {
                break (tables, hidden, fitting, docs);
            }
            wanted = usize::MAX;
        };
        let view = tables.view()?;
        let (mut lives, now) = (tables.lives(), tables.now());
        listed.now = now;
        for doc in docs {
            listed.sessions.push(show(&view, &mut lives, doc, now)?);
        }
        let count = listed.sessions.len();
        if !tables.is_whole() {
            let more = count.saturating_mul(10);
            let warning = format!("the newest {count} sessions of then; more: sm ps -n {more}");
            listed.head.warnings.push(warning);
        } else if fitting > count {
            let warning =
                format!("the newest {count} of {fitting} sessions; more: sm ps -n {fitting}");
            listed.head.warnings.push(warning);
        }
        listed.head.as_of = tables.as_of(&view)?;
        Ok((listed, hidden, fitting))
    }
}

/// Sessions as a table.
pub fn print_table(streams: &mut Streams, listed: &Listed) -> Result<(), Error> {
    let keeps = listed.sessions.iter().any(|shown| kept_words(&shown.doc).is_some());
    let mut columns = vec!["ID", "NAME", "STATE", "OUTCOME", "TOKENS", "KEEPS", "LAST ACTION"];
    columns.retain(|column| keeps || *column != "KEEPS");
    let mut table = Table::new(&columns).spare(&["TOKENS", "KEEPS", "OUTCOME"]);
    for shown in &listed.sessions {
        let spent = shown.doc.tokens.as_ref().map_or("-".to_owned(), |used| tokens(used.total));
        let mut row = vec![
            (None, shown.doc.id.clone()),
            (None, label(&shown.doc, 28)),
            shown.state_cell(),
            shown.outcome_cell(),
            (None, spent),
        ];
        if keeps {
            row.push((None, kept_words(&shown.doc).unwrap_or_default()));
        }
        let resuming = shown.resuming_words().map(|words| cut(&words, 80).into_owned());
        row.push((None, resuming.unwrap_or_else(|| shown.last_action_words(listed.now, 80))));
        table.row(row);
    }
    table.print(streams)
}
