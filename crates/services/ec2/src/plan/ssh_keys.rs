//! Public keys as OpenSSH writes them (RFC 4253, section 6.6), their fingerprints as EC2 shows them,
//! and the private key of a new pair.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `rsa` or `ed25519`.
    pub key_type: &'static str,
    /// What OpenSSH writes in base64.
    blob: Vec<u8>,
    comment: String,
}

/// The text is no public key that EC2 takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey;

const ED25519: &str = "ssh-ed25519";
const RSA: &str = "ssh-rsa";

impl PublicKey {
    /// The line of an OpenSSH file.
    pub fn parse(text: &str) -> Result<PublicKey, InvalidKey> {
        let mut words = text.trim().splitn(3, char::is_whitespace);
        let (name, blob) = (words.next(), words.next());
        let blob = STANDARD.decode(blob.ok_or(InvalidKey)?);
        let blob = blob.map_err(|_| InvalidKey)?;
        let key_type = match name {
            Some(ED25519) => "ed25519",
            Some(RSA) => "rsa",
            _ => return Err(InvalidKey),
        };
        let key = PublicKey {
            key_type,
            blob,
            comment: words.next().unwrap_or_default().trim().to_owned(),
        };
        let fields = key.fields().ok_or(InvalidKey)?;
        let fits = match (key_type, fields.as_slice()) {
            ("ed25519", [name, point]) => *name == ED25519.as_bytes() && point.len() == 32,
            ("rsa", [name, _, modulus]) => {
                *name == RSA.as_bytes() && (128..=513).contains(&modulus.len())
            }
            _ => false,
        };
        if fits { Ok(key) } else { Err(InvalidKey) }
    }

    /// An ED25519 key with this point.
    pub fn ed25519(point: &[u8], comment: &str) -> PublicKey {
        PublicKey {
            key_type: "ed25519",
            blob: [field(ED25519.as_bytes()), field(point)].concat(),
            comment: comment.to_owned(),
        }
    }

    /// The line of an OpenSSH file.
    pub fn line(&self) -> String {
        let name = if self.key_type == "rsa" { RSA } else { ED25519 };
        let line = format!("{name} {} {}", STANDARD.encode(&self.blob), self.comment);
        line.trim_end().to_owned()
    }

    /// EC2's fingerprint: of an ED25519 key the SHA-256 of what OpenSSH writes, of an imported RSA
    /// key the MD5 of its X.509 form
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html>).
    pub fn fingerprint(&self) -> String {
        let fields = self.fields().unwrap_or_default();
        let [_, exponent, modulus] = fields.as_slice() else {
            return STANDARD.encode(Sha256::digest(&self.blob));
        };
        let digest = Md5::digest(subject_public_key(modulus, exponent));
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// The length-prefixed parts of the blob; `None`: it does not consist of such.
    fn fields(&self) -> Option<Vec<&[u8]>> {
        let (mut rest, mut fields) = (self.blob.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (len, behind) = rest.split_first_chunk::<4>()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let (field, behind) = behind.split_at_checked(len)?;
            fields.push(field);
            rest = behind;
        }
        Some(fields)
    }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("parts of keys are short");
    [&len.to_be_bytes(), bytes].concat()
}

/// `SubjectPublicKeyInfo` of an RSA key (RFC 8017, appendix A.1.1), in DER.
fn subject_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    // 1.2.840.113549.1.1.1 with no parameters.
    const ALGORITHM: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let numbers = [der(0x02, modulus), der(0x02, exponent)].concat();
    let bits = [&[0], der(0x30, &numbers).as_slice()].concat();
    der(0x30, &[der(0x30, ALGORITHM), der(0x03, &bits)].concat())
}

/// A value of DER, with its tag and length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let bytes = len.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
    let mut value = vec![tag];
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => value.push(short),
        _ => {
            let count = u8::try_from(significant.len()).expect("eight bytes at most");
            value.push(0x80 | count);
            value.extend(significant);
        }
    }
    value.extend(content);
    value
}

/// An unencrypted private key as OpenSSH keeps it (`PROTOCOL.key` of its source).
pub fn private_key(public: &PublicKey, seed: &[u8], point: &[u8], check: u32) -> String {
    let secret = [seed, point].concat();
    let mut private = [
        check.to_be_bytes().to_vec(),
        check.to_be_bytes().to_vec(),
        field(ED25519.as_bytes()),
        field(point),
        field(&secret),
        field(public.comment.as_bytes()),
    ]
    .concat();
    let padding = (8 - private.len() % 8) % 8;
    private.extend((1..=padding).filter_map(|n| u8::try_from(n).ok()));
    let whole = [
        b"openssh-key-v1\0".to_vec(),
        field(b"none"),
        field(b"none"),
        field(b""),
        1_u32.to_be_bytes().to_vec(),
        field(&public.blob),
        field(&private),
    ]
    .concat();
    let text = STANDARD.encode(whole);
    let lines: Vec<_> = (0..text.len())
        .step_by(70)
        .map(|at| &text[at..text.len().min(at + 70)])
        .collect();
    format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    const ED25519_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINbimLvq/fO4CrrbCq+J/Zz1f4Sb21F5Bd5ut6A11wUs test";
    const RSA_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC1jzg5TEkACbWy50nS3FynMHHHuYF3wgbzYcDE1CofaEoY/DIUZc6BKUUAY3BCtT7KNXCpnozm0KpHwTkigf0Z+FuemSREXZXrGJBBbNRjGbKEsU1JJkB9HY1IsGKPGHgK4JFay31IFGkIX464ouZV4tXbfCilbUQIEg58X3Q8TDpPyWamkjFMClrirBHhIeCTYHiYMt7G0AtJW556INTvwDAAezAqgbge7LIzhy4uUO5vMa/x42Ix7eCtxOk81dKJiAEj9jX30rRwJkZUUzrd/PL+M9/gKsmQrcq0iwuPUG36ECVYf7avMkMXXdzUTBC/uIHtPU/DnEGOw615SdUh test";

    #[test]
    fn keys_of_ssh_keygen_are_read_and_written() {
        // The fingerprints are those of `ssh-keygen -lf` and `openssl md5 -c`.
        for (line, key_type, fingerprint) in [
            (
                ED25519_KEY,
                "ed25519",
                "K1tt1bkB51/zOY9Wo7ahp3hEU252I0dAO/2MQvX+N2U=",
            ),
            (
                RSA_KEY,
                "rsa",
                "59:6a:33:d5:37:4a:c6:c6:1f:29:75:a2:69:3e:20:74",
            ),
        ] {
            let key = PublicKey::parse(line).expect("a key");
            assert_eq!(key.line(), line);
            assert_eq!(key.key_type, key_type);
            assert_eq!(key.fingerprint(), fingerprint);
        }
    }

    #[test]
    fn what_is_no_key() {
        let cut = &ED25519_KEY[..ED25519_KEY.len() - 12];
        let other = ED25519_KEY.replace("ssh-ed25519", "ssh-rsa");
        for bad in ["", "ssh-rsa", "ssh-rsa ????", cut, &other, "ssh-dss AAAA"] {
            assert_eq!(PublicKey::parse(bad), Err(InvalidKey), "{bad}");
        }
    }
}
