//! Keys of the build cache: what a step's outcome depends on, hashed.

use neargate_blob::{Digest, Hasher};

/// Gathers what an outcome depends on. Parts are told apart, whatever is in them.
pub struct Key(Hasher);

impl Key {
    /// A step of this kind on top of that outcome.
    pub fn of(kind: &str, parent: &Digest) -> Key {
        let mut key = Key(Hasher::new());
        key.add(kind);
        key.add(parent.as_bytes());
        key
    }

    pub fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// A list counts with its length.
    pub fn list<T: AsRef<[u8]>>(&mut self, parts: impl ExactSizeIterator<Item = T>) {
        self.add((parts.len() as u64).to_le_bytes());
        for part in parts {
            self.add(part);
        }
    }

    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}
