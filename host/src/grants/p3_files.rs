//! `wasi:filesystem` of WASI 0.3 on threads of the sandbox that calls it.

use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as DescriptorOf2;
use wasmtime_wasi::p3::bindings::filesystem::preopens;
use wasmtime_wasi::p3::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    HostDescriptor, HostDescriptorWithStore, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use super::files::{Files, HasFiles, without_slashes};
use super::p3_streams::{FileReading, FileWriting, FolderReading, WritePosition};
use super::state::State;
use crate::blocking::BlockingHandle;
use crate::limits::LISTINGS;

type Inner = Accessor<State, WasiFilesystem>;
type Completion = FutureReader<Result<(), ErrorCode>>;

/// Wasmtime's implementation.
type Wasmtime = WasiFilesystem;

fn threads(store: &Accessor<State, HasFiles>) -> FilesystemResult<(BlockingHandle, Inner)> {
    let threads = store.with(|mut files| files.get().0.blocking_now());
    let threads = threads.map_err(FilesystemError::trap)?;
    Ok((threads, store.with_getter(|state| state.filesystem())))
}

/// Methods that Wasmtime implements, on the sandbox's threads.
macro_rules! on_threads {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {$(
        async fn $name(
            store: &Accessor<State, Self>,
            descriptor: Resource<Descriptor>,
            $($argument: $ty),*
        ) -> FilesystemResult<$result> {
            let (threads, inner) = threads(store)?;
            let call = <Wasmtime as HostDescriptorWithStore<State>>::$name(&inner, descriptor, $($argument),*);
            threads.run(call).await
        }
    )*};
}

impl HostDescriptorWithStore<State> for HasFiles {
    on_threads! {
        advise(offset: u64, length: u64, advice: Advice) -> ();
        sync_data() -> ();
        get_flags() -> DescriptorFlags;
        get_type() -> DescriptorType;
        set_size(size: u64) -> ();
        set_times(accessed: NewTimestamp, modified: NewTimestamp) -> ();
        sync() -> ();
        create_directory_at(path: String) -> ();
        stat() -> DescriptorStat;
        set_times_at(
            path_flags: PathFlags,
            path: String,
            accessed: NewTimestamp,
            modified: NewTimestamp
        ) -> ();
        link_at(
            path_flags: PathFlags,
            path: String,
            other: Resource<Descriptor>,
            other_path: String
        ) -> ();
        readlink_at(path: String) -> String;
        rename_at(path: String, other: Resource<Descriptor>, other_path: String) -> ();
        symlink_at(target: String, path: String) -> ();
        unlink_file_at(path: String) -> ();
        metadata_hash() -> MetadataHashValue;
        metadata_hash_at(path_flags: PathFlags, path: String) -> MetadataHashValue;
    }

