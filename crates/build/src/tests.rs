use crate::dockerfile::{Command, Dockerfile, Kind, pairs, words};
use crate::ignore::Ignore;
use crate::image::{Config, Image};
use crate::key::Key;
use crate::{Located, expand, seal, shown};
use neargate_blob::Digest;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn parsed(text: &str) -> Dockerfile {
    Dockerfile::parse(text).unwrap()
}

fn refused(text: &str) -> Located {
    Dockerfile::parse(text).unwrap_err()
}

#[test]
fn lines_are_joined_and_comments_left_out() {
    let file =
        parsed("# c\n\nFROM a AS One\nRUN x \\\n  # inside\n\n  && y\\\n z \nrun echo \\\\\n");
    let stage = &file.stages[0];
    assert_eq!(
        (stage.image.as_str(), stage.name.as_deref()),
        ("a", Some("one"))
    );
    let run = &stage.instructions[0];
    assert_eq!(run.command(), Command::Shell("x   && y z".into()));
    assert_eq!(run.lines, 4..=8);
    assert_eq!(stage.instructions[1].text, "RUN echo \\\\");
}

#[test]
fn directives_come_first() {
    let file = parsed("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN x `\ny \\\n");
    assert_eq!(file.escape, '`');
    assert_eq!(file.stages[0].instructions[0].rest, "x y \\");
    assert_eq!(parsed("FROM a\n# escape=`\nRUN x \\\ny").escape, '\\');
    let error = refused("# escape=x\nFROM a");
    assert!(error.message.contains("invalid escape token"), "{error}");
}

#[test]
fn commands_are_json_or_a_line() {
    let file = parsed("FROM a\nCMD [\"x\", \"y z\"]\nCMD ['x']\nENTRYPOINT []\nCMD\n");
    let commands: Vec<Command> = file.stages[0]
        .instructions
        .iter()
        .map(|i| i.command())
        .collect();
    assert_eq!(commands[0], Command::Exec(vec!["x".into(), "y z".into()]));
    assert_eq!(commands[1], Command::Shell("['x']".into()));
    assert_eq!(commands[2], Command::Exec(vec![]));
    assert_eq!(commands[3], Command::Shell(String::new()));
}

#[test]
fn flags_come_before_the_rest() {
    let file = parsed(
        "FROM --platform=linux/amd64 a\nCOPY --from=b --chown=\"x y\" --link s d\nRUN --mount=type=cache,target=/x --mount=type=tmpfs,target=/y -- z --w\n",
    );
    assert_eq!(file.stages[0].from.flag("platform"), Some("linux/amd64"));
    let copy = &file.stages[0].instructions[0];
    assert_eq!(
        (copy.flag("from"), copy.flag("chown")),
        (Some("b"), Some("x y"))
    );
    assert_eq!(
        (copy.flag("link"), copy.rest.as_str()),
        (Some("true"), "s d")
    );
    let run = &file.stages[0].instructions[1];
    assert_eq!(run.all_of("mount").count(), 2);
    assert_eq!(run.rest, "z --w");
    assert_eq!(
        refused("FROM a\nCOPY --nope x y").message,
        "dockerfile parse error on line 2: unknown flag: --nope"
    );
}

#[test]
fn heredocs_end_where_they_say() {
    let file = parsed(
        "FROM a\nRUN <<EOF cat > /x\n\ta $b\nEOF\nCOPY <<-\"One\" <<Two /d/\n\t1\n\tOne\n2\nTwo\nRUN y\n",
    );
    let all = &file.stages[0].instructions;
    assert_eq!(all[0].heredocs[0].content, "\ta $b\n");
    assert!(all[0].heredocs[0].expands);
    let names: Vec<_> = all[1]
        .heredocs
        .iter()
        .map(|h| (h.name.as_str(), h.expands))
        .collect();
    assert_eq!(names, [("One", false), ("Two", true)]);
    assert_eq!(
        (all[1].heredocs[0].text(), all[1].heredocs[1].text()),
        ("1\n".into(), "2\n".into())
    );
    assert_eq!(all[2].kind, Kind::Run);
    assert_eq!(
        refused("FROM a\nRUN <<E\nx").message,
        "dockerfile parse error on line 2: unterminated heredoc"
    );
}

