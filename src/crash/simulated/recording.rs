//! A command that has run on a recorded disk: all that its crash states follow from. It can be
//! kept in a file, so that they can be looked at again.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::crash::simulated::claims::Acknowledged;
use crate::crash::simulated::oracle::Oracle;
use crate::crash::simulated::record::{Moment, Record};
use crate::crash::simulated::system::FileSystem;

/// What a file begins with.
const MAGIC: &[u8; 16] = b"mycp-crash rec 1";

/// A command that has run on a recorded disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recording {
    /// The file system that it ran on.
    pub system: FileSystem,
    /// Its mount options.
    pub mount_options: String,
    /// Whether the disk does what a flush asks for.
    pub is_honest: bool,
    /// When the command had ended.
    pub(crate) ended: Moment,
    pub(crate) oracle: Oracle,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// What the disk was asked to do, but for the bytes.
    pub(crate) record: Record,
}

impl Recording {
    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn save(&self, mut into: impl Write) -> io::Result<()> {
        let head = serde_json::to_vec(self)?;
        into.write_all(MAGIC)?;
        into.write_all(&(head.len() as u64).to_le_bytes())?;
        into.write_all(&head)?;
        self.record.write_bytes(&mut into)
    }

    /// Reads one that was saved.
    ///
    /// # Errors
    ///
    /// Those of reading; `InvalidData` for what is no recording, or is one in part.
    pub fn load(mut from: impl Read) -> io::Result<Self> {
        let mut start = [0; 24];
        from.read_exact(&mut start)?;
        let (magic, len) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no recording"));
        }
        let len = len.iter().rev().fold(0, |len, byte| len << 8 | u64::from(*byte));
        let mut recording: Self = serde_json::from_reader(from.by_ref().take(len))?;
        recording.record.read_bytes(&mut from)?;
        Ok(recording)
    }
}
