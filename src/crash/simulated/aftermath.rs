//! What a crash would take some time after a program has ended, when nobody asks for a flush: what
//! the system writes back by itself, and when.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::crash::simulated::claims::{Acknowledged, Stores};
use crate::crash::simulated::error::Result;
use crate::crash::simulated::explore::{Experiment, Laboratory, Look, Site, look_at};
use crate::crash::simulated::image::{Image, PAGE};
use crate::crash::simulated::observe::{Content, Observed};
use crate::crash::simulated::record::{Moment, Record, SECTOR};
use crate::crash::simulated::room::Drive;
use crate::crash::simulated::stores::Property;

/// What was found of a program that told of stores and was followed by nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Aftermath {
    /// Stores that the program was told that it has.
    pub acknowledged: u64,
    /// What a crash would have taken at each second since the program's last call had returned.
    pub exposure: Vec<Exposure>,
    /// What one file would have held, at each crash point.
    pub points: Vec<Point>,
}

/// What a crash takes at a moment, if nothing survives that no flush has made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exposure {
    /// Seconds since the last call had returned.
    pub seconds: u64,
    /// Stores whose bytes are not found under their name. `None` where the file system cannot be
    /// mounted.
    pub lost: Option<u64>,
}

/// The same for each page of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Point {
    /// Since the disk was mounted.
    pub time: Duration,
    /// How many calls had returned.
    pub returned: u64,
    /// What is in its pages. Empty where the file system cannot be mounted.
    pub pages: Vec<Page>,
}

/// What is in a page of a file after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Page {
    /// What was never changed.
    Unchanged,
    /// What was there before.
    Old,
    /// What was stored.
    New,
    /// Zeros, which are neither.
    Zero,
    /// Anything else.
    Torn,
    /// Nothing: the file does not reach so far, or is not there.
    Missing,
}

impl Page {
    /// Its name in pictures and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Old => "old",
            Self::New => "new",
            Self::Zero => "zero",
            Self::Torn => "torn",
            Self::Missing => "missing",
        }
    }
}

/// A program that has run, on a disk that goes on recording.
struct Running {
    drive: Drive,
    begun: Instant,
    before: Observed,
    after: Observed,
    acknowledged: Vec<Acknowledged>,
    returned: Instant,
}

/// What is left of it when the time is over.
struct Waited {
    record: Record,
    versions: (Observed, Observed),
    acknowledged: Vec<Acknowledged>,
    begun: Instant,
    returned: Instant,
}

impl Laboratory<'_> {
    /// Runs commands on disks of their own, waits so long after each, and looks at what a crash
    /// would have left in the meantime; of `file`, at each page.
    ///
    /// Whoever flushes all file systems of the machine meanwhile, as sync(1) does, is taken for the
    /// system.
    ///
    /// # Errors
    ///
    /// Those of [`Laboratory::explore`].
    pub fn settle(
        &self,
        experiments: &[Experiment],
        wait: Duration,
        file: &Path,
    ) -> Result<Vec<Aftermath>> {
        let Some(first) = experiments.first() else { return Ok(Vec::new()) };
        let shelf = self.room.shelf(experiments.len() + 1, first.system.len())?;
        let mut running = Vec::new();
        for (number, experiment) in experiments.iter().enumerate() {
            running.push((self.begin(&shelf, number, experiment)?, Instant::now()));
        }
        let running = running.into_iter().zip(experiments);
        let running = running.map(|(((drive, before), begun), experiment)| -> Result<Running> {
            let workload = &experiment.workload;
            let acknowledged = workload.program().run(&drive)?;
            let returned = Instant::now();
            let after = Observed::version(&drive.directory)?;
            Ok(Running { drive, begun, before, after, acknowledged, returned })
        });
        let running: Vec<_> = running.collect::<Result<_>>()?;
        let waited = running.into_iter().map(|one| one.wait(wait));
        let waited: Vec<_> = waited.collect::<Result<_>>()?;
        // Two file systems of one identity are not to be mounted at once.
        let mut drive = Drive::attach(self.room, &shelf, experiments.len())?;
        let looked = waited.into_iter().zip(experiments).map(|(one, experiment)| {
            let site = Site {
                system: experiment.system,
                mount_options: &experiment.mount_options,
                len_max: one.record.disk_len() + one.versions.1.len_max(),
            };
            let look = |image: &Image| look_at(&mut drive, site, image);
            one.look(wait, file, look)
        });
        looked.collect()
    }
}

