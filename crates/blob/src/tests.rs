//! The store against its promises: visible only when whole, resumable, refusing wrong content.

use crate::{BlobError, Blobs, Digest};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use neargate_base::Timestamp;
use std::io;
use std::sync::Arc;
use tempfile::TempDir;

fn store() -> (TempDir, Arc<Blobs>) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path()).unwrap();
    (dir, blobs)
}

fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|i| (i * 31 % 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

fn pieces(of: &Bytes, each: usize) -> Vec<Result<Bytes, io::Error>> {
    of.chunks(each)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect()
}

async fn collect(
    blobs: &Arc<Blobs>,
    digest: &Digest,
    range: Option<std::ops::Range<u64>>,
) -> Vec<u8> {
    let (length, mut body) = blobs.stream(digest, range).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(all.len() as u64, length);
    all
}

#[test]
fn digests_parse_and_print() {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b"").to_string(), empty);
    assert_eq!(empty.parse::<Digest>().unwrap(), Digest::of(b""));
    assert_eq!(
        serde_json::to_string(&Digest::of(b"")).unwrap(),
        format!("\"{empty}\"")
    );
    assert_eq!(
        serde_json::from_str::<Digest>(&format!("\"{empty}\"")).unwrap(),
        Digest::of(b"")
    );
    let upper = empty.to_uppercase().replace("SHA256", "sha256");
    for bad in [
        "",
        "sha256:",
        "e3b0",
        "sha256:e3b0",
        "sha512:e3",
        "sha256:../../x",
        &upper,
        &empty[..70],
    ] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn small_blobs_are_put_read_listed_deleted() {
    let (_dir, blobs) = store();
    let bytes = Bytes::from_static(b"hello");
    let digest = Digest::of(&bytes);
    assert!(!blobs.has(&digest).await);
    assert!(matches!(blobs.read(&digest, 10).await, Err(BlobError::NotFound(d)) if d == digest));
    let wrong = Digest::of(b"other");
    let refused = blobs.put_bytes(bytes.clone(), Some(&wrong)).await;
    assert!(matches!(refused, Err(BlobError::DigestMismatch { .. })));
    assert!(blobs.list().await.unwrap().is_empty());

    for _ in 0..2 {
        let stored = blobs.put_bytes(bytes.clone(), Some(&digest)).await.unwrap();
        assert_eq!((stored.digest, stored.size_bytes), (digest, 5));
    }
    assert_eq!(blobs.size(&digest).await, Some(5));
    assert_eq!(blobs.read(&digest, 5).await.unwrap(), bytes);
    assert!(matches!(
        blobs.read(&digest, 4).await,
        Err(BlobError::TooLarge { .. })
    ));
    assert_eq!(
        std::fs::read(blobs.path(&digest).unwrap()).unwrap(),
        b"hello"
    );
    let listed = blobs.list().await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].digest, listed[0].size_bytes),
        (1, digest, 5)
    );
    assert!(listed[0].stored_at > Timestamp::from_millis(0));
    assert!(blobs.delete(&digest).await.unwrap());
    assert!(!blobs.delete(&digest).await.unwrap());
    assert!(blobs.path(&digest).is_none());
}

#[tokio::test]
async fn ranges_stream_exactly() {
    let (_dir, blobs) = store();
    let bytes = pattern(3 * 512 * 1024 + 17);
    let digest = blobs.put_bytes(bytes.clone(), None).await.unwrap().digest;
    assert_eq!(collect(&blobs, &digest, None).await, bytes);
    for range in [
        0..0,
        0..1,
        512 * 1024 - 1..512 * 1024 + 1,
        1_000_000..bytes.len(),
    ] {
        let wanted = range.start as u64..range.end as u64;
        assert_eq!(collect(&blobs, &digest, Some(wanted)).await, bytes[range]);
    }
    let beyond = blobs.stream(&digest, Some(0..bytes.len() as u64 + 1)).await;
    assert!(matches!(beyond.err(), Some(BlobError::BadRange { .. })));
    let empty = blobs.put_bytes(Bytes::new(), None).await.unwrap().digest;
    assert!(collect(&blobs, &empty, None).await.is_empty());
}

