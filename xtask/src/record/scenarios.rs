//! The scenarios: each a short play with one release on stage.
//!
//! They are written for the newest release; what an older one lacks is named in `needs`, or found
//! out on stage and said as [`Stop::Skip`].

mod agents;
mod stops;
mod threads;
mod turns;

use serde_json::{Value, json};
use sm_scripted_model::ConfigOptions;

use super::stage::{Places, Stage, Stop, decisions, id_of};

/// One play.
pub struct Scenario {
    /// Names its files.
    pub name: &'static str,
    /// What happens, for the README.
    pub about: &'static str,
    /// Methods or words of the protocol without which it cannot be played.
    pub needs: &'static [&'static str],
    /// Whether Codex's sub-agents are switched on.
    pub sub_agents: bool,
    /// Whether it ends at once where the play ends, with no wait for stragglers.
    pub cut: bool,
    /// What it adds to the configuration, and puts into the folders.
    pub config: fn(&mut ConfigOptions, &Places),
    /// Plays it.
    pub play: fn(&mut Stage<'_>) -> Result<(), Stop>,
}

const PLAIN: Scenario = Scenario {
    name: "",
    about: "",
    needs: &[],
    sub_agents: false,
    cut: false,
    config: |_, _| {},
    play: |_| Ok(()),
};

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "basic",
        about: "text answer; two commands in one turn; a file added, then changed; a plan and a \
                command; all approved",
        play: turns::basic,
        ..PLAIN
    },
    Scenario {
        name: "approvals",
        about: "command accepted, declined, cancelled (turn interrupted); file change declined, \
                then cancelled; accepted for the session, then the same command and patch again",
        play: turns::approvals,
        ..PLAIN
    },
    Scenario {
        name: "userinput",
        about: "questions in plan mode, answered: one with options, then two, one of them secret",
        needs: &["item/tool/requestUserInput"],
        play: turns::userinput,
        ..PLAIN
    },
    Scenario {
        name: "interrupt",
        about: "`turn/interrupt` in a long answer, in a running command, and with an approval open",
        play: turns::interrupt,
        ..PLAIN
    },
    Scenario {
        name: "steer",
        about: "`turn/steer` into a long answer",
        needs: &["turn/steer"],
        play: turns::steer,
        ..PLAIN
    },
    Scenario {
        name: "failures",
        about: "HTTP 500 with retry, a stream that breaks off, HTTP 400, retries used up, exit \
                codes 3 and 1, a command that does not exist, a patch that does not apply",
        play: turns::failures,
        ..PLAIN
    },
    Scenario {
        name: "bigoutput",
        about: "400 output lines; one line of 40,000 characters; 10 lines over half a second",
        play: turns::bigoutput,
        ..PLAIN
    },
    Scenario {
        name: "lifecycle",
        about: "name, fork, list calls, archive, unarchive, as far as the release has them",
        play: threads::lifecycle,
        ..PLAIN
    },
    Scenario {
        name: "subagents",
        about: "a sub-agent spawned and awaited, its own thread's events in the same stream",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        play: agents::subagents,
        ..PLAIN
    },
    Scenario {
        name: "parallel",
        about: "four threads at once in one app-server",
        play: threads::parallel,
        ..PLAIN
    },
    Scenario {
        name: "crash",
        about: "the server killed during a pending approval, a second server resumes the thread \
                (both outputs in one file)",
        play: threads::crash,
        ..PLAIN
    },
    Scenario {
        name: "interleaved",
        about: "three threads at once, two of them asking, the newest question answered first",
        play: threads::interleaved,
        ..PLAIN
    },
    Scenario {
        name: "two-requests",
        about: "two commands in one answer and a file change in another thread, all asking; answered newest first",
        play: turns::two_requests,
        ..PLAIN
    },
    Scenario {
        name: "cleared",
        about: "open requests of each kind cleared by `turn/interrupt`",
        play: turns::cleared,
        ..PLAIN
    },
    Scenario {
        name: "background",
        about: "a command left running, given input, and one that ends after its turn",
        play: turns::background,
        ..PLAIN
    },
    Scenario {
        name: "files",
        about: "a file added, changed and moved; one added and deleted",
        play: turns::files,
        ..PLAIN
    },
    Scenario {
        name: "reasoning",
        about: "a long reasoning summary; a message before a command",
        play: turns::reasoning,
        ..PLAIN
    },
    Scenario {
        name: "planmode",
        about: "a proposed plan in plan mode",
        needs: &["plan"],
        play: turns::planmode,
        ..PLAIN
    },
    Scenario {
        name: "websearch",
        about: "two web searches of the model",
        play: turns::websearch,
        ..PLAIN
    },
    Scenario { name: "image", about: "the model looks at an image", play: turns::image, ..PLAIN },
    Scenario { name: "drawing", about: "the model makes an image", play: turns::drawing, ..PLAIN },
    Scenario {
        name: "fork",
        about: "a thread forked, the fork forked again, both going on",
        play: threads::fork,
        ..PLAIN
    },
    Scenario {
        name: "rollback",
        about: "the last turn taken back (`thread/rollback`, `thread/revert`), and another instead",
        play: threads::rollback,
        ..PLAIN
    },
    Scenario {
        name: "compaction",
        about: "compaction asked for, and by itself when the context is full",
        play: threads::compaction,
        ..PLAIN
    },
    Scenario {
        name: "review",
        about: "a review inline and one detached",
        play: threads::review,
        ..PLAIN
    },
    Scenario {
        name: "goal",
        about: "a goal set, pursued, paused, cleared",
        needs: &["thread/goal/set"],
        play: threads::goal,
        ..PLAIN
    },
    Scenario {
        name: "model-change",
        about: "another model and effort, then another approval policy, from one turn to the next",
        play: threads::model_change,
        ..PLAIN
    },
    Scenario {
        name: "queue",
        about: "two inputs queued while a turn runs",
        needs: &["thread/queue/add"],
        play: threads::queue,
        ..PLAIN
    },
    Scenario {
        name: "shell-command",
        about: "a command of the user's own (`thread/shellCommand`)",
        needs: &["thread/shellCommand"],
        play: threads::shell_command,
        ..PLAIN
    },
    Scenario {
        name: "unload",
        about: "unsubscribed, then resumed in the same server",
        needs: &["thread/unsubscribe"],
        play: threads::unload,
        ..PLAIN
    },
    Scenario {
        name: "reload",
        about: "resumed in the same server while it is loaded, then out of the archive",
        play: threads::reload,
        ..PLAIN
    },
    Scenario {
        name: "resume",
        about: "two restarts, two threads resumed each time, one with its turn lost; a resume that fails",
        play: threads::resume,
        ..PLAIN
    },
    Scenario {
        name: "missing",
        about: "a client that does not want `turn/completed`, `serverRequest/resolved` and \
                `item/started`: a transcript that lacks them",
        needs: &["optOutNotificationMethods"],
        play: threads::missing,
        ..PLAIN
    },
    Scenario {
        name: "onlooker",
        about: "what a second client (WebSocket) sees of a thread that it has not resumed: status \
                flags and no request",
        needs: &["thread/status/changed"],
        // Its server ends with the client that drives it.
        cut: true,
        play: threads::onlooker,
        ..PLAIN
    },
    Scenario {
        name: "code-mode",
        about: "the newest model, which calls tools from code: commands, patches, approvals, two \
                commands at once, code that does not parse, a sleep, a question that does not wait, dynamic tools",
        config: agents::newest_model,
        play: agents::code_mode,
        ..PLAIN
    },
    Scenario {
        name: "nested",
        about: "two sub-agents, one with a sub-agent of its own",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        config: agents::deep,
        play: agents::nested,
        ..PLAIN
    },
    Scenario {
        name: "child-asks",
        about: "a sub-agent's approval declined, its parent's accepted",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        play: agents::child_asks,
        ..PLAIN
    },
    Scenario {
        name: "child-fails",
        about: "a sub-agent that fails and is closed; one given a second task",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        play: agents::child_fails,
        ..PLAIN
    },
    Scenario {
        name: "dynamic",
        about: "dynamic tools called: two in a row, one that fails",
        needs: &["item/tool/call"],
        play: agents::dynamic,
        ..PLAIN
    },
    Scenario {
        name: "slow-tool",
        about: "a dynamic tool answered after 34 seconds; in code mode, where the newest model is in \
                it, once by a model that goes on and once by one that waits",
        needs: &["item/tool/call"],
        config: agents::newest_model,
        play: agents::slow_tool,
        ..PLAIN
    },
    Scenario {
        name: "mcp",
        about: "tools of an MCP server called, one fails; another server cannot start",
        config: agents::tiny_mcp,
        play: agents::mcp,
        ..PLAIN
    },
    Scenario {
        name: "elicitation",
        about: "an MCP tool that asks the user",
        needs: &["mcpServer/elicitation/request"],
        config: agents::tiny_mcp,
        play: agents::elicitation,
        ..PLAIN
    },
    Scenario {
        name: "permissions",
        about: "the model asks for more rights",
        needs: &["item/permissions/requestApproval"],
        config: agents::asks_for_rights,
        play: agents::permissions,
        ..PLAIN
    },
    Scenario {
        name: "hooks",
        about: "hooks at most events; one blocks a command, one fails, one has the agent go on once",
        needs: &["hook/completed"],
        config: agents::hooks_file,
        play: agents::hooks,
        ..PLAIN
    },
    Scenario {
        name: "stops-empty",
        about: "stops: after the thread's start",
        cut: true,
        play: stops::empty,
        ..PLAIN
    },
    Scenario {
        name: "stops-thinking",
        about: "stops: the model was asked and has said nothing",
        cut: true,
        play: stops::thinking,
        ..PLAIN
    },
    Scenario {
        name: "stops-reasoning",
        about: "stops: in a reasoning summary",
        cut: true,
        play: stops::reasoning,
        ..PLAIN
    },
    Scenario {
        name: "stops-writing",
        about: "stops: in a message",
        cut: true,
        play: stops::writing,
        ..PLAIN
    },
    Scenario {
        name: "stops-running",
        about: "stops: with a command running",
        cut: true,
        play: stops::running,
        ..PLAIN
    },
    Scenario {
        name: "stops-between",
        about: "stops: between a command and what the model says to it",
        cut: true,
        play: stops::between,
        ..PLAIN
    },
    Scenario {
        name: "stops-approval",
        about: "stops: with a command's approval open",
        cut: true,
        play: stops::approval,
        ..PLAIN
    },
    Scenario {
        name: "stops-file-approval",
        about: "stops: with a file change's approval open",
        cut: true,
        play: stops::file_approval,
        ..PLAIN
    },
    Scenario {
        name: "stops-approved",
        about: "stops: with an approved command running",
        cut: true,
        play: stops::approved,
        ..PLAIN
    },
    Scenario {
        name: "stops-question",
        about: "stops: with a question to the user open",
        needs: &["item/tool/requestUserInput"],
        cut: true,
        play: stops::question,
        ..PLAIN
    },
    Scenario {
        name: "stops-retrying",
        about: "stops: waiting for a second try",
        cut: true,
        play: stops::retrying,
        ..PLAIN
    },
    Scenario {
        name: "stops-failed",
        about: "stops: after a failed turn",
        cut: true,
        play: stops::failed,
        ..PLAIN
    },
    Scenario {
        name: "stops-interrupted",
        about: "stops: after an interrupted turn",
        cut: true,
        play: stops::interrupted,
        ..PLAIN
    },
    Scenario {
        name: "stops-child-runs",
        about: "stops: with a sub-agent's command running",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        cut: true,
        play: stops::child_runs,
        ..PLAIN
    },
    Scenario {
        name: "stops-child-asks",
        about: "stops: with a sub-agent's approval open",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        cut: true,
        play: stops::child_asks,
        ..PLAIN
    },
];

/// Interrupts a turn and waits for its end.
fn stop_turn(stage: &mut Stage<'_>, mark: usize, thread: &str, turn: &str) -> Result<(), Stop> {
    let params = json!({"threadId": thread, "turnId": turn});
    stage.client.request("turn/interrupt", params)?;
    stage.end_of_turn(mark, thread).map(|_| ())
}

fn wait_item(stage: &mut Stage<'_>, mark: usize, method: &str, kind: &str) -> Result<Value, Stop> {
    stage.client.wait(mark, kind, |message| {
        message["method"] == method && message["params"]["item"]["type"] == kind
    })
}

/// Whether an item of a kind was seen at all; what a release does not show it cannot do.
fn saw(stage: &Stage<'_>, kind: &str) -> Result<(), Stop> {
    let seen =
        stage.client.since(0).iter().any(|message| message["params"]["item"]["type"] == kind);
    match seen {
        true => Ok(()),
        false => Err(Stop::Skip(format!("no `{kind}` item came"))),
    }
}
