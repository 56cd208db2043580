//! SSH public keys as IAM takes them: the line of an OpenSSH file, RSA only, or its PEM form
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_ssh-keys.html>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

const RSA: &str = "ssh-rsa";
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";
/// RFC 8017's `rsaEncryption` with no parameters, in DER.
const ALGORITHM: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// An RSA public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    exponent: Vec<u8>,
    modulus: Vec<u8>,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// Neither of the two forms.
    Form,
    /// One of them, but not an RSA key in it.
    Broken,
}

impl PublicKey {
    pub fn parse(text: &str) -> Result<PublicKey, NoKey> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix(PEM_BEGIN) {
            let body = rest.strip_suffix(PEM_END).ok_or(NoKey::Broken)?;
            let body: String = body.split_whitespace().collect();
            let der = STANDARD.decode(body).map_err(|_| NoKey::Broken)?;
            return of_der(&der).ok_or(NoKey::Broken);
        }
        let mut words = text.split_whitespace();
        match words.next() {
            Some(RSA) => {}
            Some(word) if word.starts_with("ssh-") || word.starts_with("ecdsa-") => {
                return Err(NoKey::Broken);
            }
            _ => return Err(NoKey::Form),
        }
        let blob = words.next().and_then(|w| STANDARD.decode(w).ok());
        of_blob(&blob.ok_or(NoKey::Broken)?).ok_or(NoKey::Broken)
    }

    /// The MD5 of what OpenSSH writes in base64: pairs of digits with colons between them.
    pub fn fingerprint(&self) -> String {
        let digest = Md5::digest(self.blob());
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// The line of an OpenSSH file.
    pub fn line(&self) -> String {
        format!("{RSA} {}", STANDARD.encode(self.blob()))
    }

    pub fn pem(&self) -> String {
        let numbers = [der(0x02, &self.modulus), der(0x02, &self.exponent)].concat();
        let bits = [&[0], der(0x30, &numbers).as_slice()].concat();
        let whole = der(0x30, &[ALGORITHM, &der(0x03, &bits)].concat());
        let text = STANDARD.encode(whole);
        let mut pem = format!("{PEM_BEGIN}\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            pem.push('\n');
        }
        pem + PEM_END
    }

    fn blob(&self) -> Vec<u8> {
        let parts = [RSA.as_bytes(), &self.exponent, &self.modulus];
        let field = |bytes: &[u8]| {
            let len = u32::try_from(bytes.len()).expect("parts of keys are short");
            [&len.to_be_bytes(), bytes].concat()
        };
        parts.map(field).concat()
    }
}

/// RFC 4253, section 6.6.
fn of_blob(blob: &[u8]) -> Option<PublicKey> {
    let (mut rest, mut fields) = (blob, Vec::new());
    while !rest.is_empty() {
        let (len, behind) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (field, behind) = behind.split_at_checked(len)?;
        fields.push(field);
        rest = behind;
    }
    match fields.as_slice() {
        [name, exponent, modulus] if *name == RSA.as_bytes() => checked(exponent, modulus),
        _ => None,
    }
}

/// `SubjectPublicKeyInfo`.
fn of_der(bytes: &[u8]) -> Option<PublicKey> {
    let (info, _) = element(0x30, bytes)?;
    let rest = info.strip_prefix(ALGORITHM)?;
    let (bits, _) = element(0x03, rest)?;
    let (numbers, _) = element(0x30, bits.strip_prefix(&[0])?)?;
    let (modulus, rest) = element(0x02, numbers)?;
    let (exponent, _) = element(0x02, rest)?;
    checked(exponent, modulus)
}

fn checked(exponent: &[u8], modulus: &[u8]) -> Option<PublicKey> {
    let fits = (128..=2_049).contains(&modulus.len()) && (1..=8).contains(&exponent.len());
    fits.then(|| PublicKey {
        exponent: exponent.to_vec(),
        modulus: modulus.to_vec(),
    })
}

/// The contents of the element of this tag at the beginning, and what is behind it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let value = digits.iter().fold(0usize, |n, d| n << 8 | usize::from(*d));
            (value, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let bytes = content.len().to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
    let mut value = vec![tag];
    match u8::try_from(content.len()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC1jzg5TEkACbWy50nS3FynMHHHuYF3wgbzYcDE1CofaEoY/DIUZc6BKUUAY3BCtT7KNXCpnozm0KpHwTkigf0Z+FuemSREXZXrGJBBbNRjGbKEsU1JJkB9HY1IsGKPGHgK4JFay31IFGkIX464ouZV4tXbfCilbUQIEg58X3Q8TDpPyWamkjFMClrirBHhIeCTYHiYMt7G0AtJW556INTvwDAAezAqgbge7LIzhy4uUO5vMa/x42Ix7eCtxOk81dKJiAEj9jX30rRwJkZUUzrd/PL+M9/gKsmQrcq0iwuPUG36ECVYf7avMkMXXdzUTBC/uIHtPU/DnEGOw615SdUh test";

    #[test]
    fn both_forms_are_the_same_key() {
        let key = PublicKey::parse(KEY).expect("a key");
        assert_eq!(PublicKey::parse(&key.pem()), Ok(key.clone()));
        assert_eq!(format!("{} test", key.line()), KEY);
        assert_eq!(key.fingerprint().len(), 47);
    }

    #[test]
    fn what_is_no_key() {
        let ed25519 =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINbimLvq/fO4CrrbCq+J/Zz1f4Sb21F5Bd5ut6A11wUs";
        for (text, why) in [
            ("", NoKey::Form),
            ("MIIBIjANBgkqhkiG9w0B", NoKey::Form),
            ("ssh-rsa", NoKey::Broken),
            ("ssh-rsa AAAA", NoKey::Broken),
            (ed25519, NoKey::Broken),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                NoKey::Broken,
            ),
        ] {
            assert_eq!(PublicKey::parse(text), Err(why), "{text}");
        }
    }
}
