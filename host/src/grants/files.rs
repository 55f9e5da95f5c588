//! `wasi:filesystem` on threads of the sandbox that calls it.
//!
//! Any call into a file system may block for ever, and Wasmtime runs them on the threads
//! that all sandboxes share. Here each runs on the sandbox's own
//! ([`crate::blocking`]). What can block by design (FIFOs, sockets, devices) is refused
//! when it is opened. A folder's entries are read as they are asked for, not all at once.

use std::collections::VecDeque;
use std::fs::File;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptor,
    HostDirectoryEntryStream, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, InputStream, OutputStream, Pollable,
    StreamResult,
};
use wasmtime_wasi::{FsPerms, OpenMode, async_trait};

use super::state::State;
use super::{ComponentError, grants};
use crate::blocking::BlockingHandle;
use crate::limits::{LISTING_BYTES, LISTINGS, STREAM_BYTES_MIN};

/// The granted folders of a component, opened once for all of its sandboxes.
#[derive(Clone, Default)]
pub(crate) struct Folders(Arc<[(Dir, String)]>);

impl Folders {
    /// Opens `dirs`, within `patience`: a mount may never answer.
    pub(super) async fn open(
        dirs: &[grants::Dir],
        patience: Duration,
    ) -> Result<Self, ComponentError> {
        let mut folders = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let host = dir.host.clone();
            let opening = tokio::task::spawn_blocking(move || open_folder(&host));
            let opened = match tokio::time::timeout(patience, opening).await {
                Ok(Ok(opened)) => opened.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {patience:?}")),
            };
            let file = opened.map_err(|reason| ComponentError::Dir {
                path: dir.host.clone(),
                reason,
            })?;
            let (permissions, mode) = if dir.writable {
                (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
            } else {
                (FsPerms::ReadOnly, OpenMode::READ)
            };
            let folder = Dir::new(file, permissions, mode, false);
            folders.push((folder, dir.guest.clone()));
        }
        Ok(Self(folders.into()))
    }
}

fn open_folder(path: &std::path::Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The files of one sandbox.
pub(super) struct Files<'a>(pub(super) &'a mut State);

/// Where the linker finds them.
pub(super) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

/// The type that the bindings have for a [`Listing`]. Only its index is used.
type ListingHandle = Resource<types::DirectoryEntryStream>;

/// A folder whose entries are being read.
struct Listing {
    folder: Arc<File>,
    /// Entries that were read and that the guest has not asked for yet.
    entries: VecDeque<Result<DirectoryEntry, ErrorCode>>,
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let folders = Arc::clone(&self.0.folders.0);
        let push = |(folder, name): &(Dir, String)| {
            let descriptor = Descriptor::Dir(folder.clone());
            Ok((self.0.resources.push(descriptor)?, name.clone()))
        };
        folders.iter().map(push).collect()
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.0.filesystem().convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.0.filesystem().filesystem_error_code(error)
    }
}

