//! The rules in force: the user's file, and the grants beside it.
//!
//! What always holds: no file, no rule. A file with a fault, or one that others can write, puts every
//! rule out of force, and that is told. Only the user grants and revokes; each change is recorded.

use crate::api::Grant;
use crate::caller::Caller;
use crate::daemon::{Daemon, now};
use crate::home::Home;
use crate::problem::Refusal;
use crate::records::LookError;
use rustix::fs::OFlags;
use serde_json::{Value, json};
use sm_log::Reader;
use sm_projections::View;
use sm_projections::views::RequestDoc;
use sm_protocol::synthetic::{RulesChanged, Synthetic};
use sm_rules::{
    Decision, Expiry, Fault, Glob, Judgement, Kind, Origin, Rule, RuleFile, Subject, judge,
    write_expiry, write_rule,
};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The longest rules file, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// How long a daemon may take to answer by a rule, in microseconds; what waits longer waits for a human.
const RULE_TIME_MAX: i64 = 5_000_000;

/// The name of the file of grants in faults.
const GRANTS: &str = "grants.toml";

const GRANTS_HEAD: &str = "# Written by `sm rules grant`; `sm rules revoke NAME` takes one back.\n";

/// All rules, as they stand in the files.
#[derive(Debug, Clone, Default)]
pub struct Rulebook {
    /// The rules: the user's, then the grants.
    pub rules: Vec<Rule>,
    /// What becomes of requests that nobody answers.
    pub expiry: Option<Expiry>,
    /// What is wrong: while anything is, there are no rules.
    pub faults: Vec<Fault>,
    /// When a file was last changed, in Unix microseconds; 0 where there is none.
    pub changed_at: i64,
}

impl Rulebook {
    /// Reads the files of a data directory.
    pub fn read(home: &Home) -> Rulebook {
        let own = read(&home.rules_path());
        let grants = read(&home.grants_path());
        let files = [home.rules_path(), home.grants_path()];
        let changed_at = files.iter().map(|path| changed_at(path)).max().unwrap_or_default();
        let mut faults = Vec::new();
        let mut whole = Vec::new();
        for found in [own, grants] {
            match found {
                Ok((_, file)) => whole.push(file),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if !faults.is_empty() {
            return Rulebook { faults, changed_at, ..Rulebook::default() };
        }
        let mut book = Rulebook { changed_at, ..Rulebook::default() };
        for file in whole {
            book.rules.extend(file.rules);
            book.expiry = book.expiry.or(file.expiry);
        }
        book
    }

    /// What the rules say of a request at `now`, in Unix microseconds.
    pub fn judge(&self, subject: &Subject, now: i64) -> Judgement<'_> {
        judge(&self.rules, subject, now, &super::asked::real)
    }
}

impl Rulebook {
    /// Whether the daemon is about to answer that request by a rule, which takes it a moment. A rule
    /// decides what comes, not what waits: one that may be younger than the request does not.
    pub fn is_about_to_answer(
        &self,
        view: &View<'_>,
        log: &Reader,
        doc: &RequestDoc,
        now: i64,
    ) -> Result<bool, LookError> {
        if self.rules.is_empty() || doc.status != "pending" {
            return Ok(false);
        }
        if doc.decision.is_some() {
            return Ok(true);
        }
        let is_fresh = now.saturating_sub(doc.asked_micros) < RULE_TIME_MAX;
        let is_ruled = self.changed_at < doc.asked_micros;
        if !is_fresh || !is_ruled || sm_rules::Kind::of_word(doc.kind).is_none() {
            return Ok(false);
        }
        let subject = super::asked::subject_of(view, log, doc)?;
        Ok(self.judge(&subject, now).decision != Decision::Ask)
    }
}

/// How files with faults are put right.
pub fn mending(home: &Home, faults: &[Fault]) -> String {
    let Some(Fault { file, line, .. }) = faults.first() else { return String::new() };
    let path = home.dir().join(file);
    let mend = format!("Put line {line} of {} right", path.display());
    let rest = "`sm rules check` tells all, and until then every request asks";
    match file == GRANTS {
        true => format!("{mend}, or remove the file: it holds grants alone. {rest}."),
        false => format!("{mend}. {rest}."),
    }
}

/// A file's text and what it says; one that is not there says nothing.
fn read(path: &Path) -> Result<(String, RuleFile), Vec<Fault>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fault = |message: String, remedy: String| {
        vec![Fault { file: name.clone(), line: 1, message, remedy }]
    };
    let unreadable = |error: io::Error| {
        let remedy = format!("ls -l {} shows whose it is", path.display());
        fault(format!("it cannot be read: {error}"), remedy)
    };
    // What is no regular file may make whoever opens it wait for good.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        opened => opened.map_err(unreadable)?,
    };
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        let remedy = format!("put a file of rules at {}, or remove it", path.display());
        return Err(fault("it is no regular file".to_owned(), remedy));
    }
    if is_others(&found) {
        let remedy = format!("chmod 600 {0}, and see that it is your own", path.display());
        return Err(fault("others than you can write it".to_owned(), remedy));
    }
    if found.len() > BYTES_MAX {
        return Err(fault("it is longer than 1 MiB".to_owned(), "make it shorter".to_owned()));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let rules = RuleFile::parse(&text, &name)?;
    Ok((text, rules))
}

