//! An action on one line: commands and file changes told apart at a glance.

use crate::output::{Role, Style, ago, clean, cut, duration_ms, width_of};
use sm_daemon::counted;
use sm_projections::views::{ActionDoc, ApprovalDoc};

/// What the line shows of an action.
pub struct ActionLine {
    /// Now, in Unix microseconds.
    pub now: i64,
    /// How wide the line may be; no limit off a terminal.
    pub width: Option<usize>,
}

/// `[2m30s ago] $ ran   cargo test · exit 0 · 3.2s`
pub fn action_line(style: Style, action: &ActionDoc, line: &ActionLine) -> String {
    let (glyph, word) = mark(action);
    let at = action.ended_micros.unwrap_or(action.started_micros);
    let when = format!("[{} ago]", ago(line.now, at));
    let mut facts = Vec::new();
    if let Some(code) = action.exit_code {
        facts.push(format!("exit {code}"));
    }
    if action.kind == "file_change" && action.files.len() != 1 {
        facts.push(counted(action.files.len(), "file"));
    }
    facts.extend(
        action.diff_summary.clone().filter(|diff| !action.summary.ends_with(diff.as_str())),
    );
    if action.dropped {
        facts.push("rolled back".to_owned());
    }
    // What waits for leave says so by itself.
    if action.status != "completed" && action.phase != "pre" {
        facts.push(action.status.replace('_', " "));
    }
    // A tool that sm offers is answered by sm itself: no leave is asked.
    let asks = action.kind != "dynamic_tool";
    for approval in action.approvals.iter().filter(|_| asks) {
        facts.push(leave(action, approval));
    }
    let took = action.duration_ms.and_then(|ms| i64::try_from(ms).ok()).or(action.elapsed_ms);
    if action.kind != "message" && action.kind != "user_message" {
        facts.extend(took.map(duration_ms));
    }
    let facts =
        if facts.is_empty() { String::new() } else { format!(" · {}", facts.join(" · ")) };
    let summary = match action.summary.as_str() {
        "" => unsaid(action).into(),
        summary => clean(summary),
    };
    let taken = width_of(&when) + 10 + width_of(&facts);
    let summary = match line.width {
        Some(width) => cut(&summary, width.saturating_sub(taken).max(16)),
        None => summary.as_ref().into(),
    };
    let role = match action.status {
        "failed" | "lost" => Role::Bad,
        "declined" | "interrupted" => Role::NeedsHuman,
        "in_progress" | "runs_on" => Role::Active,
        _ => Role::Dim,
    };
    let when = style.paint(Role::Dim, when);
    format!("{when} {glyph} {word:<6} {summary}{}", style.paint(role, facts))
}

/// What became of leave that was asked for. Only an answer that is known to have been given is told as
/// one.
fn leave(action: &ActionDoc, approval: &ApprovalDoc) -> String {
    match (&approval.decision, &approval.decided_by, approval.status) {
        // A decision that reached nobody decided nothing.
        (_, _, Some("orphaned")) => "nobody answered (orphaned)".to_owned(),
        (_, _, Some("cleared")) => "nobody answered (cleared)".to_owned(),
        (Some(decision), Some(by), _) => format!("{} by {by}", clean(decision)),
        (Some(decision), None, _) => clean(decision).into_owned(),
        (None, _, Some("pending")) => format!("waits for leave: {}", approval.request_id),
        // Codex says that it no longer waits, which it also says of what was cut off.
        (None, _, _) if matches!(action.status, "interrupted" | "lost") => {
            "no answer told".to_owned()
        }
        (None, _, _) => "answered".to_owned(),
    }
}

/// What stands in place of words that never came whole.
fn unsaid(action: &ActionDoc) -> &'static str {
    match (action.kind, action.status) {
        (_, "completed") => "",
        ("message" | "plan" | "reasoning", "in_progress") => "(not yet said whole)",
        ("message" | "plan" | "reasoning", _) => "(cut off before it was said whole)",
        _ => "",
    }
}

/// Glyph and word of an action: what it did, or asked to do.
fn mark(action: &ActionDoc) -> (&'static str, &'static str) {
    let (glyph, did) = match action.kind {
        "command" => ("$", "ran"),
        "file_change" => ("±", "edited"),
        "mcp_tool" | "dynamic_tool" => ("⚙", "called"),
        "collab" | "sub_agent" => ("⑂", "agent"),
        "web_search" => ("⌕", "search"),
        "message" => ("»", "said"),
        "user_message" => ("«", "user"),
        "reasoning" => ("…", "think"),
        "plan" => ("☰", "plan"),
        _ => ("·", "did"),
    };
    let asks = matches!(action.kind, "command" | "file_change");
    let last = action.approvals.last().filter(|_| asks);
    // Without an answer nothing was done.
    let word = match last.map(|last| (last.status, &last.decision)) {
        Some((Some("orphaned" | "cleared"), None)) => "asked",
        Some(_) if action.phase == "pre" => "asks",
        _ => did,
    };
    (glyph, word)
}
