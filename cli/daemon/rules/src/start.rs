//! What a program is told to start, and whether a command is one that a rule names.
//!
//! What always holds: rather too much is found than too little. What is only perhaps so is said to be
//! perhaps so, and a human decides it.

use crate::git;
use crate::shell::Word;
use std::borrow::Cow;

/// How deep programs may start programs.
pub(crate) const DEPTH_MAX: usize = 6;

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    /// It is not.
    No,
    /// It may be.
    Perhaps,
    /// It is.
    Yes,
}

/// A program that starts another one.
struct Carrier {
    names: &'static [&'static str],
    /// Its options with a value in the next word.
    valued: &'static [&'static str],
    /// How many words of its own stand before the other's name.
    own: usize,
}

const fn carrier(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    own: usize,
) -> Carrier {
    Carrier { names, valued, own }
}

const CARRIERS: &[Carrier] = &[
    carrier(
        &["busybox", "chronic", "dbus-run-session", "fakeroot", "nohup", "setsid", "toybox"],
        &[],
        0,
    ),
    carrier(&["chroot", "faketime", "ssh", "taskset", "chrt"], &["-i", "-l", "-o", "-p", "-F"], 1),
    carrier(&["doas"], &["-C", "-u"], 0),
    carrier(&["env"], &["-C", "-P", "-u", "--chdir", "--unset"], 0),
    carrier(&["flock"], &["-E", "-w", "--timeout", "--wait"], 1),
    carrier(&["ionice"], &["-c", "-n", "-p", "--class", "--classdata"], 0),
    carrier(&["nice"], &["-n", "--adjustment"], 0),
    carrier(&["pkexec", "runuser"], &["-u", "--user"], 0),
    carrier(&["stdbuf"], &["-e", "-i", "-o", "--error", "--input", "--output"], 0),
    carrier(
        &["sudo"],
        &[
            "-C", "-D", "-R", "-T", "-U", "-g", "-h", "-p", "-r", "-t", "-u", "--chdir",
            "--chroot", "--group", "--host", "--prompt", "--role", "--type", "--user",
        ],
        0,
    ),
    carrier(&["strace", "ltrace", "time", "valgrind"], &["-e", "-f", "-o", "-p"], 0),
    carrier(&["timeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    carrier(&["watch"], &["-n", "--interval"], 0),
    carrier(
        &["parallel", "xargs"],
        &[
            "-E",
            "-I",
            "-L",
            "-P",
            "-a",
            "-d",
            "-j",
            "-n",
            "-s",
            "--arg-file",
            "--delimiter",
            "--jobs",
            "--max-args",
            "--max-chars",
            "--max-lines",
            "--max-procs",
        ],
        0,
    ),
];

/// Programs that start another one somewhere among their words.
const RUNNERS: &[&str] = &[
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
    "perf",
    "pipenv",
    "pnpm",
    "podman",
    "poetry",
    "prlimit",
    "proot",
    "proxychains",
    "rlwrap",
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

/// Options in front of a subcommand with a value in the next word.
const VALUED: &[(&str, &[&str])] = &[
    ("cargo", &["-C", "-Z", "--color", "--config", "--explain"]),
    ("docker", &["-H", "-c", "-l", "--config", "--context", "--host", "--log-level"]),
    ("git", git::VALUED),
    (
        "kubectl",
        &[
            "-n",
            "-s",
            "--as",
            "--cluster",
            "--context",
            "--kubeconfig",
            "--namespace",
            "--server",
            "--token",
            "--user",
        ],
    ),
];

/// Options by which a program runs what it is told to.
const CODE: &[(&[&str], &[&str])] = &[
    (&["bun", "deno", "node"], &["-e", "-p", "--eval", "--print"]),
    (&["cargo"], &["--config"]),
    (&["emacs"], &["-e", "-f", "-l", "--eval", "--execute", "--funcall", "--load"]),
    (&["env"], &["-S", "--split-string"]),
    (&["gdb", "lldb"], &["-ex", "-x", "-o", "-s", "--command", "--one-line", "--source"]),
    (&["flock", "runuser", "script", "sg", "su"], &["-c", "--command"]),
    (&["less", "more"], &["-P", "-k", "-K", "-p", "--lesskey-content", "--lesskey-src"]),
    (&["lua", "osascript"], &["-e"]),
    (&["gmake", "make"], &["-E", "--eval"]),
    (&["man"], &["-H", "-P", "--html", "--pager"]),
    (&["perl", "ruby"], &["-E", "-e", "-n", "-p"]),
    (&["php"], &["-B", "-E", "-R", "-r"]),
    (&["pypy", "python"], &["-c"]),
    (&["rg"], &["--pre", "--hostname-bin"]),
    (&["rsync"], &["-e", "--rsh", "--rsync-path"]),
    (&["scp", "sftp", "ssh"], &["-S", "-o", "-D", "-F"]),
    (&["sort"], &["--compress-program"]),
    (&["split"], &["--filter"]),
    (
        &["bsdtar", "gtar", "tar"],
        &[
            "-F",
            "-I",
            "--checkpoint-action",
            "--info-script",
            "--new-volume-script",
            "--rsh-command",
            "--to-command",
            "--use-compress-program",
        ],
    ),
    (&["ex", "nvim", "vi", "view", "vim"], &["-c", "-S", "-s", "--cmd"]),
    (&["zip"], &["-TT", "--unzip-command"]),
];

/// Programs that start the other one elsewhere, or as somebody else: that is not what it is by itself.
const ELSEWHERE: &[&str] = &["chroot", "doas", "pkexec", "runuser", "ssh", "sudo"];

/// Programs that read a line behind an option, or else a script, as far as they are known; others whose
/// names end so may do it, too.
const SHELLS: &[&str] = &[
    "ash", "bash", "csh", "dash", "elvish", "fish", "ksh", "lksh", "mksh", "nu", "oksh", "osh",
    "pdksh", "posh", "pwsh", "rbash", "rksh", "rzsh", "sash", "sh", "tcsh", "xonsh", "yash", "zsh",
];

/// Programs whose names end so, and that are none.
const NO_SHELLS: &[&str] = &["autossh", "mosh", "rsh", "ssh"];

/// Programs of which a script's name is one argument.
const INTERPRETERS: &[&str] =
    &["bun", "deno", "lua", "node", "osascript", "perl", "php", "pypy", "python", "ruby"];

/// What a command is told to start.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// Programs with their arguments.
    pub commands: Vec<Vec<Word>>,
    /// Lines that a shell reads.
    pub lines: Vec<String>,
    /// What cannot be told, and why.
    pub unsure: Option<String>,
}

/// What a command is told to start by its own words, that not followed further.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// Programs.
    pub commands: Vec<Start>,
    /// Lines that a shell reads.
    pub lines: Vec<Line>,
    /// What cannot be told, and why.
    pub unsure: Option<String>,
}

/// A line that a shell reads.
#[derive(Debug)]
pub(crate) struct Line {
    /// The place of its first word among the command's.
    pub at: usize,
    /// The place behind its last one.
    pub end: usize,
    /// Its text.
    pub text: String,
}

/// A program that a command starts.
#[derive(Debug)]
pub(crate) struct Start {
    /// The place of its name among the command's words.
    pub at: usize,
    /// The program and its arguments.
    pub words: Vec<Word>,
    /// It runs in another folder, on another machine, or as somebody else.
    pub is_elsewhere: bool,
}

/// The last part of a program's path.
pub(crate) fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn name_of(words: &[Word]) -> &str {
    words.first().map_or("", |word| file_name(&word.text))
}

/// A program's name without its version.
fn unversioned(name: &str) -> &str {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    if bare.is_empty() { name } else { bare }
}

/// `git-push` is `git push`.
fn unified(words: &[Word]) -> Cow<'_, [Word]> {
    match name_of(words).strip_prefix("git-") {
        Some(subcommand) => {
            let mut unified = vec![Word::plain("git"), Word::plain(subcommand)];
            unified.extend_from_slice(&words[1..]);
            Cow::Owned(unified)
        }
        None => Cow::Borrowed(words),
    }
}

