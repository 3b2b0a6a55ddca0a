//! A word of a command, as the program will see it.

use super::grammar::options;
use super::{Unclear, unclear};
use brush_parser::word::{WordPiece, WordPieceWithSource};

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, quotes removed.
    pub text: String,
    /// Whether the shell leaves it as it is: no pattern, no `~`, no braces.
    pub is_literal: bool,
}

impl Word {
    pub(crate) fn plain(text: &str) -> Word {
        Word { text: text.to_owned(), is_literal: true }
    }
}

/// A word as the program will see it.
pub(super) fn word(raw: &str) -> Result<Word, Unclear> {
    let pieces = brush_parser::word::parse(raw, &options());
    let pieces = pieces.map_err(|_| Unclear("it cannot be parsed".to_owned()))?;
    let mut word = Word { text: String::new(), is_literal: true };
    put(&pieces, false, &mut word)?;
    // `=name` is a path to zsh, behind empty quotes as well.
    let mut begin = raw;
    while let Some(rest) = begin.strip_prefix("''").or_else(|| begin.strip_prefix("\"\"")) {
        begin = rest;
    }
    word.is_literal &= !begin.starts_with('=') || begin == "=";
    // Alone it begins no pattern.
    word.is_literal |= raw == "[";
    Ok(word)
}

fn put(pieces: &[WordPieceWithSource], is_quoted: bool, word: &mut Word) -> Result<(), Unclear> {
    for piece in pieces {
        match &piece.piece {
            WordPiece::Text(text) => {
                // Braces with nothing in them are braces.
                let seen = text.replace("{}", "");
                if !is_quoted && seen.contains(['*', '?', '[', '{', '~', '^', '#']) {
                    word.is_literal = false;
                }
                if text.contains(['$', '`']) || (!is_quoted && text.contains('\\')) {
                    return unclear("it has a `$`, a backquote or a backslash of unclear meaning");
                }
                word.text.push_str(text);
            }
            WordPiece::SingleQuotedText(text) => word.text.push_str(text),
            WordPiece::DoubleQuotedSequence(inner) => put(inner, true, word)?,
            WordPiece::EscapeSequence(escaped) => match escaped.strip_prefix('\\') {
                Some(rest) if rest.chars().count() == 1 && rest != "\n" => {
                    // Within double quotes a backslash before most characters stays.
                    let stays = is_quoted && !matches!(rest, "$" | "`" | "\"" | "\\");
                    word.text.push_str(if stays { escaped } else { rest });
                }
                _ => return unclear("it goes over a line's end"),
            },
            WordPiece::TildeExpansion(_) => {
                word.is_literal = false;
                word.text.push('~');
            }
            _ => return unclear("it has words that the shell replaces"),
        }
    }
    Ok(())
}
