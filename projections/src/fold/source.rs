//! Sources: where records come from, and what the end of a life of one means.

use super::turn::End;
use super::{At, Step};
use crate::rows::{ActionStatus, Generation, Source, SourceKind};
use serde::Deserialize;
use sm_protocol::Text;
use sm_protocol::message::Answer;
use sm_protocol::synthetic::{GenerationEnded, GenerationStarted, SourceClosed, SourceOpened};

/// The most lives kept of one source; older ones are forgotten first.
const GENERATIONS_MAX: u32 = 4096;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Greeting<'a> {
    #[serde(borrow, rename = "userAgent")]
    user_agent: Text<'a>,
}

/// The version in `name/0.169.0 (…)`.
fn version_in(user_agent: &str) -> Option<&str> {
    let version = user_agent.split_once('/')?.1.split(' ').next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

impl Step<'_> {
    /// The answer to `initialize` tells the server's version.
    pub(super) fn greeted(&mut self, payload: &[u8]) {
        let Some(answer) = self.read::<Answer<'_, Greeting<'_>>>(payload) else { return };
        let greeting = answer.result.get().and_then(|greeting| greeting.user_agent.get());
        let Some(version) = greeting.and_then(version_in) else { return };
        let At { seq, source, .. } = self.at;
        if let Some(source) = self.state.sources.get_mut(self.base, &source) {
            source.codex_version.get_or_insert_with(|| version.to_owned());
            source.greeted_seq.get_or_insert(seq);
        }
    }

    pub(super) fn source_opened(&mut self, opened: SourceOpened) {
        let source = Source {
            kind: match opened.kind.as_str() {
                "app-server" => SourceKind::AppServer,
                _ => SourceKind::Import,
            },
            provider: opened.provider,
            path: opened.path,
            blake3: opened.blake3,
            codex_version: opened.codex_version,
            binary: opened.binary,
            opened_at: self.at.time,
            ..Source::default()
        };
        // From now on the same bytes are known; until the source is closed, as a part.
        if let Some(hash) = source.blake3.clone() {
            self.state.imports.put(hash, self.at.seq);
        }
        self.state.sources.put(self.at.seq, source);
    }

    /// Counts a record to its source.
    pub(super) fn came_from_source(&mut self) {
        let At { seq, source, .. } = self.at;
        let Some(source) = self.state.sources.get_mut(self.base, &source) else { return };
        source.records += 1;
        source.first_seq.get_or_insert(seq);
        source.last_seq = Some(seq);
    }

    pub(super) fn source_closed(&mut self, closed: SourceClosed) {
        let Some(source) = self.state.sources.get_mut(self.base, &closed.source) else { return };
        source.closed = true;
        source.malformed = closed.malformed;
    }

    pub(super) fn generation_started(&mut self, started: GenerationStarted) {
        let at = self.at;
        let Some(life) = self.generation(started.source, started.generation) else { return };
        life.pid = started.pid;
        life.pid_started = started.pid_started;
        life.started_at = at.time;
        life.started_seq = Some(at.seq);
    }

    fn generation(&mut self, source: u64, generation: u32) -> Option<&mut Generation> {
        let source = self.state.sources.get_mut(self.base, &source)?;
        if generation >= GENERATIONS_MAX {
            return None;
        }
        let index = generation as usize;
        if source.generations.len() <= index {
            source.generations.resize_with(index + 1, Generation::default);
        }
        source.generations.get_mut(index)
    }

    /// The turns that were open in the ended life are lost, its requests orphaned, its sessions gone
    /// until a later life names them.
    pub(super) fn generation_ended(&mut self, ended: GenerationEnded) {
        self.at.seen_end = ended.seen_at;
        let at = self.at;
        if let Some(life) = self.generation(ended.source, ended.generation) {
            life.ended_at.get_or_insert(at.time);
            life.ended_seq.get_or_insert(at.seq);
            life.reason.get_or_insert(ended.reason.clone());
        }
        for sid in self.attached(ended.source, ended.generation) {
            self.orphan_requests_of(sid);
            self.cut_unanswered(sid);
            if let Some(open) = self.session(sid).open_turn.clone() {
                self.close_turn(sid, open.seq, &End::Unheard(&ended.reason));
            }
            self.close_open_items(sid, ActionStatus::Lost);
            self.lose_running_on(sid);
            let session = self.session(sid);
            session.gone = true;
            session.flag_approval = false;
            session.flag_input = false;
            self.settle(sid);
        }
        self.orphan_requests(ended.source, ended.generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_the_clients_name() {
        let agent = "capture/0.169.0 (Debian 12.0.0; x86_64) xterm (capture; 0.1)";
        assert_eq!(version_in(agent), Some("0.169.0"));
        assert_eq!(version_in("nothing"), None);
    }
}
