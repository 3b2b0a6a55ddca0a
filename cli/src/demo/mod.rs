//! The demo: a stage of its own, actors, and a screen.
//!
//! What always holds: nothing outside the stage's folder is touched, and no process is left behind.

pub mod live;
pub mod recorded;
mod screen;
mod scripts;

use crate::context::{Context, shell_word};
use crate::error::{Error, Exit};
use crate::output::{Role, Streams};
use std::path::{Path, PathBuf};

/// The folder that all of it happens in.
pub struct Stage {
    dir: PathBuf,
}

impl Stage {
    /// A new folder: `dir`, or one in the temporary folder. It stays when the demo is over, so that
    /// what happened can be looked at.
    pub fn new(dir: Option<&Path>) -> Result<Stage, Error> {
        let dir = match dir {
            Some(dir) => {
                let dir = std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?;
                if dir.join("home").exists() {
                    let message = format!("{} holds a demo already", dir.display());
                    return Err(Error::new(Exit::Conflict, "conflict", message)
                        .hint("Name a new folder: sm demo --keep DIR"));
                }
                make(&dir)?;
                dir
            }
            None => {
                let made = tempfile::Builder::new().prefix("sm-demo-").tempdir();
                let temp = std::env::temp_dir();
                made.map_err(|source| Error::io("make a folder in", &temp, &source))?.keep()
            }
        };
        let stage = Stage { dir };
        make(&stage.work())?;
        make(&stage.codex_home())?;
        Ok(stage)
    }

    /// sm's data directory.
    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// The folder the agents work in.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// Codex's own home.
    pub fn codex_home(&self) -> PathBuf {
        self.dir.join("codex")
    }

    /// On Ctrl-C says where what happened is kept, before the process ends. Whatever it started ends with
    /// it.
    pub fn tell_when_interrupted(&self) -> Result<(), Error> {
        let fail = |error: std::io::Error| {
            let message = format!("failed to wait for signals: {error}");
            Error::new(Exit::Failed, "io", message)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(fail)?;
        let listening = {
            let _entered = runtime.enter();
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
        };
        let mut interrupted = listening.map_err(fail)?;
        let (dir, dir_word) = (self.dir.clone(), shell_word(&self.dir.to_string_lossy()));
        std::thread::spawn(move || {
            if runtime.block_on(interrupted.recv()).is_some() {
                let words = format!(
                    "\nInterrupted. What happened is kept in {}; done with it: rm -rf {dir_word}\n",
                    dir.display()
                );
                // Nobody is left to tell where standard error itself fails.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
                std::process::exit(Exit::Interrupted as i32);
            }
        });
        Ok(())
    }

    /// Says what to look at now.
    pub fn close(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        if context.json {
            return streams.json_line(&serde_json::json!({
                "schema": "sm.demo/1", "folder": self.dir, "home": self.home(),
            }));
        }
        let home = context.home_words();
        let head = streams.style.paint(Role::Strong, "Over. All of it is in the log; look at it:");
        streams.line(format_args!("\n{head}\n"))?;
        for (words, what) in [
            ("children -r --all", "the family, and how each ended"),
            ("ps --all", "every session"),
            ("tail @last --all", "what one did, action by action"),
            ("turns @last", "its turns: how long, how each ended, what it cost"),
            ("explain @last", "why it is in its state"),
            ("replay -n 20", "the log itself; --raw gives the exact bytes"),
            ("replay --verify", "folds the log anew and compares"),
            ("doctor", "is everything as it should be"),
        ] {
            let words = format!("sm{home} {words}");
            streams
                .line(format_args!("  {words}\n      {}", streams.style.paint(Role::Dim, what)))?;
        }
        let dir = shell_word(&self.dir.to_string_lossy());
        streams.line(format_args!("\nDone with it: rm -rf {dir}"))
    }
}

fn make(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| Error::io("make", dir, &source))
}
