//! `sm rules`: which requests are answered without a human.

use super::each::{Outcome, each};
use crate::bound::Until;
use crate::context::{Context, shell_word};
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Table, age, ago, clean, now_micros};
use crate::read::{AsOf, Head, Tables, nothing_yet, open_log, select};
use crate::show::risk_line;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use sm_daemon::asked::{asker_of, real, subject_of};
use sm_daemon::counted;
use sm_daemon::{Called, Home, Rulebook, answers_itself, api, mending};
use sm_projections::View;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_protocol::synthetic::is_users_word;
use sm_rules::{
    Asker, CommandLine, Decision, Fault, FileTouched, Judgement, Kind, Risk, Rule, Subject, What,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

/// Lists, checks and tries the rules by which requests are answered without you; grants and revokes.
#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists all rules, the grants too.
    List,
    /// Says what is wrong in the files; while anything is, no rule applies.
    Check,
    Test(Test),
    Grant(Grant),
    Revoke(Revoke),
}

/// Tries the rules: on a request, on a command of your own, or on all that was asked before.
#[derive(Debug, Args)]
struct Test {
    /// A request's id, as `sm inbox` shows it.
    request: Option<String>,

    /// A command line.
    #[arg(long, conflicts_with_all = ["request", "history"])]
    command: Option<String>,

    /// A file that would be changed; may be given several times.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "history", "command"])]
    change: Vec<PathBuf>,

    /// The folder that it would run in [default: this one].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    /// The session that would ask.
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["request", "history"])]
    session: Option<String>,

    /// All requests of this time up to now: 30d, 12h.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "request")]
    history: Option<SignedDuration>,
}

/// Makes a rule with an end: what it covers is accepted until then.
#[derive(Debug, Args)]
struct Grant {
    /// The first words of the commands; without them file changes are granted.
    command: Option<String>,

    /// Where they may run, or what may be changed: a folder and all below, or a file.
    #[arg(long, value_name = "PATH", required_unless_present = "command")]
    under: Option<PathBuf>,

    /// Until when: 18:00, 2026-11-21T18:00, 2h (from now).
    #[arg(long, value_name = "TIME")]
    until: Until,

    /// Only for this session.
    #[arg(long)]
    session: Option<String>,

    /// What to call it [default: grant-N].
    #[arg(long)]
    name: Option<String>,

    /// Why.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Takes grants back.
#[derive(Debug, Args)]
struct Revoke {
    /// Their names, as `sm rules` shows them.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// `30d` is a time, too.
fn time(text: &str) -> Result<SignedDuration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<i64>().ok());
    let whole = match days {
        Some(days) => days.checked_mul(24).map(SignedDuration::from_hours),
        None => text.parse().ok(),
    };
    whole.filter(|time| time.is_positive()).ok_or_else(|| "no time: 30d, 12h, 90m".to_owned())
}

impl Rules {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match &self.verb {
            None | Some(Verb::List) => list(context, streams),
            Some(Verb::Check) => check(context, streams),
            Some(Verb::Test(test)) => test.run(context, streams),
            Some(Verb::Grant(wish)) => wish.run(context, streams),
            Some(Verb::Revoke(wish)) => wish.run(context, streams),
        }
    }
}

/// The error of a file with a fault.
fn faulty(context: &Context, faults: &[Fault]) -> Option<Error> {
    let first = faults.first()?;
    let message = match faults.len() {
        1 => format!("no rule applies: {first}"),
        more => format!("no rule applies: {first} (and {} more)", more - 1),
    };
    Some(
        Error::new(Exit::Failed, "rules_faulty", message)
            .hint(mending(&context.home, faults))
            .details(json!({ "faults": faults })),
    )
}

#[derive(Serialize)]
struct Listed<'b> {
    #[serde(flatten)]
    head: Head,
    rules: Vec<ListedRule<'b>>,
    expiry: &'b Option<sm_rules::Expiry>,
    faults: &'b [Fault],
    files: [PathBuf; 2],
}

