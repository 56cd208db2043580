use super::target::Variables;
use super::*;
use clap::Parser;
use http::StatusCode;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    target: Target,
}

fn client(args: &[&str], given: Variables) -> Result<Client> {
    let line = Line::parse_from(["neargate"].iter().chain(args));
    line.target.client_with(given, &[])
}

fn aws() -> Variables {
    Variables {
        endpoint: Some("http://10.0.0.9:80/".into()),
        region: Some("eu-west-1".into()),
        access_key: Some("AKIA".into()),
        secret_key: Some("secret".into()),
        session_token: Some("token".into()),
        authority: None,
    }
}

#[test]
fn flags_come_before_variables_before_the_configuration() {
    let plain = client(&[], Variables::default()).expect("defaults");
    assert_eq!(plain.endpoint(), "http://127.0.0.1:4566");
    assert_eq!(
        (plain.region(), &*plain.keys.access_key),
        ("us-east-1", "neargate")
    );

    let env = client(&[], aws()).expect("variables");
    assert_eq!(
        (env.endpoint(), env.region()),
        ("http://10.0.0.9:80", "eu-west-1")
    );
    assert_eq!(env.keys.session_token.as_deref(), Some("token"));

    let flags = ["--listen", "127.0.0.1:99", "--region", "us-west-2"];
    let listen = client(&flags, aws()).expect("flags");
    assert_eq!(
        (listen.endpoint(), listen.region()),
        ("http://127.0.0.1:99", "us-west-2")
    );

    let both = ["--endpoint", "http://h:1", "--listen", "127.0.0.1:99"];
    assert_eq!(
        client(&both, aws()).expect("endpoint").endpoint(),
        "http://h:1"
    );
    assert!(client(&["--endpoint", "h:1"], aws()).is_err());
    let nobodys = client(&["--data", "/nobody"], aws()).expect_err("it runs nowhere");
    assert!(nobodys.to_string().contains("--data /nobody"), "{nobodys}");
}

#[test]
fn errors_lose_their_namespace_and_gain_a_next_step() {
    let body = br#"{"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"Cluster not found."}"#;
    let error = ClientError::read(
        "http://h",
        StatusCode::BAD_REQUEST,
        &Bytes::from_static(body),
    );
    assert!(error.is(Code::ClusterNotFound));
    assert_eq!(
        error.to_string(),
        "ClusterNotFoundException: Cluster not found."
    );
    assert!(
        next_step(&anyhow::Error::from(error))
            .expect("a step")
            .contains("--cluster")
    );
    let page = Bytes::from_static(b"<html>");
    let error = ClientError::read("http://h", StatusCode::BAD_GATEWAY, &page);
    assert!(matches!(error, ClientError::Nonsense { .. }));
}

#[tokio::test]
async fn nobody_there_is_said() {
    // Port 1 of loopback: nobody listens there.
    let client = client(&["--endpoint", "http://127.0.0.1:1"], aws()).expect("client");
    let error = client
        .page(Method::GET, "/health", None)
        .await
        .expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("cannot reach Neargate at http://127.0.0.1:1: ")
    );
}
