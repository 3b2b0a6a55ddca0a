//! A brief as Markdown.
//!
//! What always holds: whatever somebody else said stands behind a mark, so that nothing in it passes for the
//! brief's own words.

use super::brief::{
    Brief, Changed, Child, Decided, Done, Failed, Goal, Open, Plan, Running, Said, Step, Tool,
    Waiting,
};
use crate::output::{clean, clean_block};
use sm_daemon::counted;
use std::fmt::Write as _;

impl Brief {
    /// The brief in Markdown.
    pub fn markdown(&self) -> String {
        let mut page = Page::default();
        self.write_opening(&mut page);
        self.write_facts(&mut page);
        self.write_goal(&mut page);
        self.write_asked(&mut page);
        self.write_plan(&mut page);
        self.write_done(&mut page);
        self.write_files(&mut page);
        self.write_commands(&mut page);
        self.write_tools(&mut page);
        self.write_decided(&mut page);
        self.write_children(&mut page);
        self.write_open(&mut page);
        self.write_last_words(&mut page);
        page.0
    }

    fn write_opening(&self, page: &mut Page) {
        let name = self.name.as_ref().or(self.title.as_ref());
        let name = name.map_or(String::new(), |name| format!(": {}", clean(name)));
        page.line(format_args!("# Handoff of session {}{name}", self.session_id));
        let log = self.as_of.log_id.as_deref().unwrap_or("?");
        page.block(format_args!(
            "Made from the records of another agent's session, up to {log}:{}. What stands here in \
             brackets is the record that says so: [{log}:N] is `sm replay --since N --until N`.",
            self.as_of.seq
        ));
    }

    fn write_facts(&self, page: &mut Page) {
        let facts = [
            ("Folder", &self.cwd),
            ("Model", &self.model),
            ("Effort", &self.effort),
            ("Sandbox", &self.sandbox),
            ("Asks", &self.approval_policy),
            ("Last error", &self.last_error),
        ];
        page.line("");
        for (name, fact) in facts {
            if let Some(fact) = fact {
                page.line(format_args!("- {name}: {}", clean(fact)));
            }
        }
        if let Some(origin) = &self.forked_from {
            page.line(self.forked(&clean(origin)));
        }
        let outcome = self.outcome.map_or(String::new(), |word| format!(", last turn {word}"));
        page.line(format_args!("- State: {}{outcome}", self.state));
    }

    /// Where it comes from, and what it has of that.
    fn forked(&self, origin: &str) -> String {
        match (&self.forked_cursor, self.forked_at) {
            (Some(cursor), Some(turn)) => {
                format!(
                    "- Forked from: {origin}, after its turn {turn}; up to there what stands here is its, too [{cursor}]"
                )
            }
            (Some(cursor), None) => {
                format!("- Forked from: {origin}, with none of its turns [{cursor}]")
            }
            (None, _) => format!(
                "- Forked from: {origin}; what it took over is not known here: `sm handoff {origin}` tells of that \
                 session as it is now"
            ),
        }
    }

    fn write_goal(&self, page: &mut Page) {
        if let Some(Goal { objective, status, cursor }) = &self.goal {
            page.head("Goal");
            page.block(format_args!("{} ({status}) [{cursor}]", clean(objective)));
        }
    }

    fn write_asked(&self, page: &mut Page) {
        page.head("Asked");
        match self.asked.is_empty() {
            true => page.block("Nothing."),
            false => self.asked.iter().for_each(|said| page.said(said, &self.session_id)),
        }
    }

    fn write_plan(&self, page: &mut Page) {
        let Some(Plan { steps, cursor }) = &self.plan else { return };
        page.head(format_args!("Plan [{cursor}]"));
        page.line("");
        for Step { step, status } in steps {
            let done = if status == "completed" { "x" } else { " " };
            page.line(format_args!("- [{done}] {} ({})", clean(step), clean(status)));
        }
    }

    fn write_done(&self, page: &mut Page) {
        page.head("Done");
        match self.turns.is_empty() {
            true => page.block("Nothing."),
            false => page.line(""),
        }
        // What was said last stands at the end.
        let last = [&self.last_words, &self.last_answer].map(Option::as_ref);
        let is_last = |said: &Said| last.iter().flatten().any(|it| it.cursor == said.cursor);
        for turn in &self.turns {
            page.turn(turn, &self.session_id);
            if let Some(said) = turn.said.as_ref().filter(|said| !is_last(said)) {
                page.quote(&said.text, "  ");
                page.cut(said.cut, "  ");
            }
        }
        match self.turns_dropped {
            0 => {}
            1 => page.block(
                "1 more turn was rolled back: forget it, but what it did to files stands.",
            ),
            dropped => page.block(format_args!(
                "{dropped} more turns were rolled back: forget them, but what they did to files stands."
            )),
        }
    }

    fn write_files(&self, page: &mut Page) {
        page.list("Files changed", &self.files, |file| {
            let Changed { path, kind, plus, minus, cursor } = file;
            format!("- `{}` ({kind}, +{plus} -{minus}) [{cursor}]", clean(path))
        });
    }

