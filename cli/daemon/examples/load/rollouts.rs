//! Codex's own files: what its threads say that they were told.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A thread's id is the end of its file's name.
const ID_CHARS: usize = 36;

/// The user messages of each thread, in order.
pub fn user_messages(codex_home: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for folder in ["sessions", "archived_sessions"] {
        read_folder(&codex_home.join(folder), &mut found);
    }
    found
}

fn read_folder(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            read_folder(&path, found);
        } else if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            && let Some(at) = stem.len().checked_sub(ID_CHARS)
        {
            let text = std::fs::read(&path).unwrap();
            let lines = text.split(|byte| *byte == b'\n');
            found.insert(stem[at..].to_owned(), lines.filter_map(user_message).collect());
        }
    }
}

/// What a line says that the user said. The last line of a server that was killed may be torn.
fn user_message(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let payload = line.get("payload").filter(|_| line["type"] == "response_item")?;
    let said = payload["role"] == "user" && payload["type"] == "message";
    said.then(|| payload["content"][0]["text"].as_str().map(str::to_owned))?
}
