//! How a rules file is read.
//!
//! What always holds: all that is wrong is told, not the first of it alone.

use super::impossible::impossible;
use super::{Expiry, Fault, RuleFile, default_kinds};
use crate::paths::glob::Glob;
use crate::rule::{Decision, Kind, Origin, Rule};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The shortest expiry: less would be an answer, not a limit.
const EXPIRY_MIN: Duration = Duration::from_secs(1);

const KEYS: &str =
    "name, decision, command, exact, path, session, label, kind, anywhere, until, note";

impl RuleFile {
    /// Reads the text of `file`.
    ///
    /// # Errors
    /// All that is wrong with it, at least one fault.
    pub fn parse(text: &str, file: &str) -> Result<RuleFile, Vec<Fault>> {
        let mut reading = Reading { text, file, faults: Vec::new() };
        let found = reading.document();
        match reading.faults.is_empty() {
            true => Ok(found),
            false => Err(reading.faults),
        }
    }
}

type Value<'t> = Spanned<DeValue<'t>>;

struct Reading<'t> {
    text: &'t str,
    file: &'t str,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn origin(&self, at: usize) -> Origin {
        Origin { file: self.file.to_owned(), line: self.line(at) }
    }

    fn fault(&mut self, at: usize, message: impl Into<String>, remedy: impl Into<String>) {
        let Origin { file, line } = self.origin(at);
        self.faults.push(Fault { file, line, message: message.into(), remedy: remedy.into() });
    }

    fn document(&mut self) -> RuleFile {
        let mut found = RuleFile::default();
        let table = match DeTable::parse(self.text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let words = error.message().replace('\n', ", ");
                self.fault(at, words, "the file is TOML: strings in quotes, lists in brackets");
                return found;
            }
        };
        for (key, value) in &table {
            match key.get_ref().as_ref() {
                "rule" => self.rules(value, &mut found.rules),
                "expiry" => found.expiry = self.expiry(value),
                other => {
                    let message = format!("there is no {other:?} here");
                    self.fault(key.span().start, message, "begin a rule with [[rule]]");
                }
            }
        }
        found
    }

    fn rules(&mut self, value: &Value<'_>, rules: &mut Vec<Rule>) {
        let DeValue::Array(list) = value.get_ref() else {
            return self.fault(value.span().start, "`rule` is no list", "write [[rule]]");
        };
        let mut names = BTreeSet::new();
        for (place, value) in list.iter().enumerate() {
            let at = value.span().start;
            let DeValue::Table(table) = value.get_ref() else {
                self.fault(at, "a rule is no table", "write [[rule]]");
                continue;
            };
            if let Some(rule) = self.rule(at, place, table) {
                self.impossible(&rule, table);
                if !names.insert(rule.name.clone()) {
                    let message = format!("two rules are named {:?}", rule.name);
                    self.fault(at, message, "give each a name of its own");
                }
                rules.push(rule);
            }
        }
    }

    fn rule(&mut self, at: usize, place: usize, table: &DeTable<'_>) -> Option<Rule> {
        let mut rule = Rule {
            name: format!("rule-{}", place + 1),
            decision: Decision::Ask,
            command: Vec::new(),
            exact: false,
            path: None,
            session: None,
            label: None,
            kinds: Vec::new(),
            anywhere: false,
            until: None,
            note: None,
            origin: self.origin(at),
        };
        let faults = self.faults.len();
        let decision = self.fields(table, &mut rule);
        rule.decision = decision.unwrap_or(rule.decision);
        for (message, remedy) in contradictions(&rule, decision, table) {
            self.fault(at, message, remedy);
        }
        if rule.kinds.is_empty() {
            rule.kinds = default_kinds(&rule);
        }
        (self.faults.len() == faults).then_some(rule)
    }

    /// Reads what a rule says, key by key. Returns the decision, if it says one.
    fn fields(&mut self, table: &DeTable<'_>, rule: &mut Rule) -> Option<Decision> {
        let mut decision = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => rule.name = self.text_of(value, "name").unwrap_or_default(),
                "note" => rule.note = self.text_of(value, "note"),
                "session" => rule.session = self.text_of(value, "session"),
                "decision" => decision = self.decision(value),
                "command" => rule.command = self.command(value),
                "path" => rule.path = self.path(value),
                "label" => rule.label = self.label(value),
                "kind" => rule.kinds = self.kinds(value),
                "anywhere" => rule.anywhere = self.word_of(value, "anywhere"),
                "exact" => rule.exact = self.word_of(value, "exact"),
                "until" => rule.until = self.until(value),
                other => {
                    let message = format!("a rule has no {other:?}");
                    self.fault(key.span().start, message, format!("it has {KEYS}"));
                }
            }
        }
        decision
    }

    fn decision(&mut self, value: &Value<'_>) -> Option<Decision> {
        let word = self.text_of(value, "decision")?;
        let decision = Decision::of_word(&word);
        if decision.is_none() {
            let message = format!("{word:?} is no decision");
            self.fault(value.span().start, message, "one of accept, ask, decline");
        }
        decision
    }

    fn path(&mut self, value: &Value<'_>) -> Option<Glob> {
        let text = self.text_of(value, "path")?;
        let remedy = "a folder or file from the root, with * and **";
        Glob::new(&text).map_err(|why| self.fault(value.span().start, why, remedy)).ok()
    }

    fn label(&mut self, value: &Value<'_>) -> Option<String> {
        let label = self.text_of(value, "label")?;
        if !label.contains('=') {
            let remedy = "key=value, as in role=tester";
            self.fault(value.span().start, "that is no label", remedy);
        }
        Some(label)
    }

    /// A rule that can never hold.
    fn impossible(&mut self, rule: &Rule, table: &DeTable<'_>) {
        let own = table.iter().find(|(key, _)| key.get_ref() == "command");
        let Some((_, value)) = own else { return };
        let at = value.span().start;
        if let Some((message, remedy)) = impossible(&rule.command, rule.decision, rule.exact) {
            return self.fault(at, message, remedy);
        }
        let is_text = matches!(value.get_ref(), DeValue::String(_));
        let is_rest = |word: &&String| matches!(word.as_str(), "*" | "**" | "...");
        // `push*` would be a subcommand.
        let is_begun = |word: &&String| {
            let begin = word.trim_end_matches('*');
            begin.len() < word.len() && begin.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        let odd = rule.command.iter().skip(1).find(is_rest);
        let odd = odd.or_else(|| rule.command.get(1).filter(is_begun));
        if let Some(odd) = odd.filter(|_| is_text) {
            self.fault(
                at,
                format!("`{odd}` in a command stands for itself"),
                "leave it out: any further words fit; who means that word gives a list",
            );
        }
    }

    fn text_of(&mut self, value: &Value<'_>, key: &str) -> Option<String> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            _ => {
                self.fault(
                    value.span().start,
                    format!("{key} is no text"),
                    format!("{key} = \"…\""),
                );
                return None;
            }
        };
        if text.trim().is_empty() {
            self.fault(value.span().start, format!("{key} is empty"), "give one, or leave it out");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fault(
                value.span().start,
                format!("{key} has a control character"),
                "leave it out",
            );
            return None;
        }
        Some(text)
    }

    fn word_of(&mut self, value: &Value<'_>, key: &str) -> bool {
        match value.get_ref() {
            DeValue::Boolean(word) => return *word,
            _ => self.fault(
                value.span().start,
                format!("{key} is not true or false"),
                format!("{key} = true"),
            ),
        }
        false
    }

    fn texts_of(&mut self, value: &Value<'_>, key: &str) -> Vec<String> {
        match value.get_ref() {
            DeValue::Array(list) => list.iter().filter_map(|one| self.text_of(one, key)).collect(),
            _ => self.text_of(value, key).into_iter().collect(),
        }
    }

    fn command(&mut self, value: &Value<'_>) -> Vec<String> {
        let is_list = matches!(value.get_ref(), DeValue::Array(_));
        let words = self.texts_of(value, "command");
        let words = match is_list {
            true => words,
            false => {
                words.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
            }
        };
        let odd = |word: &String| word.contains(['\'', '"', '$', '`', '|', ';', '&', '>', '<']);
        if words.is_empty() {
            self.fault(
                value.span().start,
                "the command has no words",
                "command = [\"cargo\", \"test\"]",
            );
        } else if !is_list && words.iter().any(odd) {
            self.fault(
                value.span().start,
                "the command has quotes or operators",
                "give its words as a list, one program: command = [\"git\", \"commit\"]",
            );
        }
        words
    }

    fn kinds(&mut self, value: &Value<'_>) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for word in self.texts_of(value, "kind") {
            match Kind::of_word(&word) {
                Some(kind) => kinds.push(kind),
                None => {
                    let message = format!("no rule decides requests of kind {word:?}");
                    self.fault(
                        value.span().start,
                        message,
                        "one of command, file_change, permissions",
                    );
                }
            }
        }
        kinds
    }

    fn until(&mut self, value: &Value<'_>) -> Option<i64> {
        let text = match value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        match text.parse::<Timestamp>() {
            Ok(time) => Some(time.as_microsecond()),
            Err(_) => {
                let remedy = "a date and a time with its zone: 2026-11-21T18:00:00Z, or …+01:00";
                self.fault(value.span().start, format!("{text:?} is no moment"), remedy);
                None
            }
        }
    }

    fn expiry(&mut self, value: &Value<'_>) -> Option<Expiry> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            self.fault(at, "`expiry` is no table", "write [expiry]");
            return None;
        };
        let (mut after_ms, mut decision) = (None, "decline".to_owned());
        for (key, value) in table {
            let start = value.span().start;
            match key.get_ref().as_ref() {
                "after" => {
                    let Some(text) = self.text_of(value, "after") else { continue };
                    let after = text.parse::<SignedDuration>().ok();
                    let after = after.and_then(|after| Duration::try_from(after).ok());
                    match after.filter(|after| *after >= EXPIRY_MIN) {
                        Some(after) => after_ms = u64::try_from(after.as_millis()).ok(),
                        None => self.fault(
                            start,
                            format!("{text:?} is no time to wait"),
                            "\"30m\", \"8h\"",
                        ),
                    }
                }
                "decision" => {
                    let Some(word) = self.text_of(value, "decision") else { continue };
                    decision = word;
                    if !matches!(decision.as_str(), "decline" | "cancel") {
                        let message = format!("{decision:?} is no end of a wait");
                        self.fault(start, message, "decline, or cancel, which ends the turn too");
                    }
                }
                other => {
                    let message = format!("`expiry` has no {other:?}");
                    self.fault(key.span().start, message, "it has after, decision");
                }
            }
        }
        let Some(after_ms) = after_ms else {
            if !has(table, &["after"]) {
                self.fault(at, "`expiry` says not after what time", "after = \"8h\"");
            }
            return None;
        };
        Some(Expiry { after_ms, decision, origin: self.origin(at) })
    }
}

