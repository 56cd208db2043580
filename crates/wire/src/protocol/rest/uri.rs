//! URI templates: `/{Bucket}/{Key+}?uploads`.

use percent_encoding::percent_decode_str;

/// How a template matched a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    /// Labels with their decoded values.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// When two templates match, the one with the greater rank is meant: more literals of the
    /// query string, then of the path, then fewer greedy labels.
    pub(crate) rank: (usize, usize, bool),
}

/// The template's part before `?`, and its query literals.
fn split(
    template: &'static str,
) -> (
    &'static str,
    impl Iterator<Item = (&'static str, &'static str)>,
) {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let literals = query
        .split('&')
        .filter(|literal| !literal.is_empty())
        .map(|literal| literal.split_once('=').unwrap_or((literal, "")));
    (path, literals)
}

/// Matches a raw (still encoded) path and query.
pub(crate) fn matches(template: &'static str, path: &str, query: &str) -> Option<Match> {
    let (wanted, literals) = split(template);
    let mut query_literals = 0;
    for (name, value) in literals {
        if !has_parameter(query, name, value) {
            return None;
        }
        query_literals += 1;
    }
    let wanted: Vec<&'static str> = segments(wanted).collect();
    let mut given: Vec<&str> = segments(path).collect();
    let greedy = wanted
        .iter()
        .position(|s| s.starts_with('{') && s.ends_with("+}"));
    // `/bucket/` is `/bucket`; but a key may end in a slash.
    if greedy.is_none() && given.len() == wanted.len() + 1 && given.last() == Some(&"") {
        given.pop();
    }
    let (before, behind) = match greedy {
        Some(at) if given.len() >= wanted.len() => (at, wanted.len() - at - 1),
        None if given.len() == wanted.len() => (wanted.len(), 0),
        _ => return None,
    };
    let mut labels = Vec::new();
    let mut path_literals = 0;
    let behind_given = given.len() - behind;
    let plain = wanted[..before].iter().zip(&given[..before]);
    let tail = wanted[wanted.len() - behind..]
        .iter()
        .zip(&given[behind_given..]);
    for (want, got) in plain.chain(tail) {
        match label(want) {
            Some(_) if got.is_empty() => return None,
            Some(name) => labels.push((name, decode(got)?)),
            None if decode(got)? == *want => path_literals += 1,
            None => return None,
        }
    }
    if let Some(at) = greedy {
        let rest = given[at..behind_given].join("/");
        if rest.is_empty() {
            return None;
        }
        labels.push((
            wanted[at].trim_start_matches('{').trim_end_matches("+}"),
            decode(&rest)?,
        ));
    }
    Some(Match {
        labels,
        rank: (query_literals, path_literals, greedy.is_none()),
    })
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn label(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

fn has_parameter(query: &str, name: &str, value: &str) -> bool {
    query.split('&').any(|pair| {
        let (key, given) = pair.split_once('=').unwrap_or((pair, ""));
        percent_decode_str(key).eq(name.bytes())
            && (value.is_empty() || percent_decode_str(given).eq(value.bytes()))
    })
}
