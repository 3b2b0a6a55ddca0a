//! What the rules say of a request.
//!
//! What always holds: the strictest rule that fits wins (decline before ask before accept). For an
//! accept every part must be covered: each command of a line, each file, each permission. For a decline
//! or an ask one part is enough. What is not sure is a human's.

use crate::rule::{Decision, Rule};
use crate::shell::{Simple, Unclear};
use crate::subject::{Asker, FileTouched, Subject, What};
use std::path::{Path, PathBuf};

/// Programs that start another one, named after their options.
const CARRIERS: &[&str] = &[
    "chronic", "doas", "env", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "timeout",
    "xargs",
];

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

/// Judges `subject` by the rules that hold at `now`, in Unix microseconds. `real` leads to the place
/// that a path really is at, whatever links lie on the way.
pub fn judge<'r>(
    rules: &'r [Rule],
    subject: &Subject,
    now: i64,
    real: &dyn Fn(&Path) -> PathBuf,
) -> Judgement<'r> {
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
    for decision in [Decision::Decline, Decision::Ask] {
        let mut strict = fitting.iter().filter(|rule| rule.decision == decision);
        if let Some(rule) = strict.find(|rule| case.touches(rule)) {
            let why = rule.note.clone().unwrap_or_else(|| format!("rule {} says so", rule.name));
            return Judgement { decision, rules: vec![rule], why };
        }
    }
    let accepting: Vec<&Rule> =
        fitting.into_iter().filter(|rule| rule.decision == Decision::Accept).collect();
    if accepting.is_empty() {
        return Judgement::ask("no rule is about it");
    }
    case.accepted(&accepting)
}

/// What a request consists of, each to be covered by itself.
enum Part<'s> {
    Command(Simple),
    File(&'s FileTouched),
    Permissions,
}

fn parts(subject: &Subject) -> Result<Vec<Part<'_>>, Unclear> {
    match &subject.what {
        What::Command { line: None, .. } => Err(Unclear("its command is not known".to_owned())),
        What::Command { line: Some(line), cwd, .. } => {
            let simple = line.simple_commands(cwd.as_deref())?;
            Ok(simple.into_iter().map(Part::Command).collect())
        }
        What::Files { files, .. } if files.is_empty() => {
            Err(Unclear("its files are not known".to_owned()))
        }
        What::Files { files, .. } => Ok(files.iter().map(Part::File).collect()),
        What::Permissions { .. } => Ok(vec![Part::Permissions]),
        What::Other => Err(Unclear("nobody knows what it asks".to_owned())),
    }
}

struct Case<'s> {
    subject: &'s Subject,
    parts: Result<Vec<Part<'s>>, Unclear>,
    real: &'s dyn Fn(&Path) -> PathBuf,
}