/// Whether a table has one of those keys.
fn has(table: &DeTable<'_>, keys: &[&str]) -> bool {
    table.iter().any(|(key, _)| keys.contains(&key.get_ref().as_ref()))
}

/// What a rule leaves out or says against itself, each with what would be right.
fn contradictions(
    rule: &Rule,
    decision: Option<Decision>,
    table: &DeTable<'_>,
) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let accepts = decision == Some(Decision::Accept);
    let refuses = decision.is_some() && !accepts;
    if !has(table, &["decision"]) {
        found.push(("the rule says no decision", "decision = \"accept\", \"ask\" or \"decline\""));
    }
    if accepts && !has(table, &["command", "path", "kind"]) {
        found.push((
            "the rule accepts everything",
            "say what: command = …, path = … or kind = …; everything is kind = [\"command\", \"file_change\", \"permissions\"]",
        ));
    }
    // What only refuses would be led round by one word more.
    if rule.exact && (refuses || !has(table, &["command"])) {
        found.push((
            "the rule is exact, and accepts no command",
            "leave `exact` out: only an accept of a command is exact",
        ));
    }
    if !rule.kinds.is_empty() && !rule.command.is_empty() && rule.kinds != [Kind::Command] {
        found.push(("a rule with a command is of another kind", "leave `kind` or `command` out"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::write_rule;
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<RuleFile, Vec<Fault>> {
        RuleFile::parse(text, "rules.toml")
    }

    #[test]
    fn a_file_is_read_with_its_places() {
        let text = r#"
# mine
[[rule]]
name = "tests"
decision = "accept"
command = "cargo test"
path = "/repo"
until = 2026-11-21T18:00:00+01:00

[[rule]]
decision = "decline"
path = "**/.git"
note = "leave git alone"

[expiry]
after = "8h"
"#;
        let found = parse(text).unwrap();
        let [tests, git] = &found.rules[..] else { panic!("{found:?}") };
        assert_eq!(tests.command, ["cargo", "test"]);
        assert_eq!(tests.kinds, [Kind::Command]);
        assert_eq!(tests.word(), "rule: tests (rules.toml:3)");
        assert!(tests.is_over(tests.until.unwrap()) && !tests.is_over(0));
        assert_eq!(tests.until, Some(1_795_280_400_000_000));
        assert_eq!((git.name.as_str(), git.origin.line, git.kinds.len()), ("rule-2", 10, 3));
        let expiry = found.expiry.unwrap();
        assert_eq!((expiry.after_ms, expiry.decision.as_str()), (28_800_000, "decline"));
        assert_eq!(expiry.word(), "expiry (rules.toml:15)");
        assert_eq!(parse("").unwrap(), RuleFile::default());
    }

    #[test]
    fn a_fault_names_line_and_remedy_and_none_of_the_rules_is_left() {
        for (text, line, part) in [
            ("[[rule]]\ndecision = accept", 2, "TOML"),
            ("[[rule]]\ndecision = \"yes\"", 2, "accept, ask, decline"),
            ("[[rule]]\nname = \"a\"", 1, "decision ="),
            ("[[rule]]\ndecision = \"ask\"\ncomand = \"x\"", 3, "it has name"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = []", 3, "cargo"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = \"a | b\"", 3, "list"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = 3", 3, "…"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = \"cd\"", 3, "leave it out"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = \"eval x\"", 3, "never accepted"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = \"ls *\"", 3, "further words fit"),
            ("[[rule]]\ndecision = \"decline\"\ncommand = \"git push *\"", 3, "further words fit"),
            ("[[rule]]\ndecision = \"decline\"\ncommand = \"rm -rf *\"", 3, "further words fit"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = \"git * main\"", 3, "further words fit"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = \"git push*\"", 3, "further words fit"),
            ("[[rule]]\ndecision=\"decline\"\ncommand=[\"git reset\",\"--hard\"]", 3, "place"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = [\"git log\", \"x\"]", 3, "place"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = \"A=1 ls\"", 3, "a variable"),
            ("[[rule]]\ndecision = \"ask\"\npath = \"../x\"", 3, "from the root"),
            ("[[rule]]\ndecision = \"decline\"\npath = \"~/.ssh\"", 3, "`~` in \"~/.ssh\""),
            ("[[rule]]\ndecision = \"decline\"\npath = \"/home/$USER/x\"", 3, "from the root"),
            ("[[rule]]\ndecision = \"ask\"\nlabel = \"x\"", 3, "key=value"),
            ("[[rule]]\ndecision = \"ask\"\nanywhere = 1", 3, "anywhere = true"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = \"x\"\nexact = 1", 4, "exact = true"),
            ("[[rule]]\ndecision = \"ask\"\ncommand = \"x\"\nexact = true", 1, "leave"),
            ("[[rule]]\ndecision = \"accept\"\npath = \"/x\"\nexact = true", 1, "leave"),
            ("[[rule]]\ndecision = \"ask\"\nkind = \"user_input\"", 3, "file_change"),
            ("[[rule]]\ndecision = \"ask\"\nkind = \"file_change\"\ncommand=\"x\"", 1, "leave"),
            ("[[rule]]\ndecision = \"ask\"\nuntil = 2026-11-21T18:00:00", 3, "zone"),
            ("[[rule]]\ndecision = \"ask\"\nnote = \"a\\u001b\"", 3, "leave it out"),
            (
                "[[rule]]\ndecision=\"ask\"\nname=\"a\"\n[[rule]]\ndecision=\"ask\"\nname=\"a\"",
                4,
                "own",
            ),
            ("[[rule]]\ndecision = \"accept\"", 1, "command = …"),
            ("\n[[rule]]\ndecision = \"accept\"\nsession = \"a\"", 2, "kind = …"),
            ("[[rule]]\ndecision = \"accept\"\ncommand = []", 3, "cargo"),
            ("[rule]\ndecision = \"ask\"", 1, "[[rule]]"),
            ("[[rules]]\ndecision = \"ask\"", 1, "[[rule]]"),
            ("[expiry]\nafter = \"soon\"", 2, "8h"),
            ("[expiry]\nafter = \"0s\"", 2, "8h"),
            ("[expiry]\nafter = \"1h\"\ndecision = \"accept\"", 3, "cancel"),
            ("[expiry]\n", 1, "after"),
        ] {
            let faults = parse(text).unwrap_err();
            let told = faults[0].to_string();
            assert!(told.starts_with(&format!("rules.toml:{line}: ")), "{text}: {told}");
            assert!(told.contains(part), "{text}: {told}");
        }
        let all = parse("[[rule]]\ndecision = 1\nx = 1\n[[rule]]\ndecision = \"accept\"\ny = 2")
            .unwrap_err();
        assert_eq!(all.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 6, 4]);
        let behind_its_name =
            parse("[[rule]]\nname = 1\nnote = 2\ndecision = \"ask\"").unwrap_err();
        assert_eq!(behind_its_name.len(), 2);
    }

    #[test]
    fn everything_is_accepted_only_by_name() {
        let all = parse("[[rule]]\ndecision='accept'\nkind=['command','file_change']").unwrap();
        assert!(write_rule(&all.rules[0]).contains("kind = "));
        assert_eq!(parse(&write_rule(&all.rules[0])).unwrap().rules[0].kinds, all.rules[0].kinds);
        assert!(parse("[[rule]]\ndecision='accept'\npath='/repo'").is_ok());
        assert!(parse("[[rule]]\ndecision='decline'").is_ok(), "what only refuses may be of all");
    }

    #[test]
    fn what_only_refuses_may_name_what_is_never_accepted() {
        for text in
            ["decline'\ncommand='eval'", "ask'\ncommand='cd'", "decline'\ncommand=['ls','*']"]
        {
            assert!(parse(&format!("[[rule]]\ndecision='{text}")).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "\\PC{0,80}", toml in "[\\[\\]a-z=\" \n.{},#0-9-]{0,80}") {
            let _ = parse(&text);
            let _ = parse(&toml);
        }
    }
}
