//! Image names as Docker normalises them.

use crate::image::{InvalidName, Reference};
use neargate_blob::Digest;

fn normal(name: &str) -> Result<String, InvalidName> {
    name.parse::<Reference>().map(|r| r.to_string())
}

#[test]
fn names_are_normalised() {
    let digest = Digest::of(b"");
    for (name, full) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        (
            "index.docker.io/library/nginx",
            "docker.io/library/nginx:latest",
        ),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("me/app_1.x--y:T-1.0_a", "docker.io/me/app_1.x--y:T-1.0_a"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:4566/x/y:z", "localhost:4566/x/y:z"),
        ("localhost:4566", "docker.io/library/localhost:4566"),
        (
            "public.ecr.aws/nginx/nginx:1",
            "public.ecr.aws/nginx/nginx:1",
        ),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("Registry/a", "Registry/a:latest"),
        (
            "000000000000.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1",
            "000000000000.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1",
        ),
    ] {
        assert_eq!(normal(name).as_deref(), Ok(full), "{name}");
    }
    let pinned = format!("nginx:1@{digest}");
    assert_eq!(
        normal(&pinned).unwrap(),
        format!("docker.io/library/nginx:1@{digest}")
    );
    let reference: Reference = pinned.parse().unwrap();
    assert_eq!(reference.target(), digest.to_string());
}

#[test]
fn other_texts_are_refused() {
    let id = "a".repeat(64);
    let long_tag = format!("a:{}", "t".repeat(129));
    for bad in [
        "",
        ":",
        "a:",
        "a:b:c",
        "/a",
        "a/",
        "a//b",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a b",
        "a:b c",
        "a@sha256:12",
        "a@",
        "http://a/b",
        "a.b:x/c",
        "a.b:99999/c",
        "../a",
        "a/../b",
        "ünï",
        &id,
        &long_tag,
        "a:-b",
        "[::1/a",
        "exa_mple.com/a",
        "$(reboot)",
    ] {
        assert!(
            normal(bad).is_err(),
            "{bad:?} was taken for {:?}",
            normal(bad)
        );
    }
    assert_eq!(
        normal("me/App"),
        Err(InvalidName::Uppercase("me/App".into()))
    );
    assert_eq!(
        normal(&format!("a/{}", "b".repeat(300))),
        Err(InvalidName::TooLong)
    );
}
