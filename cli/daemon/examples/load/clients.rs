//! Whoever uses `sm`: each worker has sessions of its own, the answerers answer for all.
//!
//! What always holds: a message whose answer was lost is sent again under its key, as a client should.

use crate::stage::{Answer, Stage, Told};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a client goes on trying to get a message through.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many sessions a worker has at once.
const SESSIONS_MAX: usize = 3;

/// Each message has a number of its own.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a message begins with, so that it is found again in Codex's own files.
pub fn marker(number: u64) -> String {
    format!("load message {number}.")
}

pub struct Work<'s> {
    stage: &'s Stage,
    rng: fastrand::Rng,
    number: u64,
    sessions: Vec<String>,
}

impl<'s> Work<'s> {
    pub fn new(stage: &'s Stage, rng: fastrand::Rng, number: u64) -> Work<'s> {
        Work { stage, rng, number, sessions: Vec::new() }
    }

    pub fn go_on_until(mut self, deadline: Instant) {
        while Instant::now() < deadline {
            self.act();
            std::thread::sleep(Duration::from_millis(self.rng.u64(50..1_500)));
        }
    }

    fn act(&mut self) {
        let Some(session) = self.rng.choice(&self.sessions).cloned() else { return self.spawn() };
        let session = session.as_str();
        match self.rng.u32(0..100) {
            0..30 => self.send(session, &[]),
            30..42 => self.send(session, &["--queue"]),
            42..54 => self.send(session, &["--steer"]),
            54..64 => self.send(session, &["--urgent"]),
            64..70 => self.send(session, &["--plan"]),
            70..78 => drop(self.stage.sm(&["interrupt", session])),
            78..83 => self.change_what_waits(session),
            83..86 => drop(self.stage.sm(&["queue", "hold", session])),
            86..90 => drop(self.stage.sm(&["queue", "release", session])),
            90..93 => self.stop(session),
            93..96 => self.fork(session),
            96..98 => drop(self.stage.sm(&["compact", session])),
            _ => self.spawn(),
        }
    }

    fn spawn(&mut self) {
        if self.sessions.len() >= SESSIONS_MAX {
            return;
        }
        let (number, work) = (NEXT.fetch_add(1, Ordering::Relaxed), self.stage.work());
        let asks = if self.number.is_multiple_of(2) { "untrusted" } else { "never" };
        let label = format!("worker={}", self.number);
        let prompt = format!("{}\n{}", marker(number), self.script(number));
        let mut words = vec!["spawn", "--cwd", &work, "--sandbox", "danger-full-access"];
        words.extend(["--approval", asks, "-l", &label]);
        if self.rng.bool() {
            words.push(&prompt);
        }
        let spawned = self.stage.sm(&words);
        self.sessions.extend(spawned.document["id"].as_str().map(str::to_owned));
    }

    fn fork(&mut self, session: &str) {
        if self.sessions.len() < SESSIONS_MAX {
            let forked = self.stage.sm(&["fork", session]);
            self.sessions.extend(forked.document["id"].as_str().map(str::to_owned));
        }
    }

    /// Stops a session; most are resumed.
    fn stop(&mut self, session: &str) {
        self.stage.sm(&["stop", session]);
        if self.rng.u32(0..4) == 0 {
            self.sessions.retain(|other| other != session);
            return;
        }
        std::thread::sleep(Duration::from_millis(self.rng.u64(0..1_000)));
        self.stage.sm(&["resume", session]);
    }

    /// Edits, takes back or tries again something of what waits or was not taken.
    fn change_what_waits(&mut self, session: &str) {
        let listed = self.stage.sm(&["queue", session]).document;
        let pick = |rng: &mut fastrand::Rng, list: &str| {
            let rows = listed[list].as_array().cloned().unwrap_or_default();
            rng.choice(rows).and_then(|row| row["id"].as_str().map(str::to_owned))
        };
        if let Some(input) = pick(&mut self.rng, "inputs") {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            match self.rng.bool() {
                true => self.stage.sm(&[
                    "queue",
                    "edit",
                    &input,
                    &format!("{}\nsay: edited", marker(number)),
                ]),
                false => self.stage.sm(&["queue", "cancel", &input]),
            };
        }
        if let Some(input) = pick(&mut self.rng, "undelivered") {
            self.stage.sm(&["queue", "retry", &input]);
        }
    }

    /// Sends a message until it is known what became of it; now and then by two at once, or once more.
    fn send(&mut self, session: &str, how: &[&str]) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let script = match how {
            ["--plan"] => "ask: colour=Which colour? [red|blue]\nsay: thanks".to_owned(),
            _ => self.script(number),
        };
        let (key, text) = (format!("key-{number}"), format!("{}\n{script}", marker(number)));
        let once = || send_until_known(self.stage, session, &key, &text, how);
        match self.rng.u32(0..20) {
            0 => std::thread::scope(|scope| {
                scope.spawn(once);
                scope.spawn(once);
            }),
            1 | 2 => {
                once();
                once();
            }
            _ => once(),
        }
    }

