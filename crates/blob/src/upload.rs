//! [`Upload`]: a blob on its way in, under a caller's id, in any number of appends.
//!
//! The file `uploads/<id>` is the whole state: its length is the offset. The running hash is kept
//! in memory between appends and rebuilt by reading the file after a restart. One holder at a time:
//! [`Blobs::resume`] waits until the one before has let go (its last piece is then in the file).
//! No thread is held while waiting for the sender.

use crate::disk::{blocking, modified_at, read_dir, require_room};
use crate::{BlobError, Blobs, Digest, Hasher, Stored};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use neargate_base::Timestamp;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// So much is gathered before it is hashed and written in one go on the blocking pool.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// The sessions with state in memory. A missing one is found again by its file.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Session>>>>);

/// `writer` is `None` until first used, and after a failed write: rebuilt from the file then.
#[derive(Debug, Default)]
struct Session {
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    hasher: Hasher,
    offset: u64,
}

impl Sessions {
    fn get(&self, id: &str) -> Arc<tokio::sync::Mutex<Session>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(id.to_owned()).or_default().clone()
    }

    fn forget(&self, id: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

/// An upload held for appending. Dropping it keeps what was written, for a later
/// [`Blobs::resume`].
#[derive(Debug)]
pub struct Upload {
    blobs: Arc<Blobs>,
    id: String,
    path: PathBuf,
    offset: u64,
    /// `None` only while a piece of work on the blocking pool has it.
    session: Option<OwnedMutexGuard<Session>>,
}

impl Blobs {
    /// Start a new upload. `id` names it from then on: 1 to 128 letters, digits, `-` or `_`.
    pub async fn begin(self: &Arc<Self>, id: &str) -> Result<Upload, BlobError> {
        check_id(id)?;
        let session = self.sessions.get(id).lock_owned().await;
        let path = self.upload_dir().join(id);
        let (create, name) = (path.clone(), id.to_owned());
        blocking(move || match File::create_new(&create) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(BlobError::UploadExists(name))
            }
            Err(e) => Err(BlobError::io(&create, e)),
        })
        .await?;
        let id = id.to_owned();
        Ok(Upload {
            blobs: self.clone(),
            id,
            path,
            offset: 0,
            session: Some(session),
        })
    }

    /// Go on with an upload, also one begun before a restart; `None` when there is none of that
    /// id. Waits for an append under way to end.
    pub async fn resume(self: &Arc<Self>, id: &str) -> Result<Option<Upload>, BlobError> {
        let path = self.upload_dir().join(id);
        if check_id(id).is_err() || !path.is_file() {
            return Ok(None);
        }
        let session = self.sessions.get(id).lock_owned().await;
        let (blobs, id) = (self.clone(), id.to_owned());
        let mut upload = Upload {
            blobs,
            id,
            path,
            offset: 0,
            session: Some(session),
        };
        match upload.work(|writer| Ok(writer.offset)).await {
            Ok(offset) => upload.offset = offset,
            Err(BlobError::UploadGone(_)) => return Ok(None),
            Err(e) => return Err(e),
        }
        Ok(Some(upload))
    }

    /// Remove the uploads last written to before `older_than`; returns how many.
    pub async fn collect_uploads(
        self: &Arc<Self>,
        older_than: Timestamp,
    ) -> Result<usize, BlobError> {
        let mut removed = 0;
        for path in read_dir(&self.upload_dir())? {
            let id = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default()
                .to_owned();
            // Held now means in use, whatever the file's age.
            let Ok(session) = self.sessions.get(&id).try_lock_owned() else {
                continue;
            };
            let old = fs::metadata(&path).is_ok_and(|m| modified_at(&m) < older_than);
            if old {
                blocking(move || fs::remove_file(&path).map_err(|e| BlobError::io(&path, e)))
                    .await?;
                removed += 1;
            }
            if old || session.writer.is_none() {
                self.sessions.forget(&id);
            }
        }
        Ok(removed)
    }
}

