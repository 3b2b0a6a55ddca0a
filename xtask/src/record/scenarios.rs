//! The scenarios: each a short play with one release on stage.
//!
//! They are written for the newest release; what an older one lacks is named in `needs`, or found
//! out on stage and said as [`Stop::Skip`].

use std::time::Duration;

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
    config: |_, _| {},
    play: |_| Ok(()),
};

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "basic",
        about: "text answer; two commands in one turn; a file added, then changed; a plan and a \
                command; all approved",
        play: basic,
        ..PLAIN
    },
    Scenario {
        name: "approvals",
        about: "command accepted, declined, cancelled (turn interrupted); file change declined, \
                then cancelled; accepted for the session, then the same command and patch again",
        play: approvals,
        ..PLAIN
    },
    Scenario {
        name: "userinput",
        about: "questions in plan mode, answered: one with options, then two, one of them secret",
        needs: &["item/tool/requestUserInput"],
        play: userinput,
        ..PLAIN
    },
    Scenario {
        name: "interrupt",
        about: "`turn/interrupt` in a long answer, in a running command, and with an approval open",
        play: interrupt,
        ..PLAIN
    },
    Scenario {
        name: "steer",
        about: "`turn/steer` into a long answer",
        needs: &["turn/steer"],
        play: steer,
        ..PLAIN
    },
    Scenario {
        name: "failures",
        about: "HTTP 500 with retry, a stream that breaks off, HTTP 400, retries used up, exit \
                codes 3 and 1, a command that does not exist, a patch that does not apply",
        play: failures,
        ..PLAIN
    },
    Scenario {
        name: "bigoutput",
        about: "400 output lines; one line of 40,000 characters; 10 lines over half a second",
        play: bigoutput,
        ..PLAIN
    },
    Scenario {
        name: "lifecycle",
        about: "name, fork, list calls, archive, unarchive, as far as the release has them",
        play: lifecycle,
        ..PLAIN
    },
    Scenario {
        name: "subagents",
        about: "a sub-agent spawned and awaited, its own thread's events in the same stream",
        needs: &["collabAgentToolCall"],
        sub_agents: true,
        play: subagents,
        ..PLAIN
    },
    Scenario {
        name: "parallel",
        about: "four threads at once in one app-server",
        play: parallel,
        ..PLAIN
    },
    Scenario {
        name: "crash",
        about: "the server killed during a pending approval, a second server resumes the thread \
                (both outputs in one file)",
        play: crash,
        ..PLAIN
    },
];

fn basic(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "hello there")?;
    stage.turn(&thread, "run: echo one\nrun: uname -s")?;
    stage.turn(&thread, "patch: a.txt\npatchupd: a.txt")?;
    stage.turn(&thread, "plan:\nrun: pwd")?;
    Ok(())
}

fn approvals(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.client.decisions = decisions(&["accept", "decline", "cancel", "decline", "cancel"]);
    for script in ["run: touch f1", "run: touch f2", "run: touch f3", "patch: n1", "patch: n2"] {
        stage.turn(&thread, script)?;
    }
    stage.client.decisions = decisions(&["acceptForSession"]);
    stage.turn(&thread, "run: touch f4")?;
    stage.turn(&thread, "run: touch f4")?;
    stage.client.decisions = decisions(&["acceptForSession"]);
    stage.turn(&thread, "patch: n3\npatchupd: n3")?;
    Ok(())
}

fn userinput(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let plan = stage.plan_mode();
    stage.turn_with(&thread, "ask:", plan.clone())?;
    if !stage.offered("request_user_input") {
        return Err(Stop::Skip("the model is offered no `request_user_input`".to_owned()));
    }
    let two = "ask: db=Which database? [Postgres|SQLite]; key=Its password? [none|other] secret";
    stage.turn_with(&thread, two, plan)?;
    Ok(())
}

