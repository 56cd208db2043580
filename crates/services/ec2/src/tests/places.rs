//! Regions and zones.

use super::*;

#[tokio::test]
async fn places() {
    let p = place();
    let zones = api::DescribeAvailabilityZonesInput::default();
    let zones = p.call(ops::DescribeAvailabilityZones, zones).await.unwrap();
    let zones = zones.availability_zones.unwrap().into_iter();
    let ids: Vec<_> = zones.filter_map(|z| z.zone_id).collect();
    assert_eq!(ids, ["use1-az1", "use1-az2", "use1-az3"]);
    for (region, id) in [
        ("ap-southeast-2", "apse2-az1"),
        ("us-gov-west-1", "usgw1-az1"),
        ("cn-northwest-1", "cnnw1-az1"),
        ("ca-central-1", "cac1-az1"),
    ] {
        let zone = crate::api::places::zone_id(&region.parse().unwrap(), 0);
        assert_eq!(zone, id);
    }
    let named = |name: &str| {
        let input = api::DescribeRegionsInput {
            region_names: super::ids(name),
            ..Default::default()
        };
        p.call(ops::DescribeRegions, input)
    };
    let regions = named("eu-west-1").await.unwrap().regions.unwrap();
    assert_eq!(
        regions[0].endpoint.as_deref(),
        Some("ec2.eu-west-1.amazonaws.com")
    );
    refused_as(named("mars-1").await, "InvalidParameterValue");
}
