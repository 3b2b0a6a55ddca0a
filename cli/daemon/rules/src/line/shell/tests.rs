//! Lines taken apart: what they run, where, and what is not sure.

use super::grammar::EXPANSIONS_MAX;
use super::inner::inner_line;
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Vec<Simple>, Unclear> {
    CommandLine::Text(text.to_owned()).simple_commands(Some(Path::new("/repo")))
}

fn told(text: &str) -> Vec<String> {
    let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    found.iter().map(Simple::text).collect()
}

#[test]
fn a_line_is_taken_apart_into_what_it_runs() {
    for (text, parts) in [
        ("cargo test", &["cargo test"][..]),
        ("/bin/bash -lc 'touch f1'", &["touch f1"]),
        ("bash -l -c \"cargo test && rm x\"", &["cargo test", "rm x"]),
        ("zsh -c 'a | b; c & d || e'", &["a", "b", "c", "d", "e"]),
        ("sh -c \"sh -c 'rm x'\"", &["rm x"]),
        ("a\nb # c", &["a", "b"]),
        ("git commit -m 'a; b && $(c)'", &["git commit -m a; b && $(c)"]),
        ("echo 'it'\\''s' \"q \\\" d\"", &["echo it's q \" d"]),
        ("c\\argo te\"s\"t", &["cargo test"]),
        ("make CC=gcc", &["make CC=gcc"]),
        ("cargo test 2>&1 >/dev/null", &["cargo test"]),
        ("cat < in.txt | wc -l", &["cat", "wc -l"]),
        ("echo if for", &["echo if for"]),
        ("rg \"a\\b\" 'x$'", &["rg a\\b x$"]),
        ("ls *.rs ~/x", &["ls *.rs ~/x"]),
        ("cargo te\\\nst \\\n --all", &["cargo test --all"]),
        ("[ -f a ] && [ b = c ]", &["[ -f a ]", "[ b = c ]"]),
        ("command -v node || command -V a b", &["command -v node", "command -V a b"]),
        ("RUST_BACKTRACE=1 RUST_LOG=a::b=x,c cargo test", &["cargo test"]),
    ] {
        assert_eq!(told(text), parts, "{text}");
    }
}

#[test]
fn what_is_not_sure_is_unclear() {
    for text in [
        "",
        "   ",
        "echo $(rm x)",
        "echo `rm x`",
        "echo $HOME",
        "$CMD x",
        "\"$CMD\" x",
        "A=1 cargo test",
        "RUST_LOG=$X cargo test",
        "RUST_LOG='a b' cargo test",
        "RUST_BACKTRACE+=1 cargo test",
        "RUST_BACKTRACE=1",
        "RUST_BACKTRACE=1 A=1 cargo test",
        "command rm x",
        "command -v",
        "command -p -v x",
        "command -v -p rm",
        "command -v *",
        "[a -f x",
        "A=1",
        "cat <<E\nx\nE",
        "cat <<< x",
        "cat <(ls)",
        "tee >(cat)",
        "(rm x)",
        "{ rm x; }",
        "if a; then b; fi",
        "for f in a b; do rm $f; done",
        "while true; do x; done",
        "[[ -f x ]] && y",
        "((x++))",
        "f() { rm x; }; f",
        "function f { rm x; }",
        "! cargo test",
        "time cargo test",
        "eval 'rm x'",
        "source x",
        ". x",
        "exec rm x",
        "alias cargo=rm; cargo test",
        "hash -p /bin/rm cargo; cargo test",
        "export PATH=/tmp; cargo test",
        "{rm,-rf,x}",
        "r? x",
        "~/x",
        "=rm x",
        "''\"\"=rm x",
        "bash -c 'a' b c",
        "bash -ic 'a'",
        "bash -c",
        "bash -s",
        "bash",
        "bash -o pipefail -c x",
        "bash -c \"$X\"",
        "bash -c 'sh -c \"zsh -c \\\"dash -c a\\\"\"'",
        "cd",
        "cd -",
        "cd $X",
        "cd a b",
        "echo 'unfinished",
        "a &&",
        "a | | b",
        "a;;",
        "cargo\u{a0}test",
        "cargo\u{3000}test",
        "cargo test\u{0}",
        "cargo test\r",
        "cargo test \u{1b}[2J",
        "echo $'a\\n'",
        "echo $\"a\"",
        "x > $Y",
        "x > *",
        "cargo test &| rm x",
        "cargo test &! rm x",
        "coproc rm x",
        "repeat 3 rm x",
        "bash -lc 'rm x' > out",
        "bash -lc 'rm x' < in",
        "echo hi >!/etc/x",
        "/bin/zsh -lc 'echo hi >!/etc/x'",
        "echo hi >>!/etc/x",
        "echo hi &>!/etc/x",
        "echo hi >&!/etc/x",
        "echo hi >! /etc/x",
        "echo hi >>| /etc/x",
        "echo hi &>| /etc/x",
        "cat a<1-5>b",
        "cat < /dev/tcp/host/80",
        "echo x > /dev/../dev/udp/host/80",
        "cd +1",
    ] {
        assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
    }
    assert!(read(&"a ".repeat(9000)).is_err());
    assert!(read(&"(".repeat(5000)).is_err());
    assert!(read(&"$(".repeat(5000)).is_err());
    assert!(read(&"if ".repeat(4000)).is_err());
    assert!(read(&"echo {".repeat(1000)).is_ok());
    assert!(CommandLine::Words(Vec::new()).simple_commands(None).is_err());
}