#[derive(Serialize)]
struct ListedRule<'b> {
    #[serde(flatten)]
    rule: &'b Rule,
    /// Whether its end has come.
    over: bool,
    /// How long it still holds.
    left_ms: Option<i64>,
}

fn list(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let (book, now) = (Rulebook::read(&context.home), now_micros());
    let listed = |rule| ListedRule {
        rule,
        over: rule.is_over(now),
        left_ms: rule.until.map(|until: i64| ((until - now) / 1000).max(0)),
    };
    let mut head = Head::new("sm.rules/1", AsOf::nothing());
    head.warnings.extend(faulty(context, &book.faults).map(|error| error.message));
    let answer = Listed {
        head,
        rules: book.rules.iter().map(listed).collect(),
        expiry: &book.expiry,
        faults: &book.faults,
        files: [context.home.rules_path(), context.home.grants_path()],
    };
    if context.json {
        streams.document(&answer)?;
    }
    if let Some(error) = faulty(context, &book.faults) {
        return Err(error);
    }
    if context.json {
        return Ok(Exit::Ok);
    }
    if book.rules.is_empty() {
        streams.say(teaching(context));
    } else {
        let mut table = Table::new(&["NAME", "DECISION", "ENDS", "STANDS IN", "ABOUT"]);
        for listed in &answer.rules {
            table.row(row(listed, now));
        }
        table.print(streams)?;
    }
    if let Some(expiry) = &book.expiry {
        let after = age(i64::try_from(expiry.after_ms).unwrap_or(i64::MAX).saturating_mul(1000));
        let verb = if expiry.decision == "cancel" { "cancelled" } else { "declined" };
        streams.line(format_args!("What nobody answers for {after} is {verb}."))?;
    }
    Ok(Exit::Ok)
}

fn row(listed: &ListedRule<'_>, now: i64) -> Vec<(Option<Role>, String)> {
    let rule = listed.rule;
    let ends = match rule.until {
        None => "-".to_owned(),
        Some(_) if listed.over => "over".to_owned(),
        Some(until) => format!("in {}", age(until - now)),
    };
    let role = match rule.decision {
        _ if listed.over => Role::Dim,
        Decision::Accept => Role::NeedsHuman,
        Decision::Ask => Role::Dim,
        Decision::Decline => Role::Bad,
    };
    vec![
        (None, clean(&rule.name).into_owned()),
        (Some(role), rule.decision.as_str().to_owned()),
        (None, ends),
        (None, format!("{}:{}", rule.origin.file, rule.origin.line)),
        (None, clean(&about(rule)).into_owned()),
    ]
}

