use super::config::{self, nanoseconds};
use super::files::{Filter, matches};
use super::mounts::Mount;
use super::state::State;
use super::tags::{Tag, Tags, familiar};
use super::{Context, context, unpack};
use neargate_blob::Digest;
use neargate_build::dockerfile::Dockerfile;
use neargate_build::ignore::Ignore;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

/// What a stage's instructions leave of an image that says nothing.
fn applied(text: &str) -> Result<State, String> {
    let file = Dockerfile::parse(&format!("FROM scratch\n{text}")).map_err(|e| e.to_string())?;
    let mut state = State::scratch();
    for instruction in &file.stages[0].instructions {
        config::apply(&mut state, instruction, file.escape).map_err(|e| e.to_string())?;
    }
    Ok(state)
}

#[test]
fn instructions_that_change_no_file() {
    let config = applied(
        "ENV a=1 b=$a\nENV c $a-${b:-x}\nLABEL l=\"x $a\"\nEXPOSE 80 8000-8001/udp\nVOLUME [\"/d\", \"/e\"]\n\
         USER web:$a\nSTOPSIGNAL SIGQUIT\nSHELL [\"/bin/bash\", \"-c\"]\nCMD x $a\nENTRYPOINT [\"e\"]\nONBUILD RUN y\n",
    )
    .unwrap()
    .config;
    // What is set in a line is not seen in it.
    assert_eq!(config.env, ["a=1", "b=", "c=1-x"]);
    assert_eq!(config.labels["l"], "x 1");
    let ports: Vec<&String> = config.exposed_ports.keys().collect();
    assert_eq!(ports, ["80/tcp", "8000/udp", "8001/udp"]);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/d", "/e"]);
    assert_eq!(
        (config.user.as_str(), config.stop_signal.as_str()),
        ("web:1", "SIGQUIT")
    );
    assert_eq!(config.cmd.unwrap(), ["/bin/bash", "-c", "x $a"]);
    assert_eq!(config.entrypoint.unwrap(), ["e"]);
    assert_eq!(config.on_build, ["RUN y"]);
}

#[test]
fn an_entrypoint_takes_the_base_s_command_away() {
    let file = Dockerfile::parse("FROM scratch\nENTRYPOINT e").unwrap();
    let mut state = State::scratch();
    state.config.cmd = Some(vec!["of the base".into()]);
    config::apply(&mut state, &file.stages[0].instructions[0], '\\').unwrap();
    assert_eq!(state.config.cmd, None);
}

#[test]
fn health_checks_are_docker_s() {
    let check = |text: &str| applied(text).map(|state| state.config.healthcheck.unwrap());
    assert_eq!(
        check("HEALTHCHECK --interval=1m30s --retries=2 CMD curl x").unwrap(),
        json!({"Test": ["CMD-SHELL", "curl x"], "Interval": 90_000_000_000_u64, "Retries": 2})
    );
    assert_eq!(
        check("HEALTHCHECK CMD [\"a\"]").unwrap(),
        json!({"Test": ["CMD", "a"]})
    );
    assert_eq!(
        check("HEALTHCHECK NONE").unwrap(),
        json!({"Test": ["NONE"]})
    );
    assert!(
        check("HEALTHCHECK FOO x")
            .unwrap_err()
            .contains("unknown type")
    );
    assert_eq!(nanoseconds("1.5s"), Some(1_500_000_000));
    assert_eq!(
        (nanoseconds("5"), nanoseconds(""), nanoseconds("1x")),
        (None, None, None)
    );
}

#[test]
fn what_is_wrong_is_said() {
    for (text, want) in [
        ("EXPOSE x", "invalid containerPort: x"),
        ("EXPOSE 1/foo", "invalid proto: foo"),
        (
            "SHELL bash",
            "SHELL requires the arguments to be in JSON form",
        ),
        ("ENV a", "ENV must have two arguments"),
        ("USER ${x:?who}", "x: who"),
    ] {
        assert_eq!(applied(text).unwrap_err(), want, "{text}");
    }
}

#[test]
fn paths_are_from_the_working_directory() {
    let mut state = State::scratch();
    for (dir, path, want) in [
        ("", "a", "/a"),
        ("/w", "a/", "/w/a/"),
        ("/w", ".", "/w/"),
        ("/w", "../../x", "/x"),
        ("/w", "/", "/"),
    ] {
        state.config.working_dir = dir.to_owned();
        assert_eq!(state.absolute(path), want, "{dir} {path}");
    }
}

