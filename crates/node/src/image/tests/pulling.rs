//! Pulls of our own images: straight from the blob store.

use super::archive::Tar;
use super::*;
use crate::image::PullErrorKind;
use crate::image::manifest::host_architecture;
use std::fs;

fn base() -> Vec<u8> {
    Tar::default().dir("bin").file("bin/sh", b"shell").end()
}

fn top() -> Vec<u8> {
    Tar::default().file("app", &vec![9; 3_000_000]).end()
}

#[tokio::test]
async fn an_own_image_is_unpacked_once_and_found_again() {
    let mut node = Node::new();
    let pushed = image(&[base(), top()]);
    node.store(&pushed).await;
    let pulled = node.pull_own(pushed.digest).await.unwrap();
    assert_eq!(
        (pulled.name.as_str(), pulled.digest, pulled.layers.len()),
        ("own", pushed.digest, 2)
    );
    assert_eq!(fs::read(pulled.layers[0].join("bin/sh")).unwrap(), b"shell");
    assert_eq!(
        fs::metadata(pulled.layers[1].join("app")).unwrap().len(),
        3_000_000
    );
    let config = &pulled.config;
    assert_eq!(config.env, ["PATH=/bin", "A=b"]);
    assert_eq!(
        (config.cmd.as_slice(), config.entrypoint.len()),
        (&["/bin/sh".to_owned()][..], 0)
    );
    assert_eq!(
        (config.user.as_deref(), config.working_dir.as_deref()),
        (Some("1000:1000"), None)
    );
    assert_eq!(
        (config.stop_signal.as_deref(), config.exposed_ports.len()),
        (Some("SIGQUIT"), 1)
    );
    assert_eq!(pulled.size_bytes, (base().len() + top().len()) as u64);

    // Another image with the same bottom shares it, even when its blob is gone.
    let other = image(&[base(), Tar::default().file("other", b"").end()]);
    node.store(&other).await;
    node.blobs
        .delete(&Digest::of(&other.layers[0]))
        .await
        .unwrap();
    let shared = node.pull_own(other.digest).await.unwrap();
    assert_eq!(shared.layers[0], pulled.layers[0]);

    // Nothing is asked of the blob store again, not after a restart either.
    for blob in pushed
        .layers
        .iter()
        .chain([&pushed.manifest, &pushed.config])
    {
        node.blobs.delete(&Digest::of(blob)).await.unwrap();
    }
    assert_eq!(node.pull_own(pushed.digest).await.unwrap(), pulled);
    node.reopen();
    assert_eq!(node.pull_own(pushed.digest).await.unwrap(), pulled);
    assert_eq!(node.images.find("own", &pushed.digest), Some(pulled));
    assert!(node.names("tmp").is_empty());
}

#[tokio::test]
async fn an_image_without_layers_can_be_mounted() {
    let node = Node::new();
    let pushed = image(&[]);
    node.store(&pushed).await;
    let pulled = node.pull_own(pushed.digest).await.unwrap();
    assert_eq!(pulled.layers.len(), 1);
    assert!(list(&pulled.layers[0]).is_empty());
}

#[tokio::test]
async fn the_platform_is_chosen() {
    let node = Node::new();
    let (ours, other) = (image(&[base()]), image_for("s390x", &[top()]));
    for image in [&ours, &other] {
        node.store(image).await;
    }
    let put = async |bytes: Bytes| node.blobs.put_bytes(bytes, None).await.unwrap().digest;
    let both = put(index(&[("s390x", &other), (host_architecture(), &ours)])).await;
    let pulled = node.pull_own(both).await.unwrap();
    assert_eq!((pulled.digest, pulled.layers.len()), (both, 1));
    assert!(pulled.layers[0].join("bin/sh").is_file());

    let wrong = put(index(&[("s390x", &other)])).await;
    let error = node.pull_own(wrong).await.unwrap_err();
    let expected = format!(
        "pull image manifest has been retried 1 time(s): image Manifest does not contain \
         descriptor matching platform 'linux/{}'",
        host_architecture()
    );
    assert_eq!(
        (error.kind(), error.to_string()),
        (PullErrorKind::Platform, expected)
    );
    // Named itself it is taken, as by containerd: the kernel says what it cannot run.
    assert_eq!(node.pull_own(other.digest).await.unwrap().layers.len(), 1);
}

