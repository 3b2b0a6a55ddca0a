//! The tools that a session's agent is offered, as the model reads of them.
//!
//! What always holds: each of them is carried out by the module `tools`, within the time told here.

use serde_json::{Value, json};
use sm_projections::rows::ActivityState;
use std::time::Duration;

/// How long `sm_wait` waits where it is not told. Models that call their tools from code get the turn
/// back after 30 s; a result that comes later is lost to one that does not ask for it.
pub(crate) const WAIT: Duration = Duration::from_secs(25);

/// How long it waits at most, for one who asks for it: its children may never settle.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The tools as `thread/start` takes them.
pub(crate) fn specs() -> Value {
    let session = json!({
        "type": "string",
        "description": "A session: its id, its name, or an unambiguous beginning of either.",
    });
    let sessions = json!({
        "type": "array", "items": session,
        "description": "The sessions meant; none means all your children.",
    });
    json!([
        tool(
            "sm_spawn",
            "Starts another agent in a session of its own, as your child, and returns at once with \
             its id. It works on its own while you go on; use sm_wait to wait for it and to get \
             what it said, or end your turn: you are woken with what it did when it has settled, \
             waits for a human or dies. It has your folder, model and rights unless you give it less.",
            json!({
                "prompt": { "type": "string", "description": "What the child is to do. It sees nothing of your conversation: say all it needs to know." },
                "name": { "type": "string", "description": "A short name to call it by." },
                "cwd": { "type": "string", "description": "The folder it works in, yours or one below it; yours if left out." },
                "model": { "type": "string", "description": "The model it uses; yours if left out." },
                "effort": { "type": "string", "description": "Its reasoning effort: low, medium, high." },
                "sandbox": { "type": "string", "enum": ["read-only", "workspace-write", "danger-full-access"], "description": "How far its commands reach: at most as far as yours." },
                "approval": { "type": "string", "enum": ["untrusted", "on-request", "never"], "description": "When it asks a human: at least as often as you." },
                "wake": { "type": "boolean", "description": "false: you are not woken; look yourself." },
            }),
            &["prompt"],
        ),
        tool(
            "sm_send",
            "Sends a message to a session of your family. An idle one begins a turn with it, a busy \
             one gets it when its turn ends, or at once with mode steer.",
            json!({
                "session": session,
                "text": { "type": "string", "description": "The message." },
                "mode": { "type": "string", "enum": ["start", "steer", "urgent", "queue"], "description": "start (default): a new turn, queued if busy. steer: into the running turn. urgent: ends the running turn first, of a child only. queue: always after what waits." },
            }),
            &["session", "text"],
        ),
        tool(
            "sm_wait",
            "Waits until sessions have settled: their turn is over and nothing is queued, or they \
             wait for a human, or they are gone. Returns each one's state, outcome and last message, and in \
             reached whether it is so (yes, no, needs_human, dead). \
             It returns within 25 seconds, or the timeout_seconds that you give: when some still work by \
             then, what is known so far comes with timed_out true and the note 'still running, call \
             again'. Call it again until timed_out is false.",
            json!({
                "sessions": sessions,
                "any": { "type": "boolean", "description": "Return as soon as one has settled, not all." },
                "for": { "type": "string", "enum": wait_for(), "description": "Wait for this state instead of settled." },
                "after": { "type": "string", "description": "A cursor that another call gave, as sm_send and sm_spawn do: only what came after it counts, so not the turn before your message." },
                "through_approvals": { "type": "boolean", "description": "Go on waiting while one waits for a human: true where somebody else answers." },
                "timeout_seconds": { "type": "number", "description": "How long to wait at most: 25 if left out, up to 3600. Stay below 30 where you call tools from code." },
            }),
            &[],
        ),
        tool(
            "sm_remind",
            "Sends you, or a session below you, a message at a later time; end your turn, and it \
             begins the next one.",
            json!({
                "text": { "type": "string", "description": "The message." },
                "in_seconds": { "type": "number", "description": "How long from now." },
                "session": { "type": "string", "description": "Who is reminded: yourself if left out." },
            }),
            &["text", "in_seconds"],
        ),
        tool(
            "sm_children",
            "Lists your children: state, outcome, last action, tokens of each.",
            json!({
                "recursive": { "type": "boolean", "description": "Their children too, each after the one named in parent_id." },
            }),
            &[],
        ),
        tool(
            "sm_result",
            "The last message of a session of your family, whole.",
            json!({ "session": session }),
            &["session"],
        ),
    ])
}

/// What `sm_wait` waits for.
fn wait_for() -> Vec<&'static str> {
    let states = ActivityState::ALL.into_iter().rev().map(ActivityState::as_str);
    std::iter::once("settled").chain(states).collect()
}

fn tool(name: &str, description: &str, properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
    })
}
