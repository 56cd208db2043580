//! `--chown`: names and numbers, by the image's own files.

use std::io;

/// Who a copy belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// `user`, `user:group`, by name or number. Without a group: the user's number, or its group where it
/// has a name. Reads the files of the current root.
pub(super) fn find(spec: &str) -> io::Result<Owner> {
    let (user, group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (spec, None),
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (uid, of_user) = match user {
        "" => (0, 0),
        user => match number(user) {
            Some(uid) => (uid, uid),
            None => named(&read("/etc/passwd"), user).ok_or_else(|| invalid("user", user))?,
        },
    };
    let gid = match group {
        None => of_user,
        Some(group) => match number(group) {
            Some(gid) => gid,
            None => {
                named(&read("/etc/group"), group)
                    .ok_or_else(|| invalid("group", group))?
                    .0
            }
        },
    };
    Ok(Owner { uid, gid })
}

/// The kernel takes the largest for "leave it as it is".
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number
        .then(|| text.parse().ok())
        .flatten()
        .filter(|n| *n != u32::MAX)
}

/// The third and fourth field of the line of this name.
fn named(text: &str, name: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let id = number(fields.nth(1)?)?;
        Some((id, fields.next().and_then(number).unwrap_or(0)))
    })
}

fn invalid(what: &str, name: &str) -> io::Error {
    io::Error::other(format!(
        "invalid {what} index: no matching entries for {name:?}"
    ))
}