#[test]
fn a_shell_elsewhere_is_a_program_like_any_other() {
    assert_eq!(told("./bash -lc 'cargo test'"), ["./bash -lc cargo test"]);
    assert_eq!(told("/tmp/sh -c x"), ["/tmp/sh -c x"]);
    assert_eq!(told("bash script.sh -x"), ["bash script.sh -x"]);
}

#[test]
fn words_of_a_program_are_as_they_are() {
    let words = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        CommandLine::Words(words).simple_commands(None)
    };
    let found = words(&["rm", "*", "$x"]).unwrap();
    assert!(found[0].words.iter().all(|word| word.is_literal));
    let found = words(&["bash", "-lc", "rm x && ls"]).unwrap();
    assert_eq!(found.len(), 2);
    assert!(words(&["bash", "-lc", "rm $x"]).is_err());
}

#[test]
fn folders_and_files_are_followed_through_a_line() {
    let folders = |text: &str, at: usize| -> Vec<String> {
        let found = read(text).unwrap();
        let shown = |folder: &PathBuf| folder.display().to_string();
        found[at].folders.iter().map(shown).collect()
    };
    assert_eq!(folders("cd sub && x", 1), ["/repo/sub"]);
    assert_eq!(folders("cd sub; x", 1), ["/repo", "/repo/sub"]);
    assert_eq!(folders("cd sub || x", 1), ["/repo", "/repo/sub"]);
    assert_eq!(folders("cd /etc && cd .. && x", 2), ["/", "/etc/.."]);
    assert_eq!(folders("cd a && x\ny", 2), ["/repo", "/repo/a"]);
    assert_eq!(folders("bash -c 'cd a && x' && y", 2), ["/repo"]);
    // A part of a pipeline has a shell of its own, in zsh the last one has not.
    assert_eq!(folders("cd a | x", 1), ["/repo"]);
    assert_eq!(folders("cd a | x && y", 2), ["/repo"]);
    assert_eq!(folders("x | cd a; y", 2), ["/repo", "/repo/a"]);
    assert_eq!(folders("cd a & y", 1), ["/repo", "/repo/a"]);
    // Behind `||` either side may have run.
    assert_eq!(folders("cd . || cd /ws && x", 2), ["/repo", "/ws"]);
    assert_eq!(folders("true || cd ws && x", 2), ["/repo", "/repo/ws"]);
    assert_eq!(folders("cd a && x || y", 2), ["/repo", "/repo/a"]);
    // Up by words, or as links lead.
    assert_eq!(folders("cd link/.. && x", 1), ["/repo", "/repo/link/.."]);
    let writes = |text: &str| -> Vec<PathBuf> { read(text).unwrap().remove(0).writes };
    assert_eq!(writes("x > out.txt"), [Path::new("/repo/out.txt")]);
    assert_eq!(writes("x >> ../o"), [Path::new("/repo/../o")]);
    assert_eq!(writes("x &> /tmp/o"), [Path::new("/tmp/o")]);
    assert_eq!(writes("x >& o"), [Path::new("/repo/o")]);
    assert!(writes("x 2>/dev/null 2>&1 < in").is_empty());
    let reads = |text: &str| -> Vec<PathBuf> { read(text).unwrap().remove(0).reads };
    assert_eq!(reads("x < in"), [Path::new("/repo/in")]);
    assert_eq!(reads("x < link/../etc 0</etc/x"), ["/repo/link/../etc", "/etc/x"].map(Path::new));
    assert!(reads("x </dev/null <&0 > o").is_empty());
}

