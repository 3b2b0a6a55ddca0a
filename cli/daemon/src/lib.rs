//! Supervises Codex, holds requests, serves HTTP.
//!
//! What always holds: prints nothing, parses no arguments, reads no environment but what it is
//! handed. What a server says of itself goes over a channel from where it was started to `servers::attend`,
//! which tells everybody whom it concerns.
//!
//! ```text
//!  client ──▶ http ──▶ caller ──▶ sessions · input · requests · life ──▶ servers ──▶ codex app-server
//!               ▲                    ▲         ▲                            │                │
//!               │                 family     tools ◀──────── attend ◀───────┘                │
//!            tables ◀──────────── log ◀─────────────── all that is said ─────────────────────┘
//! ```

pub mod api;
mod caller;
pub mod client;
mod config;
mod counted;
mod daemon;
mod family;
mod guard;
mod home;
mod http;
mod import;
mod input;
mod invisible;
mod life;
mod locks;
mod problem;
mod prune;
mod recording;
pub mod records;
mod requests;
mod said;
mod serve;
mod servers;
mod sessions;
mod tables;
mod tools;

pub use client::{Client, ClientError, Start};
pub use config::{Config, Say};
pub use counted::counted;
pub use home::{Home, HomeError, Readings, Writer};
pub use import::Transcript;
pub use input::{told_by as input_told_by, whole as whole_input};
pub use invisible::is_invisible;
pub use problem::{Refusal, UNKNOWN_WORD};
pub use prune::{MAX_BYTES, OLDER_THAN_MS, Plan};
pub use requests::asked;
pub use requests::form::limits as form_limits;
pub use requests::rulebook::{Rulebook, mending};
pub use requests::{answers_itself, newest_requests, same_before};
pub use serve::{ServeError, serve};
pub use sessions::called::Called;
pub use sessions::names::check_name;
pub use sm_ingest::app_server::{Codex, LocateError, ProcessId, Search, Version, locate};
pub use tables::folding::{Folded, Folding};
