//! The checksums of objects: which there are, how they are computed, and what those of parts give
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).

use super::crc::{self, Crc};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::hash::Hasher as _;
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

/// In AWS's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
    #[serde(rename = "SHA512")]
    Sha512,
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "XXHASH64")]
    XxHash64,
    #[serde(rename = "XXHASH3")]
    XxHash3,
    #[serde(rename = "XXHASH128")]
    XxHash128,
}

/// Of the whole object, or of the checksums of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    #[serde(rename = "FULL_OBJECT")]
    FullObject,
    #[serde(rename = "COMPOSITE")]
    Composite,
}

/// A checksum as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: Algorithm,
    #[serde(rename = "type")]
    pub kind: Type,
    /// In base64; a composite one has `-` and the number of parts behind it.
    pub value: String,
}

impl Algorithm {
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
        Algorithm::Md5,
        Algorithm::XxHash64,
        Algorithm::XxHash3,
        Algorithm::XxHash128,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
            Algorithm::Md5 => "MD5",
            Algorithm::XxHash64 => "XXHASH64",
            Algorithm::XxHash3 => "XXHASH3",
            Algorithm::XxHash128 => "XXHASH128",
        }
    }

    /// `None`: there is no such algorithm, or none that is computed here.
    pub fn of(name: &str) -> Option<Algorithm> {
        Algorithm::ALL
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// `x-amz-checksum-crc32`.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// How many bytes its checksums have.
    pub fn bytes(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme | Algorithm::XxHash64 | Algorithm::XxHash3 => 8,
            Algorithm::Md5 | Algorithm::XxHash128 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    fn crc(self) -> Option<crc::Kind> {
        match self {
            Algorithm::Crc32 => Some(crc::Kind::Crc32),
            Algorithm::Crc32c => Some(crc::Kind::Crc32c),
            Algorithm::Crc64Nvme => Some(crc::Kind::Crc64Nvme),
            _ => None,
        }
    }

    /// What an upload in parts has unless it says otherwise.
    pub fn default_type(self) -> Type {
        match self {
            Algorithm::Crc64Nvme => Type::FullObject,
            _ => Type::Composite,
        }
    }

    /// May an upload in parts have this type of it?
    pub fn allows(self, kind: Type) -> bool {
        match kind {
            Type::FullObject => self.crc().is_some(),
            Type::Composite => self != Algorithm::Crc64Nvme,
        }
    }
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::FullObject => "FULL_OBJECT",
            Type::Composite => "COMPOSITE",
        }
    }

    pub fn of(name: &str) -> Option<Type> {
        [Type::FullObject, Type::Composite]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

/// A checksum that is being computed.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "there are few of them at a time")]
pub enum Summer {
    Crc(Crc),
    Digest(digest::Context),
    Md5(Md5),
    XxHash64(XxHash64),
    XxHash3(XxHash3_64),
    XxHash128(XxHash3_128),
}

impl Summer {
    pub fn new(algorithm: Algorithm) -> Summer {
        let digest = |by| Summer::Digest(digest::Context::new(by));
        match algorithm {
            Algorithm::Crc32 => Summer::Crc(Crc::new(crc::Kind::Crc32)),
            Algorithm::Crc32c => Summer::Crc(Crc::new(crc::Kind::Crc32c)),
            Algorithm::Crc64Nvme => Summer::Crc(Crc::new(crc::Kind::Crc64Nvme)),
            Algorithm::Sha1 => digest(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Algorithm::Sha256 => digest(&digest::SHA256),
            Algorithm::Sha512 => digest(&digest::SHA512),
            Algorithm::Md5 => Summer::Md5(Md5::new()),
            Algorithm::XxHash64 => Summer::XxHash64(XxHash64::with_seed(0)),
            Algorithm::XxHash3 => Summer::XxHash3(XxHash3_64::new()),
            Algorithm::XxHash128 => Summer::XxHash128(XxHash3_128::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Summer::Crc(crc) => crc.update(bytes),
            Summer::Digest(digest) => digest.update(bytes),
            Summer::Md5(md5) => md5.update(bytes),
            Summer::XxHash64(hash) => hash.write(bytes),
            Summer::XxHash3(hash) => hash.write(bytes),
            Summer::XxHash128(hash) => hash.write(bytes),
        }
    }

    pub fn finish(self) -> String {
        STANDARD.encode(match self {
            Summer::Crc(crc) => crc.finish(),
            Summer::Digest(digest) => digest.finish().as_ref().to_vec(),
            Summer::Md5(md5) => md5.finalize().to_vec(),
            Summer::XxHash64(hash) => hash.finish().to_be_bytes().to_vec(),
            Summer::XxHash3(hash) => hash.finish().to_be_bytes().to_vec(),
            Summer::XxHash128(hash) => hash.finish_128().to_be_bytes().to_vec(),
        })
    }
}

impl std::fmt::Debug for Summer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Summer")
    }
}

/// The checksum of `bytes`, in base64.
pub fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut summer = Summer::new(algorithm);
    summer.update(bytes);
    summer.finish()
}

/// Is it base64 of as many bytes as the algorithm's checksums have?
pub fn is_well_formed(algorithm: Algorithm, value: &str) -> bool {
    let decoded = STANDARD.decode(value);
    decoded.is_ok_and(|bytes| bytes.len() == algorithm.bytes())
}

/// What the checksums of parts give, each with its part's size. `None`: one of them is malformed.
pub fn of_parts(algorithm: Algorithm, kind: Type, parts: &[(&str, u64)]) -> Option<String> {
    let mut decoded = Vec::with_capacity(parts.len());
    for (value, size) in parts {
        decoded.push((STANDARD.decode(value).ok()?, *size));
    }
    match (kind, algorithm.crc()) {
        (Type::FullObject, Some(crc)) => {
            let mut all = decoded.into_iter();
            let (mut sum, _) = all.next()?;
            for (next, size) in all {
                sum = crc::combine(crc, &sum, &next, size);
            }
            Some(STANDARD.encode(sum))
        }
        (Type::FullObject, None) => None,
        (Type::Composite, _) => {
            let bytes: Vec<u8> = decoded.into_iter().flat_map(|(value, _)| value).collect();
            Some(format!("{}-{}", of(algorithm, &bytes), parts.len()))
        }
    }
}
