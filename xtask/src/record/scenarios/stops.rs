//! Transcripts that stop in a known moment: the server is killed there and never comes back.

use std::time::Duration;

use serde_json::json;

use super::{Stage, Stop, stop_turn, wait_item};

/// After the thread's start.
pub fn empty(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.thread()?;
    stage.client.settle(Duration::from_millis(300))
}

/// The model was asked and has said nothing yet.
pub fn thinking(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "say: before")?;
    stage.begin(&thread, "pause: 60000\nsay: never")?;
    stage.client.settle(Duration::from_millis(400))
}

/// In the middle of a reasoning summary.
pub fn reasoning(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, _) = stage.begin(&thread, "think: 400 50\nsay: never")?;
    stage.client.wait_for(mark, "item/reasoning/summaryTextDelta", &thread)?;
    Ok(())
}

/// In the middle of a message.
pub fn writing(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, _) = stage.begin(&thread, "slow: 400 50")?;
    stage.client.wait_for(mark, "item/agentMessage/delta", &thread)?;
    Ok(())
}

/// With a command running.
pub fn running(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let (mark, _) = stage.begin(&thread, "run: echo begun; sleep 60")?;
    wait_item(stage, mark, "item/started", "commandExecution")?;
    stage.client.settle(Duration::from_millis(500))
}

/// Between a command and what the model says to it.
pub fn between(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let (mark, _) = stage.begin(&thread, "run: echo done\npause: 60000\nsay: never")?;
    wait_item(stage, mark, "item/completed", "commandExecution")?;
    stage.client.settle(Duration::from_millis(500))
}

/// With a command's approval open.
pub fn approval(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    asked(stage, &thread, "run: touch never")
}

/// With a file change's approval open.
pub fn file_approval(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    asked(stage, &thread, "patch: never")
}

fn asked(stage: &mut Stage<'_>, thread: &str, script: &str) -> Result<(), Stop> {
    stage.client.holds = true;
    stage.begin(thread, script)?;
    stage.client.wait_open(1)?;
    stage.client.settle(Duration::from_millis(300))
}

/// The approval is given and the command runs.
pub fn approved(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    asked(stage, &thread, "run: echo begun; sleep 60")?;
    stage.client.decide(0, "accept".into())?;
    stage.client.settle(Duration::from_millis(600))
}

/// With a question to the user open.
pub fn question(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let plan = stage.plan_mode();
    stage.client.holds = true;
    stage.begin_with(&thread, "ask:", plan)?;
    stage.client.wait_open(1)?;
    stage.client.settle(Duration::from_millis(300))
}

/// While a failed request waits for its next try.
pub fn retrying(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, _) = stage.begin(&thread, "drop: x1\npause: 60000\nsay: never")?;
    stage.client.wait(mark, "error", |message| message["method"] == "error")?;
    stage.client.settle(Duration::from_millis(500))
}

/// After a turn that failed.
pub fn failed(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "fail: 400")?;
    Ok(())
}

/// After a turn that was interrupted.
pub fn interrupted(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, turn) = stage.begin(&thread, "slow: 400 20")?;
    stage.client.wait_for(mark, "item/agentMessage/delta", &thread)?;
    stop_turn(stage, mark, &thread, &turn)
}

/// With a sub-agent at work and the parent waiting for it.
pub fn child_runs(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let (mark, _) = stage.begin(&thread, "spawn: run: echo begun; sleep 60\nwait: 60000")?;
    wait_item(stage, mark, "item/started", "commandExecution")?;
    stage.client.settle(Duration::from_millis(800))
}

/// With a sub-agent's approval open and the parent waiting for it.
pub fn child_asks(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    asked(stage, &thread, "spawn: run: touch never\nwait: 60000")?;
    stage.client.settle(Duration::from_millis(800))
}
