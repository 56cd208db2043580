//! Who may call, when callers must prove who they are.

use crate::server::Registry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api::ecr as api;
use neargate_base::AccountId;
use neargate_service::{Caller, Scope};
use std::time::Duration;

async fn token(r: &Registry, account: &str) -> String {
    let account: AccountId = account.parse().unwrap();
    let scope = Scope {
        account,
        region: Default::default(),
    };
    let input = api::GetAuthorizationTokenInput::default();
    let output = Caller::call::<api::ops::GetAuthorizationToken>(&r.house, &scope, "", &input);
    let mut data = output.await.unwrap().authorization_data.unwrap();
    let data = data.pop().unwrap();
    assert_eq!(data.proxy_endpoint, Some(format!("http://{}", r.host)));
    data.authorization_token.unwrap()
}

#[tokio::test]
async fn a_token_opens_its_own_registry_for_twelve_hours() {
    let r = Registry::start_as(true).await;
    r.create("web").await;
    let ping = r.get("/v2/").await;
    assert_eq!((ping.status, ping.code().as_str()), (401, "UNAUTHORIZED"));
    let challenge = format!(
        "Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"",
        r.host
    );
    assert_eq!(ping.header("www-authenticate"), challenge);

    let ours = format!("Basic {}", token(&r, "000000000000").await);
    let get = |path: &'static str, auth: String| {
        let r = &r;
        async move { r.send("GET", path, &[("authorization", &auth)], "").await }
    };
    assert_eq!(get("/v2/", ours.clone()).await.status, 200);
    assert_eq!(get("/v2/web/tags/list", ours.clone()).await.status, 200);
    let theirs = format!("Basic {}", token(&r, "123456789012").await);
    assert_eq!(get("/v2/", theirs.clone()).await.status, 200);
    assert_eq!(get("/v2/web/tags/list", theirs).await.code(), "DENIED");
    for bad in ["AWS:guess", "AWS:", "root:x", ""] {
        let auth = format!("Basic {}", STANDARD.encode(bad));
        assert_eq!(get("/v2/", auth).await.status, 401, "{bad}");
    }
    assert_eq!(
        get("/v2/", ours.replace("Basic", "Bearer")).await.status,
        401
    );
    r.advance(Duration::from_secs(12 * 60 * 60));
    let late = get("/v2/", ours).await;
    assert_eq!((late.status, late.code().as_str()), (403, "DENIED"));
}

#[tokio::test]
async fn in_development_anyone() {
    let r = Registry::start().await;
    r.create("web").await;
    assert_eq!(r.get("/v2/web/tags/list").await.status, 200);
    let auth = format!("Basic {}", STANDARD.encode("any:one"));
    assert_eq!(
        r.send("GET", "/v2/", &[("authorization", &auth)], "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_download_link_opens_one_layer() {
    let r = Registry::start_as(true).await;
    r.create("web").await;
    let auth = format!("Basic {}", token(&r, "000000000000").await);
    let mut digests = Vec::new();
    for content in ["one", "two"] {
        let digest = neargate_blob::Digest::of(content.as_bytes());
        let path = format!("/v2/web/blobs/uploads/?digest={digest}");
        assert_eq!(
            r.send("POST", &path, &[("authorization", &auth)], content)
                .await
                .status,
            201
        );
        digests.push(digest.to_string());
    }
    let input = api::GetDownloadUrlForLayerInput {
        repository_name: "web".into(),
        layer_digest: digests[0].clone(),
        ..Default::default()
    };
    let url = r
        .call(api::ops::GetDownloadUrlForLayer, input)
        .await
        .unwrap()
        .download_url
        .unwrap();
    assert_eq!(&r.get(&url).await.body[..], b"one");
    let other = url.replace(&digests[0], &digests[1]);
    assert_eq!(r.get(&other).await.status, 403);
    let password = url.split_once("token=").unwrap().1;
    let auth = format!("Basic {}", STANDARD.encode(format!("AWS:{password}")));
    assert_eq!(
        r.send("GET", "/v2/", &[("authorization", &auth)], "")
            .await
            .status,
        401
    );
    r.advance(Duration::from_secs(60 * 60));
    assert_eq!(r.get(&url).await.status, 403);
}
