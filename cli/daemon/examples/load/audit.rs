//! What the log alone says of every message, request and turn, held against what clients were told and
//! what Codex wrote down itself.
//!
//! What always holds: nothing here asks a table or a fold; a fault names the record to look at.

use crate::rollouts;
use crate::stage::{Stage, Told};
use serde_json::Value;
use sm_log::{Direction, Item, OwnedRecord, Reader};
use sm_protocol::synthetic::{InputAccepted, Synthetic};
use sm_protocol::{Envelope, Kind, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What was found.
#[derive(Default)]
pub struct Found {
    pub faults: Vec<String>,
    pub summary: String,
}

/// A message: from its acceptance to its end.
#[derive(Default)]
struct Input {
    thread: String,
    key: Option<String>,
    mode: String,
    /// As it was accepted.
    text: String,
    /// As it was last changed.
    now: String,
    status: Option<String>,
    turn: Option<String>,
    reason: Option<String>,
    statuses: Vec<String>,
    /// The calls that took it to Codex.
    sends: Vec<Call>,
    /// The turns whose items carry it.
    carried_by: BTreeSet<String>,
    /// How it stands is told by Codex's record of it, and by none of the daemon's.
    by_codex_alone: bool,
    /// The turns that took it, were cut off, and never told of it.
    cut_off: BTreeSet<String>,
}

/// A call of Codex, by the life of the server and its number there.
type Call = (u64, u32, String);

#[derive(Default)]
struct Turn {
    seq: u64,
    thread: String,
    life: (u64, u32),
    status: Option<String>,
}

#[derive(Default)]
struct Request {
    method: String,
    thread: String,
    turn: Option<String>,
    item: Option<String>,
    call: Call,
    decided: Vec<String>,
    answers: u32,
    closed: bool,
}

/// Everything that the log says.
#[derive(Default)]
struct Account {
    records: u64,
    inputs: BTreeMap<u64, Input>,
    /// The calls that were made, and what they brought: a turn, an error, or nothing yet.
    calls: BTreeMap<Call, (u64, String, Vec<Value>)>,
    /// By their id of Codex's.
    turns: BTreeMap<String, Turn>,
    requests: BTreeMap<u64, Request>,
    lives: BTreeMap<(u64, u32), u32>,
    forks: BTreeSet<String>,
    /// The turns of which Codex told when a thread was read.
    read: BTreeSet<String>,
    compacted: BTreeSet<String>,
    faults: Vec<String>,
}

/// Reads the log and holds it against all else.
pub fn audit(stage: &Stage, told: &[Told]) -> Found {
    let mut account = Account::default();
    let mut cursor = Reader::open(stage.log()).unwrap().cursor(1).unwrap();
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => account.take(&record.to_owned()),
            Item::Gap(gap) => account.faults.push(format!("the log has a gap: {gap}")),
        }
    }
    account.check_inputs();
    account.check_turns();
    account.check_requests();
    account.check_calls();
    account.check_told(told);
    account.check_rollouts(&rollouts::user_messages(&stage.codex_home()));
    Found { summary: account.summary(told), faults: account.faults }
}

fn words<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}

fn owned(value: &Value, path: &str) -> Option<String> {
    words(value, path).map(str::to_owned)
}

impl Account {
    fn take(&mut self, record: &OwnedRecord) {
        self.records += 1;
        if record.seq != self.records {
            self.faults.push(format!("record {} is in the place of {}", record.seq, self.records));
        }
        match record.direction {
            Direction::Own => self.take_own(record),
            Direction::Client => self.take_client(record),
            Direction::Server => self.take_server(record),
        }
    }

