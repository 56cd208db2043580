//! What answers which address, on files of the tests' own.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use std::io::Write as _;

fn gzip(text: &str) -> &'static [u8] {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("in memory");
    Box::leak(encoder.finish().expect("in memory").into_boxed_slice())
}

fn ask(method: &str, path: &str, encoding: Option<&str>) -> Response<Bytes> {
    let files = [
        (DOCUMENT, gzip("<!doctype html>")),
        ("assets/main-1a2b.js", gzip("let x;")),
        ("NOTICE.txt", gzip("notice")),
    ];
    let mut request = Request::builder().method(method).uri(path);
    if let Some(encoding) = encoding {
        request = request.header(ACCEPT_ENCODING, encoding);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    respond(&files, &parts)
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |v| v.to_str().expect("text"))
}

#[test]
fn every_page_is_the_document() {
    for path in [
        "/console",
        "/console/",
        "/console/ecs/clusters/a.b/services",
        "/console/index.html",
    ] {
        let page = ask("GET", path, None);
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(page.body(), "<!doctype html>", "{path}");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        let policy = header(&page, "content-security-policy");
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"));
    }
}

#[test]
fn hashed_files_are_kept_and_missing_ones_are_not_pages() {
    let script = ask(
        "GET",
        "/console/assets/main-1a2b.js",
        Some("br, gzip;q=0.5"),
    );
    assert_eq!(header(&script, "content-encoding"), "gzip");
    assert_eq!(
        header(&script, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        ask("GET", "/console/assets/main-old.js", None).status(),
        404
    );
    assert_eq!(ask("GET", "/console/NOTICE.txt", None).body(), "notice");
}

#[test]
fn gzip_is_for_those_who_take_it() {
    for encoding in [None, Some("br"), Some("gzip;q=0"), Some("gzip;q=0.000")] {
        let script = ask("GET", "/console/assets/main-1a2b.js", encoding);
        assert_eq!(script.body(), "let x;", "{encoding:?}");
        assert_eq!(header(&script, "content-encoding"), "");
    }
}

#[test]
fn head_has_the_length_alone() {
    let head = ask("HEAD", "/console", None);
    assert_eq!(
        (head.body().len(), header(&head, "content-length")),
        (0, "15")
    );
    assert_eq!(ask("POST", "/console", None).status(), 405);
}

#[test]
fn a_build_without_the_console_says_how_to_have_it() {
    let (parts, ()) = Request::get("/console")
        .body(())
        .expect("a request")
        .into_parts();
    let page = respond(&[], &parts);
    assert_eq!(page.status(), 404);
    assert!(String::from_utf8_lossy(page.body()).contains("apt-get install nodejs npm"));
}
