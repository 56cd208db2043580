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
            let width = width();
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

/// Columns of the terminal; a line that wraps would be two when the cursor goes up.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    // Some terminals do not know their size.
    let known = size.map(|size| usize::from(size.ws_col)).ok();
    known.filter(|n| *n > 0).unwrap_or(80)
}

/// Rows and columns of standard output's terminal, if it knows them.
pub fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let (rows, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (rows > 0 && columns > 0).then_some((rows, columns))
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
