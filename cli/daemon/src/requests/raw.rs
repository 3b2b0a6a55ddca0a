//! Answers in Codex's own form.
//!
//! What always holds: to a request of a known kind only what Codex reads passes (the response types of
//! `codex app-server generate-ts --experimental`), and the word that is recorded is what the answer
//! does. To an unknown kind anything passes, and is recorded as an answer.

use super::elicitation::check_content;
use super::method::Method;
use super::question::check_told;
use super::verdict::Verdict;
use crate::problem::Refusal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The verdict of a raw answer to a request of `method` with those parameters.
pub(super) fn verdict(method: Method<'_>, params: &Value, raw: &Value) -> Result<Verdict, Refusal> {
    let word = match method {
        Method::Command => decision::<form::Command>(method, params, raw)?,
        Method::FileChange => decision::<form::FileChange>(method, params, raw)?,
        Method::OldCommand | Method::OldPatch => match raw == &json!({"decision": "denied"}) {
            // Releases up to the one that added a reason.
            true => "denied".to_owned(),
            false => decision::<form::Review>(method, params, raw)?,
        },
        Method::Skill => match decision::<form::Skill>(method, params, raw)?.as_str() {
            "approve" => "accept".to_owned(),
            word => word.to_owned(),
        },
        Method::Permissions => permissions(method, raw)?,
        Method::Questions => user_input(method, params, raw)?,
        Method::Elicitation => elicitation(method, params, raw)?,
        Method::Other(_) => "answer".to_owned(),
    };
    Ok(Verdict::new(method, word, raw.clone()))
}

/// Refuses what is none of Codex's forms. What was given is not shown: it may hold a secret.
fn read<T: DeserializeOwned>(method: Method<'_>, raw: &Value) -> Result<T, Refusal> {
    T::deserialize(raw).map_err(|_| {
        let form = expected(method);
        Refusal::bad_request(format!("Codex takes no such answer to {method}"))
            .hint(format!("the form is {form}; `sm inbox` shows how it is answered in plain words"))
            .details(json!({ "expected": form }))
    })
}

