//! Which rule a request meets, and what rules answer by themselves.

use super::lab::*;
use neargate_domain::load_balancer::{Action, Condition, Patterns, Transform};

fn values(values: &[&str]) -> Patterns {
    Patterns {
        values: values.iter().map(|value| (*value).into()).collect(),
        regex_values: Vec::new(),
    }
}

fn regexes(values: &[&str]) -> Patterns {
    Patterns {
        values: Vec::new(),
        regex_values: values.iter().map(|value| (*value).into()).collect(),
    }
}

#[tokio::test]
async fn the_first_rule_whose_conditions_hold_answers() {
    let mut lab = Lab::new();
    let query = |key: Option<&str>, value: &str| {
        Condition::QueryString(vec![(key.map(Into::into), value.into())])
    };
    let header = |name: &str, patterns| Condition::HttpHeader {
        name: name.into(),
        patterns,
    };
    *lab.rules() = vec![
        rule(
            vec![Condition::HostHeader(values(&["*.Shop.example"]))],
            fixed("host"),
        ),
        rule(
            vec![Condition::HostHeader(regexes(&[r"^v\d+\.api\."]))],
            fixed("host regex"),
        ),
        rule(
            vec![Condition::PathPattern(values(&["/img/*", "/a?c"]))],
            fixed("path"),
        ),
        rule(
            vec![Condition::PathPattern(regexes(&["^/v[0-9]+/users$"]))],
            fixed("path regex"),
        ),
        rule(
            vec![header("X-Kind", values(&["*mobile*"]))],
            fixed("header"),
        ),
        rule(
            vec![header("user-agent", regexes(&["bot/[0-9]"]))],
            fixed("header regex"),
        ),
        rule(
            vec![Condition::HttpRequestMethod(vec!["PURGE".into()])],
            fixed("method"),
        ),
        rule(vec![query(Some("version"), "v1*")], fixed("query pair")),
        rule(vec![query(None, "beta")], fixed("query value")),
        rule(
            vec![Condition::SourceIp(vec!["10.0.0.0/8".into()])],
            fixed("elsewhere"),
        ),
        rule(
            vec![
                Condition::SourceIp(vec!["2001:db8::/32".into(), "127.0.0.0/8".into()]),
                Condition::PathPattern(values(&["/local"])),
            ],
            fixed("source"),
        ),
        rule(vec![], fixed("default")),
    ];
    lab.start().await;
    let cases = [
        ("GET /img/x HTTP/1.1\r\nHost: a.shop.EXAMPLE:8080", "host"),
        ("GET / HTTP/1.1\r\nHost: shop.example", "default"),
        ("GET / HTTP/1.1\r\nHost: v12.api.example.com", "host regex"),
        ("GET /img/x HTTP/1.1\r\nHost: b", "path"),
        ("GET /IMG/x HTTP/1.1\r\nHost: b", "default"),
        ("GET /abc?x=/img/y HTTP/1.1\r\nHost: b", "path"),
        ("GET /v2/users HTTP/1.1\r\nHost: b", "path regex"),
        ("GET /v2/users/1 HTTP/1.1\r\nHost: b", "default"),
        (
            "GET / HTTP/1.1\r\nHost: b\r\nx-kind: no\r\nx-kind: a MOBILE b",
            "header",
        ),
        (
            "GET / HTTP/1.1\r\nHost: b\r\nUser-Agent: bot/7",
            "header regex",
        ),
        ("PURGE / HTTP/1.1\r\nHost: b", "method"),
        ("GET /?a=b&VERSION=V17 HTTP/1.1\r\nHost: b", "query pair"),
        ("GET /?any=Beta HTTP/1.1\r\nHost: b", "query value"),
        ("GET /local HTTP/1.1\r\nHost: b", "source"),
        ("GET http://a.shop.example/ HTTP/1.1\r\nHost: b", "host"),
        ("OPTIONS * HTTP/1.1\r\nHost: b", "default"),
    ];
    for (request, expected) in cases {
        let answer = lab.ask(&format!("{request}\r\n\r\n")).await;
        assert_eq!(answer.text(), expected, "{request}");
    }
}