    /// With a slash at its end, a path names the target of a link (POSIX 4.16).
    async fn stat_at(
        store: &Accessor<State, Self>,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FilesystemResult<DescriptorStat> {
        let (threads, inner) = threads(store)?;
        let path_flags = if path.ends_with('/') {
            path_flags | PathFlags::SYMLINK_FOLLOW
        } else {
            path_flags
        };
        threads
            .run(Wasmtime::stat_at(&inner, descriptor, path_flags, path))
            .await
    }

    /// A slash at the end of a folder's path has no meaning, but Wasmtime refuses it.
    async fn remove_directory_at(
        store: &Accessor<State, Self>,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FilesystemResult<()> {
        let (threads, inner) = threads(store)?;
        let path = without_slashes(path);
        threads
            .run(Wasmtime::remove_directory_at(&inner, descriptor, path))
            .await
    }

    async fn is_same_object(
        store: &Accessor<State, Self>,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let (threads, inner) = threads(store)?;
        threads
            .run(Wasmtime::is_same_object(&inner, one, other))
            .await
    }

    async fn open_at(
        store: &Accessor<State, Self>,
        descriptor: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FilesystemResult<Resource<Descriptor>> {
        let (threads, inner) = threads(store)?;
        // WASI has no code for too many open files.
        let permit = store.with(|mut files| files.get().descriptor_permit());
        let permit = permit.ok_or(ErrorCode::InsufficientMemory)?;
        let folder = Resource::new_borrow(descriptor.rep());
        let stat = Wasmtime::stat_at(&inner, folder, path_flags, path.clone());
        match threads.run(stat).await.map(|stat| stat.type_) {
            // The opening reports any error.
            Ok(
                DescriptorType::RegularFile
                | DescriptorType::Directory
                | DescriptorType::SymbolicLink,
            )
            | Err(_) => {}
            // These block by design.
            Ok(_) => return Err(ErrorCode::Unsupported.into()),
        }
        let opening = Wasmtime::open_at(&inner, descriptor, path_flags, path, open_flags, flags);
        let opened = threads.run(opening).await?;
        store.with(|mut files| files.get().0.open_files.insert(opened.rep(), permit));
        Ok(opened)
    }

    fn read_via_stream(
        mut store: Access<'_, State, Self>,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> wasmtime::Result<(StreamReader<u8>, Completion)> {
        let (sender, receiver) = oneshot::channel();
        let file = match store.get().0.resources.get(&descriptor)? {
            Descriptor::File(file) => Arc::clone(&file.file),
            Descriptor::Dir(_) => {
                drop(sender.send(Err(ErrorCode::IsDirectory)));
                let none = StreamReader::new(&mut store, std::iter::empty())?;
                return Ok((none, FutureReader::new(&mut store, receiver)?));
            }
        };
        let threads = store.get().0.blocking_now()?;
        let reading = FileReading::new(file, offset, threads, sender);
        let stream = StreamReader::new(&mut store, reading)?;
        Ok((stream, FutureReader::new(&mut store, receiver)?))
    }

    fn write_via_stream(
        store: Access<'_, State, Self>,
        descriptor: Resource<Descriptor>,
        data: StreamReader<u8>,
        offset: u64,
    ) -> wasmtime::Result<Completion> {
        write(store, &descriptor, data, WritePosition::At(offset))
    }

    fn append_via_stream(
        store: Access<'_, State, Self>,
        descriptor: Resource<Descriptor>,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Completion> {
        write(store, &descriptor, data, WritePosition::End)
    }

    fn read_directory(
        mut store: Access<'_, State, Self>,
        descriptor: Resource<Descriptor>,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Completion)> {
        let (sender, receiver) = oneshot::channel();
        let state = store.get().0;
        let folder = match state.resources.get(&descriptor)? {
            Descriptor::File(_) => Err(ErrorCode::NotDirectory),
            // One reference is the state's.
            Descriptor::Dir(_) if Arc::strong_count(&state.folder_streams) > LISTINGS => {
                Err(ErrorCode::InsufficientMemory)
            }
            Descriptor::Dir(folder) => Ok(Arc::clone(&folder.dir)),
        };
        let stream = match folder {
            Ok(folder) => {
                let (token, threads) = (Arc::clone(&state.folder_streams), state.blocking_now()?);
                // A descriptor of its own has a position of its own.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opening =
                    threads.spawn(move || rustix::fs::openat(&folder, c".", flags, Mode::empty()));
                let reading = FolderReading::new(opening, threads, sender, token);
                StreamReader::new(&mut store, reading)?
            }
            Err(code) => {
                drop(sender.send(Err(code)));
                StreamReader::new(&mut store, std::iter::empty())?
            }
        };
        Ok((stream, FutureReader::new(&mut store, receiver)?))
    }
}

fn write(
    mut store: Access<'_, State, HasFiles>,
    descriptor: &Resource<Descriptor>,
    mut data: StreamReader<u8>,
    position: WritePosition,
) -> wasmtime::Result<Completion> {
    let (sender, receiver) = oneshot::channel();
    let file = match store.get().0.resources.get(descriptor)? {
        Descriptor::Dir(_) => Err(ErrorCode::IsDirectory),
        Descriptor::File(file) if file.perms == FsPerms::ReadOnly => Err(ErrorCode::NotPermitted),
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
    };
    match file {
        Ok(file) => {
            let threads = store.get().0.blocking_now()?;
            let writing = FileWriting::new(file, position, threads, sender);
            data.pipe(&mut store, writing)?;
        }
        Err(code) => {
            data.close(&mut store)?;
            drop(sender.send(Err(code)));
        }
    }
    FutureReader::new(&mut store, receiver)
}

impl Files<'_> {
    /// A descriptor for one more open file, if there is one.
    fn descriptor_permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.0.open_files.len() >= self.0.files_max {
            return None;
        }
        Arc::clone(&self.0.engine.open_files)
            .try_acquire_owned()
            .ok()
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl HostDescriptor for Files<'_> {
    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        DescriptorOf2::drop(self, descriptor)
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        wasmtime_wasi::p2::bindings::filesystem::preopens::Host::get_directories(self)
    }
}
