//! Well-meant layers: everything in them arrives, in overlayfs' form.

use super::archive::{Tar, With};
use super::*;
use rustix::fs::{FileType, getxattr};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::Command;
use tar::EntryType;

fn is_whiteout(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path).unwrap();
    FileType::from_raw_mode(meta.mode()) == FileType::CharacterDevice && meta.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    getxattr(path, "trusted.overlay.opaque", &mut value).is_ok_and(|n| value[..n] == *b"y")
}

#[test]
fn owners_modes_times_and_kinds_arrive() {
    let with = With {
        mode: 0o4755,
        uid: 1000,
        gid: 2000,
        mtime: 1_000_000_000,
        device: (0, 0),
    };
    let tar = Tar::default()
        .add(
            EntryType::Directory,
            "./",
            "",
            b"",
            With {
                mode: 0o711,
                ..with
            },
        )
        .add(
            EntryType::Directory,
            "./d/",
            "",
            b"",
            With {
                mode: 0o2750,
                gid: 7,
                ..with
            },
        )
        .add(EntryType::Regular, "d/su", "", b"program", with)
        .file("d/plain", b"")
        .hardlink("d/again", "d/su")
        .add(EntryType::Symlink, "d/link", "/etc/passwd", b"", with)
        .add(
            EntryType::Fifo,
            "d/fifo",
            "",
            b"",
            With {
                mode: 0o622,
                ..with
            },
        )
        .add(
            EntryType::Char,
            "d/null",
            "",
            b"",
            With {
                mode: 0o666,
                device: (1, 3),
                ..with
            },
        )
        .add(
            EntryType::Block,
            "d/loop",
            "",
            b"",
            With {
                mode: 0o660,
                device: (7, 0),
                ..with
            },
        )
        .end();
    let unpacked = unpack(&tar);
    let fs = unpacked.fs();
    let of = |name: &str| fs::symlink_metadata(fs.join(name)).unwrap();
    let mode = |name: &str| of(name).mode() & 0o7777;
    assert_eq!(
        (mode("."), of(".").uid(), of(".").mtime()),
        (0o711, 1000, 1_000_000_000)
    );
    assert_eq!((mode("d"), of("d").uid(), of("d").gid()), (0o2750, 1000, 7));
    assert_eq!(of("d").mtime(), 1_000_000_000);
    assert_eq!(
        (mode("d/su"), of("d/su").uid(), of("d/su").gid()),
        (0o4755, 1000, 2000)
    );
    // Nothing is inherited from the setgid directory.
    assert_eq!((mode("d/plain"), of("d/plain").gid()), (0o644, 0));
    assert_eq!(fs::read(fs.join("d/again")).unwrap(), b"program");
    assert_eq!(of("d/again").ino(), of("d/su").ino());
    assert_eq!(
        fs::read_link(fs.join("d/link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        (of("d/link").uid(), of("d/link").mtime()),
        (1000, 1_000_000_000)
    );
    assert!(of("d/fifo").file_type().is_fifo());
    assert_eq!(mode("d/fifo"), 0o622);
    assert!(of("d/null").file_type().is_char_device());
    assert_eq!(of("d/null").rdev(), rustix::fs::makedev(1, 3));
    assert_eq!((mode("d/null"), of("d/null").uid()), (0o666, 1000));
    assert!(of("d/loop").file_type().is_block_device());
    let done = unpacked.result.unwrap();
    assert_eq!((done.entries, done.size_bytes), (9, tar.len() as u64));
    assert!(done.implied.is_empty());
}

#[test]
fn pax_records_and_attributes_arrive() {
    let name = format!("{}/file", ["long-directory-name"; 12].join("/"));
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::default()
        .pax(&[
            ("path", name.as_bytes()),
            ("uid", b"4000000"),
            ("mtime", b"1234567890.5"),
            ("SCHILY.xattr.user.note", b"hello"),
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ])
        .file("short", b"content")
        .end();
    let unpacked = unpack(&tar);
    let path = unpacked.fs().join(&name);
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(
        (meta.uid(), meta.mtime(), meta.mtime_nsec()),
        (4_000_000, 1_234_567_890, 500_000_000)
    );
    let attribute = |name: &str| {
        let mut value = [0; 64];
        getxattr(&path, name, &mut value)
            .ok()
            .map(|n| value[..n].to_vec())
    };
    assert_eq!(attribute("user.note").unwrap(), b"hello");
    assert_eq!(attribute("security.capability").unwrap(), capability);
    assert_eq!(attribute("trusted.overlay.redirect"), None);
    assert_eq!(attribute("user.overlay.opaque"), None);
    assert_eq!(unpacked.result.unwrap().implied.len(), 12);
}

#[test]
fn whiteouts_act_on_lower_layers_only() {
    let tar = Tar::default()
        .dir("d")
        .file("d/.wh.gone", b"")
        .file("d/kept", b"1")
        .file("d/.wh.kept", b"")
        .file(".wh.later", b"")
        .file("later", b"2")
        .file(".wh.dir", b"")
        .dir("dir")
        .file("dir/x", b"3")
        .dir("dir2")
        .file("dir2/x", b"4")
        .file(".wh.dir2", b"")
        .file(".wh.dir3", b"")
        .file("dir3/deep", b"5")
        .dir("o")
        .file("o/.wh..wh..opq", b"")
        .file("p/.wh..wh..opq", b"")
        .dir(".wh..wh.plnk")
        .file(".wh..wh.plnk/1.2", b"")
        .file(".wh..wh.aufs", b"")
        .end();
    let unpacked = unpack(&tar);
    let fs = unpacked.fs();
    assert!(is_whiteout(&fs.join("d/gone")));
    assert_eq!(fs::read(fs.join("d/kept")).unwrap(), b"1");
    assert_eq!(fs::read(fs.join("later")).unwrap(), b"2");
    for (dir, file) in [("dir", "x"), ("dir2", "x"), ("dir3", "deep")] {
        assert!(is_opaque(&fs.join(dir)), "{dir}");
        assert!(fs.join(dir).join(file).is_file());
    }
    assert!(is_opaque(&fs.join("o")) && is_opaque(&fs.join("p")) && !is_opaque(&fs.join("d")));
    assert_eq!(list(&fs), ["d", "dir", "dir2", "dir3", "later", "o", "p"]);
    assert_eq!(list(&fs.join("o")), Vec::<String>::new());
    assert!(!unpacked.result.unwrap().opaque_root);
    assert!(
        unpack(&Tar::default().file(".wh..wh..opq", b"").end())
            .result
            .unwrap()
            .opaque_root
    );
}

#[test]
fn later_entries_replace_earlier_ones() {
    let tar = Tar::default()
        .file("a", b"old")
        .file("a", b"new")
        .dir("b")
        .file("b/x", b"")
        .file("b", b"now a file")
        .file("c", b"")
        .dir("c")
        .file("c/x", b"in a directory")
        .symlink("l", "c")
        .file("l", b"no link any more")
        .dir("e")
        .file("e/x", b"")
        .dir("e")
        .file("e/y", b"")
        .symlink("s", "e")
        .file("s/z", b"through the link")
        .file("h1", b"h1")
        .file("h2", b"h2")
        .hardlink("h2", "h1")
        .hardlink("h1", "h1")
        .end();
    let unpacked = unpack(&tar);
    let fs = unpacked.fs();
    let text = |name: &str| fs::read_to_string(fs.join(name)).unwrap();
    assert_eq!(text("a"), "new");
    assert_eq!(text("b"), "now a file");
    assert_eq!(text("c/x"), "in a directory");
    assert_eq!(text("l"), "no link any more");
    assert_eq!(list(&fs.join("e")), ["x", "y", "z"]);
    assert_eq!(text("h2"), "h1");
}

#[test]
fn links_inside_the_layer_resolve_inside_it() {
    // As a container would see it: absolute targets start at the layer's root.
    let tar = Tar::default()
        .dir("usr")
        .dir("usr/lib")
        .symlink("lib", "/usr/lib")
        .file("lib/so", b"1")
        .symlink("up", "../../../../usr")
        .file("up/x", b"2")
        .hardlink("y", "/lib/so")
        .end();
    let unpacked = unpack(&tar);
    let fs = unpacked.fs();
    assert_eq!(fs::read(fs.join("usr/lib/so")).unwrap(), b"1");
    assert_eq!(fs::read(fs.join("usr/x")).unwrap(), b"2");
    assert_eq!(fs::read(fs.join("y")).unwrap(), b"1");
}

#[test]
fn hard_links_reach_into_lower_layers() {
    let with = With {
        mode: 0o4711,
        uid: 5,
        gid: 6,
        ..With::default()
    };
    let bottom = Tar::default()
        .dir("bin")
        .add(EntryType::Regular, "bin/su", "", b"root", with);
    let bottom = unpack(
        &bottom
            .symlink("bin/sl", "su")
            .file("gone", b"")
            .dir("o")
            .file("o/x", b"")
            .end(),
    );
    let middle = Tar::default()
        .file(".wh.gone", b"")
        .file("o/.wh..wh..opq", b"")
        .end();
    let middle = unpack(&middle);
    let lower = [bottom.fs(), middle.fs()];

    let tar = Tar::default()
        .hardlink("bin/sudo", "bin/su")
        .hardlink("sl2", "bin/sl")
        .end();
    let parallel = unpack_blob(&tar, &tar, None, options().limits);
    assert!(matches!(parallel.result, Err(LayerError::NeedsLower)));
    let over = unpack_over(&tar, &lower);
    let of = |name: &str| fs::symlink_metadata(over.fs().join(name)).unwrap();
    assert_eq!(fs::read(over.fs().join("bin/sudo")).unwrap(), b"root");
    assert_eq!(of("bin/su").ino(), of("bin/sudo").ino());
    assert_eq!(
        (
            of("bin/su").mode() & 0o7777,
            of("bin/su").uid(),
            of("bin/su").gid()
        ),
        (0o4711, 5, 6)
    );
    assert_eq!(
        fs::read_link(over.fs().join("sl2")).unwrap(),
        Path::new("su")
    );
    assert_eq!(
        fs::read_link(bottom.fs().join("bin/sl")).unwrap(),
        Path::new("su")
    );

    for hidden in ["gone", "o/x", "nowhere", "bin"] {
        let tar = Tar::default().hardlink("new", hidden).end();
        assert!(
            unpack_over(&tar, &lower).error().contains("hard link"),
            "{hidden}"
        );
    }
}

#[test]
fn implied_directories_look_like_those_below() {
    let with = With {
        mode: 0o1777,
        uid: 9,
        gid: 8,
        mtime: 77,
        device: (0, 0),
    };
    let bottom = unpack(
        &Tar::default()
            .add(EntryType::Directory, "tmp", "", b"", with)
            .end(),
    );
    let tar = Tar::default().file("tmp/x", b"").file("new/y", b"").end();
    let over = unpack_over(&tar, &[bottom.fs()]);
    let meta = fs::metadata(over.fs().join("tmp")).unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime()),
        (0o1777, 9, 8, 77)
    );
    let new = fs::metadata(over.fs().join("new")).unwrap();
    assert_eq!((new.permissions().mode() & 0o7777, new.uid()), (0o755, 0));
    let implied = over.result.unwrap().implied;
    assert_eq!(implied, [b"new".to_vec(), b"tmp".to_vec()]);
    let describe =
        |paths: &[PathBuf]| super::super::unpack::describe_differently(paths, &implied).unwrap();
    assert!(describe(&[bottom.fs()]));
    let plain = unpack(&Tar::default().dir("tmp").end());
    assert!(!describe(&[plain.fs()]));
}

