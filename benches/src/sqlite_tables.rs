//! The peer of a rebuild: the same sessions, turns, actions, requests, spans and counts, row for row,
//! kept in SQLite as a program without a log would keep them: each message parsed, each change an
//! upsert, the state a query over what is open, a transaction for many. Pieces of items that are known
//! to be open change nothing but the session's counts, as in the folds.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use std::path::Path;

const SCHEMA: &str = "
CREATE TABLE sessions (
  thread TEXT PRIMARY KEY, parent TEXT, state TEXT DEFAULT 'idle', since INTEGER, cause INTEGER, title TEXT,
  model TEXT, provider TEXT, cwd TEXT, version TEXT, name TEXT, flags TEXT, outcome TEXT, turn TEXT,
  phase TEXT, about TEXT, span INTEGER, model_span INTEGER, tokens INTEGER,
  last_action TEXT, last_kind TEXT, last_status TEXT, last_message INTEGER,
  records INTEGER DEFAULT 0, turns INTEGER DEFAULT 0, turns_ended INTEGER DEFAULT 0,
  commands INTEGER DEFAULT 0, commands_ended INTEGER DEFAULT 0, file_changes INTEGER DEFAULT 0,
  file_changes_ended INTEGER DEFAULT 0, tool_calls INTEGER DEFAULT 0, messages INTEGER DEFAULT 0,
  requests INTEGER DEFAULT 0, errors INTEGER DEFAULT 0,
  first_seq INTEGER, last_seq INTEGER, first_at INTEGER, last_at INTEGER) WITHOUT ROWID;
CREATE TABLE turns (
  thread TEXT, turn TEXT, seq INTEGER, number INTEGER, prompt TEXT, status TEXT, began INTEGER,
  ended INTEGER, model TEXT, commands INTEGER DEFAULT 0, file_changes INTEGER DEFAULT 0,
  tool_calls INTEGER DEFAULT 0, messages INTEGER DEFAULT 0, requests INTEGER DEFAULT 0,
  tokens_before INTEGER, tokens_after INTEGER, plan INTEGER, diff INTEGER, message INTEGER,
  PRIMARY KEY (thread, turn)) WITHOUT ROWID;
CREATE INDEX turns_by_seq ON turns (thread, seq);
CREATE TABLE actions (
  thread TEXT, turn TEXT, item TEXT, seq INTEGER, type TEXT, status TEXT, summary TEXT, cwd TEXT,
  exit_code INTEGER, bytes INTEGER, duration INTEGER, files TEXT, approvals TEXT, began INTEGER,
  ended INTEGER, end_seq INTEGER, PRIMARY KEY (thread, turn, item)) WITHOUT ROWID;
CREATE INDEX actions_by_seq ON actions (thread, seq);
CREATE INDEX actions_open ON actions (thread) WHERE ended IS NULL;
CREATE TABLE requests (
  seq INTEGER PRIMARY KEY, id TEXT, thread TEXT, turn TEXT, item TEXT, method TEXT, status TEXT,
  summary TEXT, asked INTEGER, ended INTEGER);
CREATE INDEX requests_waiting ON requests (thread) WHERE ended IS NULL;
CREATE TABLE spans (
  thread TEXT, seq INTEGER, turn TEXT, phase TEXT, about TEXT, began INTEGER, tokens INTEGER,
  PRIMARY KEY (thread, seq)) WITHOUT ROWID;
CREATE TABLE kinds (method TEXT PRIMARY KEY, records INTEGER) WITHOUT ROWID;";

/// How many messages share a transaction.
const GROUP: usize = 16_384;

/// How many rows its tables have.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Sessions.
    pub sessions: i64,
    /// Turns.
    pub turns: i64,
    /// Actions.
    pub actions: i64,
    /// Requests.
    pub requests: i64,
    /// Spans.
    pub spans: i64,
}

/// Makes the tables of `transcript` in a fresh database in `dir`, durable at the end.
pub fn rebuild(dir: &Path, transcript: &[u8]) -> Rows {
    let mut db = Connection::open(dir.join("tables.db")).expect("a fresh database opens");
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL is there");
    db.pragma_update(None, "synchronous", "NORMAL").expect("NORMAL is there");
    db.set_prepared_statement_cache_capacity(128);
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
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        db.query_row(&sql, [], |row| row.get(0)).expect("a count")
    };
    Rows {
        sessions: count("sessions"),
        turns: count("turns"),
        actions: count("actions"),
        requests: count("requests"),
        spans: count("spans"),
    }
}

