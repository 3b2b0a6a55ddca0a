//! Segmented append-only log: CRC frames, group commit, recovery, cursors.
