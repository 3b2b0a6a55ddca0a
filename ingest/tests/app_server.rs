//! The way to a Codex server and back, with a shell script in the server's place: what is recorded,
//! what is handed on, and what an end in any of its forms looks like.

use sm_ingest::Scribe;
use sm_ingest::app_server::{AppServer, CallError, Incoming, Launch, StartError};
use sm_log::{Direction, Entry, Item, Log, Options, OwnedRecord};
use sm_protocol::Kind;
use sm_protocol::synthetic::{SourceClosed, Synthetic};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers the greeting, then does what the script says.
const GREETS: &str =
    r#"read greeting; echo '{"id":1,"result":{"userAgent":"x/0.169.0 (y)"}}'; read initialized;"#;

struct Stage {
    dir: tempfile::TempDir,
    log: Log,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path().join("log"), Options::default()).unwrap().0;
        Stage { dir, log }
    }

    fn start(&self, script: &str) -> Result<(AppServer, UnboundedReceiver<Incoming>), StartError> {
        let binary = self.dir.path().join("codex");
        std::fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let launch = Launch {
            binary,
            codex_home: self.dir.path().to_path_buf(),
            source: 1,
            generation: 0,
            settings: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
        };
        AppServer::spawn(self.log.clone(), &launch)
    }

    fn records(&self) -> Vec<OwnedRecord> {
        self.log.sync().unwrap();
        let mut cursor = self.log.reader().cursor(1).unwrap();
        let mut records = Vec::new();
        while let Some(Item::Record(record)) = cursor.next().unwrap() {
            records.push(record.to_owned());
        }
        records
    }
}

fn text(record: &OwnedRecord) -> &str {
    std::str::from_utf8(&record.payload).unwrap()
}

