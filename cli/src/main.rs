//! `sm`: the outcome of a command becomes the exit code, and nothing else happens here.

mod app;
mod args;
mod bound;
mod codex;
mod commands;
mod context;
mod daemon;
mod demo;
mod error;
mod fault;
mod output;
mod past;
mod read;
mod show;
mod targets;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::run(std::env::args_os()).into()
}
