//! Each failure: its exit code, its stable code, a remedy; and nothing lost.

use crate::support::{Ran, Sm, ran};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GOOD: &[u8] = b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T1\"}}}\n";

/// Runs words that must fail: the exit code, the stable code, and that there is a remedy.
fn fails(sm: &Sm, words: &[&str], exit: i32, code: &str) {
    let ran = told(sm, words, exit, code);
    assert!(ran.out.is_empty(), "{words:?} printed {:?}", ran.text());
}

/// The same, where what became of each thing named is printed all the same.
fn told(sm: &Sm, words: &[&str], exit: i32, code: &str) -> Ran {
    let ran = sm.run(&[words, &["--json"]].concat());
    assert_eq!(ran.code, exit, "{words:?}: {}", ran.err);
    let error = ran.error();
    assert_eq!(error["code"], code, "{words:?}");
    for field in ["message", "hint", "retryable", "details"] {
        assert!(error.get(field).is_some(), "{words:?}: no {field}");
    }
    assert!(error["hint"].is_string(), "{words:?}: no remedy: {error}");
    let plain = sm.run(words);
    assert_eq!(plain.code, exit, "{words:?}");
    assert!(plain.err.contains(code), "{words:?}: {}", plain.err);
    ran
}

#[test]
fn failures_have_their_codes() {
    let sm = Sm::new();
    let missing = sm.dir.path().join("missing.jsonl");
    fails(&sm, &["import", missing.to_str().expect("a path")], 5, "file_not_found");
    fails(&sm, &["import", sm.dir.path().to_str().expect("a path")], 2, "is_a_directory");
    fails(&sm, &["show", "nobody"], 5, "not_found");
    fails(&sm, &["tail", "@last"], 5, "not_found");
    let file = sm.file("t.jsonl", GOOD);
    assert_eq!(sm.run(&["import", &file]).code, 0);
    fails(&sm, &["import", &file], 6, "already_imported");
    fails(&sm, &["show", "nobody"], 5, "not_found");
    fails(&sm, &["show", "@parent"], 2, "usage");
    fails(&sm, &["result", "@last"], 5, "no_message");
    fails(&sm, &["result", "@last", "--turn", "9"], 5, "no_turn");
    fails(&sm, &["replay", "--since", "999"], 5, "beyond_head");
    fails(&sm, &["wait", "@last", "--after", "nonsense"], 2, "usage");
    fails(&sm, &["replay", "--speed", "0"], 2, "usage");
    fails(&sm, &["wait", "@last", "--after", "OTHERLOG:1"], 6, "other_log");
    let ahead = format!("{}:999", sm.json(&["ps"])["as_of"]["log_id"].as_str().expect("an id"));
    fails(&sm, &["wait", "@last", "--after", &ahead], 5, "beyond_head");
    // Who is waited for in vain is told by its own name.
    let open = WAITING.split_inclusive(|byte| *byte == b'\n').take(2).collect::<Vec<_>>().concat();
    assert_eq!(sm.run(&["import", &sm.file("open.jsonl", &open)]).code, 0);
    let waited = sm.run(&["wait", "@last", "--timeout", "60"]);
    assert_eq!(waited.code, 8, "{}", waited.err);
    let id = sm.json(&["show", "@last"])["session"]["id"].as_str().expect("an id").to_owned();
    assert!(waited.err.contains(&format!("explain {id}")), "{}", waited.err);
    assert!(!waited.err.contains("SESSION") && !waited.err.contains("resume"), "{}", waited.err);
    let again = sm.run(&["import", &file]);
    assert!(again.err.contains(&format!("sm --home {} ps", sm.home().display())), "{}", again.err);
    assert_eq!(again.err.matches("--home").count(), 1, "{}", again.err);
}

