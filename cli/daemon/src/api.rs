//! What goes over the daemon's HTTP: bodies and answers, JSON. `/openapi.json` lists the routes that take
//! and give them.
//!
//! What always holds: fields are only ever added; a body with an unknown one is refused. Documents of
//! sessions, turns, actions and requests are those of [`sm_projections::views`], as JSON values here, so that
//! a client shows what it was given.

mod family;
mod input;
mod life;
mod log;
mod problem;
mod request;
mod server;
mod session;

pub use family::{Cancel, Looked, Remind};
pub use input::{Hold, Input, InputAct, InputChange, InputTaken, Mode};
pub use life::{
    Act, Ask, Done, Fork, Forked, Goal, GoalTold, GoalVerb, Rename, Review, ReviewOf, Reviewing,
    Rollback, RolledBack, Rpc, Told,
};
pub use log::{Import, Imported, Kept, Malformed, NotFolded, Prune, Pruned};
pub use problem::{Problem, ProblemBody};
pub use request::{Answer, Answered, Grant, Revoke};
pub use server::{
    Comeback, Drain, Drained, Health, NotWritten, OlderCodex, Resuming, Server, Servers, Shutdown,
};
pub use session::{CodexSearch, Keep, Spawn, Spawned};
pub use sm_protocol::synthetic::Settings;
