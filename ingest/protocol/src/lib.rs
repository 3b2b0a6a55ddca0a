//! Codex app-server messages as types.