/// Whether the words begin with a program that only starts another one.
pub(crate) fn is_carrier(words: &[Word]) -> bool {
    CARRIERS.iter().any(|carrier| carrier.names.contains(&name_of(words)))
}

/// Whether the words begin with a program that is known to start others.
pub(crate) fn is_starter(words: &[Word]) -> bool {
    is_carrier(words) || RUNNERS.contains(&name_of(words)) || is_shell(words)
}

pub(crate) fn is_shell(words: &[Word]) -> bool {
    SHELLS.contains(&unversioned(name_of(words)))
}

/// What `words` start, and what that starts in its turn.
pub(crate) fn started(words: &[Word]) -> Started {
    let mut found = Started::default();
    gather(words, 0, &mut found);
    found
}

fn gather(words: &[Word], depth: usize, found: &mut Started) {
    if depth >= DEPTH_MAX {
        let name = name_of(words);
        found.unsure.get_or_insert(format!("`{name}` is started by too many others"));
        return;
    }
    let own = starts(words, 1);
    found.unsure = found.unsure.take().or(own.unsure);
    found.lines.extend(own.lines.into_iter().map(|line| line.text));
    for start in own.commands {
        gather(&start.words, depth + 1, found);
        found.commands.push(start.words);
    }
}

/// What `words` start themselves. The first `known` are the user's own: by what they say themselves
/// nothing is unsure.
pub(crate) fn starts(words: &[Word], known: usize) -> Starts {
    let name = name_of(words);
    let mut found = Starts { unsure: code(words, known), ..Starts::default() };
    let mut next = match name {
        "find" => executed(words, &["-exec", "-execdir", "-ok", "-okdir"]),
        "fd" | "fdfind" => executed(words, &["-x", "-X", "--exec", "--exec-batch"]),
        _ => Vec::new(),
    };
    let shell = unversioned(name);
    if SHELLS.contains(&shell) || (shell.ends_with("sh") && !NO_SHELLS.contains(&shell)) {
        found.lines = shell_lines(words);
        let is_pattern = |line: &Line| !words[line.at].is_literal;
        let script = words[1..].iter().find(|word| !word.text.starts_with('-'));
        let is_known = match found.lines.is_empty() {
            true => script.is_some_and(|word| word.is_literal) || !SHELLS.contains(&shell),
            false => !found.lines.iter().any(is_pattern),
        };
        if !is_known {
            found.unsure.get_or_insert(format!("what `{name}` reads is not known"));
        }
    }
    if let Some(carrier) = CARRIERS.iter().find(|carrier| carrier.names.contains(&name)) {
        let at = carried(carrier, words).min(words.len());
        let mut carried = words[at..].to_vec();
        if matches!(name, "watch" | "ssh" | "parallel") && !carried.is_empty() {
            let line: Vec<&str> = carried.iter().map(|word| word.text.as_str()).collect();
            found.lines.push(Line { at, end: words.len(), text: line.join(" ") });
        }
        if matches!(name, "xargs" | "parallel") {
            let options = ["-I", "-J", "-i", "--replace"];
            let replaces = |word: &Word| options.iter().any(|option| is_option(&word.text, option));
            // Which words it replaces is not looked into.
            if name == "parallel" || words[1..at].iter().any(replaces) {
                carried.iter_mut().skip(1).for_each(|word| word.is_literal = false);
            }
            carried.iter_mut().for_each(fill_in);
            // Its input gives further words.
            carried.push(Word { text: String::new(), is_literal: false });
        }
        match carried.is_empty() {
            true => drop(found.unsure.get_or_insert(format!("`{name}` names no program"))),
            false => {
                let moves =
                    |word: &Word| is_option(&word.text, "--chdir") || is_option(&word.text, "-C");
                let is_moved = name == "env" && words[1..at].iter().any(moves);
                let is_elsewhere = is_moved || ELSEWHERE.contains(&name);
                next.push(Start { at, words: carried, is_elsewhere });
            }
        }
    }
    for start in next {
        match start.words.first() {
            Some(first) if first.is_literal => found.commands.push(start),
            _ => {
                let why = format!("which program `{name}` starts is found out by it");
                found.unsure.get_or_insert(why);
            }
        }
    }
    found
}

