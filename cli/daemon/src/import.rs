//! What both ways to import have in common: the daemon's, and that of a command where no daemon runs.
//!
//! What always holds: bytes that were imported to their end are imported again only when asked for;
//! an import that was cut off is gone on with, and none of its lines is recorded twice.

use crate::api::{Imported, Malformed, NotFolded};
use crate::problem::Refusal;
use serde_json::json;
use sm_ingest::{CutOff, ImportError, ImportSummary, Importer, hash_file};
use sm_log::Log;
use sm_projections::rows::SourceKind;
use sm_projections::tables::{Imports, Sources, Threads};
use sm_projections::views::{self, SessionDoc};
use sm_projections::{StoreError, View};
use sm_protocol::flags;
use std::path::{Path, PathBuf};

/// A captured transcript.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// What it is called in the log.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// Their BLAKE3, in hexadecimal.
    pub blake3: String,
    /// How many.
    pub bytes: u64,
}

impl Transcript {
    /// The file at `path`, read once for its digest, called `name`.
    pub fn new(name: String, path: PathBuf) -> Result<Transcript, ImportError> {
        let (blake3, bytes) = hash_file(&path)?;
        Ok(Transcript { name, path, blake3, bytes })
    }

    /// Begins its import into `log` at `now` (Unix microseconds), or goes on with one that was cut
    /// off. `view` must be folded to the log's end. `again`: also where it was imported before.
    /// `progress` is told records and bytes so far.
    ///
    /// # Errors
    /// `already_imported`, with the source, its path and its time in the details.
    pub fn begin(
        &self,
        log: &Log,
        view: &View<'_>,
        again: bool,
        now: i64,
        progress: impl FnMut(u64, u64) + 'static,
    ) -> Result<Importer, Refusal> {
        let name = Path::new(&self.name);
        if !again && let Some(source) = view.get::<Imports>(&self.blake3)? {
            let row = view.get::<Sources>(&source)?.unwrap_or_default();
            if row.closed {
                let at = views::time(row.opened_at);
                let when = at.as_deref().unwrap_or("before");
                let message =
                    format!("{} was imported already, {when}, as source {source}", self.name);
                return Err(Refusal::new(409, "already_imported", message)
                    .hint("See its sessions: `sm ps --all`. To record it once more: --again")
                    .details(json!({
                        "source": source, "path": row.path, "imported_at": at,
                        "blake3": self.blake3,
                    })));
            }
            let cut_off = CutOff {
                source,
                records: row.records,
                first_seq: row.first_seq,
                last_seq: row.last_seq,
            };
            return Ok(Importer::go_on(log.clone(), name, cut_off, progress));
        }
        let (hash, bytes) = (Some(self.blake3.clone()), Some(self.bytes));
        Ok(Importer::begin(log.clone(), name, hash, bytes, now, progress)?)
    }

