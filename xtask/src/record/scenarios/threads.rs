//! What happens to threads: fork, compaction, review, goals, other models, other servers.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stage, Stop, id_of, saw};

/// See the table.
pub fn lifecycle(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn parallel(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn crash(stage: &mut Stage<'_>) -> Result<(), Stop> {
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

/// See the table.
pub fn interleaved(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.client.holds = true;
    let mark = stage.client.mark();
    let asking = [stage.thread()?, stage.thread()?];
    let free = stage.thread_with("never", json!({}))?;
    for (index, thread) in asking.iter().enumerate() {
        stage.begin(thread, &format!("run: touch f{index}\npatch: g{index}"))?;
    }
    stage.begin(&free, "slow: 40 10\nrun: echo free\nslow: 20 10")?;
    // Each time the newest is answered: the threads overtake each other.
    for _ in 0..4 {
        stage.client.wait_open(1)?;
        stage.client.settle(Duration::from_millis(120))?;
        let newest = stage.client.open.len() - 1;
        stage.client.decide(newest, "accept".into())?;
    }
    for thread in [&asking[0], &asking[1], &free] {
        stage.client.wait_for(mark, "turn/completed", thread)?;
    }
    Ok(())
}

/// See the table.
pub fn fork(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: echo before the fork")?;
    let mut source = thread.clone();
    for index in 0..2 {
        let forked = stage.client.request("thread/fork", json!({ "threadId": source }))?;
        source = id_of(&forked, "/thread/id")?;
        stage.turn(&source, &format!("run: echo in fork {index}"))?;
    }
    stage.turn(&thread, "say: the first goes on")?;
    Ok(())
}

/// See the table.
pub fn rollback(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "say: one")?;
    stage.turn(&thread, "run: echo two")?;
    let (mark, third) = stage.begin(&thread, "say: three")?;
    stage.end_of_turn(mark, &thread)?;
    if stage.release.serves("thread/revert") {
        let params = json!({"threadId": thread, "beforeTurnId": third});
        stage.client.request("thread/revert", params)?;
    } else {
        let params = json!({"threadId": thread, "numTurns": 1});
        stage.client.request("thread/rollback", params)?;
    }
    stage.turn(&thread, "say: another three")?;
    Ok(())
}

/// See the table.
pub fn compaction(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: echo one")?;
    if stage.release.serves("thread/compact/start") {
        let mark = stage.client.mark();
        stage.client.request("thread/compact/start", json!({ "threadId": thread }))?;
        stage.end_of_turn(mark, &thread)?;
        stage.turn(&thread, "say: after it")?;
    }
    let config = json!({"config": {"model_auto_compact_token_limit": 200}});
    let full = stage.thread_with("never", config)?;
    stage.turn(&full, "run: echo fills up\nrun: echo more\nsay: done")?;
    stage.turn(&full, "say: next")?;
    Ok(())
}

/// See the table.
pub fn review(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "patch: a.txt")?;
    let said = json!({"findings": [], "overall_correctness": "patch is correct",
        "overall_explanation": "Nothing to say against it.", "overall_confidence_score": 0.9});
    let instructions = format!("run: cat a.txt\nsay: {said}");
    let target = json!({"type": "custom", "instructions": instructions});
    for delivery in ["inline", "detached"] {
        let mark = stage.client.mark();
        let params = json!({"threadId": thread, "target": target, "delivery": delivery});
        let answer = stage.client.ask("review/start", params)?;
        // The newest releases review inline only.
        let Some(result) = answer.get("result") else { continue };
        let reviewing = result["reviewThreadId"].as_str().unwrap_or(&thread).to_owned();
        stage.end_of_turn(mark, &reviewing)?;
    }
    saw(stage, "exitedReviewMode")
}

/// See the table.
pub fn goal(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "say: ready")?;
    let mark = stage.client.mark();
    let goal = json!({"threadId": thread, "objective": "make it green", "tokenBudget": 2_000});
    stage.client.request("thread/goal/set", goal)?;
    stage.client.wait_for(mark, "turn/completed", &thread)?;
    stage.client.request("thread/goal/get", json!({ "threadId": thread }))?;
    let paused = json!({"threadId": thread, "status": "paused"});
    stage.client.request("thread/goal/set", paused)?;
    stage.client.settle(Duration::from_millis(600))?;
    stage.client.request("thread/goal/clear", json!({ "threadId": thread }))?;
    stage.client.settle(Duration::from_millis(300))
}