/// The lines that a shell is given: those behind options with a `c`.
fn shell_lines(words: &[Word]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 1;
    while let Some(option) = words.get(at).filter(|word| word.text.starts_with(['-', '+'])) {
        let text = option.text.to_ascii_lowercase();
        let name = text.split('=').next().unwrap_or(&text);
        if name.contains('c') && name != "--norc" {
            let value = option.text.split_once('=').map(|(_, value)| value);
            let text = match value {
                Some(value) => Some(value),
                None => {
                    at += 1;
                    words.get(at).map(|word| word.text.as_str())
                }
            };
            lines.extend(text.map(|text| Line { at, end: at + 1, text: text.to_owned() }));
        } else if matches!(name, "-o" | "+o" | "--init-file" | "--rcfile") {
            at += 1;
        }
        at += 1;
    }
    lines
}

/// Words that the carrier replaces are not what they look like.
fn fill_in(word: &mut Word) {
    word.is_literal &= !word.text.contains("{}");
}

/// The place of the first word behind a carrier's own.
fn carried(carrier: &Carrier, words: &[Word]) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        match text {
            "--" => {
                at += 1;
                break;
            }
            _ if carrier.valued.contains(&text) => at += 2,
            _ if text.starts_with('-') => at += 1,
            _ if text.contains('=') && matches!(carrier.names[0], "env" | "sudo" | "doas") => {
                at += 1
            }
            _ => break,
        }
    }
    at + carrier.own
}

