//! What a record is, as the 16-bit number kept in its header.
//!
//! What always holds: the numbers are persisted, so a number is never given a second meaning and a
//! new method takes the next free one. A method without a number keeps its name in its payload and
//! is counted by that name; its record carries one of the general kinds.

/// A record's kind: a known method, a general class of message, or a line that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $(, $method:literal)?;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Kind = Kind($number);)*
        }

        impl Kind {
            /// The kind that stands for `method`, if it has a number.
            pub fn of_method(method: &str) -> Option<Kind> {
                match method {
                    $($($method => Some(Kind::$name),)?)*
                    _ => None,
                }
            }

            /// The method this kind stands for; `None` for the general kinds.
            pub fn method(self) -> Option<&'static str> {
                match self {
                    $($(Kind::$name => Some($method),)?)*
                    _ => None,
                }
            }
        }

        /// Every kind that stands for one method, with that method's name.
        /// The methods of requests that ask for what only the client knows: no human could answer them.
pub const CLIENTS_OWN: [&str; 3] =
    ["account/chatgptAuthTokens/refresh", "attestation/generate", "currentTime/read"];

#[cfg(test)]
        const METHODS: &[(Kind, &str)] = &[$($((Kind::$name, $method),)?)*];

        /// Every kind with its label.
        #[cfg(test)]
        const LABELS: &[(Kind, &str)] = &[$((Kind::$name, stringify!($name)),)*];
    };
}

