//! Commands that no rule can accept, whatever else it says.
//!
//! What always holds: what is told here of a command is why no line that is read has it as a program's first
//! words.

use crate::shell::{CHANGING, RESERVED};

/// Why a rule can accept no command of those first words, and what would be right.
pub(crate) fn vain(command: &[String]) -> Option<(String, &'static str)> {
    let first = command.first()?.as_str();
    // It may only ask what would run.
    let is_asked = first == "command"
        && command.get(1).is_none_or(|word| matches!(word.as_str(), "-v" | "-V"));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if first == "cd" {
        return Some((
            "`cd` needs no rule, and one accepts nothing of it".to_owned(),
            "leave it out: name the commands behind it, and by `path` where they may run",
        ));
    }
    if CHANGING.contains(&first) && !is_asked {
        return Some((
            format!("what `{first}` runs is never accepted: it changes what the rest means"),
            "leave it out: who decides is a human",
        ));
    }
    if RESERVED.contains(&first) {
        return Some((
            format!("`{first}` is no program, and no line with it is accepted"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_accepted_is_told() {
        let told = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            vain(&words).is_some()
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