    fn take_own(&mut self, record: &OwnedRecord) {
        let thread = String::from_utf8_lossy(&record.session).into_owned();
        match Synthetic::from_payload(&record.payload) {
            Some(Synthetic::InputAccepted(accepted)) => {
                let InputAccepted { text, key, mode, .. } = accepted;
                let now = text.clone();
                let input = Input { thread, key, mode, now, text, ..Input::default() };
                self.inputs.insert(record.seq, input);
            }
            Some(Synthetic::InputChanged(changed)) => match self.inputs.get_mut(&changed.input) {
                Some(input) => {
                    input.statuses.push(changed.status.clone());
                    input.by_codex_alone = false;
                    if changed.turn_over && changed.status == "unknown" {
                        input.cut_off.extend(changed.turn.clone());
                    }
                    input.status = Some(changed.status);
                    input.turn = changed.turn;
                    input.reason = changed.reason;
                }
                None => self.faults.push(format!("record {} is of no input", record.seq)),
            },
            Some(Synthetic::InputEdited(edited)) => {
                if let Some(input) = self.inputs.get_mut(&edited.input) {
                    input.now = edited.text;
                }
            }
            Some(Synthetic::RequestDecided(decided)) => {
                match self.requests.get_mut(&decided.request) {
                    Some(request) => request.decided.push(decided.decision),
                    None => self.faults.push(format!("record {} is of no request", record.seq)),
                }
            }
            Some(Synthetic::GenerationStarted(life)) => {
                self.lives.insert((life.source, life.generation), 0);
            }
            Some(Synthetic::GenerationEnded(life)) => {
                *self.lives.entry((life.source, life.generation)).or_default() += 1;
            }
            Some(Synthetic::SessionSpawned(spawned)) if spawned.forked_from.is_some() => {
                self.forks.insert(thread);
            }
            _ => {}
        }
    }

    fn take_client(&mut self, record: &OwnedRecord) {
        let message: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
        let envelope = Envelope::scan(&record.payload);
        let Some(id) = envelope.id else { return };
        let call = (record.source, record.generation, id.0);
        if matches!(Kind(record.kind), Kind::RESPONSE | Kind::ERROR_RESPONSE) {
            let asked = self.requests.values_mut().rev().find(|request| request.call == call);
            match asked {
                Some(request) => request.answers += 1,
                None => self.faults.push(format!("record {} answers nothing", record.seq)),
            }
            return;
        }
        let method = envelope.method.unwrap_or_default().into_owned();
        let thread = words(&message, "/params/threadId").unwrap_or_default();
        if method == "thread/compact/start" {
            self.compacted.insert(thread.to_owned());
        }
        if let Some(name) = words(&message, "/params/clientUserMessageId")
            && let Some(input) =
                name.strip_prefix("sm-input-").and_then(|number| number.parse().ok())
        {
            match self.inputs.get_mut(&input) {
                Some(input) => input.sends.push(call.clone()),
                None => self.faults.push(format!("record {} sends no input", record.seq)),
            }
        }
        self.calls.insert(call, (record.seq, method, Vec::new()));
    }

