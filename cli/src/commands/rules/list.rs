//! `sm rules list`: all rules, the grants too.

use super::faulty;
use crate::context::{Context, shell_word};
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Table, age, clean, now_micros};
use crate::read::{AsOf, Head};
use serde::Serialize;
use sm_daemon::Rulebook;
use sm_rules::{Decision, Fault, Rule};
use std::path::PathBuf;

#[derive(Serialize)]
struct Listed<'b> {
    #[serde(flatten)]
    head: Head,
    rules: Vec<ListedRule<'b>>,
    expiry: &'b Option<sm_rules::Expiry>,
    faults: &'b [Fault],
    files: [PathBuf; 2],
}

#[derive(Serialize)]
struct ListedRule<'b> {
    #[serde(flatten)]
    rule: &'b Rule,
    /// Whether its end has come.
    over: bool,
    /// How long it still holds.
    left_ms: Option<i64>,
}

/// Lists them; it fails where a file has a fault.
pub fn run(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let (book, now) = (Rulebook::read(&context.home), now_micros());
    let listed = |rule| ListedRule {
        rule,
        over: rule.is_over(now),
        left_ms: rule.until.map(|until: i64| ((until - now) / 1000).max(0)),
    };
    let mut head = Head::new("sm.rules/1", AsOf::nothing());
    head.warnings.extend(faulty(context, &book.faults).map(|error| error.message));
    let answer = Listed {
        head,
        rules: book.rules.iter().map(listed).collect(),
        expiry: &book.expiry,
        faults: &book.faults,
        files: [context.home.rules_path(), context.home.grants_path()],
    };
    if context.json {
        streams.document(&answer)?;
    }
    if let Some(error) = faulty(context, &book.faults) {
        return Err(error);
    }
    if context.json {
        return Ok(Exit::Ok);
    }
    if book.rules.is_empty() {
        streams.say(teaching(context));
    } else {
        let mut table = Table::new(&["NAME", "DECISION", "ENDS", "STANDS IN", "ABOUT"]);
        for listed in &answer.rules {
            table.row(row(listed, now));
        }
        table.print(streams)?;
    }
    if let Some(expiry) = &book.expiry {
        let after = age(i64::try_from(expiry.after_ms).unwrap_or(i64::MAX).saturating_mul(1000));
        let verb = if expiry.decision == "cancel" { "cancelled" } else { "declined" };
        streams.line(format_args!("What nobody answers for {after} is {verb}."))?;
    }
    Ok(Exit::Ok)
}

fn row(listed: &ListedRule<'_>, now: i64) -> Vec<(Option<Role>, String)> {
    let rule = listed.rule;
    let ends = match rule.until {
        None => "-".to_owned(),
        Some(_) if listed.over => "over".to_owned(),
        Some(until) => format!("in {}", age(until - now)),
    };
    let role = match rule.decision {
        _ if listed.over => Role::Dim,
        Decision::Accept => Role::NeedsHuman,
        Decision::Ask => Role::Dim,
        Decision::Decline => Role::Bad,
    };
    vec![
        (None, clean(&rule.name).into_owned()),
        (Some(role), rule.decision.as_str().to_owned()),
        (None, ends),
        (None, format!("{}:{}", rule.origin.file, rule.origin.line)),
        (None, clean(&about(rule)).into_owned()),
    ]
}

/// What a rule is about, in words.
fn about(rule: &Rule) -> String {
    let mut words = Vec::new();
    match rule.command.is_empty() {
        false => words
            .push(rule.command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")),
        true => {
            words.push(rule.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "))
        }
    }
    words.extend(rule.exact.then(|| "and no word more".to_owned()));
    words.extend(rule.path.as_ref().map(|path| format!("in {}", path.as_str())));
    words.extend(rule.session.as_ref().map(|session| format!("of {session}")));
    words.extend(rule.label.as_ref().map(|label| format!("with {label}")));
    words.extend(rule.note.as_ref().map(|note| format!("({note})")));
    words.join(" ")
}

fn teaching(context: &Context) -> String {
    let home = context.home_words();
    format!(
        "No rules: every request asks you. Rules are off until you write some:\n\n  \
         # {}\n  \
         [[rule]]\n  \
         name = \"tests\"\n  \
         decision = \"accept\"            # or \"ask\", \"decline\"; the strictest wins\n  \
         command = [\"cargo\", \"test\"]\n  \
         path = \"/path/to/repo\"\n\n\
         Try them before:  sm{home} rules test --command 'cargo test && rm -r target'\n\
         On what was asked: sm{home} rules test --history 30d\n\
         For a while:      sm{home} rules grant 'cargo test' --under . --until 18:00",
        context.home.rules_path().display()
    )
}
