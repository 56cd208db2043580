//! Objects are made, changed, told, listed and deleted.

use super::{
    ask, done, http_8080, http_route, mesh, node, node_spec, route, router, said, service,
};
use neargate_api_appmesh::ops;
use neargate_testkit::Lab;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_mesh_has_versions() {
    let lab = Lab::default();
    let made = done(&lab, ops::CreateMesh, json!({ "meshName": "m" })).await;
    let mesh = &made["mesh"];
    assert_eq!(
        mesh["metadata"]["arn"],
        "arn:aws:appmesh:us-east-1:000000000000:mesh/m"
    );
    assert_eq!(mesh["metadata"]["version"], 1);
    assert_eq!(mesh["metadata"]["meshOwner"], "000000000000");
    assert_eq!(mesh["status"], json!({ "status": "ACTIVE" }));
    assert_eq!(mesh["spec"], json!({}));
    lab.clock.advance(Duration::from_secs(60));
    let spec = json!({ "egressFilter": { "type": "ALLOW_ALL" } });
    let input = json!({ "meshName": "m", "spec": spec });
    let changed = done(&lab, ops::UpdateMesh, input).await;
    assert_eq!(changed["mesh"]["metadata"]["version"], 2);
    assert_eq!(changed["mesh"]["metadata"]["uid"], mesh["metadata"]["uid"]);
    let told = done(&lab, ops::DescribeMesh, json!({ "meshName": "m" })).await;
    assert_eq!(told["mesh"], changed["mesh"]);
    let gone = done(&lab, ops::DeleteMesh, json!({ "meshName": "m" })).await;
    assert_eq!(gone["mesh"]["status"], json!({ "status": "DELETED" }));
    assert_eq!(
        said(ask(&lab, ops::DescribeMesh, json!({ "meshName": "m" })).await),
        "404 NotFoundException Mesh with name m is not present for account 000000000000"
    );
    done(&lab, ops::CreateMesh, json!({ "meshName": "m" })).await;
}

#[tokio::test]
async fn a_call_that_comes_again_is_the_same_call() {
    let lab = Lab::default();
    mesh(&lab).await;
    let input = |token: &str, port: u16| {
        json!({
            "meshName": "m", "virtualNodeName": "n", "clientToken": token, "spec": node_spec(port, "http"),
        })
    };
    let made = done(&lab, ops::CreateVirtualNode, input("a", 80)).await;
    assert_eq!(
        done(&lab, ops::CreateVirtualNode, input("a", 80)).await,
        made
    );
    let another = "409 ConflictException The request contains a client token that was used for a previous update \
                   resource call with different specifications. Try the request again with a new client token.";
    assert_eq!(
        said(ask(&lab, ops::CreateVirtualNode, input("a", 81)).await),
        another
    );
    assert_eq!(
        said(ask(&lab, ops::CreateVirtualNode, input("b", 80)).await),
        "409 ConflictException VirtualNode with name n already exists"
    );
    let changed = done(&lab, ops::UpdateVirtualNode, input("c", 81)).await;
    assert_eq!(
        done(&lab, ops::UpdateVirtualNode, input("c", 81)).await,
        changed
    );
    assert_eq!(changed["virtualNode"]["metadata"]["version"], 2);
    assert_eq!(
        said(ask(&lab, ops::UpdateVirtualNode, input("c", 82)).await),
        another
    );
}

