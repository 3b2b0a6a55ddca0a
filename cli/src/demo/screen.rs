//! What the audience sees: the family and its last actions as they change, and what waits for them.
//!
//! What always holds: at a terminal one picture is drawn over itself and the user is asked; off a
//! terminal there are plain lines, and it answers by itself, saying so.

use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, clean, now_micros};
use crate::read::{Follow, Tables, open_log};
use crate::show::{ActionLine, Extent, SessionShown, action_line, details_text, family_line, show};
use serde_json::json;
use sm_daemon::api;
use sm_daemon::asked::{Details, details};
use sm_projections::rows::{ActionKind, Sid};
use sm_projections::tables::{Sessions, ShortIds};
use sm_projections::views::{self, ActionDoc, RequestDoc, SessionDoc};
use sm_projections::{StoreError, View};
use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long the whole may take where nobody looks.
const ALONE: Duration = Duration::from_secs(50);

/// How long it may take at a terminal, and how long the user may think.
const WATCHED: Duration = Duration::from_secs(600);
const THINKING: Duration = Duration::from_secs(90);

/// Between two pictures.
const PICTURE: Duration = Duration::from_millis(200);

/// How many actions a picture shows.
const ACTIONS: usize = 8;

/// The demo's screen.
pub struct Screen<'c> {
    context: &'c Context,
    /// Who takes answers; none where recorded traffic is shown.
    client: Option<&'c Client<'c>>,
    cast: usize,
    typed: Option<Receiver<String>>,
    drawn: usize,
    told: HashSet<(String, u64)>,
    shown: BTreeMap<String, String>,
    asked: Option<(u64, Instant)>,
    answered: HashSet<u64>,
    /// What the user is told below the picture.
    note: Option<String>,
}

/// All that is shown, of one moment.
struct Scene {
    /// The moment, in Unix microseconds.
    now: i64,
    family: Vec<(usize, SessionShown)>,
    actions: Vec<(String, ActionDoc)>,
    requests: Vec<(RequestDoc, Details)>,
    settled: bool,
}

