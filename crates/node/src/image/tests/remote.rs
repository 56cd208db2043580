//! Pulls over HTTP, from registries that work, fail, break off and lie.

use super::archive::Tar;
use super::server::{Server, blob_path};
use super::*;
use crate::image::PullErrorKind;
use crate::image::manifest::host_architecture;
use hyper::StatusCode;
use std::fs;

fn random(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let words: Vec<u32> = (0..length.div_ceil(4)).map(next).collect();
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.truncate(length);
    bytes
}

/// Two layers that do not compress well.
fn sample() -> Pushed {
    let big = Tar::default().file("big", &random(6_000_000)).end();
    image(&[Tar::default().file("small", b"1").end(), big])
}

async fn pull(node: &Node, name: &str) -> Result<Image, PullError> {
    node.images.pull(name, ImageSource::Remote).await
}

#[tokio::test]
async fn a_remote_image_is_pulled_by_tag_digest_and_index() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("team/app", "v1", &pushed);
    let name = server.name("team/app:v1");
    let pulled = pull(&node, &name).await.unwrap();
    assert_eq!((pulled.digest, &pulled.name), (pushed.digest, &name));
    assert_eq!(
        fs::read(pulled.layers[1].join("big")).unwrap(),
        random(6_000_000)
    );

    // The tag is resolved again; nothing else is fetched again.
    assert_eq!(pull(&node, &name).await.unwrap(), pulled);
    assert_eq!(server.asked("/v2/team/app/manifests/v1"), 2);
    assert_eq!(server.asked(&blob_path("team/app", &pushed.layers[1])), 1);
    assert_eq!(server.asked(&blob_path("team/app", &pushed.config)), 1);
    // A digest needs no asking at all.
    let by_digest = pull(&node, &format!("{}@{}", server.name("any"), pushed.digest))
        .await
        .unwrap();
    assert_eq!(by_digest.layers, pulled.layers);

    let other = image_for("s390x", &[]);
    let digest = server.push_index(
        "multi",
        "latest",
        &[("s390x", &other), (host_architecture(), &pushed)],
    );
    let multi = pull(&node, &server.name("multi")).await.unwrap();
    assert_eq!((multi.digest, multi.layers), (digest, pulled.layers));
}

#[tokio::test]
async fn concurrent_pulls_share_the_work() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("app", "a", &pushed);
    let other = image(&[Tar::default().file("small", b"1").end()]);
    server.push("app", "b", &other);
    let (a, b) = (server.name("app:a"), server.name("app:b"));
    let pulls = (0..12).map(|i| pull(&node, if i % 3 == 0 { &b } else { &a }));
    for pulled in futures_util::future::join_all(pulls).await {
        pulled.unwrap();
    }
    for layer in &pushed.layers {
        assert_eq!(server.asked(&blob_path("app", layer)), 1);
    }
    assert_eq!(node.names("layers").len(), 2);
}

#[tokio::test]
async fn broken_connections_are_resumed() {
    for with_ranges in [true, false] {
        let (server, node, pushed) = (Server::start().await, Node::new(), sample());
        server.push("app", "v1", &pushed);
        let path = blob_path("app", &pushed.layers[1]);
        // More often than there are tries, but each time with progress.
        server.break_off(&path, 1_500_000, if with_ranges { 3 } else { 2 });
        server.break_off(&blob_path("app", &pushed.config), 10, 2);
        server.fail("/v2/app/manifests/v1", StatusCode::BAD_GATEWAY, 2);
        if !with_ranges {
            server.forget_ranges();
        }
        let pulled = pull(&node, &server.name("app:v1")).await.unwrap();
        assert_eq!(
            fs::read(pulled.layers[1].join("big")).unwrap(),
            random(6_000_000)
        );
        assert!(server.asked(&path) >= 3);
    }
}

