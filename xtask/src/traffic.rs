//! `cargo xtask traffic`: the model that `sm fixture gen` makes traffic from, cut out of recordings.
//!
//! What always holds: every line of the model is a recorded line in which only ids, times, token
//! totals and the ids of requests have become slots; so its methods, sizes, order and pauses are the
//! recorded ones. A turn is taken whole or not at all, its sub-agents' turns with it, and only where
//! each turn of it has its end and each item its completion or an interrupted turn.

use crate::project_root;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The release whose traffic is taken.
const RELEASE: &str = "0.169.0";

/// Where its recordings lie.
const FOLDERS: &[&str] = &["fixtures/captures/codex-0.169.0", "fixtures/codex/0.169.0"];

/// The recording that a server's and a session's first lines are taken from.
const FIRST_LINES: &str = "fixtures/codex/0.169.0/basic.jsonl";

/// The model.
pub const MODEL: &str = "fixtures/traffic/src/model.txt";

/// A turn with more bytes is left out: a handful of those would be half of the model.
const TURN_BYTES_MAX: usize = 100_000;

/// Writes the model anew.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("`cargo xtask traffic` takes no arguments".to_owned());
    }
    let root = project_root();
    let (text, turns) = model(&root)?;
    std::fs::write(root.join(MODEL), &text).map_err(|error| format!("{MODEL}: {error}"))?;
    println!("{MODEL}: {turns} turns, {} bytes", text.len());
    Ok(())
}

/// The model's text, and how many turns it has.
fn model(root: &Path) -> Result<(String, usize), String> {
    let mut parts = String::new();
    let mut lines = Lines::default();
    let read = |path: &str| {
        let bytes = std::fs::read_to_string(root.join(path));
        bytes.map_err(|error| format!("{path}: {error}"))
    };
    first_lines(&read(FIRST_LINES)?, &mut lines, &mut parts)?;
    let mut turns = 0;
    for folder in FOLDERS {
        let entries =
            std::fs::read_dir(root.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| name.ends_with(".jsonl") && !name.ends_with(".tap.jsonl"))
            .collect();
        names.sort();
        for name in names {
            let transcript = Transcript::read(&read(&format!("{folder}/{name}"))?)?;
            for turn in transcript.turns() {
                let bytes: usize = turn.iter().map(|line| line.text.len()).sum();
                if bytes > TURN_BYTES_MAX {
                    continue;
                }
                let slots = Slots::new(&turn, &transcript.totals_before(&turn));
                let body = slots.fill(&turn, &mut lines);
                turns += 1;
                let of = name.trim_end_matches(".jsonl");
                // Writing to a String cannot fail.
                let _ = write!(parts, "\n[turn {of}]\n{body}");
            }
        }
    }
    let text = format!(
        "# Turns of codex {RELEASE}, cut out of fixtures/ by `cargo xtask traffic`; not to be edited.\n\
         # First the messages, with slots; then the parts: milliseconds since the part began, the\n\
         # number of the message from 0, and the text of a delta.\n\n[lines]\n{}\n{parts}",
        lines.all.join("\n")
    );
    Ok((text, turns))
}

/// What a server says first, and what it says of a new thread.
fn first_lines(transcript: &str, kept: &mut Lines, parts: &mut String) -> Result<(), String> {
    let transcript = Transcript::read(transcript)?;
    let lines = &transcript.lines;
    let opened = lines.iter().position(|line| line.json.pointer("/result/thread").is_some());
    let opened = opened.ok_or("no thread is started in the recording of the first lines")?;
    let started = lines.iter().position(|line| line.method == "thread/started");
    let started = started.ok_or("no thread/started in the recording of the first lines")?;
    let start: Vec<&Line> = lines[..opened].iter().collect();
    let session = vec![&lines[opened], &lines[started]];
    for (name, lines) in [("start", start), ("session", session)] {
        let _ = write!(parts, "\n[{name}]\n{}", Slots::new(&lines, &[]).fill(&lines, kept));
    }
    Ok(())
}

