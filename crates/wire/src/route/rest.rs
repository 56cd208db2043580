//! Method and URI template to operation.

use crate::protocol::match_uri;
use crate::schema::{Location, Operation, Service};
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The operation whose method and template fit best. Where several fit alike (S3 tells CopyObject
/// from PutObject by a header), the one that needs most of what the request has.
pub(super) fn find(service: &'static Service, parts: &Parts) -> Option<&'static Operation> {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
    let method = parts.method.as_str();
    let mut best: Option<((usize, usize, bool), i32, &'static Operation)> = None;
    for op in service.operations {
        if op.method != method && !(method == "HEAD" && op.method == "GET") {
            continue;
        }
        let Some(rank) = match_uri(op.uri, path, query) else {
            continue;
        };
        let needs = needs(op, parts, query);
        let exact = (rank, needs * 2 + i32::from(op.method == method), op);
        if best
            .as_ref()
            .is_none_or(|(r, n, _)| (exact.0, exact.1) > (*r, *n))
        {
            best = Some(exact);
        }
    }
    best.map(|(_, _, op)| op)
}

/// How many required headers and parameters are there; negative when one is missing.
fn needs(op: &Operation, parts: &Parts, query: &str) -> i32 {
    let Some(input) = op.input else { return 0 };
    let mut met = 0;
    for member in input.members().iter().filter(|m| m.required) {
        let there = match member.location {
            Location::Header => parts.headers.contains_key(member.wire_name()),
            Location::QueryString => query.split('&').any(|pair| {
                let name = pair.split_once('=').map_or(pair, |(name, _)| name);
                percent_decode_str(name).eq(member.wire_name().bytes())
            }),
            _ => continue,
        };
        if !there {
            return -1;
        }
        met += 1;
    }
    met
}