    fn write_commands(&self, page: &mut Page) {
        page.list("Commands that failed, or were not run", &self.failed_commands, |failed| {
            let Failed { command, exit_code, status, cursor } = failed;
            let how = exit_code.map_or((*status).to_owned(), |code| format!("exit {code}"));
            format!("- `{}`: {how} [{cursor}]", clean(command))
        });
        page.list("Commands that run on in the background", &self.running_commands, |running| {
            let Running { command, cursor } = running;
            format!("- `{}` [{cursor}]", clean(command))
        });
    }

    fn write_tools(&self, page: &mut Page) {
        if self.tools.is_empty() {
            return;
        }
        page.head("Tools called");
        page.line("");
        if self.tools_left_out > 0 {
            page.line(format_args!("- {} before", counted(self.tools_left_out, "call")));
        }
        for Tool { summary, status, cursor, .. } in &self.tools {
            page.line(format_args!("- `{}`: {status} [{cursor}]", clean(summary)));
        }
    }

    fn write_decided(&self, page: &mut Page) {
        page.list("What it asked, and was answered", &self.decided, |decided| {
            let Decided { id, kind, summary, decision, by, words, cursor } = decided;
            let by = by.as_deref().map_or(String::new(), |by| format!(" by {}", clean(by)));
            let words = words.as_deref().map_or(String::new(), |said| format!(": {}", clean(said)));
            format!("- {id} ({kind}) {}: {decision}{by}{words} [{cursor}]", clean(summary))
        });
    }

    fn write_children(&self, page: &mut Page) {
        page.list("Its own agents", &self.children, |child| {
            let Child { id, name, state, outcome, cursor } = child;
            let name = name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
            let outcome = outcome.map_or(String::new(), |word| format!(", {word}"));
            format!("- {id}{name}: {state}{outcome} [{cursor}]")
        });
    }

    fn write_open(&self, page: &mut Page) {
        let requests: Vec<&Open> =
            self.open_requests.iter().chain(&self.open_requests_below).collect();
        if requests.is_empty() && self.queued == 0 {
            return;
        }
        page.head("Left open");
        page.line("");
        for Open { session_id, session_name, id, kind, summary, cursor } in requests {
            let of = session_id.as_ref().filter(|of| **of != self.session_id);
            let name =
                session_name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
            let of = of.map_or(String::new(), |of| format!(" of its agent {of}{name}"));
            page.line(format_args!("- request {id} ({kind}){of}: {} [{cursor}]", clean(summary)));
        }
        for Waiting { id, by, mode, held, text, cut, cursor } in &self.queue {
            let held = if *held { ", held" } else { "" };
            let by = by.as_deref().map_or(String::new(), |by| format!(", by {}", clean(by)));
            page.line(format_args!("- message {id} that waits ({mode}{by}{held}) [{cursor}]:"));
            page.quote(text, "  ");
            page.cut(*cut, "  ");
        }
    }

    fn write_last_words(&self, page: &mut Page) {
        let own = &self.session_id;
        if let Some(words) = &self.last_answer {
            page.head("Its last words");
            page.said(words, own);
            page.block("Since then it was told of its own agents, and said:");
            self.last_words.iter().for_each(|words| page.said(words, own));
        } else if let Some(words) = &self.last_words {
            page.head("Its last words");
            page.said(words, own);
        }
    }
}

/// Markdown in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    fn block(&mut self, text: impl std::fmt::Display) {
        self.line(format_args!("\n{text}"));
    }

    fn head(&mut self, text: impl std::fmt::Display) {
        self.block(format_args!("## {text}"));
    }

    /// A section with a line for each of `items`; none where there are none.
    fn list<T>(&mut self, head: &str, items: &[T], line: impl Fn(&T) -> String) {
        if items.is_empty() {
            return;
        }
        self.head(head);
        self.line("");
        items.iter().for_each(|item| self.line(line(item)));
    }

    /// Words of others, as a quotation: nothing in them can pass for the brief's own.
    fn said(&mut self, said: &Said, own: &str) {
        let turn = said.turn.map_or(String::new(), |turn| format!("Turn {turn} "));
        let of = whose(said.session_id.as_deref().unwrap_or(own), own);
        self.block(format_args!("{turn}{of}[{}]:\n", said.cursor));
        self.quote(&said.text, "");
        self.cut(said.cut, "");
    }

    fn quote(&mut self, text: &str, indent: &str) {
        for line in clean_block(text).lines() {
            self.line(format_args!("{indent}> {line}").to_string().trim_end());
        }
    }

    fn cut(&mut self, is_cut: bool, indent: &str) {
        if is_cut {
            self.line(format_args!("{indent}> … (cut; the record holds it whole)"));
        }
    }

    fn turn(&mut self, turn: &Done, own: &str) {
        let counts = [
            (turn.commands, "command"),
            (turn.file_changes, "file change"),
            (turn.tool_calls, "tool call"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| counted(*count, what)).collect();
        let did =
            if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let error = turn.error.as_deref().map_or(String::new(), |why| format!(" ({})", clean(why)));
        let outcome = turn.outcome.unwrap_or("still open");
        let of = whose(&turn.session_id, own);
        let words =
            turn.said.as_ref().map_or(String::new(), |said| format!(", said [{}]", said.cursor));
        self.line(format_args!(
            "- Turn {} {of}{outcome}{error}{did} [{}]{words}",
            turn.turn, turn.cursor
        ));
    }
}

/// `of p6eeas `, where it is not the session's own.
fn whose(session: &str, own: &str) -> String {
    if session == own { String::new() } else { format!("of {session} ") }
}
