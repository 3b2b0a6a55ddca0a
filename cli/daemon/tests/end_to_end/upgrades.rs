//! Two releases of Codex at once on one CODEX_HOME: sessions where they belong, and the weekly upgrade.

use crate::bench::{Bench, is_alive, kill};
use crate::crashes::unheard_rollbacks;
use sm_daemon::ClientError;
use sm_daemon::api::{
    Act, CodexSearch, Done, Drain, Fork, Forked, Keep, Mode, Remind, Rename, Review, ReviewOf,
    Reviewing, Rollback, RolledBack, Server, Settings, Spawn,
};
use sm_protocol::Kind;
use sm_scripted_model::ConfigOptions;
use std::path::{Path, PathBuf};

/// A release that is older than the pinned one and shares its CODEX_HOME's databases.
const OLDER: &str = "0.155.1";

/// A release that numbers turns.
const NUMBERING: &str = "0.98.0";

/// Busy until it is interrupted.
const LONG: &str = "slow: 20000 5";

/// The older release's binary.
fn older() -> Option<PathBuf> {
    release(OLDER)
}

/// A release's binary; `None` where it is not installed, which is told.
fn release(version: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = root.join(format!(".tools/codex-{version}"));
    let wrapper = tools.join("node_modules/@openai/codex/bin/codex.js");
    if wrapper.exists() {
        return Some(wrapper);
    }
    assert!(std::env::var_os("SM_TEST_CODEX").is_none(), "`cargo xtask ci` installs {OLDER}");
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    {
        eprintln!("skipped: `cargo xtask codex {version}` installs the release that this needs");
    }
    None
}

fn search(codex: &Path) -> Option<CodexSearch> {
    let explicit = Some(codex.to_string_lossy().into_owned());
    Some(CodexSearch { explicit, ..CodexSearch::default() })
}

/// A session on that codex.
fn spawn_on(bench: &Bench, codex: &Path, prompt: &str) -> String {
    bench.spawn(&Spawn { codex: search(codex), ..bench.wish(prompt) }).id
}

/// The running servers, by version.
fn servers(bench: &Bench) -> Vec<Server> {
    let mut servers = bench.client().servers().unwrap().servers;
    servers.sort_by(|a, b| a.codex_version.cmp(&b.codex_version));
    servers
}

fn source_of(bench: &Bench, id: &str) -> String {
    // The release that made the thread is told by Codex itself; what has it loaded, by the log.
    let thread = bench.session(id)["thread_id"].as_str().unwrap().to_owned();
    let records = bench.records();
    let last = records
        .iter()
        .rfind(|record| {
            record.session == thread.as_bytes() && record.direction == sm_log::Direction::Server
        })
        .unwrap();
    let opened = records.iter().find(|record| record.seq == last.source).unwrap();
    let opened: serde_json::Value = serde_json::from_slice(&opened.payload).unwrap();
    opened["params"]["codex_version"].as_str().unwrap().to_owned()
}

#[test]
fn each_caller_gets_the_release_that_it_would_run_and_a_crash_touches_only_its_own() {
    let Some(older) = older() else { return };
    let bench = Bench::start();
    let old = spawn_on(&bench, &older, "say: old");
    let new = spawn_on(&bench, &bench.codex, "say: new");
    bench.settled(&old, 1);
    bench.settled(&new, 1);
    let both = servers(&bench);
    let versions: Vec<_> = both.iter().map(|s| s.codex_version.as_deref().unwrap()).collect();
    assert_eq!(versions, [OLDER, "0.169.0"]);
    assert!(both.iter().all(|server| server.sessions == Some(1) && !server.draining));
    // It stays where it is loaded, whatever the last caller would run.
    bench.send(&old, "say: still old", Mode::Start).unwrap();
    bench.settled(&old, 2);
    assert_eq!(source_of(&bench, &old), OLDER);
    // A turn of the one goes on while the server of the other dies.
    bench.send(&new, "run: sleep 0.5\nsay: went on", Mode::Start).unwrap();
    kill(both[0].pid.unwrap());
    bench.wait("the session of the dead server is back", || {
        (bench.session(&old)["live"] == true && source_of(&bench, &old) == "0.169.0").then_some(())
    });
    assert_eq!(bench.settled(&new, 2)["outcome"], "completed");
    assert_eq!(bench.last_message(&new), "went on");
    assert_eq!(bench.session(&new)["counts"]["turns_lost"], 0);
    bench.send(&old, "say: on the other one", Mode::Start).unwrap();
    bench.settled(&old, 3);
    assert_eq!(bench.last_message(&old), "on the other one");
    assert_eq!(servers(&bench).len(), 1);
}

