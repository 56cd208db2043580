//! Requests as botocore really sends them: verified, decoded where chunked, and routed by the
//! real models. (`tests/vectors/README.md` says how they were made.)

use super::super::*;
use crate::model;
use crate::route::{Found, Route, route};
use crate::schema::Service;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value as Json;
use std::path::Path;

fn services() -> Vec<&'static Service> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let models = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    models
        .map(|path| {
            let json: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            model::load(path.file_stem().unwrap().to_str().unwrap(), &json, |_| {
                false
            })
            .unwrap()
        })
        .collect()
}

#[test]
fn requests_of_botocore() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/botocore_signed.json");
    let json: Json = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (secret, now) = (
        json["secret"].as_str().unwrap(),
        super::at(json["now"].as_str().unwrap()),
    );
    let services = services();
    let requests = json["requests"].as_array().unwrap();
    for request in requests {
        let text = |key: &str| request[key].as_str().unwrap();
        let name = text("name");
        let mut builder = http::Request::builder()
            .method(text("method"))
            .uri(text("uri"));
        for (key, value) in request["headers"].as_object().unwrap() {
            builder = builder.header(key, value.as_str().unwrap().as_bytes());
        }
        let parts = builder.body(()).unwrap().into_parts().0;
        let body = STANDARD.decode(text("body")).unwrap();
        let claim = parse(&parts).unwrap().unwrap();
        assert_eq!(
            claim.session_token.as_deref(),
            Some("SESSION/TOKEN+="),
            "{name}"
        );
        let payload = Payload::of(&claim, &parts).unwrap();
        let line = payload.hash_line(|| sha256_hex(&body));
        verify(&claim, &parts, &line, secret, now).unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Payload::Declared(hash) = &payload {
            assert_eq!(*hash, sha256_hex(&body), "{name}");
        }
        if payload == Payload::UnsignedChunked {
            let mut decoder = ChunkDecoder::new(&claim, &payload, None, Some(11));
            let mut input = Bytes::from(body.clone());
            assert_eq!(
                decoder.decode(&mut input).unwrap(),
                Decoded::Data(Bytes::from_static(b"hello world"))
            );
            assert_eq!(decoder.decode(&mut input).unwrap(), Decoded::Done);
            decoder.finish().unwrap();
            assert_eq!(decoder.trailers()[0].0, "x-amz-checksum-crc32");
        }
        let Route::Aws(Found {
            service, operation, ..
        }) = route(&parts, &body, &services)
        else {
            panic!("{name} is not routed");
        };
        assert_eq!(service.id, text("service"), "{name}");
        // PutObject and CopyObject differ in members only, which S3's model does not yet hold.
        if service.id != "s3" {
            assert_eq!(
                operation.map(|op| op.name),
                Some(text("operation")),
                "{name}"
            );
        }
    }
    assert_eq!(requests.len(), 14);
}