    fn take_server(&mut self, record: &OwnedRecord) {
        let message: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
        let envelope = Envelope::scan(&record.payload);
        let life = (record.source, record.generation);
        if let Some(id) = envelope.id {
            let call = (life.0, life.1, id.0);
            if envelope.shape == Shape::Request {
                let request = Request {
                    method: envelope.method.unwrap_or_default().into_owned(),
                    thread: owned(&message, "/params/threadId").unwrap_or_default(),
                    turn: owned(&message, "/params/turnId"),
                    item: owned(&message, "/params/itemId"),
                    call,
                    ..Request::default()
                };
                self.requests.insert(record.seq, request);
            } else if let Some((_, method, answers)) = self.calls.get_mut(&call) {
                if method == "thread/read" {
                    let turns = message.pointer("/result/thread/turns").and_then(Value::as_array);
                    let ids = turns.into_iter().flatten().filter_map(|turn| owned(turn, "/id"));
                    self.read.extend(ids);
                }
                answers.push(message);
            } else {
                self.faults.push(format!("record {} answers no call", record.seq));
            }
            return;
        }
        let params = &message["params"];
        match Kind(record.kind) {
            Kind::TURN_STARTED => {
                let thread = owned(params, "/threadId").unwrap_or_default();
                let turn = Turn { seq: record.seq, thread, life, status: None };
                if let Some(id) = owned(params, "/turn/id")
                    && self.turns.insert(id, turn).is_some()
                {
                    self.faults.push(format!("record {} begins a turn again", record.seq));
                }
            }
            Kind::TURN_COMPLETED => {
                let id = words(params, "/turn/id").unwrap_or_default();
                match self.turns.get_mut(id) {
                    Some(turn) if turn.status.is_none() => {
                        turn.status = owned(params, "/turn/status");
                    }
                    _ => self.faults.push(format!("record {} ends no open turn", record.seq)),
                }
                self.close(|request| request.turn.as_deref() == Some(id));
            }
            Kind::ITEM_COMPLETED | Kind::ITEM_STARTED => {
                let turn = owned(params, "/turnId").unwrap_or_default();
                if let Some(name) = words(params, "/item/clientId")
                    && let Some(input) = name.strip_prefix("sm-input-").and_then(|n| n.parse().ok())
                    && let Some(input) = self.inputs.get_mut(&input)
                {
                    let method = input.sends.last().and_then(|call| self.calls.get(call));
                    let is_steered = method.is_some_and(|(_, method, _)| method == "turn/steer");
                    if matches!(input.status.as_deref(), None | Some("queued" | "unknown")) {
                        // A daemon that dies now leaves no other record of it.
                        input.status =
                            Some(if is_steered { "steered" } else { "started" }.to_owned());
                        input.turn = Some(turn.clone());
                        input.by_codex_alone = true;
                    }
                    input.carried_by.insert(turn);
                }
                if Kind(record.kind) == Kind::ITEM_COMPLETED {
                    let item = words(params, "/item/id");
                    self.close(|request| item.is_some() && request.item.as_deref() == item);
                }
            }
            Kind::SERVER_REQUEST_RESOLVED => {
                let id = params["requestId"].to_string();
                self.close(|request| request.call == (life.0, life.1, id.clone()));
            }
            _ => {}
        }
    }

    fn close(&mut self, is_it: impl Fn(&Request) -> bool) {
        let open = self.requests.values_mut().filter(|request| !request.closed);
        open.filter(|request| is_it(request)).for_each(|request| request.closed = true);
    }

    /// What a call brought: a turn or a refusal; `None`: its answer was lost.
    fn brought(&self, call: &Call) -> Option<Result<String, String>> {
        let (_, _, answers) = self.calls.get(call)?;
        let answer = answers.first()?;
        let turn = owned(answer, "/result/turn/id").or_else(|| owned(answer, "/result/turnId"));
        Some(turn.ok_or_else(|| answer["error"]["message"].to_string()))
    }

    fn has_ended(&self, life: (u64, u32)) -> bool {
        self.lives.get(&life).is_some_and(|ends| *ends > 0)
    }

    fn check_inputs(&mut self) {
        let mut faults = Vec::new();
        let mut started: BTreeMap<&str, u64> = BTreeMap::new();
        let mut keys: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for (number, input) in &self.inputs {
            let mut wrong = |what: String| faults.push(format!("input i{number}: {what}"));
            let status = input.status.as_deref().unwrap_or("accepted");
            let mut taken: Vec<String> =
                input.sends.iter().filter_map(|call| self.brought(call)?.ok()).collect();
            // What did not come there was taken by nobody: Codex's own file says so.
            taken.retain(|turn| !input.cut_off.contains(turn) || input.carried_by.contains(turn));
            // A turn that Codex took and died before it began is none.
            let has_begun =
                |turn: &&String| self.turns.contains_key(*turn) || self.read.contains(*turn);
            if taken.iter().filter(has_begun).count() > 1 || input.carried_by.len() > 1 {
                wrong(format!("taken by {taken:?}, carried by {:?}", input.carried_by));
            }
            if let Some(key) = &input.key {
                keys.entry((&input.thread, key)).or_default().push(*number);
            }
            match status {
                "started" | "steered" => {
                    let turn = input.turn.as_deref().unwrap_or_default();
                    let is_told = self.turns.contains_key(turn) || self.read.contains(turn);
                    if !is_told && !taken.iter().any(|id| id == turn) {
                        wrong(format!("{status} as turn {turn:?}, of which nothing is told"));
                    }
                    if status == "started" && started.insert(turn, *number).is_some() {
                        wrong(format!("turn {turn} was begun by another one, too"));
                    }
                }
                "refused" | "failed" | "cancelled" => {
                    if !taken.is_empty() || !input.carried_by.is_empty() {
                        wrong(format!("{status}, and yet taken by {taken:?}"));
                    }
                }
                "unknown" => {
                    if !taken.is_empty() {
                        wrong(format!("unknown, and yet its answer names {taken:?}"));
                    }
                }
                other => wrong(format!("stays {other} ({:?}): {:?}", input.reason, input.statuses)),
            }
        }
        for ((_, key), numbers) in keys {
            let stands = |number: &&u64| {
                let status = self.inputs[*number].status.as_deref();
                !matches!(status, Some("refused" | "failed"))
            };
            let standing: Vec<_> = numbers.iter().filter(stands).collect();
            if standing.len() > 1 {
                faults.push(format!("key {key} was taken as inputs {standing:?}"));
            }
        }
        self.faults.extend(faults);
    }