impl Running {
    fn wait(mut self, wait: Duration) -> Result<Waited> {
        std::thread::sleep((self.returned + wait).saturating_duration_since(Instant::now()));
        let record = self.drive.disk.recorded()?;
        self.drive.unmount()?;
        let Self { begun, before, after, acknowledged, returned, .. } = self;
        Ok(Waited { record, versions: (before, after), acknowledged, begun, returned })
    }
}

impl Waited {
    fn look(
        &self,
        wait: Duration,
        file: &Path,
        mut look: impl FnMut(&Image) -> Result<Look>,
    ) -> Result<Aftermath> {
        let mut known: HashMap<u128, Look> = HashMap::new();
        let mut at = |moment: Moment| -> Result<Look> {
            let image = self.record.crash(moment, true).durable;
            if let Some(known) = known.get(&image.digest()) {
                return Ok(known.clone());
            }
            let looked = look(&image)?;
            known.insert(image.digest(), looked.clone());
            Ok(looked)
        };
        let mut exposure = Vec::new();
        for seconds in 0..=wait.as_secs() {
            let moment = self.record.moment_at(self.returned + Duration::from_secs(seconds));
            let lost = at(moment)?.ok().map(|state| self.lost(&state));
            exposure.push(Exposure { seconds, lost });
        }
        let mut points = Vec::new();
        for moment in self.record.crash_points() {
            let time = self.record.time_of(moment).unwrap_or(self.begun);
            points.push(Point {
                time: time.saturating_duration_since(self.begun),
                returned: self.acknowledged.iter().filter(|it| it.at <= moment).count() as u64,
                pages: at(moment)?.map_or(Vec::new(), |state| self.pages(&state, file)),
            });
        }
        Ok(Aftermath { acknowledged: self.acknowledged.len() as u64, exposure, points })
    }

    /// How many stores are not there.
    fn lost(&self, state: &Observed) -> u64 {
        let versions = (&self.versions.0, &self.versions.1);
        let (stores, _) = Stores::judge(versions, self.acknowledged.iter(), state);
        // What has no name is not looked for, and is lost too.
        let kept = stores.kept.get(&Property::Data).map_or(0, |data| data.kept);
        (self.acknowledged.len() as u64).saturating_sub(kept)
    }

    fn pages(&self, state: &Observed, file: &Path) -> Vec<Page> {
        let [before, after, there] = [&self.versions.0, &self.versions.1, state]
            .map(|tree| tree.objects.get(file).map(|object| &object.content));
        pages(before, after, there)
    }
}

/// What is in each page that a file has before or after.
fn pages(before: Option<&Content>, after: Option<&Content>, there: Option<&Content>) -> Vec<Page> {
    let in_page = usize::try_from(PAGE as u64 / SECTOR).unwrap_or(1);
    let sectors = |content: Option<&Content>| content.map_or(0, |it| it.sectors.len());
    let count = sectors(before).max(sectors(after)).div_ceil(in_page);
    let page = |content: Option<&Content>, page: usize| -> Vec<u64> {
        let from = page * in_page;
        let sectors = content.and_then(|it| it.sectors.get(from..));
        sectors.map_or(Vec::new(), |rest| rest.iter().take(in_page).copied().collect())
    };
    let judge = |number| {
        let [old, new, is] = [before, after, there].map(|content| page(content, number));
        match is {
            is if is.is_empty() => Page::Missing,
            is if is == new && is == old => Page::Unchanged,
            is if is == new => Page::New,
            is if is == old => Page::Old,
            is if is.iter().all(|mark| *mark == 0) => Page::Zero,
            _ => Page::Torn,
        }
    };
    (0..count).map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pages: &[u64]) -> Content {
        let sectors: Vec<u64> = pages.iter().flat_map(|mark| [*mark; 8]).collect();
        Content { len: sectors.len() as u64 * SECTOR, sectors }
    }

    #[test]
    fn each_page_is_judged_by_what_it_was_and_is_to_be() {
        let (before, after) = (content(&[1, 2, 3, 4]), content(&[1, 12, 13, 14, 15, 16]));
        let mut there = content(&[1, 2, 13, 14, 0]);
        there.sectors[3 * 8] = 4;
        let expected =
            [Page::Unchanged, Page::Old, Page::New, Page::Torn, Page::Zero, Page::Missing];
        assert_eq!(pages(Some(&before), Some(&after), Some(&there)), expected);
        assert_eq!(pages(Some(&before), None, None), [Page::Missing; 4]);
    }
}
