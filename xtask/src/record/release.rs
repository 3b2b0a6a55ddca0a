//! What one release of Codex can do, by its own word: the schema that its binary writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A release, its binary, and the methods it serves.
#[derive(Debug)]
pub struct Release {
    /// As npm names it.
    pub version: String,
    /// The native one.
    pub binary: PathBuf,
    requests: BTreeSet<String>,
    protocol: String,
}

impl Release {
    /// Asks the binary for its protocol.
    ///
    /// # Errors
    /// When it cannot be run or writes no schema.
    pub fn ask(version: &str, binary: PathBuf) -> Result<Release, String> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        // The oldest releases do not know the flag.
        if !write_schema(&binary, folder.path(), true)? {
            write_schema(&binary, folder.path(), false)?;
        }
        let read = |name: &str| {
            std::fs::read_to_string(folder.path().join(name))
                .map_err(|error| format!("codex {version} wrote no {name}: {error}"))
        };
        let requests: Value = serde_json::from_str(&read("ClientRequest.json")?)
            .map_err(|error| format!("the schema of codex {version} is broken: {error}"))?;
        Ok(Release {
            version: version.to_owned(),
            binary,
            requests: methods(&requests),
            protocol: read("codex_app_server_protocol.schemas.json")?,
        })
    }

    /// Whether it serves a client request of this name.
    pub fn serves(&self, method: &str) -> bool {
        self.requests.contains(method)
    }

    /// Whether a word (a method, an item type, a field) stands anywhere in its protocol.
    pub fn knows(&self, word: &str) -> bool {
        self.protocol.contains(&format!("\"{word}\""))
    }

    /// The second number of its version; large for what cannot be read.
    pub fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|part| part.parse().ok()).unwrap_or(u32::MAX)
    }
}

fn write_schema(binary: &Path, folder: &Path, experimental: bool) -> Result<bool, String> {
    let mut command = Command::new(binary);
    command.args(["app-server", "generate-json-schema", "--out"]).arg(folder);
    if experimental {
        command.arg("--experimental");
    }
    let status = command
        .env("CODEX_HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
    Ok(status.success())
}

fn methods(schema: &Value) -> BTreeSet<String> {
    let kinds = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    kinds
        .filter_map(|kind| {
            let method = kind.pointer("/properties/method")?;
            method.pointer("/enum/0").or_else(|| method.get("const"))?.as_str().map(str::to_owned)
        })
        .collect()
}
