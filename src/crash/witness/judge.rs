//! What was claimed against what is there: a tally for each mode, and a conclusion from all.

use std::fmt;
use std::time::Duration;

use crate::crash::{Statistics, rule_of_three};

use super::history::{Acknowledgement, History, PageClaims};
use super::mode::{Coverage, Mode};
use super::page::{Content, Sectors};

/// The upper ends of the classes of ages, in seconds; one more class is for all above.
pub(crate) const AGES_SECONDS: [u64; 8] = [1, 2, 5, 10, 20, 30, 60, 120];

/// What became of what one mode acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// The mode.
    pub(crate) mode: Mode,
    /// Stores that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Those that are there, or a later one in their place.
    pub(crate) survived: u64,
    /// Those that are not.
    pub(crate) lost: u64,
    /// Those that cannot be judged: another store to the page was under way, and the page is in a
    /// state that such a store may leave.
    pub(crate) undecided: u64,
    /// Those of the lost ones that the mode had promised.
    pub(crate) broken: u64,
    /// Pages that were acknowledged at least once, and can be judged.
    pub(crate) pages: u64,
    /// Pages with sectors of different generations. Those that a store was under way to may be.
    pub(crate) torn: u64,
    /// Pages whose newest acknowledged name is not there.
    pub(crate) names_missing: u64,
    /// Pages that the system cannot read.
    pub(crate) unreadable: u64,
    /// Pages that are newer than anything that the record knows.
    pub(crate) unannounced: u64,
    /// The sectors of all pages.
    pub(crate) sectors: Sectors,
    /// How old the lost ones were at the end of the record: for each class their number.
    pub(crate) lost_ages: [u64; AGES_SECONDS.len() + 1],
    /// How long each store took.
    took: Vec<Duration>,
}

/// What is to be said of one mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ModeVerdict {
    /// Nothing was acknowledged.
    NothingAcknowledged,
    /// It promises nothing, and lost something.
    LostAsItMay,
    /// It promises nothing, and lost nothing.
    LostNothing,
    /// It kept what it promises.
    Holds,
    /// It lost what it promises to keep.
    Violated,
}

/// What is to be said of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// Every promise held, and there was a crash.
    Holds,
    /// A promise was broken.
    Violated,
    /// Nothing can be said.
    Inconclusive(Why),
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// No mode that promises something acknowledged anything that can be judged.
    NothingAcknowledged,
    /// No mode was there that may lose something.
    NoControl,
    /// Even those that may lose something lost nothing.
    NothingLost,
    /// The pages are newer than the record.
    OldRecord,
}

