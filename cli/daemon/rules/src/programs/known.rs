//! What programs that are known do by themselves.
//!
//! What always holds: what stands here is a guess by the first words of a command, the longest entry's; a program
//! that does not stand here is not said to do nothing.

use crate::line::shell::Word;
use crate::line::words::{file_name, name_of};
use crate::programs::looks::{INPUT, Writing, writing};
use crate::programs::named::{Sure, begins};
use crate::programs::starts::is_starter;
use crate::programs::told::code;
use serde::Serialize;

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
}

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
            "command -V",
            "command -v",
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
            "git cat-file",
            "git check-attr",
            "git check-ignore",
            "git cherry",
            "git count-objects",
            "git describe",
            "git diff",
            "git diff-files",
            "git diff-index",
            "git diff-tree",
            "git for-each-ref",
            "git grep",
            "git log",
            "git ls-files",
            "git ls-tree",
            "git merge-base",
            "git name-rev",
            "git range-diff",
            "git rev-list",
            "git rev-parse",
            "git shortlog",
            "git show",
            "git show-ref",
            "git status",
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
            "git gc",
            "git notes",
            "git reflog",
            "git replace",
            "git symbolic-ref",
            "git update-index",
            "git update-ref",
            "go",
            "git add",
            "git am",
            "git apply",
            "git branch",
            "git checkout",
            "git cherry-pick",
            "git commit",
            "git bisect",
            "git config",
            "git init",
            "git merge",
            "git mv",
            "git rebase",
            "git remote",
            "git reset",
            "git restore",
            "git revert",
            "git stash",
            "git switch",
            "git tag",
            "git worktree",
            "gradle",
            "gunzip",
            "gzip",
            "java",
            "javac",
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
            "git remote prune",
            "git remote show",
            "git remote update",
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
            "blkdiscard",
            "dd",
            "docker rm",
            "docker rmi",
            "docker system prune",
            "dropdb",
            "fdisk",
            "find -delete",
            "git branch -D",
            "git branch -d",
            "git tag -d",
            "git checkout --",
            "git clean",
            "git reset --hard",
            "git restore",
            "git rm",
            "git stash clear",
            "git stash drop",
            "kubectl delete",
            "mke2fs",
            "mkfs",
            "mkfs.btrfs",
            "mkfs.ext2",
            "mkfs.ext3",
            "mkfs.ext4",
            "mkfs.f2fs",
            "mkfs.fat",
            "mkfs.ntfs",
            "mkfs.vfat",
            "mkfs.xfs",
            "mkswap",
            "parted",
            "rm",
            "rmdir",
            "rsync --delete",
            "sfdisk",
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

/// Folders whose programs are what their names say.
const SYSTEM: &[&str] = &["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"];

/// Whether it is known what a command's program does, or starts.
pub(crate) fn is_known(words: &[Word]) -> bool {
    let Some(program) = words.first().map(|word| word.text.as_str()) else { return false };
    let (folder, name) = program.rsplit_once('/').unwrap_or((SYSTEM[0], program));
    SYSTEM.contains(&folder) && !is_starter(words) && is_named(name)
}

/// Whether a program stands here by that name, wherever it lies.
pub(crate) fn is_named(name: &str) -> bool {
    let has = |entry: &&str| entry.split(' ').next() == Some(name);
    PROGRAMS.iter().any(|(_, entries)| entries.iter().any(has))
}

/// Whether a command does nothing but look.
pub(crate) fn only_looks(words: &[Word]) -> bool {
    let Some((RiskKind::Reads, _)) = entry(words) else { return false };
    writing(words, 1).is_none() && code(words, 1).is_none()
}

/// What a command does beyond looking, of one that by its first `known` words only looks. Who names the
/// program that gives it further words by its input, too, `is_fed`, accepts those.
pub(crate) fn changes(words: &[Word], known: usize, is_fed: bool) -> Option<String> {
    let name = name_of(words);
    let own = words.get(..known.clamp(1, words.len()))?;
    let by_own = entry(own).map(|(kind, _)| kind);
    match writing(words, known).filter(|_| writing(own, 1).is_none()) {
        Some(Writing::Surely(how)) => return Some(format!("writes by `{name} {how}`")),
        Some(Writing::Perhaps(how)) if !(is_fed && how == INPUT) => {
            return Some(format!("may write by what {how} turns out to be: `{name}`"));
        }
        _ => {}
    }
    match entry(words) {
        Some((kind, entry)) if by_own == Some(RiskKind::Reads) && kind > RiskKind::Reads => {
            Some(format!("{} by `{entry}`", verb(kind)))
        }
        _ => None,
    }
}

/// What the longest entry says that fits a command.
pub(crate) fn entry(words: &[Word]) -> Option<(RiskKind, &'static str)> {
    let name = file_name(&words.first()?.text);
    let mut best: Option<(usize, RiskKind, &str)> = None;
    let is_plain = words.iter().all(|word| word.is_literal);
    let enough = if is_plain { Sure::Perhaps } else { Sure::Yes };
    for (kind, entries) in PROGRAMS {
        for entry in *entries {
            let parts: Vec<&str> = entry.split(' ').collect();
            let fits = parts[0] == name && begins(words, &parts) >= enough;
            if fits && best.is_none_or(|(longest, ..)| parts.len() >= longest) {
                best = Some((parts.len(), *kind, entry));
            }
        }
    }
    best.map(|(_, kind, entry)| (kind, entry))
}

/// The same in words.
pub(crate) fn verb(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Reads => "only looks",
        RiskKind::Writes => "writes, or runs code that may",
        RiskKind::Network => "reaches the network",
        RiskKind::Deletes => "deletes or throws away",
        RiskKind::Privilege => "changes rights or what others run",
        RiskKind::Outside | RiskKind::Unclear => "is unclear",
    }
}
