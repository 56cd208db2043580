//! `application/x-www-form-urlencoded` parameters as a tree of dotted names.
//!
//! Bounded in pairs, depth and nodes. List indexes are only names here, so that
//! `member.4000000000` costs one node.

use super::{DecodeError, Request};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::collections::BTreeMap;

const MAX_PAIRS: usize = 100_000;
const MAX_NODES: usize = 400_000;
const MAX_DEPTH: usize = 64;

/// A parameter, and those whose names continue its name.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) value: Option<String>,
    pub(super) children: BTreeMap<String, Node>,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        // The models have names with dots for members of flattened structures: none in use.
        self.children.get(name)
    }

    /// Children named by numbers, in numerical order. Gaps are closed.
    pub(super) fn numbered(&self) -> Vec<&Node> {
        let mut found: Vec<(u64, &Node)> = self
            .children
            .iter()
            .filter_map(|(name, node)| Some((name.parse().ok()?, node)))
            .collect();
        found.sort_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, node)| node).collect()
    }
}

/// Reads the parameters of the query string and of the body; the query string goes first, and
/// the first value of a name counts.
pub(super) fn parse(request: &Request) -> Result<Node, DecodeError> {
    let mut root = Node::default();
    let (mut pairs, mut nodes) = (0, 0);
    let query = request.uri().query().unwrap_or("").as_bytes();
    for source in [query, request.body()] {
        for pair in source.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            pairs += 1;
            if pairs > MAX_PAIRS {
                return Err(too_large());
            }
            let at = pair.iter().position(|b| *b == b'=');
            let (name, value) = match at {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[..0]),
            };
            insert(&mut root, &unescape(name)?, unescape(value)?, &mut nodes)?;
        }
    }
    Ok(root)
}

fn insert(
    root: &mut Node,
    name: &str,
    value: String,
    nodes: &mut usize,
) -> Result<(), DecodeError> {
    let mut node = root;
    for (depth, segment) in name.split('.').enumerate() {
        if depth >= MAX_DEPTH {
            return Err(too_large());
        }
        if !node.children.contains_key(segment) {
            *nodes += 1;
            if *nodes > MAX_NODES {
                return Err(too_large());
            }
        }
        node = node.children.entry(segment.to_owned()).or_default();
    }
    node.value.get_or_insert(value);
    Ok(())
}

fn too_large() -> DecodeError {
    DecodeError::new(
        "MalformedQueryString",
        "The request has too many parameters.",
    )
}

/// Percent-decodes; `+` is a space in this content type.
pub(super) fn unescape(bytes: &[u8]) -> Result<String, DecodeError> {
    let spaced: Cow<'_, [u8]> = if bytes.contains(&b'+') {
        bytes
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect::<Vec<u8>>()
            .into()
    } else {
        bytes.into()
    };
    String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| {
        DecodeError::new(
            "MalformedQueryString",
            "The query string is not valid UTF-8.",
        )
    })
}
