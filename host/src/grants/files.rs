//! `wasi:filesystem` on threads of the sandbox that calls it.
//!
//! Any call into a file system may block for ever, and Wasmtime runs these calls on threads
//! that all sandboxes share. Here each call runs on the sandbox's own threads
//! ([`crate::blocking`]). Opening a file that blocks by design (FIFO, socket, device) fails.

use std::fs::File;
use std::sync::Arc;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor as _, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsError, FsResult};

use super::file_streams::FileWriter;
use super::folders::Folder;
use super::state::State;
use crate::blocking::BlockingHandle;

/// The files of one sandbox.
pub(super) struct Files<'a>(pub(super) &'a mut State);

/// Gives the linker access to [`Files`].
pub(super) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let folders = Arc::clone(&self.0.folders.folders.0);
        let push = |folder: &Folder| {
            let descriptor = Descriptor::Dir(folder.open.clone());
            let path = folder.path().to_owned();
            Ok((self.0.resources.push(descriptor)?, path))
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
    pub(super) async fn threads(&mut self) -> FsResult<BlockingHandle> {
        self.0.blocking().await.map_err(FsError::trap)
    }

    pub(super) fn dir(&self, descriptor: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        match self.0.resources.get(descriptor)? {
            Descriptor::Dir(dir) => Ok(Arc::clone(&dir.dir)),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Moves the calls of Wasmtime's stream for a file to the sandbox's threads.
    pub(super) fn on_threads(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let threads = self.0.blocking_now().map_err(FsError::trap)?;
        let inner = self.0.resources.delete(stream)?;
        let stream: DynOutputStream = Box::new(FileWriter::new(inner, threads));
        Ok(self.0.resources.push(stream)?)
    }

    /// The file system that a folder lies on.
    pub(super) async fn device(
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
        let stat = join(asking.await)?.map_err(std::io::Error::from)?;
        Ok(stat.st_dev)
    }

    /// Refuses files that block by design. The opening reports any other error.
    pub(super) async fn check_type(
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

/// `path` without the slashes at its end.
pub(super) fn without_slashes(mut path: String) -> String {
    while path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    path
}

/// The folder that the last name of `path` is in.
pub(super) fn parent(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => folder.to_owned(),
        _ => ".".to_owned(),
    }
}

/// The result of a thread's call, or a trap if the call panicked.
pub(super) fn join<R>(result: Result<R, tokio::task::JoinError>) -> FsResult<R> {
    result.map_err(FsError::trap)
}
