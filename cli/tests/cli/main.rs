//! The built `sm`, run as its users run it.

mod bad_input;
mod errors;
mod explain;
mod export;
mod faults;
mod fixture;
mod folding;
mod full;
mod judged;
mod life;
mod live;
mod past;
mod pipes;
mod proof;
mod prune;
mod rebuild;
mod requests;
mod rules;
mod sandbox;
mod servers;
mod status;
mod support;
mod two_way;
