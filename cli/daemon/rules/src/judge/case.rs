//! A request before its rules: which are about it, and what they cover of it.
//!
//! What always holds: a rule declines or asks by one part that may be its own, and accepts by those only that
//! surely are; nothing that a command starts, writes or reads is left out.

use super::Judgement;
use super::part::{Command, Part, commands_of};
use crate::line::shell::{CommandLine, READABLE_SHELLS, Simple, Unclear, Word};
use crate::line::words::{file_name, unified};
use crate::paths::glob::normal;
use crate::paths::guarded::{GUARDED, guarded};
use crate::paths::links::Real;
use crate::paths::places::{counted, landings, named, places_at};
use crate::programs::git::lists::more_than_lists;
use crate::programs::git::{settings_elsewhere, unpaged};
use crate::programs::known::{changes, only_looks};
use crate::programs::named::Sure;
use crate::programs::starts::{
    DEPTH_MAX, Line, Start, is_shell, leads_elsewhere, may_carry_line, may_run, starts,
};
use crate::programs::strays::{changes_below, strays};
use crate::rule::{Decision, Rule};
use crate::subject::{Asker, Programs, Subject, What};
use std::path::{Path, PathBuf};

/// What lies in every repository.
const BARE: &[&str] = &["HEAD", "objects", "refs"];

/// A request before its rules.
pub(super) struct Case<'s> {
    pub subject: &'s Subject,
    pub parts: Result<Vec<Part<'s>>, Unclear>,
    pub real: Real<'s>,
}

/// A command that a rule covers, as far as it does not start others.
struct Covered<'r, 'c> {
    rule: &'r Rule,
    simple: &'c Simple,
    /// As many of its first words are the user's own: the rule names them.
    known: usize,
}

impl Covered<'_, '_> {
    /// Whether all that it starts is accepted as well, whatever that is.
    fn is_by_everything(&self) -> bool {
        self.rule.command.is_empty() && self.rule.path.is_none()
    }

    /// Why what it starts is not known, although what its words name as programs and lines is.
    fn vague(&self) -> Option<String> {
        let words = &self.simple.words;
        if !self.rule.command.is_empty() {
            return may_run(words, self.known);
        }
        let carries =
            || may_carry_line(words).then(|| "a shell reads what stands behind it".to_owned());
        leads_elsewhere(words).or_else(carries)
    }
}

