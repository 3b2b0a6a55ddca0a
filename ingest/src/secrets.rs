//! The one exception to verbatim: what must not be written down.
//!
//! What always holds: answers to questions marked `isSecret`, and the secrets of login and token
//! messages, are replaced by [`MASK`] before anything is recorded; every other byte of every other
//! message is left alone.

use serde_json::Value;
use sm_protocol::message::{Call, ServerRequest};

/// What stands in place of a secret.
pub const MASK: &str = "[redacted by sm]";

/// Members whose values are secrets, in login and token messages. Compared without case and `_`.
const SECRET_MEMBERS: &[&str] = &[
    "apikey",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "token",
    "secret",
    "password",
];

/// Whether a method carries account secrets in its parameters or its answer.
fn is_account_method(method: &str) -> bool {
    let lower = method.to_ascii_lowercase();
    lower.starts_with("account/login")
        || lower.starts_with("login")
        || lower.contains("authtoken")
        || lower == "getauthstatus"
}

/// The call with its secrets masked; `None` if it has none.
pub fn mask_call(method: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    is_account_method(method).then(|| mask_members(bytes)).flatten()
}

/// An answer to `method` with its secrets masked; `None` if it has none.
pub fn mask_answer(method: &str, secret_questions: &[String], bytes: &[u8]) -> Option<Vec<u8>> {
    if is_account_method(method) {
        return mask_members(bytes);
    }
    if secret_questions.is_empty() {
        return None;
    }
    let mut message: Value = serde_json::from_slice(bytes).ok()?;
    let answers = message.get_mut("result")?.get_mut("answers")?.as_object_mut()?;
    for question in secret_questions {
        if let Some(answer) = answers.get_mut(question) {
            mask_all(answer);
        }
    }
    serde_json::to_vec(&message).ok()
}

/// A server's answer to a request that was not seen: one-way captures hold no requests, so the answer
/// to `getAuthStatus` is told by its member.
pub fn mask_unclaimed_answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let has = |member: &[u8]| bytes.windows(member.len()).any(|window| window == member);
    // Answers can be long; only short ones can be an account's.
    (bytes.len() < 16_384 && has(b"\"authToken\"")).then(|| mask_members(bytes)).flatten()
}

/// The ids of the questions in `item/tool/requestUserInput` whose answers are secret.
pub fn secret_questions(bytes: &[u8]) -> Vec<String> {
    let Ok(call) = serde_json::from_slice::<Call<'_, ServerRequest<'_>>>(bytes) else {
        return Vec::new();
    };
    let questions = call.params.get().map(|params| &params.questions.0);
    let questions = questions.into_iter().flatten().filter_map(|question| question.get());
    let secret = questions.filter(|question| question.is_secret.0 == Some(true));
    secret.filter_map(|question| question.id.get().map(str::to_owned)).collect()
}

fn mask_members(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(bytes).ok()?;
    mask_named(&mut message).then(|| serde_json::to_vec(&message).ok()).flatten()
}

fn mask_named(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            let mut any = false;
            for (name, value) in members {
                let plain: String = name.chars().filter(|c| *c != '_').collect();
                if SECRET_MEMBERS.contains(&plain.to_ascii_lowercase().as_str())
                    && !value.is_null()
                    && !value.is_boolean()
                {
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
        let method = "account/chatgptAuthTokens/refresh";
        let masked = String::from_utf8(mask_answer(method, &[], tokens).unwrap()).unwrap();
        assert!(!masked.contains("a.b.c") && masked.contains("pro"), "{masked}");

        let status = br#"{"id":4,"result":{"authMethod":"apikey","authToken":"t0k"}}"#;
        let masked = String::from_utf8(mask_unclaimed_answer(status).unwrap()).unwrap();
        assert!(!masked.contains("t0k"), "{masked}");
    }

    #[test]
    fn token_counts_are_no_secrets() {
        let usage =
            br#"{"method":"thread/tokenUsage/updated","params":{"tokenUsage":{"total":3}}}"#;
        assert_eq!(mask_call("thread/tokenUsage/updated", usage), None);
        assert_eq!(mask_answer("turn/start", &[], br#"{"id":1,"result":{"token":"x"}}"#), None);
    }
}
