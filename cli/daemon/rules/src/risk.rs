//! How risky a request looks: a hint for who decides, with its reasons.
//!
//! What always holds: it grants and refuses nothing. What it does not know it says not to know; a
//! request without a hint of harm is not shown as harmless.

use crate::glob::normal;
use crate::judge::carried;
use crate::shell::Simple;
use crate::subject::{Subject, What};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A request's risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// The worst of the hints.
    pub level: Level,
    /// What it would do, the worst first.
    pub hints: Vec<Hint>,
}

/// One thing that a request would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What.
    pub kind: RiskKind,
    /// Why that is thought.
    pub reason: String,
}

/// How far it may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It only looks.
    Low,
    /// It changes what can be changed back, or reaches out; or nobody can tell.
    Medium,
    /// It destroys, leaves the workspace, or takes more rights.
    High,
}

impl Level {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
        }
    }
}

/// What a request would do, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskKind {
    /// Reads.
    Reads,
    /// Writes, or runs code that may.
    Writes,
    /// What it does cannot be told.
    Unclear,
    /// Reaches the network.
    Network,
    /// Reaches beyond the workspace.
    Outside,
    /// Deletes, or throws away.
    Deletes,
    /// Takes more rights, or gives them.
    Privilege,
}

impl RiskKind {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            RiskKind::Reads => "reads",
            RiskKind::Writes => "writes",
            RiskKind::Unclear => "unclear",
            RiskKind::Network => "network",
            RiskKind::Outside => "outside",
            RiskKind::Deletes => "deletes",
            RiskKind::Privilege => "privilege",
        }
    }

    fn level(self) -> Level {
        match self {
            RiskKind::Reads => Level::Low,
            RiskKind::Writes | RiskKind::Unclear | RiskKind::Network => Level::Medium,
            RiskKind::Outside | RiskKind::Deletes | RiskKind::Privilege => Level::High,
        }
    }
}