#[test]
fn wrong_usage_is_two_in_words_and_in_json() {
    let sm = Sm::new();
    let ran = sm.run(&["frobnicate"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("frobnicate") && ran.out.is_empty());
    let ran = sm.run(&["frobnicate", "--json"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (2, Some("usage")));
    assert_eq!(sm.run(&["--help"]).code, 0);
    assert_eq!(sm.run(&["--version"]).code, 0);
}

#[test]
fn every_wrong_usage_says_how_it_is_used() {
    let sm = Sm::new();
    for words in [
        &["frobnicate"][..],
        &["send", "x"],
        &["answer", "r1"],
        &["spawn", " "],
        &["spawn", "x", "--sandbox", "everything"],
        &["spawn", "x", "--approval", "sometimes"],
        &["spawn", "x", "--name", "@last"],
        &["spawn", "x", "--name", ""],
        &["spawn", "x", "--label", "odd"],
        &["replay", "--since", "never"],
        &["replay", "--speed", "0"],
        &["wait", "x", "--timeout", "soon"],
        &["approve"],
        &["import"],
        &["tail"],
    ] {
        let ran = sm.run(&[words, &["--json"]].concat());
        let error = ran.error();
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.err);
        let hint = error["hint"].as_str().unwrap_or_else(|| panic!("{words:?}: {error}"));
        assert!(!hint.contains('\n') && !hint.is_empty(), "{words:?}: {hint:?}");
        assert!(
            !error["message"].as_str().expect("words").contains("Usage:"),
            "{words:?}: {error}"
        );
        assert_eq!(sm.run(words).code, 2, "{words:?}");
    }
    let ran = sm.run(&["spawn", "x", "--sandbox", "everything"]);
    assert!(ran.err.contains("read-only, workspace-write, danger-full-access"), "{}", ran.err);
    let ran = sm.run(&["spawn", "x", "--approval", "sometimes"]);
    assert!(ran.err.contains("untrusted, on-request, on-failure, never"), "{}", ran.err);
    assert!(!sm.home().exists(), "something was begun");
}

/// A command that waits for leave, in a transcript that ends there.
const WAITING: &[u8] = b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T9\"}}}\n\
{\"method\":\"turn/started\",\"params\":{\"threadId\":\"T9\",\"turn\":{\"id\":\"u1\"}}}\n\
{\"id\":0,\"method\":\"item/commandExecution/requestApproval\",\"params\":{\"threadId\":\"T9\",\"turnId\":\"u1\",\"itemId\":\"i\",\"command\":\"rm x\"}}\n";

#[test]
fn what_has_nothing_to_act_on_starts_no_daemon() {
    let sm = Sm::new();
    let acts: &[&[&str]] = &[
        &["approve", "r1"],
        &["deny", "r1"],
        &["answer", "r1", "x"],
        &["answer", "r1", "--raw", "{}"],
        &["interrupt", "worker"],
        &["stop", "worker"],
        &["resume", "worker"],
        &["send", "worker", "hello"],
    ];
    for words in acts {
        fails(&sm, words, 5, "not_found");
    }
    assert!(!sm.home().exists(), "an act on nothing made the data directory");

    assert_eq!(sm.run(&["import", &sm.file("t.jsonl", WAITING)]).code, 0);
    let inbox = sm.json(&["inbox"]);
    let request = inbox["requests"][0]["id"].as_str().expect("a request").to_owned();
    assert!(inbox["requests"][0]["live"].is_null());
    for words in [&["inbox"][..], &[]] {
        let text = sm.run(words).text();
        assert!(text.contains("of a transcript: nobody waits"), "{words:?}: {text}");
    }
    for words in [
        &["approve", &request][..],
        &["deny", &request],
        &["answer", &request, "--raw", "{}"],
        &["interrupt", "@last"],
        &["stop", "@last"],
        &["resume", "@last"],
        &["send", "@last", "hello"],
    ] {
        told(&sm, words, 8, "session_dead");
    }
    for words in acts {
        told(&sm, words, 5, "not_found");
    }
    assert_eq!(sm.run(&["serve", "--status"]).code, 9, "a daemon was started");
}

#[test]
fn no_actions_are_shown_where_none_are_wanted() {
    let sm = Sm::new();
    assert_eq!(sm.run(&["import", &sm.file("t.jsonl", WAITING)]).code, 0);
    let ran = sm.run(&["tail", "@last", "-n", "0"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.text().contains("waiting_permission") && ran.text().lines().count() == 1);
    let ran = sm.run(&["turns", "@last", "-n", "0"]);
    assert!(!ran.err.contains("No turns"), "{}", ran.err);
    let ran = sm.run(&["ps", "-n", "0"]);
    assert!(!ran.err.contains("No session") && ran.err.contains("of 1 sessions"), "{}", ran.err);
}

#[test]
fn a_message_that_was_cut_off_says_so() {
    let sm = Sm::new();
    let cut = b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T9\"}}}\n\
        {\"method\":\"turn/started\",\"params\":{\"threadId\":\"T9\",\"turn\":{\"id\":\"u1\"}}}\n\
        {\"method\":\"item/started\",\"params\":{\"threadId\":\"T9\",\"turnId\":\"u1\",\"item\":{\"id\":\"m\",\"type\":\"agentMessage\",\"text\":\"\"}}}\n\
        {\"method\":\"turn/completed\",\"params\":{\"threadId\":\"T9\",\"turn\":{\"id\":\"u1\",\"status\":\"interrupted\"}}}\n";
    assert_eq!(sm.run(&["import", &sm.file("t.jsonl", cut)]).code, 0);
    let ran = sm.run(&["tail", "@last"]);
    assert!(ran.text().contains("cut off before it was said whole"), "{}", ran.text());
}

#[test]
fn a_repeated_import_is_refused_the_same_with_a_daemon_and_without() {
    let sm = Sm::new();
    let file = sm.file("t.jsonl", GOOD);
    assert_eq!(sm.run(&["import", &file]).code, 0);
    let alone = sm.run(&["import", &file, "--json"]);
    assert_eq!(sm.run(&["serve"]).code, 0);
    let through = sm.run(&["import", &file, "--json"]);
    let again = sm.run(&["import", &file, "--again", "--json"]);
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    assert_eq!((alone.code, through.code, again.code), (6, 6, 0));
    assert_eq!(alone.error(), through.error());
    let details = alone.error()["details"].clone();
    for fact in ["source", "path", "imported_at", "blake3"] {
        assert!(!details[fact].is_null(), "{fact}: {details}");
    }
}

#[test]
fn a_codex_that_is_named_wrongly_is_told_with_the_way_to_name_it() {
    let sm = Sm::new();
    let cwd = sm.dir.path().to_str().expect("a plain path").to_owned();
    let ran = sm.run(&["spawn", "x", "--cwd", &cwd, "--json"]);
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (9, Some("codex_missing")));
    let hint = error["hint"].as_str().expect("a remedy");
    assert!(hint.contains("SM_CODEX=/path/to/codex"), "{hint}");
    assert!(error["message"].as_str().is_some_and(|words| words.contains("no-codex")), "{error}");
}

#[test]
fn empty_states_teach_and_are_no_failures() {
    let sm = Sm::new();
    for words in [&[][..], &["ps"], &["children"], &["inbox"], &["replay"]] {
        let ran = sm.run(words);
        assert_eq!((ran.code, ran.text().as_str()), (0, ""), "{words:?}");
        assert!(!ran.err.is_empty(), "{words:?} teaches nothing");
    }
    for words in [&[][..], &["ps"], &["children"], &["inbox"]] {
        let document = sm.json(words);
        assert!(document["schema"].is_string() && document["as_of"]["seq"] == 0, "{words:?}");
    }
    assert!(!sm.home().exists(), "a look made the data directory");
}

#[test]
fn what_is_no_data_directory_is_told() {
    let sm = Sm::new();
    std::fs::write(sm.home(), b"").expect("a file");
    let file = sm.file("x.jsonl", GOOD);
    for words in [&["import", &file][..], &["ps"], &["spawn"]] {
        fails(&sm, words, 1, "not_a_directory");
    }
}

#[test]
fn remedies_fit_what_was_tried() {
    let sm = Sm::new();
    let file = sm.file("t.jsonl", GOOD);
    for words in [&["import", &file][..], &["spawn", "x"], &["serve"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sm"));
        command.args(["--home", "/proc/nope", "--json"]).args(words).env("HOME", sm.dir.path());
        let ran = ran(command.output().expect("sm runs"));
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (1, Some("home_unusable")), "{words:?}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--home DIR")), "{error}");
    }
    let missing = sm.run(&["import", "/nowhere/t.jsonl", "--json"]);
    assert!(missing.error()["hint"].as_str().is_some_and(|hint| hint.contains("standard input")));
}

