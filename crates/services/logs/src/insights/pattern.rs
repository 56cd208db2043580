//! `pattern`: what recurs in texts
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Pattern.html>).
//!
//! A text is cut into words. Words that look like times, addresses or numbers vary from one text to the next,
//! whatever they are; then texts of as many words are of one pattern when half of their words are the same, and
//! the others vary. How AWS finds patterns is not published: what is found here may be cut otherwise.

use super::record::Record;
use super::value::Value;
use std::collections::HashMap;

/// What is shown of a pattern.
pub const COLUMNS: [&str; 4] = ["@pattern", "@ratio", "@sampleCount", "@severityLabel"];

/// The words of a text that are looked at; what follows them is one more.
const MAX_WORDS: usize = 64;
/// The characters of a word that are looked at.
const MAX_WORD: usize = 256;
/// Patterns of as many words that begin alike: what would be one more goes to the nearest of them.
const MAX_ALIKE: usize = 200;
const SEVERITIES: [&str; 7] = [
    "FATAL", "CRITICAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE",
];

/// A word of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Word {
    Same(Box<str>),
    /// It varies: what it looks like.
    Varies(&'static str),
}

#[derive(Debug)]
struct Pattern {
    /// Words and what stands between them, in turn.
    words: Vec<Word>,
    /// What stands before each word, and behind the last one.
    between: Vec<Box<str>>,
    count: u64,
    severity: Option<&'static str>,
}

/// The patterns of all texts so far.
#[derive(Debug, Default)]
pub struct Patterns {
    /// By how many words there are, and the first of them.
    alike: HashMap<(usize, Option<Word>), Vec<Pattern>>,
    texts: u64,
    pub bytes: usize,
}

impl Patterns {
    /// Take in a text; what has none is of no pattern.
    pub fn add(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        let text = value.to_string();
        let (words, between) = cut(&text);
        self.texts += 1;
        // A name with a number in it is not what texts have in common.
        let first = words.first().cloned().filter(|word| match word {
            Word::Same(word) => !word.bytes().any(|b| b.is_ascii_digit()),
            Word::Varies(_) => true,
        });
        let alike = self.alike.entry((words.len(), first)).or_default();
        let mut nearest: Option<(usize, usize)> = None;
        for (n, pattern) in alike.iter().enumerate() {
            let same = pattern.words.iter().zip(&words);
            let same = same.filter(|(one, other)| one == other).count();
            if nearest.is_none_or(|(_, most)| same > most) {
                nearest = Some((n, same));
            }
        }
        let fits = |same: usize| same * 2 >= words.len() || alike.len() >= MAX_ALIKE;
        if let Some((n, _)) = nearest.filter(|(_, same)| fits(*same)) {
            let pattern = &mut alike[n];
            for (known, word) in pattern.words.iter_mut().zip(words) {
                if *known != word {
                    *known = Word::Varies("Token");
                }
            }
            for (known, new) in pattern.between.iter_mut().zip(between) {
                if *known != new {
                    *known = " ".into();
                }
            }
            pattern.count += 1;
            return;
        }
        self.bytes += text.len() + words.len() * size_of::<Word>() + size_of::<Pattern>();
        alike.push(Pattern {
            severity: severity(&text),
            words,
            between,
            count: 1,
        });
    }

    /// The most frequent first.
    pub fn rows(self) -> Vec<Record<'static>> {
        let mut all: Vec<(String, Pattern)> = self
            .alike
            .into_values()
            .flatten()
            .map(|pattern| (pattern.shown(), pattern))
            .collect();
        all.sort_by(|(a, one), (b, other)| other.count.cmp(&one.count).then_with(|| a.cmp(b)));
        let texts = self.texts;
        let row = |(shown, pattern): (String, Pattern)| {
            let ratio = pattern.count as f64 / texts as f64;
            // As AWS shows it, to four digits.
            let ratio = (ratio * 10_000.0).round() / 10_000.0;
            let mut row = Record::default();
            row.set(&COLUMNS[0].into(), Value::text(&shown));
            row.set(&COLUMNS[1].into(), Value::Number(ratio));
            row.set(&COLUMNS[2].into(), Value::Number(pattern.count as f64));
            if let Some(severity) = pattern.severity {
                row.set(&COLUMNS[3].into(), Value::text(severity));
            }
            row
        };
        all.into_iter().map(row).collect()
    }
}

impl Pattern {
    /// "Dynamic tokens are represented as `<string-number>`."
    fn shown(&self) -> String {
        let mut text = String::new();
        let mut number = 0;
        for (before, word) in self.between.iter().zip(&self.words) {
            text.push_str(before);
            match word {
                Word::Same(word) => text.push_str(word),
                Word::Varies(kind) => {
                    number += 1;
                    text.push_str(&format!("<{kind}-{number}>"));
                }
            }
        }
        text + self.between.last().map_or("", |last| last)
    }
}