fn interrupt(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let (mark, turn) = stage.begin(&thread, "slow: 200 20")?;
    stage.client.wait_for(mark, "item/agentMessage/delta", &thread)?;
    stop_turn(stage, mark, &thread, &turn)?;
    let (mark, turn) = stage.begin(&thread, "run: echo begun; sleep 30")?;
    wait_item(stage, mark, "item/started", "commandExecution")?;
    stage.client.settle(Duration::from_millis(300))?;
    stop_turn(stage, mark, &thread, &turn)?;
    stage.turn(&thread, "hello again")?;
    let asking = stage.thread()?;
    stage.client.holds = true;
    let (mark, turn) = stage.begin(&asking, "run: touch never")?;
    stage.client.wait_open(1)?;
    stop_turn(stage, mark, &asking, &turn)?;
    stage.client.open.clear();
    Ok(())
}

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

fn steer(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, turn) = stage.begin(&thread, "slow: 60 20\nrun: echo kept")?;
    stage.client.wait_for(mark, "item/agentMessage/delta", &thread)?;
    let input = json!([{"type": "text", "text": "say: steered to here"}]);
    let params = json!({"threadId": thread, "expectedTurnId": turn, "input": input});
    stage.client.request("turn/steer", params)?;
    stage.end_of_turn(mark, &thread)?;
    Ok(())
}

fn failures(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "fail: 500 x1\nsay: after one retry")?;
    stage.turn(&thread, "drop: x1\nsay: after a broken stream")?;
    stage.turn(&thread, "fail: 400")?;
    stage.turn(&thread, "fail: 503")?;
    stage.turn(&thread, "drop:")?;
    stage.turn(&thread, "run: echo out; echo err >&2; exit 3\nrun: false\nrun: no-such-command")?;
    stage.turn(&thread, "patchupd: missing.txt")?;
    Ok(())
}

fn bigoutput(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: for i in $(seq 400); do echo line $i; done")?;
    stage.turn(&thread, "run: head -c 40000 /dev/zero | tr '\\0' x")?;
    stage.turn(&thread, "run: for i in $(seq 10); do echo tick $i; sleep 0.05; done")?;
    Ok(())
}

fn lifecycle(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "hello there")?;
    stage.turn(&thread, "run: echo two")?;
    let this = json!({"threadId": thread});
    if stage.release.serves("thread/name/set") {
        let params = json!({"threadId": thread, "name": "my task"});
        stage.client.request("thread/name/set", params)?;
    }
    let forked = stage.client.request("thread/fork", this.clone())?;
    let fork = id_of(&forked, "/thread/id")?;
    stage.turn(&fork, "hello from the fork")?;
    for method in ["model/list", "mcpServerStatus/list", "thread/list", "thread/loaded/list"] {
        if stage.release.serves(method) {
            stage.client.ask(method, json!({}))?;
        }
    }
    if stage.release.serves("thread/read") {
        stage.client.ask("thread/read", json!({"threadId": thread, "includeTurns": true}))?;
    }
    for method in ["thread/archive", "thread/unarchive"] {
        if stage.release.serves(method) {
            stage.client.ask(method, this.clone())?;
        }
    }
    Ok(())
}

fn subagents(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "spawn: run: echo child\nwait:\nrun: echo parent")?;
    if !stage.offered("spawn_agent") {
        return Err(Stop::Skip("the model is offered no `spawn_agent`".to_owned()));
    }
    Ok(())
}

fn parallel(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let mark = stage.client.mark();
    let mut threads = Vec::new();
    for _ in 0..4 {
        threads.push(stage.thread_with("never", json!({}))?);
    }
    for (index, thread) in threads.iter().enumerate() {
        stage.begin(thread, &format!("run: echo from {index}\nsay: done {index}"))?;
    }
    for thread in &threads {
        stage.client.wait_for(mark, "turn/completed", thread)?;
    }
    Ok(())
}

fn crash(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "hello before")?;
    stage.client.holds = true;
    stage.begin(&thread, "run: touch never")?;
    stage.client.wait_open(1)?;
    stage.client.settle(Duration::from_millis(200))?;
    stage.restart()?;
    stage.client.request("thread/resume", json!({"threadId": thread}))?;
    stage.turn(&thread, "hello after crash")?;
    Ok(())
}
