//! A disk that loses its power: what was not synced is lost, kept or torn, by the seed.

use neargate_base::Rng;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::io;

/// What a disk writes at once, or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug)]
pub struct PowerDisk(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What survives for certain.
    synced: Vec<u8>,
    /// What a reader sees while there is power.
    cached: Vec<u8>,
    unsynced: Vec<Change>,
    /// Changes and syncs until the cut.
    fuse: u64,
    dark: bool,
    lies: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Resize(usize),
}

impl PowerDisk {
    /// A disk that holds `image` and goes dark in the course of its `fuse`th change or sync.
    pub fn new(image: Vec<u8>, fuse: u64) -> Self {
        let (synced, cached) = (image.clone(), image);
        PowerDisk(Mutex::new(State {
            synced,
            cached,
            unsynced: vec![],
            fuse,
            dark: false,
            lies: false,
        }))
    }

    /// A disk that says it synced and did not: to see that the tests would notice.
    pub fn lying(image: Vec<u8>, fuse: u64) -> Self {
        let disk = Self::new(image, fuse);
        disk.0.lock().lies = true;
        disk
    }

    pub fn cut(&self) {
        self.0.lock().dark = true;
    }

    /// What is found on the disk when the power is back.
    pub fn image_after_cut(&self, rng: &Rng) -> Vec<u8> {
        let state = self.0.lock();
        let mut image = state.synced.clone();
        // The file's length goes through its own journal: some resizes made it, in order.
        let resizes = state.unsynced.iter().filter_map(|c| match c {
            Change::Resize(len) => Some(*len),
            Change::Write { .. } => None,
        });
        let resizes: Vec<usize> = resizes.collect();
        let survived = rng.below(resizes.len() as u64 + 1) as usize;
        let len = resizes[..survived].last().copied().unwrap_or(image.len());
        for resize in &resizes[..survived] {
            image.resize(*resize, 0);
        }
        let style = rng.below(4);
        for change in &state.unsynced {
            let Change::Write { offset, data } = change else {
                continue;
            };
            for (i, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                let at = offset + i * SECTOR_BYTES;
                let kept = match style {
                    0 => false,
                    1 => true,
                    2 => rng.below(2) == 0,
                    _ => rng.below(10) > 0,
                };
                if kept && at + sector.len() <= len {
                    image[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        image
    }
}

impl State {
    /// True when this very operation is the one the power fails in.
    fn burn(&mut self) -> io::Result<bool> {
        if self.dark {
            return Err(io::Error::other("the power is cut"));
        }
        self.fuse -= 1;
        self.dark = self.fuse == 0;
        Ok(self.dark)
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Resize(len) => self.synced.resize(len, 0),
                Change::Write { offset, data } => {
                    self.synced[offset..offset + data.len()].copy_from_slice(&data);
                }
            }
        }
    }
}

impl StorageBackend for PowerDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        let from = offset as usize;
        match state.cached.get(from..from + out.len()) {
            Some(data) if !state.dark => out.copy_from_slice(data),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let cut = state.burn()?;
        state.cached.resize(len as usize, 0);
        state.unsynced.push(Change::Resize(len as usize));
        if cut {
            Err(io::Error::other("the power is cut"))
        } else {
            Ok(())
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.burn()? {
            return Err(io::Error::other("the power is cut"));
        }
        if !state.lies {
            state.sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let cut = state.burn()?;
        let offset = offset as usize;
        state.cached[offset..offset + data.len()].copy_from_slice(data);
        state.unsynced.push(Change::Write {
            offset,
            data: data.to_vec(),
        });
        if cut {
            Err(io::Error::other("the power is cut"))
        } else {
            Ok(())
        }
    }
}
