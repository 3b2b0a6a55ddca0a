//! The peer: the same events in SQLite, as the first seed asks (WAL, one row an event with the columns
//! it lists), synchronous=FULL, a transaction for each 64 events.

use rusqlite::{Connection, params};
use serde_json::Value;
use std::path::Path;

const SCHEMA: &str = "
CREATE TABLE codex_tool_events (
  seq INTEGER PRIMARY KEY, session_id TEXT, thread_id TEXT, turn_id TEXT, item_id TEXT,
  event_type TEXT, item_type TEXT, phase TEXT, command TEXT, cwd TEXT, exit_code INTEGER,
  file_path TEXT, diff_summary TEXT, approval_decision TEXT, latency_ms INTEGER,
  raw_payload_json TEXT, created_at INTEGER)";

const INSERT: &str = "INSERT INTO codex_tool_events VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// How many events share a transaction.
const GROUP: usize = 64;

/// Imports `transcript` into a fresh database in `dir`; returns how many rows it has.
pub fn import(dir: &Path, transcript: &[u8]) -> u64 {
    let mut db = Connection::open(dir.join("events.db")).expect("a fresh database opens");
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL is there");
    db.pragma_update(None, "synchronous", "FULL").expect("FULL is there");
    db.execute_batch(SCHEMA).expect("the schema is valid");
    let lines: Vec<&[u8]> =
        transcript.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut seq = 0u64;
    for group in lines.chunks(GROUP) {
        let transaction = db.transaction().expect("a transaction begins");
        {
            let mut insert = transaction.prepare_cached(INSERT).expect("the statement is valid");
            for line in group {
                seq += 1;
                row(&mut insert, seq, line);
            }
        }
        transaction.commit().expect("the disk takes it");
    }
    seq
}

fn row(insert: &mut rusqlite::CachedStatement<'_>, seq: u64, line: &[u8]) {
    let message: Value = serde_json::from_slice(line).expect("captures are JSON");
    let method = message["method"].as_str();
    let about = &message["params"];
    let item = &about["item"];
    let phase = match method {
        Some("item/started") => Some("running"),
        Some("item/completed") => Some("post"),
        Some(method) if method.ends_with("requestApproval") => Some("pre"),
        _ => None,
    };
    insert
        .execute(params![
            seq as i64,
            about["threadId"].as_str(),
            about["threadId"].as_str(),
            about["turnId"].as_str(),
            about["itemId"].as_str().or(item["id"].as_str()),
            method,
            item["type"].as_str(),
            phase,
            item["command"].as_str(),
            item["cwd"].as_str(),
            item["exitCode"].as_i64(),
            item["changes"][0]["path"].as_str(),
            item["changes"][0]["diff"].as_str(),
            item["status"].as_str(),
            item["durationMs"].as_i64(),
            std::str::from_utf8(line).ok(),
            message["emittedAtMs"].as_i64(),
        ])
        .expect("the row is taken");
}
