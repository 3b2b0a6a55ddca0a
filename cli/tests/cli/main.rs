//! The built `sm`, run as its users run it.

mod bad_input;
mod errors;
mod export;
mod fixture;
mod judged;
mod live;
mod past;
mod pipes;
mod proof;
mod rebuild;
mod requests;
mod rules;
mod support;
mod two_way;
