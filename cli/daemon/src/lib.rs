//! Supervises Codex, holds requests, serves HTTP.
//!
//! What always holds: prints nothing, parses no arguments, reads no environment but what it is
//! handed.

pub mod api;
mod home;

pub use home::{Home, HomeError, Readings, Writer};
