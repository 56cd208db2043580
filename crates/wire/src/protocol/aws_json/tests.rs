use super::*;
use crate::model;
use serde_json::json;

fn service() -> &'static Service {
    let model = json!({
        "metadata": {"protocol": "json", "jsonVersion": "1.1", "awsQueryCompatible": {}},
        "operations": {
            "Op": {"name": "Op", "input": {"shape": "In"}, "output": {"shape": "In"},
                   "errors": [{"shape": "Gone"}, {"shape": "Busy"}]},
            "None": {"name": "None"}
        },
        "shapes": {
            "In": {"type": "structure", "members": {"s": {"shape": "S"}}},
            "Gone": {"type": "structure", "members": {"Message": {"shape": "S"}}, "exception": true,
                     "error": {"code": "GoneCode", "httpStatusCode": 404, "senderFault": true}},
            "Busy": {"type": "structure", "members": {}, "exception": true, "fault": true},
            "S": {"type": "string"}
        }
    });
    model::load("test", &model, |_| true).unwrap()
}

fn error(code: &str, fault: Fault) -> ErrorReply {
    ErrorReply {
        code: code.into(),
        message: "text".into(),
        status: 404,
        fault,
        fields: vec![("id".into(), json!("x"))],
        request_id: "r-1".into(),
    }
}

#[test]
fn replies_carry_the_request_id() {
    let op = service().operation("Op").unwrap();
    let output = Value::Struct(vec![(0, Value::Str("é\"".into()))]);
    let reply = encode(service(), Protocol::AwsJson10, op, &output, "r-1");
    assert_eq!(reply.body(), "{\"s\":\"é\\\"\"}".as_bytes());
    assert_eq!(
        reply.headers()["content-type"],
        "application/x-amz-json-1.0"
    );
    assert_eq!(reply.headers()["x-amzn-requestid"], "r-1");
    let none = service().operation("None").unwrap();
    assert!(
        encode(service(), Protocol::AwsJson11, none, &output, "r")
            .body()
            .is_empty()
    );
    assert_eq!(
        decode(service(), none, &Request::new("junk".into())),
        Ok(Value::Struct(vec![]))
    );
}

#[test]
fn errors_have_awss_form() {
    let op = service().operation("Op");
    let reply = encode_error(
        service(),
        Protocol::AwsJson11,
        op,
        &error("GoneCode", Fault::Client),
    );
    assert_eq!(reply.status(), 404);
    let body: Tree = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(
        body,
        json!({"__type": "Gone", "Message": "text", "id": "x"})
    );
    assert_eq!(reply.headers()["x-amzn-errortype"], "Gone");
    assert_eq!(reply.headers()["x-amzn-query-error"], "GoneCode;Sender");

    let reply = encode_error(
        service(),
        Protocol::AwsJson11,
        None,
        &error("Odd", Fault::Server),
    );
    let body: Tree = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(body, json!({"__type": "Odd", "message": "text", "id": "x"}));
    assert_eq!(reply.headers()["x-amzn-query-error"], "Odd;Receiver");
    let busy = service().operation("Op").unwrap().error("Busy").unwrap();
    assert_eq!((busy.status, busy.fault), (500, Fault::Server));
}
