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

/// What Codex tells of the messages of a turn whose lines are looked through.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Its id.
    pub turn: String,
    /// How many messages it tells of.
    pub messages: usize,
    /// How many of them have the text that is looked for.
    pub with_text: usize,
}

/// Looks for a message for the model of that text in those turns, beyond those that Codex tells of.
pub(super) fn find(file: &Path, turns: Vec<Told>, text: &str) -> Found {
    match File::open(file) {
        Ok(file) => find_in(BufReader::new(file), turns, text),
        Err(_) => Found::Unsure,
    }
}

/// [`Found::Absent`] only where each of the turns is there, from its begin on, and none has it.
fn find_in(lines: impl BufRead, mut turns: Vec<Told>, text: &str) -> Found {
    // The turn that a line is of, if it is one of those.
    let (mut of, mut seen) = (None, BTreeSet::new());
    for line in lines.split(b'\n') {
        let Ok(line) = line else { return Found::Unsure };
        let line: Value = serde_json::from_slice(&line).unwrap_or_default();
        let payload = &line["payload"];
        match (line["type"].as_str(), payload["type"].as_str()) {
            (Some("event_msg"), Some("task_started" | "turn_started")) => {
                let id = payload["turn_id"].as_str();
                of = turns.iter().position(|told| Some(told.turn.as_str()) == id);
                seen.extend(of);
            }
            (Some("response_item"), Some("message")) if payload["role"] == "user" => {
                let content = payload["content"].as_array().into_iter().flatten();
                let mut texts = content.filter_map(|part| part["text"].as_str());
                let Some(told) = of.map(|at| &mut turns[at]) else { continue };
                if !texts.any(|found| found == text) {
                    continue;
                }
                match (told.with_text, told.messages) {
                    (0, 0) => return Found::Taken(InputStatus::Started, told.turn.clone()),
                    (0, _) => return Found::Taken(InputStatus::Steered, told.turn.clone()),
                    (others, _) => told.with_text = others - 1,
                }
            }
            _ => {}
        }
    }
    match seen.len() == turns.len() {
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
        let find = |turns: &[(&str, usize, usize)], text: &str| {
            let told = |&(turn, messages, with_text): &(&str, usize, usize)| Told {
                turn: turn.to_owned(),
                messages,
                with_text,
            };
            find_in(LINES.as_bytes(), turns.iter().map(told).collect(), text)
        };
        let taken = |status| Found::Taken(status, "a".to_owned());
        assert_eq!(find(&[("a", 0, 0), ("b", 0, 0)], "one"), taken(InputStatus::Started));
        assert_eq!(find(&[("b", 0, 0)], "one"), Found::Absent);
        assert_eq!(find(&[("a", 0, 0), ("b", 0, 0)], "two"), Found::Absent);
        assert_eq!(find(&[("c", 0, 0)], "two"), Found::Unsure);
        // Another message began that turn; or it is that other message that has the text.
        assert_eq!(find(&[("a", 1, 0)], "one"), taken(InputStatus::Steered));
        assert_eq!(find(&[("a", 1, 1)], "one"), Found::Absent);
        assert_eq!(super::find(Path::new("/no/such/file"), Vec::new(), "one"), Found::Unsure);
    }
}