#[tokio::test]
async fn uploads_go_on_where_they_broke_off() {
    let (dir, blobs) = store();
    let bytes = pattern(5_000_000);
    let digest = Digest::of(&bytes);
    let mut upload = blobs.begin("u1").await.unwrap();
    assert!(matches!(
        blobs_begin_again(&blobs, upload).await,
        Err(BlobError::UploadExists(_))
    ));

    // The sender fails: what came before stays.
    upload = blobs.resume("u1").await.unwrap().unwrap();
    let mut first = pieces(&bytes.slice(..2_000_000), 60_000);
    first.push(Err(io::Error::other("connection reset")));
    let broken = upload.append(stream::iter(first)).await;
    assert!(
        matches!(
            broken,
            Err(BlobError::Body {
                offset: 2_000_000,
                ..
            })
        ),
        "{broken:?}"
    );
    drop(upload);

    // In the same process, the running hash goes on.
    let mut upload = blobs.resume("u1").await.unwrap().unwrap();
    assert_eq!(upload.offset(), 2_000_000);
    let offset = upload
        .append(stream::iter(pieces(&bytes.slice(2_000_000..3_500_000), 1)))
        .await;
    assert_eq!(offset.unwrap(), 3_500_000);
    drop((upload, blobs));

    // After a restart it is rebuilt from the file.
    let blobs = Blobs::open(dir.path()).unwrap();
    let mut upload = blobs.resume("u1").await.unwrap().unwrap();
    assert_eq!(upload.offset(), 3_500_000);
    upload.append_bytes(bytes.slice(3_500_000..)).await.unwrap();
    assert!(!blobs.has(&digest).await);
    let stored = upload.finish(Some(&digest)).await.unwrap();
    assert_eq!((stored.digest, stored.size_bytes), (digest, 5_000_000));
    assert_eq!(collect(&blobs, &digest, None).await, bytes);
    assert!(blobs.resume("u1").await.unwrap().is_none());

    // The same content again: one blob.
    let mut again = blobs.begin("u2").await.unwrap();
    again.append_bytes(bytes.clone()).await.unwrap();
    again.finish(None).await.unwrap();
    assert_eq!(blobs.list().await.unwrap().len(), 1);
    assert_eq!(
        std::fs::read_dir(dir.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
}

async fn blobs_begin_again(blobs: &Arc<Blobs>, held: crate::Upload) -> Result<(), BlobError> {
    let id = held.id().to_owned();
    drop(held);
    blobs.begin(&id).await.map(drop)
}

#[tokio::test]
async fn a_dropped_append_leaves_a_consistent_upload() {
    let (_dir, blobs) = store();
    let bytes = pattern(8 * 1024 * 1024);
    let mut upload = blobs.begin("u").await.unwrap();
    // Two batches arrive, then the sender says nothing more and its future is dropped.
    let stalled = stream::iter(pieces(&bytes, 64 * 1024)).chain(stream::pending());
    let appended = {
        let append = upload.append(stalled);
        tokio::pin!(append);
        futures_util::future::poll_immediate(&mut append).await
    };
    assert!(appended.is_none());
    drop(upload);
    let mut upload = blobs.resume("u").await.unwrap().unwrap();
    let at = upload.offset() as usize;
    assert!(at <= bytes.len());
    upload.append_bytes(bytes.slice(at..)).await.unwrap();
    let stored = upload.finish(Some(&Digest::of(&bytes))).await.unwrap();
    assert_eq!(stored.size_bytes, bytes.len() as u64);
}

#[tokio::test]
async fn wrong_content_never_becomes_visible() {
    let (dir, blobs) = store();
    let mut upload = blobs.begin("u").await.unwrap();
    upload
        .append_bytes(Bytes::from_static(b"evil"))
        .await
        .unwrap();
    let finished = upload.finish(Some(&Digest::of(b"good"))).await;
    assert!(matches!(finished, Err(BlobError::DigestMismatch { .. })));
    assert!(blobs.list().await.unwrap().is_empty());
    assert!(blobs.resume("u").await.unwrap().is_none());
    assert_eq!(
        std::fs::read_dir(dir.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn stale_uploads_are_collected_and_ids_are_checked() {
    let (dir, blobs) = store();
    for bad in ["", "..", "a/b", "../../etc/passwd", &"x".repeat(129)] {
        assert!(
            matches!(blobs.begin(bad).await, Err(BlobError::BadUploadId(_))),
            "{bad}"
        );
        assert!(blobs.resume(bad).await.unwrap().is_none());
    }
    drop(blobs.begin("idle").await.unwrap());
    let held = blobs.begin("held").await.unwrap();
    blobs.begin("gone").await.unwrap().cancel().await.unwrap();
    assert_eq!(
        blobs
            .collect_uploads(Timestamp::from_millis(0))
            .await
            .unwrap(),
        0
    );
    let future = Timestamp::from_millis(i64::MAX);
    assert_eq!(blobs.collect_uploads(future).await.unwrap(), 1);
    assert!(blobs.resume("idle").await.unwrap().is_none());
    drop(held);
    assert!(blobs.resume("held").await.unwrap().is_some());
    // A half-written small blob of a killed process goes at the next start.
    std::fs::write(dir.path().join("tmp/0"), "half").unwrap();
    drop(blobs);
    Blobs::open(dir.path()).unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path().join("tmp")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn only_old_blobs_are_deleted_by_age() {
    let (_dir, blobs) = store();
    let bytes = Bytes::from_static(b"young");
    let digest = blobs.put_bytes(bytes, None).await.unwrap().digest;
    let past = Timestamp::from_millis(0);
    assert!(!blobs.delete_older(&digest, past).await.unwrap());
    let future = Timestamp::from_millis(i64::MAX);
    assert!(blobs.delete_older(&digest, future).await.unwrap());
    assert!(!blobs.delete_older(&digest, future).await.unwrap());
    assert!(!blobs.has(&digest).await);
}

#[tokio::test]
async fn concurrent_puts_of_one_blob_agree() {
    let (_dir, blobs) = store();
    let bytes = pattern(100_000);
    let puts = (0..16).map(|_| blobs.put_bytes(bytes.clone(), None));
    for stored in futures_util::future::join_all(puts).await {
        assert_eq!(stored.unwrap().digest, Digest::of(&bytes));
    }
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn directories_are_made_when_first_needed() {
    let (dir, blobs) = store();
    let homes = || {
        std::fs::read_dir(dir.path().join("blobs/sha256"))
            .unwrap()
            .count()
    };
    assert_eq!(homes(), 0);
    let one = blobs.put_bytes(pattern(1), None).await.unwrap().digest;
    assert_eq!(homes(), 1);
    // The next store on the directory knows it, and makes those that are missing.
    let blobs = Blobs::open(dir.path()).unwrap();
    assert!(blobs.has(&one).await);
    for length in 2..50 {
        blobs.put_bytes(pattern(length), None).await.unwrap();
    }
    assert!(homes() > 1);
    assert_eq!(blobs.list().await.unwrap().len(), 49);
}