/// The messages of the model: each once, however often it came.
#[derive(Default)]
struct Lines {
    all: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Lines {
    fn number(&mut self, line: String) -> usize {
        *self.numbers.entry(line).or_insert_with_key(|line| {
            self.all.push(line.clone());
            self.all.len() - 1
        })
    }
}

/// One recorded line.
struct Line {
    text: String,
    json: Value,
    method: String,
    thread: Option<String>,
    /// When it was sent; a response, which does not say, when the line before it was.
    ms: i64,
}

impl Line {
    fn at(&self, pointer: &str) -> Option<&str> {
        self.json.pointer(pointer)?.as_str()
    }

    /// The turn that the line begins or ends.
    fn turn(&self) -> Option<&str> {
        self.at("/params/turn/id")
    }

    fn item(&self) -> Option<&str> {
        self.at("/params/item/id")
    }

    /// The token totals, in the order in which they stand.
    fn totals(&self) -> Vec<i64> {
        total_numbers(&self.text).into_iter().map(|(_, number)| number).collect()
    }
}

struct Transcript {
    lines: Vec<Line>,
}

impl Transcript {
    fn read(text: &str) -> Result<Transcript, String> {
        let mut ms = None;
        let mut lines = Vec::new();
        for text in text.lines() {
            let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            ms = json.get("emittedAtMs").and_then(Value::as_i64).or(ms);
            let params = &json["params"];
            let thread = params["threadId"].as_str().or(params["thread"]["id"].as_str());
            lines.push(Line {
                text: text.to_owned(),
                method: json["method"].as_str().unwrap_or("").to_owned(),
                thread: thread.map(str::to_owned),
                ms: ms.unwrap_or(0),
                json,
            });
        }
        // What comes before the first time has that.
        let first = lines.iter().map(|line| line.ms).find(|ms| *ms > 0).unwrap_or(0);
        lines.iter_mut().filter(|line| line.ms == 0).for_each(|line| line.ms = first);
        Ok(Transcript { lines })
    }

    /// The thread that spawned each sub-agent.
    fn parents(&self) -> BTreeMap<&str, &str> {
        let mut parents = BTreeMap::new();
        for line in &self.lines {
            let (Some(parent), Some(item)) = (&line.thread, line.json.pointer("/params/item"))
            else {
                continue;
            };
            let named = [&item["agentThreadId"], &item["newThreadId"]];
            let several = item["receiverThreadIds"].as_array().into_iter().flatten();
            for child in named.into_iter().chain(several).filter_map(Value::as_str) {
                if child != parent {
                    parents.entry(child).or_insert(parent.as_str());
                }
            }
        }
        parents
    }

    /// Every turn of a thread that is nobody's sub-agent, whole and well-formed.
    fn turns(&self) -> Vec<Vec<&Line>> {
        let greetings = self.lines.iter().filter(|line| line.at("/result/userAgent").is_some());
        // After a restart of the server nothing of a turn may be missing that the other one said.
        if greetings.count() != 1 {
            return Vec::new();
        }
        let parents = self.parents();
        let begins = self.lines.iter().enumerate().filter(|(_, line)| {
            let thread = line.thread.as_deref();
            line.method == "turn/started" && thread.is_some_and(|id| !parents.contains_key(id))
        });
        begins.filter_map(|(at, _)| self.turn_at(at, &parents)).collect()
    }

