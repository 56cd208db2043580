//! Decisions are those of a second evaluator that reads the JSON itself, statement by statement,
//! without compiling anything: recursive wildcards, sets of allowed and denied.

use neargate_policy::{
    Context, Decision, Denial, Document, Guard, Policies, Request, Requester, RequesterKind, Use,
    evaluate,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const USER: &str = "arn:aws:iam::111122223333:user/ann";
const HOME: &str = "111122223333";

/// Does the text match, by trying everything?
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            wild(&pattern[1..], text) || (!text.is_empty() && wild(pattern, &text[1..]))
        }
        (Some(b'?'), Some(_)) => wild(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) if p == t => wild(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn any_wild(patterns: &Value, text: &str) -> bool {
    list(patterns)
        .iter()
        .any(|p| wild(p.as_bytes(), text.as_bytes()))
}

#[derive(Debug, Clone)]
struct Asked {
    action: String,
    resource: String,
    tag: Option<String>,
    number: Option<i64>,
}

fn condition_holds(operator: &str, values: &Value, asked: &Asked) -> bool {
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    if operator.starts_with("Numeric") {
        let Some(number) = asked.number else {
            return if_exists;
        };
        return list(values).iter().any(|v| {
            let wanted: i64 = v.parse().expect("a number");
            match operator {
                "NumericLessThan" => number < wanted,
                "NumericEquals" => number == wanted,
                other => panic!("{other}"),
            }
        });
    }
    let is_in = |tag: &str| match operator {
        "StringLike" | "StringNotLike" => any_wild(values, tag),
        _ => list(values).iter().any(|v| v == tag),
    };
    match (operator, &asked.tag) {
        ("Null", tag) => list(values).iter().any(|v| (v == "true") == tag.is_none()),
        ("StringEquals" | "StringLike", Some(tag)) => is_in(tag),
        ("StringEquals" | "StringLike", None) => if_exists,
        ("StringNotEquals" | "StringNotLike", Some(tag)) => !is_in(tag),
        ("StringNotEquals" | "StringNotLike", None) => true,
        other => panic!("{other:?}"),
    }
}

fn applies(statement: &Value, asked: &Asked) -> bool {
    let action = asked.action.to_lowercase();
    let lower = |v: &Value| json!(list(v).iter().map(|a| a.to_lowercase()).collect::<Vec<_>>());
    let about = match (&statement["Action"], &statement["NotAction"]) {
        (Value::Null, not) => !any_wild(&lower(not), &action),
        (actions, _) => any_wild(&lower(actions), &action),
    };
    let on = match (&statement["Resource"], &statement["NotResource"]) {
        (Value::Null, Value::Null) => true,
        (Value::Null, not) => !any_wild(not, &asked.resource),
        (resources, _) => any_wild(resources, &asked.resource),
    };
    let conditions = statement["Condition"].as_object();
    about
        && on
        && conditions.into_iter().flatten().all(|(operator, keys)| {
            let mut keys = keys.as_object().expect("keys").values();
            keys.all(|values| condition_holds(operator, values, asked))
        })
}

/// Allowed and denied by all statements of these documents.
fn said(documents: &[Value], asked: &Asked) -> (bool, bool) {
    let statements = documents
        .iter()
        .flat_map(|d| d["Statement"].as_array().expect("a list"));
    let applying: Vec<&Value> = statements.filter(|s| applies(s, asked)).collect();
    let has = |effect: &str| applying.iter().any(|s| s["Effect"] == effect);
    (has("Allow"), has("Deny"))
}

fn action() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*",
        "ecs:*",
        "ecs:Run*",
        "ECS:runtask",
        "ecs:R?nTask",
        "ecs:StopTask",
        "s3:*",
        "*:RunTask",
    ])
    .prop_map(str::to_owned)
}

fn resource() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*",
        "arn:aws:ecs:*:*:task/*",
        "arn:aws:ecs:us-east-1:111122223333:task/c/1",
        "arn:aws:ecs:us-east-1:111122223333:task/?/*",
        "arn:aws:ecs:us-east-1:111122223333:cluster/*",
        "arn:aws:ecs:*:task/c/*",
    ])
    .prop_map(str::to_owned)
}

