//! What Codex wrote down of a turn, in its own file of the thread.
//!
//! What always holds: the file is only read, and a line that is none of those that are looked for is passed over,
//! whatever it is: what is not understood proves nothing.

use super::unknown::Found;
use serde_json::Value;
use sm_projections::rows::InputStatus;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Looks for a message for the model of that text in those turns.
pub(super) fn find(file: &Path, turns: &[String], text: &str) -> Found {
    match File::open(file) {
        Ok(file) => find_in(BufReader::new(file), turns, text),
        Err(_) => Found::Unsure,
    }
}

/// [`Found::Absent`] only where each of the turns is there, from its begin on, and none has it.
fn find_in(lines: impl BufRead, turns: &[String], text: &str) -> Found {
    // The turn that a line is of, if it is one of those.
    let (mut of, mut seen) = (None, BTreeSet::new());
    for line in lines.split(b'\n') {
        let Ok(line) = line else { return Found::Unsure };
        let line: Value = serde_json::from_slice(&line).unwrap_or_default();
        let payload = &line["payload"];
        match (line["type"].as_str(), payload["type"].as_str()) {
            (Some("event_msg"), Some("task_started" | "turn_started")) => {
                of = turns.iter().find(|id| payload["turn_id"].as_str() == Some(id));
                seen.extend(of);
            }
            (Some("response_item"), Some("message")) if payload["role"] == "user" => {
                let content = payload["content"].as_array().into_iter().flatten();
                let mut texts = content.filter_map(|part| part["text"].as_str());
                if let Some(turn) = of
                    && texts.any(|found| found == text)
                {
                    return Found::Taken(InputStatus::Started, turn.clone());
                }
            }
            _ => {}
        }
    }
    match turns.iter().all(|id| seen.contains(id)) {
        true => Found::Absent,
        false => Found::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Codex 0.169 writes them, without what is not read.
    const LINES: &str = r#"{"type":"event_msg","payload":{"type":"task_started","turn_id":"a"}}
{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"one"}]}}
{"type":"event_msg","payload":{"type":"task_started","turn_id":"b"}}
{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"<turn_aborted>"}]}}
half a li"#;

    #[test]
    fn a_message_is_of_the_turn_that_it_stands_in() {
        let find = |turns: &[&str], text: &str| {
            let turns: Vec<String> = turns.iter().map(|id| (*id).to_owned()).collect();
            find_in(LINES.as_bytes(), &turns, text)
        };
        let taken = Found::Taken(InputStatus::Started, "a".to_owned());
        assert_eq!(find(&["a", "b"], "one"), taken);
        assert_eq!(find(&["b"], "one"), Found::Absent);
        assert_eq!(find(&["a", "b"], "two"), Found::Absent);
        assert_eq!(find(&["c"], "two"), Found::Unsure);
        assert_eq!(
            super::find(Path::new("/no/such/file"), &["a".to_owned()], "one"),
            Found::Unsure
        );
    }
}
