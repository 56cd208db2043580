//! The conflicts in what `git merge-file --diff3` writes. Pure.

/// How long its markers are: longer than lines of files that begin alike.
pub const MARKER: usize = 61;

/// A region that both sides changed, each in its own way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The line of the merged file that it begins at.
    pub start: usize,
    pub source: Vec<u8>,
    pub destination: Vec<u8>,
    pub base: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Neither,
    Destination,
    Base,
    Source,
}

pub fn read(merged: &[u8]) -> Vec<Hunk> {
    let (mut hunks, mut within) = (Vec::new(), Within::Neither);
    let mut hunk = Hunk::default();
    let mut line_number = 1;
    for line in merged.split_inclusive(|byte| *byte == b'\n') {
        let is = |sign: u8| {
            line.len() >= MARKER
                && line[..MARKER].iter().all(|byte| *byte == sign)
                && line
                    .get(MARKER)
                    .is_none_or(|byte| matches!(byte, b' ' | b'\n' | b'\r'))
        };
        within = match within {
            Within::Neither if is(b'<') => {
                hunk.start = line_number;
                Within::Destination
            }
            Within::Destination if is(b'|') => Within::Base,
            Within::Base if is(b'=') => Within::Source,
            Within::Source if is(b'>') => {
                let of = |lines: &[u8]| lines.iter().filter(|byte| **byte == b'\n').count();
                line_number += of(&hunk.source).max(of(&hunk.destination));
                hunks.push(std::mem::take(&mut hunk));
                Within::Neither
            }
            same => {
                match same {
                    Within::Neither => line_number += 1,
                    Within::Destination => hunk.destination.extend_from_slice(line),
                    Within::Base => hunk.base.extend_from_slice(line),
                    Within::Source => hunk.source.extend_from_slice(line),
                }
                same
            }
        };
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_told_by_their_place() {
        let [a, b, c, d] = ["<", "|", "=", ">"];
        let marker = |sign: &str| sign.repeat(MARKER);
        let text = format!(
            "one\n{} x\ntwo\n{} y\nold\n{}\nthree\nfour\n{} z\nfive\n",
            marker(a),
            marker(b),
            marker(c),
            marker(d)
        );
        let hunks = read(text.as_bytes());
        assert_eq!(
            hunks,
            [Hunk {
                start: 2,
                source: b"three\nfour\n".to_vec(),
                destination: b"two\n".to_vec(),
                base: b"old\n".to_vec(),
            }]
        );
        assert!(read(b"<<<<<<< a\nb\n").is_empty());
    }
}
