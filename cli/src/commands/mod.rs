//! The verbs, one file each: words, help and work of one command stand side by side.

mod act;
mod answer;
mod archive;
mod ask;
mod children;
mod compact;
mod completions;
mod demo;
mod diff;
mod doctor;
mod each;
mod explain;
mod export;
mod fixture;
mod fork;
mod goal;
mod handoff;
mod import;
mod inbox;
mod name;
mod overview;
mod prune;
mod ps;
mod queue;
mod rebuild;
mod remind;
mod replay;
mod result;
mod review;
mod rollback;
mod rpc;
mod rules;
mod run;
mod send;
mod serve;
mod set;
mod show;
mod spawn;
mod stats;
mod status;
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
    Run(run::Run),
    Send(send::Send),
    Queue(queue::Queue),
    Remind(remind::Remind),
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
    Set(set::Set),
    Label(set::Label),
    Stop(act::Stop),
    Resume(act::Resume),
    Name(name::Name),
    Fork(fork::Fork),
    Archive(archive::Archive),
    Unarchive(archive::Unarchive),
    Compact(compact::Compact),
    Review(review::Review),
    Rollback(rollback::Rollback),
    Goal(goal::Goal),
    Handoff(handoff::Handoff),
    Models(ask::Models),
    Mcp(ask::Mcp),
    Limits(ask::Limits),
    Account(ask::Account),
    Skills(ask::Skills),
    Rpc(rpc::Rpc),
    Replay(replay::Replay),
    Import(import::Import),
    Fixture(fixture::Fixture),
    Rebuild(rebuild::Rebuild),
    Prune(prune::Prune),
    Serve(serve::Serve),
    Doctor(doctor::Doctor),
    Verify(verify::Verify),
    Stats(stats::Stats),
    Status(status::Status),
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
        Some(Command::Run(verb)) => verb.run(context, streams),
        Some(Command::Handoff(verb)) => verb.run(context, streams),
        Some(Command::Send(verb)) => verb.run(context, streams),
        Some(Command::Queue(verb)) => verb.run(context, streams),
        Some(Command::Remind(verb)) => verb.run(context, streams),
        Some(Command::Set(verb)) => verb.run(context, streams),
        Some(Command::Label(verb)) => verb.run(context, streams),
        Some(Command::Wait(verb)) => verb.run(context, streams),
        Some(Command::Ps(verb)) => verb.run(context, streams),
        Some(Command::Diff(verb)) => verb.run(context, streams),
        Some(Command::Catchup(verb)) => verb.run(context, streams),
        Some(Command::Export(verb)) => verb.run(context, streams),
        Some(Command::Rebuild(verb)) => verb.run(context, streams),
        Some(Command::Prune(verb)) => verb.run(context, streams),
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
        Some(Command::Name(verb)) => verb.run(context, streams),
        Some(Command::Fork(verb)) => verb.run(context, streams),
        Some(Command::Archive(verb)) => verb.run(context, streams),
        Some(Command::Unarchive(verb)) => verb.run(context, streams),
        Some(Command::Compact(verb)) => verb.run(context, streams),
        Some(Command::Review(verb)) => verb.run(context, streams),
        Some(Command::Rollback(verb)) => verb.run(context, streams),
        Some(Command::Goal(verb)) => verb.run(context, streams),
        Some(Command::Models(verb)) => verb.run(context, streams),
        Some(Command::Mcp(verb)) => verb.run(context, streams),
        Some(Command::Limits(verb)) => verb.run(context, streams),
        Some(Command::Account(verb)) => verb.run(context, streams),
        Some(Command::Skills(verb)) => verb.run(context, streams),
        Some(Command::Rpc(verb)) => verb.run(context, streams),
        Some(Command::Serve(verb)) => verb.run(context, streams),
        Some(Command::Result(verb)) => verb.run(context, streams),
        Some(Command::Replay(verb)) => verb.run(context, streams),
        Some(Command::Import(verb)) => verb.run(context, streams),
        Some(Command::Fixture(verb)) => verb.run(context, streams),
        Some(Command::Doctor(verb)) => verb.run(context, streams),
        Some(Command::Verify(verb)) => verb.run(context, streams),
        Some(Command::Stats(verb)) => verb.run(context, streams),
        Some(Command::Status(verb)) => verb.run(context, streams),
        Some(Command::Demo(verb)) => verb.run(context, streams),
        Some(Command::Completions(verb)) => verb.run(streams),
        Some(Command::Man(verb)) => verb.run(streams),
    }
}
