//! Supervises Codex, holds requests, serves HTTP.
//!
//! What always holds: prints nothing, parses no arguments, reads no environment but what it is
//! handed. What a server says of itself goes to `attend`, which knows everybody, over a channel from
//! `launch`, which knows nobody.
//!
//! ```text
//!  client ──HTTP──▶ routes ──▶ spawn · input · keep · acts · requests ──▶ resume ──▶ launch ──▶ codex app-server
//!                      ▲             ▲                                          │              │
//!                      │             └───────────── attend ◀────────────────────┘              │
//!                   tables ◀── folding ◀── log ◀────────────── all that is said ───────────────┘
//! ```

mod acts;
pub mod api;
mod arguments;
pub mod asked;
mod attend;
mod automatic;
mod called;
mod caller;
pub mod client;
mod config;
mod daemon;
mod decision;
mod drain;
mod family;
mod folding;
mod form;
mod holder;
mod home;
mod http;
mod import;
mod input;
mod interrupt;
mod invisible;
mod keep;
mod launch;
mod life;
mod messages;
mod names;
mod news;
mod offer;
mod peer;
mod pool;
mod problem;
mod programs;
mod proof;
mod prune;
mod raw;
pub mod records;
mod recovery;
mod reminders;
mod requests;
mod resume;
mod revive;
mod rights;
mod rulebook;
mod serve;
mod settle;
mod shell;
mod spawn;
mod tools;
mod trust;
mod unseen;

pub use called::Called;
pub use client::{Client, ClientError, Start};
pub use config::{Config, Say};
pub use folding::{Folded, Folding};
pub use form::limits as form_limits;
pub use home::{Home, HomeError, Readings, Writer};
pub use import::Transcript;
pub use input::accepted as accepted_input;
pub use invisible::is_invisible;
pub use names::check_name;
pub use problem::Refusal;
pub use prune::{MAX_BYTES, OLDER_THAN_MS, Plan};
pub use requests::{answers_itself, newest_requests};
pub use rulebook::{Rulebook, mending};
pub use serve::{ServeError, serve};
pub use sm_ingest::app_server::{Codex, LocateError, ProcessId, Search, Version, locate};
