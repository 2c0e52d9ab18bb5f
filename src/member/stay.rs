//! An environment's share of its process's link, and what is said when it ends.

use super::link::Link;
use crate::error::{self, Result};
use crate::segment::Segment;
use std::path::PathBuf;
use std::sync::Arc;

/// An environment's share of the link. The process leaves a group when the last one is dropped.
#[derive(Debug)]
pub(super) struct Stay {
    link: Option<Arc<Link>>,
    pub(super) segment: Arc<Segment>,
}

impl Stay {
    pub(super) const fn new(link: Arc<Link>, segment: Arc<Segment>) -> Self {
        Self { link: Some(link), segment }
    }

    pub(super) fn link(&self) -> Option<&Arc<Link>> {
        self.link.as_ref()
    }

    /// Leaves. Gives where files were put that stood in the place of the snapshot.
    ///
    /// # Errors
    /// What the snapshot cannot be written for.
    pub(super) fn leave(mut self) -> Result<Vec<PathBuf>> {
        self.link.take().map_or(Ok(Vec::new()), |link| link.leave())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // Nobody waits for an answer: the environment ends.
        tell(for_people(self.link.take().map_or(Ok(Vec::new()), |link| link.leave())));
    }
}

/// What people should know of a snapshot that was written.
pub(super) fn for_people(written: Result<Vec<PathBuf>>) -> Result<Option<String>> {
    let kept: Vec<_> = written?.iter().map(|path| path.display().to_string()).collect();
    let names = kept.join(" and ");
    let text = format!("a snapshot that this memory had not begun with is kept as {names}");
    Ok((!kept.is_empty()).then_some(text))
}

/// Says it where nobody listens any more.
pub(super) fn tell(outcome: Result<Option<String>>) {
    if let Some(what) = outcome.unwrap_or_else(|error| Some(error.to_string())) {
        error::tell(&what);
    }
}
