//! Grants: rules with an end, made and taken back at the command line.
//!
//! What always holds: only the user grants and revokes, and each change is recorded; the file is replaced whole,
//! and by nothing that does not read back. A name that sm gives, it gives once, so that in the log it means one
//! grant: the file has the number of the next one.

use super::rulebook::{BYTES_MAX, GRANTS, mending, read};
use crate::api::Grant;
use crate::caller::Caller;
use crate::daemon::{Daemon, now};
use crate::guard::guard;
use crate::problem::Refusal;
use serde_json::Value;
use sm_protocol::synthetic::{RulesChanged, Synthetic};
use sm_rules::{Decision, Fault, Glob, Kind, Origin, Rule, RuleFile, write_rule};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const GRANTS_HEAD: &str = "# Written by `sm rules grant`; `sm rules revoke NAME` takes one back.\n";

/// How the line begins that has the number of the next grant without a name of its own.
const NEXT: &str = "# The next one without a name is grant-";

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
    let _changing = guard(&daemon.rules.changing);
    let Standing { mut grants, own, mut next } = standing(daemon)?;
    let is_taken = |name: &str| grants.iter().chain(&own).any(|rule| rule.name == name);
    let name = match &wish.name {
        Some(name) if is_taken(name) => {
            return Err(Refusal::conflict(format!("a rule is named {name:?} already"))
                .hint("`sm rules` lists them; give another name"));
        }
        Some(name) => name.clone(),
        None => loop {
            let name = format!("grant-{next}");
            next = next.saturating_add(1);
            if !is_taken(&name) {
                break name;
            }
        },
    };
    let is_change = wish.command.is_empty();
    let rule = Rule {
        name: name.clone(),
        decision: Decision::Accept,
        command: wish.command.clone(),
        exact: wish.exact,
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
    replace(daemon, &grants, next)?;
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
    let _changing = guard(&daemon.rules.changing);
    let Standing { mut grants, own, next } = standing(daemon)?;
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
    replace(daemon, &grants, next)?;
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

/// What stands before a change.
struct Standing {
    /// The grants that still hold.
    grants: Vec<Rule>,
    /// The user's own rules.
    own: Vec<Rule>,
    /// The number of the next one without a name of its own.
    next: u64,
}

fn standing(daemon: &Daemon) -> Result<Standing, Refusal> {
    let home = &daemon.config.home;
    let wrong = |faults: Vec<Fault>| {
        let told = faults.first().map(Fault::to_string).unwrap_or_default();
        Refusal::conflict(told).hint(mending(home, &faults))
    };
    let (text, file) = read(&home.grants_path()).map_err(wrong)?;
    let own = read(&home.rules_path()).map(|(_, own)| own.rules).unwrap_or_default();
    let number = |name: &str| name.strip_prefix("grant-")?.parse::<u64>().ok();
    let kept = text.lines().find_map(|line| line.strip_prefix(NEXT)?.parse().ok());
    // Also where somebody took the line out.
    let newest = file.rules.iter().filter_map(|rule| number(&rule.name)).max();
    let next = kept.unwrap_or(1).max(newest.map_or(1, |newest| newest.saturating_add(1)));
    let now = now();
    let grants = file.rules.into_iter().filter(|rule| !rule.is_over(now)).collect();
    Ok(Standing { grants, own, next })
}

/// The text of a file of grants, one that reads back.
fn text_of(grants: &[Rule], next: u64) -> Result<String, Refusal> {
    let mut text = format!("{GRANTS_HEAD}{NEXT}{next}\n");
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
fn replace(daemon: &Daemon, grants: &[Rule], next: u64) -> Result<(), Refusal> {
    let path = daemon.config.home.grants_path();
    let text = text_of(grants, next)?;
    write(&path, &text).map_err(|error| {
        Refusal::new(503, "failed", format!("{} was not written: {error}", path.display()))
            .hint("see whether the disk is full or failing")
            .retryable()
    })
}

pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
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

/// Records a change that the file has. Returns once that is durable.
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
    let noted = daemon.scribe.note(now(), "", &Synthetic::RulesChanged(changed));
    noted.and_then(|receipt| receipt.wait()).map_err(|error| {
        Refusal::new(
            503,
            "failed",
            format!("{name:?} is {what}, the record of that is not safe: {error}"),
        )
        .hint("`sm rules` lists what stands; see whether the disk is full or failing")
    })
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;
    use sm_log::Options;

    const OWN: &str = "[[rule]]\nname = \"own\"\ndecision = \"accept\"\ncommand = \"ls\"\n";

    #[test]
    fn no_grant_is_written_that_does_not_read_back() {
        let rules = RuleFile::parse(OWN, GRANTS).unwrap().rules;
        let text = text_of(&rules, 1).unwrap();
        assert_eq!(RuleFile::parse(&text, GRANTS).unwrap().rules.len(), 1);
        let with = |change: fn(&mut Rule)| {
            let mut rules = rules.clone();
            change(&mut rules[0]);
            text_of(&rules, 1).unwrap_err()
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
    fn a_grant_and_its_end_are_durable_when_they_are_told() {
        // Nothing becomes durable unless somebody waits for it.
        let bench = Bench::new(Options::default().without_background());
        let daemon = &bench.daemon;
        let wish = Grant {
            command: vec!["ls".to_owned()],
            until: Some(now() + 60_000_000),
            ..Grant::default()
        };
        let changes = || {
            let mut cursor = daemon.reader.cursor(1).unwrap();
            let mut changes = Vec::new();
            while let Some(item) = cursor.next().unwrap() {
                let sm_log::Item::Record(record) = item else { panic!("a gap") };
                let told: Value = serde_json::from_slice(record.payload).unwrap();
                changes.push(told["params"]["what"].as_str().unwrap().to_owned());
            }
            changes
        };
        let granted = grant(daemon, &wish).unwrap();
        assert!(changes().contains(&"granted".to_owned()), "{:?}", changes());
        revoke(daemon, granted["name"].as_str().unwrap(), None).unwrap();
        assert!(changes().contains(&"revoked".to_owned()), "{:?}", changes());
    }

    #[test]
    fn a_name_that_sm_gives_is_given_once() {
        let bench = Bench::new(Options::default());
        let daemon = &bench.daemon;
        let named = |name: Option<&str>| {
            let wish = Grant {
                command: vec!["ls".to_owned()],
                until: Some(now() + 60_000_000),
                name: name.map(str::to_owned),
                ..Grant::default()
            };
            grant(daemon, &wish).map(|made| made["name"].as_str().unwrap().to_owned())
        };
        for name in [None, Some("mine")] {
            let name = named(name).unwrap();
            revoke(daemon, &name, None).unwrap();
        }
        assert_eq!(named(None).unwrap(), "grant-2");
        // What the user calls it is the user's word.
        assert_eq!(named(Some("mine")).unwrap(), "mine");
        revoke(daemon, "grant-2", None).unwrap();
        assert_eq!(named(None).unwrap(), "grant-3");
        // One that ended of itself is gone from the file with the next change.
        let path = daemon.config.home.grants_path();
        let text = std::fs::read_to_string(&path).unwrap();
        let ended: Vec<&str> = text.lines().filter(|line| !line.starts_with("until")).collect();
        write(&path, &format!("{}\nuntil = 1970-01-01T00:00:00Z\n", ended.join("\n"))).unwrap();
        assert_eq!(named(None).unwrap(), "grant-4");
        assert_eq!(named(None).unwrap(), "grant-5");
        assert!(!std::fs::read_to_string(&path).unwrap().contains("name = \"grant-3\""));
    }
}
