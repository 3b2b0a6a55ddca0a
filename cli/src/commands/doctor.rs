//! `sm doctor`: is everything as it should be, and if not, what to do.
//!
//! What always holds: a check has a stable id and a remedy; looking changes nothing but what a
//! reading command changes, too.

use super::rules::exposed;
use super::serve::newer_words;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, clean};
use crate::read::not_written;
use crate::show::sees_processes;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use sm_daemon::counted;
use sm_daemon::{Rulebook, mending};
use sm_log::{Item, OpenError};
use sm_projections::views::{self, CensusDoc};
use std::collections::BTreeMap;
use std::path::Path;

/// Less than so much room on the disk is worth a warning.
const ROOM_BYTES_MIN: u64 = 512 << 20;

/// Examines the data directory, the log, the projections, Codex and the daemon.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also reads every record of the log and checks it.
    #[arg(long)]
    deep: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Info,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Check {
    status: Status,
    summary: String,
    remediation: Option<String>,
    details: Value,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    overall: Status,
    checks: BTreeMap<&'static str, Check>,
}

impl Check {
    fn new(status: Status, summary: impl Into<String>) -> Check {
        Check { status, summary: summary.into(), remediation: None, details: Value::Null }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Check {
        self.remediation = Some(remedy.into());
        self
    }

    fn details(mut self, details: Value) -> Check {
        self.details = details;
        self
    }

    fn failed(error: &Error) -> Check {
        let check = Check::new(Status::Failed, error.message.clone());
        Check { remediation: error.hint.clone(), ..check }
    }
}

impl Doctor {
    /// Prints the report; exit 1 when a check failed.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let mut checks = BTreeMap::new();
        let dir = directory(context.home.dir());
        let usable = dir.status != Status::Failed;
        checks.insert("data_directory", dir);
        checks.insert("disk_room", room(context.home.dir()));
        checks.insert("rules", rules(context));
        checks.insert("codex", codex());
        checks.insert("daemon", daemon(context));
        checks.insert("codex_servers", servers(context));
        if usable {
            self.log(context, streams, &mut checks);
            tables(context, streams, &mut checks);
        }
        let overall = checks.values().map(|check| check.status).max().unwrap_or(Status::Ok);
        let report = Report { schema: "sm.doctor/1", overall, checks };
        match context.json {
            true => streams.document(&report)?,
            false => report.print(streams)?,
        }
        Ok(if overall == Status::Failed { Exit::Failed } else { Exit::Ok })
    }

    fn log(
        &self,
        context: &Context,
        streams: &Streams,
        checks: &mut BTreeMap<&'static str, Check>,
    ) {
        let head = match sm_log::peek(context.home.log_dir()) {
            Ok(head) => head,
            Err(OpenError::NotFound { .. }) => {
                checks.insert("log", Check::new(Status::Info, "there is no log yet"));
                return;
            }
            Err(error) => {
                checks.insert("log", Check::failed(&error.into()));
                return;
            }
        };
        let reader = match context.home.open_log() {
            Ok(reader) => reader,
            Err(error) => {
                checks.insert("log", Check::failed(&error.into()));
                return;
            }
        };
        let summary = format!("log {}, seq {} to {}", head.id, reader.floor(), head.watermark);
        let facts = json!({
            "log_id": head.id.to_string(), "floor": reader.floor(), "head": head.watermark,
        });
        checks.insert("log", Check::new(Status::Ok, summary).details(facts));
        if self.deep {
            checks.insert("log_records", every_record(&reader, streams));
        }
    }
}

/// The rules, and whether they can be the user's alone.
fn rules(context: &Context) -> Check {
    let book = Rulebook::read(&context.home);
    if let Some(fault) = book.faults.first() {
        return Check::new(Status::Warning, format!("no rule applies: {fault}"))
            .remedy(mending(&context.home, &book.faults));
    }
    let rules = book.rules.len();
    let facts = json!({ "rules": rules });
    match exposed(&context.home).filter(|_| rules > 0) {
        Some(warning) => Check::new(Status::Warning, warning)
            .remedy("have the data directory elsewhere (--home, SM_HOME), or no rules"),
        None if rules == 0 => Check::new(Status::Ok, "no rules: every request asks"),
        None => Check::new(Status::Ok, format!("{}, nothing wrong", counted(rules, "rule"))),
    }
    .details(facts)
}

fn every_record(reader: &sm_log::Reader, streams: &Streams) -> Check {
    let meter = streams.meter();
    let (mut records, mut gaps) = (0u64, Vec::new());
    let walked = (|| {
        let mut cursor = reader.cursor(reader.floor())?;
        while let Some(item) = cursor.next()? {
            match item {
                Item::Record(record) => {
                    records += 1;
                    if record.seq % 100_000 == 0 {
                        meter.tell(format_args!("reading seq {}", record.seq));
                    }
                }
                Item::Gap(gap) => gaps.push(gap.to_string()),
            }
        }
        Ok::<(), sm_log::ReadError>(())
    })();
    meter.done();
    match walked {
        Err(error) => Check::failed(&error.into()),
        Ok(()) if gaps.is_empty() => Check::new(
            Status::Ok,
            format!("{} read, every checksum fits", counted(records, "record")),
        ),
        Ok(()) => Check::new(Status::Failed, format!("{} ranges cannot be read", gaps.len()))
            .remedy("What is around them is whole. Restore the named files from a copy.")
            .details(json!({"gaps": gaps})),
    }
}

