//! Queues with a key of KMS, beside one that remembers what it gave.

use super::*;
use neargate_api_kms as kms;
use neargate_service::{Ctx, OperationTable, Service};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers each data key that it gives; a ciphertext is its number.
#[derive(Debug, Default)]
struct StandIn {
    is_disabled: AtomicBool,
    given: Mutex<Vec<kms::GenerateDataKeyInput>>,
    asked: Mutex<usize>,
}

impl StandIn {
    fn check(&self) -> Result<(), AwsError> {
        match self.is_disabled.load(Ordering::SeqCst) {
            true => Err(AwsError::client("DisabledException", "it is disabled.")),
            false => Ok(()),
        }
    }

    fn plain(number: usize) -> Option<bytes::Bytes> {
        Some(vec![u8::try_from(number + 1).expect("a test makes few"); 32].into())
    }

    async fn generate(
        self: Arc<Self>,
        _: Ctx,
        input: kms::GenerateDataKeyInput,
    ) -> Result<kms::GenerateDataKeyOutput, AwsError> {
        self.check()?;
        let mut given = self.given.lock().expect("nobody panics");
        given.push(input);
        let number = given.len() - 1;
        Ok(kms::GenerateDataKeyOutput {
            ciphertext_blob: Some(number.to_string().into()),
            plaintext: StandIn::plain(number),
            ..Default::default()
        })
    }

    async fn decrypt(
        self: Arc<Self>,
        _: Ctx,
        input: kms::DecryptInput,
    ) -> Result<kms::DecryptOutput, AwsError> {
        self.check()?;
        *self.asked.lock().expect("nobody panics") += 1;
        let number = input.ciphertext_blob.expect("a ciphertext");
        let number: usize = str::from_utf8(&number).expect("text").parse().expect("one");
        let given = self.given.lock().expect("nobody panics");
        assert_eq!(given[number].encryption_context, input.encryption_context);
        Ok(kms::DecryptOutput {
            plaintext: StandIn::plain(number),
            ..Default::default()
        })
    }

    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&kms::SERVICE, self)
            .on(kms::ops::GenerateDataKey, StandIn::generate)
            .on(kms::ops::Decrypt, StandIn::decrypt);
        Arc::new(table)
    }
}

/// Is the text in a file of the engine?
fn is_on_disk(house: &House, text: &str) -> bool {
    let mut dirs = vec![house.lab.path().join("messages")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if std::fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

#[tokio::test]
async fn messages_of_a_queue_with_a_key_are_sealed_by_it() {
    let house = House::default();
    let kms = Arc::<StandIn>::default();
    house.lab.house.caller.connect(vec![kms.clone().table()]);
    let reuse = ("KmsDataKeyReusePeriodSeconds", "60");
    let key = ("KmsMasterKeyId", "alias/aws/sqs");
    let url = house.create("secret", &[key, reuse]).await.unwrap();
    let attributes = house.attributes(&url).await;
    assert_eq!(attributes["KmsMasterKeyId"], "alias/aws/sqs");
    assert_eq!(attributes["KmsDataKeyReusePeriodSeconds"], "60");
    assert_eq!(attributes["SqsManagedSseEnabled"], "false");
    house
        .send(&url, "the first that nobody reads")
        .await
        .unwrap();
    house.send(&url, "the second").await.unwrap();
    {
        let given = kms.given.lock().unwrap();
        assert_eq!(given.len(), 1, "a key is used again");
        assert_eq!(given[0].key_id, "alias/aws/sqs");
        let context = given[0].encryption_context.clone().unwrap();
        assert_eq!(
            context["aws:sqs:arn"],
            "arn:aws:sqs:us-east-1:000000000000:secret"
        );
    }
    assert!(!is_on_disk(&house, "the first that nobody reads"));
    let bodies = |messages: Vec<api::Message>| -> Vec<String> {
        messages.into_iter().filter_map(|m| m.body).collect()
    };
    let first = bodies(house.receive(&url).await);
    assert_eq!(first, ["the first that nobody reads", "the second"]);
    assert_eq!(*kms.asked.lock().unwrap(), 1);

    // After the time in which keys are used again, KMS is asked, and says no.
    house.lab.clock.advance(Duration::from_secs(61));
    kms.is_disabled.store(true, Ordering::SeqCst);
    assert_eq!(
        said(house.send(&url, "no").await),
        "KmsDisabled it is disabled."
    );
    let ask = api::ReceiveMessageInput {
        queue_url: url.clone(),
        ..Default::default()
    };
    let refused = said(house.ask(ops::ReceiveMessage, ask).await);
    assert_eq!(refused, "KmsDisabled it is disabled.");
    kms.is_disabled.store(false, Ordering::SeqCst);
    house.lab.clock.advance(Duration::from_secs(31));
    assert_eq!(bodies(house.receive(&url).await).len(), 2);

    // Whoever takes the key away sends as before; what was sealed by it stays so.
    house.send(&url, "the third").await.unwrap();
    house
        .set(&url, &[("SqsManagedSseEnabled", "true")])
        .await
        .unwrap();
    assert!(!house.attributes(&url).await.contains_key("KmsMasterKeyId"));
    house.send(&url, "the fourth").await.unwrap();
    house.lab.clock.advance(Duration::from_secs(31));
    let all = bodies(house.receive(&url).await);
    assert!(all.contains(&"the third".to_owned()) && all.contains(&"the fourth".to_owned()));
}