#[test]
fn a_drained_server_lets_go_of_what_is_idle_and_ends_with_its_last_turn() {
    let Some(older) = older() else { return };
    let bench = Bench::start();
    let idle = spawn_on(&bench, &older, "say: idle");
    let busy = spawn_on(&bench, &older, LONG);
    bench.settled(&idle, 1);
    let old = servers(&bench)[0].pid.unwrap();

    let codex = search(&bench.codex);
    let drained = bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    assert_eq!(drained.draining.len(), 1);
    assert_eq!(drained.draining[0].gives_way_to.as_deref(), Some("0.169.0"));
    // What is idle goes on at once on the new one, while the old one still works.
    bench.send(&idle, "say: moved", Mode::Start).unwrap();
    bench.settled(&idle, 2);
    assert_eq!(source_of(&bench, &idle), "0.169.0");
    assert_eq!(bench.session(&idle)["codex_version"], "0.169.0");
    assert_eq!(bench.last_message(&idle), "moved");
    let two = servers(&bench);
    assert!(two[0].draining && two[0].busy == Some(1) && two[0].pid == Some(old), "{two:?}");
    assert!(!two[1].draining, "{two:?}");
    // A word into its running turn is no new turn; one that waits begins where it went.
    assert_eq!(bench.send(&busy, LONG, Mode::Steer).unwrap().status, "steered");
    assert_eq!(bench.send(&busy, "say: next", Mode::Start).unwrap().status, "queued");
    assert_eq!(source_of(&bench, &busy), OLDER);
    assert_eq!(bench.send(&busy, "say: urgent", Mode::Urgent).unwrap().status, "started");
    bench.settled(&busy, 3);
    assert_eq!(source_of(&bench, &busy), "0.169.0");
    assert_eq!(bench.session(&busy)["counts"]["turns_lost"], 0);
    bench.wait("the old server has ended", || (!is_alive(old)).then_some(()));
    let ended = bench
        .wait("its end is recorded", || bench.told(Kind::SM_GENERATION_ENDED).first().cloned());
    assert_eq!(ended["params"]["reason"], "drained: codex 0.155.1 gave way to 0.169.0");
    for id in [&idle, &busy] {
        assert_eq!(bench.session(id)["live"], true);
    }
    // Nothing is left to drain.
    let codex = search(&bench.codex);
    let drained = bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    assert_eq!((drained.draining.len(), drained.current.len()), (0, 1));
}

#[test]
fn nothing_gives_way_to_a_codex_that_does_not_start() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&id, 1);
    for codex in ["/bin/true", "/no/such/codex"] {
        let codex = search(Path::new(codex));
        match bench.client().drain(&Drain { codex, ..Drain::default() }) {
            Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, "codex_missing"),
            other => panic!("not refused: {other:?}"),
        }
    }
    assert!(servers(&bench).iter().all(|server| !server.draining));
    bench.send(&id, "say: still here", Mode::Start).unwrap();
    bench.settled(&id, 2);
}

#[test]
fn a_familys_sub_agents_move_with_it() {
    let Some(older) = older() else { return };
    let bench = Bench::start();
    let parent = spawn_on(&bench, &older, "spawn: run: echo child\nwait:\nsay: parent done");
    bench.settled(&parent, 1);
    let old = servers(&bench)[0].pid.unwrap();
    let codex = search(&bench.codex);
    bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    bench.wait("the old server has ended", || (!is_alive(old)).then_some(()));
    bench.wait("the parent has moved", || (bench.session(&parent)["live"] == true).then_some(()));
    bench.send(&parent, "say: moved", Mode::Start).unwrap();
    bench.settled(&parent, 2);
    assert_eq!(bench.last_message(&parent), "moved");
    assert_eq!(source_of(&bench, &parent), "0.169.0");
}

