//! What happens within turns: answers, commands, file changes, questions, interrupts, failures.

use std::time::Duration;

use serde_json::json;

use super::{Stage, Stop, decisions, saw, stop_turn, wait_item};

/// See the table.
pub fn basic(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "hello there")?;
    stage.turn(&thread, "run: echo one\nrun: uname -s")?;
    stage.turn(&thread, "patch: a.txt\npatchupd: a.txt")?;
    stage.turn(&thread, "plan:\nrun: pwd")?;
    Ok(())
}

/// See the table.
pub fn approvals(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn userinput(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn interrupt(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn steer(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let (mark, turn) = stage.begin(&thread, "slow: 60 20\nrun: echo kept")?;
    stage.client.wait_for(mark, "item/agentMessage/delta", &thread)?;
    let input = json!([{"type": "text", "text": "say: steered to here"}]);
    let params = json!({"threadId": thread, "expectedTurnId": turn, "input": input});
    stage.client.request("turn/steer", params)?;
    stage.end_of_turn(mark, &thread)?;
    Ok(())
}

/// See the table.
pub fn failures(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn bigoutput(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: for i in $(seq 400); do echo line $i; done")?;
    stage.turn(&thread, "run: head -c 40000 /dev/zero | tr '\\0' x")?;
    stage.turn(&thread, "run: for i in $(seq 10); do echo tick $i; sleep 0.05; done")?;
    Ok(())
}

/// See the table.
pub fn background(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run@300: read line; echo got $line; sleep 0.4; echo late\ntype: hello")?;
    stage.client.settle(Duration::from_millis(900))?;
    stage.turn(&thread, "run@300: sleep 0.6; echo after the turn\nsay: it still runs")?;
    stage.client.settle(Duration::from_millis(1_500))
}

/// See the table.
pub fn websearch(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(
        &thread,
        "search: append only log\nrun: echo found\nsearch: crc32 speed\nsay: done",
    )?;
    saw(stage, "webSearch")
}

/// See the table.
pub fn image(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let path = stage.repo().join("dot.png");
    std::fs::write(&path, DOT).map_err(|error| Stop::Wrong(error.to_string()))?;
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, &format!("dyn: view_image {}", json!({ "path": path })))?;
    saw(stage, "imageView")
}

/// See the table.
pub fn drawing(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "draw: a white dot\nsay: there")?;
    saw(stage, "imageGeneration")
}

/// One white dot.
const DOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\r\xefF\xb8\0\0\0\0IEND\xaeB`\x82";

/// See the table.
pub fn planmode(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    let plan = stage.plan_mode();
    let script =
        "say: <<<\nBefore.\n<proposed_plan>\n# Plan\n- read\n- write\n</proposed_plan>\n>>>";
    stage.turn_with(&thread, script, plan)?;
    saw(stage, "plan")
}

/// See the table.
pub fn reasoning(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "think: 30\nsay: thought")?;
    stage.turn(&thread, "say: first this\nrun: echo then that\nthink: 5\nsay: and an end")?;
    Ok(())
}

/// See the table.
pub fn files(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let add = "patch: src/a.rs <<<\nfn a() {}\n\nfn b() {}\n>>>";
    let change =
        "patchupd: src/a.rs <<<\n*** Move to: src/c.rs\n@@\n-fn a() {}\n+fn c() {}\n+// more\n>>>";
    stage.turn(&thread, &format!("{add}\n{change}\npatch: b.txt\npatchdel: b.txt"))?;
    Ok(())
}

/// See the table.
pub fn two_requests(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.client.holds = true;
    let thread = stage.thread()?;
    let other = stage.thread()?;
    let (mark, _) = stage.begin(&thread, "run: touch a\n+ run: touch b\nsay: both")?;
    stage.begin(&other, "patch: c\nsay: changed")?;
    stage.client.wait_open(2)?;
    stage.client.settle(Duration::from_millis(500))?;
    // The newest first: answers need not keep the order of the questions.
    while !stage.client.open.is_empty() {
        let newest = stage.client.open.len() - 1;
        let decision = if newest == 1 { "decline" } else { "accept" };
        stage.client.decide(newest, decision.into())?;
        stage.client.settle(Duration::from_millis(300))?;
    }
    for thread in [&thread, &other] {
        stage.client.wait_for(mark, "turn/completed", thread)?;
    }
    Ok(())
}

/// See the table.
pub fn cleared(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.client.holds = true;
    let thread = stage.thread()?;
    for script in ["run: touch a\n+ run: touch b", "patch: c"] {
        let (mark, turn) = stage.begin(&thread, script)?;
        stage.client.wait_open(1)?;
        stage.client.settle(Duration::from_millis(300))?;
        stop_turn(stage, mark, &thread, &turn)?;
        stage.client.open.clear();
    }
    if stage.release.knows("item/tool/requestUserInput") {
        let plan = stage.plan_mode();
        let (mark, turn) = stage.begin_with(&thread, "ask:", plan)?;
        stage.client.wait_open(1)?;
        stop_turn(stage, mark, &thread, &turn)?;
        stage.client.open.clear();
    }
    Ok(())
}
