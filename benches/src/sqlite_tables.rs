//! The peer of a rebuild: the same sessions, turns, actions and requests, kept in SQLite as a program
//! without a log would keep them: each message parsed, each change an upsert, a transaction for many.

use rusqlite::{Connection, params};
use serde_json::Value;
use std::path::Path;

const SCHEMA: &str = "
CREATE TABLE sessions (
  thread TEXT PRIMARY KEY, state TEXT, since INTEGER, model TEXT, cwd TEXT, name TEXT, records INTEGER,
  turns INTEGER, commands INTEGER, file_changes INTEGER, tokens INTEGER, last_action TEXT, last_seq INTEGER);
CREATE TABLE turns (
  thread TEXT, turn TEXT, seq INTEGER, status TEXT, began INTEGER, ended INTEGER, tokens INTEGER,
  PRIMARY KEY (thread, turn));
CREATE TABLE actions (
  thread TEXT, item TEXT, seq INTEGER, kind TEXT, status TEXT, summary TEXT, cwd TEXT, exit_code INTEGER,
  files INTEGER, began INTEGER, ended INTEGER, PRIMARY KEY (thread, item));
CREATE INDEX actions_by_seq ON actions (thread, seq);
CREATE TABLE requests (
  id TEXT, thread TEXT, item TEXT, method TEXT, status TEXT, asked INTEGER, PRIMARY KEY (thread, id));";

/// How many messages share a transaction.
const GROUP: usize = 16_384;

/// Makes the tables of `transcript` in a fresh database in `dir`, durable at the end; returns how many
/// messages there were.
pub fn rebuild(dir: &Path, transcript: &[u8]) -> u64 {
    let mut db = Connection::open(dir.join("tables.db")).expect("a fresh database opens");
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL is there");
    db.pragma_update(None, "synchronous", "NORMAL").expect("NORMAL is there");
    db.execute_batch(SCHEMA).expect("the schema is valid");
    let lines: Vec<&[u8]> =
        transcript.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut seq = 0;
    for group in lines.chunks(GROUP) {
        let transaction = db.transaction().expect("a transaction begins");
        for line in group {
            seq += 1;
            message(&transaction, seq, line);
        }
        transaction.commit().expect("the disk takes it");
    }
    db.pragma_update(None, "wal_checkpoint", "FULL").expect("the disk takes it");
    seq
}

fn message(db: &Connection, seq: u64, line: &[u8]) {
    let message: Value = serde_json::from_slice(line).expect("captures are JSON");
    let about = &message["params"];
    let Some(thread) = about["threadId"].as_str().or(about["thread"]["id"].as_str()) else {
        return;
    };
    let (seq, at) = (seq as i64, message["emittedAtMs"].as_i64());
    let method = message["method"].as_str().unwrap_or("");
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        let mut statement = db.prepare_cached(sql).expect("the statement is valid");
        statement.execute(values).expect("the row is taken");
    };
    run(
        "INSERT INTO sessions (thread, records, turns, commands, file_changes, last_seq) \
         VALUES (?1, 1, 0, 0, 0, ?2) \
         ON CONFLICT (thread) DO UPDATE SET records = records + 1, last_seq = ?2",
        params![thread, seq],
    );
    let item = &about["item"];
    match method {
        "turn/started" => {
            run(
                "INSERT OR IGNORE INTO turns (thread, turn, seq, status, began) VALUES (?,?,?,'open',?)",
                params![thread, about["turn"]["id"].as_str(), seq, at],
            );
            run(
                "UPDATE sessions SET turns = turns + 1, state = 'thinking', since = ?2 WHERE thread = ?1",
                params![thread, at],
            );
        }
        "turn/completed" => {
            run(
                "UPDATE turns SET status = ?3, ended = ?4 WHERE thread = ?1 AND turn = ?2",
                params![thread, about["turn"]["id"].as_str(), about["turn"]["status"].as_str(), at],
            );
            run(
                "UPDATE sessions SET state = 'idle', since = ?2 WHERE thread = ?1",
                params![thread, at],
            );
        }
        "item/started" => {
            let kind = item["type"].as_str();
            run(
                "INSERT OR IGNORE INTO actions (thread, item, seq, kind, status, summary, cwd, began) \
                 VALUES (?,?,?,?,'inProgress',?,?,?)",
                params![
                    thread,
                    item["id"].as_str(),
                    seq,
                    kind,
                    item["command"].as_str(),
                    item["cwd"].as_str(),
                    at
                ],
            );
            let (command, change) = (kind == Some("commandExecution"), kind == Some("fileChange"));
            run(
                "UPDATE sessions SET commands = commands + ?2, file_changes = file_changes + ?3, \
                 state = 'working', since = ?4, last_action = ?5 WHERE thread = ?1",
                params![thread, command, change, at, item["command"].as_str()],
            );
        }
        "item/completed" => {
            run(
                "UPDATE actions SET status = ?3, exit_code = ?4, files = ?5, ended = ?6 \
                 WHERE thread = ?1 AND item = ?2",
                params![
                    thread,
                    item["id"].as_str(),
                    item["status"].as_str(),
                    item["exitCode"].as_i64(),
                    item["changes"].as_array().map(|changes| changes.len() as i64),
                    at
                ],
            );
            run(
                "UPDATE sessions SET state = 'thinking', since = ?2 WHERE thread = ?1",
                params![thread, at],
            );
        }
        "thread/tokenUsage/updated" => run(
            "UPDATE sessions SET tokens = ?2 WHERE thread = ?1",
            params![thread, about["tokenUsage"]["total"]["totalTokens"].as_i64()],
        ),
        "thread/started" => run(
            "UPDATE sessions SET cwd = ?2, model = ?3 WHERE thread = ?1",
            params![
                thread,
                about["thread"]["cwd"].as_str(),
                about["thread"]["modelProvider"].as_str()
            ],
        ),
        "serverRequest/resolved" => run(
            "UPDATE requests SET status = 'answered' WHERE thread = ?1 AND id = ?2",
            params![thread, about["requestId"].to_string()],
        ),
        method if method.ends_with("requestApproval") || method.ends_with("requestUserInput") => {
            run(
                "INSERT OR REPLACE INTO requests (id, thread, item, method, status, asked) \
                 VALUES (?,?,?,?,'pending',?)",
                params![message["id"].to_string(), thread, about["itemId"].as_str(), method, at],
            );
            run(
                "UPDATE sessions SET state = 'waiting', since = ?2 WHERE thread = ?1",
                params![thread, at],
            );
        }
        _ => {}
    }
}