impl Tally {
    /// None yet.
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            acknowledged: 0,
            survived: 0,
            lost: 0,
            undecided: 0,
            broken: 0,
            pages: 0,
            torn: 0,
            names_missing: 0,
            unreadable: 0,
            unannounced: 0,
            sectors: Sectors::default(),
            lost_ages: [0; AGES_SECONDS.len() + 1],
            took: Vec::new(),
        }
    }

    /// Judges one page of the mode.
    pub(crate) fn judge(
        &mut self,
        history: &History,
        claims: &PageClaims,
        content: Content,
        sectors: Sectors,
    ) {
        let Some(claimed) = claims.claimed() else { return };
        self.sectors.new += sectors.new;
        self.sectors.old += sectors.old;
        self.sectors.zero += sectors.zero;
        self.sectors.foreign += sectors.foreign;
        self.torn += u64::from(matches!(content, Content::Torn { .. }));
        self.unreadable += u64::from(content == Content::Unreadable);
        self.unannounced += u64::from(content.newest() > Some(claims.announced));
        self.names_missing += u64::from(self.mode.makes_names() && content == Content::Missing);
        let is_excused = is_excused(self.mode, claims, content);
        self.pages += u64::from(content.reached() >= Some(claimed) || !is_excused);
        for acknowledged in &claims.acknowledged {
            self.acknowledged += 1;
            self.took.push(Duration::from_micros(acknowledged.took_micros));
            if content.reached() >= Some(acknowledged.generation) {
                self.survived += 1;
            } else if is_excused {
                self.undecided += 1;
            } else {
                self.note_lost(history, acknowledged, content);
            }
        }
    }

    fn note_lost(&mut self, history: &History, acknowledged: &Acknowledgement, content: Content) {
        self.lost += 1;
        let is_promised = match self.mode.coverage() {
            Coverage::Nothing => false,
            Coverage::DataOfName => content != Content::Missing,
            Coverage::Data | Coverage::DataAndName => true,
        };
        self.broken += u64::from(is_promised);
        let age = history.age_micros(acknowledged) / 1_000_000;
        let class = AGES_SECONDS.iter().position(|end| age < *end).unwrap_or(AGES_SECONDS.len());
        self.lost_ages[class] += 1;
    }

    /// The median of the times that the stores took, if there were any.
    pub(crate) fn median(&self) -> Option<Duration> {
        Statistics::of(&self.took).map(|times| times.percentile(50))
    }

    /// The upper bound, at 95 %, of the share of pages that is lost, if none was.
    pub(crate) fn loss_max(&self) -> Option<f64> {
        rule_of_three(self.pages).filter(|_| self.lost == 0)
    }

    /// What is to be said of the mode.
    pub(crate) fn verdict(&self) -> ModeVerdict {
        let promises = self.mode.coverage() != Coverage::Nothing;
        match (self.broken, self.survived + self.lost, self.lost) {
            (1.., _, _) => ModeVerdict::Violated,
            (0, 0, _) => ModeVerdict::NothingAcknowledged,
            (0, _, _) if promises => ModeVerdict::Holds,
            (0, _, 0) => ModeVerdict::LostNothing,
            (0, _, _) => ModeVerdict::LostAsItMay,
        }
    }
}

/// Whether a store that was under way may have left what is there, in place of something newer.
///
/// While the bytes of a page in memory change, it may be on its way to the disk, so that even a
/// sector may be half new. Files that get a new name as a whole have no such state.
fn is_excused(mode: Mode, claims: &PageClaims, content: Content) -> bool {
    claims.is_in_flight() && !mode.makes_names() && content == Content::Foreign
}

