//! A file that does not grow without end: when it is full it becomes `NAME.1`, in place of the
//! one before, and a new one begins.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The most that each of the two files holds.
const MAX_BYTES: u64 = 8 << 20;

/// The open file.
#[derive(Debug)]
pub struct Rotated {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl Rotated {
    /// Goes on with the file that is there.
    pub fn open(path: &Path) -> io::Result<Rotated> {
        Rotated::with_limit(path, MAX_BYTES)
    }

    fn with_limit(path: &Path, max_bytes: u64) -> io::Result<Rotated> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Rotated {
            path: path.to_owned(),
            bytes: file.metadata()?.len(),
            file,
            max_bytes,
        })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        match std::fs::rename(&self.path, old) {
            // Moved before, when no new one could be opened; or somebody deleted it.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            moved => moved?,
        }
        *self = Rotated::with_limit(&self.path, self.max_bytes)?;
        Ok(())
    }
}

/// Each write is a whole line.
impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.max_bytes {
            self.begin_anew()?;
        }
        let written = self.file.write(line)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_hold_the_newest_lines() {
        let dir = tempfile::tempdir().expect("scratch");
        let path = dir.path().join("log/neargate.log");
        for _ in 0..2 {
            // Also across starts.
            let mut file = Rotated::with_limit(&path, 16).expect("opened");
            for n in 0..5 {
                file.write_all(format!("line {n}\n").as_bytes())
                    .expect("written");
            }
        }
        let read = |path: &Path| std::fs::read_to_string(path).expect("there");
        assert_eq!(read(&path), "line 3\nline 4\n");
        assert_eq!(read(&path.with_extension("log.1")), "line 1\nline 2\n");
        let files = std::fs::read_dir(path.parent().expect("a directory"));
        assert_eq!(files.expect("read").count(), 2);
    }

    #[test]
    fn a_name_that_is_gone_is_made_anew() {
        let dir = tempfile::tempdir().expect("scratch");
        let path = dir.path().join("neargate.log");
        let mut file = Rotated::with_limit(&path, 8).expect("opened");
        file.write_all(b"line 0\n").expect("written");
        // What is left where the new file could not be opened.
        std::fs::rename(&path, path.with_extension("log.1")).expect("moved");
        file.write_all(b"line 1\n").expect("written");
        let read = |path: &Path| std::fs::read_to_string(path).expect("there");
        assert_eq!(read(&path), "line 1\n");
        assert_eq!(read(&path.with_extension("log.1")), "line 0\n");
    }
}
