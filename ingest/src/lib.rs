//! Sources that turn Codex's messages into log records.
