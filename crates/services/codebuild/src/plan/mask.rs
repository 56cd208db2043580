//! Secrets that a build may not show, taken out of its log.

/// What stands for a secret.
const MASK: &str = "***";
/// What is shorter is found everywhere.
const LEAST: usize = 3;

/// Secrets, longest first.
#[derive(Debug, Clone, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// A secret of several lines is taken out line by line, too.
    pub fn new(secrets: &[String]) -> Mask {
        let lines = secrets.iter().flat_map(|secret| secret.lines());
        let whole = secrets.iter().map(String::as_str);
        let mut all: Vec<String> = whole
            .chain(lines)
            .filter(|s| s.trim().len() >= LEAST)
            .map(str::to_owned)
            .collect();
        all.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        all.dedup();
        Mask(all)
    }

    pub fn apply(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in &self.0 {
            if masked.contains(secret) {
                masked = masked.replace(secret, MASK);
            }
        }
        masked
    }
}
