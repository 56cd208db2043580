//! The cases of AWS's http-desync-guardian (<https://github.com/aws/http-desync-guardian>, Copyright
//! Amazon.com, Inc. or its affiliates, Apache-2.0), as `desync-cases.json` has them: method, target, version,
//! fields, tier, reason.

use super::lab::*;
use crate::load_balancer::http::desync::{Class, Tier};
use crate::load_balancer::http::framing;
use crate::load_balancer::http::head::Request;

type Case = (
    String,
    String,
    String,
    Vec<(String, String)>,
    String,
    String,
);

/// The request of a case. Characters are bytes there.
fn text(case: &Case) -> Vec<u8> {
    let (method, target, version, fields, ..) = case;
    let mut text = format!("{method} {target} {version}\r\nHost: a\r\n");
    for (name, value) in fields
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
    {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    let byte = |c| u8::try_from(c).map_or(char::to_string(&c).into_bytes(), |byte| vec![byte]);
    text.chars().flat_map(byte).collect()
}

/// The status with which it is refused, if it is.
fn class(text: &[u8]) -> Result<Class, u16> {
    let request = Request::parse(text.to_vec().into()).map_err(|wrong| wrong.0)?;
    framing::of_request(&request).map_err(|wrong| wrong.0)?;
    Ok(Class::of(&request))
}

/// One that is neither `chunked` nor `identity`.
fn has_other_coding(case: &Case) -> bool {
    let is_other = |(name, value): &(String, String)| {
        let is_known = ["chunked", "identity"].contains(&value.trim());
        name.eq_ignore_ascii_case("transfer-encoding") && !is_known
    };
    case.3.iter().any(is_other)
}

#[test]
fn no_request_is_taken_for_less_dangerous_than_it_is() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("desync-cases.json")).unwrap();
    assert_eq!(cases.len(), 159);
    let is_right = |case: &&Case| match (case.4.as_str(), class(&text(case))) {
        // Codings other than `chunked` and `identity` are not supported by load balancers.
        ("Compliant", Err(_)) => has_other_coding(case) || case.1.is_empty(),
        ("Compliant", Ok(found)) => found.tier == Tier::Compliant,
        ("Acceptable", Ok(found)) => found.tier == Tier::Acceptable && found.reason == case.5,
        ("Ambiguous", Ok(found)) => found.tier == Tier::Ambiguous && found.reason == case.5,
        (_, found) => found.is_err(),
    };
    let wrong: Vec<_> = cases.iter().filter(|case| !is_right(case)).collect();
    let found = wrong.iter().map(|case| class(&text(case)));
    assert!(
        wrong.is_empty(),
        "{:#?}",
        wrong.iter().zip(found).collect::<Vec<_>>()
    );
    let refused = cases.iter().filter(|case| class(&text(case)).is_err());
    println!(
        "{} of {} are taken in no mode",
        refused.count(),
        cases.len()
    );
}

#[tokio::test]
async fn modes_say_what_becomes_of_a_tier() {
    let acceptable = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let ambiguous = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent_Length: 1\r\n\r\nx";
    for (mode, of_acceptable, of_ambiguous) in [
        ("monitor", (200, "keep-alive"), (200, "keep-alive")),
        ("defensive", (200, "keep-alive"), (200, "close")),
        ("strictest", (400, "close"), (400, "close")),
    ] {
        let mut lab = Lab::with(Echo("one")).await;
        lab.set("routing.http.desync_mitigation_mode", mode);
        lab.start().await;
        for (request, expected) in [(acceptable, of_acceptable), (ambiguous, of_ambiguous)] {
            let answer = lab.ask(request).await;
            let found = (answer.status(), answer.field("connection").unwrap());
            assert_eq!(found, expected, "{mode}: {request}");
        }
    }
}