#[tokio::test]
async fn an_index_is_read_as_containerd_reads_it() {
    let node = Node::new();
    let (ours, other) = (image(&[base()]), image_for("s390x", &[top()]));
    // What BuildKit and cosign put beside images: no image itself.
    let statement = image_with("unknown", vec![], &[]);
    for image in [&ours, &other, &statement] {
        node.store(image).await;
    }
    let put = async |bytes: Bytes| node.blobs.put_bytes(bytes, None).await.unwrap().digest;
    let artifact = put(Bytes::from_static(b"{\"schemaVersion\":2,\"layers\":[]}")).await;
    let entry = |digest: &Digest, platform: serde_json::Value| {
        let mut entry = serde_json::json!({"digest": digest, "size": 10});
        if !platform.is_null() {
            entry["platform"] = platform;
        }
        entry
    };
    let platform = |os: &str, architecture: &str, variant: &str| serde_json::json!({"os": os, "architecture": architecture, "variant": variant});
    let index = |entries: Vec<serde_json::Value>| {
        Bytes::from(serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string())
    };
    let none = serde_json::Value::Null;
    let unknown = || entry(&statement.digest, platform("unknown", "unknown", ""));
    let names: &[(&str, &str)] = match host_architecture() {
        "amd64" => &[
            ("x86_64", ""),
            ("AMD64", "v1"),
            ("x86-64", ""),
            ("i386", ""),
        ],
        _ => &[
            ("aarch64", ""),
            ("arm64", "v8"),
            ("arm64", "8"),
            ("armhf", ""),
        ],
    };
    for (architecture, variant) in names {
        let named = entry(&ours.digest, platform("Linux", architecture, variant));
        let digest = put(index(vec![
            entry(&other.digest, none.clone()),
            unknown(),
            named,
        ]));
        let pulled = node.pull_own(digest.await).await.unwrap();
        assert!(pulled.layers[0].join("bin/sh").is_file(), "{architecture}");
    }
    // Entries that say nothing: what they lead to does.
    let silent = index(vec![
        unknown(),
        entry(&artifact, none.clone()),
        entry(&other.digest, none.clone()),
        entry(&ours.digest, none.clone()),
    ]);
    let silent = put(silent).await;
    let pulled = node.pull_own(silent).await.unwrap();
    assert!(pulled.layers[0].join("bin/sh").is_file());
    // One for another operating system in the first place hides none of ours.
    let windows = image_of("windows", host_architecture(), vec![], &[]);
    node.store(&windows).await;
    let mixed = put(index(vec![
        entry(&windows.digest, none.clone()),
        entry(&ours.digest, none.clone()),
    ]));
    let pulled = node.pull_own(mixed.await).await.unwrap();
    assert!(pulled.layers[0].join("bin/sh").is_file());
    // What names no architecture in its configuration either is taken when nothing else is.
    let nameless = image_for("", &[base()]);
    node.store(&nameless).await;
    let of = |digest: &Digest| entry(digest, none.clone());
    let alone = put(index(vec![of(&other.digest), of(&nameless.digest)])).await;
    let pulled = node.pull_own(alone).await.unwrap();
    assert_eq!(pulled.digest, alone);
    assert!(pulled.layers[0].join("bin/sh").is_file());
    let signature = image_for("", &[top()]);
    node.store(&signature).await;
    let signed = put(index(vec![of(&signature.digest), of(&ours.digest)])).await;
    let pulled = node.pull_own(signed).await.unwrap();
    assert!(pulled.layers[0].join("bin/sh").is_file());
    // An index in an index, beside one that leads nowhere.
    let dead_end = put(index(vec![entry(&other.digest, none.clone())])).await;
    let nested = index(vec![
        entry(&dead_end, none.clone()),
        entry(&silent, none.clone()),
    ]);
    let pulled = node.pull_own(put(nested).await).await.unwrap();
    assert!(pulled.layers[0].join("bin/sh").is_file());
    for nothing in [vec![], vec![unknown()], vec![entry(&other.digest, none)]] {
        let error = node.pull_own(put(index(nothing)).await).await.unwrap_err();
        assert_eq!(error.kind(), PullErrorKind::Platform);
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_and_leaves_nothing() {
    let node = Node::new();
    let missing = ImageSource::Missing {
        message: "exactly this".into(),
    };
    assert_eq!(
        node.images
            .pull("x", missing)
            .await
            .unwrap_err()
            .to_string(),
        "exactly this"
    );
    let absent = node.images.pull(
        "repo:tag",
        ImageSource::Own {
            digest: Digest::of(b"absent"),
        },
    );
    assert_eq!(
        absent.await.unwrap_err().to_string(),
        "pull image manifest has been retried 1 time(s): failed to resolve ref repo:tag: not found"
    );

    let put = async |bytes: &str| {
        node.blobs
            .put_bytes(Bytes::copy_from_slice(bytes.as_bytes()), None)
            .await
            .unwrap()
            .digest
    };
    let ambiguous = "{\"schemaVersion\":2,\"layers\":[],\"manifests\":[],\"config\":{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}}";
    for bad in ["", "{}", "[]", "null", "{\"schemaVersion\":1}", ambiguous] {
        let error = node.pull_own(put(bad).await).await.unwrap_err();
        assert_eq!(error.kind(), PullErrorKind::Invalid, "{bad}: {error}");
    }

    let good = top();
    let blob = Bytes::from(gzip(&good));
    let arch = host_architecture();
    let cases: Vec<(Pushed, PullErrorKind)> = vec![
        // The content is not what the configuration promises.
        (
            image_with(arch, vec![blob.clone()], &[Digest::of(b"else")]),
            PullErrorKind::Invalid,
        ),
        (
            image_with(arch, vec![blob.clone()], &[]),
            PullErrorKind::Invalid,
        ),
        (
            image_with(
                arch,
                vec![Bytes::from_static(b"no tar")],
                &[Digest::of(b"no tar")],
            ),
            PullErrorKind::Invalid,
        ),
        (image(&vec![base(); 21]), PullErrorKind::TooLarge),
        (
            image(&[base(), Tar::default().file("../x", b"").end()]),
            PullErrorKind::Invalid,
        ),
    ];
    for (pushed, kind) in cases {
        node.store(&pushed).await;
        let error = node.pull_own(pushed.digest).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // A layer that the manifest names but the store lacks, and one that lies about its size.
    let pushed = image(std::slice::from_ref(&good));
    node.store(&pushed).await;
    node.blobs
        .delete(&Digest::of(&pushed.layers[0]))
        .await
        .unwrap();
    assert_eq!(
        node.pull_own(pushed.digest).await.unwrap_err().kind(),
        PullErrorKind::NotFound
    );
    let text = String::from_utf8(pushed.manifest.to_vec()).unwrap();
    let lying = text.replace(&format!("\"size\":{}", blob.len()), "\"size\":1");
    node.store(&pushed).await;
    let error = node.pull_own(put(&lying).await).await.unwrap_err();
    assert!(
        error.to_string().contains("unexpected commit size"),
        "{error}"
    );
    node.assert_no_rest();
}

#[tokio::test]
async fn layers_that_lean_on_lower_ones_belong_to_their_chain() {
    let node = Node::new();
    let linking = Tar::default().hardlink("bin/bash", "bin/sh").end();
    let first = image(&[base(), linking.clone()]);
    let changed = Tar::default()
        .dir("bin")
        .file("bin/sh", b"another shell")
        .end();
    let second = image(&[changed, linking]);
    for image in [&first, &second] {
        node.store(image).await;
    }
    let (a, b) = (
        node.pull_own(first.digest).await.unwrap(),
        node.pull_own(second.digest).await.unwrap(),
    );
    assert_eq!(fs::read(a.layers[1].join("bin/bash")).unwrap(), b"shell");
    assert_eq!(
        fs::read(b.layers[1].join("bin/bash")).unwrap(),
        b"another shell"
    );
    assert_ne!(a.layers[1], b.layers[1]);

    // The same holds for a directory that the lower layer describes.
    let private = |mode| {
        let with = super::archive::With {
            mode,
            ..Default::default()
        };
        Tar::default()
            .add(tar::EntryType::Directory, "home", "", b"", with)
            .end()
    };
    let using = Tar::default().file("home/x", b"").end();
    let (open, closed) = (
        image(&[private(0o755), using.clone()]),
        image(&[private(0o700), using]),
    );
    for (image, mode) in [(open, 0o755), (closed, 0o700)] {
        node.store(&image).await;
        let pulled = node.pull_own(image.digest).await.unwrap();
        let meta = fs::metadata(pulled.layers[1].join("home")).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777,
            mode
        );
    }
    // An opaque root hides all below.
    let alone = image(&[
        base(),
        Tar::default()
            .file(".wh..wh..opq", b"")
            .file("only", b"")
            .end(),
    ]);
    node.store(&alone).await;
    let pulled = node.pull_own(alone.digest).await.unwrap();
    assert_eq!(
        (pulled.layers.len(), list(&pulled.layers[0])),
        (1, vec!["only".to_owned()])
    );
}

#[tokio::test]
async fn partial_work_goes_at_open_and_complete_layers_stay() {
    let mut node = Node::new();
    let pushed = image(&[base(), top()]);
    node.store(&pushed).await;
    let pulled = node.pull_own(pushed.digest).await.unwrap();
    let root = node.root();
    // As killed in the middle of another layer, and of this image's record.
    fs::create_dir_all(root.join("tmp/77/fs/some/where")).unwrap();
    fs::write(root.join("tmp/77/fs/some/file"), "half").unwrap();
    fs::create_dir_all(root.join("layers/half/fs")).unwrap();
    fs::remove_file(node.images.image_path(&pushed.digest)).unwrap();
    node.reopen();
    assert!(node.names("tmp").is_empty());
    assert_eq!(node.names("layers").len(), 2);
    node.blobs
        .delete(&Digest::of(&pushed.layers[1]))
        .await
        .unwrap();
    assert_eq!(node.pull_own(pushed.digest).await.unwrap(), pulled);

    // Layers of an earlier boot that never reached the disk do not count.
    let record = |key: &str| root.join("layers").join(key).join("layer.json");
    let keys = node.names("layers");
    node.images.sync().unwrap();
    let text = fs::read_to_string(record(&keys[0])).unwrap();
    assert!(text.contains("\"durable\":true"), "{text}");
    for (key, durable) in [(&keys[0], true), (&keys[1], false)] {
        let other = text.replace(&node.images.boot, "another boot");
        let other = other.replace("\"durable\":true", &format!("\"durable\":{durable}"));
        fs::write(record(key), other).unwrap();
    }
    node.reopen();
    assert_eq!(node.names("layers"), [keys[0].clone()]);
    assert!(node.names("images").is_empty());
}

/// Whoever names the diff id of a layer that is here shows a blob that unpacks to it, or gets
/// nothing of it.
#[tokio::test]
async fn a_layer_is_not_had_by_naming_its_diff_id() {
    let node = Node::new();
    let secret = Tar::default().file("secret", b"of another account").end();
    let owner = image(&[base(), secret.clone()]);
    node.store(&owner).await;
    let owned = node.pull_own(owner.digest).await.unwrap();
    let claims = [Digest::of(&base()), Digest::of(&secret)];
    for junk in [gzip(b"no tar at all"), gzip(&top()), b"junk".to_vec()] {
        let layers = vec![gzip(&base()).into(), junk.into()];
        let thief = image_with(host_architecture(), layers, &claims);
        node.store(&thief).await;
        let error = node.pull_own(thief.digest).await.unwrap_err();
        assert_eq!(error.kind(), PullErrorKind::Invalid, "{error}");
    }
    // The same content, compressed otherwise, was shown.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&secret).unwrap();
    let again = vec![gzip(&base()).into(), encoder.finish().unwrap().into()];
    let again = image_with(host_architecture(), again, &claims);
    node.store(&again).await;
    let pulled = node.pull_own(again.digest).await.unwrap();
    assert_eq!(pulled.layers, owned.layers);
    assert!(node.names("tmp").is_empty());
}
