//! What proxies are told, pinned as text: meshes written after what the public walkthroughs of App Mesh do.
//!
//! `NEARGATE_BLESS=1` writes the texts anew; whoever does reads the difference.

mod envoy;
mod text;

use super::read;
use crate::model::{
    GatewayRoute, Kind, Mesh, Object, Route, VirtualGateway, VirtualNode, VirtualRouter,
    VirtualService,
};
use crate::plan::compile::{Lookup, Pair, Surroundings, Who, compile, wanted};
use crate::plan::world::{Objects, World};
use neargate_base::Timestamp;
use neargate_wire::json::Json;
use serde_json::{Value, json};

fn object<K: Kind>(id: &str, spec: Value) -> Object<K> {
    let (parent, name) = match id.split_once('/') {
        Some((parent, name)) => (Some(parent.to_owned()), name),
        None => (None, id),
    };
    Object {
        mesh: "m".into(),
        parent,
        name: name.into(),
        uid: "u".into(),
        version: 1,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        spec: Json(read(spec)),
        tags: Default::default(),
        token: None,
    }
}

fn put<K: Kind>(into: &mut Objects<K>, id: &str, spec: Value) {
    into.insert(id.to_owned(), object(id, spec));
}

/// A mesh of objects by kind and name, as the walkthroughs' templates list them.
fn world(mesh: Value, objects: Value) -> World {
    let mut world = World::empty(object::<Mesh>("m", mesh));
    for (id, spec) in objects.as_object().expect("objects") {
        let (kind, id) = id.split_once(' ').expect("a kind and a name");
        let spec = spec.clone();
        match kind {
            "node" => put::<VirtualNode>(&mut world.nodes, id, spec),
            "router" => put::<VirtualRouter>(&mut world.routers, id, spec),
            "route" => put::<Route>(&mut world.routes, id, spec),
            "service" => put::<VirtualService>(&mut world.services, id, spec),
            "gateway" => put::<VirtualGateway>(&mut world.gateways, id, spec),
            "gateway-route" => put::<GatewayRoute>(&mut world.gateway_routes, id, spec),
            other => panic!("{other}"),
        }
    }
    world
}

fn listens(port: u16, protocol: &str, more: Value) -> Value {
    let mut listener = json!({ "portMapping": { "port": port, "protocol": protocol } });
    for (member, value) in more.as_object().expect("members") {
        listener[member] = value.clone();
    }
    listener
}

fn found(name: &str, listeners: Value) -> Value {
    json!({ "listeners": listeners, "serviceDiscovery": { "dns": { "hostname": format!("{name}.local") } } })
}

fn calls(services: &[&str]) -> Value {
    let services = services.iter();
    services
        .map(|name| json!({ "virtualService": { "virtualServiceName": name } }))
        .collect()
}

fn by_router(name: &str) -> Value {
    json!({ "provider": { "virtualRouter": { "virtualRouterName": name } } })
}

fn by_node(name: &str) -> Value {
    json!({ "provider": { "virtualNode": { "virtualNodeName": name } } })
}

fn to(targets: &[(&str, i32)]) -> Value {
    json!({ "weightedTargets": super::to(targets) })
}

fn check(name: &str, world: &World, who: &Who, around: &Surroundings) {
    let snapshot = compile(world, who, around).expect("it is there");
    assert_eq!(
        compile(world, who, around).as_ref(),
        Some(&snapshot),
        "again the same"
    );
    if let Ok(program) = std::env::var("NEARGATE_ENVOY") {
        return envoy::takes(name, &program, &snapshot);
    }
    let told = text::of(&snapshot);
    let path = format!("{}/tests/compiled/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("NEARGATE_BLESS").is_some() {
        std::fs::write(&path, &told).expect("written");
    }
    let pinned = std::fs::read_to_string(&path).expect("pinned");
    assert!(told == pinned, "{name} is told something else:\n{told}");
}

/// What stands for a file in PEM, unless a real Envoy is to read it.
fn pem(name: &str) -> String {
    match std::env::var("NEARGATE_ENVOY_KEYS") {
        Ok(keys) => std::fs::read_to_string(format!("{keys}/{name}")).expect("a key"),
        Err(_) => name.to_owned(),
    }
}

