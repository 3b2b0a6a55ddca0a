//! Small numbers in few bytes: seven bits each, the lowest first; signed ones zigzagged.

/// Writes an unsigned number.
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a signed number.
pub fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Writes a length and that many bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what was written. `None`: the bytes end early, or are no number.
pub struct Input<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0 }
    }

    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The next `len` bytes' place.
    pub fn skip(&mut self, len: usize) -> Option<(usize, usize)> {
        let from = self.at;
        let to = from.checked_add(len).filter(|&to| to <= self.bytes.len())?;
        self.at = to;
        Some((from, to))
    }

    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (from, to) = self.skip(len)?;
        Some(&self.bytes[from..to])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_come_back(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put(&mut out, unsigned);
            put_signed(&mut out, signed);
            let mut input = Input::new(&out);
            assert_eq!((input.number(), input.signed()), (Some(unsigned), Some(signed)));
            assert_eq!(input.at, out.len());
            for len in 0..out.len() {
                let mut input = Input::new(&out[..len]);
                assert!(input.number().is_none() || input.signed().is_none());
            }
        }
    }
}
