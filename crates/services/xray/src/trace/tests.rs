//! What documents may be, and what they say together.

use super::{CauseKind, Digest, Document, TraceId, assemble, read};
use neargate_base::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);
const TRACE: &str = "1-6553f100-a006649127e371903a2de979";

/// A segment of [`TRACE`] that began `start` seconds after it and took `seconds`.
pub fn segment(id: &str, name: &str, start: f64, seconds: f64, more: Value) -> Value {
    let start = 1_700_000_000.0 + start;
    let mut segment = json!({"trace_id": TRACE, "id": id, "name": name, "start_time": start,
        "end_time": start + seconds});
    let all = segment.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    segment
}

fn code(document: &Value) -> Option<&'static str> {
    code_of(&document.to_string())
}

fn code_of(text: &str) -> Option<&'static str> {
    let read = read(text, NOW);
    assert_eq!(read.len(), 1);
    read[0].as_ref().err().map(|why| why.code)
}

#[test]
fn ids() {
    let id = TraceId::parse(TRACE).expect("an id");
    assert_eq!(id.epoch(), 1_700_000_000);
    assert_eq!(id.to_string(), TRACE);
    let no = [
        "",
        "1-6553f100-a006649127e371903a2de97",
        "2-6553f100-a006649127e371903a2de979",
        "1-6553f1z0-a006649127e371903a2de979",
        "1-6553f100a006649127e371903a2de979-",
        "1-6553f10é-a006649127e371903a2de979",
    ];
    assert!(no.iter().all(|text| TraceId::parse(text).is_none()));
}

#[test]
fn documents_are_checked() {
    let good = segment("70de5b6f19ff9a0a", "example.com", 0.0, 0.5, json!({}));
    assert_eq!(code(&good), None);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        code(&changed)
    };
    let without = |name: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().expect("an object").remove(name);
        code(&changed)
    };
    assert_eq!(without("id"), Some("MissingId"));
    assert_eq!(with("id", json!("70de5b6f19ff9a0")), Some("InvalidId"));
    assert_eq!(without("trace_id"), Some("MissingTraceId"));
    assert_eq!(with("trace_id", json!("x")), Some("InvalidTraceId"));
    let old = "1-581cf771-a006649127e371903a2de979";
    assert_eq!(with("trace_id", json!(old)), Some("InvalidTraceId"));
    assert_eq!(without("name"), Some("MissingName"));
    assert_eq!(with("name", json!("a?b")), Some("InvalidName"));
    assert_eq!(with("name", json!("x".repeat(201))), Some("InvalidName"));
    assert_eq!(with("name", json!("Größe #1: a/b")), None);
    assert_eq!(without("start_time"), Some("MissingStartTime"));
    assert_eq!(with("start_time", json!("now")), Some("InvalidStartTime"));
    assert_eq!(with("start_time", json!(1e308)), Some("InvalidStartTime"));
    assert_eq!(without("end_time"), Some("MissingEndTime"));
    assert_eq!(
        with("end_time", json!(1_699_999_999.0)),
        Some("InvalidEndTime")
    );
    assert_eq!(with("type", json!("subsegment")), Some("MissingParentId"));
    assert_eq!(with("type", json!("other")), Some("InvalidType"));
    assert_eq!(with("parent_id", json!("x")), Some("InvalidParentId"));
    let begun = json!({"trace_id": TRACE, "id": "70de5b6f19ff9a0a", "name": "a",
        "start_time": 1_700_000_000.0, "in_progress": true});
    assert_eq!(code(&begun), None);
    assert_eq!(code_of("x"), Some("ParseError"));
    assert_eq!(code_of("[]"), Some("MissingId"));
    assert_eq!(code_of("[1]"), Some("ParseError"));
    assert_eq!(code_of(&"[".repeat(60_000)), Some("ParseError"));
    assert_eq!(code_of(&"x".repeat(70_000)), Some("SegmentTooLarge"));
    let two = json!([good, good]).to_string();
    assert_eq!(read(&two, NOW).iter().filter(|one| one.is_ok()).count(), 2);
}

fn digest(documents: &[Value]) -> Digest {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    Digest::of(&assemble(&texts))
}

/// A web server that called a table and another service, which failed.
pub fn shop() -> Vec<Value> {
    vec![
        segment(
            "1000000000000001",
            "web",
            0.0,
            1.0,
            json!({
            "origin": "AWS::ECS::Container", "user": "alice",
            "aws": {"ec2": {"instance_id": "i-1", "availability_zone": "us-east-1a"}},
            "http": {"request": {"url": "http://web/cart", "method": "GET", "client_ip": "10.0.0.1"},
                "response": {"status": 502}},
            "fault": true, "annotations": {"customer": 12, "plan": "gold", "beta": true},
            "subsegments": [
                {"id": "1000000000000002", "name": "DynamoDB", "namespace": "aws",
                 "start_time": 1_700_000_000.1, "end_time": 1_700_000_000.2,
                 "aws": {"table_name": "carts", "operation": "GetItem"},
                 "http": {"response": {"status": 200}}},
                {"id": "1000000000000003", "name": "prices", "namespace": "remote", "fault": true,
                 "start_time": 1_700_000_000.2, "end_time": 1_700_000_000.9,
                 "http": {"request": {"url": "http://prices/", "traced": true}, "response": {"status": 500}}}]}),
        ),
        segment(
            "1000000000000004",
            "prices",
            0.25,
            0.6,
            json!({
            "parent_id": "1000000000000003", "origin": "AWS::ECS::Container", "fault": true,
            "http": {"response": {"status": 500}}}),
        ),
        segment(
            "1000000000000005",
            "## load",
            0.3,
            0.5,
            json!({
            "type": "subsegment", "parent_id": "1000000000000004", "fault": true,
            "annotations": {"plan": "silver"},
            "cause": {"exceptions": [{"id": "1", "type": "KeyError", "message": "no price"}]}}),
        ),
    ]
}