#[test]
fn what_is_written_is_seen_in_a_line_that_cannot_be_read() {
    let seen = |text: &str| -> Vec<String> {
        let found = CommandLine::Text(text.to_owned()).written();
        found.into_iter().map(|file| file.name).collect()
    };
    assert_eq!(seen("echo x >> ~/.ssh/keys"), ["~/.ssh/keys"]);
    assert_eq!(seen("bash -lc 'echo $X > \"$HOME/.bashrc\"'"), ["$HOME/.bashrc"]);
    assert_eq!(seen("bash -lc \"echo x > $HOME/x\""), ["$HOME/x"]);
    assert_eq!(seen("for f in a; do x > b 2>&1; done &> 'c d' | y >&2 > /dev/null"), ["b", "c d"]);
    assert!(seen("awk '$1>5' \"a > b\" < c").is_empty());
    let empties = |text: &str| CommandLine::Text(text.to_owned()).written()[0].is_emptied;
    assert!(empties("> a") && !empties(">> a") && !empties("x > a") && !empties("> a x"));
    let words = ["sh", "-c", "$X > /etc/x"].map(str::to_owned).to_vec();
    assert_eq!(CommandLine::Words(words).written()[0].name, "/etc/x");
}

/// As Codex and others put words into one line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

proptest! {
    #[test]
    fn quoted_words_come_back_as_they_were(
        words in prop::collection::vec("[ -~]{0,12}", 1..5), shell in any::<bool>(),
    ) {
        let name = words[0].clone();
        prop_assume!(!name.is_empty() && !CHANGING.contains(&name.as_str()) && name != "cd");
        prop_assume!(inner_line(&[Word::plain(&name)]) == Ok(None));
        let mut line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        prop_assume!(line.matches(['$', '`']).count() <= EXPANSIONS_MAX);
        if shell {
            line = format!("/bin/bash -lc {}", quoted(&line));
        }
        let found = read(&line).unwrap();
        prop_assert_eq!(found.len(), 1);
        let texts: Vec<&str> = found[0].words.iter().map(|word| word.text.as_str()).collect();
        prop_assert_eq!(texts, words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,60}", shell in "[a-z$(){}`;&|<> \"'\\\\\n!#=*?\\[\\]~-]{0,80}") {
        let _ = read(&text);
        let _ = read(&shell);
    }

    #[test]
    fn what_hides_a_command_is_never_overlooked(
        before in "[a-z ]{0,8}", after in "[a-z ]{0,8}",
        hidden in prop::sample::select(vec!["$(rm x)", "`rm x`", "; rm x", "&& rm x", "| rm x", "& rm x", "\nrm x", "|| rm x", "<(rm x)", "\"$(rm x)\""]),
    ) {
        let text = format!("echo {before}{hidden} {after}");
        if let Ok(found) = read(&text) {
            prop_assert!(found.iter().any(|simple| simple.program() == "rm"), "{}", text);
        }
    }
}
