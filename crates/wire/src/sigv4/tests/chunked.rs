//! `aws-chunked` bodies: S3's published example, trailers, damage, and hostile framing.

use super::super::*;
use super::SECRET;
use bytes::Bytes;
use http::Request;
use proptest::prelude::*;

/// The example of "Signature calculations ... multiple chunks" in the S3 API Reference.
fn example() -> (Claim, SigningKey, Vec<u8>) {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let parts = Request::builder()
        .method("PUT")
        .uri("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let claim = parse(&parts).unwrap().unwrap();
    let payload = Payload::of(&claim, &parts).unwrap();
    assert_eq!(payload, Payload::Chunked { trailer: false });
    let hash = payload.hash_line(|| unreachable!());
    verify(&claim, &parts, &hash, secret, super::at("20130524T000000Z")).unwrap();
    let mut body = Vec::new();
    for (size, signature) in [
        (
            65536,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        ),
        (
            1024,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        ),
        (
            0,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ),
    ] {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend(std::iter::repeat_n(b'a', size));
        body.extend(b"\r\n");
    }
    let key = SigningKey::derive(secret, "20130524", "us-east-1", "s3");
    (claim, key, body)
}

fn drain(decoder: &mut ChunkDecoder, body: &[u8], piece: usize) -> Result<Vec<u8>, SigV4Error> {
    let mut out = Vec::new();
    for piece in body.chunks(piece.max(1)) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Decoded::Data(data) = decoder.decode(&mut input)? {
            out.extend_from_slice(&data);
        }
    }
    decoder.finish()?;
    Ok(out)
}

fn signed(claim: &Claim, key: &SigningKey, trailer: bool) -> ChunkDecoder {
    ChunkDecoder::new(
        claim,
        &Payload::Chunked { trailer },
        Some(key.clone()),
        None,
    )
}

#[test]
fn published_example_in_pieces_of_any_size() {
    let (claim, key, body) = example();
    for piece in [1, 7, 64, 1000, 70_000] {
        let out = drain(&mut signed(&claim, &key, false), &body, piece).unwrap();
        assert_eq!(out, vec![b'a'; 66_560]);
    }
}

#[test]
fn damage_is_found() {
    let (claim, key, body) = example();
    let mut flipped = body.clone();
    flipped[30_000] = b'b';
    let result = drain(&mut signed(&claim, &key, false), &flipped, 4096);
    assert_eq!(
        result.unwrap_err().answer(ErrorStyle::S3).code,
        "SignatureDoesNotMatch"
    );
    for cut in [10, 40_000, body.len() - 1, body.len() - 5] {
        let result = drain(&mut signed(&claim, &key, false), &body[..cut], 4096);
        assert_eq!(
            result.unwrap_err().answer(ErrorStyle::S3).code,
            "IncompleteBody",
            "{cut}"
        );
    }
    let mut short = ChunkDecoder::new(
        &claim,
        &Payload::Chunked { trailer: false },
        Some(key),
        Some(66_559),
    );
    assert_eq!(
        drain(&mut short, &body, 4096),
        Err(SigV4Error::IncompleteBody)
    );
}

#[test]
fn unverified_in_development_mode() {
    let (claim, _, mut body) = example();
    body[30_000] = b'b';
    let mut decoder = ChunkDecoder::new(
        &claim,
        &Payload::Chunked { trailer: false },
        None,
        Some(66_560),
    );
    assert_eq!(drain(&mut decoder, &body, 4096).unwrap().len(), 66_560);
}

#[test]
fn trailers() {
    let (claim, key, _) = example();
    let mut unsigned = ChunkDecoder::new(&claim, &Payload::UnsignedChunked, None, Some(5));
    let body = b"5\r\nhello\r\n0\r\nX-Amz-Checksum-Crc32:NhCmhg==\r\n\r\n";
    assert_eq!(drain(&mut unsigned, body, 3).unwrap(), b"hello");
    assert_eq!(
        unsigned.trailers(),
        [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]
    );

    // Signed: built with the same rules, in S3's documented order.
    let stamp = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request";
    let sign = |kind: &str, previous: &str, hashes: &str| {
        key.sign(&format!("{kind}\n{stamp}\n{previous}\n{hashes}"))
    };
    let data = sha256_hex(b"hello");
    let kind = "AWS4-HMAC-SHA256-PAYLOAD";
    let first = sign(kind, &claim.signature, &format!("{EMPTY_SHA256}\n{data}"));
    let last = sign(kind, &first, &format!("{EMPTY_SHA256}\n{EMPTY_SHA256}"));
    let hash = sha256_hex(b"x-amz-checksum-crc32:NhCmhg==\n");
    let trailer = sign("AWS4-HMAC-SHA256-TRAILER", &last, &hash);
    for separator in ["\r\n", "\n\r\n"] {
        let text = format!(
            "5;chunk-signature={first}\r\nhello\r\n0;chunk-signature={last}\r\nx-amz-checksum-crc32:NhCmhg=={separator}x-amz-trailer-signature:{trailer}\r\n\r\n"
        );
        let out = drain(&mut signed(&claim, &key, true), text.as_bytes(), 11).unwrap();
        assert_eq!(out, b"hello");
        let forged = text.replace("NhCmhg==", "AAAAAA==");
        assert!(drain(&mut signed(&claim, &key, true), forged.as_bytes(), 11).is_err());
        let dropped = text.replace(&format!("x-amz-trailer-signature:{trailer}\r\n"), "");
        assert!(drain(&mut signed(&claim, &key, true), dropped.as_bytes(), 11).is_err());
    }
}

#[test]
fn hostile_framing_is_refused_without_memory() {
    let (claim, _, _) = example();
    let refuse = |body: &[u8]| {
        let mut decoder = ChunkDecoder::new(&claim, &Payload::UnsignedChunked, None, None);
        drain(&mut decoder, body, 512).unwrap_err()
    };
    assert!(matches!(
        refuse(b"ffffffffffffffff\r\n"),
        SigV4Error::BadChunk(_)
    ));
    assert!(matches!(refuse(b"zz\r\n"), SigV4Error::BadChunk(_)));
    assert!(matches!(refuse(b"2\r\nabc\r\n"), SigV4Error::BadChunk(_)));
    assert!(matches!(
        refuse(&vec![b'1'; 10_000]),
        SigV4Error::BadChunk(_)
    ));
    let mut trailers = b"0\r\n".to_vec();
    for i in 0..2000 {
        trailers.extend(format!("name-{i}: value\r\n").as_bytes());
    }
    assert!(matches!(refuse(&trailers), SigV4Error::BadChunk(_)));
}

proptest! {
    #[test]
    fn no_input_panics(body in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        let (claim, key, _) = example();
        let _ = drain(&mut signed(&claim, &key, true), &body, piece);
        let _ = SECRET;
    }
}
