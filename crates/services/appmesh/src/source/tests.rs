//! What proxies are told, and who they may be.

use super::{Claim, MeshSource};
use crate::plan::compile::Who;
use crate::tests::{done, http_route, mesh, node, node_spec, route, router, service};
use neargate_api_appmesh::ops;
use neargate_testkit::Lab;
use neargate_xds::{Proxy, Refusal, Source};
use serde_json::json;

fn proxy(lab: &Lab, resource: &str) -> Proxy {
    Proxy {
        account: lab.scope.account.clone(),
        region: lab.scope.region.clone(),
        task_id: "t".into(),
        task_arn: "arn:aws:ecs:us-east-1:000000000000:task/c/t".into(),
        task_key: "ecs/task/000000000000/us-east-1/t".into(),
        task_role_arn: None,
        container: "envoy".into(),
        resource: resource.into(),
    }
}

#[test]
fn what_a_proxy_says() {
    let node = Claim::read("mesh/m/virtualNode/n").expect("a node");
    assert_eq!(node.who, Who::Node("n".into()));
    let gateway = Claim::read("arn:aws:appmesh:us-east-1:000000000000:mesh/m/virtualGateway/g");
    let gateway = gateway.expect("a gateway");
    assert_eq!(gateway.who, Who::Gateway("g".into()));
    assert!(gateway.scope.is_some());
    for other in [
        "",
        "m",
        "mesh/m/route/r",
        "mesh/m/virtualNode/n/x",
        "arn:aws:ecs:::mesh/m/virtualNode/n",
    ] {
        assert_eq!(Claim::read(other), None, "{other}");
    }
}

#[tokio::test]
async fn a_proxy_is_told_of_each_change() {
    let lab = Lab::default();
    mesh(&lab).await;
    node(&lab, "blue", node_spec(8080, "http")).await;
    node(&lab, "green", node_spec(8080, "http")).await;
    router(&lab, "r", super::super::tests::http_8080()).await;
    route(&lab, "one", http_route(&[("blue", 90), ("green", 10)]))
        .await
        .expect("made");
    service(
        &lab,
        "s",
        json!({ "virtualRouter": { "virtualRouterName": "r" } }),
    )
    .await
    .expect("made");
    node(
        &lab,
        "front",
        json!({ "backends": [{ "virtualService": { "virtualServiceName": "s" } }] }),
    )
    .await;
    let source = MeshSource::new(&lab.house);
    let front = proxy(&lab, "mesh/m/virtualNode/front");
    assert!(source.knows(&front));
    let mut changes = source.changes(&front).await;
    let before = source.snapshot(&front).await.expect("told");
    assert_eq!(source.snapshot(&front).await.expect("told"), before);
    let input = json!({
        "meshName": "m", "virtualRouterName": "r", "routeName": "one", "spec": http_route(&[("blue", 50), ("green", 50)]),
    });
    // The watches may not have begun; then the change is counted when they do.
    changes.mark_unchanged();
    done(&lab, ops::UpdateRoute, input).await;
    let after = loop {
        let after = source.snapshot(&front).await.expect("told");
        if after != before {
            break after;
        }
        changes.changed().await.expect("a change");
    };
    assert_eq!(after.clusters, before.clusters);
    assert_eq!(after.listeners, before.listeners);
    assert_ne!(after.routes, before.routes);
    let absent = source
        .snapshot(&proxy(&lab, "mesh/m/virtualNode/none"))
        .await;
    assert!(matches!(absent, Err(Refusal::Absent(_))));
    let other = "arn:aws:appmesh:us-east-1:111122223333:mesh/m/virtualNode/front";
    let denied = source.snapshot(&proxy(&lab, other)).await;
    assert!(matches!(denied, Err(Refusal::Denied(_))));
}