#[test]
fn errors_show_their_line() {
    let text = "FROM a\n\nFOO b\nRUN c\nRUN d\nRUN e\n";
    let error = refused(text);
    assert_eq!(
        error.message,
        "dockerfile parse error on line 3: unknown instruction: FOO"
    );
    assert_eq!(
        shown(&error, "Dockerfile", text),
        "Dockerfile:3\n--------------------\n   1 |     FROM a\n   2 |     \n   3 | >>> FOO b\n   4 |     RUN c\n   5 |     RUN d\n--------------------\n"
    );
    for (text, want) in [
        ("", "file with no instructions"),
        ("RUN x", "no build stage in current context"),
        ("ARG x", "dockerfile contains no stages to build"),
        (
            "FROM a b",
            "dockerfile parse error on line 1: FROM requires either one or three arguments",
        ),
        (
            "FROM a\nONBUILD FROM b",
            "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger",
        ),
        (
            "FROM a\nWORKDIR",
            "dockerfile parse error on line 2: WORKDIR requires exactly one argument",
        ),
    ] {
        assert_eq!(refused(text).message, want, "{text:?}");
    }
}

#[test]
fn stages_by_name_and_number() {
    let file = parsed("ARG V=1\nFROM a AS x\nFROM b AS X\nFROM x\n");
    assert_eq!(file.arguments.len(), 1);
    assert_eq!(file.stage("X", 3), Some(1));
    assert_eq!(file.stage("x", 1), Some(0));
    assert_eq!((file.stage("2", 3), file.stage("3", 3)), (Some(2), None));
}

#[test]
fn variables_and_quotes() {
    let lookup = |name: &str| match name {
        "a" => Some("one two".to_owned()),
        "e" => Some(String::new()),
        "p" => Some("/usr/lib/x.tar.gz".to_owned()),
        _ => None,
    };
    for (text, want) in [
        ("$a", "one two"),
        ("${a}x", "one twox"),
        ("'$a'", "$a"),
        ("\"$a\"", "one two"),
        ("\\$a", "$a"),
        ("\"\\$a \\x\"", "$a \\x"),
        ("${u:-x y}", "x y"),
        ("${e:-d}", "d"),
        ("${e-d}", ""),
        ("${u-d}", "d"),
        ("${a:+set}", "set"),
        ("${u:+set}", ""),
        ("${e+set}", "set"),
        ("${u:-${a}}", "one two"),
        ("${u:-'}'}x", "'}x"),
        ("$u.$", ".$"),
        ("${p##*/}", "x.tar.gz"),
        ("${p#*/}", "usr/lib/x.tar.gz"),
        ("${p%.*}", "/usr/lib/x.tar"),
        ("${p%%.*}", "/usr/lib/x"),
        ("${p/lib/bin}", "/usr/bin/x.tar.gz"),
        ("${p//[/]/}", "/usr/lib/x.tar.gz"),
        ("a'b'\"c\"", "abc"),
    ] {
        let got = expand::word(text, '\\', &lookup);
        if text == "${u:-'}'}x" {
            // The first brace closes, as in BuildKit: what is left is a quote without an end.
            assert!(got.is_err(), "{got:?}");
            continue;
        }
        assert_eq!(got.as_deref(), Ok(want), "{text}");
    }
    assert_eq!(
        expand::words("$a \"$a\" ''", '\\', &lookup).unwrap(),
        ["one", "two", "one two", ""]
    );
    assert_eq!(
        expand::word("${u:?is missing}", '\\', &lookup).unwrap_err(),
        "u: is missing"
    );
    for text in ["${a", "'a", "\"a", "${}", "${a!x}"] {
        assert!(expand::word(text, '\\', &lookup).is_err(), "{text}");
    }
    let deep = "${u:-".repeat(100) + &"}".repeat(100);
    assert!(expand::word(&deep, '\\', &lookup).is_err());
}

