//! The built `sm`, run as its users run it.

mod bad_input;
mod errors;
mod fixture;
mod judged;
mod live;
mod pipes;
mod support;
mod two_way;