#[test]
fn times_that_no_record_tells_are_not_made_up() {
    let sm = Sm::new();
    assert_eq!(sm.run(&["import", &sm.file("t.jsonl", WAITING)]).code, 0);
    assert!(sm.json(&["explain", "@last"])["since"].is_null());
    let said = sm.run(&["explain", "@last"]).text();
    assert!(said.contains("no time told"), "{said}");
    for words in [
        &["explain", "@last"][..],
        &["show", "@last"],
        &["inbox"],
        &["tail", "@last"],
        &["turns", "@last"],
    ] {
        let told = sm.run(words).text() + &sm.json(words).to_string();
        assert!(!told.contains("1970-"), "{words:?}: {told}");
    }
}

#[test]
fn the_readme_counts_the_scenarios_and_says_which_commands_have_json() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let mut scenarios = std::collections::BTreeSet::new();
    let mut releases = 0;
    for release in std::fs::read_dir(root.join("fixtures/codex")).expect("recordings").flatten() {
        let Ok(files) = std::fs::read_dir(release.path()) else { continue };
        releases += 1;
        let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        scenarios.extend(names.filter(|name| name.ends_with(".tap.jsonl")));
    }
    assert_eq!(releases, 8);
    assert!(readme.contains(&format!("in {} scenarios", scenarios.len())), "{}", scenarios.len());
    // Their text is the same with and without it.
    let sm = Sm::new();
    for words in [&["completions", "bash"][..], &["man"]] {
        assert_eq!(sm.run(words).out, sm.run(&[words, &["--json"]].concat()).out);
        assert!(readme.contains(&format!("`{}`", words[0])));
    }
}