#[test]
fn pairs_in_both_forms() {
    let of = |text: &str| pairs(text, '\\', "ENV");
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        of("a=b c=\"d e\"").unwrap(),
        [pair("a", "b"), pair("c", "\"d e\"")]
    );
    assert_eq!(of("a b c=d").unwrap(), [pair("a", "b c=d")]);
    assert_eq!(of("a").unwrap_err(), "ENV must have two arguments");
    assert!(
        of("a=b c")
            .unwrap_err()
            .starts_with("Syntax error - can't find = in \"c\"")
    );
    assert_eq!(words("a 'b c' d\\ e", '\\'), ["a", "'b c'", "d\\ e"]);
}

#[test]
fn what_is_left_out_of_a_context() {
    let ignore = Ignore::parse(
        "# no\n*.log\n/build/\n**/tmp\nsecret*\n!secret-not\ndocs/*.md\n!docs/README.md\n",
    )
    .unwrap();
    for (path, want) in [
        ("a.log", true),
        ("sub/a.log", false),
        ("build", true),
        ("build/x/y", true),
        ("tmp", true),
        ("a/b/tmp/c", true),
        ("secret.txt", true),
        ("secret-not", false),
        ("docs/a.md", true),
        ("docs/README.md", false),
        ("src/main.c", false),
    ] {
        assert_eq!(ignore.excludes(path), want, "{path}");
    }
    assert!(ignore.takes_back());
    assert!(Ignore::parse("\\").is_err());
    assert!(Ignore::parse("../x\n.\n").unwrap().excludes("x"));
}

#[test]
fn keys_tell_parts_apart() {
    let parent = Digest::of(b"");
    let key = |parts: &[&str]| {
        let mut key = Key::of("run", &parent);
        key.list(parts.iter());
        key.finish()
    };
    assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    assert_ne!(key(&["ab"]), key(&["a", "b"]));
    assert_ne!(key(&["a", "b"]), key(&["b", "a"]));
    assert_ne!(
        Key::of("copy", &parent).finish(),
        Key::of("run", &parent).finish()
    );
}

#[test]
fn the_same_tree_is_the_same_layer() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("b/c")).unwrap();
    fs::write(tree.join("b/file"), "text").unwrap();
    fs::hard_link(tree.join("b/file"), tree.join("z")).unwrap();
    symlink("/etc/passwd", tree.join("a")).unwrap();
    let long = "n".repeat(180);
    fs::write(tree.join(&long), "long").unwrap();
    fs::set_permissions(tree.join("b"), fs::Permissions::from_mode(0o1770)).unwrap();
    let first = seal::seal(&tree, &dir.path().join("1")).unwrap();
    let second = seal::seal(&tree, &dir.path().join("2")).unwrap();
    assert_eq!(first, second);
    assert_eq!(first.entries, 6);
    let bytes = fs::read(dir.path().join("1")).unwrap();
    assert_eq!(
        (Digest::of(&bytes), bytes.len() as u64),
        (first.digest, first.size_bytes)
    );
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            format!(
                "{} {:?}",
                entry.path().unwrap().display(),
                entry.header().entry_type()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "a Symlink",
            "b/ Directory",
            "b/c/ Directory",
            "b/file Regular",
            &format!("{long} Regular"),
            "z Link"
        ]
    );
}

#[test]
fn images_are_read_and_written() {
    let config = br#"{"architecture":"amd64","os":"linux","config":{"Env":["A=1"],"Cmd":["x"],"Healthcheck":{"Test":["NONE"]},"Labels":null},"rootfs":{"diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}]}"#;
    let mut image = Image::read(br#"{"layers":null}"#, config).unwrap();
    image.config.set_variable("B", "2");
    image.config.set_variable("A", "3");
    assert_eq!(image.config.env, ["A=3", "B=2"]);
    assert_eq!(image.config.variable("A"), Some("3"));
    let documents = image.documents();
    let again = Image::read(&documents.manifest, &documents.config).unwrap();
    assert_eq!(again, image);
    assert!(Image::read(br#"{"layers":[]}"#, b"{}").is_err());
    assert_eq!(Config::default().shell(), ["/bin/sh", "-c"]);
}
