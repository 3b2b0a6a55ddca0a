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
        "\"\\\\\"", "\"'\"", "\"\\$x\"", "#", " #", "=", " = ", "!", "%", "-", "[", " [ ", "]",
        "}", "^", "ä", ",", "if", "{a", "a=b", "'a\nb'", "\"a\nb\"",
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

    #[test]
    fn zsh_sees_the_same_words(arguments in arguments()) {
        // A brace that closes nothing has zsh run nothing.
        prop_assume!(!arguments.contains('}'));
        agrees("/bin/zsh", &arguments)?;
    }
}

/// Where each `pwd` of a line may find itself is among what is told of it, links followed.
fn walks(shell: &str, steps: &[(usize, usize)]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    std::fs::create_dir_all(root.join("a/b")).expect("a folder");
    std::fs::create_dir_all(root.join("b/a")).expect("a folder");
    std::os::unix::fs::symlink(root.join("a/b"), root.join("link")).expect("a link");
    let home = root.display();
    let moves = ["cd a", "cd b", "cd ..", "cd link", "cd link/..", "cd /nowhere", "true", "false"];
    let joins = [" && ", " || ", " ; ", " | ", " & ", "\n"];
    let mut line = String::new();
    for (at, (step, join)) in steps.iter().enumerate() {
        line += &format!("{} && pwd -P >> {home}/{at}.txt{}", moves[*step], joins[*join]);
    }
    line += "true";
    let ran = Command::new(shell)
        .args(["-c", &(line.clone() + "; wait")])
        .current_dir(&root)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    if ran.is_err() {
        return Ok(());
    }
    let found = CommandLine::Text(line.clone()).simple_commands(Some(&root));
    let found = found.map_err(|why| TestCaseError::fail(why.to_string()))?;
    for (at, looks) in found.iter().filter(|simple| simple.program() == "pwd").enumerate() {
        let told = std::fs::read_to_string(root.join(format!("{at}.txt"))).unwrap_or_default();
        let may: Vec<_> =
            looks.folders.iter().filter_map(|path| path.canonicalize().ok()).collect();
        for is in told.lines() {
            prop_assert!(
                may.iter().any(|path| path == Path::new(is)),
                "{shell}: {at} of {line}: {is}"
            );
        }
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0usize..8, 0usize..6), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bash_is_in_one_of_the_folders_told(steps in steps()) {
        walks("/bin/bash", &steps)?;
    }

    #[test]
    fn sh_is_in_one_of_the_folders_told(steps in steps()) {
        walks("/bin/sh", &steps)?;
    }

    #[test]
    fn zsh_is_in_one_of_the_folders_told(steps in steps()) {
        walks("/bin/zsh", &steps)?;
    }
}
