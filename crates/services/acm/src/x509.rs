//! What a certificate says (RFC 5280): read from its DER, never trusted with more than being shown.
//!
//! Only what ACM shows is read. Nothing is verified here, and no input makes it panic.

use neargate_base::Timestamp;
use neargate_service::certificate::Facts;
use time::{Date, Month, OffsetDateTime, Time};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]` and `[3]` of a certificate, which are optional.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A name of an alternative name: `[2] dNSName`.
const DNS_NAME: u8 = 0x82;

/// A certificate, read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) facts: Facts,
    /// The subject's common name.
    pub(crate) common_name: Option<String>,
    /// Its names of hosts.
    pub(crate) dns_names: Vec<String>,
    /// `SubjectPublicKeyInfo`, with its header.
    pub(crate) public_key: Vec<u8>,
    /// The names as they are encoded, which vouch for each other.
    pub(crate) raw_subject: Vec<u8>,
    pub(crate) raw_issuer: Vec<u8>,
}

/// One element: its tag, its contents, and all of it.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    contents: &'a [u8],
    whole: &'a [u8],
}

/// The elements of some bytes, one behind the other.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn next(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let value = digits.iter().fold(0usize, |n, d| n << 8 | usize::from(*d));
                (value, rest)
            }
            _ => return None,
        };
        let (contents, behind) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - behind.len()];
        self.0 = behind;
        Some(Element {
            tag: *tag,
            contents,
            whole,
        })
    }

    /// The next one, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|e| e.tag == tag)
    }

    /// The next one, if it has this tag.
    fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        match self.0.first() {
            Some(first) if *first == tag => self.next(),
            _ => None,
        }
    }
}

impl<'a> Element<'a> {
    fn elements(self) -> Elements<'a> {
        Elements(self.contents)
    }
}

/// `None`: this is no certificate.
pub(crate) fn read(der: &[u8]) -> Option<Read> {
    let mut certificate = Elements(der).expect(SEQUENCE)?.elements();
    let mut body = certificate.expect(SEQUENCE)?.elements();
    let signature = certificate.expect(SEQUENCE)?.elements().expect(OID)?;
    body.optional(VERSION);
    let serial = body.expect(INTEGER)?;
    body.expect(SEQUENCE)?;
    let issuer = body.expect(SEQUENCE)?;
    let mut validity = body.expect(SEQUENCE)?.elements();
    let subject = body.expect(SEQUENCE)?;
    let key = body.expect(SEQUENCE)?;
    let extensions = loop {
        match body.next() {
            Some(e) if e.tag == EXTENSIONS => break Some(e),
            Some(_) => {}
            None => break None,
        }
    };
    let mut said = Extensions::default();
    if let Some(extensions) = extensions {
        let mut all = extensions.elements().expect(SEQUENCE)?.elements();
        while let Some(one) = all.next() {
            said.take(one)?;
        }
    }
    let (subject_text, common_name) = name(subject)?;
    let (issuer_text, issuer_name) = name(issuer)?;
    Some(Read {
        facts: Facts {
            serial: colons(serial.contents),
            subject: subject_text,
            issuer: issuer_name.unwrap_or(issuer_text),
            key_algorithm: key_algorithm(key)?,
            signature_algorithm: signature_algorithm(&oid(signature)),
            not_before: instant(validity.next()?)?,
            not_after: instant(validity.next()?)?,
            key_usages: said.key_usages,
            extended_key_usages: said.extended_key_usages,
        },
        common_name,
        dns_names: said.dns_names,
        public_key: key.whole.to_vec(),
        raw_subject: subject.whole.to_vec(),
        raw_issuer: issuer.whole.to_vec(),
    })
}

#[derive(Default)]
struct Extensions {
    dns_names: Vec<String>,
    key_usages: Vec<String>,
    extended_key_usages: Vec<String>,
}

impl Extensions {
    fn take(&mut self, extension: Element<'_>) -> Option<()> {
        let mut parts = extension.elements();
        let of = oid(parts.expect(OID)?);
        parts.optional(BOOLEAN);
        let value = parts.expect(OCTET_STRING)?;
        match of.as_str() {
            "2.5.29.17" => {
                let mut names = value.elements().expect(SEQUENCE)?.elements();
                while let Some(name) = names.next() {
                    if name.tag == DNS_NAME {
                        self.dns_names.push(text(name.contents));
                    }
                }
            }
            "2.5.29.15" => {
                let bits = value.elements().expect(BIT_STRING)?.contents;
                let is_set = |n: usize| {
                    let byte = bits.get(1 + n / 8).copied().unwrap_or(0);
                    byte & (0x80 >> (n % 8)) != 0
                };
                let set = KEY_USAGES.iter().enumerate().filter(|(n, _)| is_set(*n));
                self.key_usages = set.map(|(_, name)| (*name).to_owned()).collect();
            }
            "2.5.29.37" => {
                let mut all = value.elements().expect(SEQUENCE)?.elements();
                while let Some(one) = all.next() {
                    self.extended_key_usages.push(oid(one));
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// By the bits of RFC 5280, section 4.2.1.3, in ACM's words.
const KEY_USAGES: [&str; 9] = [
    "DIGITAL_SIGNATURE",
    "NON_REPUDIATION",
    "KEY_ENCIPHERMENT",
    "DATA_ENCIPHERMENT",
    "KEY_AGREEMENT",
    "CERTIFICATE_SIGNING",
    "CRL_SIGNING",
    "ENCIPHER_ONLY",
    "DECIPHER_ONLY",
];

/// `CN=…` of every part, and the common name.
fn name(of: Element<'_>) -> Option<(String, Option<String>)> {
    let (mut parts, mut common) = (Vec::new(), None);
    let mut sets = of.elements();
    while let Some(set) = sets.next().filter(|e| e.tag == SET) {
        let mut pair = set.elements().expect(SEQUENCE)?.elements();
        let kind = oid(pair.expect(OID)?);
        let value = text(pair.next()?.contents);
        let short = match kind.as_str() {
            "2.5.4.3" => {
                common = Some(value.clone());
                "CN"
            }
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            other => other,
        };
        parts.push(format!("{short}={value}"));
    }
    Some((parts.join(","), common))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `4a:01:…`, without the zero that marks a positive number.
fn colons(bytes: &[u8]) -> String {
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let pairs: Vec<_> = digits.iter().map(|b| format!("{b:02x}")).collect();
    pairs.join(":")
}

fn oid(of: Element<'_>) -> String {
    let Some((first, rest)) = of.contents.split_first() else {
        return String::new();
    };
    let top = (*first / 40).min(2);
    let mut parts = vec![u64::from(top), u64::from(*first) - 40 * u64::from(top)];
    let mut value = 0u64;
    for byte in rest {
        value = value.checked_shl(7).unwrap_or(0) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            parts.push(value);
            value = 0;
        }
    }
    let parts: Vec<_> = parts.iter().map(u64::to_string).collect();
    parts.join(".")
}

/// In ACM's words, such as `RSA-2048`.
fn key_algorithm(key: Element<'_>) -> Option<String> {
    let mut parts = key.elements();
    let mut algorithm = parts.expect(SEQUENCE)?.elements();
    let kind = oid(algorithm.expect(OID)?);
    let bits = parts.expect(BIT_STRING)?.contents;
    Some(match kind.as_str() {
        "1.2.840.113549.1.1.1" => {
            let mut numbers = Elements(bits.get(1..)?).expect(SEQUENCE)?.elements();
            let modulus = numbers.expect(INTEGER)?.contents;
            let length = modulus.iter().skip_while(|b| **b == 0).count();
            format!("RSA-{}", length * 8)
        }
        "1.2.840.10045.2.1" => match algorithm.next().map(oid).as_deref() {
            Some("1.2.840.10045.3.1.7") => "EC-prime256v1".to_owned(),
            Some("1.3.132.0.34") => "EC-secp384r1".to_owned(),
            Some("1.3.132.0.35") => "EC-secp521r1".to_owned(),
            other => format!("EC-{}", other.unwrap_or_default()),
        },
        other => other.to_owned(),
    })
}

/// In ACM's words.
fn signature_algorithm(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.2.840.10045.4.3.4" => "SHA512WITHECDSA",
        other => other,
    }
    .to_owned()
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn instant(of: Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(of.contents).ok()?.strip_suffix('Z')?;
    let (year, rest) = match of.tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (
                if year < 50 { 2000 + year } else { 1900 + year },
                text.get(2..)?,
            )
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let month = Month::try_from(part(0)?).ok()?;
    let date = Date::from_calendar_date(year, month, part(2)?).ok()?;
    let time = Time::from_hms(part(4)?, part(6)?, part(8)?).ok()?;
    let seconds = OffsetDateTime::new_utc(date, time).unix_timestamp();
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
}
