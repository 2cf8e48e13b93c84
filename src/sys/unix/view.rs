//! Views of files, and memory of no file.

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

use crate::sys::map::Access;

/// A range of a file, or memory, mapped until it is dropped.
pub(crate) type View = MmapRaw;

/// Whether a view may reach past the end of the file, where touching it is a fault.
pub(crate) const REACHES_PAST_END: bool = true;

/// Maps `len` bytes of a file from any offset on.
pub(crate) fn of_file(file: &File, offset: u64, len: usize, access: Access) -> io::Result<View> {
    let mut options = MmapOptions::new();
    options.offset(offset).len(len);
    match access {
        Access::Read => options.map_raw_read_only(file),
        Access::ReadWrite => options.map_raw(file),
        Access::CopyOnWrite => {
            // SAFETY: `map_copy` is unsafe because its result can be dereferenced while the
            // file changes; it becomes a bare pointer at once, and never is.
            let memory = unsafe { options.map_copy(file)? };
            Ok(memory.into())
        }
    }
}

/// Maps `len` bytes of zeros that belong to no file.
pub(crate) fn anonymous(len: usize) -> io::Result<View> {
    Ok(MmapOptions::new().len(len).map_anon()?.into())
}