    fn turn_at(&self, begin: usize, parents: &BTreeMap<&str, &str>) -> Option<Vec<&Line>> {
        let (root, turn) = (self.lines[begin].thread.as_deref()?, self.lines[begin].turn()?);
        let ends = |line: &Line| line.method == "turn/completed" && line.turn() == Some(turn);
        let end = begin + self.lines[begin..].iter().position(ends)?;
        let answers = |line: &&Line| line.at("/result/turn/id") == Some(turn);
        let answer = self.lines[..begin].iter().position(|line| answers(&line));
        let woken = (0..begin).rev().find(|at| self.lines[*at].thread.as_deref() == Some(root));
        let woken = woken.filter(|at| self.lines[*at].method == "thread/status/changed");
        let first = [answer, woken].into_iter().flatten().min().unwrap_or(begin);
        let whole = &self.lines[first..=end];
        let is_mine =
            |line: &Line| line.thread.as_deref().is_some_and(|id| root_of(id, parents) == root);
        let alone = whole.iter().all(|line| line.thread.is_none() || is_mine(line));
        let belongs = |line: &&Line| match &line.thread {
            Some(_) => is_mine(line),
            None => answers(line) || (alone && !line.method.is_empty()),
        };
        let lines: Vec<&Line> = whole.iter().filter(belongs).collect();
        // A sub-agent's whole life lies in the turn that spawned it.
        let known = |line: &&Line| is_mine(line) && line.thread.as_deref() != Some(root);
        let elsewhere =
            self.lines[..first].iter().chain(&self.lines[end + 1..]).any(|line| known(&line));
        (!elsewhere && is_well_formed(&lines, turn)).then_some(lines)
    }

    /// A thread's token totals before a turn.
    fn totals_before(&self, turn: &[&Line]) -> Vec<i64> {
        let root = turn.iter().find_map(|line| line.thread.as_ref());
        let first = turn[0].text.as_str();
        let before = self.lines.iter().take_while(|line| line.text != first);
        let totals = before.filter(|line| line.thread.as_ref() == root).map(Line::totals);
        totals.filter(|totals| !totals.is_empty()).last().unwrap_or_default()
    }
}

/// The thread that nobody spawned, above `thread` or itself.
fn root_of<'t>(mut thread: &'t str, parents: &BTreeMap<&str, &'t str>) -> &'t str {
    for _ in 0..parents.len() {
        thread = parents.get(thread).copied().unwrap_or(thread);
    }
    thread
}

/// Whether every turn has its end, and every item its completion or a turn that did not complete.
fn is_well_formed(lines: &[&Line], root_turn: &str) -> bool {
    let of = |method: &str, key: &dyn Fn(&Line) -> Option<String>| -> Vec<String> {
        lines.iter().filter(|line| line.method == method).filter_map(|line| key(line)).collect()
    };
    let turn = |line: &Line| line.turn().map(str::to_owned);
    let item = |line: &Line| Some(format!("{} {}", line.at("/params/turnId")?, line.item()?));
    let unique = |list: &[String]| list.iter().collect::<BTreeSet<_>>().len() == list.len();
    let (begun, ended) = (of("turn/started", &turn), of("turn/completed", &turn));
    let same = begun.iter().collect::<BTreeSet<_>>() == ended.iter().collect::<BTreeSet<_>>();
    let (started, completed) = (of("item/started", &item), of("item/completed", &item));
    let cut_off = |key: &String| {
        lines.iter().any(|line| {
            line.method == "turn/completed"
                && line.turn().is_some_and(|turn| key.starts_with(turn))
                && line.at("/params/turn/status") != Some("completed")
        })
    };
    let paired = completed.iter().all(|key| started.contains(key))
        && started.iter().all(|key| completed.contains(key) || cut_off(key));
    let of_known_turns = started.iter().all(|key| begun.iter().any(|turn| key.starts_with(turn)));
    begun.contains(&root_turn.to_owned())
        && same
        && paired
        && of_known_turns
        && [begun, ended, started, completed].iter().all(|list| unique(list))
}

/// What of a turn differs each time it is made.
struct Slots {
    /// What stands in the text, and the slot for it; longest first.
    words: Vec<(String, String)>,
    /// The ids of the server's requests.
    requests: Vec<i64>,
    root: Option<String>,
    totals: Vec<i64>,
    begin: i64,
}

impl Slots {
    fn new(lines: &[&Line], totals: &[i64]) -> Slots {
        let root = lines.iter().find_map(|line| line.thread.clone());
        let mut uuids: Vec<String> = root.iter().cloned().collect();
        let (mut items, mut requests) = (Vec::new(), Vec::new());
        for line in lines {
            for uuid in uuids_in(&line.text) {
                if !uuid.starts_with("00000000") && !uuids.contains(&uuid) {
                    uuids.push(uuid);
                }
            }
            let named = ["/params/item/id", "/params/itemId", "/params/callId"];
            for id in named.into_iter().filter_map(|pointer| line.at(pointer)) {
                if uuids_in(id).is_empty() && !items.contains(&id.to_owned()) {
                    items.push(id.to_owned());
                }
            }
            let id = line.json.get("id").and_then(Value::as_i64);
            requests.extend(id.filter(|_| !line.method.is_empty()));
        }
        let uuid = |(at, uuid): (usize, &String)| {
            // The version of a UUID says whether it holds a time.
            let kind = if uuid.as_bytes().get(14) == Some(&b'7') { 'u' } else { 'w' };
            (uuid.clone(), format!("«{kind}{at}»"))
        };
        let item = |(at, id): (usize, &String)| {
            let head = id.split(['_', '-']).next().unwrap_or("item");
            (format!("\"{id}\""), format!("\"{head}_«i{at}»\""))
        };
        let mut words: Vec<(String, String)> = uuids.iter().enumerate().map(uuid).collect();
        words.extend(items.iter().enumerate().map(item));
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let begin = lines.first().map_or(0, |line| line.ms);
        Slots { words, requests, root, totals: totals.to_vec(), begin }
    }

