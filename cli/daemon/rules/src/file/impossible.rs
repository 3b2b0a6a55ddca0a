//! First words of which no rule can be, or none that accepts.
//!
//! What always holds: what is told here of a command is why no line that is read has it as a program's first
//! words, or why one that has it is not accepted.

use crate::line::shell::{CHANGING, RESERVED};
use crate::rule::Decision;

/// Programs whose next word is a command of theirs.
const COMMANDED: &[&str] = &[
    "apt",
    "apt-get",
    "brew",
    "bundle",
    "cargo",
    "docker",
    "gh",
    "git",
    "go",
    "helm",
    "hg",
    "jj",
    "kubectl",
    "npm",
    "pip",
    "pip3",
    "pnpm",
    "podman",
    "poetry",
    "svn",
    "systemctl",
    "terraform",
    "uv",
    "yarn",
];

/// Why a rule can be of no command of those first words, and what would be right.
pub(crate) fn impossible(
    command: &[String],
    decision: Decision,
    is_exact: bool,
) -> Option<(String, &'static str)> {
    let first = command.first()?.as_str();
    let of_accept = || (decision == Decision::Accept).then(|| never_accepted(command)).flatten();
    of_accept().or_else(|| no_program(first)).or_else(|| split(command, is_exact))
}

/// Why what a shell does itself is accepted by no rule; declined and asked for it can be.
fn never_accepted(command: &[String]) -> Option<(String, &'static str)> {
    let first = command.first()?.as_str();
    // It may only ask what would run.
    let is_asked = first == "command"
        && command.get(1).is_none_or(|word| matches!(word.as_str(), "-v" | "-V"));
    if first == "cd" {
        return Some((
            "`cd` needs no rule, and one accepts nothing of it".to_owned(),
            "leave it out: name the commands behind it, and by `path` where they may run",
        ));
    }
    (CHANGING.contains(&first) && !is_asked).then(|| {
        (
            format!("what `{first}` runs is never accepted: it changes what the rest means"),
            "leave it out: who decides is a human",
        )
    })
}

/// Why a first word is no program.
fn no_program(first: &str) -> Option<(String, &'static str)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if RESERVED.contains(&first) {
        return Some((
            format!("`{first}` is no program, but a word of the shell's"),
            "name the programs that are run",
        ));
    }
    if first.split_once('=').is_some_and(|(name, _)| is_name(name)) {
        return Some((
            format!("`{first}` is no program, but sets a variable"),
            "begin with the program: a variable before it is none of its words",
        ));
    }
    let is_pattern = first != "[" && first.contains(['*', '?', '[', '{']);
    (is_pattern || first.starts_with('~')).then(|| {
        (
            format!("`{first}` is no program: what a shell would make of it is not looked for"),
            "write its name, or its whole path",
        )
    })
}

/// Why one of the words is several, where each stands for one. Those of an exact rule are as they were asked.
fn split(command: &[String], is_exact: bool) -> Option<(String, &'static str)> {
    let has_space = |word: &str| word.contains(char::is_whitespace);
    let (first, next) = (command.first()?.as_str(), command.get(1).map_or("", String::as_str));
    let option = next.split_whitespace().next().filter(|option| option.starts_with('-'));
    let is_options = option.is_some_and(|option| {
        option.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphabetic())
            && option.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    let odd = match () {
        // A folder may have one in its name.
        () if has_space(first) && !first.contains('/') => first,
        () if has_space(next) && ((is_options && !is_exact) || COMMANDED.contains(&first)) => next,
        () => return None,
    };
    Some((
        format!("{odd:?} is one word here, and no command has it"),
        "give each word its own place in the list: [\"git\", \"push\", \"--force\"]",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str], decision: Decision) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        impossible(&words, decision, false).is_some()
    }

    #[test]
    fn a_word_that_is_several_is_told_whatever_is_decided() {
        for words in [
            &["git reset", "--hard"][..],
            &["git log", "x"],
            &["git", "push --force"],
            &["rm", "-rf /"],
            &["npm", "run test"],
        ] {
            for decision in [Decision::Accept, Decision::Ask, Decision::Decline] {
                assert!(told(words, decision), "{words:?}");
            }
        }
        for words in [
            &["rm", "my file"][..],
            &["./my tools/x", "a"],
            &["awk", "{print $1}"],
            &["git", "commit", "-m", "a b"],
            &["echo", "- a"],
        ] {
            assert!(!told(words, Decision::Accept), "{words:?}");
        }
    }

    #[test]
    fn the_words_of_an_exact_rule_are_as_they_were_asked() {
        let words = ["grep".to_owned(), "-ea b".to_owned()];
        assert!(impossible(&words, Decision::Accept, true).is_none());
    }

    #[test]
    fn what_is_never_accepted_can_be_declined() {
        for text in ["cd", "eval", "source"] {
            assert!(told(&[text], Decision::Accept) && !told(&[text], Decision::Decline), "{text}");
        }
        for text in ["if", "A=1", "~/x", "l*"] {
            assert!(told(&[text], Decision::Decline), "{text}");
        }
    }

    #[test]
    fn what_can_never_be_accepted_is_told() {
        let told = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            impossible(&words, Decision::Accept, false).is_some()
        };
        for text in
            ["cd", "cd sub", "eval x", "source x", ".", "command rm", "if", "A=1 ls", "~/x", "l*"]
        {
            assert!(told(text), "{text}");
        }
        for text in
            ["ls", "[", "command", "command -v", "./x", "a.b=c", "git commit", "find . -name *.rs"]
        {
            assert!(!told(text), "{text}");
        }
    }
}
