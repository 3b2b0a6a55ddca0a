//! `sm prune`: what goes is gone whole, what it was is still known, and a death at any moment changes
//! neither.

use crate::support::{Sm, captures};
use serde_json::{Value, json};
use sm_ingest::Importer;
use sm_log::{Log, Options, Reader};
use std::fs;
use std::path::Path;

/// Transcripts in a log of small segments, all but the last sealed.
fn record(home: &Path, transcripts: &[&str]) {
    let options = Options::default().with_segment_bytes(32 << 10);
    let (log, _) = Log::open(home.join("log"), options).expect("a log");
    for name in transcripts {
        let bytes = capture(name);
        let importer = Importer::begin(log.clone(), Path::new(name), None, None, 0, |_, _| {});
        importer.expect("a source").run(&bytes[..], 0).expect("every line is taken");
    }
    log.seal().expect("segments are sealed");
}

fn capture(name: &str) -> Vec<u8> {
    let found = captures(false).into_iter().find(|path| path.ends_with(name));
    fs::read(found.unwrap_or_else(|| panic!("no capture {name}"))).expect("a capture")
}

const ENDED: [&str; 4] = [
    "captures/codex-0.169.0/approvals.jsonl",
    "0.169.0/failures.jsonl",
    "0.169.0/nested.jsonl",
    "0.169.0/review.jsonl",
];

fn recorded(transcripts: &[&str]) -> Sm {
    let sm = Sm::new();
    fs::create_dir_all(sm.home()).expect("the data directory");
    record(&sm.home(), transcripts);
    sm
}

fn log(sm: &Sm) -> Reader {
    Reader::open(sm.home().join("log")).expect("the log")
}

/// All that is known of sessions, turns and actions, but for how far the log is.
fn known(sm: &Sm) -> Vec<Value> {
    let listed = sm.json(&["ps", "--all", "-n", "1000"]);
    let sessions = listed["sessions"].as_array().expect("a list");
    let mut known = Vec::new();
    for session in sessions {
        let id = session["thread_id"].as_str().expect("a thread");
        for verb in [&["show", id][..], &["turns", id], &["tail", id, "--all", "-n", "1000"]] {
            let mut told = sm.json(verb);
            without_the_present(&mut told);
            known.push(told);
        }
    }
    known.push(json!(sessions.len()));
    known
}

fn without_the_present(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ["as_of", "state_for_ms", "quiet_for_ms", "waiting_ms", "looks_stuck"] {
                members.remove(name);
            }
            members.values_mut().for_each(without_the_present);
        }
        Value::Array(items) => items.iter_mut().for_each(without_the_present),
        _ => {}
    }
}

