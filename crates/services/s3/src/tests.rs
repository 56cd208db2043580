//! Every stored form of S3 is pinned.

use super::model::{Bucket, Object, Part, Upload};
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Bucket>(DIR);
    check::<Object>(DIR);
    check::<Upload>(DIR);
    check::<Part>(DIR);
}
