//! Manifests, indexes, tags and referrers.

use crate::server::{INDEX, MANIFEST, Registry, manifest};
use neargate_api_ecr as api;
use neargate_blob::Digest;
use neargate_ecr::{Resolved, resolve};
use serde_json::json;

#[tokio::test]
async fn by_tag_and_by_digest() {
    let r = Registry::start().await;
    r.create("web").await;
    let digest = r.image("web", "v1", "layer").await;
    for reference in ["v1", &digest.to_string()] {
        let path = format!("/v2/web/manifests/{reference}");
        let got = r.get(&path).await;
        assert_eq!((got.status, got.header("content-type")), (200, MANIFEST));
        assert_eq!(Digest::of(&got.body), digest);
        let head = r.send("HEAD", &path, &[], "").await;
        assert_eq!(head.header("content-length"), got.body.len().to_string());
        assert_eq!(head.header("docker-content-digest"), digest.to_string());
    }
    let none = r.get("/v2/web/manifests/v2").await;
    assert_eq!(
        (none.status, none.code().as_str()),
        (404, "MANIFEST_UNKNOWN")
    );

    // A tag moves; the image it was of stays, by its digest.
    let second = r.image("web", "v1", "another layer").await;
    assert_ne!(digest, second);
    assert_eq!(
        r.get(&format!("/v2/web/manifests/{digest}")).await.status,
        200
    );
    assert_eq!(
        r.send("DELETE", "/v2/web/manifests/v1", &[], "")
            .await
            .status,
        202
    );
    assert_eq!(r.get("/v2/web/manifests/v1").await.status, 404);
    let by_digest = format!("/v2/web/manifests/{second}");
    assert_eq!(r.send("DELETE", &by_digest, &[], "").await.status, 202);
    assert_eq!(r.get(&by_digest).await.status, 404);
}

#[tokio::test]
async fn what_is_refused() {
    let r = Registry::start().await;
    r.create("web").await;
    let config = r.blob("web", b"{}").await;
    let missing = manifest(&config, &[(Digest::of(b"nowhere"), 7)]);
    let reply = r.put_manifest("web", "v1", MANIFEST, missing).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "MANIFEST_BLOB_UNKNOWN")
    );
    let fine = manifest(&config, &[]);
    let reply = r
        .put_manifest("web", &Digest::of(b"x").to_string(), MANIFEST, fine.clone())
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "DIGEST_INVALID")
    );
    let reply = r.put_manifest("web", "v1", INDEX, fine.clone()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "MANIFEST_INVALID")
    );
    let reply = r.put_manifest("web", "-v1", MANIFEST, fine.clone()).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "TAG_INVALID"));
    let reply = r.put_manifest("web", "v1", MANIFEST, "{".into()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "MANIFEST_INVALID")
    );
    let large = format!("{fine}{}", " ".repeat(4 * 1024 * 1024));
    let reply = r.put_manifest("web", "v1", MANIFEST, large).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "MANIFEST_INVALID")
    );
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        { "mediaType": MANIFEST, "digest": Digest::of(b"nowhere"), "size": 7 }] });
    let reply = r.put_manifest("web", "v1", INDEX, index.to_string()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "MANIFEST_BLOB_UNKNOWN")
    );
    assert_eq!(r.get("/v2/web/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn an_index_and_its_images() {
    let r = Registry::start().await;
    r.create("web").await;
    let image = r.image("web", "digest", "layer").await;
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        { "mediaType": MANIFEST, "digest": image, "size": 1, "platform": { "os": "linux", "architecture": "amd64" } }] });
    let reply = r
        .put_manifest("web", "multi", INDEX, index.to_string())
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let of_index: Digest = reply.header("docker-content-digest").parse().unwrap();
    assert_eq!(
        r.get("/v2/web/manifests/multi")
            .await
            .header("content-type"),
        INDEX
    );
    let by_digest = format!("/v2/web/manifests/{image}");
    assert_eq!(r.send("DELETE", &by_digest, &[], "").await.code(), "DENIED");

    let name = format!("{}/web:multi", r.host);
    let resolved = resolve(&r.house, &r.scope, &name).await.unwrap();
    assert_eq!(resolved, Resolved::Own { digest: of_index });
    let aws = format!("000000000000.dkr.ecr.us-east-1.amazonaws.com/web@{image}");
    let resolved = resolve(&r.house, &r.scope, &aws).await.unwrap();
    assert_eq!(resolved, Resolved::Own { digest: image });
    let none = "000000000000.dkr.ecr.us-east-1.amazonaws.com/x";
    let Resolved::Missing { message } = resolve(&r.house, &r.scope, none).await.unwrap() else {
        panic!("it is not there");
    };
    assert_eq!(
        message,
        format!(
            "pull image manifest has been retried 1 time(s): failed to resolve ref {none}:latest: {none}:latest: not found"
        )
    );
}

