//! What a disk holds, as a value: a copy costs a table of pointers, not the bytes.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::units::ByteRange;

/// Bytes of a page, the unit that copies of an image share.
pub const PAGE: usize = 4096;

type Bytes = [u8; PAGE];

/// Pages of a chunk.
const CHUNK_PAGES: usize = 256;

/// Pages that follow each other; `None` is one of zeros.
type Chunk = [Option<Arc<Bytes>>; CHUNK_PAGES];

/// The content of a disk. Copies share the chunks in which they do not differ, and of the others
/// the pages.
#[derive(Clone, Debug)]
pub struct Image {
    /// `None` where all pages are zero.
    chunks: Vec<Option<Arc<Chunk>>>,
    len: u64,
    /// The sum of what [`mark`] says of every page.
    digest: u128,
}

impl Image {
    /// A disk of `len` bytes, all zero. The length is rounded up to whole pages.
    #[must_use]
    pub fn zeros(len: u64) -> Self {
        let pages = len.div_ceil(PAGE as u64);
        let chunks = usize::try_from(pages.div_ceil(CHUNK_PAGES as u64)).unwrap_or(usize::MAX);
        Self { chunks: vec![None; chunks], len: pages.saturating_mul(PAGE as u64), digest: 0 }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A number that equal images share, and others do not but by an unheard-of chance.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// Reads what begins at `offset`; zeros behind the end.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let within = self.within(offset, into.len());
        into[within..].fill(0);
        each_piece(offset, within, |page, within, piece| {
            let into = &mut into[piece];
            match self.page(page) {
                Some(bytes) => into.copy_from_slice(&bytes[within..within + into.len()]),
                None => into.fill(0),
            }
        });
    }

    /// Writes `data` at `offset`; what would be behind the end is dropped.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        each_piece(offset, self.within(offset, data.len()), |page, within, piece| {
            let data = &data[piece];
            self.change(page, |bytes| bytes[within..within + data.len()].copy_from_slice(data));
        });
    }

    /// Makes a range zero.
    pub fn zero(&mut self, range: ByteRange) {
        let len = usize::try_from(range.len()).unwrap_or(usize::MAX);
        each_piece(range.start(), self.within(range.start(), len), |page, within, piece| {
            if self.page(page).is_some() {
                self.change(page, |bytes| bytes[within..within + piece.len()].fill(0));
            }
        });
    }

    /// How many of `len` bytes from `offset` on are before the end.
    fn within(&self, offset: u64, len: usize) -> usize {
        usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(len)
    }

    fn page(&self, number: usize) -> Option<&Arc<Bytes>> {
        self.chunks.get(number / CHUNK_PAGES)?.as_ref()?[number % CHUNK_PAGES].as_ref()
    }

    /// The pages that are not zero, each with its number.
    fn pages(&self) -> impl Iterator<Item = (usize, &Arc<Bytes>)> {
        let chunks = self.chunks.iter().enumerate();
        let chunks = chunks.filter_map(|(at, chunk)| Some((at * CHUNK_PAGES, chunk.as_ref()?)));
        chunks.flat_map(|(first, chunk)| {
            let pages = chunk.iter().enumerate();
            pages.filter_map(move |(at, page)| Some((first + at, page.as_ref()?)))
        })
    }

    /// Writes the pages that are not zero, each behind its number.
    pub(crate) fn write_bytes(&self, into: &mut impl Write) -> io::Result<()> {
        into.write_all(&(self.pages().count() as u64).to_le_bytes())?;
        for (number, page) in self.pages() {
            into.write_all(&(number as u64).to_le_bytes())?;
            into.write_all(page.as_slice())?;
        }
        Ok(())
    }

    /// Reads what [`Image::write_bytes`] wrote onto a disk of zeros.
    ///
    /// # Errors
    ///
    /// Those of reading; `InvalidData` for a page that is not on the disk.
    pub(crate) fn read_bytes(&mut self, from: &mut impl Read) -> io::Result<()> {
        let (mut count, mut place, mut bytes) = ([0; 8], [0; 8], [0; PAGE]);
        from.read_exact(&mut count)?;
        for _ in 0..u64::from_le_bytes(count) {
            from.read_exact(&mut place)?;
            from.read_exact(&mut bytes)?;
            let number = u64::from_le_bytes(place);
            if number >= self.len / PAGE as u64 {
                let what = format!("page {number} is behind the end of the disk");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            self.write(number * PAGE as u64, &bytes);
        }
        Ok(())
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Bytes)) {
        let Some(chunk) = self.chunks.get_mut(number / CHUNK_PAGES) else { return };
        let chunk =
            Arc::make_mut(chunk.get_or_insert_with(|| Arc::new([const { None }; CHUNK_PAGES])));
        let page = &mut chunk[number % CHUNK_PAGES];
        if let Some(bytes) = page {
            self.digest = self.digest.wrapping_sub(mark(number, bytes));
        }
        let bytes = Arc::make_mut(page.get_or_insert_with(|| Arc::new([0; PAGE])));
        change(bytes);
        // A page of zeros is none, so that equal images have equal tables.
        if bytes.iter().all(|byte| *byte == 0) {
            *page = None;
        } else {
            self.digest = self.digest.wrapping_add(mark(number, bytes));
        }
    }
}

