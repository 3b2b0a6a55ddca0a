//! What of the shells' grammar is read: simple commands, and what stands between them.

use super::{Unclear, unclear};
use brush_parser::ast::Program;
use brush_parser::{ParserOptions, Token, uncached_tokenize_str};

/// The longest line looked at, in bytes.
pub(super) const BYTES_MAX: usize = 16 << 10;

/// How many `$` and backquotes a line may have: each may nest, and a parser of nested things has an end.
pub(super) const EXPANSIONS_MAX: usize = 32;

/// Operators between and in simple commands; all others group, define or feed.
const OPERATORS: &[&str] =
    &["|", "|&", "&&", "||", ";", "&", "\n", "<", ">", ">>", ">|", "<&", ">&", "&>", "&>>"];

/// The operators that a file's name follows.
pub(super) const REDIRECTIONS: &[&str] = &["<", ">", ">>", ">|", "<&", ">&", "&>", "&>>"];

/// Words that begin something other than a simple command, in one of the shells at least.
pub(crate) const RESERVED: &[&str] = &[
    "!",
    "{",
    "}",
    "[[",
    "]]",
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

pub(super) fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

pub(super) fn parsed(text: &str) -> Result<Program, Unclear> {
    if text.len() > BYTES_MAX {
        return unclear("it is too long to be looked at");
    }
    let is_odd = |c: char| match c {
        '\n' | '\t' => false,
        c => c.is_control() || (c.is_whitespace() && c != ' '),
    };
    if text.chars().any(is_odd) {
        return unclear("it has control characters or odd blanks");
    }
    if text.chars().filter(|c| matches!(c, '$' | '`')).count() > EXPANSIONS_MAX {
        return unclear("it has too many expansions");
    }
    let tokens = uncached_tokenize_str(text, &options().tokenizer_options());
    let tokens = tokens.map_err(|_| Unclear("it cannot be parsed".to_owned()))?;
    let mut begins = true;
    let mut names_file = false;
    for token in &tokens {
        match token {
            Token::Operator(operator, _) => {
                let operator = operator.as_str();
                if !OPERATORS.contains(&operator) {
                    return unclear(match operator.starts_with("<<") {
                        true => "it feeds text to a command",
                        false => "it has more than simple commands",
                    });
                }
                names_file = REDIRECTIONS.contains(&operator);
                begins |= !names_file;
            }
            Token::Word(word, _) => {
                if begins && !names_file && RESERVED.contains(&word.as_str()) {
                    return unclear("it has more than simple commands");
                }
                begins &= names_file;
                names_file = false;
            }
        }
    }
    brush_parser::parse_tokens(&tokens, &options())
        .map_err(|_| Unclear("it cannot be parsed".to_owned()))
}
