use super::*;
use crate::runtime::Tmpfs;
use rustix::mount::MountFlags;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/srv/web:/bin/sh\n\
    broken line\nnohome:x:7:7::\n12:x:99:99::/twelve:/bin/sh\n\
    short:x:8\nhuge:x:4294967296:0::/:\n";
const GROUP: &str =
    "root:x:0:\nweb:x:1001:\nlogs:x:50:web,root\ndisk:x:6:web\nbad:x:y:web\n1000:x:0:\n";

fn found(spec: &str) -> User {
    user::lookup(spec, PASSWD, GROUP).unwrap()
}

fn user(uid: u32, gid: u32, groups: &[u32], home: &str) -> User {
    let (groups, home) = (groups.to_vec(), home.to_owned());
    User {
        uid,
        gid,
        groups,
        home,
    }
}

#[test]
fn users_by_name_and_number() {
    let web = user(1000, 1001, &[1001, 50, 6], "/srv/web");
    let root = user(0, 0, &[0, 50], "/root");
    for (spec, want) in [
        ("web", web.clone()),
        ("1000", web.clone()),
        ("+1000", web.clone()),
        ("web:", web),
        ("", root.clone()),
        ("0", root.clone()),
        (":", root),
        (":logs", user(0, 50, &[50], "/root")),
        (":1234", user(0, 1234, &[1234], "/root")),
        // Without an entry: no group but root's, and no home.
        ("4242", user(4242, 0, &[0], "/")),
        // Numbers are no names: an entry `12` is for 99.
        ("12", user(12, 0, &[0], "/")),
        ("99", user(99, 99, &[99], "/twelve")),
        ("nohome", user(7, 7, &[7], "/")),
        ("short", user(8, 0, &[0], "/")),
        // An explicit group is the only one, and a number is no name there either.
        ("web:logs", user(1000, 50, &[50], "/srv/web")),
        ("web:77", user(1000, 77, &[77], "/srv/web")),
        ("1000:1000", user(1000, 1000, &[1000], "/srv/web")),
        ("5:logs", user(5, 50, &[50], "/")),
        ("5:77", user(5, 77, &[77], "/")),
        (
            "2147483647:2147483647",
            user(2_147_483_647, 2_147_483_647, &[2_147_483_647], "/"),
        ),
    ] {
        assert_eq!(found(spec), want, "{spec:?}");
    }
}

#[test]
fn unknown_names_are_refused() {
    let refused = |spec: &str| user::lookup(spec, PASSWD, GROUP).unwrap_err();
    for spec in ["ghost", " web", "web ", "0x10", "1_000", "+", "WEB"] {
        let want = format!("unable to find user {spec}: no matching entries in passwd file");
        assert_eq!(refused(spec).message, want);
    }
    assert_eq!(
        refused("web:ghosts").message,
        "unable to find group ghosts: no matching entries in group file"
    );
    assert_eq!(refused("ghost").exit_code(), 126);
    // The kernel would take the largest for "leave it as it is": root. Others become root by
    // losing their upper half.
    for spec in [
        "4294967295",
        "4294967296",
        "2147483648",
        "0:4294967295",
        "web:4294967296",
        "-1",
        "99999999999999999999",
        "0:18446744073709551616",
        "huge",
    ] {
        assert_eq!(
            refused(spec).message,
            "uids and gids must be in range 0-2147483647",
            "{spec}"
        );
    }
}

#[test]
fn odd_lines_of_user_files_hide_nothing() {
    let long = format!("long:x:5:5:{}:/long:/bin/sh", "g".repeat(200_000));
    let passwd = format!(
        "# comment: not: a: line\n\n   \n+::::::\n-@nobody::::::\nroot\nnone:x\nempty:x::0::/:\n\
        groupless:x:24::\n\
        \ttabbed:x:20:20::/t:/bin/sh  \r\n{long}\n\u{fffd}:x:21:21::/:\nlast:x:22:23::/last:/bin/sh"
    );
    let group = "+:::\n\nfirst:x:30:last,web\r\nbare:x:31\nlast:x:23:last\nagain:x:30:last";
    let found = |spec: &str| user::lookup(spec, &passwd, group).unwrap();
    assert_eq!(found("tabbed"), user(20, 20, &[20], "/t"));
    assert_eq!(found("long"), user(5, 5, &[5], "/long"));
    assert_eq!(found("last"), user(22, 23, &[23, 30, 30], "/last"));
    assert_eq!(found("last:bare").gid, 31);
    assert_eq!(found("groupless"), user(24, 0, &[0], "/"));
    assert_eq!(found(""), user(0, 0, &[0], "/"), "nobody's line is root's");
    for spec in ["root", "none", "empty", "# comment", "+"] {
        assert!(user::lookup(spec, &passwd, group).is_err(), "{spec}");
    }
}

#[test]
fn paths_are_compared_without_their_links() {
    for (path, clean) in [
        ("/a/b", "/a/b"),
        ("a//b/./", "/a/b"),
        ("/a/../../b/..", "/"),
        ("", "/"),
    ] {
        assert_eq!(place::clean(path), Path::new(clean));
    }
}

#[test]
fn the_environment_is_docker_s() {
    let user = found("web");
    let mut config = ContainerConfig {
        hostname: "h".into(),
        ..Default::default()
    };
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        environment::merge(&config, &user),
        [path, "HOSTNAME=h", "HOME=/srv/web"]
    );
    config.env = ["A=1", "PATH=/x", "HOME=/h", "A=2"]
        .map(String::from)
        .to_vec();
    assert_eq!(
        environment::merge(&config, &user),
        ["HOSTNAME=h", "PATH=/x", "HOME=/h", "A=2"]
    );
}

#[test]
fn a_secret_is_a_file_or_a_variable() {
    let secret = |entry: &str| neargate_base::Secret::new(entry.to_owned());
    let config = ContainerConfig {
        secret_env: vec![secret("WORD=a=b\n"), secret("OF_A_FILE=c")],
        secret_files: Some(crate::runtime::SecretFiles {
            directory: "/run/secrets".into(),
            names: vec!["WORD".into(), "ABSENT".into()],
        }),
        ..ContainerConfig::default()
    };
    let shown = files::of_secrets(&config);
    let shown: Vec<_> = shown.iter().map(|f| (&*f.target, &*f.text)).collect();
    assert_eq!(shown, [("/run/secrets/WORD", "a=b\n")]);
    let merged = environment::merge(&config, &user(0, 0, &[], "/root"));
    assert!(merged.contains(&"OF_A_FILE=c".to_owned()));
    assert!(!merged.iter().any(|entry| entry.starts_with("WORD=")));
}

#[test]
fn tmpfs_options_start_from_the_safe_ones() {
    let tmpfs = |options: &[&str]| Tmpfs {
        path: "/t".into(),
        size_bytes: 1024,
        options: options.iter().map(|&o| o.to_owned()).collect(),
    };
    let closed = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let (flags, options) = mounts::tmpfs_options(&tmpfs(&[]));
    assert_eq!((flags, options.as_str()), (closed, "mode=1777,size=1024"));
    let (flags, options) = mounts::tmpfs_options(&tmpfs(&["exec", "dev", "mode=0700", "ro"]));
    let want = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
    assert_eq!((flags, options.as_str()), (want, "size=1024,mode=0700"));
}