fn node(name: &str) -> Who {
    Who::Node(name.into())
}

#[test]
fn a_canary_of_two_nodes() {
    let http = json!([listens(8080, "http", json!({}))]);
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["color.local", "not.there"]), "listeners": http,
                "serviceDiscovery": { "dns": { "hostname": "front.local", "responseType": "ENDPOINTS" } } },
            "node blue": found("blue", http.clone()),
            "node green": found("green", http.clone()),
            "router color": { "listeners": [listens(80, "http", json!({}))] },
            "route color/split": { "httpRoute": { "action": to(&[("blue", 90), ("green", 10)]), "match": { "prefix": "/" } } },
            "service color.local": by_router("color"),
        }),
    );
    check("canary", &world, &node("front"), &Surroundings::default());
}

#[test]
fn retries_and_timeouts() {
    let seconds = |n: u32| json!({ "unit": "s", "value": n });
    let timeout =
        json!({ "http": { "perRequest": seconds(60), "idle": { "unit": "ms", "value": 500 } } });
    let http = json!([listens(8080, "http", json!({ "timeout": timeout }))]);
    let world = world(
        json!({ "egressFilter": { "type": "ALLOW_ALL" } }),
        json!({
            "node front": { "backends": calls(&["color.local", "direct.local"]) },
            "node color": found("color", http.clone()),
            "router color": { "listeners": [listens(8080, "http", json!({}))] },
            "route color/one": { "httpRoute": {
                "action": to(&[("color", 1)]), "match": { "prefix": "/" }, "timeout": { "perRequest": seconds(20) },
                "retryPolicy": { "maxRetries": 4, "perRetryTimeout": seconds(2),
                    "httpRetryEvents": ["server-error", "client-error", "stream-error"],
                    "tcpRetryEvents": ["connection-error"] } } },
            "service color.local": by_router("color"),
            "service direct.local": by_node("color"),
        }),
    );
    check("retries", &world, &node("front"), &Surroundings::default());
    check(
        "timeouts-ingress",
        &world,
        &node("color"),
        &Surroundings::default(),
    );
}

#[test]
fn outliers_pools_and_health() {
    let more = json!({
        "outlierDetection": { "interval": { "unit": "s", "value": 10 }, "maxServerErrors": 5,
            "baseEjectionDuration": { "unit": "s", "value": 30 }, "maxEjectionPercent": 50 },
        "connectionPool": { "http": { "maxConnections": 10, "maxPendingRequests": 5 } },
        "healthCheck": { "healthyThreshold": 2, "unhealthyThreshold": 3, "intervalMillis": 5000,
            "timeoutMillis": 2000, "protocol": "http", "path": "/ping" },
    });
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["color.local"]) },
            "node color": found("color", json!([listens(8080, "http", more)])),
            "service color.local": by_node("color"),
        }),
    );
    check("outliers", &world, &node("front"), &Surroundings::default());
    check(
        "pool-ingress",
        &world,
        &node("color"),
        &Surroundings::default(),
    );
}

#[test]
fn tls_by_acm() {
    let arn = "arn:aws:acm:us-east-1:000000000000:certificate/c";
    let tls =
        json!({ "tls": { "mode": "STRICT", "certificate": { "acm": { "certificateArn": arn } } } });
    let trust = json!({ "acm": { "certificateAuthorityArns": ["arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/a"] } });
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["color.local"]),
                "backendDefaults": { "clientPolicy": { "tls": { "validation": { "trust": trust } } } } },
            "node color": found("color", json!([listens(8080, "http", tls)])),
            "service color.local": by_node("color"),
        }),
    );
    let wanted = wanted(&world);
    assert!(wanted.authority && wanted.certificates.contains(arn));
    let pair = Pair {
        chain: pem("chain.pem"),
        key: pem("key.pem"),
    };
    let around = Surroundings {
        certificates: [(arn.to_owned(), pair)].into(),
        authority: Some(pem("ca.pem")),
        ..Surroundings::default()
    };
    check("tls-client", &world, &node("front"), &around);
    check("tls-server", &world, &node("color"), &around);
}

