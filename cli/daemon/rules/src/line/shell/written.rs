//! What a line has shells write into, as far as it can be seen in one that cannot be read.

use super::CommandLine;
use super::grammar::{BYTES_MAX, EXPANSIONS_MAX, REDIRECTIONS, options};
use super::inner::{SHELLS_MAX, shells_line};
use super::word::word;
use brush_parser::{Token, uncached_tokenize_str};

/// A file that a shell writes into, as it stands in a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its name, without quotes, where there is nothing else to be made of it.
    pub name: String,
    /// Whether it is only emptied: nothing writes into it.
    pub is_emptied: bool,
}

impl CommandLine {
    /// The files that a line has shells write into, as far as they can be seen in one that cannot be read.
    pub(crate) fn written(&self) -> Vec<Written> {
        let mut found = Vec::new();
        match self {
            CommandLine::Text(text) => written(text, 0, &mut found),
            CommandLine::Words(words) => {
                if let Some(line) = shells_line(words) {
                    written(line, 1, &mut found);
                }
            }
        }
        found
    }
}

fn written(text: &str, depth: usize, found: &mut Vec<Written>) {
    let is_much = text.len() > BYTES_MAX
        || text.chars().filter(|c| matches!(c, '$' | '`')).count() > EXPANSIONS_MAX;
    if is_much || depth > SHELLS_MAX {
        return;
    }
    let Ok(tokens) = uncached_tokenize_str(text, &options().tokenizer_options()) else { return };
    let (mut words, mut files, mut into) = (Vec::new(), Vec::new(), None);
    let mut end = |words: &mut Vec<String>, files: &mut Vec<(String, String)>| {
        for (operator, name) in files.drain(..) {
            let is_emptied = words.is_empty() && matches!(operator.as_str(), ">" | ">|");
            found.push(Written { name, is_emptied });
        }
        if let Some(line) = shells_line(words) {
            written(line, depth + 1, found);
        }
        words.clear();
    };
    for token in &tokens {
        match token {
            Token::Operator(operator, _) if REDIRECTIONS.contains(&operator.as_str()) => {
                into = Some(operator.clone());
            }
            Token::Operator(..) => {
                end(&mut words, &mut files);
                into = None;
            }
            Token::Word(raw, _) => {
                let bare = || raw.trim_matches(['"', '\'']).to_owned();
                let text = word(raw).map_or_else(|_| bare(), |word| word.text);
                match into.take() {
                    Some(operator) if operator.contains('>') => {
                        let is_copy = operator.ends_with('&')
                            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                        if !is_copy && text != "/dev/null" {
                            files.push((operator, text));
                        }
                    }
                    Some(_) => {}
                    None => words.push(text),
                }
            }
        }
    }
    end(&mut words, &mut files);
}
