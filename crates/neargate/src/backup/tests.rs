//! Directories packed and unpacked.

use super::manifest::Manifest;
use super::{pack, unpack};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn state(dir: &Path) {
    for sub in [
        "blobs/blobs/sha256",
        "blobs/tmp",
        "images/layers",
        "slices/i-1/images",
        "slices/i-1/node",
        "logs",
    ] {
        fs::create_dir_all(dir.join(sub)).expect("made");
    }
    for (name, text) in [
        ("instance", "0123abcd\n"),
        ("state.redb", "state"),
        ("blobs/blobs/sha256/aa", "a layer"),
        ("blobs/tmp/half", "of a layer"),
        ("images/layers/x", "pulled"),
        ("slices/i-1/images/x", "pulled"),
        ("slices/i-1/node/ledger", "kept"),
        ("logs/1.wal", ""),
    ] {
        fs::write(dir.join(name), text).expect("written");
    }
    fs::set_permissions(dir.join("state.redb"), fs::Permissions::from_mode(0o640)).expect("set");
    std::os::unix::fs::symlink("1.wal", dir.join("logs/last")).expect("linked");
}

#[test]
fn what_is_packed_is_unpacked() {
    let scratch = tempfile::tempdir().expect("scratch");
    let (data, file) = (
        scratch.path().join("data"),
        scratch.path().join("b.tar.zst"),
    );
    state(&data);
    let made = pack::pack(&data, None, &file).expect("packed");
    assert_eq!(made.files, 5);
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);

    let other = scratch.path().join("other");
    let restored = unpack::unpack(&file, &other, false).expect("unpacked");
    assert_eq!(
        (restored.files, &*restored.manifest.installation),
        (5, "0123abcd")
    );
    let text = |name: &str| fs::read_to_string(other.join(name)).ok();
    assert_eq!(text("state.redb").as_deref(), Some("state"));
    assert_eq!(text("blobs/blobs/sha256/aa").as_deref(), Some("a layer"));
    assert_eq!(text("slices/i-1/node/ledger").as_deref(), Some("kept"));
    assert_eq!(text("logs/last").as_deref(), Some(""));
    for gone in ["images", "slices/i-1/images", "blobs/tmp"] {
        assert!(!other.join(gone).exists(), "{gone}");
    }
    assert_eq!(
        fs::metadata(other.join("state.redb"))
            .expect("there")
            .mode()
            & 0o777,
        0o640
    );

    // Again: only with force, and what was there stays.
    fs::write(other.join("state.redb"), "newer").expect("written");
    let why = unpack::unpack(&file, &other, false).expect_err("there is state");
    assert!(why.to_string().contains("--force"), "{why}");
    let aside = unpack::unpack(&file, &other, true)
        .expect("unpacked")
        .aside
        .expect("set aside");
    assert_eq!(
        fs::read_to_string(aside.join("state.redb")).expect("kept"),
        "newer"
    );
    assert_eq!(text("state.redb").as_deref(), Some("state"));
    assert!(!scratch.path().join("other.restoring").exists());
}

#[test]
fn what_is_not_whole_changes_nothing() {
    let scratch = tempfile::tempdir().expect("scratch");
    let (data, file) = (
        scratch.path().join("data"),
        scratch.path().join("b.tar.zst"),
    );
    state(&data);
    // Enough that a part of it is an archive by itself.
    let noise: Vec<u8> = (0..4_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(data.join("state.redb"), noise).expect("written");
    pack::pack(&data, None, &file).expect("packed");
    let whole = fs::read(&file).expect("read");
    for length in [0, 10, whole.len() / 2, whole.len() - 3] {
        fs::write(&file, &whole[..length]).expect("written");
        let other = scratch.path().join("other");
        assert!(
            unpack::unpack(&file, &other, true).is_err(),
            "{length} bytes"
        );
        assert!(!other.exists() && !scratch.path().join("other.restoring").exists());
    }
}

#[test]
fn a_newer_programs_backup_is_refused() {
    let mut manifest = Manifest {
        format: 1,
        neargate: crate::version::OWN.into(),
        installation: "0123abcd".into(),
        made_at: "2026-01-01T00:00:00Z".into(),
    };
    manifest.check().expect("our own");
    manifest.neargate = "99.0.0".into();
    let why = manifest.check().expect_err("newer").to_string();
    assert!(why.starts_with("Neargate 99.0.0 made this backup"), "{why}");
    manifest.neargate = "0.0.1".into();
    manifest.check().expect("an older one");
    manifest.format = 2;
    manifest.check().expect_err("another layout");
}
