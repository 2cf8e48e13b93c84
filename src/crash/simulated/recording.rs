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
        let mut bytes = MAGIC.to_vec();
        bytes.extend((head.len() as u64).to_le_bytes());
        bytes.extend(head);
        self.record.write_bytes(&mut bytes)?;
        let hash = blake3::hash(&bytes);
        into.write_all(&bytes)?;
        into.write_all(hash.as_bytes())
    }

    /// Reads one that was saved.
    ///
    /// # Errors
    ///
    /// Those of reading; `InvalidData` for what is no recording, or is not as it was written.
    pub fn load(mut from: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| invalid("it is no recording"))?;
        let damaged = || invalid("it is damaged");
        let (_, hash) = rest.split_last_chunk::<{ blake3::OUT_LEN }>().ok_or_else(damaged)?;
        if blake3::hash(&bytes[..bytes.len() - blake3::OUT_LEN]) != *hash {
            return Err(damaged());
        }
        let (len, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (head, mut rest) = rest.split_at_checked(len).ok_or_else(damaged)?;
        let mut recording: Self = serde_json::from_slice(head)?;
        recording.record.read_bytes(&mut rest)?;
        Ok(recording)
    }
}
