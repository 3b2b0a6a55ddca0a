//! A thread that another process has open: who that is, and that nothing is lost by it.

use crate::bench::{Bench, is_alive};
use sm_daemon::ClientError;
use sm_daemon::api::{Act, Problem};
use sm_protocol::Kind;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// A Codex of somebody else's that has a thread open.
struct Other(Child);

impl Other {
    fn with(bench: &Bench, thread: &str, mark: Option<&str>) -> Other {
        let search =
            sm_daemon::Search { explicit: Some(bench.codex.clone()), ..Default::default() };
        let mut command = Command::new(sm_daemon::locate(&search).unwrap().binary);
        command.arg("app-server").env("CODEX_HOME", &bench.codex_home);
        command.envs(mark.map(|mark| ("SM_SERVER", mark)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut call = |id: u32, method: &str, params: serde_json::Value| {
            let call = serde_json::json!({ "id": id, "method": method, "params": params });
            writeln!(child.stdin.as_mut().unwrap(), "{call}").unwrap();
            let answer = said.find(|line| line.starts_with(&format!("{{\"id\":{id},"))).unwrap();
            assert!(answer.contains("\"result\""), "{answer}");
        };
        let info = serde_json::json!({ "name": "other", "title": "other", "version": "1" });
        call(1, "initialize", serde_json::json!({ "clientInfo": info }));
        call(2, "thread/resume", serde_json::json!({ "threadId": thread }));
        Other(child)
    }

    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn held(bench: &Bench, id: &str) -> Problem {
    match bench.client().resume(id, &Act::default()) {
        Err(ClientError::Refused { status: 409, problem }) => {
            assert_eq!(problem.code, "held", "{problem:?}");
            assert!(problem.retryable);
            *problem
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn whoever_holds_a_thread_is_named_with_the_remedy() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    let thread = bench.settled(&id, 1)["thread_id"].as_str().unwrap().to_owned();
    // A stopped session is let go of, for whoever wants it.
    bench.client().stop(&id, &Act::default()).unwrap();
    let log = bench.client().health().unwrap().log_id;
    let (ours, theirs) = (format!("{log}:1"), "another-log:1".to_owned());
    for (mark, kind, remedy) in [
        (None, "own", "close it where it runs"),
        (Some(&ours), "orphan", "`sm serve --stop`"),
        (Some(&theirs), "other_daemon", "`sm --home DIR stop`"),
    ] {
        let other = Other::with(&bench, &thread, mark.map(String::as_str));
        let problem = held(&bench, &id);
        let holder = &problem.details["holders"][0];
        assert_eq!((&holder["pid"], &holder["kind"]), (&other.0.id().into(), &kind.into()));
        assert!(holder["command"].as_str().unwrap().ends_with(" app-server"), "{holder}");
        assert!(problem.message.contains(&format!("process {}", other.0.id())));
        assert!(problem.hint.unwrap().contains(remedy));
        assert_eq!(problem.details["session_id"], id.as_str());
        other.end();
    }
    // It was never given up.
    let session = bench.client().resume(&id, &Act::default()).unwrap();
    assert_eq!((&session["live"], &session["activity_state"]), (&true.into(), &"idle".into()));
    assert!(bench.told(Kind::SM_SESSION_UNRESUMABLE).is_empty());
}

#[test]
fn a_session_that_is_held_when_its_server_dies_comes_back_once_it_is_let_go() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    let thread = bench.settled(&id, 1)["thread_id"].as_str().unwrap().to_owned();
    let server = bench.server_pid();
    bench.kill_daemon();
    // It ends with its standard input, and lets go.
    bench.wait("the server is gone", || (!is_alive(server)).then_some(()));
    let other = Other::with(&bench, &thread, None);
    bench.serve();
    let waiting = bench.wait("it is to be tried again", || {
        let resuming = bench.client().servers().unwrap().resuming;
        resuming.into_iter().find(|batch| batch.reason.is_some() && batch.next_at.is_some())
    });
    assert_eq!(waiting.threads, [thread]);
    assert!(waiting.reason.unwrap().contains(&format!("process {}", other.0.id())));
    other.end();
    bench.wait("the session is live", || (bench.session(&id)["live"] == true).then_some(()));
    bench.wait("nothing waits", || {
        bench.client().servers().unwrap().resuming.is_empty().then_some(())
    });
}
