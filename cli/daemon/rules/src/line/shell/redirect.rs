//! The files that a shell opens for a program.

use super::word::word;
use super::{Unclear, unclear};
use crate::paths::glob::normal;
use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};
use std::path::Path;

/// A file that the shell opens for a program.
pub(super) enum File {
    Read(String),
    Written(String),
}

/// The file that a redirection opens, if it opens one that matters.
pub(super) fn file_of(redirect: &IoRedirect) -> Result<Option<File>, Unclear> {
    let (kind, name) = match redirect {
        IoRedirect::File(_, kind, target) => match target {
            IoFileRedirectTarget::Fd(_) => return Ok(None),
            IoFileRedirectTarget::Filename(name) => (Some(kind), place_of(&name.value)?),
            IoFileRedirectTarget::Duplicate(name) => {
                let name = place_of(&name.value)?;
                let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
                if is_number || name == "-" {
                    return Ok(None);
                }
                (Some(kind), name)
            }
            IoFileRedirectTarget::ProcessSubstitution(..) => {
                return unclear("it substitutes a process");
            }
        },
        IoRedirect::OutputAndError(name, _) => (None, place_of(&name.value)?),
        _ => return unclear("it feeds text to a command"),
    };
    let file = match kind {
        Some(IoFileRedirectKind::Read) => File::Read,
        _ => File::Written,
    };
    Ok((name != "/dev/null").then(|| file(name)))
}

fn place_of(raw: &str) -> Result<String, Unclear> {
    // `>!` is an operator of zsh, and `<1-9>` a pattern.
    let is_range = raw.contains('-') && raw.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if raw.starts_with('!') || (is_range && raw != "-") {
        return unclear("shells differ about which file it redirects into");
    }
    let word = word(raw)?;
    if ["/dev/tcp/", "/dev/udp/"].iter().any(|net| normal(Path::new(&word.text)).starts_with(net)) {
        return unclear("it opens a connection");
    }
    match word.is_literal && !word.text.is_empty() {
        true => Ok(word.text),
        false => unclear("which file it redirects into is found out by the shell"),
    }
}