/// One message of a thread, and the tables that it changes.
struct Step<'m> {
    db: &'m Connection,
    thread: &'m str,
    seq: i64,
    at: Option<i64>,
    about: &'m Value,
}

fn message(db: &Connection, seq: i64, line: &[u8]) {
    let message: Value = serde_json::from_slice(line).expect("captures are JSON");
    let (about, result) = (&message["params"], &message["result"]);
    let method = message["method"].as_str().unwrap_or("response");
    let named = about["threadId"].as_str().or(about["thread"]["id"].as_str());
    let thread = named.or(result["thread"]["id"].as_str());
    let at = message["emittedAtMs"].as_i64();
    let step = Step { db, thread: thread.unwrap_or(""), seq, at, about };
    step.run(
        "INSERT INTO kinds VALUES (?1, 1) ON CONFLICT DO UPDATE SET records = records + 1",
        params![method],
    );
    if thread.is_none() {
        return;
    }
    step.run(
        "INSERT INTO sessions (thread, records, since, cause, first_seq, last_seq, first_at, last_at) \
         VALUES (?1, 1, ?3, ?2, ?2, ?2, ?3, ?3) \
         ON CONFLICT DO UPDATE SET records = records + 1, last_seq = ?2, last_at = ?3, \
         first_seq = coalesce(first_seq, ?2)",
        params![step.thread, seq, at],
    );
    match method {
        // Pieces of items that are open.
        method if method.contains("Delta") || method.contains("/delta") => return,
        "response" => return step.thread(&result["thread"], result),
        "thread/started" => return step.thread(&about["thread"], about),
        "thread/tokenUsage/updated" => return step.tokens(),
        "turn/diff/updated" | "turn/plan/updated" => return step.told(method),
        "error" => {
            let sql = "UPDATE sessions SET errors = errors + 1 WHERE thread = ?1";
            return step.run(sql, params![step.thread]);
        }
        "turn/started" => step.turn_started(),
        "turn/completed" => step.turn_completed(),
        "item/started" => step.item(false),
        "item/completed" => step.item(true),
        "thread/status/changed" => step.run(
            "UPDATE sessions SET flags = ?2 WHERE thread = ?1",
            params![step.thread, about["status"]["activeFlags"].to_string()],
        ),
        "serverRequest/resolved" => step.run(
            "UPDATE requests SET status = 'answered', ended = ?3 \
             WHERE thread = ?1 AND id = ?2 AND ended IS NULL",
            params![step.thread, about["requestId"].to_string(), seq],
        ),
        method if message.get("id").is_some() => step.request(method, &message["id"]),
        _ => return,
    }
    step.settle();
}