fn conditions() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIfExists",
    ]);
    let values = prop::collection::vec(prop::sample::select(vec!["a", "b", "a*", "?"]), 1..3);
    let text = (texts, values).prop_map(|(o, v)| json!({ o: { "aws:ResourceTag/t": v } }));
    let null =
        prop::bool::ANY.prop_map(|b| json!({ "Null": { "aws:ResourceTag/t": b.to_string() } }));
    let orders = prop::sample::select(vec![
        "NumericLessThan",
        "NumericEquals",
        "NumericLessThanIfExists",
    ]);
    let number = (orders, 0..4i64).prop_map(|(o, n)| json!({ o: { "test:n": n.to_string() } }));
    prop_oneof![Just(Value::Null), text, null, number]
}

fn statement(of_resource: bool) -> impl Strategy<Value = Value> {
    let lists = prop::collection::vec(action(), 1..3);
    let resources = prop::collection::vec(resource(), 1..3);
    (
        prop::bool::ANY,
        lists,
        prop::bool::ANY,
        resources,
        prop::bool::ANY,
        conditions(),
    )
        .prop_map(
            move |(denies, actions, not_action, resources, not_resource, conditions)| {
                let mut statement = json!({ "Effect": if denies { "Deny" } else { "Allow" } });
                statement[if not_action { "NotAction" } else { "Action" }] = json!(actions);
                statement[if not_resource {
                    "NotResource"
                } else {
                    "Resource"
                }] = json!(resources);
                if !conditions.is_null() {
                    statement["Condition"] = conditions;
                }
                if of_resource {
                    statement["Principal"] = json!({ "AWS": USER });
                }
                statement
            },
        )
}

fn document(of_resource: bool) -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(of_resource), 1..4)
        .prop_map(|all| json!({ "Version": "2012-10-17", "Statement": all }))
}

fn asked() -> impl Strategy<Value = Asked> {
    let actions = prop::sample::select(vec!["ecs:RunTask", "ecs:StopTask", "s3:GetObject"]);
    let resources = prop::sample::select(vec![
        "arn:aws:ecs:us-east-1:111122223333:task/c/1",
        "arn:aws:ecs:us-east-1:111122223333:cluster/c",
        "*",
    ]);
    let tags = prop::option::of(prop::sample::select(vec!["a", "b", "ab"]));
    (actions, resources, tags, prop::option::of(0..4i64)).prop_map(
        |(action, resource, tag, number)| Asked {
            action: action.to_owned(),
            resource: resource.to_owned(),
            tag: tag.map(str::to_owned),
            number,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn both_decide_alike(
        identity in prop::collection::vec(document(false), 0..3),
        boundary in prop::option::of(document(false)),
        session in prop::option::of(document(false)),
        resource in prop::option::of(document(true)),
        away in prop::bool::ANY,
        asked in asked(),
    ) {
        let parse = |d: &Value| Arc::new(Document::parse(&d.to_string()).expect("a policy"));
        let own: Vec<_> = identity.iter().map(parse).collect();
        let bound = boundary.as_ref().map(parse);
        let bounds: Option<Vec<_>> = session.as_ref().map(|d| vec![parse(d)]);
        let of_resource = resource.as_ref().map(|d| {
            Document::parse_as(Use::Resource, &d.to_string()).expect("a policy")
        });
        let mut context = Context::new();
        if let Some(tag) = &asked.tag {
            context.set("aws:ResourceTag/t", tag);
        }
        if let Some(number) = asked.number {
            context.set("test:n", number.to_string());
        }
        let policies = Policies {
            identity: &own,
            boundary: bound.as_deref(),
            session: bounds.as_deref(),
            guard: Guard {
                account: Some(if away { "999999999999" } else { HOME }),
                document: of_resource.as_ref(),
                ..Guard::default()
            },
        };
        let request = Request {
            requester: Requester { kind: RequesterKind::User, arn: USER, account: HOME, role: None },
            action: &asked.action,
            resource: &asked.resource,
            context: &context,
        };
        let decided = evaluate(&policies, &request);

        let (by_identity, no_identity) = said(&identity, &asked);
        let (by_resource, no_resource) = said(resource.as_slice(), &asked);
        let (by_boundary, no_boundary) = said(boundary.as_slice(), &asked);
        let (by_session, no_session) = said(session.as_slice(), &asked);
        let denied = no_identity || no_resource || no_boundary || no_session;
        let bounded = (boundary.is_none() || by_boundary) && (session.is_none() || by_session);
        let expected = !denied && match away {
            true => by_identity && by_resource && bounded,
            false => by_resource || (by_identity && bounded),
        };
        prop_assert_eq!(decided.is_allowed(), expected, "{:?}", decided);
        let explicit = matches!(decided, Decision::Denied(Denial::Explicit(_)));
        prop_assert_eq!(explicit, denied);
    }
}
