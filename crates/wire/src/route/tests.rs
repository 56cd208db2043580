//! Each way of addressing a service, and what must not be one.

use super::*;
use crate::model;
use http::Request;
use serde_json::json;
use std::sync::LazyLock;

fn service(
    id: &str,
    metadata: serde_json::Value,
    operations: &[(&str, &str, &str)],
) -> &'static Service {
    let operations: serde_json::Map<_, _> = operations
        .iter()
        .map(|(name, method, uri)| {
            let http = json!({ "method": method, "requestUri": uri });
            (
                (*name).to_owned(),
                json!({ "name": name, "http": http, "input": { "shape": "In" } }),
            )
        })
        .collect();
    let shapes = json!({ "In": { "type": "structure", "members": {} } });
    let model = json!({ "metadata": metadata, "operations": operations, "shapes": shapes });
    model::load(id, &model, |_| true).unwrap()
}

static SERVICES: LazyLock<Vec<&'static Service>> = LazyLock::new(|| {
    let rpc = |name: &'static str| (name, "POST", "/");
    vec![
        service(
            "s3",
            json!({ "protocol": "rest-xml", "endpointPrefix": "s3", "apiVersion": "2006-03-01" }),
            &[
                ("GetObject", "GET", "/{Bucket}/{Key+}"),
                ("ListObjects", "GET", "/{Bucket}"),
                ("GetBucketAcl", "GET", "/{Bucket}?acl"),
                ("ListBuckets", "GET", "/"),
            ],
        ),
        service(
            "ecs",
            json!({ "protocol": "json", "jsonVersion": "1.1", "endpointPrefix": "ecs",
                    "targetPrefix": "AmazonEC2ContainerServiceV20141113", "apiVersion": "2014-11-13" }),
            &[rpc("RunTask"), rpc("ListTasks")],
        ),
        service(
            "ecr",
            json!({ "protocol": "json", "jsonVersion": "1.1", "endpointPrefix": "api.ecr",
                    "signingName": "ecr", "targetPrefix": "AmazonEC2ContainerRegistry_V20150921" }),
            &[rpc("DescribeImages")],
        ),
        service(
            "cloudwatch",
            json!({ "protocols": ["smithy-rpc-v2-cbor", "json", "query"], "jsonVersion": "1.0",
                    "endpointPrefix": "monitoring", "serviceId": "CloudWatch",
                    "targetPrefix": "GraniteServiceVersion20100801", "apiVersion": "2010-08-01" }),
            &[rpc("PutMetricData")],
        ),
        service(
            "sts",
            json!({ "protocol": "query", "endpointPrefix": "sts", "apiVersion": "2011-06-15" }),
            &[rpc("GetCallerIdentity")],
        ),
        service(
            "ec2",
            json!({ "protocol": "ec2", "endpointPrefix": "ec2", "apiVersion": "2016-11-15" }),
            &[rpc("DescribeVpcs")],
        ),
        service(
            "ses",
            json!({ "protocol": "query", "endpointPrefix": "email", "signingName": "ses",
                    "apiVersion": "2010-12-01" }),
            &[rpc("ListIdentities")],
        ),
        service(
            "sesv2",
            json!({ "protocol": "rest-json", "endpointPrefix": "email", "signingName": "ses",
                    "apiVersion": "2019-09-27" }),
            &[("ListEmailIdentities", "GET", "/v2/email/identities")],
        ),
        service(
            "appmesh",
            json!({ "protocol": "rest-json", "endpointPrefix": "appmesh", "apiVersion": "2019-01-25" }),
            &[
                ("ListMeshes", "GET", "/v20190125/meshes"),
                ("DescribeMesh", "GET", "/v20190125/meshes/{meshName}"),
            ],
        ),
    ]
});

/// `METHOD target` and headers as `name: value` lines.
fn parts(line: &str, headers: &[(&str, &str)]) -> Parts {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// A route in one line.
fn go(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    match route(&parts(line, headers), body.as_bytes(), &SERVICES) {
        Route::Aws(Found {
            service,
            protocol,
            operation,
            name,
        }) => {
            let operation = match (operation, name) {
                (Some(op), Some(_)) => op.name.to_owned(),
                (_, Some(name)) => format!("?{name}"),
                (_, None) => "-".to_owned(),
            };
            format!("{} {protocol:?} {operation}", service.id)
        }
        Route::Unserved {
            name,
            protocol,
            operation,
        } => {
            format!(
                "unserved {name} {protocol:?} {}",
                operation.unwrap_or_default()
            )
        }
        Route::Door(door) => format!("{door:?}"),
        other => format!("{other:?}"),
    }
}

const FORM: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
);
const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

