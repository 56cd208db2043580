//! What values of rules are compared with: `*` stands for any characters, `?` for one.

use regex::bytes::{Regex, RegexBuilder};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Byte(u8),
    One,
    Any,
}

/// A value of a condition.
#[derive(Debug, Clone)]
pub struct Pattern {
    shape: Shape,
    ignores_case: bool,
}

#[derive(Debug, Clone)]
enum Shape {
    Exact(Vec<u8>),
    Start(Vec<u8>),
    Signs(Vec<Sign>),
    Regex(Regex),
}

impl Pattern {
    /// With wildcards; `\*` and `\?` are the characters themselves.
    pub fn wildcards(value: &str, ignores_case: bool) -> Pattern {
        let mut signs = Vec::with_capacity(value.len());
        let mut bytes = value.bytes().peekable();
        while let Some(byte) = bytes.next() {
            signs.push(match byte {
                b'*' => Sign::Any,
                b'?' => Sign::One,
                b'\\' => Sign::Byte(bytes.next_if(|b| b"*?\\".contains(b)).unwrap_or(byte)),
                byte => Sign::Byte(byte),
            });
        }
        let plain = |signs: &[Sign]| {
            let byte = |sign: &Sign| match sign {
                Sign::Byte(byte) => Some(*byte),
                Sign::One | Sign::Any => None,
            };
            signs.iter().map(byte).collect::<Option<Vec<u8>>>()
        };
        let start = signs.strip_suffix(&[Sign::Any]).and_then(plain);
        let shape = match (plain(&signs), start) {
            (Some(exact), _) => Shape::Exact(exact),
            (None, Some(start)) => Shape::Start(start),
            (None, None) => Shape::Signs(signs),
        };
        Pattern {
            shape,
            ignores_case,
        }
    }

    /// # Errors
    /// It is no regular expression.
    pub fn regex(value: &str, ignores_case: bool) -> Result<Pattern, regex::Error> {
        let regex = RegexBuilder::new(value)
            .case_insensitive(ignores_case)
            .size_limit(1 << 20)
            .unicode(false)
            .build()?;
        Ok(Pattern {
            shape: Shape::Regex(regex),
            ignores_case,
        })
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8]| match self.ignores_case {
            true => a.eq_ignore_ascii_case(b),
            false => a == b,
        };
        match &self.shape {
            Shape::Exact(exact) => same(text, exact),
            Shape::Start(start) => text.get(..start.len()).is_some_and(|t| same(t, start)),
            Shape::Signs(signs) => self.follows(signs, text),
            Shape::Regex(regex) => regex.is_match(text),
        }
    }

    /// In time that grows with both lengths at most: only the last `*` is ever gone back to.
    fn follows(&self, signs: &[Sign], text: &[u8]) -> bool {
        let (mut at, mut sign_at) = (0, 0);
        let mut last_any: Option<(usize, usize)> = None;
        while at < text.len() {
            let fits = match signs.get(sign_at) {
                Some(Sign::Any) => {
                    last_any = Some((sign_at, at));
                    sign_at += 1;
                    continue;
                }
                Some(Sign::One) => true,
                Some(Sign::Byte(byte)) if self.ignores_case => byte.eq_ignore_ascii_case(&text[at]),
                Some(Sign::Byte(byte)) => *byte == text[at],
                None => false,
            };
            match (fits, last_any) {
                (true, _) => {
                    at += 1;
                    sign_at += 1;
                }
                (false, Some((any, from))) => {
                    last_any = Some((any, from + 1));
                    at = from + 1;
                    sign_at = any + 1;
                }
                (false, None) => return false,
            }
        }
        signs[sign_at..].iter().all(|sign| *sign == Sign::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn wildcards_stand_for_characters() {
        let cases = [
            ("/img/*", "/img/", true),
            ("/img/*", "/img", false),
            ("/img/*/pics", "/img/a/b/pics", true),
            ("/img/*/pics", "/img/pics", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*", "", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("/A", "/a", false),
        ];
        for (pattern, text, expected) in cases {
            let matches = Pattern::wildcards(pattern, false).matches(text.as_bytes());
            assert_eq!(matches, expected, "{pattern} {text}");
        }
        assert!(Pattern::wildcards("*.Example.com", true).matches(b"a.eXample.COM"));
        let slow = "*a".repeat(60) + "b";
        assert!(!Pattern::wildcards(&slow, false).matches("a".repeat(10_000).as_bytes()));
        assert!(Pattern::regex("^/v[0-9]+/", false).is_ok_and(|p| p.matches(b"/v12/x")));
    }
}