    /// What its import did, and the sessions it concerns as `show` shows them, oldest first.
    pub fn imported<E: From<StoreError>>(
        &self,
        view: &View<'_>,
        summary: &ImportSummary,
        mut show: impl FnMut(SessionDoc) -> Result<serde_json::Value, E>,
    ) -> Result<Imported, E> {
        let mut sids = Vec::new();
        for (thread, records) in &summary.threads {
            sids.extend(view.get::<Threads>(thread)?.map(|sid| (sid, *records)));
        }
        sids.sort_unstable();
        let mut sessions = Vec::with_capacity(sids.len());
        let mut not_folded = Vec::new();
        for (sid, records) in sids {
            let Some(doc) = views::session_doc(view, sid)? else { continue };
            // What a file says of a session that a server runs changes nothing.
            if doc.source == Some(SourceKind::AppServer.as_str()) {
                let (session_id, thread_id) = (doc.id.clone(), doc.thread_id.clone());
                not_folded.push(NotFolded { session_id, thread_id, records });
            }
            sessions.push(show(doc)?);
        }
        let malformed = summary.malformed_lines.iter();
        let malformed = malformed.map(|at| Malformed {
            line: at.line,
            seq: at.seq,
            why: at.kind.label().to_owned(),
        });
        let marked = summary.marked_lines.iter().map(|at| Malformed {
            line: at.line,
            seq: at.seq,
            why: flags::oddities(at.flags).collect::<Vec<_>>().join(", "),
        });
        Ok(Imported {
            source: summary.source,
            path: self.name.clone(),
            blake3: self.blake3.clone(),
            bytes: summary.bytes,
            records: summary.records,
            continued_after: summary.continued_after,
            malformed: summary.malformed,
            malformed_lines: malformed.collect(),
            marked: summary.marked,
            marked_lines: marked.collect(),
            first_seq: summary.first_seq,
            last_seq: summary.last_seq,
            sessions,
            not_folded,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{Home, Writer};
    use std::io::{self, Read};

    /// Gives `most` bytes and then fails, as a medium that is pulled out.
    struct CutShort<'b>(&'b [u8], usize);

    impl Read for CutShort<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Err(io::Error::other("pulled out"));
            }
            let count = self.0.len().min(into.len()).min(self.1);
            into[..count].copy_from_slice(&self.0[..count]);
            (self.0, self.1) = (&self.0[count..], self.1 - count);
            Ok(count)
        }
    }

    const NOW: i64 = 1;

    fn import(writer: &mut Writer, of: &Transcript, reader: impl Read) -> Option<ImportSummary> {
        writer.projector.catch_up(|_| {}).unwrap();
        let view = writer.store.view().unwrap();
        let importer = of.begin(&writer.log, &view, false, NOW, |_, _| {}).unwrap();
        let summary = importer.run(reader, NOW).ok();
        drop(view);
        writer.log.sync().unwrap();
        writer.projector.catch_up(|_| {}).unwrap();
        summary
    }

    fn digest(writer: &Writer) -> String {
        writer.store.view().unwrap().digest().unwrap()
    }

    /// Wherever an import is cut off, the next one leaves what an undisturbed one leaves.
    #[test]
    fn an_import_cut_off_anywhere_is_gone_on_with() {
        let captures = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/captures/codex-0.169.0/approvals.tap.jsonl");
        // Twice: the second greeting begins a second life of the source. And lines that are none.
        let once = std::fs::read(captures).unwrap();
        let bytes = [&once[..], b"no message\n\n", &once[..]].concat();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("transcript.jsonl");
        std::fs::write(&path, &bytes).unwrap();
        let transcript = Transcript::new("transcript".to_owned(), path).unwrap();

        let mut whole = Home::new(dir.path().join("whole")).open_writer(|_| {}).unwrap();
        let expected = import(&mut whole, &transcript, &bytes[..]).unwrap();
        assert_eq!(expected.malformed, 2);
        let (records, step) = (expected.records, bytes.len() / 40);
        let mut continued = 0;
        for cut in (0..bytes.len()).step_by(step) {
            let home = Home::new(dir.path().join(cut.to_string()));
            let mut writer = home.open_writer(|_| {}).unwrap();
            // A log is told apart by its id only, which no row holds.
            assert!(import(&mut writer, &transcript, CutShort(&bytes, cut)).is_none());
            let summary = import(&mut writer, &transcript, &bytes[..]).unwrap();
            continued += summary.continued_after.unwrap();
            let whole_of = |summary: ImportSummary| ImportSummary {
                continued_after: None,
                malformed_lines: Vec::new(),
                marked_lines: Vec::new(),
                ..summary
            };
            assert_eq!(whole_of(summary), whole_of(expected.clone()), "cut at byte {cut}");
            assert_eq!(digest(&writer), digest(&whole), "cut at byte {cut}");
        }
        assert!(continued > records, "some cuts were behind recorded lines");
    }

    #[test]
    fn what_was_imported_to_its_end_is_refused_with_all_that_is_known_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("transcript.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let transcript = Transcript::new("transcript".to_owned(), path).unwrap();
        let mut writer = Home::new(dir.path().join("home")).open_writer(|_| {}).unwrap();
        import(&mut writer, &transcript, &b"{}\n"[..]).unwrap();
        let view = writer.store.view().unwrap();
        let refused = transcript.begin(&writer.log, &view, false, NOW, |_, _| {}).err().unwrap();
        let problem = refused.problem;
        assert_eq!(problem.code, "already_imported");
        assert_eq!(problem.details["blake3"], transcript.blake3);
        assert!(transcript.begin(&writer.log, &view, true, NOW, |_, _| {}).is_ok());
    }
}
