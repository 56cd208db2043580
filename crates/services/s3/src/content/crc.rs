//! Cyclic redundancy checks, and what two runs of bytes give together: CRC32, CRC32C, CRC64NVME.
//!
//! One table-driven computation serves all three, eight bytes a step: they are reflected and differ
//! in their polynomial and width only. Putting two together is the method of zlib's
//! `crc32_combine`: appending zeros is a linear map, and its powers of two are squares.

use std::sync::OnceLock;

/// Which check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Crc32,
    Crc32c,
    Crc64Nvme,
}

type Tables = Box<[[u64; 256]; 8]>;

impl Kind {
    /// The polynomial, its lowest power in the highest bit.
    fn polynomial(self) -> u64 {
        match self {
            Kind::Crc32 => 0xEDB8_8320,
            Kind::Crc32c => 0x82F6_3B78,
            Kind::Crc64Nvme => 0x9A6C_9329_AC4B_C9B5,
        }
    }

    fn bits(self) -> usize {
        match self {
            Kind::Crc32 | Kind::Crc32c => 32,
            Kind::Crc64Nvme => 64,
        }
    }

    /// All ones: what the register begins with, and what its end is xored with.
    fn ones(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    fn tables(self) -> &'static Tables {
        static TABLES: [OnceLock<Tables>; 3] = [const { OnceLock::new() }; 3];
        TABLES[self as usize].get_or_init(|| tables(self.polynomial()))
    }
}

fn tables(polynomial: u64) -> Tables {
    let mut all = Box::new([[0u64; 256]; 8]);
    for byte in 0..256 {
        let mut register = byte as u64;
        for _ in 0..8 {
            register = (register >> 1) ^ (polynomial & (register & 1).wrapping_neg());
        }
        all[0][byte] = register;
    }
    for step in 1..8 {
        for byte in 0..256 {
            let before = all[step - 1][byte];
            all[step][byte] = (before >> 8) ^ all[0][(before & 0xFF) as usize];
        }
    }
    all
}

/// A check under way.
#[derive(Debug, Clone)]
pub struct Crc {
    kind: Kind,
    register: u64,
}

impl Crc {
    pub fn new(kind: Kind) -> Crc {
        Crc {
            kind,
            register: kind.ones(),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let tables = self.kind.tables();
        let mut register = self.register;
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            let x = register ^ u64::from_le_bytes(eight);
            register = tables[7][(x & 0xFF) as usize]
                ^ tables[6][(x >> 8 & 0xFF) as usize]
                ^ tables[5][(x >> 16 & 0xFF) as usize]
                ^ tables[4][(x >> 24 & 0xFF) as usize]
                ^ tables[3][(x >> 32 & 0xFF) as usize]
                ^ tables[2][(x >> 40 & 0xFF) as usize]
                ^ tables[1][(x >> 48 & 0xFF) as usize]
                ^ tables[0][(x >> 56) as usize];
        }
        for byte in words.remainder() {
            let at = ((register ^ u64::from(*byte)) & 0xFF) as usize;
            register = (register >> 8) ^ tables[0][at];
        }
        self.register = register;
    }

    /// Big-endian, as the header has it before base64.
    pub fn finish(&self) -> Vec<u8> {
        bytes(self.kind, self.register ^ self.kind.ones())
    }
}

fn bytes(kind: Kind, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - kind.bits() / 8..].to_vec()
}

fn value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, b| sum << 8 | u64::from(*b))
}

/// The check of `first` with `second` behind it, which has `second_bytes` bytes.
pub fn combine(kind: Kind, first: &[u8], second: &[u8], second_bytes: u64) -> Vec<u8> {
    let bits = kind.bits();
    // What one zero bit does to each bit of the register.
    let mut power = vec![0u64; bits];
    power[0] = kind.polynomial();
    for (bit, column) in power.iter_mut().enumerate().skip(1) {
        *column = 1 << (bit - 1);
    }
    // Of eight bits: of a byte.
    for _ in 0..3 {
        power = squared(&power);
    }
    let (mut register, mut left) = (value(first), second_bytes);
    while left > 0 {
        if left & 1 == 1 {
            register = times(&power, register);
        }
        power = squared(&power);
        left >>= 1;
    }
    bytes(kind, register ^ value(second))
}

fn times(matrix: &[u64], mut vector: u64) -> u64 {
    let mut sum = 0;
    for column in matrix {
        if vector & 1 == 1 {
            sum ^= column;
        }
        vector >>= 1;
    }
    sum
}

fn squared(matrix: &[u64]) -> Vec<u64> {
    matrix.iter().map(|column| times(matrix, *column)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Crc, Kind, combine};

    const KINDS: [Kind; 3] = [Kind::Crc32, Kind::Crc32c, Kind::Crc64Nvme];

    fn check(kind: Kind, bytes: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new(kind);
        crc.update(bytes);
        crc.finish()
    }

    #[test]
    fn the_catalogue_of_parametrised_crc_algorithms_agrees() {
        let digits = b"123456789";
        let expected = ["cbf43926", "e3069283", "ae8b14860a799888"];
        for (kind, expected) in KINDS.into_iter().zip(expected) {
            assert_eq!(hex::encode(check(kind, digits)), expected, "{kind:?}");
        }
    }

    #[test]
    fn parts_give_the_whole() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        for kind in KINDS {
            for cut in [0, 1, 8, 4999, 5000] {
                let (a, b) = bytes.split_at(cut);
                let both = combine(kind, &check(kind, a), &check(kind, b), b.len() as u64);
                assert_eq!(both, check(kind, &bytes), "{kind:?} {cut}");
            }
        }
    }
}