/// 0.98 takes a thread back by the messages of the user that the model knows, and tells by turns.
#[test]
fn nothing_is_rolled_back_or_forked_over_what_an_older_release_counts_otherwise() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let rollback = |id: &str, turns: u32| -> Result<RolledBack, ClientError> {
        bench.client().verb(id, "rollback", &Rollback { turns, ..Rollback::default() })
    };
    let fork = |id: &str, turn: u32| -> Result<Forked, ClientError> {
        bench.client().verb(id, "fork", &Fork { turn: Some(turn), ..Fork::default() })
    };
    let sessions = || bench.client().sessions(None).unwrap()["sessions"].as_array().unwrap().len();
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    bench.send(&id, "say: the second", Mode::Start).unwrap();
    bench.settled(&id, 2);
    bench.client().verb::<Done>(&id, "compact", &Act::default()).unwrap();
    bench.settled(&id, 3);
    bench.send(&id, "say: the fourth", Mode::Start).unwrap();
    bench.settled(&id, 4);
    let refused = |answer: Option<ClientError>| match answer {
        Some(ClientError::Refused { status: 501, problem }) => {
            assert_eq!(problem.code, "unsupported");
            assert!(problem.message.contains("turn 3 compacted the history"), "{problem:?}");
            problem.hint.unwrap()
        }
        other => panic!("not refused: {other:?}"),
    };
    let hint = refused(rollback(&id, 2).err());
    assert!(
        hint.starts_with(&format!("`sm rollback {id} --turns 1` drops what came after")),
        "{hint}"
    );
    for turn in [1, 2] {
        refused(fork(&id, turn).err());
    }
    assert_eq!(sessions(), 1);
    assert_eq!(bench.session(&id)["counts"]["turns_dropped"], 0);
    // What came after goes, and then nothing more.
    let back = rollback(&id, 1).unwrap();
    assert_eq!(
        (back.count, back.turns.as_slice(), back.way[0].as_str()),
        (1, &[4][..], "thread/rollback")
    );
    let hint = refused(rollback(&id, 1).err());
    // Nor does a newer one, for such a session.
    let brief = format!("`sm handoff {id}` makes a brief of it for a new session");
    assert_eq!(hint, brief);
}

#[test]
fn an_older_release_rolls_back_and_forks_where_all_that_goes_is_plain() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    for turn in [2, 3] {
        bench.send(&id, "say: another", Mode::Start).unwrap();
        bench.settled(&id, turn);
    }
    let at = Fork { turn: Some(1), ..Fork::default() };
    let forked: Forked = bench.client().verb(&id, "fork", &at).unwrap();
    assert_eq!(forked.way, ["thread/fork", "thread/rollback"]);
    let two = Rollback { turns: 2, ..Rollback::default() };
    let back: RolledBack = bench.client().verb(&id, "rollback", &two).unwrap();
    assert_eq!((back.count, back.turns.as_slice()), (2, &[2, 3][..]));
}

#[test]
fn what_a_rollback_did_that_was_never_answered_is_found_out_on_older_releases() {
    for (version, method) in [(OLDER, "thread/revert"), (NUMBERING, "thread/rollback")] {
        if let Some(codex) = release(version) {
            unheard_rollbacks(codex, method);
        }
    }
}

