//! Randomness that can be repeated: one seed, one sequence.

use crate::uuid;
use parking_lot::Mutex;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A shared, seeded random source. Production seeds it from the kernel once at start;
/// tests and simulations from a number they print when they fail.
#[derive(Debug)]
pub struct Rng(Mutex<ChaCha12Rng>);

impl Rng {
    pub fn seeded(seed: u64) -> Self {
        Rng(Mutex::new(ChaCha12Rng::seed_from_u64(seed)))
    }

    /// Seeded by the kernel's entropy pool.
    ///
    /// # Panics
    /// When `/dev/urandom` cannot be read: no id would be safe then.
    pub fn from_entropy() -> Self {
        let mut seed = [0u8; 32];
        let read = std::fs::File::open("/dev/urandom")
            .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut seed));
        read.expect("/dev/urandom is readable");
        Rng(Mutex::new(ChaCha12Rng::from_seed(seed)))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }

    pub fn u64(&self) -> u64 {
        self.0.lock().next_u64()
    }

    /// A number in `0..below`; 0 when `below` is 0. The bias is below 2^-32 for small ranges.
    pub fn below(&self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.u64() % below }
    }

    /// `digits` lower-case hexadecimal digits, as in task ids (32) and `eni-` ids (17).
    pub fn hex(&self, digits: usize) -> String {
        let mut bytes = vec![0; digits.div_ceil(2)];
        self.fill(&mut bytes);
        let mut s = hex::encode(bytes);
        s.truncate(digits);
        s
    }

    /// A random (version 4) UUID, RFC 9562 section 5.4.
    pub fn uuid(&self) -> String {
        let mut b = [0u8; 16];
        self.fill(&mut b);
        uuid::text(b, 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence() {
        let (a, b) = (Rng::seeded(7), Rng::seeded(7));
        assert_eq!(a.hex(32), b.hex(32));
        assert_eq!(a.uuid(), b.uuid());
        assert_eq!(a.hex(17).len(), 17);
        assert_eq!(a.uuid().as_bytes()[14], b'4');
    }
}
