//! What templates make of an event, as AWS was seen to do it.

use crate::input::{Known, NoJson, is_path, made, part, variables};
use neargate_api_events as api;
use serde_json::{Value, json};

const KNOWN: Known<'static> = Known {
    rule_arn: "arn:aws:events:us-east-1:000000000000:rule/r",
    rule_name: "r",
    ingestion_time: "2026-11-30T12:00:00Z",
};

fn event() -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "update", "source": "shop", "account": "0",
        "time": "2026-11-30T12:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {
            "command": "go \"now\"", "valid": true, "n": 7, "one": ["HIGH"], "two": ["ACTIVE", "INACTIVE"],
            "payload": {"acc_id": "0a", "sf_id": "baz"},
        },
    })
}

fn template(text: &str) -> Result<String, NoJson> {
    let names = ["command", "valid", "n", "one", "two", "payload", "missing"];
    let paths = names.map(|name| (name.to_owned(), format!("$.detail.{name}")));
    let target = api::Target {
        input_transformer: Some(api::InputTransformer {
            input_paths_map: Some(paths.into_iter().collect()),
            input_template: text.into(),
        }),
        ..Default::default()
    };
    made(&target, &event(), KNOWN)
}

#[test]
fn templates() {
    let cases = [
        (
            r#"{"c": <command>, "n": <n>}"#,
            r#"{"c": "go \"now\"", "n": 7}"#,
        ),
        (r#"{"c": "say <command>"}"#, r#"{"c": "say go \"now\""}"#),
        (
            r#"{"b": <payload>, "l": [<valid>, "x"]}"#,
            r#"{"b": {"acc_id":"0a","sf_id":"baz"}, "l": [true, "x"]}"#,
        ),
        (r#"{"m": <missing>}"#, r#"{"m": ""}"#),
        (r#""text <n> and <missing>!""#, r#""text 7 and !""#),
        (
            r#""<one> of <payload>""#,
            r#""[HIGH] of {acc_id:0a,sf_id:baz}""#,
        ),
        ("\"<n> a\"\n\"<two> b\"", "\"7 a\"\n\"[ACTIVE,INACTIVE] b\""),
        (r#""by <aws.events.rule-name>""#, r#""by r""#),
    ];
    for (text, wanted) in cases {
        assert_eq!(template(text).as_deref(), Ok(wanted), "{text}");
    }
    // What is no JSON then goes nowhere.
    assert_eq!(template(r#"{"a": "<one>"}"#), Err(NoJson));
    assert_eq!(template("<one> item"), Err(NoJson));
    let whole =
        template(r#"{"e": <aws.events.event>, "j": <aws.events.event.json>}"#).expect("JSON");
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(whole["e"]["detailType"], "update");
    assert!(whole["e"].get("detail").is_none());
    assert_eq!(whole["j"], event());
}

#[test]
fn paths() {
    let event = event();
    let found = |path: &str| part(&event, path).cloned();
    assert_eq!(found("$"), Some(event.clone()));
    assert_eq!(found("$.detail.two[1]"), Some("INACTIVE".into()));
    assert_eq!(found("$['detail']['n']"), Some(7.into()));
    assert_eq!(found("$.detail.none.x"), None);
    for bad in ["", "detail", "$detail", "$.", "$.a..b", "$.a[0"] {
        assert!(!is_path(bad), "{bad}");
    }
    assert_eq!(
        variables("a <b> <<c>> <d e> <aws.events.event>"),
        ["b", "c", "aws.events.event"]
    );
}