/// 0.98 would make the review's thread of what its configuration says, in the folder `/`.
#[test]
fn a_review_of_its_own_has_the_folder_and_the_rights_of_the_session_that_it_is_about() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let wish = Spawn { codex: search(&numbering), ..bench.asking("say: base") };
    let id = bench.spawn(&wish).id;
    let before = bench.settled(&id, 1);
    let of = ReviewOf::Prompt("run: touch made; pwd".to_owned());
    let review = Review { of, detached: true, ..Review::default() };
    let begun: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
    assert_eq!(begun.way, ["thread/fork", "review/start"]);
    for field in ["cwd", "approval_policy", "sandbox"] {
        assert_eq!(begun.session[field], before[field], "{field}");
    }
    let asked = bench.asked(&begun.session_id);
    assert!(!bench.work.join("made").exists());
    bench.decide(asked["id"].as_str().unwrap(), "decline").unwrap();
    bench.settled(&begun.session_id, 1);
    // The work is no repository: it says so once, and never ends what it began.
    let review = Review { of: ReviewOf::Base("main".to_owned()), ..Review::default() };
    let _: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
    assert_eq!(bench.settled(&id, 2)["outcome"], "failed");
    bench.send(&id, "say: goes on", Mode::Start).unwrap();
    bench.settled(&id, 3);
    assert_eq!(bench.last_message(&id), "goes on");
}

/// 0.98 says of a thread in the archive that there is none.
#[test]
fn what_is_in_the_archive_is_not_given_up_on_an_older_release() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    bench.client().verb::<Done>(&id, "archive", &Act::default()).unwrap();
    let new = Rename { name: "new".to_owned(), ..Rename::default() };
    match bench.client().verb::<Done>(&id, "name", &new) {
        Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, "session_archived"),
        other => panic!("not refused: {other:?}"),
    }
    assert!(bench.told(Kind::SM_SESSION_UNRESUMABLE).is_empty());
    assert!(bench.session(&id)["unresumable"].is_null());
}

/// 0.98 numbers a thread's turns from 0 again when it is resumed, within one life of the server.
#[test]
fn a_turn_that_is_given_an_older_ones_number_is_another_turn() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    bench.client().stop(&id, &Act::default()).unwrap();
    bench.client().resume(&id, &Act::default()).unwrap();
    let sent = bench.send(&id, "run: sleep 1\nsay: the second", Mode::Start).unwrap();
    // While its command runs it is not taken for the one that ended.
    bench.wait("a running command", || {
        (bench.session(&id)["activity_state"] == "working").then_some(())
    });
    bench.settled(&id, 2);
    let turns = bench.rows(&id, "turns");
    let ids: Vec<_> = turns.iter().map(|turn| turn["turn_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["0", "0"]);
    assert_eq!(sent.turn_id.as_deref(), Some("0"));
    let commands: Vec<_> = turns.iter().map(|turn| turn["commands"].as_u64().unwrap()).collect();
    assert_eq!(commands, [0, 1]);
    assert_eq!(bench.last_message(&id), "the second");
}

/// 0.98 would take up what 0.169 wrote, and write what that cannot read again.
#[test]
fn a_thread_goes_to_no_older_codex_than_wrote_it_and_what_waits_goes_on_with_the_next_newer_one() {
    let Some(numbering) = release(NUMBERING) else { return };
    let mut bench = Bench::start();
    let id = spawn_on(&bench, &bench.codex, "say: the first");
    bench.settled(&id, 1);
    let newer = std::mem::replace(&mut bench.codex, numbering);
    bench.stop_daemon();
    bench.serve();
    // Put away in order: nothing is brought back, and it is said why nothing will be.
    let told = bench.client().servers().unwrap();
    let older = &told.older[0];
    assert_eq!((older.wrote.as_str(), older.codex_version.as_str()), ("0.169.0", NUMBERING));
    assert_eq!((told.older.len(), older.sessions, told.servers.len()), (1, 1, 0));
    for refused in [
        bench.client().resume(&id, &Act::default()).map(drop),
        bench.send(&id, "say: on the old one", Mode::Start).map(drop),
        bench.client().verb::<Done>(&id, "archive", &Act::default()).map(drop),
    ] {
        let Err(ClientError::Refused { status: 409, problem }) = refused else {
            panic!("not refused: {refused:?}")
        };
        assert_eq!(problem.code, "older_codex");
        assert_eq!(problem.details["wrote"], "0.169.0");
        assert_eq!(problem.details["found"], NUMBERING);
        assert!(problem.hint.unwrap().contains(&format!("sm resume {id} --older-codex")));
    }
    // What is to wait does, and says for what.
    let queued = bench.send(&id, "say: back", Mode::Queue).unwrap();
    assert_eq!(queued.status, "queued");
    assert!(queued.reason.unwrap().contains("codex 0.98.0"));
    assert!(servers(&bench).is_empty(), "nothing was asked of the older one");
    // A new session may begin there all the same.
    let fresh = bench.spawn(&bench.wish("say: fresh")).id;
    bench.settled(&fresh, 1);
    assert_eq!(source_of(&bench, &fresh), NUMBERING);
    // A crash changes nothing: it waits to be resumed, and says for what.
    bench.kill_daemon();
    bench.serve();
    let waiting = bench.wait("it is to be tried again", || {
        let resuming = bench.client().servers().unwrap().resuming;
        resuming.into_iter().find(|batch| batch.reason.is_some())
    });
    assert!(waiting.reason.unwrap().contains("is older"));
    bench.codex = newer;
    bench.stop_daemon();
    bench.serve();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "back");
    assert_eq!(source_of(&bench, &id), "0.169.0");
    assert!(bench.client().servers().unwrap().older.is_empty());
}

