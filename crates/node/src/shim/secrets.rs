//! How what is secret of a container's environment gets to its shim: in memory, by a descriptor of a
//! file that has no name.

use neargate_base::Secret;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;

/// These variables, `NAME=value`, in such a file; `None`: there are none.
pub(crate) fn hidden(variables: &[Secret<String>]) -> io::Result<Option<OwnedFd>> {
    if variables.is_empty() {
        return Ok(None);
    }
    let variables: Vec<&str> = variables.iter().map(|v| v.expose().as_str()).collect();
    let mut file = File::from(memfd_create("secrets", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(&variables)?)?;
    file.rewind()?;
    Ok(Some(file.into()))
}

/// What is in it. It is given to one shim alone, and to a second zygote should the first have died
/// of it: so it is read from its beginning.
pub(super) fn read(file: OwnedFd) -> io::Result<Vec<Secret<String>>> {
    let (mut file, mut bytes) = (File::from(file), Vec::new());
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let variables: Vec<String> = serde_json::from_slice(&bytes)?;
    Ok(variables.into_iter().map(Secret::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_read() {
        assert!(hidden(&[]).unwrap().is_none());
        let variables = ["A=1", "B=two\nlines \u{e9}"].map(|v| Secret::new(v.to_owned()));
        let file = hidden(&variables).unwrap().unwrap();
        assert_eq!(read(file).unwrap(), variables);
    }
}
