//! A Dockerfile as instructions. The grammar is BuildKit's (`frontend/dockerfile/parser`), which the
//! crate `parse-dockerfile` does not follow in what a shell is given: comments inside of continued
//! lines, `escape`, here-documents beside a command.
//!
//! Nothing is expanded here: words are kept with their quotes until their variables are known.

mod heredoc;
mod instruction;
mod lines;
mod words;

pub use heredoc::Heredoc;
pub use instruction::{Command, Flag, Instruction, Kind};
pub use words::{pairs, words};

use crate::Located;

/// A file larger than this is no Dockerfile.
const LARGEST_BYTES: usize = 4 << 20;

/// A Dockerfile, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// `# escape=`; a backslash where nothing is said.
    pub escape: char,
    /// `ARG`s before the first stage.
    pub arguments: Vec<Instruction>,
    pub stages: Vec<Stage>,
}

/// From one `FROM` to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub from: Instruction,
    /// As it stands in `FROM`.
    pub image: String,
    /// `AS name`, in lower case.
    pub name: Option<String>,
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// # Errors
    /// In BuildKit's words, with the line.
    pub fn parse(text: &str) -> Result<Dockerfile, Located> {
        if text.len() > LARGEST_BYTES {
            return Err(Located::new("the Dockerfile is larger than 4 MiB"));
        }
        let (escape, logical) = lines::read(text)?;
        let mut file = Dockerfile {
            escape,
            arguments: Vec::new(),
            stages: Vec::new(),
        };
        if logical.is_empty() {
            return Err(Located::new("file with no instructions"));
        }
        for line in logical {
            let instruction = Instruction::read(line, escape)?;
            match (instruction.kind, file.stages.last_mut()) {
                (Kind::From, _) => file.stages.push(Stage::begin(instruction)?),
                (_, Some(stage)) => stage.instructions.push(instruction),
                (Kind::Arg, None) => file.arguments.push(instruction),
                (_, None) => {
                    let lines = instruction.lines.clone();
                    return Err(Located::new("no build stage in current context").at(&lines));
                }
            }
        }
        match file.stages.is_empty() {
            true => Err(Located::new("dockerfile contains no stages to build")),
            false => Ok(file),
        }
    }

    /// The stage of a `--target` or `--from`: by its name, or its number among the first `below`.
    pub fn stage(&self, name: &str, below: usize) -> Option<usize> {
        let lower = name.to_ascii_lowercase();
        let named = self.stages[..below]
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&lower));
        named.or_else(|| name.parse().ok().filter(|&number| number < below))
    }
}

impl Stage {
    fn begin(from: Instruction) -> Result<Stage, Located> {
        let line = *from.lines.start();
        let words: Vec<String> = from.rest.split_whitespace().map(str::to_owned).collect();
        let (image, name) = match words.as_slice() {
            [image] => (image.clone(), None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => {
                let name = name.to_ascii_lowercase();
                let letters =
                    |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
                let is_name = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
                if !is_name || !name.bytes().all(letters) {
                    let what = format!(
                        "invalid name for build stage: {name:?}, name can't start with a number or contain symbols"
                    );
                    return Err(Located::parse(line, what));
                }
                (image.clone(), Some(name))
            }
            _ => {
                let what = "FROM requires either one or three arguments";
                return Err(Located::parse(line, what));
            }
        };
        Ok(Stage {
            from,
            image,
            name,
            instructions: Vec::new(),
        })
    }
}
