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
    words: Vec<(&'static str, BTreeSet<String>)>,
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
        let parsed = |text: &str| -> Result<Value, String> {
            serde_json::from_str(text)
                .map_err(|error| format!("the schema of codex {version} is broken: {error}"))
        };
        let protocol = read("codex_app_server_protocol.schemas.json")?;
        let requests = kinds(&parsed(&read("ClientRequest.json")?)?, "method");
        let notifications = kinds(&parsed(&read("ServerNotification.json")?)?, "method");
        let asked = kinds(&parsed(&read("ServerRequest.json")?)?, "method");
        let schema = parsed(&protocol)?;
        let (items, decisions) = (item_types(&schema), decisions(&schema));
        let words = vec![
            ("client requests", requests.clone()),
            ("server requests", asked),
            ("server notifications", notifications),
            ("item types", items),
            ("old approval decisions", decisions),
        ];
        Ok(Release { version: version.to_owned(), binary, requests, protocol, words })
    }

    /// All methods, item types and old approval decisions by name, for `protocol.txt`.
    pub fn vocabulary(&self) -> String {
        let mut text = format!("# the protocol of codex {}, by its own schema\n", self.version);
        for (what, names) in &self.words {
            text += &format!("\n[{what}]\n");
            names.iter().for_each(|name| text += &format!("{name}\n"));
        }
        text
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

/// The names that the alternatives of a schema have in a field.
fn kinds(schema: &Value, field: &str) -> BTreeSet<String> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let names = alternatives.filter_map(|kind| {
        let word = kind.get("properties")?.get(field)?;
        word.pointer("/enum/0").or_else(|| word.get("const"))?.as_str().map(str::to_owned)
    });
    names.collect()
}

/// The item types stand among the definitions, in later releases one level deeper.
fn item_types(protocol: &Value) -> BTreeSet<String> {
    ["/definitions/v2/ThreadItem", "/definitions/ThreadItem"]
        .into_iter()
        .filter_map(|place| protocol.pointer(place))
        .flat_map(|schema| kinds(schema, "type"))
        .collect()
}

/// What `execCommandApproval` and `applyPatchApproval` are answered with: a word, or a word and what it
/// needs.
fn decisions(protocol: &Value) -> BTreeSet<String> {
    let alternatives = protocol.pointer("/definitions/ReviewDecision/oneOf");
    let alternatives = alternatives.and_then(Value::as_array).into_iter().flatten();
    let mut found = BTreeSet::new();
    for decision in alternatives {
        let words = decision.get("enum").and_then(Value::as_array).into_iter().flatten();
        found.extend(words.filter_map(Value::as_str).map(str::to_owned));
        let forms = decision.get("properties").and_then(Value::as_object).into_iter().flatten();
        found.extend(forms.map(|(word, form)| {
            let needed = form.get("required").and_then(Value::as_array).into_iter().flatten();
            let needed: Vec<&str> = needed.filter_map(Value::as_str).collect();
            format!("{word} {{{}}}", needed.join(", "))
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_read_from_either_form() {
        let schema = json!({"oneOf": [
            {"properties": {"method": {"enum": ["a/b"]}}},
            {"properties": {"method": {"const": "c"}}},
            {"properties": {"other": {}}},
        ]});
        assert_eq!(kinds(&schema, "method").into_iter().collect::<Vec<_>>(), ["a/b", "c"]);
    }

    #[test]
    fn decisions_are_told_with_what_they_need() {
        let schema = json!({"definitions": {"ReviewDecision": {"oneOf": [
            {"enum": ["approved"]},
            {"properties": {"denied": {"required": ["rejection"]}}},
        ]}}});
        let told: Vec<String> = decisions(&schema).into_iter().collect();
        assert_eq!(told, ["approved", "denied {rejection}"]);
    }
}
