//! What was written is read again, whole and in ranges.

use super::checksum::Algorithm;
use super::read::Reader;
use super::seal::{FRAME_BYTES, Master};
use super::source::Source;
use super::write::{Wanted, write};
use super::{Piece, Place};
use bytes::Bytes;
use neargate_blob::Extents;
use std::ops::Range;

async fn read(place: &Place, pieces: &[Piece], range: Range<u64>) -> Vec<u8> {
    let mut reader = Reader::open(place, pieces, range).await.unwrap();
    let mut all = Vec::new();
    while let Some(more) = reader.next().await {
        all.extend_from_slice(&more.unwrap());
    }
    all
}

#[tokio::test]
async fn any_range_of_several_pieces_is_what_was_written() {
    let scratch = tempfile::tempdir().unwrap();
    let place = Place {
        extents: Extents::open(scratch.path()).unwrap(),
        master: Master::new([7; 32]),
    };
    let bytes: Vec<u8> = (0..2_500_000u32).map(|i| (i * 31 % 253) as u8).collect();
    let cut = 3 * FRAME_BYTES as usize + 17;
    let mut pieces = Vec::new();
    for (name, part) in [("aa01", &bytes[..cut]), ("aa02", &bytes[cut..])] {
        let mut source = Source::whole(Bytes::copy_from_slice(part));
        let wanted = Wanted {
            sums: vec![Algorithm::Sha256],
            sha256: true,
            max_bytes: u64::MAX,
        };
        let written = write(place.clone(), name.into(), &mut source, &wanted).await;
        let written = written.unwrap();
        assert_eq!(written.bytes, part.len() as u64);
        pieces.extend(written.piece.clone());
        written.keep();
    }
    let length = bytes.len() as u64;
    let cut = cut as u64;
    for range in [
        0..length,
        0..1,
        cut - 1..cut + 1,
        FRAME_BYTES - 1..FRAME_BYTES + 1,
        length - 1..length,
        5..5,
    ] {
        let wanted = &bytes[range.start as usize..range.end as usize];
        assert_eq!(
            read(&place, &pieces, range.clone()).await,
            wanted,
            "{range:?}"
        );
    }

    let on_disk = std::fs::read(scratch.path().join("aa/aa01")).unwrap();
    assert!(!on_disk.windows(64).any(|w| w == &bytes[..64]), "sealed");
    let other = Place {
        master: Master::new([8; 32]),
        ..place.clone()
    };
    let mut reader = Reader::open(&other, &pieces, 0..10).await.unwrap();
    assert!(reader.next().await.unwrap().is_err(), "another key");
}

/// Of nothing, and of `abc`: the published values of each algorithm.
#[test]
fn checksums_are_those_of_their_algorithms() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for (algorithm, bytes, expected) in [
        (Algorithm::Crc32, "abc", "352441c2"),
        (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
        (
            Algorithm::Sha512,
            "",
            concat!(
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce",
                "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            ),
        ),
        (Algorithm::XxHash64, "", "ef46db3751d8e999"),
        (Algorithm::XxHash64, "abc", "44bc2cf5ad770999"),
        (Algorithm::XxHash3, "", "2d06800538d394c2"),
        (Algorithm::XxHash128, "", "99aa06d3014798d86001c324468d497f"),
    ] {
        let sum = super::checksum::of(algorithm, bytes.as_bytes());
        let plain = STANDARD.decode(sum).unwrap();
        assert_eq!(hex::encode(&plain), expected, "{}", algorithm.name());
        assert_eq!(plain.len(), algorithm.bytes());
    }
}
