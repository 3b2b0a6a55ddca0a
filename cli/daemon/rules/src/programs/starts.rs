//! What a program is told to start.
//!
//! What always holds: rather too much is found than too little. What cannot be told is said to be unsure, and a
//! human decides it.

use crate::line::options::Options;
use crate::line::shell::Word;
use crate::line::words::{RUNNERS, SHELLS, file_name, is_option, name_of, unversioned};
use crate::programs::carriers::Carrier;
use crate::programs::harmless::VIMS;
use crate::programs::told::{can_start, code};

/// How deep programs may start programs.
pub(crate) const DEPTH_MAX: usize = 6;

/// Programs that start the other one elsewhere, or as somebody else: that is not what it is by itself.
const ELSEWHERE: &[&str] = &[
    "at",
    "autossh",
    "batch",
    "bwrap",
    "capsh",
    "chroot",
    "crontab",
    "dbus-send",
    "distrobox",
    "docker",
    "doas",
    "firejail",
    "flatpak",
    "incus",
    "kubectl",
    "lxc",
    "machinectl",
    "mosh",
    "nerdctl",
    "newgrp",
    "nsenter",
    "oc",
    "pkexec",
    "podman",
    "proot",
    "rsh",
    "run0",
    "runuser",
    "screen",
    "setpriv",
    "sg",
    "ssh",
    "start-stop-daemon",
    "su",
    "sudo",
    "systemctl",
    "systemd-nspawn",
    "systemd-run",
    "tmux",
    "toolbox",
    "unshare",
    "vagrant",
    "zellij",
];

/// Programs that read commands from their input, or from a file, unless words of theirs name one.
const READERS: &[&str] = &[
    "at", "batch", "crontab", "dc", "duckdb", "ed", "ftp", "gdb", "gnuplot", "lftp", "lldb", "m4",
    "mail", "mailx", "mariadb", "mysql", "newgrp", "nsenter", "parallel", "red", "runuser",
    "script", "sftp", "sg", "su", "telnet", "unshare",
];

/// Programs whose names end so, and that are none.
const NO_SHELLS: &[&str] = &["autossh", "mosh", "rsh", "ssh"];

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

