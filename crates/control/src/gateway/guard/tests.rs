//! Which requests pass for a program's.

use super::*;

fn to(target: &str, headers: &[(&str, &str)]) -> Result<(), Refused> {
    let mut builder = http::Request::builder().uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let parts = builder.body(()).expect("builds").into_parts().0;
    pass(&parts, true)
}

fn request(headers: &[(&str, &str)]) -> Result<(), Refused> {
    to("/", headers)
}

#[test]
fn programs_on_this_host_pass() {
    for host in [
        "127.0.0.1:4566",
        "localhost:4566",
        "localhost.:4566",
        "localhost:",
        "LocalHost:4566",
        "[::1]:4566",
        "000000000000.dkr.ecr.us-east-1.localhost:4566",
        "ecs.us-east-1.amazonaws.com",
        "my_bucket.s3.localhost",
        "172.31.0.1:4566",
        "stream-127.0.0.1:4566",
        "data-localhost:4566",
    ] {
        assert_eq!(request(&[("host", host)]), Ok(()), "{host}");
    }
    let here = ("host", "localhost:4566");
    for own in [
        ("origin", "http://localhost:4566"),
        ("referer", "http://localhost:4566/console?x=1"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
    ] {
        assert_eq!(request(&[here, own]), Ok(()), "{own:?}");
    }
    assert_eq!(to("http://localhost:4566/", &[here]), Ok(()));
}

#[test]
fn rebound_names_are_refused() {
    for host in [
        "evil.example",
        "evil.example:4566",
        "localhost.evil.example",
        "notlocalhost",
        "stream-evil.example",
        "stream-notlocalhost",
        "127.0.0.1.evil.example",
        "127.1",
        "2130706433",
        "0x7f000001",
    ] {
        assert_eq!(request(&[("host", host)]), Err(Refused::Host(host.into())));
    }
    let elsewhere = to("http://evil.example/", &[]);
    assert_eq!(elsewhere, Err(Refused::Host("evil.example".into())));
}

#[test]
fn malformed_hosts_are_bad_requests() {
    for host in [
        "",
        ":80",
        ".",
        "..",
        "localhost..",
        ".localhost",
        "localhost:4566.evil.example",
        "localhost:x",
        "localhost:65536",
        "localhost:80:80",
        "[::1].evil.example",
        "[::1]evil",
        "[::1",
        "[localhost]",
        "::1",
        "user@localhost",
        "evil.example@localhost:4566",
        "evil.example?.localhost",
        "evil.example%00.localhost",
        "evil.example#.localhost",
        "evil.example/.localhost",
        "local host",
        "localhost, evil.example",
    ] {
        assert_eq!(
            request(&[("host", host)]),
            Err(Refused::Malformed),
            "{host}"
        );
    }
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(request(&twice), Err(Refused::Malformed));
    assert_eq!(request(&[]), Err(Refused::Malformed), "HTTP/1.1 names one");
    let other = to("http://localhost/", &[("host", "127.0.0.1")]);
    assert_eq!(other, Err(Refused::Malformed));
}

#[test]
fn http_1_0_needs_no_host() {
    let old = http::Request::get("/").version(Version::HTTP_10);
    let parts = old.body(()).expect("builds").into_parts().0;
    assert_eq!(pass(&parts, true), Ok(()));
}

#[test]
fn foreign_pages_are_refused() {
    let here = ("host", "localhost:4566");
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", ""),
        ("origin", "http://localhost:3000"),
        ("referer", "http://evil.example/"),
        ("referer", "http://localhost:4566.evil.example/"),
        ("referer", "http://evil.example/?http://localhost:4566/"),
        ("referer", "about:blank"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "Same-Origin, cross-site"),
    ] {
        assert_eq!(
            request(&[here, foreign]),
            Err(Refused::Origin),
            "{foreign:?}"
        );
    }
    for (name, own, other) in [
        ("origin", "http://localhost:4566", "http://evil.example"),
        ("sec-fetch-site", "same-origin", "cross-site"),
        ("referer", "http://localhost:4566/", "http://evil.example/"),
    ] {
        for [one, two] in [[own, other], [other, own], [own, own]] {
            let doubled = [here, (name, one), (name, two)];
            assert_eq!(request(&doubled), Err(Refused::Origin), "{name}");
        }
    }
}
