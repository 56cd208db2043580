//! STS's operations, called through the table as the gateway calls them.

use crate::Sts;
use neargate_api_sts::{self as api, ops};
use neargate_base::{Rng, access_key};
use neargate_service::{AwsError, Component};
use neargate_testkit::{Lab, call};
use std::sync::Arc;

async fn account(lab: &Lab, id: &str) -> Result<String, AwsError> {
    let input = api::GetAccessKeyInfoInput {
        access_key_id: id.into(),
    };
    let table = Arc::new(Sts).table();
    let found = call(&*table, lab.cx(), ops::GetAccessKeyInfo, input).await?;
    Ok(found.account.expect("an account"))
}

#[tokio::test]
async fn a_key_tells_its_account() {
    let lab = Lab::default();
    let id = access_key::issue(&lab.scope.account, &Rng::seeded(1));
    assert_eq!(account(&lab, &id).await.unwrap(), "000000000000");
    let documented = account(&lab, "AKIAIOSFODNN7EXAMPLE").await;
    assert_eq!(documented.unwrap(), "581039954779");
    for bad in [
        "AKIA0123456789ABCDEF",
        "AROAIOSFODNN7EXAMPLE",
        "short",
        "with a space in it",
    ] {
        let refused = account(&lab, bad).await.expect_err("refused");
        assert_eq!(
            (refused.status, &*refused.code),
            (400, "ValidationError"),
            "{bad}"
        );
    }
}
