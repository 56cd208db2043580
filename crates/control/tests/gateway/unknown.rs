//! What is not served is said so: in the caller's protocol, with a request id.

use super::Lab;
use super::client::{ECS, Reply, form, json, request};
use neargate_service::Status;
use neargate_wire::schema::{Protocol, Service};

/// A call of `operation` in `protocol`, signed as the service's own.
fn call(service: &Service, protocol: Protocol, operation: &str) -> Option<Vec<u8>> {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0",
        service.signing_name
    );
    let signed = [
        ("Authorization", scope.as_str()),
        ("X-Amz-Date", "20231114T221320Z"),
    ];
    let prefix = service.target_prefix.unwrap_or_default();
    Some(match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            let version = if protocol == Protocol::AwsJson10 {
                "1.0"
            } else {
                "1.1"
            };
            let (kind, target) = (
                format!("application/x-amz-json-{version}"),
                format!("{prefix}.{operation}"),
            );
            let own = [
                ("Content-Type", kind.as_str()),
                ("X-Amz-Target", target.as_str()),
            ];
            request("POST", "/", &[&own[..], &signed[..]].concat(), b"{}")
        }
        Protocol::Query | Protocol::Ec2 => {
            let body = format!("Action={operation}&Version={}", service.api_version);
            form(&signed, body.as_bytes())
        }
        Protocol::RpcV2Cbor => {
            let path = format!("/service/{prefix}/operation/{operation}");
            let own = [
                ("Content-Type", "application/cbor"),
                ("Smithy-Protocol", "rpc-v2-cbor"),
            ];
            request("POST", &path, &[&own[..], &signed[..]].concat(), &[0xa0])
        }
        // The operation is the path and method, not a name.
        Protocol::RestJson | Protocol::RestXml => return None,
    })
}

