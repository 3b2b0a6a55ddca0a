//! The same done to each of several words, one after another.
//!
//! What always holds: every word is told, in a row of the document or in lines, whatever became of it and of
//! the others; the command ends as the first that failed.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use serde_json::{Value, json};

/// What became of one.
pub struct Outcome {
    row: Value,
    line: Option<String>,
    note: Option<String>,
    error: Option<Error>,
}

impl Outcome {
    /// It was done: its row, an object, and the line that says so.
    pub fn done(row: Value, line: String) -> Outcome {
        Outcome { row, line: Some(line), note: None, error: None }.with("error", Value::Null)
    }

    /// The same with something to know beside, on standard error.
    pub fn note(self, note: Option<String>) -> Outcome {
        Outcome { note, ..self }
    }

    /// It was not done; the row, an object, says all but why.
    pub fn failed(row: Value, error: Error) -> Outcome {
        let why = json!({"code": error.code, "message": error.message, "hint": error.hint});
        Outcome::ended(row, error).with("error", why)
    }

    /// It was done, and did not end well: the row itself, an object, says how.
    pub fn ended(row: Value, error: Error) -> Outcome {
        Outcome { row, line: None, note: None, error: Some(error) }.with("error", Value::Null)
    }

    fn with(mut self, member: &str, value: Value) -> Outcome {
        if let Some(row) = self.row.as_object_mut() {
            row.insert(member.to_owned(), value);
        }
        self
    }
}

/// What became of all.
pub struct Told {
    /// A row for each, with the word as `given`, and `error`.
    pub rows: Vec<Value>,
    first: Option<Error>,
    /// Whether the lines say already what failed.
    is_told: bool,
}

/// Does `act` to each of `words`, and shows each outcome as it comes.
pub fn each(
    context: &Context,
    streams: &mut Streams,
    words: &[String],
    mut act: impl FnMut(&str) -> Outcome,
) -> Result<Told, Error> {
    let is_told = words.len() > 1 && !context.json;
    let mut told = Told { rows: Vec::new(), first: None, is_told };
    for word in words {
        let Outcome { row, line, note, error } = act(word).with("given", word.as_str().into());
        told.rows.push(row);
        if !context.json {
            line.map(|line| streams.line(line)).transpose()?;
            note.into_iter().for_each(|note| streams.say(note));
        }
        if let Some(error) = error {
            if is_told {
                error.tell(streams, false);
            }
            told.first.get_or_insert(error);
        }
    }
    Ok(told)
}

impl Told {
    /// Shows the rows as `member` of a document, where JSON is asked for, and how it all ends.
    pub fn end(
        self,
        context: &Context,
        streams: &mut Streams,
        schema: &str,
        member: &str,
    ) -> Result<Exit, Error> {
        if context.json {
            streams.document(&json!({ "schema": schema, member: self.rows }))?;
        }
        self.exit()
    }

    /// How it all ends.
    pub fn exit(self) -> Result<Exit, Error> {
        match self.first {
            Some(error) if self.is_told => Ok(error.exit),
            Some(error) => Err(error),
            None => Ok(Exit::Ok),
        }
    }
}

/// Does `act` to each of `words`, shows `line` of what each gave, and ends.
pub fn results(
    context: &Context,
    streams: &mut Streams,
    words: &[String],
    schema: &str,
    act: impl Fn(&str) -> Result<Value, Error>,
    line: impl Fn(&Value) -> String,
) -> Result<Exit, Error> {
    let told = each(context, streams, words, |word| match act(word) {
        Ok(document) => {
            let line = line(&document);
            Outcome::done(json!({ "result": document }), line)
        }
        Err(error) => Outcome::failed(json!({ "result": null }), error),
    })?;
    told.end(context, streams, schema, "results")
}
