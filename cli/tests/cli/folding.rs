//! Live folding: the daemon folds what it records, and a death at any moment loses and doubles nothing.

use crate::support::{Sm, captures};
use sm_daemon::{Client, Home};
use std::time::{Duration, Instant};

/// The daemon of `sm`, started if none runs, and its process.
pub fn daemon(sm: &Sm) -> rustix::process::Pid {
    let served = sm.run(&["serve"]);
    assert_eq!(served.code, 0, "{}", served.err);
    let client = Client::connect(&Home::new(sm.home())).expect("a daemon");
    let pid = client.health().expect("its health").pid;
    rustix::process::Pid::from_raw(pid as i32).expect("a pid")
}

#[test]
fn a_daemon_killed_again_and_again_while_it_folds_comes_to_the_same_tables() {
    let path = captures(false).into_iter().find(|path| path.ends_with("0.169.0/nested.jsonl"));
    let once = std::fs::read(path.expect("a capture")).expect("a capture");
    // Each copy in threads of its own: there are rows to be made all the way.
    let text = String::from_utf8(once).expect("captures are UTF-8");
    let copy = |number: u32| text.replace("01a1f", &format!("{number:05x}"));
    let bytes: String = (1..300).map(copy).collect();
    let sm = Sm::new();
    let file = sm.file("t.jsonl", bytes.as_bytes());
    let head = || sm_log::peek(sm.home().join("log")).map_or(0, |head| head.watermark);
    let (mut killed, mut behind) = (0, 0);
    for round in 0..12u64 {
        let pid = daemon(&sm);
        let mut import = sm.command(&["import", &file]);
        import.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut import = import.spawn().expect("sm runs");
        // So many records on, in the middle of whatever it does.
        let wanted = head() + 30 + round * 397 % 2500;
        let done = loop {
            match import.try_wait().expect("its state") {
                Some(_) => break true,
                None if head() >= wanted => break false,
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("SIGKILL");
        import.wait().expect("its end");
        let began = Instant::now();
        while sm_log::holder(sm.home().join("log")).is_some() && began.elapsed().as_secs() < 10 {
            if let Ok(Some(lock)) = sm_log::lock(sm.home().join("log")) {
                drop(lock);
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        killed += u64::from(!done);
        let head = head();
        let path = Home::new(sm.home()).store_path();
        if let Ok(store) = sm_projections::Store::open_existing(&path) {
            let folded = store.view().and_then(|view| view.checkpoint()).expect("a checkpoint");
            assert!(folded <= head, "folded to {folded}, recorded to {head}");
            behind += u64::from(folded < head);
        }
        let verdict = sm.json(&["replay", "--verify"]);
        assert_eq!(verdict["equal"], true, "round {round}: {verdict}");
        if done {
            break;
        }
    }
    assert!(killed > 0 && behind > 0, "{killed} killed, {behind} of them behind the log");
    let last = sm.run(&["import", &file, "--json"]);
    assert!(matches!(last.code, 0 | 6), "{}", last.err);
    let undisturbed = Sm::new();
    undisturbed.json(&["import", &undisturbed.file("t.jsonl", bytes.as_bytes())]);
    let counted = |sm: &Sm| {
        let listed = sm.json(&["ps", "--all", "-n", "10000"]);
        let told = ["id", "activity_state", "outcome", "counts", "tokens", "last_action"];
        let sessions = listed["sessions"].as_array().expect("a list");
        let told = sessions.iter().map(|session| told.map(|name| session[name].clone()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(counted(&sm), counted(&undisturbed));
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
}