impl Files<'_> {
    async fn threads(&mut self) -> FsResult<BlockingHandle> {
        self.0.blocking().await.map_err(FsError::trap)
    }

    fn dir(&self, descriptor: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        match self.0.resources.get(descriptor)? {
            Descriptor::Dir(dir) => Ok(Arc::clone(&dir.dir)),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Has the calls of a stream that Wasmtime made for a file run on the sandbox's threads.
    fn on_threads(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let threads = self.0.blocking_now().map_err(FsError::trap)?;
        let inner = self.0.resources.delete(stream)?;
        let stream: DynOutputStream = Box::new(FileWriter { inner, threads });
        Ok(self.0.resources.push(stream)?)
    }

    /// The file system that a folder lies on.
    async fn device(
        &mut self,
        threads: &BlockingHandle,
        (descriptor, path): (Resource<Descriptor>, String),
    ) -> FsResult<u64> {
        let mut files = self.0.filesystem();
        let opening = files.open_at(
            descriptor,
            PathFlags::SYMLINK_FOLLOW,
            path,
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ,
        );
        let opened = threads.run(opening).await?;
        let folder = self.dir(&opened);
        self.0.resources.delete(opened)?;
        let folder = folder?;
        let asking = threads.spawn(move || rustix::fs::fstat(&folder));
        let stat = joined(asking.await)?.map_err(std::io::Error::from)?;
        Ok(stat.st_dev)
    }

    /// Refuses what blocks by design. What cannot be asked is left to the opening.
    async fn check_type(
        &mut self,
        threads: &BlockingHandle,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<()> {
        let mut files = self.0.filesystem();
        let stat = threads.run(files.stat_at(descriptor, path_flags, path));
        match stat.await.map(|stat| stat.type_) {
            Ok(
                DescriptorType::RegularFile
                | DescriptorType::Directory
                | DescriptorType::SymbolicLink,
            )
            | Err(_) => Ok(()),
            Ok(_) => Err(ErrorCode::Unsupported.into()),
        }
    }
}

/// Methods that Wasmtime implements, on the sandbox's threads.
macro_rules! on_threads {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {$(
        async fn $name(
            &mut self,
            descriptor: Resource<Descriptor>,
            $($argument: $ty),*
        ) -> FsResult<$result> {
            let threads = self.threads().await?;
            let mut files = self.0.filesystem();
            threads.run(files.$name(descriptor, $($argument),*)).await
        }
    )*};
}

impl HostDescriptor for Files<'_> {
    on_threads! {
        advise(offset: u64, len: u64, advice: types::Advice) -> ();
        sync_data() -> ();
        get_flags() -> DescriptorFlags;
        get_type() -> DescriptorType;
        set_size(size: u64) -> ();
        set_times(accessed: types::NewTimestamp, modified: types::NewTimestamp) -> ();
        read(len: u64, offset: u64) -> (Vec<u8>, bool);
        write(bytes: Vec<u8>, offset: u64) -> u64;
        sync() -> ();
        create_directory_at(path: String) -> ();
        stat() -> types::DescriptorStat;
        set_times_at(
            path_flags: PathFlags,
            path: String,
            accessed: types::NewTimestamp,
            modified: types::NewTimestamp
        ) -> ();
        link_at(
            path_flags: PathFlags,
            path: String,
            other: Resource<Descriptor>,
            other_path: String
        ) -> ();
        readlink_at(path: String) -> String;
        symlink_at(target: String, path: String) -> ();
        unlink_file_at(path: String) -> ();
        metadata_hash() -> types::MetadataHashValue;
        metadata_hash_at(path_flags: PathFlags, path: String) -> types::MetadataHashValue;
    }

    /// With a slash at its end, a path names what a link leads to (POSIX 4.16).
    async fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        let threads = self.threads().await?;
        let path_flags = if path.ends_with('/') {
            path_flags | PathFlags::SYMLINK_FOLLOW
        } else {
            path_flags
        };
        let mut files = self.0.filesystem();
        threads
            .run(files.stat_at(descriptor, path_flags, path))
            .await
    }

    /// A slash at the end of a folder's path says nothing more; Wasmtime refuses it.
    async fn remove_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let threads = self.threads().await?;
        let path = without_slashes(path);
        let mut files = self.0.filesystem();
        threads
            .run(files.remove_directory_at(descriptor, path))
            .await
    }

    /// Wasmtime reports a rename between two file systems as a failure of the device.
    async fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
        other: Resource<Descriptor>,
        other_path: String,
    ) -> FsResult<()> {
        let threads = self.threads().await?;
        let from = (Resource::new_borrow(descriptor.rep()), parent(&path));
        let to = (Resource::new_borrow(other.rep()), parent(&other_path));
        let mut files = self.0.filesystem();
        let renaming = files.rename_at(descriptor, path, other, other_path);
        let Err(error) = threads.run(renaming).await else {
            return Ok(());
        };
        match error.downcast().map_err(FsError::trap)? {
            ErrorCode::Io
                if self.device(&threads, from).await? != self.device(&threads, to).await? =>
            {
                Err(ErrorCode::CrossDevice.into())
            }
            code => Err(code.into()),
        }
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let threads = self.0.blocking().await?;
        let mut files = self.0.filesystem();
        threads.run(files.is_same_object(one, other)).await
    }

    async fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        // WASI has no code for files that are too many.
        if self.0.open_files.len() as u64 >= self.0.files_max {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let Ok(permit) = Arc::clone(&self.0.descriptors).try_acquire_owned() else {
            return Err(ErrorCode::InsufficientMemory.into());
        };
        let threads = self.threads().await?;
        let folder = Resource::new_borrow(descriptor.rep());
        self.check_type(&threads, folder, path_flags, path.clone())
            .await?;
        let mut files = self.0.filesystem();
        let opening = files.open_at(descriptor, path_flags, path, open_flags, flags);
        let opened = threads.run(opening).await?;
        self.0.open_files.insert(opened.rep(), permit);
        Ok(opened)
    }

    /// Closing a file waits for its file system, too, so that happens on the threads.
    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        let permit = self.0.open_files.remove(&descriptor.rep());
        let descriptor = self.0.resources.delete(descriptor)?;
        if matches!(descriptor, Descriptor::File(_)) {
            let threads = self.0.blocking_now()?;
            threads.spawn(move || drop((descriptor, permit)));
        }
        Ok(())
    }

    async fn read_directory(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<ListingHandle> {
        let dir = self.dir(&descriptor)?;
        if self.0.listings >= LISTINGS {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        // A descriptor of its own has a position of its own.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let threads = self.threads().await?;
        let opening = threads.spawn(move || rustix::fs::openat(&dir, c".", flags, Mode::empty()));
        let folder = joined(opening.await)?.map_err(std::io::Error::from)?;
        let listing = self.0.resources.push(Listing {
            folder: Arc::new(folder.into()),
            entries: VecDeque::new(),
        })?;
        self.0.listings += 1;
        Ok(Resource::new_own(listing.rep()))
    }

    fn read_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let threads = self.0.blocking_now().map_err(FsError::trap)?;
        let stream = self.0.filesystem().read_via_stream(descriptor, offset)?;
        let inner = self.0.resources.delete(stream)?;
        let stream: DynInputStream = Box::new(FileReader {
            inner,
            threads,
            reading: false,
            rest: Bytes::new(),
        });
        Ok(self.0.resources.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.0.filesystem().write_via_stream(descriptor, offset)?;
        self.on_threads(stream)
    }

    fn append_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.0.filesystem().append_via_stream(descriptor)?;
        self.on_threads(stream)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        listing: ListingHandle,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(listing.rep());
        if self.0.resources.get(&listing)?.entries.is_empty() {
            let folder = Arc::clone(&self.0.resources.get(&listing)?.folder);
            let threads = self.threads().await?;
            let reading = threads.spawn(move || read_entries(&folder));
            let entries = joined(reading.await)??;
            self.0.resources.get_mut(&listing)?.entries = entries;
        }
        let entry = self.0.resources.get_mut(&listing)?.entries.pop_front();
        Ok(entry.transpose()?)
    }

    fn drop(&mut self, listing: ListingHandle) -> wasmtime::Result<()> {
        let listing = Resource::<Listing>::new_own(listing.rep());
        self.0.resources.delete(listing)?;
        self.0.listings -= 1;
        Ok(())
    }
}