/// What stands behind those options, up to a `;` or `+`.
fn executed(words: &[Word], options: &[&str]) -> Vec<Start> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let option = word.text.split('=').next().unwrap_or_default();
        if !options.contains(&option) {
            continue;
        }
        let rest = words[at + 1..].iter();
        let mut command: Vec<Word> =
            rest.take_while(|word| !matches!(word.text.as_str(), ";" | "+")).cloned().collect();
        let value = word.text.split_once('=').map(|(_, value)| Word::plain(value));
        let at = if value.is_some() { at } else { at + 1 };
        command.splice(0..0, value);
        command.iter_mut().for_each(fill_in);
        found.push(Start { at, words: command, is_elsewhere: option.ends_with("dir") });
    }
    found
}

/// Why what a command starts is found only in the text of its arguments, if it is. What stands among
/// the first `known` words, the program's name at least, is not looked at.
pub(crate) fn code(words: &[Word], known: usize) -> Option<String> {
    let unified = unified(words);
    let known = known.max(1) + (unified.len() - words.len());
    let words = &unified[..];
    let name = name_of(words);
    let beyond = words.get(known..).unwrap_or_default();
    let mut arguments = beyond.iter().map(|word| word.text.as_str());
    match name {
        "awk" | "gawk" | "mawk" | "nawk" => {
            let runs = |text: &str| {
                ["system", "|", ">", "<", "@", "getline"].iter().any(|sign| text.contains(sign))
                    || text.starts_with("-f")
                    || (text.starts_with("--") && text.len() > 2)
                    || text.starts_with("-l")
                    || text.starts_with("-i")
                    || text.starts_with("-E")
            };
            let odd = arguments.find(|text| runs(text))?;
            return Some(format!("`{name}` runs what its program says: {odd}"));
        }
        "sed" | "gsed" => {
            let script = unread_script(words, known)?;
            return Some(format!("`{name}` may write and start what its script says: {script}"));
        }
        "git" => return git::code(words, known),
        "less" | "more" | "vi" | "vim" | "nvim" | "ex" | "view" => {
            if let Some(command) = arguments.clone().find(|text| text.starts_with('+')) {
                return Some(format!("`{name}` runs {command}"));
            }
        }
        "bsdtar" | "gtar" | "tar" => {
            // Its first word is options, with a dash or without.
            let letters = words.get(1).filter(|word| known <= 1 && !word.text.starts_with('-'));
            if letters.is_some_and(|word| word.text.contains(['F', 'I'])) {
                return Some(format!("`{name}` runs what it is told"));
            }
        }
        _ => {}
    }
    // What stands behind a script is the script's.
    let is_script = INTERPRETERS.contains(&unversioned(name))
        && words[1..known.min(words.len())].iter().any(|word| !word.text.starts_with('-'));
    for (names, options) in CODE {
        if is_script || !(names.contains(&name) || names.contains(&unversioned(name))) {
            continue;
        }
        let has = |option: &&&str| beyond.iter().any(|word| is_option(&word.text, option));
        if let Some(option) = options.iter().find(has) {
            return Some(format!("`{name} {option}` runs what it is told"));
        }
    }
    None
}

