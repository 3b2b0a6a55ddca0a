//! The one exception to verbatim: what must not be written down.
//!
//! What always holds: answers to questions marked `isSecret`, and the secrets of login, token and
//! configuration messages, are replaced by [`MASK`] before anything is recorded; every other byte of every other
//! message is left alone.

use serde_json::Value;
use sm_log::Direction;

/// What stands in place of a secret.
pub const MASK: &str = "[redacted by sm]";

/// How the names of members end whose values are secrets, in such messages. Compared without case, `_`
/// and `-`.
const SECRET_ENDS: &[&str] = &["apikey", "token", "secret", "password", "secretkey", "accesskey"];

/// Tables of Codex's configuration that hold what the user pleases, secrets as often as not.
const SECRET_TABLES: &[&str] = &["env", "httpheaders", "queryparams", "set"];

/// Whether a member of that name holds a secret where it stands in such a message.
pub fn is_secret_member(name: &str) -> bool {
    let plain = plain(name);
    SECRET_ENDS.iter().any(|end| plain.ends_with(end))
}

/// Whether a member of that name is a secret, or may hold some, whatever they are called.
fn is_masked(name: &str) -> bool {
    is_secret_member(name) || SECRET_TABLES.contains(&plain(name).as_str())
}

fn plain(name: &str) -> String {
    let plain = name.chars().filter(|c| !matches!(c, '_' | '-'));
    plain.map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a method carries secrets by their names, in its parameters or its answer.
fn has_secret_members(method: &str) -> bool {
    let lower = method.to_ascii_lowercase();
    lower.starts_with("account/login")
        || lower.starts_with("login")
        || lower.contains("authtoken")
        || lower == "getauthstatus"
        || lower.starts_with("config/")
}

/// The call with its secrets masked; `None` if it has none.
pub fn mask_call(method: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    has_secret_members(method).then(|| mask_members(bytes)).flatten()
}

/// What of the answer to a request must not be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Nothing.
    #[default]
    None,
    /// Members whose names say that they are secret.
    Named,
    /// All but the answers to the questions with these ids. Not the other way round: an answer under a
    /// name that nobody foresaw is then masked, not kept.
    AllBut(Vec<String>),
}

impl Secrets {
    /// All that an answer says.
    pub fn all() -> Secrets {
        Secrets::AllBut(Vec::new())
    }
}

/// What is secret in the answers to `method`, by its name alone.
pub fn secrets_of(method: &str) -> Secrets {
    if has_secret_members(method) { Secrets::Named } else { Secrets::None }
}

/// An answer with its secrets masked; `None` if it has none.
pub fn mask_answer(secrets: &Secrets, bytes: &[u8]) -> Option<Vec<u8>> {
    let public = match secrets {
        Secrets::None => return None,
        Secrets::Named => return mask_members(bytes),
        Secrets::AllBut(public) => public,
    };
    let mut message: Value = serde_json::from_slice(bytes).ok()?;
    for (name, value) in message.as_object_mut()? {
        match (name.as_str(), value) {
            ("id", _) => {}
            ("result", Value::Object(result)) => {
                for (name, value) in result {
                    match (name.as_str(), value) {
                        ("answers", Value::Object(answers)) => answers
                            .iter_mut()
                            .filter(|(id, _)| !public.contains(id))
                            .for_each(|(_, answer)| mask_all(answer)),
                        (_, other) => mask_all(other),
                    }
                }
            }
            ("error", Value::Object(error)) => error
                .iter_mut()
                .filter(|(name, _)| *name != "code")
                .for_each(|(_, value)| mask_all(value)),
            (_, other) => mask_all(other),
        }
    }
    serde_json::to_vec(&message).ok()
}

/// The answer of one side to a request that is not known, with its secrets masked. Where requests with
/// secrets were forgotten, it may be for one of them.
pub fn mask_unclaimed_answer(by: Direction, forgot_secrets: bool, bytes: &[u8]) -> Option<Vec<u8>> {
    match (by, forgot_secrets) {
        // One-way captures hold no requests: the answer to `getAuthStatus` is told by its member. Answers
        // can be long; only short ones can be an account's.
        (Direction::Server, false) => {
            let has = |member: &[u8]| bytes.windows(member.len()).any(|window| window == member);
            let is_accounts = bytes.len() < 16_384 && has(b"\"authToken\"");
            is_accounts.then(|| mask_members(bytes)).flatten()
        }
        (Direction::Server, true) => mask_members(bytes),
        (_, true) => mask_answer(&Secrets::all(), bytes),
        (_, false) => None,
    }
}