impl<'c> Screen<'c> {
    /// A screen for `cast` sessions.
    pub fn new(context: &'c Context, client: Option<&'c Client<'c>>, cast: usize) -> Screen<'c> {
        Screen {
            context,
            client,
            cast,
            typed: None,
            drawn: 0,
            told: HashSet::new(),
            shown: BTreeMap::new(),
            asked: None,
            answered: HashSet::new(),
            note: None,
        }
    }

    /// Shows it until all have settled.
    pub fn watch(&mut self, streams: &mut Streams) -> Result<(), Error> {
        self.watch_while(streams, || false)
    }

    /// The same, and until `over` says that no more will come.
    pub fn watch_while(
        &mut self,
        streams: &mut Streams,
        over: impl Fn() -> bool,
    ) -> Result<(), Error> {
        let watched = streams.is_terminal()
            && !self.context.json
            && std::io::IsTerminal::is_terminal(&std::io::stdin());
        if watched && self.client.is_some() {
            self.typed = Some(read_lines());
        }
        let context = self.context;
        let mut follow = Follow::new(context);
        let (began, most) = (Instant::now(), if watched { WATCHED } else { ALONE });
        loop {
            // Asked first: what it says over is then in the tables.
            let ended = over();
            let tables = follow.next(streams)?;
            let scene = self.scene(tables)?;
            if self.context.json {
                self.documents(streams, &scene)?;
            } else if streams.is_terminal() {
                self.picture(streams, &scene)?;
            } else {
                self.lines(streams, &scene)?;
            }
            self.answer(streams, &scene)?;
            if ended || scene.settled && self.client.is_some() {
                return Ok(());
            }
            if began.elapsed() > most {
                streams.say("The time is over; the rest is cut short.");
                return Ok(());
            }
            follow.pause(streams, PICTURE)?;
        }
    }

    fn scene(&self, tables: &Tables) -> Result<Scene, Error> {
        let (view, mut lives) = (&tables.view()?, tables.lives());
        let mut docs = Vec::new();
        let heads = views::sessions(view, usize::MAX, |session| session.parent.is_none())?;
        for head in heads.into_iter().rev() {
            let sid = sid_of(view, &head.id)?;
            docs.push((0, head));
            if let Some(sid) = sid {
                let below = views::descendants(view, sid)?;
                docs.extend(below);
            }
        }
        let newest = docs.iter().map(|(_, doc): &(usize, SessionDoc)| doc.last_micros).max();
        // What was recorded before is shown as of its own time.
        let now = match self.client {
            Some(_) => now_micros(),
            None => newest.unwrap_or_default(),
        };
        let mut settled = docs.len() >= self.cast;
        let mut actions = Vec::new();
        let mut family = Vec::new();
        for (depth, doc) in docs {
            let Some(sid) = sid_of(view, &doc.id)? else { continue };
            let row = view.get::<Sessions>(&sid)?.unwrap_or_default();
            settled &= row.open_turn.is_none() && row.queued == 0 && row.settled_seq.is_some();
            let name = doc.name.clone().unwrap_or_else(|| doc.id.clone());
            let wanted = |kind| !matches!(kind, ActionKind::UserMessage | ActionKind::Reasoning);
            for action in views::actions(view, sid, 50, |action| wanted(action.kind))? {
                actions.push((name.clone(), action));
            }
            family.push((depth, show(view, &mut lives, doc, now)?));
        }
        actions.sort_by_key(|(_, action)| action.end_seq.unwrap_or(action.seq));
        let log = open_log(self.context)?;
        let requests = views::pending_requests(view)?.into_iter().filter(|r| r.asks_human);
        let requests = requests.map(|request| {
            let asked = details(&log, &request)?;
            Ok::<_, Error>((request, asked))
        });
        Ok(Scene { now, family, actions, requests: requests.collect::<Result<_, _>>()?, settled })
    }

    /// One picture, drawn over the last.
    fn picture(&mut self, streams: &mut Streams, scene: &Scene) -> Result<(), Error> {
        let (style, now) = (streams.style, scene.now);
        let mut lines = vec![style.paint(Role::Dim, "sm children --recursive")];
        for (depth, shown) in &scene.family {
            lines.push(family_line(style, shown, *depth, now));
        }
        lines.push(String::new());
        lines.push(style.paint(Role::Dim, "sm tail"));
        let width = streams.size().map(|(columns, _)| columns.saturating_sub(10));
        let last = scene.actions.len().saturating_sub(ACTIONS);
        for (name, action) in scene.actions.iter().skip(last) {
            let line = action_line(style, action, &ActionLine { now, width });
            lines.push(format!("{name:<9} {line}"));
        }
        if let Some((request, asked)) = self.next_request(scene) {
            lines.push(String::new());
            let who = request.session_name.as_deref().unwrap_or("a session");
            let head = format!("▲ {} waits for you ({}): ", clean(who), request.id);
            lines.push(style.paint(Role::NeedsHuman, head));
            lines.extend(details_text(asked, None, Extent::Beginning).0.lines().map(str::to_owned));
            lines.push(style.paint(Role::Strong, format!("  {}", question(request))));
        }
        lines.extend(self.note.as_ref().map(|note| style.paint(Role::NeedsHuman, note)));
        self.drawn = streams.redraw(self.drawn, &lines)?;
        Ok(())
    }

    /// What changed, line by line.
    fn lines(&mut self, streams: &mut Streams, scene: &Scene) -> Result<(), Error> {
        let (style, now) = (streams.style, scene.now);
        for (depth, shown) in &scene.family {
            let doc = &shown.doc;
            let state = match doc.activity_state {
                // Agents go to and fro between the two.
                "working" | "thinking" => "busy",
                state => state,
            };
            let state = format!("{state} {:?} {:?}", doc.outcome, doc.name);
            if self.shown.insert(doc.id.clone(), state.clone()) != Some(state) {
                streams.line(family_line(style, shown, *depth, now))?;
            }
        }
        for (name, action) in scene.actions.iter().filter(|(_, action)| action.phase == "post") {
            if self.told.insert((name.clone(), action.seq)) {
                let line = action_line(style, action, &ActionLine { now, width: None });
                streams.line(format_args!("  {name:<9} {line}"))?;
            }
        }
        streams.flush()
    }

    /// What changed, as JSON lines.
    fn documents(&mut self, streams: &mut Streams, scene: &Scene) -> Result<(), Error> {
        for (_, shown) in &scene.family {
            let doc = &shown.doc;
            let state = format!("{} {:?}", doc.activity_state, doc.outcome);
            if self.shown.insert(doc.id.clone(), state.clone()) != Some(state) {
                streams.json_line(&json!({"schema": "sm.child/1", "session": shown}))?;
            }
        }
        for (name, action) in scene.actions.iter().filter(|(_, action)| action.phase == "post") {
            if self.told.insert((name.clone(), action.seq)) {
                let document = json!({"schema": "sm.action/1", "session": name, "action": action});
                streams.json_line(&document)?;
            }
        }
        streams.flush()
    }

    fn next_request<'s>(&self, scene: &'s Scene) -> Option<&'s (RequestDoc, Details)> {
        self.client?;
        scene.requests.iter().find(|(request, _)| !self.answered.contains(&request.seq))
    }

    /// Answers what waits: the user's word, or, where nobody looks, its own.
    fn answer(&mut self, streams: &mut Streams, scene: &Scene) -> Result<(), Error> {
        let Some((request, asked)) = self.next_request(scene) else { return Ok(()) };
        let Some(client) = self.client else { return Ok(()) };
        let since = match self.asked {
            Some((seq, since)) if seq == request.seq => since,
            _ => {
                let now = Instant::now();
                self.asked = Some((request.seq, now));
                if !streams.is_terminal() && !self.context.json {
                    let who = request.session_name.as_deref().unwrap_or("a session");
                    streams
                        .line(format_args!("▲ {} waits for an answer ({}):", who, request.id))?;
                    streams.bytes(details_text(asked, None, Extent::Beginning).0.as_bytes())?;
                }
                now
            }
        };
        let typed = self.typed.as_ref().and_then(|typed| typed.try_recv().ok());
        let answer = match typed {
            Some(line) => {
                // What was typed moved the picture down by a line.
                self.drawn += 1;
                self.note = None;
                match understood(is_question(request), asked, &line) {
                    Ok(answer) => answer,
                    Err(why) => {
                        self.note = Some(why);
                        None
                    }
                }
            }
            None if self.typed.is_some() && since.elapsed() < THINKING => None,
            None if since.elapsed() < Duration::from_millis(1500) => None,
            None => {
                let answer = own(is_question(request), asked);
                if self.typed.is_some() && answer.is_some() {
                    let seconds = THINKING.as_secs();
                    let id = &request.id;
                    self.note = Some(format!(
                        "Nobody answered {id} for {seconds} s: the demo answered it by itself."
                    ));
                }
                answer
            }
        };
        let Some(answer) = answer else { return Ok(()) };
        let seq = request.seq;
        if !streams.is_terminal() && !self.context.json {
            let how = answer.decision.clone().unwrap_or_else(|| {
                answer.answers.values().flatten().cloned().collect::<Vec<_>>().join(", ")
            });
            let id = &request.id;
            streams
                .line(format_args!("  nobody is asked off a terminal; answering {id}: {how}"))?;
        }
        match client.answer(&request.id, &answer) {
            // Somebody else was quicker: that is an answer, too.
            Ok(_) => {}
            Err(error) if error.exit == Exit::Conflict => {}
            Err(error) => return Err(error),
        }
        self.answered.insert(seq);
        Ok(())
    }
}