    fn check_turns(&mut self) {
        let mut faults = Vec::new();
        for (id, turn) in &self.turns {
            let mut wrong =
                |what: &str| faults.push(format!("turn {id}, record {}: {what}", turn.seq));
            if turn.status.is_none() && !self.has_ended(turn.life) {
                wrong("still open, and its server has no end");
            }
            let of_thread = self.inputs.values().filter(|input| input.thread == turn.thread);
            let is_begun = of_thread.clone().any(|input| {
                input.turn.as_deref() == Some(id)
                    || input.carried_by.contains(id)
                    || input.cut_off.contains(id)
            });
            // Its answer may have been lost with the server.
            let mut sends = of_thread.flat_map(|input| &input.sends);
            let may_be =
                sends.any(|call| (call.0, call.1) == turn.life && self.brought(call).is_none());
            if !is_begun && !may_be && !self.compacted.contains(&turn.thread) {
                wrong("nothing began it");
            }
        }
        self.faults.extend(faults);
    }

    fn check_requests(&mut self) {
        let mut faults = Vec::new();
        for (number, request) in &self.requests {
            let mut wrong = |what: String| {
                faults.push(format!(
                    "request r{number} ({} of {}): {what}",
                    request.method, request.thread
                ));
            };
            if request.answers > 1 || request.decided.len() > 1 {
                wrong(format!("{} answers, decided {:?}", request.answers, request.decided));
            }
            let life = (request.call.0, request.call.1);
            if request.answers == 0 && !request.closed && !self.has_ended(life) {
                wrong("not answered, and its server has no end".to_owned());
            }
        }
        self.faults.extend(faults);
    }

    fn check_calls(&mut self) {
        let mut faults = Vec::new();
        for (call, (seq, method, answers)) in &self.calls {
            if answers.len() > 1 {
                faults.push(format!("record {seq}: {method} has {} answers", answers.len()));
            }
            if answers.is_empty() && !self.has_ended((call.0, call.1)) {
                faults.push(format!("record {seq}: {method} has no answer, and its server no end"));
            }
        }
        for (life, ends) in &self.lives {
            if *ends != 1 {
                faults.push(format!("life {} of source {} has {ends} ends", life.1, life.0));
            }
        }
        self.faults.extend(faults);
    }

