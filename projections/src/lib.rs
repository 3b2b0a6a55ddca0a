//! Deterministic folds of the log into LMDB tables.
