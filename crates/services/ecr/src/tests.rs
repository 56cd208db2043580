//! Every stored form of ECR is pinned.

use super::model::{Image, Layer, Registry, Repository, ShortPart, Tag, TokenSecret};
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Repository>(DIR);
    check::<Image>(DIR);
    check::<Tag>(DIR);
    check::<Layer>(DIR);
    check::<ShortPart>(DIR);
    check::<Registry>(DIR);
    check::<TokenSecret>(DIR);
}