    fn script(&mut self, number: u64) -> String {
        let (number, words) = (number, self.rng.u32(5..60));
        match self.rng.u32(0..12) {
            0 | 1 => format!("say: done {number}"),
            2 | 3 => format!("slow: {words} 15"),
            4 => format!("think: {words} 5\nsay: thought {number}"),
            5 | 6 => format!("run: echo {number}\nsay: ran {number}"),
            7 => format!("run: sleep 0.{number}; echo {number}\nrun: echo more\nsay: ran twice"),
            8 => format!("patch: file-{number}\nsay: patched"),
            9 => "dyn: sm_children {}\nsay: looked".to_owned(),
            10 => "fail: 500 x1\nsay: after a failure".to_owned(),
            _ => format!(
                "dyn: sm_spawn {{\"prompt\": \"say: child of {number}\"}}\nsay: had a child"
            ),
        }
    }
}

fn send_until_known(stage: &Stage, session: &str, key: &str, text: &str, how: &[&str]) {
    let began = Instant::now();
    let mut words = vec!["send", session, text, "--key", key];
    words.extend(how);
    loop {
        let answer = stage.sm(&words);
        if let Some(told) = told(&answer, key, text) {
            stage.tell(told);
        }
        // A refusal is an answer; that a human is waited for is one, too.
        let is_lost = answer.is_retryable() && answer.code() != "pending_structured_request";
        if !is_lost || began.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn told(answer: &Answer, key: &str, text: &str) -> Option<Told> {
    let taken = answer.document["inputs"].get(0)?;
    Some(Told::Sent {
        key: key.to_owned(),
        text: text.to_owned(),
        input: taken["input"].as_u64()?,
        status: taken["status"].as_str()?.to_owned(),
        turn: taken["turn_id"].as_str().map(str::to_owned),
    })
}

/// Answers what is asked, at odds with the others; once it is `calm` all of it, and kindly.
pub fn answer(stage: &Stage, mut rng: fastrand::Rng, over: &AtomicBool, calm: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(rng.u64(100..1_500)));
        let calm = calm.load(Ordering::Relaxed);
        let inbox = stage.sm(&["inbox"]).document;
        let mut asked = inbox["requests"].as_array().cloned().unwrap_or_default();
        rng.shuffle(&mut asked);
        for request in asked {
            // Some are left for an interrupt, a stop or a kill to meet.
            if calm || rng.u32(0..3) > 0 {
                decide(stage, &mut rng, &request, calm);
            }
        }
    }
}

fn decide(stage: &Stage, rng: &mut fastrand::Rng, request: &Value, calm: bool) {
    let Some(id) = request["id"].as_str() else { return };
    let asks = request["kind"] == "user_input";
    let (words, decision): (Vec<&str>, &str) = match (asks, rng.u32(0..10)) {
        (true, _) => (
            vec!["answer", id, *rng.choice(["colour=red", "colour=blue"].iter()).unwrap()],
            "answer",
        ),
        (_, 0..6) => (vec!["approve", id], "accept"),
        (_, _) if calm => (vec!["approve", id], "accept"),
        (_, 6) => (vec!["approve", id, "--for-session"], "acceptForSession"),
        (_, 7) => (vec!["deny", id, "--cancel"], "cancel"),
        _ => (vec!["deny", id, "--say", "another way, please"], "decline"),
    };
    let answer = stage.sm(&words);
    let number = id.trim_start_matches('r').parse();
    if let (0, Ok(request)) = (answer.exit, number) {
        let repeated = answer.document["answers"][0]["repeated"] == true;
        stage.tell(Told::Answered { request, decision: decision.to_owned(), repeated });
    }
}