#[test]
fn every_compression_is_told_by_its_content() {
    let tar = Tar::default().file("f", &vec![7; 700_000]).end();
    let two_members = [gzip(&tar[..1000]), gzip(&tar[1000..])].concat();
    let zstd = zstd::encode_all(tar.as_slice(), 1).unwrap();
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    // RFC 8878: frames to be skipped before, between and after others.
    let skipped = |kind: u8| [&[kind, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [
        skipped(0x50),
        frame(&tar[..1000]),
        skipped(0x5f),
        frame(&tar[1000..]),
        skipped(0x57),
    ]
    .concat();
    for blob in [gzip(&tar), zstd, tar.clone(), two_members, frames] {
        let unpacked = unpack_blob(&blob, &tar, Some(&[]), options().limits);
        assert_eq!(fs::read(unpacked.fs().join("f")).unwrap(), vec![7; 700_000]);
    }
    // An empty layer, and one without end marker.
    for tar in [
        Vec::new(),
        vec![0; 1024],
        Tar::default().dir("d").end()[..512].to_vec(),
    ] {
        assert!(
            unpack_blob(&tar, &tar, Some(&[]), options().limits)
                .result
                .is_ok()
        );
    }
}

/// What the system's tar packs, in each of its formats, unpacks to the same.
#[test]
fn archives_of_gnu_tar_arrive_whole() {
    let source = tempfile::tempdir().unwrap();
    let deep = source.path().join(["a-rather-long-name"; 9].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x".repeat(200)), "long").unwrap();
    std::os::unix::fs::symlink("y".repeat(300), deep.join("link")).unwrap();
    let sparse = fs::File::create(source.path().join("sparse")).unwrap();
    sparse.set_len(50_000_000).unwrap();
    for at in (0..40u64).map(|i| i * 1_000_000 + 12_345) {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &[at as u8 | 1; 5000], at).unwrap();
    }
    fs::write(source.path().join("plain"), vec![42; 1_000_001]).unwrap();
    fs::hard_link(source.path().join("plain"), source.path().join("hard")).unwrap();
    for format in [
        "gnu",
        "posix --sparse-version=0.0",
        "posix --sparse-version=0.1",
        "posix --sparse-version=1.0",
    ] {
        let mut command = Command::new("tar");
        command.args(["--sparse", "-C"]).arg(source.path());
        let format = format.split(' ').enumerate().map(|(i, f)| {
            if i == 0 {
                format!("--format={f}")
            } else {
                f.to_owned()
            }
        });
        let out = command
            .args(format)
            .args(["-cf", "-", "."])
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let unpacked = unpack(&out.stdout);
        let mut diff = Command::new("diff");
        diff.args(["-r", "--no-dereference"])
            .arg(source.path())
            .arg(unpacked.fs());
        let same = diff.output().unwrap();
        assert!(
            same.status.success(),
            "{}",
            String::from_utf8_lossy(&same.stdout)
        );
        let meta = fs::metadata(unpacked.fs().join("sparse")).unwrap();
        assert!(meta.blocks() * 512 < 5_000_000, "holes are kept");
        assert_eq!(fs::metadata(unpacked.fs().join("hard")).unwrap().nlink(), 2);
    }
}

#[test]
fn a_field_that_holds_nothing_is_zero() {
    let mut archive = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    archive.append_data(&mut header, "f", &b"abc"[..]).unwrap();
    let unpacked = unpack(&archive.into_inner().unwrap());
    let meta = fs::symlink_metadata(unpacked.fs().join("f")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mtime()), (0, 0, 0));
}
