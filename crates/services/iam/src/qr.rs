//! The picture of a text that a telephone reads: a QR code in PNG.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcode::{Color, QrCode};
use std::io::Write;

/// How many points wide and high one of its squares is.
const SCALE: usize = 4;
/// How many squares are left free around it.
const FREE: usize = 4;

/// A greyscale PNG, one bit a point; `None`: the text is too long for a code.
pub fn png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(text).ok()?;
    let squares = code.width();
    let points = (squares + 2 * FREE) * SCALE;
    let is_dark = |x: usize, y: usize| {
        let place = |at: usize| (at / SCALE).checked_sub(FREE).filter(|at| *at < squares);
        matches!((place(x), place(y)), (Some(x), Some(y)) if code[(x, y)] == Color::Dark)
    };
    let mut rows = Vec::new();
    for y in 0..points {
        // Each row begins with its filter: none.
        rows.push(0);
        for x in (0..points).step_by(8) {
            let light = |bit: &usize| x + bit < points && !is_dark(x + bit, y);
            let byte = (0..8)
                .filter(light)
                .fold(0u8, |byte, bit| byte | 0x80 >> bit);
            rows.push(byte);
        }
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&rows).ok()?;
    let side = u32::try_from(points).ok()?.to_be_bytes();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(
        &mut png,
        b"IHDR",
        &[&side[..], &side[..], &[1, 0, 0, 0, 0]].concat(),
    );
    chunk(&mut png, b"IDAT", &packed.finish().ok()?);
    chunk(&mut png, b"IEND", &[]);
    Some(png)
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or_default();
    png.extend(length.to_be_bytes());
    png.extend(kind);
    png.extend(data);
    let mut sum = crc32fast::Hasher::new();
    sum.update(kind);
    sum.update(data);
    png.extend(sum.finalize().to_be_bytes());
}
