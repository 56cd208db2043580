//! The bytes of points, in memory and in files: LEB128 numbers, zigzag for signed ones, strings with their
//! length in front. Reading never panics and never allocates more than the input holds.

use super::set::{Set, Values};

/// The bytes are not what the writer of this format makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes")]
pub struct Malformed;

pub fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, ((n << 1) ^ (n >> 63)) as u64);
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Small whole numbers, which most values and counts are, are short.
pub fn put_value(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if whole as f64 == value
        && whole.unsigned_abs() < 1 << 48
        && !(value == 0.0 && value.is_sign_negative())
    {
        put_signed(out, whole << 1);
    } else {
        put_signed(out, 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

const ONE: u8 = 0;
const EXACT: u8 = 1;
const BUCKETS: u8 = 2;
const UNKNOWN: u8 = 3;

pub fn put_set(out: &mut Vec<u8>, set: &Set) {
    if let Some(value) = set.single() {
        out.push(ONE);
        return put_value(out, value);
    }
    out.push(match set.values {
        Values::Exact(_) => EXACT,
        Values::Buckets(_) => BUCKETS,
        Values::Unknown => UNKNOWN,
    });
    for value in [set.sample_count, set.sum, set.minimum, set.maximum] {
        put_value(out, value);
    }
    match &set.values {
        Values::Exact(values) => {
            put_number(out, values.len() as u64);
            for (value, count) in values {
                put_value(out, *value);
                put_value(out, *count);
            }
        }
        Values::Buckets(buckets) => {
            put_number(out, buckets.len() as u64);
            let mut before = 0;
            for (at, count) in buckets {
                put_signed(out, i64::from(*at) - before);
                put_value(out, *count);
                before = i64::from(*at);
            }
        }
        Values::Unknown => {}
    }
}

/// A cursor over encoded bytes.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub fn new(all: &'a [u8]) -> Self {
        Input { all, at: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.at >= self.all.len()
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.all.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Malformed)
    }

    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that each take at least one byte of what is left.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let n = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        if n > self.all.len() - self.at {
            return Err(Malformed);
        }
        Ok(n)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count()?;
        let found = &self.all[self.at..self.at + len];
        self.at += len;
        Ok(found)
    }

    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub fn value(&mut self) -> Result<f64, Malformed> {
        let n = self.signed()?;
        if n & 1 == 0 {
            return Ok((n >> 1) as f64);
        }
        let bytes = self.all.get(self.at..self.at + 8).ok_or(Malformed)?;
        self.at += 8;
        Ok(f64::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
    }

    pub fn set(&mut self) -> Result<Set, Malformed> {
        let tag = self.byte()?;
        if tag == ONE {
            return Ok(Set::one(self.value()?));
        }
        let (sample_count, sum) = (self.value()?, self.value()?);
        let (minimum, maximum) = (self.value()?, self.value()?);
        let values = match tag {
            EXACT => {
                let mut values = Vec::new();
                for _ in 0..self.count()? {
                    values.push((self.value()?, self.value()?));
                }
                Values::Exact(values)
            }
            BUCKETS => {
                let mut before = 0;
                let mut buckets = Vec::new();
                for _ in 0..self.count()? {
                    before += self.signed()?;
                    let at = i32::try_from(before).map_err(|_| Malformed)?;
                    buckets.push((at, self.value()?));
                }
                Values::Buckets(buckets)
            }
            UNKNOWN => Values::Unknown,
            _ => return Err(Malformed),
        };
        Ok(Set {
            sample_count,
            sum,
            minimum,
            maximum,
            values,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_back_as_they_were() {
        let mut many = Set::one(0.0);
        (0..300).for_each(|n| many.add(&Set::one(f64::from(n) * 1.5)));
        let mut few = Set::of(3.25, 2.0);
        few.add(&Set::one(-7.0));
        let sets = [
            Set::one(0.0),
            Set::one(-0.5),
            Set::one(1e300),
            Set::one(f64::from(i32::MAX)),
            Set::statistics(2.5, 7.25, 1.0, 4.0),
            few,
            many,
        ];
        let mut out = Vec::new();
        sets.iter().for_each(|set| put_set(&mut out, set));
        let mut input = Input::new(&out);
        for set in &sets {
            assert_eq!(input.set().as_ref(), Ok(set));
        }
        assert!(input.is_empty());
        for cut in 0..out.len() {
            let mut input = Input::new(&out[..cut]);
            while input.set().is_ok() {}
        }
    }
}
