//! An MCP server's form: its fields, what each offers, and what it takes beyond its type.
//!
//! What always holds: the schema that came with the form is read here alone, so that what is shown of a
//! field is what is taken. What is outside its limits is refused before anything is decided, and the
//! refusal never shows what was given.

use crate::problem::Refusal;
use serde_json::{Map, Value, json};

/// The schema's words for limits, as MCP has them.
pub(crate) const LIMITS: [&str; 8] =
    ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "format", "default"];

/// The schema of a request's form; `None` where it has no form.
pub(super) fn schema(params: &Value) -> Option<&Value> {
    params.get("requestedSchema").filter(|schema| !schema.is_null())
}

/// The fields of a request's form, by name, each with its schema; `None` where it describes none.
pub(super) fn fields(params: &Value) -> Option<&Map<String, Value>> {
    schema(params)?.get("properties")?.as_object()
}

/// The names of the fields that are to be filled in.
pub(super) fn required(params: &Value) -> impl Iterator<Item = &str> {
    let names = schema(params).and_then(|schema| schema.get("required")?.as_array());
    names.into_iter().flatten().filter_map(Value::as_str)
}

/// A value that a field offers.
pub(super) struct Offered<'a> {
    pub value: &'a Value,
    /// What it is called, where that is another word.
    pub title: Option<&'a Value>,
}

/// The values that a field offers: plain, or titled; of the field itself, or of a list's items.
pub(super) fn offered(field: &Value) -> Vec<Offered<'_>> {
    let listed = |places: &'static [&str]| {
        let lists = places.iter().filter_map(|at| field.pointer(at)?.as_array());
        lists.flat_map(|list| list.iter().enumerate())
    };
    let names = field.get("enumNames").and_then(Value::as_array);
    let plain = listed(&["/enum", "/items/enum"])
        .map(|(at, value)| Offered { value, title: names.and_then(|names| names.get(at)) });
    let titled = listed(&["/oneOf", "/anyOf", "/items/anyOf", "/items/oneOf"])
        .filter_map(|(_, one)| Some(Offered { value: one.get("const")?, title: one.get("title") }));
    plain.chain(titled).collect()
}

/// The same, as an answer names them.
pub(super) fn values(field: &Value) -> Vec<&str> {
    offered(field).iter().filter_map(|one| one.value.as_str()).collect()
}

/// What a field takes, in words; empty where any value of its type will do. `field` is its schema, or a
/// question that has the same keys.
pub fn limits(field: &Value) -> Vec<String> {
    // Codex may write a whole number with a fraction.
    let number = |name: &str| field.get(name).and_then(Value::as_f64);
    let range = |low: &str, high: &str, unit: &str| match (number(low), number(high)) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    };
    let format = field.get("format").and_then(Value::as_str).map(|format| match format {
        "email" => "an e-mail address".to_owned(),
        "uri" => "an address with its scheme: https://…".to_owned(),
        "date" => "a date: 2026-11-21".to_owned(),
        "date-time" => "a date and a time with its zone: 2026-11-21T18:00:00Z".to_owned(),
        other => other.to_owned(),
    });
    let ranges = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " of them"),
    ];
    ranges.into_iter().flatten().chain(format).collect()
}

/// Refuses a value that is beyond its field's limits.
pub(crate) fn check(name: &str, field: &Value, value: &Value) -> Result<(), Refusal> {
    match is_within(field, value) {
        true => Ok(()),
        false => {
            let wanted = limits(field).join(", ");
            Err(Refusal::bad_request(format!("{name} takes {wanted}; the answer is none of that"))
                .hint(format!("`sm answer REQUEST {name}=…`, with {wanted}"))
                .details(json!({ "field": name, "takes": wanted })))
        }
    }
}