impl Case<'_> {
    /// Whether the rule is about the session that asks. An agent names and labels its children as it
    /// likes, so nothing is accepted on such a name or label.
    pub fn is_asker(&self, rule: &Rule) -> bool {
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
    pub fn touches(&self, rule: &Rule) -> Sure {
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
        let Some(counted) = counted(simple) else { return sure.max(Sure::Perhaps) };
        let may = |at: usize| match places_at(simple, at, counted.of(at)) {
            Some(places) => self.is_any_in(rule, &places) > Sure::No,
            None => true,
        };
        match sure == Sure::No && (1..simple.words.len()).any(may) {
            true => Sure::Perhaps,
            false => sure,
        }
    }

    pub fn accepted<'r>(&self, rules: &[&'r Rule]) -> Judgement<'r> {
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
        let unpaged = unpaged(&simple.words).map(|words| Simple { words, ..simple.clone() });
        for rule in rules {
            let simple = match &unpaged {
                _ if is_of(rule, simple) => simple,
                Some(unpaged) if is_of_looking(rule, unpaged) => unpaged,
                _ => continue,
            };
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
                    self.carried(rules, &Covered { rule, simple, known: rule.command.len() }, depth)
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

    /// Why it is not sure whose settings `git` goes by: a folder that it is in is a repository itself, by
    /// whatever name, and may have been made by the agent.
    fn unnamed_repository(&self, simple: &Simple) -> Option<String> {
        if unified(&simple.words).first().map(|word| file_name(&word.text)) != Some("git") {
            return None;
        }
        let is_repository =
            |folder: &Path| BARE.iter().all(|name| self.is_there(&folder.join(name)));
        let named = |folder: &Path| self.is_there(&folder.join(".git"));
        let counted = counted(simple)?;
        for folder in counted.all() {
            let Some(folder) = (self.real)(folder) else { continue };
            let mut up = folder.ancestors().take_while(|folder| !named(folder));
            if let Some(found) = up.find(|folder| is_repository(folder)) {
                let found = found.display();
                return Some(format!("{found} is a repository itself: its settings say what runs"));
            }
        }
        None
    }

    /// The rules that cover what a command starts, where its own rule covers itself.
    fn carried<'r>(
        &self,
        rules: &[&'r Rule],
        own: &Covered<'r, '_>,
        depth: usize,
    ) -> Result<Vec<&'r Rule>, String> {
        if own.is_by_everything() {
            return Ok(Vec::new());
        }
        if depth >= DEPTH_MAX {
            return Err("programs start programs".to_owned());
        }
        let found = starts(&own.simple.words, own.known);
        let vague = found.unsure.or_else(|| own.vague());
        if let Some(why) = vague.or_else(|| self.unnamed_repository(own.simple)) {
            return Err(why);
        }
        let mut used = Vec::new();
        for start in found.commands {
            used.extend(self.of_program(rules, own, start, depth)?);
        }
        for line in found.lines {
            used.extend(self.of_line(rules, own, line, depth)?);
        }
        Ok(used)
    }

    /// The rules that cover a program that a covered command starts.
    fn of_program<'r>(
        &self,
        rules: &[&'r Rule],
        own: &Covered<'r, '_>,
        start: Start,
        depth: usize,
    ) -> Result<Vec<&'r Rule>, String> {
        let Covered { rule, simple, known } = *own;
        let mut inner = Simple {
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
            // Who names a program that is given further words by its input accepts those.
            inner.words.pop_if(|word| !word.is_literal && word.text.is_empty());
            return self.carried(rules, &Covered { rule, simple: &inner, known: named }, depth + 1);
        }
        if start.is_elsewhere {
            let (text, program) = (inner.text(), simple.program());
            return Err(format!("`{program}` starts `{text}` elsewhere, or as somebody else"));
        }
        if !(is_shell(&inner.words) && inner.words.iter().all(|word| word.is_literal)) {
            return self.carrying(rules, &inner, depth + 1);
        }
        let words = inner.words.iter().map(|word| word.text.clone()).collect();
        let found = commands_of(&CommandLine::Words(words), &inner.folders);
        let mut used = Vec::new();
        for simple in found.map_err(|why| why.to_string())? {
            used.extend(self.carrying(rules, &simple, depth + 1)?);
        }
        Ok(used)
    }

    /// The rules that cover a line that a covered command has a shell read.
    fn of_line<'r>(
        &self,
        rules: &[&'r Rule],
        own: &Covered<'r, '_>,
        line: Line,
        depth: usize,
    ) -> Result<Vec<&'r Rule>, String> {
        let Covered { rule, simple, known } = *own;
        let Line { at, end, text } = line;
        // The rule has the whole line, or how its only command begins.
        if end <= known {
            return Ok(Vec::new());
        }
        let named: Vec<String> =
            simple.words[at.min(known)..known].iter().map(|word| word.text.clone()).collect();
        let found = commands_of(&CommandLine::Text(text), &simple.folders);
        let mut used = Vec::new();
        for simple in &found.map_err(|why| why.to_string())? {
            let is_named = !named.is_empty() && begins_so(simple, &named);
            if is_named && self.beyond(rule, simple, named.len()).is_none() {
                let inner = Covered { rule, simple, known: named.len() };
                used.extend(self.carried(rules, &inner, depth + 1)?);
            } else {
                used.extend(self.carrying(rules, simple, depth + 1)?);
            }
        }
        Ok(used)
    }

    /// Why a rule by its words does not cover a command: its program, or a shell that may have started
    /// it, has a bare name, and is found where the agent may write, or may be.
    fn own_program(&self, rule: &Rule, simple: &Simple) -> Option<String> {
        if rule.command.is_empty() || rule.anywhere {
            return None;
        }
        let (rule, program) = (&rule.name, simple.program());
        match &self.subject.asker.programs {
            Programs::These(own) => {
                let mut names = std::iter::once(program).chain(READABLE_SHELLS.iter().copied());
                let name = names.find(|name| own.contains(*name))?;
                Some(format!(
                    "`{name}` is found in a folder that the agent may write; rule {rule} names no path of it"
                ))
            }
            Programs::Any(folder) => Some(format!(
                "`{program}`, or its shell, may be found in {}, which the agent may write and `sm` cannot read whole; rule {rule} does not say `anywhere`",
                folder.display()
            )),
        }
    }

    /// Why a rule does not cover the places of a command: a folder it may run in, a file that the shell
    /// opens, an argument behind the first `known` words that may be a place.
    fn beyond(&self, rule: &Rule, simple: &Simple, known: usize) -> Option<String> {
        let name = &rule.name;
        let shown = |path: &Path| path.display().to_string();
        if let Some(why) = more_than_lists(&simple.words, known) {
            return Some(why);
        }
        if rule.path.is_none() {
            let what = match simple.writes.first() {
                Some(file) => format!("writes into {}", file.display()),
                None => changes(&simple.words, known, known < rule.command.len())?,
            };
            return Some(format!("rule {name} has no path, and it {what}"));
        }
        if simple.folders.is_empty() {
            return Some(format!("rule {name} has a path, and where it runs is not known"));
        }
        let beyond = |what: String| format!("rule {name} has a path, and {what} may be beyond it");
        if let Some(word) = settings_elsewhere(&unified(&simple.words), known) {
            return Some(beyond(format!("`git config {word}`")));
        }
        if let Some(what) = strays(&simple.words, known) {
            return Some(beyond(what));
        }
        let guards = |path: &Path| self.guards(rule, path);
        let shown_word = |word: &Word| match word.text.as_str() {
            "" => "its input".to_owned(),
            text => text.to_owned(),
        };
        let Some(counted) = counted(simple) else {
            return Some(beyond("the folder that it changes to".to_owned()));
        };
        // Whoever only looks may look at what is guarded.
        let looks = only_looks(&simple.words);
        let is_deep = changes_below(&simple.words);
        for (at, word) in simple.words.iter().enumerate().skip(known.max(1)) {
            let Some(places) = places_at(simple, at, counted.of(at)) else {
                return Some(beyond(shown_word(word)));
            };
            if !self.are_all_in(rule, &places) {
                return Some(beyond(shown_word(word)));
            }
            if let Some(why) = places.iter().filter(|_| !looks).find_map(|path| guards(path)) {
                return Some(why);
            }
            let below = places.iter().filter(|_| is_deep).flat_map(|path| self.guarded_in(path));
            if let Some(why) = below.into_iter().find_map(|path| guards(&path)) {
                return Some(why);
            }
        }
        for path in landings(simple, &counted).into_iter().filter(|_| !looks) {
            // What nobody can follow is not written through.
            if (self.real)(&path).is_some() && !self.are_all_in(rule, std::slice::from_ref(&path)) {
                return Some(beyond(shown(&path)));
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

    /// The guarded folders that lie in a folder.
    fn guarded_in(&self, folder: &Path) -> Vec<PathBuf> {
        let all = GUARDED.iter().map(|name| folder.join(name));
        all.filter(|path| self.is_there(path)).collect()
    }

    /// Only from what is there a way leads up.
    fn is_there(&self, path: &Path) -> bool {
        (self.real)(&path.join("..")).is_some()
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

/// Whether a command does nothing but change the folder.
fn only_moves(simple: &Simple) -> bool {
    simple.is_cd && simple.writes.is_empty() && simple.reads.is_empty()
}

/// Whether a rule is of that command, by its words.
fn is_of(rule: &Rule, simple: &Simple) -> bool {
    let is_alone = simple.words.len() == rule.command.len()
        && simple.writes.is_empty()
        && simple.reads.is_empty();
    begins_so(simple, &rule.command) && (is_alone || !rule.exact)
}

/// Whether a rule is of that command, and of nothing but looking, by its words.
fn is_of_looking(rule: &Rule, simple: &Simple) -> bool {
    let own = &simple.words[..rule.command.len().min(simple.words.len())];
    !rule.exact && is_of(rule, simple) && only_looks(own)
}

/// Whether a command begins with exactly those words, all of them sure.
fn begins_so(simple: &Simple, words: &[String]) -> bool {
    simple.words.len() >= words.len()
        && simple.words.iter().zip(words).all(|(own, word)| own.is_literal && own.text == *word)
}
