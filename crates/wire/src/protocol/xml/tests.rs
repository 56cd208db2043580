//! Hostile and odd documents.

use super::document::parse;

#[test]
fn text_references_and_cdata() {
    let root = parse(b"<?xml version='1.0'?><!-- c --><a x='1 &amp; 2'>&lt;b&gt; &#x41;&#66;<![CDATA[<c>&]]></a>").unwrap();
    assert_eq!(root.text, "<b> AB<c>&");
    assert_eq!(root.attributes, [("x".to_owned(), "1 & 2".to_owned())]);
}

#[test]
fn names_ignore_prefixes() {
    let root = parse(b"<ns:a xmlns:ns='urn:x'><ns:b/><c/></ns:a>").unwrap();
    assert!(root.is("a") && root.child("b").is_some() && root.child("c").is_some());
    assert_eq!(root.all("b").count(), 1);
}

#[test]
fn no_document_types_no_entities() {
    for body in [
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<a>&x;</a>",
        "<a b='&x;'/>",
        "<a>&#0;</a>",
    ] {
        assert_eq!(
            parse(body.as_bytes()).unwrap_err().code,
            "MalformedXML",
            "{body}"
        );
    }
}

#[test]
fn malformed() {
    for body in [
        "",
        " ",
        "a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a",
    ] {
        assert!(parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(parse(b"<a>\xff</a>").is_err());
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = "<a>".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
    let wide = format!("<a>{}</a>", "<b/>".repeat(300_000));
    assert!(parse(wide.as_bytes()).is_err());
    let fits = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    assert!(parse(fits.as_bytes()).is_ok());
}

#[test]
fn what_xml_cannot_hold_is_replaced() {
    let mut out = super::Writer::new();
    out.text_element("a", "1\u{0}2\u{b}3\r4<&>\"");
    let text = out.finish();
    assert!(
        text.ends_with("<a>1\u{fffd}2\u{fffd}3&#xD;4&lt;&amp;&gt;\"</a>"),
        "{text}"
    );
    assert_eq!(
        parse(text.as_bytes()).unwrap().text,
        "1\u{fffd}2\u{fffd}3\r4<&>\""
    );
}