impl Upload {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many bytes have been received.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Append everything `stream` yields; returns the new offset. When the stream fails, what
    /// came before is kept and the upload can be resumed from [`Upload::offset`]. When it does not
    /// fit on the disk, the upload is over, and gives back what it took.
    /// Dropping the future keeps the batches that were written.
    pub async fn append<S, E>(&mut self, stream: S) -> Result<u64, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut stream = pin!(stream);
        let mut broken = None;
        let mut gathered = gather(&mut stream, &mut broken).await;
        while !gathered.is_empty() {
            let batch = std::mem::take(&mut gathered);
            // Write one batch while the next arrives.
            let path = self.path.clone();
            let written = self.work(move |writer| writer.write(&path, &batch));
            let (offset, next) = tokio::join!(written, async {
                match broken {
                    None => gather(&mut stream, &mut broken).await,
                    Some(_) => Vec::new(),
                }
            });
            self.offset = match offset {
                Err(full @ BlobError::NoSpace { .. }) => {
                    self.abandon().await?;
                    return Err(full);
                }
                offset => offset?,
            };
            gathered = next;
        }
        match broken {
            Some(e) => Err(BlobError::Body {
                offset: self.offset,
                source: e.into(),
            }),
            None => Ok(self.offset),
        }
    }

    /// Append one piece; returns the new offset.
    pub async fn append_bytes(&mut self, bytes: Bytes) -> Result<u64, BlobError> {
        let piece = futures_util::stream::iter([Ok::<_, io::Error>(bytes)]);
        self.append(piece).await
    }

    /// End the upload: verify the content against `expected`, and make it visible durably.
    /// On a mismatch the upload is gone, as in Docker's registry; on other errors it is kept.
    pub async fn finish(mut self, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let (blobs, path, expected) = (self.blobs.clone(), self.path.clone(), expected.copied());
        let finished = self.work(move |writer| {
            let actual = writer.hasher.clone().finish();
            if let Some(expected) = expected.filter(|e| *e != actual) {
                let _ = fs::remove_file(&path);
                return Err(BlobError::DigestMismatch { expected, actual });
            }
            blobs.settle(&path, &writer.file, actual, writer.offset)
        });
        let finished = finished.await;
        if matches!(finished, Ok(_) | Err(BlobError::DigestMismatch { .. })) {
            self.blobs.sessions.forget(&self.id);
        }
        finished
    }

    /// Give the upload up and remove what was written.
    pub async fn cancel(self) -> Result<(), BlobError> {
        self.abandon().await
    }

    async fn abandon(&self) -> Result<(), BlobError> {
        let path = self.path.clone();
        let removed = blocking(move || match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(BlobError::io(&path, e)),
            _ => Ok(()),
        });
        removed.await?;
        self.blobs.sessions.forget(&self.id);
        Ok(())
    }

    /// Run `job` on the blocking pool with the session's writer. The session travels along, so a
    /// dropped future leaves it locked until the job is through. A failed job drops the writer:
    /// hash and file may disagree then, and it is rebuilt from the file.
    async fn work<T, J>(&mut self, job: J) -> Result<T, BlobError>
    where
        T: Send + 'static,
        J: FnOnce(&mut Writer) -> Result<T, BlobError> + Send + 'static,
    {
        let mut session = match self.session.take() {
            Some(session) => session,
            // An append was dropped half-way: wait for its last batch.
            None => self.blobs.sessions.get(&self.id).lock_owned().await,
        };
        let (id, path) = (self.id.clone(), self.path.clone());
        let worked = blocking(move || {
            let done = (|| {
                let writer = match &mut session.writer {
                    Some(writer) => writer,
                    none => none.insert(Writer::rebuild(&id, &path)?),
                };
                job(writer)
            })();
            if done.is_err() {
                session.writer = None;
            }
            Ok((session, done))
        });
        let (session, done) = worked.await?;
        self.session = Some(session);
        done
    }
}

impl Writer {
    fn rebuild(id: &str, path: &Path) -> Result<Writer, BlobError> {
        let mut file = match File::options().read(true).append(true).open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::UploadGone(id.to_owned()));
            }
            opened => opened.map_err(|e| BlobError::io(path, e))?,
        };
        let mut hasher = Hasher::new();
        let (mut piece, mut offset) = (vec![0; BATCH_BYTES], 0);
        loop {
            match file.read(&mut piece) {
                Ok(0) => {
                    return Ok(Writer {
                        file,
                        hasher,
                        offset,
                    });
                }
                Ok(n) => {
                    hasher.update(&piece[..n]);
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(BlobError::io(path, e)),
            }
        }
    }

    fn write(&mut self, path: &Path, batch: &[Bytes]) -> Result<u64, BlobError> {
        require_room(path, batch.iter().map(|b| b.len() as u64).sum())?;
        let mut pieces: Vec<IoSlice<'_>> = batch.iter().map(|b| IoSlice::new(b)).collect();
        let mut rest = &mut pieces[..];
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(BlobError::io(path, io::ErrorKind::WriteZero.into())),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(BlobError::io(path, e)),
            }
        }
        for piece in batch {
            self.hasher.update(piece);
            self.offset += piece.len() as u64;
        }
        Ok(self.offset)
    }
}

/// Take from `stream` until a batch is full or it ends; a failure lands in `broken`.
async fn gather<S, E>(stream: &mut Pin<&mut S>, broken: &mut Option<E>) -> Vec<Bytes>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let (mut batch, mut length) = (Vec::new(), 0);
    while length < BATCH_BYTES {
        match stream.next().await {
            Some(Ok(piece)) if piece.is_empty() => {}
            Some(Ok(piece)) => {
                length += piece.len();
                batch.push(piece);
            }
            Some(Err(e)) => {
                *broken = Some(e);
                break;
            }
            None => break,
        }
    }
    batch
}

fn check_id(id: &str) -> Result<(), BlobError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(BlobError::BadUploadId(id.chars().take(128).collect()))
}
