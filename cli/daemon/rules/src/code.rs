//! What a command starts that is told only in the text of its arguments.
//!
//! What always holds: of a program that can start others, a word that its shell or its input may make an
//! option of is not known; nor is an option, where all that are known are listed.

use crate::awk::only_looks;
use crate::carrier::Carrier;
use crate::git;
use crate::harmless::{is_compiler, is_listed, unlisted};
use crate::options::Options;
use crate::sed::only_edits;
use crate::shell::Word;
use crate::tools;
use crate::words::{RUNNERS, SHELLS, is_option, name_of, options_end, unified, unversioned};

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

/// Builtins of shells that may take a word for an expression, in which `a[$(x)]` runs `x`.
const COUNTING: &[&str] = &[
    "[", "break", "continue", "exit", "kill", "logout", "printf", "return", "test", "ulimit",
    "wait",
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

/// Whether a word that is not known yet may turn out an option: it does not begin with what a pattern
/// leaves as it is, nor with a file that was found.
pub(crate) fn may_be_option(word: &Word) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '~' | '@');
    let begins_plain = word.text.starts_with(is_plain) || word.text.starts_with("{}");
    !word.is_literal && (!begins_plain || word.text.contains('#'))
}

/// What programs run by words of a kind of their own.
fn told(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let beyond = words.get(known..).unwrap_or_default();
    let mut arguments = beyond.iter().map(|word| word.text.as_str());
    let runs = |text: &str| Some(format!("`{name}` runs what {text} says"));
    if COUNTING.contains(&name) {
        let counts = |text: &&str| text.contains('[') && text.contains(['$', '`']);
        let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
        let mut pairs = words.windows(2).skip(known.saturating_sub(1));
        let odd = match name {
            "printf" => beyond
                .first()
                .filter(|_| known == 1)
                .filter(|word| may_be_option(word) || word.text.starts_with("-v")),
            "test" | "[" => pairs
                .find(|pair| {
                    matches!(pair[0].text.as_str(), "-v" | "-R") && !is_name(&pair[1].text)
                })
                .map(|pair| &pair[1]),
            _ => None,
        };
        return odd
            .map(|word| word.text.as_str())
            .or_else(|| arguments.find(counts))
            .and_then(runs);
    }
    // A file of further words.
    if is_compiler(name) || matches!(name, "javac" | "rustc") {
        return arguments.find(|text| text.starts_with('@')).and_then(runs);
    }
    match unversioned(name) {
        "awk" | "gawk" | "mawk" | "nawk" => awk(words, known).and_then(runs),
        "sed" | "gsed" => unread_script(words, known)
            .map(|script| format!("`{name}` may write and start what its script says: {script}")),
        "git" => git::code(words, known),
        "go" => {
            let named = |text: &str| {
                text.trim_start_matches('-').split('=').next().unwrap_or("").to_owned()
            };
            let is_told = |text: &&str| {
                text.starts_with('-')
                    && matches!(named(text).as_str(), "exec" | "toolexec" | "vettool" | "overlay")
                    || text.contains("-ext")
            };
            let sets = words.get(1).is_some_and(|word| word.text == "env");
            arguments.find(|text| is_told(text) || (sets && *text == "-w")).and_then(runs)
        }
        "less" | "more" | "vi" | "vim" | "nvim" | "ex" | "view" | "gvim" | "rvim" | "vimdiff" => {
            arguments.find(|text| text.starts_with('+')).and_then(runs)
        }
        "bsdtar" | "gtar" | "tar" => {
            // Its first word is options, with a dash or without.
            let letters = words.get(1).filter(|word| known <= 1 && !word.text.starts_with('-'))?;
            let is_told = !letters.is_literal || letters.text.contains(['F', 'I', 'T']);
            is_told.then_some(letters.text.as_str()).and_then(runs)
        }
        "gmake" | "make" | "just" => {
            arguments.find(|text| text.contains('=') && !text.starts_with('-')).and_then(runs)
        }
        "mvn" | "mvnw" => arguments.find(|text| text.contains(':')).and_then(runs),
        "psql" => {
            let is_given = words
                .iter()
                .any(|word| is_option(&word.text, "-c") || word.text.starts_with("--command"));
            let is_told =
                |text: &&str| text.contains('\\') || text.to_lowercase().contains("program");
            arguments.find(is_told).or((!is_given).then_some("its input")).and_then(runs)
        }
        "sqlite3" | "sqlite" => {
            let plain =
                words.iter().enumerate().skip(1).filter(|(_, word)| !word.text.starts_with('-'));
            let behind: Vec<_> = plain.skip(1).collect();
            let is_told = |text: &str| {
                let text = text.trim_start().to_lowercase();
                text.starts_with('.')
                    || ["load_extension", "edit", "writefile", "fts3_tokenizer"]
                        .iter()
                        .any(|name| text.contains(name))
            };
            let odd = behind.iter().find(|(at, word)| *at >= known && is_told(&word.text));
            let odd = odd.map(|(_, word)| word.text.as_str());
            odd.or(behind.is_empty().then_some("its input")).and_then(runs)
        }
        "tmux" => arguments.find(|text| is_told_to_tmux(text)).and_then(runs),
        "socat" => arguments.next().and_then(runs),
        _ => None,
    }
}

/// Whether a word of `tmux` begins another command of it, or has it run something to make a text.
fn is_told_to_tmux(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        name.is_some_and(|(name, _)| name.chars().all(is_name))
    };
    text.ends_with(';') || text.split('#').skip(1).any(|part| !is_plain(part))
}

/// The first word of an `awk` that may start something, or says where what does stands.
fn awk(words: &[Word], known: usize) -> Option<&str> {
    let own = Options { flags: &[], valued: &["-F", "-v"] }.own(words);
    let is_odd = |at: usize, word: &Word| {
        own.unknown.contains(&at)
            || (at <= own.end && !word.is_literal)
            || (at == own.end && !only_looks(&word.text))
            || (at > own.end && word.text.starts_with('-') && word.text.len() > 1)
    };
    let mut beyond = words.iter().enumerate().skip(known);
    beyond.find(|(at, word)| is_odd(*at, word)).map(|(_, word)| word.text.as_str())
}

/// The first script of a `sed` that does more than print, delete and replace.
fn unread_script(words: &[Word], known: usize) -> Option<&str> {
    let (mut scripts, mut is_over) = (Vec::new(), false);
    let mut rest = words.iter().enumerate().skip(1);
    while let Some((at, word)) = rest.next() {
        match word.text.as_str() {
            // Some take the first word for the script, whatever comes behind it.
            text if is_over || !text.starts_with('-') || text == "-" => {
                let first = scripts.is_empty().then_some((at, word));
                scripts.extend(first);
            }
            "--" => is_over = true,
            "-e" | "--expression" => scripts.extend(rest.next()),
            "-n" | "-E" | "-r" | "-s" | "-z" | "-u" | "-nE" | "-En" | "-nr" | "-rn" => {}
            // Writing in place is another matter, and known as such.
            text if text.starts_with("-i") || text.starts_with("--in-place") => {}
            text if at >= known => return Some(text),
            _ => {}
        }
    }
    let mut beyond = scripts.into_iter().filter(|(at, _)| *at >= known).map(|(_, word)| word);
    beyond.find(|word| !word.is_literal || !only_edits(&word.text)).map(|word| word.text.as_str())
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
