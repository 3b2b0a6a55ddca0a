//! `cargo xtask record`: what one release of the real Codex says, scenario by scenario.
//!
//! Nothing here is invented: each scenario runs the real `codex app-server` over stdio against the
//! scripted model, in a throw-away home, and both directions are written down as they came. Paths,
//! host and installation names are then replaced by others of equal meaning; no other byte is
//! touched.

mod answers;
mod clean;
mod client;
mod mcp;
mod readme;
mod release;
mod scenarios;
mod server;
mod stage;
mod websocket;

use std::fs;
use std::path::{Path, PathBuf};

pub use mcp::serve as mcp_server;
use release::Release;
use scenarios::{SCENARIOS, Scenario};
use stage::{Stage, Stop};

use crate::{codex, project_root};

/// The hidden chore that is the MCP server of the `mcp` scenario.
pub const MCP_CHORE: &str = "mcp-server";

/// Runs the chore.
///
/// # Errors
/// When arguments are wrong, Codex cannot be installed, or a scenario went wrong; those that went
/// well are written all the same.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    let (version, wanted) = read_arguments(arguments)?;
    let release = Release::ask(&version, codex::install(&version)?)?;
    let folder = project_root().join("fixtures/codex").join(&version);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot create the folder: {error}"))?;
    fs::write(folder.join("protocol.txt"), release.vocabulary())
        .map_err(|error| format!("cannot write protocol.txt: {error}"))?;
    let mut notes = readme::Notes::read(&folder);
    let mut broken = Vec::new();
    for scenario in wanted {
        match play(scenario, &release, &folder) {
            Ok(lines) => {
                eprintln!("{version} {}: {lines} lines", scenario.name);
                notes.recorded(scenario.name);
            }
            Err(Stop::Skip(reason)) => {
                eprintln!("{version} {}: skipped, {reason}", scenario.name);
                remove(&folder, scenario.name);
                notes.skipped(scenario.name, &reason);
            }
            Err(Stop::Wrong(reason)) => {
                eprintln!("{version} {}: WENT WRONG: {reason}", scenario.name);
                broken.push(scenario.name);
            }
        }
    }
    notes.write(&folder, &release).map_err(|error| format!("cannot write README.md: {error}"))?;
    match broken.as_slice() {
        [] => Ok(()),
        names => Err(format!("went wrong: {}", names.join(", "))),
    }
}

fn read_arguments(arguments: &[&str]) -> Result<(String, Vec<&'static Scenario>), String> {
    let mut version = codex::PINNED.to_owned();
    let mut wanted = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (*argument, rest.next()) {
            ("--codex", Some(given)) => version = (*given).to_owned(),
            ("--scenario", Some(name)) => wanted.push(
                SCENARIOS.iter().find(|scenario| scenario.name == *name).ok_or_else(|| {
                    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                    format!("no scenario {name}; there are: {}", names.join(" "))
                })?,
            ),
            (other, _) => return Err(format!("unknown or unfinished argument {other}")),
        }
    }
    if wanted.is_empty() {
        wanted.extend(SCENARIOS);
    }
    Ok((version, wanted))
}

/// Plays one scenario and writes its two files; gives the number of the server's lines.
fn play(scenario: &Scenario, release: &Release, folder: &Path) -> Result<usize, Stop> {
    let mut stage = Stage::set(release, scenario)?;
    (scenario.play)(&mut stage)?;
    let recording = if scenario.cut { stage.cut() } else { stage.finish()? };
    write(&path(folder, scenario.name, "jsonl"), &recording.server_lines())?;
    write(&path(folder, scenario.name, "tap.jsonl"), &recording.tap_lines())?;
    Ok(recording.server_line_count())
}

fn path(folder: &Path, name: &str, ending: &str) -> PathBuf {
    folder.join(format!("{name}.{ending}"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    fs::write(path, bytes)
        .map_err(|error| Stop::Wrong(format!("cannot write {}: {error}", path.display())))
}

/// A scenario that is skipped now must not leave an older recording behind.
fn remove(folder: &Path, name: &str) {
    for ending in ["jsonl", "tap.jsonl"] {
        let _ = fs::remove_file(path(folder, name, ending));
    }
}
