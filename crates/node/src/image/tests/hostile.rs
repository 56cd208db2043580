//! Layers that mean harm: each is refused with a reason, and nothing outside is touched.

use super::archive::{Tar, With};
use super::*;
use std::fs;
use tar::{EntryType, Header};

#[track_caller]
fn refused(tar: Vec<u8>, why: &str) {
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(&tar).error();
    assert!(error.contains(why), "{error}");
    assert!(
        error.starts_with("ref pull has been retried 1 time(s): failed to extract layer sha256:"),
        "{error}"
    );
    drop(dir);
}

#[test]
fn escapes_by_name_are_refused() {
    for path in ["../x", "a/../../x", "./../x", "/../x", "a/..", ".."] {
        refused(Tar::default().dir("a").file(path, b"").end(), "breakout");
        refused(
            Tar::default().file("f", b"").hardlink("l", path).end(),
            "breakout",
        );
    }
    // A leading slash is the layer's root, as everywhere.
    let unpacked = unpack(&Tar::default().file("/etc/harmless", b"").end());
    assert!(unpacked.fs().join("etc/harmless").is_file());
}

#[test]
fn escapes_by_symlink_stay_inside() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let chmod = With {
        mode: 0o777,
        uid: 5,
        ..With::default()
    };

    // The link's target does not exist inside the layer.
    refused(
        Tar::default().symlink("l", target).file("l/x", b"").end(),
        "not a directory",
    );
    refused(
        Tar::default()
            .symlink("l", target)
            .hardlink("h", "l/secret")
            .end(),
        "hard link",
    );
    refused(
        Tar::default()
            .symlink("l", "/proc/self/root")
            .file("l/x", b"")
            .end(),
        "not a directory",
    );
    refused(
        Tar::default()
            .symlink("a", "b")
            .symlink("b", "a")
            .file("a/x", b"")
            .end(),
        "symbolic links",
    );

    // The last component is never followed: the link itself is replaced or linked.
    let file = format!("{target}/secret");
    let tar = Tar::default()
        .symlink("s", &file)
        .file("s", b"replaced")
        .symlink("d", target)
        .add(EntryType::Directory, "d", "", b"", chmod)
        .symlink("t", &file)
        .hardlink("t2", "t")
        .symlink("n", &file)
        .add(EntryType::Fifo, "n", "", b"", chmod)
        .end();
    let unpacked = unpack(&tar);
    assert!(
        fs::symlink_metadata(unpacked.fs().join("t2"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(list(outside.path()), ["secret"]);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    let meta = fs::metadata(outside.path()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 0);

    // A directory that becomes a link before its attributes are set.
    let tar = Tar::default()
        .add(EntryType::Directory, "d", "", b"", chmod)
        .symlink("d", target)
        .end();
    let unpacked = unpack(&tar);
    assert!(
        fs::symlink_metadata(unpacked.fs().join("d"))
            .unwrap()
            .is_symlink()
    );
    let meta = fs::metadata(outside.path()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 0);
}

#[test]
fn senseless_entries_are_refused() {
    refused(
        Tar::default().file(".wh.", b"").end(),
        "invalid whiteout name",
    );
    refused(
        Tar::default().file("d/.wh..", b"").end(),
        "invalid whiteout name",
    );
    refused(
        Tar::default().file("d/.wh...", b"").end(),
        "invalid whiteout name",
    );
    refused(
        Tar::default().file(".wh.d/x", b"").end(),
        "invalid whiteout name",
    );
    refused(
        Tar::default()
            .file("/", b"")
            .file("./", b"")
            .add(EntryType::Regular, ".", "", b"x", With::default())
            .end(),
        "root",
    );
    refused(
        Tar::default().file("f", b"").file("f/x", b"").end(),
        "not a directory",
    );
    refused(Tar::default().hardlink("l", "nowhere").end(), "hard link");
    refused(Tar::default().hardlink("l", "").end(), "hard link");
    refused(
        Tar::default().dir("d").hardlink("l", "d").end(),
        "hard link",
    );
    refused(Tar::default().symlink("l", "").end(), "symbolic link");
    refused(
        Tar::default()
            .add(EntryType::new(b'M'), "x", "", b"", With::default())
            .end(),
        "type",
    );
    refused(
        Tar::default()
            .pax(&[("path", b"a\0b")])
            .file("x", b"")
            .end(),
        "NUL",
    );
    refused(
        Tar::default().pax(&[("uid", b"-1")]).file("x", b"").end(),
        "number",
    );
    refused(
        Tar::default()
            .pax(&[("uid", b"4294967295")])
            .file("x", b"")
            .end(),
        "owner",
    );
    let long = format!("{}x", "d/".repeat(3000));
    refused(
        Tar::default()
            .pax(&[("path", long.as_bytes())])
            .file("x", b"")
            .end(),
        "too long",
    );
}

#[test]
fn broken_archives_are_refused() {
    let good = Tar::default().file("f", &vec![1; 5000]).end();
    refused(good[..3000].to_vec(), "truncated");
    refused(good[..100].to_vec(), "truncated");
    let mut bad = good.clone();
    bad[3] ^= 1;
    refused(bad, "invalid tar header");
    for record in [&b"5 a\n"[..], b"99 a=b\n", b"x a=b\n", b"0 a=b\n", b"6 a=b"] {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(record.len() as u64);
        refused(
            Tar::default().raw(header, record).file("f", b"").end(),
            "header",
        );
    }
    // A sparse map that points beyond its file, or claims more than is there.
    for map in [
        "0,10,5,10",
        "0,10,90,20",
        "0,5",
        "0,18446744073709551615,10,10",
    ] {
        let records = [
            ("GNU.sparse.map", map.as_bytes()),
            ("GNU.sparse.size", b"100"),
        ];
        refused(
            Tar::default().pax(&records).file("f", &[0; 20]).end(),
            "sparse map",
        );
    }
}

#[test]
fn wrong_bytes_are_refused() {
    let tar = Tar::default().file("f", &vec![1; 300_000]).end();
    let blob = gzip(&tar);
    let limits = options().limits;
    let cut = &blob[..blob.len() / 2];
    assert!(
        unpack_blob(cut, &tar, Some(&[]), limits)
            .error()
            .contains("cannot decompress")
    );
    let mut flipped = blob.clone();
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    assert!(
        unpack_blob(&flipped, &tar, Some(&[]), limits)
            .error()
            .contains("cannot decompress")
    );
    let error = unpack_blob(&blob, b"another", Some(&[]), limits).error();
    assert!(
        error.contains("wrong diff id calculated on extraction"),
        "{error}"
    );
}

#[test]
fn bombs_are_bounded() {
    let limits = Limits {
        max_layer_bytes: 1 << 20,
        max_layer_entries: 10,
        ..options().limits
    };
    let refused = |tar: Vec<u8>, limits: Limits, why: &str| {
        let error = unpack_blob(&gzip(&tar), &tar, Some(&[]), limits).error();
        assert!(error.contains(why), "{error}");
    };
    refused(
        Tar::default().file("zeros", &vec![0; 2 << 20]).end(),
        limits,
        "uncompressed bytes",
    );
    let many = (0..20).fold(Tar::default(), |tar, i| tar.file(&i.to_string(), b""));
    refused(many.end(), limits, "files allowed");
    let whole = Limits {
        max_image_bytes: 1 << 19,
        ..limits
    };
    refused(
        Tar::default().file("zeros", &vec![0; 3 << 18]).end(),
        whole,
        "larger than this node",
    );
    // Names do not go to memory unbounded.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(2 << 20);
    refused(
        Tar::default().raw(header, &vec![b'a'; 2 << 20]).end(),
        options().limits,
        "1 MiB",
    );
    // A disk that is nearly full counts as full.
    let full = Limits {
        keep_free_bytes: u64::MAX,
        ..options().limits
    };
    refused(
        Tar::default().file("f", b"").end(),
        full,
        "no space left on device",
    );
}

/// Deeper than any path can say, by going through links.
#[test]
fn deep_trees_can_be_deleted() {
    let deep = "d/".repeat(1000);
    let mut tar = Tar::default();
    for i in 0..4 {
        let start = if i == 0 {
            String::new()
        } else {
            format!("l{}/", i - 1)
        };
        let path = format!("{start}{deep}x");
        tar = tar.pax(&[("path", path.as_bytes())]).file("x", b"");
        let target = format!("{start}{deep}");
        tar = tar
            .pax(&[("linkpath", target.as_bytes())])
            .symlink(&format!("l{i}"), "x");
    }
    let unpacked = unpack(&tar.end());
    let node = Node::new();
    node.images.trash.take(&unpacked.fs()).unwrap();
    node.assert_no_rest();
}

/// Headers with a few bytes changed, checksums put right: whatever they say, nothing panics and
/// nothing leaves the layer's directory.
#[test]
fn mutated_archives_do_no_harm() {
    let template = Tar::default()
        .dir("d")
        .file("d/f", b"content")
        .symlink("d/l", "../../../d")
        .pax(&[
            ("path", b"d/l/x"),
            ("mtime", b"1.5"),
            ("SCHILY.xattr.user.a", b"b"),
        ])
        .file("short", b"more")
        .hardlink("h", "d/f")
        .pax(&[
            ("GNU.sparse.map", b"10,4,50,3"),
            ("GNU.sparse.size", b"100"),
        ])
        .file("sparse", b"sparse!")
        .file("d/.wh.gone", b"")
        .end();
    unpack(&template).fs();
    let outer = tempfile::tempdir().unwrap();
    let rng = neargate_base::Rng::seeded(20);
    let blocks = template.len() as u64 / 512 - 2;
    let mut whole = 0;
    for round in 0..300 {
        let mut tar = template.clone();
        for _ in 0..=rng.below(3) {
            let block = rng.below(blocks) as usize * 512;
            let at = block + rng.below(345) as usize;
            tar[at] = *b"\0/.0179axgLSK-\xff\x80"
                .get(rng.below(17) as usize)
                .unwrap_or(&b'w');
            let mut header = [0; 512];
            header.copy_from_slice(&tar[block..block + 512]);
            if &header[257..262] == b"ustar" {
                let mut header = Header::from_byte_slice(&header).clone();
                header.set_cksum();
                tar[block..block + 512].copy_from_slice(header.as_bytes());
            }
        }
        let dir = outer.path().join(round.to_string());
        fs::create_dir(&dir).unwrap();
        let (out, from) = sync_channel(4);
        let (back, _recycled) = sync_channel(4);
        out.send(Ok((tar.clone(), tar.len()))).unwrap();
        out.send(Ok((Vec::new(), 0))).unwrap();
        let content = Pieces::new(from, back);
        let applied = apply(
            content,
            &dir,
            Some(&[]),
            &options().limits,
            &Digest::of(&tar),
        );
        whole += usize::from(applied.is_ok());
        assert_eq!(list(&dir), ["aside", "fs"], "round {round}");
        fs::remove_dir_all(&dir).unwrap();
        assert!(list(outer.path()).is_empty(), "round {round}");
    }
    // Many a change does not matter: the rest is walked through to the end.
    assert!(whole > 20, "{whole}");
}
