//! Layers as a registry takes them: compressed, always to the same bytes, so that what was sent once is known again.

use super::manifest::{Blob, Manifest};
use super::place::Digest;
use super::saved::{Layer, Piece, Saved, SavedError};
use super::upload::Source;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tempfile::NamedTempFile;

/// As Docker compresses layers: what takes longer saves little more.
const LEVEL: u32 = 6;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Where compressed layers are kept until they are pushed. Its clones are one: what one of them breaks off is broken off for
/// all.
#[derive(Clone, Debug)]
pub struct Squeezer {
    /// Files are named by the digests of their bytes; those that are not whole yet, with a dot in front.
    folder: PathBuf,
    broken_off: Arc<Mutex<bool>>,
}

/// An image ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// The manifest.
    pub manifest: Manifest,
    /// The bytes of what has to be sent; the registry has the rest.
    pub sources: HashMap<Digest, Source>,
    /// Which blob each layer became, by the digest of its uncompressed bytes.
    pub layers: BTreeMap<Digest, Blob>,
}

impl Squeezer {
    /// One that keeps its files in this folder, which is there. What an earlier one did not make whole is forgotten.
    pub fn new(folder: PathBuf) -> Self {
        let squeezer = Self { folder, broken_off: Arc::default() };
        squeezer.forget_unfinished();
        squeezer
    }

    /// Forgets what is not made whole, and begins no file any more. The threads that read exports and compress layers are
    /// told by that: nothing else stops them.
    pub fn break_off(&self) {
        let mut broken_off = self.broken_off.lock().unwrap_or_else(PoisonError::into_inner);
        *broken_off = true;
        self.forget_unfinished();
    }

    /// A file that is not whole yet.
    pub(super) fn begin(&self) -> io::Result<NamedTempFile> {
        let broken_off = self.broken_off.lock().unwrap_or_else(PoisonError::into_inner);
        if *broken_off {
            return Err(io::Error::other("the push was broken off"));
        }
        NamedTempFile::new_in(&self.folder)
    }

    /// Makes blobs of an image's layers; those in `known` are with the registry already and only named.
    pub fn prepare(&self, saved: &Saved, known: &BTreeMap<Digest, Blob>) -> Result<Prepared, SavedError> {
        let wanted: Vec<&Layer> = saved.layers.iter().filter(|layer| !known.contains_key(&layer.diff)).collect();
        let (next, made) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let workers = thread::available_parallelism().map_or(1, usize::from).min(wanted.len());
        let work = || -> Result<(), SavedError> {
            while let Some(layer) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let piece = saved.pieces.get(&layer.file).ok_or_else(|| missing(layer))?;
                let blob = self.squeeze(layer, piece)?;
                made.lock().unwrap_or_else(PoisonError::into_inner).push((layer.diff.clone(), blob));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(SavedError::Broken("a layer could not be compressed".into())))
            })
        })?;
        let mut layers = known.clone();
        let mut sources = HashMap::new();
        for (diff, blob) in made.into_inner().unwrap_or_else(PoisonError::into_inner) {
            sources.insert(blob.digest.clone(), Source::File(self.path(&blob.digest)));
            layers.insert(diff, blob);
        }
        let config = Blob { digest: saved.digest(), size: saved.config.len() as u64 };
        // Kept like the layers: a push that is cut off needs no export to go on.
        let (path, writing) = (self.path(&config.digest), io("keeping the image's config"));
        let mut file = self.begin().map_err(&writing)?;
        file.write_all(&saved.config).map_err(&writing)?;
        file.persist(path).map_err(|error| writing(error.error))?;
        sources.insert(config.digest.clone(), Source::Bytes(Bytes::copy_from_slice(&saved.config)));
        let blobs = saved.layers.iter().map(|layer| layers.get(&layer.diff).cloned().ok_or_else(|| missing(layer)));
        let manifest = Manifest { config, layers: blobs.collect::<Result<_, _>>()? };
        layers.retain(|diff, _| saved.layers.iter().any(|layer| layer.diff == *diff));
        Ok(Prepared { manifest, sources, layers })
    }

    /// Where a blob of this digest is kept.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    fn squeeze(&self, layer: &Layer, piece: &Piece) -> Result<Blob, SavedError> {
        let (reading, writing) = (io("reading a layer"), io("keeping a compressed layer"));
        let mut start = [0; 4];
        let mut reader = piece.reader().map_err(&reading)?;
        let count = read_start(&mut reader, &mut start).map_err(&reading)?;
        if count >= 4 && start == ZSTD {
            return Err(SavedError::Zstd);
        }
        let compressed = count >= 2 && start[..2] == GZIP;
        let mut file = self.begin().map_err(&writing)?;
        let mut out = Hashing { inner: file.as_file_mut(), hash: Sha256::new(), size: 0 };
        let reader = piece.reader().map_err(&reading)?;
        let diff = if compressed {
            // It is sent as it is; what is in it is looked at all the same.
            let mut copied = Copying { inner: reader, copy: &mut out };
            let mut inside = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, &mut copied));
            let diff = digest_of(&mut inside).map_err(&reading)?;
            io::copy(&mut copied, &mut io::sink()).map_err(&reading)?;
            diff
        } else {
            // No name, no time, no system: the same layer is the same blob wherever and whenever it is made.
            let builder = GzBuilder::new().mtime(0).operating_system(255);
            let mut squeezed = builder.write(&mut out, Compression::new(LEVEL));
            let mut reader = BufReader::with_capacity(1 << 18, reader);
            io::copy(&mut reader, &mut squeezed).map_err(&writing)?;
            squeezed.finish().map_err(&writing)?;
            piece.digest.clone()
        };
        if diff != layer.diff {
            return Err(SavedError::Broken(format!("layer {} holds {diff}", layer.diff)));
        }
        let blob = Blob { size: out.size, digest: Digest::finish(out.hash) };
        file.persist(self.path(&blob.digest)).map_err(|error| writing(error.error))?;
        Ok(blob)
    }

    /// Forgets all blobs that were kept.
    pub fn clear(&self) {
        self.forget(|_| true);
    }

    fn forget_unfinished(&self) {
        self.forget(|name| name.starts_with('.'));
    }

    fn forget(&self, which: impl Fn(&str) -> bool) {
        // What stays costs room, and goes with the next push.
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.filter_map(Result::ok).filter(|entry| which(&entry.file_name().to_string_lossy())) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn missing(layer: &Layer) -> SavedError {
    SavedError::Broken(format!("layer {} is missing", layer.diff))
}

fn io(doing: &'static str) -> impl Fn(io::Error) -> SavedError {
    move |source| SavedError::Io { doing, source }
}

fn read_start(reader: &mut impl Read, start: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < start.len() {
        match reader.read(&mut start[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

fn digest_of(reader: &mut impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::finish(hash)),
            count => hash.update(&buffer[..count]),
        }
    }
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Copying<R, W> {
    inner: R,
    copy: W,
}

impl<R: Read, W: Write> Read for Copying<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.copy.write_all(&buffer[..count])?;
        Ok(count)
    }
}