    fn fill(&self, lines: &[&Line], kept: &mut Lines) -> String {
        let mut text = String::new();
        for line in lines {
            let (message, delta) = without_delta(&self.line(line));
            let number = kept.number(message);
            let ms = (line.ms - self.begin).max(0);
            let _ = match delta.is_empty() {
                true => writeln!(text, "{ms} {number}"),
                false => writeln!(text, "{ms} {number} {delta}"),
            };
        }
        text
    }

    fn line(&self, line: &Line) -> String {
        let mut text = line.text.clone();
        // Totals of the thread itself go on from turn to turn; a sub-agent's begin with it.
        if line.thread == self.root {
            for (at, (place, number)) in total_numbers(&line.text).into_iter().enumerate().rev() {
                let more = (number - self.totals.get(at).unwrap_or(&0)).max(0);
                let end = place + number.to_string().len();
                text.replace_range(place..end, &format!("«k{at}+{more}»"));
            }
        }
        for (word, slot) in &self.words {
            text = text.replace(word, slot);
        }
        text = times(&text, line.ms);
        let asks = !line.method.is_empty();
        if let Some(id) = line.json.get("id").and_then(Value::as_i64) {
            let slot = match self.requests.iter().position(|request| *request == id) {
                Some(at) if asks => format!("\"id\":«q{at}»"),
                _ => "\"id\":«a»".to_owned(),
            };
            text = text.replacen(&format!("\"id\":{id}"), &slot, 1);
        }
        if let Some(id) = line.json.pointer("/params/requestId").and_then(Value::as_i64)
            && let Some(at) = self.requests.iter().position(|request| *request == id)
        {
            text =
                text.replacen(&format!("\"requestId\":{id}"), &format!("\"requestId\":«q{at}»"), 1);
        }
        if let Some(agent) = line.at("/result/userAgent") {
            let generated = format!(
                "sm-fixture-gen/{RELEASE} (generated, not recorded: sm fixture gen «plan»)"
            );
            text = text.replacen(agent, &generated, 1);
        }
        text
    }
}

/// Unix times in milliseconds and seconds become distances from the message's own.
fn times(text: &str, own: i64) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(colon) = rest.find(':') {
        let (head, tail) = rest.split_at(colon + 1);
        out += head;
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let number: Option<i64> = tail[..digits].parse().ok();
        let slot = match (digits, number) {
            (13, Some(ms)) if (ms - own).abs() < 86_400_000 => Some(format!("«m{:+}»", ms - own)),
            (10, Some(s)) if (s - own / 1000).abs() < 86_400 => {
                Some(format!("«s{:+}»", s - own / 1000))
            }
            _ => None,
        };
        rest = match slot {
            Some(slot) => {
                out += &slot;
                &tail[digits..]
            }
            None => tail,
        };
    }
    out + rest
}

