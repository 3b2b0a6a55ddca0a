//! `sm serve --unit`: the daemon as a service of the user's systemd.
//!
//! What always holds: the unit runs this very program for this data directory, with what it needs of
//! this environment to find Codex; every word is written as systemd reads it back.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use std::fmt::Write as _;
use std::path::Path;

/// What a service would not have of its user's environment.
const VARIABLES: &[&str] = &["PATH", "CODEX_HOME", "SM_CODEX"];

/// Longer than the daemon takes to interrupt its turns, end its servers and sync its log.
const STOP_SECONDS: u32 = 60;

/// Prints the unit.
pub fn print(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let exe = std::env::current_exe();
    let exe = exe.map_err(|source| Error::io("find", Path::new("sm"), &source))?;
    let variable = |name: &&'static str| {
        Some((*name, std::env::var(name).ok().filter(|value| !value.is_empty())?))
    };
    let variables: Vec<(&str, String)> = VARIABLES.iter().filter_map(variable).collect();
    let unit = unit(&exe, context.home.dir(), &variables);
    if context.json {
        let document =
            serde_json::json!({ "schema": "sm.unit/1", "name": "sm.service", "unit": unit });
        streams.document(&document)?;
    } else {
        streams.bytes(unit.as_bytes())?;
        streams.say(
            "Write it to ~/.config/systemd/user/sm.service, then: systemctl --user enable --now sm",
        );
    }
    Ok(Exit::Ok)
}

fn unit(exe: &Path, home: &Path, variables: &[(&str, String)]) -> String {
    let mut environment = String::new();
    for (name, value) in variables {
        let _ = writeln!(environment, "Environment={}", word(&format!("{name}={value}")));
    }
    let (exe, home) = (argument(exe), argument(home));
    format!(
        "# Made by `sm serve --unit`.
[Unit]
Description=sm, the flight recorder and control tower for Codex

[Service]
Type=exec
ExecStart={exe} --home {home} serve --foreground
{environment}UMask=0077
Restart=on-failure
RestartSec=2
# Wrong usage, and another writer: neither gets better by itself.
RestartPreventExitStatus=2 6
# The daemon ends its servers itself; whatever is left after it is killed.
KillMode=mixed
TimeoutStopSec={STOP_SECONDS}

[Install]
WantedBy=default.target
"
    )
}

/// A word in quotes; `%` begins a specifier.
fn word(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The same on a command line, where `$` begins a variable, too.
fn argument(path: &Path) -> String {
    word(&path.to_string_lossy()).replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_systemd_reads_them_back() {
        assert_eq!(word("A=50% \"x\"\\\n"), "\"A=50%% \\\"x\\\"\\\\\\n\"");
        assert_eq!(argument(Path::new("/home/$u/a b")), "\"/home/$$u/a b\"");
    }

    #[test]
    fn each_line_is_a_section_or_a_setting_that_systemd_knows() {
        let variables = [("PATH", "/usr/bin:/opt/a b".to_owned())];
        let unit = unit(Path::new("/opt/sm"), Path::new("/home/u/.local/share/sm"), &variables);
        for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let is_section = line.starts_with('[') && line.ends_with(']');
            assert!(
                is_section || line.split_once('=').is_some_and(|(_, v)| !v.is_empty()),
                "{line}"
            );
        }
        assert!(unit.contains("\nEnvironment=\"PATH=/usr/bin:/opt/a b\"\n"));
    }
}