/// See the table.
pub fn model_change(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "say: with the first model")?;
    let listed = stage.client.request("model/list", json!({}))?;
    let models = listed["data"].as_array().cloned().unwrap_or_default();
    let other = models
        .iter()
        .filter_map(|model| model["model"].as_str())
        .find(|slug| *slug != stage.model_slug)
        .ok_or_else(|| Stop::Skip("this release lists one model only".to_owned()))?
        .to_owned();
    stage.turn_with(&thread, "run: echo other", json!({"model": other, "effort": "low"}))?;
    stage.turn(&thread, "say: it stays")?;
    stage.turn_with(&thread, "run: pwd", json!({"approvalPolicy": "untrusted"}))?;
    Ok(())
}

/// See the table.
pub fn queue(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let (mark, _) = stage.begin(&thread, "slow: 30 20\nsay: first")?;
    for text in ["say: second", "say: third"] {
        let input = json!([{"type": "text", "text": text}]);
        let params = json!({"threadId": thread, "input": input, "clientUserMessageId": text});
        stage.client.request("thread/queue/add", params)?;
    }
    stage.client.request("thread/queue/list", json!({ "threadId": thread }))?;
    stage.end_of_turn(mark, &thread)?;
    stage.client.settle(Duration::from_millis(1_500))
}

/// See the table.
pub fn shell_command(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let mark = stage.client.mark();
    let params = json!({"threadId": thread, "command": "echo by the user; exit 2"});
    stage.client.request("thread/shellCommand", params)?;
    stage.end_of_turn(mark, &thread)?;
    stage.turn(&thread, "say: seen")?;
    Ok(())
}

/// See the table.
pub fn unload(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "say: hello")?;
    let params = json!({"threadId": thread});
    stage.client.request("thread/unsubscribe", params.clone())?;
    stage.client.settle(Duration::from_millis(800))?;
    stage.client.request("thread/resume", params)?;
    stage.turn(&thread, "say: back")?;
    Ok(())
}

/// See the table.
pub fn reload(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: echo one")?;
    stage.turn(&thread, "say: two")?;
    let params = json!({"threadId": thread});
    stage.client.request("thread/resume", params.clone())?;
    stage.turn(&thread, "run: exit 3\nsay: three")?;
    for method in ["thread/archive", "thread/unarchive"] {
        if stage.release.serves(method) {
            stage.client.ask(method, params.clone())?;
        }
    }
    stage.client.settle(Duration::from_millis(300))?;
    if stage.release.serves("thread/unarchive") {
        stage.client.request("thread/resume", params)?;
        stage.turn(&thread, "run: echo four")?;
    }
    Ok(())
}

/// See the table.
pub fn resume(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: echo before")?;
    let running = stage.thread_with("never", json!({}))?;
    stage.begin(&running, "run: sleep 20")?;
    stage.client.settle(Duration::from_millis(400))?;
    for again in ["once", "twice"] {
        stage.restart()?;
        for thread in [&thread, &running] {
            stage.client.request("thread/resume", json!({ "threadId": thread }))?;
        }
        stage.turn(&thread, &format!("run: echo {again}"))?;
    }
    stage.turn(&running, "say: it was lost")?;
    let missing = json!({"threadId": "00000000-0000-7000-8000-000000000000"});
    let refused: Value = stage.client.ask("thread/resume", missing)?;
    match refused.get("error") {
        Some(_) => Ok(()),
        None => Err(Stop::Wrong("a thread that is not there was resumed".to_owned())),
    }
}

/// See the table.
pub fn missing(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.restart_without(&["turn/completed", "serverRequest/resolved", "item/started"])?;
    let thread = stage.thread()?;
    for script in ["run: echo one", "patch: a.txt", "fail: 400"] {
        stage.begin(&thread, script)?;
        // The end of the turn is not told.
        stage.client.settle(Duration::from_millis(1_500))?;
    }
    Ok(())
}

/// See the table.
pub fn onlooker(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let mut driver = stage.onlook()?;
    let start = json!({"cwd": stage.repo(), "approvalPolicy": "untrusted",
        "sandbox": "danger-full-access"});
    let started = driver.request("thread/start", start)?;
    let thread = id_of(&started, "/thread/id")?;
    driver.holds = true;
    for decision in ["accept", "decline"] {
        let mark = driver.mark();
        let input = json!([{"type": "text", "text": "run: touch a"}]);
        driver.request("turn/start", json!({"threadId": thread, "input": input}))?;
        driver.wait_open(1)?;
        stage.client.settle(Duration::from_millis(300))?;
        driver.decide(0, decision.into())?;
        driver.wait_for(mark, "turn/completed", &thread)?;
        stage.client.settle(Duration::from_millis(300))?;
    }
    Ok(())
}
