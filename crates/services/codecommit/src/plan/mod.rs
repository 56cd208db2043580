//! What becomes of files: pure.

pub mod approval;
pub mod edit;
pub mod hunks;
pub mod merge;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

/// One change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Put {
        path: String,
        /// `100644`, `100755`, `120000`.
        mode: String,
        content: Content,
    },
    Delete {
        path: String,
    },
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It is there already.
    Blob(String),
    Bytes(Bytes),
}

impl Content {
    /// The id of the blob.
    pub fn id(&self) -> String {
        match self {
            Content::Blob(id) => id.clone(),
            Content::Bytes(bytes) => blob_id(bytes),
        }
    }
}

/// The id that git gives a blob of this content.
pub fn blob_id(content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// AWS's word for a mode of git's.
pub fn mode_name(mode: &str) -> &'static str {
    match mode {
        "100755" => "EXECUTABLE",
        "120000" => "SYMLINK",
        _ => "NORMAL",
    }
}

/// Git's mode for AWS's word.
pub fn mode_of(name: &str) -> Option<&'static str> {
    match name {
        "EXECUTABLE" => Some("100755"),
        "SYMLINK" => Some("120000"),
        "NORMAL" => Some("100644"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn blobs_have_gits_ids() {
        assert_eq!(
            super::blob_id(b""),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
        assert_eq!(
            super::blob_id(b"a\n"),
            "78981922613b2afb6025042ff6bd878ac1994e85"
        );
    }
}
