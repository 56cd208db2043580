//! Uploads and blobs.

use crate::server::Registry;
use neargate_blob::Digest;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_resumable_upload() {
    let r = Registry::start().await;
    r.create("web").await;
    let begun = r.send("POST", "/v2/web/blobs/uploads/", &[], "").await;
    assert_eq!((begun.status, begun.header("range")), (202, "0-0"));
    assert_eq!(
        begun.header("docker-distribution-api-version"),
        "registry/2.0"
    );
    let at = begun.header("location").to_owned();
    assert!(at.ends_with(begun.header("docker-upload-uuid")));

    // Docker sends chunks without saying where they belong; OCI clients say it.
    let reply = r.send("PATCH", &at, &[], "hello ").await;
    assert_eq!((reply.status, reply.header("range")), (202, "0-5"));
    let reply = r
        .send("PATCH", &at, &[("content-range", "6-8")], "wor")
        .await;
    assert_eq!((reply.status, reply.header("range")), (202, "0-8"));
    let wrong = r
        .send("PATCH", &at, &[("content-range", "6-8")], "wor")
        .await;
    assert_eq!((wrong.status, wrong.header("range")), (416, "0-8"));
    assert_eq!(wrong.header("location"), at);
    let short = r
        .send("PATCH", &at, &[("content-range", "9-20")], "ld")
        .await;
    assert_eq!((short.status, short.code().as_str()), (400, "SIZE_INVALID"));

    let status = r.get(&at).await;
    assert_eq!((status.status, status.header("range")), (204, "0-8"));
    let digest = Digest::of(b"hello world");
    let done = r
        .send("PUT", &format!("{at}?digest={digest}"), &[], "ld")
        .await;
    assert_eq!(
        (done.status, done.header("docker-content-digest")),
        (201, digest.to_string().as_str())
    );
    let blob = r.get(done.header("location")).await;
    assert_eq!((blob.status, &blob.body[..]), (200, &b"hello world"[..]));
    assert_eq!(r.get(&at).await.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn bad_uploads_leave_nothing() {
    let r = Registry::start().await;
    r.create("web").await;
    let path = |digest: &str| format!("/v2/web/blobs/uploads/?digest={digest}");
    let wrong = r
        .send("POST", &path(&Digest::of(b"x").to_string()), &[], "y")
        .await;
    assert_eq!(
        (wrong.status, wrong.code().as_str()),
        (400, "DIGEST_INVALID")
    );
    let bad = r.send("POST", &path("sha256:12"), &[], "y").await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "DIGEST_INVALID"));
    let none = r.send("POST", "/v2/nowhere/blobs/uploads/", &[], "").await;
    assert_eq!((none.status, none.code().as_str()), (404, "NAME_UNKNOWN"));
    assert_eq!(
        none.json()["errors"][0]["message"],
        "The repository with name 'nowhere' does not exist in the registry with id '000000000000'"
    );
    let begun = r.send("POST", "/v2/web/blobs/uploads/", &[], "").await;
    let at = begun.header("location").to_owned();
    assert_eq!(r.send("DELETE", &at, &[], "").await.status, 204);
    assert_eq!(r.get(&at).await.status, 404);
    // An upload belongs to its repository.
    r.create("other").await;
    let begun = r.send("POST", "/v2/web/blobs/uploads/", &[], "").await;
    let theirs = begun.header("location").replace("/web/", "/other/");
    assert_eq!(r.get(&theirs).await.status, 404);
    assert!(r.house.blobs.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn blobs_by_range_and_only_in_their_repository() {
    let r = Registry::start().await;
    for name in ["web", "other"] {
        r.create(name).await;
    }
    let digest = r.blob("web", b"0123456789").await;
    let path = format!("/v2/web/blobs/{digest}");
    let head = r.send("HEAD", &path, &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, "10"));
    assert_eq!(head.header("accept-ranges"), "bytes");
    let part = r.send("GET", &path, &[("range", "bytes=2-4")], "").await;
    assert_eq!((part.status, &part.body[..]), (206, &b"234"[..]));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let beyond = r.send("GET", &path, &[("range", "bytes=10-")], "").await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */10")
    );

    let theirs = format!("/v2/other/blobs/{digest}");
    assert_eq!(r.get(&theirs).await.code(), "BLOB_UNKNOWN");
    let mount = |from: &str| format!("/v2/other/blobs/uploads/?mount={digest}&from={from}");
    for from in ["nowhere", "other", "123456789012/us-west-2/web"] {
        let reply = r.send("POST", &mount(from), &[], "").await;
        assert_eq!(reply.status, 202, "{from}");
    }
    let mounted = r.send("POST", &mount("web"), &[], "").await;
    assert_eq!(
        (mounted.status, mounted.header("location")),
        (201, theirs.as_str())
    );
    assert_eq!(r.get(&theirs).await.status, 200);
    assert_eq!(r.send("DELETE", &theirs, &[], "").await.status, 202);
    assert_eq!(r.get(&theirs).await.status, 404);
    assert_eq!(r.get(&path).await.status, 200);
}