/// What a rule is about, in words.
fn about(rule: &Rule) -> String {
    let mut words = Vec::new();
    match rule.command.is_empty() {
        false => words
            .push(rule.command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")),
        true => {
            words.push(rule.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "))
        }
    }
    words.extend(rule.exact.then(|| "and no word more".to_owned()));
    words.extend(rule.path.as_ref().map(|path| format!("in {}", path.as_str())));
    words.extend(rule.session.as_ref().map(|session| format!("of {session}")));
    words.extend(rule.label.as_ref().map(|label| format!("with {label}")));
    words.extend(rule.note.as_ref().map(|note| format!("({note})")));
    words.join(" ")
}

fn teaching(context: &Context) -> String {
    let home = context.home_words();
    format!(
        "No rules: every request asks you. Rules are off until you write some:\n\n  \
         # {}\n  \
         [[rule]]\n  \
         name = \"tests\"\n  \
         decision = \"accept\"            # or \"ask\", \"decline\"; the strictest wins\n  \
         command = [\"cargo\", \"test\"]\n  \
         path = \"/path/to/repo\"\n\n\
         Try them before:  sm{home} rules test --command 'cargo test && rm -r target'\n\
         On what was asked: sm{home} rules test --history 30d\n\
         For a while:      sm{home} rules grant 'cargo test' --under . --until 18:00",
        context.home.rules_path().display()
    )
}

/// Says so where sandboxed agents may write the rules themselves.
pub fn exposed(home: &Home) -> Option<String> {
    let dir = real(&std::path::absolute(home.dir()).ok()?)?;
    let common = [PathBuf::from("/tmp"), std::env::temp_dir()];
    let common = common.into_iter().find(|common| {
        dir.starts_with(common) || real(common).is_some_and(|common| dir.starts_with(common))
    })?;
    Some(format!(
        "{} lies in {}, where Codex lets sandboxed agents write: they can write rules of their own",
        home.dir().display(),
        common.display()
    ))
}

fn check(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let book = Rulebook::read(&context.home);
    let warnings: Vec<String> = exposed(&context.home).into_iter().collect();
    if context.json {
        streams.document(&json!({
            "schema": "sm.rules-check/1", "ok": book.faults.is_empty(),
            "rules": book.rules.len(), "faults": book.faults, "warnings": warnings,
        }))?;
    } else {
        warnings.iter().for_each(|warning| streams.say(warning));
    }
    if book.faults.is_empty() {
        if !context.json {
            streams.line(counted(book.rules.len(), "rule") + ", nothing wrong")?;
        }
        return Ok(Exit::Ok);
    }
    if !context.json {
        for fault in &book.faults {
            streams.line(clean(&fault.to_string()))?;
        }
    }
    let message = counted(book.faults.len(), "fault") + ": no rule applies";
    Err(Error::new(Exit::Failed, "rules_faulty", message)
        .hint(mending(&context.home, &book.faults))
        .details(json!({ "faults": book.faults })))
}

/// What the rules say of something.
#[derive(Serialize)]
struct Tried {
    schema: &'static str,
    decision: &'static str,
    /// Whether no human would be asked.
    automatic: bool,
    /// Who would have decided.
    by: Option<String>,
    why: String,
    /// The rules that say so.
    rules: Vec<Rule>,
    risk: Option<Risk>,
}

impl Tried {
    fn new(judgement: &Judgement<'_>, subject: &Subject) -> Tried {
        Tried {
            schema: "sm.rules-test/1",
            decision: judgement.decision.as_str(),
            automatic: judgement.decision != Decision::Ask,
            by: (!judgement.rules.is_empty()).then(|| judgement.word()),
            why: judgement.why.clone(),
            rules: judgement.rules.iter().map(|rule| (*rule).clone()).collect(),
            risk: sm_rules::risk(subject, &real),
        }
    }

    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        if context.json {
            return streams.document(self);
        }
        let by = self.by.as_deref().map_or(String::new(), |by| format!(" by {by}"));
        streams.line(format_args!("{}{}: {}", self.decision, clean(&by), clean(&self.why)))?;
        if let Some(risk) = &self.risk {
            let (role, line) = risk_line(risk);
            streams.line(streams.style.paint(role, line))?;
        }
        Ok(())
    }
}

impl Test {
    fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let book = Rulebook::read(&context.home);
        if let Some(error) = faulty(context, &book.faults) {
            return Err(error);
        }
        let is_given = self.request.is_some() || self.command.is_some() || !self.change.is_empty();
        if !is_given && self.history.is_none() {
            return Err(Error::usage("nothing to try the rules on").hint(
                "Give a request's id, --command LINE, --change FILE, or --history 30d: all that was asked.",
            ));
        }
        if let Some(time) = self.history {
            return history(context, streams, &book, time);
        }
        let subject = match &self.request {
            Some(id) => asked(context, streams, id)?,
            None => self.made_up(context, streams)?,
        };
        let judgement = book.judge(&subject, now_micros());
        Tried::new(&judgement, &subject).print(context, streams)?;
        Ok(Exit::Ok)
    }

    fn made_up(&self, context: &Context, streams: &mut Streams) -> Result<Subject, Error> {
        let mut asker = Asker { is_users_name: true, ..Asker::default() };
        if let Some(word) = &self.session {
            let tables = Tables::open_some(context, streams)?;
            let view = tables.view()?;
            let found = select(context, &view, word)?;
            asker = asker_of(&view, found.sid, &found.session)?;
        }
        let cwd = match (&self.cwd, &asker.cwd) {
            (Some(cwd), _) => whole(cwd)?,
            (None, Some(cwd)) => cwd.clone(),
            (None, None) => whole(Path::new("."))?,
        };
        asker.cwd.get_or_insert_with(|| cwd.clone());
        let file = |path: &PathBuf| FileTouched { path: cwd.join(path), is_deleted: false };
        let what = match &self.command {
            Some(line) => What::Command {
                line: Some(CommandLine::Text(line.clone())),
                cwd: Some(cwd),
                more: Vec::new(),
            },
            None => What::Files { files: self.change.iter().map(file).collect(), root: None },
        };
        Ok(Subject { what, asker })
    }
}