#[test]
fn nothing_gives_way_to_an_older_codex_unless_its_user_insists() {
    let Some(older) = older() else { return };
    let mut bench = Bench::start();
    let id = spawn_on(&bench, &bench.codex, "say: the first");
    let stopped = spawn_on(&bench, &bench.codex, "say: the second");
    bench.settled(&id, 1);
    bench.settled(&stopped, 1);
    let codex = search(&older);
    let wish = Drain { codex: codex.clone(), ..Drain::default() };
    let drained = bench.client().drain(&wish).unwrap();
    assert_eq!((drained.draining.len(), drained.current.len(), drained.newer.len()), (0, 0, 1));
    // Where a newer one runs, that is where a session goes on, whatever its caller would find.
    bench.client().stop(&stopped, &Act::default()).unwrap();
    let act = Act { codex: codex.clone(), ..Act::default() };
    bench.client().resume(&stopped, &act).unwrap();
    assert_eq!(source_of(&bench, &stopped), "0.169.0");
    let drained = bench.client().drain(&Drain { older_codex: true, ..wish }).unwrap();
    assert_eq!((drained.draining.len(), drained.newer.len()), (1, 0));
    bench.wait("only the older one is left", || {
        let left = servers(&bench);
        (left.len() == 1 && left[0].codex_version.as_deref() == Some(OLDER)).then_some(())
    });
    for id in [&id, &stopped] {
        bench.wait("it was moved", || (bench.session(id)["live"] == true).then_some(()));
        bench.send(id, "say: moved down", Mode::Start).unwrap();
        bench.settled(id, 2);
        assert_eq!(source_of(&bench, id), OLDER);
    }
    // That one wrote it last now.
    bench.codex = older;
    bench.stop_daemon();
    bench.serve();
    assert!(bench.client().servers().unwrap().older.is_empty());
    bench.send(&id, "say: still there", Mode::Start).unwrap();
    bench.settled(&id, 3);
}

#[test]
fn a_user_insists_on_an_older_codex_and_an_agent_does_not() {
    let Some(older) = older() else { return };
    let mut bench = Bench::start();
    let id = spawn_on(&bench, &bench.codex, "say: the first");
    bench.settled(&id, 1);
    bench.codex = older;
    bench.stop_daemon();
    bench.serve();
    let insist = Act { older_codex: true, ..Act::default() };
    let by = Some(id.clone());
    match bench.client().resume(&id, &Act { by, ..insist.clone() }) {
        Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, "forbidden"),
        other => panic!("not refused: {other:?}"),
    }
    bench.client().resume(&id, &insist).unwrap();
    bench.send(&id, "say: down", Mode::Start).unwrap();
    bench.settled(&id, 2);
    assert_eq!(source_of(&bench, &id), OLDER);
}

