//! From an answer in `sm`'s words to the one that Codex takes: pure, one case a method.
//!
//! What always holds: nothing is granted that was not asked for; what is missing or unknown is named
//! in the refusal, never guessed.

use super::elicitation::elicitation;
use super::form::fields;
use super::method::Method;
use super::question::{question_ids, user_input};
use super::raw;
use super::verdict::{Said, Verdict, WORDS, unknown};
use crate::api::Answer;
use crate::problem::Refusal;
use serde_json::{Map, Value, json};

/// The answer to a request of `method` with those parameters.
pub(super) fn verdict(
    method: Method<'_>,
    params: &Value,
    answer: &Answer,
) -> Result<Verdict, Refusal> {
    if let Some(raw) = &answer.raw {
        if answer.decision.is_some() || !answer.answers.is_empty() {
            return Err(Refusal::bad_request(
                "two answers in one: plain words and Codex's own form",
            )
            .hint("`sm answer REQUEST --raw JSON`, and nothing beside it"));
        }
        return raw::verdict(method, params, raw);
    }
    let (word, result) = match method {
        Method::Command | Method::FileChange => approval(params, answer)?,
        Method::Permissions => permissions(params, answer)?,
        Method::Questions => user_input(params, answer)?,
        Method::Elicitation => elicitation(params, answer)?,
        Method::Skill => skill(answer)?,
        Method::OldCommand | Method::OldPatch => old_approval(answer)?,
        Method::Other(_) => {
            return Err(Refusal::bad_request(format!(
                "sm does not know how {method} is answered: give the answer in Codex's own form"
            ))
            .hint("`sm answer REQUEST --raw JSON`"));
        }
    };
    Ok(Verdict::new(method, word, result))
}

/// Whether a request asks leave for something, where others ask for words. One of an unknown kind may.
pub(super) fn asks_leave(method: Method<'_>, params: &Value) -> bool {
    match method {
        // Older releases ask leave for an MCP server's tool by a question of their own.
        Method::Questions => {
            question_ids(params).iter().any(|id| id.starts_with("mcp_tool_call_approval"))
        }
        Method::Elicitation => {
            fields(params).is_none_or(Map::is_empty)
                || params.pointer("/_meta/codex_approval_kind").is_some_and(|kind| !kind.is_null())
        }
        _ => true,
    }
}

fn word_of(answer: &Answer) -> Result<&str, Refusal> {
    if !answer.answers.is_empty() {
        return Err(Refusal::bad_request("this request takes a decision, not answers")
            .hint("`sm approve REQUEST`, or `sm deny REQUEST --say 'WHY'`"));
    }
    answer.decision.as_deref().ok_or_else(|| {
        Refusal::bad_request(format!("a decision is missing: one of {}", WORDS.join(", ")))
            .hint("`sm approve REQUEST`, or `sm deny REQUEST --say 'WHY'`")
    })
}

fn approval(params: &Value, answer: &Answer) -> Result<Said, Refusal> {
    let word = word_of(answer)?;
    let available = params.get("availableDecisions").and_then(Value::as_array);
    let offered = available.into_iter().flatten().find(|offered| match offered {
        Value::String(offered) => offered == word,
        Value::Object(offered) => offered.contains_key(word),
        _ => false,
    });
    // Codex takes the four plain words whether it lists them or not.
    let decision = match offered {
        Some(offered) => offered.clone(),
        None if WORDS.contains(&word) => json!(word),
        None => return Err(unknown(word, available)),
    };
    let result = json!({ "decision": decision });
    Ok((word.to_owned(), result))
}

fn permissions(params: &Value, answer: &Answer) -> Result<Said, Refusal> {
    let word = word_of(answer)?;
    let asked = params.get("permissions").cloned().unwrap_or_else(|| json!({}));
    let (granted, scope) = match word {
        "accept" => (asked, "turn"),
        "acceptForSession" => (asked, "session"),
        "decline" | "cancel" => (json!({}), "turn"),
        _ => return Err(unknown(word, None)),
    };
    let result = json!({ "permissions": granted, "scope": scope });
    Ok((word.to_owned(), result))
}