kinds! {
    /// A notification whose method has no number of its own.
    NOTIFICATION = 1;
    /// A request whose method has no number of its own.
    REQUEST = 2;
    /// A successful answer to a request.
    RESPONSE = 3;
    /// A failed answer to a request.
    ERROR_RESPONSE = 4;
    /// A JSON object that is neither of the above.
    OTHER_OBJECT = 5;
    /// A line without any bytes (a lone carriage return counts as none).
    EMPTY_LINE = 8;
    /// A line that is not valid UTF-8.
    INVALID_UTF8 = 9;
    /// A line that is not valid JSON.
    INVALID_JSON = 10;
    /// A JSON value that is not an object.
    NOT_AN_OBJECT = 11;
    /// An old release's second telling of an event (`codex/event/*`); never folded.
    LEGACY_EVENT = 12;

    /// A thread came to be or was loaded.
    THREAD_STARTED = 32, "thread/started";
    /// A thread's status changed.
    THREAD_STATUS_CHANGED = 33, "thread/status/changed";
    /// A thread was named.
    THREAD_NAME_UPDATED = 34, "thread/name/updated";
    /// Token totals of a thread.
    THREAD_TOKEN_USAGE_UPDATED = 35, "thread/tokenUsage/updated";
    /// A thread's settings changed.
    THREAD_SETTINGS_UPDATED = 36, "thread/settings/updated";
    /// A thread was archived.
    THREAD_ARCHIVED = 37, "thread/archived";
    /// A thread was taken out of the archive.
    THREAD_UNARCHIVED = 38, "thread/unarchived";
    /// A thread was unloaded.
    THREAD_CLOSED = 39, "thread/closed";
    /// An old release's notice that a thread was compacted.
    THREAD_COMPACTED = 40, "thread/compacted";
    /// What of a thread its user has read.
    THREAD_READ_STATE_CHANGED = 41, "thread/readState/changed";
    /// A thread's goal as it is now.
    THREAD_GOAL_UPDATED = 42, "thread/goal/updated";
    /// A thread has no goal any more.
    THREAD_GOAL_CLEARED = 43, "thread/goal/cleared";
    /// A thread's newest turns were taken out of its history.
    THREAD_REVERTED = 44, "thread/reverted";
    /// A thread was deleted for good.
    THREAD_DELETED = 45, "thread/deleted";
    /// A turn began.
    TURN_STARTED = 48, "turn/started";
    /// A turn ended.
    TURN_COMPLETED = 49, "turn/completed";
    /// The turn's whole diff so far.
    TURN_DIFF_UPDATED = 50, "turn/diff/updated";
    /// The turn's plan so far.
    TURN_PLAN_UPDATED = 51, "turn/plan/updated";
    /// An item began.
    ITEM_STARTED = 56, "item/started";
    /// An item ended.
    ITEM_COMPLETED = 57, "item/completed";
    /// A piece of answer text.
    AGENT_MESSAGE_DELTA = 58, "item/agentMessage/delta";
    /// A piece of a command's output.
    COMMAND_OUTPUT_DELTA = 59, "item/commandExecution/outputDelta";
    /// A piece of a file change's output.
    FILE_CHANGE_OUTPUT_DELTA = 60, "item/fileChange/outputDelta";
    /// A piece of a reasoning summary.
    REASONING_SUMMARY_TEXT_DELTA = 61, "item/reasoning/summaryTextDelta";
    /// A new part of a reasoning summary.
    REASONING_SUMMARY_PART_ADDED = 62, "item/reasoning/summaryPartAdded";
    /// A piece of raw reasoning.
    REASONING_TEXT_DELTA = 63, "item/reasoning/textDelta";
    /// A piece of a plan.
    PLAN_DELTA = 64, "item/plan/delta";
    /// A newer state of a file change's patch.
    FILE_CHANGE_PATCH_UPDATED = 65, "item/fileChange/patchUpdated";
    /// Progress of an MCP tool call.
    MCP_TOOL_CALL_PROGRESS = 66, "item/mcpToolCall/progress";
    /// What was typed into a running command.
    TERMINAL_INTERACTION = 67, "item/commandExecution/terminalInteraction";
    /// An error; `willRetry` says whether the turn goes on.
    ERROR = 72, "error";
    /// A server request no longer waits.
    SERVER_REQUEST_RESOLVED = 73, "serverRequest/resolved";
    /// The account's rate limits.
    RATE_LIMITS_UPDATED = 74, "account/rateLimits/updated";
    /// The model was changed by the server.
    MODEL_REROUTED = 75, "model/rerouted";
    /// How the start of an MCP server goes.
    MCP_STARTUP_STATUS = 76, "mcpServer/startupStatus/updated";
    /// A hook is run.
    HOOK_STARTED = 77, "hook/started";
    /// A hook has run.
    HOOK_COMPLETED = 78, "hook/completed";

    /// Asks leave to run a command.
    COMMAND_APPROVAL = 96, "item/commandExecution/requestApproval";
    /// Asks leave to change files.
    FILE_CHANGE_APPROVAL = 97, "item/fileChange/requestApproval";
    /// Asks for more permissions.
    PERMISSIONS_APPROVAL = 98, "item/permissions/requestApproval";
    /// Asks the user questions.
    USER_INPUT_REQUEST = 99, "item/tool/requestUserInput";
    /// An MCP server asks the user.
    MCP_ELICITATION = 100, "mcpServer/elicitation/request";
    /// Calls a tool that the client offers.
    TOOL_CALL = 101, "item/tool/call";
    /// Old form of [`Kind::COMMAND_APPROVAL`].
    EXEC_COMMAND_APPROVAL = 102, "execCommandApproval";
    /// Old form of [`Kind::FILE_CHANGE_APPROVAL`].
    APPLY_PATCH_APPROVAL = 103, "applyPatchApproval";
    /// Asks the client for fresh account tokens.
    AUTH_TOKENS_REFRESH = 104, "account/chatgptAuthTokens/refresh";
    /// Asks leave to use a skill; names no thread.
    SKILL_APPROVAL = 105, "skill/requestApproval";

    /// A client greets the server.
    INITIALIZE = 128, "initialize";
    /// A client asks for a new thread.
    THREAD_START = 129, "thread/start";
    /// A client asks for a thread to be loaded.
    THREAD_RESUME = 130, "thread/resume";
    /// A client asks for a copy of a thread.
    THREAD_FORK = 131, "thread/fork";
    /// A client starts a turn.
    TURN_START = 132, "turn/start";
    /// A client adds to a running turn.
    TURN_STEER = 133, "turn/steer";
    /// A client ends a running turn.
    TURN_INTERRUPT = 134, "turn/interrupt";
    /// A client takes back a turn and all after it.
    THREAD_REVERT = 135, "thread/revert";
    /// A client takes back the newest turns, so many.
    THREAD_ROLLBACK = 136, "thread/rollback";

    /// `sm` began to read a source.
    SM_SOURCE_OPENED = 32768, "sm/source/opened";
    /// `sm` read a source to its end.
    SM_SOURCE_CLOSED = 32769, "sm/source/closed";
    /// A life of a source's process began.
    SM_GENERATION_STARTED = 32770, "sm/generation/started";
    /// A life of a source's process ended: its open turns are lost, its requests orphaned.
    SM_GENERATION_ENDED = 32771, "sm/generation/ended";
    /// `sm` made a session, or learned who made it.
    SM_SESSION_SPAWNED = 32772, "sm/session/spawned";
    /// A session was ended on purpose.
    SM_SESSION_ENDED = 32773, "sm/session/ended";
    /// An input was taken in.
    SM_INPUT_ACCEPTED = 32774, "sm/input/accepted";
    /// An accepted input moved on: queued, started, steered, refused, failed, unknown or cancelled.
    SM_INPUT_CHANGED = 32775, "sm/input/changed";
    /// Somebody decided a request.
    SM_REQUEST_DECIDED = 32776, "sm/request/decided";
    /// A waiting session was given up: it could not be resumed.
    SM_SESSION_UNRESUMABLE = 32777, "sm/session/unresumable";
    /// See [`crate::synthetic::InputEdited`].
    SM_INPUT_EDITED = 32778, "sm/input/edited";
    /// See [`crate::synthetic::SessionSet`].
    SM_SESSION_SET = 32779, "sm/session/set";
    /// See [`crate::synthetic::SessionLabelled`].
    SM_SESSION_LABELLED = 32780, "sm/session/labelled";
    /// See [`crate::synthetic::ReminderSet`].
    SM_REMINDER_SET = 32781, "sm/reminder/set";
    /// See [`crate::synthetic::ReminderEnded`].
    SM_REMINDER_ENDED = 32782, "sm/reminder/ended";
    /// A session was told of its children otherwise than by an input.
    SM_PARENT_TOLD = 32783, "sm/parent/told";
    /// Records below a floor are dropped.
    SM_LOG_TRIMMED = 32784, "sm/log/trimmed";
    /// Sessions serve only their newest records.
    SM_LOG_CAPPED = 32785, "sm/log/capped";
    /// See [`crate::synthetic::InputsHeld`].
    SM_INPUTS_HELD = 32786, "sm/inputs/held";

    /// Somebody named a session.
    SM_SESSION_NAMED = 32810, "sm/session/named";
    /// A session was put into Codex's archive, or taken out of it.
    SM_SESSION_ARCHIVED = 32811, "sm/session/archived";
    /// A session's newest turns were taken out of its history.
    SM_TURNS_DROPPED = 32812, "sm/turns/dropped";
    /// `sm` read other rules, or a grant was made or revoked.
    SM_RULES_CHANGED = 32800, "sm/rules/changed";
}