#[test]
fn hints_name_the_data_directory_and_usages_do_not() {
    let sm = Sm::new().with("SM_HOME", "/nowhere/else");
    assert_eq!(sm.run(&["import", &sm.file("t.jsonl", GOOD)]).code, 0);
    let home = sm.home();
    let home = format!("sm --home {}", home.display());
    for words in [&["show", "nobody"][..], &["send", "nobody", "x"], &["approve", "r9"]] {
        let ran = sm.run(words);
        assert!(ran.err.contains(&home), "{words:?}: {}", ran.err);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_sm"));
    let output = command.args(["send"]).env("SM_HOME", sm.home()).output().expect("sm runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("Usage: sm send <SESSION>"), "{words}");
}

#[test]
fn a_second_writer_is_named() {
    let sm = Sm::new();
    // The first one holds the lock while it waits for the rest of a transcript.
    assert_eq!(sm.run(&["import", &sm.file("first.jsonl", GOOD)]).code, 0);
    let lock = sm_lock(&sm);
    let file = sm.file("second.jsonl", b"{}\n");
    let ran = sm.run(&["import", &file, "--json"]);
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (6, Some("other_writer")));
    assert_eq!(error["details"]["pid"], std::process::id());
    assert_eq!(error["retryable"], true);
    // Readers are not held up.
    assert_eq!(sm.run(&["ps", "--all"]).code, 0);
    drop(lock);
    assert_eq!(sm.run(&["import", &file]).code, 0);
}

fn sm_lock(sm: &Sm) -> sm_log::WriterLock {
    let lock = sm_log::lock(sm.home().join("log")).expect("the log's folder");
    lock.expect("nobody else writes")
}

/// Every file and folder in there, itself first.
fn all_in(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            found.extend(std::fs::read_dir(path).expect("a folder").flatten().map(|e| e.path()));
        }
    }
    found
}

