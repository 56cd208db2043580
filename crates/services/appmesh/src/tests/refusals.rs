//! What is refused, and in which words.

use super::{
    ask, done, http_8080, http_route, mesh, node, node_spec, route, router, said, service, to,
};
use neargate_api_appmesh::ops;
use neargate_testkit::Lab;
use serde_json::{Value, json};

async fn bad_node(lab: &Lab, spec: Value) -> String {
    let input = json!({ "meshName": "m", "virtualNodeName": "bad", "spec": spec });
    said(ask(lab, ops::CreateVirtualNode, input).await)
}

fn with(mut spec: Value, member: &str, value: Value) -> Value {
    spec["listeners"][0][member] = value;
    spec
}

#[tokio::test]
async fn nodes_that_contradict_themselves() {
    let lab = Lab::default();
    mesh(&lab).await;
    let http = || node_spec(8080, "http");
    let check = json!({
        "healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 2000,
        "protocol": "http",
    });
    let file = json!({ "file": { "certificateChain": "/c", "privateKey": "/k" } });
    let both = json!({ "acm": { "certificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1" },
        "file": file["file"] });
    let twice = json!([{ "virtualService": { "virtualServiceName": "s" } },
        { "virtualService": { "virtualServiceName": "s" } }]);
    for (spec, words) in [
        (
            json!({ "serviceDiscovery": { "dns": { "hostname": "a" } } }),
            "Service Discovery can't be set without a listener.",
        ),
        (
            json!({ "listeners": http_8080() }),
            "Service discovery information is required for a VirtualNode with a listener.",
        ),
        (
            json!({ "listeners": http_8080(), "serviceDiscovery": {} }),
            "Service discovery must have exactly one of: awsCloudMap, dns",
        ),
        (
            json!({ "listeners": http_8080(), "serviceDiscovery": { "dns": { "hostname": "a b" } } }),
            "The hostname a b is invalid",
        ),
        (
            json!({ "backends": twice }),
            "VirtualService s is specified as a backend more than once",
        ),
        (
            with(http(), "healthCheck", check.clone()),
            "The health check's path must be specified for protocol http",
        ),
        (
            with(http(), "timeout", json!({ "grpc": {} })),
            "The listener's timeout of protocol grpc does not match the listener's protocol http",
        ),
        (
            with(
                http(),
                "connectionPool",
                json!({ "tcp": { "maxConnections": 1 } }),
            ),
            "The listener's connection pool of protocol tcp does not match the listener's protocol http",
        ),
        (
            with(
                http(),
                "tls",
                json!({ "mode": "STRICT", "certificate": both }),
            ),
            "The listener's TLS certificate must have exactly one of: acm, file, sds",
        ),
    ] {
        assert_eq!(
            bad_node(&lab, spec).await,
            format!("400 BadRequestException {words}")
        );
    }
}

#[tokio::test]
async fn routes_that_lead_nowhere() {
    let lab = Lab::default();
    mesh(&lab).await;
    node(&lab, "n", node_spec(8080, "http")).await;
    let two = json!([
        { "portMapping": { "port": 8080, "protocol": "http" } },
        { "portMapping": { "port": 9090, "protocol": "grpc" } },
    ]);
    router(&lab, "r", two.clone()).await;
    let matching = |of: Value, targets: &[(&str, i32)]| json!({ "httpRoute": { "action": { "weightedTargets": to(targets) }, "match": of } });
    let on_8080 = |mut of: Value| {
        of["port"] = json!(8080);
        matching(of, &[("n", 1)])
    };
    let retry = json!({ "maxRetries": 1, "perRetryTimeout": { "unit": "s", "value": 1 } });
    let mut retries = on_8080(json!({ "prefix": "/" }));
    retries["httpRoute"]["retryPolicy"] = retry;
    for (spec, words) in [
        (
            http_route(&[("n", 1)]),
            "400 BadRequestException Route must define a port match criteria if the Virtual Router has multiple \
             listeners",
        ),
        (
            matching(json!({ "prefix": "/", "port": 80 }), &[("n", 1)]),
            "400 BadRequestException VirtualRouter r has no listener with port 80, which the route matches",
        ),
        (
            matching(json!({ "prefix": "/", "port": 9090 }), &[("n", 1)]),
            "400 BadRequestException The route's protocol http does not match the protocol grpc of the listener of \
             VirtualRouter r",
        ),
        (
            matching(json!({ "prefix": "/", "port": 8080 }), &[("other", 1)]),
            "404 NotFoundException VirtualNode with name other is missing",
        ),
        (
            matching(json!({ "prefix": "/", "port": 8080 }), &[("n", 0)]),
            "400 BadRequestException The total weight of the weighted targets must be greater than 0",
        ),
        (
            matching(
                json!({ "prefix": "/", "port": 8080 }),
                &[("n", 60), ("n", 60)],
            ),
            "400 BadRequestException The total weight for all targets combined must be less than or equal to 100",
        ),
        (
            on_8080(json!({ "prefix": "a" })),
            "400 BadRequestException Prefix Path for the match must start with '/', got: a",
        ),
        (
            on_8080(json!({ "path": { "regex": "(" } })),
            "400 BadRequestException The regular expression ( is invalid",
        ),
        (
            on_8080(json!({ "prefix": "/", "headers": [{ "name": "a b" }] })),
            "400 BadRequestException The header name a b is invalid",
        ),
        (
            on_8080(json!({ "prefix": "/", "headers": [{ "name": "a", "match": {
                "range": { "start": 2, "end": 1 } } }] })),
            "400 BadRequestException The start of a match's range must be less than its end",
        ),
        (
            retries,
            "400 BadRequestException A retry policy must have at least one retry event",
        ),
        (
            json!({ "priority": 1 }),
            "400 BadRequestException The route must have exactly one of: grpc, http2, http, tcp",
        ),
        (
            json!({ "grpcRoute": { "action": { "weightedTargets": to(&[("n", 1)]) },
                "match": { "methodName": "Get", "port": 9090 } } }),
            "400 BadRequestException If you specify a methodName, you must also specify a serviceName",
        ),
    ] {
        assert_eq!(said(route(&lab, "bad", spec).await), words);
    }
    route(&lab, "good", on_8080(json!({ "prefix": "/" })))
        .await
        .expect("made");
    // What the route needs of router and node stays.
    let input =
        json!({ "meshName": "m", "virtualRouterName": "r", "spec": { "listeners": [two[1]] } });
    assert_eq!(
        said(ask(&lab, ops::UpdateVirtualRouter, input).await),
        "400 BadRequestException VirtualRouter r has no listener with port 8080, which the route matches"
    );
    let mut spec = node_spec(8080, "http");
    spec["listeners"] = two;
    let input = json!({ "meshName": "m", "virtualNodeName": "n", "spec": spec });
    assert_eq!(
        said(ask(&lab, ops::UpdateVirtualNode, input).await),
        "400 BadRequestException The target VirtualNode n must define a port if it has multiple listeners: it is a \
         target of route good"
    );
}