fn whole(path: &Path) -> Result<PathBuf, Error> {
    let whole = std::path::absolute(path).map_err(|source| Error::io("find", path, &source))?;
    real(&whole).ok_or_else(|| {
        Error::usage(format!("where {} leads is not sure", path.display()))
            .hint("Name a folder without `..` behind what is not there, and none that is hidden.")
    })
}

/// What a request of the log asks.
fn asked(context: &Context, streams: &mut Streams, id: &str) -> Result<Subject, Error> {
    let tables = Tables::open_some(context, streams)?;
    let view = tables.view()?;
    let doc = super::answer::find_doc(context, &view, id)?;
    Ok(subject_of(&view, &open_log(context)?, &doc)?)
}

/// A request that the rules would have decided otherwise than it was.
#[derive(Serialize)]
struct Other {
    request: String,
    session_id: Option<String>,
    session_name: Option<String>,
    kind: &'static str,
    summary: String,
    asked_at: Option<String>,
    /// What was decided, and by whom.
    decision: Option<String>,
    decided_by: Option<String>,
    /// What the rules say.
    would: &'static str,
    by: String,
    #[serde(skip)]
    asked_micros: i64,
}

#[derive(Serialize)]
struct Replayed {
    #[serde(flatten)]
    head: Head,
    /// Requests that asked a human.
    requests: usize,
    /// Those that the rules would have answered.
    automatic: usize,
    accepted: usize,
    declined: usize,
    /// Accepted by the rules, declined by a human.
    you_had_declined: Vec<Other>,
    /// Declined by the rules, accepted by a human.
    you_had_accepted: Vec<Other>,
}

fn history(
    context: &Context,
    streams: &mut Streams,
    book: &Rulebook,
    time: SignedDuration,
) -> Result<Exit, Error> {
    let Some(tables) = Tables::open(context, streams)? else { return Err(nothing_yet(context)) };
    let (view, log, now) = (tables.view()?, open_log(context)?, now_micros());
    let since = i64::try_from(time.as_micros()).map_or(0, |micros| now.saturating_sub(micros));
    let mut answer = Replayed::of(tables.as_of(&view)?);
    // Whoever asked may be called otherwise by now.
    let is_called = |rule: &Rule| rule.session.is_some() || rule.label.is_some();
    let goes_by_names = book.rules.iter().any(is_called);
    let mut called: BTreeMap<String, Called> = BTreeMap::new();
    for doc in asked_since(&view, since)? {
        answer.requests += 1;
        if Kind::of_word(doc.kind).is_none() {
            continue;
        }
        let mut subject = subject_of(&view, &log, &doc)?;
        if let Some(thread) = subject.asker.thread.clone().filter(|_| goes_by_names) {
            let called = match called.entry(thread) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let read = Called::read(&log, new.key())?;
                    new.insert(read)
                }
            };
            called.before(doc.seq, &mut subject.asker);
        }
        answer.add(&book.judge(&subject, now), doc);
    }
    if context.json {
        streams.document(&answer)?;
        return Ok(Exit::Ok);
    }
    answer.print(context, streams, now)?;
    Ok(Exit::Ok)
}

/// All that asked a human since then, oldest first.
fn asked_since(view: &View<'_>, since: i64) -> Result<Vec<RequestDoc>, Error> {
    let mut rows = Vec::new();
    view.scan::<Requests>(&[], &[], |number, row| {
        if row.class.asks_human() && row.asked_at >= since && !answers_itself(&row.method) {
            rows.push((number, row));
        }
        true
    })?;
    let docs = rows.into_iter().map(|(number, row)| views::request_doc(view, number, row));
    Ok(docs.collect::<Result<_, _>>()?)
}