/// `path` without the slashes at its end.
fn without_slashes(mut path: String) -> String {
    while path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    path
}

/// The folder that the last name of `path` is in.
fn parent(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => folder.to_owned(),
        _ => ".".to_owned(),
    }
}

/// The result of a thread's call, or a trap where the call panicked.
fn joined<R>(joined: Result<R, tokio::task::JoinError>) -> FsResult<R> {
    joined.map_err(FsError::trap)
}

/// The next entries of a folder, without `.` and `..`, or none after the last.
fn read_entries(folder: &File) -> std::io::Result<VecDeque<Result<DirectoryEntry, ErrorCode>>> {
    let mut entries = VecDeque::new();
    // A buffer that has only those two is followed by another.
    loop {
        let mut buffer = [const { MaybeUninit::uninit() }; LISTING_BYTES];
        let mut read = RawDir::new(folder, &mut buffer);
        let mut any = false;
        // It reads ahead once its buffer is empty, which is left to the next call.
        while let Some(entry) = read.next() {
            let entry = entry?;
            any = true;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let type_ = match entry.file_type() {
                    FileType::Unknown => file_type(folder, name),
                    known => known,
                };
                entries.push_back(match name.to_str() {
                    Ok(name) => Ok(DirectoryEntry {
                        type_: descriptor_type(type_),
                        name: name.to_owned(),
                    }),
                    Err(_) => Err(ErrorCode::IllegalByteSequence),
                });
            }
            if read.is_buffer_empty() {
                break;
            }
        }
        if !any || !entries.is_empty() {
            return Ok(entries);
        }
    }
}

/// The type of an entry where the file system does not name it with the entry.
fn file_type(folder: &File, name: &std::ffi::CStr) -> FileType {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::Unknown, |stat| {
        FileType::from_raw_mode(stat.st_mode)
    })
}

const fn descriptor_type(file_type: FileType) -> DescriptorType {
    match file_type {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// Reads a file on the sandbox's threads. Wasmtime's stream holds what was read ahead; here
/// that is known, so that it can be bounded.
struct FileReader {
    inner: DynInputStream,
    threads: BlockingHandle,
    /// Whether `inner` reads, or has read.
    reading: bool,
    /// Bytes that were read and that the guest has not taken yet.
    rest: Bytes,
}

#[async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {
        if !self.rest.is_empty() {
            return;
        }
        if !self.reading {
            // Left to itself, it would read 4 KiB ahead.
            match self.read(STREAM_BYTES_MIN) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    self.rest = bytes;
                    return;
                }
                Err(_) => return,
            }
        }
        self.threads.run(self.inner.ready()).await;
    }
}

#[async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.rest.is_empty() {
            // All that a read brought, so that none of it is left there.
            let size = if self.reading { usize::MAX } else { size };
            let read = self.threads.enter(|| self.inner.read(size));
            self.reading = matches!(&read, Ok(bytes) if bytes.is_empty()) && size > 0;
            self.rest = read?;
        }
        Ok(self.rest.split_to(size.min(self.rest.len())))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.reading {
            self.ready().await;
        }
        if self.reading || !self.rest.is_empty() {
            return self.read(size);
        }
        self.threads.run(self.inner.blocking_read(size)).await
    }

    async fn cancel(&mut self) {
        self.threads.run(self.inner.cancel()).await;
    }
}

/// Writes a file on the sandbox's threads.
struct FileWriter {
    inner: DynOutputStream,
    threads: BlockingHandle,
}

#[async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {
        self.threads.run(self.inner.ready()).await;
    }
}

#[async_trait]
impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.threads.enter(|| self.inner.write(bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.threads
            .run(self.inner.blocking_write_and_flush(bytes))
            .await
    }

    async fn cancel(&mut self) {
        self.threads.run(self.inner.cancel()).await;
    }
}
