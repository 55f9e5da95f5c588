//! The methods of descriptors in `wasi:filesystem`.

use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::file_streams::FileReader;
use super::files::{Files, join, parent, without_slashes};
use super::listing::{Listing, ListingHandle};
use crate::limits::LISTINGS;

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

    /// With a slash at its end, a path names the target of a link (POSIX 4.16).
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

    /// A slash at the end of a folder's path has no meaning, but Wasmtime refuses it.
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
        // WASI has no code for too many open files.
        if self.0.open_files.len() >= self.0.files_max {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let Ok(permit) = Arc::clone(&self.0.engine.open_files).try_acquire_owned() else {
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
        let folder = join(opening.await)?.map_err(std::io::Error::from)?;
        let listing = self.0.resources.push(Listing::new(folder.into()))?;
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
        let stream: DynInputStream = Box::new(FileReader::new(inner, threads));
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