/// What Codex takes, for people.
fn expected(method: Method<'_>) -> &'static str {
    match method {
        Method::Command => {
            r#"{"decision":D}, D one of "accept", "acceptForSession", "decline", "cancel", {"acceptWithExecpolicyAmendment":{"execpolicy_amendment":[WORD,…]}}, {"applyNetworkPolicyAmendment":{"network_policy_amendment":{"host":HOST,"action":"allow"|"deny"}}}"#
        }
        Method::FileChange => {
            r#"{"decision":D}, D one of "accept", "acceptForSession", "decline", "cancel""#
        }
        Method::Permissions => {
            r#"{"permissions":{"network":{"enabled":BOOL},"fileSystem":{"read":[PATH,…],"write":[PATH,…]}},"scope":"turn"|"session"}, with an empty {} for none"#
        }
        Method::Questions => r#"{"answers":{ID:{"answers":[TEXT,…]},…}}"#,
        Method::Elicitation => {
            r#"{"action":"accept"|"decline"|"cancel","content":{FIELD:VALUE,…}|null}"#
        }
        Method::Skill => r#"{"decision":"approve"|"decline"}"#,
        Method::Other(_) => "any JSON",
        Method::OldCommand | Method::OldPatch => {
            r#"{"decision":D}, D one of "approved", "approved_for_session", "denied", "abort", {"denied":{"rejection":WHY}}, {"approved_execpolicy_amendment":{"proposed_execpolicy_amendment":[WORD,…]}}, {"network_policy_amendment":{"network_policy_amendment":{"host":HOST,"action":"allow"|"deny"}}}"#
        }
    }
}

/// The response types of 0.169.0, as far as Codex looks at them.
#[allow(dead_code, reason = "they are read to be checked, what is sent is the answer as it came")]
mod form {
    use serde::Deserialize;
    use serde_json::{Map, Value};
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Decided<D> {
        pub decision: D,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub enum Command {
        Accept,
        AcceptForSession,
        AcceptWithExecpolicyAmendment { execpolicy_amendment: Vec<String> },
        ApplyNetworkPolicyAmendment { network_policy_amendment: NetworkRule },
        Decline,
        Cancel,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub enum FileChange {
        Accept,
        AcceptForSession,
        Decline,
        Cancel,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub enum Review {
        Approved,
        ApprovedExecpolicyAmendment { proposed_execpolicy_amendment: Vec<String> },
        ApprovedForSession,
        ApprovedMcpPolicyAmendment,
        NetworkPolicyAmendment { network_policy_amendment: NetworkRule },
        Denied { rejection: String },
        TimedOut,
        Abort,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct NetworkRule {
        pub host: String,
        pub action: NetworkAction,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum NetworkAction {
        Allow,
        Deny,
    }

    /// Of releases before 0.169.0.
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Skill {
        Approve,
        Decline,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub struct Permitted {
        pub permissions: Permissions,
        pub scope: Option<Scope>,
        pub strict_auto_review: Option<bool>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub struct Permissions {
        pub network: Option<Network>,
        pub file_system: Option<FileSystem>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Network {
        pub enabled: Option<bool>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub struct FileSystem {
        pub read: Option<Vec<String>>,
        pub write: Option<Vec<String>>,
        pub glob_scan_max_depth: Option<u64>,
        pub entries: Option<Vec<Entry>>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Entry {
        pub path: Place,
        pub access: Access,
    }

    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    pub enum Place {
        Path { path: String },
        GlobPattern { pattern: String },
        Special { value: Map<String, Value> },
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Access {
        Read,
        Write,
        Deny,
    }

    #[derive(Deserialize, Clone, Copy, PartialEq)]
    #[serde(rename_all = "lowercase")]
    pub enum Scope {
        Turn,
        Session,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Answers {
        pub answers: BTreeMap<String, Answer>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Answer {
        pub answers: Vec<String>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Elicited {
        pub action: Action,
        pub content: Option<Map<String, Value>>,
        #[serde(rename = "_meta")]
        pub meta: Option<Value>,
    }

    #[derive(Deserialize, Clone, Copy, PartialEq)]
    #[serde(rename_all = "lowercase")]
    pub enum Action {
        Accept,
        Decline,
        Cancel,
    }
}

/// The word of a decision that is one of `D`'s, or one that the request itself offers.
fn decision<D: DeserializeOwned>(
    method: Method<'_>,
    params: &Value,
    raw: &Value,
) -> Result<String, Refusal> {
    let offered = params.get("availableDecisions").and_then(Value::as_array);
    let is_offered = |decision: &Value| offered.is_some_and(|all| all.contains(decision));
    let has_one_field = raw.as_object().is_some_and(|raw| raw.len() == 1);
    if !(has_one_field && raw.get("decision").is_some_and(is_offered)) {
        read::<form::Decided<D>>(method, raw)?;
    }
    Ok(match raw.get("decision") {
        Some(Value::String(word)) => word.clone(),
        Some(Value::Object(object)) => object.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    })
}

/// Whether that grants anything is what is recorded.
fn permissions(method: Method<'_>, raw: &Value) -> Result<String, Refusal> {
    let form::Permitted { scope, .. } = read(method, raw)?;
    Ok(match (is_nothing(&raw["permissions"]), scope) {
        (true, _) => "decline",
        (false, Some(form::Scope::Session)) => "acceptForSession",
        (false, _) => "accept",
    }
    .to_owned())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.iter().all(is_nothing),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

fn user_input(method: Method<'_>, params: &Value, raw: &Value) -> Result<String, Refusal> {
    let form::Answers { answers } = read(method, raw)?;
    let told: BTreeMap<String, Vec<String>> =
        answers.into_iter().map(|(id, one)| (id, one.answers)).collect();
    check_told(params, &told)?;
    Ok("answer".to_owned())
}

fn elicitation(method: Method<'_>, params: &Value, raw: &Value) -> Result<String, Refusal> {
    let form::Elicited { action, content, meta } = read(method, raw)?;
    let kept = meta.as_ref().and_then(|meta| meta.get("persist")).and_then(Value::as_str);
    let word = match (action, kept) {
        (form::Action::Accept, Some("session")) => "acceptForSession",
        (form::Action::Accept, Some("always")) => "acceptAlways",
        (form::Action::Accept, _) => "accept",
        (form::Action::Decline, _) => "decline",
        (form::Action::Cancel, _) => "cancel",
    };
    match action {
        form::Action::Accept => check_content(params, &content.unwrap_or_default())?,
        _ if content.is_some_and(|content| !content.is_empty()) => {
            return Err(Refusal::bad_request("what declines a form fills nothing in")
                .hint(format!("`sm answer REQUEST --raw '{{\"action\":\"{word}\"}}'`")));
        }
        _ => {}
    }
    Ok(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(method: Method<'_>) -> Value {
        match method {
            Method::Questions => json!({ "questions": [{ "id": "db" }, { "id": 2 }] }),
            Method::Elicitation => json!({ "requestedSchema": {
                "properties": { "n": { "type": "integer" }, "c": { "enum": ["red"] } },
                "required": ["n"],
            }}),
            _ => Value::Null,
        }
    }

    #[test]
    fn what_codex_takes_passes_as_it_is_under_the_word_that_is_true_of_it() {
        let amendment = json!({ "host": "example.org", "action": "deny" });
        for (method, raw, word, interrupts) in [
            (Method::Command, json!({ "decision": "accept" }), "accept", false),
            (Method::Command, json!({ "decision": "cancel" }), "cancel", true),
            (
                Method::Command,
                json!({ "decision": { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["ls"] } } }),
                "acceptWithExecpolicyAmendment",
                false,
            ),
            (
                Method::Command,
                json!({ "decision": { "applyNetworkPolicyAmendment": { "network_policy_amendment": amendment } } }),
                "applyNetworkPolicyAmendment",
                false,
            ),
            (
                Method::FileChange,
                json!({ "decision": "acceptForSession" }),
                "acceptForSession",
                false,
            ),
            (
                Method::Permissions,
                json!({ "permissions": {}, "scope": "session" }),
                "decline",
                false,
            ),
            (Method::Permissions, json!({ "permissions": { "network": null } }), "decline", false),
            (
                Method::Permissions,
                json!({ "permissions": { "network": { "enabled": true } } }),
                "accept",
                false,
            ),
            (
                Method::Permissions,
                json!({ "permissions": { "fileSystem": { "read": null, "write": ["/x"],
                    "entries": [{ "path": { "type": "special", "value": { "kind": "tmpdir" } }, "access": "write" }] } },
                    "scope": "session", "strictAutoReview": true }),
                "acceptForSession",
                false,
            ),
            (
                Method::Questions,
                json!({ "answers": { "db": { "answers": ["x"] }, "2": { "answers": [] } } }),
                "answer",
                false,
            ),
            (
                Method::Elicitation,
                json!({ "action": "accept", "content": { "n": 3, "c": "red" } }),
                "accept",
                false,
            ),
            (
                Method::Elicitation,
                json!({ "action": "accept", "content": { "n": 3 }, "_meta": { "persist": "session" } }),
                "acceptForSession",
                false,
            ),
            (
                Method::Elicitation,
                json!({ "action": "cancel", "content": null, "_meta": null }),
                "cancel",
                false,
            ),
            (Method::OldCommand, json!({ "decision": "denied" }), "denied", false),
            (
                Method::OldCommand,
                json!({ "decision": { "denied": { "rejection": "no" } } }),
                "denied",
                false,
            ),
            (Method::OldPatch, json!({ "decision": "abort" }), "abort", true),
            (Method::Skill, json!({ "decision": "approve" }), "accept", false),
            (Method::Other("new/one"), json!({ "decision": "decline", "x": 1 }), "answer", false),
        ] {
            let verdict = verdict(method, &params(method), &raw);
            let verdict = verdict.unwrap_or_else(|refused| panic!("{method} {raw}: {refused}"));
            assert_eq!((verdict.word.as_str(), verdict.interrupts), (word, interrupts), "{raw}");
            assert_eq!(verdict.result, raw);
        }
        let newer = json!({ "availableDecisions": [{ "acceptWithMore": {} }] });
        let raw = json!({ "decision": { "acceptWithMore": {} } });
        assert_eq!(verdict(Method::Command, &newer, &raw).unwrap().word, "acceptWithMore");
    }

    #[test]
    fn what_codex_would_not_read_is_refused_with_what_it_takes() {
        for (method, raw) in [
            (Method::Command, json!({ "decision": "approved" })),
            (Method::Command, json!({ "decision": { "acceptWithExecpolicyAmendment": {} } })),
            (Method::Command, json!("accept")),
            (Method::FileChange, json!({ "decision": "nonsense" })),
            (Method::FileChange, json!({ "decision": "accept", "more": 1 })),
            (Method::Permissions, json!({ "decision": "decline", "permissions": {} })),
            (Method::Permissions, json!({ "decision": "decline" })),
            (Method::Permissions, json!({ "permissions": 5 })),
            (Method::Permissions, json!({ "permissions": { "netwrok": {} } })),
            (Method::Permissions, json!({ "permissions": {}, "scope": "forever" })),
            (Method::Questions, json!({ "decision": "accept" })),
            (Method::Questions, json!({ "answers": {} })),
            (
                Method::Questions,
                json!({ "answers": { "db": { "answers": "x" }, "2": { "answers": [] } } }),
            ),
            (
                Method::Questions,
                json!({ "answers": { "db": { "answers": [] }, "2": { "answers": [] }, "1": { "answers": [] } } }),
            ),
            (Method::Elicitation, json!({ "action": "yes" })),
            (Method::Elicitation, json!({ "action": "accept" })),
            (Method::Elicitation, json!({ "action": "accept", "content": { "n": "3" } })),
            (
                Method::Elicitation,
                json!({ "action": "accept", "content": { "n": 3, "c": "blue" } }),
            ),
            (Method::Elicitation, json!({ "action": "accept", "content": { "n": 3, "x": 1 } })),
            (Method::Elicitation, json!({ "action": "decline", "content": { "n": 3 } })),
            (Method::OldCommand, json!({ "decision": "accept" })),
            (Method::Skill, json!({ "decision": "accept" })),
        ] {
            let refused = verdict(method, &params(method), &raw);
            let refused = refused.err().unwrap_or_else(|| panic!("{method} {raw} passes"));
            assert_eq!(refused.status, 400, "{method} {raw}");
            assert!(refused.problem.hint.is_some(), "{method} {raw}: {refused}");
        }
        let none = json!({ "requestedSchema": { "properties": {} } });
        let raw = json!({ "action": "accept", "content": { "x": 1 } });
        assert!(verdict(Method::Elicitation, &none, &raw).is_err());
    }
}