fn severity(text: &str) -> Option<&'static str> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| {
        let mut known = SEVERITIES.iter();
        known
            .find(|s| {
                word.eq_ignore_ascii_case(s)
                    || (**s == "WARN" && word.eq_ignore_ascii_case("WARNING"))
            })
            .copied()
    })
}

/// What holds words apart; in numbers and times there may be some of these, too.
fn is_between(c: char) -> bool {
    c.is_whitespace() || "\"'()[]{}<>,;=|&?".contains(c)
}

/// Words, and what stands before each of them and behind the last one.
fn cut(text: &str) -> (Vec<Word>, Vec<Box<str>>) {
    let (mut words, mut between) = (Vec::new(), Vec::new());
    let (mut gap, mut rest) = (String::new(), text);
    loop {
        let start = rest.find(|c: char| !is_between(c)).unwrap_or(rest.len());
        gap.push_str(&rest[..start]);
        rest = &rest[start..];
        between.push(std::mem::take(&mut gap).into());
        if rest.is_empty() {
            return (words, between);
        }
        if words.len() == MAX_WORDS {
            words.push(Word::Varies("Token"));
            between.push("".into());
            return (words, between);
        }
        let end = rest.find(is_between).unwrap_or(rest.len());
        let run = &rest[..end];
        // What ends a sentence, or a name before its value, is no part of the word.
        let word = match run.trim_end_matches([':', '.', '!']) {
            "" => run,
            word => word,
        };
        words.push(look(word));
        gap.push_str(&run[word.len()..]);
        rest = &rest[end..];
    }
}

/// Does the word look like something that varies?
fn look(word: &str) -> Word {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let all = |allowed: &str| {
        word.bytes()
            .all(|b| b.is_ascii_digit() || allowed.as_bytes().contains(&b))
    };
    let is_hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_uuid = || {
        let parts: Vec<&str> = word.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hexadecimal(part))
    };
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = word.len() - number.len();
    let kind = match digits {
        _ if is_uuid() => "UUID",
        0 => "",
        _ if word.parse::<std::net::IpAddr>().is_ok() => "IPAddress",
        _ if digits >= 6 && all("-/") && word.contains(['-', '/']) => "Date",
        _ if digits >= 4 && all("-/:.TZ+") && word.contains(':') => "Time",
        _ if number.parse::<f64>().is_ok() && unit <= 3 => "Number",
        _ if word.len() >= 8 && is_hexadecimal(word.trim_start_matches("0x")) => "ID",
        _ => "",
    };
    if !kind.is_empty() {
        return Word::Varies(kind);
    }
    let word: String = word.chars().take(MAX_WORD).collect();
    Word::Same(word.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str]) -> Vec<String> {
        let mut patterns = Patterns::default();
        for text in texts {
            patterns.add(&Value::text(text));
        }
        let row = |record: Record<'_>| {
            let cells = COLUMNS.map(|name| record.get(name).to_string());
            cells.join(" | ")
        };
        patterns.rows().into_iter().map(row).collect()
    }

    #[test]
    fn what_varies_is_named_by_its_looks() {
        let shown = |text: &str| found(&[text])[0].split(" | ").next().unwrap().to_owned();
        assert_eq!(
            shown("2026-11-30T12:00:01.250Z [INFO] GET /users?id=42 from 10.0.0.7:"),
            "<Time-1> [INFO] GET /users?id=<Number-2> from <IPAddress-3>:"
        );
        assert_eq!(
            shown("request 6f3c11a0-0b1c-4d2e-9f00-112233445566 took 12.5ms!"),
            "request <UUID-1> took <Number-2>!"
        );
        assert_eq!(
            shown("on 2026/11/30 deadbeef0 fails"),
            "on <Date-1> <ID-2> fails"
        );
        assert_eq!(
            shown("plain words, version v2 of s3"),
            "plain words, version v2 of s3"
        );
        assert_eq!(shown(""), "");
    }

    #[test]
    fn texts_that_are_half_alike_are_of_one_pattern() {
        let texts = [
            "ERROR user anna cannot log in",
            "ERROR user bert cannot log in",
            "WARNING disk is full at 90%",
            "ERROR user carl cannot log in",
        ];
        assert_eq!(
            found(&texts),
            [
                "ERROR user <Token-1> cannot log in | 0.75 | 3 | ERROR",
                "WARNING disk is full at <Number-1> | 0.25 | 1 | WARN",
            ]
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let mut patterns = Patterns::default();
        for n in 0..10_000 {
            let letters: String = format!("{n:05}")
                .bytes()
                .map(|b| char::from(b - b'0' + b'a'))
                .collect();
            patterns.add(&Value::text(&format!(
                "same {letters} {letters}x {letters}y"
            )));
        }
        assert!(patterns.rows().len() <= MAX_ALIKE);
        let long = "word ".repeat(100_000);
        assert_eq!(found(&[&long, &long]).len(), 1);
    }
}