impl Case<'_> {
    /// Whether the rule is about the session that asks. An agent names and labels its children as it
    /// likes, so nothing is accepted on such a name or label.
    fn is_asker(&self, rule: &Rule) -> bool {
        let asker: &Asker = &self.subject.asker;
        let trusts = asker.is_users || rule.decision != Decision::Accept;
        let is = |own: &Option<String>, word: &String| own.as_ref() == Some(word);
        let session = rule.session.as_ref().is_none_or(|word| {
            is(&asker.id, word) || is(&asker.thread, word) || (trusts && is(&asker.name, word))
        });
        let labels = match rule.decision {
            Decision::Accept => &asker.users_labels,
            Decision::Decline | Decision::Ask => &asker.labels,
        };
        session && rule.label.as_ref().is_none_or(|label| labels.contains(label))
    }

    /// Whether the rule is about any part of it.
    fn touches(&self, rule: &Rule) -> bool {
        if rule.command.is_empty() && rule.path.is_none() {
            return true;
        }
        match &self.parts {
            Ok(parts) => parts.iter().any(|part| match part {
                Part::Command(simple) => {
                    (rule.command.is_empty() || begins_anywhere(simple, &rule.command))
                        && self.is_any_in(rule, &named(simple))
                }
                Part::File(file) => self.is_any_in(rule, std::slice::from_ref(&file.path)),
                Part::Permissions => self.is_any_in(rule, &self.permitted()),
            }),
            // What is known of a line that cannot be read is its folder.
            Err(_) => {
                let cwd = match &self.subject.what {
                    What::Command { cwd: Some(cwd), .. } => std::slice::from_ref(cwd),
                    _ => &[],
                };
                rule.command.is_empty() && self.is_any_in(rule, cwd)
            }
        }
    }

    fn accepted<'r>(&self, rules: &[&'r Rule]) -> Judgement<'r> {
        let parts = match &self.parts {
            Ok(parts) => parts,
            Err(why) => return Judgement::ask(format!("it is not clear what it does: {why}")),
        };
        let more = match &self.subject.what {
            What::Command { more, .. } => more.first().cloned(),
            What::Files { root: Some(root), .. } => Some(format!("all of {}", root.display())),
            _ => None,
        };
        if let Some(more) = more {
            return Judgement::ask(format!("it asks for more: {more}"));
        }
        let mut used: Vec<&'r Rule> = Vec::new();
        let mut covered = 0;
        for part in parts {
            if matches!(part, Part::Command(simple) if simple.is_cd && simple.writes.is_empty()) {
                continue;
            }
            let Some(rule) = rules.iter().find(|rule| self.covers(rule, part)) else {
                return Judgement::ask(match part {
                    Part::Command(simple) => self.uncovered(rules, simple),
                    Part::File(file) => format!("no rule covers {}", file.path.display()),
                    Part::Permissions => "no rule covers all of it".to_owned(),
                });
            };
            covered += 1;
            if !used.contains(rule) {
                used.push(rule);
            }
        }
        if covered == 0 {
            return Judgement::ask("it does nothing");
        }
        let names: Vec<&str> = used.iter().map(|rule| rule.name.as_str()).collect();
        let why = format!("rule {} covers it", names.join(", "));
        Judgement { decision: Decision::Accept, rules: used, why }
    }

    /// Whether the rule covers all of a part.
    fn covers(&self, rule: &Rule, part: &Part<'_>) -> bool {
        match part {
            Part::Command(simple) => {
                let is_named = rule.command.is_empty() || begins(simple, &rule.command);
                let writes = match &rule.path {
                    Some(_) => self.are_all_in(rule, &simple.writes),
                    None => simple.writes.is_empty(),
                };
                let folders = rule.path.is_none()
                    || (!simple.folders.is_empty() && self.are_all_in(rule, &simple.folders));
                is_named && writes && folders && self.beyond(rule, simple).is_none()
            }
            Part::File(file) => self.are_all_in(rule, std::slice::from_ref(&file.path)),
            Part::Permissions => match &self.subject.what {
                What::Permissions { network, reads, writes, more } => {
                    rule.path.is_none()
                        || (!network
                            && more.is_empty()
                            && self.are_all_in(rule, reads)
                            && self.are_all_in(rule, writes))
                }
                _ => false,
            },
        }
    }

    /// Why no rule covers a command.
    fn uncovered(&self, rules: &[&Rule], simple: &Simple) -> String {
        let named = rules.iter().filter(|rule| begins(simple, &rule.command));
        let mut beyond = named.filter_map(|rule| Some((rule, self.beyond(rule, simple)?)));
        match beyond.next() {
            Some((rule, word)) => format!(
                "no rule covers `{}`: rule {} has a path, and {word} may be beyond it",
                simple.text(),
                rule.name
            ),
            None => format!("no rule covers `{}`", simple.text()),
        }
    }

    /// The first argument, of those that the rule does not name itself, that may be a place which its
    /// path does not cover.
    fn beyond<'p>(&self, rule: &Rule, simple: &'p Simple) -> Option<&'p str> {
        rule.path.as_ref()?;
        let mut given = simple.words.iter().skip(rule.command.len().max(1));
        let beyond = given.find(|word| match places(&word.text, &simple.folders) {
            Some(places) => !word.is_literal || !self.are_all_in(rule, &places),
            None => true,
        });
        beyond.map(|word| word.text.as_str())
    }

    fn permitted(&self) -> Vec<PathBuf> {
        match &self.subject.what {
            What::Permissions { reads, writes, .. } => {
                reads.iter().chain(writes).cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    fn base(&self) -> Option<&Path> {
        self.subject.asker.cwd.as_deref()
    }

    fn are_all_in(&self, rule: &Rule, paths: &[PathBuf]) -> bool {
        let Some(glob) = &rule.path else { return true };
        // Both where it is said to be and where it is: a link leads out of any folder.
        paths.iter().all(|path| {
            glob.covers(path, self.base()) && glob.covers(&(self.real)(path), self.base())
        })
    }

    fn is_any_in(&self, rule: &Rule, paths: &[PathBuf]) -> bool {
        let Some(glob) = &rule.path else { return true };
        paths.iter().any(|path| {
            glob.covers(path, self.base()) || glob.covers(&(self.real)(path), self.base())
        })
    }
}

/// Whether a command begins with those words, all of them sure.
fn begins(simple: &Simple, words: &[String]) -> bool {
    simple.words.len() >= words.len()
        && simple.words.iter().zip(words).all(|(own, word)| own.is_literal && own.text == *word)
}

/// The same for a rule that is strict: wherever the program lies, and wherever it stands behind a
/// carrier.
fn begins_anywhere(simple: &Simple, words: &[String]) -> bool {
    let texts: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
    let is_carried = CARRIERS.contains(&file_name(simple.program()));
    let starts = if is_carried { texts.len() } else { 1 };
    (0..starts).any(|at| {
        let rest = &texts[at..];
        let Some((first, more)) = words.split_first() else { return false };
        (rest[0] == first || file_name(rest[0]) == first)
            && rest.len() > more.len()
            && rest[1..].iter().zip(more).all(|(own, word)| own == word)
    })
}

fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// What a carrier starts: behind its options, their numbers and the variables that it sets.
pub(crate) fn carried<'a, 't>(words: &'a [&'t str]) -> Option<&'a [&'t str]> {
    let (first, rest) = words.split_first()?;
    if !CARRIERS.contains(&file_name(first)) {
        return None;
    }
    let is_own = |word: &&&str| {
        word.starts_with('-')
            || word.contains('=')
            || word.starts_with(|c: char| c.is_ascii_digit())
    };
    let own = rest.iter().take_while(is_own).count();
    Some(&rest[own..])
}