#[tokio::test]
async fn both_directions_are_recorded_in_order_and_answers_find_their_calls() {
    let stage = Stage::new();
    let script = format!(
        "{GREETS} read call; echo '{{\"method\":\"turn/started\",\"params\":{{\"threadId\":\"T\"}}}}'; \
         echo '{{\"id\":2,\"result\":{{\"ok\":true}}}}'; read more"
    );
    let (server, mut incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    let params = serde_json::json!({ "threadId": "T" });
    let reply = server.call("turn/start", params, PATIENCE).await.unwrap();
    assert_eq!(reply.result["ok"], true);
    match incoming.recv().await {
        Some(Incoming::Notification { kind: Kind::TURN_STARTED, thread, .. }) => {
            assert_eq!(thread, "T");
        }
        other => panic!("{other:?}"),
    }
    let ended = server.end(PATIENCE).await;
    assert_eq!(ended.reason, "exited with 1");
    let records = stage.records();
    let told: Vec<_> = records.iter().map(|record| (record.direction, Kind(record.kind))).collect();
    assert_eq!(
        told,
        [
            (Direction::Own, Kind::SM_GENERATION_STARTED),
            (Direction::Client, Kind::INITIALIZE),
            (Direction::Server, Kind::RESPONSE),
            (Direction::Client, Kind::NOTIFICATION),
            (Direction::Client, Kind::TURN_START),
            (Direction::Server, Kind::TURN_STARTED),
            (Direction::Server, Kind::RESPONSE),
        ]
    );
    // A response belongs to its request's thread, and says which record it is.
    assert_eq!((records[6].session.as_slice(), records[6].seq), (&b"T"[..], reply.seq));
}

#[tokio::test]
async fn long_broken_and_unasked_lines_are_recorded_and_stop_nothing() {
    let stage = Stage::new();
    let script = format!(
        "{GREETS} head -c 3000000 /dev/zero | tr '\\0' x; echo; printf '\\377\\n\\n[1]\\n'; \
         echo '{{\"id\":99,\"result\":1}}'; echo '{{\"id\":\"a\",\"method\":\"ask/me\",\"params\":{{}}}}'; \
         read answer; printf cut"
    );
    let (server, mut incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    let Some(Incoming::Request(call)) = incoming.recv().await else { panic!("no request") };
    assert_eq!((call.method.as_str(), call.id.0.as_str()), ("ask/me", "\"a\""));
    server.respond(&call.id, &serde_json::json!({ "x": 1 })).unwrap();
    let Some(Incoming::Ended(ended)) = incoming.recv().await else { panic!("no end") };
    assert_eq!(ended.reason, "exited with 0");
    let records = stage.records();
    let lengths: Vec<_> = records[4..].iter().map(|record| record.payload.len()).collect();
    assert_eq!(lengths[..4], [3_000_000, 1, 0, 3]);
    assert_eq!(text(&records[8]), r#"{"id":99,"result":1}"#);
    let sent = records.iter().rfind(|record| record.direction == Direction::Client).unwrap();
    assert_eq!(text(sent), r#"{"id":"a","result":{"x":1}}"#);
    assert_eq!(text(records.last().unwrap()), "cut");
}

#[tokio::test]
async fn a_server_that_dies_at_its_start_is_told_with_its_last_words() {
    let stage = Stage::new();
    let script = "for n in 1 2 3; do echo \"reason $n\" >&2; done; exit 7";
    let (server, _incoming) = stage.start(script).unwrap();
    match server.greet("sm", "0").await {
        Err(StartError::Died { reason, stderr, .. }) => {
            assert_eq!(reason, "exited with 7");
            assert_eq!(stderr, "reason 1\nreason 2\nreason 3");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_is_refused_lost_or_not_answered_says_which() {
    let stage = Stage::new();
    let script = format!(
        "{GREETS} read a; echo '{{\"id\":2,\"error\":{{\"code\":-32600,\"message\":\"no\"}}}}'; \
         read b; read c; kill -9 $$"
    );
    let (server, mut incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    let call = |patience| server.call("x", serde_json::json!({}), patience);
    let refused = call(PATIENCE).await.unwrap_err();
    assert_eq!(refused.refusal(), Some((-32600, "no")));
    assert!(!refused.is_unknown());
    let late = call(Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(late, CallError::NoAnswer { .. }) && late.is_unknown());
    let lost = call(PATIENCE).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }) && lost.is_unknown());
    let Some(Incoming::Ended(ended)) = incoming.recv().await else { panic!("no end") };
    assert_eq!(ended.reason, "was killed by signal 9");
    let gone = call(PATIENCE).await.unwrap_err();
    assert!(matches!(gone, CallError::Gone { .. }) && !gone.is_unknown());
}

#[tokio::test]
async fn a_server_that_ignores_its_end_is_forced_and_its_group_goes_with_it() {
    let stage = Stage::new();
    let pid_file = stage.dir.path().join("child");
    let script = format!(
        "{GREETS} trap '' TERM; sleep 1000 & echo $! > {}; while :; do sleep 1; done",
        pid_file.display()
    );
    let (server, _incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    let child = wait_for(&pid_file);
    let ended = server.end(Duration::from_millis(50)).await;
    assert_eq!(ended.reason, "was killed by signal 9");
    // Its signal was sent before the server's end was told; it ends whenever the system comes to it.
    while sm_ingest::app_server::ProcessId::of(child).is_some_and(|child| child.is_alive()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn wait_for(path: &Path) -> u32 {
    loop {
        if let Ok(text) = std::fs::read_to_string(path)
            && let Ok(pid) = text.trim().parse()
        {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_blocks_nobody() {
    let stage = Stage::new();
    let script = format!("{GREETS} echo '{{\"method\":\"x\"}}'; sleep 1000");
    let (server, mut incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    assert!(matches!(incoming.recv().await, Some(Incoming::Notification { .. })));
    let long = serde_json::json!({ "x": "y".repeat(1 << 20) });
    let id = sm_protocol::RpcId::number(0);
    for _ in 0..8 {
        server.respond(&id, &long).unwrap();
    }
    assert!(server.is_running());
    server.end(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_room_stops_those_who_write_and_no_other_task() {
    const RING_BYTES: usize = 1 << 20;
    let mut stage = Stage::new();
    // Nothing is written but by who waits for it.
    let options = Options::default().with_ring_bytes(RING_BYTES).with_patience(PATIENCE / 4);
    let path = stage.dir.path().join("full");
    stage.log = Log::open(path, options.without_background()).unwrap().0;
    let script = format!("{GREETS} echo '{{\"method\":\"greeted\"}}'; cat > /dev/null");
    let (server, mut incoming) = stage.start(&script).unwrap();
    server.greet("sm", "0").await.unwrap();
    // All that was said is written, and nobody waits for it any more.
    incoming.recv().await.unwrap();
    stage.log.sync().unwrap();
    let filler = Entry { payload: &vec![b'x'; RING_BYTES], ..Entry::default() };
    stage.log.append(&[filler]).unwrap();
    let (server, scribe) = (Arc::new(server), Scribe::new(stage.log.clone()));
    let sends = [1, 2, 3].map(|number| {
        let (server, scribe) = (Arc::clone(&server), scribe.clone());
        tokio::spawn(async move {
            if number == 3 {
                let closed = SourceClosed { source: 1, records: 0, malformed: 0 };
                let closed = Synthetic::SourceClosed(closed);
                return scribe.note(0, "", &closed).map(drop).map_err(|error| error.to_string());
            }
            let answer = serde_json::json!({ "number": number });
            let id = sm_protocol::RpcId::number(number);
            server.respond(&id, &answer).map(drop).map_err(|error| error.to_string())
        })
    });
    // Both workers would be held by them.
    let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(100)));
    timer.await.unwrap();
    assert!(sends.iter().all(|send| !send.is_finished()), "they wait for room");
    let log = stage.log.clone();
    tokio::task::spawn_blocking(move || log.sync().unwrap()).await.unwrap();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    server.end(PATIENCE).await;
}
