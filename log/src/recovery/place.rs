//! Where writing goes on.

use std::sync::Arc;

use super::files::Files;
use super::tail::{Verdict, Walk};
use crate::segment::{self, Form, HEADER_LEN, Identity};
use crate::storage::Storage;
use crate::writer::{self, Active, WriteStage};

/// Where writing goes on with `first`: in the last segment, if all in it counts and nothing but
/// zeros follows; else in a new one.
pub fn writing_place(
    storage: &dyn Storage,
    files: &Files,
    walk: &Walk,
    verdict: &Verdict,
    first: u64,
) -> std::io::Result<WriteStage> {
    let goes_on = verdict.whole && first == verdict.next;
    let last = walk.spans.last().filter(|span| goes_on && span.part.form == Form::Plain);
    if let Some(span) = last {
        let (view, len) = span.part.try_view(storage, None)?;
        let rest = view.bytes(len).and_then(|bytes| bytes.get(walk.place.position as usize..));
        if walk.place.serial == span.part.identity.serial
            && len >= HEADER_LEN as u64
            && rest.is_some_and(segment::is_zeros)
        {
            let file = storage.open(&span.part.name)?;
            if files.headless.contains(&span.part.identity.serial) {
                let header =
                    segment::encode_header(&span.part.identity, Form::Plain, crate::log::now());
                file.write_at(&[&header], 0)?;
                file.sync()?;
            }
            let active = Arc::new(Active::new(span.part.identity, file, len));
            return Ok(stage(active, walk.place.position, len, files.next_serial));
        }
    }
    let serial = files.next_serial;
    let identity = Identity { log: files.id, first_seq: first, serial };
    let file = writer::create_segment(storage, &identity)?;
    file.sync()?;
    let (position, active) =
        (HEADER_LEN as u64, Arc::new(Active::new(identity, file, HEADER_LEN as u64)));
    Ok(stage(active, position, position, serial + 1))
}

fn stage(active: Arc<Active>, position: u64, allocated: u64, next_serial: u64) -> WriteStage {
    WriteStage {
        active,
        position,
        allocated,
        ask_at: 0,
        next_serial,
        settled: 0,
        head: Vec::new(),
        closed: false,
    }
}
