//! API destinations: requests that a server on loopback takes down, under each kind of connection.

use super::{World, said};
use crate::authorize::Authorize;
use neargate_api_events::{self as api, ops};
use neargate_base::task;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as the server saw it.
#[derive(Debug, Clone, Default)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A server whose answers are given, the last one again and again.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn that_says(answers: &[&str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers) = (
            seen.clone(),
            answers.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>(),
        );
        task::spawn("test-server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = kept.lock().len().min(answers.len() - 1);
                let request = exchange(stream, &answers[number]).await;
                kept.lock().push(request);
            }
        });
        Server { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn taken(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

async fn exchange(stream: TcpStream, answer: &str) -> Seen {
    let mut stream = BufReader::new(stream);
    let mut seen = Seen::default();
    stream.read_line(&mut seen.line).await.expect("a line");
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        seen.headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = seen.headers.get("content-length");
    let length = length.and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    seen.body = String::from_utf8(body).expect("a text");
    stream.write_all(answer.as_bytes()).await.expect("written");
    seen
}

const OK: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

fn answer(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn list(key: &str, value: &str, is_value_secret: bool) -> api::ConnectionHttpParameters {
    api::ConnectionHttpParameters {
        header_parameters: Some(vec![api::ConnectionHeaderParameter {
            key: Some(key.into()),
            value: Some(value.into()),
            is_value_secret: Some(is_value_secret),
        }]),
        body_parameters: Some(vec![api::ConnectionBodyParameter {
            key: Some("channel".into()),
            value: Some("orders".into()),
            is_value_secret: Some(false),
        }]),
        ..Default::default()
    }
}

fn basic() -> api::CreateConnectionAuthRequestParameters {
    api::CreateConnectionAuthRequestParameters {
        basic_auth_parameters: Some(api::CreateConnectionBasicAuthRequestParameters {
            username: "ann".into(),
            password: "secret".into(),
        }),
        invocation_http_parameters: Some(list("x-shop", "hidden", true)),
        ..Default::default()
    }
}

fn oauth(endpoint: String) -> api::CreateConnectionAuthRequestParameters {
    let client = api::CreateConnectionOAuthClientRequestParameters {
        client_id: "id".into(),
        client_secret: "shh".into(),
    };
    api::CreateConnectionAuthRequestParameters {
        oauth_parameters: Some(api::CreateConnectionOAuthRequestParameters {
            client_parameters: client,
            authorization_endpoint: endpoint,
            http_method: "POST".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl World {
    async fn connect(
        &self,
        kind: &str,
        auth_parameters: api::CreateConnectionAuthRequestParameters,
    ) -> String {
        let input = api::CreateConnectionInput {
            name: "shop".into(),
            authorization_type: kind.into(),
            auth_parameters,
            ..Default::default()
        };
        let made = self.ask(ops::CreateConnection, input).await;
        made.expect("made").connection_arn.expect("an ARN")
    }

    /// A rule whose target is that endpoint.
    async fn aim(&self, connection_arn: String, endpoint: String, per_second: i32) {
        let input = api::CreateApiDestinationInput {
            name: "orders".into(),
            connection_arn,
            invocation_endpoint: endpoint,
            http_method: "POST".into(),
            invocation_rate_limit_per_second: Some(per_second),
            ..Default::default()
        };
        let made = self.ask(ops::CreateApiDestination, input).await;
        let arn = made.expect("made").api_destination_arn.expect("an ARN");
        self.put_rule("r", r#"{"source": ["shop"]}"#)
            .await
            .expect("made");
        let target = api::Target {
            id: "1".into(),
            arn,
            role_arn: Some("arn:aws:iam::000000000000:role/events".into()),
            input: Some(r#"{"n": 1}"#.into()),
            http_parameters: Some(api::HttpParameters {
                path_parameter_values: Some(vec!["a/b".into()]),
                query_string_parameters: Some([("q".into(), "x y".into())].into()),
                header_parameters: Some(
                    [
                        ("x-shop".into(), "target's".into()),
                        ("x-own".into(), "1".into()),
                    ]
                    .into(),
                ),
            }),
            ..Default::default()
        };
        self.put_target("r", target).await.expect("put");
    }

    async fn happen(&self) {
        self.send("shop", "{}").await;
        self.expand().await;
        self.deliver().await;
    }

    async fn authorize(&self) {
        self.step(&Authorize::new(self.lab.house.clone())).await;
    }

    async fn described(&self) -> api::DescribeConnectionOutput {
        let input = api::DescribeConnectionInput {
            name: "shop".into(),
        };
        let described = self.ask(ops::DescribeConnection, input).await;
        described.expect("described")
    }
}

#[tokio::test]
async fn a_request_has_what_connection_and_target_say() {
    let (world, server) = (World::new(), Server::that_says(&[OK]).await);
    let connection = world.connect("BASIC", basic()).await;
    world.aim(connection, server.url("/v1/*?k=1"), 300).await;
    world.happen().await;
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].line, "POST /v1/a%2Fb?k=1&q=x%20y HTTP/1.1\r\n");
    let header = |name: &str| taken[0].headers.get(name).map_or("", String::as_str);
    assert_eq!(header("authorization"), "Basic YW5uOnNlY3JldA==");
    assert_eq!(header("x-shop"), "hidden", "the connection's goes before");
    assert_eq!(header("x-own"), "1");
    assert_eq!(header("user-agent"), "Amazon/EventBridge/ApiDestinations");
    let body: Value = serde_json::from_str(&taken[0].body).expect("JSON");
    assert_eq!(body, json!({"n": 1, "channel": "orders"}));
    assert!(world.invocations().await.is_empty(), "it is done");
}

#[tokio::test]
async fn what_is_secret_is_in_a_secret_and_nowhere_else() {
    let world = World::new();
    world.connect("BASIC", basic()).await;
    let shown = world.described().await;
    assert_eq!(shown.connection_state.as_deref(), Some("AUTHORIZED"));
    let text = format!("{shown:?}");
    assert!(
        !text.contains("hidden") && !text.contains("\"secret\""),
        "{text}"
    );
    let secret = world.secrets.lock().clone();
    let (name, value) = secret.iter().next().expect("a secret");
    assert!(name.starts_with("events!connection/shop/"), "{name}");
    assert!(value.contains(r#""password":"secret""#), "{value}");
    // A part of it is changed, the rest stays.
    let input = api::UpdateConnectionInput {
        name: "shop".into(),
        auth_parameters: Some(api::UpdateConnectionAuthRequestParameters {
            basic_auth_parameters: Some(api::UpdateConnectionBasicAuthRequestParameters {
                username: Some("bob".into()),
                password: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    world
        .ask(ops::UpdateConnection, input)
        .await
        .expect("changed");
    let value = world.secrets.lock()[name].clone();
    assert!(
        value.contains(r#""username":"bob","password":"secret""#),
        "{value}"
    );
    let input = api::DeleteConnectionInput {
        name: "shop".into(),
    };
    world
        .ask(ops::DeleteConnection, input)
        .await
        .expect("deleted");
    assert!(world.secrets.lock().is_empty());
}

#[tokio::test]
async fn what_a_type_needs_is_asked_for() {
    let world = World::new();
    let input = |kind: &str, auth_parameters| api::CreateConnectionInput {
        name: "shop".into(),
        authorization_type: kind.into(),
        auth_parameters,
        ..Default::default()
    };
    for (kind, given, member) in [
        ("API_KEY", basic(), "Username does not belong"),
        ("API_KEY", Default::default(), "ApiKeyName is required"),
        (
            "OAUTH_CLIENT_CREDENTIALS",
            Default::default(),
            "ClientID is required",
        ),
    ] {
        let refused = said(world.ask(ops::CreateConnection, input(kind, given)).await);
        assert!(refused.contains(member), "{refused}");
    }
    assert!(world.secrets.lock().is_empty());
}

#[tokio::test]
async fn tokens_are_fetched_used_and_fetched_again() {
    let told = |token: &str| {
        answer(
            "200 OK",
            &json!({"access_token": token, "expires_in": 3600}).to_string(),
        )
    };
    let refused = answer("401 Unauthorized", "no");
    let world = World::new();
    let authority = Server::that_says(&[&told("one"), &told("two"), &told("three")]).await;
    let server = Server::that_says(&[&refused, OK]).await;
    let connection = world
        .connect("OAUTH_CLIENT_CREDENTIALS", oauth(authority.url("/token")))
        .await;
    let state = |shown: api::DescribeConnectionOutput| shown.connection_state.unwrap_or_default();
    assert_eq!(state(world.described().await), "AUTHORIZING");
    world.authorize().await;
    assert_eq!(state(world.described().await), "AUTHORIZED");
    let asked = authority.taken().remove(0);
    assert_eq!(asked.headers["authorization"], "Basic aWQ6c2ho");
    assert_eq!(asked.body, "grant_type=client_credentials");
    world.aim(connection, server.url("/"), 300).await;
    world.happen().await;
    assert_eq!(world.invocations().await.len(), 1, "401: again");
    world.lab.clock.advance(Duration::from_secs(2));
    world.deliver().await;
    let used: Vec<String> = server
        .taken()
        .iter()
        .map(|seen| seen.headers["authorization"].clone())
        .collect();
    assert_eq!(used, ["Bearer two", "Bearer three"]);
    assert!(world.invocations().await.is_empty());
}

#[tokio::test]
async fn an_authority_that_gives_no_token_is_told() {
    let world = World::new();
    let authority = Server::that_says(&[&answer("400 Bad Request", "{}")]).await;
    world
        .connect("OAUTH_CLIENT_CREDENTIALS", oauth(authority.url("/token")))
        .await;
    world.authorize().await;
    let shown = world.described().await;
    assert_eq!(shown.connection_state.as_deref(), Some("DEAUTHORIZED"));
    assert_eq!(
        shown.state_reason.as_deref(),
        Some("the authorization endpoint returned HTTP status 400")
    );
}

#[tokio::test]
async fn answers_say_whether_it_is_tried_again() {
    for (head, again) in [
        ("429 Too Many Requests\r\nretry-after: 120", Some(120)),
        ("500 Internal Server Error", Some(0)),
        ("404 Not Found", None),
        ("302 Found\r\nlocation: http://127.0.0.1/", None),
    ] {
        let world = World::new();
        let server = Server::that_says(&[&answer(head, "why")]).await;
        let connection = world.connect("BASIC", basic()).await;
        world.aim(connection, server.url("/"), 300).await;
        world.happen().await;
        let left = world.invocations().await;
        let now = world.lab.house.now();
        match again {
            Some(seconds) => {
                assert_eq!(left[0].attempts, 1, "{head}");
                assert!(
                    left[0].next_at.since(now) >= Duration::from_secs(seconds),
                    "{head}"
                );
            }
            None => assert!(left.is_empty(), "{head}"),
        }
        assert_eq!(server.taken().len(), 1);
    }
}

#[tokio::test]
async fn no_faster_than_it_may_be() {
    let (world, server) = (World::new(), Server::that_says(&[OK]).await);
    let connection = world.connect("BASIC", basic()).await;
    world.aim(connection, server.url("/"), 1).await;
    for _ in 0..3 {
        world.send("shop", "{}").await;
    }
    world.expand().await;
    let deliver = crate::deliver::Deliver::new(world.lab.house.clone());
    for taken in 1..=3 {
        world.step(&deliver).await;
        world.step(&deliver).await;
        assert_eq!(server.taken().len(), taken);
        world.lab.clock.advance(Duration::from_secs(1));
    }
    assert!(world.invocations().await.is_empty());
}