#[tokio::test]
async fn failures_are_told_in_containerds_words() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("app", "v1", &pushed);
    let host = server.host.clone();
    let error = |name: String| {
        let node = &node;
        async move {
            let error = pull(node, &name).await.unwrap_err();
            (error.kind(), error.to_string())
        }
    };
    let manifests = "pull image manifest has been retried";
    assert_eq!(
        error(server.name("app:v2")).await,
        (
            PullErrorKind::NotFound,
            format!("{manifests} 1 time(s): failed to resolve ref {host}/app:v2: not found")
        )
    );
    assert_eq!(
        error("Not A Name".into()).await,
        (
            PullErrorKind::InvalidName,
            "invalid reference format: repository name (library/Not A Name) must be lowercase"
                .into()
        )
    );
    server.fail("/v2/app/manifests/v1", StatusCode::TOO_MANY_REQUESTS, 3);
    assert_eq!(
        error(server.name("app:v1")).await,
        (
            PullErrorKind::Network,
            format!(
                "{manifests} 3 time(s): failed to resolve ref {host}/app:v1: unexpected status from \
             HEAD request to http://{host}/v2/app/manifests/v1: 429 Too Many Requests"
            )
        )
    );
    server.fail("/v2/app/manifests/v1", StatusCode::FORBIDDEN, 1);
    let (kind, text) = error(server.name("app:v1")).await;
    assert_eq!(kind, PullErrorKind::Denied);
    assert!(
        text.contains("pull access denied, repository does not exist or may require authorization"),
        "{text}"
    );

    server.fail(
        &blob_path("app", &pushed.layers[1]),
        StatusCode::TOO_MANY_REQUESTS,
        3,
    );
    let (kind, text) = error(server.name("app:v1")).await;
    assert_eq!(kind, PullErrorKind::Network);
    let words = "429 Too Many Requests - Server message: toomanyrequests: slow down";
    assert!(text.ends_with(words), "{text}");

    // A blob that is not there, one that never comes whole, one that is not what it should be.
    let blob = |layer: usize| blob_path("app", &pushed.layers[layer]);
    server.break_off(&blob(1), 1000, 99);
    let (kind, text) = error(server.name("app:v1")).await;
    assert_eq!(kind, PullErrorKind::Network);
    assert!(
        text.starts_with(
            "ref pull has been retried 3 time(s): failed to copy: httpReadSeeker: failed open: "
        ),
        "{text}"
    );
    server.break_off(&blob(1), 0, 0);
    server.put(&blob(1), Bytes::from(gzip(&random(1000))));
    let (kind, _) = error(server.name("app:v1")).await;
    assert_eq!(kind, PullErrorKind::Network);
    let mut changed = pushed.layers[1].to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    server.put(&blob(1), changed.into());
    assert_eq!(error(server.name("app:v1")).await.0, PullErrorKind::Invalid);
    server.put(&blob_path("app", &pushed.config), Bytes::from_static(b"{}"));
    let (kind, text) = error(server.name("app:v1")).await;
    assert_eq!(kind, PullErrorKind::Invalid);
    assert!(text.contains("unexpected commit digest"), "{text}");
    server.put("/v2/app/manifests/huge", vec![b' '; 5 << 20].into());
    assert_eq!(
        error(server.name("app:huge")).await.0,
        PullErrorKind::TooLarge
    );

    // Nobody listens.
    let closed = {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    assert_eq!(
        error(format!("{closed}/x:y")).await,
        (
            PullErrorKind::Network,
            format!(
                "{manifests} 3 time(s): failed to resolve ref {closed}/x:y: failed to do request: Head \
             \"http://{closed}/v2/x/manifests/y\": dial tcp {closed}: connect: connection refused"
            )
        )
    );
    drop(node.names("layers"));
    node.assert_no_rest();
}