/// When a file was written, put in its place or opened to others, in Unix microseconds.
fn changed_at(path: &Path) -> i64 {
    use std::os::unix::fs::MetadataExt;
    let micros = |found: std::fs::Metadata| found.ctime() * 1_000_000 + found.ctime_nsec() / 1000;
    std::fs::metadata(path).map_or(0, micros)
}

fn is_others(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.uid() != rustix::process::getuid().as_raw() || found.mode() & 0o022 != 0
}

/// What tells whether a file was changed.
type Stamp = Option<(i64, i64, u64, u64, u32)>;

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino(), found.mode()))
}

/// Keeps the rules of a daemon, and what it does by them.
#[derive(Default)]
pub(crate) struct Keeper {
    book: Mutex<Option<([Stamp; 2], Arc<Rulebook>)>>,
    /// Requests that the rules are asked about right now: they wait for nobody yet.
    judged: Mutex<BTreeSet<u64>>,
    /// One change of the grants at a time.
    changing: Mutex<()>,
    /// Something was asked.
    pub asked: Notify,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Whether a request is with the rules.
    pub fn is_judged(&self, request: u64) -> bool {
        held(&self.judged).contains(&request)
    }
}

/// A request is with the rules until this is dropped.
pub(crate) struct Judging {
    daemon: Arc<Daemon>,
    request: u64,
}

impl Judging {
    pub fn begin(daemon: &Arc<Daemon>, request: u64) -> Judging {
        held(&daemon.rules.judged).insert(request);
        Judging { daemon: Arc::clone(daemon), request }
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        held(&self.daemon.rules.judged).remove(&self.request);
    }
}

impl Daemon {
    /// The rules as the files have them now. A change is told and recorded.
    pub fn rulebook(&self) -> Arc<Rulebook> {
        let home = &self.config.home;
        let mut kept = held(&self.rules.book);
        let stamps = [stamp(&home.rules_path()), stamp(&home.grants_path())];
        if let Some((known, book)) = kept.as_ref()
            && *known == stamps
        {
            return Arc::clone(book);
        }
        let book = Arc::new(Rulebook::read(home));
        let is_news = kept.is_some() || stamps != [None, None];
        *kept = Some((stamps, Arc::clone(&book)));
        drop(kept);
        if is_news {
            self.tell_rules(&book);
        }
        book
    }

    fn tell_rules(&self, book: &Rulebook) {
        let faults: Vec<String> = book.faults.iter().map(Fault::to_string).collect();
        for fault in &faults {
            self.say(&format!("no rule applies, every request asks: {fault}"));
        }
        if faults.is_empty() {
            self.say(&format!("{} rules are in force", book.rules.len()));
        }
        let rules = book.rules.iter().map(write_rule);
        let text: Vec<String> = rules.chain(book.expiry.as_ref().map(write_expiry)).collect();
        let changed = RulesChanged {
            what: "read".to_owned(),
            text: text.join("\n"),
            faults,
            ..RulesChanged::default()
        };
        if let Err(error) = self.note("", &Synthetic::RulesChanged(changed)) {
            self.say(&format!("that the rules changed was not recorded: {error}"));
        }
    }
}

/// The rules, and what is wrong with them.
pub(crate) fn document(daemon: &Daemon) -> Value {
    let book = daemon.rulebook();
    let home = &daemon.config.home;
    json!({
        "rules": book.rules,
        "expiry": book.expiry,
        "faults": book.faults,
        "files": [home.rules_path(), home.grants_path()],
    })
}

