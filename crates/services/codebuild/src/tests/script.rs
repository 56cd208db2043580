//! The script of a buildspec, run by the shell of whoever tests.

use crate::buildspec::{self, Buildspec};
use crate::plan::progress::{self, Told};
use crate::plan::script::{self, Place};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What a build told, said and left.
struct Ran {
    told: Vec<Told>,
    log: String,
    exports: BTreeMap<String, String>,
    bases: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
    done: bool,
}

fn small(directory: &Path) -> BTreeMap<String, String> {
    let Ok(files) = std::fs::read_dir(directory) else {
        return BTreeMap::new();
    };
    let file = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).expect("text");
        (entry.file_name().into_string().expect("a name"), text)
    };
    files.map(|entry| file(entry.expect("listed"))).collect()
}

fn spec(text: &str) -> Buildspec {
    buildspec::parse(text).expect("a buildspec")
}

fn run(text: &str, environment: &[(&str, &str)]) -> Ran {
    let root = tempfile::tempdir().expect("a directory");
    let (run, source) = (root.path().join("run dir"), root.path().join("src"));
    std::fs::create_dir_all(&run).expect("made");
    std::fs::create_dir_all(source.join("out/deep")).expect("made");
    let place = Place {
        run: run.to_str().expect("text"),
        source: source.to_str().expect("text"),
    };
    let environment: Vec<_> = environment
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let scripts = script::compile(&spec(text), place, &environment);
    std::fs::write(run.join("outer"), scripts.outer).expect("written");
    std::fs::write(run.join("inner"), scripts.inner).expect("written");
    let ended = Command::new("sh")
        .arg(run.join("outer"))
        .status()
        .expect("sh runs");
    assert!(ended.success());
    let text = |name: &str| std::fs::read_to_string(run.join(name)).unwrap_or_default();
    let source = format!("{}", source.display());
    let bases = small(&run.join("bases")).into_iter();
    let bases = bases.map(|(n, base)| (n, base.trim_end().replace(&source, "SRC")));
    Ran {
        told: progress::read(&text("events")),
        log: text("log"),
        exports: small(&run.join("exports")),
        bases: bases.collect(),
        names: small(&run.join("names")),
        done: run.join("done").exists(),
    }
}

impl Ran {
    /// The phases that ended, and how.
    fn phases(&self) -> Vec<(&str, bool)> {
        let ended = self.told.iter().filter_map(|told| match told {
            Told::Ended(phase, _, well) => Some((&**phase, *well)),
            _ => None,
        });
        ended.collect()
    }

    fn failures(&self) -> Vec<&str> {
        let failed = self.told.iter().filter_map(|told| match told {
            Told::Failed(_, why) => Some(&**why),
            _ => None,
        });
        failed.collect()
    }

    /// What commands said.
    fn said(&self) -> Vec<&str> {
        let lines = self.log.lines();
        lines.filter(|l| !l.starts_with("[Container]")).collect()
    }
}

const ALL_WELL: [(&str, bool); 4] = [
    ("INSTALL", true),
    ("PRE_BUILD", true),
    ("BUILD", true),
    ("POST_BUILD", true),
];

#[test]
fn commands_share_one_shell() {
    let ran = run(
        "version: 0.2
env:
  exported-variables: [KIND, LINES, NEVER]
phases:
  install:
    commands: ['own=unexported', 'f() { echo \"f of $1\"; }', cd out]
  build:
    commands:
      - f \"$own\"
      - pwd | sed 's|.*/||'
      - |
        if true; then
          echo 'a block'
        fi
      - export KIND=\"$GIVEN\" LINES='a b'
  post_build:
    commands: 'echo one text'
",
        &[("GIVEN", "it's \"$HOME\" \\ given"), ("not-a-name", "x")],
    );
    assert_eq!(ran.phases(), ALL_WELL, "{}", ran.log);
    assert_eq!(
        ran.said(),
        [
            "f of unexported",
            "out",
            "  echo 'a block'",
            "fi",
            "",
            "a block",
            "one text"
        ],
        "{}",
        ran.log
    );
    assert_eq!(ran.exports["KIND"], "it's \"$HOME\" \\ given");
    assert!(!ran.exports.contains_key("NEVER"));
    assert!(ran.done);
    for line in [
        "Entering phase INSTALL",
        "Running command pwd | sed 's|.*/||'",
        "Phase complete: POST_BUILD State: SUCCEEDED",
    ] {
        assert!(ran.log.contains(line), "{line}: {}", ran.log);
    }
}

#[test]
fn a_failed_build_still_has_its_post_build() {
    let ran = run(
        "version: 0.2
phases:
  pre_build:
    commands: ['echo $CODEBUILD_BUILD_SUCCEEDING']
  build:
    commands: ['false', echo never]
    finally: ['echo finally $CODEBUILD_BUILD_SUCCEEDING']
  post_build:
    commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']
",
        &[],
    );
    let mut phases = ALL_WELL;
    phases[2].1 = false;
    assert_eq!(ran.phases(), phases, "{}", ran.log);
    assert_eq!(ran.said(), ["1", "finally 0", "post 0"]);
    assert_eq!(
        ran.failures(),
        ["Error while executing command: false. Reason: exit status 1"]
    );
}

