//! What the log drivers `json-file` and `local` keep: a container's output in a file of its node,
//! which only that host has, and only as long as the task is there.

use super::source::Line;
use neargate_node::runtime::Records;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Is this a driver that keeps?
pub fn keeps(driver: &str) -> bool {
    matches!(driver, "json-file" | "local")
}

/// A kept output, and how far it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    path: PathBuf,
    offset: u64,
}

impl Kept {
    /// The output of a task's container on this host, under the data directory of the Neargate that
    /// runs here, or of an instance that is a part of it.
    pub fn find(data: &Path, task_id: &str, container: &str) -> Option<Kept> {
        let slices = fs::read_dir(data.join("slices")).into_iter().flatten();
        let slices = slices.flatten().map(|slice| slice.path());
        let mut nodes = [data.to_owned()].into_iter().chain(slices);
        nodes.find_map(|node| {
            let task = node.join("containers").join(task_id);
            let path = task.join(container).join("log");
            path.is_file().then_some(Kept { path, offset: 0 })
        })
    }

    /// The next lines, if any.
    ///
    /// # Errors
    /// It cannot be read; one that is gone with its task has no more lines.
    pub fn read(&mut self) -> io::Result<Vec<Line>> {
        let file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        // What is older has been given back.
        let begins = fs::read_to_string(self.path.with_file_name("log.carried"));
        let begins = begins.ok().and_then(|text| text.trim().parse().ok());
        self.offset = self.offset.max(begins.unwrap_or(0));
        let mut bytes = vec![0; READ_BYTES];
        let length = file.read_at(&mut bytes, self.offset)?;
        let mut lines = Vec::new();
        for record in Records(&bytes[..length]) {
            self.offset += record.length as u64;
            lines.push(Line {
                at: record.timestamp,
                message: String::from_utf8_lossy(record.message).into_owned(),
            });
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_from_its_beginning_and_on() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("slices/i-1/containers/t1/app");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("log"), "5 o 3\nold\n6 o 3\nnew\n").unwrap();
        fs::write(dir.join("log.carried"), "00000000000000000010\n").unwrap();
        assert_eq!(Kept::find(data.path(), "t1", "other"), None);
        let mut kept = Kept::find(data.path(), "t1", "app").unwrap();
        let lines = kept.read().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].at.as_millis(), lines[0].message.as_str()),
            (6, "new")
        );
        assert!(kept.read().unwrap().is_empty());
        fs::remove_dir_all(&dir).unwrap();
        assert!(kept.read().unwrap().is_empty());
    }
}