#[test]
fn a_read_only_data_directory_is_read_and_not_written() {
    let sm = Sm::new();
    assert_eq!(sm.run(&["import", &sm.file("first.jsonl", GOOD)]).code, 0);
    let before = sm.run(&["replay", "--raw"]).out;
    let second = sm.file("second.jsonl", b"{}\n");
    // Root writes anywhere, so there somebody else tries: with a copy that they can reach.
    let is_root = rustix::process::getuid().is_root();
    let nobody = 65_534;
    let program = sm.dir.path().join("sm");
    let open = |mode| std::fs::Permissions::from_mode(mode);
    if is_root {
        std::fs::copy(env!("CARGO_BIN_EXE_sm"), &program).expect("a copy");
        std::fs::set_permissions(sm.dir.path(), open(0o755)).expect("a mode");
    }
    let set = |for_folders, for_files| {
        for path in all_in(&sm.home()).into_iter().rev() {
            let mode = if path.is_dir() { for_folders } else { for_files };
            std::fs::set_permissions(&path, open(mode)).expect("a mode");
            if is_root {
                std::os::unix::fs::chown(&path, Some(nobody), Some(nobody)).expect("an owner");
            }
        }
    };
    let run = |words: &[&str]| {
        let mut command = match is_root {
            true => sm.command_of(&program, words),
            false => sm.command(words),
        };
        if is_root {
            command.uid(nobody).gid(nobody);
        }
        ran(command.output().expect("sm runs"))
    };
    set(0o500, 0o400);
    let tries =
        [&["import", &second, "--json"][..], &["serve", "--json"], &["spawn", "x", "--json"]];
    let refused = tries.map(run);
    let looks = [&["ps", "--all"][..], &["show"], &["tail", "@last"], &["doctor"], &["inbox"]];
    let looked = looks.map(run);
    let replayed = run(&["replay", "--raw"]);
    set(0o700, 0o600);
    for ran in refused {
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (1, Some("not_permitted")), "{error}");
        assert!(error["hint"].is_string(), "{error}");
    }
    for (ran, words) in looked.iter().zip(looks) {
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.text(), ran.err);
    }
    assert!(replayed.out == before);
}

#[test]
fn everything_is_private() {
    let sm = Sm::new();
    let mut command = sm.command(&["import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sm runs");
    child.stdin.take().expect("a pipe").write_all(GOOD).expect("sm reads");
    assert!(child.wait().expect("sm ends").success());
    let mut open = vec![sm.home()];
    while let Some(path) = open.pop() {
        let meta = std::fs::metadata(&path).expect("a file");
        let mode = meta.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        if meta.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("a folder").flatten().map(|e| e.path()));
        }
    }
}

#[test]
fn completions_and_the_manual_are_printed() {
    let sm = Sm::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = sm.run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.text().contains("replay"));
    }
    assert!(sm.run(&["man"]).text().contains(".TH"));
}

#[test]
fn a_missing_codex_is_a_warning_with_a_remedy() {
    let sm = Sm::new();
    let report = sm.json(&["doctor"]);
    assert_eq!(report["checks"]["codex"]["status"], "warning");
    assert!(report["checks"]["codex"]["remediation"].is_string());
}