#[tokio::test]
async fn anonymous_tokens_are_fetched_once_and_renewed() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("private/app", "v1", &pushed);
    server.demand_token("t1");
    pull(&node, &server.name("private/app:v1")).await.unwrap();
    assert_eq!(server.asked("/token"), 1);
    server.demand_token("t2");
    pull(&node, &server.name("private/app:v1")).await.unwrap();
    assert_eq!(server.asked("/token"), 2);
}

#[tokio::test]
async fn a_registry_without_head_is_asked_by_get() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("app", "v1", &pushed);
    server.fail("/v2/app/manifests/v1", StatusCode::METHOD_NOT_ALLOWED, 1);
    let pulled = pull(&node, &server.name("app:v1")).await.unwrap();
    assert_eq!(pulled.digest, pushed.digest);
    assert_eq!(server.asked("/v2/app/manifests/v1"), 2);
}

#[tokio::test]
async fn mirrors_are_asked_first_and_passed_over_when_they_fail() {
    let (server, mirror, pushed) = (Server::start().await, Server::start().await, sample());
    let mut registries = RegistryConfig::default();
    let urls = vec![
        "http://127.0.0.1:1".into(),
        format!("http://{}/hub", mirror.host),
    ];
    registries.mirrors.insert(server.host.clone(), urls);
    let node = Node::with(options(), registries);
    server.push("app", "v1", &pushed);
    pull(&node, &server.name("app:v1")).await.unwrap();
    assert_eq!(mirror.asked("/v2/hub/app/manifests/v1"), 1);
    assert_eq!(server.asked("/v2/app/manifests/v1"), 1);
    let newer = image(&[]);
    mirror.push("hub/app", "v1", &newer);
    assert_eq!(
        pull(&node, &server.name("app:v1")).await.unwrap().digest,
        newer.digest
    );
    assert_eq!(server.asked("/v2/app/manifests/v1"), 1);
}

#[tokio::test]
async fn a_pull_given_up_leaves_nothing_and_can_be_repeated() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    server.push("app", "v1", &pushed);
    let name = server.name("app:v1");
    {
        let pulling = pull(&node, &name);
        tokio::pin!(pulling);
        // Until its big layer is being fetched, then never again.
        let started = async {
            while server.asked(&blob_path("app", &pushed.layers[1])) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = started => {}
            _ = &mut pulling => {}
        }
    }
    pull(&node, &name).await.unwrap();
    // The threads of the first attempt end by themselves.
    while !node.names("tmp").is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.names("layers").len(), 2);
}

/// What our own registry shows to an account is not had by naming its digest elsewhere.
#[tokio::test]
async fn an_own_image_is_not_had_by_a_claim_of_another_registry() {
    let (server, node, pushed) = (Server::start().await, Node::new(), sample());
    node.store(&pushed).await;
    node.pull_own(pushed.digest).await.unwrap();
    let by_digest = server.name(&format!("thief/app@{}", pushed.digest));
    let error = pull(&node, &by_digest).await.unwrap_err();
    assert_eq!(error.kind(), PullErrorKind::NotFound, "{error}");
    // The manifest alone is not enough: it is no secret to whoever saw it once.
    server.push("thief/app", "v1", &pushed);
    let withheld = blob_path("thief/app", &pushed.layers[1]);
    server.fail(&withheld, StatusCode::NOT_FOUND, 1);
    let error = pull(&node, &server.name("thief/app:v1")).await.unwrap_err();
    assert_eq!(error.kind(), PullErrorKind::NotFound, "{error}");
    // Whoever has the layers, too, has the image.
    let pulled = pull(&node, &server.name("thief/app:v1")).await.unwrap();
    assert_eq!(pulled.digest, pushed.digest);
    let asked = server.asked(&blob_path("thief/app", &pushed.layers[1]));
    assert_eq!(pull(&node, &by_digest).await.unwrap().layers, pulled.layers);
    assert_eq!(
        server.asked(&blob_path("thief/app", &pushed.layers[1])),
        asked
    );
}