#[test]
fn a_session_without_a_turn_has_its_first_where_it_lies_and_moves_then() {
    let Some(older) = older() else { return };
    let bench = Bench::start();
    let [begins, ends] = [(), ()].map(|()| spawn_on(&bench, &older, ""));
    let codex = search(&bench.codex);
    let drained = bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    let mut unbegun = drained.draining[0].unbegun.clone();
    unbegun.sort();
    let mut both = [begins.clone(), ends.clone()];
    both.sort();
    assert_eq!(unbegun, both);
    bench.send(&begins, "say: the first", Mode::Start).unwrap();
    bench.settled(&begins, 1);
    bench.wait("it has moved", || (source_of(&bench, &begins) == "0.169.0").then_some(()));
    bench.send(&begins, "say: the second", Mode::Start).unwrap();
    bench.settled(&begins, 2);
    assert_eq!(bench.last_message(&begins), "the second");
    assert_eq!(servers(&bench)[0].unbegun, std::slice::from_ref(&ends));
    bench.client().stop(&ends, &Act::default()).unwrap();
    bench.wait("the old server has ended", || (servers(&bench).len() == 1).then_some(()));
}

#[test]
fn a_release_that_unloads_no_thread_is_asked_to_once() {
    let Some(oldest) = release(NUMBERING) else { return };
    let bench = Bench::start_with(ConfigOptions::for_release(NUMBERING, true));
    let idle = [(), ()].map(|()| {
        let id = spawn_on(&bench, &oldest, "say: idle");
        bench.settled(&id, 1);
        id
    });
    let busy = spawn_on(&bench, &oldest, LONG);
    bench.wait("a running turn", || bench.session(&busy)["turn_id"].as_str().map(drop));
    let codex = search(&bench.codex);
    bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    bench.wait("it is asked", || (unsubscribed(&bench) > 0).then_some(()));
    // What is recorded meanwhile asks it no second time.
    for _ in 0..20 {
        bench.client().codex("models", &sm_daemon::api::Ask::default()).unwrap();
    }
    assert_eq!(unsubscribed(&bench), 1);
    bench.client().interrupt(&busy, &Act::default()).unwrap();
    for id in &idle {
        bench.wait("it has moved", || (source_of(&bench, id) == "0.169.0").then_some(()));
    }
}

/// How often a server was told to let go of a thread.
fn unsubscribed(bench: &Bench) -> usize {
    let calls = bench.records().into_iter().filter(|record| {
        record.direction == sm_log::Direction::Client
            && String::from_utf8_lossy(&record.payload).contains("thread/unsubscribe")
    });
    calls.count()
}

/// 0.98 lets go of no thread: what is idle there waits for what is busy.
#[test]
fn what_is_sent_to_a_server_that_moves_all_at_its_end_waits_for_that() {
    let Some(oldest) = release(NUMBERING) else { return };
    let bench = Bench::start_with(ConfigOptions::for_release(NUMBERING, true));
    let parent = spawn_on(&bench, &oldest, "say: idle");
    bench.settled(&parent, 1);
    let busy = spawn_on(&bench, &oldest, LONG);
    bench.wait("a running turn", || bench.session(&busy)["turn_id"].as_str().map(drop));
    let wish = bench.wish("run: sleep 1\nsay: done");
    let child = Spawn { codex: search(&oldest), parent: Some(parent.clone()), ..wish };
    let child = bench.spawn(&child).id;
    let codex = search(&bench.codex);
    let drained = bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    assert!(drained.draining[0].moves_together);
    bench.settled(&child, 1);
    bench.wait("the news wait", || (bench.session(&parent)["queued"] == 1).then_some(()));
    let sent = bench.send(&parent, "say: a message", Mode::Start).unwrap();
    assert_eq!(sent.status, "queued");
    let remind =
        Remind { text: "say: reminded".into(), in_seconds: Some(0.1), ..Remind::default() };
    bench.client().remind(&parent, &remind).unwrap();
    bench.wait("all wait", || (bench.session(&parent)["queued"] == 3).then_some(()));
    bench.client().interrupt(&busy, &Act::default()).unwrap();
    bench.settled(&parent, 4);
    assert_eq!(source_of(&bench, &parent), "0.169.0");
    let prompts = bench.rows(&parent, "turns");
    let told = |words: &str| {
        prompts.iter().any(|turn| turn["prompt"].as_str().is_some_and(|one| one.contains(words)))
    };
    for words in ["a message", "reminded", "News of a child"] {
        assert!(told(words), "{words}: {prompts:?}");
    }
}

