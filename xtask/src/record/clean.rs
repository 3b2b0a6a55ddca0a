//! Takes the recording machine out of a recording.
//!
//! Each replacement means the same as what it replaces: a folder stays a folder, the same one
//! everywhere. Nothing else changes, so lengths differ but structure and order do not.

/// What is replaced by what, longest first, so that a folder within another keeps its place.
#[derive(Debug, Default)]
pub struct Cleaner {
    replacements: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Cleaner {
    /// Adds a replacement. An empty original is passed over.
    pub fn replace(&mut self, original: &str, by: &str) {
        if !original.is_empty() {
            self.replacements.push((original.into(), by.into()));
            self.replacements.sort_by_key(|(original, _)| std::cmp::Reverse(original.len()));
        }
    }

    /// The cleaned bytes.
    pub fn clean(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            let found = self.replacements.iter().find(|(original, _)| rest.starts_with(original));
            match found {
                Some((original, by)) => {
                    out.extend_from_slice(by);
                    rest = &rest[original.len()..];
                }
                None => {
                    out.push(first);
                    rest = tail;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_wins() {
        let mut cleaner = Cleaner::default();
        cleaner.replace("/tmp/x", "/home/dev");
        cleaner.replace("/tmp/x/repo", "/repo");
        cleaner.replace("", "never");
        assert_eq!(cleaner.clean(b"/tmp/x/repo/a /tmp/x/.codex"), b"/repo/a /home/dev/.codex");
    }
}
