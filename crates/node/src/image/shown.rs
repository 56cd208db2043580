//! By whom a layer's content was shown: what a pull may use of what is here already.
//!
//! A layer is found by its diff id, which an image's configuration merely claims. Whoever names
//! one gets it only for a blob that was found to unpack to it, and that has been shown by a place
//! of the same kind: by our own registry, which has it of an account that may read it, or by a
//! registry elsewhere. Everything else is fetched and verified first, as if nothing were here.

use super::images::Images;
use super::source::ContentSource;
use neargate_blob::Digest;
use std::fs;
use std::io;
use std::path::PathBuf;

impl Images {
    /// Was this blob seen to unpack to the layer, from such a source?
    pub(super) fn was_shown(&self, key: &str, blob: &Digest, source: &ContentSource) -> bool {
        self.witness(key, blob, source).exists()
    }

    /// This blob unpacks to the layer, and the source showed it.
    pub(super) fn note_shown(
        &self,
        key: &str,
        blob: &Digest,
        source: &ContentSource,
    ) -> io::Result<()> {
        let witness = self.witness(key, blob, source);
        fs::create_dir_all(witness.parent().expect("in the layer's directory"))?;
        fs::File::create(witness).map(drop)
    }

    fn witness(&self, key: &str, blob: &Digest, source: &ContentSource) -> PathBuf {
        let by = match source.is_public() {
            true => "public",
            false => "own",
        };
        let name = format!("{by}-{}", blob.hex());
        self.layer_dir(key).join("shown").join(name)
    }
}