/// Places that anybody may use and that hold nothing.
const COMMON: &[&str] = &["/tmp", "/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// What a program does, by its first words: the longest entry that fits counts.
const PROGRAMS: &[(RiskKind, &[&str])] = &[
    (
        RiskKind::Reads,
        &[
            "[",
            "awk",
            "basename",
            "cat",
            "cd",
            "cmp",
            "column",
            "comm",
            "cut",
            "date",
            "df",
            "diff",
            "dirname",
            "du",
            "echo",
            "egrep",
            "fd",
            "fgrep",
            "file",
            "find",
            "git blame",
            "git branch",
            "git cat-file",
            "git describe",
            "git diff",
            "git grep",
            "git log",
            "git ls-files",
            "git remote",
            "git rev-list",
            "git rev-parse",
            "git shortlog",
            "git show",
            "git status",
            "git tag",
            "grep",
            "head",
            "hexdump",
            "hostname",
            "id",
            "jq",
            "less",
            "ls",
            "lsof",
            "md5sum",
            "more",
            "nl",
            "nproc",
            "od",
            "printenv",
            "printf",
            "ps",
            "pwd",
            "readlink",
            "realpath",
            "rg",
            "sed",
            "seq",
            "sha256sum",
            "sleep",
            "sort",
            "stat",
            "strings",
            "tac",
            "tail",
            "test",
            "tr",
            "tree",
            "true",
            "false",
            "type",
            "uname",
            "uniq",
            "wc",
            "which",
            "whoami",
            "xxd",
            "yes",
        ],
    ),
    (
        RiskKind::Writes,
        &[
            "bun",
            "bundle exec",
            "cargo",
            "cmake",
            "cp",
            "ctest",
            "deno",
            "go",
            "git add",
            "git am",
            "git apply",
            "git checkout",
            "git cherry-pick",
            "git commit",
            "git init",
            "git merge",
            "git mv",
            "git rebase",
            "git reset",
            "git restore",
            "git revert",
            "git stash",
            "git switch",
            "git worktree",
            "gradle",
            "gunzip",
            "gzip",
            "java",
            "just",
            "ln",
            "make",
            "meson",
            "mkdir",
            "mv",
            "mvn",
            "ninja",
            "node",
            "npm",
            "npx",
            "patch",
            "perl",
            "php",
            "pnpm",
            "pytest",
            "python",
            "python3",
            "ruby",
            "rustc",
            "sed -i",
            "tar",
            "tee",
            "touch",
            "tox",
            "unzip",
            "uv",
            "yarn",
            "zip",
        ],
    ),
    (
        RiskKind::Network,
        &[
            "apt",
            "apt-get",
            "aws",
            "brew",
            "cargo add",
            "cargo fetch",
            "cargo install",
            "cargo publish",
            "cargo update",
            "curl",
            "dig",
            "dnf",
            "docker pull",
            "docker push",
            "ftp",
            "gcloud",
            "gem install",
            "gh",
            "git clone",
            "git fetch",
            "git ls-remote",
            "git pull",
            "git push",
            "git submodule",
            "go get",
            "go install",
            "go mod",
            "host",
            "http",
            "kubectl",
            "nc",
            "ncat",
            "nmap",
            "npm add",
            "npm ci",
            "npm i",
            "npm install",
            "npm publish",
            "nslookup",
            "pacman",
            "ping",
            "pip",
            "pip3",
            "pipx",
            "pnpm add",
            "pnpm install",
            "python -m pip",
            "python3 -m pip",
            "rsync",
            "scp",
            "sftp",
            "socat",
            "ssh",
            "telnet",
            "terraform",
            "uv add",
            "uv pip",
            "uv sync",
            "wget",
            "yarn add",
            "yarn install",
        ],
    ),
    (
        RiskKind::Deletes,
        &[
            "dd",
            "docker rm",
            "docker rmi",
            "docker system prune",
            "dropdb",
            "find -delete",
            "find -exec",
            "git branch -D",
            "git checkout --",
            "git clean",
            "git push --force",
            "git push -f",
            "git reset --hard",
            "git restore",
            "git stash clear",
            "git stash drop",
            "kubectl delete",
            "mkfs",
            "rm",
            "rmdir",
            "rsync --delete",
            "shred",
            "terraform destroy",
            "truncate",
            "unlink",
            "wipefs",
        ],
    ),
    (
        RiskKind::Privilege,
        &[
            "chattr",
            "chgrp",
            "chmod",
            "chown",
            "crontab",
            "doas",
            "groupadd",
            "insmod",
            "iptables",
            "kill",
            "killall",
            "launchctl",
            "modprobe",
            "mount",
            "passwd",
            "pkexec",
            "pkill",
            "reboot",
            "service",
            "setcap",
            "setfacl",
            "shutdown",
            "su",
            "sudo",
            "sysctl",
            "systemctl",
            "umount",
            "useradd",
            "usermod",
            "visudo",
        ],
    ),
];

/// Looks at a request. `real` leads to the place that a path really is at.
pub fn risk(subject: &Subject, real: &dyn Fn(&Path) -> PathBuf) -> Option<Risk> {
    let mut looking = Looking { workspace: subject.asker.cwd.as_deref(), real, hints: Vec::new() };
    match &subject.what {
        What::Command { line, cwd, more } => {
            looking.command(line.as_ref(), cwd.as_deref());
            more.iter().for_each(|more| looking.put(RiskKind::Privilege, more.clone()));
        }
        What::Files { files, root } => {
            for file in files {
                let path = &file.path;
                match file.is_deleted {
                    true => looking.put(RiskKind::Deletes, format!("deletes {}", path.display())),
                    false => looking.put(RiskKind::Writes, format!("changes {}", path.display())),
                }
                looking.place(path);
            }
            if files.is_empty() {
                looking.put(RiskKind::Unclear, "which files it changes is not known".to_owned());
            }
            if let Some(root) = root {
                let reason = format!("makes {} writable from then on", root.display());
                looking.put(RiskKind::Privilege, reason);
            }
        }
        What::Permissions { network, reads, writes, more } => {
            if *network {
                looking.put(RiskKind::Network, "asks for the network".to_owned());
            }
            for (kind, verb, paths) in
                [(RiskKind::Reads, "read", reads), (RiskKind::Writes, "write", writes)]
            {
                for path in paths {
                    looking.put(kind, format!("asks to {verb} {}", path.display()));
                    looking.place(path);
                }
            }
            more.iter().for_each(|more| looking.put(RiskKind::Privilege, more.clone()));
        }
        What::Other => return None,
    }
    let mut hints = looking.hints;
    hints.sort_by_key(|hint| std::cmp::Reverse(hint.kind));
    let level = hints.iter().map(|hint| hint.kind.level()).max().unwrap_or(Level::Medium);
    Some(Risk { level, hints })
}

struct Looking<'s> {
    workspace: Option<&'s Path>,
    real: &'s dyn Fn(&Path) -> PathBuf,
    hints: Vec<Hint>,
}

