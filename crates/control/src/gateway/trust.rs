//! Which users of this host call without proof, on a loopback port: root, the user that Neargate
//! runs as, and the members of one group. Everybody else on the host signs, as callers elsewhere
//! do: whoever starts tasks is root of the host.

use rustix::process::geteuid;
use std::path::PathBuf;

/// The users who need no proof.
#[derive(Debug, Clone)]
pub struct Trusted {
    own: u32,
    group: Option<String>,
    etc: PathBuf,
}

impl Trusted {
    /// Root, this process's user, and the members of `group`, if there is such a group. Members
    /// are read of `/etc/group` and `/etc/passwd` when they call, so that one who leaves the
    /// group is out at once.
    pub fn new(group: Option<String>) -> Trusted {
        Trusted {
            own: geteuid().as_raw(),
            group,
            etc: "/etc".into(),
        }
    }

    /// Does this user need no proof?
    pub(super) fn includes(&self, user: u32) -> bool {
        user == 0 || user == self.own || self.is_member(user)
    }

    fn is_member(&self, user: u32) -> bool {
        let Some(group) = &self.group else {
            return false;
        };
        let read = |file: &str| std::fs::read_to_string(self.etc.join(file)).unwrap_or_default();
        let groups = read("group");
        let mut all = groups.lines().map(|l| l.split(':').collect::<Vec<_>>());
        // `name:password:gid:members`; the first of a name counts, as for getgrnam(3).
        let first = all.find(|fields| fields.first() == Some(&group.as_str()));
        let Some([_, _, gid, members]) = first.as_deref() else {
            return false;
        };
        let Ok(gid) = gid.parse::<u32>() else {
            return false;
        };
        let members: Vec<&str> = members.split(',').map(str::trim).collect();
        // `name:password:uid:gid:...`
        let users = read("passwd");
        users.lines().any(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, primary, ..] = fields[..] else {
                return false;
            };
            uid.parse() == Ok(user) && (primary.parse() == Ok(gid) || members.contains(&name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(group: Option<&str>) -> (tempfile::TempDir, Trusted) {
        let etc = tempfile::tempdir().expect("scratch");
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:77::/:/bin/sh\n\
                      eve:x:1002:1002::/:/bin/sh\n1002:x:1003:1003::/:/bin/sh\n+\nbroken:x\n";
        let groups = "root:x:0:\nneargate:x:77:ann,1002\nneargate:x:78:eve\nodd:x:many:eve\n";
        std::fs::write(etc.path().join("passwd"), passwd).expect("written");
        std::fs::write(etc.path().join("group"), groups).expect("written");
        let trusted = Trusted {
            own: 500,
            group: group.map(str::to_owned),
            etc: etc.path().into(),
        };
        (etc, trusted)
    }

    #[test]
    fn members_of_the_group_are_trusted() {
        let (_etc, trusted) = trusted(Some("neargate"));
        for (user, expected) in [
            (0, true),
            (500, true),
            (1000, true),
            (1001, true),
            (1002, false),
            (1003, true),
            (65534, false),
        ] {
            assert_eq!(trusted.includes(user), expected, "{user}");
        }
    }

    #[test]
    fn without_the_group_it_is_root_and_the_server_alone() {
        for group in [None, Some("missing"), Some("odd"), Some("")] {
            let (_etc, trusted) = trusted(group);
            let all: Vec<u32> = [0, 500, 1000, 1001, 1002, 65534]
                .into_iter()
                .filter(|user| trusted.includes(*user))
                .collect();
            assert_eq!(all, [0, 500], "{group:?}");
        }
    }
}
