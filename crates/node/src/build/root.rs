//! A root of one's own: work on files done by a thread that sees nothing but an overlay, or a directory.
//!
//! Such a thread shares neither its root directory nor its mounts with the process it is of, so whatever
//! links an image or a context has, they lead nowhere but in it. What it has mounted goes with it.
//!
//! The only unsafe code of builds: leaving what threads share by default.

use rustix::fs::OFlags;
use rustix::fs::{Mode, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{chdir, chroot, fchdir, umask};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const STACK_BYTES: usize = 8 << 20;

/// Does `work` on a thread of its own that shares neither mounts nor its root with others.
fn apart<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("build-root".into())
            .stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || {
            // SAFETY: the thread is new and ends with the work: nothing else of the process relies on
            // what it no longer shares (its working directory, root, umask and mounts).
            unsafe { unshare_unsafe(UnshareFlags::FS | UnshareFlags::NEWNS) }?;
            // Nothing mounted here reaches the host, nor the host's later mounts us.
            mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            )?;
            umask(Mode::from_raw_mode(0o022));
            work()
        })?;
        let done = thread.join();
        done.unwrap_or_else(|_| Err(io::Error::other("the work on files panicked")))
    })
}

/// Does `work` with `root` as the root directory.
pub(super) fn beneath<T: Send>(
    root: &OwnedFd,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    apart(|| {
        // One that was opened as a path only serves as well.
        fchdir(root)?;
        chroot(".")?;
        chdir("/")?;
        work()
    })
}

/// Does `work` in the overlay of these layers, lowest first; what it changes is in `dir`'s `fs`
/// afterwards. It gets what else is to be read: each an overlay of layers, too.
///
/// `dir` is new, and on a file system that can be an overlay's upper layer.
pub(super) fn overlaid<T: Send>(
    dir: &Path,
    layers: &[PathBuf],
    others: &[Vec<PathBuf>],
    work: impl FnOnce(&[OwnedFd]) -> io::Result<T> + Send,
) -> io::Result<T> {
    apart(|| {
        chdir(dir)?;
        let mut read = Vec::with_capacity(others.len());
        for (number, layers) in others.iter().enumerate() {
            let place = format!("other-{number}");
            let lower = link(layers, &place)?;
            fs::create_dir(&place)?;
            // Two directories at least make an overlay that cannot be written to.
            fs::create_dir(format!("{place}-none"))?;
            mount_overlay(&format!("lowerdir={lower}:{place}-none"), &place)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            read.push(rustix::fs::open(&place, flags, Mode::empty())?);
        }
        let lower = link(layers, "lower")?;
        for name in ["fs", "merged", "overlay"] {
            fs::create_dir(name)?;
        }
        let options = format!("lowerdir={lower},upperdir=fs,workdir=overlay");
        match mount_overlay(&format!("{options},index=off,volatile"), "merged") {
            // Before kernel 5.10.
            Err(Errno::INVAL) => mount_overlay(&options, "merged")?,
            done => done?,
        }
        chdir("merged")?;
        chroot(".")?;
        chdir("/")?;
        work(&read)
    })
}

fn mount_overlay(options: &str, place: &str) -> Result<(), Errno> {
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount(
        "overlay",
        place,
        "overlay",
        MountFlags::NODEV,
        options.as_c_str(),
    )
}

/// Short links in place of long paths: mount options must fit into one page. Topmost first; the kernel
/// takes no directory twice, and the topmost counts.
fn link(layers: &[PathBuf], place: &str) -> io::Result<String> {
    let links = format!("{place}-l");
    fs::create_dir(&links)?;
    let (mut lower, mut above) = (Vec::new(), HashSet::new());
    for (number, layer) in layers.iter().enumerate().rev() {
        if above.insert(layer) {
            let link = format!("{links}/{number}");
            symlink(layer, &link)?;
            lower.push(link);
        }
    }
    if lower.is_empty() {
        let none = format!("{links}/none");
        fs::create_dir(&none)?;
        lower.push(none);
    }
    Ok(lower.join(":"))
}

/// Opens what is at `path` in a root: links on the way, and at its end, lead nowhere but in it.
pub(super) fn open_in(root: &OwnedFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let path = match path {
        "" => ".",
        path => path,
    };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // openat2 refuses more beside a path alone.
    let more = match flags.contains(OFlags::PATH) {
        true => OFlags::CLOEXEC,
        false => OFlags::CLOEXEC | OFlags::NOCTTY,
    };
    let flags = flags | more;
    Ok(openat2(root, path, flags, Mode::empty(), resolve)?)
}