/// A message with a slot for its delta, and the delta as it stands in the JSON.
fn without_delta(text: &str) -> (String, String) {
    const HEAD: &str = "\"delta\":\"";
    let Some(begin) = text.find(HEAD).map(|at| at + HEAD.len()) else {
        return (text.to_owned(), String::new());
    };
    let mut escaped = false;
    let end = text[begin..].find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end = begin + end.unwrap_or(0);
    (format!("{}«d»{}", &text[..begin], &text[end..]), text[begin..end].to_owned())
}

/// The numbers of a message's token totals, and where they stand.
fn total_numbers(text: &str) -> Vec<(usize, i64)> {
    let Some(begin) = text.find("\"total\":{\"totalTokens\":") else { return Vec::new() };
    let end = begin + text[begin..].find('}').unwrap_or(0);
    let mut found = Vec::new();
    let mut at = begin + "\"total\":{".len();
    while let Some(colon) = text[at..end].find(':') {
        at += colon + 1;
        let digits = text[at..end].bytes().take_while(u8::is_ascii_digit).count();
        found.extend(text[at..at + digits].parse().ok().map(|number| (at, number)));
    }
    found
}

/// Every UUID in a text.
fn uuids_in(text: &str) -> Vec<String> {
    let is_uuid = |word: &[u8]| {
        word.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        })
    };
    let found = text.as_bytes().windows(36).filter(|word| is_uuid(word));
    found.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_what_the_recordings_give() {
        let root = project_root();
        let (text, turns) = model(&root).expect("the recordings can be read");
        let kept = std::fs::read_to_string(root.join(MODEL)).expect("the model is kept");
        assert!(turns > 100, "only {turns} turns are whole");
        assert!(text == kept, "the recordings give another model: run `cargo xtask traffic`");
    }

    #[test]
    fn a_line_keeps_all_but_its_ids_times_and_totals() {
        let line = r#"{"method":"thread/tokenUsage/updated","params":{"threadId":"01a1fc13-1e35-7943-93db-657c0ba20756","tokenUsage":{"total":{"totalTokens":134,"inputTokens":120},"last":{"totalTokens":34}}},"emittedAtMs":1795230473960}"#;
        let transcript = Transcript::read(line).expect("a line");
        let lines: Vec<&Line> = transcript.lines.iter().collect();
        let mut kept = Lines::default();
        assert_eq!(Slots::new(&lines, &[100, 100]).fill(&lines, &mut kept), "0 0\n");
        assert_eq!(
            kept.all,
            [
                r#"{"method":"thread/tokenUsage/updated","params":{"threadId":"«u0»","tokenUsage":{"total":{"totalTokens":«k0+34»,"inputTokens":«k1+20»},"last":{"totalTokens":34}}},"emittedAtMs":«m+0»}"#
            ]
        );
    }

    #[test]
    fn a_delta_is_taken_out_with_its_escapes() {
        let (message, delta) = without_delta(r#"{"delta":"a\"b\\","x":1}"#);
        assert_eq!(message, r#"{"delta":"«d»","x":1}"#);
        assert_eq!(delta, r#"a\"b\\"#);
    }
}
