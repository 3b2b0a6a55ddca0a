//! A command line: the commands that it runs, and the words of each.
//!
//! What always holds: nothing here knows what a program does.

pub(crate) mod folders;
pub(crate) mod options;
pub(crate) mod shell;
pub(crate) mod words;
