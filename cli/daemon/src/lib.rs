//! Supervises Codex, holds requests, serves HTTP.