impl Replayed {
    fn of(as_of: AsOf) -> Replayed {
        Replayed {
            head: Head::new("sm.rules-history/1", as_of),
            requests: 0,
            automatic: 0,
            accepted: 0,
            declined: 0,
            you_had_declined: Vec::new(),
            you_had_accepted: Vec::new(),
        }
    }

    fn add(&mut self, judgement: &Judgement<'_>, doc: RequestDoc) {
        let would = judgement.decision;
        let word = doc.decision.as_deref().unwrap_or_default();
        // What nobody recorded was answered in Codex itself.
        let is_yours = doc.decided_by.as_deref().is_none_or(is_users_word);
        let was_refused = matches!(word, "decline" | "cancel" | "denied" | "abort");
        let was_granted = !was_refused && !word.is_empty() && word != "error";
        let others = match would {
            Decision::Ask => return,
            Decision::Accept => {
                self.accepted += 1;
                was_refused.then_some(&mut self.you_had_declined)
            }
            Decision::Decline => {
                self.declined += 1;
                was_granted.then_some(&mut self.you_had_accepted)
            }
        };
        self.automatic += 1;
        if let Some(others) = others.filter(|_| is_yours) {
            others.push(Other {
                request: doc.id,
                session_id: doc.session_id,
                session_name: doc.session_name,
                kind: doc.kind,
                summary: doc.summary,
                asked_at: doc.asked_at,
                decision: doc.decision,
                decided_by: doc.decided_by,
                would: would.as_str(),
                by: judgement.word(),
                asked_micros: doc.asked_micros,
            });
        }
    }

    fn print(&self, context: &Context, streams: &mut Streams, now: i64) -> Result<(), Error> {
        let Replayed { requests, automatic, accepted, declined, .. } = self;
        if *requests == 0 {
            streams.say("Nothing was asked in that time.");
            return Ok(());
        }
        let mut line = format!("{automatic} of {requests} would have been automatic");
        if *declined > 0 {
            line.push_str(&format!(" ({accepted} accepted, {declined} declined)"));
        }
        for (others, word) in
            [(&self.you_had_declined, "declined"), (&self.you_had_accepted, "accepted")]
        {
            if !others.is_empty() {
                line.push_str(&format!("; {} of them you had {word}", others.len()));
            }
        }
        streams.line(line)?;
        for other in self.you_had_declined.iter().chain(&self.you_had_accepted) {
            let who = other.session_name.as_deref().or(other.session_id.as_deref()).unwrap_or("?");
            let Other { request, summary, would, by, asked_micros, .. } = other;
            let (who, summary, by) = (clean(who), clean(summary), clean(by));
            let since = ago(now, *asked_micros);
            streams.line(format_args!(
                "  {request} {since} ago · {who} · {summary} → {would} by {by}"
            ))?;
        }
        if *automatic < *requests && self.automatic == 0 {
            let home = context.home_words();
            streams.say(format!("See why one would ask: sm{home} rules test REQUEST"));
        }
        Ok(())
    }
}

/// The words of one plain command.
pub fn plain_words(text: &str) -> Result<Vec<String>, Error> {
    let plain = |why: String| {
        Error::usage(format!("{text:?} is no plain command: {why}"))
            .hint("Give one program's first words, as in 'cargo test'; more stands in rules.toml.")
    };
    let line = CommandLine::Text(text.to_owned());
    let found = line.simple_commands(None).map_err(|why| plain(why.to_string()))?;
    let [one] = &found[..] else { return Err(plain("it has several".to_owned())) };
    let is_redirected = !one.writes.is_empty() || !one.reads.is_empty();
    if is_redirected || one.words.iter().any(|word| !word.is_literal) {
        return Err(plain("the shell replaces words of it, or opens a file".to_owned()));
    }
    Ok(one.words.iter().map(|word| word.text.clone()).collect())
}

