//! What a request asks for, by the name of its method: each is answered in a form of its own.
//!
//! What always holds: no other file here tells requests apart by their methods' names, but for those that
//! `sm` answers itself; one without a place here is answered in Codex's own words alone.

use sm_protocol::Kind;
use std::fmt;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method<'a> {
    /// Leave to run a command.
    Command,
    /// Leave to change files.
    FileChange,
    /// More permissions.
    Permissions,
    /// A tool's questions.
    Questions,
    /// What an MCP server asks.
    Elicitation,
    /// Leave to use a skill; of old releases.
    Skill,
    /// Leave to run a command, as old releases ask for it.
    OldCommand,
    /// Leave to change files, as old releases ask for it.
    OldPatch,
    /// Any other, by its name.
    Other(&'a str),
}

/// Those that have a number, with it.
const KNOWN: [(Method<'static>, Kind); 8] = [
    (Method::Command, Kind::COMMAND_APPROVAL),
    (Method::FileChange, Kind::FILE_CHANGE_APPROVAL),
    (Method::Permissions, Kind::PERMISSIONS_APPROVAL),
    (Method::Questions, Kind::USER_INPUT_REQUEST),
    (Method::Elicitation, Kind::MCP_ELICITATION),
    (Method::Skill, Kind::SKILL_APPROVAL),
    (Method::OldCommand, Kind::EXEC_COMMAND_APPROVAL),
    (Method::OldPatch, Kind::APPLY_PATCH_APPROVAL),
];

impl<'a> Method<'a> {
    /// The method of that name.
    pub fn of(name: &'a str) -> Method<'a> {
        let kind = Kind::of_method(name);
        let known = KNOWN.iter().find(|(_, known)| Some(*known) == kind);
        known.map_or(Method::Other(name), |(method, _)| *method)
    }

    /// Whether it is answered in the forms of old releases.
    pub fn is_old(self) -> bool {
        matches!(self, Method::OldCommand | Method::OldPatch)
    }

    /// Whether that decision, by the word that is recorded of it, ends the turn.
    pub fn interrupts(self, word: &str) -> bool {
        match self {
            Method::Command | Method::FileChange => word == "cancel",
            Method::OldCommand | Method::OldPatch => word == "abort",
            _ => false,
        }
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = KNOWN.iter().find(|(method, _)| method == self);
        f.write_str(match self {
            Method::Other(name) => name,
            _ => known.and_then(|(_, kind)| kind.method()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_the_name_that_it_is_told_by() {
        for (method, kind) in KNOWN {
            let name = method.to_string();
            assert_eq!((Method::of(&name), kind.method()), (method, Some(name.as_str())));
        }
        assert_eq!(Method::of("new/one"), Method::Other("new/one"));
        assert_eq!(Method::of("turn/started").to_string(), "turn/started");
    }
}