#[tokio::test]
async fn everything_is_listed_and_goes_in_its_order() {
    let lab = Lab::default();
    mesh(&lab).await;
    for name in ["a", "b", "c"] {
        node(&lab, name, node_spec(8080, "http")).await;
    }
    router(&lab, "r", http_8080()).await;
    route(&lab, "one", http_route(&[("a", 90), ("b", 10)]))
        .await
        .expect("made");
    let provider = json!({ "virtualRouter": { "virtualRouterName": "r" } });
    service(&lab, "s.local", provider).await.expect("made");
    service(
        &lab,
        "c.local",
        json!({ "virtualNode": { "virtualNodeName": "c" } }),
    )
    .await
    .expect("made");
    let gateway =
        json!({ "meshName": "m", "virtualGatewayName": "g", "spec": { "listeners": http_8080() } });
    done(&lab, ops::CreateVirtualGateway, gateway).await;
    let spec = json!({ "httpRoute": {
        "match": { "prefix": "/" },
        "action": { "target": { "virtualService": { "virtualServiceName": "s.local" } } },
    } });
    let leads = json!({ "meshName": "m", "virtualGatewayName": "g", "gatewayRouteName": "gr", "spec": spec });
    let leads = done(&lab, ops::CreateGatewayRoute, leads).await;
    let leads = &leads["gatewayRoute"]["metadata"];
    assert_eq!(
        leads["arn"],
        "arn:aws:appmesh:us-east-1:000000000000:mesh/m/virtualGateway/g/gatewayRoute/gr"
    );
    let page = done(
        &lab,
        ops::ListVirtualNodes,
        json!({ "meshName": "m", "limit": 2 }),
    )
    .await;
    let more = json!({ "meshName": "m", "nextToken": page["nextToken"] });
    let rest = done(&lab, ops::ListVirtualNodes, more).await;
    let names = |page: &Value| -> Vec<String> {
        let all = page["virtualNodes"].as_array().expect("a list").iter();
        all.map(|n| n["virtualNodeName"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(
        (names(&page), names(&rest)),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    let routes = done(
        &lab,
        ops::ListRoutes,
        json!({ "meshName": "m", "virtualRouterName": "r" }),
    )
    .await;
    assert_eq!(routes["routes"][0]["routeName"], "one");

    let of_mesh = json!({ "meshName": "m" });
    let of_node = |name: &str| json!({ "meshName": "m", "virtualNodeName": name });
    let of_router = json!({ "meshName": "m", "virtualRouterName": "r" });
    let of_service = |name: &str| json!({ "meshName": "m", "virtualServiceName": name });
    let of_gateway = json!({ "meshName": "m", "virtualGatewayName": "g" });
    assert_eq!(
        said(ask(&lab, ops::DeleteMesh, of_mesh.clone()).await),
        "409 ResourceInUseException Mesh m for account 000000000000 has active VirtualServices, please delete \
         VirtualServices before deleting the Mesh"
    );
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualNode, of_node("a")).await),
        "409 ResourceInUseException VirtualNode with name a cannot be deleted because it is the target of one or \
         more routes."
    );
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualNode, of_node("c")).await),
        "409 ResourceInUseException VirtualNode with name c cannot be deleted because it is a VirtualService \
         provider"
    );
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualRouter, of_router.clone()).await),
        "409 ResourceInUseException VirtualRouter with name r cannot be deleted because it is a VirtualService \
         provider"
    );
    let uid = leads["uid"].as_str().expect("an id");
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualService, of_service("s.local")).await),
        format!(
            "409 ResourceInUseException VirtualService s.local is being referenced in the following: \
             GATEWAY_ROUTE: [{uid}]"
        )
    );
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualGateway, of_gateway.clone()).await),
        "409 ResourceInUseException VirtualGateway g has active GatewayRoutes, please delete GatewayRoutes before \
         deleting the VirtualGateway"
    );
    let route = json!({ "meshName": "m", "virtualGatewayName": "g", "gatewayRouteName": "gr" });
    done(&lab, ops::DeleteGatewayRoute, route).await;
    done(&lab, ops::DeleteVirtualGateway, of_gateway).await;
    done(&lab, ops::DeleteVirtualService, of_service("s.local")).await;
    done(&lab, ops::DeleteVirtualService, of_service("c.local")).await;
    assert_eq!(
        said(ask(&lab, ops::DeleteVirtualRouter, of_router.clone()).await),
        "409 ResourceInUseException VirtualRouter r has active Routes, please delete Routes before deleting the \
         VirtualRouter"
    );
    let route = json!({ "meshName": "m", "virtualRouterName": "r", "routeName": "one" });
    done(&lab, ops::DeleteRoute, route).await;
    done(&lab, ops::DeleteVirtualRouter, of_router).await;
    for name in ["a", "b", "c"] {
        done(&lab, ops::DeleteVirtualNode, of_node(name)).await;
    }
    done(&lab, ops::DeleteMesh, of_mesh).await;
}

#[tokio::test]
async fn tags_of_every_kind() {
    let lab = Lab::default();
    let tags = json!([{ "key": "team", "value": "a" }]);
    done(
        &lab,
        ops::CreateMesh,
        json!({ "meshName": "m", "tags": tags }),
    )
    .await;
    node(&lab, "n", node_spec(80, "http")).await;
    let arn = "arn:aws:appmesh:us-east-1:000000000000:mesh/m/virtualNode/n";
    let more = json!({ "resourceArn": arn, "tags": [{ "key": "tier", "value": "b" }] });
    done(&lab, ops::TagResource, more).await;
    let told = done(
        &lab,
        ops::ListTagsForResource,
        json!({ "resourceArn": arn }),
    )
    .await;
    assert_eq!(told["tags"], json!([{ "key": "tier", "value": "b" }]));
    let mesh = "arn:aws:appmesh:us-east-1:000000000000:mesh/m";
    let told = done(
        &lab,
        ops::ListTagsForResource,
        json!({ "resourceArn": mesh }),
    )
    .await;
    assert_eq!(told["tags"], tags);
    done(
        &lab,
        ops::UntagResource,
        json!({ "resourceArn": mesh, "tagKeys": ["team"] }),
    )
    .await;
    let told = done(
        &lab,
        ops::ListTagsForResource,
        json!({ "resourceArn": mesh }),
    )
    .await;
    assert_eq!(told["tags"], json!([]));
    let absent = "arn:aws:appmesh:us-east-1:000000000000:mesh/m/virtualNode/other";
    let asked = json!({ "resourceArn": absent });
    assert_eq!(
        said(ask(&lab, ops::ListTagsForResource, asked).await),
        format!("404 NotFoundException Resource with ARN {absent} is not present")
    );
}
