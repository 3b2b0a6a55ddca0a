//! Answers to a tool's questions.
//!
//! What always holds: each question is answered once and none is left out; what takes its own options only
//! gets no other words.

use super::verdict::Said;
use crate::api::Answer;
use crate::problem::Refusal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn user_input(params: &Value, answer: &Answer) -> Result<Said, Refusal> {
    let ids = question_ids(params);
    // Where nothing is asked, there is nothing to say but that one has seen it.
    let is_seen = |word: &str| word == "accept" && ids.is_empty();
    let is_none = |word: &&str| *word != "answer" && !is_seen(word);
    if let Some(word) = answer.decision.as_deref().filter(is_none) {
        return Err(Refusal::bad_request(format!(
            "these are questions, {word:?} is no answer to them"
        ))
        .hint(match ids.is_empty() {
            true => "`sm answer REQUEST --accept`: it asks nothing; or interrupt the session",
            false => "`sm answer REQUEST ID=TEXT`; or interrupt the session",
        }));
    }
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, values) in &answer.answers {
        let by_number = key.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let id = ids.iter().find(|id| *id == key).or_else(|| ids.get(by_number?));
        let id = id.ok_or_else(|| no_question(key, &ids))?;
        if told.insert(id.clone(), values.clone()).is_some() {
            return Err(Refusal::bad_request(format!("question {id} is answered twice"))
                .hint("`sm answer REQUEST ID=TEXT`, once for each question"));
        }
    }
    let is_open = |id: &&String| told.get(*id).is_none_or(Vec::is_empty);
    let missing: Vec<&str> = ids.iter().filter(is_open).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(unanswered(&missing));
    }
    check_told(params, &told)?;
    let answers: Map<String, Value> =
        told.into_iter().map(|(id, values)| (id, json!({ "answers": values }))).collect();
    let result = json!({ "answers": answers });
    Ok(("answer".to_owned(), result))
}

fn no_question(key: &str, ids: &[String]) -> Refusal {
    if ids.is_empty() {
        return Refusal::bad_request(format!("no question {key:?}: it asks nothing"))
            .hint("`sm answer REQUEST --accept`");
    }
    Refusal::bad_request(format!("no question {key:?}: there are {}", ids.join(", ")))
        .hint("`sm answer REQUEST ID=TEXT`, once for each question")
}

/// Refuses answers that name no question, leave one out, or are none that it offers.
pub(super) fn check_told(
    params: &Value,
    told: &BTreeMap<String, Vec<String>>,
) -> Result<(), Refusal> {
    let ids = question_ids(params);
    if let Some(key) = told.keys().find(|key| !ids.contains(key)) {
        return Err(no_question(key, &ids));
    }
    let is_open = |id: &&String| !told.contains_key(*id);
    let missing: Vec<&str> = ids.iter().filter(is_open).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(unanswered(&missing));
    }
    let questions = params.get("questions").and_then(Value::as_array).into_iter().flatten();
    questions.zip(&ids).try_for_each(|(question, id)| is_offered(question, &told[id]))
}

pub(super) fn unanswered(missing: &[&str]) -> Refusal {
    let words: Vec<String> = missing.iter().map(|id| format!("{id}=TEXT")).collect();
    Refusal::bad_request(format!("no answer to {}", missing.join(", ")))
        .hint(format!("`sm answer REQUEST {}`, with all the others", words.join(" ")))
        .details(json!({ "missing": missing }))
}

/// A question that takes none but its own options takes no other words.
fn is_offered(question: &Value, answers: &[String]) -> Result<(), Refusal> {
    let takes_others = question.get("isOther").and_then(Value::as_bool) != Some(false);
    let is_secret = question.get("isSecret").and_then(Value::as_bool) == Some(true);
    let options = question.get("options").and_then(Value::as_array);
    let labels: Vec<&str> =
        options.into_iter().flatten().filter_map(|option| option.get("label")?.as_str()).collect();
    if takes_others || is_secret || labels.is_empty() {
        return Ok(());
    }
    match answers.iter().all(|answer| labels.contains(&answer.as_str())) {
        true => Ok(()),
        false => Err(not_offered(&question_id(question), &labels)),
    }
}

pub(super) fn not_offered(id: &str, labels: &[&str]) -> Refusal {
    Refusal::bad_request(format!("{id} takes one of its options, the answer is none of them"))
        .hint(format!("one of {}", labels.join(", ")))
        .details(json!({ "options": labels }))
}

/// The ids of the questions, in their order.
pub(super) fn question_ids(params: &Value) -> Vec<String> {
    let questions = params.get("questions").and_then(Value::as_array);
    questions.into_iter().flatten().map(question_id).collect()
}

/// A question's id as the answers name it; a number is a string there.
fn question_id(question: &Value) -> String {
    match question.get("id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => String::new(),
    }
}
