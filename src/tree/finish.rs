//! The end of a directory: its attributes.

use super::branch::Branch;
use crate::change::{self, Change, Details, Reason};
use crate::error::{Context, Operation, Result};
use crate::metadata::{self, Attributes, Losses, Named};
use crate::options::{CopyOptions, Keep, MirrorOptions};
use crate::sys::attributes;
use crate::sys::file;

/// What has become of a directory whose parts are all there.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) losses: Losses,
    pub(super) change: Option<Change>,
}

impl Branch {
    /// Gives the target the attributes of the source, times last; in a mirror only if they differ.
    pub(super) fn finish(&self, options: &CopyOptions) -> Result<Finished> {
        let handles = self.handles()?;
        let (source, target) = self.endpoints();
        let source = Named { file: handles.source.handle(), endpoint: &source };
        let target = Named { file: handles.target.handle(), endpoint: &target };
        let mut losses = Losses::default();
        let change = match options.mirror {
            Some(mirror) if !self.is_new => {
                let (change, left) = self.difference((options, mirror), source, target)?;
                if mirror.dry_run {
                    return Ok(Finished { losses, change });
                }
                if options.preserve.mode == Keep::No {
                    self.take_back_rights(target)?;
                }
                match &left[..] {
                    [] => return Ok(Finished { losses, change }),
                    [Reason::Time] => {
                        self.stamp(options, target, &mut losses)?;
                        return Ok(Finished { losses, change });
                    }
                    _ => metadata::remove_extra(source, target, &options.preserve, &mut losses)?,
                }
                change
            }
            Some(mirror) if mirror.dry_run => {
                return Ok(Finished { losses, change: self.change.clone() });
            }
            _ => self.change.clone(),
        };
        self.dress(options, source, target, &mut losses).map(|()| Finished { losses, change })
    }

    /// In what a directory that was there differed when it was opened, and in what it does now:
    /// what is done in it changes its times.
    fn difference(
        &self,
        (options, mirror): (&CopyOptions, MirrorOptions),
        source: Named<'_>,
        target: Named<'_>,
    ) -> Result<(Option<Change>, Vec<Reason>)> {
        let xattr_equal = metadata::extended_equal(source, target, &options.preserve)?;
        let look = || Ok(Details { content_equal: true, xattr_equal });
        let asked = (options, mirror.compare);
        let change = change::decide(asked, &self.source, Some(&self.target), look)?;
        let now = file::facts(target.file).context(Operation::Stat, target.endpoint)?;
        let mut left = change::of_attributes(options, &self.source, &now);
        if !xattr_equal {
            left.push(Reason::Xattr);
        }
        Ok((change, left))
    }

    /// Takes from the owner the rights that were added, where the mode is not the source's.
    fn take_back_rights(&self, target: Named<'_>) -> Result<()> {
        let now = file::facts(target.file).context(Operation::Stat, target.endpoint)?;
        if now.mode != self.target.mode {
            attributes::set_mode(target.file, self.target.mode)
                .context(Operation::SetMode, target.endpoint)?;
        }
        Ok(())
    }

    fn dress(
        &self,
        options: &CopyOptions,
        source: Named<'_>,
        target: Named<'_>,
        losses: &mut Losses,
    ) -> Result<()> {
        let preserve = &options.preserve;
        let attributes = Attributes::from(&self.source);
        let at_end = self.mode_at_end;
        let kept = metadata::apply_preserved(source, &attributes, target, preserve, at_end, losses);
        let narrowed = if self.is_new {
            metadata::narrow_directory(&attributes, target, preserve, self.mode_before)
        } else {
            Ok(())
        };
        kept.and(narrowed).and(self.stamp(options, target, losses))
    }

    fn stamp(&self, options: &CopyOptions, target: Named<'_>, losses: &mut Losses) -> Result<()> {
        let attributes = Attributes::from(&self.source);
        metadata::stamp_times(&attributes, target, options.preserve.timestamps, losses)
    }
}
