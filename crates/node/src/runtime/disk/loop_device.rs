//! Loop devices (loop(4)): a file as a block device, which goes by itself when nobody uses it any more.

use rustix::fs::{Mode, OFlags, fstat, major, minor};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LOOP_CTL_GET_FREE: u32 = 0x4C82;
const LOOP_CONFIGURE: u32 = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// What a task writes is then in memory once, not twice, and is limited as the task is.
const LO_FLAGS_DIRECT_IO: u32 = 16;
const LOOP_MAJOR: u32 = 7;
/// `_IOR('X', 125, __u32)`
const EXT4_IOC_SHUTDOWN: u32 = 0x8004_587D;
const EXT4_GOING_FLAGS_NOLOGFLUSH: u32 = 2;
/// Others take the free device that the kernel named, too.
const ATTEMPTS: usize = 64;

/// `struct loop_info64` of linux/loop.h
#[repr(C)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of linux/loop.h
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// A device in use: it is free again once it is neither open nor mounted.
#[derive(Debug)]
pub(super) struct Device {
    pub path: String,
    _open: File,
}

/// Shows `file`, whose path others read in `/sys`.
pub(super) fn show(file: &File, path: &Path) -> io::Result<Device> {
    let control = File::options()
        .read(true)
        .write(true)
        .open("/dev/loop-control")?;
    let mut last = io::Error::from(io::ErrorKind::ResourceBusy);
    for _ in 0..ATTEMPTS {
        let number = ioctl(&control, LOOP_CTL_GET_FREE, std::ptr::null())?;
        let device = format!("/dev/loop{number}");
        let open = File::options().read(true).write(true).open(&device)?;
        match ioctl(
            &open,
            LOOP_CONFIGURE,
            (&raw const *config(file, path)).cast(),
        ) {
            Ok(_) => {
                return Ok(Device {
                    path: device,
                    _open: open,
                });
            }
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

fn config(file: &File, path: &Path) -> Box<Config> {
    let mut file_name = [0; 64];
    let name = path.as_os_str().as_bytes();
    let length = name.len().min(file_name.len() - 1);
    file_name[..length].copy_from_slice(&name[..length]);
    Box::new(Config {
        fd: file.as_raw_fd().cast_unsigned(),
        // The file system's own: direct I/O needs no less than the disk below has.
        block_size: 4096,
        info: Info {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
            file_name,
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    })
}

/// Nothing more is written of the file system at `dir`, which `image` is the file of. Only that one:
/// whatever else is mounted there is left alone.
pub(super) fn give_up(dir: &Path, image: &Path) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::open(dir, flags, Mode::empty()) else {
        return;
    };
    if shows(&root, image) {
        let how = EXT4_GOING_FLAGS_NOLOGFLUSH;
        if let Err(error) = ioctl(&root, EXT4_IOC_SHUTDOWN, (&raw const how).cast()) {
            tracing::debug!(%error, dir = %dir.display(), "a disk is written to its end");
        }
    }
}

/// Where the kernel has the settings of the ext4 file system at `dir`.
pub(super) fn settings(dir: &Path) -> io::Result<PathBuf> {
    let dev = fs::metadata(dir)?.dev();
    let device = format!("/sys/dev/block/{}:{}", major(dev), minor(dev));
    let link = fs::read_link(device)?;
    let name = link.file_name().ok_or(io::ErrorKind::NotFound)?;
    Ok(Path::new("/sys/fs/ext4").join(name))
}

/// Whether the directory is on the loop device of this file.
fn shows(root: &OwnedFd, image: &Path) -> bool {
    let Ok(stat) = fstat(root) else {
        return false;
    };
    let (major, minor) = (major(stat.st_dev), minor(stat.st_dev));
    if major != LOOP_MAJOR {
        return false;
    }
    let backing = fs::read(format!("/sys/dev/block/{major}:{minor}/loop/backing_file"));
    let own = fs::canonicalize(image);
    matches!((backing, own), (Ok(backing), Ok(own))
        if backing.strip_suffix(b"\n") == Some(own.as_os_str().as_bytes()))
}

#[allow(unsafe_code)]
fn ioctl(file: &impl AsRawFd, request: u32, argument: *const libc::c_void) -> io::Result<i32> {
    // SAFETY: each request here takes a number or a pointer to what the kernel only reads, which
    // outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::Ioctl::from(request), argument) };
    match done {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}
