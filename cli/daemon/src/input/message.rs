//! What an input may be.
//!
//! What always holds: what Codex could never take, or a terminal would choke on, is refused before it is
//! accepted, with the place of the fault and a way round it.

use crate::api::{Input, Settings};
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::sessions::rights::{Approval, Rights, Sandbox};
use serde_json::{Value, json};
use sm_projections::rows::Session;
use std::path::Path;

/// The longest text that Codex takes in one turn, in characters (`MAX_USER_INPUT_TEXT_CHARS`).
const CHARS_MAX: usize = 1 << 20;

/// Refuses what nothing could take.
pub(crate) fn check(input: &Input) -> Result<(), Refusal> {
    check_text(&input.text)?;
    if let Some(key) = &input.key {
        super::key::check(key)?;
    }
    input.images.iter().try_for_each(|image| check_image(image))?;
    if input.output_schema.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(Refusal::bad_request("the output schema is no JSON schema: it is no object")
            .hint(
                r#"{"type":"object","properties":{…},"required":[…],"additionalProperties":false}"#,
            ));
    }
    let has_own = !input.settings.is_empty() || input.output_schema.is_some();
    if input.mode == crate::api::Mode::Steer && has_own {
        return Err(Refusal::bad_request("a running turn keeps its settings").hint(
            "send it without --steer: a turn of its own has them; `sm set` changes them for good",
        ));
    }
    if input.expected_turn.is_some() && input.mode != crate::api::Mode::Steer {
        return Err(Refusal::bad_request("a turn can be expected only where one is steered")
            .hint("send it with the mode steer (`--steer --turn ID`), or without a turn"));
    }
    Ok(())
}

/// Refuses a text that is empty, too long, or holds control characters.
pub(crate) fn check_text(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::bad_request("the message is empty"));
    }
    check_words("the message", text)
}

/// Refuses words that are too long, or hold control characters; there may be none.
pub(crate) fn check_words(what: &str, text: &str) -> Result<(), Refusal> {
    let chars = text.chars().count();
    if chars > CHARS_MAX {
        return Err(Refusal::new(
            413,
            "too_long",
            format!("{what} has {chars} characters; Codex takes {CHARS_MAX} in one turn"),
        )
        .hint("put it into a file of the session's folder, and name the file instead"));
    }
    let is_foreign = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if let Some((at, found)) = text.char_indices().find(|(_, c)| is_foreign(*c)) {
        let line = text[..at].matches('\n').count() + 1;
        return Err(Refusal::new(
            400,
            "bad_text",
            format!("{what} has the control character U+{:04X} in line {line}", found as u32),
        )
        .hint("take terminal colours and the like out first: … | sed 's/\\x1b\\[[0-9;]*m//g'"));
    }
    Ok(())
}

fn check_image(image: &str) -> Result<(), Refusal> {
    if is_address(image) {
        return Ok(());
    }
    let path = Path::new(image);
    match path.is_absolute() && path.is_file() {
        true => Ok(()),
        false => Err(Refusal::not_found(format!("there is no picture {image:?}"))
            .hint("an image is the absolute path of a file, or an http, https or data address")),
    }
}

fn is_address(image: &str) -> bool {
    ["http://", "https://", "data:"].iter().any(|scheme| image.starts_with(scheme))
}

