//! What a command is run with: the data directory, the form of its answer, who calls.
//!
//! What always holds: the environment is read here, and what a command needs of it is handed on.

use crate::args::Args;
use crate::error::{Error, Exit};
use sm_daemon::Home;
use std::path::{Path, PathBuf};

/// What every command is handed.
pub struct Context {
    /// The data directory.
    pub home: Home,
    /// Answers are JSON.
    pub json: bool,
    /// The session that calls: `SM_SESSION_ID`; or `CODEX_THREAD_ID`, in a shell whose Codex server
    /// `sm` runs (`SM_SERVER` marks it).
    pub caller: Option<String>,
}

impl Context {
    /// Reads the environment.
    pub fn new(args: &Args) -> Result<Context, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let thread = variable("SM_SERVER").and_then(|_| variable("CODEX_THREAD_ID"));
        let caller = variable("SM_SESSION_ID").or(thread);
        // Read here and not by clap, which would name --home in every usage then.
        let named = args.home.clone().or_else(|| std::env::var_os("SM_HOME").map(PathBuf::from));
        let dir = match &named {
            Some(dir) => absolute(dir)?,
            None => default_home()?,
        };
        if dir.exists() && !dir.is_dir() {
            let message = format!("the data directory {} is no directory", dir.display());
            return Err(Error::new(Exit::Failed, "not_a_directory", message)
                .hint("Use another one: sm --home DIR … (or SM_HOME=DIR)."));
        }
        Ok(Context { home: Home::new(dir), json: args.json, caller })
    }

    /// A command in another data directory, called by nobody but the user.
    pub fn at(dir: PathBuf, json: bool) -> Context {
        Context { home: Home::new(dir), json, caller: None }
    }

    /// How the user would name this data directory on a command line; nothing where it is the
    /// default one.
    pub fn home_words(&self) -> String {
        match default_home() {
            Ok(default) if default == self.home.dir() => String::new(),
            _ => format!(" --home {}", shell_word(&self.home.dir().to_string_lossy())),
        }
    }
}

/// What this machine and its user are called.
pub struct OwnNames {
    /// The user's names.
    pub users: Vec<String>,
    /// The machine's.
    pub hosts: Vec<String>,
}

/// Names that must not be given away.
pub fn own_names() -> OwnNames {
    let told = |names: &[&str]| -> Vec<String> {
        names.iter().filter_map(|name| std::env::var(name).ok()).collect()
    };
    let mut hosts = told(&["HOSTNAME"]);
    let whole = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    hosts.push(whole.trim().to_owned());
    hosts.extend(whole.trim().split_once('.').map(|(host, _)| host.to_owned()));
    OwnNames { users: told(&["USER", "LOGNAME"]), hosts }
}

/// `dir` from the root, whether it is there or not.
fn absolute(dir: &Path) -> Result<PathBuf, Error> {
    if dir.as_os_str().is_empty() {
        return Err(Error::usage("the data directory's path is empty")
            .hint("Name one: --home DIR, or unset SM_HOME."));
    }
    std::path::absolute(dir).map_err(|source| Error::io("find", dir, &source))
}

fn default_home() -> Result<PathBuf, Error> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|d| d.is_absolute());
    let data = folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")));
    data.map(|data| data.join("sm")).ok_or_else(|| {
        Error::new(Exit::Failed, "no_home", "neither SM_HOME nor XDG_DATA_HOME nor HOME is set")
            .hint("Name the data directory: sm --home DIR …")
    })
}

/// `word` as a shell reads it back.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
