//! Real clients: skopeo, as far as this machine has it.

use crate::server::Registry;
use neargate_base::Rng;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use tokio::process::Command;

async fn skopeo(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("skopeo").args(arguments).output().await.ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// Two platforms, three layers of `size` random bytes each, in an OCI layout.
fn layout(dir: &Path, size: usize) {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let hex = hex::encode(Sha256::digest(bytes));
        std::fs::write(blobs.join(&hex), bytes).unwrap();
        (format!("sha256:{hex}"), bytes.len())
    };
    let rng = Rng::seeded(9);
    let mut images = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let mut layers = Vec::new();
        for _ in 0..3 {
            let mut bytes = vec![0; size];
            rng.fill(&mut bytes);
            layers.push(put(&bytes));
        }
        let ids: Vec<_> = layers.iter().map(|l| l.0.clone()).collect();
        let config = serde_json::json!({ "architecture": architecture, "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = put(config.to_string().as_bytes());
        let layers: Vec<_> = layers
            .iter()
            .map(|(digest, size)| {
                serde_json::json!({ "digest": digest, "size": size,
                "mediaType": "application/vnd.oci.image.layer.v1.tar" })
            })
            .collect();
        let manifest = serde_json::json!({ "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.0, "size": config.1 },
            "layers": layers });
        let (digest, size) = put(manifest.to_string().as_bytes());
        images.push(serde_json::json!({ "digest": digest, "size": size,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "platform": { "os": "linux", "architecture": architecture } }));
    }
    let index = serde_json::json!({ "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": images });
    let (digest, size) = put(index.to_string().as_bytes());
    let top = serde_json::json!({ "schemaVersion": 2, "manifests": [{ "digest": digest, "size": size,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "annotations": { "org.opencontainers.image.ref.name": "latest" } }] });
    std::fs::write(dir.join("index.json"), top.to_string()).unwrap();
    std::fs::write(dir.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
}

#[tokio::test]
async fn skopeo_pushes_and_pulls_a_multi_platform_image() {
    if skopeo(&["--version"]).await.is_none() {
        eprintln!("skipped: skopeo is not installed");
        return;
    }
    let r = Registry::start().await;
    for name in ["web", "team/copy"] {
        r.create(name).await;
    }
    let dir = tempfile::tempdir().unwrap();
    layout(dir.path(), 3_000_000);
    let source = format!("oci:{}:latest", dir.path().display());
    let run = async |arguments: &[&str]| {
        let (ok, text) = skopeo(arguments).await.unwrap();
        assert!(ok, "skopeo {arguments:?}: {text}");
        text
    };
    for (from, to) in [
        (source.clone(), format!("docker://{}/web:v1", r.host)),
        // Another repository of the same registry: its layers are mounted.
        (
            format!("docker://{}/web:v1", r.host),
            format!("docker://{}/team/copy:v1", r.host),
        ),
        (
            format!("docker://{}/team/copy:v1", r.host),
            format!("dir:{}", dir.path().join("out").display()),
        ),
    ] {
        run(&[
            "copy",
            "--all",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &from,
            &to,
        ])
        .await;
    }
    let name = format!("docker://{}/team/copy:v1", r.host);
    let inspected = run(&["inspect", "--raw", "--tls-verify=false", &name]).await;
    assert!(inspected.contains("arm64"), "{inspected}");
    // The other way in: Docker's own formats.
    let to = format!("docker://{}/web:docker", r.host);
    run(&[
        "copy",
        "--format",
        "v2s2",
        "--dest-tls-verify=false",
        &source,
        &to,
    ])
    .await;
    let raw = run(&["inspect", "--raw", "--tls-verify=false", &to]).await;
    assert!(
        raw.contains("application/vnd.docker.distribution.manifest.v2+json"),
        "{raw}"
    );
    run(&["delete", "--tls-verify=false", &to]).await;
    let (ok, text) = skopeo(&["inspect", "--raw", "--tls-verify=false", &to])
        .await
        .unwrap();
    assert!(!ok && text.contains("manifest unknown"), "{text}");
    let (ok, text) = skopeo(&[
        "copy",
        "--dest-tls-verify=false",
        &source,
        &format!("docker://{}/none:v1", r.host),
    ])
    .await
    .unwrap();
    assert!(
        !ok && text.contains("does not exist in the registry with id"),
        "{text}"
    );
}
