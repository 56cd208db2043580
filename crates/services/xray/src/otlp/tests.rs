//! Spans as segments.

use super::segment;
use crate::trace::{Digest, assemble};
use neargate_base::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn request() -> ExportTraceServiceRequest {
    let whole = json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "shop"), text("cloud.platform", "aws_ecs")] },
        "scopeSpans": [{ "spans": [
            { "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "GET /cart",
              "kind": 2, "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000500000000",
              "attributes": [text("http.request.method", "GET"), text("url.full", "http://shop/cart"),
                { "key": "http.response.status_code", "value": { "intValue": "500" } },
                text("customer.name", "alice"), text("aws.xray.annotations", "customer.name")],
              "events": [{ "name": "exception", "timeUnixNano": "1700000000400000000",
                "attributes": [text("exception.type", "KeyError"), text("exception.message", "no cart")] }] },
            { "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b175",
              "parentSpanId": "eee19b7ec3c1b174", "name": "DynamoDB.GetItem", "kind": 3,
              "startTimeUnixNano": "1700000000100000000", "endTimeUnixNano": "1700000000200000000",
              "attributes": [text("rpc.system", "aws-api"), text("rpc.service", "DynamoDB"),
                text("rpc.method", "GetItem"),
                { "key": "aws.dynamodb.table_names",
                  "value": { "arrayValue": { "values": [{ "stringValue": "carts" }] } } }] },
        ] }] }] });
    serde_json::from_value(whole).expect("a request")
}

#[test]
fn spans_become_a_trace() {
    let sent = request();
    let again = ExportTraceServiceRequest::decode(&sent.encode_to_vec()[..]).expect("decoded");
    assert_eq!(again, sent);
    let documents: Vec<String> = segment::of(sent, NOW)
        .into_iter()
        .map(|one| one.expect("taken").text)
        .collect();
    let shown = assemble(&documents);
    let first = &shown[0].document;
    assert_eq!(first["name"], "shop");
    assert_eq!(first["trace_id"], "1-5b8efff7-98038103d269b633813fc60c");
    assert_eq!(first["origin"], "AWS::ECS::Container");
    assert_eq!(first["fault"], true);
    assert_eq!(first["http"]["request"]["url"], "http://shop/cart");
    assert_eq!(first["annotations"]["customer_name"], "alice");
    assert_eq!(first["cause"]["exceptions"][0]["message"], "no cart");
    assert_eq!(first["subsegments"][0]["namespace"], "aws");
    let trace = Digest::of(&shown);
    assert_eq!(trace.nodes[1].service.name, "carts");
    assert_eq!(
        trace.nodes[1].service.kind.as_deref(),
        Some("AWS::DynamoDB::Table")
    );
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = ExportTraceServiceRequest::decode(&bytes[..]) {
            segment::of(request, NOW);
        }
    }
}
