//! Here-documents: `<<EOF`, `<<-EOF`, `<<"EOF"`.

use super::words::words;

/// Text that follows its instruction's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// What ends it; the file's name where it is copied.
    pub name: String,
    pub content: String,
    /// Its name was not quoted: variables in it are replaced.
    pub expands: bool,
    /// `<<-`: tabs that lines begin with do not count.
    pub chomps: bool,
}

impl Heredoc {
    /// The content as whoever reads it gets it.
    pub fn text(&self) -> String {
        match self.chomps {
            false => self.content.clone(),
            true => {
                let lines = self.content.split_inclusive('\n');
                lines.map(|line| line.trim_start_matches('\t')).collect()
            }
        }
    }
}

/// Does the word announce one?
pub(crate) fn of_word(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix("<<")?;
    let (chomps, quoted) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let name: String = quoted.chars().filter(|c| !"\"'".contains(*c)).collect();
    if name.is_empty() || quoted.contains('<') {
        return None;
    }
    Some(Heredoc {
        expands: name == quoted,
        name,
        content: String::new(),
        chomps,
    })
}

/// The here-documents of an instruction that may have any.
pub(super) fn announced(line: &str, escape: char) -> Vec<Heredoc> {
    let mut all = words(line, escape).into_iter();
    let mut first = all.next().unwrap_or_default();
    if first.eq_ignore_ascii_case("ONBUILD") {
        first = all.next().unwrap_or_default();
    }
    match ["ADD", "COPY", "RUN"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
    {
        true => all.filter_map(|word| of_word(&word)).collect(),
        false => Vec::new(),
    }
}
