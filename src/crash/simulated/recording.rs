//! A command that has run on a recorded disk: all that its crash states follow from. It can be
//! kept in a file, so that they can be looked at again.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::crash::simulated::claims::Acknowledged;
use crate::crash::simulated::oracle::Oracle;
use crate::crash::simulated::outline::{Outline, write_bytes};
use crate::crash::simulated::record::{Moment, Record};
use crate::crash::simulated::system::FileSystem;

/// What a file begins with.
const MAGIC: &[u8; 16] = b"mycp-crash rec 2";

/// A command that has run on a recorded disk.
#[derive(Debug)]
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
    pub(crate) record: Record,
}

/// Why a recording cannot be read from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It begins with something else.
    #[error("it is no recording, or one of another version")]
    NoRecording,
    /// It is not as it was written.
    #[error("it is damaged")]
    Damaged,
    /// It is as it was written, and does not say what a recording says.
    #[error("it has not the form of a recording")]
    Form(#[from] serde_json::Error),
    /// It says what cannot be.
    #[error("it is no recording of a disk: {0}")]
    Impossible(String),
}

/// A recording but for the bytes.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    system: FileSystem,
    mount_options: Cow<'a, str>,
    is_honest: bool,
    ended: Moment,
    oracle: Cow<'a, Oracle>,
    acknowledged: Cow<'a, [Acknowledged]>,
    record: Outline,
}

impl Recording {
    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn save(&self, mut into: impl Write) -> io::Result<()> {
        let head = serde_json::to_vec(&Head {
            system: self.system,
            mount_options: Cow::Borrowed(&self.mount_options),
            is_honest: self.is_honest,
            ended: self.ended,
            oracle: Cow::Borrowed(&self.oracle),
            acknowledged: Cow::Borrowed(&self.acknowledged),
            record: Outline::of(&self.record),
        })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((head.len() as u64).to_le_bytes());
        bytes.extend(head);
        write_bytes(&self.record, &mut bytes)?;
        let hash = blake3::hash(&bytes);
        into.write_all(&bytes)?;
        into.write_all(hash.as_bytes())
    }

    /// Reads one that was saved. All of it is checked: whoever wrote the file may have put anything
    /// there, and its hash is no secret.
    ///
    /// # Errors
    ///
    /// Those of reading; what is no recording, or is not as it was written, or cannot be.
    pub fn load(mut from: impl Read) -> Result<Self, LoadError> {
        // Something else may be endless.
        let mut magic = Vec::new();
        from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            return Err(LoadError::NoRecording);
        }
        let mut rest = Vec::new();
        from.read_to_end(&mut rest)?;
        let damaged = || LoadError::Damaged;
        let (rest, hash) = rest.split_last_chunk::<{ blake3::OUT_LEN }>().ok_or_else(damaged)?;
        if blake3::Hasher::new().update(&magic).update(rest).finalize() != *hash {
            return Err(damaged());
        }
        let (len, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (head, mut bytes) = rest.split_at_checked(len).ok_or_else(damaged)?;
        let recording = Self::of(serde_json::from_slice(head)?, &mut bytes);
        recording.map_err(LoadError::Impossible)
    }

    fn of(head: Head<'_>, bytes: &mut &[u8]) -> Result<Self, String> {
        let record = head.record.read(bytes, head.is_honest)?;
        if !bytes.is_empty() {
            return Err(format!("{} bytes are written nowhere", bytes.len()));
        }
        if head.ended > record.end() {
            return Err("the command ends behind the end".to_owned());
        }
        let recording = Self {
            system: head.system,
            mount_options: head.mount_options.into_owned(),
            is_honest: head.is_honest,
            ended: head.ended,
            oracle: head.oracle.into_owned(),
            acknowledged: head.acknowledged.into_owned(),
            record,
        };
        recording.oracle.check()?;
        recording.acknowledged.iter().try_for_each(|it| recording.check_claim(it))?;
        Ok(recording)
    }