/// Whether the words begin with a program that only starts another one.
pub(crate) fn is_carrier(words: &[Word]) -> bool {
    Carrier::of(name_of(words)).is_some()
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
    let unsure = code(words, known).or_else(|| reads(words, known));
    let mut found = Starts { unsure, ..Starts::default() };
    let mut next = match name {
        "find" => executed(words),
        "fd" | "fdfind" => {
            let (started, odd) = executed_by_fd(words, known);
            if let Some(odd) = odd {
                found.unsure.get_or_insert(format!("`{name} {odd}` is not known"));
            }
            started
        }
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
    if let Some(carrier) = Carrier::of(name) {
        let front = carrier.front(words, known);
        let at = front.end;
        if let Some(odd) = front.odd {
            let why = format!("`{name} {}` may change what it starts", words[odd].text);
            found.unsure.get_or_insert(why);
        }
        let mut carried = words[at..].to_vec();
        if matches!(name, "watch" | "ssh") && !carried.is_empty() {
            let line: Vec<&str> = carried.iter().map(|word| word.text.as_str()).collect();
            found.lines.push(Line { at, end: words.len(), text: line.join(" ") });
        }
        if name == "xargs" && !carried.is_empty() {
            // Which words it replaces is not looked into.
            if words[1..at].iter().any(|word| is_option(&word.text, "-I")) {
                if known <= at && can_start(&carried) {
                    found.unsure.get_or_insert(format!("`{name} -I` may say what is started"));
                }
                carried.iter_mut().skip(1).for_each(|word| word.is_literal = false);
            }
            carried.iter_mut().for_each(fill_in);
            // Its input gives further words.
            carried.push(Word { text: String::new(), is_literal: false });
        }
        match carried.is_empty() {
            // Alone it shows what is set.
            true if name == "env" && words.len() == 1 => {}
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

/// What stands behind the options of `find` that start something, up to a `;`, or a `+` behind `{}`.
fn executed(words: &[Word]) -> Vec<Start> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let option = word.text.as_str();
        if !matches!(option, "-exec" | "-execdir" | "-ok" | "-okdir") {
            continue;
        }
        let behind = &words[at + 1..];
        let ends = |at: &usize| match behind[*at].text.as_str() {
            ";" => true,
            "+" => *at > 0 && behind[*at - 1].text == "{}",
            _ => false,
        };
        let end = (0..behind.len()).find(ends).unwrap_or(behind.len());
        let mut command = behind[..end].to_vec();
        command.iter_mut().for_each(fill_in);
        found.push(Start { at: at + 1, words: command, is_elsewhere: option.ends_with("dir") });
    }
    found
}

/// Options of `fd` that start nothing.
const FD: Options = Options {
    flags: &[
        "-0",
        "-1",
        "-F",
        "-H",
        "-I",
        "-L",
        "-a",
        "-g",
        "-i",
        "-l",
        "-p",
        "-q",
        "-s",
        "-u",
        "--absolute-path",
        "--follow",
        "--full-path",
        "--glob",
        "--hidden",
        "--no-ignore",
        "--print0",
    ],
    valued: &[
        "-E",
        "-S",
        "-c",
        "-d",
        "-e",
        "-j",
        "-t",
        "--exclude",
        "--extension",
        "--max-depth",
        "--max-results",
        "--type",
    ],
};

/// What `fd` starts, and the first of its words that may say more of that.
fn executed_by_fd(words: &[Word], known: usize) -> (Vec<Start>, Option<&str>) {
    let (mut found, mut odd, mut at) = (Vec::new(), None, 1);
    while let Some(word) = words.get(at).filter(|word| word.text != "--") {
        let text = word.text.as_str();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let letters = text.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        let letter = letters.and_then(|letters| letters.find(['x', 'X']));
        let in_front = letter.map_or("", |letter| &text[..letter + 1]);
        // A letter in front may have taken the rest for its value.
        let is_free = in_front == "-" || FD.length(in_front) == Some(1) && !in_front.is_empty();
        let value = match letter.filter(|_| is_free) {
            Some(letter) => Some(text[letter + 2..].trim_start_matches('=')),
            None if matches!(name, "--exec" | "--exec-batch") => Some(value.unwrap_or("")),
            None => None,
        };
        let Some(value) = value else {
            let length = if text.starts_with('-') { FD.length(text) } else { Some(1) };
            if length.is_none() && at >= known {
                odd.get_or_insert(text);
            }
            at += length.unwrap_or(1);
            continue;
        };
        let behind = &words[at + 1..];
        let end = behind.iter().position(|word| word.text == ";").unwrap_or(behind.len());
        let mut command = behind[..end].to_vec();
        let begin = if value.is_empty() { at + 1 } else { at };
        if !value.is_empty() {
            command.insert(0, Word { text: value.to_owned(), is_literal: word.is_literal });
        }
        // It replaces `{/}` and the like, too.
        command.iter_mut().for_each(|word| word.is_literal &= !word.text.contains('{'));
        found.push(Start { at: begin, words: command, is_elsewhere: false });
        at += end + 2;
    }
    (found, odd)
}

/// Whether a command may have a shell read a line that nobody looked at.
pub(crate) fn may_carry_line(words: &[Word]) -> bool {
    RUNNERS.contains(&name_of(words))
        && words[1..].iter().any(|word| SHELLS.contains(&file_name(&word.text)))
}

/// Why what a program starts is told by its input, where the user's own words name no more than it.
fn reads(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let first = words.get(1);
    let is_told = match (name, first.map(|word| word.text.as_str())) {
        (_, Some("--help" | "--version")) | ("at", Some("-V" | "-l")) | ("crontab", Some("-l")) => {
            words.len() == 2
        }
        // Its input gives further words.
        ("parallel", Some(text)) => {
            first.is_some_and(|word| word.is_literal)
                && !text.starts_with(['-', ':'])
                && !text.contains(char::is_whitespace)
                && !can_start(&words[1..])
        }
        _ => false,
    };
    ((READERS.contains(&name) || VIMS.contains(&name)) && known <= 1 && !is_told)
        .then(|| format!("`{name}` may start what it reads"))
}

/// Why a command may not be what it is by itself: its program starts it elsewhere, or as somebody else.
pub(crate) fn leads_elsewhere(words: &[Word]) -> Option<String> {
    let name = name_of(words);
    ELSEWHERE.contains(&name).then(|| format!("`{name}` has it run elsewhere, or as somebody else"))
}

/// Why it is not told what a program starts that has others run, where the first `known` words do not
/// say more of it than its name.
pub(crate) fn may_run(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let (own, beyond) = words.split_at(known.clamp(1, words.len()));
    let is_named = own[1..].iter().any(|word| !word.text.starts_with('-'));
    let tells = |word: &Word| matches!(word.text.as_str(), "--help" | "--version");
    (RUNNERS.contains(&name) && !is_named && !beyond.iter().all(tells))
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
    }
}