impl Looking<'_> {
    fn put(&mut self, kind: RiskKind, reason: String) {
        let hint = Hint { kind, reason };
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    fn command(&mut self, line: Option<&crate::CommandLine>, cwd: Option<&Path>) {
        if let Some(cwd) = cwd {
            self.place(cwd);
        }
        let Some(line) = line else {
            return self.put(RiskKind::Unclear, "its command is not known".to_owned());
        };
        match line.simple_commands(cwd) {
            Ok(found) => found.iter().for_each(|simple| self.simple(simple)),
            Err(why) => self.put(RiskKind::Unclear, format!("what it runs cannot be told: {why}")),
        }
    }

    fn simple(&mut self, simple: &Simple) {
        let texts: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
        self.program(&texts);
        for file in &simple.writes {
            self.put(RiskKind::Writes, format!("writes into {}", file.display()));
            self.place(file);
        }
        for word in simple.words.iter().skip(1) {
            self.argument(&word.text, &simple.folders);
        }
    }

    fn program(&mut self, words: &[&str]) {
        let Some(first) = words.first() else { return };
        let name = first.rsplit('/').next().unwrap_or(first);
        if let Some(rest) = carried(words) {
            if matches!(name, "sudo" | "doas") {
                self.put(RiskKind::Privilege, format!("`{name}` runs it as somebody else"));
            }
            return self.program(rest);
        }
        let mut best: Option<(usize, RiskKind, &str)> = None;
        for (kind, entries) in PROGRAMS {
            for entry in *entries {
                let mut parts = entry.split(' ');
                let fits = parts.next() == Some(name)
                    && parts.all(|part| words[1..].iter().any(|word| is_such(word, part)));
                let length = entry.split(' ').count();
                if fits && best.is_none_or(|(longest, ..)| length >= longest) {
                    best = Some((length, *kind, entry));
                }
            }
        }
        match best {
            Some((_, kind, entry)) => self.put(kind, format!("`{entry}` {}", verb(kind))),
            None if first.contains('/') => {
                self.put(RiskKind::Writes, format!("runs {first}, whatever that does"));
            }
            None => self.put(RiskKind::Unclear, format!("`{name}` is not known to sm")),
        }
    }

    /// An argument that is a path outside.
    fn argument(&mut self, text: &str, folders: &[PathBuf]) {
        let text = text.rsplit('=').next().unwrap_or(text);
        if text.starts_with('~') {
            return self.put(RiskKind::Outside, format!("names {text}"));
        }
        if text.starts_with('/') {
            return self.place(Path::new(text));
        }
        if text.split('/').any(|part| part == "..") {
            folders.iter().for_each(|folder| self.place(&folder.join(text)));
        }
    }

    fn place(&mut self, path: &Path) {
        let Some(workspace) = self.workspace else { return };
        // Beside a workspace that lies there itself, others may.
        let is_common = |common: &str| !workspace.starts_with(common);
        let is_in = |path: &Path| {
            let path = normal(path);
            path.starts_with(normal(workspace))
                || path.starts_with((self.real)(workspace))
                || COMMON.iter().any(|common| is_common(common) && path.starts_with(common))
        };
        let (told, real) = (normal(path), (self.real)(path));
        if !is_in(&told) {
            let reason = format!("{} is outside {}", told.display(), workspace.display());
            self.put(RiskKind::Outside, reason);
        } else if !is_in(&real) {
            let reason = format!("{} leads to {}", told.display(), real.display());
            self.put(RiskKind::Outside, reason);
        }
    }
}

/// Whether an argument is that word, or flags put together that have its letter.
fn is_such(word: &str, part: &str) -> bool {
    if word == part {
        return true;
    }
    let (flag, flags) = (part.strip_prefix('-'), word.strip_prefix('-'));
    match (flag, flags) {
        (Some(flag), Some(flags)) if flag.len() == 1 && !flags.starts_with('-') => {
            flags.contains(flag)
        }
        (Some(_), Some(_)) => word.split('=').next() == Some(part),
        _ => false,
    }
}

