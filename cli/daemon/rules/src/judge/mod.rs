//! What the rules say of a request.
//!
//! What always holds: the strictest rule that fits wins (decline before ask before accept). For an
//! accept every part must be covered: each command of a line, each file, each permission. For a decline
//! or an ask one part is enough. What is not sure is a human's.

mod case;
mod part;
#[cfg(test)]
mod tests;

use crate::paths::links::Real;
use crate::programs::named::Sure;
use crate::rule::{Decision, Rule};
use crate::subject::Subject;
use case::Case;
use part::parts;

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'r> {
    /// The decision.
    pub decision: Decision,
    /// The rules that say so; none where a human is asked because no rule says anything.
    pub rules: Vec<&'r Rule>,
    /// Why.
    pub why: String,
}

impl Judgement<'_> {
    /// Who decided, as the log names it.
    pub fn word(&self) -> String {
        let words: Vec<String> = self.rules.iter().map(|rule| rule.word()).collect();
        words.join(", ")
    }

    fn ask<'r>(why: impl Into<String>) -> Judgement<'r> {
        Judgement { decision: Decision::Ask, rules: Vec::new(), why: why.into() }
    }
}

/// Judges `subject` by the rules that hold at `now`, in Unix microseconds.
pub fn judge<'r>(rules: &'r [Rule], subject: &Subject, now: i64, real: Real<'_>) -> Judgement<'r> {
    let Some(kind) = subject.kind() else {
        return Judgement::ask("no rule answers requests of this kind");
    };
    let case = Case { subject, parts: parts(subject), real };
    let mut fitting = Vec::new();
    for rule in rules {
        if !rule.is_over(now) && rule.kinds.contains(&kind) && case.is_asker(rule) {
            fitting.push(rule);
        }
    }
    let mut doubt = None;
    for decision in [Decision::Decline, Decision::Ask] {
        for rule in fitting.iter().filter(|rule| rule.decision == decision) {
            match case.touches(rule) {
                Sure::Yes => {
                    let why =
                        rule.note.clone().unwrap_or_else(|| format!("rule {} says so", rule.name));
                    return Judgement { decision, rules: vec![rule], why };
                }
                Sure::Perhaps => drop(doubt.get_or_insert(*rule)),
                Sure::No => {}
            }
        }
    }
    if let Some(rule) = doubt {
        let why = format!("it may be what rule {} is about", rule.name);
        return Judgement { decision: Decision::Ask, rules: vec![rule], why };
    }
    let accepting: Vec<&Rule> =
        fitting.into_iter().filter(|rule| rule.decision == Decision::Accept).collect();
    if accepting.is_empty() {
        return Judgement::ask("no rule is about it");
    }
    case.accepted(&accepting)
}