fn directory(dir: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let shown = dir.display();
    let meta = match std::fs::metadata(dir) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::new(Status::Info, format!("{shown} is not there yet"))
                .remedy("It is made by the first command that records something.");
        }
        Err(error) => return Check::failed(&Error::io("look at", dir, &error)),
    };
    if !meta.is_dir() {
        return Check::new(Status::Failed, format!("{shown} is not a directory"))
            .remedy("Name another one: sm --home DIR …");
    }
    if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        return Check::new(Status::Warning, format!("{shown} cannot be written to"))
            .remedy("Reading works; to record, give yourself the right or use --home DIR.");
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Check::new(Status::Warning, format!("{shown} is open to others (mode {mode:o})"))
            .remedy(format!("chmod 700 {}", crate::context::shell_word(&dir.to_string_lossy())));
    }
    Check::new(Status::Ok, format!("{shown}, private"))
}

fn room(dir: &Path) -> Check {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let summary = format!("{} MiB free", free >> 20);
            let check = match free < ROOM_BYTES_MIN {
                true => Check::new(Status::Warning, summary).remedy("Make room before it is full."),
                false => Check::new(Status::Ok, summary),
            };
            check.details(json!({"free_bytes": free}))
        }
        Err(error) => Check::failed(&Error::io("measure", there, &error.into())),
    }
}

fn codex() -> Check {
    match sm_daemon::locate(&crate::codex::search()) {
        Ok(found) => {
            let version = found.version.to_string();
            let summary = format!("codex {version} at {}", found.binary.display());
            Check::new(Status::Ok, summary)
                .details(json!({"path": found.binary, "version": version}))
        }
        Err(error) => Check::new(Status::Warning, error.to_string()).remedy(
            "Install it: npm install -g @openai/codex, or name one: SM_CODEX=/path/to/codex. \
             Without it, import and all reading \
             commands work; spawn does not.",
        ),
    }
}

fn daemon(context: &Context) -> Check {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    use std::os::unix::net::UnixStream;
    let (socket, log) = (context.home.socket_path(), context.home.log_dir());
    let away = match UnixStream::connect(&socket) {
        Ok(_) => {
            if let Some(not_written) = not_written(&context.home) {
                return Check::new(Status::Failed, not_written.to_string())
                    .remedy("Make room, or see what is wrong with the disk; it is written by itself then.")
                    .details(json!({ "not_written": not_written }));
            }
            let summary = format!("running, at {}", socket.display());
            return Check::new(Status::Ok, summary).details(json!({"socket": socket}));
        }
        Err(error) => matches!(error.kind(), NotFound | ConnectionRefused),
    };
    match (sm_log::is_locked(&log), sm_log::holder(&log)) {
        (Some(false), _) => Check::new(Status::Info, "not running; commands that need it start it"),
        (Some(true), Some(pid)) if away && sees_processes(&log) => {
            Check::new(Status::Warning, format!("process {pid} writes, but no daemon answers"))
                .remedy(format!("Wait for it; if it hangs: kill {pid}. Nothing recorded is lost."))
        }
        (Some(true), _) => {
            Check::new(Status::Info, "the log is being written, by a process out of reach")
                .remedy("A sandbox has pids of its own and no sockets. What only reads works here.")
        }
        (None, _) => Check::new(Status::Info, "whether it runs cannot be told from here"),
    }
}

/// Servers that give way or are missed. What is not running is no trouble.
fn servers(context: &Context) -> Check {
    let found = match Client::connect(context) {
        Ok(Some(client)) => client.servers(),
        Ok(None) => return Check::new(Status::Info, "no daemon runs, and no server of it"),
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) if error.code == "daemon_unreachable" => {
            return Check::new(Status::Info, "they cannot be asked from here")
                .remedy("A sandboxed shell does not reach the daemon's socket.");
        }
        Err(error) => return Check::failed(&error),
    };
    let waiting: usize = found.resuming.iter().map(|batch| batch.threads.len()).sum();
    let draining = found.servers.iter().filter(|server| server.draining).count();
    let check = match (waiting, draining) {
        _ if !found.older.is_empty() => {
            let why: Vec<String> = found.older.iter().map(ToString::to_string).collect();
            Check::new(Status::Warning, why.join("; ")).remedy(newer_words(context))
        }
        (1.., _) => {
            let why = found.resuming.iter().find_map(|batch| batch.reason.as_deref());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            let summary = format!("to be resumed: {}{why}", counted(waiting, "session"));
            Check::new(Status::Warning, summary)
                .remedy("They are tried again by themselves: sm serve --status shows when.")
        }
        (0, 1..) => Check::new(Status::Info, format!("{draining} give way to another codex"))
            .remedy("sm serve --drain --wait sees it to its end."),
        (0, 0) => Check::new(Status::Ok, format!("{} run", found.servers.len())),
    };
    check.details(
        json!({ "servers": found.servers, "resuming": found.resuming, "older": found.older }),
    )
}

