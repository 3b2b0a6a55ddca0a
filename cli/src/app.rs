//! From the words of the command line to an outcome.
//!
//! What always holds: every failure ends as one [`Error`], told once, on standard error, in words or
//! as JSON; a reader of standard output that went away ends the command quietly.

use crate::args::Args;
use crate::commands;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::fault;
use crate::output::Streams;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;

/// Runs the command that `words` ask for.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    let wants_json = words.iter().any(|word| word == "--json");
    let parsed = Args::command().try_get_matches_from(&words).and_then(|matches| {
        let verb = matches.subcommand_name().map(str::to_owned);
        Ok((Args::from_arg_matches(&matches)?, verb))
    });
    let (args, verb) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error, wants_json),
    };
    let mut streams = Streams::new();
    let outcome = Context::new(&args).and_then(|context| {
        fault::tell(&context.home_words(), context.json);
        let done = commands::run(args.command, &context, &mut streams);
        // What was written before a failure is still to be seen.
        let flushed = streams.flush();
        let done = done.and_then(|exit| flushed.map(|()| exit));
        done.map_err(|error| error.in_home(&context.home_words()))
    });
    match outcome {
        Ok(exit) => exit,
        Err(mut error) => {
            if error.exit == Exit::Usage && error.hint.is_none() {
                let verb = verb.map_or(String::new(), |verb| format!(" {verb}"));
                error = error.hint(format!("See how it is used: sm{verb} --help"));
            }
            error.tell(&mut streams, args.json);
            error.exit
        }
    }
}

/// Help and version are no failures; anything else that clap says is a wrong usage.
fn usage(error: &clap::Error, wants_json: bool) -> Exit {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => Exit::Ok,
            // Whoever asked for help has read enough of it.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok,
            Err(_) => Exit::Failed,
        };
    }
    if wants_json {
        let words = error.to_string();
        let (message, rest) = words.split_once("\n\n").unwrap_or((&words, ""));
        let rest: Vec<&str> = rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let hint = match rest.is_empty() {
            true => "See what there is: sm --help".to_owned(),
            false => rest.join(" "),
        };
        let message = message.trim_start_matches("error: ").trim_end();
        Error::usage(message).hint(hint).tell(&mut Streams::new(), true);
    } else {
        // Nobody is left to tell where standard error itself fails.
        let _ = error.print();
    }
    Exit::Usage
}