#[test]
fn mutual_tls_by_files_and_secrets() {
    let file =
        json!({ "file": { "certificateChain": "/keys/chain.pem", "privateKey": "/keys/key.pem" } });
    let ca = json!({ "file": { "certificateChain": "/keys/ca.pem" } });
    let secret = |name: &str| json!({ "sds": { "secretName": name } });
    let by_file = json!({ "tls": { "mode": "PERMISSIVE", "certificate": file, "validation": { "trust": ca,
        "subjectAlternativeNames": { "match": { "exact": ["front.local"] } } } } });
    let by_sds = json!({ "tls": { "mode": "STRICT", "certificate": secret("spiffe://m/other"),
        "validation": { "trust": secret("spiffe://m") } } });
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": [
                { "virtualService": { "virtualServiceName": "color.local", "clientPolicy": { "tls": {
                    "certificate": file, "validation": { "trust": ca } } } } },
                { "virtualService": { "virtualServiceName": "other.local", "clientPolicy": { "tls": {
                    "certificate": secret("spiffe://m/front"), "ports": [9000],
                    "validation": { "trust": secret("spiffe://m"),
                        "subjectAlternativeNames": { "match": { "exact": ["spiffe://m/other"] } } } } } } },
            ] },
            "node color": found("color", json!([listens(8080, "http2", by_file)])),
            "node other": found("other", json!([listens(9000, "tcp", by_sds)])),
            "service color.local": by_node("color"),
            "service other.local": by_node("other"),
        }),
    );
    check(
        "mtls-client",
        &world,
        &node("front"),
        &Surroundings::default(),
    );
    check(
        "mtls-files",
        &world,
        &node("color"),
        &Surroundings::default(),
    );
    check(
        "mtls-secrets",
        &world,
        &node("other"),
        &Surroundings::default(),
    );
}

#[test]
fn headers_paths_and_priorities() {
    let http = json!([listens(8080, "http", json!({}))]);
    let matching = |of: Value, priority: Value| json!({ "priority": priority, "httpRoute": { "action": to(&[("color", 1)]), "match": of } });
    let header = |name: &str, of: Value| json!({ "name": name, "match": of });
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["color.local"]) },
            "node color": found("color", http.clone()),
            "router color": { "listeners": http },
            "route color/everything": matching(json!({ "prefix": "/" }), Value::Null),
            "route color/longer": matching(json!({ "prefix": "/longer" }), Value::Null),
            "route color/path": matching(json!({ "path": { "exact": "/path" } }), Value::Null),
            "route color/expression": matching(json!({ "path": { "regex": "/[0-9]+" } }), Value::Null),
            "route color/first": matching(json!({ "prefix": "/", "method": "GET", "headers": [
                header("exact", json!({ "exact": "a" })),
                { "name": "not", "invert": true, "match": { "prefix": "a" } },
                header("suffix", json!({ "suffix": "a" })),
                header("regex", json!({ "regex": "a+" })),
                header("range", json!({ "range": { "start": 1, "end": 5 } })),
                { "name": "present" },
            ], "queryParameters": [{ "name": "q", "match": { "exact": "1" } }, { "name": "p" }] }), json!(1)),
            "service color.local": by_router("color"),
        }),
    );
    check("headers", &world, &node("front"), &Surroundings::default());
}

#[test]
fn grpc() {
    let check_it = json!({ "healthCheck": { "healthyThreshold": 2, "unhealthyThreshold": 2,
        "intervalMillis": 5000, "timeoutMillis": 2000, "protocol": "grpc" } });
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["color.local"]) },
            "node color": found("color", json!([listens(8080, "grpc", check_it)])),
            "router color": { "listeners": [listens(8080, "grpc", json!({}))] },
            "route color/get": { "grpcRoute": { "action": to(&[("color", 100)]),
                "match": { "serviceName": "color.ColorService", "methodName": "GetColor",
                    "metadata": [{ "name": "tier", "match": { "exact": "gold" } }] },
                "retryPolicy": { "maxRetries": 3, "perRetryTimeout": { "unit": "s", "value": 1 },
                    "grpcRetryEvents": ["unavailable", "resource-exhausted"] } } },
            "route color/rest": { "grpcRoute": { "action": to(&[("color", 100)]),
                "match": { "serviceName": "color.ColorService" } } },
            "service color.local": by_router("color"),
        }),
    );
    check("grpc", &world, &node("front"), &Surroundings::default());
}