fn old_approval(answer: &Answer) -> Result<Said, Refusal> {
    let word = word_of(answer)?;
    let decision = match word {
        "accept" => "approved",
        "acceptForSession" => "approved_for_session",
        "decline" => "denied",
        "cancel" => "abort",
        _ => return Err(unknown(word, None)),
    };
    let result = json!({ "decision": decision });
    Ok((decision.to_owned(), result))
}

fn skill(answer: &Answer) -> Result<Said, Refusal> {
    let word = word_of(answer)?;
    let decision = match word {
        "accept" => "approve",
        "decline" | "cancel" => "decline",
        _ => return Err(unknown(word, None)),
    };
    let result = json!({ "decision": decision });
    Ok((word.to_owned(), result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::verdict::fit;
    use sm_ingest::app_server::Version;
    use std::collections::BTreeMap;

    fn decide(word: &str) -> Answer {
        Answer { decision: Some(word.to_owned()), ..Answer::default() }
    }

    fn answers(told: &[(&str, &[&str])]) -> Answer {
        let answers = told.iter().map(|(id, values)| {
            (id.to_string(), values.iter().map(|value| value.to_string()).collect())
        });
        Answer { answers: answers.collect(), ..Answer::default() }
    }

    #[test]
    fn approvals_take_the_four_words_and_what_is_offered() {
        let params = json!({ "availableDecisions": [
            "accept", { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["ls"] } },
        ]});
        for word in WORDS {
            let verdict = verdict(Method::Command, &params, &decide(word)).unwrap();
            assert_eq!(verdict.result, json!({ "decision": word }));
            assert_eq!(verdict.interrupts, *word == "cancel");
        }
        let offered =
            verdict(Method::Command, &params, &decide("acceptWithExecpolicyAmendment")).unwrap();
        assert_eq!(
            offered.result["decision"]["acceptWithExecpolicyAmendment"]["execpolicy_amendment"],
            json!(["ls"])
        );
        let refused = verdict(Method::Command, &params, &decide("maybe")).unwrap_err();
        assert!(refused.to_string().contains("acceptWithExecpolicyAmendment"), "{refused}");
        assert!(verdict(Method::Command, &params, &Answer::default()).is_err());
        assert!(verdict(Method::Command, &params, &answers(&[("q", &["a"])])).is_err());
    }

    #[test]
    fn permissions_grant_what_was_asked_or_nothing() {
        let params = json!({ "permissions": { "network": { "enabled": true } } });
        let method = Method::Permissions;
        let accepted = verdict(method, &params, &decide("acceptForSession")).unwrap();
        assert_eq!(
            accepted.result,
            json!({ "permissions": { "network": { "enabled": true } }, "scope": "session" })
        );
        let declined = verdict(method, &params, &decide("decline")).unwrap();
        assert_eq!(declined.result["permissions"], json!({}));
    }

    #[test]
    fn questions_are_answered_by_id_or_number_and_none_is_left_out() {
        let params = json!({ "questions": [{ "id": "db" }, { "id": "name" }] });
        let told = answers(&[("db", &["SQLite"]), ("2", &["x"])]);
        assert_eq!(
            verdict(Method::Questions, &params, &told).unwrap().result,
            json!({ "answers": { "db": { "answers": ["SQLite"] }, "name": { "answers": ["x"] } } })
        );
        let missing = verdict(Method::Questions, &params, &answers(&[("1", &["a"])])).unwrap_err();
        assert_eq!(missing.problem.details, json!({ "missing": ["name"] }));
        assert!(verdict(Method::Questions, &params, &answers(&[("3", &["a"])])).is_err());
        assert!(verdict(Method::Questions, &params, &answers(&[("0", &["a"])])).is_err());
        assert!(
            verdict(Method::Questions, &params, &answers(&[("1", &["a"]), ("db", &["b"])]))
                .is_err()
        );
        assert!(verdict(Method::Questions, &params, &decide("accept")).is_err());
        let numbered = json!({ "questions": [{ "id": 7 }] });
        assert_eq!(
            verdict(Method::Questions, &numbered, &answers(&[("7", &["x"])])).unwrap().result,
            json!({ "answers": { "7": { "answers": ["x"] } } })
        );
    }

    #[test]
    fn an_elicitation_is_filled_in_the_types_of_its_schema() {
        let params = json!({ "requestedSchema": {
            "properties": { "n": { "type": "integer" }, "ok": { "type": "boolean" } },
            "required": ["n"],
        }});
        let method = Method::Elicitation;
        let told = answers(&[("n", &["3"]), ("ok", &["yes"])]);
        assert_eq!(
            verdict(method, &params, &told).unwrap().result,
            json!({ "action": "accept", "content": { "n": 3, "ok": true } })
        );
        let unknown = answers(&[("n", &["3"]), ("note", &["hi"])]);
        let refused = verdict(method, &params, &unknown).unwrap_err();
        assert_eq!(refused.problem.details, json!({ "fields": ["n", "ok"] }));
        assert!(verdict(method, &params, &decide("accept")).is_err());
        assert!(verdict(method, &params, &answers(&[("n", &["three"])])).is_err());
        let declined = verdict(method, &params, &decide("decline")).unwrap();
        assert_eq!(declined.result, json!({ "action": "decline", "content": null }));
    }

    #[test]
    fn what_a_forms_fields_do_not_take_is_refused() {
        let params = json!({ "requestedSchema": { "properties": {
            "n": { "type": "integer", "minimum": 1, "maximum": 5 },
            "x": { "type": "number" },
            "mail": { "type": "string", "format": "email" },
        }}});
        let method = Method::Elicitation;
        assert!(verdict(method, &params, &answers(&[("n", &["5"]), ("mail", &["a@b"])])).is_ok());
        for wrong in [("n", &["6"][..]), ("mail", &["nobody"]), ("x", &["inf"])] {
            assert!(verdict(method, &params, &answers(&[wrong])).is_err(), "{wrong:?}");
        }
        let raw = |content: Value| {
            let raw = Some(json!({ "action": "accept", "content": content }));
            verdict(method, &params, &Answer { raw, ..Answer::default() })
        };
        assert!(raw(json!({ "n": 5 })).is_ok());
        let refused = raw(json!({ "n": 0 })).unwrap_err();
        assert_eq!(refused.problem.details, json!({ "field": "n", "takes": "1 to 5" }));
    }

    #[test]
    fn leave_is_given_by_a_decision_never_by_words() {
        let method = Method::Elicitation;
        for params in [
            json!({ "requestedSchema": { "type": "object", "properties": {} } }),
            json!({ "mode": "url", "url": "https://example.org" }),
        ] {
            assert!(asks_leave(method, &params));
            for told in [answers(&[("", &["no"])]), answers(&[("x", &["yes"])])] {
                let refused = verdict(method, &params, &told).unwrap_err();
                assert!(refused.problem.hint.unwrap().contains("sm deny"), "{params}");
                let both = Answer { decision: Some("decline".into()), ..told };
                assert!(verdict(method, &params, &both).is_err(), "{params}");
            }
        }
        let form = json!({ "requestedSchema": { "properties": { "n": { "type": "integer" } } } });
        assert!(!asks_leave(method, &form));
        let mut leave = form;
        leave["_meta"] = json!({ "codex_approval_kind": "mcp_tool_call" });
        assert!(asks_leave(method, &leave));
        let question = |id: &str| json!({ "questions": [{ "id": id }] });
        assert!(!asks_leave(Method::Questions, &question("db")));
        assert!(asks_leave(Method::Questions, &question("mcp_tool_call_approval_c1")));
        assert!(
            asks_leave(Method::Skill, &Value::Null)
                && asks_leave(Method::Other("new/one"), &Value::Null)
        );
    }

    #[test]
    fn what_offers_options_takes_no_other_words() {
        let strict = json!({ "questions": [{ "id": "q", "isOther": false,
            "options": [{ "label": "A" }, { "label": "B" }] }] });
        assert!(verdict(Method::Questions, &strict, &answers(&[("q", &["A"])])).is_ok());
        let refused = verdict(Method::Questions, &strict, &answers(&[("q", &["C"])])).unwrap_err();
        assert_eq!(refused.problem.details, json!({ "options": ["A", "B"] }));
        let open = json!({ "questions": [{ "id": "q", "isOther": true,
            "options": [{ "label": "A" }] }] });
        assert!(verdict(Method::Questions, &open, &answers(&[("q", &["C"])])).is_ok());
        let form = json!({ "requestedSchema": { "properties": {
            "one": { "type": "string", "oneOf": [{ "const": "r", "title": "Red" }] },
            "many": { "type": "array", "items": { "enum": ["x", "y"] } },
        }}});
        let method = Method::Elicitation;
        let told = answers(&[("one", &["r"]), ("many", &["x", "y"])]);
        assert_eq!(
            verdict(method, &form, &told).unwrap().result["content"],
            json!({ "one": "r", "many": ["x", "y"] })
        );
        for wrong in [("one", &["Red"][..]), ("many", &["x", "z"])] {
            assert!(verdict(method, &form, &answers(&[wrong])).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_field_that_takes_one_value_is_given_no_more() {
        let form = json!({ "requestedSchema": { "properties": {
            "n": { "type": "integer" }, "x": { "type": "number" }, "ok": { "type": "boolean" },
            "s": { "type": "string" }, "one": { "type": "string", "enum": ["a", "b"] },
            "many": { "type": "array", "items": { "type": "string" } },
        }}});
        let method = Method::Elicitation;
        for two in [
            ("n", &["3", "4"][..]),
            ("x", &["3", "4"]),
            ("ok", &["yes", "no"]),
            ("s", &["a", "b"]),
            ("one", &["a", "b"]),
        ] {
            let refused = verdict(method, &form, &answers(&[two])).unwrap_err();
            assert_eq!(refused.to_string(), format!("{} takes one value, the answer has 2", two.0));
            assert!(refused.problem.hint.is_some());
        }
        let told = verdict(method, &form, &answers(&[("many", &["a", "b"])])).unwrap();
        assert_eq!(told.result["content"], json!({ "many": ["a", "b"] }));
    }

    #[test]
    fn what_codex_offers_to_remember_is_remembered_for_the_session() {
        let method = Method::Elicitation;
        let leave = json!({ "_meta": { "persist": ["session", "always"] },
            "requestedSchema": { "properties": {} } });
        let kept = verdict(method, &leave, &decide("acceptForSession")).unwrap();
        assert_eq!(kept.result["_meta"], json!({ "persist": "session" }));
        let once = verdict(method, &leave, &decide("accept")).unwrap();
        assert_eq!(once.result, json!({ "action": "accept", "content": {} }));
        let plain = verdict(method, &json!({}), &decide("acceptForSession")).unwrap();
        assert_eq!((plain.word.as_str(), plain.result.get("_meta")), ("accept", None));
    }

    #[test]
    fn what_asks_nothing_is_accepted() {
        let none = json!({ "questions": [] });
        assert_eq!(
            verdict(Method::Questions, &none, &decide("accept")).unwrap().result,
            json!({ "answers": {} })
        );
        for refused in [decide("decline"), answers(&[("x", &["y"])])] {
            let hint =
                verdict(Method::Questions, &none, &refused).unwrap_err().problem.hint.unwrap();
            assert!(hint.contains("--accept"), "{hint}");
        }
        let one = json!({ "questions": [{ "id": "q" }] });
        assert!(verdict(Method::Questions, &one, &decide("accept")).is_err());
    }

    #[test]
    fn every_refusal_has_a_hint() {
        let form = json!({ "requestedSchema": { "properties": { "n": { "type": "integer" } },
            "required": ["n"] }, "questions": [{ "id": "q" }] });
        let told = [decide("maybe"), Answer::default(), answers(&[("z", &["x"])])];
        for method in [
            Method::Command,
            Method::Questions,
            Method::FileChange,
            Method::Permissions,
            Method::Elicitation,
            Method::OldCommand,
            Method::OldPatch,
            Method::Other("new/one"),
        ] {
            for answer in &told {
                let refused = verdict(method, &form, answer).unwrap_err();
                assert!(refused.problem.hint.is_some(), "{method} {answer:?}: {refused}");
            }
        }
    }

    /// The old approval decisions of each recorded release: a word, or a word and what it needs.
    fn recorded() -> BTreeMap<String, Vec<String>> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/codex");
        let mut releases = BTreeMap::new();
        for entry in std::fs::read_dir(root).unwrap().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path().join("protocol.txt")) else {
                continue;
            };
            let decisions = text.split("[old approval decisions]\n").nth(1).unwrap();
            let decisions = decisions.lines().take_while(|line| !line.is_empty());
            let version = entry.file_name().into_string().unwrap();
            releases.insert(version, decisions.map(str::to_owned).collect());
        }
        releases
    }

    #[test]
    fn the_old_forms_are_answered_as_each_recorded_release_reads_them() {
        let releases = recorded();
        assert!(releases.len() >= 8, "{}", releases.len());
        for (release, decisions) in releases {
            for method in [Method::OldCommand, Method::OldPatch] {
                for (word, interrupts) in [
                    ("accept", false),
                    ("acceptForSession", false),
                    ("decline", false),
                    ("cancel", true),
                ] {
                    let verdict = verdict(method, &Value::Null, &decide(word)).unwrap();
                    let verdict = fit(verdict, method, Version::find(&release));
                    assert_eq!(verdict.interrupts, interrupts);
                    // In the words of protocol.txt.
                    let told = match &verdict.result["decision"] {
                        Value::String(word) => word.clone(),
                        Value::Object(form) => {
                            let (word, form) = form.iter().next().unwrap();
                            let needed: Vec<&str> =
                                form.as_object().unwrap().keys().map(String::as_str).collect();
                            format!("{word} {{{}}}", needed.join(", "))
                        }
                        other => panic!("{other}"),
                    };
                    assert!(decisions.contains(&told), "{release} {word}: {told} in {decisions:?}");
                }
            }
        }
    }

    #[test]
    fn old_releases_and_unknown_methods() {
        let denied = verdict(Method::OldCommand, &Value::Null, &decide("decline")).unwrap();
        assert_eq!(denied.result, json!({ "decision": "denied" }));
        let skill = |word: &str| verdict(Method::Skill, &Value::Null, &decide(word));
        assert_eq!(skill("accept").unwrap().result, json!({ "decision": "approve" }));
        assert_eq!(skill("decline").unwrap().result, json!({ "decision": "decline" }));
        assert!(skill("acceptForSession").is_err(), "Codex offers no such thing for a skill");
        assert!(
            verdict(Method::Other("some/new/request"), &Value::Null, &decide("accept")).is_err()
        );
        let raw = Answer { raw: Some(json!({ "x": 1 })), ..Answer::default() };
        let verdict = verdict(Method::Other("some/new/request"), &Value::Null, &raw).unwrap();
        assert_eq!((verdict.word.as_str(), verdict.result), ("answer", json!({ "x": 1 })));
    }
}
