//! How rules are written.
//!
//! What always holds: what is written reads back as the same.

use super::{Expiry, default_kinds};
use crate::rule::{Decision, Rule};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

/// A rule as text of a rules file.
pub fn write_rule(rule: &Rule) -> String {
    let mut text = String::from("[[rule]]\n");
    // TOML's basic strings take JSON's escapes.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut put = |key: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    put("name", quoted(&rule.name));
    put("decision", quoted(rule.decision.as_str()));
    if !rule.command.is_empty() {
        let words: Vec<String> = rule.command.iter().map(|word| quoted(word)).collect();
        put("command", format!("[{}]", words.join(", ")));
    }
    if rule.exact {
        put("exact", "true".to_owned());
    }
    if let Some(path) = &rule.path {
        put("path", quoted(path.as_str()));
    }
    if let Some(session) = &rule.session {
        put("session", quoted(session));
    }
    if let Some(label) = &rule.label {
        put("label", quoted(label));
    }
    let is_unbounded = rule.command.is_empty() && rule.path.is_none();
    let accepts = rule.decision == Decision::Accept;
    if rule.kinds != default_kinds(rule) || (accepts && is_unbounded) {
        let kinds: Vec<String> = rule.kinds.iter().map(|kind| quoted(kind.as_str())).collect();
        put("kind", format!("[{}]", kinds.join(", ")));
    }
    if rule.anywhere {
        put("anywhere", "true".to_owned());
    }
    if let Some(until) = rule.until.and_then(|until| Timestamp::from_microsecond(until).ok()) {
        put("until", until.to_string());
    }
    if let Some(note) = &rule.note {
        put("note", quoted(note));
    }
    text
}

/// The same of an expiry.
pub fn write_expiry(expiry: &Expiry) -> String {
    let Expiry { after_ms, decision, .. } = expiry;
    let after = SignedDuration::from_millis(i64::try_from(*after_ms).unwrap_or(i64::MAX));
    format!("[expiry]\nafter = \"{after:#}\"\ndecision = \"{decision}\"\n")
}

#[cfg(test)]
mod tests {
    use super::super::RuleFile;
    use super::super::impossible::impossible;
    use super::*;
    use crate::paths::glob::Glob;
    use crate::rule::Origin;
    use proptest::prelude::*;

    #[test]
    fn a_written_expiry_reads_back() {
        let expiry_of = |text: &str| RuleFile::parse(text, "rules.toml").unwrap().expiry;
        for (text, decision) in [("8h", "decline"), ("90m", "cancel"), ("1s 5ms", "decline")] {
            let text = format!("[expiry]\nafter = \"{text}\"\ndecision = \"{decision}\"\n");
            let expiry = expiry_of(&text).unwrap();
            assert_eq!(expiry_of(&write_expiry(&expiry)), Some(expiry));
        }
    }

    proptest! {
        #[test]
        fn a_written_rule_reads_back(
            name in "[ -~äö]{1,20}", words in prop::collection::vec("[!-~]{1,8}", 0..3),
            decision in prop::sample::select(vec![Decision::Accept, Decision::Ask, Decision::Decline]),
            until in prop::option::of(0i64..4_000_000_000), note in prop::option::of("[!-~]{1,20}"),
            under in prop::option::of("/[ -~]{1,20}"), anywhere in any::<bool>(),
            is_exact in any::<bool>(),
        ) {
            prop_assume!(!name.trim().is_empty() && impossible(&words, decision, false).is_none());
            let under = under.map(|path| path.replace("..", "x"));
            let path = under.map(|path| Glob::of_path(std::path::Path::new(&path)).unwrap());
            let exact = is_exact && decision == Decision::Accept && !words.is_empty();
            let mut rule = Rule {
                name, decision, command: words, exact, path, session: None, label: None,
                kinds: Vec::new(), anywhere, until: until.map(|seconds| seconds * 1_000_000), note,
                origin: Origin { file: "grants.toml".into(), line: 1 },
            };
            rule.kinds = default_kinds(&rule);
            let read = RuleFile::parse(&write_rule(&rule), "grants.toml").unwrap();
            prop_assert_eq!(&read.rules[..], &[rule][..]);
        }
    }
}