/// Calls `each` with the number of every page that a range touches, where in the page it begins,
/// and the part of the range that is there. The range must be on the disk.
fn each_piece(offset: u64, len: usize, mut each: impl FnMut(usize, usize, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let Ok(page) = usize::try_from(at / PAGE as u64) else { return };
        let within = usize::try_from(at % PAGE as u64).unwrap_or(0);
        let count = (PAGE - within).min(len - done);
        each(page, within, done..done + count);
        done += count;
    }
}

/// What tells a page with its place from others.
fn mark(number: usize, bytes: &Bytes) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(number as u64).to_le_bytes()).update(bytes);
    let mut first = [0; 16];
    hasher.finalize_xof().fill(&mut first);
    u128::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(image: &Image, offset: u64, len: usize) -> Vec<u8> {
        let mut into = vec![9; len];
        image.read(offset, &mut into);
        into
    }

    #[test]
    fn what_is_written_is_read_and_copies_do_not_see_it() {
        let mut image = Image::zeros(3 * PAGE as u64);
        let before = image.clone();
        let data: Vec<u8> = (0..6000_u32).map(|at| at.to_le_bytes()[0] | 1).collect();
        image.write(4000, &data);
        assert_eq!(bytes(&image, 4000, 6000), data);
        assert_eq!(bytes(&image, 3998, 2), [0, 0]);
        assert_eq!(bytes(&image, 10_000, 2), [0, 0]);
        assert_eq!(bytes(&before, 0, 3 * PAGE), vec![0; 3 * PAGE]);
        image.write(3 * PAGE as u64 - 1, &[1, 2, 3]);
        assert_eq!(bytes(&image, 3 * PAGE as u64 - 1, 3), [1, 0, 0]);
    }

    /// As a damaged recording may ask for.
    #[test]
    fn what_is_behind_the_end_is_dropped_wherever_it_is() {
        let mut image = Image::zeros(3 * PAGE as u64);
        let digest = image.digest();
        for offset in [3 * PAGE as u64, 1 << 40, u64::MAX] {
            image.write(offset, &[1; 2 * PAGE]);
            assert_eq!(bytes(&image, offset, 5), [0; 5]);
        }
        image.write(0, &[1; 10]);
        image.zero(ByteRange::first(u64::MAX));
        image.zero(ByteRange::between(u64::MAX - 1, u64::MAX));
        assert_eq!(image.digest(), digest);
        let page = |number: u64| {
            let head = [1_u64.to_le_bytes(), number.to_le_bytes()].concat();
            [head, vec![7; PAGE]].concat()
        };
        assert!(image.clone().read_bytes(&mut page(2).as_slice()).is_ok());
        for number in [3, u64::MAX] {
            let error = image.clone().read_bytes(&mut page(number).as_slice()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn equal_images_have_equal_digests_however_they_came_about() {
        let mut image = Image::zeros(1 << 20);
        let empty = image.digest();
        image.write(5000, b"something");
        let once = image.digest();
        assert_ne!(once, empty);
        let mut other = Image::zeros(1 << 20);
        other.write(5004, b"thing");
        other.write(9000, b"else");
        other.write(5000, b"some");
        assert_ne!(other.digest(), once);
        other.zero(ByteRange::between(9000, 9004));
        assert_eq!(other.digest(), once);
        image.zero(ByteRange::first(1 << 20));
        assert_eq!(image.digest(), empty);
        // The same bytes elsewhere are another image.
        image.write(5000 + PAGE as u64, b"something");
        assert_ne!(image.digest(), once);
    }
}