/// The first script of a `sed` that does more than print, delete and replace.
fn unread_script(words: &[Word], known: usize) -> Option<&str> {
    let (mut scripts, mut is_named) = (Vec::new(), false);
    let words = words.iter().map(|word| word.text.as_str()).enumerate();
    let mut rest = words.skip(1);
    let mut plain = Vec::new();
    while let Some((at, text)) = rest.next() {
        match text {
            "-e" | "--expression" => {
                is_named = true;
                scripts.extend(rest.next());
            }
            "-n" | "-E" | "-r" | "-s" | "-z" | "-u" | "-nE" | "-En" | "-nr" | "-rn" | "--" => {}
            // Writing in place is another matter, and known as such.
            _ if text.starts_with("-i") || text.starts_with("--in-place") => {}
            _ if text.starts_with('-') && text.len() > 1 => {
                if at >= known {
                    return Some(text);
                }
            }
            _ => plain.push((at, text)),
        }
    }
    if !is_named {
        scripts.extend(plain.first());
    }
    let mut beyond = scripts.into_iter().filter(|(at, _)| *at >= known).map(|(_, script)| script);
    beyond.find(|script| !script.split([';', '\n']).all(only_edits))
}

/// Whether one command of a script only prints, deletes or replaces.
fn only_edits(command: &str) -> bool {
    let command = command.trim();
    let address = |c: char| c.is_ascii_digit() || matches!(c, '$' | ',' | '~' | '+' | ' ' | '!');
    let mut rest = command.trim_start_matches(address);
    // A range has two patterns.
    for _ in 0..2 {
        if let Some(pattern) = rest.strip_prefix('/') {
            let Some((_, behind)) = pattern.split_once('/') else { return false };
            rest = behind.trim_start_matches(address);
        }
    }
    if matches!(rest, "" | "p" | "d" | "q" | "=" | "n" | "D" | "P") {
        return true;
    }
    let mut body = rest.chars();
    let (Some('s'), Some(mark)) = (body.next(), body.next()) else { return false };
    let parts: Vec<&str> = body.as_str().split(mark).collect();
    let [_, _, flags] = parts[..] else { return false };
    !mark.is_alphanumeric()
        && flags.chars().all(|c| c.is_ascii_digit() || matches!(c, 'g' | 'p' | 'I' | 'i'))
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

/// Whether a command is one that begins with those words: wherever its program lies, whatever options
/// stand before and between them, in whatever order options come.
pub(crate) fn begins(words: &[Word], rule: &[&str]) -> Sure {
    let (Some((first, more)), Some((program, given))) = (rule.split_first(), words.split_first())
    else {
        return Sure::No;
    };
    if file_name(&program.text).starts_with("git-") && *first == "git" {
        return begins(&unified(words), rule);
    }
    if program.text != *first && file_name(&program.text) != *first {
        return Sure::No;
    }
    follows(given, more, valued(file_name(first)))
}

fn valued(program: &str) -> &'static [&'static str] {
    VALUED.iter().find(|(name, _)| *name == program).map_or(&[], |(_, options)| options)
}