impl Step<'_> {
    fn run(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) {
        let mut statement = self.db.prepare_cached(sql).expect("the statement is valid");
        statement.execute(values).expect("the row is taken");
    }

    fn thread(&self, told: &Value, settings: &Value) {
        self.run(
            "UPDATE sessions SET cwd = coalesce(?2, cwd), model = coalesce(?3, model), \
             provider = coalesce(?4, provider), version = coalesce(?5, version), \
             name = coalesce(?6, name), parent = coalesce(parent, ?7) WHERE thread = ?1",
            params![
                self.thread,
                told["cwd"].as_str(),
                settings["model"].as_str(),
                told["modelProvider"].as_str(),
                told["cliVersion"].as_str(),
                told["name"].as_str(),
                told["parentThreadId"].as_str()
            ],
        );
    }

    /// The turn that the message names, made if this is the first that is told of it.
    fn turn(&self, id: &str) {
        let sql = "INSERT OR IGNORE INTO turns (thread, turn, seq, number, status, began, model, tokens_before) \
                   SELECT ?1, ?2, ?3, turns + 1, 'open', ?4, model, tokens FROM sessions WHERE thread = ?1";
        let mut made = self.db.prepare_cached(sql).expect("the statement is valid");
        let made = made.execute(params![self.thread, id, self.seq, self.at]);
        if made.expect("the row is taken") > 0 {
            self.run(
                "UPDATE sessions SET turns = turns + 1, turn = ?2, phase = NULL WHERE thread = ?1",
                params![self.thread, id],
            );
        }
    }

    fn turn_started(&self) {
        let told = &self.about["turn"];
        let open: Option<String> = self.session("turn");
        // A review's turn runs inside another.
        if open.is_none() || told["rootTurnId"].as_str() != open.as_deref() {
            self.turn(told["id"].as_str().unwrap_or(""));
        }
    }

    fn turn_completed(&self) {
        let told = &self.about["turn"];
        let id = told["id"].as_str().unwrap_or("");
        self.turn(id);
        let status = told["status"].as_str();
        self.run(
            "UPDATE turns SET status = ?3, ended = ?4 WHERE thread = ?1 AND turn = ?2",
            params![self.thread, id, status, self.at],
        );
        self.run(
            "UPDATE actions SET status = 'interrupted', ended = ?2, end_seq = ?3 \
             WHERE thread = ?1 AND ended IS NULL",
            params![self.thread, self.at.unwrap_or(0), self.seq],
        );
        self.run(
            "UPDATE requests SET status = 'cleared', ended = ?2 WHERE thread = ?1 AND ended IS NULL",
            params![self.thread, self.seq],
        );
        self.run(
            "UPDATE sessions SET turns_ended = turns_ended + 1, outcome = ?2, turn = NULL, flags = NULL \
             WHERE thread = ?1",
            params![self.thread, status],
        );
    }

    fn item(&self, ends: bool) {
        let item = &self.about["item"];
        let (id, turn) = (item["id"].as_str(), self.about["turnId"].as_str().unwrap_or(""));
        self.turn(turn);
        let kind = item["type"].as_str().unwrap_or("");
        let is = |wanted: &str| i64::from(kind == wanted);
        let tool = i64::from(kind.ends_with("ToolCall") || kind == "webSearch");
        let sql = "INSERT OR IGNORE INTO actions (thread, turn, item, seq, type, status, began) \
                   VALUES (?,?,?,?,?,'inProgress',?)";
        let mut made = self.db.prepare_cached(sql).expect("the statement is valid");
        let made = made.execute(params![self.thread, turn, id, self.seq, kind, self.at]);
        if made.expect("the row is taken") > 0 {
            let (command, change) = (is("commandExecution"), is("fileChange"));
            let message = is("agentMessage");
            for sql in [
                "UPDATE sessions SET commands = commands + ?2, file_changes = file_changes + ?3, \
                 tool_calls = tool_calls + ?4, messages = messages + ?5 WHERE thread = ?1",
                "UPDATE turns SET commands = commands + ?2, file_changes = file_changes + ?3, \
                 tool_calls = tool_calls + ?4, messages = messages + ?5 \
                 WHERE thread = ?1 AND turn = ?6",
            ] {
                let values = params![self.thread, command, change, tool, message, turn];
                self.run(sql, if sql.contains("?6") { values } else { &values[..5] });
            }
        }
        let summary = item["command"].as_str().or(item["text"].as_str()).or(item["tool"].as_str());
        let summary = summary.or(item["content"][0]["text"].as_str());
        let summary = summary.and_then(|text| text.lines().next());
        let status = match (ends, item["status"].as_str()) {
            (false, _) => "inProgress",
            (true, status) => status.unwrap_or("completed"),
        };
        let files: Option<String> = item["changes"].as_array().map(|changes| {
            let lines = |change: &Value| change["diff"].as_str().unwrap_or("").lines().count();
            let told = |change: &Value| format!("{} {}", change["path"], lines(change));
            changes.iter().map(told).collect::<Vec<_>>().join("\n")
        });
        self.run(
            "UPDATE actions SET status = ?4, summary = coalesce(?5, summary), cwd = coalesce(?6, cwd), \
             exit_code = ?7, bytes = ?8, duration = ?9, files = coalesce(?10, files), ended = ?11, \
             end_seq = ?12 WHERE thread = ?1 AND turn = ?2 AND item = ?3 AND ended IS NULL",
            params![
                self.thread,
                turn,
                id,
                status,
                summary,
                item["cwd"].as_str(),
                item["exitCode"].as_i64(),
                item["aggregatedOutput"].as_str().map(|text| text.len() as i64),
                item["durationMs"].as_i64(),
                files,
                ends.then_some(self.at.unwrap_or(0)),
                ends.then_some(self.seq)
            ],
        );
        if ends {
            self.run(
                "UPDATE requests SET status = 'answered', ended = ?3 \
                 WHERE thread = ?1 AND item = ?2 AND ended IS NULL",
                params![self.thread, id, self.seq],
            );
        }
        if kind == "userMessage" {
            self.run(
                "UPDATE turns SET prompt = coalesce(prompt, ?3) WHERE thread = ?1 AND turn = ?2",
                params![self.thread, turn, summary],
            );
            self.run(
                "UPDATE sessions SET title = coalesce(title, ?2) WHERE thread = ?1",
                params![self.thread, summary],
            );
        } else if kind != "reasoning" {
            let message = (ends && kind == "agentMessage").then_some(self.seq);
            self.run(
                "UPDATE sessions SET last_action = ?2, last_kind = ?3, last_status = ?4, \
                 last_message = coalesce(?5, last_message) WHERE thread = ?1",
                params![self.thread, summary, kind, status, message],
            );
        }
        if let Some(agent) = item["agentThreadId"].as_str() {
            self.run(
                "INSERT INTO sessions (thread, parent) VALUES (?2, ?1) \
                 ON CONFLICT DO UPDATE SET parent = coalesce(parent, ?1)",
                params![self.thread, agent],
            );
        }
    }

    /// The turn's newest diff or plan.
    fn told(&self, method: &str) {
        let sql = match method {
            "turn/diff/updated" => "UPDATE turns SET diff = ?3 WHERE thread = ?1 AND turn = ?2",
            _ => "UPDATE turns SET plan = ?3 WHERE thread = ?1 AND turn = ?2",
        };
        self.run(sql, params![self.thread, self.about["turnId"].as_str(), self.seq]);
    }

    fn tokens(&self) {
        let total = self.about["tokenUsage"]["total"]["totalTokens"].as_i64();
        self.run(
            "UPDATE turns SET tokens_after = ?3 WHERE thread = ?1 AND turn = ?2",
            params![self.thread, self.about["turnId"].as_str(), total],
        );
        self.run(
            "UPDATE spans SET tokens = coalesce(tokens, 0) + ?2 - \
               coalesce((SELECT tokens FROM sessions WHERE thread = ?1), 0) \
             WHERE thread = ?1 AND seq = (SELECT model_span FROM sessions WHERE thread = ?1)",
            params![self.thread, total],
        );
        self.run("UPDATE sessions SET tokens = ?2 WHERE thread = ?1", params![self.thread, total]);
    }

    fn request(&self, method: &str, id: &Value) {
        let about = self.about;
        let summary = about["command"].as_str().or(about["questions"][0]["question"].as_str());
        self.run(
            "INSERT INTO requests (seq, id, thread, turn, item, method, status, summary, asked) \
             VALUES (?,?,?,?,?,?,'pending',?,?)",
            params![
                self.seq,
                id.to_string(),
                self.thread,
                about["turnId"].as_str(),
                about["itemId"].as_str(),
                method,
                summary,
                self.at
            ],
        );
        self.run(
            "UPDATE actions SET approvals = coalesce(approvals, '') || ' ' || ?4 \
             WHERE thread = ?1 AND turn = ?2 AND item = ?3",
            params![self.thread, about["turnId"].as_str(), about["itemId"].as_str(), self.seq],
        );
        for sql in [
            "UPDATE sessions SET requests = requests + 1 WHERE thread = ?1",
            "UPDATE turns SET requests = requests + 1 WHERE thread = ?1 AND turn = ?2",
        ] {
            let values = params![self.thread, about["turnId"].as_str()];
            self.run(sql, if sql.contains("?2") { values } else { &values[..1] });
        }
    }

    fn session<T: rusqlite::types::FromSql>(&self, column: &str) -> Option<T> {
        let sql = format!("SELECT {column} FROM sessions WHERE thread = ?");
        let mut found = self.db.prepare_cached(&sql).expect("the statement is valid");
        let found = found.query_row([self.thread], |row| row.get(0));
        found.optional().expect("a column").flatten()
    }

    /// State and phase, from what is open; a new phase is a new span.
    fn settle(&self) {
        let sql = "SELECT type, item FROM actions WHERE thread = ? AND ended IS NULL ORDER BY seq";
        let mut open = self.db.prepare_cached(sql).expect("the statement is valid");
        let open = open.query_map([self.thread], |row| Ok((row.get(0)?, row.get(1)?)));
        let open: Vec<(String, String)> =
            open.and_then(Iterator::collect).expect("the open actions");
        let sql =
            "SELECT method, seq FROM requests WHERE thread = ? AND ended IS NULL ORDER BY seq";
        let mut waits = self.db.prepare_cached(sql).expect("the statement is valid");
        let waits = waits.query_map([self.thread], |row| Ok((row.get(0)?, row.get(1)?)));
        let waits: Vec<(String, i64)> =
            waits.and_then(Iterator::collect).expect("the waiting requests");
        let sql = "SELECT turn, flags, state, phase, about FROM sessions WHERE thread = ?";
        let mut session = self.db.prepare_cached(sql).expect("the statement is valid");
        type Now = [Option<String>; 5];
        let now: Now = session
            .query_row([self.thread], |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
            })
            .expect("the session");
        let [turn, flags, was, phase_was, about_was] = now;
        let flags = flags.unwrap_or_default();
        let asks = |what: &str| waits.iter().find(|(method, _)| method.ends_with(what));
        let permission = asks("requestApproval").map(|(_, seq)| seq.to_string());
        let input = asks("requestUserInput").or(asks("elicitation/request"));
        let input = input.map(|(_, seq)| seq.to_string());
        let item = |kinds: &[&str]| {
            let found = open.iter().find(|(kind, _)| kinds.contains(&kind.as_str()));
            found.map(|(_, item)| item.clone())
        };
        const TOOLS: &[&str] = &[
            "mcpToolCall",
            "dynamicToolCall",
            "collabAgentToolCall",
            "webSearch",
            "imageView",
            "imageGeneration",
        ];
        let works = item(&["commandExecution", "fileChange", "agentMessage"]).or(item(TOOLS));
        let asked = permission.is_some() || flags.contains("waitingOnApproval");
        let questioned = input.is_some() || flags.contains("waitingOnUserInput");
        let state = match () {
            () if asked => "waiting_permission",
            () if questioned => "waiting_input",
            () if turn.is_none() => "idle",
            () if works.is_some() => "working",
            () => "thinking",
        };
        if was.as_deref() != Some(state) {
            self.run(
                "UPDATE sessions SET state = ?2, since = ?3, cause = ?4 WHERE thread = ?1",
                params![self.thread, state, self.at, self.seq],
            );
        }
        let Some(turn) = turn else { return };
        let tools = item(TOOLS).or(item(&["subAgentActivity", "sleep"]));
        let by_item = [
            ("compacting", item(&["contextCompaction"])),
            ("changing_files", item(&["fileChange"])),
            ("running", item(&["commandExecution"])),
            ("calling_tool", tools),
            ("writing", item(&["agentMessage"])),
            ("reviewing", item(&["enteredReviewMode", "exitedReviewMode"])),
        ];
        let by_item = by_item.into_iter().find(|(_, item)| item.is_some());
        let (phase, about) = match by_item {
            _ if asked => ("waiting_permission", permission),
            _ if questioned => ("waiting_input", input),
            Some(found) => found,
            None => ("thinking", None),
        };
        if phase_was.as_deref() == Some(phase) && about_was == about {
            return;
        }
        self.run(
            "INSERT INTO spans (thread, seq, turn, phase, about, began) VALUES (?,?,?,?,?,?)",
            params![self.thread, self.seq, turn, phase, about, self.at],
        );
        let is_model = matches!(phase, "compacting" | "writing" | "reviewing" | "thinking");
        self.run(
            "UPDATE sessions SET phase = ?2, about = ?3, span = ?4, \
             model_span = CASE WHEN ?5 THEN ?4 ELSE model_span END WHERE thread = ?1",
            params![self.thread, phase, about, self.seq, is_model],
        );
    }
}
