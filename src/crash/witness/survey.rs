//! What is in the directory of a run, against what the run claimed.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::sys::file::read_at;

use super::history::{History, PageClaims};
use super::judge::Tally;
use super::mode::Mode;
use super::page::{Content, PAGE_BYTES, Sectors, Slot};
use super::store::{name_of, path_of};

/// Reads every page that was acknowledged, and judges it: a tally for each mode of the run.
pub(crate) fn survey(directory: &Path, history: &History) -> Vec<Tally> {
    let modes = history.layout().modes.iter();
    modes.map(|mode| survey_mode(directory, history, *mode)).collect()
}

fn survey_mode(directory: &Path, history: &History, mode: Mode) -> Tally {
    let mut tally = Tally::new(mode);
    let path = path_of(directory, mode);
    let run = history.layout().run;
    // One file for all pages, or none: then each has its own.
    let shared = (!mode.makes_names()).then(|| File::open(&path));
    for (_, page, claims) in history.pages().filter(|(of, ..)| *of == mode) {
        let Some(claimed) = claims.claimed() else { continue };
        let slot = Slot { run, mode, page };
        let (content, sectors) = match &shared {
            Some(file) => look(file.as_ref(), slot.offset(), slot, claims),
            None => {
                let file = File::open(path.join(name_of(mode, page, claimed)));
                look(file.as_ref(), 0, slot, claims)
            }
        };
        tally.judge(history, claims, content, sectors);
    }
    tally
}

/// What is at a place of a file, or instead of it.
fn look(
    file: Result<&File, &io::Error>,
    offset: u64,
    slot: Slot,
    claims: &PageClaims,
) -> (Content, Sectors) {
    let mut bytes = [0; PAGE_BYTES];
    let read = match file {
        Ok(file) => read_page(file, offset, &mut bytes).map_err(|error| error.kind()),
        Err(error) => Err(error.kind()),
    };
    match read {
        Ok(0) | Err(io::ErrorKind::NotFound) => (Content::Missing, Sectors::default()),
        // What a file that is cut within a page lacks counts as zeros.
        Ok(_) => slot.classify(&bytes, claims.claimed()),
        Err(_) => (Content::Unreadable, Sectors::default()),
    }
}

fn read_page(file: &File, offset: u64, into: &mut [u8; PAGE_BYTES]) -> io::Result<usize> {
    let mut done = 0;
    while done < PAGE_BYTES {
        match read_at(file, offset + done as u64, &mut into[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::flush::SyncMode;
    use crate::crash::witness::event::RunId;

    const SLOT: Slot = Slot { run: RunId(1), mode: Mode::InPlace(SyncMode::Fsync), page: 1 };

    /// What is found at the second page of a file of these bytes.
    fn found(bytes: &[u8]) -> Content {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        look(Ok(&file), SLOT.offset(), SLOT, &PageClaims::default()).0
    }

    #[test]
    fn a_page_behind_the_end_is_missing_and_what_a_cut_one_lacks_is_zeros() {
        let mut page = [0; PAGE_BYTES];
        SLOT.fill(2, &mut page);
        let bytes = [[0; PAGE_BYTES], page].concat();
        assert_eq!(found(&bytes), Content::Whole(2));
        assert_eq!(found(&bytes[..PAGE_BYTES]), Content::Missing);
        assert_eq!(found(&[]), Content::Missing);
        let torn = Content::Torn { oldest: None, newest: Some(2) };
        assert_eq!(found(&bytes[..PAGE_BYTES + 1024]), torn);
        assert_eq!(found(&bytes[..PAGE_BYTES + 1000]), Content::Foreign);
    }

    #[test]
    fn a_file_that_is_not_there_is_missing_and_one_that_cannot_be_read_is_unreadable() {
        let of = |kind: io::ErrorKind| {
            look(Err(&kind.into()), SLOT.offset(), SLOT, &PageClaims::default()).0
        };
        assert_eq!(of(io::ErrorKind::NotFound), Content::Missing);
        assert_eq!(of(io::ErrorKind::Other), Content::Unreadable);
    }
}