fn signed(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

#[test]
fn credential_scope() {
    let ecs = signed("ecs");
    let auth = ("authorization", ecs.as_str());
    let target = ("x-amz-target", "AmazonEC2ContainerServiceV20141113.RunTask");
    assert_eq!(
        go("POST /", &[auth, target, JSON], ""),
        "ecs AwsJson11 RunTask"
    );
    let target = ("x-amz-target", "AmazonEC2ContainerServiceV20141113.Nope");
    assert_eq!(
        go("POST /", &[auth, target, JSON], ""),
        "ecs AwsJson11 ?Nope"
    );
    let json10 = ("content-type", "application/x-amz-json-1.0");
    assert_eq!(
        go("POST /", &[auth, target, json10], ""),
        "ecs AwsJson10 ?Nope"
    );
    let foreign = ("x-amz-target", "Other.RunTask");
    assert_eq!(
        go("POST /", &[auth, foreign, JSON], ""),
        "ecs AwsJson11 ?Other.RunTask"
    );
    assert_eq!(go("POST /", &[auth, JSON], ""), "ecs AwsJson11 -");
    let sts = signed("sts");
    let auth = ("authorization", sts.as_str());
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(
        go("POST /", &[auth, FORM], body),
        "sts Query GetCallerIdentity"
    );
    assert_eq!(go("POST /", &[auth, FORM], "Action=X"), "sts Query ?X");
    assert_eq!(go("POST /", &[auth, FORM], ""), "sts Query -");
    let sqs = signed("sqs");
    let auth = ("authorization", sqs.as_str());
    let target = ("x-amz-target", "AmazonSQS.SendMessage");
    let json10 = ("content-type", "application/x-amz-json-1.0");
    assert_eq!(
        go("POST /", &[auth, target, json10], ""),
        "unserved sqs AwsJson10 SendMessage"
    );
    assert_eq!(
        go("POST /", &[auth, FORM], "Action=A"),
        "unserved sqs Query A"
    );
    // Two services of one name: what is asked tells which.
    let ses = signed("ses");
    let auth = ("authorization", ses.as_str());
    assert_eq!(
        go("GET /v2/email/identities", &[auth], ""),
        "sesv2 RestJson ListEmailIdentities"
    );
    assert_eq!(go("GET /v2/none", &[auth], ""), "sesv2 RestJson -");
    assert_eq!(go("POST /", &[auth, FORM], ""), "ses Query -");
    assert_eq!(
        go(
            "POST /",
            &[auth, FORM],
            "Action=ListIdentities&Version=2010-12-01"
        ),
        "ses Query ListIdentities"
    );
    let lambda = signed("lambda");
    let auth = ("authorization", lambda.as_str());
    assert_eq!(
        go("GET /2015-03-31/functions/", &[auth], ""),
        "unserved lambda RestJson "
    );
}

#[test]
fn a_scope_wins_over_paths_but_not_over_our_own() {
    let s3 = signed("s3");
    let auth = ("authorization", s3.as_str());
    assert_eq!(go("GET /v2/key", &[auth], ""), "s3 RestXml GetObject");
    assert_eq!(go("GET /health", &[auth], ""), "s3 RestXml ListObjects");
    assert_eq!(go("GET /b/?acl", &[auth], ""), "s3 RestXml GetBucketAcl");
    assert_eq!(go("GET /b/a/b%20c/", &[auth], ""), "s3 RestXml GetObject");
    assert_eq!(go("POST /_neargate/reset", &[auth], ""), "Internal");
    let presigned = "GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261123%2Fr%2Fs3%2Faws4_request";
    assert_eq!(go(presigned, &[], ""), "s3 RestXml GetObject");
    let presigned = "GET /?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=A%2F2%2Fr%2Fsts%2Faws4_request";
    assert_eq!(go(presigned, &[], ""), "sts Query GetCallerIdentity");
}

#[test]
fn unsigned_calls() {
    let target = (
        "x-amz-target",
        "AmazonEC2ContainerRegistry_V20150921.DescribeImages",
    );
    assert_eq!(
        go("POST /", &[target, JSON], ""),
        "ecr AwsJson11 DescribeImages"
    );
    let target = ("x-amz-target", "DynamoDB_20120810.ListTables");
    let got = go("POST /", &[target, JSON], "");
    assert_eq!(got, "unserved DynamoDB_20120810 AwsJson11 ListTables");
    let got = go("GET /?Action=DescribeVpcs&Version=2016-11-15", &[], "");
    assert_eq!(got, "ec2 Ec2 DescribeVpcs");
    assert_eq!(
        go("POST /", &[FORM], "Version=2016-11-15&Action=DescribeVpcs"),
        "ec2 Ec2 DescribeVpcs"
    );
    assert_eq!(
        go("POST /", &[FORM], "Action=GetCallerIdentity"),
        "sts Query GetCallerIdentity"
    );
    assert_eq!(
        go("POST /", &[FORM], "Action=Nothing&Version=1"),
        "unserved unknown Query Nothing"
    );
    assert_eq!(
        go("GET /v20190125/meshes/m", &[], ""),
        "appmesh RestJson DescribeMesh"
    );
}

#[test]
fn cloudwatch_speaks_three_protocols() {
    let scope = signed("monitoring");
    let auth = ("authorization", scope.as_str());
    let cbor = [
        auth,
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
    ];
    for name in ["GraniteServiceVersion20100801", "CloudWatch"] {
        let line = format!("POST /service/{name}/operation/PutMetricData");
        assert_eq!(go(&line, &cbor, ""), "cloudwatch RpcV2Cbor PutMetricData");
        assert_eq!(
            go(&line, &cbor[1..], ""),
            "cloudwatch RpcV2Cbor PutMetricData"
        );
    }
    let target = (
        "x-amz-target",
        "GraniteServiceVersion20100801.PutMetricData",
    );
    let json = ("content-type", "application/x-amz-json-1.0");
    assert_eq!(
        go("POST /", &[auth, target, json], ""),
        "cloudwatch AwsJson10 PutMetricData"
    );
    let body = "Action=PutMetricData&Version=2010-08-01";
    assert_eq!(
        go("POST /", &[auth, FORM], body),
        "cloudwatch Query PutMetricData"
    );
}

#[test]
fn our_own_paths() {
    for (line, want) in [
        ("GET /v2/", "Registry"),
        ("GET /v2", "Registry"),
        ("PUT /v2/a/b/manifests/latest", "Registry"),
        ("GET /v4/0123/task", "TaskMetadata"),
        ("GET /health", "Health"),
        ("GET /console", "Console"),
        ("HEAD /console/ecs/clusters", "Console"),
        ("POST /console", "Unknown"),
        ("GET /consoles", "Unknown"),
        ("POST /_neargate/reset", "Internal"),
        ("GET /_neargate", "Internal"),
        ("POST /health", "Unknown"),
        ("GET /v20190125", "Unknown"),
        ("GET /_neargateway", "Unknown"),
        ("GET /", "Unknown"),
        // Where the operations of every JSON and query service are.
        ("POST /", "Unknown"),
        ("GET /bucket/key", "Unknown"),
        ("PUT /bucket", "Unknown"),
    ] {
        assert_eq!(go(line, &[], ""), want, "{line}");
    }
    let basic = ("authorization", "Basic QVdTOng=");
    assert_eq!(go("GET /v2/token", &[basic], ""), "Registry");
}

#[test]
fn host_names() {
    let at = |line: &str, host: &str| go(line, &[("host", host)], "");
    for path in ["GET /v2/x", "GET /console/x"] {
        assert_eq!(
            at(path, "bucket.s3.eu-west-1.amazonaws.com"),
            "s3 RestXml GetObject"
        );
    }
    assert_eq!(at("GET /", "s3.localhost:4566"), "s3 RestXml ListBuckets");
    assert_eq!(
        at("POST /", "ecs.eu-west-1.amazonaws.com"),
        "ecs AwsJson11 -"
    );
    assert_eq!(
        at("POST /", "api.ecr.eu-west-1.amazonaws.com"),
        "ecr AwsJson11 -"
    );
    assert_eq!(
        at("GET /x", "000000000000.dkr.ecr.eu-west-1.amazonaws.com"),
        "Registry"
    );
    assert_eq!(at("GET /", "127.0.0.1:4566"), "Unknown");
    assert_eq!(at("GET /v2/", "[::1]:4566"), "Registry");
}

#[test]
fn only_forms_need_their_body() {
    assert!(needs_body(&parts("POST /", &[FORM])));
    assert!(!needs_body(&parts("POST /?Action=A", &[FORM])));
    assert!(!needs_body(&parts("POST /", &[JSON])));
    assert!(!needs_body(&parts("PATCH /v2/a/blobs/uploads/1", &[])));
    assert!(!needs_body(&parts("POST /v2/a/blobs/uploads/", &[FORM])));
    assert!(!needs_body(&parts("POST /_neargate/reset", &[FORM])));
}

#[test]
fn unknown_operations_in_aws_words() {
    let service: &'static Service = SERVICES.iter().find(|s| s.id == "sts").unwrap();
    let say = |protocol, name: Option<&str>| {
        let name = name.map(str::to_owned);
        unknown_operation(&Found {
            service,
            protocol,
            operation: None,
            name,
        })
    };
    let got = say(Protocol::Query, Some("Nope"));
    assert_eq!(got.code, "InvalidAction");
    assert_eq!(
        got.message,
        "Could not find operation Nope for version 2011-06-15"
    );
    assert_eq!(
        say(Protocol::AwsJson11, Some("Nope")).code,
        "UnknownOperationException"
    );
    assert_eq!(say(Protocol::RestXml, None).status, 404);
    assert_eq!(say(Protocol::Query, None).code, "MissingAction");
}

#[test]
fn hostile_requests_do_not_panic() {
    for (name, value) in [
        ("authorization", "AWS4-HMAC-SHA256 Credential="),
        ("authorization", "AWS4-HMAC-SHA256 Credential=/"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=//////"),
        ("x-amz-target", "."),
        ("x-amz-target", "x"),
        ("host", ":"),
        ("host", "..."),
    ] {
        go("POST /", &[(name, value)], "");
        go(
            "GET /?X-Amz-Credential=%ff%2F%2F&Action=%ff",
            &[(name, value)],
            "",
        );
    }
}