#[test]
fn a_failed_install_ends_it() {
    let ran = run(
        "version: 0.2
phases:
  install:
    commands: ['exit 3', echo never]
    finally: [echo finally, 'exit 4', echo never]
  pre_build: {commands: [echo never]}
",
        &[],
    );
    assert_eq!(ran.phases(), [("INSTALL", false)], "{}", ran.log);
    assert_eq!(ran.said(), ["finally"]);
    let told = ran.failures().join("\n");
    assert!(told.contains("exit 3. Reason: exit status 3"), "{told}");
    assert!(told.contains("exit 4. Reason: exit status 4"), "{told}");
    assert!(ran.done);
}

#[test]
fn what_ends_the_shell_is_gone_on_behind() {
    let ran = run(
        "version: 0.2
phases:
  build:
    commands:
      - export KEPT=yes; cd out
      - exit 0
      - echo $KEPT; pwd | sed 's|.*/||'
      - set -eu
      - false || echo caught
      - grep -q x /dev/null; echo not reached
      - echo never
  post_build:
    commands: ['echo post ${UNSET-}', 'kill -9 $$', echo never]
",
        &[],
    );
    assert_eq!(
        ran.phases(),
        [
            ("INSTALL", true),
            ("PRE_BUILD", true),
            ("BUILD", false),
            ("POST_BUILD", false)
        ],
        "{}",
        ran.log
    );
    let said: Vec<_> = ran.said();
    assert_eq!(said[..3], ["yes", "out", "caught"], "{}", ran.log);
    assert!(said.contains(&"post"), "{}", ran.log);
    assert!(!ran.log.contains("\nnever"), "{}", ran.log);
    let told = ran.failures().join("\n");
    assert!(told.contains("exit status 137"), "{told}");
    assert!(ran.done);
}

#[test]
fn on_failure_says_what_comes_after() {
    let of = |words: &str| {
        run(
            &format!(
                "version: 0.2
phases:
  install:
    on-failure: {words}
    commands: ['n=$((${{n-0}} + 1)); echo try $n; [ $n = 3 ]']
  build: {{commands: [echo built]}}
"
            ),
            &[],
        )
    };
    let again = of("RETRY");
    assert_eq!(again.phases(), ALL_WELL, "{}", again.log);
    assert_eq!(again.said(), ["try 1", "try 2", "try 3", "built"]);
    let once = of("RETRY-1");
    assert_eq!(once.phases(), [("INSTALL", false)]);
    assert_eq!(once.said(), ["try 1", "try 2"]);
    let went_on = of("CONTINUE");
    assert_eq!(went_on.said(), ["try 1", "built"]);
    assert!(!went_on.phases()[0].1);
    let aborted = run(
        "version: 0.2\nphases:\n  build: {on-failure: ABORT, commands: ['false']}\n  post_build: {commands: [echo never]}\n",
        &[],
    );
    assert_eq!(aborted.phases().last(), Some(&("BUILD", false)));
}

#[test]
fn version_0_1_has_a_shell_for_each_command() {
    let ran = run(
        "version: 0.1
phases:
  build: {commands: ['x=1; cd out', 'echo [${x-none}]; pwd | sed \"s|.*/||\"', 'exit 0', echo on]}
",
        &[],
    );
    assert_eq!(ran.said(), ["[none]", "src", "on"], "{}", ran.log);
    assert_eq!(ran.phases(), ALL_WELL);
}

#[test]
fn names_and_directories_are_evaluated() {
    let ran = run(
        "version: 0.2
phases: {build: {commands: [export TAG=v1]}}
artifacts:
  files: ['**/*']
  name: app-$TAG-$(echo x)
  base-directory: o*
  secondary-artifacts:
    deep: {files: ['*'], base-directory: out/$DEEP}
    none: {files: ['*'], base-directory: nowhere}
",
        &[("DEEP", "deep")],
    );
    assert_eq!(ran.names["0"], "app-v1-x");
    assert_eq!(ran.bases["0"], "SRC/out");
    assert_eq!(ran.bases["1"], "SRC/out/deep");
    assert_eq!(ran.bases["2"], "");
}

#[test]
fn a_shell_that_is_not_there_is_told() {
    let mut spec = spec("version: 0.2\nphases: {build: {commands: ['true']}}\n");
    spec.shell = "no-such-shell".into();
    let place = Place {
        run: "/nowhere",
        source: "/",
    };
    let scripts = script::compile(&spec, place, &[]);
    assert!(
        scripts
            .outer
            .contains("The image has no shell no-such-shell")
    );
}

/// Buildspecs of others, where `NEARGATE_BUILDSPECS` names a directory of them: each is read, and its script is one
/// that a shell can read.
#[test]
fn public_buildspecs_compile() {
    let Some(directory) = std::env::var_os("NEARGATE_BUILDSPECS") else {
        return;
    };
    let root = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("listed").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let spec = match buildspec::parse(&text) {
            Ok(spec) => spec,
            Err(why) => panic!("{}: {why}", path.display()),
        };
        let place = Place {
            run: "/codebuild/run",
            source: "/codebuild/output/src1/src",
        };
        let scripts = script::compile(&spec, place, &[]);
        for text in [scripts.outer, scripts.inner] {
            let file = root.path().join("script");
            std::fs::write(&file, text).expect("written");
            let read = Command::new("sh").arg("-n").arg(&file).status();
            assert!(read.expect("sh runs").success(), "{}", path.display());
        }
    }
}