#[tokio::test]
async fn fixed_responses_and_pages_are_as_aws_sends_them() {
    let mut lab = Lab::new();
    lab.rules()[0] = rule(vec![], fixed("hello"));
    lab.rules().insert(
        0,
        rule(
            vec![Condition::PathPattern(values(&["/empty"]))],
            forward(&[("blue", 1)]),
        ),
    );
    lab.start().await;
    let answer = lab.get("/").await;
    assert!(
        answer
            .head
            .starts_with("HTTP/1.1 200 OK\r\nServer: awselb/2.0\r\nDate: ")
    );
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    assert_eq!(answer.text(), "hello");
    let answer = lab.get("/empty").await;
    assert!(
        answer
            .head
            .starts_with("HTTP/1.1 503 Service Temporarily Unavailable\r\n")
    );
    assert_eq!(answer.field("content-length"), Some("162"));
    assert!(answer.text().starts_with(
        "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    ));
    let mut client = lab.connect().await;
    client
        .send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let head = client.head().await.unwrap();
    assert_eq!(field(&head, "content-length"), Some("5"));
    assert_eq!(
        client.answer().await.text(),
        "hello",
        "nothing came between"
    );
}

#[tokio::test]
async fn redirects_fill_in_what_was_asked_for() {
    let mut lab = Lab::new();
    let redirect = |path: &str, query: &str, status_code| Action::Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: path.into(),
        query: query.into(),
        status_code,
    };
    *lab.rules() = vec![
        rule(
            vec![Condition::PathPattern(values(&["/old/*"]))],
            redirect("/new/#{path}", "from=#{port}&#{query}", 302),
        ),
        rule(vec![], redirect("/#{path}", "#{query}", 301)),
    ];
    lab.start().await;
    let answer = lab.get("/a/b?x=1&y=#{host}").await;
    assert_eq!(answer.status(), 301);
    let expected = "https://example.com:443/a/b?x=1&y=#{host}";
    assert_eq!(answer.field("location"), Some(expected));
    assert_eq!(answer.field("content-length"), Some("134"));
    let answer = lab.get("/old/x").await;
    assert_eq!(
        answer.field("location"),
        Some("https://example.com:443/new/old/x?from=8080&")
    );
    assert!(answer.head.starts_with("HTTP/1.1 302 Found\r\n"));
    assert_eq!(answer.field("content-length"), Some("110"));
    assert_eq!(
        lab.get("/").await.field("location"),
        Some("https://example.com:443/")
    );
}

#[tokio::test]
async fn weights_are_kept_and_groups_without_weight_get_nothing() {
    let mut lab = Lab::new();
    let mut groups = Vec::new();
    for name in ["blue", "green", "red"] {
        groups.push(group(name, &[target(Echo(name)).await]));
    }
    lab.told.target_groups = groups;
    lab.rules()[0] = rule(vec![], forward(&[("blue", 90), ("green", 10), ("red", 0)]));
    lab.start().await;
    let mut client = lab.connect().await;
    let mut green = 0;
    for _ in 0..200 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let text = client.answer().await.text();
        assert!(!text.starts_with("red"));
        green += usize::from(text.starts_with("green"));
    }
    assert!((18..=22).contains(&green), "{green} of 200");
}

#[tokio::test]
async fn transforms_rewrite_the_host_and_the_url() {
    let mut lab = Lab::with(Echo("blue")).await;
    lab.rules()[0].transforms = vec![
        Transform::UrlRewrite {
            regex: "^/api/v([0-9]+)/(.*)$".into(),
            replace: "/v$1-api/$2".into(),
        },
        Transform::HostHeaderRewrite {
            regex: "^(.*)\\.example\\.com$".into(),
            replace: "$1.internal".into(),
        },
    ];
    lab.start().await;
    let request = "GET /api/v2/users?a=b HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    // A connection that was just made sees what was told last.
    let text = lab.ask(request).await.text();
    assert!(
        text.starts_with("blue\nGET /v2-api/users?a=b HTTP/1.1\r\n"),
        "{text}"
    );
    assert_eq!(field(&text, "host"), Some("www.internal:8080"));
}
