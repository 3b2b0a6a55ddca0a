//! `sm goal`: what a session pursues turn after turn.

use super::send::text;
use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::{Streams, clean, tokens};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sm_daemon::api::{self, GoalTold, GoalVerb};

/// Shows a session's goal, sets it, or takes it away. Codex pursues it turn after turn, by itself.
#[derive(Debug, Args)]
pub struct Goal {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// What becomes of it.
    #[arg(value_enum, default_value = "show")]
    verb: Word,

    /// The goal, to set it; `-` reads standard input.
    text: Option<String>,

    /// How many tokens it may cost.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    budget: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Only shows it.
    Show,
    /// Sets it.
    Set,
    /// Pursues it no further for now.
    Pause,
    /// Pursues it again.
    Resume,
    /// Takes it away.
    Clear,
}

impl Goal {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let objective = match (self.verb, &self.text) {
            (Word::Set, Some(words)) => Some(text(words)?),
            (Word::Set, None) => {
                return Err(Error::usage("say what the goal is: sm goal SESSION set TEXT"));
            }
            (_, Some(_)) => return Err(Error::usage("only `set` takes a text")),
            (_, None) => None,
        };
        if self.budget.is_some() && self.verb != Word::Set {
            return Err(Error::usage("a budget is given with the goal: set TEXT --budget TOKENS"));
        }
        let wish = api::Goal {
            verb: match self.verb {
                Word::Show => GoalVerb::Show,
                Word::Set => GoalVerb::Set,
                Word::Pause => GoalVerb::Pause,
                Word::Resume => GoalVerb::Resume,
                Word::Clear => GoalVerb::Clear,
            },
            objective,
            token_budget: self.budget,
            act: acting(context),
        };
        let words = [self.session.clone()];
        let client = Client::for_sessions(context, streams, &words)?;
        let told: GoalTold = client.verb(&self.session, "goal", &wish)?;
        let id = told.session["id"].as_str().unwrap_or_default();
        if context.json {
            let document = json!({
                "schema": "sm.goal/1", "session_id": id, "goal": told.goal,
                "cleared": told.cleared, "session": told.session,
            });
            streams.document(&document)?;
            return Ok(Exit::Ok);
        }
        match &told.goal {
            Value::Object(goal) => {
                let word = |name: &str| goal.get(name).and_then(Value::as_str).unwrap_or_default();
                let count = |name: &str| goal.get(name).and_then(Value::as_u64);
                let budget = count("tokenBudget").map(|most| format!(" of {}", tokens(most)));
                streams.line(clean(word("objective")))?;
                streams.line(format_args!(
                    "  {} · {}{} tokens",
                    clean(word("status")),
                    tokens(count("tokensUsed").unwrap_or(0)),
                    budget.unwrap_or_default()
                ))?;
            }
            _ if told.cleared == Some(true) => {
                streams.say(format_args!("The goal of {id} was taken away."));
            }
            _ => {
                let home = context.home_words();
                streams.say(format_args!(
                    "{id} has no goal. Give it one: sm{home} goal {id} set 'TEXT'"
                ));
            }
        }
        Ok(Exit::Ok)
    }
}
