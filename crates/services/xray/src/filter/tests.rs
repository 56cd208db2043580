//! The examples of AWS's guide, and more, on one trace.

use super::{matches, parse};
use crate::trace::tests::shop;
use crate::trace::{Digest, assemble};
use proptest::prelude::*;
use serde_json::Value;

fn trace() -> Digest {
    let texts: Vec<String> = shop().iter().map(Value::to_string).collect();
    Digest::of(&assemble(&texts))
}

fn holds(trace: &Digest, text: &str) -> bool {
    let expression = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    matches(&expression, trace, "123456789012")
}

#[test]
fn what_is_true_of_a_trace() {
    let trace = trace();
    for text in [
        "",
        "fault",
        "!ok",
        "ok = false",
        "fault = true AND !error",
        "fault !partial duration < 3",
        "responsetime > 0.5",
        "responseTime >= 1 and duration <= 1.5",
        "http.status != 200",
        "http.status = 502",
        "http.url BEGINSWITH \"http://web/\" AND http.url CONTAINS \"cart\" AND !service(\"other\")",
        "http.url AND responseTime > 0.2",
        "http.method = \"GET\" http.clientip ENDSWITH \".1\"",
        "user CONTAINS \"\"",
        "user = 'alice'",
        "instance.id = \"i-1\"",
        "availabilityzone BEGINSWITH \"us-east\"",
        "annotation.customer = 12",
        "annotation.customer > 11 annotation.customer < 13",
        "annotation.plan = \"gold\" AND annotation.plan = \"silver\"",
        "annotation[plan] CONTAINS \"old\"",
        "annotation[\"beta\"] = true",
        "annotation.beta",
        "!annotation.missing",
        "service(\"prices\") { fault }",
        "service() { fault }",
        "service(\"web\") { root = true and fault = true }",
        "service(id(name: \"web\", type: \"AWS::ECS::Container\")) { fault }",
        "service(id(type: \"AWS::DynamoDB::Table\")) { ok }",
        "service(id(account.id: \"123456789012\"))",
        "service(\"carts\") { inferred }",
        "service(\"prices\") { annotation.plan = \"silver\" }",
        "edge(\"web\", \"prices\") { fault }",
        "edge(\"web\", id(type: \"AWS::DynamoDB::Table\")) { ok responsetime < 0.2 }",
        "edge(\"web\", \"prices\")",
        "!edge(\"prices\", \"web\")",
        "rootcause.fault.service { name = \"prices\" }",
        "rootcause.fault.service { last and name = \"prices\" and index = 1 }",
        "rootcause.fault.service { first and name = web and type = \"AWS::ECS::Container\" }",
        "rootcause.fault.entity { last and name = \"## load\" }",
        "rootcause.fault.exception { last and message = \"no price\" }",
        "rootcause.fault.entity { remote }",
        "rootcause.responsetime.entity { last and coverage > 0.4 }",
        "!rootcause.error.service",
        "rootcause.json = #[{ \"Services\": [ { \"Name\": \"web\", \"EntityPath\": [{ \"Name\": \"web\" }, \
         { \"Name\": \"prices\" } ] }, { \"Name\": \"prices\" } ] }]",
        "(ok OR fault) AND (user = \"bob\" OR user = \"alice\")",
        "ok OR error OR fault",
    ] {
        assert!(holds(&trace, text), "{text}");
    }
}

#[test]
fn what_is_not_true_of_it() {
    let trace = trace();
    for text in [
        "ok",
        "throttle",
        "fault = false",
        "fault != true",
        "partial",
        "responsetime > 5",
        "http.status != 502",
        "user = \"bob\"",
        "user != \"alice\"",
        "annotation.customer != 12",
        "annotation.customer = \"12\"",
        "annotation.missing",
        "service(\"prices\") { ok }",
        "service(\"prices\") { root }",
        "service(\"web\") { annotation.plan = \"silver\" }",
        "edge(\"prices\", \"web\")",
        "rootcause.fault.service { first and name = \"prices\" }",
        "rootcause.json = #[{ \"Services\": [ { \"Name\": \"web\" } ] }]",
        "group.name = \"unknown\"",
        "ok OR fault AND user = \"bob\"",
    ] {
        assert!(!holds(&trace, text), "{text}");
    }
}

#[test]
fn what_is_no_expression() {
    for (text, why) in [
        ("fault AND", "a keyword is missing, at character 10"),
        ("foo = 1", "there is no keyword foo, at character 1"),
        (
            "responsetime > \"5\"",
            "a number is missing, at character 19",
        ),
        (
            "http.url = 5",
            "a text in quotation marks is missing, at character 13",
        ),
        (
            "http.url > \"x\"",
            "the operator is not one for text, at character 12",
        ),
        ("user = \"x", "a text has no end, at character 8"),
        ("(fault", ") is missing, at character 7"),
        ("fault)", "this does not belong here, at character 6"),
        (
            "service(\"a\") { service(\"b\") }",
            "there is no keyword service, at character 16",
        ),
        ("index > 1", "index has no meaning here, at character 1"),
        (
            "rootcause.fault.service { duration > 1 }",
            "duration has no meaning here, at character 27",
        ),
        (
            "rootcause.json = #[{",
            "what follows # is not JSON, at character 18",
        ),
        (
            "annotation.a > true",
            "the operator is not one for this value, at character 20",
        ),
        ("é ;", "this character has no meaning here, at character 3"),
    ] {
        let invalid = parse(text).map(|_| ()).expect_err(text);
        assert_eq!(invalid.to_string(), why, "{text}");
    }
    for deep in [
        "(".repeat(2_000),
        "!".repeat(2_000),
        "service() {".repeat(300),
    ] {
        assert!(parse(&deep).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_does_harm(text in ".{0,120}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_words_do_harm(words in prop::collection::vec(prop::sample::select(vec![
        "fault", "ok", "!", "AND", "OR", "(", ")", "{", "}", "service", "edge", "id", "name", ":", ",", "=", "!=",
        "<", ">", "\"x\"", "12", "-1e3", "annotation.a", "annotation", "[", "]", "rootcause.fault.entity", "last",
        "rootcause.json", "#[{}]", "group.name", "CONTAINS", "http.url", "duration", "true", "index",
    ]), 0..24)) {
        let text = words.join(" ");
        if let Ok(expression) = parse(&text) {
            matches(&expression, &trace(), "1");
        }
    }
}
