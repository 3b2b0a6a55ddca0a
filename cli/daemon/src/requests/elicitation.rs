//! Answers to what an MCP server asks: leave, or a form that is filled in.
//!
//! What always holds: no field is filled in that the form does not have, and each with a value of the type and
//! within the limits that its schema names; what was given is shown in no refusal.

use super::form::{self, fields};
use super::question::{not_offered, unanswered};
use super::verdict::{Said, unknown};
use crate::api::Answer;
use crate::problem::Refusal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn elicitation(params: &Value, answer: &Answer) -> Result<Said, Refusal> {
    let word = match answer.decision.as_deref() {
        None if !answer.answers.is_empty() => "accept",
        None => {
            return Err(Refusal::bad_request("a decision or answers are missing").hint(
                "`sm answer REQUEST FIELD=TEXT`, `--accept` without a form, or `sm deny REQUEST`",
            ));
        }
        Some("acceptForSession") => "accept",
        Some(word @ ("accept" | "decline" | "cancel")) => word,
        Some("answer") => "accept",
        Some(word) => return Err(unknown(word, None)),
    };
    let content = match word {
        "accept" => content(params, &answer.answers)?,
        _ if answer.answers.is_empty() => Value::Null,
        word => {
            return Err(Refusal::bad_request(format!("{word:?} fills nothing in"))
                .hint("`sm answer REQUEST FIELD=TEXT`, or `sm deny REQUEST`"));
        }
    };
    let mut result = json!({ "action": word, "content": content });
    let mut word = word.to_owned();
    // Codex offers to remember its own questions for an MCP server's tools.
    let offered = params.pointer("/_meta/persist").and_then(Value::as_array);
    let is_kept = offered.is_some_and(|offered| offered.iter().any(|kept| kept == "session"));
    if answer.decision.as_deref() == Some("acceptForSession") && is_kept {
        result["_meta"] = json!({ "persist": "session" });
        "acceptForSession".clone_into(&mut word);
    }
    Ok((word, result))
}

/// Refuses what fills in a field that the form does not have, or leaves out one that it needs.
fn check_fields(
    params: &Value,
    is_filled: impl Fn(&str) -> bool,
    names: &[&String],
) -> Result<(), Refusal> {
    let fields = fields(params).filter(|fields| !fields.is_empty());
    let Some(fields) = fields else {
        return match names {
            [] => Ok(()),
            _ => Err(Refusal::bad_request("it has no form to fill in, it asks for leave")
                .hint("`sm approve REQUEST`, or `sm deny REQUEST`")),
        };
    };
    if let Some(name) = names.iter().find(|name| !fields.contains_key(**name)) {
        let known: Vec<&str> = fields.keys().map(String::as_str).collect();
        return Err(Refusal::bad_request(format!("the form has no field {name:?}"))
            .hint(format!("it has {}", known.join(", ")))
            .details(json!({ "fields": known })));
    }
    let missing: Vec<&str> = form::required(params).filter(|field| !is_filled(field)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(unanswered(&missing)),
    }
}

/// Refuses a raw answer's content that is none of the form.
pub(super) fn check_content(params: &Value, content: &Map<String, Value>) -> Result<(), Refusal> {
    let fields = fields(params);
    if form::schema(params).is_some() && fields.is_none() {
        // A form of a kind that is not described by fields.
        return Ok(());
    }
    let names: Vec<&String> = content.keys().collect();
    check_fields(params, |field| content.contains_key(field), &names)?;
    for (field, value) in content {
        let Some(property) = fields.and_then(|fields| fields.get(field)) else { continue };
        let fits = match property.get("type").and_then(Value::as_str) {
            Some("array") => value.is_array(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("string") => value.is_string(),
            _ => true,
        };
        let kind = property["type"].as_str().unwrap_or_default();
        if !fits {
            return Err(no_such(field, kind));
        }
        let labels = form::values(property);
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let is_one = |value: &Value| value.as_str().is_some_and(|value| labels.contains(&value));
        if !labels.is_empty() && !values.iter().all(is_one) {
            return Err(not_offered(field, &labels));
        }
        form::check(field, property, value)?;
    }
    Ok(())
}

/// What an elicitation's form is filled with, each value of the type that its schema names.
fn content(params: &Value, answers: &BTreeMap<String, Vec<String>>) -> Result<Value, Refusal> {
    let names: Vec<&String> = answers.keys().collect();
    check_fields(params, |field| answers.contains_key(field), &names)?;
    if form::schema(params).is_none() {
        return Ok(Value::Null);
    }
    let mut content = Map::new();
    for (field, values) in answers {
        let property = fields(params).and_then(|fields| fields.get(field));
        let kind = property.and_then(|property| property.get("type")?.as_str());
        let labels = property.map(form::values).unwrap_or_default();
        if !labels.is_empty() && !values.iter().all(|value| labels.contains(&value.as_str())) {
            return Err(not_offered(field, &labels));
        }
        let value = typed(field, kind, values)?;
        property.map_or(Ok(()), |property| form::check(field, property, &value))?;
        content.insert(field.clone(), value);
    }
    Ok(Value::Object(content))
}

/// What was given is not shown: nobody knows what a form asks for.
fn no_such(field: &str, kind: &str) -> Refusal {
    Refusal::bad_request(format!("{field} takes a {kind}, the answer is none"))
        .hint(format!("`sm answer REQUEST {field}=…`, with a {kind}"))
}

fn typed(field: &str, kind: Option<&str>, values: &[String]) -> Result<Value, Refusal> {
    let takes_one = matches!(kind, Some("boolean" | "integer" | "number" | "string"));
    if takes_one && values.len() > 1 {
        return Err(Refusal::bad_request(format!(
            "{field} takes one value, the answer has {}",
            values.len()
        ))
        .hint(format!("`sm answer REQUEST {field}=…`, once for each field")));
    }
    let one = values.first().map(String::as_str).unwrap_or("");
    match kind {
        Some("array") => Ok(json!(values)),
        Some("boolean") => match one {
            "true" | "yes" => Ok(json!(true)),
            "false" | "no" => Ok(json!(false)),
            _ => Err(no_such(field, "boolean")),
        },
        Some("integer") => {
            one.parse::<i64>().map(|n| json!(n)).map_err(|_| no_such(field, "whole number"))
        }
        Some("number") => {
            let number = one.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(|n| json!(n)).ok_or_else(|| no_such(field, "number"))
        }
        // One of no type takes a list, too.
        _ if values.len() > 1 => Ok(json!(values)),
        _ => Ok(json!(one)),
    }
}
