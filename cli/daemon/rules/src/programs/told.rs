//! What a command starts that is told only in the text of its arguments.
//!
//! What always holds: of a program that can start others, a word that its shell or its input may make an
//! option of is not known; nor is an option, where all that are known are listed.

use crate::line::shell::Word;
use crate::line::words::{
    RUNNERS, SHELLS, is_option, may_be_option, name_of, options_end, unified, unversioned,
};
use crate::programs::carriers::Carrier;
use crate::programs::harmless::{is_listed, unlisted};
use crate::programs::scripts::told;
use crate::programs::tools;

/// Options by which a program runs what it is told to, or takes from elsewhere what to run.
const CODE: &[(&[&str], &[&str])] = &[
    (&["apt", "apt-cache", "apt-get", "aptitude"], &["-c", "-o", "--config-file", "--option"]),
    (&["bun", "deno"], &["-c", "-e", "-p", "-r", "--config", "--env-file", "--eval", "--import"]),
    (&["bun", "deno"], &["--import-map", "--preload", "--print", "--require"]),
    (&["cargo"], &["--config"]),
    (&["cpio"], &["--rsh-command"]),
    (&["curl"], &["-K", "--config", "--engine"]),
    (&["diff3", "sdiff"], &["--diff-program"]),
    (&["dnf", "yum"], &["-c", "--config", "--setopt"]),
    (&["docker", "nerdctl", "podman"], &["-H", "--config", "--context", "--host"]),
    (&["env"], &["-S", "--split-string"]),
    (&["find"], &["-files0-from"]),
    (&["flock", "runuser", "script", "sg", "su"], &["-c", "--command"]),
    (&["just"], &["-c", "-f", "--chooser", "--command", "--dotenv-path", "--justfile"]),
    (&["just"], &["--set", "--shell", "--shell-arg", "--shell-command"]),
    (&["kubectl"], &["-s", "--as", "--kubeconfig", "--server"]),
    (&["gmake", "make"], &["-E", "--eval"]),
    (&["mariadb", "mysql"], &["-e", "--execute", "--init-command", "--pager"]),
    (&["nc", "ncat", "netcat"], &["-c", "-e", "--exec", "--lua-exec", "--sh-exec"]),
    (&["npm", "npx", "pnpm", "yarn"], &["-C", "-c", "--call", "--cwd", "--dir", "--prefix"]),
    (&["npm", "npx", "pnpm", "yarn"], &["--globalconfig", "--node-options", "--userconfig"]),
    (&["npm", "npx", "pnpm", "yarn"], &["--script-shell", "--shell", "--use-yarnrc"]),
    (&["nano"], &["-f", "-s", "--rcfile", "--speller"]),
    (&["osascript"], &["-e", "-l"]),
    (&["pypy", "python"], &["-c"]),
    (&["rg"], &["--pre", "--hostname-bin"]),
    (&["rsync"], &["-M", "-e", "--remote-option", "--rsh", "--rsync-path"]),
    (&["ssh"], &["-D", "-F", "-S", "-o"]),
    (&["sort"], &["--compress-program"]),
    (&["split"], &["--filter"]),
    (
        &["bsdtar", "gtar", "tar"],
        &[
            "-F",
            "-I",
            "-T",
            "--checkpoint-action",
            "--files-from",
            "--info-script",
            "--new-volume-script",
            "--rmt-command",
            "--rsh-command",
            "--to-command",
            "--use-compress-program",
        ],
    ),
    (&["wget"], &["-e", "--config", "--execute", "--use-askpass"]),
];

/// Programs of which a script's name is one argument.
const INTERPRETERS: &[&str] =
    &["bun", "deno", "lua", "node", "osascript", "perl", "php", "pypy", "python", "ruby"];

/// Programs that start others in ways of their own.
const OTHERS: &[&str] =
    &["awk", "fd", "fdfind", "gawk", "git", "go", "gsed", "mawk", "nawk", "sed", "socat"];

/// Programs to which any word may say what to run.
const LISTENING: &[&str] =
    &["[", "cmake", "gmake", "gradle", "just", "make", "mvn", "psql", "socat", "sqlite3", "test"];

/// Whether a program is known to be able to start others.
pub(crate) fn can_start(words: &[Word]) -> bool {
    let name = name_of(words);
    let bare = unversioned(name);
    let is = |names: &[&str]| names.contains(&name) || names.contains(&bare);
    Carrier::of(name).is_some()
        || is(RUNNERS)
        || is(SHELLS)
        || is(OTHERS)
        || is(LISTENING)
        || CODE.iter().any(|(names, _)| is(names))
        || is_listed(name)
        || tools::is_tool(name)
}

/// Why what a command starts is found only in the text of its arguments, if it is. What stands among
/// the first `known` words, the program's name at least, is not looked at.
pub(crate) fn code(words: &[Word], known: usize) -> Option<String> {
    let unified = unified(words);
    let known = (known.max(1) + unified.len()).saturating_sub(words.len()).max(1);
    let words = &unified[..];
    replaced(words, known)
        .or_else(|| told(words, known))
        .or_else(|| optioned(words, known))
        .or_else(|| unlisted(words, known))
        .or_else(|| tools::told(words, known))
}

/// Why a word of a program that can start others is not known: the shell makes it, or its input gives it.
fn replaced(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    // Of what stands behind a carrier's own words they are another program's.
    if !can_start(words) || Carrier::of(name).is_some() {
        return None;
    }
    let has_end = !(RUNNERS.contains(&name) || LISTENING.contains(&name) || name == "find");
    let end = if has_end { options_end(words) } else { words.len() };
    let seen = words.iter().take(end).skip(known);
    let mut odd = seen.filter(|word| match LISTENING.contains(&name) {
        true => !word.is_literal,
        false => may_be_option(word),
    });
    let shown = |text: &str| if text.is_empty() { "its input" } else { text }.to_owned();
    odd.next().map(|word| format!("`{name}` may run what {} turns out to be", shown(&word.text)))
}

/// Why a program runs what an option says.
fn optioned(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    // What stands behind a script is the script's.
    let is_script = INTERPRETERS.contains(&unversioned(name))
        && words[1..known.min(words.len())].iter().any(|word| !word.text.starts_with('-'));
    if is_script {
        return None;
    }
    let beyond = words.get(known..).unwrap_or_default();
    for (names, options) in CODE {
        if !(names.contains(&name) || names.contains(&unversioned(name))) {
            continue;
        }
        let has = |option: &&&str| beyond.iter().any(|word| is_option(&word.text, option));
        if let Some(option) = options.iter().find(has) {
            return Some(format!("`{name} {option}` runs what it is told"));
        }
    }
    None
}
