//! PAX extended header records (POSIX.1-2017, pax, "pax Header Block"): `<length> <key>=<value>\n`.

use super::LayerError;
use super::tar::{Attribute, malformed};

/// The records that matter here.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, u32)>,
    /// `SCHILY.xattr.<name>`.
    pub(super) xattrs: Vec<Attribute>,
    pub(super) sparse: Option<Sparse>,
}

/// `GNU.sparse.*` (GNU tar manual, "Storing Sparse Files").
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub(super) major: u32,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Offset and length in turn (formats 0.0 and 0.1).
    pub(super) map: Vec<u64>,
}

impl Pax {
    pub(super) fn parse(mut records: &[u8]) -> Result<Pax, LayerError> {
        let bad = || malformed("invalid extended header");
        let mut pax = Pax::default();
        while !records.is_empty() && records[0] != 0 {
            let space = records.iter().position(|b| *b == b' ').ok_or_else(bad)?;
            let length = number(&records[..space])? as usize;
            if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(bad)?;
            pax.set(&record[..equals], &record[equals + 1..])?;
            records = &records[length..];
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerError> {
        // An empty value takes a record back.
        let text = (!value.is_empty()).then(|| value.to_vec());
        let numeric = |value: &[u8]| (!value.is_empty()).then(|| number(value)).transpose();
        match key {
            b"path" => self.path = text,
            b"linkpath" => self.link = text,
            b"size" => self.size = numeric(value)?,
            b"uid" => self.uid = numeric(value)?,
            b"gid" => self.gid = numeric(value)?,
            b"mtime" => self.mtime = (!value.is_empty()).then(|| time(value)).transpose()?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.get_or_insert_default().set(name, value)?;
                }
            }
        }
        Ok(())
    }
}

impl Sparse {
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerError> {
        match key {
            b"major" => self.major = number(value)? as u32,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.real_size = Some(number(value)?),
            b"offset" | b"numbytes" => self.map.push(number(value)?),
            b"map" => {
                self.map = value
                    .split(|b| *b == b',')
                    .map(number)
                    .collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }
}

pub(super) fn number(digits: &[u8]) -> Result<u64, LayerError> {
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    text.and_then(|t| t.parse().ok())
        .ok_or_else(|| malformed("invalid number in extended header"))
}

/// `[-]seconds[.fraction]`.
fn time(value: &[u8]) -> Result<(i64, u32), LayerError> {
    let bad = || malformed("invalid time in extended header");
    let text = std::str::from_utf8(value).map_err(|_| bad())?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let nine: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: u32 = nine.parse().map_err(|_| bad())?;
    match whole.starts_with('-') && nanos > 0 {
        true => Ok((seconds.saturating_sub(1), 1_000_000_000 - nanos)),
        false => Ok((seconds, nanos)),
    }
}