fn is_within(field: &Value, value: &Value) -> bool {
    let limit = |name: &str| field.get(name).and_then(Value::as_f64);
    let is_between = |low: &str, high: &str, found: f64| {
        limit(low).is_none_or(|low| found >= low) && limit(high).is_none_or(|high| found <= high)
    };
    match value {
        Value::Number(number) => {
            number.as_f64().is_none_or(|found| is_between("minimum", "maximum", found))
        }
        Value::Array(list) => is_between("minItems", "maxItems", list.len() as f64),
        Value::String(text) => {
            let format = field.get("format").and_then(Value::as_str);
            is_between("minLength", "maxLength", text.chars().count() as f64)
                && format.is_none_or(|format| is_formed(format, text))
        }
        _ => true,
    }
}

/// Whether a text has that form; one that is not MCP's any text has.
fn is_formed(format: &str, text: &str) -> bool {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    match format {
        "email" => {
            let parts = text.rsplit_once('@');
            is_plain && parts.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
        }
        "uri" => {
            let scheme = text.split_once(':').filter(|(_, rest)| !rest.is_empty());
            let is_scheme = |scheme: &str| {
                scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            };
            is_plain && scheme.is_some_and(|(scheme, _)| is_scheme(scheme))
        }
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "date-time" => text.contains('T') && text.parse::<jiff::Timestamp>().is_ok(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_offers_what_any_of_its_schemas_words_list() {
        let titled = json!([{ "const": "r", "title": "Red" }, { "const": "g" }]);
        for (field, titles) in [
            (json!({ "enum": ["r", "g"], "enumNames": ["Red"] }), true),
            (json!({ "type": "array", "items": { "enum": ["r", "g"] } }), false),
            (json!({ "oneOf": titled }), true),
            (json!({ "anyOf": titled }), true),
            (json!({ "type": "array", "items": { "anyOf": titled } }), true),
            (json!({ "type": "array", "items": { "oneOf": titled } }), true),
        ] {
            assert_eq!(values(&field), ["r", "g"], "{field}");
            let title = offered(&field)[0].title.and_then(Value::as_str);
            assert_eq!(title, titles.then_some("Red"), "{field}");
        }
        // What names no value offers none.
        assert!(values(&json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })).is_empty());
        assert!(values(&json!({ "type": "string" })).is_empty());
    }

    #[test]
    fn what_is_beyond_a_fields_limits_is_refused() {
        let form = |format: &str| json!({ "type": "string", "format": format });
        let number = json!({ "type": "number", "minimum": 1, "maximum": 10 });
        let text = json!({ "type": "string", "minLength": 2, "maxLength": 3 });
        let list = json!({ "type": "array", "minItems": 1 });
        for (field, good, bad) in [
            (&number, json!([1, 10, 2.5]), json!([0, 11, -1e9])),
            (&text, json!(["ab", "äöü"]), json!(["a", "abcd", ""])),
            (&list, json!([["a"]]), json!([[]])),
            (&form("email"), json!(["a@b"]), json!(["a", "@b", "a@", "a b@c"])),
            (&form("uri"), json!(["https://x", "mailto:a@b"]), json!(["x", "1a:b", "a:", "a: b"])),
            (&form("date"), json!(["2026-02-28"]), json!(["2026-02-30", "20260228", "today"])),
            (
                &form("date-time"),
                json!(["2026-11-21T18:00:00Z", "2026-11-21T18:00:00.5+01:00"]),
                json!(["2026-11-21", "2026-11-21T18:00:00"]),
            ),
            (&form("colour"), json!(["red"]), json!([])),
        ] {
            for value in good.as_array().unwrap() {
                assert!(check("f", field, value).is_ok(), "{field} {value}");
            }
            for value in bad.as_array().unwrap() {
                let refused = check("f", field, value).unwrap_err();
                assert!(refused.problem.hint.unwrap().contains("sm answer"), "{field} {value}");
            }
        }
        assert_eq!(limits(&number), ["1 to 10"]);
        assert_eq!(limits(&text), ["2 to 3 characters"]);
        assert_eq!(limits(&json!({ "minimum": 1, "maximum": null })), ["at least 1"]);
        assert!(limits(&json!({ "type": "string" })).is_empty());
    }
}
