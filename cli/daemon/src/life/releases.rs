//! Which release can do what, by the server's own word and by the recorded releases.
//!
//! What always holds: that a release cannot do something is what its server answered; the recorded
//! releases only say which one could. The table is held against their schemas by a test.

use crate::problem::Refusal;
use crate::said::unknown_variant;
use serde_json::json;
use sm_ingest::app_server::Version;

/// The method, the first recorded release that serves it, and the last; none: the newest still does.
const SERVED: &[(&str, &str, Option<&str>)] = &[
    ("account/rateLimits/read", "0.80.0", None),
    ("account/read", "0.80.0", None),
    ("mcpServerStatus/list", "0.80.0", None),
    ("model/list", "0.80.0", None),
    ("review/start", "0.80.0", None),
    ("skills/list", "0.80.0", None),
    ("thread/archive", "0.80.0", None),
    ("thread/compact/start", "0.98.0", None),
    ("thread/fork", "0.80.0", None),
    ("thread/goal/clear", "0.142.5", None),
    ("thread/goal/get", "0.142.5", None),
    ("thread/goal/set", "0.142.5", None),
    ("thread/name/set", "0.98.0", None),
    ("thread/revert", "0.155.1", None),
    ("thread/rollback", "0.80.0", Some("0.155.1")),
    ("thread/unarchive", "0.98.0", None),
];

/// The most methods named as a remedy.
const NEAR_MAX: usize = 8;

/// The first recorded release that serves a method, where this one is older.
pub(super) fn later(version: Version, method: &str) -> Option<&'static str> {
    let (_, first, _) = SERVED.iter().find(|(served, ..)| *served == method)?;
    Version::find(first).filter(|known| !version.has(*known)).map(|_| *first)
}

/// The refusal of what that release does not know; `words` are its server's, which list what it does.
pub(super) fn unsupported(version: &str, method: &str, words: &str) -> Refusal {
    let served = SERVED.iter().find(|(served, ..)| *served == method);
    let (first, last) = served.map_or((None, None), |(_, first, last)| (Some(*first), *last));
    let which = match (first, last) {
        (_, Some(last)) => format!("; {last} is the last of the recorded releases that does"),
        (Some(first), None) => format!("; {first} is the first of the recorded releases that does"),
        (None, None) => String::new(),
    };
    let near = near(method, words);
    let refusal =
        Refusal::new(501, "unsupported", format!("codex {version} has no {method}{which}"))
            .details(json!({
                "method": method, "codex_version": version, "first_release": first,
                "last_release": last, "near": near,
            }));
    match (first.filter(|_| last.is_none()), near.is_empty()) {
        (Some(_), _) => {
            refusal.hint("a session of a newer codex can: `npm install -g @openai/codex`")
        }
        (None, false) => refusal.hint(format!("it has {}", near.join(", "))),
        (None, true) => refusal.hint("`codex app-server generate-ts --out DIR` lists what it has"),
    }
}

/// What the server does know in the same family, by its own list: what begins most alike first.
fn near(method: &str, words: &str) -> Vec<String> {
    let alike = |known: &str| known.bytes().zip(method.bytes()).take_while(|(a, b)| a == b).count();
    let family = method.split('/').next().unwrap_or(method);
    let known = unknown_variant(words).map(|(_, known)| known).unwrap_or_default();
    let mut near: Vec<&str> =
        known.into_iter().filter(|known| known.split('/').next() == Some(family)).collect();
    near.sort_by_key(|known| std::cmp::Reverse(alike(known)));
    near.into_iter().take(NEAR_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    /// The client requests of each recorded release, oldest first.
    fn recorded() -> Vec<(String, Vec<String>)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/codex");
        let mut releases = BTreeMap::new();
        for entry in std::fs::read_dir(root).unwrap().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path().join("protocol.txt")) else {
                continue;
            };
            let version = entry.file_name().to_string_lossy().into_owned();
            let number: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
            let requests = text.split("[client requests]\n").nth(1).unwrap();
            let requests = requests.lines().take_while(|line| !line.is_empty());
            releases.insert(number, (version, requests.map(str::to_owned).collect()));
        }
        releases.into_values().collect()
    }

    #[test]
    fn the_table_is_what_the_recorded_releases_say() {
        let releases = recorded();
        assert!(releases.len() >= 8, "{}", releases.len());
        for (method, first, last) in SERVED {
            let mut serving = releases
                .iter()
                .filter(|(_, requests)| requests.iter().any(|request| request == method))
                .map(|(version, _)| version.as_str());
            assert_eq!(serving.next(), Some(*first), "{method}");
            let newest = serving.next_back().unwrap_or(first);
            let is_newest = newest == releases.last().unwrap().0;
            assert_eq!(last.unwrap_or(newest), newest, "{method}");
            assert_eq!(last.is_none(), is_newest, "{method}");
        }
    }

    #[test]
    fn what_only_a_later_release_does_is_known_before_it_is_asked() {
        let later = |version: &str| later(Version::find(version).unwrap(), "thread/unarchive");
        assert_eq!((later("0.90.0"), later("0.98.0")), (Some("0.98.0"), None));
    }

    #[test]
    fn what_a_release_cannot_do_is_said_by_name_with_the_one_that_could() {
        let words = "Invalid request: unknown variant `thread/name/set`, expected one of \
                     `initialize`, `thread/start`, `thread/fork`, `turn/start`";
        let refused = unsupported("0.80.0", "thread/name/set", words);
        assert_eq!((refused.status, refused.problem.code.as_str()), (501, "unsupported"));
        assert_eq!(
            refused.problem.message,
            "codex 0.80.0 has no thread/name/set; 0.98.0 is the first of the recorded releases that does"
        );
        assert_eq!(refused.problem.details["near"], json!(["thread/start", "thread/fork"]));
        let gone = unsupported("0.169.0", "thread/rollback", "").problem;
        let words = "0.155.1 is the last of the recorded releases that does";
        assert!(gone.message.ends_with(words), "{gone:?}");
        assert!(!gone.hint.unwrap().contains("newer"));
        let other = unsupported(
            "0.80.0",
            "turn/fly",
            "unknown variant `turn/fly`, expected one of `turn/start`",
        );
        assert_eq!(other.problem.hint.as_deref(), Some("it has turn/start"));
    }
}
