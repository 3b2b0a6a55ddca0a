//! `sm rules grant` and `revoke`: rules with an end.

use super::whole;
use crate::bound::Until;
use crate::commands::each::{Outcome, each};
use crate::context::{Context, shell_word};
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, age, clean, now_micros};
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api;
use sm_rules::CommandLine;
use std::path::PathBuf;

/// Makes a rule with an end: what it covers is accepted until then.
#[derive(Debug, Args)]
pub struct Grant {
    /// The first words of the commands; without them file changes are granted.
    command: Option<String>,

    /// Where they may run, or what may be changed: a folder and all below, or a file.
    #[arg(long, value_name = "PATH", required_unless_present = "command")]
    under: Option<PathBuf>,

    /// Until when: 18:00, 2026-11-21T18:00, 2h (from now).
    #[arg(long, value_name = "TIME")]
    until: Until,

    /// Only for this session.
    #[arg(long)]
    session: Option<String>,

    /// What to call it [default: grant-N].
    #[arg(long)]
    name: Option<String>,

    /// Why.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Takes grants back.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Their names, as `sm rules` shows them.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// The words of one plain command.
pub fn plain_words(text: &str) -> Result<Vec<String>, Error> {
    let plain = |why: String| {
        Error::usage(format!("{text:?} is no plain command: {why}"))
            .hint("Give one program's first words, as in 'cargo test'; more stands in rules.toml.")
    };
    let line = CommandLine::Text(text.to_owned());
    let found = line.simple_commands(None).map_err(|why| plain(why.to_string()))?;
    let [one] = &found[..] else { return Err(plain("it has several".to_owned())) };
    let is_redirected = !one.writes.is_empty() || !one.reads.is_empty();
    if is_redirected || one.words.iter().any(|word| !word.is_literal) {
        return Err(plain("the shell replaces words of it, or opens a file".to_owned()));
    }
    Ok(one.words.iter().map(|word| word.text.clone()).collect())
}

impl Grant {
    /// Makes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let under = self.under.as_deref().map(whole).transpose()?;
        let grant = api::Grant {
            name: self.name.clone(),
            command: self.command.as_deref().map(plain_words).transpose()?.unwrap_or_default(),
            exact: false,
            path: under.map(|path| path.to_string_lossy().into_owned()),
            session: self.session.clone(),
            until: Some(self.until.0),
            note: self.note.clone(),
            by: context.caller.clone(),
        };
        grant_it(context, streams, &grant)?;
        Ok(Exit::Ok)
    }
}

/// Has the daemon make a grant, and says so.
pub fn grant_it(context: &Context, streams: &mut Streams, grant: &api::Grant) -> Result<(), Error> {
    let client = Client::or_start(context, streams)?;
    let rule = client.grant(grant)?;
    if context.json {
        return streams.document(&json!({ "schema": "sm.grant/1", "rule": rule }));
    }
    let name = rule["name"].as_str().unwrap_or_default().to_owned();
    let left = grant.until.map_or(0, |until| until - now_micros());
    streams.line(format_args!(
        "{} holds for {}; sm{} rules revoke {}",
        clean(&name),
        age(left),
        context.home_words(),
        shell_word(&name)
    ))
}

impl Revoke {
    /// Takes them back.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let client = Client::or_start(context, streams)?;
        // The others are meant all the same.
        let told = each(context, streams, &self.names, |name| {
            let revoke = api::Revoke { name: name.to_owned(), by: context.caller.clone() };
            match client.revoke(&revoke) {
                Ok(rule) => {
                    let line = format!("{} is revoked", clean(name));
                    Outcome::done(json!({ "rule": rule }), line)
                }
                Err(error) => Outcome::failed(json!({ "name": name }), error),
            }
        })?;
        if context.json {
            let errors = told.rows.iter().filter(|row| !row["error"].is_null());
            let errors: Vec<&Value> = errors.collect();
            let rules: Vec<&Value> = told.rows.iter().filter_map(|row| row.get("rule")).collect();
            let schema = "sm.revoke/1";
            streams.document(&json!({ "schema": schema, "rules": rules, "errors": errors }))?;
        }
        told.exit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grants_command_is_one_plain_one() {
        assert_eq!(plain_words("git commit -m 'a b'").unwrap(), ["git", "commit", "-m", "a b"]);
        for wrong in ["a && b", "a > b", "a *", "$A", "", "cd"] {
            assert_eq!(plain_words(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
