//! The bytes of the engine's files: LEB128 numbers, zigzag for signed ones, strings with their
//! length in front. Reading never panics and never allocates more than the input holds.

/// The bytes are not what the writer of this format makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes")]
pub(super) struct Malformed;

pub(super) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, ((n << 1) ^ (n >> 63)) as u64);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A cursor over encoded bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Input { all, at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.all.len()
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.all.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Malformed)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that each take at least one byte of what is left.
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        let n = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        if n > self.all.len() - self.at {
            Err(Malformed)
        } else {
            Ok(n)
        }
    }

    /// Where the next string's bytes start and how many they are; skips them unchecked.
    pub(super) fn text_span(&mut self) -> Result<(usize, usize), Malformed> {
        let len = self.count()?;
        let start = self.at;
        self.at += len;
        Ok((start, len))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let (start, len) = self.text_span()?;
        std::str::from_utf8(&self.all[start..start + len]).map_err(|_| Malformed)
    }
}
