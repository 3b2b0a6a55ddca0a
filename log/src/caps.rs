//! The numbers that are refused in advance.

/// Longest payload of one record: 1 GiB.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// Longest session key.
pub const SESSION_BYTES_MAX: usize = 255;
/// Largest nominal segment; positions in a segment are kept in 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Smallest nominal segment.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// A frame is closed once its records have that many bytes; only one record may be longer.
pub const FRAME_BYTES: usize = 256 << 10;
/// Most records in one frame: what a frame head may claim.
pub const FRAME_RECORDS_MAX: u32 = 1 << 20;
