//! A brief as Markdown.
//!
//! What always holds: whatever somebody else said stands behind a mark, so that nothing in it passes for the
//! brief's own words.

use super::{Brief, Changed, Child, Decided, Done, Failed, Open, Running, Said, Step, Tool};
use crate::output::{clean, clean_block};
use sm_daemon::counted;
use std::fmt::Write as _;

impl Brief {
    /// The brief in Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut page = Page::default();
        let name = self.name.as_ref().or(self.title.as_ref());
        let name = name.map_or(String::new(), |name| format!(": {}", clean(name)));
        page.line(format_args!("# Handoff of session {}{name}", self.session_id));
        let log = self.as_of.log_id.as_deref().unwrap_or("?");
        page.block(format_args!(
            "Made from the records of another agent's session, up to {log}:{}. What stands here in \
             brackets is the record that says so: [{log}:N] is `sm replay --since N --until N`.",
            self.as_of.seq
        ));
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
        if let Some(goal) = &self.goal {
            page.head("Goal");
            page.block(format_args!(
                "{} ({}) [{}]",
                clean(&goal.objective),
                goal.status,
                goal.cursor
            ));
        }
        page.head("Asked");
        match self.asked.is_empty() {
            true => page.block("Nothing."),
            false => self.asked.iter().for_each(|said| page.said(said, &self.session_id)),
        }
        if let Some(plan) = &self.plan {
            page.head(format_args!("Plan [{}]", plan.cursor));
            page.line("");
            for Step { step, status } in &plan.steps {
                let done = if status == "completed" { "x" } else { " " };
                page.line(format_args!("- [{done}] {} ({})", clean(step), clean(status)));
            }
        }
        page.head("Done");
        match self.turns.is_empty() {
            true => page.block("Nothing."),
            false => page.line(""),
        }
        for turn in &self.turns {
            page.turn(turn, &self.session_id);
            // It stands at the end.
            let is_last = [&self.last_words, &self.last_answer].map(Option::as_ref);
            let is_last =
                |said: &&Said| !is_last.iter().flatten().any(|it| it.cursor == said.cursor);
            if let Some(said) = turn.said.as_ref().filter(is_last) {
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
        if !self.files.is_empty() {
            page.head("Files changed");
            page.line("");
            for file in &self.files {
                let Changed { path, kind, plus, minus, cursor } = file;
                page.line(format_args!(
                    "- `{}` ({kind}, +{plus} -{minus}) [{cursor}]",
                    clean(path)
                ));
            }
        }
        if !self.failed_commands.is_empty() {
            page.head("Commands that failed, or were not run");
            page.line("");
            for Failed { command, exit_code, status, cursor } in &self.failed_commands {
                let how = exit_code.map_or((*status).to_owned(), |code| format!("exit {code}"));
                page.line(format_args!("- `{}`: {how} [{cursor}]", clean(command)));
            }
        }
        if !self.running_commands.is_empty() {
            page.head("Commands that run on in the background");
            page.line("");
            for Running { command, cursor } in &self.running_commands {
                page.line(format_args!("- `{}` [{cursor}]", clean(command)));
            }
        }
        if !self.tools.is_empty() {
            page.head("Tools called");
            page.line("");
            if self.tools_left_out > 0 {
                page.line(format_args!("- {} before", counted(self.tools_left_out, "call")));
            }
            for Tool { summary, status, cursor, .. } in &self.tools {
                page.line(format_args!("- `{}`: {status} [{cursor}]", clean(summary)));
            }
        }
        if !self.decided.is_empty() {
            page.head("What it asked, and was answered");
            page.line("");
            for Decided { id, kind, summary, decision, by, words, cursor } in &self.decided {
                let by = by.as_deref().map_or(String::new(), |by| format!(" by {}", clean(by)));
                let words =
                    words.as_deref().map_or(String::new(), |said| format!(": {}", clean(said)));
                page.line(format_args!(
                    "- {id} ({kind}) {}: {decision}{by}{words} [{cursor}]",
                    clean(summary)
                ));
            }
        }
        if !self.children.is_empty() {
            page.head("Its own agents");
            page.line("");
            for Child { id, name, state, outcome, cursor } in &self.children {
                let name =
                    name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
                let outcome = outcome.map_or(String::new(), |word| format!(", {word}"));
                page.line(format_args!("- {id}{name}: {state}{outcome} [{cursor}]"));
            }
        }
        let open = self.open_requests.iter().chain(&self.open_requests_below);
        if open.clone().next().is_some() || self.queued > 0 {
            page.head("Left open");
            page.line("");
            for Open { session_id, session_name, id, kind, summary, cursor } in open {
                let of = session_id.as_ref().filter(|of| **of != self.session_id);
                let name = session_name
                    .as_deref()
                    .map_or(String::new(), |name| format!(" {}", clean(name)));
                let of = of.map_or(String::new(), |of| format!(" of its agent {of}{name}"));
                page.line(format_args!(
                    "- request {id} ({kind}){of}: {} [{cursor}]",
                    clean(summary)
                ));
            }
            for message in &self.queue {
                let held = if message.held { ", held" } else { "" };
                let by =
                    message.by.as_deref().map_or(String::new(), |by| format!(", by {}", clean(by)));
                page.line(format_args!(
                    "- message {} that waits ({}{by}{held}) [{}]:",
                    message.id, message.mode, message.cursor
                ));
                page.quote(&message.text, "  ");
                page.cut(message.cut, "  ");
            }
        }
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
        page.0
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
