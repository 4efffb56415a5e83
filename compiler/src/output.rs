//! Writing outputs: whole or not at all, and only when they change.

use std::borrow::Borrow;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// One file to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputFile {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
}

/// What [`write_all`] did with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has new content.
    Written,
    /// It had this content already and was not touched.
    Unchanged,
}

/// Why the outputs were not written.
#[derive(Debug)]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The step that failed.
    pub step: &'static str,
    /// The cause.
    pub cause: io::Error,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.step, self.path.display(), self.cause)
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Writes each file whose content differs from what is on disk.
///
/// Each is taken from `files` when the one before has been looked at, so an iterator may make them one at a time.
/// All new files are first written in full beside their targets; only then are they renamed into place. So a full disk
/// or a read-only directory leaves every old file as it was.
///
/// # Errors
///
/// The first step that failed. Files that were written beside their targets are removed again.
///
/// ```
/// use pvc::output::{Outcome, OutputFile, write_all};
/// let dir = tempfile::tempdir().unwrap();
/// let file = OutputFile { path: dir.path().join("a.h"), text: "int a;\n".into() };
/// assert_eq!(write_all([&file]).unwrap(), [Outcome::Written]);
/// assert_eq!(write_all([file]).unwrap(), [Outcome::Unchanged]);
/// ```
pub fn write_all(files: impl IntoIterator<Item: Borrow<OutputFile>>) -> Result<Vec<Outcome>, WriteError> {
    let mut outcomes = Vec::new();
    let mut staged = Vec::new();
    for file in files {
        let file = file.borrow();
        if is_current(file) {
            outcomes.push(Outcome::Unchanged);
        } else {
            staged.push((stage(file)?, file.path.clone()));
            outcomes.push(Outcome::Written);
        }
    }
    for (temporary, path) in staged {
        temporary.persist(&path).map_err(|error| WriteError {
            path,
            step: "rename the new file to",
            cause: error.error,
        })?;
    }
    Ok(outcomes)
}

/// Whether the file on disk has this content.
#[must_use]
pub fn is_current(file: &OutputFile) -> bool {
    has_content(&file.path, file.text.as_bytes()).unwrap_or(false)
}

/// Whether the file at `path` has this content; compared piece by piece, without a copy of the file in memory.
fn has_content(path: &Path, content: &[u8]) -> io::Result<bool> {
    let mut old = std::fs::File::open(path)?;
    if old.metadata()?.len() != content.len() as u64 {
        return Ok(false);
    }
    let mut buffer = [0; 16 << 10];
    for piece in content.chunks(buffer.len()) {
        let old_piece = &mut buffer[..piece.len()];
        old.read_exact(old_piece)?;
        if old_piece != piece {
            return Ok(false);
        }
    }
    // Nothing more: a file that grew meanwhile is another one.
    Ok(old.read(&mut buffer)? == 0)
}

/// Writes the content beside the target; the temporary file removes itself unless it is renamed.
fn stage(file: &OutputFile) -> Result<tempfile::NamedTempFile, WriteError> {
    let failed = |step| move |cause| WriteError { path: file.path.clone(), step, cause };
    if file.path.is_dir() {
        let cause = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(WriteError { path: file.path.clone(), step: "replace", cause });
    }
    let directory = match file.path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(directory).map_err(failed("create the directory of"))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pvc-");
    // The permissions that any program's new file gets; tempfile's own default would hide it from other users.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // What is there already keeps its own.
    if let Ok(old) = std::fs::metadata(&file.path) {
        builder.permissions(old.permissions());
    }
    let mut temporary = builder.tempfile_in(directory).map_err(failed("create a file beside"))?;
    temporary.write_all(file.text.as_bytes()).map_err(failed("write a new"))?;
    if let Ok(old) = std::fs::metadata(&file.path) {
        temporary.as_file().set_permissions(old.permissions()).map_err(failed("set the permissions of a new"))?;
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_target_leaves_all_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("a.c");
        std::fs::write(&good, "old").unwrap();
        let bad = dir.path().join("b.c");
        std::fs::create_dir(&bad).unwrap();
        let files =
            [OutputFile { path: good.clone(), text: "new".into() }, OutputFile { path: bad, text: "new".into() }];
        assert!(write_all(&files).is_err());
        assert_eq!(std::fs::read_to_string(&good).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