impl Grant {
    fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let under = self.under.as_deref().map(whole).transpose()?;
        let grant = api::Grant {
            name: self.name.clone(),
            command: self.command.as_deref().map(plain_words).transpose()?.unwrap_or_default(),
            exact: false,
            path: under.map(|path| path.to_string_lossy().into_owned()),
            session: self.session.clone(),
            until: Some(self.until.0),
            note: self.note.clone(),
            by: context.caller.clone(),
        };
        grant_it(context, streams, &grant)?;
        Ok(Exit::Ok)
    }
}

/// Has the daemon make a grant, and says so.
pub fn grant_it(context: &Context, streams: &mut Streams, grant: &api::Grant) -> Result<(), Error> {
    let client = Client::or_start(context, streams)?;
    let rule = client.grant(grant)?;
    if context.json {
        return streams.document(&json!({ "schema": "sm.grant/1", "rule": rule }));
    }
    let name = rule["name"].as_str().unwrap_or_default().to_owned();
    let left = grant.until.map_or(0, |until| until - now_micros());
    streams.line(format_args!(
        "{} holds for {}; sm{} rules revoke {}",
        clean(&name),
        age(left),
        context.home_words(),
        shell_word(&name)
    ))
}

impl Revoke {
    fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let client = Client::or_start(context, streams)?;
        // The others are meant all the same.
        let told = each(context, streams, &self.names, |name| {
            let revoke = api::Revoke { name: name.to_owned(), by: context.caller.clone() };
            match client.revoke(&revoke) {
                Ok(rule) => {
                    let line = format!("{} is revoked", clean(name));
                    Outcome::done(json!({ "rule": rule }), line)
                }
                Err(error) => Outcome::failed(json!({ "name": name }), error),
            }
        })?;
        if context.json {
            let errors = told.rows.iter().filter(|row| !row["error"].is_null());
            let errors: Vec<&Value> = errors.collect();
            let rules: Vec<&Value> = told.rows.iter().filter_map(|row| row.get("rule")).collect();
            let schema = "sm.revoke/1";
            streams.document(&json!({ "schema": schema, "rules": rules, "errors": errors }))?;
        }
        told.exit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_days_too() {
        assert_eq!(time("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(time("90m"), Ok(SignedDuration::from_mins(90)));
        for wrong in ["", "d", "-3d", "0s", "soon", "999999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    fn decided(decision: &str, by: Option<&str>) -> RequestDoc {
        RequestDoc {
            id: "r1".into(),
            seq: 1,
            session_id: None,
            session_name: None,
            kind: "command",
            method: String::new(),
            summary: String::new(),
            reason: None,
            status: "answered",
            decision: Some(decision.into()),
            decided_by: by.map(str::to_owned),
            decided_by_thread: None,
            say: None,
            item_id: None,
            action_seq: None,
            turn_seq: None,
            asked_at: None,
            ended_at: None,
            end_seq: None,
            asks_human: true,
            asked_micros: 0,
        }
    }

    #[test]
    fn what_you_decided_is_what_you_decided_yourself() {
        let judged = |decision| Judgement { decision, rules: Vec::new(), why: String::new() };
        let mut answer = Replayed::of(AsOf::nothing());
        for by in [None, Some("user"), Some("expiry (rules.toml:3)"), Some("rule: a"), Some("ab12")]
        {
            answer.add(&judged(Decision::Accept), decided("decline", by));
            answer.add(&judged(Decision::Decline), decided("accept", by));
        }
        assert_eq!((answer.automatic, answer.accepted, answer.declined), (10, 5, 5));
        let by = |others: &[Other]| -> Vec<Option<String>> {
            others.iter().map(|other| other.decided_by.clone()).collect()
        };
        let yours = [None, Some("user".to_owned())];
        assert_eq!(by(&answer.you_had_declined), yours);
        assert_eq!(by(&answer.you_had_accepted), yours);
    }

    #[test]
    fn a_grants_command_is_one_plain_one() {
        assert_eq!(plain_words("git commit -m 'a b'").unwrap(), ["git", "commit", "-m", "a b"]);
        for wrong in ["a && b", "a > b", "a *", "$A", "", "cd"] {
            assert_eq!(plain_words(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