/// The places that an argument may name, whatever its program makes of it: `x`, `--to=x`, `-Ix`, `@x`,
/// `host:x`; an address is none, unless of a file. `None` where that is not sure.
fn places(text: &str, folders: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let mut pieces: Vec<&str> = Vec::new();
    for part in text.split(['=', ',', '@']) {
        match part.split_once("://") {
            Some((scheme, _)) if scheme != "file" && scheme.chars().all(char::is_alphanumeric) => {}
            _ => pieces.extend(part.split(':')),
        }
    }
    // A flag's value may follow it at once.
    let value =
        |piece: &&'_ str| piece.starts_with('-').then(|| piece.find(['/', '.', '~'])).flatten();
    let values: Vec<&str> =
        pieces.iter().filter_map(|piece| Some(&piece[value(piece)?..])).collect();
    pieces.extend(values);
    pieces.retain(|piece| *piece != "/dev/null");
    let is_sure = !pieces.iter().any(|piece| piece.starts_with('~'));
    let all = folders.iter().flat_map(|folder| pieces.iter().map(|piece| folder.join(piece)));
    is_sure.then(|| all.collect())
}

/// The places that a command names: where it runs, what it writes into, arguments that are paths.
fn named(simple: &Simple) -> Vec<PathBuf> {
    let mut places = [simple.folders.clone(), simple.writes.clone()].concat();
    for word in simple.words.iter().skip(1) {
        let text = word.text.rsplit('=').next().unwrap_or(&word.text);
        if text.contains('/') || text.starts_with('.') || simple.is_cd {
            match text.starts_with('/') {
                true => places.push(PathBuf::from(text)),
                false => places.extend(simple.folders.iter().map(|folder| folder.join(text))),
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::RuleFile;
    use crate::shell::CommandLine;
    use proptest::prelude::*;

    fn rules(text: &str) -> Vec<Rule> {
        RuleFile::parse(text, "rules.toml").unwrap_or_else(|faults| panic!("{faults:?}")).rules
    }

    fn asker() -> Asker {
        Asker {
            id: Some("ab12".into()),
            thread: Some("T1".into()),
            name: Some("worker".into()),
            labels: vec!["role=tester".into()],
            users_labels: vec!["role=tester".into()],
            is_users: true,
            cwd: Some("/repo".into()),
        }
    }

    fn command(text: &str) -> Subject {
        let line = Some(CommandLine::Text(text.to_owned()));
        let what = What::Command { line, cwd: Some("/repo".into()), more: Vec::new() };
        Subject { what, asker: asker() }
    }

    fn files(paths: &[&str]) -> Subject {
        let file = |path: &&str| FileTouched { path: path.into(), is_deleted: false };
        let what = What::Files { files: paths.iter().map(file).collect(), root: None };
        Subject { what, asker: asker() }
    }

    /// `/repo/link` leads to `/etc`.
    fn real(path: &Path) -> PathBuf {
        match path.strip_prefix("/repo/link") {
            Ok(rest) => Path::new("/etc").join(rest),
            Err(_) => path.to_path_buf(),
        }
    }

    fn says(rules: &[Rule], subject: &Subject) -> Decision {
        judge(rules, subject, 1_000, &real).decision
    }

    const TESTS: &str =
        "[[rule]]\nname='tests'\ndecision='accept'\ncommand='cargo test'\npath='/repo'\n";

    #[test]
    fn every_command_of_a_line_must_be_covered() {
        let own = rules(&format!("{TESTS}[[rule]]\ndecision='accept'\ncommand='ls'\n"));
        for text in [
            "cargo test",
            "/bin/bash -lc 'cargo test --all && ls -la'",
            "cd sub && cargo test",
            "cargo test > out.txt",
            "cargo test 2>&1 | ls",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        for text in [
            "cargo testing",
            "cargo",
            "./cargo test",
            "cargo test && rm x",
            "cargo test; $(rm x)",
            "cargo t*st",
            "env cargo test",
            "cd /etc && cargo test",
            "cd link && cargo test",
            "cargo test > /etc/x",
            "cargo test > link/x",
            "ls > x",
            "cd sub",
            "X=1 cargo test",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        let both = judge(&own, &command("cargo test | ls"), 1_000, &real).word();
        assert_eq!(both, "rule: tests (rules.toml:1), rule: rule-2 (rules.toml:6)");
    }

    #[test]
    fn the_strictest_rule_wins_wherever_it_stands() {
        let own = rules(
            "[[rule]]\ndecision='accept'\n[[rule]]\ndecision='ask'\ncommand='git push'\n\
             [[rule]]\nname='no rm'\ndecision='decline'\ncommand='rm'\nnote='use trash'\n",
        );
        assert_eq!(says(&own, &command("anything at all")), Decision::Accept);
        assert_eq!(says(&own, &command("ls && git push")), Decision::Ask);
        for text in [
            "ls; git push; rm x",
            "/bin/rm x",
            "sudo -u me rm x",
            "timeout 5 rm x",
            "xargs rm",
            "env A=1 nice rm x",
            "bash -c 'rm x'",
        ] {
            let told = judge(&own, &command(text), 1_000, &real);
            assert_eq!(
                (told.decision, told.why.as_str()),
                (Decision::Decline, "use trash"),
                "{text}"
            );
        }
        assert_eq!(says(&own, &command("echo $(rm x)")), Decision::Ask);
        assert_eq!(says(&own, &command("echo rm")), Decision::Accept);
    }

    #[test]
    fn a_file_change_is_covered_file_by_file() {
        let own = rules(
            "[[rule]]\ndecision='accept'\npath='/repo/src'\n[[rule]]\ndecision='accept'\npath='docs/*.md'\n\
             [[rule]]\ndecision='decline'\npath='**/.git'\n",
        );
        assert_eq!(says(&own, &files(&["/repo/src/a.rs", "/repo/docs/a.md"])), Decision::Accept);
        assert_eq!(says(&own, &files(&["/repo/src/a.rs", "/repo/x"])), Decision::Ask);
        assert_eq!(says(&own, &files(&["/repo/src/../x"])), Decision::Ask);
        assert_eq!(says(&own, &files(&["/repo/src/a", "/repo/.git/hooks/x"])), Decision::Decline);
        assert_eq!(says(&own, &files(&[])), Decision::Ask);
        assert_eq!(says(&own, &command("cat .git/config")), Decision::Decline);
        let mut more = files(&["/repo/src/a.rs"]);
        if let What::Files { root, .. } = &mut more.what {
            *root = Some("/".into());
        }
        assert_eq!(says(&own, &more), Decision::Ask);
    }

    #[test]
    fn permissions_are_accepted_only_by_a_rule_that_says_so() {
        let subject = |network, writes: &[&str]| {
            let writes = writes.iter().map(PathBuf::from).collect();
            let what = What::Permissions { network, reads: Vec::new(), writes, more: Vec::new() };
            Subject { what, asker: asker() }
        };
        let silent = rules("[[rule]]\ndecision='accept'\n");
        assert_eq!(says(&silent, &subject(false, &["/repo"])), Decision::Ask);
        let within = rules("[[rule]]\ndecision='accept'\nkind='permissions'\npath='/repo'\n");
        assert_eq!(says(&within, &subject(false, &["/repo/a"])), Decision::Accept);
        assert_eq!(says(&within, &subject(true, &["/repo/a"])), Decision::Ask);
        assert_eq!(says(&within, &subject(false, &["/repo/a", "/etc"])), Decision::Ask);
        let all = rules("[[rule]]\ndecision='accept'\nkind='permissions'\n");
        assert_eq!(says(&all, &subject(true, &["/"])), Decision::Accept);
        let never = rules("[[rule]]\ndecision='decline'\n");
        assert_eq!(says(&never, &subject(true, &[])), Decision::Decline);
    }

    #[test]
    fn a_path_is_of_the_arguments_too() {
        let own = rules(
            "[[rule]]\ndecision='accept'\ncommand='touch'\npath='/repo'\n\
             [[rule]]\ndecision='accept'\ncommand='cat /etc/motd'\npath='/repo/**'\n",
        );
        for text in [
            "touch x src/x ./y --date=2020-01-01 -t 1.5",
            "touch /repo/x a/../b",
            "cd src && touch ../x",
            "touch -r /dev/null x",
            "touch a=b c:d https://example.org/x",
            "cat /etc/motd",
            "cat /etc/motd README.md",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        for text in [
            "touch /etc/x",
            "touch x ../x",
            "touch x --reference=/etc/x",
            "touch -r/etc/x",
            "touch -r../x",
            "touch a:/etc/x a,/etc/x @/etc/x",
            "touch file:///etc/x",
            "touch https://example.org,/etc/x",
            "touch a=//etc/x",
            "touch ~/x",
            "touch '~/x'",
            "touch *",
            "touch {a,/etc/x}",
            "touch link/x",
            "touch link",
            "cd src && touch ../../x",
            "cat /etc/motd /etc/passwd",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        let judged = judge(&own, &command("touch /etc/x"), 1_000, &real);
        assert!(judged.why.contains("/etc/x may be beyond it"), "{}", judged.why);
    }

    #[test]
    fn who_asks_is_the_users_word_never_an_agents() {
        let own = rules(
            "[[rule]]\ndecision='accept'\nsession='worker'\ncommand='a'\n\
             [[rule]]\ndecision='accept'\nsession='ab12'\ncommand='b'\n\
             [[rule]]\ndecision='accept'\nlabel='role=tester'\ncommand='c'\n\
             [[rule]]\ndecision='decline'\nsession='worker'\ncommand='d'\n\
             [[rule]]\ndecision='decline'\nlabel='role=tester'\ncommand='e'\n",
        );
        let mut child = command("a");
        child.asker.is_users = false;
        // A label of the user's counts on whatever session, one of an agent's on none.
        let labelled = Subject { asker: child.asker.clone(), ..command("c") };
        assert_eq!(says(&own, &labelled), Decision::Accept);
        child.asker.users_labels.clear();
        assert_eq!(says(&own, &command("a && b && c")), Decision::Accept);
        assert_eq!(says(&own, &child), Decision::Ask);
        for (text, decision) in [
            ("b", Decision::Accept),
            ("c", Decision::Ask),
            ("d", Decision::Decline),
            ("e", Decision::Decline),
        ] {
            let Subject { what, .. } = command(text);
            assert_eq!(
                says(&own, &Subject { what, asker: child.asker.clone() }),
                decision,
                "{text}"
            );
        }
        let mut other = command("a");
        other.asker.name = Some("other".into());
        assert_eq!(says(&own, &other), Decision::Ask);
    }

    #[test]
    fn a_rule_that_is_over_says_nothing_and_more_than_a_command_is_asked() {
        let ends = rules(&format!("{TESTS}until=1970-01-01T00:00:00.000500Z\n"));
        assert_eq!(judge(&ends, &command("cargo test"), 499, &real).decision, Decision::Accept);
        assert_eq!(judge(&ends, &command("cargo test"), 500, &real).decision, Decision::Ask);
        let mut more = command("cargo test");
        if let What::Command { more, .. } = &mut more.what {
            more.push("the network".into());
        }
        assert_eq!(says(&rules(TESTS), &more), Decision::Ask);
        assert_eq!(says(&rules("[[rule]]\ndecision='accept'"), &Subject::default()), Decision::Ask);
    }

    fn word() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "rm", "sub", "'x y'", "/etc", "*"])
            .prop_map(str::to_owned)
    }

    proptest! {
        /// More rules that accept never make a decline an accept, and a decline added never loosens.
        #[test]
        fn a_stricter_rule_never_loosens(
            lines in prop::collection::vec(prop::collection::vec(word(), 1..4), 1..4),
            join in prop::sample::select(vec![" && ", " ; ", " | ", " || "]),
            strict in prop::sample::select(vec!["ask", "decline"]), name in word(),
        ) {
            let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
            let subject = command(&lines.join(join));
            let loose = "[[rule]]\ndecision='accept'\n[[rule]]\ndecision='accept'\ncommand='a'\n";
            let name = name.trim_matches('\'').replace(' ', "");
            let both = format!("{loose}[[rule]]\ndecision='{strict}'\ncommand=['{name}']\n");
            prop_assert!(says(&rules(&both), &subject) >= says(&rules(loose), &subject));
        }

        /// A line is accepted just when each of its commands is.
        #[test]
        fn a_line_is_as_good_as_its_worst_command(
            lines in prop::collection::vec(prop::collection::vec(word(), 1..4), 1..5),
            join in prop::sample::select(vec![" && ", " ; ", " | ", " || ", "\n"]),
        ) {
            let own = rules("[[rule]]\ndecision='accept'\ncommand='a'\n[[rule]]\ndecision='accept'\ncommand='b sub'\n");
            let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
            let each = lines.iter().all(|line| says(&own, &command(line)) == Decision::Accept);
            let whole = says(&own, &command(&lines.join(join))) == Decision::Accept;
            prop_assert_eq!(each, whole);
        }
    }
}