impl Kind {
    /// A name for people: the method, or the class in words.
    pub fn label(self) -> &'static str {
        match self {
            Kind::NOTIFICATION => "notification",
            Kind::REQUEST => "request",
            Kind::RESPONSE => "response",
            Kind::ERROR_RESPONSE => "error response",
            Kind::OTHER_OBJECT => "object of unknown form",
            Kind::EMPTY_LINE => "empty line",
            Kind::INVALID_UTF8 => "invalid UTF-8",
            Kind::INVALID_JSON => "invalid JSON",
            Kind::NOT_AN_OBJECT => "not an object",
            Kind::LEGACY_EVENT => "legacy event",
            _ => self.method().unwrap_or("unknown kind"),
        }
    }

    /// Whether the bytes are no message at all.
    pub fn is_malformed(self) -> bool {
        matches!(
            self,
            Kind::EMPTY_LINE | Kind::INVALID_UTF8 | Kind::INVALID_JSON | Kind::NOT_AN_OBJECT
        )
    }

    /// Whether this is a piece of an item that `item/completed` will tell whole.
    pub fn is_delta(self) -> bool {
        matches!(
            self,
            Kind::AGENT_MESSAGE_DELTA
                | Kind::COMMAND_OUTPUT_DELTA
                | Kind::FILE_CHANGE_OUTPUT_DELTA
                | Kind::REASONING_SUMMARY_TEXT_DELTA
                | Kind::REASONING_SUMMARY_PART_ADDED
                | Kind::REASONING_TEXT_DELTA
                | Kind::PLAN_DELTA
                | Kind::MCP_TOOL_CALL_PROGRESS
                | Kind::TERMINAL_INTERACTION
        )
    }

    /// Whether `sm` itself wrote the record.
    pub fn is_synthetic(self) -> bool {
        self.0 >= 32768
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_methods_are_unique() {
        let numbers: BTreeSet<_> = LABELS.iter().map(|(kind, _)| kind.0).collect();
        assert_eq!(numbers.len(), LABELS.len());
        let methods: BTreeSet<_> = METHODS.iter().map(|(_, method)| method).collect();
        assert_eq!(methods.len(), METHODS.len());
    }

    #[test]
    fn a_method_survives_the_round_trip() {
        for (kind, method) in METHODS {
            assert_eq!(Kind::of_method(method), Some(*kind));
            assert_eq!(kind.method(), Some(*method));
            assert_eq!(kind.is_synthetic(), method.starts_with("sm/"));
        }
    }

    #[test]
    fn persisted_numbers_do_not_move() {
        let pinned = [
            (Kind::NOTIFICATION, 1),
            (Kind::LEGACY_EVENT, 12),
            (Kind::TURN_STARTED, 48),
            (Kind::ITEM_COMPLETED, 57),
            (Kind::COMMAND_APPROVAL, 96),
            (Kind::INITIALIZE, 128),
            (Kind::SM_GENERATION_ENDED, 32771),
        ];
        for (kind, number) in pinned {
            assert_eq!(kind.0, number);
        }
    }
}
