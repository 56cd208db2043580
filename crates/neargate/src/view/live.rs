//! A few lines that are redrawn where they stand, with other lines scrolling past above them.
//! Where there is no terminal, a line is printed when it says something new.

use std::io::{IsTerminal, Write};

/// Lines at the end of standard error.
#[derive(Debug)]
pub struct Live {
    on_terminal: bool,
    /// What stands there now.
    shown: Vec<String>,
}

impl Live {
    pub fn new() -> Live {
        Live {
            on_terminal: std::io::stderr().is_terminal(),
            shown: Vec::new(),
        }
    }

    /// A line that stays.
    pub fn say(&mut self, line: &str) {
        let mut text = self.erased();
        text.push_str(line);
        text.push('\n');
        if self.on_terminal {
            text.push_str(&joined(&self.shown));
        }
        write(&text);
    }

    /// These lines, in place of those shown before.
    pub fn show(&mut self, mut lines: Vec<String>) {
        if self.on_terminal {
            let width = stderr_width();
            lines.iter_mut().for_each(|l| *l = cut(l, width));
        }
        if lines == self.shown {
            return;
        }
        let text = if self.on_terminal {
            self.erased() + &joined(&lines)
        } else {
            let new = lines.iter().filter(|l| !self.shown.contains(l)).cloned();
            joined(&new.collect::<Vec<_>>())
        };
        self.shown = lines;
        write(&text);
    }

    /// What removes the lines shown: the cursor goes up to the first, the rest is cleared.
    fn erased(&self) -> String {
        match self.shown.len() {
            n if n > 0 && self.on_terminal => format!("\x1b[{n}A\r\x1b[J"),
            _ => String::new(),
        }
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|l| format!("{l}\n")).collect()
}

fn write(text: &str) {
    // Nobody reads any more: the command's result still counts.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Columns of standard error's terminal; a line that wraps would be two when the cursor goes up.
fn stderr_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    // Some terminals do not know their size.
    let known = size.map(|size| usize::from(size.ws_col)).ok();
    known.filter(|n| *n > 0).unwrap_or(80)
}

/// How wide what is printed may be: what `COLUMNS` says, or standard output's terminal; files and
/// pipes take any width.
pub fn width() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    told.filter(|n| *n > 0).or_else(|| Some(size()?.1))
}

/// Rows and columns of standard output's terminal, if it knows them.
pub fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let (rows, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (rows > 0 && columns > 0).then_some((rows, columns))
}

/// The line broken between words where it would not fit, the rest of it indented.
pub fn wrapped(line: &str, width: usize, indent: &str) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for (n, word) in line.split(' ').enumerate() {
        let takes = columns(word);
        if n > 0 && used + 1 + takes > width && used > indent.len() {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(indent);
            used = indent.len();
        } else if n > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += takes;
    }
    out
}

/// How many columns a text takes: colours take none.
fn columns(text: &str) -> usize {
    let (mut count, mut in_colour) = (0, false);
    for c in text.chars() {
        in_colour |= c == '\x1b';
        count += usize::from(!in_colour);
        in_colour &= c != 'm';
    }
    count
}

/// The first `width` columns; colours take none.
pub fn cut(line: &str, width: usize) -> String {
    let (mut out, mut used, mut in_colour, mut coloured) = (String::new(), 0, false, false);
    for c in line.chars() {
        if c == '\x1b' {
            (in_colour, coloured) = (true, true);
        }
        if in_colour {
            out.push(c);
            in_colour = c != 'm';
            continue;
        }
        if used == width {
            if coloured {
                out.push_str("\x1b[0m");
            }
            return out;
        }
        used += 1;
        out.push(c);
    }
    out
}
