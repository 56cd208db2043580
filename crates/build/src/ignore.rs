//! `.dockerignore`, and the patterns of `COPY`: as `moby/patternmatcher` and Go's `filepath.Match`.

use regex::Regex;

/// A list of patterns, of which the last one that fits counts.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
    /// As read, for cache keys.
    pub text: String,
}

#[derive(Debug, Clone)]
struct Pattern {
    regex: Regex,
    /// `!`: what fits is not left out.
    takes_back: bool,
}

impl Ignore {
    /// # Errors
    /// A pattern that is none.
    pub fn parse(text: &str) -> Result<Ignore, String> {
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines();
        let lines = lines.filter(|line| !line.starts_with('#'));
        Ignore::of(lines)
    }

    /// Patterns one by one, as those of `--exclude`.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Ignore, String> {
        let mut all = Ignore::default();
        for line in lines {
            let line = line.trim();
            let (takes_back, line) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let clean = cleaned(line);
            if clean.is_empty() {
                continue;
            }
            let regex = compile(&clean, true)?;
            all.text.push_str(&format!("{takes_back} {clean}\n"));
            all.patterns.push(Pattern { regex, takes_back });
        }
        Ok(all)
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Is the path left out? It is relative to the context, without a slash at either end. What a
    /// directory's pattern leaves out, it leaves out with all in it.
    pub fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for pattern in &self.patterns {
            if pattern.takes_back != excluded {
                continue;
            }
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if std::iter::once(path)
                .chain(parents)
                .any(|p| pattern.regex.is_match(p))
            {
                excluded = !excluded;
            }
        }
        excluded
    }

    /// Can anything in a directory that is left out be taken back?
    pub fn takes_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.takes_back)
    }
}

/// The path without `.`, `..` and doubled slashes, and never above its root.
pub fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A pattern for one name of a path, as `filepath.Match` has it; `None`: it has no pattern in it.
///
/// # Errors
/// A pattern that is none.
pub fn name_pattern(name: &str) -> Result<Option<Regex>, String> {
    match name.contains(['*', '?', '[', '\\']) {
        true => compile(name, false).map(Some),
        false => Ok(None),
    }
}

/// `deep`: `**` goes over any number of directories.
fn compile(pattern: &str, deep: bool) -> Result<Regex, String> {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if deep && chars.next_if_eq(&'*').is_some() => {
                match chars.next_if_eq(&'/') {
                    Some(_) => out.push_str("(.*/)?"),
                    None => out.push_str(".*"),
                };
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                out.push('[');
                for c in chars.by_ref() {
                    match c {
                        ']' => break,
                        '[' | '&' | '~' => {
                            out.push('\\');
                            out.push(c);
                        }
                        c => out.push(c),
                    }
                }
                out.push(']');
            }
            '\\' => {
                let next = chars.next().ok_or_else(|| bad(pattern))?;
                out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    Regex::new(&out).map_err(|_| bad(pattern))
}

fn bad(pattern: &str) -> String {
    format!("syntax error in pattern: {pattern:?}")
}
