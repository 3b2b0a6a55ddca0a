//! `sm rules test`: what the rules say of one thing, or of all that was asked before.

use super::history::history;
use super::{faulty, whole};
use crate::commands::answer::find_doc;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean, now_micros};
use crate::read::{Tables, open_log, select};
use crate::show::risk_line;
use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use sm_daemon::Rulebook;
use sm_daemon::asked::{asker_of, real, subject_of};
use sm_rules::{Asker, CommandLine, Decision, FileTouched, Judgement, Risk, Rule, Subject, What};
use std::path::{Path, PathBuf};

/// Tries the rules: on a request, on a command of your own, or on all that was asked before.
#[derive(Debug, Args)]
pub struct Test {
    /// A request's id, as `sm inbox` shows it.
    request: Option<String>,

    /// A command line.
    #[arg(long, conflicts_with_all = ["request", "history"])]
    command: Option<String>,

    /// A file that would be changed; may be given several times.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "history", "command"])]
    change: Vec<PathBuf>,

    /// The folder that it would run in [default: this one].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    /// The session that would ask.
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["request", "history"])]
    session: Option<String>,

    /// All requests of this time up to now: 30d, 12h.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "request")]
    history: Option<SignedDuration>,
}

/// `30d` is a time, too.
fn time(text: &str) -> Result<SignedDuration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<i64>().ok());
    let whole = match days {
        Some(days) => days.checked_mul(24).map(SignedDuration::from_hours),
        None => text.parse().ok(),
    };
    whole.filter(|time| time.is_positive()).ok_or_else(|| "no time: 30d, 12h, 90m".to_owned())
}

/// What the rules say of something.
#[derive(Serialize)]
struct Tried {
    schema: &'static str,
    decision: &'static str,
    /// Whether no human would be asked.
    automatic: bool,
    /// Who would have decided.
    by: Option<String>,
    why: String,
    /// The rules that say so.
    rules: Vec<Rule>,
    risk: Option<Risk>,
}

impl Tried {
    fn new(judgement: &Judgement<'_>, subject: &Subject) -> Tried {
        Tried {
            schema: "sm.rules-test/1",
            decision: judgement.decision.as_str(),
            automatic: judgement.decision != Decision::Ask,
            by: (!judgement.rules.is_empty()).then(|| judgement.word()),
            why: judgement.why.clone(),
            rules: judgement.rules.iter().map(|rule| (*rule).clone()).collect(),
            risk: sm_rules::risk(subject, &real),
        }
    }

    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        if context.json {
            return streams.document(self);
        }
        let by = self.by.as_deref().map_or(String::new(), |by| format!(" by {by}"));
        streams.line(format_args!("{}{}: {}", self.decision, clean(&by), clean(&self.why)))?;
        if let Some(risk) = &self.risk {
            let (role, line) = risk_line(risk);
            streams.line(streams.style.paint(role, line))?;
        }
        Ok(())
    }
}

impl Test {
    /// Tries them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let book = Rulebook::read(&context.home);
        if let Some(error) = faulty(context, &book.faults) {
            return Err(error);
        }
        let is_given = self.request.is_some() || self.command.is_some() || !self.change.is_empty();
        if !is_given && self.history.is_none() {
            return Err(Error::usage("nothing to try the rules on").hint(
                "Give a request's id, --command LINE, --change FILE, or --history 30d: all that was asked.",
            ));
        }
        if let Some(time) = self.history {
            return history(context, streams, &book, time);
        }
        let subject = match &self.request {
            Some(id) => asked(context, streams, id)?,
            None => self.made_up(context, streams)?,
        };
        let judgement = book.judge(&subject, now_micros());
        Tried::new(&judgement, &subject).print(context, streams)?;
        Ok(Exit::Ok)
    }

    fn made_up(&self, context: &Context, streams: &mut Streams) -> Result<Subject, Error> {
        let mut asker = Asker { is_users_name: true, ..Asker::default() };
        if let Some(word) = &self.session {
            let tables = Tables::open_some(context, streams)?;
            let view = tables.view()?;
            let found = select(context, &view, word)?;
            asker = asker_of(&view, found.sid, &found.session)?;
        }
        let cwd = match (&self.cwd, &asker.cwd) {
            (Some(cwd), _) => whole(cwd)?,
            (None, Some(cwd)) => cwd.clone(),
            (None, None) => whole(Path::new("."))?,
        };
        asker.cwd.get_or_insert_with(|| cwd.clone());
        let file = |path: &PathBuf| FileTouched { path: cwd.join(path), is_deleted: false };
        let what = match &self.command {
            Some(line) => What::Command {
                line: Some(CommandLine::Text(line.clone())),
                cwd: Some(cwd),
                more: Vec::new(),
            },
            None => What::Files { files: self.change.iter().map(file).collect(), root: None },
        };
        Ok(Subject { what, asker })
    }
}

/// What a request of the log asks.
fn asked(context: &Context, streams: &mut Streams, id: &str) -> Result<Subject, Error> {
    let tables = Tables::open_some(context, streams)?;
    let view = tables.view()?;
    let doc = find_doc(context, &view, id)?;
    Ok(subject_of(&view, &open_log(context)?, &doc)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_days_too() {
        assert_eq!(time("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(time("90m"), Ok(SignedDuration::from_mins(90)));
        for wrong in ["", "d", "-3d", "0s", "soon", "999999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
