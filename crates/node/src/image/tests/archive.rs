//! A tar writer that writes anything it is told to, hostile things included.

use tar::{EntryType, Header};

#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

/// What an entry is like, beside its name and content.
#[derive(Clone, Copy)]
pub(super) struct With {
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: u64,
    pub(super) device: (u32, u32),
}

impl Default for With {
    fn default() -> Self {
        With {
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 1_600_000_000,
            device: (0, 0),
        }
    }
}

impl Tar {
    pub(super) fn file(self, path: &str, content: &[u8]) -> Self {
        self.add(EntryType::Regular, path, "", content, With::default())
    }

    pub(super) fn dir(self, path: &str) -> Self {
        self.add(
            EntryType::Directory,
            path,
            "",
            b"",
            With {
                mode: 0o755,
                ..With::default()
            },
        )
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, path, target, b"", With::default())
    }

    pub(super) fn hardlink(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Link, path, target, b"", With::default())
    }

    pub(super) fn add(
        self,
        kind: EntryType,
        path: &str,
        link: &str,
        content: &[u8],
        with: With,
    ) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(with.mode);
        header.set_uid(with.uid);
        header.set_gid(with.gid);
        header.set_mtime(with.mtime);
        header.set_size(content.len() as u64);
        header.set_device_major(with.device.0).unwrap();
        header.set_device_minor(with.device.1).unwrap();
        // Not the crate's setters: they refuse what is wanted here.
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        self.raw(header, content)
    }

    /// An entry with PAX records before it.
    pub(super) fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self = self.add(
            EntryType::XHeader,
            "PaxHeaders/x",
            "",
            &body,
            With::default(),
        );
        self
    }

    pub(super) fn raw(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}