fn verified(sm: &Sm) -> String {
    let verdict = sm.json(&["replay", "--verify"]);
    assert_eq!(verdict["equal"], true, "{verdict}");
    verdict["live_digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn nothing_goes_without_apply_and_what_is_known_stays_as_it_was() {
    let sm = recorded(&ENDED);
    let before = known(&sm);
    let told = sm.json(&["prune", "--max-bytes", "0", "--past-imports"]);
    assert_eq!((&told["applied"], &told["schema"]), (&json!(false), &json!("sm.prune/1")));
    // How many depends on how far sealing has come.
    assert!(told["segments"].as_u64() > Some(1), "{told}");
    assert_eq!(log(&sm).floor(), 1);
    assert!(!sm.home().join("snapshots").exists());

    let done = sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    for name in ["floor", "records", "bytes", "kept_bytes"] {
        assert_eq!(done[name], told[name], "{name}");
    }
    assert_eq!(done["applied"], true);
    let floor = done["floor"].as_u64().expect("a floor");
    assert_eq!(log(&sm).floor(), floor);
    assert_eq!(done["snapshot"]["seq"], floor - 1);
    assert_eq!(known(&sm), before);
    let digest = verified(&sm);

    // All that is derived is gone: it is made from the snapshot and what is kept.
    fs::remove_dir_all(sm.home().join("projections")).expect("they were there");
    assert_eq!(known(&sm), before);
    assert_eq!(verified(&sm), digest);
    sm.json(&["rebuild"]);
    assert_eq!(verified(&sm), digest);
    assert_eq!(sm.run(&["verify", "--deep"]).code, 0);
    // Its record says what went.
    let seq = done["trim_seq"].to_string();
    let line = sm.run(&["replay", "--since", &seq, "--until", &seq, "--json"]);
    let record: Value = serde_json::from_slice(&line.out).expect("a record");
    assert_eq!(record["payload"]["method"], "sm/log/trimmed");
    assert_eq!(record["payload"]["params"]["floor"], floor);
    // Nothing is left to do.
    let again = sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    assert_eq!((&again["segments"], &again["snapshot"]), (&json!(0), &Value::Null));
}

#[test]
fn tables_from_before_the_prune_are_made_anew() {
    let sm = recorded(&ENDED);
    let segments = log(&sm).segments().expect("segments");
    // Folded to somewhere below the floor to come.
    let home = sm_daemon::Home::new(sm.home());
    {
        let store = sm_projections::Store::open(
            &home.store_path(),
            &log(&sm).id(),
            sm_projections::Commit::Synced,
        );
        let store = std::sync::Arc::new(store.expect("new tables"));
        let mut projector = sm_projections::Projector::new(store, log(&sm)).expect("a projector");
        projector.fold_to(segments[0].last / 2, 100, |_| {}).expect("the log folds");
    }
    let old = std::fs::read(home.store_path().join("data.mdb")).expect("the tables");
    let before = known(&sm);
    sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    let digest = verified(&sm);
    std::fs::write(home.store_path().join("data.mdb"), old).expect("a backup put back");
    assert_eq!(known(&sm), before);
    assert_eq!(verified(&sm), digest);
}

#[test]
fn a_lost_snapshot_is_told_and_what_is_kept_can_be_folded_alone() {
    let sm = recorded(&ENDED);
    let done = sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    fs::remove_dir_all(sm.home().join("snapshots")).expect("it was there");
    let sessions =
        |sm: &Sm| sm.json(&["ps", "--all", "-n", "100"])["sessions"].as_array().map(Vec::len);
    let before = sessions(&sm);
    fs::remove_dir_all(sm.home().join("projections")).expect("they were there");
    let refused = sm.run(&["ps", "--json"]);
    let error = refused.error();
    assert_eq!((refused.code, error["code"].as_str()), (1, Some("snapshot")), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--partial")), "{error}");
    sm.json(&["rebuild", "--partial"]);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true, "proved from the floor on");
    assert!(sessions(&sm) < before);
    let report = sm.json(&["doctor"]);
    let partial = &report["checks"]["projections"]["details"]["partial"]["everything"];
    assert_eq!(partial, &done["floor"], "{}", report["checks"]["projections"]);
}

#[test]
fn age_is_that_of_the_segments_not_of_what_was_said() {
    // Captured long ago, appended now.
    let sm = recorded(&ENDED);
    let segments = |words: &[&str]| sm.json(words)["segments"].as_u64();
    assert_eq!(segments(&["prune", "--older-than", "1d"]), Some(0));
    assert_eq!(segments(&["prune"]), Some(0), "the defaults: 90 days and 20 GB");
    assert!(segments(&["prune", "--older-than", "0s", "--past-imports"]) > Some(3));
    let kept = sm.json(&["prune", "--max-bytes", "36kB", "--past-imports"]);
    assert!(kept["kept_bytes"].as_u64() <= Some(36_000), "{kept}");
    assert!(kept["segments"].as_u64() > Some(0), "{kept}");
}

/// The one request that waits.
fn pending(sm: &Sm) -> Value {
    let inbox = sm.json(&["inbox", "--all"]);
    let requests = inbox["requests"].as_array().expect("a list");
    let mut pending = requests.iter().filter(|request| request["status"] == "pending");
    let only = pending.next().expect("one waits").clone();
    assert!(pending.next().is_none(), "{inbox}");
    only
}

#[test]
fn what_is_open_holds_its_records() {
    let waiting = "codex/0.169.0/stops-approval.jsonl";
    let names = [ENDED[1], waiting, ENDED[0], ENDED[2]];
    let sm = recorded(&names);
    let held = sm.json(&["prune", "--max-bytes", "0", "--apply"]);
    let need = held["held_by"]["seq"].as_u64().expect("something is open");
    assert!(held["floor"].as_u64() <= Some(need), "{held}");
    assert_eq!(held["held_by"]["imported"], true);
    let asked = pending(&sm);
    assert!(asked["details"]["command"].is_string(), "{asked}");
    verified(&sm);
    let words = sm.run(&["prune", "--max-bytes", "0"]);
    assert!(words.err.contains("--past-imports"), "{}", words.err);

    let done = sm.json(&["prune", "--max-bytes", "0", "--apply", "--past-imports"]);
    assert!(done["floor"].as_u64() > Some(need), "{done}");
    assert_eq!(done["floor_before"], held["floor"]);
    // Its line is known; the rest went with the record.
    let asked = pending(&sm);
    assert_eq!(asked["details"]["text_trimmed"], true, "{asked}");
    assert!(asked["summary"].as_str().is_some_and(|line| !line.is_empty()));
    let id = asked["session_id"].as_str().expect("its session").to_owned();
    let why = sm.run(&["explain", &id]);
    assert!(why.code == 0 && why.text().contains("no longer kept"), "{}", why.text());
    verified(&sm);
}

#[test]
fn what_is_asked_of_below_the_floor_is_told_to_be_gone() {
    let sm = recorded(&ENDED);
    let last = |sm: &Sm| sm.json(&["ps", "--all"])["sessions"].as_array().map(Vec::len);
    let first = sm.json(&["ps", "--all", "-n", "100"]);
    let oldest = first["sessions"].as_array().and_then(|all| all.last()).expect("sessions");
    let id = oldest["id"].as_str().expect("an id").to_owned();
    let whole = sm.run(&["result", &id]).text();
    let done = sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    let floor = done["floor"].as_u64().expect("a floor");

    let at = floor.to_string();
    assert_eq!(last(&sm), Some(first["sessions"].as_array().map_or(0, Vec::len)));
    assert_eq!(sm.json(&["ps", "--all", "--at", &at])["as_of"]["seq"], floor);
    let shown = sm.json(&["show", &id, "--at", &at]);
    assert_eq!(shown["session"]["id"].as_str().or(shown["id"].as_str()), Some(id.as_str()));
    let below = sm.run(&["ps", "--at", "5", "--json"]);
    let error = below.error();
    assert_eq!((below.code, error["code"].as_str()), (5, Some("below_floor")));
    assert_eq!(error["details"]["floor"], floor);
    let before = sm.run(&["show", &id, "--at", "2020-01-01T00:00Z", "--json"]);
    assert_eq!(before.error()["code"], "below_floor");

    let lines = |words: &[&str]| -> Vec<Value> {
        let ran = sm.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        let text = ran.text();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
    };
    for words in [&["replay", "--json"][..], &["replay", "--json", "--since", "3"]] {
        let told = lines(words);
        assert_eq!(told[0]["schema"], "sm.history_gap/1", "{words:?}");
        assert_eq!(
            (&told[0]["history_gap"], &told[0]["earliest_seq"]),
            (&json!(true), &json!(floor))
        );
        assert_eq!(told[0]["gap_reason"], "no longer kept");
        assert_eq!(told[1]["seq"], floor);
        let revisions = told[1..].iter().filter(|line| line["thread_id"] != Value::Null);
        assert!(revisions.clone().all(|line| line["revision"].as_u64() > Some(0)));
    }
    let told = lines(&["replay", &id, "--json"]);
    assert_eq!(told[0]["history_gap"], true, "{told:?}");
    assert_eq!(lines(&["replay", "--json", "-n", "2"]).len(), 2);
    let words = sm.run(&["replay", "--since", "3"]);
    assert!(words.err.contains("history gap"), "{}", words.err);

    let result = sm.json(&["result", &id]);
    assert_eq!(result["text_trimmed"], true, "{result}");
    let line = result["text"].as_str().expect("its first line").trim_end_matches('…').to_owned();
    assert!(whole.starts_with(&line), "{line:?} of {whole:?}");
    let words = sm.run(&["result", &id]);
    assert!(words.code == 0 && words.err.contains("full text trimmed"), "{}", words.err);
    let diff = sm.json(&["diff", "--from", "0"]);
    assert_eq!(diff["changes"].as_array().map(Vec::len), last(&sm));
}

#[test]
fn a_session_serves_only_as_many_records_as_it_is_left() {
    let sm = recorded(&ENDED);
    let before = known(&sm).len();
    let told = sm.json(&["prune", "--max-records-per-session", "10", "--apply"]);
    let capped = told["capped_sessions"].as_u64().expect("a number");
    assert!(capped > 1 && told["segments"] == 0, "{told}");
    let all = sm.json(&["ps", "--all", "-n", "100"]);
    let mut short = 0;
    for session in all["sessions"].as_array().expect("a list") {
        let id = session["id"].as_str().expect("an id");
        let ran = sm.run(&["replay", id, "--json"]);
        let lines: Vec<Value> =
            ran.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        if session["counts"]["records"].as_u64() > Some(10) {
            assert_eq!(lines.len(), 11, "a gap and ten records");
            assert_eq!(lines[0]["history_gap"], true);
            assert_eq!(lines[0]["earliest_seq"], lines[1]["seq"]);
            short += 1;
        } else {
            assert_ne!(lines[0]["history_gap"], true);
        }
    }
    assert_eq!(short, capped);
    assert_eq!(known(&sm).len(), before);
    verified(&sm);
    let again = sm.json(&["prune", "--max-records-per-session", "10", "--apply"]);
    assert_eq!(again["capped_sessions"], 0);
}

#[test]
fn killed_at_any_moment_it_has_happened_or_not_and_the_next_one_does_the_rest() {
    let whole = recorded(&ENDED);
    let before = known(&whole);
    let prune = ["prune", "--max-bytes", "0", "--past-imports", "--apply", "--json"];
    let (mut killed, mut half) = (0, 0);
    // The kills lie within the time that one takes which nobody kills.
    let began = std::time::Instant::now();
    whole.json(&prune[..5]);
    let whole_time = began.elapsed();
    for round in 0..40u32 {
        let sm = recorded(&ENDED);
        let mut child = sm.command(&prune).spawn().expect("sm runs");
        std::thread::sleep(whole_time * round / 40);
        if child.try_wait().expect("its state").is_none() {
            child.kill().expect("SIGKILL");
            killed += 1;
        }
        child.wait().expect("its end");
        let floor = log(&sm).floor();
        let names = fs::read_dir(sm.home().join("snapshots"));
        half += u64::from(floor == 1 && names.is_ok_and(|names| names.count() > 0));
        assert_eq!(known(&sm), before, "round {round}, floor {floor}");
        verified(&sm);
        sm.json(&prune[..5]);
        assert!(log(&sm).floor() > 1);
        assert_eq!(known(&sm), before, "round {round}, pruned");
        verified(&sm);
        let left = fs::read_dir(sm.home().join("snapshots")).expect("snapshots").count();
        assert_eq!(left, 1, "round {round}");
    }
    assert!(killed > 5 && half > 0, "{killed} killed, {half} of them half way");
}

#[test]
fn where_a_daemon_runs_it_does_it_and_readers_are_told() {
    let sm = recorded(&ENDED);
    let before = known(&sm);
    let sessions = sm.json(&["ps", "--all", "-n", "100"]);
    let oldest = sessions["sessions"].as_array().and_then(|all| all.last()).expect("sessions");
    let (id, first) = (oldest["id"].as_str().expect("an id"), oldest["first_seq"].clone());
    let served = sm.run(&["serve"]);
    assert_eq!(served.code, 0, "{}", served.err);
    struct Stop<'s>(&'s Sm);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.run(&["serve", "--stop"]);
        }
    }
    let _stop = Stop(&sm);
    let client = sm_daemon::Client::connect(&sm_daemon::Home::new(sm.home())).expect("a daemon");
    let page = client.events(id, 0, 5).expect("a page");
    assert_eq!((&page["history_gap"], &page["earliest_seq"]), (&json!(false), &first));
    assert_eq!(page["gap_reason"], Value::Null);

    let told = sm.json(&["prune", "--max-bytes", "0", "--past-imports"]);
    assert_eq!((&told["applied"], log(&sm).floor()), (&json!(false), 1));
    let done = sm.json(&["prune", "--max-bytes", "0", "--past-imports", "--apply"]);
    assert_eq!((&done["applied"], &done["floor"]), (&json!(true), &told["floor"]));
    let floor = done["floor"].as_u64().expect("a floor");
    assert_eq!(log(&sm).floor(), floor);
    assert_eq!(known(&sm), before);
    let page = client.events(id, 0, 5).expect("a page");
    assert_eq!(
        (&page["history_gap"], &page["gap_reason"]),
        (&json!(true), &json!("no longer kept"))
    );
    assert!(page["next_seq"].as_u64() >= Some(floor - 1), "{page}");
    assert!(page["earliest_seq"].as_u64().is_none_or(|seq| seq >= floor), "{page}");
    // Whoever had seen all of it misses nothing.
    let last = oldest["last_seq"].as_u64().expect("records");
    let page = client.events(id, last, 5).expect("a page");
    assert_eq!(page["history_gap"], false, "{page}");
    assert_eq!(page["events"], json!([]));
    let mut first = None;
    client
        .follow(Some("1"), |_, event| {
            first = Some(event);
            false
        })
        .expect("a stream");
    let first = first.expect("an event");
    assert_eq!((&first["history_gap"], &first["earliest_seq"]), (&json!(true), &json!(floor)));
    // From every place, joined: all records that are left, each once.
    let mut seen = Vec::new();
    let mut since = 0;
    loop {
        let page = client.events(id, since, 3).expect("a page");
        let events = page["events"].as_array().expect("a list");
        seen.extend(events.iter().filter_map(|event| event["seq"].as_u64()));
        since = page["next_seq"].as_u64().expect("a cursor");
        if events.is_empty() {
            break;
        }
    }
    let thread = oldest["thread_id"].as_str().expect("a thread");
    assert_eq!(seen, log(&sm).seqs(thread.as_bytes(), u64::MAX).expect("postings"));
    verified(&sm);
}