fn tables(context: &Context, streams: &Streams, checks: &mut BTreeMap<&'static str, Check>) {
    let tables = match crate::read::Tables::open(context, streams) {
        Ok(Some(tables)) => tables,
        Ok(None) => {
            checks.insert("projections", Check::new(Status::Info, "there are none yet"));
            return;
        }
        Err(error) => {
            checks.insert("projections", Check::failed(&error));
            return;
        }
    };
    let looked = (|| {
        let view = tables.view()?;
        Ok::<_, Error>((tables.as_of(&view)?, views::census(&view)?))
    })();
    let (as_of, census) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            checks.insert("projections", Check::failed(&error));
            return;
        }
    };
    let behind = as_of.head.saturating_sub(as_of.seq);
    let facts = json!({
        "checkpoint": as_of.seq, "head": as_of.head, "behind": behind, "partial": census.partial,
    });
    let partial: Vec<String> = census
        .partial
        .iter()
        .map(|(what, from)| format!("{what} is known from seq {from} on"))
        .collect();
    let check = match behind {
        0 if !partial.is_empty() => Check::new(Status::Warning, partial.join(", "))
            .remedy("Older records were trimmed. Put snapshots/ back from a backup: sm rebuild"),
        0 => Check::new(Status::Ok, format!("they reflect the whole log, seq {}", as_of.seq)),
        _ => Check::new(
            Status::Warning,
            format!("they are {} behind the log", counted(behind, "record")),
        )
        .remedy("The writer folds them; if nobody writes, any reading command does."),
    };
    checks.insert("projections", check.details(facts));
    checks.insert(
        "stale_readers",
        match tables.clear_stale_readers() {
            Ok(0) => Check::new(Status::Ok, "none"),
            Ok(dead) => Check::new(Status::Ok, format!("{dead} of dead processes forgotten")),
            Err(error) => Check::failed(&error),
        },
    );
    of_census(&census, checks);
}

fn of_census(census: &CensusDoc, checks: &mut BTreeMap<&'static str, Check>) {
    checks.insert(
        "gaps",
        match census.gaps.len() {
            0 => Check::new(Status::Ok, "none"),
            count => Check::new(Status::Failed, format!("{count} ranges of the log are lost"))
                .remedy("What is around them is whole. Restore the log's files from a copy.")
                .details(json!({"gaps": census.gaps})),
        },
    );
    let unknown: u64 = census.unknown_methods.values().sum();
    checks.insert(
        "unknown_methods",
        match unknown {
            0 => Check::new(Status::Ok, "none"),
            _ => Check::new(
                Status::Info,
                format!(
                    "{} of {} that this sm knows by name alone",
                    counted(unknown, "record"),
                    counted(census.unknown_methods.len(), "method")
                ),
            )
            .remedy("They are kept whole; a newer sm may fold them.")
            .details(json!(census.unknown_methods)),
        },
    );
    checks.insert(
        "malformed",
        match census.malformed {
            0 => Check::new(Status::Ok, "none"),
            count => Check::new(Status::Info, format!("{count} lines are no messages"))
                .remedy("They are kept as they came: sm replay --json shows them."),
        },
    );
    let troubles: u64 = census.troubles.values().sum();
    checks.insert(
        "folding",
        match troubles {
            0 => Check::new(Status::Ok, "every record could be folded"),
            _ => Check::new(
                Status::Info,
                format!("{} could not be folded", counted(troubles, "record")),
            )
            .remedy("They are kept whole; report them, please.")
            .details(json!(census.troubles)),
        },
    );
}

impl Report {
    fn print(&self, streams: &mut Streams) -> Result<(), Error> {
        for (id, check) in &self.checks {
            let (role, glyph) = match check.status {
                Status::Ok => (Role::Good, "✓"),
                Status::Info => (Role::Dim, "·"),
                Status::Warning => (Role::NeedsHuman, "!"),
                Status::Failed => (Role::Bad, "✗"),
            };
            let mark = streams.style.paint(role, format!("{glyph} {id:<16}"));
            streams.line(format_args!("{mark} {}", check.summary))?;
            if let Some(remedy) = &check.remediation {
                streams.line(format_args!(
                    "{:19}{}",
                    "",
                    streams.style.paint(Role::Dim, remedy)
                ))?;
            }
            if let (true, Some(counts)) = (*id == "unknown_methods", check.details.as_object()) {
                for (name, count) in counts {
                    streams.line(format_args!("{:21}{count:>6}  {}", "", clean(name)))?;
                }
            }
        }
        Ok(())
    }
}