/// Makes a grant. Returns it as a rule.
pub(crate) fn grant(daemon: &Daemon, wish: &Grant) -> Result<Value, Refusal> {
    let caller = daemon.caller(wish.by.as_deref())?;
    may(&caller)?;
    let until = wish.until.filter(|until| *until > now());
    let until = until.ok_or_else(|| {
        Refusal::bad_request("a grant has an end, and in the time to come").hint(
            "`sm rules grant 'cargo test' --until 18:00`; what has no end stands in rules.toml",
        )
    })?;
    if wish.command.is_empty() && wish.path.is_none() {
        return Err(Refusal::bad_request("a grant is of a command, a path, or both")
            .hint("`sm rules grant 'cargo test' --under ./repo --until 18:00`"));
    }
    let wrong = |why: String| Refusal::bad_request(why).hint("a path from the root");
    let path = wish.path.as_deref().map(|path| Glob::of_path(Path::new(path))).transpose();
    let path = path.map_err(wrong)?;
    if wish.path.as_deref().is_some_and(|path| !path.starts_with('/')) {
        return Err(wrong("the path of a grant is a whole one".to_owned()));
    }
    let _changing = held(&daemon.rules.changing);
    let (mut grants, own) = standing(daemon)?;
    let is_taken = |name: &str| grants.iter().chain(&own).any(|rule| rule.name == name);
    let name = match &wish.name {
        Some(name) if is_taken(name) => {
            return Err(Refusal::conflict(format!("a rule is named {name:?} already"))
                .hint("`sm rules` lists them; give another name"));
        }
        Some(name) => name.clone(),
        None => {
            let names = (1u32..).map(|number| format!("grant-{number}"));
            names.into_iter().find(|name| !is_taken(name)).unwrap_or_default()
        }
    };
    let is_change = wish.command.is_empty();
    let rule = Rule {
        name: name.clone(),
        decision: Decision::Accept,
        command: wish.command.clone(),
        path,
        session: wish.session.clone(),
        label: None,
        kinds: vec![if is_change { Kind::FileChange } else { Kind::Command }],
        until: Some(until),
        anywhere: false,
        note: wish.note.clone(),
        origin: Origin::default(),
    };
    let text = write_rule(&rule);
    grants.push(rule);
    replace(daemon, &grants)?;
    changed(daemon, "granted", &caller, &name, &text)?;
    let found = daemon.rulebook();
    let made = found.rules.iter().find(|rule| rule.name == name);
    made.map(crate::daemon::to_value).ok_or_else(|| {
        Refusal::conflict("the grant is written, and no rule applies while a file has a fault")
            .hint("`sm rules check` tells which")
    })
}

/// Takes a grant back.
pub(crate) fn revoke(daemon: &Daemon, name: &str, by: Option<&str>) -> Result<Value, Refusal> {
    let caller = daemon.caller(by)?;
    may(&caller)?;
    let _changing = held(&daemon.rules.changing);
    let (mut grants, own) = standing(daemon)?;
    let Some(at) = grants.iter().position(|rule| rule.name == name) else {
        return Err(match own.iter().find(|rule| rule.name == name) {
            Some(rule) => {
                Refusal::conflict(format!("{name:?} is a rule of your own file")).hint(format!(
                    "take it out: {}, line {}",
                    daemon.config.home.rules_path().display(),
                    rule.origin.line
                ))
            }
            None => Refusal::not_found(format!("no grant is named {name:?}"))
                .hint("`sm rules` lists them"),
        });
    };
    let gone = grants.remove(at);
    replace(daemon, &grants)?;
    changed(daemon, "revoked", &caller, name, &write_rule(&gone))?;
    Ok(crate::daemon::to_value(&gone))
}

fn may(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::User | Caller::Demo => Ok(()),
        _ => Err(Refusal::forbidden(
            "no rule is of an agent's making: the user alone grants and revokes",
        )),
    }
}

/// The grants that still hold, and the user's own rules.
fn standing(daemon: &Daemon) -> Result<(Vec<Rule>, Vec<Rule>), Refusal> {
    let home = &daemon.config.home;
    let wrong = |faults: Vec<Fault>| {
        let told = faults.first().map(Fault::to_string).unwrap_or_default();
        Refusal::conflict(told).hint(mending(home, &faults))
    };
    let (_, grants) = read(&home.grants_path()).map_err(wrong)?;
    let own = read(&home.rules_path()).map(|(_, own)| own.rules).unwrap_or_default();
    let now = now();
    Ok((grants.rules.into_iter().filter(|rule| !rule.is_over(now)).collect(), own))
}