#[test]
fn tcp_and_several_listeners() {
    let world = world(
        json!({}),
        json!({
            "node front": { "backends": calls(&["db.local", "web.local"]) },
            "node db": found("db", json!([listens(5432, "tcp", json!({ "timeout": { "tcp": { "idle": { "unit": "s", "value": 9 } } } }))])),
            "node other": found("other", json!([listens(5432, "tcp", json!({}))])),
            "node web": found("web", json!([listens(80, "http", json!({})), listens(81, "grpc", json!({}))])),
            "router db": { "listeners": [listens(5432, "tcp", json!({}))] },
            "route db/split": { "tcpRoute": { "action": to(&[("db", 3), ("other", 1)]) } },
            "service db.local": by_router("db"),
            "service web.local": by_node("web"),
        }),
    );
    check("tcp", &world, &node("front"), &Surroundings::default());
    check("tcp-ingress", &world, &node("db"), &Surroundings::default());
}

#[test]
fn cloud_map_with_attributes() {
    let map = json!({ "awsCloudMap": { "namespaceName": "m.local", "serviceName": "color",
        "attributes": [{ "key": "ECS_TASK_SET_EXTERNAL_ID", "value": "blue" }] } });
    let world = world(
        json!({ "serviceDiscovery": { "ipPreference": "IPv4_ONLY" } }),
        json!({
            "node front": { "backends": calls(&["color.m.local"]) },
            "node color": { "listeners": [listens(8080, "http", json!({}))], "serviceDiscovery": map },
            "service color.m.local": by_node("color"),
        }),
    );
    let lookup = Lookup {
        namespace: "m.local".into(),
        service: "color".into(),
        attributes: [("ECS_TASK_SET_EXTERNAL_ID".into(), "blue".into())].into(),
    };
    assert!(wanted(&world).lookups.contains(&lookup));
    let addresses = ["10.0.0.7", "10.0.0.9", "fd00::1"];
    let addresses = addresses.map(|text| text.parse().expect("an address"));
    let around = Surroundings {
        instances: [(lookup, addresses.into())].into(),
        ..Surroundings::default()
    };
    check("cloud-map", &world, &node("front"), &around);
}

#[test]
fn a_gateway() {
    let http = json!([listens(8080, "http", json!({}))]);
    let leads = |of: Value, service: &str, rewrite: Value| {
        json!({ "httpRoute": { "match": of, "action": {
            "target": { "virtualService": { "virtualServiceName": service } }, "rewrite": rewrite } } })
    };
    let format = json!({ "json": [{ "key": "path", "value": "%REQ(:PATH)%" }, { "key": "code", "value": "%RESPONSE_CODE%" }] });
    let world = world(
        json!({}),
        json!({
            "node color": found("color", http.clone()),
            "service color.local": by_node("color"),
            "service other.local": by_node("color"),
            "gateway g": { "listeners": [listens(8088, "http", json!({ "connectionPool": { "http": { "maxConnections": 7 } } }))],
                "logging": { "accessLog": { "file": { "path": "/dev/stdout", "format": format } } } },
            "gateway-route g/default": leads(json!({ "prefix": "/color" }), "color.local", Value::Null),
            "gateway-route g/kept": leads(json!({ "prefix": "/kept/" }), "color.local",
                json!({ "prefix": { "defaultPrefix": "DISABLED" }, "hostname": { "defaultTargetHostname": "DISABLED" } })),
            "gateway-route g/moved": leads(json!({ "prefix": "/a/" }), "other.local", json!({ "prefix": { "value": "/b/" } })),
            "gateway-route g/path": leads(json!({ "path": { "exact": "/x" } }), "other.local", json!({ "path": { "exact": "/y" } })),
            "gateway-route g/host": leads(json!({ "prefix": "/", "hostname": { "suffix": ".example.com" } }), "color.local", Value::Null),
        }),
    );
    check(
        "gateway",
        &world,
        &Who::Gateway("g".into()),
        &Surroundings::default(),
    );
}
