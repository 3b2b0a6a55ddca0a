//! What agents do beside their own turns: sub-agents, tools from outside, hooks.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sm_scripted_model::ConfigOptions;

use super::{Places, Stage, Stop, decisions, saw};
use crate::record::MCP_CHORE;

/// See the table.
pub fn subagents(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "spawn: run: echo child\nwait:\nrun: echo parent")?;
    spawned(stage)
}

fn spawned(stage: &Stage<'_>) -> Result<(), Stop> {
    let kinds = ["collabAgentToolCall", "subAgentActivity"];
    match kinds.iter().any(|kind| saw(stage, kind).is_ok()) {
        true => Ok(()),
        false => Err(Stop::Skip("the model is offered no `spawn_agent`".to_owned())),
    }
}

/// Lets sub-agents have sub-agents.
pub fn deep(options: &mut ConfigOptions, places: &Places) {
    options.extra += "[agents]\nmax_depth = 3\n";
    newest_model(options, places);
}

/// From 0.155 on the newest models are in code mode, and only their sub-agents have sub-agents.
pub fn newest_model(options: &mut ConfigOptions, places: &Places) {
    let slug = match places.minor {
        0..155 => return,
        155..169 => "gpt-5.6-sol",
        _ => "gpt-6-sol",
    };
    options.model = slug.to_owned();
}

/// See the table.
pub fn code_mode(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "run: echo one\npatch: a.txt\nrun: exit 3")?;
    if !stage.offered("exec") {
        return Err(Stop::Skip("no model of this release is in code mode".to_owned()));
    }
    stage.client.decisions = decisions(&["decline", "cancel"]);
    stage.turn(&thread, "run: touch b")?;
    stage.turn(&thread, "patch: c.txt")?;
    let free = stage.thread_with("never", json!({}))?;
    let both = "text(await Promise.all([tools.exec_command({cmd: \"echo a; sleep 0.3\"}), \
                tools.exec_command({cmd: \"echo b\"})]));";
    stage.turn(&free, &format!("dyn: exec {both}"))?;
    stage.turn(&free, "dyn: exec text(1 +);")?;
    stage.turn(&free, "dyn: sleep {\"duration_ms\": 300}\nsay: slept")?;
    let question = json!({"questions": [{"title": "Which one?", "options": ["A", "B"]}]});
    stage.turn(&free, &format!("dyn: request_user_input_async {question}\nsay: asked"))?;
    let tools = client_tools(stage);
    let managing = stage.thread_with("never", tools)?;
    stage.turn(&managing, CLIENT_TOOLS_SCRIPT)?;
    Ok(())
}

/// See the table.
pub fn nested(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    let child = "run: echo child\nspawn: run: echo grandchild\nwait:\nsay: child done";
    let two = format!(
        "spawn: <<<\n{child}\n>>>\nspawn: run: echo second child\nwait:\nwait:\nsay: all done"
    );
    stage.turn(&thread, &two)?;
    stage.client.settle(Duration::from_millis(1_500))?;
    spawned(stage)?;
    let threads: std::collections::BTreeSet<_> =
        stage.client.since(0).iter().filter_map(|m| m["params"]["threadId"].as_str()).collect();
    match threads.len() {
        0..=3 => Err(Stop::Skip("a sub-agent is offered no `spawn_agent` of its own".to_owned())),
        _ => Ok(()),
    }
}

/// See the table.
pub fn child_asks(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.client.holds = true;
    let (mark, _) =
        stage.begin(&thread, "spawn: run: touch by-child\nwait:\nrun: touch by-parent")?;
    for decision in ["decline", "accept"] {
        stage.client.wait_open(1)?;
        stage.client.settle(Duration::from_millis(200))?;
        stage.client.decide(0, decision.into())?;
    }
    stage.end_of_turn(mark, &thread)?;
    spawned(stage)
}

/// See the table.
pub fn child_fails(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "spawn: fail: 400\nwait: 3000\nclose:\nsay: it failed")?;
    stage
        .turn(&thread, "spawn: say: first task\nwait: 3000\ntell: say: second task\nwait: 3000")?;
    spawned(stage)
}

/// The thread parameter that offers tools of the client's.
fn client_tools(stage: &Stage<'_>) -> Value {
    let tool = |name: &str| {
        let mut tool = json!({"name": name, "description": "a tool of the client",
            "inputSchema": {"type": "object", "properties": {}, "additionalProperties": true}});
        if stage.release.minor() > 115 {
            tool["type"] = "function".into();
        }
        tool
    };
    json!({"dynamicTools": [tool("sm_spawn"), tool("sm_wait")]})
}

