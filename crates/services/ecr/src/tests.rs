//! Every stored form of ECR is pinned.

use super::model::{
    Evaluation, Image, Layer, Preview, Registry, Repository, ShortPart, Tag, TokenSecret,
};
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Repository>(DIR);
    check::<Image>(DIR);
    check::<Tag>(DIR);
    check::<Layer>(DIR);
    check::<ShortPart>(DIR);
    check::<Evaluation>(DIR);
    check::<Preview>(DIR);
    check::<Registry>(DIR);
    check::<TokenSecret>(DIR);
}