/// What of the answers to an `item/tool/requestUserInput` is secret.
pub fn secrets(bytes: &[u8]) -> Secrets {
    let Ok(call) = serde_json::from_slice::<Value>(bytes) else { return Secrets::None };
    let params = call.get("params").unwrap_or(&Value::Null);
    if !holds_secret(params) {
        return Secrets::None;
    }
    let questions = params.get("questions").and_then(Value::as_array);
    let questions = || questions.into_iter().flatten();
    let secret: Vec<String> = questions().filter(|q| holds_secret(q)).filter_map(id_of).collect();
    let public = questions().filter(|question| !holds_secret(question)).filter_map(id_of);
    Secrets::AllBut(public.filter(|id| !secret.contains(id)).collect())
}

/// A question's id as the answers name it: a number there is a string here.
fn id_of(question: &Value) -> Option<String> {
    match question.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Whether something in there is marked secret, in whatever form.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let is_mark = matches!(name.as_str(), "isSecret" | "is_secret");
            is_mark && !matches!(value, Value::Null | Value::Bool(false)) || holds_secret(value)
        }),
        Value::Array(values) => values.iter().any(holds_secret),
        _ => false,
    }
}

fn mask_members(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(bytes).ok()?;
    mask_named(&mut message).then(|| serde_json::to_vec(&message).ok()).flatten()
}

fn mask_named(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            // A value of Codex's configuration, named by its place: `model_providers.x.api_key`.
            let place = members.get("keyPath").and_then(Value::as_str);
            let is_secret = place.is_some_and(|place| place.split('.').any(is_masked));
            let mut any = false;
            for (name, value) in members {
                let is_secret = is_masked(name) || is_secret && name == "value";
                if is_secret && !value.is_null() && !value.is_boolean() {
                    mask_all(value);
                    any = true;
                } else {
                    any |= mask_named(value);
                }
            }
            any
        }
        Value::Array(values) => values.iter_mut().fold(false, |any, value| mask_named(value) | any),
        _ => false,
    }
}

