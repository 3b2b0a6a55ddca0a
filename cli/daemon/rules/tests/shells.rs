//! What the parser reads, beside what real shells run.
//!
//! A line is handed to the shell as it stands, with a `printf` that shows its arguments and no other
//! program in reach. Whatever the parser claims to be one plain command, the shell must see so.

use proptest::prelude::*;
use sm_rules::CommandLine;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `shell` prints for `line`, in an empty folder; `None` where there is no such shell.
fn said(shell: &str, line: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(shell)
        .args(["-c", line])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/nowhere")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(output.stdout)
}

fn agrees(shell: &str, arguments: &str) -> Result<(), TestCaseError> {
    let line = format!("printf '<%s>' {arguments}");
    let read = CommandLine::Text(line.clone()).simple_commands(Some(Path::new("/repo")));
    let Ok(found) = read else { return Ok(()) };
    let [one] = &found[..] else { return Ok(()) };
    // A pattern may match, and a redirection takes the output away.
    if !one.words.iter().all(|word| word.is_literal) || arguments.contains(['<', '>']) {
        return Ok(());
    }
    let mut told: Vec<String> =
        one.words.iter().skip(2).map(|word| format!("<{}>", word.text)).collect();
    if told.is_empty() {
        told.push("<>".to_owned());
    }
    let Some(said) = said(shell, &line) else { return Ok(()) };
    prop_assert_eq!(String::from_utf8_lossy(&said), told.concat(), "{} read {:?}", shell, line);
    Ok(())
}

/// Pieces of words, quoted in all ways, and what may stand between them.
fn arguments() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", "B", " ", " ", " ", "\t", "\\ ", "\\'", "\\\"", "\\\\", "\\a", "\\\n", "'", "''",
        "'a b'", "'\\'", "'\"'", "'$x'", "'`'", "'#'", "\"", "\"a b\"", "\"\\\"\"", "\"\\a\"",
        "\"\\\\\"", "\"'\"", "\"\\$x\"", "#", " #", "=", "!", "%", "-", "]", "}", "^", "ä", ",",
        "if", "{a", "a=b", "'a\nb'", "\"a\nb\"",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn bash_sees_the_same_words(arguments in arguments()) {
        agrees("/bin/bash", &arguments)?;
    }

    #[test]
    fn sh_sees_the_same_words(arguments in arguments()) {
        agrees("/bin/sh", &arguments)?;
    }
}