#[tokio::test]
async fn tags_and_repositories_in_pages() {
    let r = Registry::start().await;
    for name in ["web", "api", "batch"] {
        r.create(name).await;
    }
    for tag in ["c", "a", "b"] {
        r.image("web", tag, "layer").await;
    }
    assert_eq!(
        r.get("/v2/web/tags/list").await.json(),
        json!({ "name": "web", "tags": ["a", "b", "c"] })
    );
    let first = r.get("/v2/web/tags/list?n=2").await;
    assert_eq!(first.json()["tags"], json!(["a", "b"]));
    let link = first.header("link");
    let next = link
        .strip_prefix('<')
        .and_then(|l| l.strip_suffix(">; rel=\"next\""))
        .unwrap();
    let second = r.get(next).await;
    assert_eq!(
        (second.json()["tags"].clone(), second.header("link")),
        (json!(["c"]), "")
    );
    assert_eq!(
        r.get("/v2/web/tags/list?n=0").await.json()["tags"],
        json!([])
    );
    assert_eq!(r.get("/v2/web/tags/list?n=x").await.status, 400);
    let catalog = r.get("/v2/_catalog?n=2").await;
    assert_eq!(catalog.json()["repositories"], json!(["api", "batch"]));
    assert_eq!(r.get("/v2/none/tags/list").await.code(), "NAME_UNKNOWN");
}

#[tokio::test]
async fn referrers() {
    let r = Registry::start().await;
    r.create("web").await;
    let subject = r.image("web", "v1", "layer").await;
    let config = r.blob("web", b"{}").await;
    for kind in ["sig/x", "sbom/y"] {
        let artifact = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2 },
            "layers": [], "subject": { "mediaType": MANIFEST, "digest": subject, "size": 1 },
            "annotations": { "made": "by a test" },
        });
        let text = artifact.to_string();
        let digest = Digest::of(text.as_bytes()).to_string();
        let reply = r.put_manifest("web", &digest, MANIFEST, text).await;
        assert_eq!(
            (reply.status, reply.header("oci-subject")),
            (201, subject.to_string().as_str())
        );
    }
    let all = r.get(&format!("/v2/web/referrers/{subject}")).await;
    assert_eq!(all.header("content-type"), INDEX);
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    let some = r
        .get(&format!("/v2/web/referrers/{subject}?artifactType=sig%2Fx"))
        .await;
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    let found = some.json()["manifests"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["artifactType"], "sig/x");
    assert_eq!(found[0]["annotations"]["made"], "by a test");
    let none = r
        .get(&format!("/v2/web/referrers/{}", Digest::of(b"none")))
        .await;
    assert_eq!(
        (none.status, none.json()["manifests"].clone()),
        (200, json!([]))
    );
    let input = api::ListImageReferrersInput {
        repository_name: "web".into(),
        subject_id: api::SubjectIdentifier {
            image_digest: subject.to_string(),
        },
        ..Default::default()
    };
    let listed = r.call(api::ops::ListImageReferrers, input).await.unwrap();
    assert_eq!(listed.referrers.unwrap().len(), 2);
}

#[tokio::test]
async fn an_immutable_tag_stays() {
    let r = Registry::start().await;
    r.create("web").await;
    let first = r.image("web", "v1", "layer").await;
    let input = api::PutImageTagMutabilityInput {
        repository_name: "web".into(),
        image_tag_mutability: "IMMUTABLE".into(),
        ..Default::default()
    };
    r.call(api::ops::PutImageTagMutability, input)
        .await
        .unwrap();
    assert_eq!(r.image("web", "v1", "layer").await, first);
    let config = r.blob("web", b"{}").await;
    let reply = r
        .put_manifest("web", "v1", MANIFEST, manifest(&config, &[]))
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "TAG_INVALID"));
    assert_eq!(
        reply.json()["errors"][0]["message"],
        "The image tag 'v1' already exists in the 'web' repository and cannot be overwritten because the tag is immutable."
    );
    assert_eq!(
        r.image("web", "v2", "another").await,
        r.image("web", "v2", "another").await
    );
}
