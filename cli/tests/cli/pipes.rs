//! A reader that goes away is no failure; no colour and no progress off a terminal.

use crate::support::{Sm, captures};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn with_traffic() -> Sm {
    let sm = Sm::new();
    let all = captures(false);
    let file = all.iter().find(|file| file.ends_with("longturns.jsonl")).unwrap_or(&all[0]);
    assert_eq!(sm.run(&["import", file.to_str().expect("a plain path")]).code, 0);
    sm
}

#[test]
fn a_closed_pipe_is_quiet() {
    let sm = with_traffic();
    for words in [
        &["replay"][..],
        &["replay", "--json"],
        &["replay", "--raw"],
        &["replay", "-f"],
        &["tail", "@last", "-f", "-n", "1000"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut command = sm.command(words);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sm runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        out.read_line(&mut line).expect("a line");
        drop(out);
        let began = Instant::now();
        while child.try_wait().expect("sm").is_none() {
            assert!(began.elapsed() < Duration::from_secs(20), "{words:?} does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().expect("sm ends");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    }
}

#[test]
fn help_that_nobody_reads_is_no_failure() {
    let sm = Sm::new();
    let mut child = sm.command(&["--help"]).stdout(closed_pipe()).spawn().expect("sm runs");
    assert_eq!(child.wait().expect("sm ends").code(), Some(0));
}

/// A pipe whose reader is gone.
fn closed_pipe() -> std::io::PipeWriter {
    std::io::pipe().expect("a pipe").1
}

#[test]
fn no_escape_codes_off_a_terminal() {
    let sm = with_traffic();
    for words in
        [&["ps"][..], &["tail", "@last"], &["replay"], &["explain"], &["doctor"], &["show"]]
    {
        let ran = sm.run(words);
        assert!(!ran.out.contains(&0x1b) && !ran.err.contains('\u{1b}'), "{words:?}");
    }
}

#[test]
fn what_follows_sees_what_another_process_records() {
    let sm = with_traffic();
    let mut command = sm.command(&["replay", "-f", "--json", "-n", "1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("sm runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().is_some());
    let file = sm.file("more.jsonl", b"{\"method\":\"x/later\"}\n");
    assert_eq!(sm.run(&["import", &file]).code, 0);
    let seen = lines.map_while(Result::ok).take(3).any(|line| line.contains("x/later"));
    child.kill().expect("sm runs");
    child.wait().expect("sm ends");
    assert!(seen);
}