/// Calls two of them, the second with what the first gave.
const CLIENT_TOOLS_SCRIPT: &str = "dyn: sm_spawn {\"prompt\": \"run: echo child\"}
dyn: sm_wait {\"sessions\": [\"{{last.id}}\"]}
say: done {{1.id}}";

/// See the table.
pub fn dynamic(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let tools = client_tools(stage);
    let thread = stage.thread_with("never", tools)?;
    stage.turn(&thread, CLIENT_TOOLS_SCRIPT)?;
    stage.client.holds = true;
    let (mark, _) = stage.begin(&thread, "dyn: sm_wait {\"sessions\": []}")?;
    stage.client.wait_open(1)?;
    stage.client.settle(Duration::from_millis(200))?;
    let failed = json!({"contentItems": [{"type": "inputText", "text": "no such session"}],
        "success": false});
    stage.client.decide(0, failed)?;
    stage.end_of_turn(mark, &thread)?;
    Ok(())
}

/// See the table.
pub fn slow_tool(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let tools = client_tools(stage);
    let thread = stage.thread_with("never", tools)?;
    answered_late(stage, &thread, "dyn: sm_wait {\"sessions\": []}\nsay: after it")?;
    if stage.offered("exec") {
        let patient = "dyn: sm_wait {\"sessions\": []}\n\
                       dyn: wait {\"cell_id\": \"{{last|cell ID}}\", \"yield_time_ms\": 20000}\n\
                       say: {{last}}";
        answered_late(stage, &thread, patient)?;
    }
    Ok(())
}

fn answered_late(stage: &mut Stage<'_>, thread: &str, script: &str) -> Result<(), Stop> {
    stage.client.holds = true;
    let (mark, _) = stage.begin(thread, script)?;
    stage.client.wait_open(1)?;
    stage.client.pass(LONGER_THAN_CODE_WAITS)?;
    stage.client.decide(0, "late".into())?;
    stage.end_of_turn(mark, thread)?;
    stage.client.settle(Duration::from_millis(1_000))
}

/// Code in code mode yields to the model after 30 seconds.
const LONGER_THAN_CODE_WAITS: Duration = Duration::from_secs(34);

/// Configures the tiny MCP server, and one that cannot start.
pub fn tiny_mcp(options: &mut ConfigOptions, _: &Places) {
    let program = std::env::current_exe().unwrap_or_default();
    options.extra += &format!(
        "[mcp_servers.tiny]\ncommand = {}\nargs = [\"{MCP_CHORE}\"]\n\
         [mcp_servers.broken]\ncommand = \"no-such-program\"\n",
        Value::from(program.to_string_lossy()),
    );
}

/// See the table.
pub fn mcp(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "dyn: mcp__tiny__echo {\"text\": \"hi\"}\ndyn: mcp__tiny__fail {}")?;
    stage.client.ask("mcpServerStatus/list", json!({}))?;
    saw(stage, "mcpToolCall")
}

/// See the table.
pub fn elicitation(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let thread = stage.thread()?;
    stage.turn(&thread, "dyn: mcp__tiny__ask {}")?;
    let asked = stage
        .client
        .since(0)
        .iter()
        .any(|message| message["method"] == "mcpServer/elicitation/request");
    match asked {
        true => Ok(()),
        false => Err(Stop::Skip("this release did not pass the question on".to_owned())),
    }
}

/// Allows the model to ask for rights.
pub fn asks_for_rights(options: &mut ConfigOptions, _: &Places) {
    options.features.push("request_permissions_tool".to_owned());
    options.features.push("exec_permission_approvals".to_owned());
}

/// See the table.
pub fn permissions(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let sandboxed = json!({"sandbox": "workspace-write"});
    let thread = stage.thread_with("on-request", sandboxed)?;
    let wanted = json!({"reason": "it needs the network",
        "permissions": {"network": {"enabled": true}}});
    stage.turn(&thread, &format!("dyn: request_permissions {wanted}"))?;
    let asked = stage
        .client
        .since(0)
        .iter()
        .any(|message| message["method"] == "item/permissions/requestApproval");
    match asked {
        true => Ok(()),
        false => Err(Stop::Skip("no permission was asked for".to_owned())),
    }
}

/// Puts hooks for most events into Codex's home: one says something, one fails, one blocks, one
/// does not let the agent stop.
pub fn hooks_file(options: &mut ConfigOptions, places: &Places) {
    let hook = |command: &str| json!([{"hooks": [{"type": "command", "command": command}]}]);
    let blocked = "grep -q forbidden && { echo not that one >&2; exit 2; } || exit 0";
    let once_more = "test -e .stopped || { touch .stopped; \
                     echo '{\"decision\":\"block\",\"reason\":\"say: once more\"}'; }";
    let hooks = json!({"hooks": {
        "SessionStart": hook("echo session begins"),
        "UserPromptSubmit": hook("true"),
        "PreToolUse": hook(blocked),
        "PostToolUse": hook("exit 1"),
        "Stop": hook(once_more),
    }});
    // A home that cannot be written to shows in the recording: no hook runs.
    let _ = fs::write(places.codex_home.join("hooks.json"), hooks.to_string());
    options.features.push(if places.minor < 142 { "codex_hooks" } else { "hooks" }.to_owned());
}

/// See the table.
pub fn hooks(stage: &mut Stage<'_>) -> Result<(), Stop> {
    if stage.release.serves("hooks/list") {
        trust_hooks(stage)?;
    }
    let thread = stage.thread_with("never", json!({}))?;
    stage.turn(&thread, "run: echo allowed\nrun: echo forbidden")?;
    let ran = stage.client.since(0).iter().any(|message| message["method"] == "hook/completed");
    match ran {
        true => Ok(()),
        false => Err(Stop::Skip("no hook ran".to_owned())),
    }
}

/// Newer releases run no hook that the user has not seen.
fn trust_hooks(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let listed = stage.client.request("hooks/list", json!({"cwds": [stage.repo()]}))?;
    let hooks = listed.pointer("/data/0/hooks").and_then(Value::as_array).cloned();
    let mut trusted = serde_json::Map::new();
    for hook in hooks.unwrap_or_default() {
        let key = hook["key"].as_str().unwrap_or_default().to_owned();
        trusted.insert(key, json!({"trusted_hash": hook["currentHash"]}));
    }
    let write = json!({"keyPath": "hooks.state", "value": trusted, "mergeStrategy": "upsert"});
    stage.client.request("config/value/write", write)?;
    Ok(())
}