/// 0.98 keeps a thread in one piece, and numbers its turns: 0.169 cuts no such thread, and forks at no such turn.
#[test]
fn what_an_upgrade_takes_from_a_session_is_said_with_what_is_left() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start();
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    let codex = search(&bench.codex);
    bench.client().drain(&Drain { codex, ..Drain::default() }).unwrap();
    bench.wait("it has moved", || (source_of(&bench, &id) == "0.169.0").then_some(()));
    for turn in [2, 3] {
        bench.send(&id, "say: another", Mode::Start).unwrap();
        bench.settled(&id, turn);
    }
    let fork = |turn: u32| -> Result<Forked, ClientError> {
        bench.client().verb(&id, "fork", &Fork { turn: Some(turn), ..Fork::default() })
    };
    match fork(1) {
        Err(ClientError::Refused { status: 501, problem }) => {
            assert_eq!(problem.code, "unsupported");
            assert!(problem.hint.unwrap().contains("without --turn the whole is forked"));
        }
        other => panic!("not refused: {other:?}"),
    }
    for (turns, remedy) in [(1, "fork IT --turn 2"), (2, "handoff IT"), (3, "handoff IT")] {
        let wish = Rollback { turns, ..Rollback::default() };
        match bench.client().verb::<RolledBack>(&id, "rollback", &wish) {
            Err(ClientError::Refused { status: 501, problem }) => {
                assert!(problem.message.contains("was begun by an older Codex"), "{problem:?}");
                let remedy = format!("`sm {}`", remedy.replace("IT", &id));
                assert!(problem.hint.as_ref().unwrap().starts_with(&remedy), "{problem:?}");
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    assert_eq!(bench.session(&id)["counts"]["turns_dropped"], 0);
    assert_eq!(fork(2).unwrap().way, ["thread/fork"]);
}

/// 0.98 takes settings with a turn only.
#[test]
fn what_a_release_does_not_know_is_not_kept_where_only_a_turn_takes_it() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start_with(ConfigOptions::for_release(NUMBERING, true));
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    let keep = |effort: &str| {
        let settings = Settings { effort: Some(effort.into()), ..Settings::default() };
        bench.client().keep(&id, &Keep { settings, ..Keep::default() })
    };
    match keep("bogus") {
        Err(ClientError::Refused { status: 501, problem }) => {
            assert!(problem.message.ends_with("none, minimal, low, medium, high, xhigh"));
        }
        other => panic!("not refused: {other:?}"),
    }
    assert!(bench.session(&id)["kept"]["effort"].is_null());
    assert_eq!(keep("high").unwrap()["kept"]["effort"], "high");
    assert_eq!(bench.session(&id)["counts"]["turns"], 1);
    bench.send(&id, "say: the second", Mode::Start).unwrap();
    assert_eq!(bench.settled(&id, 2)["effort"], "high");
}

/// 0.98 numbers its turns, and tells of a review's begin by no number that its answer names.
#[test]
fn a_review_has_begun_when_it_is_answered_also_where_turns_are_numbered() {
    let Some(numbering) = release(NUMBERING) else { return };
    let bench = Bench::start_with(ConfigOptions::for_release(NUMBERING, true));
    let id = spawn_on(&bench, &numbering, "say: the first");
    bench.settled(&id, 1);
    for turn in 2..5 {
        let of = ReviewOf::Prompt("say: looked at".to_owned());
        let review = Review { of, ..Review::default() };
        let begun: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
        assert_eq!(begun.session["counts"]["turns"], turn);
        bench.settled(&id, turn);
    }
}