fn follows(given: &[Word], rule: &[&str], valued: &[&str]) -> Sure {
    let Some((next, more)) = rule.split_first() else { return Sure::Yes };
    if next.starts_with('-') {
        let has = given.iter().any(|word| word.is_literal && is_option(&word.text, next))
            || is_cluster(given, next);
        return match has {
            true => follows(given, more, valued),
            false if given.iter().any(|word| !word.is_literal) => Sure::Perhaps,
            false => Sure::No,
        };
    }
    let Some((word, rest)) = given.split_first() else { return Sure::No };
    let text = word.text.as_str();
    if !word.is_literal {
        return Sure::Perhaps;
    }
    if text == *next {
        return follows(rest, more, valued);
    }
    if !text.starts_with(['-', '+']) {
        return Sure::No;
    }
    // An option, perhaps with a value in the next word.
    let behind = rest.get(1..).unwrap_or_default();
    match valued.contains(&text) {
        true => follows(behind, rule, valued),
        false if text.contains('=') => follows(rest, rule, valued),
        false => follows(rest, rule, valued).max(follows(behind, rule, valued).min(Sure::Perhaps)),
    }
}

/// As many letters behind one dash may each be an option; more are a word.
const LETTERS_MAX: usize = 3;

/// Whether the letters of `-rf` are all there, in one word or several.
fn is_cluster(given: &[Word], option: &str) -> bool {
    let letters = option.trim_start_matches('-');
    let is_short = option.starts_with('-')
        && !option.starts_with("--")
        && (2..=LETTERS_MAX).contains(&letters.len());
    let has = |letter: char| {
        let short = given.iter().filter_map(|word| word.text.strip_prefix('-'));
        short.filter(|word| !word.starts_with('-')).any(|word| word.contains(letter))
    };
    is_short && letters.chars().all(has)
}

/// Whether a command whose program starts others, or is not known at all, may start one that begins with
/// those words somewhere among its arguments.
pub(crate) fn may_carry(words: &[Word], rule: &[&str]) -> bool {
    let Some(first) = rule.first().map(|first| file_name(first)) else { return false };
    let is_part = |c: char| c.is_alphanumeric() || "_-./+".contains(c);
    let names = |text: &str| {
        let mut tokens = text.split(|c: char| !is_part(c));
        text.contains(|c: char| !is_part(c)) && tokens.any(|token| file_name(token) == first)
    };
    (1..words.len()).any(|at| begins(&words[at..], rule) > Sure::No || names(&words[at].text))
}

/// Whether a command may have a shell read a line that nobody looked at.
pub(crate) fn may_carry_line(words: &[Word]) -> bool {
    RUNNERS.contains(&name_of(words))
        && words[1..].iter().any(|word| SHELLS.contains(&file_name(&word.text)))
}

