//! A past moment is what the tables were then: against the fold of all records up to it.

use crate::folded::{fold_all, imported, transcripts};
use serde_json::{Value, to_value};
use sm_log::Log;
use sm_projections::rows::Sid;
use sm_projections::tables::{Sessions, Threads};
use sm_projections::{Commit, Moment, Projector, Scope, Snapshots, Store, View, moment, views};
use std::path::Path;
use std::sync::Arc;

/// All that can be asked about one session, by its thread.
fn documents(view: &View<'_>, thread: &str) -> Value {
    let Some(sid) = view.get::<Threads>(&thread.to_owned()).unwrap() else { return Value::Null };
    let actions = views::actions(view, sid, usize::MAX, |_| true).unwrap();
    to_value((
        views::session_doc(view, sid).unwrap(),
        views::turns(view, sid, usize::MAX, |_| true).unwrap(),
        actions,
    ))
    .unwrap()
}

fn folded_to(log: &Log, at: u64, path: &Path) -> Arc<Store> {
    let store = Arc::new(Store::open(path, &log.id(), Commit::AtTheEnd).unwrap());
    let mut projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
    projector.fold_to(at, usize::MAX, |_| {}).unwrap();
    store
}

fn made(view: &View<'_>, log: &Log, at: u64, scope: Scope, path: &Path) -> Moment {
    let snapshots = Snapshots::new(path.with_extension("none"));
    moment(view, &log.reader(), &snapshots, at, &[scope], path, |_| {}).unwrap()
}

fn threads(view: &View<'_>) -> Vec<(Sid, String)> {
    let mut threads = Vec::new();
    view.scan::<Sessions>(&[], &[], |sid, session| {
        threads.push((sid, session.thread_id));
        true
    })
    .unwrap();
    threads
}

/// Two transcripts of other threads in one log: what is asked about is then never most of it.
#[test]
fn any_session_at_any_moment_is_as_it_was() {
    let newest = |path: &&std::path::PathBuf| path.to_string_lossy().contains("codex/0.169.0");
    let all: Vec<_> = transcripts(true).into_iter().filter(|path| newest(&path)).collect();
    let bytes: Vec<u8> = all.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let (dir, log, _) = imported(&bytes);
    let live = fold_all(&log, &dir.path().join("live"), usize::MAX);
    let view = live.view().unwrap();
    let threads = threads(&view);
    let head = log.watermark();
    let mut partly = 0;
    for step in 1..=12 {
        let at = head * step / 12 - step % 5;
        let then = folded_to(&log, at, &dir.path().join(format!("then-{step}")));
        let then = then.view().unwrap();
        for (number, (sid, thread)) in threads.iter().enumerate() {
            // Each moment looks at other sessions.
            if number as u64 % 12 != step % 12
                && documents(&then, thread) == documents(&view, thread)
            {
                continue;
            }
            let store = dir.path().join(format!("{step}-{sid}"));
            let made = made(&view, &log, at, Scope::Session(*sid), &store);
            let made = made.store.view().unwrap();
            assert_eq!(documents(&made, thread), documents(&then, thread), "{thread} at {at}");
            partly += 1;
        }
        for scope in [Scope::Newest(5), Scope::Waiting] {
            let store = dir.path().join(format!("{step}-{scope:?}"));
            let made = made(&view, &log, at, scope, &store);
            let (whole, made) = (made.whole, made.store.view().unwrap());
            let (left, right) = match scope {
                Scope::Waiting => (
                    to_value(views::pending_requests(&made).unwrap()).unwrap(),
                    to_value(views::pending_requests(&then).unwrap()).unwrap(),
                ),
                // Threads that no server had named by then take places: the list is shorter, and says so.
                _ => {
                    let made = views::sessions(&made, 5, |_| true).unwrap();
                    let mut then = views::sessions(&then, 5, |_| true).unwrap();
                    assert!(made.len() == then.len() || !whole && made.len() > 2, "at {at}");
                    then.truncate(made.len());
                    (to_value(made).unwrap(), to_value(then).unwrap())
                }
            };
            assert_eq!(left, right, "{scope:?} at {at}");
        }
    }
    assert!(partly > 50, "{partly} sessions looked at");
}

#[test]
fn a_family_is_as_it_was() {
    let path =
        transcripts(true).into_iter().find(|path| path.ends_with("0.169.0/nested.tap.jsonl"));
    let (dir, log, _) = imported(&std::fs::read(path.unwrap()).unwrap());
    let live = fold_all(&log, &dir.path().join("live"), usize::MAX);
    let view = live.view().unwrap();
    let threads = threads(&view);
    let root = &threads[0];
    for at in 1..=log.watermark() {
        let then = folded_to(&log, at, &dir.path().join(format!("then-{at}")));
        let store = dir.path().join(format!("made-{at}"));
        let made = made(&view, &log, at, Scope::Family(root.0), &store);
        let (made, then) = (made.store.view().unwrap(), then.view().unwrap());
        for (_, thread) in &threads {
            assert_eq!(documents(&made, thread), documents(&then, thread), "{thread} at {at}");
        }
    }
}
