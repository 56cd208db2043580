//! The program file that shims execute.
//!
//! A container's program runs as root in a fork of the shim, and `/proc/self/exe` leads from
//! there to the file that the shim was started from (CVE-2019-5736 overwrote runc that way).
//! So shims are started through a mount of that file which is read-only and attached nowhere:
//! whatever descriptor a container gets of it, it cannot be opened for writing.

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A way to the program; keep it while shims are started.
#[derive(Debug)]
pub(super) struct ShimProgram {
    path: PathBuf,
    _mount: Option<OwnedFd>,
}

impl ShimProgram {
    /// Needs kernel 5.12; older ones get the plain file, with a warning in the log.
    pub fn open(exe: &Path) -> ShimProgram {
        match read_only(exe) {
            Ok(mount) => {
                // Not `self`: the path is resolved in the child.
                let (pid, fd) = (std::process::id(), mount.as_raw_fd());
                let path = PathBuf::from(format!("/proc/{pid}/fd/{fd}"));
                ShimProgram {
                    path,
                    _mount: Some(mount),
                }
            }
            Err(e) => {
                tracing::warn!(error = %e, "the shim's program cannot be protected from writing");
                ShimProgram {
                    path: exe.to_owned(),
                    _mount: None,
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[allow(unsafe_code)]
fn read_only(exe: &Path) -> io::Result<OwnedFd> {
    /// `struct mount_attr`, `MOUNT_ATTR_RDONLY`.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, exe, flags)?;
    let attributes = Attributes {
        set: 1,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the path is an empty C string and the attributes have the size that is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(mount)
    }
}
