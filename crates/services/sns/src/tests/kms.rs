//! Topics with a key of KMS: what is kept of their messages.

use super::*;
use neargate_api_kms as kms;

/// One data key, for whom the context fits.
#[derive(Debug)]
struct Kms;

async fn generate(
    _: Arc<Kms>,
    _: Ctx,
    input: kms::GenerateDataKeyInput,
) -> Result<kms::GenerateDataKeyOutput, AwsError> {
    if input.key_id == "alias/disabled" {
        return Err(AwsError::client("DisabledException", "it is disabled."));
    }
    let context = input.encryption_context.expect("a context");
    Ok(kms::GenerateDataKeyOutput {
        ciphertext_blob: Some(context["aws:sns:topicArn"].clone().into()),
        plaintext: Some(vec![7; 32].into()),
        ..Default::default()
    })
}

async fn decrypt(
    _: Arc<Kms>,
    cx: Ctx,
    input: kms::DecryptInput,
) -> Result<kms::DecryptOutput, AwsError> {
    assert_eq!(cx.principal.arn, "sns.amazonaws.com");
    let context = input.encryption_context.expect("a context");
    let blob = input.ciphertext_blob.expect("a ciphertext");
    assert_eq!(blob, context["aws:sns:topicArn"].as_bytes());
    Ok(kms::DecryptOutput {
        plaintext: Some(vec![7; 32].into()),
        ..Default::default()
    })
}

pub(super) fn table() -> Arc<dyn Service> {
    let table = OperationTable::new(&kms::SERVICE, Arc::new(Kms))
        .on(kms::ops::GenerateDataKey, generate)
        .on(kms::ops::Decrypt, decrypt);
    Arc::new(table)
}

#[tokio::test]
async fn messages_of_a_topic_with_a_key_are_sealed_and_delivered_after_a_kill() {
    let lab = Lab::default();
    let path = lab.path().join("notifications");
    let bench = Bench::in_lab(lab);
    let key = [("KmsMasterKeyId", "alias/aws/sns")];
    let topic = bench.topic("secrets", &key).await;
    let raw = [("RawMessageDelivery", "true")];
    let to = super::queue("q");
    bench.subscribe(&topic, "sqs", &to, &raw).await.unwrap();
    let down = AwsError::server("InternalFailure", "It is down.");
    bench.queues.refusing.lock().insert("/q".into(), down);
    bench.publish(&topic, "what nobody reads on the disk").await;
    let kept = std::fs::read(&path).expect("a journal");
    let text = b"what nobody reads on the disk";
    assert!(!kept.windows(text.len()).any(|part| part == text));
    let copy = bench.lab.path().join("copy");
    std::fs::copy(&path, &copy).expect("copied");
    bench.queues.refusing.lock().clear();
    bench.idle().await;
    bench.queues.sent.lock().clear();
    let again = crate::deliver::Deliveries::open(&copy).expect("opens");
    assert_eq!(again.outstanding(), 1);
    again.begin(&bench.lab.house);
    wait_until(|| again.outstanding() == 0).await;
    let sent = bench.sent(1).await.remove(0);
    assert_eq!(sent.message_body, "what nobody reads on the disk");
}

#[tokio::test]
async fn what_kms_refuses_is_not_published() {
    let bench = Bench::new();
    let topic = bench
        .topic("secrets", &[("KmsMasterKeyId", "alias/disabled")])
        .await;
    let input = api::PublishInput {
        topic_arn: Some(topic),
        message: "hello".into(),
        ..Default::default()
    };
    let refused = bench.ask(ops::Publish, input).await.expect_err("refused");
    assert_eq!(refused.code, "KMSDisabledException");
}
