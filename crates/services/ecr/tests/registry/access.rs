//! Who may call, when callers must prove who they are.

use crate::server::Registry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_ecr as api;
use neargate_base::AccountId;
use neargate_ecr as ecr;
use neargate_service::{AwsError, Ctx, Principal, Scope};
use neargate_wire::structure::{self, OperationDef, Structure};
use std::time::Duration;

async fn token(r: &Registry, account: &str) -> String {
    let account: AccountId = account.parse().unwrap();
    let scope = Scope {
        account,
        region: Default::default(),
    };
    let input = api::GetAuthorizationTokenInput::default();
    let output = as_root(r, scope, api::ops::GetAuthorizationToken, input);
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

/// As another account, naming ours.
async fn as_other<O: OperationDef>(
    r: &Registry,
    operation: O,
    input: O::Input,
) -> Result<O::Output, AwsError> {
    let scope = Scope {
        account: "999999999999".parse().unwrap(),
        region: Default::default(),
    };
    as_root(r, scope, operation, input).await
}

/// As the root of the scope's account.
async fn as_root<O: OperationDef>(
    r: &Registry,
    scope: Scope,
    _: O,
    input: O::Input,
) -> Result<O::Output, AwsError> {
    let cx = Ctx {
        request_id: r.house.rng.uuid(),
        principal: Principal::root(&scope.account, ""),
        scope,
        reached_at: None,
        house: r.house.clone(),
    };
    let service = r.house.caller.service(O::service().id);
    let service = service.expect("it is served");
    let output = service.call(cx, O::operation(), input.to_value());
    Ok(structure::from_value(output.await?))
}

async fn set_policy(r: &Registry, actions: &str) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"x","Effect":"Allow","Principal":{{"AWS":"999999999999"}},"Action":{actions}}}]}}"#
    );
    let input = api::SetRepositoryPolicyInput {
        repository_name: "web".into(),
        policy_text: policy,
        ..Default::default()
    };
    r.call(api::ops::SetRepositoryPolicy, input).await.unwrap();
}

