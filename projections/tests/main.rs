//! Folds over recorded traffic: one binary, one file a subject.

#![allow(missing_docs, reason = "a test binary")]

mod archive;
mod changes;
mod count;
mod coverage;
mod determinism;
mod folded;
mod full;
mod golden;
mod moments;
mod over;
mod phases;
mod properties;
mod requests;
mod rollback;
mod snapshots;
mod tokens;