fn verb(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Reads => "only looks",
        RiskKind::Writes => "writes, or runs code that may",
        RiskKind::Network => "reaches the network",
        RiskKind::Deletes => "deletes or throws away",
        RiskKind::Privilege => "changes rights or what others run",
        RiskKind::Outside | RiskKind::Unclear => "is unclear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::CommandLine;
    use crate::subject::{Asker, FileTouched};
    use proptest::prelude::*;

    fn of(what: What) -> Risk {
        let asker = Asker { cwd: Some("/repo".into()), ..Asker::default() };
        risk(&Subject { what, asker }, &|path| normal(path)).unwrap()
    }

    fn command(text: &str) -> Risk {
        let line = Some(CommandLine::Text(text.to_owned()));
        of(What::Command { line, cwd: Some("/repo".into()), more: Vec::new() })
    }

    #[test]
    fn beside_a_workspace_in_a_common_place_is_outside() {
        let file = |path: &str| FileTouched { path: path.into(), is_deleted: false };
        let asker = Asker { cwd: Some("/tmp/repo".into()), ..Asker::default() };
        for (path, is_outside) in [
            ("/tmp/repo/a", false),
            ("/tmp/repo/p/../../x", true),
            ("/tmp/other", true),
            ("/dev/null", false),
        ] {
            let what = What::Files { files: vec![file(path)], root: None };
            let found = risk(&Subject { what, asker: asker.clone() }, &normal).unwrap();
            let hints = found.hints.iter();
            assert_eq!(
                hints.filter(|h| h.kind == RiskKind::Outside).count() > 0,
                is_outside,
                "{path}"
            );
        }
    }

    #[test]
    fn a_command_says_what_it_would_do() {
        use RiskKind::{Deletes, Network, Outside, Privilege, Reads, Unclear, Writes};
        for (text, kinds) in [
            ("ls -la src", &[Reads][..]),
            ("/bin/bash -lc 'rg x | head'", &[Reads, Reads]),
            ("sed -n 1,5p a", &[Reads]),
            ("sed -i s/a/b/ a", &[Writes]),
            ("cargo test", &[Writes]),
            ("cargo install x", &[Network]),
            ("git status", &[Reads]),
            ("git -C /x status", &[Outside, Reads]),
            ("git push -f", &[Deletes]),
            ("git push", &[Network]),
            ("rm -rf target", &[Deletes]),
            ("find . -name x -delete", &[Deletes]),
            ("sudo rm x", &[Privilege, Deletes]),
            ("chmod 777 x", &[Privilege]),
            ("cat /etc/passwd", &[Outside, Reads]),
            ("cat ../x", &[Outside, Reads]),
            ("cat ~/.ssh/id", &[Outside, Reads]),
            ("echo x > a", &[Writes, Reads]),
            ("./run.sh", &[Writes]),
            ("frobnicate", &[Unclear]),
            ("echo $(rm x)", &[Unclear]),
            ("cat /tmp/x", &[Reads]),
        ] {
            let found = command(text);
            let told: Vec<RiskKind> = found.hints.iter().map(|hint| hint.kind).collect();
            assert_eq!(told, kinds, "{text}: {found:?}");
            assert_eq!(found.level, kinds.iter().map(|kind| kind.level()).max().unwrap());
        }
    }

    #[test]
    fn changes_and_permissions_say_what_they_would_do() {
        let file = |path: &str, is_deleted| FileTouched { path: path.into(), is_deleted };
        let changes = of(What::Files {
            files: vec![file("/repo/a", false), file("/repo/b", true), file("/etc/x", false)],
            root: Some("/".into()),
        });
        let told: Vec<&str> = changes.hints.iter().map(|hint| hint.reason.as_str()).collect();
        assert_eq!(
            told,
            [
                "makes / writable from then on",
                "deletes /repo/b",
                "/etc/x is outside /repo",
                "changes /repo/a",
                "changes /etc/x",
            ]
        );
        let asked = of(What::Permissions {
            network: true,
            reads: vec!["/repo/x".into()],
            writes: vec!["/home".into()],
            more: vec!["a glob".into()],
        });
        assert_eq!(asked.level, Level::High);
        assert_eq!(asked.hints.len(), 5);
        let unknown = of(What::Files { files: Vec::new(), root: None });
        assert_eq!(unknown.hints[0].kind, RiskKind::Unclear);
        assert!(risk(&Subject::default(), &|path| path.to_path_buf()).is_none());
    }

    proptest! {
        #[test]
        fn every_request_has_a_hint(text in "[a-z$(){};&|<> \"'/.~=-]{0,60}") {
            prop_assert!(!command(&text).hints.is_empty());
        }
    }
}