fn sid_of(view: &View<'_>, id: &str) -> Result<Option<Sid>, StoreError> {
    view.get::<ShortIds>(&id.to_owned())
}

/// The lines that the user types.
fn read_lines() -> Receiver<String> {
    let (typed, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn is_question(request: &RequestDoc) -> bool {
    matches!(request.kind, "user_input" | "elicitation")
}

fn question(request: &RequestDoc) -> &'static str {
    match is_question(request) {
        true => "Type your answer and press Enter:",
        false => "Allow it? Type y or n and press Enter:",
    }
}

/// What the user's line answers: nothing, where it is empty; else what to tell them.
fn understood(
    is_question: bool,
    asked: &Details,
    line: &str,
) -> Result<Option<api::Answer>, String> {
    let word = line.trim();
    if word.is_empty() {
        return Ok(None);
    }
    if is_question {
        return Ok(Some(with_text(asked, word)));
    }
    match word.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(Some(decided("accept"))),
        "n" | "no" => Ok(Some(decided("decline"))),
        _ => Err(format!("{:?} is neither y nor n.", clean(word))),
    }
}

/// What it answers by itself, in its own name: yes, and the first option.
fn own(is_question: bool, asked: &Details) -> Option<api::Answer> {
    let answer = match is_question {
        false => decided("accept"),
        true => {
            let first = asked.questions.first()?.pointer("/options/0/label");
            with_text(asked, first.and_then(serde_json::Value::as_str).unwrap_or("yes"))
        }
    };
    Some(api::Answer { by: Some("demo".to_owned()), ..answer })
}

fn decided(decision: &str) -> api::Answer {
    api::Answer { decision: Some(decision.to_owned()), ..api::Answer::default() }
}

fn with_text(asked: &Details, text: &str) -> api::Answer {
    let ids = asked.questions.iter().filter_map(|question| question.get("id")?.as_str());
    let answers = ids.map(|id| (id.to_owned(), vec![text.to_owned()])).collect();
    api::Answer { answers, ..api::Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_taken_or_replied_to() {
        let asked = Details::default();
        let decision = |line| understood(false, &asked, line).map(|a| a.and_then(|a| a.decision));
        assert_eq!(decision(" Y\n"), Ok(Some("accept".to_owned())));
        assert_eq!(decision("no"), Ok(Some("decline".to_owned())));
        assert_eq!(decision(""), Ok(None));
        assert!(decision("maybe").is_err_and(|why| why.contains("neither y nor n")));
    }

    #[test]
    fn what_the_demo_answers_by_itself_is_its_own_and_what_is_typed_the_users() {
        let question = json!({"id": "tone", "options": [{"label": "formal"}]});
        let asked = Details { questions: vec![question], ..Details::default() };
        for is_question in [true, false] {
            let by = |answer: Option<api::Answer>| answer.expect("an answer").by;
            assert_eq!(by(own(is_question, &asked)).as_deref(), Some("demo"));
            assert_eq!(by(understood(is_question, &asked, "y").expect("taken")), None);
        }
        assert_eq!(own(true, &asked).expect("an answer").answers["tone"], ["formal"]);
    }
}
