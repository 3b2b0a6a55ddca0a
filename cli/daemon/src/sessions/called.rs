//! What a session was called, and how it was labelled, when a record of its was written.
//!
//! What always holds: only its own records tell. Where none tells, because they are trimmed or nobody
//! ever said, nothing is claimed.

use serde_json::Value;
use sm_log::{ReadError, Reader};
use sm_protocol::Kind;
use sm_protocol::synthetic::{Synthetic, is_users_word};
use sm_rules::Asker;

/// The names and labels of one session, in their order.
#[derive(Debug, Default)]
pub struct Called {
    names: Vec<(u64, Option<String>, Option<bool>)>,
    labels: Vec<(u64, Vec<String>, Vec<String>)>,
}

impl Called {
    /// Reads the records of the session of `thread`.
    ///
    /// # Errors
    /// The log cannot be read, or has a gap there.
    pub fn read(log: &Reader, thread: &str) -> Result<Called, ReadError> {
        let thread = thread.as_bytes();
        let mut called = Called::default();
        let mut records = log.session(thread, log.first_revision(thread)?)?;
        while let Some((_, record)) = records.next()? {
            called.add(record.seq, record.kind, record.payload);
        }
        Ok(called)
    }

    fn add(&mut self, seq: u64, kind: u16, payload: &[u8]) {
        if kind == Kind::THREAD_NAME_UPDATED.0 {
            let message: Value = serde_json::from_slice(payload).unwrap_or_default();
            let name = message.pointer("/params/threadName").and_then(Value::as_str);
            let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
            return self.names.push((seq, name, None));
        }
        let is_told = [Kind::SM_SESSION_SPAWNED, Kind::SM_SESSION_NAMED, Kind::SM_SESSION_LABELLED]
            .iter()
            .any(|told| told.0 == kind);
        if !is_told {
            return;
        }
        match serde_json::from_slice(payload) {
            Ok(Synthetic::SessionSpawned(spawned)) => {
                let is_users = is_users_word(&spawned.by);
                if let Some(name) = spawned.name.filter(|name| !name.is_empty()) {
                    self.names.push((seq, Some(name), Some(is_users)));
                }
                let users = if is_users { spawned.labels.clone() } else { Vec::new() };
                self.labels.push((seq, spawned.labels, users));
            }
            Ok(Synthetic::SessionNamed(named)) => {
                self.names.push((seq, Some(named.name), Some(is_users_word(&named.by))));
            }
            Ok(Synthetic::SessionLabelled(labelled)) => {
                self.labels.push((seq, labelled.labels, labelled.users));
            }
            _ => {}
        }
    }

    /// Gives `asker`, who is told as it is now, the name and labels that it had before record `seq`.
    pub fn before(&self, seq: u64, asker: &mut Asker) {
        if !self.names.is_empty() {
            (asker.name, asker.is_users_name) = (None, false);
        }
        for (_, name, is_users) in self.names.iter().take_while(|(at, ..)| *at < seq) {
            // Codex tells again of the name that there is.
            asker.is_users_name = is_users.unwrap_or(asker.is_users_name && asker.name == *name);
            asker.name.clone_from(name);
        }
        if !self.labels.is_empty() {
            (asker.labels, asker.users_labels) = (Vec::new(), Vec::new());
        }
        if let Some((_, labels, users)) = self.labels.iter().rev().find(|(at, ..)| *at < seq) {
            asker.labels.clone_from(labels);
            asker.users_labels.clone_from(users);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sm_protocol::synthetic::{SessionLabelled, SessionNamed, SessionSpawned};

    #[test]
    fn a_session_is_called_what_it_was_called_then() {
        let mut called = Called::default();
        let mut told = |seq, synthetic: &Synthetic| {
            called.add(seq, synthetic.kind().0, &synthetic.to_payload());
        };
        let label = |text: &str| vec![text.to_owned()];
        told(
            2,
            &Synthetic::SessionSpawned(SessionSpawned {
                name: Some("a".into()),
                labels: label("role=x"),
                by: "user".into(),
                ..SessionSpawned::default()
            }),
        );
        let named = SessionNamed { name: "b".into(), by: "T9".into(), told_codex: false };
        told(5, &Synthetic::SessionNamed(named));
        let labelled = SessionLabelled { labels: label("role=y"), ..SessionLabelled::default() };
        told(6, &Synthetic::SessionLabelled(labelled));
        let again = br#"{"method":"thread/name/updated","params":{"threadName":"a"}}"#;
        called.add(3, Kind::THREAD_NAME_UPDATED.0, again);
        called.names.sort_by_key(|(seq, ..)| *seq);
        for (seq, name, is_users, labels, users) in [
            (2, None, false, "", ""),
            (3, Some("a"), true, "role=x", "role=x"),
            (4, Some("a"), true, "role=x", "role=x"),
            (6, Some("b"), false, "role=x", "role=x"),
            (7, Some("b"), false, "role=y", ""),
        ] {
            let mut asker = Asker { name: Some("now".into()), ..Asker::default() };
            called.before(seq, &mut asker);
            assert_eq!((asker.name.as_deref(), asker.is_users_name), (name, is_users), "{seq}");
            assert_eq!(
                (asker.labels.concat().as_str(), asker.users_labels.concat().as_str()),
                (labels, users)
            );
        }
        let mut asker = Asker { name: Some("now".into()), ..Asker::default() };
        Called::default().before(9, &mut asker);
        assert_eq!(asker.name.as_deref(), Some("now"));
    }
}