/// What is to be said of all modes together.
pub(crate) fn conclude(all: &[Tally]) -> Conclusion {
    let any = |wanted: ModeVerdict| all.iter().any(|mode| mode.verdict() == wanted);
    if any(ModeVerdict::Violated) {
        Conclusion::Violated
    } else if all.iter().any(|mode| mode.unannounced > 0) {
        Conclusion::Inconclusive(Why::OldRecord)
    } else if !any(ModeVerdict::Holds) {
        Conclusion::Inconclusive(Why::NothingAcknowledged)
    } else if any(ModeVerdict::LostAsItMay) {
        Conclusion::Holds
    } else if any(ModeVerdict::LostNothing) {
        Conclusion::Inconclusive(Why::NothingLost)
    } else {
        Conclusion::Inconclusive(Why::NoControl)
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "HOLDS",
            Self::Violated => "VIOLATED",
            Self::Inconclusive(_) => "INCONCLUSIVE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::flush::SyncMode;
    use crate::crash::witness::event::{Event, Layout, RunId, Store};
    use crate::sys::family::Family;

    const MODES: [Mode; 3] =
        [Mode::InPlace(SyncMode::None), Mode::InPlace(SyncMode::Msync), Mode::NewFile];

    /// One page, of which these generations are acknowledged, a second apart, and one more may be
    /// announced.
    fn history(mode: Mode, acknowledged: u64, announced: u64) -> History {
        let layout = Layout { run: RunId(1), pages: 1, modes: Mode::ALL.to_vec() };
        let mut history = History::new(layout, 0);
        for generation in 1..=announced {
            let store = Store { mode, page: 0, generation };
            history.note(generation * 1_000_000, &Event::Announced(store)).unwrap();
            if generation <= acknowledged {
                let event = Event::Acknowledged { store, micros: generation };
                history.note(generation * 1_000_000, &event).unwrap();
            }
        }
        history
    }

    fn judged(mode: Mode, acknowledged: u64, announced: u64, content: Content) -> Tally {
        let history = history(mode, acknowledged, announced);
        let mut tally = Tally::new(mode);
        for (_, _, page) in history.pages() {
            tally.judge(&history, page, content, Sectors::default());
        }
        tally
    }

    /// Acknowledgements that survived, were lost, and cannot be decided.
    fn counts(mode: Mode, acknowledged: u64, announced: u64, content: Content) -> [u64; 3] {
        let tally = judged(mode, acknowledged, announced, content);
        let is_sum = tally.survived + tally.lost + tally.undecided;
        assert_eq!(tally.acknowledged, is_sum);
        assert_eq!(tally.lost, tally.lost_ages.iter().sum::<u64>());
        [tally.survived, tally.lost, tally.undecided]
    }

    #[test]
    fn every_acknowledgement_of_a_page_is_judged() {
        let torn = |oldest, newest| Content::Torn { oldest, newest };
        for (content, expected) in [
            (Content::Whole(3), [3, 0, 0]),
            (Content::Whole(4), [3, 0, 0]),
            (Content::Whole(1), [1, 2, 0]),
            (Content::Whole(0), [0, 3, 0]),
            (torn(Some(3), Some(4)), [3, 0, 0]),
            (torn(Some(2), Some(4)), [2, 1, 0]),
            (torn(None, Some(4)), [0, 3, 0]),
            (Content::Zero, [0, 3, 0]),
            (Content::Missing, [0, 3, 0]),
            (Content::Unreadable, [0, 3, 0]),
            (Content::Misplaced, [0, 3, 0]),
        ] {
            assert_eq!(
                counts(Mode::InPlace(SyncMode::Msync), 3, 4, content),
                expected,
                "{content:?}"
            );
        }
        assert_eq!(counts(Mode::InPlace(SyncMode::Msync), 3, 3, Content::Foreign), [0, 3, 0]);
        assert_eq!(counts(Mode::InPlace(SyncMode::Msync), 3, 4, Content::Foreign), [0, 0, 3]);
        assert_eq!(counts(Mode::InPlace(SyncMode::Msync), 0, 1, Content::Foreign), [0, 0, 0]);
    }

    #[test]
    fn a_new_file_is_claimed_until_its_removal_is_announced() {
        for mode in [Mode::NewFile, Mode::NewFileDirectory] {
            assert_eq!(counts(mode, 3, 3, Content::Whole(3)), [1, 0, 0]);
            assert_eq!(counts(mode, 3, 3, Content::Missing), [0, 1, 0]);
            assert_eq!(counts(mode, 3, 4, Content::Missing), [0, 0, 0]);
        }
        assert_eq!(counts(Mode::Rename, 3, 4, Content::Missing), [0, 3, 0]);
        assert_eq!(counts(Mode::Rename, 3, 4, Content::Foreign), [0, 3, 0]);
    }

    #[test]
    fn a_mode_is_judged_by_what_it_promises() {
        let verdict = |mode, content| judged(mode, 2, 2, content).verdict();
        let of_nothing = [ModeVerdict::LostAsItMay, ModeVerdict::LostNothing];
        let of_data = [ModeVerdict::Violated, ModeVerdict::Holds];
        // What it takes for a page of msync, and a name: those of a renamed file, of a new one.
        let (of_msync, of_renamed, of_directory) = match Family::running() {
            Family::Linux => (of_data, ModeVerdict::Violated, ModeVerdict::Violated),
            Family::Macos => (of_nothing, ModeVerdict::LostAsItMay, ModeVerdict::Holds),
            Family::Windows | Family::Wine => (of_data, ModeVerdict::Violated, ModeVerdict::Holds),
        };
        for (mode, expected) in [
            (Mode::InPlace(SyncMode::None), of_nothing),
            (Mode::InPlace(SyncMode::MsyncAsync), of_nothing),
            (Mode::InPlace(SyncMode::Msync), of_msync),
            (Mode::InPlace(SyncMode::Fdatasync), of_data),
            (Mode::InPlace(SyncMode::Fsync), of_data),
            (Mode::InPlace(SyncMode::ODsync), of_data),
            (Mode::Direct, of_data),
        ] {
            let found = [1, 2].map(|generation| verdict(mode, Content::Whole(generation)));
            assert_eq!(found, expected, "{mode}");
        }
        assert_eq!(verdict(Mode::Rename, Content::Missing), of_renamed);
        assert_eq!(verdict(Mode::NewFileDirectory, Content::Missing), of_directory);
        assert_eq!(verdict(Mode::NewFileDirectory, Content::Zero), ModeVerdict::Violated);
        assert_eq!(verdict(Mode::NewFile, Content::Missing), ModeVerdict::Holds);
        assert_eq!(verdict(Mode::NewFile, Content::Zero), ModeVerdict::Violated);
        let nothing = judged(Mode::InPlace(SyncMode::Fsync), 0, 1, Content::Zero);
        assert_eq!(nothing.verdict(), ModeVerdict::NothingAcknowledged);
        let undecided = judged(Mode::InPlace(SyncMode::Fsync), 1, 2, Content::Foreign);
        assert_eq!(undecided.verdict(), ModeVerdict::NothingAcknowledged);
    }

    #[test]
    fn without_a_control_that_lost_something_nothing_can_be_said() {
        let of = |contents: [Content; 3]| {
            let all: Vec<_> =
                MODES.iter().zip(contents).map(|(mode, it)| judged(*mode, 2, 2, it)).collect();
            conclude(&all)
        };
        let (old, new) = (Content::Whole(1), Content::Whole(2));
        assert_eq!(of([old, new, new]), Conclusion::Holds);
        assert_eq!(of([old, old, new]), Conclusion::Violated);
        assert_eq!(of([new, old, new]), Conclusion::Violated);
        assert_eq!(of([new, new, new]), Conclusion::Inconclusive(Why::NothingLost));
        assert_eq!(of([old, Content::Whole(3), new]), Conclusion::Inconclusive(Why::OldRecord));
        let one = |mode| conclude(&[judged(mode, 2, 2, new)]);
        assert_eq!(one(Mode::InPlace(SyncMode::Msync)), Conclusion::Inconclusive(Why::NoControl));
        assert_eq!(
            one(Mode::InPlace(SyncMode::None)),
            Conclusion::Inconclusive(Why::NothingAcknowledged)
        );
        assert_eq!(conclude(&[]), Conclusion::Inconclusive(Why::NothingAcknowledged));
    }

    #[test]
    fn the_age_of_what_is_lost_is_counted_from_the_end_of_the_record() {
        let tally = judged(Mode::InPlace(SyncMode::None), 7, 7, Content::Zero);
        // Seconds 6, 5 | 4, 3, 2 | 1 | 0 before the end.
        assert_eq!(tally.lost_ages[..4], [1, 1, 3, 2]);
        assert_eq!(tally.median(), Some(Duration::from_micros(4)));
        assert_eq!(tally.loss_max(), None);
    }

    #[test]
    fn none_lost_of_n_bounds_the_share_by_three_of_n() {
        let mut tally = judged(Mode::InPlace(SyncMode::Msync), 5, 5, Content::Whole(5));
        assert_eq!(tally.loss_max(), Some(1.0));
        tally.pages = 300;
        assert_eq!(tally.loss_max(), Some(0.01));
    }
}
