//! Server-sent events, as the daemon sends them.
//!
//! What always holds: an event is the same in whatever pieces it comes.

use serde_json::Value;

/// Puts server-sent events together from pieces of a stream.
#[derive(Default)]
pub(super) struct EventLines {
    rest: Vec<u8>,
    id: String,
    data: String,
}

impl EventLines {
    /// Hands what is whole by now to `take`, id and document; false once that says stop.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(&str, Value) -> bool) -> bool {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(end) = self.rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[start..start + end]).into_owned();
            start += end + 1;
            if !self.line(line.trim_end_matches('\r'), take) {
                return false;
            }
        }
        self.rest.drain(..start);
        true
    }

    fn line(&mut self, line: &str, take: &mut impl FnMut(&str, Value) -> bool) -> bool {
        let value = |field: &str| {
            line.strip_prefix(field).map(|rest| rest.strip_prefix(' ').unwrap_or(rest))
        };
        if let Some(id) = value("id:") {
            self.id = id.to_owned();
        } else if let Some(data) = value("data:") {
            self.data.push_str(data);
        } else if line.is_empty() && !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            let event = serde_json::from_str(&data).unwrap_or(Value::String(data));
            return take(&self.id, event);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_any_pieces() {
        let text = b"id: a:1\nevent: record\ndata: {\"seq\":1}\n\n: keep-alive\n\nid: a:2\ndata: {\"seq\":2}\n\n";
        for size in 1..text.len() {
            let mut seen = Vec::new();
            let mut lines = EventLines::default();
            for piece in text.chunks(size) {
                lines.push(piece, &mut |id, event| {
                    seen.push((id.to_owned(), event["seq"].as_u64()));
                    true
                });
            }
            assert_eq!(seen, [("a:1".to_owned(), Some(1)), ("a:2".to_owned(), Some(2))]);
        }
    }
}
