//! Names and words that several look at: programs that start others, and how an option is told.
//!
//! What always holds: nothing here knows what a command does.

use crate::line::shell::Word;
use std::borrow::Cow;

/// Programs that start another one somewhere among their words.
pub(crate) const RUNNERS: &[&str] = &[
    "bundle",
    "bunx",
    "bwrap",
    "capsh",
    "catchsegv",
    "cpulimit",
    "direnv",
    "docker",
    "entr",
    "firejail",
    "gdb",
    "kubectl",
    "lldb",
    "mise",
    "nerdctl",
    "nix",
    "npm",
    "npx",
    "nsenter",
    "numactl",
    "parallel",
    "perf",
    "pipenv",
    "pnpm",
    "podman",
    "poetry",
    "prlimit",
    "proot",
    "proxychains",
    "rlwrap",
    "runuser",
    "rye",
    "script",
    "setarch",
    "setpriv",
    "sg",
    "start-stop-daemon",
    "su",
    "systemd-run",
    "tmux",
    "unbuffer",
    "unshare",
    "uv",
    "uvx",
    "xvfb-run",
    "yarn",
];

/// Programs that read a line behind an option, or else a script, as far as they are known; others whose
/// names end so may do it, too.
pub(crate) const SHELLS: &[&str] = &[
    "ash", "bash", "csh", "dash", "elvish", "fish", "ksh", "lksh", "mksh", "nu", "oksh", "osh",
    "pdksh", "posh", "pwsh", "rbash", "rksh", "rzsh", "sash", "sh", "tcsh", "xonsh", "yash", "zsh",
];

/// The last part of a program's path.
pub(crate) fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The name of the program that words begin with.
pub(crate) fn name_of(words: &[Word]) -> &str {
    words.first().map_or("", |word| file_name(&word.text))
}

/// A program's name without its version.
pub(crate) fn unversioned(name: &str) -> &str {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    if bare.is_empty() { name } else { bare }
}

/// `git-push` is `git push`.
pub(crate) fn unified(words: &[Word]) -> Cow<'_, [Word]> {
    match name_of(words).strip_prefix("git-") {
        Some(subcommand) => {
            let mut unified = vec![Word::plain("git"), Word::plain(subcommand)];
            unified.extend_from_slice(&words[1..]);
            Cow::Owned(unified)
        }
        None => Cow::Borrowed(words),
    }
}

/// The place of the `--` behind which no word is an option, else behind the last one. Behind an option it may
/// be a value.
pub(crate) fn options_end(words: &[Word]) -> usize {
    let is_end = |pair: &[Word]| {
        pair[1].is_literal && pair[1].text == "--" && !pair[0].text.starts_with('-')
    };
    words.windows(2).position(is_end).map_or(words.len(), |at| at + 1)
}

/// Whether a word is that option: by itself, with its value, shortened, or among others of one letter.
pub(crate) fn is_option(word: &str, option: &str) -> bool {
    if word == option {
        return true;
    }
    match (option.strip_prefix('-'), word.strip_prefix('-')) {
        (Some(letter), Some(letters)) if letter.len() == 1 && !letters.starts_with('-') => {
            letters.contains(letter)
        }
        (Some(_), Some(_)) => {
            let name = word.split('=').next().unwrap_or(word);
            name == option || (name.len() > 2 && name.starts_with("--") && option.starts_with(name))
        }
        _ => false,
    }
}

/// Whether a word that is not known yet may turn out an option: it does not begin with what a pattern
/// leaves as it is, nor with a file that was found.
pub(crate) fn may_be_option(word: &Word) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '~' | '@');
    let begins_plain = word.text.starts_with(is_plain) || word.text.starts_with("{}");
    !word.is_literal && (!begins_plain || word.text.contains('#'))
}
