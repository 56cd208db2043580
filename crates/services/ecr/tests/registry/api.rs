//! The API beside the registry: two doors to the same images.

use crate::server::{MANIFEST, Registry, manifest};
use bytes::Bytes;
use neargate_api_ecr::{self as api, ops};
use neargate_blob::Digest;

fn id(digest: Option<&Digest>, tag: Option<&str>) -> api::ImageIdentifier {
    api::ImageIdentifier {
        image_digest: digest.map(Digest::to_string),
        image_tag: tag.map(str::to_owned),
    }
}

fn create(name: &str) -> api::CreateRepositoryInput {
    api::CreateRepositoryInput {
        repository_name: name.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn repositories() {
    let r = Registry::start().await;
    let made = r
        .call(ops::CreateRepository, create("team/web"))
        .await
        .unwrap()
        .repository
        .unwrap();
    assert_eq!(made.repository_uri, Some(format!("{}/team/web", r.host)));
    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/team/web";
    assert_eq!(made.repository_arn.as_deref(), Some(arn));
    assert_eq!(made.image_tag_mutability.as_deref(), Some("MUTABLE"));
    let twice = r
        .call(ops::CreateRepository, create("team/web"))
        .await
        .unwrap_err();
    assert!(twice.is("RepositoryAlreadyExistsException"), "{twice}");
    let scoped = r
        .call(ops::CreateRepository, create("123456789012/us-west-2/web"))
        .await;
    assert!(scoped.unwrap_err().is("InvalidParameterException"));
    for name in ["a1", "b1"] {
        r.create(name).await;
    }
    let input = api::DescribeRepositoriesInput {
        max_results: Some(2),
        ..Default::default()
    };
    let first = r
        .call(ops::DescribeRepositories, input.clone())
        .await
        .unwrap();
    assert_eq!(first.repositories.unwrap().len(), 2);
    let input = api::DescribeRepositoriesInput {
        next_token: first.next_token,
        ..input
    };
    let rest = r.call(ops::DescribeRepositories, input).await.unwrap();
    let names: Vec<_> = rest
        .repositories
        .unwrap()
        .into_iter()
        .map(|r| r.repository_name)
        .collect();
    assert_eq!(
        (names, rest.next_token),
        (vec![Some("team/web".to_owned())], None)
    );

    r.image("a1", "v1", "layer").await;
    let delete = |force| api::DeleteRepositoryInput {
        repository_name: "a1".into(),
        force: Some(force),
        ..Default::default()
    };
    let full = r
        .call(ops::DeleteRepository, delete(false))
        .await
        .unwrap_err();
    assert!(full.is("RepositoryNotEmptyException"), "{full}");
    r.call(ops::DeleteRepository, delete(true)).await.unwrap();
    let gone = r
        .call(ops::DeleteRepository, delete(true))
        .await
        .unwrap_err();
    assert!(gone.is("RepositoryNotFoundException"), "{gone}");
    assert_eq!(r.get("/v2/a1/manifests/v1").await.code(), "NAME_UNKNOWN");
}

/// What the demo does: an image by API calls alone.
#[tokio::test]
async fn an_image_by_layer_uploads() {
    let r = Registry::start().await;
    r.create("web").await;
    let name = || "web".to_owned();
    let layer = Bytes::from(vec![7; 6 * 1024 * 1024]);
    let begin = api::InitiateLayerUploadInput {
        repository_name: name(),
        ..Default::default()
    };
    let begun = r
        .call(ops::InitiateLayerUpload, begin.clone())
        .await
        .unwrap();
    let upload_id = begun.upload_id.unwrap();
    let part = |upload_id: &str, first: usize, bytes: Bytes| api::UploadLayerPartInput {
        repository_name: name(),
        upload_id: upload_id.to_owned(),
        part_first_byte: first as i64,
        part_last_byte: (first + bytes.len()) as i64 - 1,
        layer_part_blob: bytes,
        ..Default::default()
    };
    let at = |range: std::ops::Range<usize>| part(&upload_id, range.start, layer.slice(range));
    let end = layer.len();
    let cut = 5 * 1024 * 1024;
    r.call(ops::UploadLayerPart, at(0..cut)).await.unwrap();
    let again = r.call(ops::UploadLayerPart, at(0..cut)).await.unwrap_err();
    assert!(again.is("InvalidLayerPartException"), "{again}");
    assert!(
        again
            .fields
            .contains(&("lastValidByteReceived".into(), (cut - 1).into()))
    );
    r.call(ops::UploadLayerPart, at(cut..end)).await.unwrap();
    let complete = |upload_id: &str, digest: Digest| api::CompleteLayerUploadInput {
        repository_name: name(),
        upload_id: upload_id.to_owned(),
        layer_digests: vec![digest.to_string()],
        ..Default::default()
    };
    let digest = Digest::of(&layer);
    r.call(ops::CompleteLayerUpload, complete(&upload_id, digest))
        .await
        .unwrap();
    let check = api::BatchCheckLayerAvailabilityInput {
        repository_name: name(),
        layer_digests: vec![digest.to_string()],
        ..Default::default()
    };
    let there = r
        .call(ops::BatchCheckLayerAvailability, check)
        .await
        .unwrap()
        .layers
        .unwrap();
    assert_eq!(there[0].layer_availability.as_deref(), Some("AVAILABLE"));
    assert_eq!(there[0].layer_size, Some(end as i64));

    // Each of these ends its upload, or leaves it to be completed rightly.
    for (parts, given, code) in [
        (vec![], digest, "EmptyUploadException"),
        (vec!["ab", "cd"], digest, "LayerPartTooSmallException"),
        (vec!["ab"], digest, "InvalidLayerException"),
    ] {
        let id = r
            .call(ops::InitiateLayerUpload, begin.clone())
            .await
            .unwrap()
            .upload_id
            .unwrap();
        let mut first = 0;
        for text in parts {
            r.call(ops::UploadLayerPart, part(&id, first, text.into()))
                .await
                .unwrap();
            first += text.len();
        }
        let refused = r
            .call(ops::CompleteLayerUpload, complete(&id, given))
            .await
            .unwrap_err();
        assert!(refused.is(code), "{refused}");
    }
    let none = complete("00000000-0000-4000-8000-000000000000", digest);
    let none = r.call(ops::CompleteLayerUpload, none).await.unwrap_err();
    assert!(none.is("UploadNotFoundException"), "{none}");

    let config = r.blob("web", b"{}").await;
    let put = |tag: &str| api::PutImageInput {
        repository_name: name(),
        image_manifest: manifest(&config, &[(digest, end)]),
        image_tag: Some(tag.to_owned()),
        ..Default::default()
    };
    let image = r
        .call(ops::PutImage, put("v1"))
        .await
        .unwrap()
        .image
        .unwrap();
    assert_eq!(image.image_manifest_media_type.as_deref(), Some(MANIFEST));
    let twice = r.call(ops::PutImage, put("v1")).await.unwrap_err();
    assert!(twice.is("ImageAlreadyExistsException"), "{twice}");
    let wrong = api::PutImageInput {
        image_digest: Some(digest.to_string()),
        ..put("v2")
    };
    let wrong = r.call(ops::PutImage, wrong).await.unwrap_err();
    assert!(wrong.is("ImageDigestDoesNotMatchException"), "{wrong}");
    let pulled = r.get("/v2/web/manifests/v1").await;
    assert_eq!(pulled.body, image.image_manifest.unwrap());
}

#[tokio::test]
async fn images_listed_and_deleted() {
    let r = Registry::start().await;
    r.create("web").await;
    let first = r.image("web", "v1", "one").await;
    let second = r.image("web", "v2", "two").await;
    r.image("web", "latest", "two").await;
    let third = r.image("web", "digest", "three").await;
    let list = |status: &str| api::ListImagesInput {
        repository_name: "web".into(),
        filter: Some(api::ListImagesFilter {
            tag_status: Some(status.into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let tagged = r
        .call(ops::ListImages, list("TAGGED"))
        .await
        .unwrap()
        .image_ids
        .unwrap();
    assert_eq!(tagged.len(), 3);
    let untagged = r
        .call(ops::ListImages, list("UNTAGGED"))
        .await
        .unwrap()
        .image_ids
        .unwrap();
    assert_eq!(untagged, [id(Some(&third), None)]);
    let mut token = None;
    let mut seen = Vec::new();
    loop {
        let input = api::DescribeImagesInput {
            repository_name: "web".into(),
            max_results: Some(1),
            next_token: token,
            ..Default::default()
        };
        let page = r.call(ops::DescribeImages, input).await.unwrap();
        seen.extend(page.image_details.unwrap());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    let two = seen
        .iter()
        .find(|d| d.image_digest == Some(second.to_string()))
        .unwrap();
    assert_eq!(two.image_tags, Some(vec!["latest".into(), "v2".into()]));
    // The configuration's two bytes as the manifest says, and the layer's three.
    assert_eq!(two.image_size_in_bytes, Some(5));

    let delete = api::BatchDeleteImageInput {
        repository_name: "web".into(),
        image_ids: vec![
            id(Some(&second), None),
            id(None, Some("v1")),
            id(None, Some("none")),
            id(None, None),
            id(Some(&third), Some("v9")),
        ],
        ..Default::default()
    };
    let done = r.call(ops::BatchDeleteImage, delete).await.unwrap();
    assert_eq!(
        done.image_ids.unwrap(),
        [
            id(Some(&second), Some("latest")),
            id(Some(&second), Some("v2")),
            id(Some(&first), Some("v1"))
        ]
    );
    let codes: Vec<_> = done
        .failures
        .unwrap()
        .into_iter()
        .map(|f| f.failure_code.unwrap())
        .collect();
    assert_eq!(
        codes,
        ["ImageNotFound", "MissingDigestAndTag", "ImageNotFound"]
    );
    let left = r
        .call(ops::ListImages, list("ANY"))
        .await
        .unwrap()
        .image_ids
        .unwrap();
    assert_eq!(left, [id(Some(&third), None)]);
    let describe = api::DescribeImagesInput {
        repository_name: "web".into(),
        image_ids: Some(vec![id(None, Some("v1"))]),
        ..Default::default()
    };
    let none = r.call(ops::DescribeImages, describe).await.unwrap_err();
    assert_eq!(
        none.message,
        "The image with imageId {imageDigest:'null', imageTag:'v1'} does not exist within the \
         repository with name 'web' in the registry with id '000000000000'"
    );
}

#[tokio::test]
async fn policies_and_tags() {
    let r = Registry::start().await;
    r.create("web").await;
    let get = || api::GetRepositoryPolicyInput {
        repository_name: "web".into(),
        ..Default::default()
    };
    let none = r.call(ops::GetRepositoryPolicy, get()).await.unwrap_err();
    assert!(none.is("RepositoryPolicyNotFoundException"), "{none}");
    let set = |text: &str| api::SetRepositoryPolicyInput {
        repository_name: "web".into(),
        policy_text: text.into(),
        ..Default::default()
    };
    let nobody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*"}]}"#;
    for malformed in ["{", nobody] {
        let bad = r.call(ops::SetRepositoryPolicy, set(malformed)).await;
        let bad = bad.unwrap_err();
        assert!(bad.is("InvalidParameterException"), "{bad}");
        assert_eq!(
            bad.message,
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
        );
    }
    let text = "{\"Version\":\"2012-10-17\",\"Statement\":[]}";
    r.call(ops::SetRepositoryPolicy, set(text)).await.unwrap();
    let got = r.call(ops::GetRepositoryPolicy, get()).await.unwrap();
    assert_eq!(got.policy_text.as_deref(), Some(text));

    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/web".to_owned();
    let tag = |n: usize| api::Tag {
        key: format!("k{n}"),
        value: "v".into(),
    };
    let input = api::TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![tag(1), tag(2)],
    };
    r.call(ops::TagResource, input).await.unwrap();
    let input = api::UntagResourceInput {
        resource_arn: arn.clone(),
        tag_keys: vec!["k1".into()],
    };
    r.call(ops::UntagResource, input).await.unwrap();
    let input = api::ListTagsForResourceInput {
        resource_arn: arn.clone(),
    };
    let tags = r
        .call(ops::ListTagsForResource, input)
        .await
        .unwrap()
        .tags
        .unwrap();
    assert_eq!(tags, [tag(2)]);
    let many = api::TagResourceInput {
        resource_arn: arn,
        tags: (3..53).map(tag).collect(),
    };
    let many = r.call(ops::TagResource, many).await.unwrap_err();
    assert!(many.is("TooManyTagsException"), "{many}");
}
