//! The requests of one side of a connection that were not answered yet.
//!
//! What always holds: no more than [`UNANSWERED_MAX`] are remembered. What is forgotten first is what
//! ended without an answer, the oldest before the newer ones; then what waits; a question with secrets
//! last of its kind. Whether secrets were among what was forgotten is never forgotten.

use crate::secrets::Secrets;
use sm_protocol::RpcId;
use std::collections::{BTreeMap, HashMap};

/// How many requests of one side are remembered.
const UNANSWERED_MAX: usize = 4096;

/// A request that was not answered.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The thread it belongs to; empty for none.
    pub thread: String,
    /// What of its answer must not be written down.
    pub secrets: Secrets,
}

/// What is forgotten first: whether it waits, whether secrets are asked for, when it came.
type Place = (bool, bool, u64);

/// The requests of one side.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    requests: HashMap<RpcId, (Place, Request)>,
    order: BTreeMap<Place, RpcId>,
    /// How many came.
    count: u64,
    forgot_secrets: bool,
}

impl Unanswered {
    /// Remembers a request.
    pub fn insert(&mut self, id: &RpcId, mut request: Request) {
        // Where one id stands for two requests, nobody can tell which of them an answer is for.
        if self.remove_exactly(id).is_some_and(|before| before.secrets != Secrets::None) {
            request.secrets = Secrets::all();
        }
        if self.requests.len() >= UNANSWERED_MAX
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some((_, forgotten)) = self.requests.remove(&oldest)
        {
            self.forgot_secrets |= forgotten.secrets != Secrets::None;
        }
        self.count += 1;
        let place = (true, request.secrets != Secrets::None, self.count);
        self.order.insert(place, id.clone());
        self.requests.insert(id.clone(), (place, request));
    }

    /// The request that an answer with that id is for. It is answered then.
    pub fn remove(&mut self, id: &RpcId) -> Option<Request> {
        self.remove_exactly(id).or_else(|| self.remove_exactly(&other_form(id)))
    }

    fn remove_exactly(&mut self, id: &RpcId) -> Option<Request> {
        let (place, request) = self.requests.remove(id)?;
        self.order.remove(&place);
        Some(request)
    }

    /// A request ended. It may be answered all the same, by somebody who does not know yet.
    pub fn ended(&mut self, id: &RpcId) {
        for id in [id, &other_form(id)] {
            if let Some((place, _)) = self.requests.get_mut(id) {
                end(place, id, &mut self.order);
            }
        }
    }

    /// All requests of a thread ended.
    pub fn ended_in(&mut self, thread: &str) {
        for (id, (place, request)) in &mut self.requests {
            if request.thread == thread {
                end(place, id, &mut self.order);
            }
        }
    }

    /// Whether an answer whose request is not known may be one with secrets.
    pub fn forgot_secrets(&self) -> bool {
        self.forgot_secrets
    }
}

fn end(place: &mut Place, id: &RpcId, order: &mut BTreeMap<Place, RpcId>) {
    if place.0 {
        order.remove(place);
        place.0 = false;
        order.insert(*place, id.clone());
    }
}

/// The same id as a string where it is a number, and the other way round: a client that is not strict
/// about it answers the same request, whose secrets are the same.
fn other_form(id: &RpcId) -> RpcId {
    match id.0.strip_prefix('"').and_then(|id| id.strip_suffix('"')) {
        Some(inner) => RpcId(inner.to_owned()),
        None => RpcId(format!("\"{}\"", id.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(thread: &str) -> Request {
        Request { thread: thread.to_owned(), secrets: Secrets::None }
    }

    fn secret() -> Request {
        Request { thread: "S".to_owned(), secrets: Secrets::all() }
    }

    fn fill(unanswered: &mut Unanswered, from: u64) {
        for id in from..from + UNANSWERED_MAX as u64 {
            unanswered.insert(&RpcId::number(id), plain("T"));
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_no_other() {
        let mut unanswered = Unanswered::default();
        fill(&mut unanswered, 0);
        unanswered.insert(&RpcId::number(9999), plain("T"));
        assert!(unanswered.remove(&RpcId::number(0)).is_none());
        for id in (1..UNANSWERED_MAX as u64).chain([9999]) {
            assert!(unanswered.remove(&RpcId::number(id)).is_some(), "{id}");
        }
        assert!(unanswered.requests.is_empty() && unanswered.order.is_empty());
    }

    #[test]
    fn what_ended_is_forgotten_before_what_waits_and_secrets_last() {
        let mut unanswered = Unanswered::default();
        let id = |number| RpcId::number(90_000 + number);
        unanswered.insert(&id(0), secret());
        unanswered.insert(&id(1), plain("waits"));
        unanswered.insert(&id(2), secret());
        unanswered.ended(&id(2));
        unanswered.insert(&id(3), plain("over"));
        unanswered.ended_in("over");
        let mut known = [0, 1, 2, 3].to_vec();
        // As many as fit beside them, then one more at a time.
        for number in 4..UNANSWERED_MAX as u64 {
            unanswered.insert(&RpcId::number(number), plain("T"));
        }
        for (more, forgotten) in [3, 2, 1].into_iter().enumerate() {
            unanswered.insert(&RpcId::number(10_000 + more as u64), plain("T"));
            known.retain(|number| *number != forgotten);
            let still: Vec<u64> =
                (0..4).filter(|n| unanswered.requests.contains_key(&id(*n))).collect();
            assert_eq!(still, known);
        }
        // Then those that came later, and the question to the last.
        fill(&mut unanswered, 20_000);
        assert_eq!(unanswered.requests.len(), UNANSWERED_MAX);
        assert!(unanswered.requests.contains_key(&id(0)));
        assert!(unanswered.forgot_secrets(), "of the one that was over");
    }

    #[test]
    fn what_ended_is_still_known_to_a_late_answer() {
        let mut unanswered = Unanswered::default();
        unanswered.insert(&RpcId("7".to_owned()), secret());
        unanswered.ended(&RpcId("\"7\"".to_owned()));
        let request = unanswered.remove(&RpcId("7".to_owned())).unwrap();
        assert_eq!((request.thread.as_str(), request.secrets), ("S", Secrets::all()));
        assert!(!unanswered.forgot_secrets());
    }

    #[test]
    fn an_id_that_is_given_twice_keeps_the_secrets_of_both() {
        let mut unanswered = Unanswered::default();
        let id = RpcId::number(7);
        unanswered.insert(&id, secret());
        unanswered.insert(&id, plain("T"));
        assert_eq!(unanswered.remove(&id).unwrap().secrets, Secrets::all());
        assert!(unanswered.order.is_empty());
    }
}