/// The settings in words that Codex knows. An agent gives no session more rights than it has itself.
pub(crate) fn settings(
    caller: &Caller,
    target: &Session,
    wished: &Settings,
) -> Result<Settings, Refusal> {
    let sandbox = Sandbox::wished(wished.sandbox.as_deref())?;
    let approval = Approval::wished(wished.approval.as_deref())?;
    let word = |word: &Option<String>, what: &str| match word.as_deref() {
        Some(word) if word.is_empty() || word.chars().any(char::is_control) || word.len() > 200 => {
            Err(Refusal::bad_request(format!("{word:?} is no {what}"))
                .hint("`sm models` lists what this Codex knows"))
        }
        _ => Ok(word.clone()),
    };
    // What gives nothing takes no right.
    if let Caller::Agent(agent) = caller
        && (sandbox.is_some() || approval.is_some())
    {
        let cwd = target.cwd.as_deref().map(Path::new);
        Rights::of(&agent.session).of_child(sandbox, approval, cwd)?;
    }
    Ok(Settings {
        model: word(&wished.model, "model")?,
        effort: word(&wished.effort, "reasoning effort")?,
        approval: approval.map(|approval| approval.as_str().to_owned()),
        sandbox: sandbox.map(|sandbox| sandbox.as_str().to_owned()),
    })
}

/// Text and pictures as `turn/start` and `turn/steer` take them.
pub(super) fn content(text: &str, images: &[String]) -> Value {
    let words = json!({ "type": "text", "text": text, "text_elements": [] });
    let image = |image: &String| match is_address(image) {
        true => json!({ "type": "image", "url": image }),
        false => json!({ "type": "localImage", "path": image }),
    };
    std::iter::once(words).chain(images.iter().map(image)).collect()
}

/// Puts whether turns plan into such parameters. It goes above model and effort there, so it says those, too.
pub(super) fn put_mode(params: &mut Value, plans: bool, settings: &Settings, session: &Session) {
    let model = settings.model.as_ref().or(session.model.as_ref());
    params["collaborationMode"] = json!({
        "mode": if plans { "plan" } else { "default" },
        "settings": {
            "model": model.map_or("", String::as_str),
            "reasoning_effort": settings.effort.as_ref().or(session.effort.as_ref()),
            "developer_instructions": null,
        },
    });
}

/// The policy of a sandbox: to write in its workspace as its configuration says, where that is known.
fn policy_of(sandbox: Sandbox, session: &Session) -> Value {
    let workspace = session.workspace.as_deref().filter(|_| sandbox == Sandbox::WorkspaceWrite);
    let told = workspace.and_then(|told| serde_json::from_str(told).ok());
    told.unwrap_or_else(|| sandbox.policy())
}

/// Puts settings into the parameters of `turn/start` or `thread/settings/update`.
pub(crate) fn put_settings(params: &mut Value, settings: &Settings, session: &Session) {
    let told = [
        ("model", settings.model.as_deref().map(|word| json!(word))),
        ("effort", settings.effort.as_deref().map(|word| json!(word))),
        ("approvalPolicy", settings.approval.as_deref().map(|word| json!(word))),
        (
            "sandboxPolicy",
            settings
                .sandbox
                .as_deref()
                .and_then(Sandbox::of_word)
                .map(|sandbox| policy_of(sandbox, session)),
        ),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            params[name] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_refused_by_the_place_of_its_fault() {
        assert!(check_text("two\nlines\tand a tab\r\n").is_ok());
        assert!(check_text(&"ü".repeat(CHARS_MAX)).is_ok());
        let refused = check_text(&"ü".repeat(CHARS_MAX + 1)).unwrap_err();
        assert_eq!((refused.status, refused.problem.code.as_str()), (413, "too_long"));
        for bad in ["a\nb\u{1b}[31mred", "a\n\0", "x\ny\u{9b}1m"] {
            let refused = check_text(bad).unwrap_err();
            assert_eq!(refused.problem.code, "bad_text");
            assert!(refused.problem.message.contains("line 2"), "{}", refused.problem.message);
        }
        assert_eq!(check_text(" \n").unwrap_err().problem.code, "bad_request");
    }

    #[test]
    fn pictures_go_as_paths_or_addresses() {
        let content =
            content("look", &["/x.png".to_owned(), "data:image/png;base64,AA".to_owned()]);
        assert_eq!(content[1], json!({ "type": "localImage", "path": "/x.png" }));
        assert_eq!(content[2]["type"], "image");
        assert!(check_image("relative.png").is_err() && check_image("https://x/y.png").is_ok());
    }
}