#[tokio::test]
async fn rewrites_that_do_not_go_with_their_match() {
    let lab = Lab::default();
    mesh(&lab).await;
    node(&lab, "n", node_spec(8080, "http")).await;
    service(
        &lab,
        "s",
        json!({ "virtualNode": { "virtualNodeName": "n" } }),
    )
    .await
    .expect("made");
    let gateway =
        json!({ "meshName": "m", "virtualGatewayName": "g", "spec": { "listeners": http_8080() } });
    done(&lab, ops::CreateVirtualGateway, gateway).await;
    let of = |matched: Value, rewrite: Value, service: &str| {
        let target = json!({ "virtualService": { "virtualServiceName": service } });
        json!({ "meshName": "m", "virtualGatewayName": "g", "gatewayRouteName": "bad", "spec": { "httpRoute": {
            "match": matched, "action": { "target": target, "rewrite": rewrite } } } })
    };
    for (input, words) in [
        (
            of(json!({ "prefix": "/" }), json!({}), "other"),
            "404 NotFoundException VirtualService with name other is missing",
        ),
        (
            of(
                json!({ "prefix": "/a" }),
                json!({ "prefix": { "value": "/b/" } }),
                "s",
            ),
            "400 BadRequestException When prefix path for the rewrite is specified, prefix path for the match must \
             end with '/', got: /a",
        ),
        (
            of(
                json!({ "prefix": "/a/" }),
                json!({ "prefix": { "value": "/b" } }),
                "s",
            ),
            "400 BadRequestException Prefix Path for the rewrite must start and end with '/', got: /b",
        ),
        (
            of(
                json!({ "path": { "exact": "/a" } }),
                json!({ "prefix": { "defaultPrefix": "DISABLED" } }),
                "s",
            ),
            "400 BadRequestException A prefix can be rewritten only where a prefix is matched",
        ),
        (
            of(
                json!({ "prefix": "/", "hostname": { "exact": "a", "suffix": "b" } }),
                json!({}),
                "s",
            ),
            "400 BadRequestException The hostname match must have exactly one of: exact, suffix",
        ),
        (
            of(json!({ "prefix": "/", "port": 81 }), json!({}), "s"),
            "400 BadRequestException VirtualGateway g has no listener with port 81, which the gateway route matches",
        ),
    ] {
        assert_eq!(said(ask(&lab, ops::CreateGatewayRoute, input).await), words);
    }
}

#[tokio::test]
async fn what_is_absent_or_of_others() {
    let lab = Lab::default();
    let asked = json!({ "meshName": "m", "virtualNodeName": "n" });
    assert_eq!(
        said(ask(&lab, ops::DescribeVirtualNode, asked.clone()).await),
        "404 NotFoundException Mesh with name m is not present for account 000000000000"
    );
    mesh(&lab).await;
    assert_eq!(
        said(ask(&lab, ops::DescribeVirtualNode, asked.clone()).await),
        "404 NotFoundException VirtualNode with name n is not present under mesh m for account 000000000000"
    );
    let mut of_another = asked;
    of_another["meshOwner"] = json!("111122223333");
    assert_eq!(
        said(ask(&lab, ops::DescribeVirtualNode, of_another).await),
        "501 NotImplemented Neargate does not implement appmesh:meshes that another account (111122223333) shares \
         yet."
    );
    let provider = json!({ "virtualRouter": { "virtualRouterName": "none" } });
    assert_eq!(
        said(service(&lab, "s", provider).await),
        "404 NotFoundException VirtualRouter with name none is missing"
    );
    assert_eq!(
        said(ask(&lab, ops::CreateMesh, json!({ "meshName": "a/b" })).await),
        "400 BadRequestException Mesh name a/b is invalid: names have letters, digits, hyphens, underscores and \
         periods"
    );
    let missing = route(&lab, "one", http_route(&[("n", 1)])).await;
    assert_eq!(
        said(missing),
        "404 NotFoundException VirtualRouter with name r is not present under mesh m for account 000000000000"
    );
}