/// The error has `code`, in the shape of `protocol`.
fn shaped(reply: &Reply, service: &Service, protocol: Protocol, code: &str) {
    let text = reply.text();
    let what = format!("{} {protocol:?}: {} {text}", service.id, reply.status);
    let id = reply.request_id();
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RestJson => {
            assert!(
                reply.header("content-type").starts_with("application/"),
                "{what}"
            );
            let named = reply.json()["__type"].as_str().map(str::to_owned);
            let named = named.unwrap_or_else(|| reply.header("x-amzn-errortype").to_owned());
            assert_eq!(named, code, "{what}");
        }
        Protocol::Query => {
            assert!(
                text.contains("<ErrorResponse") && text.contains(&format!("<Code>{code}</Code>")),
                "{what}"
            );
            assert!(
                text.contains(&format!("<RequestId>{id}</RequestId>")),
                "{what}"
            );
        }
        Protocol::Ec2 => {
            assert!(text.contains("<Response><Errors><Error>"), "{what}");
            assert!(text.contains(&format!("<Code>{code}</Code>")), "{what}");
            assert!(
                text.contains(&format!("<RequestID>{id}</RequestID>")),
                "{what}"
            );
        }
        Protocol::RestXml => {
            assert!(
                text.contains(&format!("<Code>{code}</Code>")) && text.contains(id),
                "{what}"
            );
        }
        Protocol::RpcV2Cbor => {
            assert_eq!(reply.header("smithy-protocol"), "rpc-v2-cbor", "{what}");
            assert_eq!(reply.header("content-type"), "application/cbor", "{what}");
            assert!(
                reply.body.windows(code.len()).any(|w| w == code.as_bytes()),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn operations_that_are_not_served_yet() {
    let lab = Lab::new().await;
    for service in neargate_api::SERVICES {
        let served = lab.control_plane.house.caller.service(service.id);
        let unserved = |name: &str| served.is_none_or(|s| s.status(name) == Status::NotYet);
        let Some(operation) = service.operations.iter().find(|o| unserved(o.name)) else {
            continue;
        };
        for protocol in service.protocols {
            let Some(bytes) = call(service, *protocol, operation.name) else {
                continue;
            };
            let reply = lab.send(bytes).await;
            assert_eq!(
                reply.status,
                501,
                "{} {protocol:?} {}",
                service.id,
                reply.text()
            );
            shaped(&reply, service, *protocol, "NotImplemented");
            let says = format!("{}:{}", service.id, operation.name);
            let body = reply.text();
            assert!(body.contains(&says), "{says} {body}");
        }
    }
}

#[tokio::test]
async fn operations_aws_does_not_have() {
    let lab = Lab::new().await;
    for service in neargate_api::SERVICES {
        for protocol in service.protocols {
            let Some(bytes) = call(service, *protocol, "MakeCoffee") else {
                continue;
            };
            let reply = lab.send(bytes).await;
            let code = match protocol {
                Protocol::Query | Protocol::Ec2 => "InvalidAction",
                _ => "UnknownOperationException",
            };
            assert_eq!(reply.status, 400, "{} {protocol:?}", service.id);
            shaped(&reply, service, *protocol, code);
        }
    }
}

#[tokio::test]
async fn paths_of_rest_services_that_do_not_exist() {
    let lab = Lab::new().await;
    for service in neargate_api::SERVICES {
        let rest = |p: &&Protocol| matches!(p, Protocol::RestJson | Protocol::RestXml);
        let Some(protocol) = service.protocols.iter().find(rest) else {
            continue;
        };
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0",
            service.signing_name
        );
        let signed = [
            ("Authorization", scope.as_str()),
            ("X-Amz-Date", "20231114T221320Z"),
        ];
        let reply = lab
            .send(request("PATCH", "/no/such/place", &signed, b""))
            .await;
        // Every path is an object's, so that S3 takes offence at the method.
        if service.id == "s3" {
            assert_eq!(reply.status, 405);
            assert!(reply.text().contains("<Code>MethodNotAllowed</Code>"));
            continue;
        }
        assert!(
            matches!(reply.status, 404 | 501),
            "{} {}",
            service.id,
            reply.text()
        );
        let code = if reply.status == 404 {
            "UnknownOperationException"
        } else {
            "NotImplemented"
        };
        shaped(&reply, service, *protocol, code);
    }
}

#[tokio::test]
async fn services_nobody_here_knows() {
    let lab = Lab::new().await;
    let scope = "AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let signed = [("Authorization", scope), ("X-Amz-Date", "20231114T221320Z")];
    let reply = lab
        .send(json("DynamoDB_20120810.ListTables", &signed, b"{}"))
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (501, "NotImplemented")
    );
    assert!(
        reply.text().contains("dynamodb:ListTables"),
        "{}",
        reply.text()
    );
    reply.request_id();
    let reply = lab
        .send(form(&signed, b"Action=ListTables&Version=2012-08-10"))
        .await;
    assert_eq!(reply.status, 501);
    assert!(
        reply.text().contains("<Code>NotImplemented</Code>"),
        "{}",
        reply.text()
    );
    let bare = lab.json("DynamoDB_20120810.ListTables", "{}").await;
    assert_eq!((bare.status, bare.code().as_str()), (501, "NotImplemented"));
}

#[tokio::test]
async fn paths_nobody_here_knows() {
    let lab = Lab::new().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("POST", "/"),
        ("GET", "/../../etc/passwd"),
        ("OPTIONS", "/x"),
    ] {
        let reply = lab.send(request(method, path, &[], b"")).await;
        assert_eq!(reply.status, 404, "{method} {path} {}", reply.text());
        assert_eq!(reply.code(), "UnknownOperationException");
        reply.request_id();
    }
    let nothing = lab.send(form(&[], b"Hello=World")).await;
    assert!(matches!(nothing.status, 400 | 404), "{}", nothing.text());
    // Without a target, but signed: the service's own protocol says what is missing.
    let scope = "AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0";
    let signed = [("Authorization", scope), ("X-Amz-Date", "20231114T221320Z")];
    let reply = lab.send(request("POST", "/", &signed, b"{}")).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "UnknownOperationException")
    );
    // A served service, called in a protocol it does not speak.
    let bytes = form(&signed, b"Action=ListClusters&Version=2014-11-13");
    let reply = lab.send(bytes).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let path = format!("/service/{ECS}/operation/ListClusters");
    let own = [
        ("Content-Type", "application/cbor"),
        ("Smithy-Protocol", "rpc-v2-cbor"),
    ];
    let reply = lab.send(request("POST", &path, &own, &[0xa0])).await;
    assert_eq!(
        (reply.status, reply.header("smithy-protocol")),
        (400, "rpc-v2-cbor")
    );
}
