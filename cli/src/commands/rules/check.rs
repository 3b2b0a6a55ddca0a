//! `sm rules check`: what is wrong in the files, and with where they lie.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean};
use serde_json::json;
use sm_daemon::asked::real;
use sm_daemon::{Home, Rulebook, counted, mending};
use std::path::PathBuf;

/// Says so where sandboxed agents may write the rules themselves.
pub fn exposed(home: &Home) -> Option<String> {
    let dir = real(&std::path::absolute(home.dir()).ok()?)?;
    let common = [PathBuf::from("/tmp"), std::env::temp_dir()];
    let common = common.into_iter().find(|common| {
        dir.starts_with(common) || real(common).is_some_and(|common| dir.starts_with(common))
    })?;
    Some(format!(
        "{} lies in {}, where Codex lets sandboxed agents write: they can write rules of their own",
        home.dir().display(),
        common.display()
    ))
}

/// Says it; it fails where anything is.
pub fn run(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let book = Rulebook::read(&context.home);
    let warnings: Vec<String> = exposed(&context.home).into_iter().collect();
    if context.json {
        streams.document(&json!({
            "schema": "sm.rules-check/1", "ok": book.faults.is_empty(),
            "rules": book.rules.len(), "faults": book.faults, "warnings": warnings,
        }))?;
    } else {
        warnings.iter().for_each(|warning| streams.say(warning));
    }
    if book.faults.is_empty() {
        if !context.json {
            streams.line(counted(book.rules.len(), "rule") + ", nothing wrong")?;
        }
        return Ok(Exit::Ok);
    }
    if !context.json {
        for fault in &book.faults {
            streams.line(clean(&fault.to_string()))?;
        }
    }
    let message = counted(book.faults.len(), "fault") + ": no rule applies";
    Err(Error::new(Exit::Failed, "rules_faulty", message)
        .hint(mending(&context.home, &book.faults))
        .details(json!({ "faults": book.faults })))
}
