//! How far a build is: told as it goes, to whoever shows it.

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step begins: `[stage 2/4] RUN make`.
    Step {
        /// Where it stands, such as `[build 2/4]`.
        place: String,
        /// The instruction.
        text: String,
        /// Its number among all steps of this build that are known, and how many those are.
        number: usize,
        of: usize,
    },
    /// Its outcome was known.
    Cached,
    /// A line of a program's output.
    Output { stderr: bool, line: String },
    /// The step has ended well.
    Done,
    /// Something that is worth knowing.
    Note(String),
    /// The image is whole: its id, and the names that it has got.
    Built { id: String, tags: Vec<String> },
}

/// Hears of them. Called from several threads; it does not wait.
pub trait Progress: std::fmt::Debug + Send + Sync {
    fn tell(&self, event: Event);
}
