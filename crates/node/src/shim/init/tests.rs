use super::*;
use crate::runtime::Tmpfs;
use rustix::mount::MountFlags;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/srv/web:/bin/sh\n\
    broken line\nnohome:x:7:7::\n12:x:99:99::/twelve:/bin/sh\n";
const GROUP: &str = "root:x:0:\nweb:x:1001:\nlogs:x:50:web,root\ndisk:x:6:web\nbad:x:y:web\n";

fn found(spec: &str) -> User {
    user::lookup(spec, PASSWD, GROUP).unwrap()
}

#[test]
fn users_by_name_and_number() {
    let web = User {
        uid: 1000,
        gid: 1001,
        groups: vec![50, 6],
        home: "/srv/web".into(),
    };
    assert_eq!(found("web"), web);
    assert_eq!(found("1000"), web);
    assert_eq!(
        found(""),
        User {
            uid: 0,
            gid: 0,
            groups: vec![50],
            home: "/root".into()
        }
    );
    let unknown = User {
        uid: 4242,
        gid: 0,
        groups: vec![],
        home: "/".into(),
    };
    assert_eq!(found("4242"), unknown);
    assert_eq!(
        found("12").uid,
        99,
        "a name may look like a number; names win"
    );
}

#[test]
fn an_explicit_group_is_the_only_one() {
    let user = found("web:logs");
    assert_eq!((user.uid, user.gid, user.groups), (1000, 50, vec![]));
    assert_eq!(found("5:77").gid, 77);
}

#[test]
fn unknown_names_are_refused() {
    let refused = |spec: &str| user::lookup(spec, PASSWD, GROUP).unwrap_err();
    assert_eq!(
        refused("ghost").message,
        "unable to find user ghost: no matching entries in passwd file"
    );
    assert_eq!(
        refused("web:ghosts").message,
        "unable to find group ghosts: no matching entries in group file"
    );
    assert_eq!(refused("ghost").exit_code(), 126);
    // The kernel would take the largest for "leave it as it is": root.
    for spec in ["4294967295", "2147483648", "0:4294967295"] {
        assert_eq!(
            refused(spec).message,
            "uids and gids must be in range 0-2147483647"
        );
    }
}

#[test]
fn capabilities_are_dropped_before_added() {
    let set = |add: &[&str], drop: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        capabilities::set(&own(add), &own(drop))
    };
    assert_eq!(set(&[], &[]).unwrap(), 0xa804_25fb, "Docker's default mask");
    assert_eq!(set(&["CAP_SYS_PTRACE"], &["ALL"]).unwrap(), 1 << 19);
    assert_eq!(set(&["sys_ptrace"], &["net_raw"]).unwrap(), 0xa80c_05fb);
    assert!(set(&["SYS_NONSENSE"], &[]).is_err());
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