#[test]
fn what_was_sent_apart_is_put_together() {
    let texts: Vec<String> = shop().iter().map(Value::to_string).collect();
    let shown = assemble(&texts);
    let names: Vec<&str> = shown
        .iter()
        .map(|s| s.document["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["web", "prices", "DynamoDB"]);
    assert_eq!(shown[1].document["subsegments"][0]["name"], "## load");
    let inferred = &shown[2].document;
    assert_eq!(inferred["inferred"], true);
    assert_eq!(inferred["origin"], "AWS::DynamoDB::Table");
    assert_eq!(inferred["parent_id"], "1000000000000002");
    let trace = digest(&shop());
    assert!(!trace.partial);
    assert_eq!(trace.root().map(|r| r.service.name.as_str()), Some("web"));
    let edges: Vec<(&str, &str)> = trace
        .edges
        .iter()
        .map(|e| {
            let name = |at: usize| trace.nodes[at].service.name.as_str();
            (name(e.from), name(e.to))
        })
        .collect();
    assert_eq!(edges, [("web", "carts"), ("web", "prices")]);
    let path = &trace.causes[CauseKind::Fault as usize][0];
    let names: Vec<&str> = path.iter().map(|s| s.service.name.as_str()).collect();
    assert_eq!(names, ["web", "prices"]);
    let last = path
        .last()
        .and_then(|s| s.entities.last())
        .expect("an entity");
    assert_eq!(last.name, "## load");
    assert_eq!(last.exceptions[0].message.as_deref(), Some("no price"));
}

#[test]
fn what_is_missing_makes_a_trace_partial() {
    let all = shop();
    assert!(
        digest(&all[..1]).partial,
        "what was called traces, and said nothing yet"
    );
    assert!(
        digest(&all[1..2]).root.is_some(),
        "who called is not there yet"
    );
    let alone = digest(&all[2..]);
    assert!(alone.partial && alone.nodes.is_empty() && alone.root.is_none());
    let mut round = segment("1000000000000001", "a", 0.0, 1.0, json!({}));
    round["parent_id"] = json!("1000000000000001");
    assert_eq!(digest(&[round]).edges.len(), 0);
    let one = segment(
        "1000000000000001",
        "a",
        0.0,
        1.0,
        json!({"parent_id": "1000000000000002"}),
    );
    let two = segment(
        "1000000000000002",
        "b",
        0.0,
        1.0,
        json!({"parent_id": "1000000000000001"}),
    );
    assert_eq!(
        digest(&[one, two]).root,
        None,
        "each says that the other called it"
    );
}

#[test]
fn deep_chains_do_not_overflow() {
    let id = |at: usize| format!("{at:016x}");
    let chain = (1..4_000).map(|at| {
        let more = json!({"type": "subsegment", "parent_id": id(at - 1), "namespace": "remote"});
        segment(&id(at), "step", 0.0, 1.0, more)
    });
    let mut all: Vec<Value> = chain.collect();
    all.push(segment(&id(0), "root", 0.0, 1.0, json!({})));
    let trace = digest(&all);
    assert!(trace.root.is_some());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-f0-9]{0,16}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("id"),
        Just("name"),
        Just("trace_id"),
        Just("parent_id"),
        Just("type"),
        Just("start_time"),
        Just("end_time"),
        Just("in_progress"),
        Just("subsegments"),
        Just("http"),
        Just("aws"),
        Just("cause"),
        Just("exceptions"),
        Just("annotations"),
        Just("namespace"),
        Just("response"),
        Just("status"),
        Just("request"),
        Just("origin"),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..10).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_does_harm(values in prop::collection::vec(any_json(), 0..6)) {
        let texts: Vec<String> = values.iter().map(Value::to_string).collect();
        for text in &texts {
            for one in read(text, NOW) {
                let is_reversed = one.is_ok_and(|document: Document| document.end < document.start);
                prop_assert!(!is_reversed);
            }
        }
        let trace = Digest::of(&assemble(&texts));
        prop_assert!(trace.edges.iter().all(|e| e.from < trace.nodes.len() && e.to < trace.nodes.len()));
        prop_assert!(trace.seconds() >= 0.0);
    }

    #[test]
    fn no_text_does_harm(text in ".{0,200}") {
        read(&text, NOW);
    }
}