fn mask_all(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(mask_all),
        Value::Array(values) => values.iter_mut().for_each(mask_all),
        Value::Null | Value::Bool(_) => {}
        _ => *value = Value::String(MASK.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_and_token_messages_keep_their_form_and_lose_their_secrets() {
        let login = br#"{"id":1,"method":"account/login/start","params":{"type":"apiKey","apiKey":"sk-1"}}"#;
        let masked = String::from_utf8(mask_call("account/login/start", login).unwrap()).unwrap();
        assert!(!masked.contains("sk-1") && masked.contains("\"type\":\"apiKey\""), "{masked}");

        let tokens = br#"{"id":1,"result":{"accessToken":"a.b.c","planType":"pro"}}"#;
        let secrets = secrets_of("account/chatgptAuthTokens/refresh");
        let masked = String::from_utf8(mask_answer(&secrets, tokens).unwrap()).unwrap();
        assert!(!masked.contains("a.b.c") && masked.contains("pro"), "{masked}");

        let status = br#"{"id":4,"result":{"authMethod":"apikey","authToken":"t0k"}}"#;
        let masked =
            String::from_utf8(mask_unclaimed_answer(Direction::Server, false, status).unwrap())
                .unwrap();
        assert!(!masked.contains("t0k"), "{masked}");
    }

    #[test]
    fn a_secret_of_the_configuration_is_masked_by_its_name_or_its_place() {
        for call in [
            r#"{"params":{"keyPath":"model_providers.x.experimental_bearer_token","value":"hunter2"}}"#,
            r#"{"params":{"edits":[{"keyPath":"a.api_key","value":{"b":"hunter2"}}]}}"#,
            r#"{"params":{"keyPath":"model_providers.x","value":{"experimental_bearer_token":"hunter2"}}}"#,
            r#"{"params":{"keyPath":"mcp_servers.x.env","value":{"ANY":"hunter2"}}}"#,
            r#"{"params":{"keyPath":"mcp_servers.x.env.ANY","value":"hunter2"}}"#,
            r#"{"params":{"keyPath":"mcp_servers.x","value":{"http_headers":{"X-Any":"hunter2"}}}}"#,
            r#"{"params":{"keyPath":"x.GITHUB_TOKEN","value":"hunter2"}}"#,
        ] {
            let masked = mask_call("config/value/write", call.as_bytes()).unwrap();
            let masked = String::from_utf8(masked).unwrap();
            assert!(!masked.contains("hunter2") && masked.contains("keyPath"), "{masked}");
        }
        let read = br#"{"id":1,"result":{"config":{"mcp_servers":{"x":{"env":{"ANY":"hunter2"},
            "command":"c"}},"shell_environment_policy":{"set":{"A":"hunter2"}}}}}"#;
        let masked = mask_answer(&secrets_of("config/read"), read).unwrap();
        let masked = String::from_utf8(masked).unwrap();
        assert!(!masked.contains("hunter2") && masked.contains(r#""command":"c""#), "{masked}");
        let plain = br#"{"params":{"keyPath":"model","value":"gpt"}}"#;
        assert_eq!(mask_call("config/value/write", plain), None);
    }

    #[test]
    fn token_counts_are_no_secrets() {
        let usage =
            br#"{"method":"thread/tokenUsage/updated","params":{"tokenUsage":{"total":3}}}"#;
        assert_eq!(mask_call("thread/tokenUsage/updated", usage), None);
        assert_eq!(
            mask_answer(&secrets_of("turn/start"), br#"{"id":1,"result":{"token":"x"}}"#),
            None
        );
    }

    /// The answer as it is kept, where `questions` were asked.
    fn kept(questions: &str, answer: &str) -> String {
        let asked = format!(r#"{{"id":1,"method":"m","params":{{"questions":{questions}}}}}"#);
        let bytes = mask_answer(&secrets(asked.as_bytes()), answer.as_bytes());
        bytes.map_or(answer.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_secret_answer_is_masked_under_whatever_name_and_in_whatever_form() {
        let plain = r#"{"id":"n","isSecret":false}"#;
        for secret in [
            r#"{"id":"7","isSecret":true}"#,
            r#"{"id":7,"isSecret":true}"#,
            r#"{"id":7.5,"isSecret":"true"}"#,
            r#"{"id":null,"isSecret":1}"#,
            r#"{"isSecret":true}"#,
        ] {
            let questions = format!("[{secret},{plain}]");
            for answer in [
                r#"{"id":1,"result":{"answers":{"7":{"answers":["hunter2"]},"n":{"answers":["A"]}}}}"#,
                r#"{"id":1,"result":{"answers":{"7":"hunter2","n":["A"]}}}"#,
                r#"{"id":1,"result":{"answers":{"":[12345,"hunter2"],"n":"A"}}}"#,
                r#"{"id":1,"result":{"answers":["hunter2"],"note":"A"}}"#,
                r#"{"id":1,"result":"hunter2","note":"A"}"#,
                r#"{"id":1,"error":{"code":1,"message":"hunter2"},"note":"A"}"#,
            ] {
                let kept = kept(&questions, answer);
                assert!(!kept.contains("hunter2") && !kept.contains("12345"), "{kept}");
                assert!(kept.contains(MASK) && kept.contains("\"id\":1"), "{kept}");
                assert!(!answer.contains("\"n\":") || kept.contains("\"A\""), "{kept}");
            }
        }
        // A secret question wins over a plain one of the same id.
        let questions = r#"[{"id":"n","isSecret":true},{"id":"n"}]"#;
        assert!(
            !kept(questions, r#"{"id":1,"result":{"answers":{"n":["hunter2"]}}}"#)
                .contains("hunter2")
        );
    }

    #[test]
    fn answers_to_plain_questions_are_verbatim() {
        let answer = r#"{ "id":1, "result":{"answers":{"n":{"answers":["A"]}}}}"#;
        for questions in [r#"[{"id":"n"}]"#, r#"[{"id":"n","isSecret":false}]"#, "[]", "null"] {
            assert_eq!(kept(questions, answer), answer);
        }
    }
}
