//! Collecting what nothing refers to.

use crate::server::Registry;
use neargate_api_ecr as api;
use neargate_blob::Digest;
use neargate_ecr::collect;
use neargate_ecr::collect::{Ages, Collected};
use std::collections::HashSet;
use std::time::Duration;

/// Blobs carry the host's own time, so they are old at once here.
const NOW: Ages = Ages {
    layer: Duration::ZERO,
    blob: Duration::ZERO,
    upload: Duration::ZERO,
};

async fn collected(r: &Registry, ages: Ages) -> Collected {
    collect(&r.house, ages, &HashSet::new()).await.unwrap()
}

#[tokio::test]
async fn only_what_nothing_needs() {
    let r = Registry::start().await;
    for name in ["web", "gone"] {
        r.create(name).await;
    }
    // The test's clock stands still; a day later everything is old to it, and in the far future
    // of the files' own clock.
    let kept = r.image("web", "v1", "kept").await;
    let removed = r.image("web", "v2", "removed").await;
    r.image("gone", "v1", "of a deleted repository").await;
    r.blob("web", b"never used").await;
    let begun = r.send("POST", "/v2/web/blobs/uploads/", &[], "").await;
    assert_eq!(collected(&r, Ages::default()).await, Collected::default());

    let path = format!("/v2/web/manifests/{removed}");
    assert_eq!(r.send("DELETE", &path, &[], "").await.status, 202);
    let delete = api::DeleteRepositoryInput {
        repository_name: "gone".into(),
        force: Some(true),
        ..Default::default()
    };
    r.call(api::ops::DeleteRepository, delete).await.unwrap();
    // Far beyond the time the files were made at.
    r.advance(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    let first = collected(&r, NOW).await;
    // Layers: removed, never used, two of the deleted repository, with its image and tag.
    assert_eq!((first.records, first.uploads), (6, 1));
    // Two manifests, three layers.
    assert_eq!(first.blobs, 5);
    assert_eq!(collected(&r, NOW).await, Collected::default());
    assert_eq!(r.get(begun.header("location")).await.status, 404);
    assert_eq!(
        r.get(&format!("/v2/web/manifests/{kept}")).await.status,
        200
    );
    let layer = format!("/v2/web/blobs/{}", Digest::of(b"kept"));
    assert_eq!(r.get(&layer).await.status, 200);
    // A repository of the same name begins empty.
    r.create("gone").await;
    assert_eq!(
        r.get("/v2/gone/tags/list").await.json()["tags"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn what_others_keep_stays() {
    let r = Registry::start().await;
    let stored = r
        .house
        .blobs
        .put_bytes("somebody's".into(), None)
        .await
        .unwrap();
    r.advance(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    let keep = HashSet::from([stored.digest]);
    assert_eq!(
        collect(&r.house, NOW, &keep).await.unwrap(),
        Collected::default()
    );
    assert_eq!(collected(&r, NOW).await.blobs, 1);
}