/// The text of a file of grants, one that reads back.
fn text_of(grants: &[Rule]) -> Result<String, Refusal> {
    let mut text = GRANTS_HEAD.to_owned();
    for rule in grants {
        text.push('\n');
        text.push_str(&write_rule(rule));
    }
    if text.len() as u64 > BYTES_MAX {
        return Err(Refusal::bad_request("all grants together are longer than 1 MiB")
            .hint("make it shorter, or `sm rules revoke` some"));
    }
    match RuleFile::parse(&text, GRANTS) {
        Ok(_) => Ok(text),
        Err(faults) => {
            let told = faults.first().map(|fault| (fault.message.clone(), fault.remedy.clone()));
            let (message, remedy) = told.unwrap_or_default();
            Err(Refusal::bad_request(format!("no grant can be so: {message}")).hint(remedy))
        }
    }
}

/// Puts other grants in the place of those that stand: all or nothing, also after a power cut.
fn replace(daemon: &Daemon, grants: &[Rule]) -> Result<(), Refusal> {
    let path = daemon.config.home.grants_path();
    let text = text_of(grants)?;
    write(&path, &text).map_err(|error| {
        Refusal::new(503, "failed", format!("{} was not written: {error}", path.display()))
            .hint("see whether the disk is full or failing")
            .retryable()
    })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("toml.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn changed(
    daemon: &Daemon,
    what: &str,
    caller: &Caller,
    name: &str,
    text: &str,
) -> Result<(), Refusal> {
    let changed = RulesChanged {
        what: what.to_owned(),
        by: Some(caller.word()),
        name: Some(name.to_owned()),
        text: text.to_owned(),
        faults: Vec::new(),
    };
    daemon.note("", &Synthetic::RulesChanged(changed)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn with(text: &str) -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        write(&home.rules_path(), text).unwrap();
        (dir, home)
    }

    const OWN: &str = "[[rule]]\nname = \"own\"\ndecision = \"accept\"\ncommand = \"ls\"\n";

    #[test]
    fn no_grant_is_written_that_does_not_read_back() {
        let rules = RuleFile::parse(OWN, GRANTS).unwrap().rules;
        assert_eq!(RuleFile::parse(&text_of(&rules).unwrap(), GRANTS).unwrap().rules.len(), 1);
        let with = |change: fn(&mut Rule)| {
            let mut rules = rules.clone();
            change(&mut rules[0]);
            text_of(&rules).unwrap_err()
        };
        for refused in [
            with(|rule| rule.name = "a\nb".to_owned()),
            with(|rule| rule.note = Some("x\ny".to_owned())),
            with(|rule| rule.name = " ".to_owned()),
            with(|rule| rule.command = vec!["a\nb".to_owned()]),
            with(|rule| rule.note = Some("x".repeat(2 << 20))),
        ] {
            assert_eq!(refused.problem.code, "bad_request", "{refused:?}");
        }
    }

    #[test]
    fn no_file_no_rule_and_grants_stand_beside_the_users_own() {
        let dir = tempfile::tempdir().unwrap();
        let book = Rulebook::read(&Home::new(dir.path()));
        assert!(book.rules.is_empty() && book.faults.is_empty() && book.expiry.is_none());
        let (_dir, home) = with(OWN);
        write(&home.grants_path(), &OWN.replace("own", "granted")).unwrap();
        let names: Vec<String> =
            Rulebook::read(&home).rules.into_iter().map(|r| r.word()).collect();
        assert_eq!(names, ["rule: own (rules.toml:1)", "rule: granted (grants.toml:1)"]);
    }

    #[test]
    fn what_is_no_regular_file_is_told_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let path = home.rules_path();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let told = |home: &Home| Rulebook::read(home).faults[0].to_string();
        assert!(told(&home).contains("no regular file"), "{}", told(&home));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(told(&home).contains("no regular file"), "{}", told(&home));
    }

    #[test]
    fn a_file_with_a_fault_or_of_others_puts_every_rule_out_of_force() {
        let (_dir, home) = with(OWN);
        write(&home.grants_path(), "[[rule]]\ndecision = 1\n").unwrap();
        let book = Rulebook::read(&home);
        assert!(book.rules.is_empty());
        assert!(book.faults[0].to_string().starts_with("grants.toml:2: "), "{:?}", book.faults);
        let (_dir, home) = with(OWN);
        let open = std::fs::Permissions::from_mode(0o662);
        std::fs::set_permissions(home.rules_path(), open).unwrap();
        let book = Rulebook::read(&home);
        assert!(book.rules.is_empty() && book.faults[0].remedy.contains("chmod 600"));
        let (_dir, home) = with(OWN);
        std::fs::write(home.rules_path(), [0xff, 0xfe]).unwrap();
        assert!(!Rulebook::read(&home).faults.is_empty());
    }
}
