//! Listings of folders: a sandbox reads the entries as it asks for them, not all at once.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, RawDir};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorType, DirectoryEntry, ErrorCode, HostDirectoryEntryStream,
};

use super::files::{Files, join};
use crate::limits::LISTING_BYTES;

/// The type of a [`Listing`] in the bindings. Only its index is used.
pub(super) type ListingHandle = Resource<types::DirectoryEntryStream>;

/// A folder whose entries are being read.
pub(super) struct Listing {
    folder: Arc<File>,
    /// Entries that were read and that the guest has not asked for yet.
    entries: VecDeque<Result<DirectoryEntry, ErrorCode>>,
}

impl Listing {
    /// A listing from the first entry of `folder` on.
    pub(super) fn new(folder: File) -> Self {
        Self {
            folder: Arc::new(folder),
            entries: VecDeque::new(),
        }
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
            let entries = join(reading.await)??;
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

/// The next entries of a folder, without `.` and `..`, or none after the last.
pub(super) fn read_entries(
    folder: &File,
) -> io::Result<VecDeque<Result<DirectoryEntry, ErrorCode>>> {
    let mut entries = VecDeque::new();
    // A buffer that has only those two is followed by another.
    loop {
        let mut buffer = [const { MaybeUninit::uninit() }; LISTING_BYTES];
        let mut read = RawDir::new(folder, &mut buffer);
        let mut any = false;
        // With an empty buffer it would read ahead. The next call does that.
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
fn file_type(folder: &File, name: &CStr) -> FileType {
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