    /// Whether what was claimed is in a file that there is.
    fn check_claim(&self, Acknowledged { at, claim, .. }: &Acknowledged) -> Result<(), String> {
        let after = self.oracle.versions().1.objects.get(&claim.path);
        let len = after.map_or(0, |object| object.content.len);
        if *at > self.record.end() {
            return Err("a store is told of behind the end".to_owned());
        }
        match claim.start <= claim.end && claim.end <= len {
            true => Ok(()),
            false => Err(format!("there are no bytes {}..{} to store", claim.start, claim.end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::crash::simulated::image::Image;
    use crate::crash::simulated::observe::Observed;
    use crate::crash::simulated::promise::Temporaries;
    use crate::crash::simulated::record::Change;
    use crate::crash::simulated::stores::Claim;
    use crate::units::ByteRange;

    /// A write, a range of zeros and a flush; a file of 700 bytes, of which 600 were told of.
    fn recording() -> Recording {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), [7; 700]).unwrap();
        let after = Observed::version(directory.path()).unwrap();
        let attributes = after.objects[Path::new("file")].attributes.clone();
        let names = (Path::new("source"), Path::new("target"));
        let oracle = Oracle::new((after.clone(), after), names, Temporaries::Mycp);
        let mut base = Image::zeros(1 << 20);
        base.write(9000, b"before");
        let mut record = Record::new(base);
        let issued = record.issue();
        record.change(Change::Write { offset: 4096, data: [5; 1024].into() }, issued);
        let issued = record.issue();
        record.change(Change::Zero(ByteRange::between(8192, 12_288)), issued);
        let issued = record.issue();
        record.flush(issued);
        let at = record.mark();
        let flush = Some(Duration::from_millis(1));
        let claim = Claim { path: "file".into(), start: 0, end: 600, is_named: false, flush };
        Recording {
            system: FileSystem::Ext4,
            mount_options: "noatime".to_owned(),
            is_honest: true,
            ended: at,
            oracle,
            acknowledged: vec![Acknowledged { at, claim, attributes }],
            record,
        }
    }

    fn saved() -> Vec<u8> {
        let mut bytes = Vec::new();
        recording().save(&mut bytes).unwrap();
        bytes
    }

    /// The same with another head, or other bytes behind it, and the hash that belongs to them.
    fn changed(change: impl FnOnce(&mut Value, &mut Vec<u8>)) -> Vec<u8> {
        let saved = saved();
        let (len, rest) = saved[MAGIC.len()..].split_first_chunk().unwrap();
        let (head, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*len)).unwrap());
        let mut head: Value = serde_json::from_slice(head).unwrap();
        let mut rest = rest[..rest.len() - blake3::OUT_LEN].to_vec();
        change(&mut head, &mut rest);
        let head = serde_json::to_vec(&head).unwrap();
        let len = (head.len() as u64).to_le_bytes();
        let mut bytes = [MAGIC.as_slice(), &len, &head, &rest].concat();
        bytes.extend(*blake3::hash(&bytes).as_bytes());
        bytes
    }

    #[test]
    fn what_was_saved_is_loaded() {
        for bytes in [saved(), changed(|_, _| ())] {
            let loaded = Recording::load(bytes.as_slice()).unwrap();
            let crashes = |recording: &Recording| -> Vec<_> {
                let crashes = recording.record.crashes(recording.is_honest).into_iter();
                crashes.map(|(at, it)| (at, it.durable.digest(), it.pending.len())).collect()
            };
            let expected = recording();
            assert_eq!(crashes(&loaded), crashes(&expected));
            assert_eq!((loaded.ended, &*loaded.mount_options), (expected.ended, "noatime"));
        }
        let saved = saved();
        let mut again = Vec::new();
        Recording::load(saved.as_slice()).unwrap().save(&mut again).unwrap();
        assert!(again == saved);
    }

    #[test]
    fn what_is_cut_or_changed_is_damaged() {
        let saved = saved();
        for len in 0..saved.len() {
            let error = Recording::load(&saved[..len]).unwrap_err();
            assert_eq!(matches!(error, LoadError::NoRecording), len < MAGIC.len(), "{error:?}");
            assert!(len < MAGIC.len() || matches!(error, LoadError::Damaged), "{error:?}");
        }
        for at in (MAGIC.len()..saved.len()).step_by(97) {
            let mut bytes = saved.clone();
            bytes[at] ^= 4;
            assert!(matches!(Recording::load(bytes.as_slice()), Err(LoadError::Damaged)), "{at}");
        }
    }

