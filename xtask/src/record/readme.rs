//! The README beside a release's recordings: what there is, what happens in it, what was skipped
//! and why. Notes of scenarios not played this time are kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::release::Release;
use super::scenarios::SCENARIOS;

const FILE: &str = "README.md";

/// Reasons for skipping, by scenario.
#[derive(Debug, Default)]
pub struct Notes {
    skipped: BTreeMap<String, String>,
}

impl Notes {
    /// Reads what an earlier run noted.
    pub fn read(folder: &Path) -> Notes {
        let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
        let (_, list) = text.split_once("was skipped:").unwrap_or_default();
        let rows = list.lines().filter_map(|line| {
            let (name, reason) = line.strip_prefix("- ")?.split_once(": ")?;
            Some((name.to_owned(), reason.to_owned()))
        });
        Notes { skipped: rows.collect() }
    }

    /// This one was played.
    pub fn recorded(&mut self, name: &str) {
        self.skipped.remove(name);
    }

    /// This one was not.
    pub fn skipped(&mut self, name: &str, reason: &str) {
        self.skipped.insert(name.to_owned(), reason.replace('\n', " "));
    }

    /// Writes the file from what lies in the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path, release: &Release) -> std::io::Result<()> {
        let mut text = format!(
            "# Real traffic of `codex app-server` {0}\n\n\
             Written by `cargo xtask record --codex {0}`, not by hand: the real binary against the \
             scripted model\n(`fixtures/scripted-model`), model slug and features as \
             `ConfigOptions::for_release` gives them.\n\n\
             - `NAME.jsonl`: the server's standard output, line by line, as it came.\n\
             - `NAME.tap.jsonl`: both directions, `ts` (Unix ms, receive time), `dir`, `msg` (the \
             exact bytes).\n\
             - `protocol.txt`: methods, item types, old approval decisions of this release, by its \
             own schema.\n\n\
             Folders, host, port and installation id were replaced; nothing else was changed. A \
             recording ends\nwhere the server was killed, after a moment of silence.\n\n\
             | scenario | what happens |\n| --- | --- |\n",
            release.version
        );
        for scenario in SCENARIOS {
            if folder.join(format!("{}.jsonl", scenario.name)).exists() {
                text += &format!("| {} | {} |\n", scenario.name, scenario.about);
            }
        }
        if !self.skipped.is_empty() {
            text += "\nWhat this release cannot do was skipped:\n\n";
            for (name, reason) in &self.skipped {
                text += &format!("- {name}: {reason}\n");
            }
        }
        fs::write(folder.join(FILE), text)
    }
}
