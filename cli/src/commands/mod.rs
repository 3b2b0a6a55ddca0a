//! The verbs, one file each: words, help and work of one command stand side by side.

mod act;
mod answer;
mod children;
mod completions;
mod demo;
mod diff;
mod doctor;
mod explain;
mod export;
mod fixture;
mod import;
mod inbox;
mod overview;
mod ps;
mod rebuild;
mod replay;
mod result;
mod rules;
mod send;
mod serve;
mod show;
mod spawn;
mod stats;
mod tail;
mod turns;
mod verify;
mod wait;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Spawn(spawn::Spawn),
    Send(send::Send),
    Wait(wait::Wait),
    Result(result::ResultOf),
    Ps(ps::Ps),
    Children(children::Children),
    Tail(tail::Tail),
    Show(show::Show),
    Turns(turns::Turns),
    Explain(explain::Explain),
    Diff(diff::Diff),
    Catchup(diff::Catchup),
    Export(export::Export),
    Inbox(inbox::Inbox),
    Approve(answer::Approve),
    Deny(answer::Deny),
    Answer(answer::AnswerTo),
    Rules(rules::Rules),
    Interrupt(act::Interrupt),
    Stop(act::Stop),
    Resume(act::Resume),
    Replay(replay::Replay),
    Import(import::Import),
    Fixture(fixture::Fixture),
    Rebuild(rebuild::Rebuild),
    Serve(serve::Serve),
    Doctor(doctor::Doctor),
    Verify(verify::Verify),
    Stats(stats::Stats),
    Demo(demo::Demo),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Runs a verb; none shows what is going on.
pub fn run(
    command: Option<Command>,
    context: &Context,
    streams: &mut Streams,
) -> Result<Exit, Error> {
    match command {
        None => overview::run(context, streams),
        Some(Command::Spawn(verb)) => verb.run(context, streams),
        Some(Command::Send(verb)) => verb.run(context, streams),
        Some(Command::Wait(verb)) => verb.run(context, streams),
        Some(Command::Ps(verb)) => verb.run(context, streams),
        Some(Command::Diff(verb)) => verb.run(context, streams),
        Some(Command::Catchup(verb)) => verb.run(context, streams),
        Some(Command::Export(verb)) => verb.run(context, streams),
        Some(Command::Rebuild(verb)) => verb.run(context, streams),
        Some(Command::Children(verb)) => verb.run(context, streams),
        Some(Command::Tail(verb)) => verb.run(context, streams),
        Some(Command::Show(verb)) => verb.run(context, streams),
        Some(Command::Turns(verb)) => verb.run(context, streams),
        Some(Command::Explain(verb)) => verb.run(context, streams),
        Some(Command::Inbox(verb)) => verb.run(context, streams),
        Some(Command::Approve(verb)) => verb.run(context, streams),
        Some(Command::Deny(verb)) => verb.run(context, streams),
        Some(Command::Answer(verb)) => verb.run(context, streams),
        Some(Command::Rules(verb)) => verb.run(context, streams),
        Some(Command::Interrupt(verb)) => verb.run(context, streams),
        Some(Command::Stop(verb)) => verb.run(context, streams),
        Some(Command::Resume(verb)) => verb.run(context, streams),
        Some(Command::Serve(verb)) => verb.run(context, streams),
        Some(Command::Result(verb)) => verb.run(context, streams),
        Some(Command::Replay(verb)) => verb.run(context, streams),
        Some(Command::Import(verb)) => verb.run(context, streams),
        Some(Command::Fixture(verb)) => verb.run(context, streams),
        Some(Command::Doctor(verb)) => verb.run(context, streams),
        Some(Command::Verify(verb)) => verb.run(context, streams),
        Some(Command::Stats(verb)) => verb.run(context, streams),
        Some(Command::Demo(verb)) => verb.run(context, streams),
        Some(Command::Completions(verb)) => verb.run(streams),
        Some(Command::Man(verb)) => verb.run(streams),
    }
}