#[tokio::test]
async fn account_and_region_by_host_or_path() {
    let r = Registry::start().await;
    r.create("web").await;
    let digest = r.blob("web", b"x").await;
    let aws = "000000000000.dkr.ecr.us-east-1.amazonaws.com";
    let path = format!("/v2/web/blobs/{digest}");
    let by_host = |host: String| {
        let (r, path) = (&r, &path);
        async move { r.send("HEAD", path, &[("host", &host)], "").await.status }
    };
    assert_eq!(by_host(aws.into()).await, 200);
    assert_eq!(
        by_host(aws.replace("amazonaws.com", "localhost:4566")).await,
        200
    );
    assert_eq!(by_host(aws.replace("us-east-1", "us-east-2")).await, 404);
    let long = format!("/v2/000000000000/us-east-1/web/blobs/{digest}");
    assert_eq!(r.get(&long).await.status, 200);
    assert_eq!(
        r.get(&long.replace("us-east-1", "us-east-2")).await.status,
        404
    );
}

#[tokio::test]
async fn a_truncated_chunk_can_be_continued() {
    let r = Registry::start().await;
    r.create("web").await;
    let begun = r.send("POST", "/v2/web/blobs/uploads/", &[], "").await;
    let at = begun.header("location").to_owned();
    let mut broken = tokio::net::TcpStream::connect(&r.host).await.unwrap();
    let head = format!(
        "PATCH {at} HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\nhello",
        r.host
    );
    broken.write_all(head.as_bytes()).await.unwrap();
    drop(broken);
    // Until the server has seen the end of that connection.
    while r.get(&at).await.header("range") != "0-4" {
        tokio::task::yield_now().await;
    }
    let digest = Digest::of(b"hello world");
    let path = format!("{at}?digest={digest}");
    let done = r
        .send("PUT", &path, &[("content-range", "5-10")], " world")
        .await;
    assert_eq!(done.status, 201, "{done:?}");
}

#[tokio::test]
async fn many_pushes_at_once_lose_nothing() {
    let r = Registry::start().await;
    r.create("web").await;
    let pushes = (0..16).map(|i| {
        let r = &r;
        async move {
            r.image("web", &format!("v{i}"), &format!("layer {}", i % 4))
                .await
        }
    });
    let digests = futures_util::future::join_all(pushes).await;
    assert_eq!(
        r.get("/v2/web/tags/list").await.json()["tags"]
            .as_array()
            .unwrap()
            .len(),
        16
    );
    for (i, digest) in digests.iter().enumerate() {
        let got = r.get(&format!("/v2/web/manifests/v{i}")).await;
        assert_eq!(got.header("docker-content-digest"), digest.to_string());
    }
}