#[test]
fn mounts_are_read() {
    let cache = Mount::read("type=cache,target=/c,id=x,mode=0700,uid=5").unwrap();
    assert_eq!(
        (cache.id.as_str(), cache.mode, cache.uid, cache.writable),
        ("x", Some(0o700), 5, true)
    );
    let secret = Mount::read("type=secret,id=key").unwrap();
    assert_eq!(secret.target, "/run/secrets/key");
    let bind = Mount::read("source=a,target=/b").unwrap();
    assert_eq!((bind.kind.as_str(), bind.writable), ("bind", false));
    assert_eq!(
        Mount::read("type=tmpfs,target=/t,size=2m")
            .unwrap()
            .size_bytes,
        2 << 20
    );
    for text in [
        "type=ssh",
        "type=foo,target=/x",
        "target=/x,nope=1",
        "type=bind",
    ] {
        assert!(Mount::read(text).is_err(), "{text}");
    }
}

#[test]
fn a_context_is_not_left() {
    let dir = tempfile::tempdir().unwrap();
    let context = dir.path().join("context");
    fs::create_dir_all(context.join("sub")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(context.join("a.txt"), "a").unwrap();
    fs::write(context.join("sub/b.txt"), "b").unwrap();
    symlink("../secret", context.join("relative")).unwrap();
    symlink(dir.path().join("secret"), context.join("absolute")).unwrap();
    symlink("sub", context.join("inside")).unwrap();
    fs::write(context.join(".dockerignore"), "sub/b.txt\n").unwrap();
    let root = context::open_directory(&context).unwrap();
    let nothing = Ignore::default();
    let all = Filter {
        ignore: &nothing,
        exclude: &nothing,
    };
    let found = |source: &str| matches(&root, source, all).map_err(|e| e.to_string());
    assert_eq!(found("*.txt").unwrap(), ["a.txt"]);
    assert_eq!(found("/../../a.txt").unwrap(), ["a.txt"]);
    assert_eq!(found("inside/*").unwrap(), ["inside/b.txt"]);
    for source in ["relative", "absolute", "../secret", "nothing"] {
        let name = source.trim_start_matches("../");
        assert_eq!(
            found(source).unwrap_err(),
            format!("\"/{name}\": not found")
        );
    }
    let taken_back = Ignore::parse("*\n!sub/b.txt\n").unwrap();
    let some = Filter {
        ignore: &taken_back,
        exclude: &nothing,
    };
    assert_eq!(matches(&root, "sub", some).unwrap(), ["sub"]);
    assert!(matches(&root, "a.txt", some).is_err());
    let opened = Context::open(&context, "Dockerfile").unwrap();
    assert!(opened.ignore.excludes("sub/b.txt"));
    let refused = Context::read(&context, "absolute", 10).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn an_archive_does_not_leave_its_directory() {
    // It takes root, as building does.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "out", &outside).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    archive.append_data(&mut header, "file", &b"x"[..]).unwrap();
    let good = archive.get_ref().clone();
    let into = dir.path().join("good");
    unpack(good.as_slice(), &into).unwrap();
    assert_eq!(fs::read(into.join("file")).unwrap(), b"x");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    archive
        .append_data(&mut header, "out/planted", &b"x"[..])
        .unwrap();
    let bad = archive.into_inner().unwrap();
    // Whether it is refused or lands inside: nothing is outside.
    let _ = unpack(bad.as_slice(), &dir.path().join("bad"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn names_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags.json");
    let tag = Tag {
        digest: Digest::of(b"x"),
        built: true,
    };
    let tags = Tags::open(path.clone());
    tags.set("a", tag.clone()).unwrap();
    assert_eq!(
        Tags::open(path.clone())
            .find("docker.io/library/a:latest")
            .unwrap(),
        Some(tag)
    );
    assert!(
        tags.set(
            "A B",
            Tag {
                digest: Digest::of(b""),
                built: false
            }
        )
        .is_err()
    );
    assert!(tags.remove("a").unwrap());
    assert!(!Tags::open(path).remove("a").unwrap());
    assert_eq!(familiar("docker.io/library/a:1"), "a:1");
    assert_eq!(familiar("quay.io/a:1"), "quay.io/a:1");
}