    /// The hash is right: whoever wrote it can hash, too.
    #[test]
    fn what_cannot_be_is_refused_without_taking_memory() {
        let write = "/record/entries/0/event/write";
        let zero = "/record/entries/1/event/zero";
        let huge = json!(u64::MAX);
        let almost = json!(u64::MAX - 1000);
        for (at, value) in [
            ("/record/base", json!(1_u64 << 40)),
            ("/record/base", huge.clone()),
            ("/record/base", json!(4096)),
            ("/record/clock", json!(2)),
            ("/record/entries/0/issued", huge.clone()),
            ("/record/entries/0/completed", huge.clone()),
            ("/record/entries/1/issued", json!(3)),
            ("/record/entries/1/completed", json!(1)),
            ("/record/entries/3/completed", huge.clone()),
            ("/record/entries/0/done/secs", huge.clone()),
            (&format!("{write}/offset"), almost.clone()),
            (&format!("{write}/offset"), json!(1 << 20)),
            (&format!("{write}/len"), huge.clone()),
            (&format!("{write}/len"), almost.clone()),
            (&format!("{write}/len"), json!(0)),
            (&format!("{write}/len"), json!(1 << 19)),
            (&format!("{zero}/end"), huge.clone()),
            (&format!("{zero}/start"), huge.clone()),
            (&format!("{zero}/start"), json!(12_288)),
            ("/ended", huge.clone()),
            ("/acknowledged/0/at", huge.clone()),
            ("/acknowledged/0/claim/end", huge.clone()),
            ("/acknowledged/0/claim/end", json!(701)),
            ("/acknowledged/0/claim/start", json!(601)),
            ("/acknowledged/0/claim/path", json!("none")),
            ("/oracle/after/objects/1/1/content/len", huge),
            ("/oracle/before/objects/1/1/content/sectors", json!([])),
            ("/oracle/before/objects/0/1/content/sectors", json!([1, 2])),
        ] {
            let bytes = changed(|head, _| *head.pointer_mut(at).expect(at) = value.clone());
            let error = Recording::load(bytes.as_slice()).expect_err(at);
            assert!(matches!(error, LoadError::Impossible(_)), "{at} {value}: {error:?}");
        }
        for (at, value) in [("/record/entries/0/event", json!("burn")), ("/system", json!("fat"))] {
            let bytes = changed(|head, _| *head.pointer_mut(at).unwrap() = value);
            assert!(matches!(Recording::load(bytes.as_slice()), Err(LoadError::Form(_))), "{at}");
        }
    }

    #[test]
    fn bytes_that_are_missing_or_too_many_are_refused() {
        type Change = fn(&mut Vec<u8>);
        let changes: [Change; 4] = [
            |bytes| bytes.push(0),
            |bytes| bytes.truncate(bytes.len() - 1),
            // More pages than there are, and one behind the end.
            |bytes| bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes()),
            |bytes| bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes()),
        ];
        for change in changes {
            let bytes = changed(|_, rest| change(rest));
            let error = Recording::load(bytes.as_slice()).unwrap_err();
            assert!(matches!(error, LoadError::Impossible(_)), "{error:?}");
        }
    }

    /// Each crash point would have all of them in memory.
    #[test]
    fn more_pending_changes_than_memory_holds_are_refused() {
        let bytes = changed(|head, rest| {
            let entry = |number: u64| {
                let zero = json!({ "zero": { "start": 0, "end": 512 } });
                let event = if number.is_multiple_of(2) { zero } else { json!("mark") };
                let done = json!({ "secs": 0, "nanos": 0 });
                let (issued, completed) = (2 * number, 2 * number + 1);
                json!({ "event": event, "issued": issued, "completed": completed, "done": done })
            };
            head["record"]["entries"] = (0..12_000).map(entry).collect();
            head["record"]["clock"] = json!(24_000);
            rest.truncate(16 + 4096);
        });
        let error = Recording::load(bytes.as_slice()).unwrap_err();
        assert!(error.to_string().contains("pending changes are too many"), "{error}");
    }

    /// As a device without an end.
    #[test]
    fn no_more_is_read_of_what_is_no_recording() {
        let endless = io::repeat(b'x');
        assert!(matches!(Recording::load(endless), Err(LoadError::NoRecording)));
    }
}