/// Why it is not told what a program starts that has others run, where the first `known` words do not
/// say more of it than its name.
pub(crate) fn may_run(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let is_plain = |word: &Word| !word.text.starts_with('-');
    let (own, beyond) = words.split_at(known.clamp(1, words.len()));
    if let Some(carrier) = CARRIERS.iter().find(|carrier| carrier.names == ["env"] && name == "env")
    {
        let before = &words[..carried(carrier, words).min(words.len())];
        let mut set = before.iter().skip(own.len()).filter(|word| word.text.contains('='));
        return set.next().map(|word| format!("`env {}` may change what runs", word.text));
    }
    let is_named = own[1..].iter().any(is_plain);
    (RUNNERS.contains(&name) && !is_named && beyond.iter().any(is_plain))
        .then(|| format!("`{name}` may start what stands behind it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(Word::plain).collect()
    }

    #[test]
    fn what_a_program_starts_is_found() {
        let found = |text: &str| -> Vec<String> {
            let found = started(&words(text));
            let text = |words: &Vec<Word>| {
                let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                texts.join(" ").trim_end().to_owned()
            };
            found.commands.iter().map(text).collect()
        };
        assert_eq!(found("find . -exec rm {} +"), ["rm {}"]);
        assert_eq!(found("find . -ok rm {} ; -execdir mv {} x ;"), ["rm {}", "mv {} x"]);
        assert_eq!(found("fd x -X rm"), ["rm"]);
        assert_eq!(found("xargs -n 1 -0 rm -f"), ["rm -f"]);
        assert_eq!(found("timeout -k 5 10 rm x"), ["rm x"]);
        assert_eq!(found("env -u A B=1 nice -n 5 rm x"), ["rm x", "nice -n 5 rm x"]);
        assert_eq!(found("sudo -u me -- rm x"), ["rm x"]);
        assert!(found("ls -la").is_empty());
        let line = started(&[words("xargs sh -c"), vec![Word::plain("ls; rm x")]].concat()).lines;
        assert_eq!(line, ["ls; rm x"]);
        for unsure in [
            "xargs",
            "xargs -I{} {} x",
            "find . -exec {} ;",
            "env -S rm",
            "git -c a=b log",
            "xargs sh",
            "find . -exec bash ;",
            "awk BEGIN{system(1)}",
            "python3 -c x",
            "rg --pre rm x",
            "tar --to-comm=rm -xf x",
            "sed s/x/rm/e f",
            "less +!rm f",
            "git rebase -x rm main",
            "git submodule foreach rm",
            "sort --co=x f",
            "split --f=x f",
            "xargs -I% sh -c echo-%",
            "sed /a/,/b/e f",
        ] {
            assert!(started(&words(unsure)).unsure.is_some(), "{unsure}");
        }
        for sure in [
            "git log -p",
            "awk {print} f",
            "sed -n 1,5p f",
            "sed -n /a/,/b/p f",
            "sed -e s/a/b/g -e /x/d f",
            "rg --files x",
            "sort -u f",
            "find . -name x",
            "cargo test",
        ] {
            assert!(started(&words(sure)).unsure.is_none(), "{sure}");
        }
        for script in
            ["s/a/b/w f", "w f", "1e", "s/a/b/;e rm", "r /etc/x", "/x/w f", "s/a", "sa/ab"]
        {
            let told = [Word::plain("sed"), Word::plain(script), Word::plain("f")];
            assert!(code(&told, 1).is_some(), "{script}");
        }
    }

    #[test]
    fn a_rule_is_found_behind_options() {
        for (text, rule, sure) in [
            ("git push", &["git", "push"][..], Sure::Yes),
            ("/usr/bin/git -C . push origin", &["git", "push"], Sure::Yes),
            ("git --no-pager push", &["git", "push"], Sure::Yes),
            ("git -c a=b --git-dir=x push", &["git", "push"], Sure::Yes),
            ("git -C push status", &["git", "push"], Sure::No),
            ("git log push", &["git", "push"], Sure::No),
            ("cargo +nightly publish", &["cargo", "publish"], Sure::Yes),
            ("npm --silent publish", &["npm", "publish"], Sure::Yes),
            ("npm --prefix x publish", &["npm", "publish"], Sure::Perhaps),
            ("docker -H x rm y", &["docker", "rm"], Sure::Yes),
            ("kubectl -n x delete y", &["kubectl", "delete"], Sure::Yes),
            ("git push origin --force", &["git", "push", "--force"], Sure::Yes),
            ("git push --forc", &["git", "push", "--force"], Sure::Yes),
            ("rm -r -f x", &["rm", "-rf"], Sure::Yes),
            ("rm -vfr x", &["rm", "-rf"], Sure::Yes),
            ("rm -r x", &["rm", "-rf"], Sure::No),
            ("git", &["git", "push"], Sure::No),
        ] {
            assert_eq!(begins(&words(text), rule), sure, "{text}");
        }
        let mut pattern = words("git pu*");
        pattern[1].is_literal = false;
        assert_eq!(begins(&pattern, &["git", "push"]), Sure::Perhaps);
        assert!(may_carry(&words("docker exec c rm x"), &["rm"]));
        assert!(!may_carry(&words("docker exec c rmdir x"), &["rm"]));
    }
}
