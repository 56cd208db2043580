//! What a new file system of a size is made of: the few blocks that mke2fs wrote into a sparse file.
//! Kept in memory and copied for each task, since mke2fs takes as long as the rest of a start.

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

/// All that a container's files need, none of what a growing or a mended file system would.
const FEATURES: &str = "none,filetype,ext_attr,dir_index,extent,flex_bg,huge_file,large_file,dir_nlink,\
                        extra_isize,uninit_bg,sparse_super2";
/// As large as parts are read.
const PART: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Template {
    bytes: u64,
    /// Where they belong.
    parts: Vec<(u64, Box<[u8]>)>,
}

impl Template {
    /// An inode for each 16 KiB, as ext4 has them by default.
    ///
    /// # Errors
    /// In words.
    pub fn make(gib: u32) -> Result<Template, String> {
        let bytes = u64::from(gib) << 30;
        let file = memfd_create("neargate-disk", MemfdFlags::CLOEXEC);
        let file = File::from(file.map_err(|e| e.to_string())?);
        file.set_len(bytes).map_err(|e| e.to_string())?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.env_clear().env("PATH", crate::volume::PROGRAMS);
        mke2fs
            .args([
                "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384",
            ])
            .args(["-m", "0", "-O", FEATURES, "-E"])
            .arg("num_backup_sb=0,lazy_itable_init=1,nodiscard")
            .arg(path)
            .stdin(Stdio::null());
        match mke2fs.output() {
            Ok(done) if done.status.success() => {}
            Ok(done) => {
                let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                return Err(format!("mke2fs failed: {said}"));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err("the host has no mke2fs (install e2fsprogs)".to_owned());
            }
            Err(e) => return Err(format!("mke2fs: {e}")),
        }
        let parts = parts(&file, bytes).map_err(|e| e.to_string())?;
        Ok(Template { bytes, parts })
    }

    pub fn write_to(&self, file: &File) -> io::Result<()> {
        file.set_len(self.bytes)?;
        for (at, part) in &self.parts {
            file.write_all_at(part, *at)?;
        }
        Ok(())
    }
}

/// Where the file has something.
fn parts(file: &File, bytes: u64) -> io::Result<Vec<(u64, Box<[u8]>)>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < bytes {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(e) => return Err(e.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?;
        at = start;
        while at < end {
            let size = usize::try_from(end - at).map_or(PART, |left| left.min(PART));
            let mut part = vec![0; size];
            file.read_exact_at(&mut part, at)?;
            parts.push((at, part.into()));
            at += size as u64;
        }
    }
    Ok(parts)
}
