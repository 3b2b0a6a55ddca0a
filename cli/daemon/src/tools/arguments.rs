//! What an agent calls a tool with, held against what it was told of that tool.
//!
//! What always holds: an argument that the tool does not have, or of a type that it does not take, is
//! named in the refusal beside those that it has, so that the agent's next call is right; null is the
//! same as left out.

use super::offer;
use crate::problem::Refusal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The arguments of a call of `tool`, checked and read.
pub(crate) fn read<T: DeserializeOwned>(tool: &str, arguments: Value) -> Result<T, Refusal> {
    let specs = offer::specs();
    let spec = specs.as_array().into_iter().flatten().find(|spec| spec["name"] == tool);
    let Some(spec) = spec else { return Err(no_tool(tool)) };
    let schema = &spec["inputSchema"];
    let mut given = match arguments {
        Value::Null => Map::new(),
        Value::Object(given) => given,
        other => {
            let message = format!("the arguments of {tool} are {}, not an object", kind_of(&other));
            return Err(wrong(tool, schema, message));
        }
    };
    given.retain(|_, value| !value.is_null());
    check(tool, schema, &given)?;
    T::deserialize(Value::Object(given))
        .map_err(|error| wrong(tool, schema, format!("{tool} cannot be called so: {error}")))
}

/// There is no such tool.
pub(crate) fn no_tool(tool: &str) -> Refusal {
    let specs = offer::specs();
    let known = specs.as_array().into_iter().flatten();
    let names: Vec<&str> = known.filter_map(|spec| spec["name"].as_str()).collect();
    let shown: String = tool.chars().take(80).collect();
    Refusal::bad_request(format!("there is no tool {shown:?}"))
        .hint(format!("the tools are {}", names.join(", ")))
        .details(json!({ "tools": names }))
}

fn check(tool: &str, schema: &Value, given: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in given {
        let Some(property) = schema["properties"].get(name) else {
            let shown: String = name.chars().take(80).collect();
            return Err(wrong(tool, schema, format!("{tool} has no argument {shown:?}")));
        };
        if let Some(fault) = fault(property, value) {
            return Err(wrong(tool, schema, format!("{name} of {tool} {fault}")));
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required.filter_map(Value::as_str).find(|name| !given.contains_key(*name));
    match missing {
        Some(name) => Err(wrong(tool, schema, format!("{tool} needs the argument {name}"))),
        None => Ok(()),
    }
}

/// What is wrong with a value; `None` where nothing is.
fn fault(property: &Value, value: &Value) -> Option<String> {
    let wanted = property["type"].as_str().unwrap_or_default();
    let fits = match wanted {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        _ => true,
    };
    if !fits {
        return Some(format!("is {}, not {}", kind_of(value), named(wanted)));
    }
    if let Some(offered) = property["enum"].as_array()
        && !offered.contains(value)
    {
        let words: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
        let shown: String = value.as_str().unwrap_or_default().chars().take(40).collect();
        return Some(format!("is {shown:?}, not one of {}", words.join(", ")));
    }
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| fault(&property["items"], item))
        .map(|fault| format!("has one that {fault}"))
        .next()
}

/// The refusal, with all arguments that the tool takes.
fn wrong(tool: &str, schema: &Value, message: String) -> Refusal {
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
    };
    let properties = schema["properties"].as_object();
    let known = properties.into_iter().flatten().map(|(name, property)| {
        let kind = property["type"].as_str().unwrap_or_default();
        let needed = if is_required(name) { ", needed" } else { "" };
        format!("{name} ({kind}{needed})")
    });
    let known: Vec<String> = known.collect();
    Refusal::bad_request(message)
        .hint(format!("{tool} takes {}", known.join(", ")))
        .details(json!({ "arguments": schema["properties"], "required": schema["required"] }))
}

fn kind_of(value: &Value) -> &'static str {
    named(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

fn named(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true or false",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "an object",
        _ => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tool: &str, arguments: Value) -> (String, String) {
        let refusal = read::<Value>(tool, arguments).unwrap_err();
        assert_eq!((refusal.status, refusal.problem.code.as_str()), (400, "bad_request"));
        (refusal.problem.message, refusal.problem.hint.unwrap())
    }

    #[test]
    fn what_a_tool_does_not_have_is_named_beside_what_it_has() {
        let (message, hint) = refused("sm_spawn", json!({ "prompt": "x", "folder": "/tmp" }));
        assert_eq!(message, "sm_spawn has no argument \"folder\"");
        assert!(
            hint.contains("cwd (string)") && hint.contains("prompt (string, needed)"),
            "{hint}"
        );
        let (message, hint) = refused("sm_fly", Value::Null);
        assert_eq!(message, "there is no tool \"sm_fly\"");
        assert!(hint.contains("sm_spawn, sm_send"), "{hint}");
    }

    #[test]
    fn a_value_of_another_type_is_named_with_the_one_that_is_taken() {
        let cases = [
            ("sm_wait", json!({ "any": "yes" }), "any of sm_wait is a text, not true or false"),
            ("sm_wait", json!({ "sessions": "a" }), "sessions of sm_wait is a text, not a list"),
            (
                "sm_wait",
                json!({ "sessions": ["a", 7] }),
                "sessions of sm_wait has one that is a number, not a text",
            ),
            (
                "sm_wait",
                json!({ "timeout_seconds": "25" }),
                "timeout_seconds of sm_wait is a text, not a number",
            ),
            (
                "sm_send",
                json!({ "session": "a", "text": "b", "mode": "now" }),
                "mode of sm_send is \"now\", not one of start, steer, urgent, queue",
            ),
            (
                "sm_wait",
                json!({ "for": "done" }),
                "for of sm_wait is \"done\", not one of settled, idle, thinking, working, waiting_input, \
                 waiting_permission, stopped",
            ),
            ("sm_send", json!({ "session": "a" }), "sm_send needs the argument text"),
            ("sm_spawn", json!({ "prompt": null }), "sm_spawn needs the argument prompt"),
            ("sm_children", json!([]), "the arguments of sm_children are a list, not an object"),
        ];
        for (tool, arguments, expected) in cases {
            assert_eq!(refused(tool, arguments).0, expected);
        }
    }

    #[test]
    fn null_is_the_same_as_left_out() {
        let read = read::<Value>("sm_wait", json!({ "any": null, "sessions": ["a"] })).unwrap();
        assert_eq!(read, json!({ "sessions": ["a"] }));
        assert_eq!(super::read::<Value>("sm_children", Value::Null).unwrap(), json!({}));
    }
}