#[tokio::test]
async fn another_account_gets_what_the_policy_grants_and_no_more() {
    let r = Registry::start_as(true).await;
    r.create("web").await;
    let (ours, web) = (Some("000000000000".to_owned()), "web".to_owned());
    let list = || api::ListImagesInput {
        registry_id: ours.clone(),
        repository_name: web.clone(),
        ..Default::default()
    };
    let delete = |name: &str| api::DeleteRepositoryInput {
        registry_id: ours.clone(),
        repository_name: name.to_owned(),
        force: Some(true),
    };
    let refused = as_other(&r, api::ops::ListImages, list())
        .await
        .unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    assert_eq!(
        refused.message,
        "User: arn:aws:iam::999999999999:root is not authorized to perform: ecr:ListImages on resource: arn:aws:ecr:us-east-1:000000000000:repository/web because no resource-based policy allows the ecr:ListImages action"
    );
    // Nor is it told which repositories there are.
    for name in ["web", "missing"] {
        let refused = as_other(&r, api::ops::DeleteRepository, delete(name)).await;
        assert_eq!(refused.unwrap_err().code, "AccessDeniedException", "{name}");
    }
    let describe = api::DescribeRepositoriesInput {
        registry_id: ours.clone(),
        ..Default::default()
    };
    let create = api::CreateRepositoryInput {
        registry_id: ours.clone(),
        repository_name: "new".into(),
        ..Default::default()
    };
    let tags = api::ListTagsForResourceInput {
        resource_arn: "arn:aws:ecr:us-east-1:000000000000:repository/web".into(),
    };
    let all = [
        as_other(&r, api::ops::DescribeRepositories, describe)
            .await
            .err(),
        as_other(&r, api::ops::CreateRepository, create).await.err(),
        as_other(&r, api::ops::ListTagsForResource, tags)
            .await
            .err(),
    ];
    assert!(
        all.iter()
            .flatten()
            .all(|e| e.code == "AccessDeniedException"),
        "{all:?}"
    );
    assert_eq!(all.iter().flatten().count(), 3);

    set_policy(&r, r#"["ecr:List*","ecr:InitiateLayerUpload"]"#).await;
    assert!(as_other(&r, api::ops::ListImages, list()).await.is_ok());
    let refused = as_other(&r, api::ops::DeleteRepository, delete("web")).await;
    assert_eq!(refused.unwrap_err().code, "AccessDeniedException");
    // The registry goes by the same policy, and a mount by the one of where it mounts from.
    r.create("hidden").await;
    let ours = format!("Basic {}", token(&r, "000000000000").await);
    let theirs = format!("Basic {}", token(&r, "999999999999").await);
    let digest = neargate_blob::Digest::of(b"secret");
    let send = |method: &'static str, path: String, auth: String| {
        let r = &r;
        async move {
            r.send(method, &path, &[("authorization", &auth)], "secret")
                .await
        }
    };
    let push = format!("/v2/hidden/blobs/uploads/?digest={digest}");
    assert_eq!(send("POST", push, ours.clone()).await.status, 201);
    let mount = format!("/v2/web/blobs/uploads/?mount={digest}&from=hidden");
    // Who may begin an upload may not end one by beginning it.
    let whole = format!("/v2/web/blobs/uploads/?digest={digest}");
    for path in [mount.clone(), whole.clone()] {
        let got = send("POST", path.clone(), theirs.clone()).await;
        assert_eq!(got.code(), "DENIED", "{path}");
        let said = String::from_utf8_lossy(&got.body);
        assert!(said.contains("ecr:UploadLayerPart"), "{said}");
    }
    let begin = "/v2/web/blobs/uploads/".to_owned();
    assert_eq!(send("POST", begin, theirs.clone()).await.status, 202);
    set_policy(
        &r,
        r#"["ecr:List*","ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload"]"#,
    )
    .await;
    let got = send("POST", mount.clone(), theirs.clone()).await;
    assert_eq!(got.status, 202, "an upload was begun, nothing mounted");
    assert_eq!(send("POST", whole, theirs.clone()).await.status, 201);
    assert_eq!(
        send("GET", "/v2/web/tags/list".into(), theirs.clone())
            .await
            .status,
        200
    );
    for path in [
        "/v2/web/manifests/1",
        "/v2/hidden/tags/list",
        "/v2/_catalog",
    ] {
        assert_eq!(
            send("GET", path.into(), theirs.clone()).await.code(),
            "DENIED",
            "{path}"
        );
    }
    assert_eq!(send("POST", mount, ours).await.status, 201);
}

#[tokio::test]
async fn a_task_pulls_of_another_account_by_its_policy() {
    let r = Registry::start().await;
    r.create("web").await;
    let other = Scope {
        account: "999999999999".parse().unwrap(),
        region: Default::default(),
    };
    let name = format!("{}/web:1", r.host);
    let resolved = async |scope: &Scope| match ecr::resolve(&r.house, scope, &name).await {
        Ok(ecr::Resolved::Missing { message }) => message,
        found => panic!("{found:?}"),
    };
    assert!(resolved(&r.scope).await.ends_with("not found"));
    assert!(resolved(&other).await.ends_with("403 Forbidden"));
    set_policy(&r, r#"["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]"#).await;
    assert!(resolved(&other).await.ends_with("not found"));
}

/// Who needs no token and brings another account's is that account.
#[tokio::test]
async fn a_token_counts_where_none_is_needed() {
    let r = Registry::start().await;
    r.create("web").await;
    let theirs = format!("Basic {}", token(&r, "999999999999").await);
    let path = "/v2/web/tags/list";
    assert_eq!(
        r.send("GET", path, &[("authorization", &theirs)], "")
            .await
            .code(),
        "DENIED"
    );
    assert_eq!(r.get(path).await.status, 200);
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
