//! The rules in force: the user's file, and the grants beside it.
//!
//! What always holds: no file, no rule. A file with a fault, one that others can write, or a link that leads
//! nowhere puts every rule out of force, and that is told. Each change of a file is recorded.

use crate::daemon::Daemon;
use crate::guard::guard;
use crate::home::Home;
use crate::records::LookError;
use rustix::fs::OFlags;
use serde_json::{Value, json};
use sm_log::Reader;
use sm_projections::View;
use sm_projections::views::RequestDoc;
use sm_protocol::synthetic::{RulesChanged, Synthetic};
use sm_rules::{
    Decision, Expiry, Fault, Judgement, Rule, RuleFile, Subject, judge, write_expiry, write_rule,
};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The longest rules file, in bytes.
pub(super) const BYTES_MAX: u64 = 1 << 20;

/// How long a daemon may take to answer by a rule, in microseconds; what waits longer waits for a human.
const RULE_TIME_MAX: i64 = 5_000_000;

/// The name of the file of grants in faults.
pub(super) const GRANTS: &str = "grants.toml";

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
        judge(&self.rules, subject, now, &super::real::real)
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

/// A file's text and what it says; one that is not there, nor a link in its place, says nothing.
pub(super) fn read(path: &Path) -> Result<(String, RuleFile), Vec<Fault>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fault_at = |line: usize, message: String, remedy: String| {
        vec![Fault { file: name.clone(), line, message, remedy }]
    };
    let fault = |message: String, remedy: String| fault_at(1, message, remedy);
    let unreadable = |error: io::Error| {
        let remedy = format!("ls -l {} shows whose it is", path.display());
        fault(format!("it cannot be read: {error}"), remedy)
    };
    // What is no regular file may make whoever opens it wait for good.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to what is not there is no missing file: there were rules, or are to be.
            return match path.is_symlink() {
                true => {
                    let remedy = format!("put it there, or remove the link {}", path.display());
                    Err(fault("it is a link that leads nowhere".to_owned(), remedy))
                }
                false => Ok(Default::default()),
            };
        }
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
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("byte {:#04x} is no UTF-8", bytes[at]);
        let remedy = format!("iconv -f LATIN1 -t UTF-8 {} shows it in UTF-8", path.display());
        fault_at(line, message, remedy)
    })?;
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
    // A link that leads nowhere is told from no file.
    let found = std::fs::metadata(path).or_else(|_| std::fs::symlink_metadata(path)).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino(), found.mode()))
}

/// Keeps the rules of a daemon, and what it does by them.
#[derive(Default)]
pub(crate) struct Keeper {
    book: Mutex<Option<([Stamp; 2], Arc<Rulebook>)>>,
    /// Requests that the rules are asked about right now: they wait for nobody yet.
    judged: Mutex<BTreeSet<u64>>,
    /// One change of the grants at a time.
    pub changing: Mutex<()>,
    /// Something was asked.
    pub asked: Notify,
}

impl Keeper {
    /// Whether a request is with the rules.
    pub fn is_judged(&self, request: u64) -> bool {
        guard(&self.judged).contains(&request)
    }
}

/// A request is with the rules until this is dropped.
pub(crate) struct Judging {
    daemon: Arc<Daemon>,
    request: u64,
}

impl Judging {
    pub fn begin(daemon: &Arc<Daemon>, request: u64) -> Judging {
        guard(&daemon.rules.judged).insert(request);
        Judging { daemon: Arc::clone(daemon), request }
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        guard(&self.daemon.rules.judged).remove(&self.request);
    }
}

impl Daemon {
    /// The rules as the files have them now. A change is told and recorded.
    pub fn rulebook(&self) -> Arc<Rulebook> {
        let home = &self.config.home;
        let mut kept = guard(&self.rules.book);
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

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::super::grants::write;
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
    fn a_link_that_leads_nowhere_is_news_where_no_file_was() {
        let bench = Bench::new(sm_log::Options::default());
        assert!(bench.daemon.rulebook().faults.is_empty());
        let home = &bench.daemon.config.home;
        std::os::unix::fs::symlink("gone.toml", home.rules_path()).unwrap();
        assert_eq!(bench.daemon.rulebook().faults.len(), 1);
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
        std::fs::write(home.rules_path(), b"# a\n# \xe4\n").unwrap();
        let book = Rulebook::read(&home);
        let told = book.faults[0].to_string();
        assert!(told.starts_with("rules.toml:2: byte 0xe4 ") && told.contains("iconv"), "{told}");
    }

    #[test]
    fn a_link_that_leads_nowhere_puts_the_grants_out_of_force_too() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        write(&home.grants_path(), OWN).unwrap();
        std::os::unix::fs::symlink("gone.toml", home.rules_path()).unwrap();
        let book = Rulebook::read(&home);
        assert!(book.rules.is_empty());
        assert!(book.faults[0].to_string().contains("leads nowhere"), "{:?}", book.faults);
        // A link to a file is one.
        write(&dir.path().join("gone.toml"), "").unwrap();
        assert_eq!(Rulebook::read(&home).rules.len(), 1);
    }
}
