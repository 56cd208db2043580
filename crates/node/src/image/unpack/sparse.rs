//! Sparse files: where the stored bytes of an entry belong in the file.
//! Old GNU format and the PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").

use super::LayerError;
use super::content::Pieces;
use super::pax;
use super::tar::{Archive, malformed};
use tar::Header;

const MAX_SEGMENTS: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The map of type `S` headers: four segments, more in blocks that follow the header.
pub(super) fn old_gnu(
    header: &Header,
    content: &mut Pieces,
) -> Result<(Vec<Segment>, u64), LayerError> {
    let bad = |e: std::io::Error| malformed(&e.to_string());
    let gnu = header
        .as_gnu()
        .ok_or_else(|| malformed("a sparse file without GNU header"))?;
    let size = gnu.real_size().map_err(bad)?;
    let mut segments = Vec::new();
    let mut add = |raw: &[tar::GnuSparseHeader]| {
        for one in raw.iter().take_while(|s| !s.is_empty()) {
            let (offset, length) = (one.offset().map_err(bad)?, one.length().map_err(bad)?);
            segments.push(Segment { offset, length });
        }
        match segments.len() > MAX_SEGMENTS {
            true => Err(malformed("too many sparse segments")),
            false => Ok(()),
        }
    };
    add(&gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut extension = tar::GnuExtSparseHeader::new();
        if !content.read_exact(extension.as_mut_bytes())? {
            return Err(super::content::truncated());
        }
        add(extension.sparse())?;
        more = extension.is_extended();
    }
    Ok((segments, size))
}

/// The map of PAX records; format 1.0 has it in front of the content. `None`: not sparse at all.
pub(super) fn pax(
    records: &pax::Sparse,
    archive: &mut Archive,
) -> Result<Option<(Vec<Segment>, u64)>, LayerError> {
    let Some(size) = records.real_size else {
        return Ok(None);
    };
    let numbers = match records.major {
        0 => records.map.clone(),
        1 => map_in_content(archive)?,
        _ => return Err(malformed("unknown sparse format")),
    };
    let pairs = numbers.chunks_exact(2).map(|p| Segment {
        offset: p[0],
        length: p[1],
    });
    Ok(Some((pairs.collect(), size)))
}

/// Decimal numbers, one a line, in whole blocks: how many segments, then offset and length each.
fn map_in_content(archive: &mut Archive) -> Result<Vec<u64>, LayerError> {
    let (mut lines, mut rest) = (Vec::new(), Vec::new());
    let mut wanted = 1;
    while lines.len() < wanted {
        rest.extend_from_slice(&archive.content_block()?);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            if lines.len() == wanted {
                break;
            }
            lines.push(pax::number(&rest[..end])?);
            rest.drain(..=end);
            if lines.len() == 1 {
                let count = usize::try_from(lines[0])
                    .ok()
                    .filter(|n| *n <= MAX_SEGMENTS);
                wanted = 1 + 2 * count.ok_or_else(|| malformed("too many sparse segments"))?;
            }
        }
        if rest.len() > 64 * 512 {
            return Err(malformed("invalid sparse map"));
        }
    }
    lines.remove(0);
    Ok(lines)
}

/// Segments ascend, lie within the file, and account for all stored bytes.
pub(super) fn check(segments: &[Segment], size: u64, stored: u64) -> Result<(), LayerError> {
    let (mut end, mut total) = (0u64, 0u64);
    for segment in segments {
        let next = segment.offset.checked_add(segment.length);
        match next {
            Some(next) if segment.offset >= end && next <= size => end = next,
            _ => return Err(malformed("invalid sparse map")),
        }
        total = total.saturating_add(segment.length);
    }
    match total == stored && size <= i64::MAX as u64 {
        true => Ok(()),
        false => Err(malformed("the sparse map does not match the content")),
    }
}
