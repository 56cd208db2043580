//! What an account may have, and the instances it has not.

use super::*;

#[tokio::test]
async fn account_and_instances() {
    let p = place();
    let input = api::DescribeAccountAttributesInput {
        attribute_names: ids("default-vpc"),
        ..Default::default()
    };
    let out = p.call(ops::DescribeAccountAttributes, input).await.unwrap();
    let attribute = out.account_attributes.unwrap().remove(0);
    let values = attribute.attribute_values.unwrap();
    assert_eq!(values[0].attribute_value.as_ref(), Some(&p.first.vpc_id));
    let none = p.call(
        ops::DescribeInstances,
        api::DescribeInstancesInput::default(),
    );
    assert_eq!(none.await.unwrap().reservations, Some(vec![]));
    let input = api::DescribeInstancesInput {
        instance_ids: ids("i-1"),
        ..Default::default()
    };
    refused(
        p.call(ops::DescribeInstances, input).await,
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-1' does not exist",
    );
}
