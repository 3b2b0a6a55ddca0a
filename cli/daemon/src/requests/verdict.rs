//! An answer in Codex's own words: what is recorded, and what is sent.
//!
//! What always holds: what a verdict does to the turn follows from its word alone.

use super::method::Method;
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_ingest::app_server::Version;

/// An answer, ready to be recorded and sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// What is recorded: `accept`, `decline`, `answer` …
    pub word: String,
    /// What Codex gets.
    pub result: Value,
    /// Whether it ends the turn.
    pub interrupts: bool,
}

impl Verdict {
    /// What is recorded, what Codex gets, and what that does to the turn.
    pub fn new(method: Method<'_>, word: String, result: Value) -> Verdict {
        Verdict { interrupts: method.interrupts(&word), word, result }
    }
}

/// A verdict's word and result.
pub(super) type Said = (String, Value);

/// The four words that every approval takes.
pub(super) const WORDS: &[&str] = &["accept", "acceptForSession", "decline", "cancel"];

/// The first release that takes a reason with a refusal of the old forms, and takes none without, by the
/// schemas of 0.144.6 and 0.145.0.
const REASONED: Version = Version::released(0, 145, 0);

/// That reason. The user's own words, if there are any, follow as a message.
const REJECTION: &str = "rejected by user";

/// The refusal of a decision that there is not, with those that there are.
pub(super) fn unknown(word: &str, available: Option<&Vec<Value>>) -> Refusal {
    let mut words: Vec<String> = WORDS.iter().map(|&word| word.to_owned()).collect();
    for offered in available.into_iter().flatten().filter_map(Value::as_object) {
        words.extend(offered.keys().cloned());
    }
    Refusal::bad_request(format!("{word:?} is no decision here: one of {}", words.join(", ")))
        .hint("`sm approve REQUEST`, `sm deny REQUEST`, or `sm answer REQUEST --raw JSON`")
}

/// The same answer as that release reads it: later ones take no refusal of the old forms without a reason.
/// `asked_by`: its version; what cannot be told is taken for a later one.
pub(super) fn fit(verdict: Verdict, method: Method<'_>, asked_by: Option<Version>) -> Verdict {
    let is_later = asked_by.is_none_or(|version| version.has(REASONED));
    if !method.is_old() || !is_later || verdict.result != json!({ "decision": "denied" }) {
        return verdict;
    }
    let result = json!({ "decision": { "denied": { "rejection": REJECTION } } });
    Verdict { result, ..verdict }
}

/// Whether two answers say the same; a masked secret in the recorded one is equal to anything.
pub(super) fn is_same(recorded: &Value, now: &Value, mask: &str) -> bool {
    match (recorded, now) {
        (Value::String(recorded), Value::String(now)) => recorded == mask || recorded == now,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b, mask))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b, mask)))
        }
        (a, b) => a == b,
    }
}

/// Whether that text stands anywhere in there.
pub(super) fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Array(values) => values.iter().any(|value| holds(value, text)),
        Value::Object(fields) => fields.values().any(|value| holds(value, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_around_masked_secrets() {
        let recorded =
            json!({ "answers": { "k": { "answers": ["***"] }, "n": { "answers": ["A"] } } });
        let with = |k: &str, n: &str| json!({ "answers": { "k": { "answers": [k] }, "n": { "answers": [n] } } });
        assert!(is_same(&recorded, &with("secret", "A"), "***"));
        assert!(!is_same(&recorded, &with("secret", "B"), "***"));
        assert!(!is_same(&recorded, &json!({}), "***"));
    }
}
