//! The head of a push: which references are to be moved (<https://git-scm.com/docs/gitprotocol-pack>). Pure.

use crate::git::names::is_object;

/// Nobody moves so many references at once: AWS takes 4,000.
pub(super) const MAX_HEAD_BYTES: usize = 4 << 20;

/// What is known of a head so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// It goes on.
    Open,
    /// The full names of the references, in the client's order.
    Whole(Vec<String>),
    Malformed,
}

/// Reads what has come of a push.
pub(super) fn read(mut bytes: &[u8]) -> Head {
    let mut names = Vec::new();
    loop {
        let Some(length) = bytes.get(..4) else {
            return Head::Open;
        };
        let digits = std::str::from_utf8(length).ok();
        let length = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        match length {
            Some(0) => return Head::Whole(names),
            Some(5..) => {}
            _ => return Head::Malformed,
        }
        let length = length.unwrap_or_default();
        let Some(line) = bytes.get(4..length) else {
            return Head::Open;
        };
        bytes = &bytes[length..];
        match reference(line) {
            Some(Some(name)) => names.push(name),
            Some(None) => {}
            None => return Head::Malformed,
        }
    }
}

/// The reference that a line is for; `Some(None)`: it is about a shallow clone.
fn reference(line: &[u8]) -> Option<Option<String>> {
    let line = line.split(|b| *b == 0).next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
    let (first, rest) = line.split_once(' ')?;
    if first == "shallow" {
        return is_object(rest).then_some(None);
    }
    let (second, name) = rest.split_once(' ')?;
    let is_good = is_object(first) && is_object(second) && !name.is_empty();
    is_good.then(|| Some(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::names::NOTHING;

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[test]
    fn heads() {
        let one = "1".repeat(40);
        let first = line(&format!(
            "{NOTHING} {one} refs/heads/main\0 report-status agent=x"
        ));
        let second = line(&format!("{one} {NOTHING} refs/tags/old\n"));
        let shallow = line(&format!("shallow {one}"));
        let whole = format!("{shallow}{first}{second}0000PACK");
        let names = ["refs/heads/main", "refs/tags/old"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(read(whole.as_bytes()), Head::Whole(names));
        for end in 0..shallow.len() + first.len() + second.len() + 3 {
            assert_eq!(read(&whole.as_bytes()[..end]), Head::Open, "{end}");
        }
        assert_eq!(read(b"0000"), Head::Whole(Vec::new()));
        for bad in [
            "0004",
            "zzzz",
            "+00a",
            "000bpush-ce",
            &line("push-cert\0x"),
            &line("a b c"),
        ] {
            assert_eq!(read(bad.as_bytes()), Head::Malformed, "{bad}");
        }
    }
}