    /// What clients were told is in the log.
    fn check_told(&mut self, told: &[Told]) {
        let mut faults = Vec::new();
        for told in told {
            match told {
                Told::Sent { key, text, input: number, status, turn } => {
                    let Some(input) = self.inputs.get(number) else {
                        faults.push(format!("{key}: i{number} was told, and is not in the log"));
                        continue;
                    };
                    if (input.key.as_ref(), &input.text) != (Some(key), text) {
                        faults.push(format!("{key}: i{number} is another message"));
                    }
                    // One that is to be queued may be told so while another has its session.
                    let is_in_line = status == "queued" && input.mode == "queue";
                    // A repeat may meet it on its way.
                    let is_on_its_way = status == "accepted" || is_in_line;
                    if !is_on_its_way && !input.statuses.contains(status) {
                        faults.push(format!(
                            "{key}: i{number} was told {status}: {:?}",
                            input.statuses
                        ));
                    }
                    let was_cut_off =
                        turn.as_ref().is_some_and(|turn| input.cut_off.contains(turn));
                    let is_another = turn.is_some() && input.turn.is_some() && *turn != input.turn;
                    if is_another && !was_cut_off {
                        faults.push(format!("{key}: i{number} was told another turn"));
                    }
                }
                Told::Answered { request, decision, repeated } => {
                    let decided = self.requests.get(request).map(|request| &request.decided);
                    if decided.is_none_or(|decided| !decided.contains(decision)) {
                        faults.push(format!(
                            "r{request} was told {decision} (repeated: {repeated}): {decided:?}"
                        ));
                    }
                }
            }
        }
        self.faults.extend(faults);
    }

    /// What Codex says that its threads were told is what was sent, once.
    fn check_rollouts(&mut self, rollouts: &BTreeMap<String, Vec<String>>) {
        let mut faults = Vec::new();
        // One that was not taken may have been sent again.
        let mut sent: BTreeMap<(&str, &str), Vec<&Input>> = BTreeMap::new();
        for input in self.inputs.values().filter(|input| input.now.starts_with("load message")) {
            sent.entry((&input.thread, &input.now)).or_default().push(input);
        }
        for ((thread, text), inputs) in sent {
            let Some(messages) = rollouts.get(thread) else { continue };
            let count = messages.iter().filter(|message| *message == text).count();
            let is_taken =
                |input: &&Input| matches!(input.status.as_deref(), Some("started" | "steered"));
            let is_right = match count {
                0 => !inputs.iter().any(is_taken),
                1 => inputs.iter().any(is_taken),
                _ => false,
            };
            if !is_right {
                let all: Vec<_> = inputs.iter().map(|input| (&input.status, &input.turn)).collect();
                faults
                    .push(format!("{text:?}: {all:?}, {count} times in Codex's file of {thread}"));
            }
        }
        for (thread, messages) in
            rollouts.iter().filter(|(thread, _)| !self.forks.contains(*thread))
        {
            for message in messages.iter().filter(|message| message.starts_with("load message")) {
                let is_it = |input: &Input| input.thread == *thread && input.now == *message;
                if !self.inputs.values().any(is_it) {
                    faults.push(format!(
                        "Codex's thread {thread} has {message:?}, which was not sent"
                    ));
                }
            }
        }
        self.faults.extend(faults);
    }

    fn summary(&self, told: &[Told]) -> String {
        fn tally(words: impl Iterator<Item = String>) -> String {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            words.for_each(|word| *counts.entry(word).or_default() += 1);
            let counts: Vec<_> =
                counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
            counts.join(", ")
        }
        let or =
            |word: &Option<String>, other: &str| word.clone().unwrap_or_else(|| other.to_owned());
        let mut text = String::new();
        let inputs = tally(self.inputs.values().map(|input| or(&input.status, "accepted")));
        let turns = tally(self.turns.values().map(|turn| or(&turn.status, "lost")));
        let fate = |request: &Request| match (request.answers, request.closed) {
            (1.., _) => "answered",
            (_, true) => "cleared",
            _ => "orphaned",
        };
        let requests = tally(self.requests.values().map(|request| fate(request).to_owned()));
        let _ = writeln!(text, "{} records, {} lives of servers", self.records, self.lives.len());
        let alone = self.inputs.values().filter(|input| input.by_codex_alone).count();
        let _ = writeln!(
            text,
            "{} messages: {inputs}; {alone} of them by Codex's record alone",
            self.inputs.len()
        );
        let _ = writeln!(text, "{} turns: {turns}", self.turns.len());
        let _ = writeln!(text, "{} requests: {requests}", self.requests.len());
        let _ = write!(text, "{} answers that clients were given, held against it", told.len());
        text
    }
}
